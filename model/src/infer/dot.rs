//! Products of a few activation rows with a large matrix.
//!
//! A general matrix product packs the large side first, which for a handful of rows costs more
//! than the product. Here each row of the matrix is read once, straight through, and multiplied
//! with all activation rows while it is in registers, so the speed is that of memory.

use std::array::from_fn;

use rayon::prelude::*;
use wide::f32x8;

use crate::kernels::real::{LANES, Real, horizontal};

/// Multiply-adds that one task handles per activation row.
const TASK_PRODUCTS: usize = 1 << 16;
/// Activation rows that are multiplied together (one vector register each for the sums).
const ROWS: usize = 8;

/// `w · x_r` for `R` rows of `xs`, each of `w.len()` values. The order of additions is that of
/// [`crate::kernels::real::dot`], whatever `R`.
#[inline(always)]
fn dots<const R: usize>(w: &[f32], xs: &[f32]) -> [f32; R] {
    let k = w.len();
    let (wc, wr) = w.as_chunks::<LANES>();
    let x: [(&[[f32; LANES]], &[f32]); R] = from_fn(|r| {
        let (chunks, rest) = xs[r * k..(r + 1) * k].as_chunks::<LANES>();
        (&chunks[..wc.len()], &rest[..wr.len()])
    });
    let mut acc = [f32x8::ZERO; R];
    for (c, w) in wc.iter().enumerate() {
        let w = f32x8::from(*w);
        for r in 0..R {
            acc[r] = w.mul_add(f32x8::from(x[r].0[c]), acc[r]);
        }
    }
    let mut acc = acc.map(f32x8::to_array);
    for (i, w) in wr.iter().enumerate() {
        for r in 0..R {
            acc[r][i] = w.fma(x[r].1[i], acc[r][i]);
        }
    }
    acc.map(horizontal)
}

/// `w · x_r` for all rows of `xs` into `out`, one value a row.
pub(super) fn dot_rows(w: &[f32], xs: &[f32], out: &mut [f32]) {
    let k = w.len();
    for (out, xs) in out.chunks_mut(ROWS).zip(xs.chunks(ROWS * k)) {
        match out.len() {
            1 => out.copy_from_slice(&dots::<1>(w, xs)),
            2 => out.copy_from_slice(&dots::<2>(w, xs)),
            3 => out.copy_from_slice(&dots::<3>(w, xs)),
            4 => out.copy_from_slice(&dots::<4>(w, xs)),
            5 => out.copy_from_slice(&dots::<5>(w, xs)),
            6 => out.copy_from_slice(&dots::<6>(w, xs)),
            7 => out.copy_from_slice(&dots::<7>(w, xs)),
            _ => out.copy_from_slice(&dots::<ROWS>(w, xs)),
        }
    }
}

/// `x Wᵀ` for several matrices at once, so that the threads meet once. `x` is `[rows, k]`, each
/// `W` `[n, k]`; each result is `[rows, n]`.
pub(super) fn linears(x: &[f32], rows: usize, matrices: &[&[f32]]) -> Vec<Vec<f32>> {
    let k = x.len() / rows;
    let per_task = (TASK_PRODUCTS / k).max(1);
    // Column by column first: a task owns some columns of the result, for all rows.
    let mut columns: Vec<Vec<f32>> =
        matrices.iter().map(|w| vec![0.0; w.len() / k * rows]).collect();
    let tasks: Vec<(&[f32], &mut [f32])> = matrices
        .iter()
        .zip(&mut columns)
        .flat_map(|(w, out)| w.chunks(per_task * k).zip(out.chunks_mut(per_task * rows)))
        .collect();
    tasks.into_par_iter().for_each(|(w, out)| {
        for (w, out) in w.chunks_exact(k).zip(out.chunks_exact_mut(rows)) {
            dot_rows(w, x, out);
        }
    });
    if rows == 1 {
        return columns;
    }
    columns
        .iter()
        .map(|columns| {
            let n = columns.len() / rows;
            let mut out = vec![0.0; columns.len()];
            out.par_chunks_mut(n).enumerate().for_each(|(r, out)| {
                for (o, column) in out.iter_mut().zip(columns.chunks_exact(rows)) {
                    *o = column[r];
                }
            });
            out
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::real::dot;

    #[test]
    fn every_row_count_and_remainder_gives_the_same_bits_as_one_dot() {
        let value = |i: usize| ((i * 2_654_435_761) % 1_000) as f32 / 500.0 - 1.0;
        for k in [1, 7, 8, 24, 61] {
            for rows in 1..=19 {
                let n = 5;
                let x: Vec<f32> = (0..rows * k).map(value).collect();
                let w: Vec<f32> = (0..n * k).map(|i| value(i + 17)).collect();
                let y = &linears(&x, rows, &[&w])[0];
                for r in 0..rows {
                    for c in 0..n {
                        let want = dot(&w[c * k..(c + 1) * k], &x[r * k..(r + 1) * k]);
                        assert_eq!(y[r * n + c].to_bits(), want.to_bits(), "k {k} rows {rows}");
                    }
                }
            }
        }
    }
}
