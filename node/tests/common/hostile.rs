//! A peer that speaks libp2p properly and then sends whatever bytes a test asks for.

use std::{io, time::Duration};

use async_trait::async_trait;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, identity, noise,
    request_response::{self, Event, Message, ProtocolSupport},
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use lode_node::transport::Protocol;
use lode_proto::key::SecretKey;

/// Writes requests as they are, reads answers to the end of the stream. A request that begins
/// with [`HOLD`] is written without it and its stream is then held open.
#[derive(Clone)]
pub struct RawCodec;

const HOLD: &[u8] = b"<hold>";

#[async_trait]
impl request_response::Codec for RawCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, _: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        Err(io::Error::other("serves nothing"))
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut bytes = Vec::new();
        // A reset is the answer "no bytes".
        let _ = io.read_to_end(&mut bytes).await;
        Ok(bytes)
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        if let Some(bytes) = request.strip_prefix(HOLD) {
            io.write_all(bytes).await?;
            io.flush().await?;
            return futures::future::pending().await;
        }
        io.write_all(&request).await?;
        io.flush().await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        _: &mut T,
        _: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        Err(io::Error::other("serves nothing"))
    }
}

#[derive(NetworkBehaviour)]
pub struct Raw {
    mine: request_response::Behaviour<RawCodec>,
    bundle: request_response::Behaviour<RawCodec>,
}

pub struct Hostile {
    swarm: Swarm<Raw>,
    server: PeerId,
}

fn behaviour(protocol: Protocol) -> request_response::Behaviour<RawCodec> {
    let settings =
        request_response::Config::default().with_request_timeout(Duration::from_secs(20));
    request_response::Behaviour::with_codec(
        RawCodec,
        [(StreamProtocol::new(protocol.name()), ProtocolSupport::Outbound)],
        settings,
    )
}

impl Hostile {
    pub async fn connect(address: Multiaddr) -> Self {
        Self::connect_as(SecretKey::from_bytes(&[0xbb; 32]), address).await
    }

    pub async fn connect_as(key: SecretKey, address: Multiaddr) -> Self {
        let keypair =
            identity::Keypair::ed25519_from_bytes(key.to_bytes().to_vec()).expect("a key");
        let mut swarm = libp2p::SwarmBuilder::with_existing_identity(keypair)
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .expect("tcp")
            .with_behaviour(|_| Raw {
                mine: behaviour(Protocol::Mine),
                bundle: behaviour(Protocol::Bundle),
            })
            .expect("behaviour")
            .with_swarm_config(|config| {
                config.with_idle_connection_timeout(Duration::from_secs(60))
            })
            .build();
        swarm.dial(address).expect("dials");
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                    return Self { swarm, server: peer_id };
                }
                SwarmEvent::OutgoingConnectionError { error, .. } => panic!("{error}"),
                _ => {}
            }
        }
    }

    /// Sends bytes on a stream of their own, closes it for writing, and returns what came back.
    pub async fn send(&mut self, protocol: Protocol, bytes: Vec<u8>) -> Vec<u8> {
        let id = match protocol {
            Protocol::Mine => self.swarm.behaviour_mut().mine.send_request(&self.server, bytes),
            _ => self.swarm.behaviour_mut().bundle.send_request(&self.server, bytes),
        };
        loop {
            let event = match self.swarm.select_next_some().await {
                SwarmEvent::Behaviour(RawEvent::Mine(event) | RawEvent::Bundle(event)) => event,
                SwarmEvent::ConnectionClosed { .. } => return Vec::new(),
                _ => continue,
            };
            match event {
                Event::Message { message: Message::Response { request_id, response }, .. }
                    if request_id == id =>
                {
                    return response;
                }
                Event::OutboundFailure { request_id, .. } if request_id == id => return Vec::new(),
                _ => {}
            }
        }
    }

    /// Opens streams, sends bytes on each and keeps them open; returns once all were sent. The
    /// peer lives on in a task.
    pub async fn hold_open(mut self, protocol: Protocol, bytes: Vec<u8>, streams: usize) {
        for _ in 0..streams {
            let request = [HOLD, &bytes[..]].concat();
            match protocol {
                Protocol::Mine => {
                    self.swarm.behaviour_mut().mine.send_request(&self.server, request)
                }
                _ => self.swarm.behaviour_mut().bundle.send_request(&self.server, request),
            };
        }
        // A round trip on the same connection: what was sent before has arrived.
        let answer = self.send(Protocol::Bundle, b"\0\0\0\x01x".to_vec()).await;
        assert_eq!(answer, b"\0\0\0\x01x");
        tokio::spawn(async move {
            loop {
                self.swarm.select_next_some().await;
            }
        });
    }

    /// Whether the server answers on this connection. The peer lives on in a task.
    pub async fn served(mut self) -> Option<tokio::task::JoinHandle<()>> {
        let answer = self.send(Protocol::Bundle, b"\0\0\0\x01x".to_vec()).await;
        (!answer.is_empty()).then(|| {
            tokio::spawn(async move {
                loop {
                    self.swarm.select_next_some().await;
                }
            })
        })
    }

    /// Sends the same bytes on many streams and waits for whatever comes back, in a task.
    pub fn ask_and_wait(mut self, protocol: Protocol, bytes: &[u8], streams: usize) {
        for _ in 0..streams {
            let bytes = bytes.to_vec();
            match protocol {
                Protocol::Mine => self.swarm.behaviour_mut().mine.send_request(&self.server, bytes),
                _ => self.swarm.behaviour_mut().bundle.send_request(&self.server, bytes),
            };
        }
        tokio::spawn(async move {
            loop {
                self.swarm.select_next_some().await;
            }
        });
    }
}
