//! Log-probability of a token under a row of logits, and its slope.
//!
//! `y = l[t] - logsumexp(l)`; `∂y/∂l = onehot(t) - softmax(l)`.

use super::real::{Real, exp_sum, max};

/// Log-probability of one token under one row of logits.
pub fn log_prob<T: Real>(row: &[T], target: usize) -> T {
    let mut scratch = row.to_vec();
    log_prob_and_slope(&mut scratch, target)
}

/// The same, and the row becomes its slope.
pub fn log_prob_and_slope<T: Real>(row: &mut [T], target: usize) -> T {
    let (top, logit) = (max(row), row[target]);
    let sum = exp_sum(row, T::ONE, top);
    let scale = -T::ONE / sum;
    row.iter_mut().for_each(|p| *p *= scale);
    row[target] += T::ONE;
    logit - top - sum.ln()
}
