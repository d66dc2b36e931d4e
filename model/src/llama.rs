//! The one forward of a llama: differentiable, generic over f32 and f64, over packed sequences.
//!
//! Flow: tokens → embedding → for each block: norm, attention, norm, feed-forward, each added to
//! the residual stream → final norm. Logits are a separate step, because the loss needs them at
//! few positions only and the vocabulary is wide.
//!
//! What is a `Var` is trained, what is a plain tensor is frozen; LoRA pairs sit beside the frozen
//! matrices and can be left out of a forward (the reference of DPO).

use candle_core::{DType, Device, Tensor};

use crate::config::LlamaConfig;
use crate::error::{ModelError, Result};
use crate::kernels::Kernels;
use crate::lora::{LoraSet, Target};
use crate::packed::Packed;
use crate::weights::{LayerWeights, Weights};

/// A llama ready to run.
#[derive(Clone, Debug)]
pub struct Llama {
    /// Shape.
    pub config: LlamaConfig,
    /// Frozen (or, where they are variables, trained) weights.
    pub weights: Weights,
    /// Which implementation runs each operation.
    pub kernels: Kernels,
}

/// Rotated keys and values of every layer, each `[tokens, kv_heads * head_dim]`.
pub type KeyValues = Vec<(Tensor, Tensor)>;

/// `cos` and `sin` of the rotary angles, each `[positions.len(), head_dim / 2]` row-major.
/// Pair `i` turns by `position · theta^(-2i / head_dim)`.
pub fn rope_angles(cfg: &LlamaConfig, positions: &[u32]) -> (Vec<f64>, Vec<f64>) {
    let half = cfg.head_dim / 2;
    let frequencies: Vec<f64> =
        (0..half).map(|i| cfg.rope_theta.powf(-2.0 * i as f64 / cfg.head_dim as f64)).collect();
    positions
        .iter()
        .flat_map(|p| frequencies.iter().map(move |f| (f64::from(*p) * f).sin_cos()))
        .map(|(s, c)| (c, s))
        .unzip()
}

impl Llama {
    /// A model over the given weights, with the fastest differentiable kernels for their device.
    pub fn new(config: LlamaConfig, weights: Weights) -> Self {
        let kernels = Kernels::for_device(weights.embed.device());
        Self { config, weights, kernels }
    }

    /// The type of weights and activations.
    pub fn dtype(&self) -> DType {
        self.weights.embed.dtype()
    }

    fn device(&self) -> &Device {
        self.weights.embed.device()
    }

    fn check(&self, packed: &Packed) -> Result<()> {
        if packed.tokens.is_empty() || packed.tokens.len() != packed.positions.len() {
            return Err(ModelError::Invalid(
                "a forward needs at least one token and a position for each".into(),
            ));
        }
        if let Some(id) = packed.tokens.iter().find(|t| **t as usize >= self.config.vocab) {
            return Err(ModelError::TokenOutOfRange { id: *id, vocab: self.config.vocab });
        }
        let needed = packed.positions.iter().max().map_or(0, |p| *p as usize + 1);
        if needed > self.config.max_positions {
            return Err(ModelError::TooLong { needed, limit: self.config.max_positions });
        }
        Ok(())
    }

    /// Final normed hidden states `[tokens, hidden]`.
    pub fn hidden(&self, packed: &Packed, lora: Option<&LoraSet>) -> Result<Tensor> {
        self.run(packed, lora, None)
    }

    /// As [`Llama::hidden`], and the keys and values that a decoder goes on from.
    pub fn hidden_and_cache(&self, packed: &Packed) -> Result<(Tensor, KeyValues)> {
        let mut cache = Vec::with_capacity(self.config.layers);
        let hidden = self.run(packed, None, Some(&mut cache))?;
        Ok((hidden, cache))
    }

    fn run(
        &self,
        packed: &Packed,
        lora: Option<&LoraSet>,
        mut cache: Option<&mut KeyValues>,
    ) -> Result<Tensor> {
        self.check(packed)?;
        let (cfg, kernels) = (&self.config, &self.kernels);
        let tokens = packed.tokens.len();
        let ids = Tensor::new(packed.tokens.as_slice(), self.device())?;
        let (cos, sin) = rope_angles(cfg, &packed.positions);
        let angles = |v: Vec<f64>| -> Result<Tensor> {
            Ok(Tensor::from_vec(v, (tokens, cfg.head_dim / 2), self.device())?
                .to_dtype(self.dtype())?)
        };
        let (cos, sin) = (angles(cos)?, angles(sin)?);
        let mut x = self.weights.embed.index_select(&ids, 0)?;
        for (i, layer) in self.weights.layers.iter().enumerate() {
            let linear = |x: &Tensor, target: Target| -> Result<Tensor> {
                let w = matrix(layer, target);
                Ok(match lora.and_then(|set| Some((set.pair(i, target)?, set.spec.scale()))) {
                    Some((pair, scale)) => {
                        kernels.lora(x, w, pair.a.as_tensor(), pair.b.as_tensor(), scale)?
                    }
                    None => kernels.linear(x, w)?,
                })
            };
            let y = kernels.rms_norm(&x, &layer.input_norm, cfg.rms_eps)?;
            let q = kernels.rope(&linear(&y, Target::Q)?, &cos, &sin)?;
            let k = kernels.rope(&linear(&y, Target::K)?, &cos, &sin)?;
            let v = linear(&y, Target::V)?;
            let attended = kernels.attention(&q, &k, &v, cfg.head_dim, &packed.segments)?;
            if let Some(cache) = &mut cache {
                cache.push((k, v));
            }
            x = (x + linear(&attended, Target::O)?)?;
            let y = kernels.rms_norm(&x, &layer.post_norm, cfg.rms_eps)?;
            let inner = kernels.swiglu(&linear(&y, Target::Gate)?, &linear(&y, Target::Up)?)?;
            x = (x + linear(&inner, Target::Down)?)?;
        }
        Ok(kernels.rms_norm(&x, &self.weights.final_norm, cfg.rms_eps)?)
    }

    /// Logits `[rows, vocab]` of final hidden states `[rows, hidden]`.
    pub fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        let head = self.weights.lm_head.as_ref().unwrap_or(&self.weights.embed);
        Ok(self.kernels.linear(hidden, head)?)
    }

    /// Log-probabilities of `targets`, predicted by rows `rows` of `hidden`; `[rows.len()]`, with
    /// gradients.
    pub fn target_log_probs(
        &self,
        hidden: &Tensor,
        rows: &[u32],
        targets: &[u32],
    ) -> Result<Tensor> {
        if rows.len() != targets.len() || rows.is_empty() {
            return Err(ModelError::Invalid(format!(
                "{} rows for {} targets",
                rows.len(),
                targets.len()
            )));
        }
        let rows = Tensor::new(rows, self.device())?;
        let logits = self.logits(&hidden.index_select(&rows, 0)?)?;
        Ok(self.kernels.target_log_probs(&logits, targets)?)
    }

    /// Teacher-forced log-probability of each completion token after `prompt`.
    pub fn score(&self, prompt: &[u32], completion: &[u32]) -> Result<Vec<f32>> {
        let packed = Packed::shared_prompt(prompt, &[completion])?;
        let hidden = self.hidden(&packed, None)?;
        let scores = self.target_log_probs(&hidden, &packed.predicting_rows(0), completion)?;
        Ok(scores.to_dtype(DType::F32)?.to_vec1()?)
    }

    /// The same model with the adapter's updates added to its matrices.
    pub fn merge_lora(&self, lora: &LoraSet) -> Result<Self> {
        let mut merged = self.clone();
        for (i, layer) in merged.weights.layers.iter_mut().enumerate() {
            for target in Target::ALL {
                if let Some(delta) = lora.delta(i, target)? {
                    let w = matrix_mut(layer, target);
                    *w = (w.detach() + delta.to_dtype(self.dtype())?)?;
                }
            }
        }
        Ok(merged)
    }
}

fn matrix(layer: &LayerWeights, target: Target) -> &Tensor {
    match target {
        Target::Q => &layer.q,
        Target::K => &layer.k,
        Target::V => &layer.v,
        Target::O => &layer.o,
        Target::Gate => &layer.gate,
        Target::Up => &layer.up,
        Target::Down => &layer.down,
    }
}

fn matrix_mut(layer: &mut LayerWeights, target: Target) -> &mut Tensor {
    match target {
        Target::Q => &mut layer.q,
        Target::K => &mut layer.k,
        Target::V => &mut layer.v,
        Target::O => &mut layer.o,
        Target::Gate => &mut layer.gate,
        Target::Up => &mut layer.up,
        Target::Down => &mut layer.down,
    }
}
