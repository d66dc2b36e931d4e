//! What is due: a task moves on by itself, or its time has run out.

use lode_bundle::record::FaultKind;
use lode_proto::{epoch::Outcome, id::PolicyId, key::PublicKey, limits, seed, session::Session};

use super::{
    context::Now,
    event::{EndOfLease, Event},
    input::Effect,
    state::{Epoch, Stage},
    step::{Core, CoreError, Due, Todo},
    task::{Group, LeaseInfo, Next, Phase, Slot},
    turn::turn_over,
};

impl Core {
    pub(super) fn advance(&mut self, due: Due, now: Now) -> Result<Todo, CoreError> {
        match due {
            Due::Policy(policy) => Ok(self.advance_policy(&policy)),
            Due::Epoch => self.advance_epoch(now),
            Due::Task(counter) => self.advance_task(counter, now),
        }
    }

    /// Moves a policy to another profile, where the schedule says so.
    fn advance_policy(&self, policy: &PolicyId) -> Todo {
        let open =
            |epoch: &&Epoch| matches!(epoch.stage, Stage::Open { .. } | Stage::Draining { .. });
        let epoch = self.state.epoch.as_ref().filter(open);
        let step = epoch.and_then(|epoch| epoch.schedule.due(policy));
        step.map(|step| Todo::event(Event::ProfileMoved { step })).unwrap_or_default()
    }

    fn advance_task(&mut self, counter: u64, now: Now) -> Result<Todo, CoreError> {
        let Some(epoch) = &self.state.epoch else {
            return Ok(Todo::default());
        };
        let Some(slot) = epoch.slot(counter) else {
            return Ok(Todo::default());
        };
        match &slot.phase {
            Phase::Waiting => Ok(self.wait(counter)),
            Phase::Leased(lease) => Ok(lease_over(epoch, counter, lease, now).into()),
            Phase::Committed(group) if group.complete() => match group.next() {
                Next::Seal => Ok(Todo::event(self.seal_group(epoch, counter, group, now))),
                Next::Feedback | Next::Turn if now.ms >= group.lease.deadline_ms => {
                    let over = turn_over(counter, group);
                    // A grade of the turn that still comes is of no use; the session's own is asked for.
                    self.volatile.grading.remove(&counter);
                    Ok(Todo::event(over))
                }
                Next::Feedback => Ok(self.grade_turn(counter)),
                Next::Turn => Ok(Todo::default()),
            },
            Phase::Committed(group) => Ok(uploads_over(counter, group, now).into()),
            Phase::Grading(grading) => {
                let events = self.advance_grading(epoch, slot, counter, grading, now)?;
                if events.is_empty() { Ok(self.own_grade(counter)) } else { Ok(events.into()) }
            }
            Phase::Settled(..) => {
                self.forget(counter);
                Ok(Todo::default())
            }
        }
    }

    /// A task without a lease: give it up, or have it ready for the next miner.
    fn wait(&mut self, counter: u64) -> Todo {
        let Some(epoch) = &self.state.epoch else {
            return Todo::default();
        };
        let Some(Slot { leases, place, .. }) = epoch.slot(counter) else {
            return Todo::default();
        };
        let closing = !matches!(epoch.stage, Stage::Open { .. });
        if closing || *leases >= limits::MAX_LEASES_PER_TASK {
            let outcome = Outcome::Unanswered { leases: *leases };
            return Todo::event(Event::Settled { counter, outcome });
        }
        let place = *place;
        let asked = self.volatile.generated.contains_key(&place)
            || self.volatile.generating.contains(&place);
        let spec = epoch.spec_at(place).filter(|_| !asked);
        let effects: Vec<_> = spec
            .map(|spec| Effect::Generate { epoch: epoch.number, place, spec })
            .into_iter()
            .collect();
        if !effects.is_empty() {
            self.volatile.generating.insert(place);
        }
        Todo { events: Vec::new(), effects }
    }

    fn seal_group(&self, epoch: &Epoch, counter: u64, group: &Group, now: Now) -> Event {
        let beacon = epoch.beacon.unwrap_or_default();
        let miner = self.state.miners.get(&group.lease.miner);
        let account = miner.map_or(group.lease.miner, |miner| miner.account);
        let own = |key: &PublicKey| {
            let verifier = self.state.verifiers.get(key).map(|verifier| verifier.account);
            *key == group.lease.miner || verifier == Some(account)
        };
        let mut rank: Vec<PublicKey> =
            epoch.verifiers.iter().filter(|key| !own(key)).copied().collect();
        rank.sort_by_key(|key| seed::draw_rank(&beacon, &group.commit_hash, key));
        let deadline_ms = now.ms.saturating_add(self.context.timing.own_grade_ms);
        Event::GroupSealed { counter, rank, deadline_ms }
    }

    /// Asks the shell for the coordinator's own grade, once.
    fn own_grade(&mut self, counter: u64) -> Todo {
        let Some(epoch) = &self.state.epoch else {
            return Todo::default();
        };
        let Some(grading) = epoch.slot(counter).and_then(|slot| slot.grading()) else {
            return Todo::default();
        };
        let spec = epoch.spec(counter);
        if grading.own.is_some() || self.volatile.grading.contains(&counter) {
            return Todo::default();
        }
        let Some(spec) = spec else {
            return Todo::default();
        };
        let group = &grading.group;
        let lease = &group.lease;
        let miner = self.state.miners.get(&lease.miner);
        let Some(card) = miner.and_then(|miner| miner.policies.get(&lease.policy)) else {
            return Todo::default();
        };
        let receipts = group.receipts.iter().flatten().cloned();
        let effect = Effect::Grade {
            lease: lease.id,
            miner: lease.miner,
            card: Box::new(card.clone()),
            spec,
            session: if group.turns.is_some() { Session::Revision } else { Session::Group },
            attempts: group.attempts.iter().copied().zip(receipts).collect(),
        };
        self.volatile.grading.insert(counter);
        Todo { events: Vec::new(), effects: vec![effect] }
    }

    fn forget(&mut self, counter: u64) {
        self.volatile.grading.remove(&counter);
        let slot = self.state.epoch.as_ref().and_then(|epoch| epoch.slot(counter));
        if let Some(slot) = slot {
            self.volatile.generated.remove(&slot.place);
            self.volatile.generating.remove(&slot.place);
        }
        if let Some(lease) = slot.and_then(Slot::group).map(|group| group.lease.id) {
            self.volatile.named.remove(&lease);
        }
    }
}

fn lease_over(epoch: &Epoch, counter: u64, lease: &LeaseInfo, now: Now) -> Vec<Event> {
    if now.ms < lease.deadline_ms {
        return Vec::new();
    }
    let full = lease.issued_ms.saturating_add(epoch.campaign.lease_ms);
    let how = if lease.deadline_ms < full { EndOfLease::Cancelled } else { EndOfLease::Expired };
    vec![Event::LeaseEnded { counter, how, sequence: None }]
}

fn uploads_over(counter: u64, group: &Group, now: Now) -> Vec<Event> {
    if now.ms < group.lease.deadline_ms {
        return Vec::new();
    }
    let attempts = group.uploaded();
    let reason = format!(
        "{} of {} committed attempts were uploaded before the lease was over",
        attempts.len(),
        group.attempts.len()
    );
    let fault = Event::FaultFound {
        accused: group.lease.miner,
        kind: FaultKind::UploadWithheld,
        lease: Some(group.lease.id),
        evidence: vec![group.newest_commit().clone()],
        note: reason.clone(),
    };
    let outcome = Outcome::Incomplete {
        lease: group.lease.id,
        lease_number: group.lease.number,
        attempts,
        reason,
    };
    vec![fault, Event::Settled { counter, outcome }]
}
