//! Matrices as a GGUF file has them: blocks of 32 small whole numbers with a common scale.
//!
//! Decoding reads every weight once a token, and a block is a fifth (Q4_1) or two sevenths (Q8_0) of
//! its numbers in f32. Each block becomes exactly the f32 numbers that dequantising the whole file
//! gives, and they are multiplied and added in the order of [`crate::kernels::real::dot`]: the result
//! is the same, bit for bit.

use std::{array::from_fn, sync::Arc};

use candle_core::quantized::GgmlDType;
use half::f16;
use wide::{f32x8, i32x8, u16x8};

use crate::{
    config::LlamaConfig,
    error::Result,
    gguf::Gguf,
    kernels::real::LANES,
    weights::{gguf_name, layer_names},
};

/// Numbers of a block.
pub(super) const BLOCK: usize = 32;

/// Vectors that hold a block's numbers.
pub(super) const CHUNKS: usize = BLOCK / LANES;

/// A block of either kind.
pub(super) trait Block: Copy + Sync {
    /// Its bytes in a file.
    const BYTES: usize;
    /// From its bytes in a file, of which there are [`Block::BYTES`].
    fn read(bytes: &[u8]) -> Self;
    /// Its numbers. In vectors by hand: whether the compiler makes them of a loop depends on what
    /// the loop was inlined into, and without them decoding takes twice as long.
    fn values(&self) -> [f32x8; CHUNKS];
}

/// Q4_1: `scale * q + least` with `q` from 0 to 15.
#[derive(Clone, Copy, Debug)]
pub(super) struct Four {
    scale: f32,
    least: f32,
    /// Lane by lane: the lowest four bits belong to the first vector. A file has them in another
    /// order, which takes more instructions.
    quants: [u16; LANES],
}

/// Q8_0: `scale * q`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Eight {
    scale: f32,
    quants: [i8; BLOCK],
}

fn real(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

impl Block for Four {
    const BYTES: usize = 20;

    fn read(bytes: &[u8]) -> Self {
        // A byte has a number of the first half in its low bits and one of the second in its high.
        let quants = from_fn(|lane| {
            let (even, odd) = (u16::from(bytes[4 + lane]), u16::from(bytes[4 + LANES + lane]));
            even & 15 | (odd & 15) << 4 | (even >> 4) << 8 | (odd >> 4) << 12
        });
        Self { scale: real(bytes, 0), least: real(bytes, 2), quants }
    }

    #[inline(always)]
    fn values(&self) -> [f32x8; CHUNKS] {
        let (scale, least) = (f32x8::splat(self.scale), f32x8::splat(self.least));
        let all = i32x8::from_u16x8(u16x8::new(self.quants));
        let mask = i32x8::splat(15);
        // Not fused: dequantising rounds in between, too.
        let value = |q: i32x8| f32x8::from_i32x8(q) * scale + least;
        [value(all & mask), value((all >> 4) & mask), value((all >> 8) & mask), value(all >> 12)]
    }
}

impl Block for Eight {
    const BYTES: usize = 34;

    fn read(bytes: &[u8]) -> Self {
        Self { scale: real(bytes, 0), quants: from_fn(|i| bytes[2 + i] as i8) }
    }

    #[inline(always)]
    fn values(&self) -> [f32x8; CHUNKS] {
        let scale = f32x8::splat(self.scale);
        let mut values = [f32x8::ZERO; CHUNKS];
        for (value, chunk) in values.iter_mut().zip(self.quants.as_chunks::<LANES>().0) {
            let mut q = [0; LANES];
            for (q, byte) in q.iter_mut().zip(chunk) {
                *q = i32::from(*byte);
            }
            *value = f32x8::from_i32x8(i32x8::new(q)) * scale;
        }
        values
    }
}

/// Rows of a matrix whose blocks lie side by side.
pub(super) const SIDE: usize = 4;

/// A matrix in blocks: the first block of each of [`SIDE`] rows, their second blocks and so on, then
/// the next rows. Rows that are multiplied together are read as one stream that way.
#[derive(Clone, Debug)]
pub(super) enum Blocks {
    Fours(Vec<[Four; SIDE]>),
    Eights(Vec<[Eight; SIDE]>),
}

/// All matrices that decoding multiplies with.
#[derive(Debug)]
pub(crate) struct Compact {
    /// For each layer: q, k, v, o, gate, up, down.
    pub(super) layers: Vec<[Blocks; MATRICES.len()]>,
    /// The output matrix.
    pub(super) head: Blocks,
}

/// Places of the matrices among [`layer_names`].
const MATRICES: [usize; 7] = [1, 2, 3, 4, 6, 7, 8];

impl Compact {
    /// The matrices of a file; `None` where one of them is of another kind.
    pub(crate) fn read(gguf: &Gguf, cfg: &LlamaConfig) -> Result<Option<Arc<Self>>> {
        let mut layers = Vec::with_capacity(cfg.layers);
        for layer in 0..cfg.layers {
            let names = layer_names(layer);
            let mut found = Vec::with_capacity(MATRICES.len());
            for place in MATRICES {
                let Some(blocks) = Blocks::read(gguf, cfg, &names[place])? else {
                    return Ok(None);
                };
                found.push(blocks);
            }
            match found.try_into() {
                Ok(found) => layers.push(found),
                Err(_) => return Ok(None),
            }
        }
        let head = if cfg.tied_embeddings { "model.embed_tokens.weight" } else { "lm_head.weight" };
        let head = Blocks::read(gguf, cfg, head)?;
        Ok(head.map(|head| Arc::new(Self { layers, head })))
    }
}

impl Blocks {
    fn read(gguf: &Gguf, cfg: &LlamaConfig, name: &str) -> Result<Option<Self>> {
        let (name, heads) = gguf_name(cfg, name)?;
        let Some((&[rows, columns], dtype)) =
            gguf.tensor(&name).and_then(|info| Some((info.dims.first_chunk::<2>()?, info.dtype)))
        else {
            return Ok(None);
        };
        if columns % BLOCK != 0
            || rows % SIDE != 0
            || heads.is_some_and(|heads| rows % (2 * heads) != 0)
        {
            return Ok(None);
        }
        let order = |row: usize| heads.map_or(row, |heads| row_in_file(row, rows / heads));
        Ok(match dtype {
            GgmlDType::Q4_1 => Some(Self::Fours(ordered(&gguf.raw(&name)?, columns, rows, order))),
            GgmlDType::Q8_0 => Some(Self::Eights(ordered(&gguf.raw(&name)?, columns, rows, order))),
            _ => None,
        })
    }
}

/// Where a file has the row of a rotary head: it interleaves the head's halves, see
/// `weights::unpermute`.
fn row_in_file(row: usize, head_rows: usize) -> usize {
    let (head, at) = (row / head_rows, row % head_rows);
    let half = head_rows / 2;
    head * head_rows + at % half * 2 + at / half
}

pub(super) fn ordered<B: Block>(
    raw: &[u8],
    columns: usize,
    rows: usize,
    order: impl Fn(usize) -> usize,
) -> Vec<[B; SIDE]> {
    let row_blocks = columns / BLOCK;
    let block = |row: usize, at: usize| {
        let start = (order(row) * row_blocks + at) * B::BYTES;
        B::read(&raw[start..start + B::BYTES])
    };
    let mut blocks = Vec::with_capacity(rows / SIDE * row_blocks);
    for first in (0..rows).step_by(SIDE) {
        blocks.extend((0..row_blocks).map(|at| from_fn(|row| block(first + row, at))));
    }
    blocks
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use candle_core::{Device, Tensor, quantized::QTensor};

    /// The numbers of a matrix with rows of `k`, row after row.
    pub(in crate::infer) fn numbers<B: Block>(blocks: &[[B; SIDE]], k: usize) -> Vec<f32> {
        let rows = blocks.chunks(k / BLOCK).flat_map(|side| (0..SIDE).map(move |row| (side, row)));
        let blocks = rows.flat_map(|(side, row)| side.iter().map(move |blocks| blocks[row]));
        blocks.flat_map(|block| block.values()).flat_map(f32x8::to_array).collect()
    }

    fn check<B: Block>(dtype: GgmlDType) {
        let plain: Vec<f32> =
            (0..64 * BLOCK).map(|i| ((i * 2_654_435_761) % 10_007) as f32 / 777.0 - 6.0).collect();
        let tensor = Tensor::from_vec(plain, (8, 8 * BLOCK), &Device::Cpu).expect("a tensor");
        let quantised = QTensor::quantize(&tensor, dtype).expect("quantises");
        let raw = quantised.data().expect("its bytes");
        let want = quantised.dequantize(&Device::Cpu).expect("dequantises");
        let want: Vec<f32> = want.flatten_all().and_then(|t| t.to_vec1()).expect("f32");
        let blocks: Vec<[B; SIDE]> = ordered(&raw, 8 * BLOCK, 8, |row| row);
        let got = numbers(&blocks, 8 * BLOCK);
        let bits = |all: &[f32]| all.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&got), bits(&want));
    }

    #[test]
    fn blocks_are_the_numbers_that_dequantising_gives() {
        check::<Four>(GgmlDType::Q4_1);
        check::<Eight>(GgmlDType::Q8_0);
    }

    #[test]
    fn rows_of_a_rotary_head_are_put_back_in_order() {
        // Two heads of six rows: a file has 0 3 1 4 2 5 of each.
        let found: Vec<usize> = (0..12).map(|row| row_in_file(row, 6)).collect();
        assert_eq!(found, [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]);
    }
}
