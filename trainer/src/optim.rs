//! AdamW with f32 master weights and moments that can be saved, and gradient clipping.
//!
//! candle's AdamW keeps its moments private and in the variable's type, so it can neither be
//! resumed nor train a half-precision model at small learning rates. Update rule: Loshchilov &
//! Hutter 2019, algorithm 2 (arXiv 1711.05101), with PyTorch's order of operations.

use candle_core::{DType, Device, Tensor, Var};
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// AdamW's constants.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdamWConfig {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 }
    }
}

/// State of one trainable tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// Name, PEFT's for an adapter.
    pub name: String,
    /// Shape of the tensor.
    pub shape: Vec<usize>,
    /// Master weights.
    pub master: Vec<f32>,
    /// First moment.
    pub m: Vec<f32>,
    /// Second moment.
    pub v: Vec<f32>,
}

/// The optimiser with the variables that it moves.
#[derive(Debug)]
pub struct AdamW {
    config: AdamWConfig,
    vars: Vec<Var>,
    slots: Vec<Slot>,
    steps: u64,
}

/// One gradient a variable, in the order of the optimiser's slots.
pub type Gradients = Vec<Vec<f32>>;

impl AdamW {
    /// An optimiser at step 0 over named variables.
    pub fn new(config: AdamWConfig, vars: &[(String, &Var)]) -> Result<Self> {
        let mut slots = Vec::with_capacity(vars.len());
        for (name, var) in vars {
            let master: Vec<f32> =
                var.as_detached_tensor().to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
            let zeros = vec![0.0; master.len()];
            slots.push(Slot {
                name: name.clone(),
                shape: var.dims().to_vec(),
                master,
                m: zeros.clone(),
                v: zeros,
            });
        }
        Ok(Self { config, vars: vars.iter().map(|(_, v)| (*v).clone()).collect(), slots, steps: 0 })
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The state of every variable.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The variables, in the order of the slots.
    pub fn vars(&self) -> &[Var] {
        &self.vars
    }

    /// Zero gradients of the right sizes.
    pub fn zero_gradients(&self) -> Gradients {
        self.slots.iter().map(|s| vec![0.0; s.master.len()]).collect()
    }

    /// Puts a saved state back; names and shapes must be those of the variables.
    pub fn restore(&mut self, slots: Vec<Slot>, steps: u64) -> Result<bool> {
        let same = slots.len() == self.slots.len()
            && slots.iter().zip(&self.slots).all(|(a, b)| {
                a.name == b.name
                    && a.shape == b.shape
                    && [&a.master, &a.m, &a.v].iter().all(|x| x.len() == b.master.len())
            });
        if same {
            self.slots = slots;
            self.steps = steps;
            self.write_back()?;
        }
        Ok(same)
    }

    fn write_back(&self) -> Result<()> {
        for (var, slot) in self.vars.iter().zip(&self.slots) {
            let tensor = Tensor::from_slice(&slot.master, slot.shape.as_slice(), &Device::Cpu)?;
            var.set(&tensor.to_dtype(var.dtype())?.to_device(var.device())?)?;
        }
        Ok(())
    }

    /// One update with learning rate `lr`.
    pub fn step(&mut self, gradients: &Gradients, lr: f64) -> Result<()> {
        self.steps += 1;
        let c = self.config;
        let t = self.steps as f64;
        // The complements are taken before rounding: 1 - 0.999 in f32 is off by 5e-5 of its value.
        let (a1, a2, b2) = ((1.0 - c.beta1) as f32, (1.0 - c.beta2) as f32, c.beta2 as f32);
        let step_size = (lr / (1.0 - c.beta1.powf(t))) as f32;
        let root_correction = (1.0 - c.beta2.powf(t)).sqrt() as f32;
        let (decay, eps) = ((1.0 - lr * c.weight_decay) as f32, c.eps as f32);
        for (slot, gradient) in self.slots.iter_mut().zip(gradients) {
            for (((w, m), v), g) in
                slot.master.iter_mut().zip(&mut slot.m).zip(&mut slot.v).zip(gradient)
            {
                *w *= decay;
                *m += (g - *m) * a1;
                *v = *v * b2 + g * g * a2;
                *w -= step_size * *m / (v.sqrt() / root_correction + eps);
            }
        }
        self.write_back()
    }
}

/// Euclidean norm over all gradients.
pub fn global_norm(gradients: &Gradients) -> f64 {
    gradients.iter().flatten().map(|g| f64::from(*g) * f64::from(*g)).sum::<f64>().sqrt()
}

/// Scales the gradients down to norm `limit` if they exceed it; returns the norm before.
pub fn clip(gradients: &mut Gradients, limit: f64) -> f64 {
    let norm = global_norm(gradients);
    if norm > limit && norm.is_finite() {
        let factor = (limit / (norm + 1e-6)) as f32;
        gradients.iter_mut().flatten().for_each(|g| *g *= factor);
    }
    norm
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_steps_equal_pytorchs() {
        // torch.optim.AdamW(lr=0.1, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01) on [1, -2]
        // with gradients [0.5, -1], [0.1, 0], [-3, 2].
        let var = Var::new(&[1.0f32, -2.0], &Device::Cpu).unwrap();
        let config = AdamWConfig { weight_decay: 0.01, ..AdamWConfig::default() };
        let mut optimiser = AdamW::new(config, &[("w".into(), &var)]).unwrap();
        let golden = GOLDEN_ADAMW;
        for (gradient, want) in [[0.5, -1.0], [0.1, 0.0], [-3.0, 2.0]].into_iter().zip(golden) {
            optimiser.step(&vec![gradient.to_vec()], 0.1).unwrap();
            let got: Vec<f32> = var.to_vec1().unwrap();
            for (g, w) in got.iter().zip(want) {
                assert!((g - w).abs() < 1e-6, "{got:?}, torch says {want:?}");
            }
        }
    }

    #[test]
    fn clipping_keeps_the_direction() {
        let mut g = vec![vec![3.0], vec![0.0, -4.0]];
        assert_eq!(clip(&mut g, 10.0), 5.0);
        assert_eq!(g, [vec![3.0], vec![0.0, -4.0]]);
        assert_eq!(clip(&mut g, 1.0), 5.0);
        assert!((global_norm(&g) - 1.0).abs() < 1e-5);
        assert!((g[0][0] / g[1][1] + 0.75).abs() < 1e-6);
    }

    const GOLDEN_ADAMW: [[f32; 2]; 3] =
        [[0.899, -1.898], [0.817_796_9, -1.829_096_2], [0.869_567_4, -1.861_270_7]];
}
