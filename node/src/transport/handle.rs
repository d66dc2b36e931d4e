//! What the rest of a daemon holds: connect, call, listen addresses, shutdown.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use libp2p::{Multiaddr, PeerId, StreamProtocol, multiaddr::Protocol as Part};
use lode_proto::{
    key::PublicKey,
    limits::{CONNECT_STAGGER_MS, MAX_ADDRESSES_PER_PEER, MAX_KNOWN_PEERS, MAX_STREAMS_PER_PEER},
};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::{
    AddressFailure, CallError, ConnectError, Protocol, TransportConfig, driver::Command, identity,
};

/// Whom to call: a key, addresses, or both. An address may end in `/p2p/…`, which names the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    peer: Option<PublicKey>,
    addresses: Vec<Multiaddr>,
}

impl Target {
    /// A peer that was connected to before, or that has connected to this node.
    #[must_use]
    pub fn peer(peer: PublicKey) -> Self {
        Self { peer: Some(peer), addresses: Vec::new() }
    }

    /// A peer at one of these addresses; a node with another key there is refused.
    #[must_use]
    pub fn peer_at(peer: PublicKey, addresses: Vec<Multiaddr>) -> Self {
        Self { peer: Some(peer), addresses }
    }

    /// Whoever answers at one of these addresses, unless an address names its key.
    #[must_use]
    pub fn at(addresses: Vec<Multiaddr>) -> Self {
        let peer = addresses.iter().find_map(key_in);
        Self { peer, addresses }
    }

    /// The key, where it is known beforehand.
    #[must_use]
    pub fn key(&self) -> Option<PublicKey> {
        self.peer
    }
}

impl From<PublicKey> for Target {
    fn from(peer: PublicKey) -> Self {
        Self::peer(peer)
    }
}

/// What handle and driver both see.
#[derive(Debug)]
pub(super) struct Shared {
    me: PublicKey,
    peer: PeerId,
    addresses: RwLock<Vec<Multiaddr>>,
    connect_timeout: Duration,
    counters: Arc<Counters>,
    known: Mutex<HashMap<PublicKey, Vec<Multiaddr>>>,
    dialling: Mutex<HashMap<PublicKey, Arc<tokio::sync::Mutex<()>>>>,
}

impl Shared {
    pub(super) fn new(
        me: PublicKey,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        connect_timeout: Duration,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            me,
            peer,
            addresses: RwLock::new(addresses),
            connect_timeout,
            counters,
            known: Mutex::default(),
            dialling: Mutex::default(),
        }
    }

    pub(super) fn add_address(&self, address: Multiaddr) {
        let mut addresses = self.addresses.write().unwrap_or_else(PoisonError::into_inner);
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }

    pub(super) fn remove_address(&self, address: &Multiaddr) {
        let mut addresses = self.addresses.write().unwrap_or_else(PoisonError::into_inner);
        addresses.retain(|known| known != address);
    }
}

/// What is counted where it happens, for [`Stats`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    malformed: AtomicU64,
    unanswered: AtomicU64,
    shed: AtomicU64,
}

impl Counters {
    pub(super) fn malformed(&self) {
        self.malformed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn unanswered(&self) {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn shed(&self) {
        self.shed.fetch_add(1, Ordering::Relaxed);
    }
}

/// A node's figures since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Requests that broke the framing rules or were not sent to their end.
    pub malformed: u64,
    /// Requests that the daemon dropped, or whose caller went away before the answer.
    pub unanswered: u64,
    /// Requests dropped because the daemon's queue or the node's memory for requests was full.
    pub shed: u64,
}

/// What a peer says of itself: a stranger's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Name and version of its software.
    pub agent: String,
    /// Protocols that it serves.
    pub protocols: Vec<String>,
}

/// Time for a connected peer to say what it is.
pub const ABOUT_TIME: Duration = Duration::from_secs(2);
/// Longest text kept of what a peer says of itself, characters.
const MAX_ABOUT_CHARS: usize = 128;
/// Most protocols kept of it.
const MAX_ABOUT_PROTOCOLS: usize = 32;

impl About {
    pub(super) fn new(agent: &str, protocols: &[StreamProtocol]) -> Self {
        let short = |text: &str| text.chars().take(MAX_ABOUT_CHARS).collect();
        let protocols = protocols.iter().take(MAX_ABOUT_PROTOCOLS);
        Self {
            agent: short(agent),
            protocols: protocols.map(|name| short(name.as_ref())).collect(),
        }
    }
}

/// A running transport. Cheap to clone; the transport goes down with the last one.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
    callable: Arc<[Protocol]>,
    streams: Arc<Semaphore>,
}

fn key_in(address: &Multiaddr) -> Option<PublicKey> {
    address.iter().find_map(|part| match part {
        Part::P2p(peer) => identity::public_key(&peer).ok(),
        _ => None,
    })
}

fn without_key(address: &Multiaddr) -> Multiaddr {
    address.iter().filter(|part| !matches!(part, Part::P2p(_))).collect()
}

impl Handle {
    pub(super) fn new(
        commands: mpsc::Sender<Command>,
        shared: Arc<Shared>,
        config: &TransportConfig,
    ) -> Self {
        Self {
            commands,
            shared,
            callable: config.call.clone().into(),
            streams: Arc::new(Semaphore::new(MAX_STREAMS_PER_PEER)),
        }
    }

    /// This node's key.
    #[must_use]
    pub fn me(&self) -> PublicKey {
        self.shared.me
    }

    /// Where this node listens, each address with its `/p2p/…`, ready to be given to others.
    #[must_use]
    pub fn listen_addrs(&self) -> Vec<Multiaddr> {
        let addresses = self.shared.addresses.read().unwrap_or_else(PoisonError::into_inner);
        addresses.iter().map(|address| address.clone().with(Part::P2p(self.shared.peer))).collect()
    }

    /// Requests that got no answer since the start, by cause.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let counters = &self.shared.counters;
        Stats {
            malformed: counters.malformed.load(Ordering::Relaxed),
            unanswered: counters.unanswered.load(Ordering::Relaxed),
            shed: counters.shed.load(Ordering::Relaxed),
        }
    }

    /// Dials the addresses in order, the next one beside the last as soon as that one fails or
    /// takes longer than [`CONNECT_STAGGER_MS`], and returns the key of the first to answer.
    ///
    /// # Errors
    /// [`ConnectError::AllFailed`] says of each address why it failed.
    pub async fn connect(&self, addresses: &[Multiaddr]) -> Result<PublicKey, ConnectError> {
        if addresses.is_empty() {
            return Err(ConnectError::NoAddress("the peer".into()));
        }
        let mut failures = Vec::new();
        let mut waiting = addresses.iter().take(MAX_ADDRESSES_PER_PEER);
        let mut dials = FuturesUnordered::new();
        loop {
            if let Some(address) = waiting.next() {
                dials.push(async move { (address, self.dial(address).await) });
            }
            let stagger = tokio::time::sleep(Duration::from_millis(CONNECT_STAGGER_MS));
            let outcome = tokio::select! {
                outcome = dials.next() => outcome,
                () = stagger, if waiting.len() > 0 => continue,
            };
            let Some((address, result)) = outcome else {
                return Err(ConnectError::AllFailed(failures));
            };
            match result? {
                Ok(peer) => {
                    self.remember(peer, addresses);
                    return Ok(peer);
                }
                Err(reason) => failures.push(AddressFailure { address: address.clone(), reason }),
            }
        }
    }

    /// One address: the key that answered, or why none did.
    async fn dial(&self, address: &Multiaddr) -> Result<Result<PublicKey, String>, ConnectError> {
        let (done, result) = oneshot::channel();
        self.send(Command::Dial { address: address.clone(), done })
            .await
            .map_err(|()| ConnectError::ShuttingDown)?;
        // The swarm has its own limit; this one covers name resolution as well.
        let limit = self.shared.connect_timeout + Duration::from_secs(1);
        match tokio::time::timeout(limit, result).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(_)) => Err(ConnectError::ShuttingDown),
            Err(_) => Ok(Err(format!("no answer within {} ms", limit.as_millis()))),
        }
    }

    /// Sends a request and waits for its answer, connecting first where there is no connection.
    ///
    /// # Errors
    /// [`CallError`]; where the request may have arrived, that is what the variant says.
    pub async fn call(
        &self,
        target: &Target,
        protocol: Protocol,
        bytes: Vec<u8>,
    ) -> Result<Vec<u8>, CallError> {
        if !self.callable.contains(&protocol) {
            return Err(CallError::NotACaller(protocol));
        }
        let limit = protocol.max_request();
        if bytes.len() > limit {
            return Err(CallError::TooLong { protocol, got: bytes.len(), limit });
        }
        let _stream = self.streams.acquire().await.map_err(|_| CallError::ShuttingDown)?;
        let peer = match self.reach(target).await {
            Err(ConnectError::ShuttingDown) => return Err(CallError::ShuttingDown),
            reached => reached?,
        };
        let peer = identity::peer_id(&peer)
            .map_err(|_| ConnectError::NoAddress(format!("{peer}, which is no valid key")))?;
        let (done, answer) = oneshot::channel();
        self.send(Command::Call { peer, protocol, bytes, done })
            .await
            .map_err(|()| CallError::ShuttingDown)?;
        answer.await.map_err(|_| CallError::ShuttingDown)?
    }

    /// Makes sure that a connection is up, and says to whom. Calls that need the same connection
    /// wait for one dial.
    async fn reach(&self, target: &Target) -> Result<PublicKey, ConnectError> {
        let peer = match target.peer.or_else(|| self.known_at(&target.addresses)) {
            Some(peer) => peer,
            None => return self.connect(&target.addresses).await,
        };
        if self.is_connected(&peer).await? {
            return Ok(peer);
        }
        let turn = {
            let mut dialling = self.shared.dialling.lock().unwrap_or_else(PoisonError::into_inner);
            dialling.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(dialling.entry(peer).or_default())
        };
        let _turn = turn.lock().await;
        if self.is_connected(&peer).await? {
            return Ok(peer);
        }
        let addresses = self.addresses_of(&peer, &target.addresses);
        if addresses.is_empty() {
            return Err(ConnectError::NoAddress(peer.to_string()));
        }
        match self.connect(&addresses).await {
            Ok(found) if found == peer => Ok(peer),
            Ok(found) => Err(ConnectError::NoAddress(format!("{peer}; {found} answered instead"))),
            Err(error) if target.peer.is_none() => {
                // The node at these addresses may have a new key.
                tracing::debug!(%error, "the peer known at these addresses is gone");
                self.connect(&target.addresses).await
            }
            Err(error) => Err(error),
        }
    }

    async fn is_connected(&self, peer: &PublicKey) -> Result<bool, ConnectError> {
        let peer =
            identity::peer_id(peer).map_err(|error| ConnectError::NoAddress(error.to_string()))?;
        let (done, answer) = oneshot::channel();
        self.send(Command::IsConnected { peer, done })
            .await
            .map_err(|()| ConnectError::ShuttingDown)?;
        answer.await.map_err(|_| ConnectError::ShuttingDown)
    }

    /// What a connected peer says of itself; waits until it has, at most [`ABOUT_TIME`]. Only a node
    /// that calls others knows.
    pub async fn about(&self, peer: &PublicKey) -> Option<About> {
        let peer = identity::peer_id(peer).ok()?;
        let (done, answer) = oneshot::channel();
        self.send(Command::About { peer, done }).await.ok()?;
        tokio::time::timeout(ABOUT_TIME, answer).await.ok()?.ok()
    }

    fn known_at(&self, addresses: &[Multiaddr]) -> Option<PublicKey> {
        let known = self.shared.known.lock().unwrap_or_else(PoisonError::into_inner);
        let plain: Vec<Multiaddr> = addresses.iter().map(without_key).collect();
        known
            .iter()
            .find(|(_, known)| known.iter().any(|address| plain.contains(address)))
            .map(|(peer, _)| *peer)
    }

    /// Every address of a peer, the given ones first, each naming the key that must answer.
    fn addresses_of(&self, peer: &PublicKey, given: &[Multiaddr]) -> Vec<Multiaddr> {
        let Ok(id) = identity::peer_id(peer) else { return Vec::new() };
        let known = self.shared.known.lock().unwrap_or_else(PoisonError::into_inner);
        let remembered = known.get(peer).map_or(&[][..], Vec::as_slice);
        let mut addresses: Vec<Multiaddr> = Vec::new();
        for address in given.iter().chain(remembered) {
            let address = without_key(address).with(Part::P2p(id));
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses.truncate(MAX_ADDRESSES_PER_PEER);
        addresses
    }

    fn remember(&self, peer: PublicKey, addresses: &[Multiaddr]) {
        let mut known = self.shared.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KNOWN_PEERS && !known.contains_key(&peer) {
            return;
        }
        let its = addresses.iter().filter(|address| key_in(address).is_none_or(|key| key == peer));
        known.insert(peer, its.take(MAX_ADDRESSES_PER_PEER).map(without_key).collect());
    }

    async fn send(&self, command: Command) -> Result<(), ()> {
        self.commands.send(command).await.map_err(|_| ())
    }

    /// Stops listening, lets answers on their way go out (at most
    /// [`lode_proto::limits::SHUTDOWN_GRACE_MS`]), closes every connection.
    pub async fn shutdown(&self) {
        let (done, finished) = oneshot::channel();
        if self.send(Command::Shutdown { done }).await.is_ok() {
            let _ = finished.await;
        }
    }
}
