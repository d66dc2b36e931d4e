//! What the operator wants, as commands to the state machine: open an epoch when the verifiers are
//! there, try a bundle again, and say when the campaign is over.

use super::{Notice, RunError, genesis, machine::Machine, release::Asker};
use crate::core::{Command, EpochPlan, Input, Reply, Stage};

/// Pause before a bundle that failed is tried again, milliseconds.
const RETRY_BUNDLE_MS: u64 = 5_000;
/// Times that a bundle which failed is tried again before the operator is needed.
const BUNDLE_RETRIES: u32 = 2;

/// How the operator's wishes stand: which command comes next.
#[derive(Debug)]
pub(super) struct Campaign {
    plan: EpochPlan,
    epochs: u64,
    /// Since when verifiers are waited for.
    waiting_since: Option<u64>,
    retries: u32,
    gave_up: bool,
    /// When to try a bundle again.
    retry_at: Option<u64>,
}

impl Campaign {
    pub(super) fn new(plan: EpochPlan, epochs: u64) -> Self {
        Self { plan, epochs, waiting_since: None, retries: 0, gave_up: false, retry_at: None }
    }
}

impl Machine {
    pub(super) fn campaign_wake(&self) -> Option<u64> {
        let waiting = self.campaign.waiting_since;
        let beacon = self.core.context().timing.beacon_ms;
        let open = waiting.map(|since| since.saturating_add(beacon));
        open.into_iter().chain(self.campaign.retry_at).min()
    }

    /// Gives the next command of the campaign, where it is time.
    pub(super) async fn campaign(&mut self) -> Result<(), RunError> {
        let Some(command) = self.next_command()? else {
            return Ok(());
        };
        let decision = self.core.step(Input::Command(command), self.clock.now())?;
        if let Reply::Command(Err(error)) = &decision.reply {
            return Err(RunError::Config(error.to_string()));
        }
        self.decided(decision, Asker::Nobody).await
    }

    fn next_command(&mut self) -> Result<Option<Command>, RunError> {
        let now = self.clock.now().ms;
        let state = self.core.state();
        if state.finished || state.paused {
            return Ok(None);
        }
        match state.epoch.as_ref().map(|epoch| &epoch.stage) {
            Some(Stage::BundleFailed { .. } | Stage::NotSigned { .. }) => {
                if self.campaign.retries >= BUNDLE_RETRIES {
                    self.campaign.retry_at = None;
                    return self.give_up();
                }
                let at = *self.campaign.retry_at.get_or_insert(now + RETRY_BUNDLE_MS);
                if now < at {
                    return Ok(None);
                }
                self.campaign.retries += 1;
                self.campaign.retry_at = None;
                Ok(Some(Command::RetryBundle))
            }
            Some(stage) if !stage.at_rest() => {
                self.campaign.waiting_since = None;
                Ok(None)
            }
            _ => {
                let closed = state.closed.iter().map(|epoch| &epoch.stage);
                let all = closed.chain(state.epoch.as_ref().map(|epoch| &epoch.stage));
                let published = all.filter(|stage| **stage == Stage::Published).count() as u64;
                if self.campaign.epochs > 0 && published >= self.campaign.epochs {
                    return Ok(Some(Command::Finish(true)));
                }
                self.open_when_ready(now)
            }
        }
    }

    /// The bundle failed again and again: its operator must look.
    fn give_up(&mut self) -> Result<Option<Command>, RunError> {
        let stage = self.core.state().epoch.as_ref().map(|epoch| &epoch.stage);
        let reason = match stage {
            Some(Stage::BundleFailed { reason } | Stage::NotSigned { reason }) => reason.clone(),
            _ => return Ok(None),
        };
        if !self.campaign.gave_up {
            self.campaign.gave_up = true;
            (self.events)(Notice::CampaignFailed { reason: reason.clone() });
        }
        if self.stop_when_finished { Err(RunError::Campaign(reason)) } else { Ok(None) }
    }

    /// Opens an epoch once all verifiers are there, or a quorum after some time.
    fn open_when_ready(&mut self, now: u64) -> Result<Option<Command>, RunError> {
        let context = self.core.context();
        let have = self.core.state().verifiers.len();
        let since = *self.campaign.waiting_since.get_or_insert(now);
        let waited = now >= since.saturating_add(context.timing.beacon_ms);
        let all = have >= context.genesis.verifiers as usize;
        let enough = all || (waited && have >= context.quorum());
        if !enough {
            if waited {
                self.campaign.waiting_since = Some(now);
                let want = context.quorum();
                tracing::info!(have, want, "waiting for verifiers to join");
            }
            return Ok(None);
        }
        self.campaign.waiting_since = None;
        self.campaign.retries = 0;
        let plan = Box::new(self.campaign.plan.clone());
        Ok(Some(Command::OpenEpoch { plan, secret: genesis::random()? }))
    }
}
