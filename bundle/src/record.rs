//! What an epoch left behind: the one input from which a bundle is written and, once it has been
//! read back from `evidence/`, audited.
//!
//! The coordinator assembles an [`EpochRecord`] from its log when the epoch closes. It holds signed
//! envelopes as they were received, never a copy of what they say: tasks, grades, credits and pairs
//! are derived from them, by the writer and again by every auditor.
//!
//! ```text
//! log ─► EpochRecord ─► write ─► bundle folder ─► audit reads the EpochRecord back ─► same pairs?
//! ```

use std::collections::BTreeMap;

use lode_proto::{
    envelope::Envelope,
    id::{Hash, LeaseId, PolicyId},
    key::PublicKey,
    ledger::LedgerEntry,
    manifest::CounterRecord,
};
use serde::{Deserialize, Serialize};

/// An attempt that was accepted, with the coordinator's word for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// The miner's envelope of `MineRequest::Submit`, as received.
    pub submit: Envelope,
    /// The coordinator's envelope of `Receipt` for it.
    pub receipt: Envelope,
}

/// A verifier's verdict on a group: committed, then revealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictRecord {
    /// The verifier's envelope of `VerdictCommit`.
    pub commit: Envelope,
    /// The verifier's envelope of `VerdictReveal`; `None` where it never came.
    pub reveal: Option<Envelope>,
}

/// A group of attempts that a miner committed to, or a revision session.
///
/// A record holds every group under which at least one attempt was accepted, also those of leases
/// that were given out anew afterwards; otherwise the miner's chain of receipts would have a hole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRecord {
    /// The task's counter in the epoch.
    pub counter: u64,
    /// Number of the lease in its task, from 0. With counter and miner it gives the lease's id and
    /// the attempts' seeds.
    pub lease_number: u32,
    /// Who held the lease; signs `commit` and every submit.
    pub miner: PublicKey,
    /// What produced every attempt; one of [`EpochRecord::joins`] of this miner carries its card.
    pub policy: PolicyId,
    /// The miner's envelope of `MineRequest::Commit`.
    pub commit: Envelope,
    /// Of a revision session: the miner's envelopes of `MineRequest::CommitTurn`, from turn 1 on.
    pub turns: Vec<Envelope>,
    /// Of a revision session: the coordinator's envelopes of `Feedback`, from turn 0 on.
    pub feedback: Vec<Envelope>,
    /// What was uploaded, in order of the attempts' numbers. All of the group where the outcome is
    /// `Graded`.
    pub attempts: Vec<AttemptRecord>,
    /// The coordinator's own grade: its envelope of `VerdictReveal`, under the job's id
    /// (`lode_proto::seed::job_id`). `None` where the group was never graded.
    pub own: Option<Envelope>,
    /// What verifiers found, in order of their keys. At least the network's quorum of them revealed
    /// and equal to `own` where the outcome is `Graded`.
    pub verdicts: Vec<VerdictRecord>,
}

/// What somebody did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// A revealed verdict that is not what the rules give.
    WrongVerdict,
    /// A verdict that was committed to and not revealed in time.
    VerdictWithheld,
    /// A reveal that does not open its commitment.
    BadReveal,
    /// A beacon nonce that was committed to and not revealed in time.
    NonceWithheld,
    /// Two different signed messages where there may be one.
    Equivocation,
    /// A group was committed to and not uploaded.
    UploadWithheld,
}

/// A fault with the envelopes that show it. A wrong signature proves its signer wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// Who is said to be at fault.
    pub accused: PublicKey,
    /// Of what.
    pub kind: FaultKind,
    /// The lease it is about, if any.
    pub lease: Option<LeaseId>,
    /// What was signed; at least one of the accused, except for what was withheld.
    pub evidence: Vec<Envelope>,
    /// For people: what was found and what was expected.
    pub note: String,
}

/// Everything needed to write and to audit the bundle of one epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The network's genesis.
    pub genesis: Envelope,
    /// Number of the epoch, from 1.
    pub epoch: u64,
    /// The coordinator's envelope of `EpochOpen`.
    pub open: Envelope,
    /// Verifiers' envelopes of `VerifyRequest::Join`, in order of admission: one for each verifier
    /// of the epoch.
    pub verifier_joins: Vec<Envelope>,
    /// Verifiers' envelopes of `BeaconCommit`, in order of key.
    pub beacon_commits: Vec<Envelope>,
    /// Verifiers' envelopes of `BeaconReveal`, in order of key.
    pub beacon_reveals: Vec<Envelope>,
    /// The coordinator's envelope of `BeaconFixed`.
    pub beacon_fixed: Envelope,
    /// The secret, revealed.
    pub secret: Hash,
    /// Every counter `0..N` in order, with its outcome.
    pub counters: Vec<CounterRecord>,
    /// Miners' envelopes of `MineRequest::Join`, one for each miner and policy of a group, in order
    /// of key and sequence.
    pub joins: Vec<Envelope>,
    /// Groups, in order of counter, then of lease number.
    pub groups: Vec<GroupRecord>,
    /// The epoch's part of the ledger: `EpochOpened`, `BeaconFixed`, one `Sealed` for each counter
    /// in the order in which they were settled, `EpochClosed`.
    pub ledger: Vec<LedgerEntry>,
    /// What went wrong.
    pub faults: Vec<FaultRecord>,
    /// Content of the domain file that the epoch's template names, and of its inputs, by plain
    /// BLAKE3 of the content.
    pub blobs: BTreeMap<Hash, Vec<u8>>,
    /// Fingerprints of pairs in the network's earlier bundles, sorted
    /// ([`crate::pairs::fingerprint`]); a pair with one of them is not published again. May be empty.
    pub earlier: Vec<Hash>,
    /// SPDX licence under which the operator publishes the bundle's own content.
    pub licence: String,
}
