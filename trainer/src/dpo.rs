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
use std::path::Path;

use candle_core::DType;
use lode_model::{Llama, LoraSet, Model};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

use crate::checkpoint::{self, State};
use crate::config::DpoConfig;
use crate::data::{DataReport, Pair, TokenPair, preview, tokenise};
use crate::error::{Result, TrainError};
use crate::loss::LogProbs;
use crate::metrics::{Means, MetricsLog, Observer, StepMetrics};
use crate::optim::{AdamW, Gradients, clip};
use crate::output;
use crate::policy::{How, accumulate, by_prompt, log_probs, shape};
use crate::schedule::{Sampler, learning_rate};

/// Stack of the training thread, bytes.
const STACK_BYTES: usize = 512 << 20;
/// Pairs that are shown with their token boundaries before training.
const PREVIEW_PAIRS: usize = 5;
/// Largest |reward| and |loss - ln 2| at the start, where policy and reference are the same.
const START_TOLERANCE: f64 = 1e-4;
/// Share of the pairs whose reference is computed again when a run resumes.
const RECHECK_SHARE: usize = 100;
/// Domains of the adapter's start and of a run's fingerprint.
const INIT_CONTEXT: &str = "lode/lora-init/v1";
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
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            save_every: 10,
            keep: 2,
            resume: false,
            base_name: "base".into(),
            data_name: "preference pairs".into(),
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

/// Self-tests of a run, for the manifest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SelfTests {
    /// Preference loss of the first batch; ln 2 for the sigmoids, with label smoothing or without.
    pub start_loss: Option<f64>,
    /// Largest |reward| of the first batch.
    pub start_reward: Option<f64>,
    /// Tensors whose gradient was finite and present at step 1.
    pub with_gradient: usize,
    /// Tensors whose gradient was not all zero at step 2.
    pub moving_after_two: Option<usize>,
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
            None => trainer.compute_reference(observer)?,
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

/// Places of the pairs that stay together.
fn groups(pairs: &[TokenPair], config: &DpoConfig) -> Vec<Vec<usize>> {
    let all: Vec<&TokenPair> = pairs.iter().collect();
    by_prompt(&all, if config.keep_together { usize::MAX } else { 1 })
}

/// A fresh adapter, the same for the same seed on every machine.
pub fn fresh_lora(llama: &Llama, config: &DpoConfig) -> Result<LoraSet> {
    let mut hasher = blake3::Hasher::new_derive_key(INIT_CONTEXT);
    hasher.update(&config.seed.to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(*hasher.finalize().as_bytes());
    let dtype = match llama.dtype() {
        DType::F64 => DType::F64,
        _ => DType::F32,
    };
    Ok(LoraSet::init(&llama.config, &config.lora, dtype, || rng.random::<f64>())?)
}

/// The state of a run between two steps.
#[derive(Debug)]
pub struct Trainer<'a> {
    llama: Llama,
    /// The adapter being trained.
    pub lora: LoraSet,
    optimiser: AdamW,
    sampler: Sampler,
    pairs: &'a [TokenPair],
    reference: Vec<LogProbs>,
    config: &'a DpoConfig,
    num_tokens: u64,
    self_tests: SelfTests,
}

impl<'a> Trainer<'a> {
    /// A run at step 0, without its reference.
    pub fn new(llama: Llama, pairs: &'a [TokenPair], config: &'a DpoConfig) -> Result<Self> {
        config.check()?;
        let lora = fresh_lora(&llama, config)?;
        let optimiser = AdamW::new(config.optimizer, &lora.named_vars())?;
        let sampler = Sampler::new(groups(pairs, config), config.seed, 0);
        Ok(Self {
            llama,
            lora,
            optimiser,
            sampler,
            pairs,
            reference: Vec::new(),
            config,
            num_tokens: 0,
            self_tests: SelfTests::default(),
        })
    }

    /// Computes the reference's log-probabilities of every pair: adapter off, no gradients.
    pub fn compute_reference(&mut self, observer: &mut (dyn Observer + Send)) -> Result<()> {
        let unknown = LogProbs { chosen: f64::NAN, rejected: f64::NAN };
        let (mut reference, mut done) = (vec![unknown; self.pairs.len()], 0);
        let all: Vec<&TokenPair> = self.pairs.iter().collect();
        for group in by_prompt(&all, self.config.micro_batch) {
            let pairs: Vec<&TokenPair> = group.iter().map(|place| all[*place]).collect();
            for (place, found) in group.iter().zip(self.reference_of(&pairs)?) {
                reference[*place] = found;
            }
            done += group.len();
            observer.on_reference(done, self.pairs.len());
        }
        self.reference = reference;
        Ok(())
    }

    /// Of pairs that have one prompt.
    fn reference_of(&self, pairs: &[&TokenPair]) -> Result<Vec<LogProbs>> {
        let found = log_probs(&self.llama, None, pairs)?;
        let finite = |one: &LogProbs| one.chosen.is_finite() && one.rejected.is_finite();
        match found.iter().zip(pairs).find(|(one, _)| !finite(one)) {
            None => Ok(found),
            Some((_, pair)) => Err(TrainError::NotFinite {
                step: 0,
                what: format!("the reference log-probability of pair `{}`", pair.id),
            }),
        }
    }

    fn state(&self, run: &str) -> State {
        State {
            run: run.to_owned(),
            step: self.optimiser.steps(),
            consumed: self.sampler.consumed(),
            num_tokens: self.num_tokens,
            reference: self.reference.clone(),
            self_tests: self.self_tests.clone(),
            tensors_blake3: String::new(),
        }
    }

    fn resume(&mut self, path: &Path, run: &str) -> Result<()> {
        let (state, slots) = checkpoint::load(path)?;
        let bad = |reason: &str| TrainError::Checkpoint {
            path: path.to_path_buf(),
            reason: reason.to_owned(),
        };
        if state.run != run {
            return Err(TrainError::OtherRun {
                path: path.to_path_buf(),
                difference: "other settings, another model or other pairs".into(),
            });
        }
        if state.reference.len() != self.pairs.len() {
            return Err(bad("it has another number of pairs"));
        }
        // Saved reference values are trusted only after a sample of them has been computed again.
        let stride = RECHECK_SHARE.min(self.pairs.len()).max(1);
        let start = state.consumed as usize % stride;
        for i in (start..self.pairs.len()).step_by(stride) {
            let saved = state.reference[i];
            let Some(found) = self.reference_of(&[&self.pairs[i]])?.pop() else { continue };
            let off =
                (saved.chosen - found.chosen).abs().max((saved.rejected - found.rejected).abs());
            if off > START_TOLERANCE {
                return Err(bad(&format!(
                    "the reference of pair `{}` is off by {off} nats",
                    self.pairs[i].id
                )));
            }
        }
        // Slots are looked up by name: a file lists its tensors in no particular order.
        let mut by_name: std::collections::BTreeMap<String, _> =
            slots.into_iter().map(|s| (s.name.clone(), s)).collect();
        let ordered =
            self.optimiser.slots().iter().filter_map(|s| by_name.remove(&s.name)).collect();
        if !self.optimiser.restore(ordered, state.step)? || !by_name.is_empty() {
            return Err(bad("its tensors are not those of this adapter"));
        }
        self.reference = state.reference;
        let groups = groups(self.pairs, self.config);
        self.sampler = Sampler::new(groups, self.config.seed, state.consumed);
        self.num_tokens = state.num_tokens;
        self.self_tests = state.self_tests;
        Ok(())
    }

    /// The mean gradient of a batch, and its metrics. Does not move anything but the counters.
    pub fn gradient(&mut self, batch: &[usize]) -> Result<(Gradients, StepMetrics)> {
        let mut gradients = self.optimiser.zero_gradients();
        let mut means = Means::default();
        let how = How {
            loss: self.config.loss,
            batch: batch.len(),
            checkpointing: self.config.gradient_checkpointing,
        };
        let all: Vec<&TokenPair> = batch.iter().map(|i| &self.pairs[*i]).collect();
        for group in by_prompt(&all, self.config.micro_batch) {
            let pairs: Vec<(&TokenPair, LogProbs)> =
                group.iter().map(|place| (all[*place], self.reference[batch[*place]])).collect();
            let (lora, optimiser) = (&self.lora, &self.optimiser);
            let done = accumulate(&self.llama, lora, &how, &pairs, optimiser, &mut gradients)?;
            for ((loss, policy), (_, reference)) in done.pairs.iter().zip(&pairs) {
                means.add(loss, policy.chosen, policy.rejected, reference.chosen);
            }
            self.num_tokens += done.tokens;
        }
        Ok((gradients, means.metrics()))
    }

    /// One optimiser step.
    pub fn step(&mut self) -> Result<StepMetrics> {
        let batch = self.sampler.next(self.config.batch_size);
        self.step_on(&batch)
    }

    /// One optimiser step on pairs of the caller's choice; the sampler does not move.
    pub fn step_on(&mut self, batch: &[usize]) -> Result<StepMetrics> {
        let config = self.config;
        let (mut gradients, mut metrics) = self.gradient(batch)?;
        let done = self.optimiser.steps();
        metrics.step = done + 1;
        if !metrics.loss.is_finite() {
            return Err(TrainError::NotFinite { step: metrics.step, what: "the loss".into() });
        }
        self.check_gradients(&gradients, &metrics)?;
        metrics.grad_norm = clip(&mut gradients, config.max_grad_norm);
        metrics.learning_rate = learning_rate(
            config.schedule,
            config.learning_rate,
            config.warmup_steps,
            done,
            config.steps,
        );
        metrics.epoch = self.sampler.epochs();
        metrics.num_tokens = self.num_tokens;
        metrics.alarms = config.alarms.check(&metrics);
        self.optimiser.step(&gradients, metrics.learning_rate)?;
        Ok(metrics.rounded())
    }

    /// Finite gradients at every step; at the first, loss ln 2 and rewards 0 and a gradient for
    /// every B (A's is zero while B is); at the second, one for every tensor.
    fn check_gradients(&mut self, gradients: &Gradients, metrics: &StepMetrics) -> Result<()> {
        let (slots, config) = (self.optimiser.slots(), self.config);
        if let Some((slot, _)) =
            slots.iter().zip(gradients).find(|(_, g)| g.iter().any(|v| !v.is_finite()))
        {
            return Err(TrainError::NotFinite {
                step: metrics.step,
                what: format!("the gradient of `{}`", slot.name),
            });
        }
        let still: Vec<&str> = slots
            .iter()
            .zip(gradients)
            .filter(|(_, g)| g.iter().all(|v| *v == 0.0))
            .map(|(s, _)| s.name.as_str())
            .collect();
        match metrics.step {
            1 => {
                let reward = metrics.rewards_chosen.abs().max(metrics.rewards_rejected.abs());
                let expected = config.loss.at_start();
                let off = (metrics.preference_loss - expected).abs() / expected.max(1.0);
                if reward > START_TOLERANCE || off > START_TOLERANCE {
                    return Err(TrainError::SelfTest {
                        test: "policy and reference agree at the start",
                        found: format!(
                            "loss {} ({expected} expected), rewards up to {reward}",
                            metrics.preference_loss
                        ),
                    });
                }
                if let Some(name) = still.iter().find(|n| n.contains("lora_B")) {
                    return Err(TrainError::SelfTest {
                        test: "every B has a gradient after step 1",
                        found: format!("`{name}` has only zeros"),
                    });
                }
                self.self_tests.start_loss = Some(metrics.preference_loss);
                self.self_tests.start_reward = Some(reward);
                self.self_tests.with_gradient = gradients.len();
            }
            2 => {
                if let Some(name) = still.first() {
                    return Err(TrainError::SelfTest {
                        test: "every trainable has a gradient after step 2",
                        found: format!("`{name}` has only zeros"),
                    });
                }
                self.self_tests.moving_after_two = Some(gradients.len());
            }
            _ => {}
        }
        Ok(())
    }
}
