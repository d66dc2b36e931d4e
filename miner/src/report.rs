//! What a miner tells whoever runs it: what it does while it runs, and why it stopped.

use std::sync::Arc;

use lode_engine::EngineError;
use lode_node::{
    keystore::KeyError, log::LogError, rpc::RpcError, sequence::SequenceError,
    transport::TransportError,
};
use lode_proto::{
    genesis::GenesisError,
    id::{LeaseId, NetworkId, PolicyId},
    key::PublicKey,
    mine::NoWork,
    refusal::Refusal,
};
use serde::Serialize;

use crate::queue::Totals;

/// Why a miner stopped.
#[derive(Debug, thiserror::Error)]
pub enum MinerError {
    /// The configuration cannot be used.
    #[error("{0}")]
    Config(String),
    /// The node key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The durable queue cannot be used.
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
    /// The coordinator showed another network.
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
    /// The engine cannot work.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A task of this program ended in a way that it never should.
    #[error("a part of the miner crashed: {0}; please report it")]
    Crashed(String),
    /// The miner was told to stop before the coordinator answered. Never leaves the daemon.
    #[error("the miner is stopping")]
    Stopping,
    /// The coordinator answered something that does not fit the question.
    #[error("the coordinator gave an answer that does not fit the question ({0})")]
    Protocol(&'static str),
}

/// What a miner does, for whoever watches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The coordinator knows us.
    Joined {
        /// The network.
        network: NetworkId,
        /// The policy.
        policy: PolicyId,
        /// Our key.
        miner: PublicKey,
    },
    /// Work begins on a lease.
    Leased {
        /// The lease.
        lease: LeaseId,
    },
    /// All attempts of a lease were generated.
    Generated {
        /// The lease.
        lease: LeaseId,
        /// Attempts.
        attempts: usize,
        /// Tokens generated.
        tokens: u64,
        /// Time it took, milliseconds.
        elapsed_ms: u64,
    },
    /// All attempts of a lease have receipts.
    Delivered {
        /// The lease.
        lease: LeaseId,
        /// The miner's own count.
        totals: Totals,
    },
    /// A lease came to nothing.
    Dropped {
        /// The lease.
        lease: LeaseId,
        /// Why.
        reason: String,
    },
    /// There is nothing to do.
    Waiting {
        /// Why.
        reason: NoWork,
    },
    /// The miner ends.
    Stopped {
        /// The miner's own count.
        totals: Totals,
    },
}

/// Where events go.
pub type EventSink = Arc<dyn Fn(Event) + Send + Sync>;
