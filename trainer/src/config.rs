//! The settings of a DPO run.

use lode_model::LoraSpec;
use serde::{Deserialize, Serialize};

use crate::data::{Selection, Weighting};
use crate::error::{Result, TrainError};
use crate::loss::DpoLoss;
use crate::metrics::AlarmBounds;
use crate::optim::AdamWConfig;
use crate::schedule::Schedule;

/// Everything that decides the result, given model and pairs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DpoConfig {
    /// The loss.
    pub loss: DpoLoss,
    /// The adapter.
    pub lora: LoraSpec,
    /// The optimiser.
    pub optimizer: AdamWConfig,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// How the rate falls.
    pub schedule: Schedule,
    /// Steps over which the rate rises.
    pub warmup_steps: u64,
    /// Optimiser steps in all.
    pub steps: u64,
    /// Pairs an optimiser step.
    pub batch_size: usize,
    /// Most pairs of one prompt that go through the model as one sequence; the gradients of a step's
    /// sequences add up to those of the whole batch.
    pub micro_batch: usize,
    /// Pairs of one prompt come one after the other, so that they share it; the order of prompts, and of
    /// the pairs of each, is drawn anew in every epoch.
    pub keep_together: bool,
    /// Each block's input is kept and its graph computed again on the way back: a third more to compute
    /// without attention, a fraction of the memory.
    pub gradient_checkpointing: bool,
    /// Gradients of a larger norm are scaled down to this.
    pub max_grad_norm: f64,
    /// Longest prompt plus completion, tokens. Longer pairs are dropped.
    pub max_length: usize,
    /// Pairs of a smaller margin are dropped, thousandths.
    pub min_margin_milli: Option<i64>,
    /// How much each pair counts.
    pub weighting: Weighting,
    /// Seed of the adapter's start and of the order of the pairs.
    pub seed: u64,
    /// When to raise an alarm.
    pub alarms: AlarmBounds,
}

impl Default for DpoConfig {
    fn default() -> Self {
        Self {
            loss: DpoLoss::default(),
            lora: LoraSpec::default(),
            optimizer: AdamWConfig::default(),
            learning_rate: 5e-5,
            schedule: Schedule::Cosine,
            warmup_steps: 2,
            steps: 20,
            batch_size: 4,
            micro_batch: 4,
            keep_together: true,
            gradient_checkpointing: true,
            max_grad_norm: 1.0,
            max_length: 8_192,
            min_margin_milli: None,
            weighting: Weighting::Uniform,
            seed: 42,
            alarms: AlarmBounds::default(),
        }
    }
}

impl DpoConfig {
    /// Which pairs a model of `max_positions` tokens is trained on.
    pub fn selection(&self, max_positions: usize) -> Selection {
        Selection {
            max_length: self.max_length.min(max_positions),
            min_margin_milli: self.min_margin_milli,
            weighting: self.weighting,
        }
    }

    /// Refuses settings that cannot train.
    pub fn check(&self) -> Result<()> {
        let bad = |name, value: &dyn std::fmt::Display, expected| {
            Err(TrainError::Setting { name, value: value.to_string(), expected })
        };
        let positive = |v: f64| v.is_finite() && v > 0.0;
        let share = |v: f64| (0.0..1.0).contains(&v);
        if !positive(self.loss.beta) {
            return bad("beta", &self.loss.beta, "a number above 0 is needed (0.1 is usual)");
        }
        if !(0.0..0.5).contains(&self.loss.label_smoothing) {
            return bad(
                "label_smoothing",
                &self.loss.label_smoothing,
                "0 to below 0.5 is possible",
            );
        }
        if self.loss.label_smoothing > 0.0 && !self.loss.kind.smooths() {
            return bad(
                "label_smoothing",
                &self.loss.label_smoothing,
                "0 is needed with hinge and ipo; sigmoid, robust and sigmoid_norm smooth",
            );
        }
        if !(self.loss.nll_weight.is_finite() && self.loss.nll_weight >= 0.0) {
            return bad("nll_weight", &self.loss.nll_weight, "0 or more is needed");
        }
        if !positive(self.learning_rate) {
            return bad(
                "learning_rate",
                &self.learning_rate,
                "a number above 0 is needed (1e-5 to 1e-4 is usual with LoRA)",
            );
        }
        let o = &self.optimizer;
        let decay = o.weight_decay.is_finite() && o.weight_decay >= 0.0;
        if !(share(o.beta1) && share(o.beta2) && positive(o.eps) && decay) {
            return bad(
                "optimizer",
                &format!("{o:?}"),
                "decays lie in 0 to below 1, eps above 0, weight decay at 0 or above",
            );
        }
        if self.steps == 0 {
            return bad("steps", &self.steps, "at least one step is needed");
        }
        if self.warmup_steps > self.steps {
            return bad("warmup_steps", &self.warmup_steps, "no more than `steps` is possible");
        }
        if self.batch_size == 0 {
            return bad("batch_size", &self.batch_size, "at least one pair is needed");
        }
        if self.micro_batch == 0 {
            return bad("micro_batch", &self.micro_batch, "at least one pair is needed");
        }
        if !positive(self.max_grad_norm) {
            return bad(
                "max_grad_norm",
                &self.max_grad_norm,
                "a number above 0 is needed (1.0 is usual)",
            );
        }
        if self.max_length < 3 {
            return bad(
                "max_length",
                &self.max_length,
                "room for a prompt and a completion is needed",
            );
        }
        Ok(())
    }
}
