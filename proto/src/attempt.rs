//! An attempt, the commitment to a group of them, and the receipt for each.
//!
//! The canonical object is [`Attempt`]: its `completion` is what the model wrote, byte for byte,
//! and everything later (grade, pair, Parquet row, loss) reads those bytes. Its id covers the
//! lease, so that an answer copied from another miner's lease is another attempt.

use serde::{Deserialize, Serialize};

use crate::{
    codec::{CodecError, encode},
    id::{AttemptId, Hash, LeaseId, PolicyId},
    key::PublicKey,
    payload,
    policy::Tier,
};

/// Why generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finish {
    /// The model ended its text (an end token, or the grammar had nothing left to say).
    Stop,
    /// The token limit cut it.
    Cap,
}

/// What a checker needs to replay the sampling (tiers T1 and T2). Not derivable from the text: one
/// text has several tokenisations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenEvidence {
    /// The generated tokens in order, the end token included.
    pub ids: Vec<u32>,
    /// Log-probability of each under the policy at temperature 1, in thousandths of a nat, or
    /// empty where the engine gives none.
    pub logprobs_milli: Vec<i32>,
    /// One TOPLOC commitment (258 bytes) for each 32 tokens, or empty.
    pub toploc: Vec<Vec<u8>>,
}

/// One answer of one model to one task.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The lease it was made under.
    pub lease: LeaseId,
    /// Number in its group, from 0.
    pub index: u32,
    /// What produced it.
    pub policy: PolicyId,
    /// What the model wrote, byte for byte, without prompt and end token. Not always UTF-8.
    pub completion: Vec<u8>,
    /// Why it ended.
    pub finish: Finish,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Tokens generated, the end token included.
    pub completion_tokens: u32,
    /// For replay; `None` is tier T0.
    pub evidence: Option<TokenEvidence>,
}

impl Attempt {
    /// The attempt's identifier, which a miner commits to before it uploads the body.
    ///
    /// # Errors
    /// Only where the attempt is beyond the codec's limit.
    pub fn id(&self) -> Result<AttemptId, CodecError> {
        Ok(AttemptId::of(&encode(self)?))
    }
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Attempt({}.{}, {} bytes, {:?})",
            self.lease.short(),
            self.index,
            self.completion.len(),
            self.finish
        )
    }
}

/// A miner's commitment to all attempts of a group, in one message, before any is uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupCommit {
    /// The lease.
    pub lease: LeaseId,
    /// What produced all of them.
    pub policy: PolicyId,
    /// One id for each attempt of the group, in order.
    pub attempts: Vec<AttemptId>,
}

impl GroupCommit {
    /// The commitment's hash, which the draw of verifiers depends on.
    ///
    /// # Errors
    /// Only where the commitment is beyond the codec's limit.
    pub fn hash(&self) -> Result<Hash, CodecError> {
        Ok(Hash::derive("lode/1/group-commit", &encode(self)?))
    }
}

/// The coordinator's signed word that it holds an attempt. A miner's receipts form a chain, from
/// which it recounts its credits offline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Whose receipt.
    pub miner: PublicKey,
    /// Number in the miner's chain, from 0.
    pub index: u64,
    /// [`Receipt::hash`] of the one before; zero for the first.
    pub previous: Hash,
    /// The epoch.
    pub epoch: u64,
    /// The lease.
    pub lease: LeaseId,
    /// Number of the attempt in its group.
    pub attempt_index: u32,
    /// The attempt.
    pub attempt: AttemptId,
    /// Tokens credited (see [`crate::credit::credited_tokens`]).
    pub tokens: u32,
    /// Parameters of the model, as joined with.
    pub parameters: u64,
    /// Provenance tier credited.
    pub tier: Tier,
    /// Version of the credit formula.
    pub credit_version: u32,
    /// Credits in thousandths ([`crate::credit::credits_milli`]).
    pub credits_milli: u64,
    /// The coordinator's wall clock, milliseconds since 1970: for people, never for a decision.
    pub unix_ms: u64,
}

impl Receipt {
    /// The link that the next receipt names.
    ///
    /// # Errors
    /// Only where the receipt is beyond the codec's limit.
    pub fn hash(&self) -> Result<Hash, CodecError> {
        Ok(Hash::derive("lode/1/receipt-link", &encode(self)?))
    }
}

payload!(Receipt => "lode/1/receipt");
