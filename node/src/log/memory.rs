//! The log in memory, for simulations: "durable" as long as the value lives.

use std::{collections::HashMap, ops::Range};

use lode_proto::id::Hash;

use super::{Batch, DurableLog, LogError, Replay, Snapshot, check_trim};

/// A log without a disk.
#[derive(Debug, Clone, Default)]
pub struct MemoryLog {
    records: Vec<Vec<u8>>,
    first: u64,
    blobs: HashMap<Hash, Vec<u8>>,
    snapshot: Option<Snapshot>,
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl DurableLog for MemoryLog {
    fn append(&mut self, batch: &Batch) -> Result<Range<u64>, LogError> {
        batch.check()?;
        let start = self.len();
        self.records.extend(batch.records.iter().cloned());
        self.blobs.extend(batch.blobs.iter().cloned());
        Ok(start..self.len())
    }

    fn replay(&self, from: u64) -> Replay<'_> {
        let skip = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let start = from.max(self.first);
        Box::new((start..).zip(self.records.iter().skip(skip).cloned()).map(Ok))
    }

    fn get_blob(&self, hash: &Hash) -> Result<Option<Vec<u8>>, LogError> {
        Ok(self.blobs.get(hash).cloned())
    }

    fn len(&self) -> u64 {
        self.first + self.records.len() as u64
    }

    fn first(&self) -> u64 {
        self.first
    }

    fn snapshot(&mut self, state: &[u8]) -> Result<(), LogError> {
        self.snapshot = Some(Snapshot { next: self.len(), state: state.to_vec() });
        Ok(())
    }

    fn last_snapshot(&self) -> Result<Option<Snapshot>, LogError> {
        Ok(self.snapshot.clone())
    }

    fn trim(&mut self, before: u64, blobs: &[Hash]) -> Result<(), LogError> {
        check_trim(before, self.snapshot.as_ref())?;
        if before > self.first {
            let gone = usize::try_from(before - self.first).unwrap_or(usize::MAX);
            self.records.drain(..gone.min(self.records.len()));
            self.first = before;
        }
        for hash in blobs {
            self.blobs.remove(hash);
        }
        Ok(())
    }
}
