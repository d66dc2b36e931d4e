//! The durable log: what a daemon has acknowledged, in order, across any crash.
//!
//! ```text
//! Batch { records, blobs } ─ append ─► written ─► synced ─► acknowledged
//! start: last_snapshot() ─► replay(snapshot.next) ─► state as it was
//! ```
//!
//! A batch is kept whole or not at all, and [`DurableLog::append`] returns only once the disk has
//! it. What was being written when the machine stopped is dropped at the next open, with a
//! message; damage to anything that was acknowledged is an error that says what to do, never a
//! shorter log.
//!
//! [`SledLog`] is the one daemons use, [`MemoryLog`] the one simulations use, and [`FaultLog`]
//! wraps either to lose, in tests, what was not synced.

mod fault;
mod memory;
mod record;
mod sled_log;
mod snapshot;

use std::{ops::Range, path::PathBuf};

pub use fault::{Fault, FaultLog, FaultPoint, Faults};
use lode_proto::{id::Hash, limits::MAX_LOG_RECORD_BYTES};
pub use memory::MemoryLog;
pub use sled_log::SledLog;

use crate::{files::FileError, lock::LockError};

/// What is made durable together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Records, appended in this order.
    pub records: Vec<Vec<u8>>,
    /// Large values by a hash of the caller's choosing; putting one again replaces it.
    pub blobs: Vec<(Hash, Vec<u8>)>,
}

impl Batch {
    /// One record.
    #[must_use]
    pub fn record(record: Vec<u8>) -> Self {
        Self { records: vec![record], blobs: Vec::new() }
    }

    /// Adds a blob.
    #[must_use]
    pub fn with_blob(mut self, hash: Hash, bytes: Vec<u8>) -> Self {
        self.blobs.push((hash, bytes));
        self
    }

    /// Bytes of all records and blobs.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.records.iter().map(Vec::len).sum::<usize>()
            + self.blobs.iter().map(|(_, bytes)| bytes.len()).sum::<usize>()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.blobs.is_empty()
    }

    fn check(&self) -> Result<(), LogError> {
        let sizes = self.records.iter().map(Vec::len);
        for got in sizes.chain(self.blobs.iter().map(|(_, bytes)| bytes.len())) {
            if got > MAX_LOG_RECORD_BYTES {
                return Err(LogError::TooLarge { got, limit: MAX_LOG_RECORD_BYTES });
            }
        }
        Ok(())
    }
}

/// A state that stands for all records before `next`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Index of the first record that is not in it.
    pub next: u64,
    /// The state, in the daemon's own encoding.
    pub state: Vec<u8>,
}

/// What went wrong with a log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Another process has the folder.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The disk is full, or a quota or file size limit was reached.
    #[error("no room for the log: {0}")]
    NoRoom(FileError),
    /// The folder cannot be written.
    #[error("the log cannot be written: {0}")]
    ReadOnly(FileError),
    /// Any other error of the file system.
    #[error(transparent)]
    File(FileError),
    /// Something that was acknowledged is not there as it was.
    #[error(
        "the log in {path} is damaged: {what}. Nothing that was acknowledged was removed. Restore \
         the folder from a copy, or move it away and start with an empty one, without what it held"
    )]
    Corrupt {
        /// The log's folder.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// A record or blob over the limit; nothing was written.
    #[error("a record of {got} bytes; the log takes at most {limit}")]
    TooLarge {
        /// Its size, bytes.
        got: usize,
        /// The limit, bytes.
        limit: usize,
    },
    /// A request that cannot be met, such as trimming beyond the last snapshot.
    #[error("{0}")]
    Misuse(String),
    /// A write failed before: what is on disk is only known after a restart.
    #[error("the log stopped after an error ({0}); mend the cause and start the daemon again")]
    Stopped(String),
    /// A test's fault was reached: this process counts as dead.
    #[error("simulated kill at {0:?}")]
    Killed(FaultPoint),
    /// The storage engine failed in a way of its own.
    #[error("the log's storage engine failed: {0}")]
    Engine(String),
}

impl From<FileError> for LogError {
    fn from(error: FileError) -> Self {
        use std::io::ErrorKind::{
            FileTooLarge, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
        };
        match error.kind {
            StorageFull | QuotaExceeded | FileTooLarge => Self::NoRoom(error),
            ReadOnlyFilesystem | PermissionDenied => Self::ReadOnly(error),
            _ => Self::File(error),
        }
    }
}

/// Records in their order, as [`DurableLog::replay`] gives them.
pub type Replay<'a> = Box<dyn Iterator<Item = Result<(u64, Vec<u8>), LogError>> + 'a>;

/// An append-only log with blobs and snapshots. One writer.
pub trait DurableLog: Send {
    /// Appends a batch and returns, once it is durable, the indexes its records got.
    ///
    /// # Errors
    /// [`LogError::TooLarge`] leaves the log as it was. After any other error it takes nothing
    /// more ([`LogError::Stopped`]), and whether the batch was kept shows at the next open.
    fn append(&mut self, batch: &Batch) -> Result<Range<u64>, LogError>;

    /// Records from index `from` on. The first error ends it.
    fn replay(&self, from: u64) -> Replay<'_>;

    /// A blob.
    ///
    /// # Errors
    /// [`LogError::Corrupt`] where it is there but not as it was put.
    fn get_blob(&self, hash: &Hash) -> Result<Option<Vec<u8>>, LogError>;

    /// Index that the next record will get: how many were ever appended.
    fn len(&self) -> u64;

    /// Whether nothing was ever appended.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Index of the oldest record kept.
    fn first(&self) -> u64;

    /// Keeps a state that stands for all records so far, durably.
    ///
    /// # Errors
    /// Where it is not durable afterwards; the snapshot before it still is.
    fn snapshot(&mut self, state: &[u8]) -> Result<(), LogError>;

    /// The newest snapshot.
    ///
    /// # Errors
    /// Where there is one but none can be read.
    fn last_snapshot(&self) -> Result<Option<Snapshot>, LogError>;

    /// Forgets records before `before`, which a snapshot must stand for, and these blobs.
    ///
    /// # Errors
    /// [`LogError::Misuse`] where no snapshot covers the records.
    fn trim(&mut self, before: u64, blobs: &[Hash]) -> Result<(), LogError>;
}

fn check_trim(before: u64, snapshot: Option<&Snapshot>) -> Result<(), LogError> {
    let covered = snapshot.map_or(0, |snapshot| snapshot.next);
    if before > covered {
        return Err(LogError::Misuse(format!(
            "records before {before} cannot be forgotten: the last snapshot covers {covered}"
        )));
    }
    Ok(())
}
