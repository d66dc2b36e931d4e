//! `lode devnet`.

use std::path::PathBuf;

use clap::Args;

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
    /// Every so many tasks one is a revision session, in which a miner may try again after feedback;
    /// 0: none is.
    #[arg(long, default_value_t = 8)]
    pub(crate) revision_every: u32,
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
