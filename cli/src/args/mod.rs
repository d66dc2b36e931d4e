//! The command line: every verb, flag and default, for people (`--help`) and for programs
//! (`--json`).

use clap::{Parser, Subcommand};

mod bench;
mod bundle;
mod daemon;
mod devnet;
mod model;
mod task;
mod train;

pub(crate) use bench::{BenchCommand, BenchEngine, BenchTrain};
pub(crate) use bundle::{BundleCommand, ExportCommand, ImportCommand, ImportFile, PairFormat};
pub(crate) use daemon::{
    CoordinatorCommand, Doctor, MinerCommand, Receipts, RunDaemon, RunMiner, VerifierCommand,
};
pub(crate) use devnet::Devnet;
pub(crate) use model::{KeyCommand, MergeModel, ModelCommand};
pub(crate) use task::{
    BenchTasks, OwnCommand, OwnTask, Section, ShowTask, TaskCommand, TaskPart, TaskSelection,
};
pub(crate) use train::{EvalAlignment, EvalCommand, EvalTasks, TrainCommand, TrainDpo};

/// Lode turns idle GPUs into preference data that anyone can check.
///
/// See the whole network run on this machine: `lode devnet`. What each part does and how they fit:
/// docs/ARCHITECTURE.md.
#[derive(Debug, Parser)]
#[command(name = "lode", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Log lines as JSON, one object a line.
    #[arg(long, global = true)]
    pub(crate) log_json: bool,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a whole network on this machine: coordinator, miners, verifiers, bundle, training.
    Devnet(Box<Devnet>),
    /// Run a campaign: tasks, epochs, verifiers, bundles, training.
    Coordinator {
        /// What to do.
        #[command(subcommand)]
        command: CoordinatorCommand,
    },
    /// Answer tasks with a local language model.
    Miner {
        /// What to do.
        #[command(subcommand)]
        command: MinerCommand,
    },
    /// Grade every answer again, independently.
    Verifier {
        /// What to do.
        #[command(subcommand)]
        command: VerifierCommand,
    },
    /// Make, read and grade tasks by hand.
    Task {
        /// What to do.
        #[command(subcommand)]
        command: TaskCommand,
    },
    /// Download, check and look into bundles of pairs.
    Bundle {
        /// What to do.
        #[command(subcommand)]
        command: BundleCommand,
    },
    /// Read other people's records: their tasks, pairs and attempts.
    Import {
        /// Which.
        #[command(subcommand)]
        command: ImportCommand,
    },
    /// Write imported records back to a file.
    Export {
        /// Which.
        #[command(subcommand)]
        command: ExportCommand,
    },
    /// Train on bundles.
    Train {
        /// What to do.
        #[command(subcommand)]
        command: TrainCommand,
    },
    /// Measure models and adapters.
    Eval {
        /// What to do.
        #[command(subcommand)]
        command: EvalCommand,
    },
    /// Measure this machine.
    Bench {
        /// What.
        #[command(subcommand)]
        command: BenchCommand,
    },
    /// Get models and export them.
    Model {
        /// What to do.
        #[command(subcommand)]
        command: ModelCommand,
    },
    /// Make and show node keys.
    Key {
        /// What to do.
        #[command(subcommand)]
        command: KeyCommand,
    },
}
