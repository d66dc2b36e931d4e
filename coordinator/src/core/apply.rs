//! The fold: what each event does to the state. Nothing is decided here.

use lode_proto::{
    attempt::Receipt,
    codec,
    envelope::{Envelope, Payload},
    epoch::{BeaconCommit, BeaconFixed, BeaconReveal, EpochOpen, Outcome},
    id::{Hash, LeaseId},
    key::PublicKey,
    ledger::{self, LedgerEntry},
    mine::MineRequest,
    seed,
    verify::VerifyRequest,
};

use super::{
    event::{EndOfLease, Event, Record},
    state::{
        Assignment, AssignmentState, BundleState, ClosedEpoch, Epoch, Grading, Group, LeaseInfo,
        LeaseRef, Miner, Nonce, Phase, Slot, Stage, State, VerifierInfo,
    },
    step::{CoreError, Due},
};

/// Reads what an envelope of the log says; its signature was checked when it was accepted.
pub(super) fn read<T: Payload>(envelope: &Envelope) -> Result<T, CoreError> {
    Ok(codec::decode(&envelope.bytes, T::MAX_BYTES)?)
}

fn broken(what: &'static str) -> CoreError {
    CoreError::BrokenLog(what)
}

fn epoch(state: &mut State) -> Result<&mut Epoch, CoreError> {
    state.epoch.as_mut().ok_or(broken("an event of an epoch, but none was opened"))
}

fn slot(epoch: &mut Epoch, counter: u64) -> Result<&mut Slot, CoreError> {
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

fn heard(state: &mut State, key: PublicKey, sequence: u64) {
    let last = state.sequences.entry(key).or_default();
    *last = (*last).max(sequence);
}

fn ours(state: &mut State, envelope: &Envelope) {
    state.next_sequence = state.next_sequence.max(envelope.sequence + 1);
}

fn log(state: &mut State, entry: &LedgerEntry) -> Result<(), CoreError> {
    state.ledger_head = ledger::append(&state.ledger_head, entry)?;
    state.ledger_length += 1;
    Ok(())
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

/// Applies one record and says which parts of the state may now have something to do.
pub(super) fn apply(state: &mut State, record: &Record) -> Result<Vec<Due>, CoreError> {
    state.clock_ms = state.clock_ms.max(record.at_ms);
    match &record.event {
        Event::MinerJoined { .. } | Event::VerifierJoined { .. } => joined(state, &record.event),
        Event::EpochOpened { .. }
        | Event::NonceCommitted { .. }
        | Event::NonceRevealsOpened { .. }
        | Event::NonceRevealed { .. }
        | Event::BeaconFixed { .. }
        | Event::EpochVoided { .. }
        | Event::DrainStarted { .. }
        | Event::EpochClosed { .. }
        | Event::BundleBuilt { .. }
        | Event::BundleFailed { .. }
        | Event::BundleRetried { .. }
        | Event::CoSigned { .. }
        | Event::CoSignRefused { .. }
        | Event::SignaturesComplete { .. }
        | Event::NotSigned { .. }
        | Event::Published => stage(state, record),
        Event::CounterExhausted
        | Event::LeaseIssued { .. }
        | Event::LeaseEnded { .. }
        | Event::GroupCommitted { .. }
        | Event::AttemptAccepted { .. } => mining(state, record),
        Event::GroupSealed { .. }
        | Event::OwnGraded { .. }
        | Event::VerifierDrawn { .. }
        | Event::VerifierLagged { .. }
        | Event::VerifierInconclusive { .. }
        | Event::VerdictCommitted { .. }
        | Event::RevealsOpened { .. }
        | Event::VerdictRevealed { .. }
        | Event::Disputed { .. } => verdict(state, &record.event),
        Event::Settled { counter, outcome } => settled(state, *counter, outcome),
        Event::FaultFound { accused, kind, lease, .. } => {
            if let Some(verifier) = state.verifiers.get_mut(accused) {
                verifier.faults += 1;
            }
            epoch(state)?.faults.insert((*accused, *kind, *lease));
            Ok(Vec::new())
        }
        Event::CampaignFinished(finished) => {
            state.finished = *finished;
            Ok(Vec::new())
        }
        Event::Paused(paused) => {
            state.paused = *paused;
            Ok(Vec::new())
        }
    }
}

fn joined(state: &mut State, event: &Event) -> Result<Vec<Due>, CoreError> {
    match event {
        Event::MinerJoined { request } => {
            let MineRequest::Join { account, card, .. } = read(request)? else {
                return Err(broken("a miner joined by another request than Join"));
            };
            heard(state, request.sender, request.sequence);
            let account = account.map_or(request.sender, |envelope| envelope.sender);
            let policy = card.policy.id()?;
            let miner = state.miners.entry(request.sender).or_insert_with(|| Miner {
                account,
                policies: Default::default(),
                receipts: 0,
                receipt_head: Hash::default(),
                credits_milli: 0,
                expired: 0,
                leases: Default::default(),
            });
            miner.policies.insert(policy, *card);
            Ok(Vec::new())
        }
        Event::VerifierJoined { request } => {
            let VerifyRequest::Join { account, .. } = read(request)? else {
                return Err(broken("a verifier joined by another request than Join"));
            };
            heard(state, request.sender, request.sequence);
            let account = account.map_or(request.sender, |envelope| envelope.sender);
            state.verifiers.insert(
                request.sender,
                VerifierInfo { account, revealed: 0, lagged: 0, inconclusive: 0, faults: 0 },
            );
            Ok(vec![Due::Epoch])
        }
        _ => Ok(Vec::new()),
    }
}

fn stage(state: &mut State, record: &Record) -> Result<Vec<Due>, CoreError> {
    let mut due = vec![Due::Epoch];
    match &record.event {
        Event::EpochOpened { target, secret, open, deadline_ms } => {
            let opened: EpochOpen = read(open)?;
            ours(state, open);
            log(state, &LedgerEntry::EpochOpened { epoch: opened.epoch, envelope: open.hash()? })?;
            if let Some(last) = state.epoch.take() {
                state.closed.push(ClosedEpoch {
                    number: last.number,
                    stage: last.stage,
                    bundle: last.bundle.map(|bundle| bundle.built),
                });
            }
            state.epoch = Some(Epoch {
                number: opened.epoch,
                campaign: opened.campaign,
                target: *target,
                secret: *secret,
                open: open.clone(),
                opened_ms: record.at_ms,
                stage: Stage::NonceCommits { deadline_ms: *deadline_ms },
                nonces: Default::default(),
                beacon: None,
                verifiers: Vec::new(),
                slots: Vec::new(),
                leases: Default::default(),
                jobs: Default::default(),
                waiting: Default::default(),
                todo: Default::default(),
                out: 0,
                unsettled: 0,
                graded: 0,
                passed: 0,
                pairs: 0,
                paired_tasks: 0,
                faults: Default::default(),
                bundle: None,
            });
        }
        Event::NonceCommitted { commit } => {
            let content: BeaconCommit = read(commit)?;
            epoch(state)?.nonces.insert(
                commit.sender,
                Nonce { envelope: commit.clone(), commit: content.commit, revealed: None },
            );
        }
        Event::NonceRevealsOpened { deadline_ms } => {
            epoch(state)?.stage = Stage::NonceReveals { deadline_ms: *deadline_ms };
        }
        Event::NonceRevealed { reveal } => {
            let content: BeaconReveal = read(reveal)?;
            epoch(state)?
                .nonces
                .get_mut(&reveal.sender)
                .ok_or(broken("a nonce revealed that was never committed to"))?
                .revealed = Some(content.nonce);
        }
        Event::BeaconFixed { fixed } => {
            let content: BeaconFixed = read(fixed)?;
            ours(state, fixed);
            log(
                state,
                &LedgerEntry::BeaconFixed { epoch: content.epoch, envelope: fixed.hash()? },
            )?;
            let epoch = epoch(state)?;
            epoch.beacon = Some(content.beacon);
            epoch.verifiers = epoch.nonces.keys().copied().collect();
            let deadline_ms = epoch.opened_ms.saturating_add(epoch.target.max_ms);
            epoch.stage = Stage::Open { deadline_ms };
        }
        Event::EpochVoided { reason } => {
            let epoch = epoch(state)?;
            epoch.stage = Stage::Void { reason: reason.clone() };
            let entry =
                LedgerEntry::EpochClosed { epoch: epoch.number, count: 0, secret: epoch.secret };
            log(state, &entry)?;
        }
        Event::DrainStarted { reason, deadline_ms } => {
            let epoch = epoch(state)?;
            epoch.stage = Stage::Draining { reason: reason.clone() };
            for (counter, slot) in (0..).zip(&mut epoch.slots) {
                if let Phase::Leased(lease) = &mut slot.phase {
                    lease.deadline_ms = lease.deadline_ms.min(*deadline_ms);
                }
                if !matches!(slot.phase, Phase::Settled(..)) {
                    due.push(Due::Task(counter));
                }
            }
        }
        Event::EpochClosed { deadline_ms } => {
            let epoch = epoch(state)?;
            epoch.stage = Stage::Bundling { deadline_ms: *deadline_ms };
            let entry = LedgerEntry::EpochClosed {
                epoch: epoch.number,
                count: epoch.next_counter(),
                secret: epoch.secret,
            };
            log(state, &entry)?;
        }
        Event::BundleBuilt { bundle, signature, deadline_ms } => {
            ours(state, signature);
            let epoch = epoch(state)?;
            // Signatures under the same manifest stay good when a bundle is built again.
            let cosigned = epoch
                .bundle
                .take()
                .filter(|old| old.built.manifest == bundle.manifest)
                .map(|old| old.cosigned)
                .unwrap_or_default();
            epoch.bundle = Some(BundleState {
                built: bundle.clone(),
                signature: signature.clone(),
                cosigned,
                refused: Default::default(),
            });
            epoch.stage = Stage::CoSigning { deadline_ms: *deadline_ms };
        }
        Event::BundleFailed { reason } => {
            epoch(state)?.stage = Stage::BundleFailed { reason: reason.clone() };
        }
        Event::BundleRetried { deadline_ms } => {
            epoch(state)?.stage = Stage::Bundling { deadline_ms: *deadline_ms };
        }
        Event::CoSigned { signature } => {
            if let Some(bundle) = &mut epoch(state)?.bundle {
                bundle.cosigned.insert(signature.sender, signature.clone());
            }
        }
        Event::CoSignRefused { verifier, reason, sequence } => {
            heard(state, *verifier, *sequence);
            if let Some(bundle) = &mut epoch(state)?.bundle {
                bundle.refused.insert(*verifier, reason.clone());
            }
        }
        Event::SignaturesComplete { deadline_ms } => {
            epoch(state)?.stage = Stage::Signing { deadline_ms: *deadline_ms };
        }
        Event::NotSigned { reason } => {
            epoch(state)?.stage = Stage::NotSigned { reason: reason.clone() };
        }
        Event::Published => epoch(state)?.stage = Stage::Published,
        _ => {}
    }
    Ok(due)
}

fn mining(state: &mut State, record: &Record) -> Result<Vec<Due>, CoreError> {
    match &record.event {
        Event::CounterExhausted => {
            let epoch = epoch(state)?;
            let counter = epoch.next_counter();
            let outcome = Outcome::Exhausted;
            epoch.slots.push(Slot {
                task: None,
                leases: 0,
                tried: Vec::new(),
                phase: Phase::Settled(Box::new(outcome.clone()), None),
            });
            let entry = LedgerEntry::Sealed { epoch: epoch.number, counter, task: None, outcome };
            log(state, &entry)?;
            Ok(vec![Due::Epoch])
        }
        Event::LeaseIssued { counter, task, miner, policy, deadline_ms, sequence } => {
            heard(state, *miner, *sequence);
            let account = state.miners.get(miner).ok_or(broken("a lease to nobody"))?.account;
            let epoch = epoch(state)?;
            let network = epoch.open.network;
            if *counter == epoch.next_counter() {
                epoch.slots.push(Slot {
                    task: Some(*task),
                    leases: 0,
                    tried: Vec::new(),
                    phase: Phase::Waiting,
                });
                epoch.unsettled += 1;
            }
            epoch.waiting.remove(counter);
            epoch.out += 1;
            let number = epoch.number;
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
            let Phase::Leased(lease) = std::mem::replace(&mut slot.phase, Phase::Waiting) else {
                return Err(broken("the end of a lease that was not running"));
            };
            epoch.waiting.insert(*counter);
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
            let slot = slot(epoch(state)?, *counter)?;
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

fn verdict(state: &mut State, event: &Event) -> Result<Vec<Due>, CoreError> {
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

fn settled(state: &mut State, counter: u64, outcome: &Outcome) -> Result<Vec<Due>, CoreError> {
    let epoch = epoch(state)?;
    let number = epoch.number;
    let slot = slot(epoch, counter)?;
    let task = slot.task;
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
    epoch.waiting.remove(&counter);
    epoch.unsettled -= 1;
    epoch.out -= u64::from(was_out);
    if let (Outcome::Graded { .. }, Some(own)) = (outcome, own) {
        epoch.graded += 1;
        epoch.passed += u64::from(own.passed);
        epoch.pairs += u64::from(own.pairs);
        epoch.paired_tasks += u64::from(own.pairs > 0);
    }
    index(epoch, counter);
    if let Some((miner, lease)) = released {
        hold(state, &miner, lease, false);
    }
    log(state, &LedgerEntry::Sealed { epoch: number, counter, task, outcome: outcome.clone() })?;
    Ok(vec![Due::Epoch])
}
