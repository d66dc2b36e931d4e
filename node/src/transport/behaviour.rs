//! What the swarm does on every connection, and how it is built.

use std::{num::NonZeroU8, sync::Arc, time::Duration};

use libp2p::{
    StreamProtocol, Swarm, connection_limits, identify, noise, ping,
    request_response::{self, ProtocolSupport},
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
    tcp, yamux,
};
use lode_proto::limits::{
    IDLE_CONNECTION_MS, MAX_CONNECTIONS, MAX_CONNECTIONS_PER_PEER, MAX_PENDING_CONNECTIONS,
    MAX_STREAMS_PER_PEER,
};
use tokio::sync::Semaphore;

use super::{
    Protocol, TransportConfig, TransportError, codec::FrameCodec, handle::Counters, identity,
};

/// Requests and answers of one protocol.
pub(super) type Calls = request_response::Behaviour<FrameCodec>;

/// Everything that runs on a connection. One behaviour a protocol, so that a call can only be
/// negotiated as the protocol it was meant for.
#[derive(NetworkBehaviour)]
pub(super) struct Node {
    limits: connection_limits::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    mine: Toggle<Calls>,
    verify: Toggle<Calls>,
    bundle: Toggle<Calls>,
}

impl Node {
    /// The behaviour of a protocol, if this node serves or calls it.
    pub(super) fn calls(&mut self, protocol: Protocol) -> Option<&mut Calls> {
        match protocol {
            Protocol::Mine => self.mine.as_mut(),
            Protocol::Verify => self.verify.as_mut(),
            Protocol::Bundle => self.bundle.as_mut(),
        }
    }
}

fn calls(
    config: &TransportConfig,
    protocol: Protocol,
    budget: &Arc<Semaphore>,
    counters: &Arc<Counters>,
) -> Toggle<Calls> {
    let support = match (config.serve.contains(&protocol), config.call.contains(&protocol)) {
        (true, true) => ProtocolSupport::Full,
        (true, false) => ProtocolSupport::Inbound,
        (false, true) => ProtocolSupport::Outbound,
        (false, false) => return None.into(),
    };
    let settings = request_response::Config::default()
        .with_request_timeout(config.request_timeout)
        .with_max_concurrent_streams(MAX_STREAMS_PER_PEER);
    Some(Calls::with_codec(
        FrameCodec::new(protocol, Arc::clone(budget), Arc::clone(counters)),
        [(StreamProtocol::new(protocol.name()), support)],
        settings,
    ))
    .into()
}

fn node(
    config: &TransportConfig,
    public: libp2p::identity::PublicKey,
    counters: &Arc<Counters>,
) -> Node {
    let limits = connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(MAX_PENDING_CONNECTIONS))
        .with_max_pending_outgoing(Some(MAX_PENDING_CONNECTIONS))
        .with_max_established(Some(MAX_CONNECTIONS))
        .with_max_established_per_peer(Some(MAX_CONNECTIONS_PER_PEER));
    let about = identify::Config::new("/lode/1".into(), public)
        .with_agent_version(concat!("lode/", env!("CARGO_PKG_VERSION")).into());
    let budget = FrameCodec::node_budget();
    Node {
        limits: connection_limits::Behaviour::new(limits),
        identify: identify::Behaviour::new(about),
        ping: ping::Behaviour::new(ping::Config::new()),
        mine: calls(config, Protocol::Mine, &budget, counters),
        verify: calls(config, Protocol::Verify, &budget, counters),
        bundle: calls(config, Protocol::Bundle, &budget, counters),
    }
}

/// Builds the swarm; it listens on nothing yet.
pub(super) fn swarm(
    config: &TransportConfig,
    counters: &Arc<Counters>,
) -> Result<Swarm<Node>, TransportError> {
    let setup = |error: &dyn std::fmt::Display| TransportError::Setup(error.to_string());
    let keypair = identity::keypair(&config.key)?;
    let behaviour = node(config, keypair.public(), counters);
    let tune = |swarm: libp2p::swarm::Config| {
        swarm
            .with_idle_connection_timeout(Duration::from_millis(IDLE_CONNECTION_MS))
            .with_max_negotiating_inbound_streams(MAX_STREAMS_PER_PEER)
            .with_dial_concurrency_factor(NonZeroU8::MIN)
    };
    let base = libp2p::SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .map_err(|error| setup(&error))?
        .with_quic();
    // A machine without a resolver configuration can still use numeric addresses.
    let has_resolver = std::path::Path::new("/etc/resolv.conf").exists();
    let swarm = if has_resolver {
        base.with_dns()
            .map_err(|error| setup(&error))?
            .with_behaviour(|_| behaviour)
            .map_err(|error| setup(&error))?
            .with_swarm_config(tune)
            .with_connection_timeout(config.connect_timeout)
            .build()
    } else {
        tracing::debug!("no /etc/resolv.conf: /dns addresses cannot be used");
        base.with_behaviour(|_| behaviour)
            .map_err(|error| setup(&error))?
            .with_swarm_config(tune)
            .with_connection_timeout(config.connect_timeout)
            .build()
    };
    Ok(swarm)
}
