//! What the coordinator knows: a fold over the log, and nothing else.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lode_bundle::record::FaultKind;
use lode_proto::{
    adapt::{Schedule, Step},
    codec::{self, CodecError},
    envelope::Envelope,
    epoch::Campaign,
    id::{Hash, JobId, LeaseId, PolicyId},
    key::PublicKey,
    policy::PolicyCard,
    task::{Place, Profile, TaskSpec},
};
use serde::{Deserialize, Serialize};

use super::{
    context::Target,
    input::BuiltBundle,
    task::{LeaseRef, Slot},
};

/// Decisions of the schedule that the state keeps for people; the log has all of them.
pub(super) const MOVES_KEPT: usize = 16;

/// A miner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Miner {
    /// Its account: the account key, or its own.
    pub account: PublicKey,
    /// The policies it joined with.
    pub policies: BTreeMap<PolicyId, PolicyCard>,
    /// Receipts given: the next one's number.
    pub receipts: u64,
    /// `Receipt::hash` of the last one.
    pub receipt_head: Hash,
    /// Sum over its receipts, thousandths.
    pub credits_milli: u64,
    /// Leases that ended without a commitment.
    pub expired: u64,
    /// Leases held now, committed ones that wait for uploads included.
    pub leases: BTreeSet<LeaseId>,
}

/// A verifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifierInfo {
    /// Its account: the account key, or its own.
    pub account: PublicKey,
    /// Verdicts revealed.
    pub revealed: u64,
    /// Times it let its time run out.
    pub lagged: u64,
    /// Jobs that it could not check.
    pub inconclusive: u64,
    /// Faults with evidence.
    pub faults: u64,
}

/// A verifier's part in the beacon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nonce {
    /// Its signed `BeaconCommit`.
    pub envelope: Envelope,
    /// What it committed to.
    pub commit: Hash,
    /// The nonce, once revealed.
    pub revealed: Option<Hash>,
}

/// Where an epoch stands. Deadlines are on the log's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Verifiers commit to nonces.
    NonceCommits {
        /// End of it.
        deadline_ms: u64,
    },
    /// Verifiers reveal their nonces.
    NonceReveals {
        /// End of it.
        deadline_ms: u64,
    },
    /// Tasks are given out.
    Open {
        /// The time budget's end.
        deadline_ms: u64,
    },
    /// No new leases; what is out comes in or ends.
    Draining {
        /// Why.
        reason: String,
    },
    /// The bundle is being built.
    Bundling {
        /// End of it.
        deadline_ms: u64,
    },
    /// No bundle could be built; the operator may retry.
    BundleFailed {
        /// Why.
        reason: String,
    },
    /// Verifiers audit and sign.
    CoSigning {
        /// End of it.
        deadline_ms: u64,
    },
    /// Signatures are being written.
    Signing {
        /// End of it.
        deadline_ms: u64,
    },
    /// Too few signatures; the operator may retry.
    NotSigned {
        /// Why.
        reason: String,
    },
    /// Done.
    Published,
    /// Came to nothing before the beacon was fixed.
    Void {
        /// Why.
        reason: String,
    },
}

impl Stage {
    /// Its name, for people and programs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NonceCommits { .. } => "nonce_commits",
            Self::NonceReveals { .. } => "nonce_reveals",
            Self::Open { .. } => "open",
            Self::Draining { .. } => "draining",
            Self::Bundling { .. } => "bundling",
            Self::BundleFailed { .. } => "bundle_failed",
            Self::CoSigning { .. } => "co_signing",
            Self::Signing { .. } => "signing",
            Self::NotSigned { .. } => "not_signed",
            Self::Published => "published",
            Self::Void { .. } => "void",
        }
    }

    /// Whether nothing will happen any more without an operator.
    #[must_use]
    pub fn at_rest(&self) -> bool {
        matches!(
            self,
            Self::BundleFailed { .. }
                | Self::NotSigned { .. }
                | Self::Published
                | Self::Void { .. }
        )
    }

    /// When it ends by itself.
    #[must_use]
    pub fn deadline_ms(&self) -> Option<u64> {
        match self {
            Self::NonceCommits { deadline_ms }
            | Self::NonceReveals { deadline_ms }
            | Self::Open { deadline_ms }
            | Self::Bundling { deadline_ms }
            | Self::CoSigning { deadline_ms }
            | Self::Signing { deadline_ms } => Some(*deadline_ms),
            // Draining ends with the last of its tasks, each of which has a deadline of its own.
            Self::Draining { .. }
            | Self::BundleFailed { .. }
            | Self::NotSigned { .. }
            | Self::Published
            | Self::Void { .. } => None,
        }
    }
}

/// A bundle on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleState {
    /// What was built.
    pub built: BuiltBundle,
    /// The coordinator's signature.
    pub signature: Envelope,
    /// Verifiers' signatures.
    pub cosigned: BTreeMap<PublicKey, Envelope>,
    /// Verifiers that would not sign, with what they found.
    pub refused: BTreeMap<PublicKey, String>,
}

/// An epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// Its number, from 1.
    pub number: u64,
    /// What is asked of miners.
    pub campaign: Campaign,
    /// When it closes.
    pub target: Target,
    /// The secret.
    pub secret: Hash,
    /// The signed `EpochOpen`.
    pub open: Envelope,
    /// When it was opened.
    pub opened_ms: u64,
    /// Where it stands.
    pub stage: Stage,
    /// Verifiers' parts in the beacon.
    pub nonces: BTreeMap<PublicKey, Nonce>,
    /// The beacon, once fixed.
    pub beacon: Option<Hash>,
    /// Verifiers of the epoch: those that committed to a nonce, in order of key.
    pub verifiers: Vec<PublicKey>,
    /// Tasks, by counter.
    pub slots: Vec<Slot>,
    /// Every lease of the epoch.
    pub leases: BTreeMap<LeaseId, LeaseRef>,
    /// Every grading job of the epoch.
    pub jobs: BTreeMap<JobId, u64>,
    /// Tasks that may be leased again, by profile and counter.
    pub waiting: BTreeSet<(Profile, u64)>,
    /// For each verifier, the tasks it has to commit or reveal a verdict for now.
    pub todo: BTreeMap<PublicKey, BTreeSet<u64>>,
    /// Tasks leased or waiting for uploads.
    pub out: u64,
    /// Tasks without an outcome.
    pub unsettled: u64,
    /// Tasks graded with a quorum.
    pub graded: u64,
    /// Attempts in them.
    pub attempts: u64,
    /// Attempts in them that pass.
    pub passed: u64,
    /// Pairs in them.
    pub pairs: u64,
    /// Tasks with at least one pair.
    pub paired_tasks: u64,
    /// Which profile each policy's next task has.
    pub schedule: Schedule,
    /// The newest decisions of it, oldest first.
    pub moves: VecDeque<Step>,
    /// Tasks issued of each profile: the next place of its sequence.
    pub issued: BTreeMap<Profile, u64>,
    /// Faults recorded, so that each is recorded once.
    pub faults: BTreeSet<(PublicKey, FaultKind, Option<LeaseId>)>,
    /// The bundle.
    pub bundle: Option<BundleState>,
}

impl Epoch {
    /// What the task of a counter is made from; `None` where it was not issued.
    #[must_use]
    pub fn spec(&self, counter: u64) -> Option<TaskSpec> {
        self.spec_at(self.slot(counter)?.place)
    }

    /// What the task at a place is made from; `None` before the beacon is fixed.
    #[must_use]
    pub fn spec_at(&self, place: Place) -> Option<TaskSpec> {
        Some(self.campaign.spec(self.secret.as_bytes(), &self.beacon?, place))
    }

    /// Where the next task of a profile stands.
    #[must_use]
    pub fn next_place(&self, profile: Profile) -> Place {
        Place { profile, index: self.issued.get(&profile).copied().unwrap_or(0) }
    }

    /// Takes the next place of a profile, for the next counter.
    pub(super) fn take_place(&mut self, profile: Profile) -> Place {
        let place = self.next_place(profile);
        self.issued.insert(profile, place.index + 1);
        place
    }

    /// Profiles that policies stand at now, and the one where new ones begin.
    #[must_use]
    pub fn profiles_in_use(&self) -> BTreeSet<Profile> {
        let tracks = self.schedule.tracks().map(|(_, track)| track.profile());
        tracks.chain([self.campaign.template.profile]).collect()
    }

    /// A task by counter.
    #[must_use]
    pub fn slot(&self, counter: u64) -> Option<&Slot> {
        self.slots.get(usize::try_from(counter).ok()?)
    }

    /// Tasks issued: the next counter.
    #[must_use]
    pub fn next_counter(&self) -> u64 {
        self.slots.len() as u64
    }
}

/// An epoch that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedEpoch {
    /// Its number.
    pub number: u64,
    /// How it ended.
    pub stage: Stage,
    /// Its bundle, where there is one.
    pub bundle: Option<BuiltBundle>,
}

/// Everything that the coordinator knows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct State {
    /// The log's clock: time of the last record.
    pub clock_ms: u64,
    /// Sequence of the coordinator's next envelope.
    pub next_sequence: u64,
    /// Highest sequence on record of each key.
    pub sequences: BTreeMap<PublicKey, u64>,
    /// Miners.
    pub miners: BTreeMap<PublicKey, Miner>,
    /// Verifiers.
    pub verifiers: BTreeMap<PublicKey, VerifierInfo>,
    /// The current epoch, or the last one until the next is opened.
    pub epoch: Option<Epoch>,
    /// Epochs before it.
    pub closed: Vec<ClosedEpoch>,
    /// Head of the ledger.
    pub ledger_head: Hash,
    /// Entries of the ledger.
    pub ledger_length: u64,
    /// Whether leases are held back.
    pub paused: bool,
    /// Whether the campaign is over.
    pub finished: bool,
}

impl State {
    /// A hash of everything, to compare a state with one rebuilt from the log.
    ///
    /// # Errors
    /// Only where the state is beyond the codec's limit.
    pub fn digest(&self) -> Result<Hash, CodecError> {
        Ok(Hash::derive("lode/1/coordinator-state", &codec::encode(self)?))
    }

    /// Number of the next epoch.
    #[must_use]
    pub fn next_epoch(&self) -> u64 {
        self.epoch.as_ref().map_or(1, |epoch| epoch.number + 1)
    }
}
