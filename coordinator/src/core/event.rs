//! What happened: the records of the durable log. The state is a fold over them.
//!
//! What others signed is kept as the envelope they signed and never copied out of it; applying an
//! event reads it again. Uploaded attempts are the exception: their envelopes are blobs under the
//! attempt's id, written in the same sync.

use lode_bundle::record::FaultKind;
use lode_proto::{
    adapt::Step,
    envelope::Envelope,
    epoch::Outcome,
    id::{AttemptId, Hash, LeaseId, PolicyId, TaskId},
    key::PublicKey,
    task::Profile,
};
use serde::{Deserialize, Serialize};

use super::{
    context::Target,
    input::{BuiltBundle, OwnGrade},
};

/// An event with the time it happened at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Milliseconds on the log's clock ([`super::Now::ms`]).
    pub at_ms: u64,
    /// What happened.
    pub event: Event,
}

/// How a lease that gave no complete group ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndOfLease {
    /// Its time ran out.
    Expired,
    /// The miner gave it back.
    HandedBack,
    /// The miner never knew of it: the reply was lost.
    Lost,
    /// The epoch is being closed.
    Cancelled,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A miner joined, or joined again with another policy: its `MineRequest::Join`.
    MinerJoined {
        /// As signed.
        request: Envelope,
    },
    /// A verifier was admitted: its `VerifyRequest::Join`.
    VerifierJoined {
        /// As signed.
        request: Envelope,
    },
    /// An epoch was opened.
    EpochOpened {
        /// When it closes.
        target: Target,
        /// The secret, known to the coordinator alone until the epoch is closed.
        secret: Hash,
        /// The signed `EpochOpen`.
        open: Envelope,
        /// End of the time to commit to nonces.
        deadline_ms: u64,
    },
    /// A verifier's signed `BeaconCommit`.
    NonceCommitted {
        /// As signed.
        commit: Envelope,
    },
    /// The time to commit to nonces is over; those committed may be revealed.
    NonceRevealsOpened {
        /// End of the time to reveal.
        deadline_ms: u64,
    },
    /// A verifier's signed `BeaconReveal`.
    NonceRevealed {
        /// As signed.
        reveal: Envelope,
    },
    /// The beacon is fixed, the epoch is open.
    BeaconFixed {
        /// The signed `BeaconFixed`.
        fixed: Envelope,
    },
    /// The epoch came to nothing before its beacon was fixed.
    EpochVoided {
        /// Why, for people.
        reason: String,
    },
    /// The next counter has no task.
    CounterExhausted {
        /// Profile of the sequence whose next place it takes.
        profile: Profile,
    },
    /// A lease on a task. The first lease of a task takes the next counter.
    LeaseIssued {
        /// The counter.
        counter: u64,
        /// The task.
        task: TaskId,
        /// Its profile; the first lease of a task takes the next place of that sequence.
        profile: Profile,
        /// To whom.
        miner: PublicKey,
        /// The policy it will be answered with.
        policy: PolicyId,
        /// End of the lease.
        deadline_ms: u64,
        /// Sequence of the request.
        sequence: u64,
    },
    /// A lease ended without a commitment.
    LeaseEnded {
        /// Of this task.
        counter: u64,
        /// How.
        how: EndOfLease,
        /// Sequence of the request, where it was one.
        sequence: Option<u64>,
    },
    /// A miner committed to its group: its `MineRequest::Commit`.
    GroupCommitted {
        /// Of this task.
        counter: u64,
        /// As signed.
        request: Envelope,
        /// End of the time to upload.
        deadline_ms: u64,
    },
    /// The coordinator graded a turn of a revision session.
    TurnGraded {
        /// Of this task.
        counter: u64,
        /// The signed `Feedback`.
        feedback: Envelope,
        /// End of the time for the next turn.
        deadline_ms: u64,
    },
    /// A miner committed to the next turn: its `MineRequest::CommitTurn`.
    TurnCommitted {
        /// Of this task.
        counter: u64,
        /// As signed.
        request: Envelope,
        /// End of the time to upload.
        deadline_ms: u64,
    },
    /// A revision session ends before its turns are used up; what is there is sealed.
    SessionEnded {
        /// Of this task.
        counter: u64,
        /// Why, for people.
        reason: String,
        /// Sequence of the request, where it was one.
        sequence: Option<u64>,
    },
    /// An attempt was accepted; its envelope is the blob with the attempt's id.
    AttemptAccepted {
        /// Of this task.
        counter: u64,
        /// Number in the group.
        index: u32,
        /// Sequence of the request.
        sequence: u64,
        /// The signed receipt.
        receipt: Envelope,
    },
    /// The group or session is complete: the task is sealed. Nothing more is accepted for it.
    GroupSealed {
        /// The task.
        counter: u64,
        /// Verifiers that may grade it, in order of the draw.
        rank: Vec<PublicKey>,
        /// End of the time for the coordinator's own grading.
        deadline_ms: u64,
    },
    /// The coordinator's own grade.
    OwnGraded {
        /// Of this task.
        counter: u64,
        /// What was found.
        grade: OwnGrade,
        /// The signed `VerdictReveal` over it.
        reveal: Envelope,
    },
    /// A verifier was asked to grade, or asked again.
    VerifierDrawn {
        /// The task.
        counter: u64,
        /// The verifier.
        verifier: PublicKey,
        /// End of its time to commit.
        deadline_ms: u64,
    },
    /// A verifier let its time run out.
    VerifierLagged {
        /// The task.
        counter: u64,
        /// The verifier.
        verifier: PublicKey,
    },
    /// A verifier could not check; no fault of anyone.
    VerifierInconclusive {
        /// The task.
        counter: u64,
        /// The verifier.
        verifier: PublicKey,
        /// What it said.
        reason: String,
        /// Sequence of the request.
        sequence: u64,
    },
    /// A verifier's signed `VerdictCommit`.
    VerdictCommitted {
        /// Of this task.
        counter: u64,
        /// As signed.
        commit: Envelope,
    },
    /// Every verifier that was drawn has committed: they may reveal.
    RevealsOpened {
        /// The task.
        counter: u64,
        /// End of the time to reveal.
        deadline_ms: u64,
    },
    /// A verifier's signed `VerdictReveal`, which opens its commitment.
    VerdictRevealed {
        /// Of this task.
        counter: u64,
        /// As signed.
        reveal: Envelope,
    },
    /// The verdicts differ from each other or from the coordinator's: all verifiers are asked.
    Disputed {
        /// The task.
        counter: u64,
        /// End of their time.
        deadline_ms: u64,
    },
    /// Somebody did wrong.
    FaultFound {
        /// Who.
        accused: PublicKey,
        /// What.
        kind: FaultKind,
        /// On which lease, if any.
        lease: Option<LeaseId>,
        /// What was signed.
        evidence: Vec<Envelope>,
        /// For people.
        note: String,
    },
    /// A task got its outcome.
    Settled {
        /// The task.
        counter: u64,
        /// What became of it.
        outcome: Outcome,
    },
    /// A policy's next tasks have another profile; with the reason and what it rests on.
    ProfileMoved {
        /// What was decided.
        step: Step,
    },
    /// No new leases: the epoch is being closed.
    DrainStarted {
        /// Why, for people.
        reason: String,
        /// Uncommitted leases end here at the latest.
        deadline_ms: u64,
    },
    /// Every counter is settled; the secret is public.
    EpochClosed {
        /// End of the time to build the bundle.
        deadline_ms: u64,
    },
    /// The bundle is on disk, unsigned by verifiers.
    BundleBuilt {
        /// What was built.
        bundle: BuiltBundle,
        /// The coordinator's signed `BundleSignature`.
        signature: Envelope,
        /// End of the time to co-sign.
        deadline_ms: u64,
    },
    /// No bundle could be built.
    BundleFailed {
        /// Why, for people.
        reason: String,
    },
    /// Another try at building the bundle.
    BundleRetried {
        /// End of its time.
        deadline_ms: u64,
    },
    /// A verifier's signed `BundleSignature`.
    CoSigned {
        /// As signed.
        signature: Envelope,
    },
    /// A verifier's audit found the bundle wanting.
    CoSignRefused {
        /// Who.
        verifier: PublicKey,
        /// What it found.
        reason: String,
        /// Sequence of the request.
        sequence: u64,
    },
    /// Enough verifiers signed.
    SignaturesComplete {
        /// End of the time to write the signatures.
        deadline_ms: u64,
    },
    /// Too few verifiers signed in time.
    NotSigned {
        /// Why, for people.
        reason: String,
    },
    /// The signatures are on disk, the bundle is published.
    Published,
    /// The campaign is over, or goes on.
    CampaignFinished(bool),
    /// No leases for the time being, or again.
    Paused(bool),
}

impl Event {
    /// Its name, for the points at which a test may kill the process.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::MinerJoined { .. } => "miner_joined",
            Self::VerifierJoined { .. } => "verifier_joined",
            Self::EpochOpened { .. } => "epoch_opened",
            Self::NonceCommitted { .. } => "nonce_committed",
            Self::NonceRevealsOpened { .. } => "nonce_reveals_opened",
            Self::NonceRevealed { .. } => "nonce_revealed",
            Self::BeaconFixed { .. } => "beacon_fixed",
            Self::EpochVoided { .. } => "epoch_voided",
            Self::CounterExhausted { .. } => "counter_exhausted",
            Self::LeaseIssued { .. } => "lease_issued",
            Self::LeaseEnded { .. } => "lease_ended",
            Self::GroupCommitted { .. } => "group_committed",
            Self::TurnGraded { .. } => "turn_graded",
            Self::TurnCommitted { .. } => "turn_committed",
            Self::SessionEnded { .. } => "session_ended",
            Self::AttemptAccepted { .. } => "attempt_accepted",
            Self::GroupSealed { .. } => "group_sealed",
            Self::OwnGraded { .. } => "own_graded",
            Self::VerifierDrawn { .. } => "verifier_drawn",
            Self::VerifierLagged { .. } => "verifier_lagged",
            Self::VerifierInconclusive { .. } => "verifier_inconclusive",
            Self::VerdictCommitted { .. } => "verdict_committed",
            Self::RevealsOpened { .. } => "reveals_opened",
            Self::VerdictRevealed { .. } => "verdict_revealed",
            Self::Disputed { .. } => "disputed",
            Self::FaultFound { .. } => "fault_found",
            Self::Settled { .. } => "settled",
            Self::ProfileMoved { .. } => "profile_moved",
            Self::DrainStarted { .. } => "drain_started",
            Self::EpochClosed { .. } => "epoch_closed",
            Self::BundleBuilt { .. } => "bundle_built",
            Self::BundleFailed { .. } => "bundle_failed",
            Self::BundleRetried { .. } => "bundle_retried",
            Self::CoSigned { .. } => "co_signed",
            Self::CoSignRefused { .. } => "co_sign_refused",
            Self::SignaturesComplete { .. } => "signatures_complete",
            Self::NotSigned { .. } => "not_signed",
            Self::Published => "published",
            Self::CampaignFinished(_) => "campaign_finished",
            Self::Paused(_) => "paused",
        }
    }
}

/// Where an attempt's envelope lies in the blob store.
#[must_use]
pub fn blob_key(attempt: AttemptId) -> Hash {
    attempt.0
}
