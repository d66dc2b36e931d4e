//! The part of the fold that concerns single tasks: leases, groups, verdicts, outcomes.

use lode_proto::{
    adapt::Graded, attempt::Receipt, epoch::Outcome, id::LeaseId, key::PublicKey,
    ledger::LedgerEntry, limits, mine::MineRequest, seed, session::Session,
};

use super::{
    apply::{broken, epoch, heard, log, ours, read},
    event::{EndOfLease, Event, Record},
    state::{Epoch, State},
    step::{CoreError, Due},
    task::{
        Assignment, AssignmentState, Grading, Group, LeaseInfo, LeaseRef, Next, Phase, Slot, Turns,
    },
};

pub(super) fn slot(epoch: &mut Epoch, counter: u64) -> Result<&mut Slot, CoreError> {
    usize::try_from(counter)
        .ok()
        .and_then(|place| epoch.slots.get_mut(place))
        .ok_or(broken("an event of a task that was never issued"))
}

fn grading(epoch: &mut Epoch, counter: u64) -> Result<&mut Grading, CoreError> {
    match &mut slot(epoch, counter)?.phase {
        Phase::Grading(grading) => Ok(grading),
        _ => Err(broken("a verdict on a task that is not being graded")),
    }
}

fn assignment<'a>(
    epoch: &'a mut Epoch,
    counter: u64,
    verifier: &PublicKey,
) -> Result<&'a mut Assignment, CoreError> {
    grading(epoch, counter)?
        .assignments
        .get_mut(verifier)
        .ok_or(broken("a verdict of a verifier that was not drawn"))
}

/// Brings [`Epoch::todo`] in line with a task's assignments.
fn index(epoch: &mut Epoch, counter: u64) {
    let Some(slot) = usize::try_from(counter).ok().and_then(|place| epoch.slots.get(place)) else {
        return;
    };
    let wanted = |verifier: &PublicKey| {
        slot.grading().is_some_and(|grading| {
            grading.assignments.get(verifier).is_some_and(|a| match a.state {
                AssignmentState::Pending => true,
                AssignmentState::Committed => grading.revealing,
                _ => false,
            })
        })
    };
    for verifier in &epoch.verifiers {
        let todo = epoch.todo.entry(*verifier).or_default();
        if wanted(verifier) {
            todo.insert(counter);
        } else {
            todo.remove(&counter);
        }
    }
}

pub(super) fn mining(state: &mut State, record: &Record) -> Result<Vec<Due>, CoreError> {
    match &record.event {
        Event::CounterExhausted { profile } => {
            let epoch = epoch(state)?;
            let counter = epoch.next_counter();
            let outcome = Outcome::Exhausted;
            let place = epoch.take_place(*profile);
            epoch.slots.push(Slot {
                place,
                task: None,
                leases: 0,
                tried: Vec::new(),
                phase: Phase::Settled(Box::new(outcome.clone()), None),
            });
            let entry = LedgerEntry::Sealed { epoch: epoch.number, counter, task: None, outcome };
            log(state, &entry)?;
            Ok(vec![Due::Task(counter), Due::Epoch])
        }
        Event::LeaseIssued { counter, task, profile, miner, policy, deadline_ms, sequence } => {
            heard(state, *miner, *sequence);
            let account = state.miners.get(miner).ok_or(broken("a lease to nobody"))?.account;
            let epoch = epoch(state)?;
            let network = epoch.open.network;
            if *counter == epoch.next_counter() {
                let place = epoch.take_place(*profile);
                epoch.slots.push(Slot {
                    place,
                    task: Some(*task),
                    leases: 0,
                    tried: Vec::new(),
                    phase: Phase::Waiting,
                });
                epoch.unsettled += 1;
            }
            epoch.out += 1;
            let number = epoch.number;
            let place = slot(epoch, *counter)?.place;
            epoch.waiting.remove(&(place.profile, *counter));
            let slot = slot(epoch, *counter)?;
            let id = seed::lease_id(&network.0, number, *counter, slot.leases, miner);
            slot.phase = Phase::Leased(LeaseInfo {
                id,
                number: slot.leases,
                miner: *miner,
                policy: *policy,
                issued_ms: record.at_ms,
                deadline_ms: *deadline_ms,
            });
            slot.leases += 1;
            slot.tried.push(account);
            epoch.leases.insert(id, LeaseRef { counter: *counter, miner: *miner });
            hold(state, miner, id, true);
            Ok(vec![Due::Epoch, Due::Task(*counter)])
        }
        Event::LeaseEnded { counter, how, sequence } => {
            let epoch = epoch(state)?;
            let slot = slot(epoch, *counter)?;
            let profile = slot.place.profile;
            let Phase::Leased(lease) = std::mem::replace(&mut slot.phase, Phase::Waiting) else {
                return Err(broken("the end of a lease that was not running"));
            };
            epoch.waiting.insert((profile, *counter));
            epoch.out -= 1;
            hold(state, &lease.miner, lease.id, false);
            if let Some(sequence) = sequence {
                heard(state, lease.miner, *sequence);
            }
            if let Some(miner) = state.miners.get_mut(&lease.miner)
                && *how == EndOfLease::Expired
            {
                miner.expired += 1;
            }
            Ok(vec![Due::Epoch, Due::Task(*counter)])
        }
        Event::GroupCommitted { counter, request, deadline_ms } => {
            let MineRequest::Commit(commit) = read(request)? else {
                return Err(broken("a commitment by another request than Commit"));
            };
            heard(state, request.sender, request.sequence);
            let epoch = epoch(state)?;
            let place = slot(epoch, *counter)?.place;
            let turns = (epoch.campaign.session(place) == Session::Revision).then(Turns::default);
            let slot = slot(epoch, *counter)?;
            let Phase::Leased(mut lease) = std::mem::replace(&mut slot.phase, Phase::Waiting)
            else {
                return Err(broken("a commitment on a lease that was not running"));
            };
            lease.deadline_ms = *deadline_ms;
            slot.phase = Phase::Committed(Box::new(Group {
                lease,
                commit: request.clone(),
                commit_hash: commit.hash()?,
                receipts: vec![None; commit.attempts.len()],
                attempts: commit.attempts,
                turns,
            }));
            Ok(vec![Due::Task(*counter)])
        }
        Event::AttemptAccepted { counter, index, sequence, receipt } => {
            let content: Receipt = read(receipt)?;
            heard(state, content.miner, *sequence);
            ours(state, receipt);
            let miner =
                state.miners.get_mut(&content.miner).ok_or(broken("a receipt for nobody"))?;
            miner.receipts = content.index + 1;
            miner.receipt_head = content.hash()?;
            miner.credits_milli = miner.credits_milli.saturating_add(content.credits_milli);
            let Phase::Committed(group) = &mut slot(epoch(state)?, *counter)?.phase else {
                return Err(broken("an attempt for a group that was not committed"));
            };
            *group
                .receipts
                .get_mut(*index as usize)
                .ok_or(broken("an attempt beyond its group"))? = Some(receipt.clone());
            if group.complete() && group.next() == Next::Feedback {
                let graded_by = record.at_ms.saturating_add(limits::OWN_GRADE_MS);
                group.lease.deadline_ms = group.lease.deadline_ms.max(graded_by);
            }
            Ok(vec![Due::Task(*counter)])
        }
        _ => Ok(Vec::new()),
    }
}

fn hold(state: &mut State, miner: &PublicKey, lease: LeaseId, holds: bool) {
    if let Some(miner) = state.miners.get_mut(miner) {
        if holds {
            miner.leases.insert(lease);
        } else {
            miner.leases.remove(&lease);
        }
    }
}

pub(super) fn verdict(state: &mut State, event: &Event) -> Result<Vec<Due>, CoreError> {
    let counter = match event {
        Event::GroupSealed { counter, rank, deadline_ms } => {
            let epoch = epoch(state)?;
            let slot = slot(epoch, *counter)?;
            let Phase::Committed(group) = std::mem::replace(&mut slot.phase, Phase::Waiting) else {
                return Err(broken("the sealing of a group that was not committed"));
            };
            let (id, miner) = (group.lease.id, group.lease.miner);
            let job = seed::job_id(&id, &group.commit_hash);
            slot.phase = Phase::Grading(Box::new(Grading {
                group: *group,
                job,
                rank: rank.clone(),
                assignments: Default::default(),
                revealing: false,
                disputed: false,
                own: None,
                own_deadline_ms: *deadline_ms,
            }));
            epoch.jobs.insert(job, *counter);
            epoch.out -= 1;
            hold(state, &miner, id, false);
            *counter
        }
        Event::OwnGraded { counter, grade, reveal } => {
            ours(state, reveal);
            grading(epoch(state)?, *counter)?.own = Some(grade.clone());
            *counter
        }
        Event::VerifierDrawn { counter, verifier, deadline_ms } => {
            let grading = grading(epoch(state)?, *counter)?;
            let assignment = grading.assignments.entry(*verifier).or_insert(Assignment {
                state: AssignmentState::Pending,
                deadline_ms: 0,
                draws: 0,
                commit: None,
                reveal: None,
            });
            assignment.draws += 1;
            assignment.deadline_ms = *deadline_ms;
            assignment.state = if assignment.commit.is_some() {
                AssignmentState::Committed
            } else {
                // Until it has committed, too, nobody may reveal.
                grading.revealing = false;
                AssignmentState::Pending
            };
            *counter
        }
        Event::VerifierLagged { counter, verifier } => {
            assignment(epoch(state)?, *counter, verifier)?.state = AssignmentState::Lagged;
            if let Some(info) = state.verifiers.get_mut(verifier) {
                info.lagged += 1;
            }
            *counter
        }
        Event::VerifierInconclusive { counter, verifier, sequence, .. } => {
            assignment(epoch(state)?, *counter, verifier)?.state = AssignmentState::Inconclusive;
            heard(state, *verifier, *sequence);
            if let Some(info) = state.verifiers.get_mut(verifier) {
                info.inconclusive += 1;
            }
            *counter
        }
        Event::VerdictCommitted { counter, commit } => {
            let assignment = assignment(epoch(state)?, *counter, &commit.sender)?;
            assignment.state = AssignmentState::Committed;
            assignment.commit = Some(commit.clone());
            *counter
        }
        Event::RevealsOpened { counter, deadline_ms } => {
            let grading = grading(epoch(state)?, *counter)?;
            grading.revealing = true;
            for assignment in grading.assignments.values_mut() {
                if assignment.state == AssignmentState::Committed {
                    assignment.deadline_ms = *deadline_ms;
                }
            }
            *counter
        }
        Event::VerdictRevealed { counter, reveal } => {
            let assignment = assignment(epoch(state)?, *counter, &reveal.sender)?;
            assignment.state = AssignmentState::Revealed;
            assignment.reveal = Some(reveal.clone());
            if let Some(info) = state.verifiers.get_mut(&reveal.sender) {
                info.revealed += 1;
            }
            *counter
        }
        Event::Disputed { counter, deadline_ms } => {
            let grading = grading(epoch(state)?, *counter)?;
            grading.disputed = true;
            for verifier in grading.rank.clone() {
                let assignment = grading.assignments.entry(verifier).or_insert(Assignment {
                    state: AssignmentState::Lagged,
                    deadline_ms: 0,
                    draws: 0,
                    commit: None,
                    reveal: None,
                });
                if assignment.state == AssignmentState::Lagged {
                    assignment.draws += 1;
                    assignment.deadline_ms = *deadline_ms;
                    assignment.state = if assignment.commit.is_some() {
                        AssignmentState::Committed
                    } else {
                        grading.revealing = false;
                        AssignmentState::Pending
                    };
                }
            }
            *counter
        }
        _ => return Ok(Vec::new()),
    };
    index(epoch(state)?, counter);
    Ok(vec![Due::Task(counter), Due::Epoch])
}

pub(super) fn settled(
    state: &mut State,
    counter: u64,
    outcome: &Outcome,
) -> Result<Vec<Due>, CoreError> {
    let epoch = state.epoch.as_mut().ok_or(broken("an outcome, but no epoch was opened"))?;
    let number = epoch.number;
    let slot = slot(epoch, counter)?;
    let (task, place) = (slot.task, slot.place);
    let profile = place.profile;
    let wrote = slot.group().and_then(|group| {
        Some((group.lease.policy, state.miners.get(&group.lease.miner)?.account))
    });
    let mut released = None;
    let mut own = None;
    let mut was_out = false;
    let group = match std::mem::replace(&mut slot.phase, Phase::Waiting) {
        Phase::Settled(..) => return Err(broken("a second outcome for a task")),
        Phase::Waiting | Phase::Leased(_) => None,
        Phase::Committed(group) => {
            released = Some((group.lease.miner, group.lease.id));
            was_out = true;
            Some(group)
        }
        Phase::Grading(grading) => {
            own = grading.own;
            Some(Box::new(grading.group))
        }
    };
    slot.phase = Phase::Settled(Box::new(outcome.clone()), group);
    epoch.waiting.remove(&(profile, counter));
    epoch.unsettled -= 1;
    epoch.out -= u64::from(was_out);
    let mut due = vec![Due::Task(counter), Due::Epoch];
    if let (Outcome::Graded { .. }, Some(own)) = (outcome, own) {
        epoch.graded += 1;
        epoch.passed += u64::from(own.passed);
        epoch.pairs += u64::from(own.pairs);
        epoch.paired_tasks += u64::from(own.pairs > 0);
        epoch.attempts += own.verdicts.len() as u64;
        // Later attempts of a session know what is said of those before: they tell little of the policy.
        let alike = epoch.campaign.session(place) == Session::Group;
        if let Some((policy, account)) = wrote.filter(|_| alike) {
            let attempts = u32::try_from(own.verdicts.len()).unwrap_or(u32::MAX);
            let passed = own.passed;
            epoch.schedule.observe(&Graded { policy, account, profile, passed, attempts });
            due.push(Due::Policy(policy));
        }
    }
    index(epoch, counter);
    if let Some((miner, lease)) = released {
        hold(state, &miner, lease, false);
    }
    log(state, &LedgerEntry::Sealed { epoch: number, counter, task, outcome: outcome.clone() })?;
    Ok(due)
}
