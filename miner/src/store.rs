//! The queue and its durable log as one: a record is applied once it is on disk.

use std::path::{Path, PathBuf};

use lode_node::log::{Batch, DurableLog, LogError, SledLog};
use lode_proto::{codec, id::NetworkId, limits::MAX_ENCODED_BYTES};

use crate::queue::{Queue, Record};

/// Where the queue of a network lies in a miner's data folder.
pub(crate) fn folder(data: &Path, network: NetworkId) -> PathBuf {
    data.join("networks").join(network.to_string()).join("queue")
}

/// The queue with its log.
pub(crate) struct Store {
    log: SledLog,
    queue: Queue,
}

impl Store {
    /// Opens the log in `folder` and rebuilds the queue from it.
    pub(crate) fn open(folder: &Path) -> Result<Self, LogError> {
        let log = SledLog::open(folder)?;
        let mut queue = Queue::default();
        for entry in log.replay(log.first()) {
            let (index, bytes) = entry?;
            let record: Record =
                codec::decode(&bytes, MAX_ENCODED_BYTES).map_err(|error| LogError::Corrupt {
                    path: folder.to_owned(),
                    what: format!("record {index} cannot be read: {error}"),
                })?;
            queue.apply(&record);
        }
        Ok(Self { log, queue })
    }

    /// Makes a record durable, then applies it. Blocks for the disk's sync.
    pub(crate) fn append(&mut self, record: &Record) -> Result<(), LogError> {
        let bytes = codec::encode(record).map_err(|error| LogError::Misuse(error.to_string()))?;
        self.log.append(&Batch::record(bytes))?;
        self.queue.apply(record);
        Ok(())
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }
}
