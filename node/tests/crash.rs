//! kill -9 against the real log in a real process: nothing acknowledged is lost, the order is
//! kept, and no sequence is used twice.
//!
//! The test runs itself again as the process to be killed. The child appends through the group
//! committing [`Writer`], and prints an index only once it is durable; the parent kills it after a
//! random number of lines, or lets it die at a named point, and looks at what is left.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking

use std::{
    cell::RefCell,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use lode_node::{
    killpoint,
    log::{Batch, DurableLog, SledLog},
    sequence::Sequence,
    writer::Writer,
};
use lode_proto::id::{Hash, NetworkId};
use rand::{Rng, SeedableRng, rngs::StdRng};

const FOLDER: &str = "LODE_CRASH_TEST_FOLDER";
/// Tasks of the child that append at the same time.
const APPENDERS: u64 = 8;

fn network() -> NetworkId {
    NetworkId::of(b"crash")
}

/// The payload of a record: who appended it, its number with that appender, and filling that
/// depends on both.
fn record(run: u64, appender: u64, number: u64) -> Vec<u8> {
    let size = (run * 7 + appender * 131 + number * 17) % 3000;
    let mut bytes = format!("{run} {appender} {number} ").into_bytes();
    bytes.extend(std::iter::repeat_n(number as u8, size as usize));
    bytes
}

fn parse(bytes: &[u8]) -> (u64, u64, u64) {
    let text: Vec<u8> = bytes.iter().copied().take(64).collect();
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut parts = text.split(' ').map(|part| part.parse::<u64>().unwrap_or(u64::MAX));
    let mut next = || parts.next().expect("three numbers");
    (next(), next(), next())
}

fn child(folder: &Path) {
    let log = SledLog::open(&folder.join("log")).expect("opens");
    let run = log.len();
    let sequence = Sequence::open(folder, network()).expect("opens");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    runtime.block_on(async {
        let (writer, _thread) = Writer::start(log).expect("started");
        let sequence = RefCell::new(sequence);
        let sequence = &sequence;
        let say = |line: String| {
            // One write, so that the parent reads whole lines.
            std::io::stdout().write_all(line.as_bytes()).expect("a parent");
        };
        let appenders = (0..APPENDERS).map(|appender| {
            let writer = writer.clone();
            async move {
                for number in 0.. {
                    let bytes = record(run, appender, number);
                    let mut batch = Batch::record(bytes.clone());
                    if number % 5 == 0 {
                        batch = batch.with_blob(Hash::of(&bytes), bytes);
                    }
                    let range = writer.append(batch).await.expect("appended");
                    say(format!("A {} {run} {appender} {number}\n", range.start));
                    let next = sequence.borrow_mut().next().expect("reserved");
                    say(format!("S {next}\n"));
                }
            }
        });
        futures::future::join_all(appenders).await;
    });
}

fn spawn(folder: &Path, kill_at: Option<&str>) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("own path"));
    command.args(["--exact", "killed_at_random_and_at_named_points", "--nocapture"]);
    command.env(FOLDER, folder).stdout(Stdio::piped()).stderr(Stdio::null());
    match kill_at {
        Some(points) => command.env(killpoint::VARIABLE, points),
        None => command.env_remove(killpoint::VARIABLE),
    };
    command.spawn().expect("spawned")
}

#[derive(Default)]
struct Seen {
    /// By index, what the child said is durable there.
    acknowledged: std::collections::BTreeMap<u64, (u64, u64, u64)>,
    last_sequence: u64,
    sequences: u64,
}

impl Seen {
    fn line(&mut self, line: &str) {
        let parts: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| -> u64 { parts[at].parse().expect("a number") };
        match parts[..] {
            ["A", ..] if parts.len() == 5 => {
                let known = self.acknowledged.insert(number(1), (number(2), number(3), number(4)));
                assert!(known.is_none(), "index {} was acknowledged twice", number(1));
            }
            ["S", _] => {
                assert!(number(1) > self.last_sequence, "{line} after {}", self.last_sequence);
                self.last_sequence = number(1);
                self.sequences += 1;
            }
            _ => {} // the test harness's own lines
        }
    }

    fn check(&self, folder: &Path) -> u64 {
        let log = SledLog::open(&folder.join("log")).expect("opens after a kill");
        let mut per_appender = std::collections::BTreeMap::new();
        let mut count = 0;
        for (expected, item) in (0..).zip(log.replay(0)) {
            let (index, bytes) = item.expect("readable");
            assert_eq!(index, expected);
            let (run, appender, number) = parse(&bytes);
            assert_eq!(bytes, record(run, appender, number), "record {index}");
            // Each appender's records are in its own order, without a gap or a repetition.
            let next = per_appender.entry((run, appender)).or_insert(0);
            assert_eq!(number, *next, "record {index} of appender {appender} in run {run}");
            *next += 1;
            if let Some(acknowledged) = self.acknowledged.get(&index) {
                assert_eq!(*acknowledged, (run, appender, number), "record {index}");
            }
            if number % 5 == 0 {
                let blob = log.get_blob(&Hash::of(&bytes)).expect("read").expect("a blob");
                assert_eq!(blob, bytes);
            }
            count += 1;
        }
        // sled would not sync files of its own for large values; there must never be one.
        let outside = std::fs::read_dir(folder.join("log/sled/blobs")).expect("listed").count();
        assert_eq!(outside, 0, "values in files of their own");
        if let Some((last, _)) = self.acknowledged.last_key_value() {
            assert!(*last < count, "record {last} was acknowledged, but there are {count}");
        }
        count
    }
}

fn rounds() -> u64 {
    std::env::var("LODE_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(30)
}

#[test]
fn killed_at_random_and_at_named_points() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return child(&PathBuf::from(folder));
    }
    let seed: u64 = std::env::var("LODE_CRASH_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| rand::rng().random());
    println!("LODE_CRASH_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().expect("folder");
    let mut seen = Seen::default();
    let points = ["log:before-write", "log:written", "log:synced"];
    for round in 0..rounds() {
        // Every second round dies by itself at a named point, the others from outside.
        let point = (round % 2 == 1).then(|| {
            let point = points[random.random_range(0..points.len())];
            format!("{point}:{}", random.random_range(1..20))
        });
        let lines = random.random_range(1..400_u64);
        let mut process = spawn(folder.path(), point.as_deref());
        let mut output = BufReader::new(process.stdout.take().expect("piped"));
        let mut read = 0;
        let mut line = String::new();
        while output.read_line(&mut line).expect("readable") > 0 {
            if line.ends_with('\n') {
                seen.line(line.trim_end());
            }
            line.clear();
            read += 1;
            if read == lines && point.is_none() {
                // SIGKILL; what it printed before is still in the pipe and still counts.
                process.kill().expect("killed");
            }
        }
        let status = process.wait().expect("waited");
        assert!(!status.success(), "round {round} ended by itself");
        seen.check(folder.path());
    }
    let records = seen.check(folder.path());
    println!(
        "{} kills: {} records acknowledged, {records} found; {} sequences, none twice",
        rounds(),
        seen.acknowledged.len(),
        seen.sequences,
    );
    assert!(seen.acknowledged.len() > 100, "the test did next to nothing");
}
