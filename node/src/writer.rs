//! One writer for the log, many who wait: what waits is written together, synced once, and then
//! all of it is acknowledged.
//!
//! ```text
//! enqueue ─► queue (bounded, in order) ─► writer thread: gather ─ append ─ sync ─► every Pending
//! ```
//!
//! The order of the queue is the order of the log: a daemon whose state machine made events in an
//! order enqueues them in that order and may go on before they are durable, as long as nobody
//! outside is told before its [`Pending`] says so. The thread is one of its own because syncing
//! blocks.

use std::{ops::Range, sync::Arc, thread};

use lode_proto::limits::{LOG_QUEUE, MAX_LOG_BATCH_BYTES, MAX_LOG_BATCH_RECORDS};
use tokio::sync::{mpsc, oneshot};

use crate::log::{Batch, DurableLog, LogError};

/// Why something was not written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriterError {
    /// The log said no; everything that waited with it got the same answer.
    #[error(transparent)]
    Log(#[from] Arc<LogError>),
    /// The writer is gone.
    #[error("the log's writer has stopped")]
    Closed,
}

type Done = oneshot::Sender<Result<Range<u64>, WriterError>>;
type Work = Box<dyn FnOnce(&mut dyn DurableLog) + Send>;

enum Job {
    Append { batch: Batch, done: Done },
    Work(Work),
}

/// An append on its way. Dropping it does not undo the append.
#[derive(Debug)]
pub struct Pending(oneshot::Receiver<Result<Range<u64>, WriterError>>);

impl Pending {
    /// Waits until it is durable, and says which indexes its records got.
    ///
    /// # Errors
    /// Where it is not known to be durable.
    pub async fn durable(self) -> Result<Range<u64>, WriterError> {
        self.0.await.map_err(|_| WriterError::Closed)?
    }
}

/// The front of the writer thread; clones share it. The thread ends, after all that was enqueued,
/// when the last one is dropped.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Job>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Writer({} waiting)", self.queue.max_capacity() - self.queue.capacity())
    }
}

/// The writer thread, to wait for.
#[derive(Debug)]
pub struct WriterThread<L>(thread::JoinHandle<L>);

impl<L> WriterThread<L> {
    /// Waits, once all [`Writer`]s are dropped, until everything is written; gives the log back.
    ///
    /// # Errors
    /// [`WriterError::Closed`] where the thread died.
    pub async fn finished(self) -> Result<L, WriterError>
    where
        L: Send + 'static,
    {
        tokio::task::spawn_blocking(|| self.0.join())
            .await
            .ok()
            .and_then(Result::ok)
            .ok_or(WriterError::Closed)
    }
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`WriterError::Closed`] where the system gives no thread.
    pub fn start<L>(log: L) -> Result<(Self, WriterThread<L>), WriterError>
    where
        L: DurableLog + 'static,
    {
        let (queue, jobs) = mpsc::channel(LOG_QUEUE);
        let thread = thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || run(log, jobs))
            .map_err(|error| {
                tracing::error!(%error, "no thread for the log's writer");
                WriterError::Closed
            })?;
        Ok((Self { queue }, WriterThread(thread)))
    }

    /// Takes a batch into the queue, waiting for room in it. Batches are written in the order in
    /// which these calls return.
    ///
    /// # Errors
    /// [`WriterError::Closed`] where the thread died.
    pub async fn enqueue(&self, batch: Batch) -> Result<Pending, WriterError> {
        let (done, pending) = oneshot::channel();
        self.queue.send(Job::Append { batch, done }).await.map_err(|_| WriterError::Closed)?;
        Ok(Pending(pending))
    }

    /// Writes a batch and waits until it is durable.
    ///
    /// # Errors
    /// Where it is not known to be durable.
    pub async fn append(&self, batch: Batch) -> Result<Range<u64>, WriterError> {
        self.enqueue(batch).await?.durable().await
    }

    /// Does something with the log between two writes: reads a blob, keeps a snapshot, trims.
    ///
    /// # Errors
    /// [`WriterError::Closed`] where the thread died.
    pub async fn with_log<T, F>(&self, work: F) -> Result<T, WriterError>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn DurableLog) -> T + Send + 'static,
    {
        let (done, result) = oneshot::channel();
        let work: Work = Box::new(move |log| {
            let _ = done.send(work(log));
        });
        self.queue.send(Job::Work(work)).await.map_err(|_| WriterError::Closed)?;
        result.await.map_err(|_| WriterError::Closed)
    }
}

fn run<L: DurableLog>(mut log: L, mut jobs: mpsc::Receiver<Job>) -> L {
    let mut held = None;
    while let Some(job) = held.take().or_else(|| jobs.blocking_recv()) {
        match job {
            Job::Work(work) => work(&mut log),
            Job::Append { batch, done } => {
                let mut group = Group::of(batch, done);
                while let Ok(next) = jobs.try_recv() {
                    if let Some(job) = group.take(next) {
                        held = Some(job);
                        break;
                    }
                }
                group.write(&mut log);
            }
        }
    }
    log
}

/// Batches written as one.
struct Group {
    batch: Batch,
    bytes: usize,
    waiting: Vec<(usize, Done)>,
}

impl Group {
    fn of(batch: Batch, done: Done) -> Self {
        let waiting = vec![(batch.records.len(), done)];
        Self { bytes: batch.bytes(), batch, waiting }
    }

    /// Adds a job, or gives it back where it does not fit.
    fn take(&mut self, job: Job) -> Option<Job> {
        match job {
            Job::Append { batch, done }
                if self.batch.records.len() + batch.records.len() <= MAX_LOG_BATCH_RECORDS
                    && self.bytes + batch.bytes() <= MAX_LOG_BATCH_BYTES =>
            {
                self.bytes += batch.bytes();
                self.waiting.push((batch.records.len(), done));
                self.batch.records.extend(batch.records);
                self.batch.blobs.extend(batch.blobs);
                None
            }
            job => Some(job),
        }
    }

    fn write(self, log: &mut dyn DurableLog) {
        match log.append(&self.batch) {
            Ok(range) => {
                let mut start = range.start;
                for (records, done) in self.waiting {
                    let end = start + records as u64;
                    let _ = done.send(Ok(start..end));
                    start = end;
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                for (_, done) in self.waiting {
                    let _ = done.send(Err(WriterError::Log(Arc::clone(&error))));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Fault, FaultLog, FaultPoint, Faults, MemoryLog};

    /// Counts appends, to see that waiting ones are written together.
    #[derive(Debug)]
    struct Counting {
        inner: MemoryLog,
        appends: usize,
    }

    impl DurableLog for Counting {
        fn append(&mut self, batch: &Batch) -> Result<Range<u64>, LogError> {
            self.appends += 1;
            self.inner.append(batch)
        }
        fn replay(&self, from: u64) -> crate::log::Replay<'_> {
            self.inner.replay(from)
        }
        fn get_blob(&self, hash: &lode_proto::id::Hash) -> Result<Option<Vec<u8>>, LogError> {
            self.inner.get_blob(hash)
        }
        fn len(&self) -> u64 {
            self.inner.len()
        }
        fn first(&self) -> u64 {
            self.inner.first()
        }
        fn snapshot(&mut self, state: &[u8]) -> Result<(), LogError> {
            self.inner.snapshot(state)
        }
        fn last_snapshot(&self) -> Result<Option<crate::log::Snapshot>, LogError> {
            self.inner.last_snapshot()
        }
        fn trim(&mut self, before: u64, blobs: &[lode_proto::id::Hash]) -> Result<(), LogError> {
            self.inner.trim(before, blobs)
        }
    }

    #[tokio::test]
    async fn what_waits_is_written_together_in_order() {
        let log = Counting { inner: MemoryLog::new(), appends: 0 };
        let (writer, thread) = Writer::start(log).expect("started");
        // Hold the thread until everything is queued.
        let (go, gate) = std::sync::mpsc::channel::<()>();
        let (entered, inside) = oneshot::channel();
        let held = tokio::spawn({
            let writer = writer.clone();
            let work = move |_: &mut dyn DurableLog| {
                let _ = entered.send(());
                gate.recv().is_ok()
            };
            async move { writer.with_log(work).await }
        });
        inside.await.expect("the thread is held");
        let mut pending = Vec::new();
        for index in 0..300_u64 {
            let batch = Batch { records: vec![index.to_le_bytes().to_vec(); 2], blobs: vec![] };
            pending.push(writer.enqueue(batch).await.expect("queued"));
        }
        go.send(()).expect("waiting");
        assert!(held.await.expect("joined").expect("ran"));
        for (index, pending) in (0..).zip(pending) {
            assert_eq!(pending.durable().await.expect("durable"), 2 * index..2 * index + 2);
        }
        drop(writer);
        let log = thread.finished().await.expect("joined");
        assert_eq!(log.appends, 1, "600 records fit one sync");
        let records: Vec<u64> = log
            .replay(0)
            .map(|item| u64::from_le_bytes(item.expect("read").1.try_into().expect("eight")))
            .collect();
        assert_eq!(records, (0..600).map(|i| i / 2).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_failed_sync_fails_all_that_waited_and_all_after() {
        let faults = Faults::default();
        faults.arm(FaultPoint::BeforeSync, 1, Fault::Fail(std::io::ErrorKind::StorageFull));
        let log = FaultLog::new(MemoryLog::new(), faults);
        let (writer, thread) = Writer::start(log).expect("started");
        let batch = || Batch::record(b"x".to_vec());
        assert_eq!(writer.append(batch()).await.expect("first"), 0..1);
        let error = writer.append(batch()).await.expect_err("no room");
        assert!(matches!(&error, WriterError::Log(log) if matches!(**log, LogError::NoRoom(_))));
        let error = writer.append(batch()).await.expect_err("stopped");
        assert!(matches!(&error, WriterError::Log(log) if matches!(**log, LogError::Stopped(_))));
        drop(writer);
        assert_eq!(thread.finished().await.expect("joined").into_inner().len(), 1);
    }
}
