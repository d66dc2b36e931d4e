//! Our trainer against TRL's numbers, which `tests/python/trl_golden.py` wrote: log-probabilities, every loss
//! with its gradients, eight steps of training; on a small llama and on SmolLM2.
//!
//! Weights of the small model, adapters and tokens follow from a formula at both ends (`common/formula.rs`). Two of the pairs
//! share a prompt and go through our forward as one sequence; TRL has no such thing.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;
#[path = "common/formula.rs"]
mod formula;

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use formula::{stirred, tensor};
use lode_model::{Llama, LlamaConfig, LoraSet, LoraSpec, Model, Weights};
use lode_trainer::{
    AdamW, AdamWConfig, DpoConfig, DpoLoss, Gradients, How, LogProbs, LossKind, Schedule,
    TokenPair, accumulate, clip, learning_rate, log_probs,
};
use serde::Deserialize;

/// Largest difference, relative to the value (of a tensor: to its norm).
const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Golden {
    rank: usize,
    alpha: f64,
    beta: f64,
    batch: usize,
    rate: f64,
    pairs: Vec<Ids>,
    log_probs: Sides,
    losses: Vec<Loss>,
    steps: Vec<Step>,
    after: Vec<Summary>,
}

#[derive(Deserialize)]
#[allow(clippy::struct_field_names)] // TRL's names
struct Ids {
    prompt_ids: Vec<u32>,
    chosen_ids: Vec<u32>,
    rejected_ids: Vec<u32>,
}

/// Chosen and rejected of each pair.
#[derive(Deserialize)]
struct Sides {
    reference: Vec<(f64, f64)>,
    policy: Vec<(f64, f64)>,
}

#[derive(Deserialize)]
struct Loss {
    kind: LossKind,
    label_smoothing: f64,
    nll_weight: f64,
    loss: f64,
    gradients: Vec<Summary>,
}

#[derive(Deserialize)]
struct Step {
    loss: f64,
    grad_norm: f64,
    learning_rate: f64,
}

/// Norm of a tensor, and some of its values at even distances.
#[derive(Deserialize)]
struct Summary {
    norm: f64,
    values: Vec<f64>,
}

fn small_llama() -> Llama {
    let config = LlamaConfig {
        hidden: 32,
        intermediate: 48,
        layers: 2,
        heads: 4,
        kv_heads: 2,
        head_dim: 8,
        vocab: 96,
        max_positions: 256,
        rope_theta: 10_000.0,
        rms_eps: 1e-5,
        tied_embeddings: false,
    };
    let zeros = |_: &str, shape: &[usize]| Ok(Tensor::zeros(shape, DType::F32, &Device::Cpu)?);
    let mut names: Vec<String> =
        Weights::build(&config, zeros).unwrap().named().into_iter().map(|(name, _)| name).collect();
    names.sort();
    let weights = Weights::build(&config, |name, shape| {
        let index = names.iter().position(|other| other == name).unwrap() as u64;
        Ok(if name.ends_with("norm.weight") {
            tensor(index, shape, 0.2, 1.0)
        } else {
            tensor(index, shape, 1.2 / (*shape.last().unwrap() as f64).sqrt(), 0.0)
        })
    });
    Llama::new(config, weights.unwrap())
}

#[track_caller]
fn close(what: &str, found: f64, wanted: f64) {
    let off = (found - wanted).abs() / wanted.abs();
    assert!(off <= TOLERANCE, "{what}: {found}, TRL has {wanted}, off by {off:.1e}");
}

/// Compares tensors; gives the largest difference.
fn compare(what: &str, found: &[Vec<f32>], wanted: &[Summary]) -> f64 {
    assert_eq!(found.len(), wanted.len());
    let mut largest = 0.0f64;
    for (place, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        let norm = found.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        assert!(norm.is_finite(), "{what}, tensor {place} holds what is no number");
        let mut off = (norm - wanted.norm).abs() / wanted.norm;
        let stride = (found.len() / wanted.values.len()).max(1);
        for (found, value) in found.iter().step_by(stride).zip(&wanted.values) {
            off = off.max((f64::from(*found) - value).abs() / wanted.norm);
        }
        assert!(off <= TOLERANCE, "{what}, tensor {place}: off by {off:.1e} of its norm");
        largest = largest.max(off);
    }
    largest
}

/// All pairs, with TRL's batches one after the other.
struct Run {
    llama: Llama,
    pairs: Vec<TokenPair>,
    reference: Vec<LogProbs>,
    config: DpoConfig,
    checkpointing: bool,
}

impl Run {
    /// Mean loss and gradient of a batch: pairs with one prompt as one sequence.
    fn gradient(&self, lora: &LoraSet, optimiser: &AdamW, batch: &[usize]) -> (f64, Gradients) {
        let how =
            How { loss: self.config.loss, batch: batch.len(), checkpointing: self.checkpointing };
        let (mut gradients, mut loss) = (optimiser.zero_gradients(), 0.0);
        for group in batch.chunk_by(|a, b| self.pairs[*a].prompt == self.pairs[*b].prompt) {
            let pairs: Vec<_> =
                group.iter().map(|place| (&self.pairs[*place], self.reference[*place])).collect();
            let done =
                accumulate(&self.llama, lora, &how, &pairs, optimiser, &mut gradients).unwrap();
            loss += done.pairs.iter().map(|(loss, _)| loss.loss).sum::<f64>() / batch.len() as f64;
        }
        (loss, gradients)
    }
}

fn equals_trl(name: &str, llama: Llama, checkpointing: bool) {
    let file = format!("../tests/golden/trl-{name}.json");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let golden: Golden = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let of = |place: usize, ids: &Ids| TokenPair {
        id: place.to_string(),
        prompt: ids.prompt_ids.clone(),
        chosen: ids.chosen_ids.clone(),
        rejected: ids.rejected_ids.clone(),
        weight: 1.0,
    };
    let pairs: Vec<TokenPair> =
        golden.pairs.iter().enumerate().map(|(place, ids)| of(place, ids)).collect();
    let lora = LoraSpec { rank: golden.rank, alpha: golden.alpha, ..LoraSpec::default() };
    let config = DpoConfig { lora, ..DpoConfig::default() };

    let start = stirred(&llama, &config);
    let sides = |lora: Option<&LoraSet>, wanted: &[(f64, f64)]| -> Vec<LogProbs> {
        let found = pairs.iter().map(|p| log_probs(&llama, lora, &[p]).unwrap().pop().unwrap());
        let found: Vec<LogProbs> = found.collect();
        for (found, wanted) in found.iter().zip(wanted) {
            close("logps/chosen", found.chosen, wanted.0);
            close("logps/rejected", found.rejected, wanted.1);
        }
        found
    };
    sides(Some(&start), &golden.log_probs.policy);
    let reference = sides(None, &golden.log_probs.reference);

    let mut run = Run { llama: llama.clone(), pairs, reference, config, checkpointing };
    let batches: Vec<Vec<usize>> = (0..run.pairs.len())
        .collect::<Vec<_>>()
        .chunks(golden.batch)
        .map(<[usize]>::to_vec)
        .collect();
    let mut largest = 0.0f64;
    for loss in &golden.losses {
        let Loss { kind, label_smoothing, nll_weight, .. } = *loss;
        run.config.loss = DpoLoss { kind, beta: golden.beta, label_smoothing, nll_weight };
        let optimiser = AdamW::new(AdamWConfig::default(), &start.named_vars()).unwrap();
        let (found, gradients) = run.gradient(&start, &optimiser, &batches[0]);
        close(kind.name(), found, loss.loss);
        largest = largest.max(compare(kind.name(), &gradients, &loss.gradients));
    }

    run.config.loss = DpoLoss { beta: golden.beta, nll_weight: 0.0, ..DpoLoss::default() };
    let lora = stirred(&llama, &run.config);
    let mut optimiser = AdamW::new(AdamWConfig::default(), &lora.named_vars()).unwrap();
    let total = golden.steps.len() as u64;
    for (step, (wanted, batch)) in golden.steps.iter().zip(batches.iter().cycle()).enumerate() {
        let (loss, mut gradients) = run.gradient(&lora, &optimiser, batch);
        close("loss of a step", loss, wanted.loss);
        close("gradient's norm", clip(&mut gradients, 1.0), wanted.grad_norm);
        let rate = learning_rate(Schedule::Cosine, golden.rate, 0, step as u64, total);
        close("learning rate", rate, wanted.learning_rate);
        optimiser.step(&gradients, rate).unwrap();
    }
    let after: Vec<Vec<f32>> = optimiser.slots().iter().map(|slot| slot.master.clone()).collect();
    let moved = compare("after eight steps", &after, &golden.after);
    eprintln!("{name}: gradients within {largest:.1e} of TRL's, weights within {moved:.1e}");
}

#[test]
fn a_small_llama_trains_as_in_trl() {
    for checkpointing in [false, true] {
        equals_trl("small", small_llama(), checkpointing);
    }
}

#[test]
fn smollm2_trains_as_in_trl() {
    if common::model_is_there() {
        let model = Model::load(&common::known_model()).unwrap();
        equals_trl("smollm2", model.llama(), true);
    }
}
