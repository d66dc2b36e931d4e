//! What can go wrong between nodes, in words for people.

use lode_proto::key::PublicKey;

use super::{Multiaddr, Protocol, identity::IdentityError};

/// Why the transport did not start.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address asked for.
        address: Multiaddr,
        /// What was wrong and what to do.
        reason: String,
    },
    /// The node key is not usable as a libp2p identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The libraries below could not be set up.
    #[error("cannot set up the network stack: {0}")]
    Setup(String),
}

/// One address that was tried, and why it did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressFailure {
    /// The address.
    pub address: Multiaddr,
    /// Why.
    pub reason: String,
}

/// Why no connection was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Nothing to try.
    #[error("no address is known for {0}; give one like /ip4/203.0.113.7/tcp/4101")]
    NoAddress(String),
    /// Every address was tried.
    #[error("no connection: {}", join(.0))]
    AllFailed(Vec<AddressFailure>),
    /// The transport is going down.
    #[error("the node is shutting down")]
    ShuttingDown,
}

fn join(failures: &[AddressFailure]) -> String {
    let lines: Vec<String> =
        failures.iter().map(|failure| format!("{}: {}", failure.address, failure.reason)).collect();
    lines.join("; ")
}

/// Why a call got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The request is over the protocol's limit; nothing was sent.
    #[error("the request has {got} bytes, but {protocol} takes at most {limit}")]
    TooLong {
        /// The protocol.
        protocol: Protocol,
        /// Bytes of the request.
        got: usize,
        /// The limit.
        limit: usize,
    },
    /// No connection could be made.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// No answer in time; it is not known whether the request arrived.
    #[error("no answer to a {protocol} request within {ms} ms")]
    Timeout {
        /// The protocol.
        protocol: Protocol,
        /// How long was waited, milliseconds.
        ms: u64,
    },
    /// The connection was lost before the answer; it is not known whether the request arrived.
    #[error("the connection to {0} was lost before it answered")]
    Lost(String),
    /// The peer closed the stream without an answer: busy, going down, or it refused the frame.
    #[error(
        "{peer} closed the {protocol} request without an answer (busy, or it refused the message)"
    )]
    NoAnswer {
        /// The peer.
        peer: String,
        /// The protocol.
        protocol: Protocol,
    },
    /// The peer does not serve this protocol.
    #[error(
        "{peer} does not serve {protocol}; is this the right node, and the same version of lode?"
    )]
    NotServed {
        /// The peer.
        peer: String,
        /// The protocol.
        protocol: Protocol,
    },
    /// This node was not started to call this protocol.
    #[error("this node was not started to call {0}")]
    NotACaller(Protocol),
    /// The answer broke the framing rules.
    #[error("{peer} sent a malformed answer: {reason}")]
    BadAnswer {
        /// The peer.
        peer: String,
        /// What was wrong.
        reason: String,
    },
    /// The transport is going down.
    #[error("the node is shutting down")]
    ShuttingDown,
}

impl CallError {
    /// Whether trying again later may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect(error) => matches!(error, ConnectError::AllFailed(_)),
            Self::Timeout { .. } | Self::Lost(_) | Self::NoAnswer { .. } => true,
            // A peer that was only just started may not have its protocols up; but a wrong
            // address is the likelier cause, and waiting would hide it.
            Self::NotServed { .. }
            | Self::TooLong { .. }
            | Self::NotACaller(_)
            | Self::BadAnswer { .. }
            | Self::ShuttingDown => false,
        }
    }
}

/// Why an answer could not be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// Over the protocol's limit.
    #[error("the answer has {got} bytes, but {protocol} allows at most {limit}")]
    TooLong {
        /// The protocol.
        protocol: Protocol,
        /// Bytes of the answer.
        got: usize,
        /// The limit.
        limit: usize,
    },
    /// The caller went away or gave up.
    #[error("the caller no longer waits for this answer")]
    Gone,
}

/// How a peer is named to people: the first digits of its key.
pub(super) fn name(peer: &PublicKey) -> String {
    peer.short()
}
