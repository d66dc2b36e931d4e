//! The queue, its durable log and the receipts file as one: a record is applied once it is on disk.
//!
//! ```text
//! append: log (synced) ─► queue ─► receipts file (if the record is kept for ever)
//! now and then: receipts file synced ─► snapshot of the queue ─► log trimmed
//! open:   snapshot ─► records after it ─► queue; what the file lacks of it is appended to it
//! ```
//!
//! The log forgets only what a snapshot stands for and what the synced receipts file holds, in this
//! order, so a kill between any two steps leaves too much, never too little: records that the snapshot
//! stands for are not replayed, and entries that the file has are not appended again
//! ([`crate::receipts`]).

use std::path::{Path, PathBuf};

use lode_node::{
    killpoint,
    log::{Batch, DurableLog, LogError, SledLog},
};
use lode_proto::{codec, id::NetworkId, limits::MAX_ENCODED_BYTES};

use crate::{
    queue::{Queue, Record},
    receipts::{FILE_NAME, file::ReceiptsFile},
};

/// Records after which the log forgets what is over.
const COMPACT_RECORDS: u64 = 1_024;
/// Bytes of records after which the log forgets what is over.
const COMPACT_BYTES: u64 = 8 * 1024 * 1024;

/// Where the queue of a network lies in a miner's data folder.
pub(crate) fn folder(data: &Path, network: NetworkId) -> PathBuf {
    data.join("networks").join(network.to_string()).join("queue")
}

/// The queue with its log.
pub(crate) struct Store {
    folder: PathBuf,
    log: SledLog,
    file: ReceiptsFile,
    queue: Queue,
    /// Records and bytes of them that the last snapshot does not stand for.
    since: (u64, u64),
}

fn unreadable(folder: &Path, what: String) -> LogError {
    LogError::Corrupt { path: folder.to_owned(), what }
}

impl Store {
    /// Opens the log in `folder` and rebuilds the queue from it.
    pub(crate) fn open(folder: &Path) -> Result<Self, LogError> {
        let log = SledLog::open(folder)?;
        let (mut queue, next) = match log.last_snapshot()? {
            Some(snapshot) => {
                let queue = Queue::from_snapshot(&snapshot.state).map_err(|what| {
                    unreadable(folder, format!("its snapshot cannot be used: {what}"))
                })?;
                (queue, snapshot.next)
            }
            None if log.first() > 0 => {
                let what = format!("records before {} are in no snapshot", log.first());
                return Err(unreadable(folder, what));
            }
            None => (Queue::default(), 0),
        };
        // Entries up to here are nowhere else; later ones can be written again.
        let mut file = ReceiptsFile::open(&folder.join(FILE_NAME), queue.kept())?;
        let mut since = (0, 0);
        for entry in log.replay(next) {
            let (index, bytes) = entry?;
            let record: Record = codec::decode(&bytes, MAX_ENCODED_BYTES).map_err(|error| {
                unreadable(folder, format!("record {index} cannot be read: {error}"))
            })?;
            since = (since.0 + 1, since.1 + bytes.len() as u64);
            if let Some(kept) = queue.apply(&record)
                && queue.kept() > file.entries()
            {
                file.append(&kept)?;
            }
        }
        if file.entries() > queue.kept() {
            let what = format!(
                "its receipts file has {} entries, but the log knows of {} only, so it is older",
                file.entries(),
                queue.kept()
            );
            return Err(unreadable(folder, what));
        }
        Ok(Self { folder: folder.to_owned(), log, file, queue, since })
    }

    /// Makes a record durable, then applies it. Blocks for the disk's sync.
    pub(crate) fn append(&mut self, record: &Record) -> Result<(), LogError> {
        let bytes = codec::encode(record).map_err(|error| LogError::Misuse(error.to_string()))?;
        let size = bytes.len() as u64;
        self.log.append(&Batch::record(bytes))?;
        self.since = (self.since.0 + 1, self.since.1 + size);
        if let Some(kept) = self.queue.apply(record) {
            killpoint::reach("miner:receipt-logged");
            self.file.append(&kept)?;
        }
        if self.since.0 >= COMPACT_RECORDS || self.since.1 >= COMPACT_BYTES {
            self.compact()?;
        }
        Ok(())
    }

    /// Lets the log forget the texts of what is delivered or dropped.
    pub(crate) fn compact(&mut self) -> Result<(), LogError> {
        let state = self
            .queue
            .to_snapshot()
            .map_err(|error| LogError::Misuse(format!("the queue has no snapshot: {error}")))?;
        self.file.sync()?;
        killpoint::reach("miner:receipts-synced");
        self.log.snapshot(&state)?;
        killpoint::reach("miner:snapshot");
        self.log.trim(self.log.len(), &[])?;
        killpoint::reach("miner:compacted");
        self.since = (0, 0);
        tracing::debug!(folder = %self.folder.display(), "the log forgot what is over");
        Ok(())
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }
}

#[cfg(test)]
mod tests;
