//! The coordinator daemon: network, disk, clock and threads around [`crate::core`].
//!
//! ```text
//! transport ─► intake (decode, check signatures) ─► machine (owns Core; one step at a time)
//!                                                      │ records, in order
//!                                                      ▼
//!                           log writer (one sync for all that waits) ─► releaser
//!                                                                          │ only now
//!          replies ◄───────────────────────────────────────────────────────┤
//!          effects: generate, grade, bundle ─► blocking threads ─► machine ◄┘
//! ```
//!
//! The machine goes on stepping while earlier records are being synced; the releaser keeps order,
//! so whatever a reply or an effect rests on is durable before it leaves. Where a sync fails the
//! daemon stops: nothing was acknowledged that is not on disk, and a restart goes on from there.

mod bundles;
mod campaign;
mod config;
mod genesis;
mod intake;
mod machine;
mod notice;
mod release;
mod start;
mod training;
mod work;

use std::{path::PathBuf, sync::Arc};

use lode_bundle::engine::BuiltinEngine;
use lode_node::{
    files::FileError, keystore::KeyError, lock::LockError, log::LogError, stop::Stop,
    transport::TransportError, writer::WriterError,
};
use lode_proto::{genesis::GenesisError, id::NetworkId, key::PublicKey};
use tokio::sync::{mpsc, oneshot, watch};

pub use config::{CampaignConfig, CoordinatorConfig, NetworkConfig, TrainingConfig};
pub use notice::{EventSink, Notice};
pub use work::SharedEngine;

use crate::{
    core::{Command, CommandError, CoreError, Status},
    evidence::EvidenceError,
};

/// Name of the folder of bundles in the data folder, unless the configuration names another.
pub const BUNDLES: &str = "bundles";

/// Why a coordinator stopped, or did not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration cannot be used.
    #[error("{0}")]
    Config(String),
    /// The node key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file of the data folder cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another process has the folder.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The durable log cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A write to the log failed; nothing was acknowledged that is not on disk.
    #[error("the coordinator stopped because its log could not be written: {0}")]
    Writer(#[from] WriterError),
    /// The transport cannot start.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The genesis cannot be used.
    #[error("the network's genesis cannot be used: {0}")]
    Genesis(#[from] GenesisError),
    /// The state machine stopped.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// The evidence of an epoch cannot be gathered.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// A record of the log that this build cannot read.
    #[error("record {index} of the log cannot be read ({why}); was it written by another version?")]
    Record {
        /// Its index.
        index: u64,
        /// What is wrong.
        why: String,
    },
    /// The task engine cannot make tasks of this campaign.
    #[error("no task can be made for this campaign: {0}")]
    Generate(String),
    /// The system gives no random bytes.
    #[error("the system's random source failed: {0}")]
    Random(String),
    /// The campaign cannot go on, and the configuration says to stop then.
    #[error("the campaign cannot go on: {0}")]
    Campaign(String),
    /// A part of the daemon died.
    #[error("a part of the coordinator stopped unexpectedly: {0}")]
    Died(&'static str),
}

type CommandReply = oneshot::Sender<Result<(), CommandError>>;

/// A coordinator that runs.
#[derive(Debug)]
pub struct Running {
    /// The network.
    pub network: NetworkId,
    /// The coordinator's key.
    pub key: PublicKey,
    /// Addresses that it listens on, with its peer id.
    pub addresses: Vec<String>,
    /// Where bundles lie.
    pub bundles: PathBuf,
    status: watch::Receiver<Status>,
    commands: mpsc::Sender<(Command, CommandReply)>,
    stop: watch::Sender<bool>,
    machine: tokio::task::JoinHandle<Result<(), RunError>>,
}

impl Running {
    /// Figures, as they change.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Carries out an operator's command; the answer comes once it is durable.
    ///
    /// # Errors
    /// [`RunError::Died`] where the coordinator has stopped; the inner error is its answer.
    pub async fn command(&self, command: Command) -> Result<Result<(), CommandError>, RunError> {
        let gone = RunError::Died("it takes no commands any more");
        let (reply, answer) = oneshot::channel();
        if self.commands.send((command, reply)).await.is_err() {
            return Err(gone);
        }
        answer.await.map_err(|_| gone)
    }

    /// Waits until it stops by itself.
    ///
    /// # Errors
    /// Why it stopped.
    pub async fn finished(&mut self) -> Result<(), RunError> {
        match (&mut self.machine).await {
            Ok(result) => result,
            Err(_) => Err(RunError::Died("its state machine")),
        }
    }

    /// Stops it: no new requests, what waits for the disk is written and answered.
    ///
    /// # Errors
    /// What went wrong on the way down.
    pub async fn stop(mut self) -> Result<(), RunError> {
        let _ = self.stop.send(true);
        self.finished().await
    }
}

/// Starts a coordinator with the task engine of this build.
///
/// # Errors
/// Everything that can be known to be wrong before it serves.
pub async fn start(config: CoordinatorConfig, events: EventSink) -> Result<Running, RunError> {
    start_with(config, Arc::new(BuiltinEngine), events).await
}

/// Starts a coordinator with another task engine.
///
/// # Errors
/// As [`start`].
pub async fn start_with(
    config: CoordinatorConfig,
    engine: SharedEngine,
    events: EventSink,
) -> Result<Running, RunError> {
    start::start(config, engine, events).await
}

/// Runs a coordinator until `stop` is set, or the campaign is over and the configuration says to
/// stop then.
///
/// # Errors
/// As [`start`], and what stops a running one.
pub async fn run(config: CoordinatorConfig, stop: Stop, events: EventSink) -> Result<(), RunError> {
    let mut running = start(config, events).await?;
    tokio::select! {
        result = running.finished() => return result,
        () = stop.stopped() => {}
    }
    running.stop().await
}
