//! What a model is, for its policy card.

use lode_model::{Gguf, LlamaConfig};
use lode_proto::{
    id::Hash,
    policy::{Policy, PolicyCard, Sampling},
};

use crate::{store::ModelFile, types::EngineError};

/// Everything of a policy card that the weights decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Plain BLAKE3 of the weights file.
    pub weights: Hash,
    /// How the file stores them, for example `Q4_1`.
    pub quantisation: String,
    /// Hash of the adapter on top, if any.
    pub adapter: Option<Hash>,
    /// Name for people.
    pub model: String,
    /// Parameters.
    pub parameters: u64,
    /// SPDX licence of the weights.
    pub licence: String,
    /// Terms of what it writes.
    pub output_licence: String,
}

impl Identity {
    /// Of a GGUF file: what the table of known models says, else what the file says of itself.
    ///
    /// # Errors
    /// A file that is not a GGUF of a llama.
    pub fn of_gguf(file: &ModelFile) -> Result<Self, EngineError> {
        if let Some(known) = file.known {
            return Ok(Self {
                weights: file.hash,
                quantisation: known.quantisation.to_owned(),
                adapter: None,
                model: known.title.to_owned(),
                parameters: known.parameters,
                licence: known.licence.to_owned(),
                output_licence: known.output_licence.to_owned(),
            });
        }
        let load = |e: lode_model::ModelError| EngineError::Load {
            model: file.path.display().to_string(),
            reason: e.to_string(),
        };
        let gguf = Gguf::open(&file.path).map_err(load)?;
        let config = LlamaConfig::from_gguf(&gguf).map_err(load)?;
        let text = |key: &str| gguf.str(key).unwrap_or("unknown").to_owned();
        Ok(Self {
            weights: file.hash,
            quantisation: quantisation(gguf.usize("general.file_type")).to_owned(),
            adapter: None,
            model: text("general.name"),
            parameters: parameters(&config),
            licence: text("general.license"),
            output_licence: "unknown".to_owned(),
        })
    }

    /// The card of an engine that draws by our sampler from a raw prompt.
    pub(crate) fn card(
        &self,
        engine: String,
        arithmetic: &str,
        temperature_milli: u32,
        grammar: Option<u32>,
    ) -> PolicyCard {
        PolicyCard {
            policy: Policy {
                weights: self.weights,
                quantisation: format!("{}/{arithmetic}", self.quantisation),
                adapter: self.adapter,
                template: "raw/1".to_owned(),
                sampling: Sampling { temperature_milli, sampler: "gumbel/1".to_owned() },
                grammar,
            },
            model: self.model.clone(),
            parameters: self.parameters,
            licence: self.licence.clone(),
            output_licence: self.output_licence.clone(),
            engine,
        }
    }
}

/// Parameters of a llama, a tied output matrix counted once.
#[must_use]
pub fn parameters(config: &LlamaConfig) -> u64 {
    let (hidden, wide) = (config.hidden as u64, config.intermediate as u64);
    let attention = 2 * hidden * (config.q_width() + config.kv_width()) as u64;
    let layer = attention + 3 * hidden * wide + 2 * hidden;
    let matrices = if config.tied_embeddings { 1 } else { 2 };
    matrices * config.vocab as u64 * hidden + config.layers as u64 * layer + hidden
}

/// Names of llama.cpp's `llama_ftype`, as far as the loader knows them.
fn quantisation(file_type: Option<usize>) -> &'static str {
    match file_type {
        Some(0) => "F32",
        Some(1) => "F16",
        Some(2) => "Q4_0",
        Some(3) => "Q4_1",
        Some(7) => "Q8_0",
        Some(8) => "Q5_0",
        Some(9) => "Q5_1",
        Some(10) => "Q2_K",
        Some(11) => "Q3_K_S",
        Some(12) => "Q3_K_M",
        Some(13) => "Q3_K_L",
        Some(14) => "Q4_K_S",
        Some(15) => "Q4_K_M",
        Some(16) => "Q5_K_S",
        Some(17) => "Q5_K_M",
        Some(18) => "Q6_K",
        Some(32) => "BF16",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::KnownModel;

    #[test]
    fn counts_the_parameters_of_smollm2() {
        let config = LlamaConfig {
            hidden: 576,
            intermediate: 1536,
            layers: 30,
            heads: 9,
            kv_heads: 3,
            head_dim: 64,
            vocab: 49_152,
            max_positions: 8192,
            rope_theta: 100_000.0,
            rms_eps: 1e-5,
            tied_embeddings: true,
        };
        let known = KnownModel::named("smollm2-135m").unwrap();
        assert_eq!(parameters(&config), known.parameters);
    }
}
