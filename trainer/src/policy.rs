//! The model as DPO sees it: log-probabilities of a pair's two sides, and gradients of the loss.
//!
//! Pairs of one prompt go through the model as one sequence, `prompt | chosen | rejected | chosen | …`: the
//! prompt, which is nearly all of a long document, is computed once for all of them, forward and backward.

use std::collections::HashMap;

use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor};
use lode_model::{Llama, LoraSet, Packed};

use crate::data::TokenPair;
use crate::error::{Result, TrainError};
use crate::loss::{DpoLoss, LogProbs, PairLoss, PairShape};
use crate::optim::{AdamW, Gradients};

/// Pairs of one prompt, packed.
struct Together<'a> {
    pairs: Vec<&'a TokenPair>,
    packed: Packed,
    /// Rows that predict the completions' tokens, all sides one after the other.
    rows: Vec<u32>,
    targets: Vec<u32>,
}

impl<'a> Together<'a> {
    fn new(pairs: Vec<&'a TokenPair>) -> Result<Self> {
        let prompt = pairs.first().map_or(&[][..], |pair| &pair.prompt);
        let sides: Vec<&[u32]> =
            pairs.iter().flat_map(|pair| [&pair.chosen[..], &pair.rejected[..]]).collect();
        let packed = Packed::shared_prompt(prompt, &sides)?;
        let rows = (0..sides.len()).flat_map(|i| packed.predicting_rows(i)).collect();
        Ok(Self { targets: sides.concat(), rows, packed, pairs })
    }

    fn tokens(&self) -> u64 {
        self.packed.tokens.len() as u64
    }

    /// Sums over each side of a value for each target.
    fn sums(&self, values: &[f64]) -> Vec<LogProbs> {
        let mut rest = values;
        let mut next = |count: usize| {
            let (now, later) = rest.split_at(count.min(rest.len()));
            rest = later;
            now.iter().sum()
        };
        let pairs = self.pairs.iter();
        pairs
            .map(|p| LogProbs { chosen: next(p.chosen.len()), rejected: next(p.rejected.len()) })
            .collect()
    }

    /// For each target what its side's gradient is.
    fn spread(&self, losses: &[PairLoss]) -> Vec<f64> {
        let mut all = Vec::with_capacity(self.targets.len());
        for (pair, loss) in self.pairs.iter().zip(losses) {
            all.extend(std::iter::repeat_n(loss.grad_chosen, pair.chosen.len()));
            all.extend(std::iter::repeat_n(loss.grad_rejected, pair.rejected.len()));
        }
        all
    }
}

fn numbers(values: &Tensor) -> Result<Vec<f64>> {
    Ok(values.to_dtype(DType::F64)?.to_vec1()?)
}

/// Log-probabilities of both sides of pairs that all have the same prompt, without gradients;
/// `lora: None` is the reference.
pub fn log_probs(
    llama: &Llama,
    lora: Option<&LoraSet>,
    pairs: &[&TokenPair],
) -> Result<Vec<LogProbs>> {
    let together = Together::new(pairs.to_vec())?;
    let hidden = llama.hidden_untracked(&together.packed, lora)?;
    let (rows, targets) = (&together.rows, &together.targets);
    let values = llama.target_log_probs_untracked(&hidden, rows, targets)?;
    Ok(together.sums(&numbers(&values)?))
}

/// Places of the pairs in `batch`, those of one prompt together, at most `most` of them; in the order of
/// their first ones.
pub(crate) fn by_prompt(pairs: &[&TokenPair], most: usize) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    // The group of each prompt that still has room.
    let mut open: HashMap<&[u32], usize> = HashMap::new();
    for (place, pair) in pairs.iter().enumerate() {
        let group = *open.entry(&pair.prompt).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[group].push(place);
        if groups[group].len() >= most {
            open.remove(&pair.prompt[..]);
        }
    }
    groups
}

/// How gradients are computed.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// The loss.
    pub loss: DpoLoss,
    /// Pairs of the whole batch, over which the loss is a mean.
    pub batch: usize,
    /// Keep each block's input only and run it again on the way back.
    pub checkpointing: bool,
}

/// The result for pairs of one prompt.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// Loss and log-probabilities of each pair, in order.
    pub pairs: Vec<(PairLoss, LogProbs)>,
    /// Tokens that went through the forward.
    pub tokens: u64,
}

/// Adds `∂/∂θ Σ loss(pair) / batch` of pairs that all have the same prompt to `gradients`, in f32.
pub fn accumulate(
    llama: &Llama,
    lora: &LoraSet,
    how: &How,
    pairs: &[(&TokenPair, LogProbs)],
    optimiser: &AdamW,
    gradients: &mut Gradients,
) -> Result<Evaluated> {
    let together = Together::new(pairs.iter().map(|(pair, _)| *pair).collect())?;
    let packed = &together.packed;
    let run = how.checkpointing.then(|| llama.checkpointed(packed, Some(lora))).transpose()?;
    let hidden = match &run {
        Some(run) => llama.checkpointed_hidden(run)?,
        None => llama.hidden(packed, Some(lora))?,
    };
    let values = llama.target_log_probs(&hidden, &together.rows, &together.targets)?;
    drop(hidden);
    let policies = together.sums(&numbers(&values)?);
    let losses: Vec<PairLoss> = pairs
        .iter()
        .zip(&policies)
        .map(|((pair, reference), policy)| how.loss.pair(*policy, *reference, &shape(pair)))
        .collect();
    // A loss is a scalar function of two numbers whose derivatives are known exactly, so the graph
    // is entered with those: Σ ∂loss/∂π_i · π_i has the gradient of the loss.
    let slopes = Tensor::from_vec(together.spread(&losses), values.dims1()?, values.device())?;
    let slopes = slopes.affine(1.0 / how.batch as f64, 0.0)?.to_dtype(values.dtype())?;
    let store = (values * slopes)?.sum_all()?.backward()?;
    let mut sum = Sum { optimiser, gradients, found: vec![false; optimiser.vars().len()] };
    match run {
        None => sum.add(&store)?,
        Some(run) => {
            let mut failure = Ok(());
            llama.checkpointed_backward(packed, Some(lora), run, &store, |store| {
                if failure.is_ok() {
                    failure = sum.add(store);
                }
                Ok(())
            })?;
            failure?;
        }
    }
    sum.check()?;
    let pairs = losses.into_iter().zip(policies).collect();
    Ok(Evaluated { pairs, tokens: together.tokens() })
}

/// What a loss needs to know of a pair.
pub(crate) fn shape(pair: &TokenPair) -> PairShape {
    PairShape { chosen: pair.chosen.len(), rejected: pair.rejected.len(), weight: pair.weight }
}

/// Gradients that come in parts.
struct Sum<'a> {
    optimiser: &'a AdamW,
    gradients: &'a mut Gradients,
    found: Vec<bool>,
}

impl Sum<'_> {
    fn add(&mut self, store: &GradStore) -> Result<()> {
        let vars = self.optimiser.vars().iter();
        for ((var, sum), found) in vars.zip(self.gradients.iter_mut()).zip(&mut self.found) {
            let Some(gradient) = store.get(var.as_tensor()) else { continue };
            let values: Vec<f32> = gradient.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
            sum.iter_mut().zip(values).for_each(|(s, v)| *s += v);
            *found = true;
        }
        Ok(())
    }

    /// An operation without a backward pass loses gradients in silence.
    fn check(&self) -> Result<()> {
        let mut slots = self.optimiser.slots().iter().zip(&self.found);
        match slots.find(|(_, found)| !**found) {
            None => Ok(()),
            Some((slot, _)) => Err(TrainError::SelfTest {
                test: "every trainable has a gradient",
                found: format!("`{}` has none", slot.name),
            }),
        }
    }
}
