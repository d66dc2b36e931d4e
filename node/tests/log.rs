//! The log on sled: what survives a restart, what is dropped, what is an error, in words.

use std::{fs, path::Path};

use lode_node::log::{Batch, DurableLog, LogError, SledLog};
use lode_proto::id::Hash;
use proptest::prelude::*;

fn numbered(numbers: std::ops::Range<u64>) -> Batch {
    Batch { records: numbers.map(|n| format!("record {n}").into_bytes()).collect(), blobs: vec![] }
}

fn read(log: &dyn DurableLog, from: u64) -> Vec<(u64, String)> {
    log.replay(from)
        .map(|item| item.expect("readable"))
        .map(|(index, bytes)| (index, String::from_utf8(bytes).expect("text")))
        .collect()
}

fn expected(range: std::ops::Range<u64>) -> Vec<(u64, String)> {
    range.map(|n| (n, format!("record {n}"))).collect()
}

/// The store under the log, for damage that no user of the log could do.
fn store(folder: &Path) -> sled::Db {
    sled::Config::new().path(folder.join("sled")).flush_every_ms(None).open().expect("opens")
}

fn record_key(index: u64) -> Vec<u8> {
    [&b"r"[..], &index.to_be_bytes(), &[0, 0]].concat()
}

#[test]
fn order_and_blobs_survive_a_restart() {
    let folder = tempfile::tempdir().expect("folder");
    let blob = |n: u64| (Hash::of(&n.to_le_bytes()), vec![n as u8; 40_000 * n as usize]);
    {
        let mut log = SledLog::open(folder.path()).expect("opens");
        assert!(log.is_empty());
        assert_eq!(log.append(&numbered(0..5)).expect("durable"), 0..5);
        let mut batch = numbered(5..7);
        batch.blobs = vec![blob(0), blob(1), blob(3)];
        assert_eq!(log.append(&batch).expect("durable"), 5..7);
        assert_eq!(log.append(&Batch::default()).expect("nothing"), 7..7);
        let big = Batch::record(vec![9; 3_000_000]);
        assert_eq!(log.append(&big).expect("durable"), 7..8);
        // Again and shorter: nothing of the longer one may be left.
        let shorter = Batch::default().with_blob(blob(3).0, vec![1; 10]);
        log.append(&shorter).expect("durable");
    }
    let log = SledLog::open(folder.path()).expect("opens");
    assert_eq!(log.len(), 8);
    assert_eq!(read(&log, 2)[..5], expected(2..7));
    assert_eq!(log.replay(7).next().expect("one").expect("read").1, vec![9; 3_000_000]);
    assert_eq!(log.get_blob(&blob(0).0).expect("read"), Some(Vec::new()));
    assert_eq!(log.get_blob(&blob(1).0).expect("read"), Some(blob(1).1));
    assert_eq!(log.get_blob(&blob(3).0).expect("read"), Some(vec![1; 10]));
    assert_eq!(log.get_blob(&Hash::of(b"none")).expect("read"), None);
    assert!(log.replay(8).next().is_none() && log.replay(100).next().is_none());
    // sled would not sync files of its own for large values; there must be none.
    let outside = fs::read_dir(folder.path().join("sled/blobs")).expect("listed").count();
    assert_eq!(outside, 0, "values in files of their own");
}

#[test]
fn too_large_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let mut log = SledLog::open(folder.path()).expect("opens");
    let large = Batch::record(vec![0; lode_proto::limits::MAX_LOG_RECORD_BYTES + 1]);
    assert!(matches!(log.append(&large), Err(LogError::TooLarge { .. })));
    let many = numbered(0..lode_proto::limits::MAX_LOG_BATCH_RECORDS as u64 + 1);
    assert!(matches!(log.append(&many), Err(LogError::Misuse(_))));
    assert_eq!(log.append(&numbered(0..1)).expect("goes on"), 0..1);
}

#[test]
fn snapshots_and_trimming() {
    let folder = tempfile::tempdir().expect("folder");
    let hash = Hash::of(b"blob");
    let mut log = SledLog::open(folder.path()).expect("opens");
    assert!(log.last_snapshot().expect("none").is_none());
    log.append(&numbered(0..10).with_blob(hash, vec![1; 100_000])).expect("durable");
    assert!(matches!(log.trim(1, &[]), Err(LogError::Misuse(_))));
    log.snapshot(b"ten").expect("kept");
    log.append(&numbered(10..20)).expect("durable");
    assert!(matches!(log.trim(11, &[]), Err(LogError::Misuse(_))));
    log.trim(8, &[hash]).expect("trimmed");
    assert_eq!(log.get_blob(&hash).expect("read"), None);
    drop(log);
    let mut log = SledLog::open(folder.path()).expect("opens");
    assert_eq!((log.first(), log.len()), (8, 20));
    assert_eq!(read(&log, 0), expected(8..20));
    let snapshot = log.last_snapshot().expect("read").expect("one");
    assert_eq!((snapshot.next, &snapshot.state[..]), (10, &b"ten"[..]));
    log.snapshot(b"twenty").expect("kept");
    log.trim(20, &[]).expect("trimmed");
    drop(log);
    // Everything is trimmed: the count goes on.
    let mut log = SledLog::open(folder.path()).expect("opens");
    assert_eq!((log.first(), log.len()), (20, 20));
    assert_eq!(log.append(&numbered(20..21)).expect("durable"), 20..21);
    drop(log);
    // A damaged snapshot: the one before cannot help, its records are gone.
    let path = folder.path().join("snapshot-20");
    let mut bytes = fs::read(&path).expect("read");
    *bytes.last_mut().expect("some") ^= 1;
    fs::write(&path, bytes).expect("written");
    let log = SledLog::open(folder.path()).expect("opens");
    let error = log.last_snapshot().expect_err("damaged");
    assert!(matches!(error, LogError::Corrupt { .. }), "{error}");
}

#[test]
fn a_torn_end_is_dropped() {
    let folder = tempfile::tempdir().expect("folder");
    {
        let mut log = SledLog::open(folder.path()).expect("opens");
        log.append(&numbered(0..3)).expect("durable");
    }
    // A batch of four of which two arrived, made by appending elsewhere and copying.
    let other = tempfile::tempdir().expect("folder");
    {
        let mut log = SledLog::open(other.path()).expect("opens");
        log.append(&numbered(0..3)).expect("durable");
        log.append(&numbered(3..7)).expect("durable");
    }
    {
        let (from, to) = (store(other.path()), store(folder.path()));
        for index in 3..5 {
            let value = from.get(record_key(index)).expect("read").expect("there");
            to.insert(record_key(index), value).expect("written");
        }
        to.flush().expect("flushed");
    }
    let mut log = SledLog::open(folder.path()).expect("opens");
    assert_eq!(read(&log, 0), expected(0..3));
    assert_eq!(log.append(&numbered(3..4)).expect("goes on"), 3..4);
    drop(log);
    let log = SledLog::open(folder.path()).expect("opens");
    assert_eq!(read(&log, 0), expected(0..4));
}

#[test]
fn a_whole_batch_that_was_never_acknowledged_is_kept() {
    let folder = tempfile::tempdir().expect("folder");
    {
        let mut log = SledLog::open(folder.path()).expect("opens");
        log.append(&numbered(0..3)).expect("durable");
    }
    let head = fs::read(folder.path().join("head")).expect("read");
    {
        let mut log = SledLog::open(folder.path()).expect("opens");
        log.append(&numbered(3..6)).expect("durable");
    }
    // As after a kill between the sync and the acknowledgement.
    fs::write(folder.path().join("head"), head).expect("written");
    let log = SledLog::open(folder.path()).expect("opens");
    assert_eq!(read(&log, 0), expected(0..6));
}

#[test]
fn what_was_acknowledged_and_is_gone_is_an_error() {
    for damage in ["last", "middle", "flip", "head"] {
        let folder = tempfile::tempdir().expect("folder");
        {
            let mut log = SledLog::open(folder.path()).expect("opens");
            log.append(&numbered(0..3)).expect("durable");
            log.append(&numbered(3..6)).expect("durable");
        }
        match damage {
            "last" => {
                store(folder.path()).remove(record_key(5)).expect("removed");
            }
            "middle" => {
                store(folder.path()).remove(record_key(1)).expect("removed");
            }
            "flip" => {
                let store = store(folder.path());
                let mut value = store.get(record_key(1)).expect("read").expect("there").to_vec();
                *value.last_mut().expect("some") ^= 1;
                store.insert(record_key(1), value).expect("written");
            }
            _ => {
                // The whole store replaced by an empty one.
                fs::remove_dir_all(folder.path().join("sled")).expect("removed");
            }
        }
        let error = match SledLog::open(folder.path()) {
            Err(error) => error,
            Ok(log) => log.replay(0).find_map(Result::err).expect("an error"),
        };
        assert!(matches!(error, LogError::Corrupt { .. }), "{damage}: {error}");
        let text = error.to_string();
        assert!(text.contains("Restore the folder from a copy"), "{text}");
    }
}

#[test]
fn an_unknown_head_never_blocks() {
    for head in [&b""[..], b"short", &[0xff; 16], &[7; 40]] {
        let folder = tempfile::tempdir().expect("folder");
        {
            let mut log = SledLog::open(folder.path()).expect("opens");
            log.append(&numbered(0..3)).expect("durable");
        }
        fs::write(folder.path().join("head"), head).expect("written");
        let mut log = SledLog::open(folder.path()).expect("opens");
        assert_eq!(log.append(&numbered(3..4)).expect("goes on"), 3..4);
    }
}

#[test]
fn one_daemon_a_folder() {
    let folder = tempfile::tempdir().expect("folder");
    let _log = SledLog::open(folder.path()).expect("opens");
    let error = SledLog::open(folder.path()).expect_err("taken");
    assert!(matches!(error, LogError::Lock(_)), "{error}");
    assert!(error.to_string().contains("is in use by another lode process"), "{error}");
}

/// sled's own lock outlives a log by a moment: its threads let go when they will, and a child that is being
/// started holds it until its exec.
#[test]
fn a_log_that_is_being_let_go_is_waited_for() {
    let folder = tempfile::tempdir().expect("folder");
    drop(SledLog::open(folder.path()).expect("opens"));
    let held = fs::File::open(folder.path().join("sled/db")).expect("there");
    held.lock().expect("locks");
    let path = folder.path().to_owned();
    let opens = std::thread::spawn(move || SledLog::open(&path).map(drop));
    held.unlock().expect("lets go");
    opens.join().expect("no panic").expect("opens");
}

#[test]
fn folders_that_cannot_be_used_are_explained() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("file");
    fs::write(&file, b"x").expect("written");
    for path in [file.join("below"), Path::new("/proc/lode-log").to_owned()] {
        let error = SledLog::open(&path).expect_err("cannot be used").to_string();
        assert!(error.contains("cannot create the folder"), "{error}");
    }
}

/// Copies what a power cut at this moment would leave: every file as it is now.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("listed") {
        let entry = entry.expect("listed");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("typed").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("copied");
        }
    }
}

#[test]
fn the_files_hold_what_was_acknowledged_at_that_moment() {
    let folder = tempfile::tempdir().expect("folder");
    let mut log = SledLog::open(folder.path()).expect("opens");
    let mut next = 0;
    for (round, size) in [1, 7, 300, 2, 64, 1].into_iter().enumerate() {
        log.append(
            &numbered(next..next + size).with_blob(Hash::of(b"b"), vec![round as u8; 50_000]),
        )
        .expect("durable");
        next += size;
        // Nothing is flushed or closed: only what append itself put into the files counts.
        let cut = tempfile::tempdir().expect("folder");
        copy(folder.path(), cut.path());
        let left = SledLog::open(cut.path()).expect("opens");
        assert_eq!(read(&left, 0), expected(0..next));
        let blob = left.get_blob(&Hash::of(b"b")).expect("read").expect("there");
        assert_eq!(blob, vec![round as u8; 50_000]);
    }
}

/// Makes a log of 40 batches once; each case damages a copy.
fn sample() -> &'static tempfile::TempDir {
    static SAMPLE: std::sync::OnceLock<tempfile::TempDir> = std::sync::OnceLock::new();
    SAMPLE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("folder");
        let mut log = SledLog::open(folder.path()).expect("opens");
        for batch in 0..40 {
            let numbers = batch * 10..batch * 10 + 10;
            log.append(&numbered(numbers).with_blob(Hash::of(b"b"), vec![1; 30_000]))
                .expect("durable");
        }
        folder
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]
    /// Damage anywhere in sled's files: either all is there, or it is an error. Never less, never
    /// other records, never a panic.
    #[test]
    fn damage_is_never_a_shorter_log(
        which in prop::sample::select(vec!["db", "conf", "snap"]),
        at: prop::sample::Index,
        cut: bool,
        byte in 1u8..,
    ) {
        let folder = tempfile::tempdir().expect("folder");
        copy(sample().path(), folder.path());
        let Some(path) = fs::read_dir(folder.path().join("sled"))
            .expect("listed")
            .map(|entry| entry.expect("listed").path())
            .find(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(which)))
        else {
            return Ok(()); // sled made no snapshot this time
        };
        let mut bytes = fs::read(&path).expect("read");
        prop_assume!(!bytes.is_empty());
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] ^= byte;
        }
        fs::write(&path, bytes).expect("written");
        if let Ok(log) = SledLog::open(folder.path()) {
            let mut count = 0;
            for item in log.replay(0) {
                match item {
                    Ok((index, bytes)) => {
                        prop_assert_eq!(index, count);
                        prop_assert_eq!(bytes, format!("record {count}").into_bytes());
                        count += 1;
                    }
                    Err(_) => return Ok(()),
                }
            }
            prop_assert_eq!(count, 400);
        }
    }
}
