//! The verbs of the daemons: `lode coordinator`, `lode miner`, `lode verifier`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

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
    Run(RunDaemon),
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
    /// Stop when standard input closes: for a parent process that must leave nothing running.
    #[arg(long)]
    pub(crate) exit_with_parent: bool,
    /// Print events as JSON, one object a line, on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}
