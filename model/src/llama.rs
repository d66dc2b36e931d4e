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

/// Rotary angles of a sequence, each `[tokens, head_dim / 2]`.
#[derive(Clone, Debug)]
pub(crate) struct Angles {
    cos: Tensor,
    sin: Tensor,
}

/// How a block is run.
pub(crate) struct Pass<'a> {
    pub(crate) packed: &'a Packed,
    pub(crate) angles: &'a Angles,
    pub(crate) lora: Option<&'a LoraSet>,
    /// Whether the adapter's variables enter the graph.
    pub(crate) tracked: bool,
    /// What attention gave for the same input before: it is not computed again.
    pub(crate) attended: Option<&'a Tensor>,
}

/// What a block gives, each `[tokens, ..]`.
pub(crate) struct Block {
    pub(crate) out: Tensor,
    pub(crate) attended: Tensor,
    keys: Tensor,
    values: Tensor,
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

    /// As [`Llama::hidden`], without a graph: for scores that need no gradient.
    pub fn hidden_untracked(&self, packed: &Packed, lora: Option<&LoraSet>) -> Result<Tensor> {
        let (mut x, angles) = self.embed(packed)?;
        let pass = Pass { packed, angles: &angles, lora, tracked: false, attended: None };
        for i in 0..self.config.layers {
            x = self.block(i, &x, &pass)?.out.detach();
        }
        Ok(self.final_norm(&x)?.detach())
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
        let (mut x, angles) = self.embed(packed)?;
        let pass = Pass { packed, angles: &angles, lora, tracked: true, attended: None };
        for i in 0..self.config.layers {
            let block = self.block(i, &x, &pass)?;
            if let Some(cache) = &mut cache {
                cache.push((block.keys, block.values));
            }
            x = block.out;
        }
        self.final_norm(&x)
    }

    /// Checks a sequence, and gives the input of the first block with the rotary angles.
    pub(crate) fn embed(&self, packed: &Packed) -> Result<(Tensor, Angles)> {
        self.check(packed)?;
        let ids = Tensor::new(packed.tokens.as_slice(), self.device())?;
        let (cos, sin) = rope_angles(&self.config, &packed.positions);
        let shape = (packed.tokens.len(), self.config.head_dim / 2);
        let angles = |v: Vec<f64>| -> Result<Tensor> {
            Ok(Tensor::from_vec(v, shape, self.device())?.to_dtype(self.dtype())?)
        };
        let angles = Angles { cos: angles(cos)?, sin: angles(sin)? };
        Ok((self.weights.embed.index_select(&ids, 0)?, angles))
    }

    /// The norm after the last block.
    pub(crate) fn final_norm(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.kernels.rms_norm(x, &self.weights.final_norm, self.config.rms_eps)?)
    }

    /// Block `i` over its input `[tokens, hidden]`.
    pub(crate) fn block(&self, i: usize, x: &Tensor, pass: &Pass<'_>) -> Result<Block> {
        let (cfg, kernels) = (&self.config, &self.kernels);
        let Some(layer) = self.weights.layers.get(i) else {
            return Err(ModelError::Invalid(format!("there is no block {i}")));
        };
        let linear = |x: &Tensor, target: Target| -> Result<Tensor> {
            let w = matrix(layer, target);
            let Some((pair, scale)) =
                pass.lora.and_then(|set| Some((set.pair(i, target)?, set.spec.scale())))
            else {
                return Ok(kernels.linear(x, w)?);
            };
            let adapted = |a: &Tensor, b: &Tensor| kernels.lora(x, w, a, b, scale);
            Ok(if pass.tracked {
                adapted(pair.a.as_tensor(), pair.b.as_tensor())?
            } else {
                adapted(&pair.a.as_detached_tensor(), &pair.b.as_detached_tensor())?
            })
        };
        let Angles { cos, sin } = pass.angles;
        let y = kernels.rms_norm(x, &layer.input_norm, cfg.rms_eps)?;
        let q = kernels.rope(&linear(&y, Target::Q)?, cos, sin)?;
        let keys = kernels.rope(&linear(&y, Target::K)?, cos, sin)?;
        let values = linear(&y, Target::V)?;
        let segments = &pass.packed.segments;
        let attended =
            kernels.attention(&q, &keys, &values, cfg.head_dim, segments, pass.attended)?;
        let x = (x + linear(&attended, Target::O)?)?;
        let y = kernels.rms_norm(&x, &layer.post_norm, cfg.rms_eps)?;
        let inner = kernels.swiglu(&linear(&y, Target::Gate)?, &linear(&y, Target::Up)?)?;
        let out = (x + linear(&inner, Target::Down)?)?;
        Ok(Block { out, attended, keys, values })
    }

    /// Logits `[rows, vocab]` of final hidden states `[rows, hidden]`.
    pub fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        Ok(self.kernels.linear(hidden, self.head())?)
    }

    /// The output matrix, `[vocab, hidden]`.
    fn head(&self) -> &Tensor {
        self.weights.lm_head.as_ref().unwrap_or(&self.weights.embed)
    }

    /// Log-probabilities of `targets`, predicted by rows `rows` of `hidden`; `[rows.len()]`, with
    /// gradients.
    pub fn target_log_probs(
        &self,
        hidden: &Tensor,
        rows: &[u32],
        targets: &[u32],
    ) -> Result<Tensor> {
        self.log_probs(hidden, rows, targets, true)
    }

    /// The same without gradients, in half the time.
    pub fn target_log_probs_untracked(
        &self,
        hidden: &Tensor,
        rows: &[u32],
        targets: &[u32],
    ) -> Result<Tensor> {
        self.log_probs(&hidden.detach(), rows, targets, false)
    }

    fn log_probs(
        &self,
        hidden: &Tensor,
        rows: &[u32],
        targets: &[u32],
        tracked: bool,
    ) -> Result<Tensor> {
        if rows.len() != targets.len() || rows.is_empty() {
            return Err(ModelError::Invalid(format!(
                "{} rows for {} targets",
                rows.len(),
                targets.len()
            )));
        }
        let rows = Tensor::new(rows, self.device())?;
        let hidden = hidden.index_select(&rows, 0)?;
        Ok(self.kernels.head_log_probs(&hidden, self.head(), targets, tracked)?)
    }

    /// Teacher-forced log-probability of each completion token after `prompt`.
    pub fn score(&self, prompt: &[u32], completion: &[u32]) -> Result<Vec<f32>> {
        let packed = Packed::shared_prompt(prompt, &[completion])?;
        let hidden = self.hidden_untracked(&packed, None)?;
        let rows = packed.predicting_rows(0);
        let scores = self.target_log_probs_untracked(&hidden, &rows, completion)?;
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
