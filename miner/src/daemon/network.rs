//! One network's work: hand in what is ready, start what is leased, ask for more, else wait.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use lode_engine::Control;
use lode_node::rpc::Client;
use lode_proto::{
    id::{LeaseId, NetworkId},
    key::PublicKey,
    limits::HEARTBEAT_MS,
    mine::{MineReply, MineRequest, NoWork},
};
use tokio::{sync::watch, task::JoinSet, time::Interval};

use super::{Shared, gate, generate::Finished, heat::Heat};
use crate::{
    queue::{Record, Step, Totals},
    report::{Ending, Event, MinerError},
    slots::Pace,
    store::Store,
};

/// A call without an answer for so long lets the networks behind this one have the engine.
const AWAY: Duration = Duration::from_secs(5);
/// Pause when there is nothing to do but to wait for what runs.
const IDLE: Duration = Duration::from_secs(60);
/// Time to hand in what is ready once nothing runs any more.
const LAST_CALLS: Duration = Duration::from_secs(10);

/// A group in the engine.
pub(super) struct Running {
    pub(super) control: Control,
    pub(super) since: Instant,
    /// The coordinator says that the lease is over.
    pub(super) cancelled: bool,
}

/// One network.
pub(super) struct Network {
    pub(super) shared: Arc<Shared>,
    /// Its place in the order of preference.
    pub(super) place: usize,
    pub(super) id: NetworkId,
    pub(super) client: Client<MineRequest>,
    pub(super) coordinator: PublicKey,
    pub(super) store: Store,
    /// Groups in the engine.
    pub(super) groups: JoinSet<Finished>,
    pub(super) running: BTreeMap<LeaseId, Running>,
    /// Leases to give back, and why.
    pub(super) giving_back: VecDeque<(LeaseId, String)>,
    pub(super) pace: Pace,
    /// Bytes of the last group.
    pub(super) group_bytes: u64,
    /// Failures of the engine in a row.
    pub(super) troubles: u32,
    /// When to ask again for feedback that the coordinator was still working on.
    pub(super) feedback_after: BTreeMap<LeaseId, Instant>,
    /// No lease is asked for before.
    pub(super) not_before: Option<Instant>,
    pub(super) last_wait: Option<NoWork>,
    /// Tells when a group of any network ended.
    freed: watch::Receiver<u64>,
    beat: Interval,
    closed: Option<&'static str>,
    /// Whether only what is held is brought to an end.
    draining: bool,
}

/// What the main loop does after a step.
pub(super) enum Next {
    GoOn,
    Wait(Duration),
    Finished,
}

impl Network {
    pub(super) fn new(
        shared: Arc<Shared>,
        place: usize,
        id: NetworkId,
        client: Client<MineRequest>,
        store: Store,
    ) -> Self {
        let mut beat = tokio::time::interval(Duration::from_millis(HEARTBEAT_MS));
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        Self {
            coordinator: client.caller().public(),
            freed: shared.slots.freed(),
            shared,
            place,
            id,
            client,
            store,
            groups: JoinSet::new(),
            running: BTreeMap::new(),
            giving_back: VecDeque::new(),
            pace: Pace::default(),
            group_bytes: 0,
            troubles: 0,
            feedback_after: BTreeMap::new(),
            not_before: None,
            last_wait: None,
            beat,
            closed: None,
            draining: false,
        }
    }

    /// Takes the network's own count into that of all networks, and gives the latter.
    pub(super) fn count(&self) -> Totals {
        let mut all = self.shared.totals.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = all.get_mut(self.place) {
            *own = self.store.queue().totals();
        }
        drop(all);
        self.shared.sum()
    }

    /// Works until it is told to stop.
    pub(super) async fn run(mut self) -> (NetworkId, Result<(), MinerError>) {
        let result = match self.work().await {
            Err(MinerError::Stopping) => self.drain().await,
            result => result,
        };
        self.shared.order.set(self.place, false);
        self.count();
        (self.id, result)
    }

    async fn work(&mut self) -> Result<(), MinerError> {
        self.join().await?;
        // Leases from before a restart may be over; generating for them would be for nothing.
        self.heartbeat().await?;
        loop {
            if self.shared.stop.is_stopped() {
                return Err(MinerError::Stopping);
            }
            while let Some(finished) = self.groups.try_join_next() {
                self.keep(finished)?;
            }
            let pause = match self.step().await? {
                Next::GoOn => continue,
                Next::Finished => return Ok(()),
                Next::Wait(pause) => pause,
            };
            let (stop, order) = (self.shared.stop.clone(), self.shared.order.clone());
            let turn = !order.may_ask(self.place);
            tokio::select! {
                Some(finished) = self.groups.join_next() => self.keep(finished)?,
                _ = self.beat.tick() => self.heartbeat().await?,
                () = order.wait(self.place), if turn => {}
                _ = self.freed.changed() => {}
                () = tokio::time::sleep(pause) => {}
                () = stop.stopped() => {}
            }
        }
    }

    /// Takes the one next step of what is closest to done.
    async fn step(&mut self) -> Result<Next, MinerError> {
        if let Some((lease, reason)) = self.giving_back.pop_front() {
            return self.hand_back(lease, &reason).await;
        }
        if let Some(next) = self.hand_in().await? {
            return Ok(next);
        }
        self.start_groups();
        if let Some(next) = self.ask_feedback().await? {
            return Ok(next);
        }
        match self.more() {
            None => self.lease().await,
            Some(pause) => Ok(Next::Wait(pause.min(self.feedback_pause()))),
        }
    }

    /// Hands in one thing that can be, uploads before commitments; `None` where there is nothing.
    async fn hand_in(&mut self) -> Result<Option<Next>, MinerError> {
        let upload = self.store.queue().jobs().find_map(|job| match job.next() {
            Some(Step::Submit(index)) => Some((job.lease.id, index)),
            _ => None,
        });
        if let Some((lease, index)) = upload {
            return self.submit(lease, index).await.map(Some);
        }
        let commit = self.store.queue().jobs().find(|job| job.next() == Some(Step::Commit));
        if let Some(lease) = commit.map(|job| job.lease.id) {
            return self.commit(lease).await.map(Some);
        }
        Ok(None)
    }

    /// Asks for feedback where it is due; `None` where there is nothing to ask for.
    async fn ask_feedback(&mut self) -> Result<Option<Next>, MinerError> {
        let now = Instant::now();
        let due = |lease: &LeaseId| self.feedback_after.get(lease).is_none_or(|at| *at <= now);
        let asked = self.store.queue().jobs().find_map(|job| match job.next() {
            Some(Step::Feedback(turn)) if due(&job.lease.id) => Some((job.lease.id, turn)),
            _ => None,
        });
        match asked {
            Some((lease, turn)) => self.feedback(lease, turn).await.map(Some),
            None => Ok(None),
        }
    }

    /// Time until feedback is to be asked for again.
    fn feedback_pause(&self) -> Duration {
        let jobs =
            self.store.queue().jobs().filter(|job| matches!(job.next(), Some(Step::Feedback(_))));
        let next = jobs.filter_map(|job| self.feedback_after.get(&job.lease.id)).min();
        next.map_or(IDLE, |at| at.saturating_duration_since(Instant::now()))
    }

    /// Leases that no group runs for yet.
    pub(super) fn waiting(&self) -> Vec<LeaseId> {
        let jobs = self.store.queue().jobs().filter(|job| job.next() == Some(Step::Generate));
        jobs.map(|job| job.lease.id).filter(|lease| !self.running.contains_key(lease)).collect()
    }

    /// Time until a lease is to be asked for; `None` is now.
    fn more(&mut self) -> Option<Duration> {
        if let Some(wait) = self.not_before.and_then(|at| at.checked_duration_since(Instant::now()))
        {
            return Some(wait);
        }
        let heat = self.shared.heat.as_ref().and_then(Heat::closed);
        let closed = gate::closed(&self.shared.config, heat);
        let reason = closed.map(|(reason, _)| reason);
        if std::mem::replace(&mut self.closed, reason) != reason {
            (self.shared.events)(Event::Held { reason });
        }
        if let Some((_, wait)) = closed {
            self.shared.order.set(self.place, false);
            return Some(wait);
        }
        if !self.shared.order.may_ask(self.place) || !self.waiting().is_empty() {
            return Some(IDLE);
        }
        // A place that is free now is taken by the lease that comes.
        if self.shared.slots.has_room(self.group_bytes) {
            return None;
        }
        let oldest = self.running.values().map(|running| running.since.elapsed()).max();
        let wait = oldest.map_or(Some(IDLE), |elapsed| self.pace.wait(elapsed));
        wait.map_or(Some(IDLE), |wait| (!wait.is_zero()).then_some(wait))
    }

    /// Calls the coordinator, however long it is away; meanwhile keeps what the engine finishes.
    /// Ends with [`MinerError::Stopping`] where the miner is told to stop before there is an answer:
    /// every request may be sent again.
    pub(super) async fn ask(&mut self, request: &MineRequest) -> Result<MineReply, MinerError> {
        let (client, stop) = (self.client.clone(), self.shared.stop.clone());
        let draining = self.draining;
        let call = client.call(request);
        let away = tokio::time::sleep(AWAY);
        tokio::pin!(call, away);
        loop {
            tokio::select! {
                reply = &mut call => {
                    let reply = reply?;
                    if let MineReply::Refused(refusal) = &reply {
                        (self.shared.events)(Event::refused(asked(request), refusal));
                    }
                    return Ok(reply);
                }
                Some(finished) = self.groups.join_next() => self.keep(finished)?,
                () = &mut away, if !away.is_elapsed() => {
                    self.shared.order.set(self.place, false);
                }
                () = stop.stopped(), if !draining => return Err(MinerError::Stopping),
            }
        }
    }

    /// Lets what runs come to its end for a while, hands in what is ready, gives back the rest.
    async fn drain(&mut self) -> Result<(), MinerError> {
        self.draining = true;
        let grace = Duration::from_secs(self.shared.config.drain_seconds);
        let end = tokio::time::sleep(grace);
        tokio::pin!(end);
        loop {
            tokio::select! {
                finished = self.groups.join_next() => match finished {
                    Some(finished) => self.keep(finished)?,
                    None => break,
                },
                () = &mut end, if !end.is_elapsed() => {
                    self.running.values().for_each(|running| running.control.cancel.cancel());
                }
            }
        }
        match tokio::time::timeout(LAST_CALLS, self.last_calls()).await {
            Ok(result) => result,
            Err(_) => {
                tracing::warn!(network = %self.id, "the coordinator is away; what is ready stays in the queue");
                Ok(())
            }
        }
    }

    async fn last_calls(&mut self) -> Result<(), MinerError> {
        loop {
            if self.hand_in().await?.is_some() {
                continue;
            }
            let Some(lease) = self.waiting().first().copied() else { return Ok(()) };
            self.hand_back(lease, "the miner is shutting down").await?;
        }
    }

    pub(super) fn drop_lease(
        &mut self,
        id: LeaseId,
        how: Ending,
        reason: &str,
    ) -> Result<Next, MinerError> {
        self.append(&Record::Dropped { lease: id, reason: reason.into() })?;
        tracing::warn!(lease = %id.short(), reason, "dropped a lease");
        let totals = self.count();
        (self.shared.events)(Event::Dropped { lease: id, how, reason: reason.into(), totals });
        Ok(Next::GoOn)
    }

    pub(super) fn append(&mut self, record: &Record) -> Result<(), MinerError> {
        // One sync of a few milliseconds; nothing else of this network could go on meanwhile.
        Ok(tokio::task::block_in_place(|| self.store.append(record))?)
    }
}

/// A request's name in events.
fn asked(request: &MineRequest) -> &'static str {
    match request {
        MineRequest::Join { .. } => "join",
        MineRequest::Lease { .. } => "lease",
        MineRequest::Heartbeat { .. } => "heartbeat",
        MineRequest::Commit(_) => "commit",
        MineRequest::CommitTurn(_) => "commit turn",
        MineRequest::Feedback { .. } => "feedback",
        MineRequest::Submit(_) => "submit",
        MineRequest::HandBack { .. } => "hand back",
        MineRequest::Status => "status",
        MineRequest::Hello => "hello",
    }
}
