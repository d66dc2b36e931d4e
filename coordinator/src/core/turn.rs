//! The turns of a revision session: feedback on one, the commitment to the next.
//!
//! ```text
//! turn complete ─► GradeTurn (shell) ─► TurnGraded ─► the miner asks, gets the signed feedback
//!       ▲                                  └─ passes, or no more turns: sealed
//!       └── uploads ◄── TurnCommitted ◄── CommitTurn, of the conversation that goes on
//! ```
//!
//! What is told is the coordinator's own provisional grading; the outcome rests on the quorum's. A
//! session whose miner goes away between turns is sealed with what is there.

use lode_proto::{
    envelope::Envelope,
    id::LeaseId,
    key::PublicKey,
    mine::{MineReply, MineRequest},
    refusal::Refusal,
    session::{Feedback, Session, TurnCommit},
};

use super::{
    apply::read,
    attempt::distinct,
    context::Now,
    event::Event,
    input::{Effect, Reply, TurnGrade},
    mine::Answer,
    state::Stage,
    step::{Core, CoreError, Handled, Todo},
    task::{Group, Next, Phase, Turns},
};

impl Core {
    /// Asks the shell to grade the newest turn, once.
    pub(super) fn grade_turn(&mut self, counter: u64) -> Todo {
        let Some(epoch) = self.state.epoch.as_ref() else { return Todo::default() };
        let group = epoch.slot(counter).and_then(|slot| slot.group());
        let (Some(group), Some(spec)) = (group, epoch.spec(counter)) else {
            return Todo::default();
        };
        if self.volatile.grading.contains(&counter) {
            return Todo::default();
        }
        let turn = group.turn();
        let continued = (0..=turn).map(|turn| Session::Revision.continued(turn) as usize);
        let attempts = continued.filter_map(|at| group.attempts.get(at).copied()).collect();
        let effect = Effect::GradeTurn { lease: group.lease.id, turn, spec, attempts };
        self.volatile.grading.insert(counter);
        Todo { events: Vec::new(), effects: vec![effect] }
    }

    /// The grade of a turn has come.
    pub(super) fn turn_graded(
        &mut self,
        lease: LeaseId,
        turn: u32,
        grade: Result<TurnGrade, String>,
        now: Now,
    ) -> Result<Handled, CoreError> {
        let Some(epoch) = &self.state.epoch else { return Ok(Handled::none()) };
        let Some(at) = epoch.leases.get(&lease) else { return Ok(Handled::none()) };
        let counter = at.counter;
        let Some(group) = epoch
            .slot(counter)
            .filter(|slot| matches!(slot.phase, Phase::Committed(_)))
            .and_then(|slot| slot.group())
            .filter(|group| group.lease.id == lease && group.turn() == turn)
            .filter(|group| group.complete() && group.next() == Next::Feedback)
        else {
            return Ok(Handled::none());
        };
        let open = matches!(epoch.stage, Stage::Open { .. });
        let deadline_ms = now.ms.saturating_add(epoch.campaign.lease_ms);
        let continued = Session::Revision.continued(turn) as usize;
        let attempt = group.attempts.get(continued).copied().unwrap_or_default();
        let ended = |reason: String| Event::SessionEnded { counter, reason, sequence: None };
        let events = match grade {
            Err(error) => {
                vec![ended(format!("the coordinator could not grade turn {turn}: {error}"))]
            }
            Ok(TurnGrade { counts, passes, next }) => {
                let next = (!passes).then_some(next);
                let feedback = self.seal(&Feedback { lease, turn, attempt, counts, next }, 0)?;
                let mut events = vec![Event::TurnGraded { counter, feedback, deadline_ms }];
                if !passes && !open {
                    events.push(ended("the epoch is being closed".into()));
                }
                events
            }
        };
        self.volatile.grading.remove(&counter);
        Ok(Handled { events, blobs: Vec::new(), reply: Reply::None })
    }

    /// What the coordinator says of a turn.
    pub(super) fn feedback(&self, sender: PublicKey, lease: LeaseId, turn: u32) -> Answer {
        let (_, slot) = self.running(&sender, lease)?;
        let group = slot.group().ok_or(Refusal::NotCommitted(lease))?;
        let turns = group.turns.as_ref().ok_or_else(|| {
            Refusal::NotExpected("the lease is of a group, which gets no feedback".into())
        })?;
        if let Some(said) = turns.feedback.get(turn as usize) {
            return Ok(Handled::reply(Reply::Mine(MineReply::Feedback(said.clone()))));
        }
        if turns.over || !matches!(slot.phase, Phase::Committed(_)) {
            return Err(Refusal::NoSuchLease(lease));
        }
        if turn != group.turn() || !group.complete() {
            let newest = group.turn();
            return Err(Refusal::NotExpected(format!(
                "turn {turn} has not been handed in; the newest is turn {newest}"
            )));
        }
        let retry_after_ms = self.context.timing.retry_after_ms;
        Ok(Handled::reply(Reply::Mine(MineReply::FeedbackPending { retry_after_ms })))
    }

    pub(super) fn commit_turn(
        &self,
        sender: PublicKey,
        envelope: Envelope,
        commit: &TurnCommit,
        now: Now,
    ) -> Result<Answer, CoreError> {
        let (counter, slot) = match self.running(&sender, commit.lease) {
            Ok(found) => found,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let (Some(group), true) = (slot.group(), matches!(slot.phase, Phase::Committed(_))) else {
            return Ok(Err(Refusal::NoSuchLease(commit.lease)));
        };
        let Some(turns) = &group.turns else {
            let what = "the lease is of a group, which is committed to at once";
            return Ok(Err(Refusal::NotExpected(what.into())));
        };
        let reply = |deadline_ms: u64| {
            let remaining_ms = deadline_ms.saturating_sub(now.ms);
            Reply::Mine(MineReply::Committed { lease: commit.lease, remaining_ms })
        };
        if let Some(before) = committed_before(turns, commit)? {
            return Ok(if before == *commit {
                Ok(Handled::reply(reply(group.lease.deadline_ms)))
            } else {
                Err(Refusal::AlreadyCommitted(commit.lease))
            });
        }
        if let Err(refusal) = check(group, turns, commit) {
            return Ok(Err(refusal));
        }
        let upload = now.ms.saturating_add(self.context.timing.upload_ms);
        let deadline_ms = group.lease.deadline_ms.max(upload);
        let event = Event::TurnCommitted { counter, request: envelope, deadline_ms };
        Ok(Ok(Handled::event(event, reply(deadline_ms))))
    }
}

/// What was committed for the same turn before.
fn committed_before(turns: &Turns, commit: &TurnCommit) -> Result<Option<TurnCommit>, CoreError> {
    let place = commit.turn.checked_sub(1).map(|at| at as usize);
    let Some(envelope) = place.and_then(|at| turns.commits.get(at)) else { return Ok(None) };
    match read::<MineRequest>(envelope)? {
        MineRequest::CommitTurn(before) => Ok(Some(before)),
        _ => Ok(None),
    }
}

fn check(group: &Group, turns: &Turns, commit: &TurnCommit) -> Result<(), Refusal> {
    if turns.over {
        return Err(Refusal::NoSuchLease(commit.lease));
    }
    let (Some(next), true) = (turns.next, group.complete()) else {
        return Err(Refusal::NotExpected("ask for the feedback on the turn before first".into()));
    };
    if commit.turn != group.turn() + 1 {
        let want = group.turn() + 1;
        let what = format!("this is turn {}, but turn {want} is next", commit.turn);
        return Err(Refusal::NotExpected(what));
    }
    if commit.policy != group.lease.policy {
        return Err(Refusal::UnknownPolicy);
    }
    let want = Session::Revision.turn(commit.turn, 0).len();
    if commit.attempts.len() != want {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let (got, want) = (count(commit.attempts.len()), count(want));
        return Err(Refusal::WrongGroupSize { got, want });
    }
    distinct(&group.attempts, &commit.attempts)?;
    if commit.prompt != next {
        let (lease, turn) = (commit.lease, commit.turn);
        return Err(Refusal::OtherConversation { lease, turn });
    }
    Ok(())
}

/// The time for what comes next is over.
pub(super) fn turn_over(counter: u64, group: &Group) -> Event {
    let turn = group.turn();
    let reason = match group.next() {
        Next::Feedback => format!("turn {turn} was not graded in time"),
        Next::Turn | Next::Seal => format!("nothing came after turn {turn} in time"),
    };
    Event::SessionEnded { counter, reason, sequence: None }
}
