//! What the miner was given for its work: the signed receipts, kept for ever and recounted offline.
//!
//! ```text
//! durable log ─ Joined, Receipted ─► queue.rs ─ Kept ─► file.rs  (receipts, beside the log, append only)
//!                                                         │
//!         lode miner receipts (beside a running miner) ◄──┴─► recount.rs (pure)
//! ```
//!
//! sled locks its folder, so what a second process may read is a file of its own. **The log is the
//! truth and the file follows it**: a record is synced in the log first, and then appended to the
//! file, which is synced only before the log forgets anything ([`crate::store`]). So a kill between
//! the two leaves a file that is some entries short, or ends within one, never one that says more
//! than the log; the next start cuts off the torn end and appends from the log what is missing. An
//! old log without this file gets it in the same way. Until that start, `lode miner receipts` sees
//! the entries up to the kill, which are a whole chain, only shorter.

pub mod file;
mod problem;
pub mod recount;

use std::path::{Path, PathBuf};

use lode_node::log::LogError;
use lode_proto::{
    envelope::Envelope,
    id::{AttemptId, LeaseId, PolicyId},
    key::PublicKey,
    policy::PolicyCard,
};
use serde::{Deserialize, Serialize};

use file::Extent;
pub use problem::{Problem, Wrong};
use recount::Counter;
pub use recount::{Anchor, Recount, Sum};

/// Name of the receipts file in the folder of a queue.
pub const FILE_NAME: &str = "receipts";
/// Folders below a data folder in which queues are looked for.
const DEPTH: usize = 4;
/// Most queues that one data folder is expected to have.
const MAX_QUEUES: usize = 64;

/// An entry of the receipts file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kept {
    /// The network was joined, for the first time or with another policy.
    Joined(Box<Joined>),
    /// A receipt came.
    Receipt(Box<KeptReceipt>),
}

/// By what and as what the miner joined: what a later recount trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// The network's genesis as the coordinator signed it.
    pub genesis: Envelope,
    /// The miner's key.
    pub miner: PublicKey,
    /// The policy.
    pub policy: PolicyId,
    /// Its card.
    pub card: PolicyCard,
}

/// A receipt with what the miner itself knows of the attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptReceipt {
    /// The lease of the attempt.
    pub lease: LeaseId,
    /// Number of the attempt in its group.
    pub attempt_index: u32,
    /// The attempt as the miner made it.
    pub attempt: AttemptId,
    /// What produced it.
    pub policy: PolicyId,
    /// Tokens that the miner claimed.
    pub claimed_tokens: u32,
    /// Bytes of the completion.
    pub completion_bytes: u32,
    /// Most tokens that the lease allowed.
    pub allowed_tokens: u32,
    /// The coordinator's envelope, as it came.
    pub receipt: Envelope,
}

/// Counts a receipts file; `None` where nothing says whose signatures count. Reads it twice, first for
/// what the miner joined by.
///
/// # Errors
/// Where the file cannot be read, or is none of ours.
pub fn recount_file(path: &Path, anchor: Anchor) -> Result<Option<(Extent, Recount)>, LogError> {
    let mut counter = Counter::new(anchor);
    file::read(path, |_, kept| counter.foresee(&kept))?;
    let mut lacks_key = false;
    let extent = file::read(path, |number, kept| {
        counter.add(number, &kept);
        lacks_key |= counter.lacks_key();
    })?;
    Ok((!lacks_key).then(|| (extent, counter.finish())))
}

/// Receipts files in or below a data folder: one for each network that the miner works for.
#[must_use]
pub fn find(data: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut level = vec![data.to_owned()];
    for _ in 0..=DEPTH {
        let mut below = Vec::new();
        for folder in level {
            let file = folder.join(FILE_NAME);
            if file.is_file() {
                found.push(file);
                continue;
            }
            let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            below.extend(entries.map(|entry| entry.path()).filter(|path| path.is_dir()));
        }
        below.truncate(MAX_QUEUES * DEPTH);
        level = below;
    }
    found.sort();
    found.truncate(MAX_QUEUES);
    found
}
