//! Products of a few activation rows with a large matrix.
//!
//! A general matrix product packs the large side first, which for a handful of rows costs more
//! than the product. Here the matrix is read once, straight through, and what has been read is
//! multiplied with all activation rows while it is in registers.

use std::{array::from_fn, ops::Range};

use wide::f32x8;

use super::blocks::{BLOCK, Block, Blocks, CHUNKS, Eight, Four, SIDE};
use super::team::Team;
use crate::kernels::real::{LANES, Real, horizontal};

/// A matrix as decoding reads it, `[n, k]`.
#[derive(Clone, Copy)]
pub(super) enum Matrix<'m> {
    Real(&'m [f32]),
    Fours(&'m [[Four; SIDE]]),
    Eights(&'m [[Eight; SIDE]]),
}

impl Blocks {
    pub(super) fn matrix(&self) -> Matrix<'_> {
        match self {
            Self::Fours(blocks) => Matrix::Fours(blocks),
            Self::Eights(blocks) => Matrix::Eights(blocks),
        }
    }
}

impl<'m> Matrix<'m> {
    /// Rows of `k` numbers.
    fn rows(self, k: usize) -> usize {
        match self {
            Self::Real(w) => w.len() / k,
            Self::Fours(blocks) => blocks.len() / (k / BLOCK) * SIDE,
            Self::Eights(blocks) => blocks.len() / (k / BLOCK) * SIDE,
        }
    }

    /// Some of its rows, in blocks a multiple of [`SIDE`] from a multiple of it on.
    fn part(self, k: usize, rows: Range<usize>) -> Self {
        let sides = rows.start / SIDE * (k / BLOCK)..rows.end / SIDE * (k / BLOCK);
        match self {
            Self::Real(w) => Self::Real(&w[rows.start * k..rows.end * k]),
            Self::Fours(blocks) => Self::Fours(&blocks[sides]),
            Self::Eights(blocks) => Self::Eights(&blocks[sides]),
        }
    }

    /// Its rows with all `rows` rows of `x`: `out` gets `rows` values for each of its own.
    fn multiply(self, k: usize, x: &[f32], rows: usize, out: &mut [f32]) {
        match self {
            Self::Real(w) => real_rows(w, k, x, rows, out),
            Self::Fours(blocks) => block_rows(blocks, k, x, rows, out),
            Self::Eights(blocks) => block_rows(blocks, k, x, rows, out),
        }
    }
}

/// Least multiply-adds of a task for an activation row: below, handing it out costs more.
const TASK_PRODUCTS: usize = 1 << 14;
/// `1 / LEFT` of a product is left for whoever is done first, in `LEFT` tasks a thread.
const LEFT: usize = 4;
/// Activation rows that are multiplied together; with two matrix rows their sums fill half of the
/// sixteen vector registers of AVX2.
const ROWS: usize = 4;
/// As [`ROWS`], with one row of a matrix in blocks.
const BLOCK_ROWS: usize = 8;

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

fn real_rows(w: &[f32], k: usize, x: &[f32], rows: usize, out: &mut [f32]) {
    for (w, out) in w.chunks(2 * k).zip(out.chunks_mut(2 * rows)) {
        if out.len() == 2 * rows {
            let (first, second) = out.split_at_mut(rows);
            dot_rows_2([&w[..k], &w[k..]], x, [first, second]);
        } else {
            dot_rows(w, x, out);
        }
    }
}

/// As [`dots`] for [`SIDE`] rows of a matrix in blocks, `N` at a time, each block made real once for
/// all rows of `xs`. `put` gets the number of a row of the matrix and its results.
#[inline(always)]
fn side_dots<B: Block, const N: usize, const R: usize>(
    side: &[[B; SIDE]],
    xs: &[f32],
    mut put: impl FnMut(usize, &[f32; R]),
) {
    let k = side.len() * BLOCK;
    let x: [&[[[f32; LANES]; CHUNKS]]; R] = from_fn(|r| {
        let chunks = xs[r * k..(r + 1) * k].as_chunks::<LANES>().0;
        &chunks.as_chunks::<CHUNKS>().0[..side.len()]
    });
    for first in (0..SIDE).step_by(N) {
        let mut acc = [[f32x8::ZERO; R]; N];
        for (b, blocks) in side.iter().enumerate() {
            for n in 0..N {
                let values = blocks[first + n].values();
                for c in 0..CHUNKS {
                    for r in 0..R {
                        acc[n][r] = values[c].mul_add(f32x8::new(x[r][b][c]), acc[n][r]);
                    }
                }
            }
        }
        for (n, sums) in acc.iter().enumerate() {
            let mut found = [0.0; R];
            for (found, sum) in found.iter_mut().zip(sums) {
                *found = horizontal(sum.to_array());
            }
            put(first + n, &found);
        }
    }
}

/// All rows of a matrix in blocks, `N` at a time, with `R` rows of `xs`. The results for row `n` of
/// the matrix begin at `out[n * stride]`.
#[inline(never)]
fn block_columns<B: Block, const N: usize, const R: usize>(
    blocks: &[[B; SIDE]],
    row_blocks: usize,
    xs: &[f32],
    out: &mut [f32],
    stride: usize,
) {
    for (side, out) in blocks.chunks_exact(row_blocks).zip(out.chunks_mut(SIDE * stride)) {
        side_dots::<B, N, R>(side, xs, |row, found| {
            out[row * stride..row * stride + R].copy_from_slice(found);
        });
    }
}

fn block_rows<B: Block>(blocks: &[[B; SIDE]], k: usize, x: &[f32], rows: usize, out: &mut [f32]) {
    for (at, xs) in x.chunks(BLOCK_ROWS * k).enumerate() {
        // As many rows of the matrix as the registers hold sums of: else the sums of few rows of
        // activations wait for each other.
        let columns = match xs.len() / k {
            1 => block_columns::<B, 4, 1>,
            2 => block_columns::<B, 2, 2>,
            3 => block_columns::<B, 2, 3>,
            4 => block_columns::<B, 2, 4>,
            5 => block_columns::<B, 1, 5>,
            6 => block_columns::<B, 1, 6>,
            7 => block_columns::<B, 1, 7>,
            _ => block_columns::<B, 1, BLOCK_ROWS>,
        };
        columns(blocks, k / BLOCK, xs, &mut out[at * BLOCK_ROWS..], rows);
    }
}

/// Rows of each task of a product with `n` rows of a matrix: a long run for each thread, since memory
/// is read ahead of it, and then short ones, so that all threads end together.
fn shares(n: usize, k: usize, threads: usize) -> Vec<Range<usize>> {
    let least = TASK_PRODUCTS.div_ceil(k);
    let steps = |rows: usize| rows.max(least).next_multiple_of(SIDE);
    let long = steps((n - n / LEFT) / threads);
    let short = steps(n / LEFT / LEFT / threads);
    let mut shares = Vec::with_capacity(threads * (1 + LEFT) + 1);
    let mut from = 0;
    while from < n {
        let to = n.min(from + if shares.len() < threads { long } else { short });
        shares.push(from..to);
        from = to;
    }
    shares
}

/// `x Wᵀ` for matrices one under the other, so that the team meets once. `x` is `[rows, k]`, each
/// `W` `[n, k]`; the result is `[rows, Σ n]`.
pub(super) fn linears<'env, const N: usize>(
    team: &Team<'env>,
    x: Vec<f32>,
    rows: usize,
    matrices: [Matrix<'env>; N],
) -> Vec<f32> {
    let k = x.len() / rows;
    let total: usize = matrices.iter().map(|w| w.rows(k)).sum();
    let shares = shares(total, k, team.threads());
    let found = team.run(shares.len(), move |task| {
        let share = shares[task].clone();
        let mut columns = vec![0.0; share.len() * rows];
        let mut out = columns.as_mut_slice();
        let mut first = 0;
        for w in matrices {
            let n = w.rows(k);
            let (from, to) = (share.start.max(first), share.end.min(first + n));
            if from < to {
                let (own, others) = out.split_at_mut((to - from) * rows);
                w.part(k, from - first..to - first).multiply(k, &x, rows, own);
                out = others;
            }
            first += n;
        }
        by_row(columns, rows)
    });
    let mut out = Vec::with_capacity(total * rows);
    for r in 0..rows {
        for part in &found {
            let n = part.len() / rows;
            out.extend_from_slice(&part[r * n..(r + 1) * n]);
        }
    }
    out
}

/// `[n, rows]` as `[rows, n]`.
fn by_row(columns: Vec<f32>, rows: usize) -> Vec<f32> {
    if rows == 1 {
        return columns;
    }
    (0..rows).flat_map(|r| columns.iter().skip(r).step_by(rows)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::blocks::{ordered, tests::numbers};
    use crate::infer::team::with_team;
    use crate::kernels::real::dot;

    fn products<const N: usize>(x: &[f32], rows: usize, matrices: [Matrix<'_>; N]) -> Vec<f32> {
        with_team(|team| linears(team, x.to_vec(), rows, matrices))
    }

    #[test]
    fn every_row_count_and_remainder_gives_the_same_bits_as_one_dot() {
        let value = |i: usize| ((i * 2_654_435_761) % 1_000) as f32 / 500.0 - 1.0;
        for k in [1, 7, 8, 24, 61] {
            for rows in 1..=19 {
                let n = 5;
                let x: Vec<f32> = (0..rows * k).map(value).collect();
                let w: Vec<f32> = (0..n * k).map(|i| value(i + 17)).collect();
                let y = products(&x, rows, [Matrix::Real(&w)]);
                for r in 0..rows {
                    for c in 0..n {
                        let want = dot(&w[c * k..(c + 1) * k], &x[r * k..(r + 1) * k]);
                        assert_eq!(y[r * n + c].to_bits(), want.to_bits(), "k {k} rows {rows}");
                    }
                }
            }
        }
    }

    #[test]
    fn shares_follow_each_other_and_leave_no_row_out() {
        for (n, k) in [(1, 1), (5, 64), (960, 576), (49_152, 576), (576, 1_536), (1_000_000, 8)] {
            for threads in [1, 2, 3, 64] {
                let shares = shares(n, k, threads);
                let ends = shares.windows(2).all(|pair| pair[0].end == pair[1].start);
                assert!(ends && shares[0].start == 0 && shares[shares.len() - 1].end == n);
                assert!(shares.iter().all(|share| !share.is_empty()));
                assert!(shares.len() <= threads * (1 + 2 * LEFT) + 1, "{} tasks", shares.len());
            }
        }
    }

    #[test]
    fn blocks_give_the_same_bits_as_their_numbers() {
        let byte = |i: usize| ((i * 2_654_435_761) >> 7) as u8;
        for row_blocks in [1, 3, 18] {
            let (k, n) = (row_blocks * BLOCK, 3 * SIDE);
            let bytes = |size: usize| (0..n * row_blocks * size).map(byte).collect::<Vec<u8>>();
            // Halves of moderate size: neither infinite nor no number.
            let tame = |mut bytes: Vec<u8>, size: usize, halves: usize| {
                for block in bytes.chunks_mut(size) {
                    (0..halves).for_each(|h| block[2 * h + 1] = 0x30 | block[2 * h + 1] & 0x83);
                }
                bytes
            };
            let fours = tame(bytes(Four::BYTES), Four::BYTES, 2);
            let fours: Vec<[Four; SIDE]> = ordered(&fours, k, n, |row| row);
            let eights = tame(bytes(Eight::BYTES), Eight::BYTES, 1);
            let eights: Vec<[Eight; SIDE]> = ordered(&eights, k, n, |row| row);
            let (real_fours, real_eights) = (numbers(&fours, k), numbers(&eights, k));
            for rows in 1..=19 {
                let x: Vec<f32> = (0..rows * k).map(|i| f32::from(byte(i)) / 99.0 - 1.0).collect();
                let got = products(&x, rows, [Matrix::Fours(&fours), Matrix::Eights(&eights)]);
                let want =
                    products(&x, rows, [Matrix::Real(&real_fours), Matrix::Real(&real_eights)]);
                let bits = |all: &[f32]| all.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&got), bits(&want), "{row_blocks} blocks, {rows} rows");
            }
        }
    }
}
