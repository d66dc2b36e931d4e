//! The verbs of the daemons: `lode coordinator`, `lode miner`, `lode verifier`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use lode_proto::key::PublicKey;

/// `lode coordinator …`
#[derive(Debug, Subcommand)]
pub(crate) enum CoordinatorCommand {
    /// Run the coordinator until its campaign is over or it is told to stop.
    Run(RunDaemon),
}

/// `lode miner …`
#[derive(Debug, Subcommand)]
pub(crate) enum MinerCommand {
    /// Run the miner until it is told to stop.
    Run(RunMiner),
    /// Say whether this machine is fit to mine, and what to do where it is not.
    ///
    /// One line a check: GPU and driver, model file, hash and memory, disk, each address of the
    /// coordinator, protocol, clock, and the engine's speed against the lease. It changes nothing and
    /// may be used beside a miner that runs. Exit code 0 when nothing fails, 1 when a check does, 2
    /// when it could not be tried.
    Doctor(Doctor),
    /// Take no new work until `lode miner resume`; what is held is finished. Needs no restart.
    Pause(MinerConfigFile),
    /// Take new work again after `lode miner pause`.
    Resume(MinerConfigFile),
    /// Count credits again from the signed receipts, offline; a running miner is not disturbed.
    Receipts(Receipts),
}

/// Which miner.
#[derive(Debug, Args)]
pub(crate) struct MinerConfigFile {
    /// The miner's configuration.
    #[arg(long, value_name = "FILE", env = "LODE_CONFIG")]
    pub(crate) config: PathBuf,
}

/// `lode miner doctor`
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The miner's configuration; deploy/miner.example.toml is a commented example.
    #[arg(long, value_name = "FILE", env = "LODE_CONFIG")]
    pub(crate) config: PathBuf,
    /// All findings as one JSON object on standard output, instead of lines.
    #[arg(long)]
    pub(crate) json: bool,
    /// Say what an hour would earn by the published credit formula.
    #[arg(long)]
    pub(crate) estimate: bool,
}

/// `lode miner run`
#[derive(Debug, Args)]
pub(crate) struct RunMiner {
    /// How it is started.
    #[command(flatten)]
    pub(crate) run: RunDaemon,
    /// Show what it does on this terminal, instead of log lines. `q` stops the miner in order.
    #[arg(long, conflicts_with_all = ["json", "exit_with_parent"])]
    pub(crate) dashboard: bool,
}

/// `lode miner receipts`
#[derive(Debug, Args)]
pub(crate) struct Receipts {
    /// The miner's folder, `data` in its configuration.
    #[arg(long, value_name = "DIR", required_unless_present = "config")]
    pub(crate) data: Option<PathBuf>,
    /// The miner's configuration, where no folder is named: then the network must be this one, too.
    #[arg(long, value_name = "FILE", env = "LODE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// The coordinator's public key, to count by it and not by the genesis that the miner joined by.
    #[arg(long, value_name = "KEY")]
    pub(crate) coordinator: Option<PublicKey>,
    /// Print the count as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `lode verifier …`
#[derive(Debug, Subcommand)]
pub(crate) enum VerifierCommand {
    /// Run the verifier until it is told to stop.
    Run(RunDaemon),
}

/// How a daemon is started.
#[derive(Debug, Args)]
pub(crate) struct RunDaemon {
    /// Its configuration; deploy/ has a commented example for each daemon.
    #[arg(long, value_name = "FILE", env = "LODE_CONFIG")]
    pub(crate) config: PathBuf,
    /// Override one key of the configuration, for example `engine.threads=2`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Stop when standard input closes: for a parent process that must leave nothing running.
    #[arg(long)]
    pub(crate) exit_with_parent: bool,
    /// Print events as JSON, one object a line, on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}
