//! The coordinator at each of its addresses, asked with a key that is thrown away: the doctor needs
//! no key of the miner's, takes none of its sequences, and may run beside it.

use std::time::{Duration, Instant};

use lode_node::{
    telemetry::unix_ms,
    transport::{CallError, Handle, Multiaddr, Protocol, Target, Transport, TransportConfig},
};
use lode_proto::{
    codec,
    envelope::Envelope,
    id::NetworkId,
    key::{PublicKey, SecretKey},
    mine::{MineReply, MineRequest},
};

use crate::doctor::reach::{AddressFacts, Answer, Outcome, Way};

/// Time for an answer.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// Asks at all addresses at once, each over a connection of its own.
pub(in crate::doctor) async fn addresses(
    addresses: &[String],
    network: NetworkId,
) -> Vec<AddressFacts> {
    let mut asked = Vec::new();
    for address in addresses.iter().take(lode_proto::limits::MAX_ADDRESSES_PER_PEER) {
        let text = address.clone();
        asked.push((address, tokio::spawn(async move { ask(&text, network).await })));
    }
    let mut all = Vec::new();
    for (address, task) in asked {
        all.push(task.await.unwrap_or_else(|error| AddressFacts {
            address: address.clone(),
            way: None,
            outcome: Outcome::NotReached(error.to_string()),
        }));
    }
    all
}

/// Time that a start gives the coordinator to say what it asks.
const FIRST_ANSWER_TIME: Duration = Duration::from_secs(5);

/// The first answer from any of the addresses; none where all are silent for [`FIRST_ANSWER_TIME`].
pub(in crate::doctor) async fn first_answer(
    addresses: &[String],
    network: NetworkId,
) -> Option<AddressFacts> {
    let mut asked = tokio::task::JoinSet::new();
    for address in addresses.iter().take(lode_proto::limits::MAX_ADDRESSES_PER_PEER) {
        let text = address.clone();
        asked.spawn(async move { ask(&text, network).await });
    }
    let answered = async {
        while let Some(facts) = asked.join_next().await {
            if let Ok(facts @ AddressFacts { outcome: Outcome::Answered(_), .. }) = facts {
                return Some(facts);
            }
        }
        None
    };
    tokio::time::timeout(FIRST_ANSWER_TIME, answered).await.ok().flatten()
}

fn way_of(address: &Multiaddr) -> Option<Way> {
    address.protocol_stack().find_map(|part| match part {
        "tcp" => Some(Way::Tcp),
        "udp" => Some(Way::Quic),
        _ => None,
    })
}

async fn ask(text: &str, network: NetworkId) -> AddressFacts {
    let (way, outcome) = match text.parse::<Multiaddr>() {
        Err(error) => (None, Outcome::NoAddress(format!("no multiaddress ({error})"))),
        Ok(address) => (way_of(&address), outcome(address, network).await),
    };
    AddressFacts { address: text.to_owned(), way, outcome }
}

async fn outcome(address: Multiaddr, network: NetworkId) -> Outcome {
    let mut secret = [0; 32];
    if let Err(error) = getrandom::fill(&mut secret) {
        return Outcome::NotReached(format!("the system gives no random bytes: {error}"));
    }
    let key = SecretKey::from_bytes(&secret);
    let config = TransportConfig {
        request_timeout: ANSWER_TIME,
        ..TransportConfig::caller(key.clone(), vec![Protocol::Mine])
    };
    match Transport::start(config).await {
        Err(error) => Outcome::NotReached(error.to_string()),
        Ok((handle, _incoming)) => {
            let outcome = over(&handle, address, network, &key).await;
            handle.shutdown().await;
            outcome
        }
    }
}

async fn over(handle: &Handle, address: Multiaddr, network: NetworkId, key: &SecretKey) -> Outcome {
    let addresses = [address];
    let peer = match handle.connect(&addresses).await {
        Ok(peer) => peer,
        Err(lode_node::transport::ConnectError::AllFailed(failures)) => {
            let reasons = failures.into_iter().map(|failure| failure.reason);
            return Outcome::NotReached(reasons.collect::<Vec<_>>().join("; "));
        }
        Err(error) => return Outcome::NotReached(error.to_string()),
    };
    let bytes = Envelope::seal(&MineRequest::Hello, network, key, 1)
        .map_err(|error| error.to_string())
        .and_then(|envelope| codec::encode(&envelope).map_err(|error| error.to_string()));
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(reason) => return Outcome::NoAnswer(reason),
    };
    let (began, before) = (Instant::now(), unix_ms());
    let answered = handle.call(&Target::peer(peer), Protocol::Mine, bytes).await;
    if let Err(CallError::NotServed { .. }) = answered {
        let about = handle.about(&peer).await;
        return Outcome::OldProtocol { peer, about };
    }
    let round_trip_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    read(peer, answered, before.saturating_add(round_trip_ms / 2), round_trip_ms)
}

fn read(
    peer: PublicKey,
    answered: Result<Vec<u8>, CallError>,
    asked_unix_ms: u64,
    round_trip_ms: u64,
) -> Outcome {
    let bytes = match answered {
        Ok(bytes) => bytes,
        Err(error) => return Outcome::NoAnswer(error.to_string()),
    };
    match codec::decode::<MineReply>(&bytes, Protocol::Mine.max_reply()) {
        Ok(MineReply::Hello(hello)) => Outcome::Answered(Box::new(Answer {
            peer,
            hello: *hello,
            asked_unix_ms,
            round_trip_ms,
        })),
        Ok(MineReply::Refused(refusal)) => Outcome::Refused(refusal.to_string()),
        Ok(_) => Outcome::NoAnswer("its answer does not fit the question".into()),
        Err(error) => Outcome::NoAnswer(format!("its answer cannot be read ({error})")),
    }
}
