//! The turns of a revision session: who committed to what, what was said, and what each attempt saw.

use std::sync::Arc;

use lode_proto::{
    attempt::GroupCommit,
    id::LeaseId,
    mine::MineRequest,
    session::{Feedback, MAX_TURNS, Session, TurnCommit},
};
use lode_tasks::revision::{self, Conversation};

use super::{GradedAttempt, OneGroup, SeededTask};
use crate::finding::Check;

impl OneGroup<'_> {
    /// The commitments of the turns from 1 on; `None` where one of them cannot stand.
    pub(super) fn turns(&mut self, first: &GroupCommit) -> Option<Vec<TurnCommit>> {
        let group = self.group;
        let mut turns = Vec::new();
        if self.session == Session::Group && !(group.turns.is_empty() && group.feedback.is_empty())
        {
            self.fail(Check::Attempt, "is a group, but has turns or feedback");
            return None;
        }
        for (number, envelope) in (1..).zip(&group.turns) {
            let commit = match envelope.open_from::<MineRequest>(self.epoch.network, &group.miner) {
                Ok(MineRequest::CommitTurn(commit)) => commit,
                Ok(_) => {
                    self.fail(Check::Attempt, format!("turn {number} is another message"));
                    return None;
                }
                Err(error) => {
                    self.fail(Check::Attempt, format!("turn {number}: {error}"));
                    return None;
                }
            };
            let size = Session::Revision.turn(number, 0).len();
            let fault = if (commit.lease, commit.policy) != (first.lease, first.policy) {
                "was committed under another lease or policy"
            } else if commit.turn != number || number >= MAX_TURNS {
                "stands out of order or is one too many"
            } else if commit.attempts.len() != size {
                "has another number of attempts than a turn has"
            } else {
                turns.push(commit);
                continue;
            };
            self.fail(Check::Attempt, format!("turn {number} {fault}"));
            return None;
        }
        Some(turns)
    }

    /// Writes the conversation again, notes what each attempt answered, and compares it with what the
    /// miner committed to and what the coordinator said.
    pub(super) fn conversations(
        &mut self,
        lease: LeaseId,
        task: &SeededTask,
        turns: &[TurnCommit],
        graded: &mut [GradedAttempt],
    ) {
        let mut talk = Conversation::new(&task.task);
        let last = u32::try_from(turns.len()).unwrap_or(u32::MAX);
        for turn in 0..=last {
            if let Some(commit) = turn.checked_sub(1).and_then(|at| turns.get(at as usize)) {
                let seen: Arc<str> = talk.text().into();
                if commit.prompt != talk.hash() {
                    self.fail(
                        task.basis.or_inconclusive(Check::Attempt),
                        format!("turn {turn} answers another conversation"),
                    );
                }
                for attempt in Session::Revision.turn(turn, 0) {
                    if let Some(one) = graded.get_mut(attempt as usize) {
                        one.conversation = Some(Arc::clone(&seen));
                    }
                }
            }
            let Some(one) = graded.get(Session::Revision.continued(turn) as usize) else { return };
            let counts = revision::counts(&task.task, &one.verdict);
            talk.push(&one.attempt.completion, &counts);
            let next = (!one.verdict.passes()).then(|| talk.hash());
            let right = Feedback { lease, turn, attempt: one.id, counts, next };
            self.feedback(&right, turn < last, task.basis.or_inconclusive(Check::Verdict));
        }
        if self.group.feedback.len() > turns.len() + 1 || turns.len() + 1 > MAX_TURNS as usize {
            self.fail(Check::Evidence, "there is feedback on a turn that there was not");
        }
    }

    /// What was said of a turn; `followed` where another turn came after it.
    fn feedback(&mut self, right: &Feedback, followed: bool, mismatch: Check) {
        let turn = right.turn;
        let coordinator = self.epoch.genesis.coordinator;
        let said = self.group.feedback.get(turn as usize);
        match said.map(|said| said.open_from::<Feedback>(self.epoch.network, &coordinator)) {
            None if followed => {
                self.fail(Check::Evidence, format!("turn {turn} was followed without feedback"));
            }
            None => {}
            Some(Err(error)) => {
                self.fail(Check::Evidence, format!("the feedback on turn {turn}: {error}"));
            }
            Some(Ok(said)) if said != *right => {
                let what = format!("the feedback on turn {turn} is not what the attempt gives");
                self.fail(mismatch, what);
            }
            Some(Ok(_)) if followed && right.next.is_none() => {
                let what = format!("turn {turn} passes, but the session went on");
                self.fail(Check::Attempt, what);
            }
            Some(Ok(_)) => {}
        }
    }
}
