//! Handing in a group: the commitment to all of it, then one attempt at a time.

use std::collections::BTreeSet;

use lode_proto::{
    attempt::{Attempt, GroupCommit, Receipt},
    codec,
    credit::{self, CREDIT_VERSION},
    envelope::Envelope,
    id::AttemptId,
    key::PublicKey,
    limits,
    mine::{MineReply, MineRequest},
    policy::Tier,
    refusal::Refusal,
    session::Session,
};

use super::{
    apply::read,
    context::Now,
    event::{Event, blob_key},
    input::Reply,
    mine::{Answer, over},
    state::Miner,
    step::{Core, CoreError, Handled},
    task::{LeaseInfo, Phase},
};

/// Bytes that one attempt may take, so that a whole group fits the reply that hands it to a verifier.
#[must_use]
pub(super) fn attempt_bytes(group_size: u32) -> usize {
    let share = (limits::MAX_ENCODED_BYTES - 1024 * 1024) / group_size.max(1) as usize;
    share.min(limits::MAX_COMPLETION_BYTES)
}

/// Refuses to have an attempt committed to twice: the id covers its number, so the second could never be
/// uploaded, and a bundle with such a commitment fails every audit.
pub(super) fn distinct(before: &[AttemptId], new: &[AttemptId]) -> Result<(), Refusal> {
    let mut seen: BTreeSet<&AttemptId> = before.iter().collect();
    match new.iter().find(|id| !seen.insert(id)) {
        Some(twice) => Err(Refusal::Malformed(format!("attempt {twice} is committed to twice"))),
        None => Ok(()),
    }
}

impl Core {
    pub(super) fn commit(
        &self,
        sender: PublicKey,
        envelope: Envelope,
        commit: &GroupCommit,
        now: Now,
    ) -> Result<Answer, CoreError> {
        let (counter, slot) = match self.running(&sender, commit.lease) {
            Ok(found) => found,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let committed = |deadline_ms: u64| {
            Reply::Mine(MineReply::Committed {
                lease: commit.lease,
                remaining_ms: deadline_ms.saturating_sub(now.ms),
            })
        };
        if let Some(group) = slot.group() {
            let first = read::<MineRequest>(&group.commit)?;
            let same = matches!(first, MineRequest::Commit(first) if first == *commit);
            return Ok(if same {
                Ok(Handled::reply(committed(group.lease.deadline_ms)))
            } else {
                Err(Refusal::AlreadyCommitted(commit.lease))
            });
        }
        let Phase::Leased(lease) = &slot.phase else {
            return Ok(Err(Refusal::NoSuchLease(commit.lease)));
        };
        let campaign = self.state.epoch.as_ref().map(|epoch| &epoch.campaign);
        let first = campaign.map(|one| one.session(slot.place).turn(0, one.group_size));
        let want = first.map_or(0, |attempts| attempts.end);
        if commit.attempts.len() != want as usize {
            let got = u32::try_from(commit.attempts.len()).unwrap_or(u32::MAX);
            return Ok(Err(Refusal::WrongGroupSize { got, want }));
        }
        if let Err(refusal) = distinct(&[], &commit.attempts) {
            return Ok(Err(refusal));
        }
        if commit.policy != lease.policy {
            return Ok(Err(Refusal::UnknownPolicy));
        }
        let upload = now.ms.saturating_add(self.context.timing.upload_ms);
        let deadline_ms = lease.deadline_ms.max(upload);
        let event = Event::GroupCommitted { counter, request: envelope, deadline_ms };
        Ok(Ok(Handled::event(event, committed(deadline_ms))))
    }

    pub(super) fn submit(
        &self,
        miner: &Miner,
        envelope: Envelope,
        attempt: &Attempt,
        now: Now,
    ) -> Result<Answer, CoreError> {
        let id = attempt.id()?;
        let (counter, slot) = match self.running(&envelope.sender, attempt.lease) {
            Ok(found) => found,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let Some(group) = slot.group() else {
            return Ok(Err(Refusal::NotCommitted(attempt.lease)));
        };
        let place = attempt.index as usize;
        let (Some(want), Some(receipt)) = (group.attempts.get(place), group.receipts.get(place))
        else {
            let last = group.attempts.len() as u64 - 1;
            return Ok(Err(Refusal::OverLimit {
                what: "the attempt's number in its group (from 0)".into(),
                got: u64::from(attempt.index),
                limit: last,
            }));
        };
        if *want != id {
            let index = attempt.index;
            return Ok(Err(Refusal::NotWhatWasCommitted { index, got: id, want: *want }));
        }
        if let Some(receipt) = receipt {
            return Ok(Ok(Handled::reply(Reply::Mine(MineReply::Receipt(receipt.clone())))));
        }
        if !matches!(slot.phase, Phase::Committed(_)) {
            return Ok(Err(Refusal::NoSuchLease(attempt.lease)));
        }
        if let Err(refusal) = self.check_attempt(attempt, &group.lease) {
            return Ok(Err(refusal));
        }
        let receipt = self.receipt(miner, &group.lease, attempt, id, now)?;
        let receipt = self.seal(&receipt, 0)?;
        let blob = (blob_key(id), codec::encode(&envelope)?);
        let event = Event::AttemptAccepted {
            counter,
            index: attempt.index,
            sequence: envelope.sequence,
            receipt: receipt.clone(),
        };
        let reply = Reply::Mine(MineReply::Receipt(receipt));
        Ok(Ok(Handled { events: vec![event], blobs: vec![blob], reply }))
    }

    fn check_attempt(&self, attempt: &Attempt, lease: &LeaseInfo) -> Result<(), Refusal> {
        let Some(epoch) = &self.state.epoch else {
            return Err(Refusal::NoSuchLease(lease.id));
        };
        if attempt.policy != lease.policy {
            return Err(Refusal::UnknownPolicy);
        }
        let most = epoch.campaign.group_size.max(Session::Revision.attempts(0));
        let limit = attempt_bytes(most);
        over("the completion's length in bytes", attempt.completion.len() as u64, limit as u64)?;
        let tokens = epoch.campaign.max_completion_tokens;
        over("the number of tokens", u64::from(attempt.completion_tokens), u64::from(tokens))?;
        let size = codec::encode(attempt).map_or(u64::MAX, |bytes| bytes.len() as u64);
        over("the attempt's size in bytes", size, limit as u64 + 1024)?;
        if let Some(evidence) = &attempt.evidence {
            let ids = evidence.ids.len() as u64;
            if ids != u64::from(attempt.completion_tokens) {
                return Err(Refusal::Malformed(format!(
                    "the evidence has {ids} token ids for {} tokens; give one for each",
                    attempt.completion_tokens
                )));
            }
            over("the number of log-probabilities", evidence.logprobs_milli.len() as u64, ids)?;
            over("the number of commitments", evidence.toploc.len() as u64, ids.div_ceil(32))?;
        }
        Ok(())
    }

    fn receipt(
        &self,
        miner: &Miner,
        lease: &LeaseInfo,
        attempt: &Attempt,
        id: AttemptId,
        now: Now,
    ) -> Result<Receipt, CoreError> {
        let (epoch, allowed) = self
            .state
            .epoch
            .as_ref()
            .map_or((0, 0), |epoch| (epoch.number, epoch.campaign.max_completion_tokens));
        let parameters = miner.policies.get(&lease.policy).map_or(0, |card| card.parameters);
        let claimed = attempt.completion_tokens;
        let tokens = credit::credited_tokens(claimed, attempt.completion.len(), allowed);
        Ok(Receipt {
            miner: lease.miner,
            index: miner.receipts,
            previous: miner.receipt_head,
            epoch,
            lease: lease.id,
            attempt_index: attempt.index,
            attempt: id,
            tokens,
            parameters,
            tier: Tier::T0,
            credit_version: CREDIT_VERSION,
            credits_milli: credit::credits_milli(tokens, parameters, Tier::T0),
            unix_ms: now.unix_ms,
        })
    }
}
