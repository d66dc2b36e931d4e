//! What produced a text. Two attempts may be paired only where their [`Policy`] is the same.

use serde::{Deserialize, Serialize};

use crate::{
    codec::{CodecError, encode},
    id::{Hash, PolicyId},
};

/// How tokens are drawn: `argmax(logit / temperature + gumbel(attempt seed, position, token))`.
///
/// That is an exact draw from softmax(logits / temperature) (the Gumbel-max trick), made
/// reproducible because the noise is a function ([`crate::seed::gumbel`]), not a generator.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sampling {
    /// Temperature in thousandths; 0 is greedy.
    pub temperature_milli: u32,
    /// Name of the sampler: `gumbel/1` is ours; `server` means the server drew the tokens.
    pub sampler: String,
}

/// Everything that decides the distribution a text was drawn from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Policy {
    /// Plain BLAKE3 of the weights file; behind a server, the hash its operator declares.
    pub weights: Hash,
    /// For example `Q4_1`; of what is actually computed with, for example `Q4_1/f32`.
    pub quantisation: String,
    /// Hash of the adapter on top, if any.
    pub adapter: Option<Hash>,
    /// How the prompt is rendered: `raw/1` (our prompt, byte for byte), `chatml/1`, `server`.
    pub template: String,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Version of the grammar generator, or none where text was drawn freely.
    pub grammar: Option<u32>,
}

impl Policy {
    /// The policy's identifier.
    ///
    /// # Errors
    /// Only where a field is beyond the codec's limit.
    pub fn id(&self) -> Result<PolicyId, CodecError> {
        Ok(PolicyId::of(&encode(self)?))
    }
}

/// What a miner says about the policy it runs; the policy itself is all that ids depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyCard {
    /// The policy.
    pub policy: Policy,
    /// Name for people, for example `SmolLM2-135M-Instruct`.
    pub model: String,
    /// Parameters of the model, for the credit table.
    pub parameters: u64,
    /// SPDX licence of the weights.
    pub licence: String,
    /// Licence or terms of what the model writes, as the model's publisher states them.
    pub output_licence: String,
    /// The engine that runs it, with its version, for example `mistralrs/0.8.1`.
    pub engine: String,
}

/// How far the claim "this model wrote it" has been checked (DESIGN 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Tier {
    /// Nothing was checked.
    T0,
    /// Log-probabilities are plausible under the pinned model.
    T1,
    /// The sampling was replayed.
    T2,
}
