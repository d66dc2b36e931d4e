//! Grading a sealed group: the coordinator's own grade, and k of n verifiers in the order of the
//! draw.
//!
//! ```text
//! drawn ─► Pending ─► Committed ─► (all drawn committed) ─► Revealed ─► all equal to our own?
//!             │           │                                               │ yes: Graded
//!             └── time over ─► Lagged, the next in rank is drawn          │ no: Disputed, all
//!                                                                         ▼ verifiers are asked
//!                                                    k equal to our own: Graded, the others at fault
//!                                                    else: Incomplete, every verdict is kept
//! ```
//!
//! "Could not check" and late are never faults; a wrong signature is, and it is the evidence.

use lode_bundle::record::FaultKind;
use lode_proto::{
    epoch::Outcome,
    id::{AttemptId, Hash, LeaseId, TaskId},
    limits,
    verify::{JobVerdict, VerdictReveal},
};

use super::{
    apply::read,
    context::Now,
    event::Event,
    input::{OwnGrade, Reply},
    state::Epoch,
    step::{Core, CoreError, Handled},
    task::{AssignmentState, Grading, Slot},
};

fn waits(state: AssignmentState) -> bool {
    matches!(state, AssignmentState::Pending | AssignmentState::Committed)
}

fn verdict_of(grading: &Grading, task: TaskId, own: &OwnGrade) -> JobVerdict {
    let verdicts: Vec<(AttemptId, Hash)> =
        grading.group.attempts.iter().copied().zip(own.verdicts.iter().copied()).collect();
    JobVerdict { job: grading.job, task_id: task, verdicts }
}

fn incomplete(counter: u64, grading: &Grading, reason: String) -> Event {
    let outcome = Outcome::Incomplete {
        lease: grading.group.lease.id,
        lease_number: grading.group.lease.number,
        attempts: grading.group.attempts.clone(),
        reason,
    };
    Event::Settled { counter, outcome }
}

fn graded(counter: u64, grading: &Grading) -> Event {
    let outcome = Outcome::Graded {
        lease: grading.group.lease.id,
        lease_number: grading.group.lease.number,
        attempts: grading.group.attempts.clone(),
    };
    Event::Settled { counter, outcome }
}

impl Core {
    /// The coordinator's own grade has come.
    pub(super) fn graded(
        &mut self,
        lease: LeaseId,
        grade: Result<OwnGrade, String>,
    ) -> Result<Handled, CoreError> {
        let Some(epoch) = &self.state.epoch else {
            return Ok(Handled::none());
        };
        let Some(at) = epoch.leases.get(&lease) else {
            return Ok(Handled::none());
        };
        let counter = at.counter;
        let Some((slot, grading)) = epoch
            .slot(counter)
            .and_then(|slot| Some((slot, slot.grading()?)))
            .filter(|(_, grading)| grading.group.lease.id == lease && grading.own.is_none())
        else {
            return Ok(Handled::none());
        };
        let grade = grade.and_then(|grade| {
            let (got, want) = (grade.verdicts.len(), grading.group.attempts.len());
            if got == want {
                Ok(grade)
            } else {
                Err(format!("{got} verdicts came back for {want} attempts"))
            }
        });
        let event = match grade {
            Err(error) => {
                let reason = format!("the coordinator could not grade the group: {error}");
                incomplete(counter, grading, reason)
            }
            Ok(grade) => {
                let verdict = verdict_of(grading, slot.task.unwrap_or_default(), &grade);
                let nonce = Hash::derive_parts(
                    "lode/1/own-verdict-nonce",
                    &[epoch.secret.as_bytes(), lease.0.as_bytes()],
                );
                let reveal = self.seal(&VerdictReveal { verdict, nonce }, 0)?;
                Event::OwnGraded { counter, grade, reveal }
            }
        };
        Ok(Handled::event(event, Reply::None))
    }

    /// What is to happen with a sealed group now; nothing where it waits for others.
    pub(super) fn advance_grading(
        &self,
        epoch: &Epoch,
        slot: &Slot,
        counter: u64,
        grading: &Grading,
        now: Now,
    ) -> Result<Vec<Event>, CoreError> {
        if grading.own.is_none() && now.ms >= grading.own_deadline_ms {
            let reason = "the coordinator's own grading did not finish in time".into();
            return Ok(vec![incomplete(counter, grading, reason)]);
        }
        let late: Vec<Event> = grading
            .assignments
            .iter()
            .filter(|(_, a)| waits(a.state) && now.ms >= a.deadline_ms)
            .map(|(verifier, _)| Event::VerifierLagged { counter, verifier: *verifier })
            .collect();
        if !late.is_empty() {
            return Ok(late);
        }
        let active = grading
            .assignments
            .values()
            .filter(|a| waits(a.state) || a.state == AssignmentState::Revealed)
            .count();
        if !grading.disputed && active < self.context.quorum() {
            return Ok(vec![self.draw(counter, grading, now)]);
        }
        if let Some(open) = self.open_reveals(counter, grading, now) {
            return Ok(vec![open]);
        }
        let waiting = grading.assignments.values().any(|a| waits(a.state));
        match &grading.own {
            Some(own) if !waiting => {
                let own = verdict_of(grading, slot.task.unwrap_or_default(), own);
                self.compare(epoch, counter, grading, &own, now)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// The next verifier in rank; once all were asked, those that lagged are asked again.
    fn draw(&self, counter: u64, grading: &Grading, now: Now) -> Event {
        let fresh = grading.rank.iter().find(|key| !grading.assignments.contains_key(key));
        let again = || {
            let lagged = grading.rank.iter().filter_map(|key| {
                let a = grading.assignments.get(key)?;
                let may = a.state == AssignmentState::Lagged && a.draws < limits::MAX_JOB_ROUNDS;
                may.then_some((a.draws, key))
            });
            lagged.min_by_key(|(draws, _)| *draws).map(|(_, key)| key)
        };
        let Some(verifier) = fresh.or_else(again) else {
            let want = self.context.quorum();
            let have = grading
                .assignments
                .values()
                .filter(|a| a.state == AssignmentState::Revealed)
                .count();
            let asked = grading.rank.len();
            let reason = format!(
                "grading did not reach a quorum: {have} of {want} verdicts from {asked} verifiers"
            );
            return incomplete(counter, grading, reason);
        };
        let deadline_ms = now.ms.saturating_add(self.context.timing.job_ms);
        Event::VerifierDrawn { counter, verifier: *verifier, deadline_ms }
    }

    fn open_reveals(&self, counter: u64, grading: &Grading, now: Now) -> Option<Event> {
        let mut states = grading.assignments.values().map(|a| a.state);
        let any_committed = states.clone().any(|state| state == AssignmentState::Committed);
        let none_pending = states.all(|state| state != AssignmentState::Pending);
        let deadline_ms = now.ms.saturating_add(self.context.timing.job_ms);
        (!grading.revealing && any_committed && none_pending)
            .then_some(Event::RevealsOpened { counter, deadline_ms })
    }

    fn compare(
        &self,
        epoch: &Epoch,
        counter: u64,
        grading: &Grading,
        own: &JobVerdict,
        now: Now,
    ) -> Result<Vec<Event>, CoreError> {
        let mut equal = 0;
        let mut differing = Vec::new();
        for (verifier, assignment) in &grading.assignments {
            let (AssignmentState::Revealed, Some(reveal)) = (assignment.state, &assignment.reveal)
            else {
                continue;
            };
            if read::<VerdictReveal>(reveal)?.verdict == *own {
                equal += 1;
            } else {
                differing.push((*verifier, reveal.clone()));
            }
        }
        let (want, all) = (self.context.quorum(), equal + differing.len());
        if !grading.disputed {
            return Ok(if differing.is_empty() {
                let mut events = withheld(epoch, grading);
                events.push(graded(counter, grading));
                events
            } else {
                let deadline_ms = now.ms.saturating_add(self.context.timing.job_ms);
                vec![Event::Disputed { counter, deadline_ms }]
            });
        }
        if equal < want {
            let reason = format!(
                "grading did not reach a quorum: {equal} of {all} verdicts equal the coordinator's, {want} are needed"
            );
            return Ok(vec![incomplete(counter, grading, reason)]);
        }
        let lease = Some(grading.group.lease.id);
        let kind = FaultKind::WrongVerdict;
        let mut events: Vec<Event> = differing
            .into_iter()
            .filter(|(accused, _)| !epoch.faults.contains(&(*accused, kind, lease)))
            .map(|(accused, reveal)| Event::FaultFound {
                accused,
                kind,
                lease,
                evidence: vec![reveal],
                note: format!(
                    "differs from the coordinator's verdict and those of {equal} verifiers"
                ),
            })
            .collect();
        events.extend(withheld(epoch, grading));
        events.push(graded(counter, grading));
        Ok(events)
    }
}

/// Verdicts that were committed to and never came.
fn withheld(epoch: &Epoch, grading: &Grading) -> Vec<Event> {
    let lease = Some(grading.group.lease.id);
    let kind = FaultKind::VerdictWithheld;
    let silent = grading.assignments.iter().filter_map(|(verifier, a)| {
        let commit = a.commit.clone().filter(|_| a.reveal.is_none())?;
        (!epoch.faults.contains(&(*verifier, kind, lease))).then_some((*verifier, commit))
    });
    silent
        .map(|(accused, commit)| Event::FaultFound {
            accused,
            kind,
            lease,
            evidence: vec![commit],
            note: "the verdict was committed to and not revealed in time".into(),
        })
        .collect()
}
