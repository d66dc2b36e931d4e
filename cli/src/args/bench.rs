//! `lode bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use lode_engine::auto::InProcess;
use lode_proto::task::Profile;

/// `lode bench …`
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Tokens a second of the in-process engines, and of llama.cpp in the same run.
    Engine(BenchEngine),
    /// Pairs a second of `lode train dpo`, and of TRL in the same run.
    Train(BenchTrain),
    /// One measurement of `lode bench train`, in a process of its own so that its memory is its own.
    #[command(hide = true)]
    TrainOnce {
        /// What to measure, and where the result goes.
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
}

/// What is measured.
#[derive(Debug, Args)]
pub(crate) struct BenchTrain {
    /// A name that `lode model pull` knows, a GGUF file or an HF folder.
    #[arg(long, default_value = "smollm2-135m")]
    pub(crate) base: String,
    /// The tasks whose prompts are trained on.
    #[arg(long, default_value = "standard")]
    pub(crate) profile: Profile,
    /// Prompts.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) tasks: u64,
    /// Pairs of each: the witness against the witnesses of readers whom traps caught.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub(crate) pairs_a_task: u8,
    /// Tokens that each answer is cut or extended to; as it is where this is empty.
    #[arg(long, value_delimiter = ',')]
    pub(crate) answer_tokens: Vec<usize>,
    /// Pairs of an optimiser step.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) batch: u16,
    /// Pairs that TRL puts through the model at once; its gradients are accumulated to the batch.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) peer_batch: u16,
    /// Rank of the adapter.
    #[arg(long, default_value_t = 8)]
    pub(crate) rank: usize,
    /// Passes over the pairs.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) epochs: u16,
    /// Threads; 0 takes all cores.
    #[arg(long, default_value_t = 0)]
    pub(crate) threads: usize,
    /// A Python that has what tests/python/requirements.txt names, to measure TRL in the same run.
    #[arg(long, value_name = "PATH_TO_PYTHON")]
    pub(crate) peer: Option<PathBuf>,
    /// The figures as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is measured.
#[derive(Debug, Args)]
pub(crate) struct BenchEngine {
    /// A name that `lode model pull` knows, or a GGUF file.
    #[arg(long, default_value = "smollm2-135m")]
    pub(crate) model: String,
    /// Tokens of the prompt of a single stream.
    #[arg(long, default_value_t = 477, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) prompt_tokens: u32,
    /// Tokens of the document that a group answers.
    #[arg(long, default_value_t = 1500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) document_tokens: u32,
    /// Tokens of each attempt.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(2..=4096))]
    pub(crate) tokens: u32,
    /// Attempts of the group.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) group: u8,
    /// Threads for matrix products, in every engine; 0 takes all cores.
    #[arg(long, default_value_t = 0)]
    pub(crate) threads: usize,
    /// Rounds; the best of each figure counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) rounds: u8,
    /// Which engines.
    #[arg(long, value_delimiter = ',', default_value = "native,mistralrs", value_parser = engine)]
    pub(crate) engines: Vec<InProcess>,
    /// Profiles whose tasks are answered by whole groups, for attempts a minute.
    #[arg(long, value_delimiter = ',', default_value = "nano,mini")]
    pub(crate) profiles: Vec<Profile>,
    /// Tasks of each of them; 0 leaves this out.
    #[arg(long, default_value_t = 4)]
    pub(crate) tasks: u64,
    /// A Python that has llama-cpp-python, to measure llama.cpp in the same run.
    #[arg(long, value_name = "PATH_TO_PYTHON")]
    pub(crate) peer: Option<PathBuf>,
    /// The figures as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn engine(name: &str) -> Result<InProcess, String> {
    [InProcess::Native, InProcess::Mistralrs]
        .into_iter()
        .find(|kind| kind.name() == name)
        .ok_or_else(|| "expected native or mistralrs".to_owned())
}
