//! What goes into the state machine and what comes out.

use std::sync::Arc;

use lode_proto::{
    envelope::{Envelope, Payload},
    id::{AttemptId, Hash, JobId, LeaseId, NetworkId, TaskId},
    key::PublicKey,
    mine::{MineReply, MineRequest},
    policy::PolicyCard,
    refusal::Refusal,
    session::{Counts, Session},
    task::{Place, Profile, TaskSpec},
    verify::{VerifyReply, VerifyRequest},
};
use serde::{Deserialize, Serialize};

use super::{context::EpochPlan, event::Record};

/// A request whose signature holds and whose sender is the peer at the other end.
#[derive(Debug, Clone)]
pub struct Verified<T> {
    envelope: Envelope,
    value: T,
}

impl<T> Verified<T> {
    /// As signed.
    #[must_use]
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Who sent it.
    #[must_use]
    pub fn sender(&self) -> PublicKey {
        self.envelope.sender
    }

    /// What it says.
    #[must_use]
    pub fn value(&self) -> &T {
        &self.value
    }

    /// Both halves.
    #[must_use]
    pub fn into_parts(self) -> (Envelope, T) {
        (self.envelope, self.value)
    }
}

fn open<T: Payload>(
    network: NetworkId,
    peer: &PublicKey,
    envelope: Envelope,
) -> Result<Verified<T>, Refusal> {
    if envelope.sender != *peer {
        return Err(Refusal::NotYourConnection);
    }
    let value =
        envelope.open::<T>(network).map_err(|error| Refusal::Malformed(error.to_string()))?;
    Ok(Verified { envelope, value })
}

/// Checks a miner's request: network, signature, and that the peer's key is the one that signed.
///
/// # Errors
/// The refusal to send back.
pub fn open_mine(
    network: NetworkId,
    peer: &PublicKey,
    envelope: Envelope,
) -> Result<Verified<MineRequest>, Refusal> {
    open(network, peer, envelope)
}

/// Checks a verifier's request, as [`open_mine`] does a miner's.
///
/// # Errors
/// The refusal to send back.
pub fn open_verify(
    network: NetworkId,
    peer: &PublicKey,
    envelope: Envelope,
) -> Result<Verified<VerifyRequest>, Refusal> {
    open(network, peer, envelope)
}

/// What the generator gave for a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Generated {
    /// A task.
    Task {
        /// Its id.
        id: TaskId,
        /// The public task, canonical bytes.
        bytes: Arc<[u8]>,
    },
    /// No task on this seed.
    Exhausted,
}

/// The coordinator's own grade of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnGrade {
    /// `RuleVerdict::hash` of each attempt, in order.
    pub verdicts: Vec<Hash>,
    /// Attempts that pass.
    pub passed: u32,
    /// Pairs that the builder makes of the group.
    pub pairs: u32,
}

/// The coordinator's grade of a turn of a revision session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnGrade {
    /// What is right of the attempt from which the conversation goes on.
    pub counts: Counts,
    /// Whether it passes.
    pub passes: bool,
    /// Plain BLAKE3 of the conversation with it and the feedback on it.
    pub next: Hash,
}

/// A bundle on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuiltBundle {
    /// Its name.
    pub name: String,
    /// Plain BLAKE3 of `manifest.json`.
    pub manifest: Hash,
    /// Pairs of the default config.
    pub pairs: u64,
    /// Tasks with such a pair.
    pub paired_tasks: u64,
}

/// What the operator asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Open the next epoch.
    OpenEpoch {
        /// What is asked of miners, and when to close.
        plan: Box<EpochPlan>,
        /// 32 bytes from a cryptographic source.
        secret: Hash,
    },
    /// Close the epoch: no new leases.
    CloseEpoch {
        /// Why, for people.
        reason: String,
    },
    /// Try again to build a bundle that could not be built or was not signed in time.
    RetryBundle,
    /// Give out no leases, or give them out again.
    Pause(bool),
    /// Tell miners and verifiers that the campaign is over (or not).
    Finish(bool),
}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// One epoch at a time.
    #[error("epoch {0} is still open; close it first")]
    EpochOpen(u64),
    /// Nothing to close.
    #[error("no epoch is open")]
    NoEpoch,
    /// Too few verifiers for a quorum.
    #[error("{have} verifiers have joined, but a quorum needs {want}; start more verifiers")]
    TooFewVerifiers {
        /// Joined.
        have: usize,
        /// Needed.
        want: usize,
    },
    /// A number in the plan that cannot work.
    #[error("the epoch's {what} is {got}, but must be within {low}..={high}")]
    OutOfRange {
        /// What was measured.
        what: &'static str,
        /// Asked for.
        got: u64,
        /// Least.
        low: u64,
        /// Most.
        high: u64,
    },
    /// A list of profiles that cannot work.
    #[error(
        "the epoch's profiles must name each once, easiest first, and among them {0}, where new models begin; or none"
    )]
    Profiles(Profile),
    /// Sessions only, and a target or profiles that groups alone serve.
    #[error(
        "revision_every is 1, so that there is no group, but pairs and several profiles rest on groups; \
         take 2 or more, or neither a target of pairs nor profiles"
    )]
    SessionsOnly,
    /// Not in this stage.
    #[error("there is no bundle to retry: the epoch is {0}")]
    NothingToRetry(&'static str),
    /// Beyond the codec's limit.
    #[error("the epoch could not be signed: {0}")]
    Unencodable(String),
}

/// An input.
#[derive(Debug, Clone)]
pub enum Input {
    /// A miner asks.
    Mine(Verified<MineRequest>),
    /// A verifier asks.
    Verify(Verified<VerifyRequest>),
    /// Time passed.
    Tick,
    /// The operator asks.
    Command(Command),
    /// The answer to [`Effect::Generate`].
    Generated {
        /// The epoch.
        epoch: u64,
        /// Where the task stands.
        place: Place,
        /// What came out.
        generated: Generated,
    },
    /// The answer to [`Effect::Grade`].
    Graded {
        /// The lease of the group.
        lease: LeaseId,
        /// What was found, or why nothing was.
        grade: Result<OwnGrade, String>,
    },
    /// The answer to [`Effect::GradeTurn`].
    TurnGraded {
        /// The lease of the session.
        lease: LeaseId,
        /// The turn, from 0.
        turn: u32,
        /// What was found, or why nothing was.
        grade: Result<TurnGrade, String>,
    },
    /// The answer to [`Effect::BuildBundle`].
    BundleBuilt {
        /// The epoch.
        epoch: u64,
        /// What was built, or why nothing was.
        bundle: Result<BuiltBundle, String>,
    },
    /// The answer to [`Effect::WriteSignatures`].
    SignaturesWritten {
        /// The epoch.
        epoch: u64,
        /// Why not, for people.
        result: Result<(), String>,
    },
}

/// What the shell is to do once the records are synced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Generate the task at a place.
    Generate {
        /// The epoch.
        epoch: u64,
        /// Where it stands.
        place: Place,
        /// What it is made from.
        spec: TaskSpec,
    },
    /// Grade a sealed group or session.
    Grade {
        /// The lease of the group.
        lease: LeaseId,
        /// Who wrote it.
        miner: PublicKey,
        /// What the miner says about the policy that wrote it.
        card: Box<PolicyCard>,
        /// What the task is made from.
        spec: TaskSpec,
        /// How its attempts were asked for.
        session: Session,
        /// The attempts in order, each with its signed receipt; their envelopes are blobs.
        attempts: Vec<(AttemptId, Envelope)>,
    },
    /// Grade a turn of a revision session.
    GradeTurn {
        /// The lease of the session.
        lease: LeaseId,
        /// The turn, from 0.
        turn: u32,
        /// What the task is made from.
        spec: TaskSpec,
        /// The attempt of each turn so far from which the conversation goes on; their envelopes are
        /// blobs.
        attempts: Vec<AttemptId>,
    },
    /// Build the bundle of a closed epoch from its records.
    BuildBundle {
        /// The epoch.
        epoch: u64,
    },
    /// Write the signatures next to the manifest: the bundle is then published.
    WriteSignatures {
        /// The epoch.
        epoch: u64,
        /// Name of the bundle.
        name: String,
        /// The coordinator's, then the verifiers' by key.
        envelopes: Vec<Envelope>,
    },
}

/// An answer, to be sent once the records are synced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// To a miner.
    Mine(MineReply),
    /// To a verifier.
    Verify(VerifyReply),
    /// To a verifier: a [`lode_proto::verify::GradeJob`] whose attempts the shell puts in from the
    /// blob store.
    Grade {
        /// Its id.
        job: JobId,
        /// What the task is made from, seed included.
        spec: TaskSpec,
        /// The task.
        task: TaskId,
        /// The attempts in order.
        attempts: Vec<AttemptId>,
    },
    /// To the operator.
    Command(Result<(), CommandError>),
    /// Nobody waits for one.
    None,
}

/// What a step decided.
#[derive(Debug, Clone)]
pub struct Decision {
    /// For the log, in order; already applied to the state.
    pub records: Vec<Record>,
    /// For the blob store, in the same sync: key and content.
    pub blobs: Vec<(Hash, Vec<u8>)>,
    /// To be sent once the records are synced.
    pub reply: Reply,
    /// To be done once the records are synced.
    pub effects: Vec<Effect>,
}
