//! The fold: what each event does to the state. Nothing is decided here.

use lode_proto::{
    adapt::{Schedule, Step},
    codec,
    envelope::{Envelope, Payload},
    epoch::{BeaconCommit, BeaconFixed, BeaconReveal, EpochOpen},
    id::Hash,
    key::PublicKey,
    ledger::{self, LedgerEntry},
    mine::MineRequest,
    verify::VerifyRequest,
};

use super::{
    apply_task, apply_turn,
    event::{Event, Record},
    state::{
        BundleState, ClosedEpoch, Epoch, MOVES_KEPT, Miner, Nonce, Stage, State, VerifierInfo,
    },
    step::{CoreError, Due},
    task::Phase,
};

/// Reads what an envelope of the log says; its signature was checked when it was accepted.
pub(super) fn read<T: Payload>(envelope: &Envelope) -> Result<T, CoreError> {
    Ok(codec::decode(&envelope.bytes, T::MAX_BYTES)?)
}

pub(super) fn broken(what: &'static str) -> CoreError {
    CoreError::BrokenLog(what)
}

pub(super) fn epoch(state: &mut State) -> Result<&mut Epoch, CoreError> {
    state.epoch.as_mut().ok_or(broken("an event of an epoch, but none was opened"))
}

pub(super) fn heard(state: &mut State, key: PublicKey, sequence: u64) {
    let last = state.sequences.entry(key).or_default();
    *last = (*last).max(sequence);
}

pub(super) fn ours(state: &mut State, envelope: &Envelope) {
    state.next_sequence = state.next_sequence.max(envelope.sequence + 1);
}

pub(super) fn log(state: &mut State, entry: &LedgerEntry) -> Result<(), CoreError> {
    state.ledger_head = ledger::append(&state.ledger_head, entry)?;
    state.ledger_length += 1;
    Ok(())
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
        Event::CounterExhausted { .. }
        | Event::LeaseIssued { .. }
        | Event::LeaseEnded { .. }
        | Event::GroupCommitted { .. }
        | Event::AttemptAccepted { .. } => apply_task::mining(state, record),
        Event::TurnGraded { .. } | Event::TurnCommitted { .. } | Event::SessionEnded { .. } => {
            apply_turn::apply(state, &record.event)
        }
        Event::GroupSealed { .. }
        | Event::OwnGraded { .. }
        | Event::VerifierDrawn { .. }
        | Event::VerifierLagged { .. }
        | Event::VerifierInconclusive { .. }
        | Event::VerdictCommitted { .. }
        | Event::RevealsOpened { .. }
        | Event::VerdictRevealed { .. }
        | Event::Disputed { .. } => apply_task::verdict(state, &record.event),
        Event::Settled { counter, outcome } => apply_task::settled(state, *counter, outcome),
        Event::ProfileMoved { step } => moved(state, step),
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

fn moved(state: &mut State, step: &Step) -> Result<Vec<Due>, CoreError> {
    let epoch = epoch(state)?;
    epoch.schedule.apply(step);
    while epoch.moves.len() >= MOVES_KEPT {
        epoch.moves.pop_front();
    }
    epoch.moves.push_back(*step);
    let entry = LedgerEntry::Moved { epoch: epoch.number, step: *step };
    log(state, &entry)?;
    // Where it came to may be known and no better: then it goes on at once.
    Ok(vec![Due::Policy(step.policy), Due::Epoch])
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
            let schedule = Schedule::new(&opened.campaign, &opened.levels);
            state.epoch = Some(Epoch {
                schedule,
                moves: Default::default(),
                issued: Default::default(),
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
                attempts: 0,
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
                match &mut slot.phase {
                    Phase::Leased(lease) => {
                        lease.deadline_ms = lease.deadline_ms.min(*deadline_ms);
                    }
                    Phase::Committed(group) if group.awaits_turn() => {
                        group.lease.deadline_ms = group.lease.deadline_ms.min(*deadline_ms);
                    }
                    _ => {}
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
