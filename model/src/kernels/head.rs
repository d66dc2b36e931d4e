//! Log-probabilities of given tokens from hidden states, without ever holding logits of all rows.
//!
//! With `l = W x`, `y = l[t] - logsumexp(l)`: `∂y/∂x = W[t] - Σ softmax(l) W =: u`. A chunk of rows at a
//! time, the forward computes the logits, `y`, and from the same logits `u`; the backward is `g u`. So
//! the wide product is made twice in all, as often as with stored logits, and memory is
//! `[rows, hidden]` instead of twice `[rows, vocabulary]`. (Liger's fused cross-entropy does the same.)
//!
//! `W` is frozen: it is not in the graph.

use std::sync::{Mutex, PoisonError};

use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, DType, Layout, Shape, Storage, Tensor, WithDType,
};
use rayon::prelude::*;

use super::CResult;
use super::linear::matmul_t;
use super::logprob::log_prob_and_slope;
use super::real::Real;

/// Rows whose logits are held at once; 50 MB for a vocabulary of 49,152 in f32.
const CHUNK_ROWS: usize = 256;

struct HeadLogProbs {
    w: Tensor,
    targets: Vec<u32>,
    /// Whether a backward pass will come.
    tracked: bool,
    /// `u` of all rows, from the forward for the backward.
    slopes: Mutex<Option<CpuStorage>>,
}

/// `x` `[n, hidden]` contiguous, `w` `[vocab, hidden]`; one target a row. Result `[n]`.
pub fn head_log_probs(x: &Tensor, w: &Tensor, targets: &[u32], tracked: bool) -> CResult<Tensor> {
    let (w, targets) = (w.detach(), targets.to_vec());
    x.apply_op1(HeadLogProbs { w, targets, tracked, slopes: Mutex::new(None) })
}

fn forward<T: Real + WithDType>(
    op: &HeadLogProbs,
    x: &CpuStorage,
    layout: &Layout,
) -> CResult<(Vec<T>, Vec<T>)> {
    let (rows, hidden) = layout.shape().dims2()?;
    let (storage, wl) = op.w.storage_and_layout();
    let Storage::Cpu(w) = &*storage else {
        candle_core::bail!("the output matrix is not on the CPU");
    };
    let (vocab, width) = wl.shape().dims2()?;
    if width != hidden
        || rows != op.targets.len()
        || op.targets.iter().any(|t| *t as usize >= vocab)
    {
        let targets = op.targets.len();
        candle_core::bail!("{targets} targets of {vocab} for {layout:?} under {wl:?}");
    }
    let (mut values, mut slopes) = (Vec::with_capacity(rows), Vec::new());
    if op.tracked {
        slopes.reserve_exact(rows * hidden);
    }
    for from in (0..rows).step_by(CHUNK_ROWS) {
        let count = CHUNK_ROWS.min(rows - from);
        let part = layout.narrow(0, from, count)?;
        let mut logits = T::cpu_storage_data(matmul_t(x, &part, w, wl)?.0)?;
        let targets = &op.targets[from..from + count];
        let chunk: Vec<T> = logits
            .par_chunks_mut(vocab)
            .zip(targets.par_iter())
            .map(|(row, target)| log_prob_and_slope(row, *target as usize))
            .collect();
        values.extend(chunk);
        if op.tracked {
            let d = T::to_cpu_storage_owned(logits);
            let dl = Layout::contiguous((count, vocab));
            slopes.extend(T::cpu_storage_data(d.matmul(w, (1, count, hidden, vocab), &dl, wl)?)?);
        }
    }
    Ok((values, slopes))
}

impl CustomOp1 for HeadLogProbs {
    fn name(&self) -> &'static str {
        "lode-head-log-probs"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> CResult<(CpuStorage, Shape)> {
        let (values, slopes) = match x.dtype() {
            DType::F32 => {
                let (values, slopes) = forward::<f32>(self, x, layout)?;
                (CpuStorage::F32(values), CpuStorage::F32(slopes))
            }
            DType::F64 => {
                let (values, slopes) = forward::<f64>(self, x, layout)?;
                (CpuStorage::F64(values), CpuStorage::F64(slopes))
            }
            other => candle_core::bail!("log-probabilities run on f32 and f64, not {other:?}"),
        };
        if self.tracked {
            *self.slopes.lock().unwrap_or_else(PoisonError::into_inner) = Some(slopes);
        }
        Ok((values, Shape::from(self.targets.len())))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, g: &Tensor) -> CResult<Option<Tensor>> {
        let slopes = self.slopes.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(slopes) = slopes else {
            candle_core::bail!("log-probabilities were computed without a backward pass");
        };
        let gradient = g.contiguous()?.apply_op2_no_bwd(&x.detach(), &Scale(slopes))?;
        Ok(Some(gradient))
    }
}

/// `g u`, row by row; the second operand gives the shape.
struct Scale(CpuStorage);

fn scale<T: Real>(g: &[T], slopes: &[T], width: usize) -> Vec<T> {
    let mut out = slopes.to_vec();
    out.par_chunks_mut(width).zip(g.par_iter()).for_each(|(row, g)| {
        row.iter_mut().for_each(|u| *u *= *g);
    });
    out
}

impl CustomOp2 for Scale {
    fn name(&self) -> &'static str {
        "lode-head-log-probs-grad"
    }

    fn cpu_fwd(
        &self,
        g: &CpuStorage,
        gl: &Layout,
        _: &CpuStorage,
        xl: &Layout,
    ) -> CResult<(CpuStorage, Shape)> {
        let (_, width) = xl.shape().dims2()?;
        let out = match (g, &self.0) {
            (CpuStorage::F32(g), CpuStorage::F32(u)) => {
                CpuStorage::F32(scale(super::contiguous(g, gl)?, u, width))
            }
            (CpuStorage::F64(g), CpuStorage::F64(u)) => {
                CpuStorage::F64(scale(super::contiguous(g, gl)?, u, width))
            }
            _ => candle_core::bail!("a gradient of another type than its operand"),
        };
        Ok((out, xl.shape().clone()))
    }
}
