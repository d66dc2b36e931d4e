//! Log-probabilities of given tokens, without keeping a second vocabulary-wide tensor.
//!
//! `y_i = l_i[t_i] - logsumexp(l_i)`; `∂y_i/∂l_i = onehot(t_i) - softmax(l_i)`, recomputed in the
//! backward pass.

use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
use rayon::prelude::*;

use super::real::{Real, exp_sum, max};
use super::{CResult, Raw2, dispatch};

struct TargetLogProbs {
    targets: Vec<u32>,
}

/// `logits` `[n, vocab]` contiguous; one target a row. Result `[n]`.
pub fn target_log_probs(logits: &Tensor, targets: &[u32]) -> CResult<Tensor> {
    logits.apply_op1(TargetLogProbs { targets: targets.to_vec() })
}

/// Log-probability of one token under one row of logits.
pub fn log_prob<T: Real>(row: &[T], target: usize) -> T {
    let top = max(row);
    let mut scratch = row.to_vec();
    let sum = exp_sum(&mut scratch, T::ONE, top);
    row[target] - top - sum.ln()
}

fn grad<T: Real>(logits: &[T], g: &[T], targets: &[u32], vocab: usize) -> Vec<T> {
    let mut out = logits.to_vec();
    out.par_chunks_mut(vocab).zip(g.par_iter()).zip(targets.par_iter()).for_each(
        |((row, g), target)| {
            let top = max(row);
            let sum = exp_sum(row, T::ONE, top);
            let scale = -*g / sum;
            row.iter_mut().for_each(|p| *p *= scale);
            row[*target as usize] += *g;
        },
    );
    out
}

impl CustomOp1 for TargetLogProbs {
    fn name(&self) -> &'static str {
        "lode-target-log-probs"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> CResult<(CpuStorage, Shape)> {
        let (rows, vocab) = layout.shape().dims2()?;
        if rows != self.targets.len() || self.targets.iter().any(|t| *t as usize >= vocab) {
            candle_core::bail!("{} targets for logits {:?}", self.targets.len(), layout.dims());
        }
        let out = dispatch!(self.name(), [(storage, layout)], |logits| logits
            .par_chunks(vocab)
            .zip(self.targets.par_iter())
            .map(|(row, t)| log_prob(row, *t as usize))
            .collect());
        Ok((out, Shape::from(rows)))
    }

    fn bwd(&self, logits: &Tensor, _: &Tensor, g: &Tensor) -> CResult<Option<Tensor>> {
        let targets = &self.targets;
        let grad = logits.detach().apply_op2_no_bwd(
            &g.contiguous()?,
            &Raw2(
                "lode-target-log-probs-grad",
                |s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout| {
                    let (_, vocab) = l1.shape().dims2()?;
                    Ok((
                        dispatch!("log-probs", [(s1, l1), (s2, l2)], |l, g| grad(
                            l, g, targets, vocab
                        )),
                        l1.shape().clone(),
                    ))
                },
            ),
        )?;
        Ok(Some(grad))
    }
}
