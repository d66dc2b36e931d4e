//! Starting the daemon, part by part, and bringing it down again in an order that loses nothing.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use lode_bundle::store::BundleStore;
use lode_node::{
    files,
    keystore::{KeyKind, Keystore},
    lock::FolderLock,
    log::{DurableLog, SledLog},
    transport::{Protocol, Transport, TransportConfig},
    writer::{Writer, WriterError, WriterThread},
};
use lode_proto::{id::NetworkId, key::PublicKey, task::TaskSpec};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc, watch};

use super::{
    CoordinatorConfig, EventSink, Notice, RunError, Running, SharedEngine,
    bundles::{Bundles, for_each_record},
    campaign::Campaign,
    genesis, intake,
    machine::{Clock, Machine, write_json},
    release,
    training::Training,
    work::{self, Effects},
};
use crate::core::{Context, Core, Status};

/// Jobs that may wait for the machine.
const INBOX: usize = 4_096;
/// Decisions that may wait for the disk.
const RELEASES: usize = 8_192;
/// Bundles that may wait for their training.
const PUBLISHED: usize = 64;
/// Name of the file with network, key and addresses, for those on this machine.
const NETWORK_FILE: &str = "network.json";
/// Largest such file read, bytes.
const MAX_NETWORK_FILE: u64 = 64 * 1024;

#[derive(Serialize, Deserialize)]
struct NetworkFile {
    network: NetworkId,
    coordinator: PublicKey,
    addresses: Vec<String>,
}

/// Where the last run listened.
fn addresses_before(data: &Path) -> Vec<String> {
    let bytes = files::read_small(&data.join(NETWORK_FILE), MAX_NETWORK_FILE).ok().flatten();
    let file = bytes.and_then(|bytes| serde_json::from_slice::<NetworkFile>(&bytes).ok());
    file.map(|file| file.addresses).unwrap_or_default()
}

/// Starts all parts of the daemon.
pub(super) async fn start(
    config: CoordinatorConfig,
    engine: SharedEngine,
    events: EventSink,
) -> Result<Running, RunError> {
    let configured = config.addresses(&[])?;
    let (plan, library) = config.plan()?;
    plan.check().map_err(|error| RunError::Config(error.to_string()))?;
    files::create_private_folder(&config.data)?;
    let lock = FolderLock::take(&config.data)?;
    let (key, _) = Keystore::open(&config.data)?.get_or_create(KeyKind::Node)?;
    let (network, envelope) = genesis::load_or_found(&config.data, &config.network, &key)?;
    // A task of a throw-away seed shows now, and not to the first miner, what cannot be made.
    let first = plan.campaign.template.profile;
    let others = plan.campaign.profiles.iter().copied().filter(|profile| *profile != first);
    for profile in std::iter::once(first).chain(others) {
        let trial = plan.campaign.template.spec(genesis::random()?.0);
        work::generate(&*engine, &library, &TaskSpec { profile, ..trial })
            .map_err(RunError::Generate)?;
    }

    let log = SledLog::open(&config.data.join("log"))?;
    let context = Context::new(envelope.clone(), key.clone(), config.timing)?;
    let mut core = Core::new(context);
    for_each_record(&log, 0, &mut |record| Ok(core.replay(&record)?))?;
    let clock = Clock::after(core.state().clock_ms);
    tracing::info!(records = log.len(), epoch = core.state().next_epoch() - 1, "log replayed");

    let serve = vec![Protocol::Mine, Protocol::Verify, Protocol::Bundle];
    let before = config.addresses(&addresses_before(&config.data))?;
    let server = |listen| TransportConfig::server(key.clone(), listen, serve.clone());
    let (handle, incoming) = match Transport::start(server(before.clone())).await {
        // The port of the last run was any that was free; another will do where it is taken now.
        Err(error) if before != configured => {
            tracing::warn!(%error, "listening where it was before failed; taking another port");
            Transport::start(server(configured)).await?
        }
        started => started?,
    };
    let addresses: Vec<String> = handle.listen_addrs().iter().map(ToString::to_string).collect();

    let bundles = config.bundles_folder();
    files::create_private_folder(&bundles)?;
    let (writer, thread) = Writer::start(log)?;
    let (inbox, jobs) = mpsc::channel(INBOX);
    let (releases, released) = mpsc::channel(RELEASES);
    let domain = &plan.campaign.template.domain;
    let file = library.domain_bytes(domain.hash).unwrap_or_default().to_vec();
    let effects = Effects {
        engine: Arc::clone(&engine),
        library: Arc::new(library),
        network,
        writer: writer.clone(),
        machine: inbox.clone(),
        threads: Arc::new(Semaphore::new(config.threads())),
        bundles: Arc::new(Bundles {
            engine,
            root: bundles.clone(),
            genesis: envelope,
            inputs: BTreeMap::from([(domain.hash, file)]),
            licence: config.licence.clone(),
            threads: config.threads(),
            one: Mutex::new(()),
        }),
    };
    let store = Arc::new(BundleStore::new(&bundles));
    let intake = tokio::spawn(intake::run(incoming, network, store, inbox));
    let releaser =
        tokio::spawn(release::run(released, network, writer.clone(), effects, events.clone()));
    let training = Training::new(config.training.clone(), &config.data, &bundles)?;
    let (published, to_train) = mpsc::channel(PUBLISHED);
    let training = tokio::spawn(training.run(to_train, events.clone()));

    let (status, watching) = watch::channel(Status::of(core.state(), clock.now().ms));
    let (commands, asked) = mpsc::channel(16);
    let (stop, stopped) = watch::channel(false);
    let key = key.public();
    let content = NetworkFile { network, coordinator: key, addresses: addresses.clone() };
    write_json(&config.data.join(NETWORK_FILE), &content)?;
    events(Notice::Ready { network, coordinator: key, addresses: addresses.clone() });

    let mut machine = Machine {
        core,
        clock,
        writer,
        releases,
        status,
        status_due: None,
        campaign: Campaign::new(plan, config.epochs),
        published: Some(published),
        training,
        data: config.data.clone(),
        bundles: bundles.clone(),
        events,
        said: (0, 0),
        stop_when_finished: config.stop_when_finished,
    };
    machine.take_up_published();
    let machine = tokio::spawn(async move {
        let result = machine.run(jobs, asked, stopped).await;
        let down = Down { machine, releaser, intake, thread };
        let result = down.finish(result).await;
        handle.shutdown().await;
        drop(lock);
        result
    });
    Ok(Running { network, key, addresses, bundles, status: watching, commands, stop, machine })
}

/// The parts to be brought down, in an order that loses nothing that was promised.
struct Down {
    machine: Machine,
    releaser: tokio::task::JoinHandle<Result<(), WriterError>>,
    intake: tokio::task::JoinHandle<()>,
    thread: WriterThread<SledLog>,
}

impl Down {
    async fn finish(self, result: Result<(), RunError>) -> Result<(), RunError> {
        self.intake.abort();
        self.machine.training.abort();
        // With the machine its sender of releases goes; the releaser sends what is durable and ends.
        drop(self.machine);
        let released = self.releaser.await;
        // Effects hold the writer; they end with their threads.
        let closing = tokio::time::timeout(Duration::from_secs(5), self.thread.finished()).await;
        if closing.is_err() {
            tracing::warn!(
                "an effect is still at work; its outcome is asked for again at the start"
            );
        }
        // Why the log failed says more than that it did.
        released.map_err(|_| RunError::Died("its releaser"))??;
        result
    }
}
