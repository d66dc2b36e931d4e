//! A reader that never sees the document: can it tell chosen from rejected by the text alone?
//!
//! A logistic regression over hashed character 3- and 4-grams, length, lines and trace steps,
//! trained with AdaGrad, cross-validated by task in five folds. The score is the area under the
//! ROC curve of the held-out texts (Mann-Whitney, within each fold, weighted by its pairs); 0.5
//! means that it can tell nothing. Arithmetic is plain IEEE doubles with `libm`'s exponential and
//! logarithm, in a fixed order, so that every machine gets the same bits.

use lode_proto::id::Hash;
use serde::Serialize;

use super::{Config, Drops, ENFORCED_FROM, Pair, balance::milli};
use crate::derive::{GradedAttempt, Group};

/// Largest area under the curve that the default config may have from [`ENFORCED_FROM`] pairs up.
const MOST_AUC: f64 = 0.60;
/// Rounds of moving out what the probe tells best, each followed by another fit.
const MAX_ROUNDS: usize = 10;
/// Share of the pairs moved in a round, as a divisor.
const ROUND_SHARE: usize = 20;
/// Folds of the cross-validation.
const FOLDS: u64 = 5;
/// Passes over the training folds.
const EPOCHS: usize = 5;
/// Hashed n-gram features, a power of two.
const GRAM_FEATURES: usize = 1 << 13;
/// Features that are numbers: length, lines, steps.
const DENSE: usize = 3;
/// Bytes of a completion that the probe reads.
const MAX_TEXT: usize = 8 * 1024;
/// Step of AdaGrad.
const RATE: f64 = 0.1;
/// Weight of the L2 penalty.
const DECAY: f64 = 1e-4;

/// What the probe found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ProbeResult {
    /// Pairs it was measured on; folds without a pair of each side count for nothing.
    pub pairs: usize,
    /// Area under the curve, thousandths; 500 is chance.
    pub auc_milli: u32,
    /// Its 95 % interval by Hanley and McNeil (1982), thousandths.
    pub interval_milli: (u32, u32),
}

struct Features {
    /// Hashed n-grams with their L2-normalised weight, by feature.
    grams: Vec<(u32, f64)>,
    dense: [f64; DENSE],
}

fn features(attempt: &GradedAttempt) -> Features {
    let text = &attempt.attempt.completion;
    let head = &text[..text.len().min(MAX_TEXT)];
    let mut places = Vec::with_capacity(2 * head.len());
    for size in [3, 4] {
        for gram in head.windows(size) {
            // FNV-1a, 32 bits.
            let hash = gram.iter().fold(0x811c_9dc5_u32, |hash, byte| {
                (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193)
            });
            places.push((hash ^ (hash >> 16)) & (GRAM_FEATURES as u32 - 1));
        }
    }
    places.sort_unstable();
    places.dedup();
    let weight = 1.0 / (places.len().max(1) as f64).sqrt();
    let lines = text.iter().filter(|byte| **byte == b'\n').count();
    let steps = attempt.verdict.citations.len() + attempt.verdict.computes.len();
    let scale = |count: usize| libm::log(1.0 + count as f64);
    Features {
        grams: places.into_iter().map(|place| (place, weight)).collect(),
        dense: [scale(text.len()), scale(lines), scale(steps)],
    }
}

/// A logistic regression.
struct Model {
    weights: Vec<f64>,
    squares: Vec<f64>,
    bias: f64,
    mean: [f64; DENSE],
    deviation: [f64; DENSE],
}

impl Model {
    fn fit(samples: &[(&Features, bool)]) -> Self {
        let count = samples.len().max(1) as f64;
        let (mut mean, mut deviation) = ([0.0; DENSE], [0.0; DENSE]);
        for at in 0..DENSE {
            mean[at] = samples.iter().map(|(sample, _)| sample.dense[at]).sum::<f64>() / count;
            let square =
                |sample: &Features| (sample.dense[at] - mean[at]) * (sample.dense[at] - mean[at]);
            let variance = samples.iter().map(|(sample, _)| square(sample)).sum::<f64>() / count;
            deviation[at] = variance.sqrt().max(1e-6);
        }
        let size = GRAM_FEATURES + DENSE;
        let mut model = Self {
            weights: vec![0.0; size],
            squares: vec![1e-8; size],
            bias: 0.0,
            mean,
            deviation,
        };
        for _ in 0..EPOCHS {
            for (sample, label) in samples {
                let target = f64::from(u8::from(*label));
                let error = 1.0 / (1.0 + libm::exp(-model.score(sample))) - target;
                model.step(sample, error);
            }
        }
        model
    }

    fn dense(&self, sample: &Features, at: usize) -> f64 {
        (sample.dense[at] - self.mean[at]) / self.deviation[at]
    }

    fn score(&self, sample: &Features) -> f64 {
        let mut score = self.bias;
        for (place, weight) in &sample.grams {
            score += self.weights[*place as usize] * weight;
        }
        for at in 0..DENSE {
            score += self.weights[GRAM_FEATURES + at] * self.dense(sample, at);
        }
        score
    }

    fn step(&mut self, sample: &Features, error: f64) {
        for (place, weight) in &sample.grams {
            self.update(*place as usize, error * weight);
        }
        for at in 0..DENSE {
            let value = self.dense(sample, at);
            self.update(GRAM_FEATURES + at, error * value);
        }
        self.bias -= RATE * 0.1 * error;
    }

    fn update(&mut self, place: usize, gradient: f64) {
        let gradient = gradient + DECAY * self.weights[place];
        self.squares[place] += gradient * gradient;
        self.weights[place] -= RATE * gradient / self.squares[place].sqrt();
    }
}

fn fold(group: &Group) -> u64 {
    u64::from(Hash::derive("lode/1/probe-fold", group.task.id.0.as_bytes()).0[0]) % FOLDS
}

/// The probe's result and, for each pair, held-out score of chosen minus that of rejected.
pub(crate) fn measure(groups: &[Group], pairs: &[&Pair]) -> (ProbeResult, Vec<f64>) {
    let sides: Vec<Option<(u64, Features, Features)>> = pairs
        .iter()
        .map(|pair| {
            let group = groups.get(pair.group)?;
            let side = |at: usize| group.attempts.get(at).map(features);
            Some((fold(group), side(pair.chosen)?, side(pair.rejected)?))
        })
        .collect();
    let mut margins = vec![0.0; pairs.len()];
    let (mut hits, mut weight) = (0.0, 0.0);
    for held_out in 0..FOLDS {
        let mut training = Vec::new();
        let (mut good, mut bad, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (place, side) in sides.iter().enumerate() {
            let Some((fold, chosen, rejected)) = side else { continue };
            if *fold == held_out {
                places.push((place, chosen, rejected));
            } else {
                // Sides alternate in order, so that no order of labels can be learned.
                let first = place % 2 == 0;
                training.push(if first { (chosen, true) } else { (rejected, false) });
                training.push(if first { (rejected, false) } else { (chosen, true) });
            }
        }
        if places.is_empty() || training.is_empty() {
            continue;
        }
        let model = Model::fit(&training);
        for (place, chosen, rejected) in places {
            let (chosen, rejected) = (model.score(chosen), model.score(rejected));
            margins[place] = chosen - rejected;
            good.push(chosen);
            bad.push(rejected);
        }
        let pairs_here = good.len() as f64;
        hits += auc(&good, &bad) * pairs_here;
        weight += pairs_here;
    }
    let area = if weight > 0.0 { hits / weight } else { 0.5 };
    let half = 1.96 * hanley_mcneil(area, weight.max(1.0));
    let interval_milli = (milli(area - half), milli(area + half));
    (ProbeResult { pairs: pairs.len(), auc_milli: milli(area), interval_milli }, margins)
}

/// Share of (good, bad) where good scores higher; a tie is half.
fn auc(good: &[f64], bad: &[f64]) -> f64 {
    let mut sorted = bad.to_vec();
    sorted.sort_by(f64::total_cmp);
    let total: f64 = good
        .iter()
        .map(|score| {
            let below = sorted.partition_point(|other| other < score);
            let upto = sorted.partition_point(|other| other <= score);
            below as f64 + 0.5 * (upto - below) as f64
        })
        .sum();
    total / (good.len() as f64 * bad.len() as f64)
}

/// Standard error of an area under the curve for as many good as bad ones.
fn hanley_mcneil(area: f64, count: f64) -> f64 {
    let q1 = area / (2.0 - area);
    let q2 = 2.0 * area * area / (1.0 + area);
    let square = area * area;
    let variance =
        (area * (1.0 - area) + (count - 1.0) * (q1 - square) + (count - 1.0) * (q2 - square))
            / (count * count);
    variance.max(0.0).sqrt()
}

/// From [`ENFORCED_FROM`] default pairs up, moves those that the probe tells best to `mixed`, a
/// twentieth at a time, until it can tell no more than [`MOST_AUC`], at most [`MAX_ROUNDS`] times.
pub(crate) fn enforce(groups: &[Group], pairs: &mut [Pair], drops: &mut Drops<'_>) {
    for _ in 0..MAX_ROUNDS {
        let places: Vec<usize> =
            (0..pairs.len()).filter(|at| pairs[*at].config == Config::Pairs).collect();
        if places.len() < ENFORCED_FROM {
            return;
        }
        let default: Vec<&Pair> = places.iter().map(|at| &pairs[*at]).collect();
        let (result, margins) = measure(groups, &default);
        if f64::from(result.auc_milli) <= MOST_AUC * 1000.0 {
            return;
        }
        let mut order: Vec<(f64, usize)> = margins.into_iter().zip(places).collect();
        order.sort_by(|(a, at), (b, bt)| b.total_cmp(a).then(at.cmp(bt)));
        let share = order.len() / ROUND_SHARE;
        for (_, at) in order.into_iter().take(share) {
            pairs[at].config = Config::Mixed;
            drops.moved("probe");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn area_counts_ties_as_half() {
        assert_eq!(auc(&[2.0, 3.0], &[1.0, 0.0]), 1.0);
        assert_eq!(auc(&[1.0], &[1.0]), 0.5);
        assert_eq!(auc(&[0.0, 1.0], &[0.5, 2.0]), 0.25);
    }

    /// Hanley and McNeil (1982), table II: for an area of 0.9 and 100 of each, about 0.022.
    #[test]
    fn standard_error_agrees_with_the_literature() {
        assert!((hanley_mcneil(0.9, 100.0) - 0.022).abs() < 0.001);
    }
}
