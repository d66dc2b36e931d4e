//! RMS norm with its backward pass.
//!
//! `y = x r w` with `r = (mean(x²) + eps)^(-1/2)`. With `g = ∂L/∂y` and `n` columns:
//! `∂L/∂x = r (g w) - x r³/n Σ(g w x)` and `∂L/∂w = Σ_rows g x r`.

use candle_core::{CpuStorage, CustomOp2, Layout, Shape, Tensor};
use rayon::prelude::*;

use super::real::{Real, dot};
use super::{CResult, Raw2, Raw3, dispatch};

struct RmsNorm {
    eps: f64,
}

/// `x` `[.., n]` contiguous, `w` `[n]`.
pub fn rms_norm(x: &Tensor, w: &Tensor, eps: f64) -> CResult<Tensor> {
    x.apply_op2(w, RmsNorm { eps })
}

/// Norms one row into `out`.
pub fn norm_row<T: Real>(x: &[T], w: &[T], eps: f64, out: &mut [T]) {
    let r = scale_of(x, eps);
    for ((o, x), w) in out.iter_mut().zip(x).zip(w) {
        *o = *x * r * *w;
    }
}

fn scale_of<T: Real>(x: &[T], eps: f64) -> T {
    T::ONE / (dot(x, x) / T::of(x.len() as f64) + T::of(eps)).sqrt()
}

fn forward<T: Real>(x: &[T], w: &[T], eps: f64) -> Vec<T> {
    let mut out = vec![T::ZERO; x.len()];
    let n = w.len();
    out.par_chunks_mut(n).zip(x.par_chunks(n)).for_each(|(out, x)| norm_row(x, w, eps, out));
    out
}

fn grad_x<T: Real>(x: &[T], w: &[T], g: &[T], eps: f64) -> Vec<T> {
    let n = w.len();
    let mut out = vec![T::ZERO; x.len()];
    out.par_chunks_mut(n).zip(x.par_chunks(n)).zip(g.par_chunks(n)).for_each(|((out, x), g)| {
        let r = scale_of(x, eps);
        for ((o, g), w) in out.iter_mut().zip(g).zip(w) {
            *o = *g * *w;
        }
        let c = dot(out, x) * r * r * r / T::of(n as f64);
        for (o, x) in out.iter_mut().zip(x) {
            *o = *o * r - *x * c;
        }
    });
    out
}

fn grad_w<T: Real>(x: &[T], g: &[T], n: usize, eps: f64) -> Vec<T> {
    let mut out = vec![T::ZERO; n];
    for (x, g) in x.chunks(n).zip(g.chunks(n)) {
        let r = scale_of(x, eps);
        for ((o, x), g) in out.iter_mut().zip(x).zip(g) {
            *o += *g * *x * r;
        }
    }
    out
}

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "lode-rms-norm"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> CResult<(CpuStorage, Shape)> {
        let n = l2.shape().elem_count();
        if n == 0 || l1.dims().last() != Some(&n) {
            candle_core::bail!("rms norm over {:?} with a weight of {n}", l1.dims());
        }
        Ok((
            dispatch!(self.name(), [(s1, l1), (s2, l2)], |x, w| forward(x, w, self.eps)),
            l1.shape().clone(),
        ))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _: &Tensor,
        g: &Tensor,
    ) -> CResult<(Option<Tensor>, Option<Tensor>)> {
        let (x, g) = (x.detach(), g.contiguous()?);
        let eps = self.eps;
        let gx = x.apply_op3_no_bwd(
            &w.detach(),
            &g,
            &Raw3(
                "lode-rms-norm-grad-x",
                move |s1: &CpuStorage,
                      l1: &Layout,
                      s2: &CpuStorage,
                      l2: &Layout,
                      s3: &CpuStorage,
                      l3: &Layout| {
                    Ok((
                        dispatch!("rms norm", [(s1, l1), (s2, l2), (s3, l3)], |x, w, g| grad_x(
                            x, w, g, eps
                        )),
                        l1.shape().clone(),
                    ))
                },
            ),
        )?;
        let gw = if w.is_variable() {
            let n = w.elem_count();
            Some(x.apply_op2_no_bwd(
                &g,
                &Raw2(
                    "lode-rms-norm-grad-w",
                    move |s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout| {
                        Ok((
                            dispatch!("rms norm", [(s1, l1), (s2, l2)], |x, g| grad_w(
                                x, g, n, eps
                            )),
                            Shape::from(n),
                        ))
                    },
                ),
            )?)
        } else {
            None
        };
        Ok((Some(gx), gw))
    }
}
