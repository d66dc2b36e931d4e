//! What the state machine is told once: who it is, and how long things may take.

use lode_proto::{
    envelope::Envelope,
    epoch::Campaign,
    genesis::{Genesis, GenesisError},
    id::NetworkId,
    key::SecretKey,
    limits,
};
use serde::{Deserialize, Serialize};

/// The time given with an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// Milliseconds on the log's clock: it begins at 0 with the network, stands still while the
    /// coordinator is down and never runs backwards. Every decision is made by it.
    pub ms: u64,
    /// Wall clock, milliseconds since 1970; only ever copied into receipts, for people.
    pub unix_ms: u64,
}

/// How long the coordinator waits for others, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timing {
    /// For verifiers to commit to beacon nonces, and again to reveal them.
    pub beacon_ms: u64,
    /// For a verifier to commit to a verdict, and again to reveal it.
    pub job_ms: u64,
    /// For the coordinator's own grading of a group.
    pub own_grade_ms: u64,
    /// For uncommitted leases once the epoch is being closed.
    pub drain_ms: u64,
    /// For uploads after a commitment, at least.
    pub upload_ms: u64,
    /// For building a bundle.
    pub bundle_ms: u64,
    /// For verifiers to audit and sign a bundle.
    pub cosign_ms: u64,
    /// Advised to a miner or verifier for which there is nothing to do.
    pub retry_after_ms: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            beacon_ms: limits::DEFAULT_BEACON_MS,
            job_ms: limits::DEFAULT_JOB_MS,
            own_grade_ms: limits::OWN_GRADE_MS,
            drain_ms: limits::DEFAULT_DRAIN_MS,
            upload_ms: limits::UPLOAD_GRACE_MS,
            bundle_ms: limits::BUNDLE_BUILD_MS,
            cosign_ms: limits::DEFAULT_COSIGN_MS,
            retry_after_ms: limits::DEFAULT_RETRY_AFTER_MS,
        }
    }
}

/// When an epoch is closed. It closes when everything asked for is there, or when a budget is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Target {
    /// Pairs wanted; 0 does not ask for any.
    pub pairs: u64,
    /// Tasks that give at least one pair; 0 does not ask for any.
    pub paired_tasks: u64,
    /// Groups graded; 0 does not ask for any.
    pub graded: u64,
    /// Budget: tasks issued.
    pub max_tasks: u64,
    /// Budget: time since the epoch was opened, milliseconds.
    pub max_ms: u64,
}

impl Default for Target {
    fn default() -> Self {
        Self {
            pairs: 0,
            paired_tasks: 0,
            graded: 0,
            max_tasks: limits::MAX_EPOCH_TASKS,
            max_ms: limits::DEFAULT_EPOCH_MS,
        }
    }
}

/// An epoch as the operator asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochPlan {
    /// What is asked of miners.
    pub campaign: Campaign,
    /// When it is closed.
    pub target: Target,
}

/// Who the coordinator is. Not part of the state: it comes from key, genesis and configuration.
#[derive(Debug, Clone)]
pub struct Context {
    /// The network.
    pub network: NetworkId,
    /// Its genesis.
    pub genesis: Genesis,
    /// The genesis as signed, for those who join.
    pub genesis_envelope: Envelope,
    /// The coordinator's key. Ed25519 signatures are deterministic, so signing is pure.
    pub key: SecretKey,
    /// How long to wait.
    pub timing: Timing,
}

impl Context {
    /// Reads the genesis and makes sure that it is this coordinator's.
    ///
    /// # Errors
    /// An invalid genesis, or one of another coordinator.
    pub fn new(
        genesis_envelope: Envelope,
        key: SecretKey,
        timing: Timing,
    ) -> Result<Self, GenesisError> {
        let (network, genesis) = Genesis::open(&genesis_envelope)?;
        if genesis.coordinator != key.public() {
            return Err(GenesisError::NotByCoordinator {
                named: genesis.coordinator,
                signer: key.public(),
            });
        }
        Ok(Self { network, genesis, genesis_envelope, key, timing })
    }

    /// Verifiers that must agree with the coordinator.
    #[must_use]
    pub fn quorum(&self) -> usize {
        self.genesis.quorum as usize
    }
}
