//! What a miner asks of a coordinator, and what it does with the answers.

use std::time::{Duration, Instant};

use lode_node::killpoint;
use lode_proto::{
    attempt::GroupCommit,
    genesis::Genesis,
    id::LeaseId,
    limits::HEARTBEAT_MS,
    mine::{MineReply, MineRequest, NoWork},
    refusal::Refusal,
    session::{Feedback, TurnCommit},
};

use super::network::{Network, Next};
use crate::{
    queue::{Record, Step},
    receipts::Joined,
    report::{Ending, Event, MinerError, ReceiptNote},
};

/// Least time between two questions for the same feedback.
const LEAST_PAUSE: Duration = Duration::from_millis(200);
/// Bytes of a reason that is given to the coordinator.
const MAX_REASON_CHARS: usize = 300;

impl Network {
    pub(super) async fn join(&mut self) -> Result<(), MinerError> {
        let request = MineRequest::Join {
            account: None,
            card: Box::new(self.shared.card.clone()),
            software: concat!("lode/", env!("CARGO_PKG_VERSION")).into(),
        };
        match self.ask(&request).await? {
            MineReply::Joined { genesis: envelope, last_sequence } => {
                let (network, genesis) = Genesis::open(&envelope)?;
                if network != self.id {
                    return Err(MinerError::OtherNetwork { got: network, want: self.id });
                }
                self.coordinator = genesis.coordinator;
                self.client.raise_sequence(last_sequence).await?;
                let (policy, miner) = (self.shared.policy, self.client.caller().public());
                let card = self.shared.card.clone();
                self.keep_join(Joined { genesis: envelope, miner, policy, card })?;
                (self.shared.events)(Event::Joined { network, policy, miner });
                Ok(())
            }
            MineReply::Refused(refusal) => Err(MinerError::Refused(refusal)),
            _ => Err(MinerError::Protocol("join")),
        }
    }

    /// Keeps what a later recount trusts, where it is not kept already.
    fn keep_join(&mut self, joined: Joined) -> Result<(), MinerError> {
        if self.store.queue().joined() == Some(&joined) {
            return Ok(());
        }
        self.append(&Record::Joined(Box::new(joined)))
    }

    pub(super) async fn lease(&mut self) -> Result<Next, MinerError> {
        match self.ask(&MineRequest::Lease { policy: self.shared.policy }).await? {
            MineReply::Lease(lease) => {
                let (id, remaining) = (lease.id, Duration::from_millis(lease.remaining_ms));
                self.append(&Record::Leased(lease))?;
                killpoint::reach("miner:leased");
                self.last_wait = None;
                self.pace.leased(remaining);
                self.shared.order.set(self.place, true);
                (self.shared.events)(Event::Leased { lease: id });
                Ok(Next::GoOn)
            }
            MineReply::NoWork { reason, retry_after_ms } => {
                self.shared.order.set(self.place, false);
                let nothing_held = self.store.queue().jobs().next().is_none();
                if reason == NoWork::Finished
                    && self.shared.config.stop_when_finished
                    && nothing_held
                {
                    return Ok(Next::Finished);
                }
                if self.last_wait.replace(reason) != Some(reason) {
                    (self.shared.events)(Event::Waiting { reason });
                }
                self.not_before = Some(Instant::now() + Duration::from_millis(retry_after_ms));
                Ok(Next::GoOn)
            }
            MineReply::Refused(Refusal::NotJoined | Refusal::UnknownPolicy) => {
                self.join().await?;
                Ok(Next::GoOn)
            }
            MineReply::Refused(Refusal::TooManyLeases { .. }) => {
                // Leases from before a restart whose record was not durable: they run out.
                self.not_before = Some(Instant::now() + Duration::from_millis(HEARTBEAT_MS));
                Ok(Next::GoOn)
            }
            MineReply::Refused(refusal) => Err(MinerError::Refused(refusal)),
            _ => Err(MinerError::Protocol("lease")),
        }
    }

    pub(super) async fn commit(&mut self, id: LeaseId) -> Result<Next, MinerError> {
        let Some(job) = self.store.queue().job(&id) else { return Ok(Next::GoOn) };
        let turn = job.turns().saturating_sub(1);
        let attempts: Result<Vec<_>, _> = job.attempts_of(turn).map(|a| a.id()).collect();
        let attempts = attempts.map_err(|error| MinerError::Config(error.to_string()))?;
        // The policy that made them, which need not be the one the miner runs now.
        let policy = job.attempts.first().map_or(self.shared.policy, |attempt| attempt.policy);
        let said = turn.checked_sub(1).and_then(|before| job.feedback.get(before as usize));
        let request = match said.and_then(|said| said.next) {
            Some(prompt) => {
                MineRequest::CommitTurn(TurnCommit { lease: id, policy, turn, prompt, attempts })
            }
            None => MineRequest::Commit(GroupCommit { lease: id, policy, attempts }),
        };
        match self.ask(&request).await? {
            MineReply::Committed { .. } => {
                killpoint::reach("miner:committed");
                self.append(&Record::Committed { lease: id })?;
                Ok(Next::GoOn)
            }
            reply => self.refused(id, reply, "commit").await,
        }
    }

    pub(super) async fn submit(&mut self, id: LeaseId, index: u32) -> Result<Next, MinerError> {
        let attempt = self
            .store
            .queue()
            .job(&id)
            .and_then(|job| job.attempts.iter().find(|attempt| attempt.index == index))
            .cloned();
        let Some(attempt) = attempt else { return Ok(Next::GoOn) };
        match self.ask(&MineRequest::Submit(attempt.clone())).await? {
            MineReply::Receipt(receipt) => {
                killpoint::reach("miner:receipted");
                let me = self.client.caller().public();
                let checked = self.store.queue().check_receipt(
                    &receipt,
                    self.id,
                    &self.coordinator,
                    &me,
                    &attempt,
                );
                if let Err(error) = &checked {
                    // The work is done either way; the operator decides whether to go on here.
                    tracing::error!(%error, "a receipt is not what it should be; it is kept");
                }
                self.append(&Record::Receipted { lease: id, index, receipt })?;
                (self.shared.events)(Event::Receipted {
                    lease: id,
                    attempt: index,
                    receipt: checked.as_ref().ok().map(ReceiptNote::from),
                    wrong: checked.err().map(|error| error.to_string()),
                    totals: self.count(),
                });
                if self.store.queue().job(&id).is_none() {
                    let totals = self.count();
                    (self.shared.events)(Event::Delivered { lease: id, totals });
                }
                Ok(Next::GoOn)
            }
            reply => self.refused(id, reply, "submit").await,
        }
    }

    /// Asks what the coordinator says of a turn that it has.
    pub(super) async fn feedback(&mut self, id: LeaseId, turn: u32) -> Result<Next, MinerError> {
        match self.ask(&MineRequest::Feedback { lease: id, turn }).await? {
            MineReply::Feedback(envelope) => {
                self.feedback_after.remove(&id);
                let said = envelope.open_from::<Feedback>(self.id, &self.coordinator);
                let job = self.store.queue().job(&id);
                let attempt = job.and_then(|job| job.attempts_of(turn).next()?.id().ok());
                let Some(said) = said.ok().filter(|said| {
                    said.lease == id && said.turn == turn && Some(said.attempt) == attempt
                }) else {
                    return Err(MinerError::Protocol("feedback"));
                };
                self.append(&Record::Feedback(said.clone()))?;
                killpoint::reach("miner:feedback");
                (self.shared.events)(Event::Feedback { lease: id, turn, counts: said.counts });
                if self.store.queue().job(&id).is_none() {
                    let totals = self.count();
                    (self.shared.events)(Event::Delivered { lease: id, totals });
                }
                Ok(Next::GoOn)
            }
            MineReply::FeedbackPending { retry_after_ms } => {
                let pause = Duration::from_millis(retry_after_ms).max(LEAST_PAUSE);
                self.feedback_after.insert(id, Instant::now() + pause);
                // The heartbeat has its turn, however many sessions wait.
                Ok(Next::Wait(Duration::ZERO))
            }
            reply => {
                self.feedback_after.remove(&id);
                self.refused(id, reply, "feedback").await
            }
        }
    }

    /// What to do when a commitment or an attempt is not taken.
    async fn refused(
        &mut self,
        id: LeaseId,
        reply: MineReply,
        asked: &'static str,
    ) -> Result<Next, MinerError> {
        match reply {
            // Another policy than the lease's is not mended by joining again.
            MineReply::Refused(Refusal::NotJoined) => {
                self.join().await?;
                Ok(Next::GoOn)
            }
            MineReply::Refused(refusal) => {
                self.drop_lease(id, Ending::Refused, &refusal.to_string())
            }
            _ => Err(MinerError::Protocol(asked)),
        }
    }

    pub(super) async fn hand_back(
        &mut self,
        id: LeaseId,
        reason: &str,
    ) -> Result<Next, MinerError> {
        let reason: String = reason.chars().take(MAX_REASON_CHARS).collect();
        let request = MineRequest::HandBack { lease: id, reason: reason.clone() };
        match self.ask(&request).await? {
            MineReply::HandedBack | MineReply::Refused(_) => {
                self.drop_lease(id, Ending::HandedBack, &reason)
            }
            _ => Err(MinerError::Protocol("hand back")),
        }
    }

    /// Names every lease that is not committed (of a session: its next turn), and stops work on those that are over. Also what is
    /// generated: a coordinator that was restarted takes a lease that nobody names for lost.
    pub(super) async fn heartbeat(&mut self) -> Result<(), MinerError> {
        let open = |step| matches!(step, Some(Step::Generate | Step::Commit));
        let jobs = self.store.queue().jobs().filter(|job| open(job.next()));
        let leases: Vec<LeaseId> = jobs.map(|job| job.lease.id).collect();
        if leases.is_empty() {
            return Ok(());
        }
        let cancelled = match self.ask(&MineRequest::Heartbeat { leases }).await? {
            MineReply::Alive { cancelled } => cancelled,
            // It was restarted and does not know us yet; the leases themselves are in its log.
            MineReply::Refused(Refusal::NotJoined) => return self.join().await,
            MineReply::Refused(refusal) => return Err(MinerError::Refused(refusal)),
            _ => return Err(MinerError::Protocol("heartbeat")),
        };
        for lease in cancelled {
            if let Some(running) = self.running.get_mut(&lease) {
                running.cancelled = true;
                running.control.cancel.cancel();
            } else if self.waiting().contains(&lease) {
                self.drop_lease(lease, Ending::Over, "the coordinator says that it is over")?;
            }
        }
        Ok(())
    }
}
