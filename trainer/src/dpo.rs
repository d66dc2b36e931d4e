//! A DPO run from pairs to an adapter.
//!
//! Flow: pairs become tokens ([`crate::data`]); the reference's log-probabilities are computed
//! once, with the adapter off; then, step by step, the sampler draws a batch, micro-batches add
//! up its gradient, the gradient is clipped, AdamW moves the adapter, metrics are written, and
//! now and then a checkpoint is saved. At the end the adapter is written in PEFT's layout with a
//! card and a manifest ([`crate::output`]).
//!
//! It runs on a thread of its own with a large stack, because the backward pass walks the graph
//! recursively.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use lode_model::{LoraSet, Model};

use crate::checkpoint;
use crate::config::DpoConfig;
use crate::data::{DataReport, Pair, TokenPair, preview, tokenise};
use crate::error::{Result, TrainError};
use crate::metrics::{Means, MetricsLog, Observer, StepMetrics};
use crate::output;
use crate::policy::{by_prompt, log_probs, shape};
use crate::trainer::Trainer;

/// Stack of the training thread, bytes.
const STACK_BYTES: usize = 512 << 20;
/// Pairs that are shown with their token boundaries before training.
const PREVIEW_PAIRS: usize = 5;
/// Domain of a run's fingerprint.
const RUN_CONTEXT: &str = "lode/dpo-run/v1";
/// File with one line a step.
pub const METRICS_FILE: &str = "metrics.jsonl";
/// Folder of the checkpoints.
pub const CHECKPOINT_DIR: &str = "checkpoints";

/// How a run is kept, as against what it computes.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// A checkpoint is saved after this many steps, and at the end.
    pub save_every: u64,
    /// Newest checkpoints that are kept.
    pub keep: usize,
    /// Go on from the newest checkpoint, if there is one. Without it, a folder that holds a run
    /// is refused.
    pub resume: bool,
    /// Name or path of the base, for the adapter's configuration and the card.
    pub base_name: String,
    /// What the card says about where the pairs come from.
    pub data_name: String,
    /// Folder in which reference log-probabilities are kept for other runs; none: in checkpoints only.
    pub reference_cache: Option<PathBuf>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            save_every: 10,
            keep: 2,
            resume: false,
            base_name: "base".into(),
            data_name: "preference pairs".into(),
            reference_cache: None,
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The trained adapter.
    pub lora: LoraSet,
    /// Metrics of every step, from the first (also of those before a resume).
    pub metrics: Vec<StepMetrics>,
    /// What was used and dropped.
    pub data: DataReport,
    /// False if the observer stopped the run; it can be resumed.
    pub finished: bool,
}

/// Trains an adapter on `pairs` and writes it to `out`.
pub fn train(
    model: &Model,
    pairs: &[Pair],
    config: &DpoConfig,
    options: &RunOptions,
    out: &Path,
    observer: &mut (dyn Observer + Send),
) -> Result<Outcome> {
    config.check()?;
    let selection = config.selection(model.config.max_positions);
    let (tokens, report) = tokenise(&model.tokenizer, pairs, &selection)?;
    on_large_stack(|| {
        observer.on_data(&report, &preview(&model.tokenizer, &tokens, PREVIEW_PAIRS)?);
        let run = run_fingerprint(model, config, &report)?;
        let mut trainer = Trainer::new(model.llama(), &tokens, config)?;
        let checkpoints = out.join(CHECKPOINT_DIR);
        std::fs::create_dir_all(&checkpoints)
            .map_err(|e| TrainError::io("create", &checkpoints, e))?;
        match checkpoint::list(&checkpoints)?.pop() {
            Some((_, path)) if options.resume => {
                trainer.resume(&path, &run)?;
                observer.on_resume(trainer.optimiser.steps());
            }
            Some(_) => {
                return Err(TrainError::OtherRun {
                    path: out.to_path_buf(),
                    difference: "checkpoints, and resuming was not asked for".into(),
                });
            }
            None => trainer.get_reference(model, &report, options, observer)?,
        }
        let (mut log, mut history) =
            MetricsLog::open(&out.join(METRICS_FILE), trainer.optimiser.steps())?;
        let mut finished = true;
        while trainer.optimiser.steps() < config.steps {
            let metrics = trainer.step()?;
            log.append(&metrics)?;
            let go_on = observer.on_step(&metrics, config.steps);
            history.push(metrics);
            let step = trainer.optimiser.steps();
            let last = step == config.steps;
            if last || go_on.is_break() || step % options.save_every.max(1) == 0 {
                let path = checkpoint::save(
                    &checkpoints,
                    &trainer.state(&run),
                    trainer.optimiser.slots(),
                    options.keep,
                )?;
                observer.on_checkpoint(&path);
            }
            if go_on == ControlFlow::Break(()) && !last {
                finished = false;
                break;
            }
        }
        if finished {
            let summary = output::Summary {
                config,
                options,
                report: &report,
                self_tests: &trainer.self_tests,
                pairs: &tokens,
                metrics: &history,
            };
            output::write(out, model, &trainer.lora, &summary)?;
        }
        Ok(Outcome { lora: trainer.lora, metrics: history, data: report, finished })
    })
}

/// Metrics of held-out pairs, by the same names as in training. With `lora: None` the policy is
/// the base and all rewards are 0.
pub fn evaluate(
    model: &Model,
    lora: Option<&LoraSet>,
    pairs: &[Pair],
    config: &DpoConfig,
) -> Result<(StepMetrics, DataReport)> {
    config.check()?;
    let (tokens, report) =
        tokenise(&model.tokenizer, pairs, &config.selection(model.config.max_positions))?;
    on_large_stack(|| {
        let llama = model.llama();
        let mut means = Means::default();
        let all: Vec<&TokenPair> = tokens.iter().collect();
        for group in by_prompt(&all, config.micro_batch) {
            let pairs: Vec<&TokenPair> = group.iter().map(|place| all[*place]).collect();
            let references = log_probs(&llama, None, &pairs)?;
            let policies = match lora {
                Some(_) => log_probs(&llama, lora, &pairs)?,
                None => references.clone(),
            };
            for ((pair, policy), reference) in pairs.iter().zip(policies).zip(references) {
                let loss = config.loss.pair(policy, reference, &shape(pair));
                means.add(&loss, policy.chosen, policy.rejected, reference.chosen);
            }
        }
        Ok((means.metrics(), report))
    })
}

fn on_large_stack<R: Send>(work: impl FnOnce() -> Result<R> + Send) -> Result<R> {
    std::thread::scope(|scope| {
        let handle = std::thread::Builder::new()
            .name("lode-train".into())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, work)
            .map_err(|e| TrainError::Thread(format!("could not be started: {e}")))?;
        handle.join().map_err(|_| {
            TrainError::Thread("panicked; this is a fault of the program, please report it".into())
        })?
    })
}

/// Hash of everything that decides the result.
fn run_fingerprint(model: &Model, config: &DpoConfig, report: &DataReport) -> Result<String> {
    let mut hasher = blake3::Hasher::new_derive_key(RUN_CONTEXT);
    hasher.update(&model.weights.fingerprint()?);
    hasher.update(&model.tokenizer.fingerprint());
    hasher.update(report.hash.as_bytes());
    let settings = serde_json::to_vec(config).map_err(|e| TrainError::Setting {
        name: "config",
        value: e.to_string(),
        expected: "finite numbers are needed",
    })?;
    hasher.update(&settings);
    Ok(hasher.finalize().to_hex().to_string())
}
