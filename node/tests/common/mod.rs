//! Helpers of the tests over sockets.
#![allow(dead_code, unreachable_pub)] // each test file uses some of them

pub mod hostile;

use lode_node::transport::{Handle, Incoming, Multiaddr, Protocol, Transport, TransportConfig};
use lode_proto::key::SecretKey;
use tokio::sync::mpsc;

pub fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes(&[byte; 32])
}

pub fn loopback() -> Multiaddr {
    "/ip4/127.0.0.1/tcp/0".parse().expect("address")
}

/// Answers every request with its own bytes.
pub fn echo(mut incoming: mpsc::Receiver<Incoming>) {
    tokio::spawn(async move {
        while let Some(request) = incoming.recv().await {
            let _ = request.reply.send(request.bytes);
        }
    });
}

/// A node that serves everything by echoing it.
pub async fn start_echo(byte: u8, address: Multiaddr) -> Handle {
    // A peer that dialled from an address leaves the port in TIME_WAIT; listening again works.
    let address = address.iter().filter(|part| !part.to_string().starts_with("/p2p")).collect();
    let config = TransportConfig::server(key(byte), vec![address], Protocol::ALL.to_vec());
    let (handle, incoming) = Transport::start(config).await.expect("starts");
    echo(incoming);
    handle
}
