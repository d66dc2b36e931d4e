//! One decoding step of a batch, on plain slices.

use std::sync::{PoisonError, RwLockReadGuard};

use candle_core::{CpuStorage, Layout, Storage, Tensor};

use super::attend::{Seen, attend};
use super::blocks::Compact;
use super::dot::{Matrix, linears};
use super::team::{Team, with_team};
use super::{Batch, Prefix, Row, Step};
use crate::config::LlamaConfig;
use crate::error::{ModelError, Result};
use crate::kernels::norm::norm_row;
use crate::kernels::rope::rotate_token;
use crate::kernels::swiglu::silu_mul;
use crate::llama::Llama;

/// The storages of tensors, held as long as their values are read.
type Held<'a> = (RwLockReadGuard<'a, Storage>, &'a Layout);

/// The values of a contiguous f32 CPU tensor.
fn slice<'a>((storage, layout): &'a Held<'_>) -> Result<&'a [f32]> {
    let Storage::Cpu(CpuStorage::F32(data)) = &**storage else {
        return Err(ModelError::Unsupported("decoding runs on f32 weights on the CPU".into()));
    };
    let Some((from, to)) = layout.contiguous_offsets() else {
        return Err(ModelError::Invalid("a weight is not contiguous".into()));
    };
    Ok(&data[from..to])
}

/// Norms and matrices of one layer.
#[derive(Clone, Copy)]
struct Layer<'m> {
    input_norm: &'m [f32],
    post_norm: &'m [f32],
    /// q, k, v, o, gate, up, down.
    matrices: [Matrix<'m>; 7],
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
    let weights = &llama.weights;
    let head = weights.lm_head.as_ref().unwrap_or(&weights.embed);
    let held = [&weights.embed, &weights.final_norm, head].map(Tensor::storage_and_layout);
    let [embed, final_norm, head] = [slice(&held[0])?, slice(&held[1])?, slice(&held[2])?];
    let head = compact.map_or(Matrix::Real(head), |all| all.head.matrix());
    let held: Vec<[Held<'_>; 9]> = weights
        .layers
        .iter()
        .map(|w| {
            [&w.input_norm, &w.post_norm, &w.q, &w.k, &w.v, &w.o, &w.gate, &w.up, &w.down]
                .map(Tensor::storage_and_layout)
        })
        .collect();
    let mut layers = Vec::with_capacity(held.len());
    for (i, held) in held.iter().enumerate() {
        let mut matrices = [Matrix::Real(&[]); 7];
        for (at, matrix) in matrices.iter_mut().enumerate() {
            *matrix = match compact.and_then(|all| all.layers.get(i)) {
                Some(blocks) => blocks[at].matrix(),
                None => Matrix::Real(slice(&held[2 + at])?),
            };
        }
        let (input_norm, post_norm) = (slice(&held[0])?, slice(&held[1])?);
        layers.push(Layer { input_norm, post_norm, matrices });
    }
    let Batch { prefix, rows, cos, sin, .. } = &*batch;
    let store = Store { cfg, prefix, rows, cos, sin };
    let embedded = |token: &u32| &embed[*token as usize * cfg.hidden..][..cfg.hidden];
    let x: Vec<f32> = tokens.iter().flat_map(embedded).copied().collect();
    let (hidden, logits) = with_team(|team| forward(team, &store, &layers, x, final_norm, head));
    for row in &mut batch.rows {
        row.len += 1;
    }
    Ok(Step { rows: tokens.len(), logits, hidden })
}

/// The normed hidden states and the logits of the rows whose embedded tokens are `x`.
fn forward<'env>(
    team: &Team<'env>,
    store: &'env Store<'_>,
    layers: &[Layer<'env>],
    mut x: Vec<f32>,
    final_norm: &[f32],
    head: Matrix<'env>,
) -> (Vec<f32>, Vec<f32>) {
    let (cfg, rows) = (store.cfg, store.rows.len());
    for (i, layer) in layers.iter().enumerate() {
        let [q, k, v, o, gate, up, down] = layer.matrices;
        let y = norm(&x, layer.input_norm, cfg.rms_eps);
        let queries = store.rotate_and_append(i, linears(team, y, rows, [q, k, v]));
        let attended = attend(team, cfg, store.seen(i), queries);
        add(&mut x, &linears(team, attended, rows, [o]));
        let y = norm(&x, layer.post_norm, cfg.rms_eps);
        let gates_and_ups = linears(team, y, rows, [gate, up]);
        let mut inner = vec![0.0; gates_and_ups.len() / 2];
        let widths = (cfg.intermediate, 2 * cfg.intermediate);
        for (inner, row) in
            inner.chunks_exact_mut(widths.0).zip(gates_and_ups.chunks_exact(widths.1))
        {
            let (gates, ups) = row.split_at(cfg.intermediate);
            for ((inner, gate), up) in inner.iter_mut().zip(gates).zip(ups) {
                *inner = silu_mul(*gate, *up);
            }
        }
        add(&mut x, &linears(team, inner, rows, [down]));
    }
    let hidden = norm(&x, final_norm, cfg.rms_eps);
    let logits = linears(team, hidden.clone(), rows, [head]);
    (hidden, logits)
}

/// Keys and values of a batch.
struct Store<'b> {
    cfg: &'b LlamaConfig,
    prefix: &'b Prefix,
    rows: &'b [Row],
    cos: &'b [f32],
    sin: &'b [f32],
}

impl<'b> Store<'b> {
    /// Rotates queries and keys, keeps keys and values and returns the queries. Each row of `qkv`
    /// has its queries, keys and values.
    fn rotate_and_append(&self, layer: usize, mut qkv: Vec<f32>) -> Vec<f32> {
        let (cfg, half) = (self.cfg, self.cfg.head_dim / 2);
        let (qw, kw) = (cfg.q_width(), cfg.kv_width());
        let mut all = Vec::with_capacity(self.rows.len() * qw);
        for (row, qkv) in self.rows.iter().zip(qkv.chunks_exact_mut(qw + 2 * kw)) {
            let (turning, values) = qkv.split_at_mut(qw + kw);
            let angles = row.len * half..(row.len + 1) * half;
            rotate_token(turning, &self.cos[angles.clone()], &self.sin[angles], 1.0);
            let (queries, keys) = turning.split_at(qw);
            let mut own = row.layers[layer].write().unwrap_or_else(PoisonError::into_inner);
            own.put(row.len, keys, values);
            all.extend_from_slice(queries);
        }
        all
    }

    /// What the newest token of each row sees.
    fn seen(&self, layer: usize) -> Vec<Seen<'b>> {
        let (prompt, len) = (&self.prefix.layers[layer], self.prefix.len);
        self.rows.iter().map(|row| (len, prompt, row.len + 1, &row.layers[layer])).collect()
    }
}
