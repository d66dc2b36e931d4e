//! Causal grouped-query attention over packed segments, with its backward pass.
//!
//! Works on `[tokens, heads * head_dim]` through strided matrix products, a tile of query rows at
//! a time, so that no tokens × tokens matrix of all heads is ever held and nothing is transposed
//! or repeated in memory. The backward pass recomputes the probabilities of each tile.
//!
//! With `S = s Q Kᵀ` (masked), `P = softmax(S)`, `O = P V`, `G = ∂L/∂O`:
//! `∂V = Pᵀ G`, `∂P = G Vᵀ`, `∂S = P (∂P - rowsum(P ∂P))`, `∂Q = s ∂S K`, `∂K = s ∂Sᵀ Q`.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, Layout, Shape, Storage, Tensor, WithDType};
use rayon::prelude::*;

use super::CResult;
use super::real::{Real, axpy, dot, exp_sum, max};
use crate::packed::Segment;

/// Query rows of one tile.
const TILE_ROWS: usize = 128;

struct Attention {
    head_dim: usize,
    segments: Vec<Segment>,
    /// The result, where it is known already.
    known: Option<Tensor>,
}

/// `q` `[tokens, heads * head_dim]`, `k` and `v` `[tokens, kv_heads * head_dim]`, contiguous. Where
/// `known` has the result of the same input it is not computed again.
pub fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    head_dim: usize,
    segments: &[Segment],
    known: Option<&Tensor>,
) -> CResult<Tensor> {
    let known = known.map(Tensor::detach);
    q.apply_op3(k, v, Attention { head_dim, segments: segments.to_vec(), known })
}

/// One operand: a `[tokens, width]` storage of which heads and row ranges are taken as matrices.
#[derive(Clone, Copy)]
struct Side<'a> {
    storage: &'a CpuStorage,
    offset: usize,
    width: usize,
    head_dim: usize,
}

impl Side<'_> {
    /// Rows `[start, start + len)` of head `h`, `[len, head_dim]`.
    fn rows(&self, h: usize, start: usize, len: usize) -> Layout {
        let offset = self.offset + start * self.width + h * self.head_dim;
        Layout::new(Shape::from((len, self.head_dim)), vec![self.width, 1], offset)
    }
}

fn transposed(l: &Layout) -> CResult<Layout> {
    l.transpose(0, 1)
}

/// `a b` for strided matrices.
fn product(a: &CpuStorage, la: &Layout, b: &CpuStorage, lb: &Layout) -> CResult<CpuStorage> {
    let ((m, k), (_, n)) = (la.shape().dims2()?, lb.shape().dims2()?);
    a.matmul(b, (1, m, n, k), la, lb)
}

fn into_vec<T: WithDType>(storage: CpuStorage) -> CResult<Vec<T>> {
    T::cpu_storage_data(storage)
}

/// Keys that a tile of queries sees: one row range, of which query row `i` of the tile sees the
/// first `i + visible` (at most all).
struct Block {
    start: usize,
    len: usize,
    visible: usize,
}

fn blocks(segment: &Segment, from: usize, to: usize) -> Vec<Block> {
    let own = Block { start: segment.start, len: to, visible: from + 1 };
    match segment.prefix {
        Some((start, len)) if len > 0 => vec![Block { start, len, visible: len }, own],
        _ => vec![own],
    }
}

/// Softmaxed probabilities of a tile, one matrix `[rows, block.len]` a block.
fn probabilities<T: Real + WithDType>(
    q: Side<'_>,
    k: Side<'_>,
    ql: &Layout,
    kv_head: usize,
    blocks: &[Block],
) -> CResult<Vec<Vec<T>>> {
    let scale = <T as Real>::of(1.0 / (q.head_dim as f64).sqrt());
    let mut parts = Vec::with_capacity(blocks.len());
    for b in blocks {
        let kl = transposed(&k.rows(kv_head, b.start, b.len))?;
        parts.push(into_vec::<T>(product(q.storage, ql, k.storage, &kl)?)?);
    }
    let rows = ql.dims()[0];
    for i in 0..rows {
        let mut top = T::NEG_INFINITY;
        for (part, b) in parts.iter().zip(blocks) {
            let seen = (b.visible + i).min(b.len);
            let m = max(&part[i * b.len..i * b.len + seen]);
            top = if m > top { m } else { top };
        }
        let mut sum = <T as Real>::ZERO;
        for (part, b) in parts.iter_mut().zip(blocks) {
            let seen = (b.visible + i).min(b.len);
            let row = &mut part[i * b.len..(i + 1) * b.len];
            sum += exp_sum(&mut row[..seen], scale, top * scale);
            row[seen..].fill(<T as Real>::ZERO);
        }
        let inverse = <T as Real>::ONE / sum;
        for (part, b) in parts.iter_mut().zip(blocks) {
            part[i * b.len..(i + 1) * b.len].iter_mut().for_each(|p| *p *= inverse);
        }
    }
    Ok(parts)
}

fn tiles(len: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..len).step_by(TILE_ROWS).map(move |from| (from, (from + TILE_ROWS).min(len)))
}

fn forward<T: Real + WithDType>(
    q: Side<'_>,
    k: Side<'_>,
    v: Side<'_>,
    tokens: usize,
    segments: &[Segment],
) -> CResult<Vec<T>> {
    let (d, heads) = (q.head_dim, q.width / q.head_dim);
    let group = q.width / k.width;
    let jobs: Vec<(&Segment, usize, usize, usize)> = segments
        .iter()
        .flat_map(|s| {
            tiles(s.len).flat_map(move |(from, to)| (0..heads).map(move |h| (s, h, from, to)))
        })
        .collect();
    let done: Vec<Vec<T>> = jobs
        .par_iter()
        .map(|(s, h, from, to)| {
            let blocks = blocks(s, *from, *to);
            let ql = q.rows(*h, s.start + from, to - from);
            let parts = probabilities::<T>(q, k, &ql, h / group, &blocks)?;
            let mut out: Vec<T> = Vec::new();
            for (part, b) in parts.into_iter().zip(&blocks) {
                let pl = Layout::contiguous((to - from, b.len));
                let part = T::to_cpu_storage_owned(part);
                let o = into_vec::<T>(product(
                    &part,
                    &pl,
                    v.storage,
                    &v.rows(h / group, b.start, b.len),
                )?)?;
                if out.is_empty() { out = o } else { axpy(<T as Real>::ONE, &o, &mut out) }
            }
            Ok(out)
        })
        .collect::<CResult<_>>()?;
    let mut out = vec![<T as Real>::ZERO; tokens * q.width];
    for ((s, h, from, _), rows) in jobs.iter().zip(&done) {
        scatter_add(&mut out, q.width, h * d, s.start + from, rows, d);
    }
    Ok(out)
}

/// Adds `rows` `[n, d]` to column block `column` of `out` `[_, width]`, from row `start`.
fn scatter_add<T: Real>(
    out: &mut [T],
    width: usize,
    column: usize,
    start: usize,
    rows: &[T],
    d: usize,
) {
    for (i, row) in rows.chunks_exact(d).enumerate() {
        let at = (start + i) * width + column;
        axpy(T::ONE, row, &mut out[at..at + d]);
    }
}

/// Gradients of one head of one segment: queries, then `(start, keys, values)` for each key range.
struct HeadGrad<T> {
    q: Vec<T>,
    kv: Vec<(usize, Vec<T>, Vec<T>)>,
}

fn backward_head<T: Real + WithDType>(
    q: Side<'_>,
    k: Side<'_>,
    v: Side<'_>,
    g: Side<'_>,
    s: &Segment,
    h: usize,
) -> CResult<HeadGrad<T>> {
    let d = q.head_dim;
    let kv_head = h / (q.width / k.width);
    let scale = <T as Real>::of(1.0 / (d as f64).sqrt());
    let zeros = |n: usize| vec![<T as Real>::ZERO; n * d];
    let mut grad = HeadGrad {
        q: Vec::with_capacity(s.len * d),
        kv: blocks(s, 0, s.len).iter().map(|b| (b.start, zeros(b.len), zeros(b.len))).collect(),
    };
    for (from, to) in tiles(s.len) {
        let rows = to - from;
        let blocks = blocks(s, from, to);
        let ql = q.rows(h, s.start + from, rows);
        let gl = g.rows(h, s.start + from, rows);
        let mut ps = probabilities::<T>(q, k, &ql, kv_head, &blocks)?;
        let mut dps = Vec::with_capacity(blocks.len());
        for b in &blocks {
            let vl = transposed(&v.rows(kv_head, b.start, b.len))?;
            dps.push(into_vec::<T>(product(g.storage, &gl, v.storage, &vl)?)?);
        }
        for i in 0..rows {
            let mut mean = <T as Real>::ZERO;
            for ((p, dp), b) in ps.iter().zip(&dps).zip(&blocks) {
                mean += dot(&p[i * b.len..(i + 1) * b.len], &dp[i * b.len..(i + 1) * b.len]);
            }
            for ((p, dp), b) in ps.iter().zip(&mut dps).zip(&blocks) {
                let range = i * b.len..(i + 1) * b.len;
                for (dp, p) in dp[range.clone()].iter_mut().zip(&p[range]) {
                    *dp = *p * (*dp - mean) * scale;
                }
            }
        }
        let mut gq: Vec<T> = Vec::new();
        for (j, b) in blocks.iter().enumerate() {
            let full = Layout::contiguous((rows, b.len));
            let across = transposed(&full)?;
            let p = T::to_cpu_storage_owned(std::mem::take(&mut ps[j]));
            let ds = T::to_cpu_storage_owned(std::mem::take(&mut dps[j]));
            let gv = into_vec::<T>(product(&p, &across, g.storage, &gl)?)?;
            let gk = into_vec::<T>(product(&ds, &across, q.storage, &ql)?)?;
            let part =
                into_vec::<T>(product(&ds, &full, k.storage, &k.rows(kv_head, b.start, b.len))?)?;
            if gq.is_empty() {
                gq = part
            } else {
                axpy(<T as Real>::ONE, &part, &mut gq)
            }
            let (_, k_sum, v_sum) = &mut grad.kv[j];
            axpy(<T as Real>::ONE, &gk, &mut k_sum[..b.len * d]);
            axpy(<T as Real>::ONE, &gv, &mut v_sum[..b.len * d]);
        }
        grad.q.extend_from_slice(&gq);
    }
    Ok(grad)
}

fn backward<T: Real + WithDType>(
    q: Side<'_>,
    k: Side<'_>,
    v: Side<'_>,
    g: Side<'_>,
    tokens: usize,
    segments: &[Segment],
) -> CResult<[Vec<T>; 3]> {
    let (d, heads, group) = (q.head_dim, q.width / q.head_dim, q.width / k.width);
    let jobs: Vec<(&Segment, usize)> =
        segments.iter().flat_map(|s| (0..heads).map(move |h| (s, h))).collect();
    let done: Vec<HeadGrad<T>> =
        jobs.par_iter().map(|(s, h)| backward_head(q, k, v, g, s, *h)).collect::<CResult<_>>()?;
    let zeros = |width: usize| vec![<T as Real>::ZERO; tokens * width];
    let (mut gq, mut gk, mut gv) = (zeros(q.width), zeros(k.width), zeros(k.width));
    // One fixed order of additions, so that two runs give the same bits.
    for ((s, h), grad) in jobs.iter().zip(&done) {
        scatter_add(&mut gq, q.width, h * d, s.start, &grad.q, d);
        for (start, keys, values) in &grad.kv {
            scatter_add(&mut gk, k.width, h / group * d, *start, keys, d);
            scatter_add(&mut gv, k.width, h / group * d, *start, values, d);
        }
    }
    Ok([gq, gk, gv])
}

impl Attention {
    fn side<'a>(
        &self,
        storage: &'a CpuStorage,
        layout: &Layout,
        tokens: usize,
    ) -> CResult<Side<'a>> {
        let (rows, width) = layout.shape().dims2()?;
        if rows != tokens || width == 0 || width % self.head_dim != 0 || !layout.is_contiguous() {
            candle_core::bail!(
                "attention over {:?} for {tokens} tokens and heads of {}",
                layout,
                self.head_dim
            );
        }
        Ok(Side { storage, offset: layout.start_offset(), width, head_dim: self.head_dim })
    }

    fn check(&self, tokens: usize) -> CResult<()> {
        let inside =
            |start: usize, len: usize| start.checked_add(len).is_some_and(|end| end <= tokens);
        let fine = self
            .segments
            .iter()
            .all(|s| inside(s.start, s.len) && s.prefix.is_none_or(|(p, n)| inside(p, n)));
        if !fine {
            candle_core::bail!("a segment lies outside of {tokens} tokens");
        }
        Ok(())
    }
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "lode-attention"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> CResult<(CpuStorage, Shape)> {
        let (tokens, _) = l1.shape().dims2()?;
        self.check(tokens)?;
        let (q, k, v) =
            (self.side(s1, l1, tokens)?, self.side(s2, l2, tokens)?, self.side(s3, l3, tokens)?);
        if k.width != v.width || q.width % k.width != 0 {
            candle_core::bail!(
                "attention heads do not divide: {:?} over {:?}",
                l1.dims(),
                l2.dims()
            );
        }
        if let Some(known) = &self.known {
            let (storage, layout) = known.storage_and_layout();
            let (Storage::Cpu(storage), true) =
                (&*storage, layout.shape() == l1.shape() && layout.start_offset() == 0)
            else {
                candle_core::bail!("attention is known as {layout:?}, not as {l1:?}");
            };
            return Ok((storage.try_clone(layout)?, l1.shape().clone()));
        }
        let out = match s1 {
            CpuStorage::F32(_) => CpuStorage::F32(forward(q, k, v, tokens, &self.segments)?),
            CpuStorage::F64(_) => CpuStorage::F64(forward(q, k, v, tokens, &self.segments)?),
            _ => candle_core::bail!("attention runs on f32 and f64"),
        };
        Ok((out, l1.shape().clone()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _: &Tensor,
        g: &Tensor,
    ) -> CResult<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let g = g.contiguous()?;
        let (qs, ql) = q.storage_and_layout();
        let (ks, kl) = k.storage_and_layout();
        let (vs, vl) = v.storage_and_layout();
        let (gs, gl) = g.storage_and_layout();
        let (Storage::Cpu(qs), Storage::Cpu(ks), Storage::Cpu(vs), Storage::Cpu(gs)) =
            (&*qs, &*ks, &*vs, &*gs)
        else {
            candle_core::bail!("attention runs on the CPU");
        };
        let (tokens, _) = ql.shape().dims2()?;
        let (a, b, c, d) = (
            self.side(qs, ql, tokens)?,
            self.side(ks, kl, tokens)?,
            self.side(vs, vl, tokens)?,
            self.side(gs, gl, tokens)?,
        );
        let device = q.device();
        let shapes = [q.shape().clone(), k.shape().clone(), v.shape().clone()];
        let tensors = match qs {
            CpuStorage::F32(_) => {
                to_tensors(backward::<f32>(a, b, c, d, tokens, &self.segments)?, shapes, device)?
            }
            CpuStorage::F64(_) => {
                to_tensors(backward::<f64>(a, b, c, d, tokens, &self.segments)?, shapes, device)?
            }
            _ => candle_core::bail!("attention runs on f32 and f64"),
        };
        let [gq, gk, gv] = tensors;
        Ok((Some(gq), Some(gk), Some(gv)))
    }
}

fn to_tensors<T: WithDType>(
    data: [Vec<T>; 3],
    shapes: [Shape; 3],
    device: &candle_core::Device,
) -> CResult<[Tensor; 3]> {
    let ([a, b, c], [sa, sb, sc]) = (data, shapes);
    Ok([
        Tensor::from_vec(a, sa, device)?,
        Tensor::from_vec(b, sb, device)?,
        Tensor::from_vec(c, sc, device)?,
    ])
}
