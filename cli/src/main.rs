//! The one binary, `lode`: it reads the command line, runs a verb, and says what happened.
//!
//! ```text
//! args.rs ─► cmd/<verb>.rs ─► the crates that do the work ─► Outcome ─► exit code
//! ```
//!
//! Exit codes: 0 done; 1 the answer is no (a bundle that does not hold, an attempt that does not
//! pass, a goal not reached); 2 it could not be tried (bad arguments, no file, no network).
#![forbid(unsafe_code)]

mod args;
mod cmd;
mod devnet;
mod term;

use std::process::ExitCode;

use clap::Parser;

use args::{
    BenchCommand, BundleCommand, Cli, Command, CoordinatorCommand, EvalCommand, ExportCommand,
    ImportCommand, KeyCommand, MinerCommand, ModelCommand, PairFormat, TaskCommand, TrainCommand,
    VerifierCommand,
};

/// Whether what was asked for is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done, or: it holds.
    Yes,
    /// It was tried, and the answer is no.
    No,
}

/// Making a task allocates some 2,900 times; with the system's allocator it takes a sixth longer
/// (docs/decisions/0011-speed-of-the-task-engine.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(Outcome::Yes) => ExitCode::SUCCESS,
        Ok(Outcome::No) => ExitCode::from(1),
        Err(error) => {
            // One line for people; the causes follow on the same line.
            term::plain(&format!("lode: {error:#}"));
            ExitCode::from(2)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<Outcome> {
    let log_json = cli.log_json;
    match cli.command {
        Command::Devnet(args) => devnet::run(&args),
        Command::Coordinator { command: CoordinatorCommand::Run(args) } => {
            cmd::daemon::coordinator(&args, log_json)
        }
        Command::Miner { command } => match command {
            MinerCommand::Run(args) => cmd::daemon::miner(&args, log_json),
            MinerCommand::Doctor(args) => cmd::miner::doctor(&args),
            MinerCommand::Receipts(args) => cmd::miner::receipts::receipts(&args),
            MinerCommand::Pause(args) => cmd::daemon::pause(&args.config, true),
            MinerCommand::Resume(args) => cmd::daemon::pause(&args.config, false),
        },
        Command::Verifier { command: VerifierCommand::Run(args) } => {
            cmd::daemon::verifier(&args, log_json)
        }
        Command::Task { command } => match command {
            TaskCommand::New { task, json } => cmd::task::new(&task, json),
            TaskCommand::Show(args) => cmd::task::show(&args),
            TaskCommand::Bench(args) => cmd::task::bench(&args),
            TaskCommand::Own { command, show } => cmd::task::own(command, show),
            TaskCommand::Lint { files } => cmd::task::lint(&files),
            TaskCommand::Grade { task, completion, json } => {
                cmd::task::grade(&task, &completion, json)
            }
        },
        Command::Bundle { command } => match command {
            BundleCommand::Audit { dir, network, json } => {
                cmd::bundle::audit(&dir, network.as_deref(), json)
            }
            BundleCommand::Export { dir, format: PairFormat::Botcoin, out } => {
                cmd::bundle::export_botcoin(&dir, &out)
            }
            BundleCommand::Inspect { dir, pairs, json } => cmd::bundle::inspect(&dir, pairs, json),
            BundleCommand::Pull { from, name, out, network, no_audit, json } => {
                cmd::bundle::pull(&cmd::bundle::Pull {
                    from: &from,
                    name: name.as_deref(),
                    out: &out,
                    network: network.as_deref(),
                    audit: !no_audit,
                    json,
                })
            }
        },
        Command::Import { command: ImportCommand::Botcoin(args) } => cmd::import::botcoin(&args),
        Command::Import { command: ImportCommand::Dacr(args) } => cmd::import::dacr(&args),
        Command::Export { command: ExportCommand::Botcoin { path, verbatim, out } } => {
            cmd::import::export_botcoin(&path, verbatim, &out)
        }
        Command::Train { command: TrainCommand::Dpo(args) } => cmd::train::dpo(&args),
        Command::Eval { command: EvalCommand::Tasks(args) } => cmd::eval::tasks(&args),
        Command::Eval { command: EvalCommand::Alignment(args) } => cmd::alignment::evaluate(&args),
        Command::Bench { command } => match command {
            BenchCommand::Engine(args) => cmd::bench::engine(&args),
            BenchCommand::Train(args) => cmd::bench::train(&args),
            BenchCommand::TrainOnce { folder } => cmd::bench::train_once(&folder),
        },
        Command::Model { command } => match command {
            ModelCommand::Pull { name, from, json } => {
                cmd::model::pull(&name, from.as_deref(), json)
            }
            ModelCommand::Merge(args) => cmd::model::merge(&args),
            ModelCommand::ExportHf { model, out } => cmd::model::export_hf(&model, &out),
        },
        Command::Key { command } => match command {
            KeyCommand::New { out, json } => cmd::key::new(&out, json),
            KeyCommand::Show { file, json } => cmd::key::show(&file, json),
        },
    }
}
