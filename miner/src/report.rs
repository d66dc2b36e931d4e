//! What a miner tells whoever runs it: what it does while it runs, and why it stopped.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Instant,
};

use lode_engine::{EngineError, Progress};
use lode_node::{
    keystore::KeyError,
    log::LogError,
    rpc::{RpcError, Watch},
    sequence::SequenceError,
    transport::TransportError,
};
use lode_proto::{
    attempt::Receipt,
    genesis::GenesisError,
    id::{LeaseId, NetworkId, PolicyId},
    key::PublicKey,
    mine::NoWork,
    refusal::Refusal,
    session::Counts,
};
use serde::Serialize;

use crate::{power::PowerError, queue::Totals};

/// Why a miner stopped.
#[derive(Debug, thiserror::Error)]
pub enum MinerError {
    /// The configuration cannot be used.
    #[error("{0}")]
    Config(String),
    /// The node key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The durable queue cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The envelope sequence cannot be used.
    #[error(transparent)]
    Sequence(#[from] SequenceError),
    /// The transport cannot start.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The coordinator cannot be talked to.
    #[error("talking to the coordinator failed: {0}")]
    Rpc(#[from] RpcError),
    /// The coordinator showed another network.
    #[error("the coordinator's genesis cannot be trusted: {0}")]
    Genesis(#[from] GenesisError),
    /// Another network than the one configured.
    #[error("the coordinator runs network {got}, but the configuration names {want}")]
    OtherNetwork {
        /// Its network.
        got: NetworkId,
        /// Ours.
        want: NetworkId,
    },
    /// The coordinator refused what cannot be mended by asking again.
    #[error("the coordinator refused: {0}")]
    Refused(Refusal),
    /// The engine cannot work.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A task of this program ended in a way that it never should.
    #[error("a part of the miner crashed: {0}; please report it")]
    Crashed(String),
    /// The miner was told to stop before the coordinator answered. Never leaves the daemon.
    #[error("the miner is stopping")]
    Stopping,
    /// Figures cannot be served.
    #[error("metrics cannot be served at {address}: {reason}; free the address or choose another")]
    Metrics {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        reason: String,
    },
    /// The GPUs cannot be kept within the configured limits.
    #[error(transparent)]
    Power(#[from] PowerError),
    /// The coordinator answered something that does not fit the question.
    #[error("the coordinator gave an answer that does not fit the question ({0})")]
    Protocol(&'static str),
}

/// How a lease ended that was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The coordinator said that it is over, before or while it was worked on.
    Over,
    /// The coordinator refused what was made.
    Refused,
    /// The miner could not or would not finish it and gave it back.
    HandedBack,
}

impl Ending {
    /// A name for labels.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Over => "over",
            Self::Refused => "refused",
            Self::HandedBack => "handed_back",
        }
    }
}

/// What a miner does, for whoever watches it: the log, the dashboard and the metrics are functions of
/// this and of nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The queue was read from disk, before anyone was talked to.
    Opened {
        /// Leases that are not finished.
        leases: Vec<LeaseId>,
        /// Those of them whose attempts are made.
        ready: Vec<LeaseId>,
        /// The miner's own count.
        totals: Totals,
    },
    /// The coordinator knows us.
    Joined {
        /// The network.
        network: NetworkId,
        /// The policy.
        policy: PolicyId,
        /// Our key.
        miner: PublicKey,
    },
    /// The coordinator answers again, or no longer does. Told when it changes.
    Coordinator {
        /// Whether it answers.
        up: bool,
        /// Why not.
        reason: Option<String>,
    },
    /// Work begins on a lease.
    Leased {
        /// The lease.
        lease: LeaseId,
    },
    /// How far the engine is with a lease; a few times a second.
    Progress {
        /// The lease.
        lease: LeaseId,
        /// Tokens generated so far, over all attempts.
        tokens: u64,
        /// Attempts that have ended.
        finished: u32,
        /// Attempts of the group.
        attempts: u32,
    },
    /// All attempts of a lease were generated.
    Generated {
        /// The lease.
        lease: LeaseId,
        /// Attempts.
        attempts: usize,
        /// Tokens generated.
        tokens: u64,
        /// Time it took, milliseconds.
        elapsed_ms: u64,
    },
    /// The coordinator holds an attempt.
    Receipted {
        /// The lease.
        lease: LeaseId,
        /// Number of the attempt in its group.
        attempt: u32,
        /// What the receipt says, where it can be read.
        receipt: Option<ReceiptNote>,
        /// What is wrong with it, if anything is.
        wrong: Option<String>,
        /// The miner's own count with it.
        totals: Totals,
    },
    /// The coordinator said how a turn of a revision session did.
    Feedback {
        /// The lease.
        lease: LeaseId,
        /// The turn, from 0.
        turn: u32,
        /// How many parts are right.
        counts: Counts,
    },
    /// All attempts of a lease have receipts.
    Delivered {
        /// The lease.
        lease: LeaseId,
        /// The miner's own count.
        totals: Totals,
    },
    /// The coordinator refused a request.
    Refused {
        /// What was asked: `join`, `lease`, `commit`, `commit turn`, `submit`, `feedback`, `hand back`, `heartbeat`.
        asked: &'static str,
        /// Kind of refusal, for labels.
        kind: &'static str,
        /// Why, with the measured value and the limit.
        reason: String,
    },
    /// A lease came to nothing.
    Dropped {
        /// The lease.
        lease: LeaseId,
        /// How it ended.
        how: Ending,
        /// Why.
        reason: String,
        /// The miner's own count: of a session what was handed in before counts as a group.
        totals: Totals,
    },
    /// There is nothing to do.
    Waiting {
        /// Why.
        reason: NoWork,
    },
    /// The miner itself takes no new work, or takes it again. Told when it changes.
    Held {
        /// Why not.
        reason: Option<&'static str>,
    },
    /// What a GPU draws and how hot it is; every few seconds where limits are set.
    Gpu {
        /// Its index.
        gpu: String,
        /// What it draws, mW, where it tells.
        draw_mw: Option<u64>,
        /// °C, where it tells.
        celsius: Option<i32>,
    },
    /// The miner ends.
    Stopped {
        /// The miner's own count.
        totals: Totals,
    },
}

/// What a receipt says, for whoever watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ReceiptNote {
    /// Number in the miner's chain.
    pub number: u64,
    /// The epoch.
    pub epoch: u64,
    /// Tokens credited.
    pub tokens: u32,
    /// Credits, thousandths.
    pub credits_milli: u64,
    /// The coordinator's clock, milliseconds since 1970.
    pub unix_ms: u64,
}

impl From<&Receipt> for ReceiptNote {
    fn from(receipt: &Receipt) -> Self {
        Self {
            number: receipt.index,
            epoch: receipt.epoch,
            tokens: receipt.tokens,
            credits_milli: receipt.credits_milli,
            unix_ms: receipt.unix_ms,
        }
    }
}

impl Event {
    /// Whether this is for a display that is drawn over and over, and too much for a log.
    #[must_use]
    pub fn is_fleeting(&self) -> bool {
        matches!(self, Self::Progress { .. } | Self::Gpu { .. })
    }

    /// Whether this is one of several that a later event sums up, and nothing is wrong with it.
    #[must_use]
    pub fn is_detail(&self) -> bool {
        matches!(self, Self::Receipted { wrong: None, .. })
    }

    /// A refusal of a request.
    #[must_use]
    pub fn refused(asked: &'static str, refusal: &Refusal) -> Self {
        Self::Refused { asked, kind: refusal_kind(refusal), reason: refusal.to_string() }
    }
}

/// A short name for the kind of a refusal.
pub(crate) fn refusal_kind(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Malformed(_) => "malformed",
        Refusal::NotYourConnection => "not_your_connection",
        Refusal::Replayed { .. } => "replayed",
        Refusal::NotJoined => "not_joined",
        Refusal::NotAdmitted(_) => "not_admitted",
        Refusal::TooManyLeases { .. } => "too_many_leases",
        Refusal::NoSuchLease(_) => "no_such_lease",
        Refusal::WrongGroupSize { .. } => "wrong_group_size",
        Refusal::OtherConversation { .. } => "other_conversation",
        Refusal::AlreadyCommitted(_) => "already_committed",
        Refusal::NotCommitted(_) => "not_committed",
        Refusal::NotWhatWasCommitted { .. } => "not_what_was_committed",
        Refusal::OverLimit { .. } => "over_limit",
        Refusal::UnknownPolicy => "unknown_policy",
        Refusal::NotExpected(_) => "not_expected",
        Refusal::BadReveal => "bad_reveal",
        Refusal::Unavailable(_) => "unavailable",
    }
}

/// Where events go.
pub type EventSink = Arc<dyn Fn(Event) + Send + Sync>;

/// What tells of the coordinator's coming and going: for [`lode_node::rpc::Client::watched`].
pub(crate) fn contact(events: EventSink) -> Watch {
    const UNKNOWN: u8 = 0;
    const UP: u8 = 1;
    const DOWN: u8 = 2;
    let last = AtomicU8::new(UNKNOWN);
    Watch::new(move |result| {
        let now = if result.is_ok() { UP } else { DOWN };
        if last.swap(now, Ordering::Relaxed) != now {
            let reason = result.err().map(ToString::to_string);
            events(Event::Coordinator { up: reason.is_none(), reason });
        }
    })
}

/// What tells how far the engine is, at most four times a second: it is called at every token, from
/// the thread that generates.
pub(crate) fn progress(events: EventSink, lease: LeaseId) -> Arc<dyn Fn(Progress) + Send + Sync> {
    const PAUSE_MS: u64 = 250;
    let started = Instant::now();
    let due_ms = AtomicU64::new(0);
    Arc::new(move |Progress { tokens, finished, attempts }| {
        let now_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let due = due_ms.load(Ordering::Relaxed);
        let mine = now_ms >= due
            && due_ms
                .compare_exchange(due, now_ms + PAUSE_MS, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if mine {
            events(Event::Progress { lease, tokens, finished, attempts });
        }
    })
}
