//! `lode train` and `lode eval`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use lode_trainer::{LossKind, Schedule, alignment::Method};

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
    /// The preference loss, by TRL's names: sigmoid, robust, hinge, ipo, sigmoid_norm.
    #[arg(long, default_value = "sigmoid", value_parser = loss)]
    pub(crate) loss: LossKind,
    /// The share of pairs believed to be the wrong way round: the verifiers' measured error.
    #[arg(long, default_value_t = 0.0)]
    pub(crate) label_smoothing: f64,
    /// How the learning rate goes on after the warm-up: cosine, linear, constant.
    #[arg(long, default_value = "cosine", value_parser = schedule)]
    pub(crate) schedule: Schedule,
    /// Steps over which the learning rate rises.
    #[arg(long, default_value_t = 2)]
    pub(crate) warmup_steps: u64,
    /// Leave out pairs whose quality differs by less, thousandths.
    #[arg(long, value_name = "MILLI", allow_negative_numbers = true)]
    pub(crate) min_margin_milli: Option<i64>,
    /// Let each pair count in proportion to how much its quality differs; pairs without a difference are left out.
    #[arg(long)]
    pub(crate) weigh_by_margin: bool,
    /// Most pairs of one prompt that go through the model as one sequence, the prompt once for all.
    #[arg(long, default_value_t = 4)]
    pub(crate) pairs_a_sequence: usize,
    /// Keep the whole graph in memory: up to a third faster on short pairs, many times the memory.
    #[arg(long)]
    pub(crate) no_gradient_checkpointing: bool,
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
    /// Keep the reference's log-probabilities here, and take them from here for the same base and pairs.
    #[arg(long, value_name = "DIR")]
    pub(crate) reference_cache: Option<PathBuf>,
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
    /// AlignX's alignment accuracy: whether an adapter prefers what each person preferred.
    Alignment(EvalAlignment),
}

/// `lode eval alignment`
#[derive(Debug, Args)]
pub(crate) struct EvalAlignment {
    /// The reference: a name that `lode model pull` knows, a GGUF file or an HF folder.
    #[arg(long, default_value = "smollm2-135m")]
    pub(crate) base: String,
    /// The policy: a PEFT adapter on that base. Without one the policy is the base itself.
    #[arg(long, value_name = "DIR")]
    pub(crate) adapter: Option<PathBuf>,
    /// Rows in AlignX's evaluation schema: a JSON list.
    #[arg(long, value_name = "FILE")]
    pub(crate) data: PathBuf,
    /// How the policy is told of the person: ica (behaviour) or pba (profile).
    #[arg(long, default_value = "ica", value_parser = method)]
    pub(crate) method: Method,
    /// Score the first so many rows only.
    #[arg(long)]
    pub(crate) rows: Option<usize>,
    /// Write summary and every row's scores here as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// The same on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

fn method(name: &str) -> Result<Method, String> {
    match name {
        "ica" => Ok(Method::Ica),
        "pba" => Ok(Method::Pba),
        _ => Err("expected ica or pba".into()),
    }
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

fn loss(name: &str) -> Result<LossKind, String> {
    let all = LossKind::ALL;
    let found = all.into_iter().find(|kind| kind.name() == name);
    let names = all.map(LossKind::name).join(", ");
    found.ok_or_else(|| format!("expected one of {names}"))
}

fn schedule(name: &str) -> Result<Schedule, String> {
    let all = Schedule::ALL;
    let found = all.into_iter().find(|kind| kind.name() == name);
    let names = all.map(Schedule::name).join(", ");
    found.ok_or_else(|| format!("expected one of {names}"))
}
