//! The model as DPO sees it: log-probabilities of a pair's two sides, and gradients of the loss.

use candle_core::{DType, Tensor};
use lode_model::{Llama, LoraSet, Packed};

use crate::data::TokenPair;
use crate::error::{Result, TrainError};
use crate::loss::{DpoLoss, LogProbs, PairLoss};
use crate::optim::{AdamW, Gradients};

/// A pair's summed log-probabilities as tensors with a graph (if `lora` is given) and the number
/// of tokens that went through the forward. The prompt is encoded once for both sides.
fn sides(llama: &Llama, lora: Option<&LoraSet>, pair: &TokenPair) -> Result<([Tensor; 2], u64)> {
    let packed = Packed::shared_prompt(&pair.prompt, &[&pair.chosen, &pair.rejected])?;
    let hidden = llama.hidden(&packed, lora)?;
    let (mut rows, split) = (packed.predicting_rows(0), pair.chosen.len());
    rows.extend(packed.predicting_rows(1));
    let targets: Vec<u32> = pair.chosen.iter().chain(&pair.rejected).copied().collect();
    // One product with the vocabulary for both sides, at the completions' positions only.
    let log_probs = llama.target_log_probs(&hidden, &rows, &targets)?;
    let chosen = log_probs.narrow(0, 0, split)?.sum_all()?;
    let rejected = log_probs.narrow(0, split, pair.rejected.len())?.sum_all()?;
    Ok(([chosen, rejected], packed.tokens.len() as u64))
}

fn values(sides: &[Tensor; 2]) -> Result<LogProbs> {
    let one = |t: &Tensor| -> Result<f64> { Ok(t.to_dtype(DType::F64)?.to_scalar()?) };
    Ok(LogProbs { chosen: one(&sides[0])?, rejected: one(&sides[1])? })
}

/// Log-probabilities of both sides without gradients; `lora: None` is the reference.
pub fn log_probs(llama: &Llama, lora: Option<&LoraSet>, pair: &TokenPair) -> Result<LogProbs> {
    values(&sides(llama, lora, pair)?.0)
}

/// The result of one micro-batch.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// Loss and log-probabilities of each pair, in order.
    pub pairs: Vec<(PairLoss, LogProbs)>,
    /// Tokens that went through the forward.
    pub tokens: u64,
}

/// Adds `∂/∂θ Σ loss(pair) / batch` of a micro-batch to `gradients`, in f32.
pub fn accumulate(
    llama: &Llama,
    lora: &LoraSet,
    loss: &DpoLoss,
    micro_batch: &[(&TokenPair, LogProbs)],
    batch: usize,
    optimiser: &AdamW,
    gradients: &mut Gradients,
) -> Result<Evaluated> {
    let mut done = Evaluated { pairs: Vec::with_capacity(micro_batch.len()), tokens: 0 };
    let mut total: Option<Tensor> = None;
    for (pair, reference) in micro_batch {
        let (tensors, tokens) = sides(llama, Some(lora), pair)?;
        let policy = values(&tensors)?;
        let pair_loss = loss.pair(policy, *reference, pair.chosen.len());
        // The loss is a scalar function of two numbers whose derivatives are known exactly, so
        // the graph is entered with those: Σ ∂loss/∂π_i · π_i has the gradient of the loss.
        let scale = 1.0 / batch as f64;
        let part = (tensors[0].affine(pair_loss.grad_chosen * scale, 0.0)?
            + tensors[1].affine(pair_loss.grad_rejected * scale, 0.0)?)?;
        total = Some(match total {
            Some(sum) => (sum + part)?,
            None => part,
        });
        done.pairs.push((pair_loss, policy));
        done.tokens += tokens;
    }
    let Some(total) = total else { return Ok(done) };
    let store = total.backward()?;
    for ((var, slot), sum) in optimiser.vars().iter().zip(optimiser.slots()).zip(gradients) {
        let Some(gradient) = store.get(var.as_tensor()) else {
            return Err(TrainError::SelfTest {
                test: "every trainable has a gradient",
                found: format!("`{}` has none", slot.name),
            });
        };
        let values: Vec<f32> = gradient.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        sum.iter_mut().zip(values).for_each(|(s, v)| *s += v);
    }
    Ok(done)
}
