//! Drawing a token: a pure function of logits, mask, temperature, attempt seed and position.
//!
//! The token is the argmax over the allowed ones of `logit / T + gumbel(seed, position, token)`
//! (greedy at T = 0), an exact draw from softmax(logits / T) over the allowed tokens by the
//! Gumbel-max trick (Maddison, Tarlow, Minka 2014, "A* sampling", section 2). The lowest token wins
//! a tie. A logit that is NaN or -inf never wins; +inf is damage and refused like NaN.
//!
//! Two logarithms and an eighth of a BLAKE3 block for each of 50,000 tokens would cost more than a
//! small model's forward, so a token's noise is only looked at where its bound could still win:
//! first by the largest variate there is, then by the leading ones of its raw bits. The result is
//! the same as that of the plain loop (a property test holds it to that).

use lode_proto::seed::{MAX_GUMBEL, Noise, gumbel_of_bits};

/// Tokens whose bits are read in one go where many could win.
const RUN: usize = 512;
/// From how many tokens of a run on it is faster to read the whole run: a BLAKE3 block has eight.
const RUN_MIN: usize = RUN / 8;
/// More than the rounding error of two logarithms, a division and a sum.
const SLACK: f64 = 1e-6;

/// A set of tokens, 32 to a word, lowest bit first (`toktrie::SimpleVob`'s layout).
#[derive(Debug, Clone, Copy)]
pub struct Mask<'a>(pub &'a [u32]);

impl Mask<'_> {
    /// Whether `token` is in the set.
    #[must_use]
    pub fn contains(self, token: usize) -> bool {
        self.0.get(token / 32).is_some_and(|word| word >> (token % 32) & 1 == 1)
    }
}

/// The temperature as the sampler divides by it.
#[must_use]
pub fn temperature(milli: u32) -> f64 {
    f64::from(milli) / 1000.0
}

/// Draws the token at `position` (0 is the first generated one).
///
/// `logits` has one value a token; tokens outside `allowed` (none means all are in) are not drawn.
/// `None` if there is no token to draw: an empty mask, or no finite logit under it.
#[must_use]
pub fn sample(
    logits: &[f32],
    allowed: Option<Mask<'_>>,
    temperature_milli: u32,
    seed: &[u8; 32],
    position: u32,
) -> Option<u32> {
    let mut candidates = Vec::new();
    let top = match allowed {
        None => argmax((0..logits.len()).map(|token| (token, logits[token]))),
        Some(mask) => {
            each(mask, logits.len(), |token| {
                if logits[token].is_finite() {
                    candidates.push(token as u32);
                }
            });
            argmax(candidates.iter().map(|token| (*token as usize, logits[*token as usize])))
        }
    }?;
    if temperature_milli == 0 {
        return Some(top as u32);
    }
    let divisor = temperature(temperature_milli);
    let mut noise = Noise::at(seed, position);
    let mut best = Best {
        score: f64::from(logits[top]) / divisor + noise.gumbel(top as u32),
        token: top as u32,
    };
    if allowed.is_some() && candidates.len() < logits.len() / 8 {
        for token in candidates {
            let scaled = f64::from(logits[token as usize]) / divisor;
            if best.reachable(scaled, MAX_GUMBEL) {
                let mut bits = [0];
                noise.bits(token, &mut bits);
                best.offer(token, scaled, bits[0]);
            }
        }
    } else {
        let mut bits = [0; RUN];
        let mut runners = Vec::with_capacity(RUN);
        for first in (0..logits.len()).step_by(RUN) {
            let run = &logits[first..logits.len().min(first + RUN)];
            runners.clear();
            runners.extend((0..run.len()).filter(|offset| {
                run[*offset].is_finite()
                    && allowed.is_none_or(|mask| mask.contains(first + offset))
                    && best.reachable(f64::from(run[*offset]) / divisor, MAX_GUMBEL)
            }));
            if runners.len() >= RUN_MIN {
                noise.bits(first as u32, &mut bits[..run.len()]);
            } else {
                for offset in &runners {
                    noise.bits((first + offset) as u32, &mut bits[*offset..=*offset]);
                }
            }
            for offset in &runners {
                let scaled = f64::from(run[*offset]) / divisor;
                best.offer((first + offset) as u32, scaled, bits[*offset]);
            }
        }
    }
    Some(best.token)
}

/// ln of the sum of exp over all logits: what turns a logit into a log-probability.
#[must_use]
pub fn log_normaliser(logits: &[f32]) -> f64 {
    let numbers = || logits.iter().copied().filter(|logit| !logit.is_nan());
    let max = numbers().fold(f32::NEG_INFINITY, f32::max);
    f64::from(max) + numbers().map(|logit| f64::from((logit - max).exp())).sum::<f64>().ln()
}

/// The log-probability of `token` at temperature 1, in thousandths of a nat, where `normaliser` is
/// [`log_normaliser`] over all tokens. `i32::MIN` where it is not a number.
#[must_use]
pub fn logprob_milli(logits: &[f32], token: u32, normaliser: f64) -> i32 {
    let logit = logits.get(token as usize).copied().unwrap_or(f32::NAN);
    let milli = ((f64::from(logit) - normaliser) * 1000.0).round();
    if milli.is_finite() { milli as i32 } else { i32::MIN }
}

struct Best {
    score: f64,
    token: u32,
}

impl Best {
    /// Whether a token with this scaled logit and at most this noise could win.
    fn reachable(&self, scaled: f64, most: f64) -> bool {
        scaled + most + SLACK >= self.score
    }

    /// With n leading ones u < 1 - 2^-(n+1), so -ln(-ln u) <= -ln(1 - u) < (n + 1) ln 2.
    fn offer(&mut self, token: u32, scaled: f64, bits: u64) {
        let most = f64::from(bits.leading_ones() + 1) * std::f64::consts::LN_2;
        if self.reachable(scaled, most) {
            let score = scaled + gumbel_of_bits(bits);
            if score > self.score || (score == self.score && token < self.token) {
                *self = Self { score, token };
            }
        }
    }
}

fn argmax(values: impl Iterator<Item = (usize, f32)>) -> Option<usize> {
    let mut best: Option<(usize, f32)> = None;
    for (token, value) in values {
        if value.is_finite() && best.is_none_or(|(_, top)| value > top) {
            best = Some((token, value));
        }
    }
    best.map(|(token, _)| token)
}

fn each(mask: Mask<'_>, tokens: usize, mut visit: impl FnMut(usize)) {
    for (index, word) in mask.0.iter().enumerate() {
        let mut rest = *word;
        while rest != 0 {
            let token = index * 32 + rest.trailing_zeros() as usize;
            if token >= tokens {
                return;
            }
            visit(token);
            rest &= rest - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(
        logits: &[f32],
        allowed: Option<&[bool]>,
        milli: u32,
        seed: &[u8; 32],
        position: u32,
    ) -> Option<u32> {
        let mut noise = vec![0.0; logits.len()];
        Noise::at(seed, position).fill(&mut noise);
        let mut best: Option<(f64, u32)> = None;
        for (token, logit) in logits.iter().enumerate() {
            if !logit.is_finite() || allowed.is_some_and(|a| !a[token]) {
                continue;
            }
            let score = if milli == 0 {
                f64::from(*logit)
            } else {
                f64::from(*logit) / temperature(milli) + noise[token]
            };
            if best.is_none_or(|(top, _)| score > top) {
                best = Some((score, token as u32));
            }
        }
        best.map(|(_, token)| token)
    }

    fn words(allowed: &[bool]) -> Vec<u32> {
        let mut words = vec![0; allowed.len().div_ceil(32)];
        for (token, _) in allowed.iter().enumerate().filter(|(_, a)| **a) {
            words[token / 32] |= 1 << (token % 32);
        }
        words
    }

    fn logit() -> impl Strategy<Value = f32> {
        prop_oneof![
            20 => -30.0_f32..30.0,
            1 => Just(f32::NEG_INFINITY),
            1 => Just(f32::INFINITY),
            1 => Just(f32::NAN),
            1 => Just(3.0),
        ]
    }

    proptest! {
        #[test]
        fn equals_the_plain_loop(
            logits in prop::collection::vec(logit(), 1..3000),
            density in prop_oneof![Just(0.0), Just(0.01), Just(0.3), Just(1.0)],
            milli in prop_oneof![Just(0_u32), Just(1), Just(300), Just(1000), Just(50_000)],
            seed in any::<[u8; 32]>(),
            position in any::<u32>(),
        ) {
            let allowed: Vec<bool> = (0..logits.len())
                .map(|t| (t as f64 * 0.618_033 + f64::from(seed[0]) / 256.0).fract() < density)
                .collect();
            let mask = words(&allowed);
            prop_assert_eq!(
                sample(&logits, Some(Mask(&mask)), milli, &seed, position),
                plain(&logits, Some(&allowed), milli, &seed, position)
            );
            prop_assert_eq!(
                sample(&logits, None, milli, &seed, position),
                plain(&logits, None, milli, &seed, position)
            );
        }
    }

    #[test]
    fn a_whole_vocabulary_equals_the_plain_loop() {
        let logits: Vec<f32> = (0..49_152_u32)
            .map(|t| ((t.wrapping_mul(2_654_435_761) >> 8) as f32 / 1e6) - 8.0)
            .collect();
        for position in 0..50 {
            for milli in [300, 700, 1000, 2000] {
                assert_eq!(
                    sample(&logits, None, milli, &[5; 32], position),
                    plain(&logits, None, milli, &[5; 32], position)
                );
            }
        }
    }

    /// Chi-square against softmax over 5 tokens: 18.47 is the 0.1 % point for 4 degrees of freedom.
    #[test]
    fn draws_follow_the_softmax() {
        let logits = [1.0_f32, 0.0, -1.0, 2.0, 0.5];
        let milli = 800;
        let weights: Vec<f64> =
            logits.iter().map(|l| (f64::from(*l) / temperature(milli)).exp()).collect();
        let total: f64 = weights.iter().sum();
        let draws = 20_000;
        let mut counts = [0_u32; 5];
        for position in 0..draws {
            counts[sample(&logits, None, milli, &[7; 32], position).unwrap() as usize] += 1;
        }
        let chi: f64 = counts
            .iter()
            .zip(&weights)
            .map(|(count, weight)| {
                let expected = f64::from(draws) * weight / total;
                (f64::from(*count) - expected).powi(2) / expected
            })
            .sum();
        assert!(chi < 18.47, "chi-square {chi}, counts {counts:?}");
    }

    #[test]
    fn nothing_to_draw_is_none() {
        assert_eq!(sample(&[], None, 1000, &[0; 32], 0), None);
        assert_eq!(sample(&[f32::NAN, f32::NEG_INFINITY], None, 1000, &[0; 32], 0), None);
        assert_eq!(sample(&[1.0, 2.0], Some(Mask(&[0])), 1000, &[0; 32], 0), None);
        assert_eq!(sample(&[1.0, f32::INFINITY], Some(Mask(&[3])), 1000, &[0; 32], 0), Some(0));
        // A mask longer than the logits (a padded vocabulary) names no token beyond them.
        assert_eq!(sample(&[1.0, 2.0], Some(Mask(&[4])), 0, &[0; 32], 0), None);
        assert_eq!(sample(&[1.0, 2.0], Some(Mask(&[5])), 0, &[0; 32], 0), Some(0));
    }

    #[test]
    fn golden_draws() {
        let logits: Vec<f32> = (0..1000).map(|t| (t % 17) as f32 / 4.0).collect();
        let drawn: Vec<u32> =
            (0..6).map(|p| sample(&logits, None, 900, &[42; 32], p).unwrap()).collect();
        assert_eq!(drawn, GOLDEN);
    }

    const GOLDEN: [u32; 6] = [486, 304, 84, 321, 933, 554];

    #[test]
    fn log_probabilities() {
        let of = |logits: &[f32], token| logprob_milli(logits, token, log_normaliser(logits));
        assert_eq!(of(&[0.0, 0.0], 1), -693);
        assert_eq!(of(&[-80.0, -80.0], 0), -693);
        assert_eq!(of(&[0.0, f32::NEG_INFINITY], 0), 0);
        assert_eq!(of(&[0.0, f32::NEG_INFINITY], 1), i32::MIN);
        assert_eq!(of(&[0.0], 3), i32::MIN);
        assert_eq!(of(&[f32::NAN, 1.0], 0), i32::MIN);
    }
}
