//! A coordinator that does what a test tells it, over real sockets, and an engine of the same kind.
#![allow(dead_code, unreachable_pub)]

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use lode_engine::{Completion, Control, Engine, EngineError, GroupRequest};
use lode_miner::MinerConfig;
use lode_node::{
    rpc::{answer, open_request},
    transport::{Handle, Incoming, Protocol, Transport, TransportConfig},
};
use lode_proto::{
    attempt::{Attempt, Finish, GroupCommit, Receipt},
    codec, credit,
    envelope::Envelope,
    genesis::{Admission, Genesis},
    id::{Hash, LeaseId, NetworkId},
    key::{PublicKey, SecretKey},
    mine::{Lease, MineReply, MineRequest, NoWork},
    policy::{Policy, PolicyCard, Sampling, Tier},
    session::{Feedback, Session, TurnCommit},
    task::{Profile, TaskTemplate},
};
use lode_tasks::{
    ENGINE_VERSION,
    family::Library,
    grade::grade,
    longdoc,
    revision::{self, Conversation},
    types::{AnswerKey, Task},
};
use tokio::sync::{Semaphore, watch};

/// Attempts of a group.
pub const GROUP: usize = 4;

/// What a [`Chief`] has seen and is to do.
#[derive(Default)]
pub struct Book {
    /// Leases to give out.
    pub tasks: VecDeque<u64>,
    /// What to say when there are none.
    pub none: Option<NoWork>,
    /// Closes every stream without an answer.
    pub away: bool,
    pub leased: Vec<LeaseId>,
    /// Leases that each heartbeat named.
    pub heartbeats: Vec<Vec<LeaseId>>,
    pub commits: BTreeMap<LeaseId, GroupCommit>,
    pub attempts: BTreeMap<(LeaseId, u32), Attempt>,
    pub receipts: BTreeMap<(LeaseId, u32), Envelope>,
    pub handed_back: Vec<String>,
    /// Whether leases are of revision sessions, whose attempts really are graded.
    pub revision: bool,
    pub sessions: BTreeMap<LeaseId, Talk>,
    pub turns: Vec<TurnCommit>,
    /// How often feedback is not ready yet when it is asked for.
    pub slow: usize,
    /// Requests for a lease, answered or not.
    pub asked: usize,
    last: Option<(u64, Hash)>,
}

/// A revision session as its coordinator has it.
pub struct Talk {
    task: Task,
    key: AnswerKey,
    pub conversation: Conversation,
    said: Vec<Envelope>,
}

/// A scripted coordinator.
pub struct Chief {
    pub network: NetworkId,
    pub addresses: Vec<String>,
    book: Arc<Mutex<Book>>,
    changed: watch::Sender<u64>,
    _handle: Handle,
}

impl Chief {
    pub async fn start(byte: u8) -> Self {
        let key = SecretKey::from_bytes(&[byte; 32]);
        let genesis = Genesis {
            name: "test".into(),
            version: 1,
            coordinator: key.public(),
            quorum: 1,
            verifiers: 1,
            verifier_admission: Admission::Open,
            open_to_miners: true,
            nonce: Hash::default(),
        };
        let (network, genesis) = genesis.seal(&key).expect("seals");
        let listen = "/ip4/127.0.0.1/tcp/0".parse().expect("an address");
        let config = TransportConfig::server(key.clone(), vec![listen], vec![Protocol::Mine]);
        let (handle, mut incoming) = Transport::start(config).await.expect("starts");
        let addresses = handle.listen_addrs().iter().map(ToString::to_string).collect();
        let book = Arc::new(Mutex::new(Book { none: Some(NoWork::AllLeased), ..Book::default() }));
        let changed = watch::Sender::new(0);
        let (own, tell) = (Arc::clone(&book), changed.clone());
        tokio::spawn(async move {
            while let Some(request) = incoming.recv().await {
                serve(&own, &key, network, &genesis, request);
                tell.send_modify(|n| *n += 1);
            }
        });
        Self { network, addresses, book, changed, _handle: handle }
    }

    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("not poisoned")
    }

    /// Changes the book and wakes whoever waits for it.
    pub fn set(&self, change: impl FnOnce(&mut Book)) {
        change(&mut self.book());
        self.changed.send_modify(|n| *n += 1);
    }

    /// Waits until the book is as it should be.
    pub async fn until(&self, mut holds: impl FnMut(&Book) -> bool) {
        let mut changes = self.changed.subscribe();
        while !holds(&self.book()) {
            changes.changed().await.expect("the sender lives");
        }
    }
}

fn serve(
    book: &Mutex<Book>,
    key: &SecretKey,
    network: NetworkId,
    genesis: &Envelope,
    it: Incoming,
) {
    let mut book = book.lock().expect("not poisoned");
    let (sender, sequence, request) =
        open_request::<MineRequest>(&it, network).expect("well signed");
    if matches!(request, MineRequest::Lease { .. }) {
        book.asked += 1;
    }
    if book.away {
        return;
    }
    let reply = match request {
        MineRequest::Join { .. } => {
            MineReply::Joined { genesis: genesis.clone(), last_sequence: sequence }
        }
        MineRequest::Lease { .. } => book.lease(),
        MineRequest::Heartbeat { leases } => {
            book.heartbeats.push(leases);
            MineReply::Alive { cancelled: Vec::new() }
        }
        MineRequest::Commit(commit) => {
            let lease = commit.lease;
            book.commits.insert(lease, commit);
            MineReply::Committed { lease, remaining_ms: 60_000 }
        }
        MineRequest::CommitTurn(commit) => {
            let lease = commit.lease;
            assert_eq!(commit.prompt, book.sessions[&lease].conversation.hash());
            book.turns.push(commit);
            MineReply::Committed { lease, remaining_ms: 60_000 }
        }
        MineRequest::Feedback { lease, turn } => book.feedback(key, network, lease, turn),
        MineRequest::Submit(attempt) => {
            MineReply::Receipt(book.receipt(key, network, sender, attempt))
        }
        MineRequest::HandBack { reason, .. } => {
            book.handed_back.push(reason);
            MineReply::HandedBack
        }
        MineRequest::Status | MineRequest::Hello => panic!("a miner at work asks for neither"),
    };
    answer(it.reply, &reply).expect("answers");
}

impl Book {
    fn lease(&mut self) -> MineReply {
        let Some(seed) = self.tasks.pop_front() else {
            let reason = self.none.unwrap_or(NoWork::AllLeased);
            return MineReply::NoWork { reason, retry_after_ms: 20 };
        };
        let library = Library::builtin().expect("built in");
        let template = TaskTemplate {
            family: longdoc::NAME.into(),
            engine_version: ENGINE_VERSION,
            domain: library.named("companies").expect("built in"),
            profile: Profile::Nano,
            inputs: Vec::new(),
        };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let (task, key) = longdoc::generate(&template.spec(bytes), &library).expect("a task");
        let id = LeaseId::of(&seed.to_le_bytes());
        self.leased.push(id);
        let session = if self.revision { Session::Revision } else { Session::Group };
        if self.revision {
            let (task, conversation) = (task.clone(), Conversation::new(&task));
            self.sessions.insert(id, Talk { task, key, conversation, said: Vec::new() });
        }
        MineReply::Lease(Box::new(Lease {
            id,
            epoch: 1,
            task_id: task.id().expect("an id"),
            task: codec::encode(&task).expect("encodes"),
            session,
            attempt_seeds: (0..session.attempts(GROUP as u32)).map(|n| [n as u8 + 1; 32]).collect(),
            max_completion_tokens: 64,
            remaining_ms: 60_000,
        }))
    }

    fn feedback(
        &mut self,
        key: &SecretKey,
        network: NetworkId,
        lease: LeaseId,
        turn: u32,
    ) -> MineReply {
        if self.slow > 0 {
            self.slow -= 1;
            return MineReply::FeedbackPending { retry_after_ms: 5 };
        }
        let talk = self.sessions.get_mut(&lease).expect("a session");
        if let Some(said) = talk.said.get(turn as usize) {
            return MineReply::Feedback(said.clone());
        }
        let attempt = &self.attempts[&(lease, Session::Revision.continued(turn))];
        let verdict = grade(&talk.task, &talk.key, &attempt.completion, attempt.finish);
        let counts = revision::counts(&talk.task, &verdict);
        talk.conversation.push(&attempt.completion, &counts);
        let next = (!verdict.passes()).then(|| talk.conversation.hash());
        let attempt = attempt.id().expect("an id");
        let said = Feedback { lease, turn, attempt, counts, next };
        let sequence = 1_000 + u64::from(turn);
        let said = Envelope::seal(&said, network, key, sequence).expect("seals");
        talk.said.push(said.clone());
        MineReply::Feedback(said)
    }

    /// The same attempt again gets its first receipt again.
    fn receipt(
        &mut self,
        key: &SecretKey,
        network: NetworkId,
        miner: PublicKey,
        attempt: Attempt,
    ) -> Envelope {
        let at = (attempt.lease, attempt.index);
        if let Some(known) = self.receipts.get(&at) {
            return known.clone();
        }
        let tokens =
            credit::credited_tokens(attempt.completion_tokens, attempt.completion.len(), 64);
        let receipt = Receipt {
            miner,
            index: self.last.map_or(0, |(index, _)| index + 1),
            previous: self.last.map_or(Hash::default(), |(_, link)| link),
            epoch: 1,
            lease: attempt.lease,
            attempt_index: attempt.index,
            attempt: attempt.id().expect("an id"),
            tokens,
            parameters: 1,
            tier: Tier::T0,
            credit_version: credit::CREDIT_VERSION,
            credits_milli: credit::credits_milli(tokens, 1, Tier::T0),
            unix_ms: 0,
        };
        self.last = Some((receipt.index, receipt.hash().expect("hashes")));
        let sealed = Envelope::seal(&receipt, network, key, receipt.index + 1).expect("seals");
        self.attempts.insert(at, attempt);
        self.receipts.insert(at, sealed.clone());
        sealed
    }
}

/// What a scripted engine does with a group.
pub type Script = dyn Fn(usize, &GroupRequest) -> Result<(), EngineError> + Send + Sync;

/// A scripted engine: it writes its seed, as often as the test lets it.
pub struct Scripted {
    pub groups: usize,
    pub bytes: u64,
    /// One permit lets one call go on.
    pub gate: Semaphore,
    pub calls: AtomicUsize,
    /// Most groups that were inside at once.
    pub most: AtomicUsize,
    pub inside: watch::Sender<usize>,
    pub script: Box<Script>,
}

impl Scripted {
    pub fn new(
        groups: usize,
        script: impl Fn(usize, &GroupRequest) -> Result<(), EngineError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            groups,
            bytes: 0,
            gate: Semaphore::new(0),
            calls: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            inside: watch::Sender::new(0),
            script: Box::new(script),
        })
    }

    /// Waits until so many groups are in the engine.
    pub async fn until_inside(&self, count: usize) {
        self.inside
            .subscribe()
            .wait_for(|inside| *inside == count)
            .await
            .expect("the engine lives");
    }
}

#[async_trait]
impl Engine for Scripted {
    fn policy_card(&self, temperature_milli: u32, _grammar: Option<u32>) -> PolicyCard {
        PolicyCard {
            policy: Policy {
                weights: Hash::default(),
                quantisation: "none".into(),
                adapter: None,
                template: "raw/1".into(),
                sampling: Sampling { temperature_milli, sampler: "scripted".into() },
                grammar: None,
            },
            model: "scripted".into(),
            parameters: 1,
            licence: "CC0-1.0".into(),
            output_licence: "CC0-1.0".into(),
            engine: "scripted".into(),
        }
    }

    fn context_tokens(&self) -> Option<u32> {
        None
    }

    fn supports_grammar(&self) -> bool {
        false
    }

    fn concurrent_groups(&self) -> usize {
        self.groups
    }

    fn group_bytes(&self, _prompt: usize, _attempts: usize, _most: u32) -> u64 {
        self.bytes
    }

    async fn generate(
        &self,
        request: GroupRequest,
        control: &Control,
    ) -> Result<Vec<Result<Completion, EngineError>>, EngineError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        (self.script)(call, &request)?;
        self.inside.send_modify(|inside| {
            *inside += 1;
            self.most.fetch_max(*inside, Ordering::SeqCst);
        });
        let let_go = tokio::select! {
            permit = self.gate.acquire() => {
                permit.expect("open").forget();
                true
            }
            () = control.cancel.cancelled() => false,
        };
        self.inside.send_modify(|inside| *inside -= 1);
        if !let_go {
            return Err(EngineError::Cancelled);
        }
        let completion = |seed: &[u8; 32]| Completion {
            bytes: seed[..3].to_vec(),
            finish: Finish::Stop,
            prompt_tokens: 10,
            completion_tokens: 3,
            evidence: None,
        };
        Ok(request.attempt_seeds.iter().map(|seed| Ok(completion(seed))).collect())
    }
}

/// Settings of a miner of these networks, the preferred one first.
pub fn settings(data: &std::path::Path, chiefs: &[&Chief]) -> MinerConfig {
    let one = |chief: &Chief| {
        let addresses =
            chief.addresses.iter().map(|address| format!("{address:?}")).collect::<Vec<_>>();
        format!("network = \"{}\"\ncoordinator = [{}]\n", chief.network, addresses.join(", "))
    };
    let mut text = format!("data = {:?}\ndrain_seconds = 0\nstop_when_finished = true\n", data);
    text += &one(chiefs[0]);
    for chief in &chiefs[1..] {
        text += "[[fallback]]\n";
        text += &one(chief);
    }
    text += "[engine]\nkind = \"native\"\n";
    toml::from_str(&text).expect("settings")
}
