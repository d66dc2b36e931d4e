//! A log that dies or fails where a test says so, and loses what was not synced then.

use std::{
    io,
    ops::Range,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use lode_proto::id::Hash;

use super::{Batch, DurableLog, LogError, Replay, Snapshot};
use crate::files::FileError;

/// Where in an append a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultPoint {
    /// Nothing of the batch was written.
    BeforeWrite,
    /// The batch was handed to the system but not synced: it is lost, as in a power cut.
    BeforeSync,
    /// The batch is durable, but its acknowledgement never went out.
    AfterSync,
}

impl FaultPoint {
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::BeforeWrite, Self::BeforeSync, Self::AfterSync];
}

/// What happens there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process dies: this call and all later ones give [`LogError::Killed`].
    Kill,
    /// The system gives this error, for example [`io::ErrorKind::StorageFull`]; the log stops.
    Fail(io::ErrorKind),
}

#[derive(Debug)]
struct Armed {
    point: FaultPoint,
    skip: u64,
    fault: Fault,
}

/// The faults to come, shared between a test and its log.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Vec<Armed>>>);

impl Faults {
    /// Lets a fault strike at `point` of the append after the next `skip` ones.
    pub fn arm(&self, point: FaultPoint, skip: u64, fault: Fault) {
        let mut armed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        armed.push(Armed { point, skip, fault });
    }

    fn strike(&self, point: FaultPoint) -> Option<Fault> {
        let mut armed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut struck = None;
        armed.retain_mut(|item| {
            if item.point != point || struck.is_some() {
                return true;
            }
            if item.skip > 0 {
                item.skip -= 1;
                return true;
            }
            struck = Some(item.fault);
            false
        });
        struck
    }
}

#[derive(Debug, Clone, Copy)]
enum Condition {
    Alive,
    Dead(FaultPoint),
    Stopped(io::ErrorKind),
}

/// Any log, with faults. After a kill, [`FaultLog::into_inner`] gives what a restart would find.
#[derive(Debug)]
pub struct FaultLog<L> {
    inner: L,
    faults: Faults,
    condition: Condition,
}

impl<L: DurableLog> FaultLog<L> {
    /// Wraps a log.
    pub fn new(inner: L, faults: Faults) -> Self {
        Self { inner, faults, condition: Condition::Alive }
    }

    /// What is durable.
    pub fn into_inner(self) -> L {
        self.inner
    }

    fn alive(&self) -> Result<(), LogError> {
        match self.condition {
            Condition::Alive => Ok(()),
            Condition::Dead(point) => Err(LogError::Killed(point)),
            Condition::Stopped(kind) => Err(LogError::Stopped(kind.to_string())),
        }
    }

    fn pass(&mut self, point: FaultPoint) -> Result<(), LogError> {
        match self.faults.strike(point) {
            None => Ok(()),
            Some(Fault::Kill) => {
                self.condition = Condition::Dead(point);
                Err(LogError::Killed(point))
            }
            Some(Fault::Fail(kind)) => {
                self.condition = Condition::Stopped(kind);
                Err(FileError::new("write", Path::new("(fault)"), &kind.into()).into())
            }
        }
    }
}

impl<L: DurableLog> DurableLog for FaultLog<L> {
    fn append(&mut self, batch: &Batch) -> Result<Range<u64>, LogError> {
        self.alive()?;
        batch.check()?;
        self.pass(FaultPoint::BeforeWrite)?;
        self.pass(FaultPoint::BeforeSync)?;
        let range = self.inner.append(batch)?;
        self.pass(FaultPoint::AfterSync)?;
        Ok(range)
    }

    fn replay(&self, from: u64) -> Replay<'_> {
        match self.alive() {
            Ok(()) => self.inner.replay(from),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    }

    fn get_blob(&self, hash: &Hash) -> Result<Option<Vec<u8>>, LogError> {
        self.alive()?;
        self.inner.get_blob(hash)
    }

    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn first(&self) -> u64 {
        self.inner.first()
    }

    fn snapshot(&mut self, state: &[u8]) -> Result<(), LogError> {
        self.alive()?;
        self.inner.snapshot(state)
    }

    fn last_snapshot(&self) -> Result<Option<Snapshot>, LogError> {
        self.alive()?;
        self.inner.last_snapshot()
    }

    fn trim(&mut self, before: u64, blobs: &[Hash]) -> Result<(), LogError> {
        self.alive()?;
        self.inner.trim(before, blobs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::MemoryLog;

    fn records(log: &impl DurableLog) -> Vec<Vec<u8>> {
        log.replay(0).map(|item| item.expect("readable").1).collect()
    }

    #[test]
    fn a_kill_keeps_what_was_synced_and_nothing_else() {
        for (point, kept) in
            [(FaultPoint::BeforeWrite, 1), (FaultPoint::BeforeSync, 1), (FaultPoint::AfterSync, 2)]
        {
            let faults = Faults::default();
            faults.arm(point, 1, Fault::Kill);
            let mut log = FaultLog::new(MemoryLog::new(), faults);
            let batch = Batch::record(b"x".to_vec());
            assert_eq!(log.append(&batch).expect("alive"), 0..1);
            assert!(matches!(log.append(&batch), Err(LogError::Killed(at)) if at == point));
            assert!(matches!(log.append(&batch), Err(LogError::Killed(_))), "the dead stay dead");
            assert!(log.replay(0).next().expect("one").is_err());
            assert_eq!(records(&log.into_inner()).len(), kept);
        }
    }

    #[test]
    fn a_failure_stops_the_log_with_its_reason() {
        let faults = Faults::default();
        faults.arm(FaultPoint::BeforeSync, 0, Fault::Fail(io::ErrorKind::StorageFull));
        let mut log = FaultLog::new(MemoryLog::new(), faults);
        let batch = Batch::record(b"x".to_vec());
        assert!(matches!(log.append(&batch), Err(LogError::NoRoom(_))));
        assert!(matches!(log.append(&batch), Err(LogError::Stopped(_))));
    }
}
