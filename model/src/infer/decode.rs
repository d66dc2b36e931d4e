//! One decoding step of a batch, on plain slices.

use candle_core::{CpuStorage, Storage, Tensor};
use rayon::prelude::*;

use super::blocks::Compact;
use super::dot::{Matrix, dot_rows, linears};
use super::{Batch, Prefix, Row, Step};
use crate::config::LlamaConfig;
use crate::error::{ModelError, Result};
use crate::kernels::norm::norm_row;
use crate::kernels::real::{axpy, exp_sum, max};
use crate::kernels::rope::rotate_token;
use crate::kernels::swiglu::silu_mul;
use crate::llama::Llama;

/// Calls `f` with the values of contiguous f32 CPU tensors.
fn with_slices<const N: usize, R>(
    tensors: [&Tensor; N],
    f: impl FnOnce([&[f32]; N]) -> Result<R>,
) -> Result<R> {
    let guards = tensors.map(Tensor::storage_and_layout);
    let mut slices: [&[f32]; N] = [&[]; N];
    for (slice, (storage, layout)) in slices.iter_mut().zip(&guards) {
        let Storage::Cpu(CpuStorage::F32(data)) = &**storage else {
            return Err(ModelError::Unsupported("decoding runs on f32 weights on the CPU".into()));
        };
        let Some((from, to)) = layout.contiguous_offsets() else {
            return Err(ModelError::Invalid("a weight is not contiguous".into()));
        };
        *slice = &data[from..to];
    }
    f(slices)
}

/// Norms each row of `x` `[rows, hidden]`.
fn norm(x: &[f32], w: &[f32], eps: f64) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    for (out, x) in out.chunks_exact_mut(w.len()).zip(x.chunks_exact(w.len())) {
        norm_row(x, w, eps, out);
    }
    out
}

fn add(x: &mut [f32], y: &[f32]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}

/// Feeds one token to each row; the caller has checked tokens and room.
pub(super) fn step(
    llama: &Llama,
    compact: Option<&Compact>,
    batch: &mut Batch,
    tokens: &[u32],
) -> Result<Step> {
    let cfg = &llama.config;
    let rows = tokens.len();
    let half = cfg.head_dim / 2;
    let mut x = with_slices([&llama.weights.embed], |[embed]| {
        Ok(tokens
            .iter()
            .flat_map(|t| &embed[*t as usize * cfg.hidden..(*t as usize + 1) * cfg.hidden])
            .copied()
            .collect::<Vec<f32>>())
    })?;
    for (i, layer) in llama.weights.layers.iter().enumerate() {
        let w = [
            &layer.input_norm,
            &layer.q,
            &layer.k,
            &layer.v,
            &layer.o,
            &layer.post_norm,
            &layer.gate,
            &layer.up,
            &layer.down,
        ];
        with_slices(w, |[input_norm, q, k, v, o, post_norm, gate, up, down]| {
            let own = [q, k, v, o, gate, up, down].map(Matrix::Real);
            let [q, k, v, o, gate, up, down] = match compact.and_then(|all| all.layers.get(i)) {
                Some(blocks) => std::array::from_fn(|at| blocks[at].matrix()),
                None => own,
            };
            let y = norm(&x, input_norm, cfg.rms_eps);
            let mut qkv = linears(&y, rows, &[q, k, v]);
            let (values, keys, queries) = (
                qkv.pop().unwrap_or_default(),
                qkv.pop().unwrap_or_default(),
                qkv.pop().unwrap_or_default(),
            );
            let (mut queries, mut keys) = (queries, keys);
            for (r, row) in batch.rows.iter_mut().enumerate() {
                let angles = row.len * half..(row.len + 1) * half;
                let (cos, sin) = (&batch.cos[angles.clone()], &batch.sin[angles]);
                let (qw, kw) = (cfg.q_width(), cfg.kv_width());
                rotate_token(&mut queries[r * qw..(r + 1) * qw], cos, sin, 1.0);
                rotate_token(&mut keys[r * kw..(r + 1) * kw], cos, sin, 1.0);
                row.append(
                    cfg,
                    batch.capacity,
                    i,
                    &keys[r * kw..(r + 1) * kw],
                    &values[r * kw..(r + 1) * kw],
                );
            }
            let attended = attend(cfg, batch, i, &queries);
            add(&mut x, &linears(&attended, rows, &[o])[0]);
            let y = norm(&x, post_norm, cfg.rms_eps);
            let gate_up = linears(&y, rows, &[gate, up]);
            let inner: Vec<f32> =
                gate_up[0].iter().zip(&gate_up[1]).map(|(a, b)| silu_mul(*a, *b)).collect();
            add(&mut x, &linears(&inner, rows, &[down])[0]);
            Ok(())
        })?;
    }
    for row in &mut batch.rows {
        row.len += 1;
    }
    let head = llama.weights.lm_head.as_ref().unwrap_or(&llama.weights.embed);
    with_slices([&llama.weights.final_norm, head], |[final_norm, head]| {
        let hidden = norm(&x, final_norm, cfg.rms_eps);
        let head = compact.map_or(Matrix::Real(head), |all| all.head.matrix());
        let logits = linears(&hidden, rows, &[head]).pop().unwrap_or_default();
        Ok(Step { rows, logits, hidden })
    })
}

impl Row {
    /// Start of one head's keys (or values) in this row's store.
    fn at(cfg: &LlamaConfig, capacity: usize, layer: usize, head: usize) -> usize {
        (layer * cfg.kv_heads + head) * capacity * cfg.head_dim
    }

    fn append(
        &mut self,
        cfg: &LlamaConfig,
        capacity: usize,
        layer: usize,
        keys: &[f32],
        values: &[f32],
    ) {
        let d = cfg.head_dim;
        for h in 0..cfg.kv_heads {
            let at = Self::at(cfg, capacity, layer, h) + self.len * d;
            self.k[at..at + d].copy_from_slice(&keys[h * d..(h + 1) * d]);
            self.v[at..at + d].copy_from_slice(&values[h * d..(h + 1) * d]);
        }
    }
}

/// Attention of each row's newest token over the shared prefix and the row's own tokens.
/// `queries` is `[rows, heads * head_dim]`, rotated; so is the result.
fn attend(cfg: &LlamaConfig, batch: &Batch, layer: usize, queries: &[f32]) -> Vec<f32> {
    let (d, group) = (cfg.head_dim, cfg.group());
    let mut out = vec![0.0; queries.len()];
    // The query heads of one key head lie side by side: one task for each (row, key head).
    out.par_chunks_mut(group * d).zip(queries.par_chunks(group * d)).enumerate().for_each(
        |(task, (out, q))| {
            let (row, head) = (&batch.rows[task / cfg.kv_heads], task % cfg.kv_heads);
            attend_group(cfg, &batch.prefix, batch.capacity, row, layer, head, q, out);
        },
    );
    out
}

#[allow(clippy::too_many_arguments)]
fn attend_group(
    cfg: &LlamaConfig,
    prefix: &Prefix,
    capacity: usize,
    row: &Row,
    layer: usize,
    head: usize,
    q: &[f32],
    out: &mut [f32],
) {
    let (d, group) = (cfg.head_dim, cfg.group());
    let own = Row::at(cfg, capacity, layer, head);
    let own = own..own + (row.len + 1) * d;
    let shared = head * prefix.len * d..(head + 1) * prefix.len * d;
    let (pk, pv) = &prefix.layers[layer];
    let keys = pk[shared.clone()].chunks_exact(d).chain(row.k[own.clone()].chunks_exact(d));
    let values = pv[shared].chunks_exact(d).chain(row.v[own].chunks_exact(d));
    let count = prefix.len + row.len + 1;
    let mut by_key = vec![0.0; count * group];
    for (key, scores) in keys.zip(by_key.chunks_exact_mut(group)) {
        dot_rows(key, q, scores);
    }
    let scale = 1.0 / (d as f32).sqrt();
    let mut scores = vec![0.0; count];
    for g in 0..group {
        for (s, column) in scores.iter_mut().zip(by_key.chunks_exact(group)) {
            *s = column[g];
        }
        let top = max(&scores) * scale;
        let inverse = 1.0 / exp_sum(&mut scores, scale, top);
        for (s, column) in scores.iter().zip(by_key.chunks_exact_mut(group)) {
            column[g] = s * inverse;
        }
    }
    for (value, weights) in values.zip(by_key.chunks_exact(group)) {
        for (w, out) in weights.iter().zip(out.chunks_exact_mut(d)) {
            axpy(*w, value, out);
        }
    }
}
