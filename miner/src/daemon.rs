//! The shell around [`crate::queue`]: network, disk and engine.
//!
//! One lease at a time (several in flight come with the memory budget): hand in what is ready,
//! else work on what is leased, else ask for more. While the engine works, heartbeats tell the
//! coordinator, and what it cancels is stopped.

use std::{sync::Arc, time::Duration};

use lode_engine::{Control, Engine, EngineError};
use lode_node::{
    keystore::{KeyError, KeyKind, Keystore},
    killpoint,
    log::LogError,
    rpc::{Caller, Client, Retry, RpcError},
    sequence::{Sequence, SequenceError},
    stop::Stop,
    transport::{Multiaddr, Protocol, Target, Transport, TransportConfig, TransportError},
};
use lode_proto::{
    attempt::GroupCommit,
    genesis::{Genesis, GenesisError},
    id::{LeaseId, NetworkId, PolicyId},
    key::PublicKey,
    limits::HEARTBEAT_MS,
    mine::{Lease, MineReply, MineRequest, NoWork},
    policy::PolicyCard,
    refusal::Refusal,
};
use serde::Serialize;

use crate::{
    config::MinerConfig,
    queue::{Record, Step, Totals},
    store::Store,
    work::{self, WorkError},
};

/// Why a miner stopped.
#[derive(Debug, thiserror::Error)]
pub enum MinerError {
    /// The configuration cannot be used.
    #[error("{0}")]
    Config(String),
    /// The node key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The durable queue cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The envelope sequence cannot be used.
    #[error(transparent)]
    Sequence(#[from] SequenceError),
    /// The transport cannot start.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The coordinator cannot be talked to.
    #[error("talking to the coordinator failed: {0}")]
    Rpc(#[from] RpcError),
    /// The coordinator showed another network.
    #[error("the coordinator's genesis cannot be trusted: {0}")]
    Genesis(#[from] GenesisError),
    /// Another network than the one configured.
    #[error("the coordinator runs network {got}, but the configuration names {want}")]
    OtherNetwork {
        /// Its network.
        got: NetworkId,
        /// Ours.
        want: NetworkId,
    },
    /// The coordinator refused what cannot be mended by asking again.
    #[error("the coordinator refused: {0}")]
    Refused(Refusal),
    /// The engine cannot work.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The coordinator answered something that does not fit the question.
    #[error("the coordinator gave an answer that does not fit the question ({0})")]
    Protocol(&'static str),
}

/// What a miner does, for whoever watches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The coordinator knows us.
    Joined {
        /// The network.
        network: NetworkId,
        /// The policy.
        policy: PolicyId,
        /// Our key.
        miner: PublicKey,
    },
    /// Work begins on a lease.
    Leased {
        /// The lease.
        lease: LeaseId,
    },
    /// All attempts of a lease were generated.
    Generated {
        /// The lease.
        lease: LeaseId,
        /// Attempts.
        attempts: usize,
        /// Tokens generated.
        tokens: u64,
        /// Time it took, milliseconds.
        elapsed_ms: u64,
    },
    /// All attempts of a lease have receipts.
    Delivered {
        /// The lease.
        lease: LeaseId,
        /// The miner's own count.
        totals: Totals,
    },
    /// A lease came to nothing.
    Dropped {
        /// The lease.
        lease: LeaseId,
        /// Why.
        reason: String,
    },
    /// There is nothing to do.
    Waiting {
        /// Why.
        reason: NoWork,
    },
    /// The miner ends.
    Stopped {
        /// The miner's own count.
        totals: Totals,
    },
}

/// Where events go.
pub type EventSink = Arc<dyn Fn(Event) + Send + Sync>;

struct Miner {
    config: MinerConfig,
    engine: Arc<dyn Engine>,
    card: PolicyCard,
    policy: PolicyId,
    client: Client<MineRequest>,
    network: NetworkId,
    coordinator: PublicKey,
    store: Store,
    stop: Stop,
    events: EventSink,
    last_wait: Option<NoWork>,
}

/// Runs a miner until `stop` is set, or the campaign is over and the configuration says so.
///
/// # Errors
/// [`MinerError`] for what no waiting could mend. A coordinator that is away is waited for.
pub async fn run(
    config: MinerConfig,
    engine: Arc<dyn Engine>,
    stop: Stop,
    events: EventSink,
) -> Result<Totals, MinerError> {
    let network: NetworkId =
        config.network.parse().map_err(|error| MinerError::Config(format!("network: {error}")))?;
    let addresses = parse_addresses(&config.coordinator)?;
    let (key, _made) = Keystore::open(&config.data)?.get_or_create(KeyKind::Node)?;
    let store = Store::open(&config.data.join("queue"))?;
    let sequence = Sequence::open(&config.data, network)?;
    let (handle, _incoming) =
        Transport::start(TransportConfig::caller(key.clone(), vec![Protocol::Mine])).await?;
    let client = Client::new(
        handle.clone(),
        Target::at(addresses),
        Caller::new(key, sequence),
        Retry::FOREVER,
    );
    let grammar = work::grammar_version(config.engine.grammar && engine.supports_grammar());
    let card = engine.policy_card(config.engine.temperature_milli, grammar);
    let policy = card.policy.id().map_err(|error| MinerError::Config(error.to_string()))?;
    let mut miner = Miner {
        coordinator: client.caller().public(),
        config,
        engine,
        card,
        policy,
        client,
        network,
        store,
        stop,
        events,
        last_wait: None,
    };
    let result = miner.work().await;
    handle.shutdown().await;
    let totals = miner.store.queue().totals();
    (miner.events)(Event::Stopped { totals });
    result.map(|()| totals)
}

fn parse_addresses(texts: &[String]) -> Result<Vec<Multiaddr>, MinerError> {
    if texts.is_empty() {
        return Err(MinerError::Config("coordinator: name at least one address".into()));
    }
    texts
        .iter()
        .map(|text| {
            text.parse().map_err(|error| {
                MinerError::Config(format!(
                    "coordinator: {text:?} is not a multiaddress ({error}); for example \
                     /dns4/lode.example.org/tcp/4101/p2p/12D3KooW…"
                ))
            })
        })
        .collect()
}

/// What the main loop does after a step.
enum Next {
    GoOn,
    Wait(Duration),
    Finished,
}

impl Miner {
    async fn work(&mut self) -> Result<(), MinerError> {
        let stop = self.stop.clone();
        tokio::select! {
            joined = self.join() => joined?,
            () = stop.stopped() => return Ok(()),
        }
        loop {
            if stop.is_stopped() {
                return self.drain().await;
            }
            match self.step().await? {
                Next::GoOn => {}
                Next::Finished => return Ok(()),
                Next::Wait(pause) => tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = stop.stopped() => {}
                },
            }
        }
    }

    async fn join(&mut self) -> Result<(), MinerError> {
        let request = MineRequest::Join {
            account: None,
            card: Box::new(self.card.clone()),
            software: concat!("lode/", env!("CARGO_PKG_VERSION")).into(),
        };
        match self.client.call(&request).await? {
            MineReply::Joined { genesis, last_sequence } => {
                let (network, genesis) = Genesis::open(&genesis)?;
                if network != self.network {
                    return Err(MinerError::OtherNetwork { got: network, want: self.network });
                }
                self.coordinator = genesis.coordinator;
                self.client.raise_sequence(last_sequence).await?;
                let miner = self.client.caller().public();
                (self.events)(Event::Joined { network, policy: self.policy, miner });
                Ok(())
            }
            MineReply::Refused(refusal) => Err(MinerError::Refused(refusal)),
            _ => Err(MinerError::Protocol("join")),
        }
    }

    /// Takes the one next step of what is closest to done.
    async fn step(&mut self) -> Result<Next, MinerError> {
        let ready = self
            .store
            .queue()
            .jobs()
            .filter_map(|job| job.next().map(|step| (step, job.lease.id)))
            .min_by_key(|(step, _)| match step {
                Step::Submit(_) => 0,
                Step::Commit => 1,
                Step::Generate => 2,
            });
        match ready {
            Some((Step::Submit(index), lease)) => self.submit(lease, index).await,
            Some((Step::Commit, lease)) => self.commit(lease).await,
            Some((Step::Generate, lease)) => self.generate(lease).await,
            None => self.lease().await,
        }
    }

    async fn lease(&mut self) -> Result<Next, MinerError> {
        match self.client.call(&MineRequest::Lease { policy: self.policy }).await? {
            MineReply::Lease(lease) => {
                let id = lease.id;
                self.append(&Record::Leased(lease))?;
                killpoint::reach("miner:leased");
                self.last_wait = None;
                (self.events)(Event::Leased { lease: id });
                Ok(Next::GoOn)
            }
            MineReply::NoWork { reason, retry_after_ms } => {
                if reason == NoWork::Finished && self.config.stop_when_finished {
                    return Ok(Next::Finished);
                }
                if self.last_wait.replace(reason) != Some(reason) {
                    (self.events)(Event::Waiting { reason });
                }
                Ok(Next::Wait(Duration::from_millis(retry_after_ms)))
            }
            MineReply::Refused(Refusal::NotJoined | Refusal::UnknownPolicy) => {
                self.join().await?;
                Ok(Next::GoOn)
            }
            MineReply::Refused(Refusal::TooManyLeases { .. }) => {
                // Leases from before a restart whose record was not durable: they run out.
                Ok(Next::Wait(Duration::from_millis(HEARTBEAT_MS)))
            }
            MineReply::Refused(refusal) => Err(MinerError::Refused(refusal)),
            _ => Err(MinerError::Protocol("lease")),
        }
    }

    async fn generate(&mut self, id: LeaseId) -> Result<Next, MinerError> {
        let Some(lease) = self.store.queue().job(&id).map(|job| job.lease.clone()) else {
            return Ok(Next::GoOn);
        };
        // A lease from before a restart may be over; generating for it would be for nothing.
        if self.is_cancelled(id).await? {
            return self.drop_lease(id, "the coordinator says that it is over");
        }
        let control = Control::default();
        let started = std::time::Instant::now();
        match self.generate_with_heartbeat(&lease, &control).await? {
            Err(WorkError::Engine(EngineError::Cancelled)) if self.stop.is_stopped() => {
                Ok(Next::GoOn)
            }
            Err(WorkError::Engine(EngineError::Cancelled)) => {
                self.drop_lease(id, "the coordinator cancelled it while it was worked on")
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
    ) -> Result<Result<Vec<lode_proto::attempt::Attempt>, WorkError>, MinerError> {
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
            MineReply::Refused(refusal) => Err(MinerError::Refused(refusal)),
            _ => Err(MinerError::Protocol("heartbeat")),
        }
    }

    async fn commit(&mut self, id: LeaseId) -> Result<Next, MinerError> {
        let Some(job) = self.store.queue().job(&id) else { return Ok(Next::GoOn) };
        let attempts: Result<Vec<_>, _> = job.attempts.iter().map(|a| a.id()).collect();
        let attempts = attempts.map_err(|error| MinerError::Config(error.to_string()))?;
        // The policy that made them, which need not be the one the miner runs now.
        let policy = job.attempts.first().map_or(self.policy, |attempt| attempt.policy);
        let commit = GroupCommit { lease: id, policy, attempts };
        match self.client.call(&MineRequest::Commit(commit)).await? {
            MineReply::Committed { .. } => {
                killpoint::reach("miner:committed");
                self.append(&Record::Committed { lease: id })?;
                Ok(Next::GoOn)
            }
            reply => self.refused(id, reply, "commit").await,
        }
    }

    async fn submit(&mut self, id: LeaseId, index: u32) -> Result<Next, MinerError> {
        let attempt = self
            .store
            .queue()
            .job(&id)
            .and_then(|job| job.attempts.iter().find(|attempt| attempt.index == index))
            .cloned();
        let Some(attempt) = attempt else { return Ok(Next::GoOn) };
        match self.client.call(&MineRequest::Submit(attempt.clone())).await? {
            MineReply::Receipt(receipt) => {
                killpoint::reach("miner:receipted");
                let me = self.client.caller().public();
                let checked = self.store.queue().check_receipt(
                    &receipt,
                    self.network,
                    &self.coordinator,
                    &me,
                    &attempt,
                );
                if let Err(error) = checked {
                    // The work is done either way; the operator decides whether to go on here.
                    tracing::error!(%error, "a receipt is not what it should be; it is kept");
                }
                self.append(&Record::Receipted { lease: id, index, receipt })?;
                if self.store.queue().job(&id).is_none() {
                    let totals = self.store.queue().totals();
                    (self.events)(Event::Delivered { lease: id, totals });
                }
                Ok(Next::GoOn)
            }
            reply => self.refused(id, reply, "submit").await,
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
            MineReply::Refused(Refusal::NotJoined | Refusal::UnknownPolicy) => {
                self.join().await?;
                Ok(Next::GoOn)
            }
            MineReply::Refused(refusal) => self.drop_lease(id, &refusal.to_string()),
            _ => Err(MinerError::Protocol(asked)),
        }
    }

    async fn hand_back(&mut self, id: LeaseId, reason: &str) -> Result<Next, MinerError> {
        let reason: String = reason.chars().take(300).collect();
        let request = MineRequest::HandBack { lease: id, reason: reason.clone() };
        match self.client.call(&request).await? {
            MineReply::HandedBack | MineReply::Refused(_) => self.drop_lease(id, &reason),
            _ => Err(MinerError::Protocol("hand back")),
        }
    }

    fn drop_lease(&mut self, id: LeaseId, reason: &str) -> Result<Next, MinerError> {
        self.append(&Record::Dropped { lease: id, reason: reason.into() })?;
        tracing::warn!(lease = %id.short(), reason, "dropped a lease");
        (self.events)(Event::Dropped { lease: id, reason: reason.into() });
        Ok(Next::GoOn)
    }

    /// Hands in what is ready and gives back what is not, within one try each.
    async fn drain(&mut self) -> Result<(), MinerError> {
        let limit = Duration::from_secs(20);
        let work = async {
            loop {
                let open: Vec<(LeaseId, Option<Step>)> =
                    self.store.queue().jobs().map(|job| (job.lease.id, job.next())).collect();
                let Some((id, step)) = open.into_iter().next() else { return Ok(()) };
                match step {
                    Some(Step::Submit(index)) => self.submit(id, index).await?,
                    Some(Step::Commit) => self.commit(id).await?,
                    Some(Step::Generate) | None => {
                        self.hand_back(id, "the miner is shutting down").await?
                    }
                };
            }
        };
        match tokio::time::timeout(limit, work).await {
            Ok(result) => result,
            Err(_) => {
                tracing::warn!("the coordinator is away; what is ready stays in the queue");
                Ok(())
            }
        }
    }

    fn append(&mut self, record: &Record) -> Result<(), MinerError> {
        // One sync of a few milliseconds; nothing else of this miner could go on meanwhile.
        Ok(tokio::task::block_in_place(|| self.store.append(record))?)
    }
}
