//! What miners ask: hello, join, lease, heartbeat, commit, submit, hand back, status.
//!
//! Commitments and uploads may be sent again: the same again gets the first answer, anything else a
//! typed refusal. No answer here depends on a grade but feedback in a revision
//! session (`turn.rs`).

use lode_proto::{
    envelope::Envelope,
    id::{LeaseId, PolicyId, TaskId},
    key::PublicKey,
    limits,
    mine::{AccountBinding, Hello, Lease, MineReply, MineRequest, MinerStatus, NoWork},
    policy::PolicyCard,
    refusal::Refusal,
    seed,
    task::{Place, Profile},
};

use super::{
    context::{Context, Now},
    event::{EndOfLease, Event},
    input::{Generated, Reply, Verified},
    state::{Epoch, Miner, Stage},
    step::{Core, CoreError, Handled},
    task::{Group, Phase, Slot},
};

/// Waiting tasks looked at for one request, so that a long list of them costs no more.
const WAITING_LOOKED_AT: usize = 64;

/// What a request may be answered with: a refusal is an answer, not a fault of the machine.
pub(super) type Answer = Result<Handled, Refusal>;

pub(super) fn over(what: &str, got: u64, limit: u64) -> Result<(), Refusal> {
    if got > limit {
        return Err(Refusal::OverLimit { what: what.into(), got, limit });
    }
    Ok(())
}

pub(super) fn check_text(what: &str, text: &str) -> Result<(), Refusal> {
    over(
        &format!("the length of {what} in bytes"),
        text.len() as u64,
        limits::MAX_TEXT_BYTES as u64,
    )
}

/// The account that a joining key belongs to: the signer of the binding, or the key itself.
pub(super) fn account_of(
    context: &Context,
    node: &PublicKey,
    binding: Option<&Envelope>,
) -> Result<PublicKey, Refusal> {
    let Some(envelope) = binding else {
        return Ok(*node);
    };
    let binding: AccountBinding = envelope
        .open(context.network)
        .map_err(|error| Refusal::Malformed(format!("account binding: {error}")))?;
    if binding.node != *node {
        return Err(Refusal::NotAdmitted(format!(
            "the account binding names node {}, but this is node {node}",
            binding.node
        )));
    }
    Ok(envelope.sender)
}

impl Core {
    pub(super) fn mine(
        &mut self,
        request: Verified<MineRequest>,
        now: Now,
    ) -> Result<Handled, CoreError> {
        let (envelope, request) = request.into_parts();
        if let Err(refusal) = self.sequence(&envelope) {
            return Ok(refused(refusal));
        }
        let sender = envelope.sender;
        if let MineRequest::Join { account, card, software } = &request {
            let answer = self.join_miner(&envelope, account.as_ref(), card, software)?;
            return Ok(answer.unwrap_or_else(refused));
        }
        if matches!(request, MineRequest::Hello) {
            return Ok(self.hello(now));
        }
        let Some(miner) = self.state.miners.get(&sender) else {
            return Ok(refused(Refusal::NotJoined));
        };
        let answer = match request {
            MineRequest::Join { .. } | MineRequest::Hello => Err(Refusal::NotJoined),
            MineRequest::Lease { policy } => {
                self.lease(miner, sender, policy, envelope.sequence, now)
            }
            MineRequest::Heartbeat { leases } => self.heartbeat(sender, &leases, now),
            MineRequest::Commit(commit) => self.commit(sender, envelope, &commit, now)?,
            MineRequest::CommitTurn(commit) => self.commit_turn(sender, envelope, &commit, now)?,
            MineRequest::Feedback { lease, turn } => self.feedback(sender, lease, turn),
            MineRequest::Submit(attempt) => self.submit(miner, envelope, &attempt, now)?,
            MineRequest::HandBack { lease, reason } => check_text("the reason", &reason)
                .and_then(|()| self.hand_back(sender, lease, envelope.sequence)),
            MineRequest::Status => {
                Ok(Handled::reply(Reply::Mine(MineReply::Status(MinerStatus {
                    accepted: miner.receipts,
                    credits_milli: miner.credits_milli,
                    leases: miner.leases.len() as u32,
                    expired: miner.expired,
                }))))
            }
        };
        Ok(answer.unwrap_or_else(refused))
    }

    /// Says what is public anyway. Strangers may ask, so nothing is recorded of it.
    fn hello(&self, now: Now) -> Handled {
        let hello = Hello {
            genesis: self.context.genesis_envelope.clone(),
            unix_ms: now.unix_ms,
            campaign: self.state.epoch.as_ref().map(|epoch| epoch.campaign.clone()),
        };
        Handled::reply(Reply::Mine(MineReply::Hello(Box::new(hello))))
    }

    fn join_miner(
        &self,
        envelope: &Envelope,
        binding: Option<&Envelope>,
        card: &PolicyCard,
        software: &str,
    ) -> Result<Answer, CoreError> {
        let known = self.state.miners.get(&envelope.sender);
        let check = || {
            let texts = [
                ("the software's name", software),
                ("the model's name", &card.model),
                ("the licence", &card.licence),
                ("the output's licence", &card.output_licence),
                ("the engine's name", &card.engine),
                ("the quantisation's name", &card.policy.quantisation),
                ("the template's name", &card.policy.template),
                ("the sampler's name", &card.policy.sampling.sampler),
            ];
            for (what, text) in texts {
                check_text(what, text)?;
            }
            let account = account_of(&self.context, &envelope.sender, binding)?;
            if known.is_some_and(|miner| miner.account != account) {
                return Err(Refusal::NotAdmitted(
                    "this key joined under another account before; use another node key".into(),
                ));
            }
            if known.is_none() && !self.context.genesis.open_to_miners {
                return Err(Refusal::NotAdmitted(
                    "this network is not open to new miners; ask its operator".into(),
                ));
            }
            if known.is_none() && self.state.miners.len() >= limits::MAX_MINERS {
                return Err(Refusal::NotAdmitted(format!(
                    "{} miners have joined, which is the limit",
                    limits::MAX_MINERS
                )));
            }
            Ok(())
        };
        if let Err(refusal) = check() {
            return Ok(Err(refusal));
        }
        let policy = card.policy.id()?;
        let reply = Reply::Mine(MineReply::Joined {
            genesis: self.context.genesis_envelope.clone(),
            last_sequence: envelope.sequence,
        });
        if let Some(first) = known.and_then(|miner| miner.policies.get(&policy)) {
            // Receipts and bundles quote the first card of a policy. Another version of the engine
            // makes no difference to them; anything else would.
            let same = PolicyCard { engine: first.engine.clone(), ..card.clone() } == *first;
            return Ok(if same {
                Ok(Handled::reply(reply))
            } else {
                Err(Refusal::NotAdmitted(
                    "this policy was joined with another card (model, parameters or licences) \
                     before; keep to the first"
                        .into(),
                ))
            });
        }
        if let Some(miner) = known {
            let held = miner.policies.len() as u64;
            let limit = limits::MAX_POLICIES_PER_MINER as u64;
            if let Err(refusal) = over("the number of your policies", held + 1, limit) {
                return Ok(Err(refusal));
            }
        }
        Ok(Ok(Handled::event(Event::MinerJoined { request: envelope.clone() }, reply)))
    }

    fn no_work(&self, reason: NoWork) -> Answer {
        let retry_after_ms = self.context.timing.retry_after_ms;
        Ok(Handled::reply(Reply::Mine(MineReply::NoWork { reason, retry_after_ms })))
    }

    fn lease(
        &self,
        miner: &Miner,
        sender: PublicKey,
        policy: PolicyId,
        sequence: u64,
        now: Now,
    ) -> Answer {
        if !miner.policies.contains_key(&policy) {
            return Err(Refusal::UnknownPolicy);
        }
        if self.state.finished {
            return self.no_work(NoWork::Finished);
        }
        if self.state.paused {
            return self.no_work(NoWork::Paused);
        }
        let Some(epoch) = &self.state.epoch else {
            return self.no_work(NoWork::NotOpen);
        };
        let Some(beacon) = &epoch.beacon else {
            return self.no_work(NoWork::NotOpen);
        };
        match epoch.stage {
            Stage::Open { .. } => {}
            Stage::Draining { .. } => return self.no_work(NoWork::Closing),
            _ => return self.no_work(NoWork::NotOpen),
        }
        let held = miner.leases.len() as u32;
        if held >= limits::MAX_LEASES_PER_MINER {
            let limit = limits::MAX_LEASES_PER_MINER;
            return Err(Refusal::TooManyLeases { held, limit });
        }
        let profile = epoch.schedule.profile(&policy);
        let Some(Picked { skipped, counter, place, id: task_id, task }) =
            self.pick(epoch, miner, profile)
        else {
            return self.no_work(NoWork::AllLeased);
        };
        let session = epoch.campaign.session(place);
        let number = epoch.slot(counter).map_or(0, |slot| slot.leases);
        let deadline_ms = now.ms.saturating_add(epoch.campaign.lease_ms);
        let lease = Lease {
            id: seed::lease_id(&self.context.network.0, epoch.number, counter, number, &sender),
            epoch: epoch.number,
            task_id,
            task,
            session,
            attempt_seeds: (0..session.attempts(epoch.campaign.group_size))
                .map(|i| seed::attempt_seed(epoch.secret.as_bytes(), beacon, counter, number, i))
                .collect(),
            max_completion_tokens: epoch.campaign.max_completion_tokens,
            remaining_ms: deadline_ms - now.ms,
        };
        let mut events = vec![Event::CounterExhausted { profile }; skipped];
        events.push(Event::LeaseIssued {
            counter,
            task: task_id,
            profile,
            miner: sender,
            policy,
            deadline_ms,
            sequence,
        });
        let reply = Reply::Mine(MineReply::Lease(Box::new(lease)));
        Ok(Handled { events, blobs: Vec::new(), reply })
    }

    /// The task of a profile to give out: the first waiting one that this account has not had, else
    /// the next of the profile's sequence. Also says how many exhausted ones come before it.
    fn pick(&self, epoch: &Epoch, miner: &Miner, profile: Profile) -> Option<Picked> {
        let ready = |place: &Place| match self.volatile.generated.get(place) {
            Some(Generated::Task { id, bytes }) => Some((*id, bytes.to_vec())),
            _ => None,
        };
        let waiting = epoch.waiting.range((profile, 0)..=(profile, u64::MAX));
        for (_, counter) in waiting.take(WAITING_LOOKED_AT) {
            let fresh = |slot: &Slot| {
                slot.leases < limits::MAX_LEASES_PER_TASK && !slot.tried.contains(&miner.account)
            };
            if let Some(slot) = epoch.slot(*counter).filter(|slot| fresh(slot))
                && let Some((id, task)) = ready(&slot.place)
            {
                let (counter, place) = (*counter, slot.place);
                return Some(Picked { skipped: 0, counter, place, id, task });
            }
        }
        let mut skipped = 0;
        let first = epoch.next_place(profile).index;
        for (counter, index) in (epoch.next_counter()..epoch.target.max_tasks).zip(first..) {
            let place = Place { profile, index };
            match self.volatile.generated.get(&place) {
                Some(Generated::Exhausted) => skipped += 1,
                Some(Generated::Task { id, bytes }) => {
                    let (id, task) = (*id, bytes.to_vec());
                    return Some(Picked { skipped, counter, place, id, task });
                }
                None => return None,
            }
        }
        None
    }

    /// The lease's task, where the lease is known, the sender's and the one that now runs there.
    pub(super) fn running(
        &self,
        sender: &PublicKey,
        lease: LeaseId,
    ) -> Result<(u64, &Slot), Refusal> {
        let gone = Refusal::NoSuchLease(lease);
        let epoch = self.state.epoch.as_ref().ok_or(gone.clone())?;
        let found = epoch.leases.get(&lease).filter(|found| found.miner == *sender);
        let counter = found.ok_or(gone.clone())?.counter;
        let slot = epoch.slot(counter).ok_or(gone.clone())?;
        let id = match &slot.phase {
            Phase::Leased(info) => Some(info.id),
            _ => slot.group().map(|group| group.lease.id),
        };
        if id == Some(lease) { Ok((counter, slot)) } else { Err(gone) }
    }

    fn heartbeat(&mut self, sender: PublicKey, leases: &[LeaseId], now: Now) -> Answer {
        over("the number of leases", leases.len() as u64, limits::MAX_HEARTBEAT_LEASES as u64)?;
        let Some(epoch) = &self.state.epoch else {
            let cancelled = leases.to_vec();
            return Ok(Handled::reply(Reply::Mine(MineReply::Alive { cancelled })));
        };
        let running = |lease: &LeaseId| {
            self.running(&sender, *lease)
                .ok()
                .filter(|(_, slot)| matches!(slot.phase, Phase::Leased(_) | Phase::Committed(_)))
        };
        let cancelled: Vec<_> =
            leases.iter().filter(|lease| running(lease).is_none()).copied().collect();
        let alive: Vec<_> =
            leases.iter().filter(|lease| running(lease).is_some()).copied().collect();
        // A lease whose reply was lost would block the task until it ends. After the time that a
        // request may take, a lease its miner has never named is one it does not know of.
        let held = self.state.miners.get(&sender).map(|miner| &miner.leases);
        let mut events = Vec::new();
        for lease in held.into_iter().flatten() {
            let Some(slot) = epoch.leases.get(lease).and_then(|at| epoch.slot(at.counter)) else {
                continue;
            };
            if let Phase::Leased(info) = &slot.phase
                && !leases.contains(lease)
                && !self.volatile.named.contains(lease)
                && now.ms.saturating_sub(info.issued_ms) > limits::REQUEST_TIMEOUT_MS
                && let Some(at) = epoch.leases.get(lease)
            {
                let (counter, how) = (at.counter, EndOfLease::Lost);
                events.push(Event::LeaseEnded { counter, how, sequence: None });
            }
        }
        self.volatile.named.extend(alive);
        let reply = Reply::Mine(MineReply::Alive { cancelled });
        Ok(Handled { events, blobs: Vec::new(), reply })
    }

    fn hand_back(&self, sender: PublicKey, lease: LeaseId, sequence: u64) -> Answer {
        let reply = Reply::Mine(MineReply::HandedBack);
        let Ok((counter, slot)) = self.running(&sender, lease) else {
            // Given back before, or over: the miner wanted nothing else.
            let epoch = self.state.epoch.as_ref();
            let known = epoch.and_then(|epoch| epoch.leases.get(&lease));
            return match known.filter(|known| known.miner == sender) {
                Some(_) => Ok(Handled::reply(reply)),
                None => Err(Refusal::NoSuchLease(lease)),
            };
        };
        if slot.group().is_some_and(Group::awaits_turn) {
            let event = Event::SessionEnded {
                counter,
                reason: "the miner gave the lease back".into(),
                sequence: Some(sequence),
            };
            return Ok(Handled::event(event, reply));
        }
        // Given back between two turns before, or over anyway.
        if slot.group().and_then(|group| group.turns.as_ref()).is_some_and(|turns| turns.over) {
            return Ok(Handled::reply(reply));
        }
        if !matches!(slot.phase, Phase::Leased(_)) {
            return Err(Refusal::NotExpected(
                "the group is committed, which is final; upload its attempts".into(),
            ));
        }
        let how = EndOfLease::HandedBack;
        let event = Event::LeaseEnded { counter, how, sequence: Some(sequence) };
        Ok(Handled::event(event, reply))
    }
}

/// The task that a lease will be for.
struct Picked {
    /// Exhausted ones that come before it.
    skipped: usize,
    counter: u64,
    place: Place,
    id: TaskId,
    /// The public task, canonical bytes.
    task: Vec<u8>,
}

fn refused(refusal: Refusal) -> Handled {
    Handled::reply(Reply::Mine(MineReply::Refused(refusal)))
}
