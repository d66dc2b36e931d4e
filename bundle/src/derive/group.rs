//! One counter: its task, its leases, what was committed and uploaded, and grades.

mod receipts;
mod session;
mod verdicts;

use std::{collections::BTreeSet, sync::Arc};

use lode_proto::{
    attempt::{Attempt, GroupCommit, Receipt},
    codec,
    epoch::Outcome,
    id::{AttemptId, LeaseId},
    limits::{MAX_ENCODED_BYTES, MAX_GROUP_SIZE, MAX_LEASES_PER_TASK},
    manifest::CounterRecord,
    mine::MineRequest,
    policy::PolicyCard,
    seed,
    session::{Session, TurnCommit},
    task::Place,
};

use super::{
    Basis, Epoch, GradedAttempt, Group, SeededTask, named,
    task::{Made, Maker},
};
use crate::{
    finding::{Check, Finding},
    record::GroupRecord,
};
pub(super) use receipts::check_chains;

/// What one counter gives.
#[derive(Default)]
pub(crate) struct CounterResult {
    pub(crate) findings: Vec<Finding>,
    pub(crate) basis: Option<Basis>,
    pub(crate) task: Option<Arc<SeededTask>>,
    pub(crate) graded: Option<Group>,
    pub(crate) attempts: u64,
    pub(crate) substituted: bool,
    /// Counter and receipt of every attempt, for the miners' chains.
    pub(crate) receipts: Vec<(u64, Receipt)>,
}

/// Checks one counter with its groups.
pub(crate) fn check_counter(
    epoch: &Epoch,
    maker: &Maker<'_>,
    record: &CounterRecord,
    place: Place,
    groups: &[&GroupRecord],
) -> CounterResult {
    let mut result = CounterResult::default();
    let counter = record.counter;
    let made = maker.make(place, record.task);
    let fault = match (&made, record.task, &record.outcome) {
        (Made::Fault(check, what), ..) => Some((*check, what.clone())),
        (Made::Exhausted, None, Outcome::Exhausted) => None,
        (Made::Exhausted, ..) => {
            Some((Check::Task, "its seed gives no task, but one is recorded".into()))
        }
        (Made::Task(_), _, Outcome::Exhausted) => {
            Some((Check::Counter, "is called exhausted, but its seed gives a task".into()))
        }
        (Made::Task(task), Some(claimed), _) if task.id == claimed => None,
        (Made::Task(task), claimed, _) => {
            let claimed = claimed.map_or("none".to_owned(), |id| id.to_string());
            let what = format!(
                "the task was not made from its seed: {claimed} is recorded, the seed gives {}",
                task.id
            );
            Some((Check::Task, what))
        }
    };
    if let Some((check, what)) = fault {
        result.findings.push(Finding::counter(counter, check, what));
    }
    if let Made::Task(task) = made {
        result.basis = Some(task.basis);
        result.task = Some(Arc::from(task));
    } else if let Made::Exhausted = made {
        result.basis = Some(Basis::Regenerated);
    }
    check_outcome(record, groups, &mut result.findings);
    for group in groups {
        let session = epoch.open.campaign.session(place);
        let mut one = OneGroup { epoch, maker, record, session, group, result: &mut result };
        one.check();
    }
    result
}

/// The outcome against the groups that are there.
fn check_outcome(record: &CounterRecord, groups: &[&GroupRecord], findings: &mut Vec<Finding>) {
    let mut fail = |what: String| {
        findings.push(Finding::counter(record.counter, Check::Counter, what));
    };
    let graded = matches!(record.outcome, Outcome::Graded { .. });
    let last = groups.last().map(|group| group.lease_number);
    match named(&record.outcome) {
        Some((_, number, _)) if last == Some(number) => {}
        Some((_, number, attempts)) if graded || !attempts.is_empty() => {
            fail(format!("lease {number} is its outcome, but there is no evidence of that lease"));
        }
        Some(_) => {}
        None if matches!(record.outcome, Outcome::Exhausted) && !groups.is_empty() => {
            fail("is called exhausted, but attempts at it were accepted".into());
        }
        None => {}
    }
}

struct OneGroup<'a> {
    epoch: &'a Epoch,
    maker: &'a Maker<'a>,
    record: &'a CounterRecord,
    session: Session,
    group: &'a GroupRecord,
    result: &'a mut CounterResult,
}

impl OneGroup<'_> {
    fn fail(&mut self, check: Check, what: impl Into<String>) {
        self.result.findings.push(Finding::counter(self.record.counter, check, what));
    }

    fn check(&mut self) {
        let (epoch, group) = (self.epoch, self.group);
        let counter = self.record.counter;
        let lease = seed::lease_id(
            &epoch.network.0,
            epoch.open.epoch,
            counter,
            group.lease_number,
            &group.miner,
        );
        if group.lease_number >= MAX_LEASES_PER_TASK {
            let what = format!("lease number {} is over the limit", group.lease_number);
            self.fail(Check::Attempt, what);
        }
        let Some((card, account)) = epoch.cards.get(&(group.miner, group.policy)) else {
            let what = format!(
                "miner {} never joined with policy {}",
                group.miner.short(),
                group.policy.short()
            );
            return self.fail(Check::Evidence, what);
        };
        let Some((commit, turns)) = self.commitment(lease) else { return };
        let attempts = self.attempts(lease, &commit, card);
        let Ok(commit_hash) = commit.hash() else { return };
        // A lease that was given out anew has receipts to check, but no part in the outcome.
        let Some((_, number, ids)) = named(&self.record.outcome) else { return };
        if number != group.lease_number {
            return;
        }
        let outcome = &self.record.outcome;
        let uploaded: Vec<AttemptId> = attempts.iter().map(|(id, ..)| *id).collect();
        if named(outcome).map(|(named, ..)| named) != Some(lease) || ids != uploaded {
            self.fail(Check::Counter, "its outcome names another lease or other attempts");
        }
        if !matches!(outcome, Outcome::Graded { .. }) {
            return;
        }
        if uploaded.len() != commit.attempts.len() {
            let (got, want) = (uploaded.len(), commit.attempts.len());
            self.fail(Check::Attempt, format!("{got} of {want} committed attempts are there"));
        }
        let Some(task) = self.result.task.clone() else { return };
        let mut graded = self.grade(&task, attempts);
        if self.session == Session::Revision {
            self.conversations(lease, &task, &turns, &mut graded);
        }
        let job = seed::job_id(&lease, &commit_hash);
        let agreements = self.verdicts(&task, job, &commit_hash, &graded, *account);
        self.result.graded = Some(Group {
            counter,
            lease_number: group.lease_number,
            session: self.session,
            lease,
            miner: group.miner,
            policy: group.policy,
            card: card.clone(),
            task,
            attempts: graded,
            agreements,
        });
    }

    /// What was committed to: all attempts as one group, and the later turns of a session.
    fn commitment(&mut self, lease: LeaseId) -> Option<(GroupCommit, Vec<TurnCommit>)> {
        let group = self.group;
        let mut commit =
            match group.commit.open_from::<MineRequest>(self.epoch.network, &group.miner) {
                Ok(MineRequest::Commit(commit)) => commit,
                Ok(_) => {
                    self.fail(Check::Attempt, "its commitment is another message");
                    return None;
                }
                Err(error) => {
                    self.fail(Check::Attempt, format!("its commitment: {error}"));
                    return None;
                }
            };
        let size = self.epoch.open.campaign.group_size;
        let first = self.session.turn(0, size).end;
        if commit.lease != lease {
            let what = format!("was committed under lease {}, its own is {lease}", commit.lease);
            self.fail(Check::Attempt, what);
        } else if commit.policy != group.policy {
            self.fail(Check::Attempt, "was committed under another policy");
        } else if commit.attempts.len() != first as usize || first > MAX_GROUP_SIZE {
            let got = commit.attempts.len();
            let what = format!("has {got} attempts committed, its first turn is of {first}");
            self.fail(Check::Attempt, what);
        } else if let Some(turns) = self.turns(&commit) {
            commit.attempts.extend(turns.iter().flat_map(|turn| &turn.attempts));
            if commit.attempts.iter().collect::<BTreeSet<_>>().len() == commit.attempts.len() {
                return Some((commit, turns));
            }
            self.fail(Check::Attempt, "committed to one attempt twice");
        }
        None
    }

    /// The attempts that can be read, with their receipts.
    fn attempts(
        &mut self,
        lease: LeaseId,
        commit: &GroupCommit,
        card: &PolicyCard,
    ) -> Vec<(AttemptId, Attempt, Receipt)> {
        let group = self.group;
        let mut found = Vec::new();
        let mut last = None;
        for record in &group.attempts {
            let attempt =
                match record.submit.open_from::<MineRequest>(self.epoch.network, &group.miner) {
                    Ok(MineRequest::Submit(attempt)) => attempt,
                    Ok(_) => {
                        self.fail(Check::Attempt, "an attempt is another message");
                        continue;
                    }
                    Err(error) => {
                        self.fail(Check::Attempt, format!("an attempt: {error}"));
                        continue;
                    }
                };
            self.result.attempts += 1;
            let index = attempt.index;
            let id = match attempt.id() {
                Ok(id) => id,
                Err(error) => {
                    self.fail(Check::Attempt, format!("attempt {index}: {error}"));
                    continue;
                }
            };
            if last.is_some_and(|last| last >= index) {
                self.fail(Check::Attempt, format!("attempt {index} is out of order or twice"));
                continue;
            }
            last = Some(index);
            if attempt.lease != lease || attempt.policy != group.policy {
                let what = format!("attempt {index} was made under another lease or policy");
                self.fail(Check::Attempt, what);
                continue;
            }
            if commit.attempts.get(index as usize) != Some(&id) {
                let what = format!("attempt {index} is not the one that was committed to");
                self.fail(Check::Attempt, what);
                continue;
            }
            let receipt = record
                .receipt
                .open_from::<Receipt>(self.epoch.network, &self.epoch.genesis.coordinator);
            match receipt {
                Ok(receipt) => {
                    self.check_receipt(&receipt, lease, id, &attempt, card);
                    self.result.receipts.push((self.record.counter, receipt.clone()));
                    found.push((id, attempt, receipt));
                }
                Err(error) => {
                    self.fail(Check::Receipt, format!("the receipt of attempt {index}: {error}"));
                }
            }
        }
        found
    }

    fn grade(
        &mut self,
        task: &SeededTask,
        attempts: Vec<(AttemptId, Attempt, Receipt)>,
    ) -> Vec<GradedAttempt> {
        let mut graded = Vec::with_capacity(attempts.len());
        for (id, attempt, receipt) in attempts {
            let family = self.maker.family();
            let mut verdict =
                family.grade(&task.task, &task.key, &attempt.completion, attempt.finish).rules;
            if task.basis == Basis::Regraded {
                // Another version of the grader: what it finds is compared, not its version.
                verdict.engine_version = task.spec.engine_version;
            }
            match verdict.hash() {
                Ok(verdict_hash) => {
                    let seed = seed::attempt_seed(
                        &self.epoch.secret.0,
                        &self.epoch.beacon,
                        self.record.counter,
                        self.group.lease_number,
                        attempt.index,
                    );
                    graded.push(GradedAttempt {
                        id,
                        attempt,
                        receipt,
                        seed,
                        verdict,
                        verdict_hash,
                        conversation: None,
                    });
                }
                Err(error) => {
                    self.fail(Check::Verdict, format!("attempt {}: {error}", attempt.index));
                }
            }
        }
        graded
    }
}

/// The frame that stores a task with its key.
pub(crate) fn task_frame(
    task: &SeededTask,
) -> Result<crate::evidence::TaskFrame, codec::CodecError> {
    let (id, key) = (task.id, codec::encode(&task.key)?);
    debug_assert!(key.len() <= MAX_ENCODED_BYTES);
    Ok(crate::evidence::TaskFrame { id, task: codec::encode(&task.task)?, key })
}
