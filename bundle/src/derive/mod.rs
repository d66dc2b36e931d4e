//! From envelopes to graded groups: every claim of an epoch recomputed from what was signed.
//!
//! ```text
//! genesis, open, beacon, joins, ledger ─► Epoch                        (epoch.rs)
//! secret ‖ beacon ‖ i ─► spec ─► Task, AnswerKey ─┐
//! commit, submits, receipts, verdicts ────────────┴─► Group, graded     (group.rs)
//! turns, feedback ─► what each attempt answered                         (group/session.rs)
//! graded groups in the ledger's order ─► who is moved to which profile  (profiles.rs)
//! ```
//!
//! Nothing stops at the first fault: each becomes a [`Finding`], and what can still be read is
//! read, so that a report names everything that is wrong. The writer refuses a record with any
//! finding; the auditor prints them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use lode_proto::{
    attempt::{Attempt, Receipt},
    epoch::{EpochOpen, Outcome},
    genesis::Genesis,
    id::{AttemptId, Hash, LeaseId, NetworkId, PolicyId, TaskId},
    key::{PublicKey, Signature},
    policy::PolicyCard,
    session::Session,
    task::TaskSpec,
};
use lode_tasks::types::{AnswerKey, RuleVerdict, Task};

use crate::{
    engine::Engine,
    finding::{Check, Finding},
    record::{EpochRecord, GroupRecord},
};

pub(crate) mod epoch;
mod group;
mod parallel;
mod profiles;
mod task;

pub(crate) use group::task_frame;
pub(crate) use task::StoredTasks;

/// An epoch as its envelopes give it.
#[derive(Debug, Clone)]
pub struct Epoch {
    /// The hash of the genesis.
    pub network: NetworkId,
    /// The network's rules.
    pub genesis: Genesis,
    /// What was promised and asked.
    pub open: EpochOpen,
    /// The epoch's public randomness.
    pub beacon: Hash,
    /// The secret, revealed.
    pub secret: Hash,
    /// Verifiers of the epoch with their accounts.
    pub verifiers: BTreeMap<PublicKey, PublicKey>,
    /// Cards of miners by key and policy, with the miner's account.
    pub(crate) cards: BTreeMap<(PublicKey, PolicyId), (PolicyCard, PublicKey)>,
    /// What is on record as a fault: accused and lease.
    pub(crate) faults: BTreeSet<(PublicKey, Option<LeaseId>)>,
}

/// Where a task came from in this derivation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Basis {
    /// Made from its seed again, and equal.
    Regenerated,
    /// This build no longer has the engine version; the stored task was graded.
    Regraded,
}

impl Basis {
    /// What a difference is called: of another version's task, whose wording and grades this build may
    /// not have, it proves nothing.
    pub(crate) fn or_inconclusive(self, check: Check) -> Check {
        if self == Self::Regraded { Check::Inconclusive } else { check }
    }
}

/// A counter's task.
#[derive(Debug, Clone)]
pub struct SeededTask {
    /// What it is made from.
    pub spec: TaskSpec,
    /// Its id.
    pub id: TaskId,
    /// The public task.
    pub task: Task,
    /// Its answers.
    pub key: AnswerKey,
    /// The exact text that the model saw.
    pub prompt: String,
    /// Where it came from.
    pub basis: Basis,
}

/// An attempt with its grade.
#[derive(Debug, Clone)]
pub struct GradedAttempt {
    /// Its id.
    pub id: AttemptId,
    /// The attempt.
    pub attempt: Attempt,
    /// The coordinator's word for it.
    pub receipt: Receipt,
    /// The seed of its sampling noise.
    pub seed: [u8; 32],
    /// What the rules find.
    pub verdict: RuleVerdict,
    /// [`RuleVerdict::hash`].
    pub verdict_hash: Hash,
    /// What its author saw, where that is more than the task's prompt: the conversation of a revision
    /// session so far.
    pub conversation: Option<Arc<str>>,
}

/// A verifier's revealed verdict that equals ours.
#[derive(Debug, Clone)]
pub struct Agreement {
    /// Who.
    pub verifier: PublicKey,
    /// Sequence of the reveal's envelope.
    pub sequence: u64,
    /// Signature of the reveal's envelope.
    pub signature: Signature,
}

/// A group or revision session that was graded and may be paired.
#[derive(Debug, Clone)]
pub struct Group {
    /// The task's counter.
    pub counter: u64,
    /// Number of the lease in its task.
    pub lease_number: u32,
    /// How its attempts were asked for.
    pub session: Session,
    /// The lease.
    pub lease: LeaseId,
    /// Who made it.
    pub miner: PublicKey,
    /// What produced it.
    pub policy: PolicyId,
    /// The miner's card of that policy.
    pub card: PolicyCard,
    /// The task.
    pub task: Arc<SeededTask>,
    /// The attempts in order.
    pub attempts: Vec<GradedAttempt>,
    /// Verifiers that found the same, by key.
    pub agreements: Vec<Agreement>,
}

/// What an epoch's record gives.
#[derive(Debug, Default)]
pub struct Derived {
    /// The epoch; `None` where not even its opening could be read.
    pub epoch: Option<Epoch>,
    /// Graded groups in order of counter.
    pub groups: Vec<Group>,
    /// Tasks of all counters that have one, by counter.
    pub tasks: BTreeMap<u64, Arc<SeededTask>>,
    /// Attempts that were read, graded or not.
    pub attempts: u64,
    /// Counters whose task was made again from its seed.
    pub regenerated: u64,
    /// Counters whose stored task was graded instead.
    pub regraded: u64,
    /// Groups that others than the lowest-ranked verifiers graded (the drawn ones were late, or so
    /// the coordinator says).
    pub substituted: u64,
    /// Credits of all receipts, thousandths.
    pub credits_milli: u64,
    /// Everything that does not hold.
    pub findings: Vec<Finding>,
}

/// Recomputes an epoch. `stored` holds tasks for engine versions that this build no longer has;
/// the writer has none. `threads` is at least 1.
pub(crate) fn derive(
    record: &EpochRecord,
    engine: &dyn Engine,
    stored: &StoredTasks,
    threads: usize,
) -> Derived {
    let mut derived = Derived::default();
    let Some(epoch) = epoch::check(record, &mut derived.findings) else {
        return derived;
    };
    check_sequences(record, &mut derived.findings);
    let by_counter = group_by_counter(record, &mut derived.findings);
    let maker = match task::Maker::new(&epoch, record, engine, stored) {
        Ok(maker) => maker,
        Err(finding) => {
            derived.findings.push(finding);
            derived.epoch = Some(epoch);
            return derived;
        }
    };
    let none: Vec<&GroupRecord> = Vec::new();
    let places = profiles::places(record);
    let numbered: Vec<_> = record.counters.iter().zip(places).collect();
    let results = parallel::map(&numbered, threads, |(counter, place)| {
        let groups = by_counter.get(&counter.counter).unwrap_or(&none);
        group::check_counter(&epoch, &maker, counter, *place, groups)
    });
    let mut receipts = Vec::new();
    for (counter, mut result) in record.counters.iter().zip(results) {
        derived.findings.append(&mut result.findings);
        derived.attempts += result.attempts;
        derived.substituted += u64::from(result.substituted);
        receipts.append(&mut result.receipts);
        match result.basis {
            Some(Basis::Regenerated) => derived.regenerated += 1,
            Some(Basis::Regraded) => derived.regraded += 1,
            None => {}
        }
        if let Some(task) = result.task {
            derived.tasks.insert(counter.counter, task);
        }
        derived.groups.extend(result.graded);
    }
    derived.credits_milli =
        receipts.iter().fold(0, |sum: u64, (_, receipt)| sum.saturating_add(receipt.credits_milli));
    group::check_chains(receipts, &mut derived.findings);
    profiles::check(record, &epoch, &derived.groups, &mut derived.findings);
    derived.epoch = Some(epoch);
    derived
}

/// No two messages of a miner with one sequence: the second would be a replay.
fn check_sequences(record: &EpochRecord, findings: &mut Vec<Finding>) {
    let mut seen = BTreeSet::new();
    let groups = record.groups.iter().flat_map(|group| {
        let submits = group.attempts.iter().map(|attempt| &attempt.submit);
        std::iter::once(&group.commit).chain(&group.turns).chain(submits)
    });
    for envelope in record.joins.iter().chain(groups) {
        if !seen.insert((envelope.sender, envelope.sequence)) {
            let what = format!(
                "two messages of miner {} have sequence {}: one was replayed",
                envelope.sender.short(),
                envelope.sequence
            );
            findings.push(Finding::bundle(Check::Evidence, what));
        }
    }
}

/// The groups of each counter, in the order of the record, which must be that of counter and lease.
fn group_by_counter<'a>(
    record: &'a EpochRecord,
    findings: &mut Vec<Finding>,
) -> BTreeMap<u64, Vec<&'a GroupRecord>> {
    let mut by_counter: BTreeMap<u64, Vec<&GroupRecord>> = BTreeMap::new();
    let count = record.counters.len() as u64;
    let mut last = None;
    for group in &record.groups {
        let place = (group.counter, group.lease_number);
        if last.is_some_and(|last| last >= place) {
            let what = format!("lease {} stands out of order or twice", group.lease_number);
            findings.push(Finding::counter(group.counter, Check::Attempt, what));
        }
        last = Some(place);
        if group.counter >= count {
            let what = format!("has a group, but the epoch's counters end before {count}");
            findings.push(Finding::counter(group.counter, Check::Counter, what));
        }
        by_counter.entry(group.counter).or_default().push(group);
    }
    by_counter
}

/// The lease and attempts that an outcome names.
pub(crate) fn named(outcome: &Outcome) -> Option<(LeaseId, u32, &[AttemptId])> {
    match outcome {
        Outcome::Graded { lease, lease_number, attempts }
        | Outcome::Incomplete { lease, lease_number, attempts, .. } => {
            Some((*lease, *lease_number, attempts))
        }
        Outcome::Exhausted | Outcome::Unanswered { .. } => None,
    }
}
