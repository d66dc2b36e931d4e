//! Length: a reader that picks the longer side must learn nothing.

use serde::Serialize;

use super::{Config, Drops, ENFORCED_FROM, Pair, matching::length};
use crate::derive::Group;

/// Largest share that the reader may get right, percent; 100 minus it is the smallest.
const MOST_PERCENT: usize = 52;

/// What a reader that always picks the longer side gets right; a tie is half a hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LengthReader {
    /// Pairs.
    pub pairs: usize,
    /// Pairs whose chosen side is longer.
    pub chosen_longer: usize,
    /// Pairs whose rejected side is longer.
    pub rejected_longer: usize,
    /// Share right, thousandths.
    pub right_milli: u32,
    /// Wilson's 95 % interval of the share, thousandths.
    pub interval_milli: (u32, u32),
}

/// Chosen minus rejected, bytes.
pub(crate) fn difference(groups: &[Group], pair: &Pair) -> i64 {
    let Some(group) = groups.get(pair.group) else { return 0 };
    let bytes = |at: usize| group.attempts.get(at).map_or(0, |one| length(&one.attempt.completion));
    bytes(pair.chosen) - bytes(pair.rejected)
}

impl LengthReader {
    pub(crate) fn measure(groups: &[Group], pairs: &[&Pair]) -> Self {
        let count =
            |sign| pairs.iter().filter(|pair| difference(groups, pair).signum() == sign).count();
        let (chosen_longer, rejected_longer) = (count(1), count(-1));
        let total = pairs.len().max(1) as f64;
        let right = (chosen_longer as f64
            + 0.5 * (pairs.len() - chosen_longer - rejected_longer) as f64)
            / total;
        Self {
            pairs: pairs.len(),
            chosen_longer,
            rejected_longer,
            right_milli: milli(right),
            interval_milli: wilson(right, total),
        }
    }
}

/// Thousandths of a share, rounded.
pub(crate) fn milli(share: f64) -> u32 {
    (share.clamp(0.0, 1.0) * 1000.0).round() as u32
}

/// Wilson's score interval at 95 % (Wilson 1927), thousandths.
pub(crate) fn wilson(share: f64, total: f64) -> (u32, u32) {
    const Z: f64 = 1.959_963_984_540_054;
    let z2 = Z * Z;
    let middle = (share + z2 / (2.0 * total)) / (1.0 + z2 / total);
    let half = Z / (1.0 + z2 / total)
        * (share * (1.0 - share) / total + z2 / (4.0 * total * total)).sqrt();
    (milli(middle - half), milli(middle + half))
}

/// From [`ENFORCED_FROM`] default pairs up, moves pairs with the largest differences of the heavier
/// sign to `mixed` until the reader gets 48 to 52 %. Integers only.
pub(crate) fn enforce(groups: &[Group], pairs: &mut [Pair], drops: &mut Drops<'_>) {
    let default: Vec<usize> =
        (0..pairs.len()).filter(|at| pairs[*at].config == Config::Pairs).collect();
    if default.len() < ENFORCED_FROM {
        return;
    }
    let mut signs: Vec<(i64, usize)> =
        default.iter().map(|at| (difference(groups, &pairs[*at]), *at)).collect();
    // Largest first; ties by place.
    signs.sort_by_key(|(difference, at)| (std::cmp::Reverse(difference.abs()), *at));
    let mut longer = signs.iter().filter(|(difference, _)| *difference > 0).count();
    let mut shorter = signs.iter().filter(|(difference, _)| *difference < 0).count();
    let mut total = signs.len();
    for heavy in [1, -1] {
        for (difference, at) in &signs {
            let (many, few) = if heavy == 1 { (longer, shorter) } else { (shorter, longer) };
            // (many + ties / 2) / total <= MOST_PERCENT / 100, over 2.
            let twice_right = many + (total - few);
            if twice_right * 100 <= 2 * MOST_PERCENT * total {
                break;
            }
            if difference.signum() != heavy {
                continue;
            }
            pairs[*at].config = Config::Mixed;
            drops.moved("length_balance");
            total -= 1;
            if heavy == 1 { longer -= 1 } else { shorter -= 1 }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wilson's interval for 8 of 10, as in Newcombe 1998 table I for 0.8: 0.4902 to 0.9433.
    #[test]
    fn wilson_agrees_with_the_literature() {
        assert_eq!(wilson(0.8, 10.0), (490, 943));
    }
}
