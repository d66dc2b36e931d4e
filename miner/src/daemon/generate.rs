//! Groups in the engine: started where there is room, kept when they end.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use lode_engine::{Control, EngineError};
use lode_node::{killpoint, rpc::Retry};
use lode_proto::{attempt::Attempt, id::LeaseId, session::Session};
use tokio::task::JoinError;

use super::network::{Network, Running};
use crate::{
    queue::Record,
    report::{self, Ending, Event, MinerError},
    work::{self, WorkError},
};

/// Failures in a row after which an engine in this process is taken for broken.
const MAX_TROUBLES: u32 = 5;
/// Pauses after failures of the engine: a server may come back.
const TROUBLE: Retry = Retry {
    tries: u32::MAX,
    first_pause: Duration::from_millis(100),
    longest_pause: Duration::from_secs(300),
};

/// How a group ended.
pub(super) struct Finished {
    lease: LeaseId,
    result: Result<Vec<Attempt>, WorkError>,
}

impl Network {
    /// Starts a group for each lease that waits, as far as there is room.
    pub(super) fn start_groups(&mut self) {
        for id in self.waiting() {
            let Some(job) = self.store.queue().job(&id).cloned() else { continue };
            if self.giving_back.iter().any(|(given, _)| *given == id) {
                continue;
            }
            let bytes = work::group_bytes(self.shared.engine.as_ref(), &job);
            // What was begun under one policy cannot go on under another.
            if job.attempts.first().is_some_and(|made| made.policy != self.shared.policy) {
                let why = "the miner runs another policy than the one that the session began with";
                self.giving_back.push_back((id, why.into()));
                continue;
            }
            // A turn of a session may fit where a group does not.
            let Some(slot) = self.shared.slots.take(bytes) else { continue };
            if job.lease.session == Session::Group {
                self.group_bytes = bytes;
            }
            let progress = Some(report::progress(self.shared.events.clone(), id));
            let control = Control { progress, ..Control::default() };
            let running =
                Running { control: control.clone(), since: Instant::now(), cancelled: false };
            self.running.insert(id, running);
            let shared = Arc::clone(&self.shared);
            self.groups.spawn(async move {
                let settings = &shared.config.engine;
                let how = work::How {
                    policy: shared.policy,
                    temperature_milli: settings.temperature_milli,
                    grammar: settings.grammar && shared.engine.supports_grammar(),
                    batch: &shared.batch,
                };
                let result = work::answer(shared.engine.as_ref(), &job, &how, &control).await;
                drop(slot);
                Finished { lease: id, result }
            });
        }
    }

    /// Makes what a group wrote durable, or finds out what to do instead.
    pub(super) fn keep(&mut self, ended: Result<Finished, JoinError>) -> Result<(), MinerError> {
        let Finished { lease: id, result } =
            ended.map_err(|error| MinerError::Crashed(error.to_string()))?;
        let Some(running) = self.running.remove(&id) else { return Ok(()) };
        let elapsed = running.since.elapsed();
        match result {
            Ok(attempts) => {
                let tokens = attempts.iter().map(|a| u64::from(a.completion_tokens)).sum();
                let count = attempts.len();
                killpoint::reach("miner:generated");
                self.append(&Record::Generated { lease: id, attempts })?;
                killpoint::reach("miner:kept");
                // A turn of a session says nothing of how long a group takes.
                let job = self.store.queue().job(&id);
                if job.is_some_and(|job| job.lease.session == Session::Group) {
                    self.pace.took(elapsed);
                }
                self.troubles = 0;
                let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
                let event = Event::Generated { lease: id, attempts: count, tokens, elapsed_ms };
                (self.shared.events)(event);
                Ok(())
            }
            // Still in the queue: it is given back with what else is left.
            Err(WorkError::Engine(EngineError::Cancelled)) if !running.cancelled => Ok(()),
            Err(WorkError::Engine(EngineError::Cancelled)) => self
                .drop_lease(id, Ending::Over, "the coordinator cancelled it while it was worked on")
                .map(drop),
            // The task is what the engine cannot take; the next may be another.
            Err(
                error @ (WorkError::Task(_)
                | WorkError::Engine(
                    EngineError::TooLong { .. }
                    | EngineError::Grammar { .. }
                    | EngineError::Request { .. },
                )),
            ) => {
                self.giving_back.push_back((id, error.to_string()));
                Ok(())
            }
            Err(WorkError::Engine(error)) => self.trouble(id, error),
        }
    }

    /// The engine failed: the lease goes back, and the next one comes after a pause.
    fn trouble(&mut self, id: LeaseId, error: EngineError) -> Result<(), MinerError> {
        self.troubles += 1;
        self.giving_back.push_back((id, error.to_string()));
        let server = matches!(error, EngineError::Server { .. });
        if !server && self.troubles >= MAX_TROUBLES {
            return Err(MinerError::Engine(error));
        }
        let pause = TROUBLE.pause(self.troubles);
        tracing::error!(%error, pause_s = pause.as_secs_f64(), "the engine failed");
        self.not_before = Some(Instant::now() + pause);
        Ok(())
    }
}
