//! The learning rate at each step, and which pairs a step sees.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

/// Shape of the learning rate after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// The peak rate to the end.
    Constant,
    /// A straight line to zero.
    Linear,
    /// Half a cosine to zero.
    Cosine,
}

impl Schedule {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Constant, Self::Linear, Self::Cosine];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Linear => "linear",
            Self::Cosine => "cosine",
        }
    }
}

/// Learning rate of `step` (from 0) of `total`. The warm-up rises in `warmup` equal parts and its
/// first step is not zero, so no step is wasted.
pub fn learning_rate(schedule: Schedule, peak: f64, warmup: u64, step: u64, total: u64) -> f64 {
    if step < warmup {
        return peak * (step + 1) as f64 / (warmup + 1) as f64;
    }
    let span = total.saturating_sub(warmup).max(1) as f64;
    let progress = ((step - warmup) as f64 / span).min(1.0);
    match schedule {
        Schedule::Constant => peak,
        Schedule::Linear => peak * (1.0 - progress),
        Schedule::Cosine => peak * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
    }
}

/// Domain of an epoch's shuffle.
const SHUFFLE_CONTEXT: &str = "lode/sampler/v1";

/// The order of the pairs: each epoch is a permutation drawn from the seed and the epoch's
/// number, so a position in the stream is all the state there is.
#[derive(Clone, Debug)]
pub struct Sampler {
    /// Pairs that stay together.
    groups: Vec<Vec<usize>>,
    pairs: usize,
    seed: u64,
    consumed: u64,
    epoch: u64,
    order: Vec<usize>,
}

impl Sampler {
    /// A sampler over pairs (at least one) in groups that stay together, which has handed out
    /// `consumed` already.
    pub fn new(groups: Vec<Vec<usize>>, seed: u64, consumed: u64) -> Self {
        let pairs = groups.iter().map(Vec::len).sum::<usize>().max(1);
        let mut sampler = Self { groups, pairs, seed, consumed, epoch: 0, order: Vec::new() };
        sampler.shuffle(consumed / sampler.pairs as u64);
        sampler
    }

    fn shuffle(&mut self, epoch: u64) {
        let mut hasher = blake3::Hasher::new_derive_key(SHUFFLE_CONTEXT);
        hasher.update(&self.seed.to_le_bytes()).update(&epoch.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(*hasher.finalize().as_bytes());
        let mut groups = self.groups.clone();
        groups.shuffle(&mut rng);
        groups.iter_mut().for_each(|group| group.shuffle(&mut rng));
        self.order = groups.concat();
        self.epoch = epoch;
    }

    /// Indices of the next `count` pairs; an epoch's end may fall inside.
    pub fn next(&mut self, count: usize) -> Vec<usize> {
        (0..count)
            .map(|_| {
                let epoch = self.consumed / self.pairs as u64;
                if epoch != self.epoch {
                    self.shuffle(epoch);
                }
                let index = self.order[(self.consumed % self.pairs as u64) as usize];
                self.consumed += 1;
                index
            })
            .collect()
    }

    /// Pairs handed out so far.
    pub fn consumed(&self) -> u64 {
        self.consumed
    }

    /// Passes over the data so far, with the fraction of the current one.
    pub fn epochs(&self) -> f64 {
        self.consumed as f64 / self.pairs as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_rise_and_fall() {
        let rate = |s, step| learning_rate(s, 1.0, 3, step, 11);
        let warm: Vec<f64> = (0..4).map(|s| rate(Schedule::Constant, s)).collect();
        assert_eq!(warm, [0.25, 0.5, 0.75, 1.0]);
        assert_eq!(rate(Schedule::Linear, 7), 0.5);
        assert!((rate(Schedule::Cosine, 7) - 0.5).abs() < 1e-12);
        assert!(rate(Schedule::Cosine, 10) > 0.0);
        assert_eq!(rate(Schedule::Linear, 11), 0.0);
        assert_eq!(learning_rate(Schedule::Linear, 1.0, 0, 0, 0), 1.0);
    }

    #[test]
    fn every_epoch_sees_every_pair_once_and_resuming_goes_on_where_it_was() {
        let alone = |pairs: usize| (0..pairs).map(|pair| vec![pair]).collect::<Vec<_>>();
        let mut whole = Sampler::new(alone(7), 3, 0);
        let all = whole.next(35);
        let mut orders = std::collections::BTreeSet::new();
        for epoch in all.chunks(7) {
            let mut sorted = epoch.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..7).collect::<Vec<_>>());
            orders.insert(epoch.to_vec());
        }
        assert!(orders.len() > 1, "epochs are shuffled anew");
        for cut in 0..35 {
            assert_eq!(Sampler::new(alone(7), 3, cut as u64).next(35 - cut), all[cut..]);
        }
        assert_ne!(Sampler::new(alone(7), 4, 0).next(35), all);
        assert_eq!((whole.consumed(), whole.epochs()), (35, 5.0));
    }

    #[test]
    fn what_belongs_together_stays_together() {
        let groups = vec![vec![0, 1, 2], vec![3], vec![4, 5]];
        let mut sampler = Sampler::new(groups.clone(), 1, 0);
        for _ in 0..20 {
            let epoch = sampler.next(6);
            for group in &groups {
                let place = |pair| epoch.iter().position(|other| other == pair).expect("there");
                let places: Vec<usize> = group.iter().map(place).collect();
                let (first, last) = (places.iter().min(), places.iter().max());
                assert_eq!(last.zip(first).map(|(l, f)| l - f + 1), Some(group.len()), "{epoch:?}");
            }
        }
    }
}
