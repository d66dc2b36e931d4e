//! The one task that owns the swarm. Others reach it by bounded queues only.
//!
//! It never waits for anybody: a full queue of incoming requests drops the request, an answer
//! whose caller is gone is dropped. On shutdown it stops listening, answers what it has taken for
//! at most [`SHUTDOWN_GRACE_MS`], and closes.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm,
    core::transport::ListenerId,
    identify, ping,
    request_response::{
        Event, InboundRequestId, Message, OutboundFailure, OutboundRequestId, ResponseChannel,
    },
    swarm::{ConnectionId, SwarmEvent, dial_opts::DialOpts},
};
use lode_proto::{
    key::PublicKey,
    limits::{MAX_STREAMS_PER_PEER, SHUTDOWN_GRACE_MS},
};
use tokio::sync::{mpsc, oneshot};

use super::{
    About, CallError, Handle, Incoming, Protocol, Reply, TransportConfig, TransportError, address,
    behaviour::{self, Node, NodeEvent},
    codec::RequestFrame,
    error,
    handle::{Counters, Shared},
    identity,
};

/// Commands that may wait for the driver.
const COMMAND_QUEUE: usize = 1_024;
/// Time between the last answer of a node going down and the close of its connections.
const SHUTDOWN_LINGER: Duration = Duration::from_millis(250);

/// What handles ask of the driver.
pub(super) enum Command {
    /// Dial one address, whatever its `/p2p` part says about who must answer.
    Dial { address: Multiaddr, done: oneshot::Sender<Result<PublicKey, String>> },
    /// Say whether a connection to the peer is up.
    IsConnected { peer: PeerId, done: oneshot::Sender<bool> },
    /// Tell what the peer says of itself, once it has; dropped where the connection ends before.
    About { peer: PeerId, done: oneshot::Sender<About> },
    /// Send a request over a connection that is up.
    Call { peer: PeerId, protocol: Protocol, bytes: Vec<u8>, done: CallDone },
    /// Go down.
    Shutdown { done: oneshot::Sender<()> },
}

pub(super) type CallDone = oneshot::Sender<Result<Vec<u8>, CallError>>;

/// An answer on its way back to the swarm.
pub(super) struct Answer {
    pub(super) protocol: Protocol,
    pub(super) channel: ResponseChannel<Vec<u8>>,
    pub(super) bytes: Vec<u8>,
}

struct Driver {
    swarm: Swarm<Node>,
    shared: Arc<Shared>,
    counters: Arc<Counters>,
    commands: mpsc::Receiver<Command>,
    incoming: mpsc::Sender<Incoming>,
    answers: mpsc::UnboundedReceiver<Answer>,
    answer_sender: mpsc::UnboundedSender<Answer>,
    dials: HashMap<ConnectionId, oneshot::Sender<Result<PublicKey, String>>>,
    calls: HashMap<(Protocol, OutboundRequestId), CallDone>,
    /// Requests taken and not yet answered: what one peer may have, and what a shutdown waits for.
    taken: HashMap<(Protocol, InboundRequestId), PeerId>,
    taken_from: HashMap<PeerId, usize>,
    /// What peers say of themselves, kept by nodes that call: few peers. Servers keep nothing.
    about: Option<HashMap<PeerId, About>>,
    asked_about: HashMap<PeerId, Vec<oneshot::Sender<About>>>,
    listeners: HashSet<ListenerId>,
    closing: Option<oneshot::Sender<()>>,
    request_timeout: Duration,
}

/// Binds all addresses and starts the driver.
pub(super) async fn start(
    config: TransportConfig,
) -> Result<(Handle, mpsc::Receiver<Incoming>), TransportError> {
    let counters = Arc::new(Counters::default());
    let mut swarm = behaviour::swarm(&config, &counters)?;
    let mut addresses = Vec::new();
    let mut listeners = HashSet::new();
    for address in &config.listen {
        let (listener, bound) = address::listen(&mut swarm, address).await?;
        listeners.insert(listener);
        addresses.push(bound);
    }
    let (command_sender, commands) = mpsc::channel(COMMAND_QUEUE);
    let (incoming, incoming_receiver) = mpsc::channel(config.incoming_queue.max(1));
    let (answer_sender, answers) = mpsc::unbounded_channel();
    let shared = Shared::new(
        config.key.public(),
        *swarm.local_peer_id(),
        addresses,
        config.connect_timeout,
        Arc::clone(&counters),
    );
    let shared = Arc::new(shared);
    let handle = Handle::new(command_sender, Arc::clone(&shared), &config);
    let driver = Driver {
        swarm,
        shared,
        counters,
        commands,
        incoming,
        answers,
        answer_sender,
        dials: HashMap::new(),
        calls: HashMap::new(),
        taken: HashMap::new(),
        taken_from: HashMap::new(),
        about: (!config.call.is_empty()).then(HashMap::new),
        asked_about: HashMap::new(),
        listeners,
        closing: None,
        request_timeout: config.request_timeout,
    };
    tokio::spawn(driver.run());
    Ok((handle, incoming_receiver))
}

impl Driver {
    async fn run(mut self) {
        while self.closing.is_none() {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_event(event),
                Some(answer) = self.answers.recv() => self.answer(answer),
                command = self.commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    // Every handle is gone.
                    None => self.closing = Some(oneshot::channel().0),
                },
            }
        }
        self.stop_listening();
        let grace = Duration::from_millis(SHUTDOWN_GRACE_MS);
        if tokio::time::timeout(grace, self.finish()).await.is_err() {
            tracing::debug!(unanswered = self.taken.len(), "went down with requests unanswered");
        }
        for (_, done) in self.calls.drain() {
            let _ = done.send(Err(CallError::ShuttingDown));
        }
        drop(self.swarm);
        if let Some(done) = self.closing {
            let _ = done.send(());
        }
    }

    /// Answers what was taken, gives the callers a moment to read it (a closed connection makes
    /// libp2p forget what it has received and not yet read), then closes.
    async fn finish(&mut self) {
        while !self.taken.is_empty() {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_event(event),
                Some(answer) = self.answers.recv() => self.answer(answer),
            }
        }
        let linger = tokio::time::sleep(SHUTDOWN_LINGER);
        tokio::pin!(linger);
        while self.swarm.network_info().connection_counters().num_established() > 0 {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_event(event),
                () = &mut linger => break,
            }
        }
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            // Fails only where the peer left meanwhile.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        while self.swarm.network_info().connection_counters().num_established() > 0 {
            let event = self.swarm.select_next_some().await;
            self.on_event(event);
        }
    }

    fn stop_listening(&mut self) {
        for listener in self.listeners.drain() {
            self.swarm.remove_listener(listener);
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Dial { address, done } => {
                let options = DialOpts::unknown_peer_id().address(address).build();
                let id = options.connection_id();
                match self.swarm.dial(options) {
                    Ok(()) => {
                        self.dials.insert(id, done);
                    }
                    Err(error) => {
                        let _ = done.send(Err(address::explain_dial(&error)));
                    }
                }
            }
            Command::IsConnected { peer, done } => {
                let _ = done.send(self.swarm.is_connected(&peer));
            }
            Command::About { peer, done } => {
                match self.about.as_ref().and_then(|about| about.get(&peer)) {
                    Some(about) => drop(done.send(about.clone())),
                    None if self.about.is_some() && self.swarm.is_connected(&peer) => {
                        self.asked_about.entry(peer).or_default().push(done);
                    }
                    None => {}
                }
            }
            Command::Call { peer, protocol, bytes, done } => {
                let Some(calls) = self.swarm.behaviour_mut().calls(protocol) else {
                    let _ = done.send(Err(CallError::NotACaller(protocol)));
                    return;
                };
                let id = calls.send_request(&peer, RequestFrame { bytes, hold: None });
                self.calls.insert((protocol, id), done);
            }
            Command::Shutdown { done } => self.closing = Some(done),
        }
    }

    fn answer(&mut self, answer: Answer) {
        if let Some(calls) = self.swarm.behaviour_mut().calls(answer.protocol) {
            // Fails only where the caller went away; its InboundFailure says so as well.
            let _ = calls.send_response(answer.channel, answer.bytes);
        }
    }

    fn on_event(&mut self, event: SwarmEvent<NodeEvent>) {
        match event {
            SwarmEvent::Behaviour(NodeEvent::Mine(event)) => self.on_call(Protocol::Mine, event),
            SwarmEvent::Behaviour(NodeEvent::Verify(event)) => {
                self.on_call(Protocol::Verify, event);
            }
            SwarmEvent::Behaviour(NodeEvent::Bundle(event)) => {
                self.on_call(Protocol::Bundle, event);
            }
            SwarmEvent::Behaviour(NodeEvent::Ping(ping::Event {
                connection,
                result: Err(ping::Failure::Timeout),
                ..
            })) => {
                // The peer is gone without a word: close, so that the next call dials again.
                self.swarm.close_connection(connection);
            }
            SwarmEvent::Behaviour(NodeEvent::Identify(identify::Event::Received {
                peer_id,
                info,
                ..
            })) => {
                if let Some(known) = &mut self.about {
                    let about = About::new(&info.agent_version, &info.protocols);
                    for done in self.asked_about.remove(&peer_id).into_iter().flatten() {
                        let _ = done.send(about.clone());
                    }
                    known.insert(peer_id, about);
                }
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                self.asked_about.remove(&peer_id);
                if let Some(known) = &mut self.about {
                    known.remove(&peer_id);
                }
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, .. } => {
                let key = identity::public_key(&peer_id);
                if let Some(done) = self.dials.remove(&connection_id) {
                    let _ = done.send(key.clone().map_err(|error| error.to_string()));
                }
                if key.is_err() {
                    self.swarm.close_connection(connection_id);
                }
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                if let Some(done) = self.dials.remove(&connection_id) {
                    let _ = done.send(Err(address::explain_dial(&error)));
                }
            }
            SwarmEvent::NewListenAddr { address, .. } => self.shared.add_address(address),
            SwarmEvent::ExpiredListenAddr { address, .. } => self.shared.remove_address(&address),
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "a listener had an error");
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                tracing::debug!(from = %send_back_addr, %error, "a connection was not made");
            }
            _ => {}
        }
    }

    fn on_call(&mut self, protocol: Protocol, event: Event<RequestFrame, Vec<u8>>) {
        match event {
            Event::Message { peer, message, .. } => match message {
                Message::Request { request_id, request, channel } => {
                    self.on_request(protocol, &peer, request_id, request, channel);
                }
                Message::Response { request_id, response } => {
                    if let Some(done) = self.calls.remove(&(protocol, request_id)) {
                        let _ = done.send(Ok(response));
                    }
                }
            },
            Event::OutboundFailure { peer, request_id, error, .. } => {
                if let Some(done) = self.calls.remove(&(protocol, request_id)) {
                    let _ = done.send(Err(self.explain_call(protocol, &peer, &error)));
                }
            }
            Event::InboundFailure { peer, request_id, error, .. } => {
                self.let_go(protocol, request_id);
                self.counters.unanswered();
                tracing::debug!(%peer, %protocol, %error, "a request was not answered");
            }
            Event::ResponseSent { request_id, .. } => {
                self.let_go(protocol, request_id);
            }
        }
    }

    fn on_request(
        &mut self,
        protocol: Protocol,
        peer: &PeerId,
        id: InboundRequestId,
        request: RequestFrame,
        channel: ResponseChannel<Vec<u8>>,
    ) {
        // Dropping the channel closes the stream without an answer.
        let Ok(from) = identity::public_key(peer) else { return };
        if self.closing.is_some() {
            return;
        }
        let taken_from = self.taken_from.entry(*peer).or_default();
        if *taken_from >= MAX_STREAMS_PER_PEER {
            self.counters.shed();
            return;
        }
        let reply =
            Reply { protocol, channel, driver: self.answer_sender.clone(), _hold: request.hold };
        let incoming = Incoming { from, protocol, bytes: request.bytes, reply };
        match self.incoming.try_send(incoming) {
            Ok(()) => {
                *taken_from += 1;
                self.taken.insert((protocol, id), *peer);
            }
            Err(_) => {
                if *taken_from == 0 {
                    self.taken_from.remove(peer);
                }
                self.counters.shed();
            }
        }
    }

    fn let_go(&mut self, protocol: Protocol, id: InboundRequestId) {
        let Some(peer) = self.taken.remove(&(protocol, id)) else { return };
        if let Some(taken_from) = self.taken_from.get_mut(&peer) {
            *taken_from -= 1;
            if *taken_from == 0 {
                self.taken_from.remove(&peer);
            }
        }
    }

    fn explain_call(
        &self,
        protocol: Protocol,
        peer: &PeerId,
        failure: &OutboundFailure,
    ) -> CallError {
        use std::io::ErrorKind::{InvalidData, Other};
        let peer =
            identity::public_key(peer).map_or_else(|_| peer.to_string(), |key| error::name(&key));
        match failure {
            OutboundFailure::Timeout => CallError::Timeout {
                protocol,
                ms: u64::try_from(self.request_timeout.as_millis()).unwrap_or(u64::MAX),
            },
            OutboundFailure::ConnectionClosed | OutboundFailure::DialFailure => {
                CallError::Lost(peer)
            }
            OutboundFailure::UnsupportedProtocols => CallError::NotServed { peer, protocol },
            OutboundFailure::Io(error) if error.kind() == InvalidData => {
                CallError::BadAnswer { peer, reason: error.to_string() }
            }
            OutboundFailure::Io(error) if error.kind() == Other => {
                tracing::debug!(%error, "a call failed");
                CallError::NoAnswer { peer, protocol }
            }
            OutboundFailure::Io(_) => CallError::NoAnswer { peer, protocol },
        }
    }
}
