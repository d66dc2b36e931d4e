//! What is measured at each step, by TRL's names, and who is told.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::data::DataReport;
use crate::error::{Result, TrainError};
use crate::loss::{PairLoss, sigmoid};

/// A share of pairs this sure of the order counts as saturated.
const SURE: f64 = 0.99;

/// One line of `metrics.jsonl`. Means are over the pairs of the step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepMetrics {
    /// Optimiser step, from 1.
    pub step: u64,
    /// Passes over the data, with the fraction of the current one.
    pub epoch: f64,
    /// The whole loss.
    pub loss: f64,
    /// The preference part of the loss alone.
    pub preference_loss: f64,
    /// Negative log-likelihood of the chosen side per token, unweighted.
    pub nll_loss: f64,
    /// β (log π - log ρ) of the chosen side.
    #[serde(rename = "rewards/chosen")]
    pub rewards_chosen: f64,
    /// β (log π - log ρ) of the rejected side.
    #[serde(rename = "rewards/rejected")]
    pub rewards_rejected: f64,
    /// Chosen reward minus rejected reward.
    #[serde(rename = "rewards/margins")]
    pub rewards_margins: f64,
    /// Share of pairs whose chosen reward is the higher one.
    #[serde(rename = "rewards/accuracies")]
    pub rewards_accuracies: f64,
    /// Log-probability of the chosen completion under the policy.
    #[serde(rename = "logps/chosen")]
    pub logps_chosen: f64,
    /// Log-probability of the rejected completion under the policy.
    #[serde(rename = "logps/rejected")]
    pub logps_rejected: f64,
    /// Mean fall of the chosen side's log-probability below the reference's, nats.
    pub chosen_fall: f64,
    /// Share of pairs with sigmoid(margin) above 0.99.
    pub saturated: f64,
    /// Norm of all gradients before clipping.
    pub grad_norm: f64,
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Tokens that went through the forward so far.
    pub num_tokens: u64,
    /// What looks wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alarms: Vec<Alarm>,
}

/// Signs that a run is going wrong although its loss falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alarm {
    /// The chosen side has become less likely by more than the bound: likelihood displacement.
    /// Raise `nll_weight`, or lower the learning rate.
    ChosenFalling,
    /// Nearly every pair is separated already: more steps only push the model away from the
    /// reference. Stop, or lower the learning rate.
    MarginsSaturated,
}

/// Bounds of the alarms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlarmBounds {
    /// Largest mean fall of the chosen log-probability below the reference's, nats a pair.
    pub chosen_fall: f64,
    /// Largest share of pairs with sigmoid(margin) above 0.99.
    pub saturated: f64,
}

impl Default for AlarmBounds {
    fn default() -> Self {
        Self { chosen_fall: 10.0, saturated: 0.9 }
    }
}

/// Significant digits of a metric.
const DIGITS: usize = 12;

impl StepMetrics {
    /// The same with every number at twelve significant digits. JSON may bring a number back with
    /// another last bit; rounded, what is read equals what was written, so the files of a resumed
    /// run equal those of an uninterrupted one.
    pub fn rounded(mut self) -> Self {
        for value in [
            &mut self.epoch,
            &mut self.loss,
            &mut self.preference_loss,
            &mut self.nll_loss,
            &mut self.rewards_chosen,
            &mut self.rewards_rejected,
            &mut self.rewards_margins,
            &mut self.rewards_accuracies,
            &mut self.logps_chosen,
            &mut self.logps_rejected,
            &mut self.chosen_fall,
            &mut self.saturated,
            &mut self.grad_norm,
            &mut self.learning_rate,
        ] {
            *value = format!("{:.*e}", DIGITS - 1, *value).parse().unwrap_or(*value);
        }
        self
    }
}

impl AlarmBounds {
    /// The alarms that a step sets off.
    pub fn check(&self, metrics: &StepMetrics) -> Vec<Alarm> {
        let mut alarms = Vec::new();
        if metrics.chosen_fall > self.chosen_fall {
            alarms.push(Alarm::ChosenFalling);
        }
        if metrics.saturated > self.saturated {
            alarms.push(Alarm::MarginsSaturated);
        }
        alarms
    }
}

/// Means over pairs, gathered one pair at a time.
#[derive(Clone, Debug, Default)]
pub struct Means {
    sums: [f64; 9],
    sums_fall: f64,
    count: usize,
}

impl Means {
    /// Adds one pair with the policy's log-probabilities of its two sides and the reference's of
    /// the chosen one.
    pub fn add(&mut self, pair: &PairLoss, chosen: f64, rejected: f64, reference_chosen: f64) {
        let margin = pair.reward_chosen - pair.reward_rejected;
        let flag = |b: bool| if b { 1.0 } else { 0.0 };
        let values = [
            pair.loss,
            pair.preference,
            pair.nll,
            pair.reward_chosen,
            pair.reward_rejected,
            flag(margin > 0.0),
            chosen,
            rejected,
            flag(sigmoid(margin) > SURE),
        ];
        self.sums.iter_mut().zip(values).for_each(|(s, v)| *s += v);
        self.sums_fall += reference_chosen - chosen;
        self.count += 1;
    }

    /// The metrics of these pairs; gradient norm, rate and position are the caller's.
    pub fn metrics(&self) -> StepMetrics {
        let n = self.count.max(1) as f64;
        let [loss, preference, nll, chosen, rejected, right, logp_chosen, logp_rejected, sure] =
            self.sums.map(|s| s / n);
        StepMetrics {
            step: 0,
            epoch: 0.0,
            loss,
            preference_loss: preference,
            nll_loss: nll,
            rewards_chosen: chosen,
            rewards_rejected: rejected,
            rewards_margins: chosen - rejected,
            rewards_accuracies: right,
            logps_chosen: logp_chosen,
            logps_rejected: logp_rejected,
            chosen_fall: self.sums_fall / n,
            saturated: sure,
            grad_norm: 0.0,
            learning_rate: 0.0,
            num_tokens: 0,
            alarms: Vec::new(),
        }
    }
}

/// Who is told how a run goes. Every method has an empty default.
pub trait Observer {
    /// Before training: counts of used and dropped pairs, and the preview of the first ones.
    fn on_data(&mut self, _report: &DataReport, _preview: &str) {}
    /// Reference log-probabilities: `done` of `total` pairs.
    fn on_reference(&mut self, _done: usize, _total: usize) {}
    /// A run goes on from a checkpoint at this step.
    fn on_resume(&mut self, _step: u64) {}
    /// After each optimiser step of `total`. `Break` saves a checkpoint and stops.
    fn on_step(&mut self, _metrics: &StepMetrics, _total: u64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
    /// A checkpoint was saved.
    fn on_checkpoint(&mut self, _path: &Path) {}
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}

/// `metrics.jsonl`, one line a step.
#[derive(Debug)]
pub struct MetricsLog {
    path: PathBuf,
    file: File,
}

impl MetricsLog {
    /// Opens the log, keeping only the lines up to `step`: what was measured after the checkpoint
    /// that a run resumes from will be measured again.
    pub fn open(path: &Path, step: u64) -> Result<(Self, Vec<StepMetrics>)> {
        let kept = Self::read(path)?.into_iter().filter(|m| m.step <= step).collect::<Vec<_>>();
        let text = kept.iter().map(line).collect::<Result<String>>()?;
        lode_model::write_atomically(path, text.as_bytes())?;
        let file = OpenOptions::new()
            .append(true)
            .open(path)
            .map_err(|e| TrainError::io("open", path, e))?;
        Ok((Self { path: path.to_path_buf(), file }, kept))
    }

    /// Reads a log; a last line cut short by a crash is left out.
    pub fn read(path: &Path) -> Result<Vec<StepMetrics>> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(text
                .lines()
                .map_while(|l| serde_json::from_str(l).ok().map(StepMetrics::rounded))
                .collect()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(TrainError::io("read", path, e)),
        }
    }

    /// Appends one line.
    pub fn append(&mut self, metrics: &StepMetrics) -> Result<()> {
        self.file
            .write_all(line(metrics)?.as_bytes())
            .map_err(|e| TrainError::io("write", &self.path, e))
    }
}

fn line(metrics: &StepMetrics) -> Result<String> {
    let mut line = serde_json::to_string(metrics).map_err(|e| TrainError::NotFinite {
        step: metrics.step,
        what: format!("a metric ({e})"),
    })?;
    line.push('\n');
    Ok(line)
}
