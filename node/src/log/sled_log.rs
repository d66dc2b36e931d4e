//! The durable log on sled 0.34, which is kept behind this one file.
//!
//! sled's own `flush` is not enough: on Linux it calls `sync_file_range`, which neither empties
//! the disk's write cache nor makes the file's new length durable, and it never syncs the files it
//! puts large values in. So each append flushes sled and then syncs sled's file itself; values are
//! cut small enough ([`super::record`]) that sled makes no other file. And sled takes damage in the
//! middle of its file for the end of it, so the number of acknowledged records is also kept in a
//! small file beside it (`head`, written after each sync): a log that comes back shorter than that
//! is damaged, not torn.
//!
//! ```text
//! folder/LOCK   folder/head   folder/snapshot-N   folder/sled/{db, conf, snap.*}
//! ```

use std::{
    fs::{self, File, OpenOptions},
    io,
    ops::Range,
    os::unix::fs::{FileExt, OpenOptionsExt},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use lode_proto::{id::Hash, limits::MAX_LOG_BATCH_RECORDS};

use super::{
    Batch, DurableLog, LogError, Replay, Snapshot, check_trim,
    record::{self, InBatch, Place, RECORDS},
    snapshot,
};
use crate::{
    files::{FileError, sync_folder},
    killpoint,
    lock::FolderLock,
};

/// Memory sled may use to cache pages, bytes.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// Where the index of the oldest record kept is stored.
const FIRST_KEY: &[u8] = b"m/first";
/// How long sled's own lock is waited for, and how often it is tried.
const SLED_LETS_GO: Duration = Duration::from_secs(5);
const SLED_POLL: Duration = Duration::from_millis(10);
/// What sled says while it is held.
const SLED_LOCKED: &str = "could not acquire lock";
/// Most keys removed in one go when trimming.
const TRIM_KEYS: usize = 4_096;

/// A durable log in a folder.
pub struct SledLog {
    folder: PathBuf,
    store: sled::Db,
    /// sled's own file, for the sync that sled does not do.
    store_file: File,
    head: File,
    first: u64,
    len: u64,
    stopped: Option<String>,
    _lock: FolderLock,
}

impl std::fmt::Debug for SledLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SledLog({}, records {}..{})", self.folder.display(), self.first, self.len)
    }
}

fn corrupt(folder: &Path, what: impl Into<String>) -> LogError {
    LogError::Corrupt { path: folder.to_owned(), what: what.into() }
}

fn explain(folder: &Path, action: &'static str, error: sled::Error) -> LogError {
    match error {
        sled::Error::Io(error) => FileError::new(action, folder, &error).into(),
        sled::Error::Corruption { .. } => corrupt(folder, "sled finds its file corrupted"),
        other => LogError::Engine(other.to_string()),
    }
}

/// Runs what may panic inside sled on a damaged file, and says so instead.
fn guarded<T>(folder: &Path, work: impl FnOnce() -> Result<T, LogError>) -> Result<T, LogError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no reason given");
        Err(corrupt(folder, format!("sled gave up on it ({text})")))
    })
}

fn open_store(folder: &Path) -> Result<sled::Db, LogError> {
    let path = folder.join("sled");
    let open = || {
        guarded(folder, || {
            sled::Config::new()
                .path(&path)
                .cache_capacity(CACHE_BYTES)
                .flush_every_ms(None)
                .open()
                .map_err(|error| explain(folder, "open", error))
        })
    };
    // The folder is ours ([`FolderLock`]), so that whoever holds sled's own lock is letting go of it: a thread of
    // a log that was just closed, or a child that another thread is starting and that has not come to its exec.
    let until = Instant::now() + SLED_LETS_GO;
    let open = || loop {
        match open() {
            Err(LogError::File(error))
                if error.reason.contains(SLED_LOCKED) && Instant::now() < until =>
            {
                std::thread::sleep(SLED_POLL);
            }
            other => return other,
        }
    };
    match open() {
        Err(LogError::Corrupt { what, .. }) if set_aside_snapshots(&path) => {
            tracing::warn!(%what, "sled's index snapshot is damaged; rebuilding it from the log");
            open()
        }
        other => other,
    }
}

/// sled rebuilds its index snapshot from its log; a damaged one must only be out of the way.
fn set_aside_snapshots(path: &Path) -> bool {
    let Ok(entries) = fs::read_dir(path) else { return false };
    let mut moved = false;
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with("snap.") {
            let aside = path.join(format!("damaged-{}", name.to_string_lossy()));
            moved |= fs::rename(entry.path(), aside).is_ok();
        }
    }
    moved
}

fn head_bytes(len: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&len.to_le_bytes());
    let sum = Hash::derive("lode/1/log-head", &len.to_le_bytes());
    bytes[8..].copy_from_slice(&sum.0[..8]);
    bytes
}

/// How many records were acknowledged, as far as the head file knows.
fn read_head(head: &File) -> Option<u64> {
    let mut bytes = [0; 16];
    head.read_exact_at(&mut bytes, 0).ok()?;
    let len = u64::from_le_bytes(bytes[..8].try_into().ok()?);
    (head_bytes(len) == bytes).then_some(len)
}

impl SledLog {
    /// Opens the log in `folder`, or makes an empty one. What was never acknowledged and is not
    /// whole is dropped, with a warning.
    ///
    /// # Errors
    /// [`LogError::Lock`] where another process has the folder, [`LogError::Corrupt`] where
    /// something acknowledged is missing, or what the file system says.
    pub fn open(folder: &Path) -> Result<Self, LogError> {
        let lock = FolderLock::take(folder)?;
        let store = open_store(folder)?;
        let path = folder.join("sled").join("db");
        let store_file =
            File::open(&path).map_err(|error| FileError::new("open", &path, &error))?;
        let path = folder.join("head");
        let head = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| FileError::new("open", &path, &error))?;
        sync_folder(&folder.join("sled"))?;
        sync_folder(folder)?;
        let mut log = Self {
            folder: folder.to_owned(),
            store,
            store_file,
            head,
            first: 0,
            len: 0,
            stopped: None,
            _lock: lock,
        };
        guarded(folder, || log.find_ends())?;
        Ok(log)
    }

    fn failed(&self, error: sled::Error) -> LogError {
        explain(&self.folder, "read", error)
    }

    /// Finds the first and the last record, and drops a torn end.
    fn find_ends(&mut self) -> Result<(), LogError> {
        let stored = self.store.get(FIRST_KEY).map_err(|error| self.failed(error))?;
        self.first = match stored {
            None => 0,
            Some(bytes) => u64::from_le_bytes(
                bytes
                    .as_ref()
                    .try_into()
                    .map_err(|_| corrupt(&self.folder, "its first index is unreadable"))?,
            ),
        };
        let acknowledged = read_head(&self.head);
        let mut end = match self.store.scan_prefix([RECORDS]).next_back() {
            None => self.first,
            Some(last) => {
                let (key, _) = last.map_err(|error| self.failed(error))?;
                let index = Place::index_of(&key)
                    .ok_or_else(|| corrupt(&self.folder, "a record has an impossible key"))?;
                index.saturating_add(1)
            }
        };
        let found = end;
        while end > self.first {
            match self.read(end - 1) {
                Ok((batch, _)) if batch.first + u64::from(batch.count) == end => break,
                // The rest of its batch is missing: none of it was acknowledged.
                Ok((batch, _)) if batch.first < end => end = batch.first,
                Ok(_) | Err(LogError::Corrupt { .. }) => end -= 1,
                Err(error) => return Err(error),
            }
            if found - end > MAX_LOG_BATCH_RECORDS as u64 {
                return Err(corrupt(
                    &self.folder,
                    format!("records {end} to {found} are unreadable, more than one batch"),
                ));
            }
        }
        if let Some(acknowledged) = acknowledged.filter(|acknowledged| *acknowledged > end) {
            return Err(corrupt(
                &self.folder,
                format!("{acknowledged} records were acknowledged, but only {end} are whole"),
            ));
        }
        if end < self.first {
            return Err(corrupt(&self.folder, "it ends before it begins"));
        }
        if end < found {
            tracing::warn!(
                dropped = found - end,
                "dropped the torn end of the log: records that were never acknowledged"
            );
            self.remove(end..found)?;
            self.sync().map_err(|error| self.map_write(error))?;
        }
        self.len = end;
        Ok(())
    }

    fn read(&self, index: u64) -> Result<(InBatch, Vec<u8>), LogError> {
        self.read_place(Place::Record(index))?
            .ok_or_else(|| corrupt(&self.folder, format!("record {index}: it is missing")))
    }

    fn read_place(&self, place: Place) -> Result<Option<(InBatch, Vec<u8>)>, LogError> {
        guarded(&self.folder, || {
            let mut pieces = Vec::new();
            for item in self.store.scan_prefix(place.prefix()) {
                pieces.push(item.map_err(|error| self.failed(error))?);
            }
            if pieces.is_empty() {
                return Ok(None);
            }
            let pieces = pieces.iter().map(|(key, value)| (&key[..], &value[..]));
            record::join(place, pieces).map(Some).map_err(|what| {
                let name = match place {
                    Place::Record(index) => format!("record {index}"),
                    Place::Blob(hash) => format!("blob {hash}"),
                };
                corrupt(&self.folder, format!("{name}: {what}"))
            })
        })
    }

    /// Makes all that was handed to sled durable.
    fn sync(&self) -> Result<(), sled::Error> {
        self.store.flush()?;
        // Written to the file, and not on the disk: what a power cut takes away.
        killpoint::reach("log:flushed");
        self.store_file.sync_data().map_err(sled::Error::Io)
    }

    fn remove(&self, indexes: Range<u64>) -> Result<(), LogError> {
        for index in indexes {
            let mut batch = sled::Batch::default();
            for key in self.store.scan_prefix(Place::Record(index).prefix()).keys() {
                batch.remove(key.map_err(|error| self.failed(error))?);
            }
            self.store.apply_batch(batch).map_err(|error| self.map_write(error))?;
        }
        Ok(())
    }

    fn map_write(&self, error: sled::Error) -> LogError {
        explain(&self.folder, "write", error)
    }

    fn running(&self) -> Result<(), LogError> {
        match &self.stopped {
            None => Ok(()),
            Some(reason) => Err(LogError::Stopped(reason.clone())),
        }
    }

    /// Does what changes the log; an error stops it, because what is on disk is unknown then.
    fn change<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let folder = self.folder.clone();
        guarded(&folder, || work(self)).inspect_err(|error| self.stopped = Some(error.to_string()))
    }

    fn write(&mut self, batch: &Batch) -> Result<Range<u64>, LogError> {
        let start = self.len;
        let count = u32::try_from(batch.records.len()).unwrap_or(u32::MAX);
        let of = InBatch { first: start, count };
        let mut store = sled::Batch::default();
        for (index, bytes) in (start..).zip(&batch.records) {
            for (key, value) in record::cut(Place::Record(index), of, bytes) {
                store.insert(key, value);
            }
        }
        for (hash, bytes) in &batch.blobs {
            // A blob put again may be shorter than before.
            let place = Place::Blob(*hash);
            for key in self.store.scan_prefix(place.prefix()).keys() {
                store.remove(key.map_err(|error| self.failed(error))?);
            }
            for (key, value) in record::cut(place, of, bytes) {
                store.insert(key, value);
            }
        }
        killpoint::reach("log:before-write");
        self.store.apply_batch(store).map_err(|error| self.map_write(error))?;
        killpoint::reach("log:written");
        self.sync().map_err(|error| self.map_write(error))?;
        killpoint::reach("log:synced");
        self.len = start + u64::from(count);
        self.write_head()?;
        Ok(start..self.len)
    }

    /// Not synced: after a power cut it may be older than the log, which only makes the check
    /// at the next start weaker, never wrong.
    fn write_head(&self) -> Result<(), LogError> {
        self.head
            .write_all_at(&head_bytes(self.len), 0)
            .map_err(|error| FileError::new("write", &self.folder.join("head"), &error).into())
    }

    fn forget(&mut self, before: u64, blobs: &[Hash]) -> Result<(), LogError> {
        if before > self.first {
            // First the mark, then the records: a crash between leaves some too many, not a gap.
            self.store
                .insert(FIRST_KEY, &before.to_le_bytes())
                .map_err(|error| self.map_write(error))?;
            self.sync().map_err(|error| self.map_write(error))?;
            self.first = before;
        }
        let end = Place::Record(self.first).prefix();
        loop {
            let mut batch = sled::Batch::default();
            let mut keys = 0;
            for key in self.store.range(vec![RECORDS]..end.clone()).keys().take(TRIM_KEYS) {
                batch.remove(key.map_err(|error| self.failed(error))?);
                keys += 1;
            }
            if keys == 0 {
                break;
            }
            self.store.apply_batch(batch).map_err(|error| self.map_write(error))?;
        }
        for hash in blobs {
            let mut batch = sled::Batch::default();
            for key in self.store.scan_prefix(Place::Blob(*hash).prefix()).keys() {
                batch.remove(key.map_err(|error| self.failed(error))?);
            }
            self.store.apply_batch(batch).map_err(|error| self.map_write(error))?;
        }
        self.sync().map_err(|error| self.map_write(error))
    }
}

impl DurableLog for SledLog {
    fn append(&mut self, batch: &Batch) -> Result<Range<u64>, LogError> {
        self.running()?;
        batch.check()?;
        if batch.records.len() > MAX_LOG_BATCH_RECORDS {
            return Err(LogError::Misuse(format!(
                "a batch of {} records; at most {MAX_LOG_BATCH_RECORDS} are synced together",
                batch.records.len()
            )));
        }
        if batch.is_empty() {
            return Ok(self.len..self.len);
        }
        self.change(|log| log.write(batch))
    }

    fn replay(&self, from: u64) -> Replay<'_> {
        let start = from.max(self.first);
        let mut failed = false;
        Box::new((start..self.len).map_while(move |index| {
            if failed {
                return None;
            }
            let item = self.read(index).map(|(_, bytes)| (index, bytes));
            failed = item.is_err();
            Some(item)
        }))
    }

    fn get_blob(&self, hash: &Hash) -> Result<Option<Vec<u8>>, LogError> {
        Ok(self.read_place(Place::Blob(*hash))?.map(|(_, bytes)| bytes))
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn first(&self) -> u64 {
        self.first
    }

    fn snapshot(&mut self, state: &[u8]) -> Result<(), LogError> {
        self.running()?;
        snapshot::write(&self.folder, self.len, state)
    }

    fn last_snapshot(&self) -> Result<Option<Snapshot>, LogError> {
        snapshot::newest(&self.folder, |next| (self.first..=self.len).contains(&next))
    }

    fn trim(&mut self, before: u64, blobs: &[Hash]) -> Result<(), LogError> {
        self.running()?;
        check_trim(before, self.last_snapshot()?.as_ref())?;
        self.change(|log| log.forget(before, blobs))
    }
}

impl Drop for SledLog {
    fn drop(&mut self) {
        if self.stopped.is_none() {
            // All that was acknowledged is synced already; this is the head file's only sync.
            let _: io::Result<()> = self.head.sync_data();
        }
    }
}
