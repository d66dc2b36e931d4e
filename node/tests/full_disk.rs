//! A disk that has no more room, for real: the test runs itself under a limit on file sizes,
//! where writes fail as on a full disk.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use lode_node::{
    log::{Batch, DurableLog, LogError, SledLog},
    sequence::Sequence,
};
use lode_proto::id::NetworkId;

const FOLDER: &str = "LODE_FULL_DISK_TEST_FOLDER";

fn record(number: u64) -> Vec<u8> {
    // Incompressible enough, and different for each number.
    (0..3000_u64)
        .map(|at| (number.wrapping_mul(0x9e37_79b9).wrapping_add(at * at) >> 3) as u8)
        .collect()
}

fn child(folder: &Path) {
    let mut log = SledLog::open(&folder.join("log")).expect("opens");
    let mut acknowledged = log.len();
    let error = loop {
        let records = (acknowledged..acknowledged + 8).map(record).collect();
        match log.append(&Batch { records, blobs: Vec::new() }) {
            Ok(range) => acknowledged = range.end,
            Err(error) => break error,
        }
        assert!(acknowledged < 100_000, "the limit was never reached");
    };
    println!("ACKNOWLEDGED {acknowledged}");
    println!("ERROR {error}");
    assert!(matches!(error, LogError::NoRoom(_)), "{error:?}");
    let again = log.append(&Batch::record(record(0))).expect_err("stopped");
    assert!(matches!(again, LogError::Stopped(_)), "{again:?}");
    // The small files say so too, and keep what they held.
    let error = lode_node::files::replace(&folder.join("small"), &vec![0; 8 << 20], 0o600)
        .expect_err("no room");
    assert!(error.to_string().contains("free some space"), "{error}");
}

#[test]
fn no_room_is_said_and_loses_nothing() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return child(&PathBuf::from(folder));
    }
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("small"), b"old").expect("written");
    // 4 MiB a file, in blocks of 512 bytes; the signal that comes with it is ignored, so that the
    // write fails with an error, as it does on a full disk.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8192; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().expect("own path"))
        .args(["--exact", "no_room_is_said_and_loses_nothing", "--nocapture"])
        .env(FOLDER, folder.path())
        .output()
        .expect("ran");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    let field = |name: &str| {
        let at = text.find(name).expect("printed") + name.len();
        text[at..].lines().next().expect("a line").trim().to_owned()
    };
    let acknowledged: u64 = field("ACKNOWLEDGED").parse().expect("a number");
    let error = field("ERROR");
    assert!(acknowledged > 100, "{acknowledged}");
    assert!(error.contains("no room") && error.contains("free some space"), "{error}");
    // With room again, everything acknowledged is there and it goes on.
    let mut log = SledLog::open(&folder.path().join("log")).expect("opens");
    let mut count = 0;
    for item in log.replay(0) {
        let (index, bytes) = item.expect("readable");
        assert_eq!((index, bytes), (count, record(count)));
        count += 1;
    }
    assert!(count >= acknowledged, "{acknowledged} acknowledged, {count} found");
    assert_eq!(log.append(&Batch::record(record(count))).expect("room"), count..count + 1);
    assert_eq!(std::fs::read(folder.path().join("small")).expect("read"), b"old");
}

#[test]
fn a_sequence_that_cannot_be_reserved_is_not_handed_out() {
    let folder = tempfile::tempdir().expect("folder");
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).expect("made");
    let mut sequence = Sequence::open(&inner, NetworkId::of(b"x")).expect("opens");
    std::fs::remove_dir(&inner).expect("removed");
    assert!(sequence.next().is_err());
    std::fs::create_dir(&inner).expect("made");
    assert_eq!(sequence.next().expect("reserved"), 1);
}
