//! The daemon's centre: it owns the state machine, gives it the time, and puts what it decides in
//! the log's queue.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use lode_bundle::{layout, store::BundleStore};
use lode_node::{
    files,
    keystore::{KeyKind, Keystore},
    killpoint,
    lock::FolderLock,
    log::{Batch, DurableLog, SledLog},
    telemetry,
    transport::{self, Protocol, Transport, TransportConfig},
    writer::{Writer, WriterThread},
};
use lode_proto::{codec, id::NetworkId, key::PublicKey};
use serde::Serialize;
use tokio::sync::{Semaphore, mpsc, watch};

use super::{
    CommandReply, CoordinatorConfig, EventSink, Notice, RunError, Running, SharedEngine,
    bundles::{Bundles, for_each_record},
    genesis, intake,
    release::{self, Asker, Release},
    training::Training,
    work::{self, Effects},
};
use crate::core::{
    Command, Context, Core, Decision, EpochPlan, Event, Input, Now, Record, Reply, Stage, Status,
};

/// Jobs that may wait for the machine.
const INBOX: usize = 4_096;
/// Decisions that may wait for the disk.
const RELEASES: usize = 8_192;
/// Least time between two figures for watchers, milliseconds.
const STATUS_EVERY_MS: u64 = 250;
/// Pause before a bundle that failed is tried again, milliseconds.
const RETRY_BUNDLE_MS: u64 = 5_000;
/// Times that a bundle which failed is tried again before the operator is needed.
const BUNDLE_RETRIES: u32 = 2;
/// Bundles that may wait for their training.
const PUBLISHED: usize = 64;
/// Time that peers have to hear that the campaign is over, milliseconds.
const FAREWELL_MS: u64 = 3_000;
/// Name of the file with network, key and addresses, for those on this machine.
const NETWORK_FILE: &str = "network.json";
/// Name of the file with the latest figures.
const STATUS_FILE: &str = "status.json";

/// What comes to the machine.
#[derive(Debug)]
pub(super) enum Job {
    /// A request from a peer.
    Request {
        /// What it asks.
        input: Box<Input>,
        /// Where the answer goes.
        reply: transport::Reply,
    },
    /// The outcome of an effect.
    Done(Input),
    /// A bundle is published, durably.
    Published(String),
    /// The campaign is over, durably.
    CampaignOver,
    /// The daemon cannot go on.
    Fatal(RunError),
}

/// The log's clock: goes on from the last record.
#[derive(Debug)]
struct Clock {
    base_ms: u64,
    started: Instant,
}

impl Clock {
    fn now(&self) -> Now {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { ms: self.base_ms.saturating_add(elapsed), unix_ms: telemetry::unix_ms() }
    }
}

#[derive(Serialize)]
struct NetworkFile<'a> {
    network: NetworkId,
    coordinator: PublicKey,
    addresses: &'a [String],
}

/// How the operator's wishes stand: which command comes next.
#[derive(Debug)]
struct Campaign {
    plan: EpochPlan,
    epochs: u64,
    /// Since when verifiers are waited for.
    waiting_since: Option<u64>,
    retries: u32,
    gave_up: bool,
    /// When to try a bundle again.
    retry_at: Option<u64>,
}

struct Machine {
    core: Core,
    clock: Clock,
    writer: Writer,
    releases: mpsc::Sender<Release>,
    status: watch::Sender<Status>,
    status_due: Option<tokio::time::Instant>,
    campaign: Campaign,
    /// To the training; dropped once no more bundle will come.
    published: Option<mpsc::Sender<String>>,
    training: tokio::task::JoinHandle<()>,
    data: PathBuf,
    bundles: PathBuf,
    events: EventSink,
    /// Groups graded and tasks issued, as last said.
    said: (u64, u64),
    stop_when_finished: bool,
}

/// Starts all parts of the daemon.
pub(super) async fn start(
    config: CoordinatorConfig,
    engine: SharedEngine,
    events: EventSink,
) -> Result<Running, RunError> {
    let listen = config.addresses()?;
    let (plan, library) = config.plan()?;
    plan.check().map_err(|error| RunError::Config(error.to_string()))?;
    files::create_private_folder(&config.data)?;
    let lock = FolderLock::take(&config.data)?;
    let (key, _) = Keystore::open(&config.data)?.get_or_create(KeyKind::Node)?;
    let (network, envelope) = genesis::load_or_found(&config.data, &config.network, &key)?;
    // A task of a throw-away seed shows now, and not to the first miner, what cannot be made.
    let trial = plan.campaign.template.spec(genesis::random()?.0);
    work::generate(&*engine, &library, &trial).map_err(RunError::Generate)?;

    let log = SledLog::open(&config.data.join("log"))?;
    let context = Context::new(envelope.clone(), key.clone(), config.timing)?;
    let mut core = Core::new(context);
    for_each_record(&log, 0, &mut |record| Ok(core.replay(&record)?))?;
    let clock = Clock { base_ms: core.state().clock_ms, started: Instant::now() };
    tracing::info!(records = log.len(), epoch = core.state().next_epoch() - 1, "log replayed");

    let serve = vec![Protocol::Mine, Protocol::Verify, Protocol::Bundle];
    let server = TransportConfig::server(key.clone(), listen, serve);
    let (handle, incoming) = Transport::start(server).await?;
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
    let content = NetworkFile { network, coordinator: key, addresses: &addresses };
    write_json(&config.data.join(NETWORK_FILE), &content)?;
    events(Notice::Ready { network, coordinator: key, addresses: addresses.clone() });

    let mut machine = Machine {
        core,
        clock,
        writer,
        releases,
        status,
        status_due: None,
        campaign: Campaign {
            plan,
            epochs: config.epochs,
            waiting_since: None,
            retries: 0,
            gave_up: false,
            retry_at: None,
        },
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

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), RunError> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| RunError::Config(format!("{}: {error}", path.display())))?;
    bytes.push(b'\n');
    Ok(files::replace(path, &bytes, 0o644)?)
}

/// The parts to be brought down, in an order that loses nothing that was promised.
struct Down {
    machine: Machine,
    releaser: tokio::task::JoinHandle<Result<(), lode_node::writer::WriterError>>,
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

impl Machine {
    async fn run(
        &mut self,
        mut jobs: mpsc::Receiver<Job>,
        mut commands: mpsc::Receiver<(Command, CommandReply)>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), RunError> {
        let now = self.clock.now();
        let decision = self.core.resume(now)?;
        self.decided(decision, Asker::Nobody).await?;
        loop {
            self.campaign().await?;
            let deadline = self.next_wake();
            tokio::select! {
                biased;
                _ = stop.changed() => return Ok(()),
                () = self.releases.closed() => return Err(RunError::Died("its log")),
                Some((command, reply)) = commands.recv() => {
                    self.step(Input::Command(command), Asker::Operator(reply)).await?;
                }
                Some(job) = jobs.recv() => match job {
                    Job::Request { input, reply } => {
                        self.step(*input, Asker::Peer(reply)).await?;
                    }
                    Job::Done(input) => self.step(input, Asker::Nobody).await?,
                    Job::Published(name) => self.train(name),
                    // No bundle will follow: the training ends with the last of them.
                    Job::CampaignOver => self.published = None,
                    Job::Fatal(error) => return Err(error),
                },
                () = sleep_until(deadline) => {
                    self.step(Input::Tick, Asker::Nobody).await?;
                }
                _ = &mut self.training, if self.over() => {
                    return self.say_farewell(&mut jobs).await;
                }
            }
            self.publish_status();
        }
    }

    async fn step(&mut self, input: Input, asker: Asker) -> Result<(), RunError> {
        let now = self.clock.now();
        let decision = self.core.step(input, now)?;
        self.decided(decision, asker).await
    }

    /// Puts a decision on its way: records to the log's queue, the rest behind their sync.
    async fn decided(&mut self, decision: Decision, asker: Asker) -> Result<(), RunError> {
        let Decision { records, blobs, reply, effects } = decision;
        let nobody = matches!(asker, Asker::Nobody);
        if nobody && records.is_empty() && effects.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = records.iter().map(|record| record.event.name()).collect();
        for name in &names {
            killpoint::reach(&format!("coordinator:{name}:decided"));
        }
        let pending = if records.is_empty() && blobs.is_empty() {
            None
        } else {
            let encode = |record: &Record| codec::encode(record);
            let encoded: Result<Vec<_>, _> = records.iter().map(encode).collect();
            let batch = Batch { records: encoded.map_err(crate::core::CoreError::from)?, blobs };
            Some(self.writer.enqueue(batch).await?)
        };
        let (mut notices, mut jobs) = (Vec::new(), Vec::new());
        for record in &records {
            notices.extend(self.notices(record));
            match record.event {
                Event::Published => {
                    jobs.extend(self.bundle_notice().map(|(_, name)| Job::Published(name)));
                }
                Event::CampaignFinished(true) => jobs.push(Job::CampaignOver),
                _ => {}
            }
        }
        let release = Release { pending, names, notices, reply, asker, effects, jobs };
        if self.releases.send(release).await.is_err() {
            return Err(RunError::Died("its log"));
        }
        if !records.is_empty() {
            let soon = tokio::time::Instant::now() + Duration::from_millis(STATUS_EVERY_MS);
            self.status_due.get_or_insert(soon);
        }
        Ok(())
    }

    /// Whether the campaign is over for good and nothing is left but its training.
    fn over(&self) -> bool {
        self.stop_when_finished && self.published.is_none()
    }

    /// Answers a little longer, so that miners and verifiers learn that it is over.
    async fn say_farewell(&mut self, jobs: &mut mpsc::Receiver<Job>) -> Result<(), RunError> {
        let end = tokio::time::Instant::now() + Duration::from_millis(FAREWELL_MS);
        while let Ok(Some(job)) = tokio::time::timeout_at(end, jobs.recv()).await {
            if let Job::Request { input, reply } = job {
                self.step(*input, Asker::Peer(reply)).await?;
            }
        }
        (self.events)(Notice::Finished);
        Ok(())
    }

    fn bundle_notice(&self) -> Option<(Notice, String)> {
        let epoch = self.core.state().epoch.as_ref()?;
        let built = &epoch.bundle.as_ref().filter(|_| epoch.stage == Stage::Published)?.built;
        let notice = Notice::BundlePublished {
            epoch: epoch.number,
            path: self.bundles.join(&built.name),
            pairs: built.pairs,
            tasks_with_pairs: built.paired_tasks,
        };
        Some((notice, built.name.clone()))
    }

    /// The notices of a record; they are sent once it is durable.
    fn notices(&mut self, record: &Record) -> Vec<Notice> {
        let mut notices: Vec<Notice> = Notice::of(record).into_iter().collect();
        if let Some(epoch) = &self.core.state().epoch
            && (epoch.graded, epoch.next_counter()) != self.said
        {
            self.said = (epoch.graded, epoch.next_counter());
            notices.push(Notice::Progress {
                epoch: epoch.number,
                tasks: epoch.next_counter(),
                graded: epoch.graded,
                pairs: epoch.pairs,
                tasks_with_pairs: epoch.paired_tasks,
            });
        }
        if let Event::Published = record.event {
            notices.extend(self.bundle_notice().map(|(notice, _)| notice));
        }
        notices
    }

    fn train(&mut self, name: String) {
        let sent = self.published.as_ref().map(|published| published.try_send(name));
        if let Some(Err(error)) = sent {
            tracing::warn!(%error, "a bundle waits for the next start to be trained on");
        }
    }

    /// Bundles that were published before this start: those that were trained on are skipped.
    fn take_up_published(&mut self) {
        let names = match std::fs::read_dir(&self.bundles) {
            Ok(entries) => entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()),
            Err(error) => return tracing::warn!(%error, "the bundles cannot be listed"),
        };
        let mut names: Vec<String> = names.filter(|name| layout::is_bundle_name(name)).collect();
        names.sort();
        for name in names {
            self.train(name);
        }
        if let Some((notice, _)) = self.bundle_notice() {
            (self.events)(notice);
        }
        if self.core.state().finished {
            self.published = None;
        }
    }

    fn next_wake(&self) -> Option<tokio::time::Instant> {
        let now = self.clock.now().ms;
        let deadlines = [self.core.next_deadline_ms(), self.campaign_wake()];
        let next = deadlines.into_iter().flatten().min();
        let next = next.map(|deadline| {
            tokio::time::Instant::now() + Duration::from_millis(deadline.saturating_sub(now))
        });
        next.into_iter().chain(self.status_due).min()
    }

    fn publish_status(&mut self) {
        if self.status_due.is_none_or(|due| due > tokio::time::Instant::now()) {
            return;
        }
        self.status_due = None;
        let status = Status::of(self.core.state(), self.clock.now().ms);
        if let Err(error) = write_json(&self.data.join(STATUS_FILE), &status) {
            tracing::warn!(%error, "the figures could not be written");
        }
        self.status.send_replace(status);
    }

    fn campaign_wake(&self) -> Option<u64> {
        let waiting = self.campaign.waiting_since;
        let beacon = self.core.context().timing.beacon_ms;
        let open = waiting.map(|since| since.saturating_add(beacon));
        open.into_iter().chain(self.campaign.retry_at).min()
    }

    /// Gives the next command of the campaign, where it is time.
    async fn campaign(&mut self) -> Result<(), RunError> {
        let Some(command) = self.next_command()? else {
            return Ok(());
        };
        let decision = self.core.step(Input::Command(command), self.clock.now())?;
        if let Reply::Command(Err(error)) = &decision.reply {
            return Err(RunError::Config(error.to_string()));
        }
        self.decided(decision, Asker::Nobody).await
    }

    fn next_command(&mut self) -> Result<Option<Command>, RunError> {
        let now = self.clock.now().ms;
        let state = self.core.state();
        if state.finished || state.paused {
            return Ok(None);
        }
        match state.epoch.as_ref().map(|epoch| &epoch.stage) {
            Some(Stage::BundleFailed { .. } | Stage::NotSigned { .. }) => {
                if self.campaign.retries >= BUNDLE_RETRIES {
                    self.campaign.retry_at = None;
                    return self.give_up();
                }
                let at = *self.campaign.retry_at.get_or_insert(now + RETRY_BUNDLE_MS);
                if now < at {
                    return Ok(None);
                }
                self.campaign.retries += 1;
                self.campaign.retry_at = None;
                Ok(Some(Command::RetryBundle))
            }
            Some(stage) if !stage.at_rest() => {
                self.campaign.waiting_since = None;
                Ok(None)
            }
            _ => {
                let closed = state.closed.iter().map(|epoch| &epoch.stage);
                let all = closed.chain(state.epoch.as_ref().map(|epoch| &epoch.stage));
                let published = all.filter(|stage| **stage == Stage::Published).count() as u64;
                if self.campaign.epochs > 0 && published >= self.campaign.epochs {
                    return Ok(Some(Command::Finish(true)));
                }
                self.open_when_ready(now)
            }
        }
    }

    /// The bundle failed again and again: its operator must look.
    fn give_up(&mut self) -> Result<Option<Command>, RunError> {
        let stage = self.core.state().epoch.as_ref().map(|epoch| &epoch.stage);
        let reason = match stage {
            Some(Stage::BundleFailed { reason } | Stage::NotSigned { reason }) => reason.clone(),
            _ => return Ok(None),
        };
        if !self.campaign.gave_up {
            self.campaign.gave_up = true;
            (self.events)(Notice::CampaignFailed { reason: reason.clone() });
        }
        if self.stop_when_finished { Err(RunError::Campaign(reason)) } else { Ok(None) }
    }

    /// Opens an epoch once all verifiers are there, or a quorum after some time.
    fn open_when_ready(&mut self, now: u64) -> Result<Option<Command>, RunError> {
        let context = self.core.context();
        let have = self.core.state().verifiers.len();
        let since = *self.campaign.waiting_since.get_or_insert(now);
        let waited = now >= since.saturating_add(context.timing.beacon_ms);
        let all = have >= context.genesis.verifiers as usize;
        if !all && !(waited && have >= context.quorum()) {
            if waited {
                self.campaign.waiting_since = Some(now);
                let want = context.quorum();
                tracing::info!(have, want, "waiting for verifiers to join");
            }
            return Ok(None);
        }
        self.campaign.waiting_since = None;
        self.campaign.retries = 0;
        let plan = Box::new(self.campaign.plan.clone());
        Ok(Some(Command::OpenEpoch { plan, secret: genesis::random()? }))
    }
}

async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
