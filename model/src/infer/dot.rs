//! Products of a few activation rows with a large matrix.
//!
//! A general matrix product packs the large side first, which for a handful of rows costs more
//! than the product. Here each row of the matrix is read once, straight through, and multiplied
//! with all activation rows while it is in registers, so the speed is that of memory.

use std::array::from_fn;

use rayon::prelude::*;

use crate::kernels::real::{LANES, Real, horizontal};

/// Multiply-adds that one task handles per activation row.
const TASK_PRODUCTS: usize = 1 << 16;
/// Activation rows that are multiplied together; with two matrix rows their sums fill half of the
/// sixteen vector registers of AVX2.
const ROWS: usize = 4;

/// `w x + acc`, lane by lane. Written so that the compiler makes one vector instruction of it and
/// keeps `acc` in a register; a loop over the lanes in place becomes scalar code.
#[inline(always)]
fn multiply_add(w: &[f32; LANES], x: &[f32; LANES], acc: &[f32; LANES]) -> [f32; LANES] {
    from_fn(|l| w[l].fma(x[l], acc[l]))
}

/// `w_n · x_r` for `N` rows of a matrix and `R` rows of `xs`. The order of additions is that of
/// [`crate::kernels::real::dot`], whatever `N` and `R`.
#[inline(always)]
fn dots<const N: usize, const R: usize>(w: [&[f32]; N], xs: &[f32]) -> [[f32; R]; N] {
    let k = w[0].len();
    let chunks = k / LANES;
    let w: [(&[[f32; LANES]], &[f32]); N] = from_fn(|n| {
        let (chunks_of_w, rest) = w[n].as_chunks::<LANES>();
        (&chunks_of_w[..chunks], rest)
    });
    let x: [(&[[f32; LANES]], &[f32]); R] = from_fn(|r| {
        let (chunks_of_x, rest) = xs[r * k..(r + 1) * k].as_chunks::<LANES>();
        (&chunks_of_x[..chunks], rest)
    });
    let mut acc = [[[0f32; LANES]; R]; N];
    for c in 0..chunks {
        for n in 0..N {
            for r in 0..R {
                acc[n][r] = multiply_add(&w[n].0[c], &x[r].0[c], &acc[n][r]);
            }
        }
    }
    for n in 0..N {
        for r in 0..R {
            for (i, (w, x)) in w[n].1.iter().zip(x[r].1).enumerate() {
                acc[n][r][i] = w.fma(*x, acc[n][r][i]);
            }
        }
    }
    acc.map(|rows| rows.map(horizontal))
}

/// [`dots`] for up to [`ROWS`] rows; `out[n]` gets one value a row.
#[inline(always)]
fn dots_into<const N: usize>(w: [&[f32]; N], xs: &[f32], out: [&mut [f32]; N]) {
    fn put<const N: usize, const R: usize>(found: [[f32; R]; N], out: [&mut [f32]; N]) {
        out.into_iter().zip(found).for_each(|(out, found)| out.copy_from_slice(&found));
    }
    match out[0].len() {
        1 => put(dots::<N, 1>(w, xs), out),
        2 => put(dots::<N, 2>(w, xs), out),
        3 => put(dots::<N, 3>(w, xs), out),
        _ => put(dots::<N, ROWS>(w, xs), out),
    }
}

/// `w · x_r` for all rows of `xs` into `out`, one value a row.
pub(super) fn dot_rows(w: &[f32], xs: &[f32], out: &mut [f32]) {
    for (out, xs) in out.chunks_mut(ROWS).zip(xs.chunks(ROWS * w.len())) {
        dots_into([w], xs, [out]);
    }
}

/// Two rows of a matrix at once: each load of an activation serves both.
fn dot_rows_2(w: [&[f32]; 2], xs: &[f32], out: [&mut [f32]; 2]) {
    let k = w[0].len();
    let [first, second] = out;
    let blocks = first.chunks_mut(ROWS).zip(second.chunks_mut(ROWS)).zip(xs.chunks(ROWS * k));
    for ((first, second), xs) in blocks {
        dots_into(w, xs, [first, second]);
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
        for (w, out) in w.chunks(2 * k).zip(out.chunks_mut(2 * rows)) {
            if out.len() == 2 * rows {
                let (first, second) = out.split_at_mut(rows);
                dot_rows_2([&w[..k], &w[k..]], x, [first, second]);
            } else {
                dot_rows(w, x, out);
            }
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
