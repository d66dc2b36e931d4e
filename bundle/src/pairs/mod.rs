//! The pair builder: from graded groups to chosen/rejected pairs. Pure and deterministic.
//!
//! ```text
//! groups ─► candidates ─► matching ─► near-duplicates ─► length and probe ─► configs and splits
//!           who may stand  most pairs,  dedup.rs          balance.rs          pairs, trap, mixed,
//!           on which side  near lengths                   probe.rs            revision, sequential
//! sessions ─► turns (revision: as groups) or the chain of turns (session.rs)
//! ```
//!
//! Kinds (both sides were written for the byte-identical prompt, by the same policy):
//! - `group`: the chosen side passes, is at least as good on every question and constraint and on
//!   the trace, and better on one of them.
//! - `trap`: the rejected side fell into a trap that the chosen side avoided; the chosen side fell
//!   into none, and is at least as good on every question and constraint.
//!
//! - `revision`: both continue the same conversation, feedback included; sides as of `group`.
//! - `sequential`, `bookend`: an attempt of a session against the next one of its conversation, the
//!   first against the last; the later one is at least as good on every part and better on one. Their
//!   prompt is the task's: the later side knew more than it says (`feedback_conditioned`).
//!
//! The first two are made of groups, the others of revision sessions.
//!
//! Rejected sides parse. An attempt stands in at most one pair of a kind. Every attempt that stands
//! in none is counted under one reason, so that for each kind but `sequential` and `bookend`, over what
//! it is made of,
//! `attempts = 2 × pairs + 2 × pairs dropped + attempts dropped`.

use std::collections::{BTreeMap, BTreeSet};

use lode_proto::{
    id::{Hash, PairId, TaskId},
    session::Session,
};
use lode_tasks::types::FailureClass;

use crate::derive::{GradedAttempt, Group};

mod balance;
mod candidates;
mod dedup;
mod matching;
mod probe;
mod session;
mod split;
#[cfg(test)]
mod tests;

pub use balance::LengthReader;
pub use dedup::fingerprint;
pub(crate) use dedup::of_pair;
pub use probe::ProbeResult;

/// From so many pairs up, length balance and probe are enforced.
pub const ENFORCED_FROM: usize = 500;

/// Why two attempts make a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// One passes, the other does not.
    Group,
    /// One fell into a trap that the other avoided.
    Trap,
    /// One continuation of a conversation passes, the other does not.
    Revision,
    /// An attempt and the next one of its conversation.
    Sequential,
    /// The first and the last attempt of a conversation.
    Bookend,
}

impl Kind {
    /// The name in rows and counts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Trap => "trap",
            Self::Revision => "revision",
            Self::Sequential => "sequential",
            Self::Bookend => "bookend",
        }
    }

    /// What it is made of.
    #[must_use]
    pub fn session(self) -> Session {
        match self {
            Self::Group | Self::Trap => Session::Group,
            Self::Revision | Self::Sequential | Self::Bookend => Session::Revision,
        }
    }

    /// Whether both sides answered the prompt of the pair, byte for byte.
    #[must_use]
    pub fn same_input(self) -> bool {
        !matches!(self, Self::Sequential | Self::Bookend)
    }
}

/// A config of the dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Config {
    /// Every graded attempt.
    Attempts,
    /// Pairs of kind `group` that the default leaves out.
    Mixed,
    /// The default: pairs of kind `group`.
    Pairs,
    /// Pairs of kind `revision`.
    Revision,
    /// Pairs of kind `sequential` and `bookend`.
    Sequential,
    /// Pairs of kind `trap`.
    Trap,
}

impl Config {
    /// Every config, in the order of the files.
    pub const ALL: [Self; 6] =
        [Self::Attempts, Self::Mixed, Self::Pairs, Self::Revision, Self::Sequential, Self::Trap];
    /// Those that hold pairs.
    pub const OF_PAIRS: [Self; 5] =
        [Self::Pairs, Self::Trap, Self::Mixed, Self::Revision, Self::Sequential];

    /// The name of config and folder.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Mixed => "mixed",
            Self::Pairs => "pairs",
            Self::Revision => "revision",
            Self::Sequential => "sequential",
            Self::Trap => "trap",
        }
    }
}

/// Which part of the dataset a task belongs to, with everything made from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Split {
    /// 5 % of the tasks.
    Test,
    /// 90 % of the tasks; never empty.
    Train,
    /// 5 % of the tasks.
    Validation,
}

impl Split {
    /// Every split, in the order of the files.
    pub const ALL: [Self; 3] = [Self::Test, Self::Train, Self::Validation];

    /// The name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Train => "train",
            Self::Validation => "validation",
        }
    }
}

/// A pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The hash of kind and both attempts.
    pub id: PairId,
    /// Why it is one.
    pub kind: Kind,
    /// Where it is published.
    pub config: Config,
    /// Index of its group.
    pub group: usize,
    /// Index of the chosen attempt in the group.
    pub chosen: usize,
    /// Index of the rejected attempt in the group.
    pub rejected: usize,
    /// The trap (from 1) that tells them apart, for [`Kind::Trap`].
    pub trap: Option<u16>,
}

/// What the pair builder made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PairSet {
    /// Pairs in order of config, split, counter, kind and chosen attempt.
    pub pairs: Vec<Pair>,
    /// The split of every task.
    pub splits: BTreeMap<TaskId, Split>,
    /// What was dropped: `kind/reason` counts attempts, `kind_pairs/reason` counts pairs.
    pub dropped: BTreeMap<String, u64>,
    /// What a reader that picks the longer side would get, by config.
    pub length: BTreeMap<&'static str, LengthReader>,
    /// What a reader of the completions alone can tell, by config.
    pub probe: BTreeMap<&'static str, ProbeResult>,
}

impl PairSet {
    /// The split of a task; [`Split::Train`] for one that it does not know.
    #[must_use]
    pub fn split(&self, task: &TaskId) -> Split {
        self.splits.get(task).copied().unwrap_or(Split::Train)
    }

    /// The pairs of a config.
    pub fn of(&self, config: Config) -> impl Iterator<Item = &Pair> {
        self.pairs.iter().filter(move |pair| pair.config == config)
    }
}

/// The hash of a pair's kind and its two attempts.
#[must_use]
pub fn pair_id(kind: Kind, chosen: &GradedAttempt, rejected: &GradedAttempt) -> PairId {
    PairId(Hash::derive_parts(
        PairId::CONTEXT,
        &[kind.name().as_bytes(), chosen.id.0.as_bytes(), rejected.id.0.as_bytes()],
    ))
}

/// Builds every pair of an epoch. `groups` are in order of counter; `earlier` holds fingerprints of
/// pairs published before.
#[must_use]
pub fn build(groups: &[Group], earlier: &BTreeSet<Hash>) -> PairSet {
    let mut set = PairSet::default();
    let mut drops = Drops(&mut set.dropped);
    let mut pairs = Vec::new();
    for kind in [Kind::Group, Kind::Trap, Kind::Revision, Kind::Sequential, Kind::Bookend] {
        let mut surplus = 0;
        let mut made = Vec::new();
        let of_kind = |(_, group): &(usize, &Group)| group.session == kind.session();
        for (at, group) in groups.iter().enumerate().filter(of_kind) {
            if !kind.same_input() {
                made.extend(session::pairs(at, group, kind, &mut drops));
                continue;
            }
            for sides in candidates::sides(kind, group, &mut drops) {
                made.extend(matching::pair_up(at, group, kind, &sides, &mut surplus, &mut drops));
            }
        }
        pairs.append(&mut dedup::drop_duplicates(groups, made, kind, earlier, &mut drops));
    }
    balance::enforce(groups, &mut pairs, &mut drops);
    probe::enforce(groups, &mut pairs, &mut drops);
    // What the probe moved out may have tipped the lengths again.
    balance::enforce(groups, &mut pairs, &mut drops);
    for config in Config::OF_PAIRS {
        let of: Vec<&Pair> = pairs.iter().filter(|pair| pair.config == config).collect();
        if !of.is_empty() {
            set.length.insert(config.name(), LengthReader::measure(groups, &of));
            set.probe.insert(config.name(), probe::measure(groups, &of).0);
        }
    }
    set.splits = split::splits(groups, &pairs);
    let splits = &set.splits;
    pairs.sort_by_key(|pair| {
        let group = groups.get(pair.group);
        let split = group.and_then(|group| splits.get(&group.task.id)).copied();
        (pair.config, split, group.map(|group| group.counter), pair.kind, pair.chosen)
    });
    set.pairs = pairs;
    set
}

/// Whether a rejected side of this failure class belongs to the default config.
pub(crate) fn in_default(failure: Option<FailureClass>) -> bool {
    matches!(failure, Some(FailureClass::Answer | FailureClass::Trace | FailureClass::Trap))
}

/// Counts what is dropped.
pub(crate) struct Drops<'a>(&'a mut BTreeMap<String, u64>);

impl Drops<'_> {
    /// An attempt that stands in no pair of the kind.
    pub(crate) fn attempt(&mut self, kind: Kind, reason: &str) {
        *self.0.entry(format!("{}/{reason}", kind.name())).or_default() += 1;
    }

    /// A pair that was made and not published.
    pub(crate) fn pair(&mut self, kind: Kind, reason: &str) {
        *self.0.entry(format!("{}_pairs/{reason}", kind.name())).or_default() += 1;
    }

    /// A pair that was moved from the default config to `mixed`.
    pub(crate) fn moved(&mut self, reason: &str) {
        *self.0.entry(format!("moved_to_mixed/{reason}")).or_default() += 1;
    }
}
