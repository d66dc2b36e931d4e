//! The shell around [`crate::queue`]: networks, disk and engine.
//!
//! ```text
//! run ─► one task a network (network.rs): hand in ─► heartbeat ─► lease ─► generate ─┐
//!                  ▲                                                                ▼
//!                  └────────── keep what was generated ◄─ engine, within Slots ◄────┘
//! ```
//!
//! Each network has its own queue, sequence and receipts; all share the engine. A network is asked for
//! work only while none before it in the configuration has some ([`Order`]). Groups run as the engine
//! and the memory budget allow ([`Slots`]); the next lease is asked for shortly before a group ends
//! ([`crate::slots::Pace`]), so that the engine does not wait for the network and no lease for the
//! engine. What was generated is on disk before anything else happens to it, also while the
//! coordinator is away.

mod gate;
mod generate;
mod heat;
mod leases;
mod network;

use std::sync::{Arc, Mutex, PoisonError, atomic::AtomicUsize};

use lode_engine::Engine;
use lode_node::{
    keystore::{KeyKind, Keystore},
    rpc::{Caller, Client, Retry},
    sequence::Sequence,
    stop::Stop,
    transport::{Handle, Multiaddr, Protocol, Target, Transport, TransportConfig},
};
use lode_proto::{
    id::{NetworkId, PolicyId},
    key::SecretKey,
    limits::MAX_GROUP_SIZE,
    policy::PolicyCard,
};
use tokio::task::JoinSet;

pub use crate::report::{Ending, Event, EventSink, MinerError, ReceiptNote};
use crate::{
    config::MinerConfig,
    metrics,
    queue::Totals,
    report,
    slots::{Order, Slots},
    store::Store,
    work,
};
use heat::Heat;
use network::Network;

/// Most networks of one miner.
pub const MAX_NETWORKS: usize = 8;

/// What all networks of a miner share.
struct Shared {
    config: MinerConfig,
    engine: Arc<dyn Engine>,
    card: PolicyCard,
    policy: PolicyId,
    stop: Stop,
    events: EventSink,
    order: Order,
    slots: Slots,
    /// Where the GPUs' power and heat are limited.
    heat: Option<Heat>,
    /// Each network's own count, by its place.
    totals: Mutex<Vec<Totals>>,
    /// Attempts that go to the engine at once; smaller after it ran out of memory.
    batch: AtomicUsize,
}

impl Shared {
    /// The count of all networks together.
    fn sum(&self) -> Totals {
        let mut sum = Totals::default();
        let all = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().for_each(|own| sum.add(own));
        sum
    }
}

/// Runs a miner until `stop` is set, or the campaign is over and the configuration says so.
///
/// # Errors
/// [`MinerError`] for what no waiting could mend, once no network is left that it does not concern.
/// A coordinator that is away is waited for.
pub async fn run(
    config: MinerConfig,
    engine: Arc<dyn Engine>,
    stop: Stop,
    events: EventSink,
) -> Result<Totals, MinerError> {
    let wanted = targets(&config)?;
    let events = metrics::serve(config.metrics, events).await?;
    let heat = Heat::start(&config.power, Arc::clone(&events)).await?;
    let (key, _made) = Keystore::open(&config.data)?.get_or_create(KeyKind::Node)?;
    let (handle, _incoming) =
        Transport::start(TransportConfig::caller(key.clone(), vec![Protocol::Mine])).await?;
    let grammar = work::grammar_version(config.engine.grammar && engine.supports_grammar());
    let card = engine.policy_card(config.engine.temperature_milli, grammar);
    let policy = card.policy.id().map_err(|error| MinerError::Config(error.to_string()))?;
    let shared = Arc::new(Shared {
        order: Order::new(wanted.len()),
        slots: Slots::new(engine.concurrent_groups(), config.memory_mib),
        heat,
        totals: Mutex::new(vec![Totals::default(); wanted.len()]),
        batch: AtomicUsize::new(MAX_GROUP_SIZE as usize),
        config,
        engine,
        card,
        policy,
        stop,
        events,
    });
    let open = |(place, (id, addresses))| open(&shared, place, id, addresses, &key, &handle);
    let all: Vec<Network> = wanted.into_iter().enumerate().map(open).collect::<Result<_, _>>()?;
    opened(&all, &shared.events);
    let mut networks = JoinSet::new();
    all.into_iter().for_each(|network| {
        networks.spawn(network.run());
    });
    let mut failure = None;
    while let Some(ended) = networks.join_next().await {
        let (id, result) = ended.map_err(|error| MinerError::Crashed(error.to_string()))?;
        if let Err(error) = result {
            if !networks.is_empty() {
                tracing::error!(network = %id, %error, "this network is given up; the others go on");
            }
            failure = failure.or(Some(error));
        }
    }
    handle.shutdown().await;
    let totals = shared.sum();
    (shared.events)(Event::Stopped { totals });
    failure.map_or(Ok(totals), Err)
}

/// Tells what the queues hold, before anyone is talked to.
fn opened(networks: &[Network], events: &EventSink) {
    let totals = networks.iter().fold(Totals::default(), |_, network| network.count());
    let jobs = || networks.iter().flat_map(|network| network.store.queue().jobs());
    let leases = jobs().map(|job| job.lease.id).collect();
    let ready = jobs().filter(|job| !job.attempts.is_empty()).map(|job| job.lease.id).collect();
    events(Event::Opened { leases, ready, totals });
}

/// Id and addresses of each network, in order of preference.
fn targets(config: &MinerConfig) -> Result<Vec<(NetworkId, Vec<Multiaddr>)>, MinerError> {
    let mut found: Vec<(NetworkId, Vec<Multiaddr>)> = Vec::new();
    for (id, addresses) in config.networks() {
        let id: NetworkId =
            id.parse().map_err(|error| MinerError::Config(format!("network: {error}")))?;
        if found.iter().any(|(known, _)| *known == id) {
            return Err(MinerError::Config(format!(
                "network {id} is named twice; give all addresses of a coordinator in one list"
            )));
        }
        found.push((id, parse_addresses(addresses)?));
    }
    if found.len() > MAX_NETWORKS {
        let got = found.len();
        return Err(MinerError::Config(format!(
            "{got} networks are named, at most {MAX_NETWORKS} are possible"
        )));
    }
    Ok(found)
}

fn parse_addresses(texts: &[String]) -> Result<Vec<Multiaddr>, MinerError> {
    if texts.is_empty() {
        return Err(MinerError::Config("coordinator: name at least one address".into()));
    }
    texts
        .iter()
        .map(|text| {
            text.parse().map_err(|error| {
                MinerError::Config(format!(
                    "coordinator: {text:?} is not a multiaddress ({error}); for example \
                     /dns4/lode.example.org/tcp/4101/p2p/12D3KooW…"
                ))
            })
        })
        .collect()
}

fn open(
    shared: &Arc<Shared>,
    place: usize,
    id: NetworkId,
    addresses: Vec<Multiaddr>,
    key: &SecretKey,
    handle: &Handle,
) -> Result<Network, MinerError> {
    let store = Store::open(&crate::store::folder(&shared.config.data, id))?;
    let sequence = Sequence::open(&shared.config.data, id)?;
    let caller = Caller::new(key.clone(), sequence);
    let client = Client::new(handle.clone(), Target::at(addresses), caller, Retry::FOREVER)
        .watched(report::contact(shared.events.clone()));
    Ok(Network::new(Arc::clone(shared), place, id, client, store))
}
