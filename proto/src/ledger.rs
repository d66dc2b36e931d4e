//! The ledger: an append-only chain of what the coordinator did. A head names all before it.

use serde::{Deserialize, Serialize};

use crate::{
    adapt::Step,
    codec::{CodecError, encode},
    epoch::Outcome,
    id::{Hash, TaskId},
};

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LedgerEntry {
    /// An epoch was opened: hash of its signed [`crate::epoch::EpochOpen`] envelope.
    EpochOpened {
        /// Number of the epoch.
        epoch: u64,
        /// [`crate::envelope::Envelope::hash`].
        envelope: Hash,
    },
    /// Its beacon was fixed: hash of the signed [`crate::epoch::BeaconFixed`] envelope.
    BeaconFixed {
        /// Number of the epoch.
        epoch: u64,
        /// [`crate::envelope::Envelope::hash`].
        envelope: Hash,
    },
    /// A counter got its outcome.
    Sealed {
        /// Number of the epoch.
        epoch: u64,
        /// The counter.
        counter: u64,
        /// The task; `None` where there was none.
        task: Option<TaskId>,
        /// What became of it.
        outcome: Outcome,
    },
    /// An epoch was closed with its counters `0..count` all settled, and its secret revealed.
    EpochClosed {
        /// Number of the epoch.
        epoch: u64,
        /// How many counters.
        count: u64,
        /// The secret.
        secret: Hash,
    },
    /// A policy was moved to another profile: what [`crate::adapt`] gives for the entries before.
    Moved {
        /// Number of the epoch.
        epoch: u64,
        /// What was decided, and on what.
        step: Step,
    },
}

/// The head after appending `entry` to the chain that ends in `head` (zero at the beginning).
///
/// # Errors
/// Only where the entry is beyond the codec's limit.
pub fn append(head: &Hash, entry: &LedgerEntry) -> Result<Hash, CodecError> {
    Ok(Hash::derive_parts("lode/1/ledger", &[head.as_bytes(), &encode(entry)?]))
}
