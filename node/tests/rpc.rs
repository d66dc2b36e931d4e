//! Typed calls over real sockets: what is sealed, refused, repeated, and kept in order.

mod common;

use std::{sync::Arc, time::Duration};

use common::{key, loopback};
use lode_node::{
    rpc::{self, Caller, Client, Request, Retry, RpcError, answer, open_request},
    sequence::Sequence,
    transport::{Handle, Incoming, Protocol, Target, Transport, TransportConfig},
};
use lode_proto::{
    codec,
    envelope::Envelope,
    exchange::{BundleReply, BundleRequest},
    id::NetworkId,
    mine::{MineReply, MineRequest, MinerStatus},
    refusal::Refusal,
    verify::VerifyRequest,
};
use tokio::sync::mpsc;

const STATUS: MinerStatus = MinerStatus { accepted: 1, credits_milli: 2, leases: 3, expired: 4 };

fn network() -> NetworkId {
    NetworkId::of(b"rpc")
}

async fn server() -> (Handle, mpsc::Receiver<Incoming>) {
    let serve = vec![Protocol::Mine, Protocol::Bundle];
    Transport::start(TransportConfig::server(key(1), vec![loopback()], serve))
        .await
        .expect("starts")
}

struct Node {
    handle: Handle,
    caller: Arc<Caller>,
    _folder: tempfile::TempDir,
}

async fn node(byte: u8) -> Node {
    let folder = tempfile::tempdir().expect("folder");
    let sequence = Sequence::open(folder.path(), network()).expect("opens");
    let mut config = TransportConfig::caller(key(byte), Protocol::ALL.to_vec());
    config.request_timeout = Duration::from_secs(5);
    let (handle, _none) = Transport::start(config).await.expect("starts");
    Node { handle, caller: Caller::new(key(byte), sequence), _folder: folder }
}

impl Node {
    fn client(&self, server: &Handle, retry: Retry) -> Client<MineRequest> {
        let target = Target::at(server.listen_addrs());
        Client::new(self.handle.clone(), target, Arc::clone(&self.caller), retry)
    }
}

fn brief() -> Retry {
    Retry {
        tries: 3,
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(2),
    }
}

#[tokio::test]
async fn a_request_arrives_as_it_was_with_its_key_and_sequence() {
    let (server, mut incoming) = server().await;
    let node = node(2).await;
    let client = node.client(&server, Retry::NONE);
    for sequence in 1..=3 {
        let serve = async {
            let request = incoming.recv().await.expect("a request");
            let opened = open_request::<MineRequest>(&request, network()).expect("opens");
            assert_eq!(opened, (key(2).public(), sequence, MineRequest::Status));
            answer(request.reply, &MineReply::Status(STATUS)).expect("sent");
        };
        let (reply, ()) = tokio::join!(client.call(&MineRequest::Status), serve);
        assert_eq!(reply.expect("a reply"), MineReply::Status(STATUS));
    }
}

/// An incoming request with these bytes, sent by key 2.
async fn deliver(bytes: Vec<u8>) -> Incoming {
    let (server, mut incoming) = server().await;
    let node = node(2).await;
    let target = Target::at(server.listen_addrs());
    let call = node.handle.call(&target, Protocol::Mine, bytes);
    tokio::select! {
        _ = call => panic!("nothing answers"),
        request = incoming.recv() => request.expect("a request"),
    }
}

#[tokio::test]
async fn what_is_not_the_connections_own_word_is_refused() {
    let seal = |byte, network| {
        let envelope = Envelope::seal(&MineRequest::Status, network, &key(byte), 1).expect("seals");
        codec::encode(&envelope).expect("encodes")
    };
    let refusal = |incoming: Incoming| {
        open_request::<MineRequest>(&incoming, network()).expect_err("refused")
    };
    // Foreign-signed: another key's envelope, however well signed.
    assert_eq!(refusal(deliver(seal(3, network())).await), Refusal::NotYourConnection);
    // Another network.
    let text = refusal(deliver(seal(2, NetworkId::of(b"other"))).await).to_string();
    assert!(text.contains("signed for network"), "{text}");
    // Every changed byte, a cut and an addition, for one message.
    let good = seal(2, network());
    let (server, mut incoming) = server().await;
    let node = node(2).await;
    let target = Target::at(server.listen_addrs());
    let mut changed: Vec<Vec<u8>> = (0..good.len())
        .map(|index| {
            let mut bytes = good.clone();
            bytes[index] ^= 1;
            bytes
        })
        .collect();
    changed.push(good[..good.len() - 1].to_vec());
    changed.push([&good[..], &[0]].concat());
    for bytes in changed {
        let serve = async {
            let request = incoming.recv().await.expect("a request");
            let refusal = open_request::<MineRequest>(&request, network()).expect_err("refused");
            assert!(!refusal.to_string().contains('\n'));
            answer(request.reply, &MineReply::Refused(refusal)).expect("sent");
        };
        let (reply, ()) = tokio::join!(node.handle.call(&target, Protocol::Mine, bytes), serve);
        reply.expect("answered");
    }
    // A message of another kind under the right key.
    let other = Envelope::seal(&VerifyRequest::Next, network(), &key(2), 1).expect("seals");
    let text = refusal(deliver(codec::encode(&other).expect("encodes")).await).to_string();
    assert!(text.contains("signature"), "{text}");
}

#[tokio::test]
async fn lost_replies_are_asked_for_again_under_a_new_sequence() {
    let (server, mut incoming) = server().await;
    let node = node(2).await;
    let client = node.client(&server, brief());
    let serve = async {
        let mut seen = Vec::new();
        for number in 0..3 {
            let request = incoming.recv().await.expect("a request");
            let (_, sequence, body) =
                open_request::<MineRequest>(&request, network()).expect("opens");
            assert_eq!(body, MineRequest::Status);
            seen.push(sequence);
            match number {
                0 => drop(request), // the reply is lost
                1 => {
                    let busy = Refusal::Unavailable("full disk".into());
                    answer(request.reply, &MineReply::Refused(busy)).expect("sent");
                }
                _ => answer(request.reply, &MineReply::HandedBack).expect("sent"),
            }
        }
        seen
    };
    let (reply, seen) = tokio::join!(client.call(&MineRequest::Status), serve);
    assert_eq!(reply.expect("the third try"), MineReply::HandedBack);
    assert_eq!(seen, [1, 2, 3]);
}

#[tokio::test]
async fn tries_end_and_say_why() {
    let (server, mut incoming) = server().await;
    let node = node(2).await;
    let client = node.client(&server, brief());
    let busy = async {
        for _ in 0..3 {
            let request = incoming.recv().await.expect("a request");
            let busy = Refusal::Unavailable("full disk".into());
            answer(request.reply, &MineReply::Refused(busy)).expect("sent");
        }
    };
    let (result, ()) = tokio::join!(client.call(&MineRequest::Status), busy);
    let error = result.expect_err("busy");
    assert!(matches!(error, RpcError::Unavailable { tries: 3, .. }), "{error}");
    // Any other refusal is a reply, not an error.
    let refuse = async {
        let request = incoming.recv().await.expect("a request");
        answer(request.reply, &MineReply::Refused(Refusal::NotJoined)).expect("sent");
    };
    let (result, ()) = tokio::join!(client.call(&MineRequest::Status), refuse);
    assert_eq!(result.expect("a reply"), MineReply::Refused(Refusal::NotJoined));
    // A reply that is none.
    let garbage = async {
        let request = incoming.recv().await.expect("a request");
        request.reply.send(vec![0xff; 9]).expect("sent");
    };
    let (result, ()) = tokio::join!(client.call(&MineRequest::Status), garbage);
    assert!(matches!(result, Err(RpcError::Reply(_))), "{result:?}");
    server.shutdown().await;
    let error = client.call(&MineRequest::Status).await.expect_err("it is down");
    assert!(matches!(error, RpcError::Call { tries: 3, .. }), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_sequence_that_is_behind_catches_up() {
    let (server, mut incoming) = server().await;
    let node = node(2).await;
    let client = node.client(&server, brief());
    let serve = async {
        let request = incoming.recv().await.expect("a request");
        let (_, got, _) = open_request::<MineRequest>(&request, network()).expect("opens");
        let behind = Refusal::Replayed { got, last: 5_000 };
        answer(request.reply, &MineReply::Refused(behind)).expect("sent");
        let request = incoming.recv().await.expect("a request");
        let (_, got, _) = open_request::<MineRequest>(&request, network()).expect("opens");
        answer(request.reply, &MineReply::HandedBack).expect("sent");
        got
    };
    let (reply, sequence) = tokio::join!(client.call(&MineRequest::Status), serve);
    assert_eq!(reply.expect("the second try"), MineReply::HandedBack);
    assert_eq!(sequence, 5_001);
}

#[tokio::test]
async fn calls_of_one_key_arrive_in_order() {
    let (server, mut incoming) = server().await;
    let node = node(2).await;
    let client = node.client(&server, brief());
    let calls = futures::future::join_all((0..40).map(|_| {
        let client = client.clone();
        async move { client.call(&MineRequest::Status).await }
    }));
    let serve = async {
        let mut last = 0;
        for _ in 0..40 {
            let request = incoming.recv().await.expect("a request");
            let (_, sequence, _) = open_request::<MineRequest>(&request, network()).expect("opens");
            assert!(sequence > last, "{sequence} after {last}");
            last = sequence;
            answer(request.reply, &MineReply::HandedBack).expect("sent");
        }
    };
    let (replies, ()) = tokio::join!(calls, serve);
    assert!(replies.iter().all(Result::is_ok));
}

#[tokio::test]
async fn bundle_requests_are_unsigned_and_small() {
    let (server, mut incoming) = server().await;
    let node = node(2).await;
    let target = Target::at(server.listen_addrs());
    let serve = async {
        let request = incoming.recv().await.expect("a request");
        assert_eq!(rpc::open_bundle_request(&request).expect("opens"), BundleRequest::List);
        answer(request.reply, &BundleReply::List(Vec::new())).expect("sent");
    };
    let (reply, ()) =
        tokio::join!(rpc::call_bundle(&node.handle, &target, &BundleRequest::List), serve);
    assert_eq!(reply.expect("a reply"), BundleReply::List(Vec::new()));
    assert_eq!(MineRequest::PROTOCOL.max_request(), VerifyRequest::PROTOCOL.max_request());
    let long = BundleRequest::Manifest { name: "x".repeat(5000) };
    assert!(rpc::call_bundle(&node.handle, &target, &long).await.is_err());
}
