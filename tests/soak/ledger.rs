//! Both sides' books, read after the run and compared receipt by receipt.
//!
//! ```text
//! coordinator's durable log ──┐
//! its status.json             ├─► compare ─► Report
//! its answer to `Status`      │
//! miner's receipts file, and `lode miner receipts` ─┘
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use lode_coordinator::core::{EndOfLease, Event, Record, Status};
use lode_miner::receipts::{self, Kept};
use lode_node::{
    keystore::{KeyKind, Keystore},
    log::{DurableLog, SledLog},
    rpc::{Caller, Client, Retry},
    sequence::Sequence,
    transport::{Protocol, Target, Transport, TransportConfig},
};
use lode_proto::{
    attempt::Receipt,
    codec,
    id::{AttemptId, NetworkId},
    limits::MAX_LOG_RECORD_BYTES,
    mine::{MineReply, MineRequest, MinerStatus},
    session::{MAX_TURNS, Session},
};
use serde_json::{Value, json};

use crate::{
    GROUP, Report,
    common::{lode, network::Network, text},
};

/// The outcome of a task whose attempts were graded.
const GRADED: &str = "graded";

/// What a receipt comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    attempt: AttemptId,
    tokens: u64,
    credits_milli: u64,
}

impl From<&Receipt> for Entry {
    fn from(receipt: &Receipt) -> Self {
        let (attempt, tokens) = (receipt.attempt, u64::from(receipt.tokens));
        Self { attempt, tokens, credits_milli: receipt.credits_milli }
    }
}

/// Receipts by their number in the chain.
#[derive(Default)]
struct Book {
    entries: BTreeMap<u64, Entry>,
    /// Numbers that were there already.
    twice: Vec<u64>,
}

impl Book {
    fn add(&mut self, receipt: &Receipt) {
        if self.entries.insert(receipt.index, receipt.into()).is_some() {
            self.twice.push(receipt.index);
        }
    }

    fn sum(&self) -> (u64, u64, u64) {
        self.entries.values().fold((0, 0, 0), |(receipts, tokens, credits), entry| {
            (receipts + 1, tokens + entry.tokens, credits + entry.credits_milli)
        })
    }

    fn attempts(&self) -> usize {
        self.entries.values().map(|entry| entry.attempt).collect::<BTreeSet<_>>().len()
    }

    /// Numbers from 0 on without a gap, each once, each for another attempt.
    fn is_whole(&self) -> bool {
        self.twice.is_empty()
            && self.entries.keys().copied().eq(0..self.entries.len() as u64)
            && self.attempts() == self.entries.len()
    }
}

/// The coordinator's side, from its log.
pub(crate) struct Coordinator {
    book: Book,
    leased: u64,
    /// When leases that ran out did so, milliseconds on the log's clock.
    expired_ms: Vec<u64>,
    /// Leases that gave no group, by how they ended.
    ended: BTreeMap<String, u64>,
    /// Attempts with a receipt, by task.
    attempts: BTreeMap<u64, u64>,
    /// Tasks that were revision sessions and came as far as to feedback.
    sessions: BTreeSet<u64>,
    /// Tasks that were graded.
    graded: BTreeSet<u64>,
    /// Tasks by outcome.
    outcomes: BTreeMap<String, u64>,
    log_bytes: u64,
}

impl Coordinator {
    /// Reads the log of a coordinator that has ended.
    pub(crate) fn read(data: &Path, network: NetworkId) -> Self {
        let folder = data.join("log");
        let mut read = Self {
            book: Book::default(),
            leased: 0,
            expired_ms: Vec::new(),
            ended: BTreeMap::new(),
            attempts: BTreeMap::new(),
            sessions: BTreeSet::new(),
            graded: BTreeSet::new(),
            outcomes: BTreeMap::new(),
            log_bytes: bytes_in(&folder),
        };
        let log = SledLog::open(&folder).expect("the log");
        for item in log.replay(0) {
            let (_, bytes) = item.expect("a record");
            let record: Record = codec::decode(&bytes, MAX_LOG_RECORD_BYTES).expect("a record");
            match record.event {
                Event::LeaseIssued { .. } => read.leased += 1,
                Event::LeaseEnded { how, .. } => {
                    *read.ended.entry(format!("{how:?}")).or_default() += 1;
                    if how == EndOfLease::Expired {
                        read.expired_ms.push(record.at_ms);
                    }
                }
                Event::AttemptAccepted { counter, receipt, .. } => {
                    *read.attempts.entry(counter).or_default() += 1;
                    read.book.add(&receipt.open(network).expect("its own receipt"));
                }
                Event::TurnGraded { counter, .. } => {
                    read.sessions.insert(counter);
                }
                Event::Settled { counter, outcome, .. } => {
                    if outcome.name() == GRADED {
                        read.graded.insert(counter);
                    }
                    *read.outcomes.entry(outcome.name().to_owned()).or_default() += 1;
                }
                _ => {}
            }
        }
        read
    }

    /// Graded tasks whose attempts are not those of a whole group or of whole turns, and tasks with
    /// receipts that were not graded.
    fn incomplete(&self) -> Vec<(u64, u64)> {
        let whole = |counter: &u64, attempts: u64| match self.sessions.contains(counter) {
            false => attempts == GROUP,
            true => (0..MAX_TURNS)
                .any(|turn| attempts == u64::from(Session::Revision.turn(turn, 1).end)),
        };
        let of = |counter: &u64| self.attempts.get(counter).copied().unwrap_or(0);
        let all = self.graded.iter().chain(self.attempts.keys()).collect::<BTreeSet<_>>();
        let wrong =
            |counter: &&u64| !self.graded.contains(*counter) || !whole(counter, of(counter));
        all.into_iter().filter(wrong).map(|counter| (*counter, of(counter))).collect()
    }
}

/// The miner's side.
pub(crate) struct Miner {
    network: NetworkId,
    book: Book,
    /// Lease and number in the group of every attempt with a receipt.
    attempts: BTreeSet<(String, u64)>,
    /// The chain by `lode miner receipts`.
    chain: Value,
}

impl Miner {
    pub(crate) fn read(data: PathBuf) -> Self {
        let (mut book, mut attempts) = (Book::default(), BTreeSet::new());
        let files = receipts::find(&data);
        assert_eq!(files.len(), 1, "{files:?}");
        let mut network = None;
        let kept = |_, kept| {
            if let Kept::Receipt(kept) = kept {
                network = Some(kept.receipt.network);
                book.add(&kept.receipt.open(kept.receipt.network).expect("a receipt"));
                attempts.insert((kept.lease.to_string(), u64::from(kept.attempt_index)));
            }
        };
        receipts::file::read(&files[0], kept).expect("the receipts");
        let ran = lode().args(["miner", "receipts", "--json", "--data"]).arg(data).output();
        let ran = ran.expect("runs");
        let said: Value = serde_json::from_slice(&ran.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", text(&ran.stderr)));
        let network = network.expect("a receipt");
        Self { network, book, attempts, chain: said["chains"][0].clone() }
    }

    pub(crate) fn network(&self) -> NetworkId {
        self.network
    }

    /// Whether an attempt has a receipt.
    pub(crate) fn holds(&self, lease: &str, index: u64) -> bool {
        self.attempts.contains(&(lease.to_owned(), index))
    }
}

/// The coordinator's answer to `Status`, asked as the miner; while no miner runs.
pub(crate) fn ask(data: PathBuf, network: &Network) -> MinerStatus {
    let address = network.tcp.parse().expect("an address");
    let id = network.id.parse().expect("a network");
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = Keystore::open(&data).expect("the keys");
        let (key, _) = store.get_or_create(KeyKind::Node).expect("the miner's key");
        let caller = Caller::new(key.clone(), Sequence::open(&data, id).expect("its sequence"));
        let config = TransportConfig::caller(key, vec![Protocol::Mine]);
        let (handle, _incoming) = Transport::start(config).await.expect("starts");
        let client = Client::new(handle.clone(), Target::at(vec![address]), caller, Retry::BRIEF);
        let reply = client.call(&MineRequest::Status).await.expect("an answer");
        handle.shutdown().await;
        let MineReply::Status(status) = reply else { panic!("{reply:?}") };
        status
    })
}

/// What is compared.
pub(crate) struct Sides<'a> {
    pub(crate) miner: &'a Miner,
    pub(crate) coordinator: &'a Coordinator,
    /// The coordinator's answer to the miner.
    pub(crate) asked: MinerStatus,
    /// Its figures for its operator.
    pub(crate) status: Status,
}

/// Both sides say the same, and no lease ended as it should not: at most in `downs`, the times in which
/// no miner was there. Gives the number of those.
pub(crate) fn compare(
    report: &mut Report,
    sides: &Sides<'_>,
    kills: u32,
    downs: &[Range<Duration>],
) -> u64 {
    let Sides { miner, coordinator, asked, status } = sides;
    let figures = |(receipts, tokens, credits_milli): (u64, u64, u64)| json!({ "receipts": receipts, "tokens": tokens, "credits_milli": credits_milli });
    let (held, given) = (miner.book.sum(), coordinator.book.sum());
    report.say(json!({
        "soak": "books", "miner": figures(held), "coordinator": figures(given),
        "attempts": { "miner": miner.book.attempts(), "coordinator": coordinator.book.attempts() },
        "offline": miner.chain["total"], "status": asked,
    }));
    report.check(held.0 > 0, || "there are no receipts".into());
    report.check(miner.book.is_whole(), || "the miner's chain has gaps or doubles".into());
    report.check(coordinator.book.is_whole(), || "the coordinator's has gaps or doubles".into());
    report.check(miner.book.entries == coordinator.book.entries, || {
        "the books differ, receipt by receipt".into()
    });
    report.check(miner.chain["holds"] == true, || format!("does not hold: {}", miner.chain));
    report.check(miner.chain["total"] == figures(held), || {
        format!("`lode miner receipts` counts otherwise: {}", miner.chain["total"])
    });
    report.check((asked.accepted, asked.credits_milli) == (given.0, given.2), || {
        format!("the coordinator answers otherwise than it logged: {asked:?}")
    });
    report.check((status.receipts, status.credits_milli) == (given.0, given.2), || {
        "status.json says otherwise than the log".into()
    });
    let down = |at: &&u64| downs.iter().any(|down| down.contains(&Duration::from_millis(**at)));
    let excused = coordinator.expired_ms.iter().filter(down).count() as u64;
    let settled: u64 = coordinator.outcomes.values().sum();
    report.say(json!({
        "soak": "leases", "given": coordinator.leased, "ended_without_a_group": coordinator.ended,
        "expired_at_ms": coordinator.expired_ms, "excused": excused, "outcomes": coordinator.outcomes, "settled": settled,
        "sessions": coordinator.sessions.len(),
        "log_bytes": coordinator.log_bytes,
    }));
    let ended = |how: &str| coordinator.ended.get(how).copied().unwrap_or(0);
    report.check(asked.expired == ended("Expired"), || {
        format!("the coordinator answers {} leases expired, of {}", asked.expired, ended("Expired"))
    });
    report.check(ended("Expired") == excused, || {
        format!(
            "{} leases timed out, in {excused} cases while no miner was there",
            ended("Expired")
        )
    });
    report.check(ended("Lost") <= u64::from(kills), || {
        format!("{} replies were lost in {kills} kills", ended("Lost"))
    });
    let incomplete = coordinator.incomplete();
    report.check(incomplete.is_empty(), || {
        format!("tasks not graded, or not all of their attempts (task, receipts): {incomplete:?}")
    });
    excused
}

fn bytes_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("listed").flatten();
    let size = |entry: std::fs::DirEntry| match entry.metadata().expect("its size") {
        about if about.is_dir() => bytes_in(&entry.path()),
        about => about.len(),
    };
    entries.map(size).sum()
}
