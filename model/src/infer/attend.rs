//! Attention of one decoding step, and the keys and values it reads.
//!
//! ```text
//! queries of a key head ─► scores of all tokens ─► softmax ─► weighted sum of the values
//! ```
//!
//! Reading keys and values is most of the work, so all query heads of a key head go over them
//! together. Keys are stored so that eight tokens fill a vector; every sum still has the order of
//! [`crate::kernels::real::dot`], and a token is added after those before it.

use std::{
    array::from_fn,
    ops::Range,
    sync::{PoisonError, RwLock, RwLockReadGuard},
};

use wide::f32x8;

use super::team::Team;
use crate::config::LlamaConfig;
use crate::kernels::real::{LANES, Real, exp_sum, max};

/// Query heads that are worked on together; with [`WIDE`] vectors each, their sums fit the sixteen
/// vector registers of AVX2.
const TOGETHER: usize = 3;
/// Vectors of the result that are summed at a time.
const WIDE: usize = 4;

/// Keys and values of one layer.
#[derive(Debug)]
pub(super) struct Memory {
    head_dim: usize,
    capacity: usize,
    /// `[kv_heads][capacity / 8][head_dim][8 tokens]`, the capacity rounded up.
    keys: Vec<f32>,
    /// `[kv_heads][capacity][head_dim]`.
    values: Vec<f32>,
}

impl Memory {
    /// Room for `capacity` tokens.
    pub(super) fn new(cfg: &LlamaConfig, capacity: usize) -> Self {
        let token = cfg.kv_heads * cfg.head_dim;
        Self {
            head_dim: cfg.head_dim,
            capacity,
            keys: vec![0.0; capacity.next_multiple_of(LANES) * token],
            values: vec![0.0; capacity * token],
        }
    }

    /// Memory that it takes, bytes.
    pub(super) fn bytes(&self) -> usize {
        (self.keys.len() + self.values.len()) * size_of::<f32>()
    }

    /// Stores the token at `at`; `keys` and `values` are `[kv_heads * head_dim]`.
    pub(super) fn put(&mut self, at: usize, keys: &[f32], values: &[f32]) {
        let d = self.head_dim;
        for (head, keys) in keys.chunks_exact(d).enumerate() {
            let block = head * self.capacity.next_multiple_of(LANES) * d + at / LANES * LANES * d;
            let block = &mut self.keys[block..block + LANES * d];
            for (lanes, key) in block.as_chunks_mut::<LANES>().0.iter_mut().zip(keys) {
                lanes[at % LANES] = *key;
            }
        }
        for (head, values) in values.chunks_exact(d).enumerate() {
            let start = (head * self.capacity + at) * d;
            self.values[start..start + d].copy_from_slice(values);
        }
    }

    /// The first `len` tokens of one head.
    fn head(&self, head: usize, len: usize) -> Part<'_> {
        let d = self.head_dim;
        let keys = head * self.capacity.next_multiple_of(LANES) * d;
        let values = head * self.capacity * d;
        Part {
            len,
            keys: &self.keys[keys..keys + len.next_multiple_of(LANES) * d],
            values: &self.values[values..values + len * d],
        }
    }
}

/// Some tokens of one head.
#[derive(Clone, Copy)]
struct Part<'m> {
    len: usize,
    keys: &'m [f32],
    values: &'m [f32],
}

/// What one row attends to in one layer: `.0` tokens of the prompt and `.2` of its own.
pub(super) type Seen<'b> = (usize, &'b Memory, usize, &'b RwLock<Memory>);

/// Attention of the newest token of each row of `seen`. `queries` is `[rows, heads * head_dim]`,
/// rotated; so is the result.
pub(super) fn attend<'env>(
    team: &Team<'env>,
    cfg: &'env LlamaConfig,
    seen: Vec<Seen<'env>>,
    queries: Vec<f32>,
) -> Vec<f32> {
    // The query heads of one key head lie side by side and share a task, but for the last key heads
    // where there are not as many for each thread.
    let (d, all) = (cfg.head_dim, seen.len() * cfg.kv_heads);
    let whole = all - all % team.threads();
    let mut tasks: Vec<(usize, Range<usize>)> = Vec::with_capacity(all * cfg.group());
    for at in 0..all {
        let first = at * cfg.group();
        if at < whole {
            tasks.push((at, first..first + cfg.group()));
        } else {
            tasks.extend((first..first + cfg.group()).map(|q| (at, q..q + 1)));
        }
    }
    let found = team.run(tasks.len(), move |task| {
        let (at, heads) = &tasks[task];
        let (prompt_len, prompt, own_len, own) = seen[at / cfg.kv_heads];
        let own: RwLockReadGuard<'_, Memory> = own.read().unwrap_or_else(PoisonError::into_inner);
        let head = at % cfg.kv_heads;
        let parts = [prompt.head(head, prompt_len), own.head(head, own_len)];
        group(parts, d, &queries[heads.start * d..heads.end * d])
    });
    found.concat()
}

/// Attention of query heads of one key head.
fn group(parts: [Part<'_>; 2], d: usize, queries: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; queries.len()];
    for (q, out) in queries.chunks(TOGETHER * d).zip(out.chunks_mut(TOGETHER * d)) {
        match q.len() / d {
            1 => heads::<1>(parts, d, q, out),
            2 => heads::<2>(parts, d, q, out),
            _ => heads::<TOGETHER>(parts, d, q, out),
        }
    }
    out
}

fn heads<const G: usize>(parts: [Part<'_>; 2], d: usize, queries: &[f32], out: &mut [f32]) {
    let q: Vec<[f32; G]> = (0..d).map(|i| from_fn(|g| queries[g * d + i])).collect();
    let count = parts[0].len + parts[1].len;
    let mut weights: [Vec<f32>; G] = from_fn(|_| vec![0.0; count]);
    let mut start = 0;
    for part in parts {
        scores(part, d, &q, &mut weights, start);
        start += part.len;
    }
    let scale = 1.0 / (d as f32).sqrt();
    for weights in &mut weights {
        let top = max(weights) * scale;
        let inverse = 1.0 / exp_sum(weights, scale, top);
        weights.iter_mut().for_each(|w| *w *= inverse);
    }
    let weights = weights.each_ref().map(Vec::as_slice);
    let mut at = 0;
    while at + WIDE * LANES <= d {
        mixed::<G, WIDE>(parts, d, at, weights, out);
        at += WIDE * LANES;
    }
    while at + LANES <= d {
        mixed::<G, 1>(parts, d, at, weights, out);
        at += LANES;
    }
    for g in 0..G {
        for i in at..d {
            let values = parts.iter().flat_map(|part| part.values.iter().skip(i).step_by(d));
            let sum = weights[g].iter().zip(values).fold(0.0, |sum: f32, (w, v)| w.fma(*v, sum));
            out[g * d + i] = sum;
        }
    }
}

/// `key · query` for each token of `part` and each query of `q`, from `out[..][start]` on.
#[inline(never)]
fn scores<const G: usize>(
    part: Part<'_>,
    d: usize,
    q: &[[f32; G]],
    out: &mut [Vec<f32>; G],
    start: usize,
) {
    let (q, q_rest) = q.as_chunks::<LANES>();
    for (b, block) in part.keys.chunks_exact(LANES * d).enumerate() {
        let (keys, keys_rest) = block.as_chunks::<LANES>().0.as_chunks::<LANES>();
        // The sums that `dot` has in four of its lanes, for eight tokens; all eight do not fit the
        // registers.
        let four = |lanes: [usize; 4]| -> [f32x8; G] {
            let mut sums = [[f32x8::ZERO; G]; 4];
            for (keys, q) in keys.iter().zip(q) {
                for (sums, l) in sums.iter_mut().zip(lanes) {
                    let keys = f32x8::new(keys[l]);
                    for g in 0..G {
                        sums[g] = keys.mul_add(f32x8::splat(q[l][g]), sums[g]);
                    }
                }
            }
            for (sums, l) in sums.iter_mut().zip(lanes) {
                if let (Some(keys), Some(q)) = (keys_rest.get(l), q_rest.get(l)) {
                    for g in 0..G {
                        sums[g] = f32x8::new(*keys).mul_add(f32x8::splat(q[g]), sums[g]);
                    }
                }
            }
            from_fn(|g| (sums[0][g] + sums[1][g]) + (sums[2][g] + sums[3][g]))
        };
        let (even, odd) = (four([0, 4, 2, 6]), four([1, 5, 3, 7]));
        let found: [f32x8; G] = from_fn(|g| even[g] + odd[g]);
        let tokens = LANES.min(part.len - b * LANES);
        let from = start + b * LANES;
        for g in 0..G {
            out[g][from..from + tokens].copy_from_slice(&found[g].to_array()[..tokens]);
        }
    }
}

/// `C` vectors of the sums of the values by `weights`, from number `at` of a head on.
#[inline(never)]
fn mixed<const G: usize, const C: usize>(
    parts: [Part<'_>; 2],
    d: usize,
    at: usize,
    weights: [&[f32]; G],
    out: &mut [f32],
) {
    let mut sums = [[f32x8::ZERO; C]; G];
    let mut start = 0;
    for part in parts {
        let weights = weights.map(|weights| &weights[start..start + part.len]);
        for (t, values) in part.values.chunks_exact(d).enumerate() {
            let values: &[[f32; LANES]] = values[at..at + C * LANES].as_chunks::<LANES>().0;
            for c in 0..C {
                let values = f32x8::new(values[c]);
                for g in 0..G {
                    sums[g][c] = values.mul_add(f32x8::splat(weights[g][t]), sums[g][c]);
                }
            }
        }
        start += part.len;
    }
    for (g, sums) in sums.iter().enumerate() {
        for (c, sum) in sums.iter().enumerate() {
            let from = g * d + at + c * LANES;
            out[from..from + LANES].copy_from_slice(&sum.to_array());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::real::{axpy, dot};

    /// One query over the tokens in order.
    fn plain(keys: &[&[f32]], values: &[&[f32]], q: &[f32]) -> Vec<f32> {
        let mut scores: Vec<f32> = keys.iter().map(|key| dot(key, q)).collect();
        let scale = 1.0 / (q.len() as f32).sqrt();
        let top = max(&scores) * scale;
        let inverse = 1.0 / exp_sum(&mut scores, scale, top);
        let mut out = vec![0.0; q.len()];
        scores.iter().zip(values).for_each(|(s, value)| axpy(s * inverse, value, &mut out));
        out
    }

    #[test]
    fn every_shape_gives_the_same_bits_as_one_query_over_the_tokens_in_order() {
        let value = |i: usize| ((i * 2_654_435_761) % 1_000) as f32 / 250.0 - 2.0;
        for d in [6, 8, 20, 40, 64] {
            for (prompt, own) in [(1, 1), (7, 2), (16, 9), (33, 8)] {
                for queries in [1, 2, 3, 7] {
                    let width = 2 * d;
                    let numbers: Vec<f32> = (0..(prompt + own) * width).map(value).collect();
                    let tokens: Vec<&[f32]> = numbers.chunks(width).collect();
                    let mut stores = [prompt, own + 3].map(|capacity| Memory {
                        head_dim: d,
                        capacity,
                        keys: vec![f32::NAN; capacity.next_multiple_of(LANES) * width],
                        values: vec![f32::NAN; capacity * width],
                    });
                    for (t, token) in tokens.iter().enumerate() {
                        let (store, at) = if t < prompt { (0, t) } else { (1, t - prompt) };
                        let values: Vec<f32> = token.iter().map(|x| x * 0.7 - 0.1).collect();
                        stores[store].put(at, token, &values);
                    }
                    for head in 0..2 {
                        let q: Vec<f32> = (0..queries * d).map(|i| value(i + 91)).collect();
                        let parts = [stores[0].head(head, prompt), stores[1].head(head, own)];
                        let got = group(parts, d, &q);
                        let keys: Vec<&[f32]> =
                            tokens.iter().map(|token| &token[head * d..][..d]).collect();
                        let values: Vec<Vec<f32>> = keys
                            .iter()
                            .map(|key| key.iter().map(|x| x * 0.7 - 0.1).collect())
                            .collect();
                        let values: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
                        let want: Vec<f32> =
                            q.chunks(d).flat_map(|q| plain(&keys, &values, q)).collect();
                        let bits =
                            |all: &[f32]| all.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                        assert_eq!(bits(&got), bits(&want), "{d} {prompt} {own} {queries}");
                    }
                }
            }
        }
    }
}
