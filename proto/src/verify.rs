//! `/lode/verify/1`: what a verifier asks and what it is told. Every call is started by the
//! verifier: it asks for the next thing to do, does it, and hands it in.
//!
//! ```text
//! Join ─► Next ─┬► CommitBeacon   ─► BeaconCommit
//!               ├► RevealBeacon   ─► BeaconReveal
//!               ├► Grade(job)     ─► VerdictCommit      grade again, from the seed
//!               ├► Reveal(job)    ─► VerdictReveal      once all verdicts are committed
//!               ├► CoSign(bundle) ─► BundleSignature    pull it, audit it, then sign
//!               └► Idle
//! ```
//!
//! What a verifier says for the record (nonces, verdicts, signatures) is signed by itself as an
//! envelope of its own inside the request, so that it can stand alone in a bundle.

use serde::{Deserialize, Serialize};

use crate::{
    attempt::Attempt,
    codec::{CodecError, encode},
    envelope::Envelope,
    id::{AttemptId, Hash, JobId, TaskId},
    payload,
    refusal::Refusal,
    task::TaskSpec,
};

/// A verifier's request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum VerifyRequest {
    /// Asks to be a verifier of the network.
    Join {
        /// An [`crate::mine::AccountBinding`] signed by the account key; without one the node key
        /// is the account.
        account: Option<Envelope>,
        /// Name and version of the software, for people.
        software: String,
    },
    /// Asks what to do next.
    Next,
    /// A signed [`crate::epoch::BeaconCommit`].
    BeaconCommit(Envelope),
    /// A signed [`crate::epoch::BeaconReveal`].
    BeaconReveal(Envelope),
    /// A signed [`VerdictCommit`].
    VerdictCommit(Envelope),
    /// A signed [`VerdictReveal`].
    VerdictReveal(Envelope),
    /// A signed [`crate::manifest::BundleSignature`].
    CoSign(Envelope),
    /// The job cannot be done here (for example an unknown engine version): not a verdict.
    Inconclusive {
        /// The job.
        job: JobId,
        /// Why, for people.
        reason: String,
    },
    /// The bundle did not hold.
    RefuseCoSign {
        /// Hash of the manifest.
        manifest: Hash,
        /// What was wrong, for people.
        reason: String,
    },
}

payload!(VerifyRequest => "lode/1/verify");

/// A sealed group to grade again. Only now does anyone but the coordinator see the task's seed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GradeJob {
    /// Its id.
    pub id: JobId,
    /// What the task is made from, seed included.
    pub spec: TaskSpec,
    /// The task that the specification must give.
    pub task_id: TaskId,
    /// The attempts of the group, in order.
    pub attempts: Vec<Attempt>,
}

/// A bundle to audit and sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoSignJob {
    /// The epoch.
    pub epoch: u64,
    /// Name of the bundle, to list and pull it by.
    pub name: String,
    /// Plain BLAKE3 of `manifest.json`.
    pub manifest: Hash,
}

/// The answer to a [`VerifyRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum VerifyReply {
    /// Joined.
    Joined {
        /// The genesis envelope.
        genesis: Envelope,
        /// Highest sequence accepted from this key; the next must be above it.
        last_sequence: u64,
    },
    /// Nothing to do now.
    Idle {
        /// When to ask again, milliseconds from now.
        retry_after_ms: u64,
        /// Whether the campaign is over and the verifier may stop.
        finished: bool,
    },
    /// Draw a nonce, keep it safe, commit to it.
    CommitBeacon {
        /// The coordinator's signed [`crate::epoch::EpochOpen`].
        epoch_open: Envelope,
    },
    /// Reveal the nonce of an epoch.
    RevealBeacon {
        /// The epoch.
        epoch: u64,
    },
    /// Grade a group and commit to the verdict.
    Grade(Box<GradeJob>),
    /// Reveal the verdict of a job.
    Reveal {
        /// The job.
        job: JobId,
    },
    /// Audit and sign a bundle.
    CoSign(CoSignJob),
    /// Taken.
    Accepted,
    /// Refused.
    Refused(Refusal),
}

/// What a verifier found, in full: the hash of each attempt's rule verdict. Everything else
/// (passed, failure class, reasons) anyone derives by grading again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobVerdict {
    /// The job.
    pub job: JobId,
    /// The task.
    pub task_id: TaskId,
    /// For each attempt of the group, in order: its id and `RuleVerdict::hash`.
    pub verdicts: Vec<(AttemptId, Hash)>,
}

/// A commitment to a verdict, so that none can be copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictCommit {
    /// The job.
    pub job: JobId,
    /// [`VerdictReveal::commitment`].
    pub commit: Hash,
}

/// The verdict with the nonce that opens its commitment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictReveal {
    /// What was found.
    pub verdict: JobVerdict,
    /// Random; keeps a verdict from being guessed from its commitment.
    pub nonce: Hash,
}

impl VerdictReveal {
    /// What [`VerdictCommit::commit`] must be for this verdict of this verifier.
    ///
    /// # Errors
    /// Only where the verdict is beyond the codec's limit.
    pub fn commitment(&self, verifier: &crate::key::PublicKey) -> Result<Hash, CodecError> {
        Ok(Hash::derive_parts("lode/1/verdict-commit", &[&verifier.0, &encode(self)?]))
    }
}

payload!(
    VerdictCommit => "lode/1/verdict-commit",
    VerdictReveal => "lode/1/verdict-reveal",
);
