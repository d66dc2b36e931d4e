//! Rotary positions with their backward pass, on `[tokens, heads * head_dim]` as it comes out of
//! the projection, so that nothing is transposed.
//!
//! Pair `(x[i], x[i + d/2])` of each head is turned by the angle of its position; the backward
//! pass turns the gradient back.

use candle_core::{CpuStorage, CustomOp3, Layout, Shape, Tensor};
use rayon::prelude::*;

use super::real::Real;
use super::{CResult, dispatch};

struct Rope {
    inverse: bool,
}

/// `cos` and `sin` are `[tokens, head_dim / 2]` and constants.
pub fn rope(x: &Tensor, cos: &Tensor, sin: &Tensor) -> CResult<Tensor> {
    x.apply_op3(cos, sin, Rope { inverse: false })
}

/// Rotates all heads of one token in place. `sign` is 1, or -1 to turn back.
pub fn rotate_token<T: Real>(x: &mut [T], cos: &[T], sin: &[T], sign: T) {
    let half = cos.len();
    for head in x.chunks_exact_mut(2 * half) {
        let (a, b) = head.split_at_mut(half);
        for i in 0..half {
            let (c, s) = (cos[i], sin[i] * sign);
            let (u, v) = (a[i], b[i]);
            a[i] = u * c - v * s;
            b[i] = v * c + u * s;
        }
    }
}

fn rotate_all<T: Real>(x: &[T], cos: &[T], sin: &[T], half: usize, inverse: bool) -> Vec<T> {
    let mut out = x.to_vec();
    let tokens = cos.len() / half;
    let sign = if inverse { -T::ONE } else { T::ONE };
    out.par_chunks_mut(x.len() / tokens.max(1))
        .zip(cos.par_chunks(half).zip(sin.par_chunks(half)))
        .for_each(|(x, (cos, sin))| rotate_token(x, cos, sin, sign));
    out
}

impl CustomOp3 for Rope {
    fn name(&self) -> &'static str {
        "lode-rope"
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
        let (tokens, width) = l1.shape().dims2()?;
        let (rows, half) = l2.shape().dims2()?;
        if tokens == 0
            || rows != tokens
            || l3.dims() != l2.dims()
            || half == 0
            || width % (2 * half) != 0
        {
            candle_core::bail!("rotary positions {:?} do not fit {:?}", l2.dims(), l1.dims());
        }
        let out = dispatch!(self.name(), [(s1, l1), (s2, l2), (s3, l3)], |x, c, s| {
            rotate_all(x, c, s, half, self.inverse)
        });
        Ok((out, l1.shape().clone()))
    }

    fn bwd(
        &self,
        _: &Tensor,
        cos: &Tensor,
        sin: &Tensor,
        _: &Tensor,
        g: &Tensor,
    ) -> CResult<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let g = g.contiguous()?.apply_op3_no_bwd(cos, sin, &Rope { inverse: !self.inverse })?;
        Ok((Some(g), None, None))
    }
}
