//! Addresses: listening on them, and saying in a few words why one could not be listened on or
//! dialled. libp2p's own errors are several layers deep and on several lines.

use std::{error::Error, time::Duration};

use futures::StreamExt;
use libp2p::{
    Multiaddr, Swarm,
    core::transport::ListenerId,
    swarm::{DialError, SwarmEvent},
};

use super::{TransportError, behaviour::Node};

/// Time for a listener to say where it listens.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(10);

fn listen_error(address: &Multiaddr, reason: impl Into<String>) -> TransportError {
    TransportError::Listen { address: address.clone(), reason: reason.into() }
}

const WHAT_IS_SUPPORTED: &str = "this kind of address is not supported; use \
     /ip4/ADDRESS/tcp/PORT or /ip4/ADDRESS/udp/PORT/quic-v1";

/// QUIC hides the kind of error in its own type, so the text is looked at as well.
fn explain_bind(error: &std::io::Error) -> String {
    use std::io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};
    let text = error.to_string();
    if error.kind() == AddrInUse || text.contains("already in use") {
        "another program has this port; stop it, or choose another port (port 0 picks a free one)"
            .into()
    } else if error.kind() == AddrNotAvailable || text.contains("Cannot assign requested address") {
        "this machine has no such address; use one of its own, or /ip4/0.0.0.0 for all of them"
            .into()
    } else if error.kind() == PermissionDenied || text.contains("Permission denied") {
        "not permitted; use a port above 1023".into()
    } else {
        one_line(&text)
    }
}

/// libp2p listens with `SO_REUSEPORT`, under which two daemons of one user would share a port and
/// take each other's connections. Binding once without it finds the other daemon.
fn refuse_shared_port(address: &Multiaddr) -> Result<(), TransportError> {
    use libp2p::multiaddr::Protocol as Part;
    let mut parts = address.iter();
    let ip: std::net::IpAddr = match parts.next() {
        Some(Part::Ip4(ip)) => ip.into(),
        Some(Part::Ip6(ip)) => ip.into(),
        _ => return Ok(()),
    };
    match parts.next() {
        Some(Part::Tcp(port)) if port != 0 => std::net::TcpListener::bind((ip, port))
            .map(drop)
            .map_err(|error| listen_error(address, explain_bind(&error))),
        _ => Ok(()),
    }
}

/// Listens on one address and waits until it is known where.
pub(super) async fn listen(
    swarm: &mut Swarm<Node>,
    address: &Multiaddr,
) -> Result<(ListenerId, Multiaddr), TransportError> {
    refuse_shared_port(address)?;
    let listener = swarm.listen_on(address.clone()).map_err(|error| match error {
        libp2p::TransportError::MultiaddrNotSupported(_) => {
            listen_error(address, WHAT_IS_SUPPORTED)
        }
        libp2p::TransportError::Other(error) => listen_error(address, explain_bind(&error)),
    })?;
    let bound = async {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { listener_id, address } if listener_id == listener => {
                    return Ok(address);
                }
                SwarmEvent::ListenerClosed { listener_id, reason: Err(error), .. }
                | SwarmEvent::ListenerError { listener_id, error }
                    if listener_id == listener =>
                {
                    return Err(listen_error(address, explain_bind(&error)));
                }
                _ => {}
            }
        }
    };
    let bound = tokio::time::timeout(LISTEN_TIMEOUT, bound)
        .await
        .map_err(|_| listen_error(address, "no network interface came up for it"))??;
    Ok((listener, bound))
}

/// The innermost reason of a failed dial, in a few words.
pub(super) fn explain_dial(error: &DialError) -> String {
    match error {
        DialError::LocalPeerId { .. } => "that is this node itself".into(),
        DialError::WrongPeerId { obtained, .. } => {
            format!("another node answered there (peer {obtained}); check address and key")
        }
        DialError::Transport(failures) => match failures.first() {
            Some((_, libp2p::TransportError::MultiaddrNotSupported(_))) => WHAT_IS_SUPPORTED.into(),
            Some((_, libp2p::TransportError::Other(error))) => innermost(error),
            None => "no address to dial".into(),
        },
        DialError::Denied { cause } => innermost(cause),
        other => other.to_string(),
    }
}

fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let text = one_line(&cause.to_string());
    if text.contains("Unsupported resolved address") {
        return WHAT_IS_SUPPORTED.into();
    }
    if text.to_lowercase().contains("timeout") || text.to_lowercase().contains("timed out") {
        return "no answer in time; is the node running, and the port open in its firewall?".into();
    }
    if text.contains("refused") {
        return format!("{text}: nothing listens there; is the node running?");
    }
    text
}

/// libp2p lists several reasons on lines of their own.
fn one_line(text: &str) -> String {
    let lines = text.lines().map(|line| line.trim().trim_start_matches("- "));
    let lines = lines.filter(|line| !line.is_empty() && !line.ends_with("errors occurred:"));
    lines.collect::<Vec<_>>().join(", ")
}
