//! Linear layers whose matrix is frozen.
//!
//! candle's own matmul computes the gradient of both sides, wanted or not; for a frozen `W` that
//! is a third of the whole backward pass and as much memory as the weights. These operations
//! hold `W` outside the graph.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp3, Layout, Shape, Storage, Tensor};

use super::CResult;

/// `y = x Wᵀ`, `∂L/∂x = g W`.
struct Frozen {
    w: Tensor,
}

/// `x` `[tokens, in]`, `w` `[out, in]`.
pub fn frozen(x: &Tensor, w: &Tensor) -> CResult<Tensor> {
    x.apply_op1(Frozen { w: w.detach() })
}

/// `lhs rhsᵀ` for matrices with any strides.
pub(super) fn matmul_t(
    lhs: &CpuStorage,
    ll: &Layout,
    rhs: &CpuStorage,
    rl: &Layout,
) -> CResult<(CpuStorage, Shape)> {
    let (m, k) = ll.shape().dims2()?;
    let (n, k2) = rl.shape().dims2()?;
    if k != k2 {
        candle_core::bail!("cannot multiply {:?} by the transpose of {:?}", ll.dims(), rl.dims());
    }
    let transposed = rl.transpose(0, 1)?;
    Ok((lhs.matmul(rhs, (1, m, n, k), ll, &transposed)?, Shape::from((m, n))))
}

fn with_cpu<R>(tensor: &Tensor, f: impl FnOnce(&CpuStorage, &Layout) -> CResult<R>) -> CResult<R> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(cpu) => f(cpu, layout),
        _ => candle_core::bail!("the frozen matrix is not on the CPU"),
    }
}

impl CustomOp1 for Frozen {
    fn name(&self) -> &'static str {
        "lode-frozen-linear"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> CResult<(CpuStorage, Shape)> {
        with_cpu(&self.w, |w, wl| matmul_t(storage, layout, w, wl))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, g: &Tensor) -> CResult<Option<Tensor>> {
        Ok(Some(g.matmul(&self.w)?))
    }
}

/// `y = x Wᵀ + s (x Aᵀ) Bᵀ` with `W` frozen. With `t = x Aᵀ` and `u = s g B`:
/// `∂L/∂x = g W + u A`, `∂L/∂A = uᵀ x`, `∂L/∂B = s gᵀ t`.
struct Lora {
    w: Tensor,
    scale: f64,
}

/// `x` `[tokens, in]`, `w` `[out, in]`, `a` `[rank, in]`, `b` `[out, rank]`.
pub fn lora(x: &Tensor, w: &Tensor, a: &Tensor, b: &Tensor, scale: f64) -> CResult<Tensor> {
    x.apply_op3(a, b, Lora { w: w.detach(), scale })
}

fn add_scaled(y: &mut CpuStorage, delta: &CpuStorage, scale: f64) -> CResult<()> {
    match (y, delta) {
        (CpuStorage::F32(y), CpuStorage::F32(d)) => super::real::axpy(scale as f32, d, y),
        (CpuStorage::F64(y), CpuStorage::F64(d)) => super::real::axpy(scale, d, y),
        _ => candle_core::bail!("LoRA runs on f32 and f64 tensors of one type"),
    }
    Ok(())
}

impl CustomOp3 for Lora {
    fn name(&self) -> &'static str {
        "lode-lora-linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        a: &CpuStorage,
        al: &Layout,
        b: &CpuStorage,
        bl: &Layout,
    ) -> CResult<(CpuStorage, Shape)> {
        let (mut y, shape) = with_cpu(&self.w, |w, wl| matmul_t(x, xl, w, wl))?;
        let (t, ts) = matmul_t(x, xl, a, al)?;
        let (delta, ds) = matmul_t(&t, &Layout::contiguous(ts), b, bl)?;
        if ds.dims() != shape.dims() {
            candle_core::bail!("the adapter gives {:?}, the layer {:?}", ds.dims(), shape.dims());
        }
        add_scaled(&mut y, &delta, self.scale)?;
        Ok((y, shape))
    }

    fn bwd(
        &self,
        x: &Tensor,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        g: &Tensor,
    ) -> CResult<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (x, a, b) = (x.detach(), a.detach(), b.detach());
        let t = x.matmul(&a.t()?)?.affine(self.scale, 0.0)?;
        let u = g.matmul(&b)?.affine(self.scale, 0.0)?;
        let gx = (g.matmul(&self.w)? + u.matmul(&a)?)?;
        let ga = u.t()?.matmul(&x)?;
        let gb = g.t()?.matmul(&t)?;
        Ok((Some(gx), Some(ga), Some(gb)))
    }
}
