//! The daemon's centre: it owns the state machine, gives it the time, and puts what it decides in
//! the log's queue.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use lode_bundle::layout;
use lode_node::{files, killpoint, log::Batch, telemetry, transport, writer::Writer};
use lode_proto::codec;
use serde::Serialize;
use tokio::sync::{mpsc, watch};

use super::{
    CommandReply, EventSink, Notice, RunError,
    campaign::Campaign,
    release::{Asker, Release},
};
use crate::core::{Command, Core, CoreError, Decision, Event, Input, Now, Record, Stage, Status};

/// Least time between two figures for watchers, milliseconds.
const STATUS_EVERY_MS: u64 = 250;
/// Time that peers have to hear that the campaign is over, milliseconds.
const FAREWELL_MS: u64 = 3_000;
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
    Done(Box<Input>),
    /// A bundle is published, durably.
    Published(String),
    /// The campaign is over, durably.
    CampaignOver,
    /// The daemon cannot go on.
    Fatal(RunError),
}

/// The log's clock: goes on from the last record.
#[derive(Debug)]
pub(super) struct Clock {
    base_ms: u64,
    started: Instant,
}

impl Clock {
    pub(super) fn after(base_ms: u64) -> Self {
        Self { base_ms, started: Instant::now() }
    }

    pub(super) fn now(&self) -> Now {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { ms: self.base_ms.saturating_add(elapsed), unix_ms: telemetry::unix_ms() }
    }
}

/// The daemon's centre.
pub(super) struct Machine {
    pub(super) core: Core,
    pub(super) clock: Clock,
    pub(super) writer: Writer,
    pub(super) releases: mpsc::Sender<Release>,
    pub(super) status: watch::Sender<Status>,
    pub(super) status_due: Option<tokio::time::Instant>,
    pub(super) campaign: Campaign,
    /// To the training; dropped once no more bundle will come.
    pub(super) published: Option<mpsc::Sender<String>>,
    pub(super) training: tokio::task::JoinHandle<()>,
    pub(super) data: PathBuf,
    pub(super) bundles: PathBuf,
    pub(super) events: EventSink,
    /// Groups graded and tasks issued, as last said.
    pub(super) said: (u64, u64),
    pub(super) stop_when_finished: bool,
}

impl Machine {
    pub(super) async fn run(
        &mut self,
        mut jobs: mpsc::Receiver<Job>,
        mut commands: mpsc::Receiver<(Command, CommandReply)>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), RunError> {
        let now = self.clock.now();
        let decision = self.core.resume(now)?;
        self.decided(decision, Asker::Nobody).await?;
        self.publish_status_now();
        let result = self.serve(&mut jobs, &mut commands, &mut stop).await;
        self.publish_status_now();
        result
    }

    async fn serve(
        &mut self,
        jobs: &mut mpsc::Receiver<Job>,
        commands: &mut mpsc::Receiver<(Command, CommandReply)>,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), RunError> {
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
                    Job::Done(input) => self.step(*input, Asker::Nobody).await?,
                    Job::Published(name) => self.train(name),
                    // No bundle will follow: the training ends with the last of them.
                    Job::CampaignOver => self.published = None,
                    Job::Fatal(error) => return Err(error),
                },
                () = sleep_until(deadline) => {
                    self.step(Input::Tick, Asker::Nobody).await?;
                }
                _ = &mut self.training, if self.over() => {
                    return self.say_farewell(jobs).await;
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
    pub(super) async fn decided(
        &mut self,
        decision: Decision,
        asker: Asker,
    ) -> Result<(), RunError> {
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
            let batch = Batch { records: encoded.map_err(CoreError::from)?, blobs };
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
    pub(super) fn take_up_published(&mut self) {
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
        if self.status_due.is_some_and(|due| due <= tokio::time::Instant::now()) {
            self.publish_status_now();
        }
    }

    fn publish_status_now(&mut self) {
        self.status_due = None;
        let status = Status::of(self.core.state(), self.clock.now().ms);
        if let Err(error) = write_json(&self.data.join(STATUS_FILE), &status) {
            tracing::warn!(%error, "the figures could not be written");
        }
        self.status.send_replace(status);
    }
}

async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Writes a file for people and programs on this machine, whole or not at all.
pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), RunError> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| RunError::Config(format!("{}: {error}", path.display())))?;
    bytes.push(b'\n');
    Ok(files::replace(path, &bytes, 0o644)?)
}
