//! The shell around [`crate::queue`]: network, disk and engine.
//!
//! One lease at a time (several in flight come with the memory budget): hand in what is ready,
//! else work on what is leased, else ask for more. While the engine works, heartbeats tell the
//! coordinator, and what it cancels is stopped.

mod generate;

use std::{sync::Arc, time::Duration};

use lode_engine::Engine;
use lode_node::{
    keystore::{KeyKind, Keystore},
    killpoint,
    rpc::{Caller, Client, Retry},
    sequence::Sequence,
    stop::Stop,
    transport::{Multiaddr, Protocol, Target, Transport, TransportConfig},
};
use lode_proto::{
    attempt::GroupCommit,
    genesis::Genesis,
    id::{LeaseId, NetworkId, PolicyId},
    key::PublicKey,
    limits::HEARTBEAT_MS,
    mine::{MineReply, MineRequest, NoWork},
    policy::PolicyCard,
    refusal::Refusal,
};

pub use crate::report::{Ending, Event, EventSink, MinerError, ReceiptNote};
use crate::{
    config::MinerConfig,
    metrics,
    queue::{Record, Step, Totals},
    receipts::Joined,
    report,
    store::Store,
    work,
};

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
    let events = metrics::serve(config.metrics, events).await?;
    let leases = store.queue().jobs().map(|job| job.lease.id).collect();
    let made = store.queue().jobs().filter(|job| !job.attempts.is_empty());
    let ready = made.map(|job| job.lease.id).collect();
    events(Event::Opened { leases, ready, totals: store.queue().totals() });
    let sequence = Sequence::open(&config.data, network)?;
    let (handle, _incoming) =
        Transport::start(TransportConfig::caller(key.clone(), vec![Protocol::Mine])).await?;
    let client = Client::new(
        handle.clone(),
        Target::at(addresses),
        Caller::new(key, sequence),
        Retry::FOREVER,
    )
    .watched(report::contact(events.clone()));
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
            MineReply::Joined { genesis: envelope, last_sequence } => {
                let (network, genesis) = Genesis::open(&envelope)?;
                if network != self.network {
                    return Err(MinerError::OtherNetwork { got: network, want: self.network });
                }
                self.coordinator = genesis.coordinator;
                self.client.raise_sequence(last_sequence).await?;
                let miner = self.client.caller().public();
                self.keep_join(Joined {
                    genesis: envelope,
                    miner,
                    policy: self.policy,
                    card: self.card.clone(),
                })?;
                (self.events)(Event::Joined { network, policy: self.policy, miner });
                Ok(())
            }
            MineReply::Refused(refusal) => {
                (self.events)(Event::refused("join", &refusal));
                Err(MinerError::Refused(refusal))
            }
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
        let reply = self.client.call(&MineRequest::Lease { policy: self.policy }).await?;
        if let MineReply::Refused(refusal) = &reply {
            (self.events)(Event::refused("lease", refusal));
        }
        match reply {
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
                if let Err(error) = &checked {
                    // The work is done either way; the operator decides whether to go on here.
                    tracing::error!(%error, "a receipt is not what it should be; it is kept");
                }
                self.append(&Record::Receipted { lease: id, index, receipt })?;
                (self.events)(Event::Receipted {
                    lease: id,
                    attempt: index,
                    receipt: checked.as_ref().ok().map(ReceiptNote::from),
                    wrong: checked.err().map(|error| error.to_string()),
                    totals: self.store.queue().totals(),
                });
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
        if let MineReply::Refused(refusal) = &reply {
            (self.events)(Event::refused(asked, refusal));
        }
        match reply {
            MineReply::Refused(Refusal::NotJoined | Refusal::UnknownPolicy) => {
                self.join().await?;
                Ok(Next::GoOn)
            }
            MineReply::Refused(refusal) => {
                self.drop_lease(id, Ending::Refused, &refusal.to_string())
            }
            _ => Err(MinerError::Protocol(asked)),
        }
    }

    async fn hand_back(&mut self, id: LeaseId, reason: &str) -> Result<Next, MinerError> {
        let reason: String = reason.chars().take(300).collect();
        let request = MineRequest::HandBack { lease: id, reason: reason.clone() };
        match self.client.call(&request).await? {
            MineReply::HandedBack => self.drop_lease(id, Ending::HandedBack, &reason),
            MineReply::Refused(refusal) => {
                (self.events)(Event::refused("hand back", &refusal));
                self.drop_lease(id, Ending::HandedBack, &reason)
            }
            _ => Err(MinerError::Protocol("hand back")),
        }
    }

    fn drop_lease(&mut self, id: LeaseId, how: Ending, reason: &str) -> Result<Next, MinerError> {
        self.append(&Record::Dropped { lease: id, reason: reason.into() })?;
        tracing::warn!(lease = %id.short(), reason, "dropped a lease");
        (self.events)(Event::Dropped { lease: id, how, reason: reason.into() });
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
