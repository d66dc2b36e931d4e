//! What happens, for whoever watches: one notice for each event worth a line. Emitted once the
//! record is durable.

use std::{path::PathBuf, sync::Arc};

use lode_bundle::record::FaultKind;
use lode_proto::{
    adapt::Step,
    attempt::Receipt,
    codec,
    id::{Hash, NetworkId},
    key::PublicKey,
};
use serde::Serialize;

use crate::core::{EndOfLease, Event, Record};

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Notice {
    /// It serves.
    Ready {
        /// The network.
        network: NetworkId,
        /// Its key.
        coordinator: PublicKey,
        /// Where.
        addresses: Vec<String>,
    },
    /// A miner joined, or joined with another policy.
    MinerJoined {
        /// Who.
        miner: PublicKey,
    },
    /// A verifier was admitted.
    VerifierJoined {
        /// Who.
        verifier: PublicKey,
    },
    /// An epoch was opened; its beacon is not fixed yet.
    EpochOpened,
    /// Tasks are given out.
    EpochStarted,
    /// An epoch came to nothing.
    EpochVoided {
        /// Why.
        reason: String,
    },
    /// A task was leased.
    Leased {
        /// The task.
        counter: u64,
        /// To whom.
        miner: PublicKey,
    },
    /// A lease ended without a commitment.
    LeaseEnded {
        /// The task.
        counter: u64,
        /// How.
        how: String,
    },
    /// A miner committed to its group.
    Committed {
        /// The task.
        counter: u64,
        /// Who.
        miner: PublicKey,
    },
    /// An attempt was accepted.
    Accepted {
        /// The task.
        counter: u64,
        /// Its number in the group.
        index: u32,
        /// Who wrote it.
        miner: PublicKey,
        /// Credits given for it, thousandths.
        credits_milli: u64,
    },
    /// A task was sealed; grading begins.
    Sealed {
        /// The task.
        counter: u64,
    },
    /// Verdicts differed: all verifiers are asked.
    Disputed {
        /// The task.
        counter: u64,
    },
    /// Somebody did wrong.
    Fault {
        /// Who.
        accused: PublicKey,
        /// What.
        kind: FaultKind,
        /// For people.
        note: String,
    },
    /// A task got its outcome.
    Settled {
        /// The task.
        counter: u64,
        /// Name of the outcome.
        outcome: String,
    },
    /// A model's next tasks have another profile.
    ProfileMoved {
        /// What was decided, why, and on what evidence.
        #[serde(flatten)]
        step: Step,
        /// Pass rate in the evidence, thousandths.
        rate_milli: u64,
    },
    /// The epoch is being closed.
    Draining {
        /// Why.
        reason: String,
    },
    /// Every counter is settled.
    EpochClosed,
    /// The bundle is built and waits for signatures.
    BundleBuilt {
        /// Its name.
        name: String,
        /// Hash of its manifest.
        manifest: Hash,
        /// Pairs of the default config.
        pairs: u64,
    },
    /// The bundle could not be built.
    BundleFailed {
        /// Why.
        reason: String,
    },
    /// A verifier signed the bundle.
    CoSigned {
        /// Who.
        verifier: PublicKey,
    },
    /// A verifier would not sign.
    CoSignRefused {
        /// Who.
        verifier: PublicKey,
        /// What it found.
        reason: String,
    },
    /// Too few verifiers signed.
    NotSigned {
        /// Why.
        reason: String,
    },
    /// How far the epoch has come.
    Progress {
        /// The epoch.
        epoch: u64,
        /// Tasks issued.
        tasks: u64,
        /// Groups graded with a quorum.
        graded: u64,
        /// Pairs in them.
        pairs: u64,
        /// Of these groups, those with a pair.
        tasks_with_pairs: u64,
    },
    /// A bundle is published; said again at each start for the last one.
    BundlePublished {
        /// The epoch.
        epoch: u64,
        /// Its folder.
        path: PathBuf,
        /// Pairs of the default config.
        pairs: u64,
        /// Tasks with such a pair.
        tasks_with_pairs: u64,
    },
    /// The program to run on a bundle was started.
    TrainingStarted {
        /// The bundle.
        bundle: String,
    },
    /// It says how far it is.
    TrainingProgress {
        /// Steps done.
        step: u64,
        /// Steps in all; 0 where nobody knows.
        steps: u64,
    },
    /// It has ended; said again at each start for a bundle that it was done with.
    TrainingEnded {
        /// The bundle.
        bundle: String,
        /// Whether it ended well.
        ok: bool,
        /// How it ended, for people.
        detail: String,
    },
    /// The campaign cannot go on without its operator.
    CampaignFailed {
        /// Why.
        reason: String,
    },
    /// The coordinator ends: the campaign is over.
    Finished,
    /// The campaign is over, or goes on.
    CampaignFinished {
        /// Whether it is over.
        finished: bool,
    },
}

/// Where notices go.
pub type EventSink = Arc<dyn Fn(Notice) + Send + Sync>;

impl Notice {
    /// One JSON object.
    #[must_use]
    pub fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
    }

    /// The notice of a record, where it is worth one.
    #[must_use]
    pub fn of(record: &Record) -> Option<Self> {
        Some(match &record.event {
            Event::MinerJoined { request } => Self::MinerJoined { miner: request.sender },
            Event::VerifierJoined { request } => Self::VerifierJoined { verifier: request.sender },
            Event::EpochOpened { .. } => Self::EpochOpened,
            Event::BeaconFixed { .. } => Self::EpochStarted,
            Event::EpochVoided { reason } => Self::EpochVoided { reason: reason.clone() },
            Event::LeaseIssued { counter, miner, .. } => {
                Self::Leased { counter: *counter, miner: *miner }
            }
            Event::LeaseEnded { counter, how, .. } => {
                let how = match how {
                    EndOfLease::Expired => "expired",
                    EndOfLease::HandedBack => "handed_back",
                    EndOfLease::Lost => "lost",
                    EndOfLease::Cancelled => "cancelled",
                };
                Self::LeaseEnded { counter: *counter, how: how.into() }
            }
            Event::GroupCommitted { counter, request, .. } => {
                Self::Committed { counter: *counter, miner: request.sender }
            }
            Event::AttemptAccepted { counter, index, receipt, .. } => {
                let receipt: Receipt = codec::decode(&receipt.bytes, receipt.bytes.len()).ok()?;
                Self::Accepted {
                    counter: *counter,
                    index: *index,
                    miner: receipt.miner,
                    credits_milli: receipt.credits_milli,
                }
            }
            Event::GroupSealed { counter, .. } => Self::Sealed { counter: *counter },
            Event::Disputed { counter, .. } => Self::Disputed { counter: *counter },
            Event::FaultFound { accused, kind, note, .. } => {
                Self::Fault { accused: *accused, kind: *kind, note: note.clone() }
            }
            Event::Settled { counter, outcome } => {
                Self::Settled { counter: *counter, outcome: outcome.name().into() }
            }
            Event::ProfileMoved { step } => {
                Self::ProfileMoved { step: *step, rate_milli: step.found.rate_milli() }
            }
            Event::DrainStarted { reason, .. } => Self::Draining { reason: reason.clone() },
            Event::EpochClosed { .. } => Self::EpochClosed,
            Event::BundleBuilt { bundle, .. } => Self::BundleBuilt {
                name: bundle.name.clone(),
                manifest: bundle.manifest,
                pairs: bundle.pairs,
            },
            Event::BundleFailed { reason } => Self::BundleFailed { reason: reason.clone() },
            Event::CoSigned { signature } => Self::CoSigned { verifier: signature.sender },
            Event::CoSignRefused { verifier, reason, .. } => {
                Self::CoSignRefused { verifier: *verifier, reason: reason.clone() }
            }
            Event::NotSigned { reason } => Self::NotSigned { reason: reason.clone() },
            Event::CampaignFinished(finished) => Self::CampaignFinished { finished: *finished },
            _ => return None,
        })
    }
}
