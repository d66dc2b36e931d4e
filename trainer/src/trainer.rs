//! The state of a run between two steps, and the step: a batch's gradient, its self-tests, clipping, AdamW.

use std::path::Path;

use candle_core::DType;
use lode_model::{Llama, LoraSet, Model};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

use crate::checkpoint::{self, State};
use crate::config::DpoConfig;
use crate::data::{DataReport, TokenPair};
use crate::dpo::RunOptions;
use crate::error::{Result, TrainError};
use crate::loss::LogProbs;
use crate::metrics::{Means, Observer, StepMetrics};
use crate::optim::{AdamW, Gradients, clip};
use crate::policy::{How, accumulate, by_prompt, log_probs};
use crate::reference;
use crate::schedule::{Sampler, learning_rate};

/// Largest |reward| and |loss - ln 2| at the start, where policy and reference are the same.
const START_TOLERANCE: f64 = 1e-4;
/// Of so many pairs one has its reference computed again before a kept one is believed.
const RECHECK_SHARE: usize = 100;
/// How far a kept reference may be off: so many nats, and so much of it, for sums over other packings.
const RECHECK_NATS: f64 = 1e-4;
const RECHECK_RELATIVE: f64 = 1e-5;
/// Domain of the adapter's start.
const INIT_CONTEXT: &str = "lode/lora-init/v1";

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
    pub(crate) optimiser: AdamW,
    sampler: Sampler,
    pairs: &'a [TokenPair],
    reference: Vec<LogProbs>,
    config: &'a DpoConfig,
    num_tokens: u64,
    pub(crate) self_tests: SelfTests,
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

    /// Takes the reference that another run has kept, where there is one, or computes and keeps it.
    pub(crate) fn get_reference(
        &mut self,
        model: &Model,
        report: &DataReport,
        options: &RunOptions,
        observer: &mut (dyn Observer + Send),
    ) -> Result<()> {
        let Some(folder) = &options.reference_cache else {
            return self.compute_reference(observer);
        };
        let path = reference::path(folder, model, report, self.config.micro_batch)?;
        if let Some(kept) = reference::load(&path, self.pairs.len())? {
            if let Some(reason) = self.recheck(&kept, self.config.seed)? {
                return Err(TrainError::Reference { path, reason });
            }
            self.reference = kept;
            return Ok(());
        }
        reference::prepare(&path)?;
        self.compute_reference(observer)?;
        reference::save(&path, &self.reference)
    }

    /// Computes a sample of a kept reference again; says what is wrong, if anything. `start` draws the
    /// sample.
    fn recheck(&self, kept: &[LogProbs], start: u64) -> Result<Option<String>> {
        let stride = RECHECK_SHARE.min(self.pairs.len()).max(1);
        let start = (start % stride as u64) as usize;
        for (pair, kept) in self.pairs.iter().zip(kept).skip(start).step_by(stride) {
            let Some(found) = self.reference_of(&[pair])?.pop() else { continue };
            for (kept, found) in [(kept.chosen, found.chosen), (kept.rejected, found.rejected)] {
                let (off, most) =
                    ((kept - found).abs(), RECHECK_NATS + RECHECK_RELATIVE * found.abs());
                if off.is_nan() || off > most {
                    let id = &pair.id;
                    return Ok(Some(format!("the reference of pair `{id}` is off by {off} nats")));
                }
            }
        }
        Ok(None)
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

    pub(crate) fn state(&self, run: &str) -> State {
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

    pub(crate) fn resume(&mut self, path: &Path, run: &str) -> Result<()> {
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
        if let Some(reason) = self.recheck(&state.reference, state.consumed)? {
            return Err(bad(&reason));
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
