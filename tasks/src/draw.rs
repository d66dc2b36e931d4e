//! Seeded draws in integers only.
//!
//! ChaCha20 as a stream of 64-bit words, and our own way from words to ranges, so that the output
//! depends on no library's sampling code and is the same on every machine and in every version.

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{RngCore, SeedableRng},
};

/// A stream of draws.
#[derive(Debug, Clone)]
pub(crate) struct Draw(ChaCha20Rng);

impl Draw {
    /// The stream of a seed.
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    /// Uniform in `0..n`; 0 for `n == 0`. Lemire's multiplication with rejection.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        let threshold = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.0.next_u64()) * u128::from(n);
            let (high, low) = (product >> 64, product & u128::from(u64::MAX));
            if low >= u128::from(threshold) {
                return u64::try_from(high).unwrap_or(n - 1);
            }
        }
    }

    /// Uniform index into something of length `n`.
    pub(crate) fn index(&mut self, n: usize) -> usize {
        usize::try_from(self.below(n as u64)).unwrap_or(0)
    }

    /// Uniform in `low..=high`; `low` where the range is empty.
    pub(crate) fn range(&mut self, low: i64, high: i64) -> i64 {
        if high <= low {
            return low;
        }
        let width = high.abs_diff(low).saturating_add(1);
        low.saturating_add_unsigned(self.below(width))
    }

    /// True `of` times in `out_of`.
    pub(crate) fn chance(&mut self, of: u64, out_of: u64) -> bool {
        self.below(out_of) < of
    }

    /// One element; `None` of nothing.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.index(from.len()))
    }

    /// One element by weight; `None` where no weight is above 0.
    pub(crate) fn weighted<'a, T>(&mut self, from: &'a [(T, u32)]) -> Option<&'a T> {
        let total: u64 = from.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let mut at = self.below(total);
        for (item, weight) in from {
            if at < u64::from(*weight) {
                return Some(item);
            }
            at -= u64::from(*weight);
        }
        None
    }

    /// Fisher–Yates, from the end.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.index(i + 1));
        }
    }

    /// `count` distinct indices below `n`, in random order; all of them where `count >= n`.
    pub(crate) fn sample(&mut self, n: usize, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..n).collect();
        let count = count.min(n);
        for i in 0..count {
            let j = i + self.index(n - i);
            all.swap(i, j);
        }
        all.truncate(count);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_draws() {
        let mut draw = Draw::new([7; 32]);
        let got: Vec<u64> = (0..6).map(|_| draw.below(1000)).collect();
        assert_eq!(got, GOLDEN);
    }

    const GOLDEN: [u64; 6] = [257, 439, 342, 897, 135, 463];

    #[test]
    fn draws_cover_their_range_evenly() {
        let mut draw = Draw::new([1; 32]);
        let mut seen = [0_u32; 7];
        for _ in 0..7_000 {
            seen[draw.index(7)] += 1;
        }
        assert!(seen.iter().all(|n| (850..1150).contains(n)), "{seen:?}");
        assert_eq!(draw.range(3, 3), 3);
        assert!((0..100).all(|_| (-5..=5).contains(&draw.range(-5, 5))));
        let mut sample = draw.sample(9, 9);
        sample.sort_unstable();
        assert_eq!(sample, (0..9).collect::<Vec<_>>());
    }
}
