//! `lode task …`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

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
