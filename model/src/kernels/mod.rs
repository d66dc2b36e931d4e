//! The operations of a llama forward, each in up to three implementations.
//!
//! * [`Impl::Graph`] composes candle operations that all have a backward pass. It runs on every
//!   device and is the yardstick for the other.
//! * [`Impl::Own`] is a CPU kernel of ours with its own backward pass: several times faster,
//!   because candle's broadcasts and permuted copies walk memory element by element.
//! * [`Impl::CandleFused`] is candle-nn's fused kernel. Those record **no graph node**: gradients
//!   upstream vanish without an error, so this one must never be used in training. It exists so
//!   that a test can show that the gradient check would notice.
//!
//! The training and the scoring of prompts use the same forward; only decoding has its own.

pub mod attention;
mod graph;
pub mod head;
pub mod linear;
pub mod logprob;
pub mod norm;
pub mod real;
pub mod rope;
pub mod swiglu;

use candle_core::{CpuStorage, Device, Layout, Shape, Tensor};

use crate::packed::Segment;

/// Which implementation runs an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impl {
    /// Composed of candle operations that have a backward pass.
    Graph,
    /// Ours, CPU only.
    Own,
    /// candle-nn's fused kernel, without a backward pass.
    CandleFused,
}

/// The choice for each operation of the forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernels {
    /// Root-mean-square norm.
    pub rms_norm: Impl,
    /// Rotary positions.
    pub rope: Impl,
    /// The softmax inside attention; `Own` replaces the whole attention.
    pub softmax: Impl,
    /// Linear layers, with or without an adapter.
    pub linear: Impl,
    /// Gated activation of the feed-forward layer.
    pub swiglu: Impl,
    /// Log-probabilities of given tokens.
    pub log_prob: Impl,
}

type CResult<T> = candle_core::Result<T>;

impl Kernels {
    /// Composed of candle operations; any device.
    pub const GRAPH: Self = Self {
        rms_norm: Impl::Graph,
        rope: Impl::Graph,
        softmax: Impl::Graph,
        linear: Impl::Graph,
        swiglu: Impl::Graph,
        log_prob: Impl::Graph,
    };
    /// Our own kernels; CPU only.
    pub const OWN: Self = Self {
        rms_norm: Impl::Own,
        rope: Impl::Own,
        softmax: Impl::Own,
        linear: Impl::Own,
        swiglu: Impl::Own,
        log_prob: Impl::Own,
    };

    /// The fastest differentiable choice for a device.
    pub fn for_device(device: &Device) -> Self {
        if device.is_cpu() { Self::OWN } else { Self::GRAPH }
    }

    /// `x / sqrt(mean(x²) + eps) * w` over the last dimension. `x` is `[tokens, hidden]`.
    pub fn rms_norm(&self, x: &Tensor, w: &Tensor, eps: f64) -> CResult<Tensor> {
        match self.rms_norm {
            Impl::Own => norm::rms_norm(x, w, eps),
            Impl::Graph => graph::rms_norm(x, w, eps),
            Impl::CandleFused => graph::candle_rms_norm(x, w, eps),
        }
    }

    /// Rotates each head of `x` `[tokens, heads * head_dim]` by its position's angles;
    /// `cos` and `sin` are `[tokens, head_dim / 2]`, the halves of a head form the pairs.
    pub fn rope(&self, x: &Tensor, cos: &Tensor, sin: &Tensor) -> CResult<Tensor> {
        match self.rope {
            Impl::Own => rope::rope(x, cos, sin),
            Impl::Graph => graph::rope(x, cos, sin),
            Impl::CandleFused => graph::candle_rope(x, cos, sin),
        }
    }

    /// Causal grouped-query attention within each segment and over its prefix.
    /// `q` is `[tokens, heads * head_dim]`, `k` and `v` are `[tokens, kv_heads * head_dim]`. Where
    /// `known` has what the same input gave before, `Own` takes it and is for its gradients only.
    pub fn attention(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        head_dim: usize,
        segments: &[Segment],
        known: Option<&Tensor>,
    ) -> CResult<Tensor> {
        match self.softmax {
            Impl::Own => attention::attention(q, k, v, head_dim, segments, known),
            other => graph::attention(q, k, v, head_dim, segments, other),
        }
    }

    /// `silu(gate) * up`.
    pub fn swiglu(&self, gate: &Tensor, up: &Tensor) -> CResult<Tensor> {
        match self.swiglu {
            Impl::Own => swiglu::swiglu(gate, up),
            _ => gate.silu()?.mul(up),
        }
    }

    /// `x Wᵀ` with `W` `[out, in]`; `Own` keeps `W` out of the graph, so it is for frozen ones.
    pub fn linear(&self, x: &Tensor, w: &Tensor) -> CResult<Tensor> {
        match self.linear {
            Impl::Own if !w.is_variable() => linear::frozen(x, w),
            _ => x.matmul(&w.t()?),
        }
    }

    /// `x Wᵀ + scale (x Aᵀ) Bᵀ` with `A` `[rank, in]` and `B` `[out, rank]`.
    pub fn lora(
        &self,
        x: &Tensor,
        w: &Tensor,
        a: &Tensor,
        b: &Tensor,
        scale: f64,
    ) -> CResult<Tensor> {
        match self.linear {
            Impl::Own if !w.is_variable() => linear::lora(x, w, a, b, scale),
            _ => {
                let delta = x.matmul(&a.t()?)?.affine(scale, 0.0)?.matmul(&b.t()?)?;
                self.linear(x, w)?.add(&delta)
            }
        }
    }

    /// Log-probability of `targets[i]` under `softmax(W x[i])`; `x` is `[n, hidden]`, `W`
    /// `[vocab, hidden]`. Without `tracked` there may be no gradient.
    pub fn head_log_probs(
        &self,
        x: &Tensor,
        w: &Tensor,
        targets: &[u32],
        tracked: bool,
    ) -> CResult<Tensor> {
        match self.log_prob {
            Impl::Own if !w.is_variable() => head::head_log_probs(x, w, targets, tracked),
            _ => graph::target_log_probs(&self.linear(x, w)?, targets),
        }
    }
}

/// Runs a generic CPU kernel on storages of one float type, each contiguous.
macro_rules! dispatch {
    ($name:expr, [$(($s:expr, $l:expr)),+], |$($v:ident),+| $body:expr) => {{
        use candle_core::CpuStorage as C;
        match ($($s),+,) {
            ($(C::F32($v)),+,) => { $(let $v = $crate::kernels::contiguous($v, $l)?;)+ C::F32($body) }
            ($(C::F64($v)),+,) => { $(let $v = $crate::kernels::contiguous($v, $l)?;)+ C::F64($body) }
            _ => candle_core::bail!("{} runs on f32 and f64 tensors of one type", $name),
        }
    }};
}
pub(crate) use dispatch;

/// The slice that a contiguous layout covers.
pub(crate) fn contiguous<'a, T>(data: &'a [T], layout: &Layout) -> CResult<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&data[from..to]),
        None => candle_core::bail!("a contiguous tensor was expected, its layout is {layout:?}"),
    }
}

/// A backward kernel as an operation without a graph node: it only needs slices of its inputs.
pub(crate) struct Raw2<F>(pub &'static str, pub F);

impl<F> candle_core::CustomOp2 for Raw2<F>
where
    F: Fn(&CpuStorage, &Layout, &CpuStorage, &Layout) -> CResult<(CpuStorage, Shape)>,
{
    fn name(&self) -> &'static str {
        self.0
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> CResult<(CpuStorage, Shape)> {
        (self.1)(s1, l1, s2, l2)
    }
}

/// See [`Raw2`]; three inputs.
pub(crate) struct Raw3<F>(pub &'static str, pub F);

impl<F> candle_core::CustomOp3 for Raw3<F>
where
    F: Fn(
        &CpuStorage,
        &Layout,
        &CpuStorage,
        &Layout,
        &CpuStorage,
        &Layout,
    ) -> CResult<(CpuStorage, Shape)>,
{
    fn name(&self) -> &'static str {
        self.0
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
        (self.1)(s1, l1, s2, l2, s3, l3)
    }
}
