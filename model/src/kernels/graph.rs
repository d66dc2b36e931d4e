//! The same operations composed of candle operations that have a backward pass, and candle-nn's
//! fused ones that have none.

use candle_core::{D, DType, Tensor};

use super::{CResult, Impl};
use crate::packed::Segment;

pub(super) fn rms_norm(x: &Tensor, w: &Tensor, eps: f64) -> CResult<Tensor> {
    let mean = x.sqr()?.mean_keepdim(D::Minus1)?;
    x.broadcast_div(&mean.affine(1.0, eps)?.sqrt()?)?.broadcast_mul(w)
}

/// candle's kernel has no f64: a wider type goes through f32, by conversions that do have a
/// backward pass.
pub(super) fn candle_rms_norm(x: &Tensor, w: &Tensor, eps: f64) -> CResult<Tensor> {
    let y = candle_nn::ops::rms_norm(
        &x.to_dtype(DType::F32)?.contiguous()?,
        &w.to_dtype(DType::F32)?,
        eps as f32,
    )?;
    y.to_dtype(x.dtype())
}

/// `[tokens, heads * d]` to `[heads, tokens, d]`.
fn split_heads(x: &Tensor, d: usize) -> CResult<Tensor> {
    let (tokens, width) = x.dims2()?;
    x.reshape((tokens, width / d, d))?.transpose(0, 1)?.contiguous()
}

/// `[heads, tokens, d]` to `[tokens, heads * d]`.
fn merge_heads(x: &Tensor) -> CResult<Tensor> {
    let (heads, tokens, d) = x.dims3()?;
    x.transpose(0, 1)?.contiguous()?.reshape((tokens, heads * d))
}

pub(super) fn rope(x: &Tensor, cos: &Tensor, sin: &Tensor) -> CResult<Tensor> {
    let half = cos.dim(1)?;
    let heads = split_heads(x, 2 * half)?;
    let (a, b) = (heads.narrow(2, 0, half)?, heads.narrow(2, half, half)?);
    let first = (a.broadcast_mul(cos)? - b.broadcast_mul(sin)?)?;
    let second = (b.broadcast_mul(cos)? + a.broadcast_mul(sin)?)?;
    merge_heads(&Tensor::cat(&[first, second], 2)?)
}

pub(super) fn candle_rope(x: &Tensor, cos: &Tensor, sin: &Tensor) -> CResult<Tensor> {
    let heads = split_heads(x, 2 * cos.dim(1)?)?.unsqueeze(0)?;
    merge_heads(&candle_nn::rotary_emb::rope(&heads, cos, sin)?.squeeze(0)?)
}

/// 0 where query `i` may look, a very low number elsewhere; `[queries, prefix + queries]`.
fn causal_mask(queries: usize, prefix: usize, like: &Tensor) -> CResult<Tensor> {
    let keys = prefix + queries;
    let mask: Vec<f32> = (0..queries)
        .flat_map(|i| (0..keys).map(move |j| if j <= prefix + i { 0.0 } else { f32::NEG_INFINITY }))
        .collect();
    Tensor::from_vec(mask, (queries, keys), like.device())?.to_dtype(like.dtype())
}

pub(super) fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    d: usize,
    segments: &[Segment],
    softmax: Impl,
) -> CResult<Tensor> {
    let mut rows = Vec::with_capacity(segments.len());
    for s in segments {
        let with_prefix = |x: &Tensor| -> CResult<Tensor> {
            let own = x.narrow(0, s.start, s.len)?;
            let all = match s.prefix {
                Some((start, len)) => Tensor::cat(&[x.narrow(0, start, len)?, own], 0)?,
                None => own,
            };
            split_heads(&all.contiguous()?, d)
        };
        let q = split_heads(&q.narrow(0, s.start, s.len)?.contiguous()?, d)?;
        let (k, v) = (with_prefix(k)?, with_prefix(v)?);
        let (heads, queries, _) = q.dims3()?;
        let (kv_heads, keys, _) = k.dims3()?;
        // Query heads of one key head lie next to each other: they form one taller matrix.
        let q = q.reshape((kv_heads, heads / kv_heads * queries, d))?;
        let scores = q
            .matmul(&k.t()?)?
            .affine(1.0 / (d as f64).sqrt(), 0.0)?
            .reshape((heads, queries, keys))?;
        let scores = scores.broadcast_add(&causal_mask(queries, s.prefix_len(), &scores)?)?;
        let p = match softmax {
            Impl::CandleFused => candle_nn::ops::softmax_last_dim(&scores)?,
            _ => candle_nn::ops::softmax(&scores, D::Minus1)?,
        };
        let out = p.reshape((kv_heads, heads / kv_heads * queries, keys))?.matmul(&v)?;
        rows.push(merge_heads(&out.reshape((heads, queries, d))?)?);
    }
    Tensor::cat(&rows, 0)
}

pub(super) fn target_log_probs(logits: &Tensor, targets: &[u32]) -> CResult<Tensor> {
    let index = Tensor::new(targets, logits.device())?.unsqueeze(1)?;
    candle_nn::ops::log_softmax(logits, D::Minus1)?.gather(&index, 1)?.squeeze(1)
}
