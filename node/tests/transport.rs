//! The transport over real sockets: calls, failures in words, restarts, and peers that misbehave.

mod common;

use std::time::Duration;

use common::{echo, hostile::Hostile, key, loopback, start_echo};
use lode_node::transport::{
    CallError, ConnectError, Multiaddr, Protocol, ReplyError, Target, Transport, TransportConfig,
    TransportError, peer_id,
};
use lode_proto::limits::{MAX_BUNDLE_REQUEST_BYTES, MAX_MESSAGE_BYTES};

fn caller(byte: u8) -> TransportConfig {
    TransportConfig::caller(key(byte), Protocol::ALL.to_vec())
}

#[tokio::test]
async fn calls_over_tcp_and_quic_carry_the_callers_key() {
    for address in [loopback(), "/ip4/127.0.0.1/udp/0/quic-v1".parse().expect("address")] {
        let (server, mut incoming) =
            Transport::start(TransportConfig::server(key(1), vec![address], vec![Protocol::Mine]))
                .await
                .expect("starts");
        let (client, _none) = Transport::start(caller(2)).await.expect("starts");
        let target = Target::at(server.listen_addrs());
        assert_eq!(target.key(), Some(key(1).public()), "the address names the key");
        let big = vec![7; MAX_MESSAGE_BYTES];
        let call = client.call(&target, Protocol::Mine, big.clone());
        let answer = async {
            let request = incoming.recv().await.expect("a request");
            assert_eq!(request.from, key(2).public());
            assert_eq!(request.protocol, Protocol::Mine);
            request.reply.send(request.bytes).expect("sent");
        };
        let (reply, ()) = tokio::join!(call, answer);
        assert!(reply.expect("answered") == big);
        client.shutdown().await;
        server.shutdown().await;
        assert!(matches!(
            client.call(&target, Protocol::Mine, vec![1]).await,
            Err(CallError::ShuttingDown)
        ));
    }
}

#[tokio::test]
async fn every_address_tried_is_explained() {
    let server = start_echo(1, loopback()).await;
    let right = server.listen_addrs().remove(0);
    let (client, _none) = Transport::start(caller(2)).await.expect("starts");
    let wrong_key = {
        let plain: Multiaddr =
            right.iter().filter(|part| !part.to_string().starts_with("/p2p")).collect();
        let other = peer_id(&key(9).public()).expect("valid");
        plain.with_p2p(other).expect("no key yet")
    };
    let free_port = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = free_port.local_addr().expect("bound").port();
    drop(free_port);
    let addresses: Vec<Multiaddr> = vec![
        format!("/ip4/127.0.0.1/tcp/{port}").parse().expect("address"),
        "/ip4/127.0.0.1/tcp/1/ws".parse().expect("address"),
        wrong_key,
    ];
    let Err(ConnectError::AllFailed(failures)) = client.connect(&addresses).await else {
        panic!("none of these can work");
    };
    assert_eq!(failures.len(), 3);
    for (address, words) in
        addresses.iter().zip(["refused", "not supported", "another node answered"])
    {
        let failure = failures.iter().find(|failure| failure.address == *address).expect("named");
        assert!(failure.reason.contains(words), "{failure:?}");
    }
    let text = ConnectError::AllFailed(failures).to_string();
    assert!(!text.contains('\n') && text.contains(&port.to_string()), "{text}");
    // The same list with one that works gives the key.
    let mut addresses = addresses;
    addresses.push(right);
    assert_eq!(client.connect(&addresses).await.expect("the last works"), key(1).public());
    assert!(matches!(client.connect(&[]).await, Err(ConnectError::NoAddress(_))));
    let nobody = Target::peer(key(8).public());
    assert!(matches!(
        client.call(&nobody, Protocol::Mine, vec![1]).await,
        Err(CallError::Connect(ConnectError::NoAddress(_)))
    ));
}

#[tokio::test]
async fn a_lost_connection_is_dialled_again() {
    let server = start_echo(1, loopback()).await;
    let address = server.listen_addrs().remove(0);
    let (client, _none) = Transport::start(caller(2)).await.expect("starts");
    let target = Target::at(vec![address.clone()]);
    assert_eq!(client.call(&target, Protocol::Mine, vec![1]).await.expect("echo"), [1]);
    server.shutdown().await;
    let error = client.call(&target, Protocol::Mine, vec![2]).await.expect_err("it is down");
    assert!(error.is_transient(), "{error}");
    let again = start_echo(1, address).await;
    // The lost connection may be noticed only by the first call over it.
    let mut answer = client.call(&target, Protocol::Mine, vec![3]).await;
    if answer.as_ref().is_err_and(CallError::is_transient) {
        answer = client.call(&target, Protocol::Mine, vec![3]).await;
    }
    assert_eq!(answer.expect("echo"), [3]);
    // By its key alone, from what is remembered.
    let by_key = Target::peer(key(1).public());
    assert_eq!(client.call(&by_key, Protocol::Mine, vec![4]).await.expect("echo"), [4]);
    again.shutdown().await;
}

#[tokio::test]
async fn what_a_node_does_not_do_is_said_at_once() {
    let (server, incoming) =
        Transport::start(TransportConfig::server(key(1), vec![loopback()], vec![Protocol::Mine]))
            .await
            .expect("starts");
    echo(incoming);
    let target = Target::at(server.listen_addrs());
    let (client, _none) = Transport::start(caller(2)).await.expect("starts");
    let error = client.call(&target, Protocol::Verify, vec![1]).await.expect_err("not served");
    assert!(matches!(error, CallError::NotServed { protocol: Protocol::Verify, .. }), "{error}");
    // A caller may ask what it does instead; who is only called keeps nothing about its callers.
    let about = client.about(&key(1).public()).await.expect("it says what it is");
    let serves = |name: &str| about.protocols.iter().any(|protocol| protocol == name);
    assert!(serves("/lode/mine/1") && !serves("/lode/verify/1"), "{about:?}");
    assert!(about.agent.starts_with("lode/"), "{about:?}");
    assert_eq!(server.about(&key(2).public()).await, None);
    assert_eq!(client.about(&key(9).public()).await, None);
    assert!(!error.is_transient());
    let (miner, _none) = Transport::start(TransportConfig::caller(key(3), vec![Protocol::Mine]))
        .await
        .expect("starts");
    let error = miner.call(&target, Protocol::Bundle, vec![1]).await.expect_err("not a caller");
    assert_eq!(error, CallError::NotACaller(Protocol::Bundle));
    // A server calls nobody, even where it knows the address.
    let error = server.call(&target, Protocol::Mine, vec![1]).await.expect_err("not a caller");
    assert_eq!(error, CallError::NotACaller(Protocol::Mine));
    let long = vec![0; MAX_MESSAGE_BYTES + 1];
    let error = client.call(&target, Protocol::Mine, long).await.expect_err("too long");
    assert!(matches!(error, CallError::TooLong { limit: MAX_MESSAGE_BYTES, .. }), "{error}");
}

#[tokio::test]
async fn busy_and_impossible_addresses_give_one_clear_line() {
    let server = start_echo(1, loopback()).await;
    let tcp = server.listen_addrs().remove(0);
    let tcp: Multiaddr = tcp.iter().filter(|part| !part.to_string().starts_with("/p2p")).collect();
    let quic = start_echo(2, "/ip4/127.0.0.1/udp/0/quic-v1".parse().expect("address")).await;
    let udp = quic.listen_addrs().remove(0);
    let udp: Multiaddr = udp.iter().filter(|part| !part.to_string().starts_with("/p2p")).collect();
    for (address, words) in [
        (tcp, "another program has this port"),
        (udp, "another program has this port"),
        ("/ip4/203.0.113.1/tcp/0".parse().expect("address"), "no such address"),
        ("/dns4/example.org/tcp/80".parse().expect("address"), "not supported"),
        ("/unix/a".parse().expect("address"), "not supported"),
    ] {
        let config = TransportConfig::server(key(3), vec![loopback(), address], vec![]);
        let error = Transport::start(config).await.expect_err("cannot be listened on");
        assert!(matches!(error, TransportError::Listen { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(words) && !text.contains('\n'), "{text}");
    }
}

#[tokio::test]
async fn unanswered_and_late_requests() {
    let mut config = TransportConfig::server(key(1), vec![loopback()], vec![Protocol::Bundle]);
    config.incoming_queue = 1;
    let (server, mut incoming) = Transport::start(config).await.expect("starts");
    let target = Target::at(server.listen_addrs());
    let mut config = caller(2);
    config.request_timeout = Duration::from_millis(300);
    let (client, _none) = Transport::start(config).await.expect("starts");
    let call = || client.call(&target, Protocol::Bundle, vec![1]);
    // Dropped by the daemon.
    let (result, ()) = tokio::join!(call(), async { drop(incoming.recv().await) });
    assert!(matches!(result, Err(CallError::NoAnswer { .. })), "{result:?}");
    // Kept waiting beyond the caller's patience; then the answer has nobody to go to.
    let (result, held) = tokio::join!(call(), incoming.recv());
    assert!(matches!(result, Err(CallError::Timeout { ms: 300, .. })), "{result:?}");
    let reply = held.expect("a request").reply;
    assert!(matches!(reply.send(vec![0; 17 * 1024 * 1024]), Err(ReplyError::TooLong { .. })));
    // The daemon's queue is full: shed, not kept.
    let calls = futures::future::join_all((0..8).map(|_| call())).await;
    let shed = calls.iter().filter(|r| matches!(r, Err(CallError::NoAnswer { .. }))).count();
    assert!(shed >= 1, "{calls:?}");
    assert!(server.stats().shed >= 1);
}

#[tokio::test]
async fn shutdown_lets_answers_out() {
    let (server, mut incoming) =
        Transport::start(TransportConfig::server(key(1), vec![loopback()], vec![Protocol::Mine]))
            .await
            .expect("starts");
    let target = Target::at(server.listen_addrs());
    let (client, _none) = Transport::start(caller(2)).await.expect("starts");
    let call = client.call(&target, Protocol::Mine, vec![5; 100_000]);
    let serve = async {
        let request = incoming.recv().await.expect("a request");
        // Going down while a request is being worked on.
        let (down, ()) = tokio::join!(server.shutdown(), async {
            tokio::task::yield_now().await;
            request.reply.send(request.bytes).expect("sent");
        });
        down
    };
    let (reply, ()) = tokio::join!(call, serve);
    assert_eq!(reply.expect("answered").len(), 100_000);
    assert!(incoming.recv().await.is_none(), "the queue ends with the transport");
}

#[tokio::test]
async fn hostile_frames_harm_only_their_own_stream() {
    let server = start_echo(1, loopback()).await;
    let target = Target::at(server.listen_addrs());
    let (honest, _none) = Transport::start(caller(2)).await.expect("starts");
    let mut hostile = Hostile::connect(server.listen_addrs().remove(0)).await;
    let limit = u32::try_from(MAX_BUNDLE_REQUEST_BYTES).expect("small");
    let frames: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("half a length", vec![0, 0]),
        ("no bytes", vec![0; 4]),
        ("the largest length", vec![0xff; 4]),
        ("one over the limit", (limit + 1).to_be_bytes().to_vec()),
        ("cut short", [&limit.to_be_bytes()[..], &[1; 100]].concat()),
        ("garbage", (0..=255).collect()),
        ("text", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
    ];
    for (name, bytes) in frames {
        let answer = hostile.send(Protocol::Bundle, bytes).await;
        assert!(answer.is_empty(), "{name} was answered with {} bytes", answer.len());
        let echoed = honest.call(&target, Protocol::Bundle, vec![9]).await;
        assert_eq!(echoed.expect("served beside it"), [9], "after {name}");
    }
    // The same connection still serves a proper frame, and ignores what follows it.
    let answer = hostile.send(Protocol::Bundle, b"\0\0\0\x02hi and more".to_vec()).await;
    assert_eq!(answer, b"\0\0\0\x02hi");
    assert_eq!(server.stats().malformed, 8, "{:?}", server.stats());
}

#[tokio::test]
async fn claimed_lengths_hold_no_memory_and_many_streams_block_nobody() {
    let server = start_echo(1, loopback()).await;
    let target = Target::at(server.listen_addrs());
    let (honest, _none) = Transport::start(caller(2)).await.expect("starts");
    let hostile = Hostile::connect(server.listen_addrs().remove(0)).await;
    // Streams that claim 4 MiB each and send one byte of it, held open.
    let claim = u32::try_from(MAX_MESSAGE_BYTES).expect("fits").to_be_bytes();
    hostile.hold_open(Protocol::Mine, [&claim[..], &[1]].concat(), 40).await;
    for byte in 0..20 {
        let echoed = honest.call(&target, Protocol::Mine, vec![byte]).await;
        assert_eq!(echoed.expect("served"), [byte]);
    }
}

#[tokio::test]
async fn raw_garbage_on_the_port_harms_nobody() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = start_echo(1, loopback()).await;
    let address = server.listen_addrs().remove(0);
    let port = address
        .iter()
        .find_map(|part| match part {
            libp2p::multiaddr::Protocol::Tcp(port) => Some(port),
            _ => None,
        })
        .expect("tcp");
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 4096], b"\x13/multistream/1.0.0\n", b""] {
        let mut socket =
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("connects");
        socket.write_all(bytes).await.expect("written");
        socket.shutdown().await.expect("closed");
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest).await;
    }
    let (honest, _none) = Transport::start(caller(2)).await.expect("starts");
    let target = Target::at(vec![address]);
    assert_eq!(honest.call(&target, Protocol::Mine, vec![1]).await.expect("served"), [1]);
}

#[tokio::test]
async fn one_peer_has_few_connections() {
    let server = start_echo(1, loopback()).await;
    let address = server.listen_addrs().remove(0);
    let mut held = Vec::new();
    let mut refused = 0;
    for _ in 0..8 {
        match Hostile::connect_as(key(7), address.clone()).await.served().await {
            Some(peer) => held.push(peer),
            None => refused += 1,
        }
    }
    assert_eq!(held.len(), 4, "the limit for one key");
    assert_eq!(refused, 4);
    let (honest, _none) = Transport::start(caller(2)).await.expect("starts");
    let target = Target::at(vec![address]);
    assert_eq!(honest.call(&target, Protocol::Mine, vec![1]).await.expect("served"), [1]);
}

#[tokio::test]
async fn one_peer_fills_no_more_than_its_share_of_the_queue() {
    let mut config = TransportConfig::server(key(1), vec![loopback()], vec![Protocol::Mine]);
    config.incoming_queue = 1000;
    let (server, mut incoming) = Transport::start(config).await.expect("starts");
    let address = server.listen_addrs().remove(0);
    // Two connections of one key, each with as many requests as a connection may have.
    for _ in 0..2 {
        let peer = Hostile::connect_as(key(7), address.clone()).await;
        peer.ask_and_wait(Protocol::Mine, b"\0\0\0\x01x", 60);
    }
    // 120 requests: 64 are taken, the others shed.
    let mut taken = Vec::new();
    while taken.len() < 64 {
        taken.push(incoming.recv().await.expect("a request"));
    }
    let (honest, _none) = Transport::start(caller(2)).await.expect("starts");
    let target = Target::at(vec![address]);
    let call = honest.call(&target, Protocol::Mine, vec![5]);
    let serve = async {
        let request = incoming.recv().await.expect("a request");
        assert_eq!(request.from, key(2).public(), "the 65th of the other peer was not taken");
        request.reply.send(request.bytes).expect("sent");
    };
    let (answer, ()) = tokio::join!(call, serve);
    assert_eq!(answer.expect("served"), [5]);
}
