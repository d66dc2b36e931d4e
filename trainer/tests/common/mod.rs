//! What the tests of the trainer share: a tiny model, its pairs, settings.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used)]

#[path = "../../../model/tests/support/mod.rs"]
pub mod support;

use candle_core::DType;
use lode_model::{LoraSpec, Model};
use lode_trainer::{DpoConfig, DpoLoss, Pair};
use support::{tiny_config, tiny_gguf, tiny_weights};

pub fn config() -> DpoConfig {
    DpoConfig {
        loss: DpoLoss { beta: 0.2, label_smoothing: 0.05, nll_weight: 0.3, ..DpoLoss::default() },
        lora: LoraSpec { rank: 2, alpha: 4.0, ..LoraSpec::default() },
        learning_rate: 5e-3,
        steps: 8,
        batch_size: 4,
        micro_batch: 2,
        ..DpoConfig::default()
    }
}

pub fn model() -> Model {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.gguf");
    std::fs::write(&path, tiny_gguf(&tiny_weights(&tiny_config(), DType::F32, 1))).unwrap();
    Model::load(&path).unwrap()
}

pub fn pairs(n: usize) -> Vec<Pair> {
    (0..n)
        .map(|i| Pair {
            margin_milli: None,
            id: format!("pair-{i}"),
            prompt: format!("<|im_start|>user\nthe man {i}<|im_end|>\n<|im_start|>assistant\n"),
            chosen: format!("the answer {}", i * 7),
            rejected: format!("an other {}", i * 5 + 1),
        })
        .collect()
}
