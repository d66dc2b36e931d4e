//! `silu(gate) * up` with its backward pass.
//!
//! With `σ = 1 / (1 + e^-a)`: `y = a σ b`, `∂y/∂b = a σ`, `∂y/∂a = b σ (1 + a (1 - σ))`.

use candle_core::{CpuStorage, CustomOp2, Layout, Shape, Tensor};
use rayon::prelude::*;

use super::real::Real;
use super::{CResult, Raw3, dispatch};

/// Elements that one task handles; below this, splitting costs more than it gains.
const CHUNK: usize = 8_192;

struct SwiGlu;

/// Both of one shape, contiguous.
pub fn swiglu(gate: &Tensor, up: &Tensor) -> CResult<Tensor> {
    gate.apply_op2(up, SwiGlu)
}

#[inline(always)]
fn sigmoid<T: Real>(a: T) -> T {
    T::ONE / (T::ONE + (-a).exp())
}

/// One element.
#[inline(always)]
pub fn silu_mul<T: Real>(a: T, b: T) -> T {
    a * sigmoid(a) * b
}

fn forward<T: Real>(gate: &[T], up: &[T]) -> Vec<T> {
    let mut out = vec![T::ZERO; gate.len()];
    out.par_chunks_mut(CHUNK).zip(gate.par_chunks(CHUNK).zip(up.par_chunks(CHUNK))).for_each(
        |(out, (gate, up))| {
            for ((o, a), b) in out.iter_mut().zip(gate).zip(up) {
                *o = silu_mul(*a, *b);
            }
        },
    );
    out
}

fn grad_gate<T: Real>(gate: &[T], up: &[T], g: &[T]) -> Vec<T> {
    let mut out = vec![T::ZERO; gate.len()];
    out.par_chunks_mut(CHUNK)
        .zip(gate.par_chunks(CHUNK).zip(up.par_chunks(CHUNK)).zip(g.par_chunks(CHUNK)))
        .for_each(|(out, ((gate, up), g))| {
            for (((o, a), b), g) in out.iter_mut().zip(gate).zip(up).zip(g) {
                let s = sigmoid(*a);
                *o = *g * *b * s * (T::ONE + *a * (T::ONE - s));
            }
        });
    out
}

fn grad_up<T: Real>(gate: &[T], g: &[T]) -> Vec<T> {
    forward(gate, g)
}

impl CustomOp2 for SwiGlu {
    fn name(&self) -> &'static str {
        "lode-swiglu"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> CResult<(CpuStorage, Shape)> {
        if l1.dims() != l2.dims() {
            candle_core::bail!("gate {:?} and up {:?} differ in shape", l1.dims(), l2.dims());
        }
        Ok((dispatch!(self.name(), [(s1, l1), (s2, l2)], |a, b| forward(a, b)), l1.shape().clone()))
    }

    fn bwd(
        &self,
        gate: &Tensor,
        up: &Tensor,
        _: &Tensor,
        g: &Tensor,
    ) -> CResult<(Option<Tensor>, Option<Tensor>)> {
        let (gate, up, g) = (gate.detach(), up.detach(), g.contiguous()?);
        let ga = gate.apply_op3_no_bwd(
            &up,
            &g,
            &Raw3(
                "lode-swiglu-grad",
                |s1: &CpuStorage,
                 l1: &Layout,
                 s2: &CpuStorage,
                 l2: &Layout,
                 s3: &CpuStorage,
                 l3: &Layout| {
                    Ok((
                        dispatch!("swiglu", [(s1, l1), (s2, l2), (s3, l3)], |a, b, g| {
                            grad_gate(a, b, g)
                        }),
                        l1.shape().clone(),
                    ))
                },
            ),
        )?;
        let gb = gate.apply_op2_no_bwd(
            &g,
            &super::Raw2(
                "lode-swiglu-grad",
                |s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout| {
                    Ok((
                        dispatch!("swiglu", [(s1, l1), (s2, l2)], |a, g| grad_up(a, g)),
                        l1.shape().clone(),
                    ))
                },
            ),
        )?;
        Ok((Some(ga), Some(gb)))
    }
}
