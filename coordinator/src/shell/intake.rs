//! Requests as they come in: decoded, signatures checked, then to the machine. Bundle requests are
//! answered here; they touch no state.

use std::sync::Arc;

use lode_bundle::store::BundleStore;
use lode_node::{
    rpc,
    transport::{Incoming, Protocol, Reply},
};
use lode_proto::{
    codec, envelope::Envelope, exchange::BundleReply, id::NetworkId, mine::MineReply,
    refusal::Refusal, verify::VerifyReply,
};
use tokio::sync::{Semaphore, mpsc};

use super::machine::Job;
use crate::core::{Input, open_mine, open_verify};

/// Requests whose signature is being checked at a time.
const CHECKED_AT_A_TIME: usize = 256;
/// Pieces of bundles read from disk at a time.
const CHUNKS_AT_A_TIME: usize = 16;

/// Takes requests until the transport ends or the machine does.
pub(super) async fn run(
    mut incoming: mpsc::Receiver<Incoming>,
    network: NetworkId,
    store: Arc<BundleStore>,
    machine: mpsc::Sender<Job>,
) {
    let checks = Arc::new(Semaphore::new(CHECKED_AT_A_TIME));
    let chunks = Arc::new(Semaphore::new(CHUNKS_AT_A_TIME));
    while let Some(request) = incoming.recv().await {
        let pool = if request.protocol == Protocol::Bundle { &chunks } else { &checks };
        let Ok(permit) = Arc::clone(pool).acquire_owned().await else {
            return;
        };
        let (machine, store) = (machine.clone(), Arc::clone(&store));
        tokio::spawn(async move {
            match request.protocol {
                Protocol::Bundle => bundle(request, store).await,
                Protocol::Mine | Protocol::Verify => signed(request, network, &machine).await,
            }
            drop(permit);
        });
    }
}

pub(super) fn send<T: serde::Serialize>(reply: Reply, value: &T) {
    if let Err(error) = rpc::answer(reply, value) {
        tracing::debug!(%error, "a reply was not delivered");
    }
}

async fn bundle(request: Incoming, store: Arc<BundleStore>) {
    let answer = tokio::task::spawn_blocking(move || match rpc::open_bundle_request(&request) {
        Ok(content) => (store.answer(&content), request.reply),
        Err(error) => {
            (BundleReply::NotFound(format!("the request cannot be read: {error}")), request.reply)
        }
    });
    if let Ok((answer, reply)) = answer.await {
        send(reply, &answer);
    }
}

async fn signed(request: Incoming, network: NetworkId, machine: &mpsc::Sender<Job>) {
    let Incoming { from, protocol, bytes, reply } = request;
    let mine = protocol == Protocol::Mine;
    let input = codec::decode::<Envelope>(&bytes, protocol.max_request())
        .map_err(|error| Refusal::Malformed(error.to_string()))
        .and_then(|envelope| {
            if mine {
                open_mine(network, &from, envelope).map(Input::Mine)
            } else {
                open_verify(network, &from, envelope).map(Input::Verify)
            }
        });
    match input {
        Ok(input) => {
            // Where the machine is gone the peer gets no answer, and asks again later.
            let _ = machine.send(Job::Request { input: Box::new(input), reply }).await;
        }
        Err(refusal) => refuse(mine, reply, refusal),
    }
}

fn refuse(mine: bool, reply: Reply, refusal: Refusal) {
    tracing::debug!(%refusal, "a request was refused unread");
    if mine {
        send(reply, &MineReply::Refused(refusal));
    } else {
        send(reply, &VerifyReply::Refused(refusal));
    }
}
