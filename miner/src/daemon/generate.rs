//! Working on a lease: the engine runs, and meanwhile heartbeats tell the coordinator so and learn
//! what it cancels.

use std::time::{Duration, Instant};

use lode_engine::{Control, EngineError};
use lode_node::killpoint;
use lode_proto::{
    attempt::Attempt,
    id::LeaseId,
    limits::HEARTBEAT_MS,
    mine::{Lease, MineReply, MineRequest},
    refusal::Refusal,
};

use super::{Miner, Next};
use crate::{
    queue::Record,
    report::{self, Ending, Event, MinerError},
    work::{self, WorkError},
};

impl Miner {
    pub(super) async fn generate(&mut self, id: LeaseId) -> Result<Next, MinerError> {
        let Some(lease) = self.store.queue().job(&id).map(|job| job.lease.clone()) else {
            return Ok(Next::GoOn);
        };
        // A lease from before a restart may be over; generating for it would be for nothing.
        if self.is_cancelled(id).await? {
            return self.drop_lease(id, Ending::Over, "the coordinator says that it is over");
        }
        let progress = Some(report::progress(self.events.clone(), id));
        let control = Control { progress, ..Control::default() };
        let started = Instant::now();
        match self.generate_with_heartbeat(&lease, &control).await? {
            Err(WorkError::Engine(EngineError::Cancelled)) if self.stop.is_stopped() => {
                Ok(Next::GoOn)
            }
            Err(WorkError::Engine(EngineError::Cancelled)) => {
                let reason = "the coordinator cancelled it while it was worked on";
                self.drop_lease(id, Ending::Over, reason)
            }
            Err(WorkError::Engine(
                error @ (EngineError::TooLong { .. }
                | EngineError::Grammar { .. }
                | EngineError::Request { .. }),
            )) => self.hand_back(id, &error.to_string()).await,
            Err(WorkError::Engine(error)) => {
                self.hand_back(id, &error.to_string()).await?;
                Err(error.into())
            }
            Err(error @ WorkError::Task(_)) => self.hand_back(id, &error.to_string()).await,
            Ok(attempts) => {
                let tokens = attempts.iter().map(|a| u64::from(a.completion_tokens)).sum();
                let count = attempts.len();
                killpoint::reach("miner:generated");
                self.append(&Record::Generated { lease: id, attempts })?;
                killpoint::reach("miner:kept");
                let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                let event = Event::Generated { lease: id, attempts: count, tokens, elapsed_ms };
                (self.events)(event);
                Ok(Next::GoOn)
            }
        }
    }

    /// Runs the engine; meanwhile tells the coordinator that we are at it, and stops when told.
    async fn generate_with_heartbeat(
        &self,
        lease: &Lease,
        control: &Control,
    ) -> Result<Result<Vec<Attempt>, WorkError>, MinerError> {
        let engine = &self.config.engine;
        let answer = work::answer(
            self.engine.as_ref(),
            lease,
            self.policy,
            engine.temperature_milli,
            engine.grammar && self.engine.supports_grammar(),
            control,
        );
        tokio::pin!(answer);
        let beats = self.heartbeats(lease.id, control);
        tokio::pin!(beats);
        loop {
            tokio::select! {
                result = &mut answer => return Ok(result),
                () = self.stop.stopped(), if !control.cancel.is_cancelled() => {
                    control.cancel.cancel();
                }
                error = &mut beats, if !control.cancel.is_cancelled() => {
                    control.cancel.cancel();
                    if let Some(error) = error {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Ends when the lease is cancelled (`None`) or the coordinator cannot be talked to for good.
    async fn heartbeats(&self, lease: LeaseId, control: &Control) -> Option<MinerError> {
        loop {
            tokio::time::sleep(Duration::from_millis(HEARTBEAT_MS)).await;
            match self.is_cancelled(lease).await {
                Ok(false) => {}
                Ok(true) => return None,
                Err(error) => return Some(error),
            }
            if control.cancel.is_cancelled() {
                return None;
            }
        }
    }

    async fn is_cancelled(&self, lease: LeaseId) -> Result<bool, MinerError> {
        match self.client.call(&MineRequest::Heartbeat { leases: vec![lease] }).await? {
            MineReply::Alive { cancelled } => Ok(cancelled.contains(&lease)),
            // It was restarted and does not know us yet; the lease itself is in its log.
            MineReply::Refused(Refusal::NotJoined) => Ok(false),
            MineReply::Refused(refusal) => {
                (self.events)(Event::refused("heartbeat", &refusal));
                Err(MinerError::Refused(refusal))
            }
            _ => Err(MinerError::Protocol("heartbeat")),
        }
    }
}
