//! Weights, adapters and tokens that follow from a formula, the same in `tests/python/trl_golden.py`: so that both
//! sides of a comparison have them without a file.

use candle_core::{Device, Tensor};
use lode_model::{Llama, LoraSet};
use lode_trainer::{DpoConfig, fresh_lora};

/// Numbers in -1 to 1 that follow from two numbers: the multiplier is Knuth's.
fn formula(index: u64, count: usize) -> impl Iterator<Item = f64> {
    (0..count as u64).map(move |place| {
        let mixed = (place + 7919 * index).wrapping_mul(2_654_435_761) % (1 << 32);
        mixed as f64 / f64::from(1u32 << 31) - 1.0
    })
}

pub(crate) fn tensor(index: u64, shape: &[usize], scale: f64, offset: f64) -> Tensor {
    let values: Vec<f32> =
        formula(index, shape.iter().product()).map(|v| (v * scale + offset) as f32).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// An adapter that is not at its start, where it changes nothing.
pub(crate) fn stirred(llama: &Llama, config: &DpoConfig) -> LoraSet {
    let lora = fresh_lora(llama, config).unwrap();
    for (index, (_, var)) in lora.named_vars().into_iter().enumerate() {
        let scale = if index % 2 == 1 { 0.02 } else { 1.0 / (var.dims()[1] as f64).sqrt() };
        var.set(&tensor(100 + index as u64, var.dims(), scale, 0.0)).unwrap();
    }
    lora
}
