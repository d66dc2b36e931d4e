//! What a verifier tells whoever runs it: what it does while it runs, and why it stopped.

use std::sync::Arc;

use lode_node::{
    keystore::KeyError, log::LogError, rpc::RpcError, sequence::SequenceError,
    transport::TransportError,
};
use lode_proto::{
    genesis::GenesisError,
    id::{Hash, JobId, NetworkId},
    key::PublicKey,
    refusal::Refusal,
};
use lode_tasks::family::DomainError;
use serde::Serialize;

/// Why a verifier stopped.
#[derive(Debug, thiserror::Error)]
pub enum VerifierError {
    /// The configuration cannot be used.
    #[error("{0}")]
    Config(String),
    /// A domain file cannot be used.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// The node key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The book cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The envelope sequence cannot be used.
    #[error(transparent)]
    Sequence(#[from] SequenceError),
    /// The transport cannot start.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The coordinator cannot be talked to.
    #[error("talking to the coordinator failed: {0}")]
    Rpc(#[from] RpcError),
    /// The coordinator showed something that is no genesis.
    #[error("the coordinator's genesis cannot be trusted: {0}")]
    Genesis(#[from] GenesisError),
    /// Another network than the one configured.
    #[error("the coordinator runs network {got}, but the configuration names {want}")]
    OtherNetwork {
        /// Its network.
        got: NetworkId,
        /// Ours.
        want: NetworkId,
    },
    /// The coordinator refused what cannot be mended by asking again.
    #[error("the coordinator refused: {0}")]
    Refused(Refusal),
    /// The coordinator answered something that does not fit the question.
    #[error("the coordinator gave an answer that does not fit the question ({0})")]
    Protocol(&'static str),
    /// The system gave no random bytes.
    #[error("no random bytes from the system: {0}")]
    Random(String),
    /// A background task was lost.
    #[error("a grading task was lost: {0}")]
    Task(String),
}

/// What a verifier does, for whoever watches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The coordinator knows us.
    Joined {
        /// The network.
        network: NetworkId,
        /// Our key.
        verifier: PublicKey,
    },
    /// A job was graded and its verdict committed to.
    Graded {
        /// The job.
        job: JobId,
        /// Attempts.
        attempts: usize,
    },
    /// A job could not be checked here.
    Inconclusive {
        /// The job.
        job: JobId,
        /// Why.
        reason: String,
    },
    /// A bundle was audited and signed.
    Signed {
        /// The epoch.
        epoch: u64,
        /// Plain BLAKE3 of its manifest.
        manifest: Hash,
    },
    /// A bundle did not hold.
    Refused {
        /// The epoch.
        epoch: u64,
        /// What was wrong.
        reason: String,
    },
    /// The verifier ends.
    Stopped,
}

/// Where events go.
pub type EventSink = Arc<dyn Fn(Event) + Send + Sync>;
