//! Language models on candle: loading, tokenising, one differentiable forward, fast decoding.
//!
//! Flow: [`Model::load`] reads a GGUF file or an HF folder into [`Weights`], a [`Tokenizer`] and
//! a [`LlamaConfig`]; [`Llama`] runs the forward that training and scoring share, with or without
//! a [`LoraSet`]; [`Session`] reads a prompt once and decodes many continuations of it together;
//! [`export_hf`] writes the model in the layout that Python's tools read.

#![forbid(unsafe_code)]

mod chat;
mod checkpoint;
mod config;
mod error;
mod export;
mod gguf;
mod gguf_out;
mod infer;
pub mod kernels;
mod llama;
mod lora;
mod packed;
mod tokenizer;
mod weights;

use std::{path::Path, sync::Arc};

pub use chat::{ChatTemplate, Message};
pub use checkpoint::Checkpoints;
pub use config::LlamaConfig;
pub use error::{ModelError, Result};
pub use export::{export_hf, write_atomically, write_json, write_safetensors};
pub use gguf::{Gguf, GgufTensor, GgufValue};
pub use gguf_out::{Quantisation, export_gguf};
pub use infer::{Batch, Prefill, Prefix, Session, Step};
pub use llama::{KeyValues, Llama, rope_angles};
pub use lora::{LoraPair, LoraSet, LoraSpec, MAX_RANK, Target};
pub use packed::{Packed, Segment};
pub use tokenizer::{MAX_TEXT_BYTES, Specials, Tokenizer};
pub use weights::{LayerWeights, Weights};

/// Weights, shape and tokenizer of one model.
#[derive(Clone, Debug)]
pub struct Model {
    /// Hyper-parameters.
    pub config: LlamaConfig,
    /// Weights, f32 on the CPU.
    pub weights: Weights,
    /// Tokenizer with special tokens and chat template.
    pub tokenizer: Tokenizer,
    /// The matrices as their file has them, where decoding can read them so.
    compact: Option<Arc<infer::Compact>>,
}

impl Model {
    /// Loads a `.gguf` file (dequantised to f32) or an HF folder (converted to f32).
    pub fn load(path: &Path) -> Result<Self> {
        if path.is_dir() { Self::load_hf(path) } else { Self::load_gguf(path) }
    }

    fn load_gguf(path: &Path) -> Result<Self> {
        let gguf = Gguf::open(path)?;
        let config = LlamaConfig::from_gguf(&gguf)?;
        let tokenizer = Tokenizer::from_gguf(&gguf)?;
        let mut model =
            Self::checked(config, tokenizer, |config| Weights::from_gguf(&gguf, config))?;
        model.compact = infer::Compact::read(&gguf, &model.config)?;
        Ok(model)
    }

    fn load_hf(dir: &Path) -> Result<Self> {
        let path = dir.join("config.json");
        let text = std::fs::read_to_string(&path).map_err(|e| ModelError::io("read", &path, e))?;
        let json = serde_json::from_str(&text)
            .map_err(|e| ModelError::malformed("config.json", &path, e.to_string()))?;
        let config = LlamaConfig::from_hf_json(&path, &json)?;
        let tokenizer = Tokenizer::from_hf_dir(dir)?;
        Self::checked(config, tokenizer, |config| Weights::from_hf_dir(dir, config))
    }

    fn checked(
        config: LlamaConfig,
        tokenizer: Tokenizer,
        weights: impl FnOnce(&LlamaConfig) -> Result<Weights>,
    ) -> Result<Self> {
        if tokenizer.vocab_size() > config.vocab {
            return Err(ModelError::Unsupported(format!(
                "the tokenizer has {} tokens, the embedding only {}",
                tokenizer.vocab_size(),
                config.vocab
            )));
        }
        let weights = weights(&config)?;
        Ok(Self { config, weights, tokenizer, compact: None })
    }

    /// The same model with an adapter's updates added to its matrices.
    pub fn merged(&self, lora: &LoraSet) -> Result<Self> {
        let weights = self.llama().merge_lora(lora)?.weights;
        let (config, tokenizer) = (self.config.clone(), self.tokenizer.clone());
        Ok(Self { config, weights, tokenizer, compact: None })
    }

    /// The forward over these weights (shared, not copied).
    pub fn llama(&self) -> Llama {
        Llama::new(self.config.clone(), self.weights.clone())
    }
}
