//! Requests and answers between nodes, over libp2p: TCP and QUIC, Noise, yamux, one stream a call.
//!
//! ```text
//! Handle::call ─► command queue ─► driver (owns the swarm) ─► FrameCodec ══ peer's FrameCodec
//!                                                                              │
//! answer ◄──────────────────────── driver ◄══ Reply::send ◄─ daemon ◄─ Incoming queue
//! ```
//!
//! A peer is its ed25519 key: libp2p's peer id holds the very [`PublicKey`] that signs envelopes.
//! What travels is bytes with a length in front ([`codec`]); meaning is given by [`crate::rpc`].
//! A connection is nothing to rely on: [`Handle::call`] dials when there is none, and no state of
//! the protocol depends on one being alive.
//!
//! Bounds: queues, connections, streams, frame sizes and bytes in flight all have limits, from
//! [`lode_proto::limits`]. A request that finds a queue full is dropped; its caller sees
//! [`CallError::NoAnswer`] and tries again.

mod address;
mod behaviour;
mod codec;
mod driver;
mod error;
mod handle;
mod identity;

use std::time::Duration;

pub use error::{AddressFailure, CallError, ConnectError, ReplyError, TransportError};
pub use handle::{ABOUT_TIME, About, Handle, Stats, Target};
pub use identity::{IdentityError, peer_id, public_key};
pub use libp2p::Multiaddr;
use libp2p::request_response::ResponseChannel;
use lode_proto::{
    key::{PublicKey, SecretKey},
    limits::{CONNECT_TIMEOUT_MS, INCOMING_QUEUE, REQUEST_TIMEOUT_MS},
};
use tokio::sync::mpsc;

use codec::Hold;

/// The protocols a node may serve or call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// `/lode/mine/1`: miner to coordinator.
    Mine,
    /// `/lode/verify/1`: verifier to coordinator.
    Verify,
    /// `/lode/bundle/1`: anyone to whoever serves bundles.
    Bundle,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mine, Self::Verify, Self::Bundle];

    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mine => "/lode/mine/1",
            Self::Verify => "/lode/verify/1",
            Self::Bundle => "/lode/bundle/1",
        }
    }

    /// Largest request, bytes.
    #[must_use]
    pub fn max_request(self) -> usize {
        match self {
            Self::Mine | Self::Verify => lode_proto::limits::MAX_MESSAGE_BYTES,
            Self::Bundle => lode_proto::limits::MAX_BUNDLE_REQUEST_BYTES,
        }
    }

    /// Largest answer, bytes.
    #[must_use]
    pub fn max_reply(self) -> usize {
        match self {
            // One verifier's job carries a whole group of attempts.
            Self::Verify | Self::Bundle => lode_proto::limits::MAX_ENCODED_BYTES,
            Self::Mine => lode_proto::limits::MAX_MESSAGE_BYTES,
        }
    }
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// How to start a node's transport.
#[derive(Debug, Clone)]
pub struct TransportConfig {
    /// The node's key.
    pub key: SecretKey,
    /// Addresses to listen on, for example `/ip4/0.0.0.0/tcp/4101` or
    /// `/ip4/0.0.0.0/udp/4101/quic-v1`; port 0 picks a free one. Empty for a node that only calls.
    pub listen: Vec<Multiaddr>,
    /// Protocols whose requests are taken. A peer that asks for another is told at once.
    pub serve: Vec<Protocol>,
    /// Protocols that this node calls.
    pub call: Vec<Protocol>,
    /// Time until a call without an answer fails, and until a half-sent request is dropped.
    pub request_timeout: Duration,
    /// Time for one address to be dialled.
    pub connect_timeout: Duration,
    /// Requests that may wait for the daemon.
    pub incoming_queue: usize,
}

impl TransportConfig {
    /// A node that calls and listens on nothing: a miner or a verifier.
    #[must_use]
    pub fn caller(key: SecretKey, call: Vec<Protocol>) -> Self {
        Self {
            key,
            listen: Vec::new(),
            serve: Vec::new(),
            call,
            request_timeout: Duration::from_millis(REQUEST_TIMEOUT_MS),
            connect_timeout: Duration::from_millis(CONNECT_TIMEOUT_MS),
            incoming_queue: INCOMING_QUEUE,
        }
    }

    /// A node that answers and calls nobody: a coordinator.
    #[must_use]
    pub fn server(key: SecretKey, listen: Vec<Multiaddr>, serve: Vec<Protocol>) -> Self {
        Self { listen, serve, ..Self::caller(key, Vec::new()) }
    }
}

/// The way to start a node's transport.
#[derive(Debug)]
pub struct Transport;

impl Transport {
    /// Starts listening and the task that owns all connections. The transport lives until
    /// [`Handle::shutdown`], or until every [`Handle`] is dropped.
    ///
    /// # Errors
    /// [`TransportError`] where an address cannot be listened on; nothing is left running then.
    pub async fn start(
        config: TransportConfig,
    ) -> Result<(Handle, mpsc::Receiver<Incoming>), TransportError> {
        driver::start(config).await
    }
}

/// A request of another node. Dropped without an answer, it closes the stream.
#[derive(Debug)]
pub struct Incoming {
    /// The key that the connection was made with.
    pub from: PublicKey,
    /// The protocol it came by.
    pub protocol: Protocol,
    /// The request's bytes.
    pub bytes: Vec<u8>,
    /// Where the answer goes.
    pub reply: Reply,
}

/// The way back to the caller; use it once.
pub struct Reply {
    protocol: Protocol,
    channel: ResponseChannel<Vec<u8>>,
    driver: mpsc::UnboundedSender<driver::Answer>,
    /// The request's share of the bytes in flight, given back when it is answered.
    _hold: Option<Hold>,
}

impl Reply {
    /// Sends the answer.
    ///
    /// # Errors
    /// [`ReplyError::TooLong`] where the answer is over the protocol's limit,
    /// [`ReplyError::Gone`] where nobody waits for it any more.
    pub fn send(self, bytes: Vec<u8>) -> Result<(), ReplyError> {
        let limit = self.protocol.max_reply();
        if bytes.len() > limit {
            return Err(ReplyError::TooLong { protocol: self.protocol, got: bytes.len(), limit });
        }
        if !self.channel.is_open() {
            return Err(ReplyError::Gone);
        }
        let answer = driver::Answer { protocol: self.protocol, channel: self.channel, bytes };
        self.driver.send(answer).map_err(|_| ReplyError::Gone)
    }

    /// Whether the caller still waits.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.channel.is_open()
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reply({})", self.protocol)
    }
}
