//! Epochs: what the coordinator promises before it knows which tasks it will issue.
//!
//! The coordinator signs an [`EpochOpen`] with the commitment to its secret; verifiers commit to
//! nonces, then reveal them; the beacon of all reveals is fixed ([`BeaconFixed`]); secret, beacon
//! and counter give every task's seed. At the end the secret is revealed in the bundle's manifest
//! and every counter `0..N` is listed with its [`Outcome`].

use serde::{Deserialize, Serialize};

use crate::{
    id::{AttemptId, Hash, LeaseId, PolicyId},
    key::PublicKey,
    payload, seed,
    session::Session,
    task::{Place, Profile, TaskSpec, TaskTemplate},
};

/// What is asked of miners during an epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Campaign {
    /// What tasks are made from.
    pub template: TaskTemplate,
    /// Attempts in a group.
    pub group_size: u32,
    /// Most generated tokens of an attempt.
    pub max_completion_tokens: u32,
    /// A lease's time, milliseconds.
    pub lease_ms: u64,
    /// Profiles that a policy is moved between, easiest first, by [`crate::adapt`]. Empty where every
    /// task has the template's profile; otherwise it holds that one, where new policies begin.
    pub profiles: Vec<Profile>,
    /// Every so many tasks of a profile one is a revision session; 0: none is.
    pub revision_every: u32,
}

impl Campaign {
    /// Whether tasks of this profile may be given out.
    #[must_use]
    pub fn allows(&self, profile: Profile) -> bool {
        profile == self.template.profile || self.profiles.contains(&profile)
    }

    /// How the attempts at the task of a place are asked for.
    #[must_use]
    pub fn session(&self, place: Place) -> Session {
        let every = u64::from(self.revision_every);
        if every > 0 && place.index % every == every - 1 {
            Session::Revision
        } else {
            Session::Group
        }
    }

    /// What the task at a place of the epoch is made from.
    #[must_use]
    pub fn spec(&self, secret: &[u8; 32], beacon: &Hash, place: Place) -> TaskSpec {
        let seed = seed::place_seed(secret, beacon, self.template.profile, place);
        TaskSpec { profile: place.profile, ..self.template.spec(seed) }
    }
}

/// Where a policy stands when an epoch is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// The policy.
    pub policy: PolicyId,
    /// The profile of its next task.
    pub profile: Profile,
}

/// The coordinator's promise for an epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochOpen {
    /// Number of the epoch, from 1.
    pub epoch: u64,
    /// Commitment to the secret ([`crate::seed::epoch_commit`]).
    pub commit: Hash,
    /// What is asked.
    pub campaign: Campaign,
    /// Head of the ledger before this epoch.
    pub ledger_head: Hash,
    /// Policies that do not begin at the template's profile, in order of policy: what earlier epochs
    /// found. Signed before the beacon is fixed, so before anyone knows a task.
    pub levels: Vec<Level>,
}

/// The epoch's public randomness, with all it was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeaconFixed {
    /// Number of the epoch.
    pub epoch: u64,
    /// [`crate::seed::beacon`] of the reveals.
    pub beacon: Hash,
    /// Verifiers that committed a nonce and revealed it, in order of key.
    pub revealed: Vec<PublicKey>,
    /// Verifiers that committed a nonce and did not reveal it in time, in order of key.
    pub withheld: Vec<PublicKey>,
}

/// A verifier's commitment to its nonce; the first half of its part in the beacon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeaconCommit {
    /// Number of the epoch.
    pub epoch: u64,
    /// [`crate::seed::nonce_commit`] of the nonce.
    pub commit: Hash,
}

/// A verifier's nonce; the second half.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeaconReveal {
    /// Number of the epoch.
    pub epoch: u64,
    /// The nonce committed to.
    pub nonce: Hash,
}

/// What became of a counter. Every counter that was reached has exactly one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The generator found no task on this seed within its tries.
    Exhausted,
    /// A whole group was committed, uploaded and graded.
    Graded {
        /// The lease it was made under.
        lease: LeaseId,
        /// Number of that lease in the task, from 0.
        lease_number: u32,
        /// The attempts in their order.
        attempts: Vec<AttemptId>,
    },
    /// A group was committed but not all of it was uploaded before its lease was over, or grading
    /// did not reach a quorum; nothing of it may be paired.
    Incomplete {
        /// The last lease of the task.
        lease: LeaseId,
        /// Number of that lease in the task, from 0.
        lease_number: u32,
        /// What was uploaded, in order.
        attempts: Vec<AttemptId>,
        /// Why, for people.
        reason: String,
    },
    /// All its leases ended without a commitment, or the epoch was closed first.
    Unanswered {
        /// Leases that were given out.
        leases: u32,
    },
}

impl Outcome {
    /// The name used in counts.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::Graded { .. } => "graded",
            Self::Incomplete { .. } => "incomplete",
            Self::Unanswered { .. } => "unanswered",
        }
    }
}

payload!(
    EpochOpen => "lode/1/epoch-open",
    BeaconFixed => "lode/1/beacon-fixed",
    BeaconCommit => "lode/1/beacon-commit",
    BeaconReveal => "lode/1/beacon-reveal",
);
