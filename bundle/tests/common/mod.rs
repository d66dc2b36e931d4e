//! A whole network in memory: real keys, real tasks, real grades, real envelopes; only the texts of
//! the "models" are made from each task's witness, so that every failure class occurs.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "shared by several tests and an example"
)]

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use lode_bundle::{
    engine::{BuiltinEngine, Engine},
    record::{AttemptRecord, EpochRecord, GroupRecord, VerdictRecord},
    write::{Staged, attach_signatures, sign_manifest, stage},
};
use lode_proto::{
    adapt::{Graded, Schedule, Step},
    attempt::{Attempt, Finish, GroupCommit, Receipt},
    credit::{CREDIT_VERSION, credited_tokens, credits_milli},
    envelope::{Envelope, Payload},
    epoch::{BeaconCommit, BeaconFixed, BeaconReveal, Campaign, EpochOpen, Outcome},
    genesis::{Admission, Genesis},
    id::{AttemptId, Hash, NetworkId, PolicyId},
    key::{PublicKey, SecretKey},
    ledger::LedgerEntry,
    manifest::CounterRecord,
    mine::MineRequest,
    policy::{Policy, PolicyCard, Sampling, Tier},
    seed,
    session::{Feedback, MAX_TURNS, Session, TurnCommit},
    task::{Place, Profile, TaskTemplate},
    verify::{JobVerdict, VerdictCommit, VerdictReveal, VerifyRequest},
};
use lode_tasks::{
    family::{GenerateError, Library},
    revision::{self, Conversation},
    types::{AnswerKey, Task},
};

pub const GROUP: u32 = 8;
pub const EPOCH: u64 = 1;

pub fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes(&[byte; 32])
}

/// The keys of the network, with each one's next sequence.
#[derive(Clone)]
pub struct Keys {
    pub coordinator: SecretKey,
    pub verifiers: Vec<SecretKey>,
    pub miners: Vec<SecretKey>,
    sequence: BTreeMap<PublicKey, u64>,
    pub network: NetworkId,
}

impl Keys {
    pub fn seal<T: Payload>(&mut self, key: &SecretKey, value: &T) -> Envelope {
        let sequence = self.sequence.entry(key.public()).or_default();
        *sequence += 1;
        Envelope::seal(value, self.network, key, *sequence).unwrap()
    }
}

/// What the tasks of an epoch are made from.
pub struct Source {
    template: TaskTemplate,
    blobs: BTreeMap<Hash, Vec<u8>>,
}

impl Source {
    fn builtin() -> Self {
        let library = Library::builtin().unwrap();
        let domain = library.named("companies").unwrap();
        let bytes = library.domain_bytes(domain.hash).unwrap().to_vec();
        let blobs = BTreeMap::from([(domain.hash, bytes)]);
        let template = TaskTemplate {
            family: "longdoc".into(),
            engine_version: lode_tasks::ENGINE_VERSION,
            domain,
            profile: Profile::Nano,
            inputs: Vec::new(),
        };
        Self { template, blobs }
    }

    /// The example folder of the documentation.
    fn own() -> Self {
        let facts = include_bytes!("../../../docs/examples/own-documents/facts.toml");
        let texts: [&[u8]; 3] = [
            include_bytes!("../../../docs/examples/own-documents/coast-guide.md"),
            include_bytes!("../../../docs/examples/own-documents/builders.txt"),
            include_bytes!("../../../docs/examples/own-documents/logbook.txt"),
        ];
        let mut library = Library::default();
        let (domain, inputs) = library.add_own(facts, &texts).unwrap();
        let wanted = std::iter::once(domain.hash).chain(inputs.iter().copied());
        let blobs =
            wanted.map(|hash| (hash, library.input_bytes(hash).unwrap().to_vec())).collect();
        let template = TaskTemplate {
            family: "own".into(),
            engine_version: lode_tasks::ENGINE_VERSION,
            domain,
            profile: Profile::Mini,
            inputs,
        };
        Self { template, blobs }
    }
}

/// A finished epoch with everything needed to change and sign it again.
#[derive(Clone)]
pub struct World {
    pub keys: Keys,
    pub genesis: Genesis,
    pub record: EpochRecord,
    pub card: PolicyCard,
    /// The rule that gives each counter its profile.
    schedule: Schedule,
    /// What it decided, by the counter behind whose outcome that stands.
    pub moves: BTreeMap<u64, Vec<Step>>,
    chains: BTreeMap<PublicKey, (u64, Hash)>,
}

pub fn card() -> PolicyCard {
    PolicyCard {
        policy: Policy {
            weights: Hash::of(b"weights"),
            quantisation: "Q8_0".into(),
            adapter: None,
            template: "raw/1".into(),
            sampling: Sampling { temperature_milli: 800, sampler: "gumbel/1".into() },
            grammar: Some(1),
        },
        model: "Test-135M".into(),
        parameters: 134_515_008,
        licence: "Apache-2.0".into(),
        output_licence: "Apache-2.0".into(),
        engine: "test/1".into(),
    }
}

/// What an attempt of the fixture is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Like {
    Pass,
    /// Passes, after some thinking of so many words.
    PassAfter(usize),
    Trapped,
    WrongAnswer,
    WrongAnswerAfter(usize),
    NoTrace,
    WrongArtifact,
    Garbage,
    NotUtf8,
    Cut,
}

/// The completion of an attempt, and why it ended.
pub fn completion(like: Like, task: &Task, key: &AnswerKey) -> (Vec<u8>, Finish) {
    let think = |words: usize| {
        let words: Vec<String> = (0..words).map(|n| format!("thought{n}")).collect();
        format!("{}\n", words.join(" "))
    };
    let wrong_answer = || replace_line(&key.witness, "Q1:", "Q1: nobody at all");
    let text = match like {
        Like::Pass => key.witness.clone(),
        Like::PassAfter(words) => think(words) + &key.witness,
        Like::Trapped => key.trapped[0].text.clone(),
        Like::WrongAnswer => wrong_answer(),
        Like::WrongAnswerAfter(words) => think(words) + &wrong_answer(),
        Like::NoTrace => replace_line(&key.witness, "e1:", "e1: It is written somewhere"),
        Like::WrongArtifact => {
            let words = vec!["entirely"; 60].join(" ");
            replace_line(&key.witness, "Artifact:", &format!("Artifact: {words}"))
        }
        Like::Garbage => "I do not know.".into(),
        Like::NotUtf8 => return (b"<trace>\n\xff\xfe\n".to_vec(), Finish::Stop),
        Like::Cut => {
            let cut = key.witness.len() / 2;
            return (key.witness.as_bytes()[..cut].to_vec(), Finish::Cap);
        }
    };
    let _ = task;
    (text.into_bytes(), Finish::Stop)
}

fn replace_line(text: &str, start: &str, by: &str) -> String {
    let lines: Vec<&str> =
        text.lines().map(|line| if line.starts_with(start) { by } else { line }).collect();
    lines.join("\n") + "\n"
}

/// The revision sessions of the fixture, by counter: one that passes at once, one that passes at its
/// second attempt, one that does at its third, one that never does.
pub fn turns(counter: u64) -> &'static [Like] {
    use Like::*;
    match counter / 2 % 4 {
        0 => &[WrongAnswer, PassAfter(2), WrongAnswerAfter(3)],
        1 => &[WrongArtifact, Trapped, Pass, PassAfter(1), WrongAnswerAfter(4)],
        2 => &[Pass],
        _ => &[Garbage, WrongAnswerAfter(1), Cut, WrongAnswer, Pass],
    }
}

/// The groups of the fixture: all kinds of attempts, mixed by counter.
pub fn likes(counter: u64) -> [Like; GROUP as usize] {
    use Like::*;
    match counter % 6 {
        0 => [Pass, Trapped, Garbage, PassAfter(3), WrongAnswer, WrongAnswerAfter(5), NotUtf8, Cut],
        1 => [WrongAnswer, PassAfter(2), PassAfter(9), NoTrace, Trapped, Trapped, Pass, Garbage],
        2 => [Pass; GROUP as usize],
        3 => [Garbage, WrongAnswer, Trapped, WrongArtifact, Cut, Cut, NotUtf8, WrongAnswerAfter(2)],
        4 => [Pass, PassAfter(1), PassAfter(4), WrongArtifact, Trapped, Trapped, NoTrace, Pass],
        _ => [Trapped, Trapped, Pass, Pass, PassAfter(7), NoTrace, WrongAnswer, Garbage],
    }
}

impl World {
    /// An epoch with `counters` counters: mostly graded, a few unanswered and incomplete.
    /// The same for the same number: made once in a process.
    pub fn new(counters: u64) -> Self {
        static MADE: Mutex<BTreeMap<u64, World>> = Mutex::new(BTreeMap::new());
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        made.entry(counters)
            .or_insert_with(|| Self::make(counters, Source::builtin(), &[], card(), 0))
            .clone()
    }

    /// An epoch in which the model passes every nano task and is moved to mini.
    pub fn of_two_profiles() -> Self {
        Self::make(18, Source::builtin(), &[Profile::Nano, Profile::Mini], card(), 0)
    }

    /// An epoch whose miners run a policy of this card.
    pub fn of_card(counters: u64, card: PolicyCard) -> Self {
        Self::make(counters, Source::builtin(), &[], card, 0)
    }

    /// An epoch of tasks about somebody's own documents.
    pub fn of_own(counters: u64) -> Self {
        Self::make(counters, Source::own(), &[], card(), 0)
    }

    /// An epoch of groups and revision sessions, in turn.
    pub fn of_sessions(counters: u64) -> Self {
        Self::make(counters, Source::builtin(), &[], card(), 2)
    }

    fn make(
        counters: u64,
        source: Source,
        profiles: &[Profile],
        card: PolicyCard,
        revision_every: u32,
    ) -> Self {
        let coordinator = key(1);
        let verifiers: Vec<SecretKey> = (10..13).map(key).collect();
        let miners: Vec<SecretKey> = (20..22).map(key).collect();
        let genesis = Genesis {
            name: "fixture".into(),
            version: 1,
            coordinator: coordinator.public(),
            quorum: 2,
            verifiers: 3,
            verifier_admission: Admission::Open,
            open_to_miners: true,
            nonce: Hash::of(b"nonce"),
        };
        let (network, genesis_envelope) = genesis.seal(&coordinator).unwrap();
        let mut keys = Keys { coordinator, verifiers, miners, sequence: BTreeMap::new(), network };
        let secret = Hash::of(b"a secret");
        let campaign = Campaign {
            template: source.template,
            group_size: GROUP,
            max_completion_tokens: 256,
            lease_ms: 60_000,
            profiles: profiles.to_vec(),
            revision_every,
        };
        let open = EpochOpen {
            epoch: EPOCH,
            commit: seed::epoch_commit(&secret.0),
            campaign: campaign.clone(),
            ledger_head: Hash::default(),
            levels: Vec::new(),
        };
        let signer = keys.coordinator.clone();
        let open_envelope = keys.seal(&signer, &open);
        let mut nonces = BTreeMap::new();
        let (mut verifier_joins, mut commits, mut reveals) =
            (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for (at, verifier) in keys.verifiers.clone().iter().enumerate() {
            let public = verifier.public();
            let nonce = Hash::of(&[at as u8]);
            let join = VerifyRequest::Join { account: None, software: "test".into() };
            verifier_joins.push(keys.seal(verifier, &join));
            let commit = seed::nonce_commit(&public, EPOCH, &nonce.0);
            commits.insert(public, keys.seal(verifier, &BeaconCommit { epoch: EPOCH, commit }));
            reveals.insert(public, keys.seal(verifier, &BeaconReveal { epoch: EPOCH, nonce }));
            nonces.insert(public, nonce.0);
        }
        let revealed: Vec<(PublicKey, [u8; 32])> = nonces.into_iter().collect();
        let beacon = seed::beacon(&open.commit, EPOCH, &revealed);
        let fixed = BeaconFixed {
            epoch: EPOCH,
            beacon,
            revealed: revealed.iter().map(|(key, _)| *key).collect(),
            withheld: Vec::new(),
        };
        let beacon_fixed = keys.seal(&signer, &fixed);
        let joins = keys
            .miners
            .clone()
            .iter()
            .map(|miner| {
                let card = Box::new(card.clone());
                keys.seal(miner, &MineRequest::Join { account: None, card, software: "t".into() })
            })
            .collect();
        let record = EpochRecord {
            genesis: genesis_envelope,
            epoch: EPOCH,
            open: open_envelope,
            verifier_joins,
            beacon_commits: commits.into_values().collect(),
            beacon_reveals: reveals.into_values().collect(),
            beacon_fixed,
            secret,
            counters: Vec::new(),
            joins,
            groups: Vec::new(),
            ledger: Vec::new(),
            faults: Vec::new(),
            blobs: source.blobs,
            earlier: Vec::new(),
            licence: "CC-BY-4.0".into(),
        };
        let schedule = Schedule::new(&campaign, &[]);
        let (moves, chains) = (BTreeMap::new(), BTreeMap::new());
        let mut world = Self { keys, genesis, record, card, schedule, moves, chains };
        for counter in 0..counters {
            world.add(counter, beacon, &campaign);
        }
        world.settle();
        world
    }

    pub fn beacon(&self) -> Hash {
        let fixed: BeaconFixed = self.record.beacon_fixed.open(self.keys.network).unwrap();
        fixed.beacon
    }

    pub fn template(&self) -> TaskTemplate {
        let open: EpochOpen = self.record.open.open(self.keys.network).unwrap();
        open.campaign.template
    }

    fn add(&mut self, counter: u64, beacon: Hash, campaign: &Campaign) {
        let profile = self.schedule.profile(&self.policy());
        let earlier = self.record.counters.iter().filter(|one| one.profile == profile).count();
        let place = Place { profile, index: earlier as u64 };
        let spec = campaign.spec(&self.record.secret.0, &beacon, place);
        let engine = BuiltinEngine;
        let library = engine.library(&campaign.template, &self.record.blobs).unwrap();
        let (task, answers) = match engine.family(&spec.family).unwrap().generate(&spec, &library) {
            Ok(made) => made,
            Err(GenerateError::Exhausted(_)) => {
                let outcome = Outcome::Exhausted;
                self.record.counters.push(CounterRecord { counter, profile, task: None, outcome });
                return;
            }
            Err(error) => panic!("{error}"),
        };
        let id = task.id().unwrap();
        if counter % 7 == 5 {
            let outcome = Outcome::Unanswered { leases: 3 };
            self.record.counters.push(CounterRecord { counter, profile, task: Some(id), outcome });
            return;
        }
        let easy = !campaign.profiles.is_empty() && profile == Profile::Nano;
        let session = campaign.session(place);
        let likes = match session {
            Session::Revision => turns(counter).to_vec(),
            Session::Group if easy => [Like::Pass; GROUP as usize].to_vec(),
            Session::Group => likes(counter).to_vec(),
        };
        let texts: Vec<(Vec<u8>, Finish)> =
            likes.into_iter().map(|like| completion(like, &task, &answers)).collect();
        let uploaded = if counter % 11 == 8 { 3.min(texts.len()) } else { texts.len() };
        let group = self.group(counter, session, &task, &answers, &texts, uploaded);
        let outcome = outcome_of(&group, self.keys.network, uploaded == texts.len());
        self.record.counters.push(CounterRecord { counter, profile, task: Some(id), outcome });
        let miner = group.miner;
        self.record.groups.push(group);
        if uploaded == texts.len() && session == Session::Group {
            self.graded(counter, profile, miner, &task, &answers, &texts);
        }
    }

    /// Tells the rule of a graded group, and keeps what it decides.
    fn graded(
        &mut self,
        counter: u64,
        profile: Profile,
        account: PublicKey,
        task: &Task,
        answers: &AnswerKey,
        texts: &[(Vec<u8>, Finish)],
    ) {
        let passes = |(text, finish): &&(Vec<u8>, Finish)| {
            lode_tasks::grade::grade(task, answers, text, *finish).passes()
        };
        let (passed, attempts) = (texts.iter().filter(passes).count() as u32, texts.len() as u32);
        let policy = self.policy();
        self.schedule.observe(&Graded { policy, account, profile, passed, attempts });
        while let Some(step) = self.schedule.due(&policy) {
            self.schedule.apply(&step);
            self.moves.entry(counter).or_default().push(step);
        }
    }

    /// A group by the counter's miner, committed, uploaded, graded by coordinator and verifiers.
    pub fn group(
        &mut self,
        counter: u64,
        session: Session,
        task: &Task,
        answers: &AnswerKey,
        texts: &[(Vec<u8>, Finish)],
        uploaded: usize,
    ) -> GroupRecord {
        let miner = self.keys.miners[counter as usize % 2].clone();
        let (public, policy) = (miner.public(), self.card.policy.id().unwrap());
        let lease = seed::lease_id(&self.keys.network.0, EPOCH, counter, 0, &public);
        let attempts: Vec<Attempt> = texts
            .iter()
            .enumerate()
            .map(|(index, (text, finish))| Attempt {
                lease,
                index: index as u32,
                policy,
                completion: text.clone(),
                finish: *finish,
                prompt_tokens: 300,
                completion_tokens: 40,
                evidence: None,
            })
            .collect();
        let ids: Vec<AttemptId> = attempts.iter().map(|one| one.id().unwrap()).collect();
        let commit = GroupCommit { lease, policy, attempts: ids.clone() };
        let commit_hash = commit.hash().unwrap();
        let job = seed::job_id(&lease, &commit_hash);
        let (turns, feedback) = match session {
            Session::Group => (Vec::new(), Vec::new()),
            Session::Revision => self.turns(&miner, task, answers, &attempts),
        };
        let first = session.turn(0, ids.len() as u32);
        let commit = GroupCommit { attempts: ids[..first.len()].to_vec(), ..commit };
        let commit = self.keys.seal(&miner, &MineRequest::Commit(commit));
        let mut records = Vec::new();
        for attempt in attempts.iter().take(uploaded) {
            let submit = self.keys.seal(&miner, &MineRequest::Submit(attempt.clone()));
            let receipt = self.receipt(attempt, public);
            records.push(AttemptRecord { submit, receipt });
        }
        let graded = uploaded == texts.len();
        let verdicts: Vec<(AttemptId, Hash)> = ids
            .iter()
            .zip(texts)
            .map(|(id, (text, finish))| {
                let verdict = lode_tasks::grade::grade(task, answers, text, *finish);
                (*id, verdict.hash().unwrap())
            })
            .collect();
        let verdict = JobVerdict { job, task_id: task.id().unwrap(), verdicts };
        let signer = self.keys.coordinator.clone();
        let own = graded.then(|| {
            let nonce = Hash::of(&counter.to_le_bytes());
            self.keys.seal(&signer, &VerdictReveal { verdict: verdict.clone(), nonce })
        });
        let verdicts = if graded { self.verdicts(&verdict, &commit_hash) } else { Vec::new() };
        GroupRecord {
            counter,
            lease_number: 0,
            miner: public,
            policy,
            commit,
            turns,
            feedback,
            attempts: records,
            own,
            verdicts,
        }
    }

    /// The commitments of a session's later turns, and what was said of the turns.
    fn turns(
        &mut self,
        miner: &SecretKey,
        task: &Task,
        answers: &AnswerKey,
        attempts: &[Attempt],
    ) -> (Vec<Envelope>, Vec<Envelope>) {
        let (mut turns, mut feedback) = (Vec::new(), Vec::new());
        let mut talk = Conversation::new(task);
        let coordinator = self.keys.coordinator.clone();
        for turn in 0.. {
            let range = Session::Revision.turn(turn, 0);
            let Some(made) = attempts.get(range.start as usize..range.end as usize) else { break };
            let Some(first) = made.first() else { break };
            let (lease, policy) = (first.lease, first.policy);
            if turn > 0 {
                let attempts = made.iter().map(|one| one.id().unwrap()).collect();
                let commit = TurnCommit { lease, policy, turn, prompt: talk.hash(), attempts };
                turns.push(self.keys.seal(miner, &MineRequest::CommitTurn(commit)));
            }
            let verdict = lode_tasks::grade::grade(task, answers, &first.completion, first.finish);
            let counts = revision::counts(task, &verdict);
            talk.push(&first.completion, &counts);
            if turn + 1 == MAX_TURNS {
                break;
            }
            let next = (!verdict.passes()).then(|| talk.hash());
            let said = Feedback { lease, turn, attempt: first.id().unwrap(), counts, next };
            feedback.push(self.keys.seal(&coordinator, &said));
        }
        (turns, feedback)
    }

    /// Commitments and reveals of a verdict by the two verifiers that are drawn.
    pub fn verdicts(&mut self, verdict: &JobVerdict, commit_hash: &Hash) -> Vec<VerdictRecord> {
        let beacon = self.beacon();
        let mut verifiers = self.keys.verifiers.clone();
        verifiers.sort_by_key(|key| seed::draw_rank(&beacon, commit_hash, &key.public()));
        verifiers.truncate(2);
        verifiers.sort_by_key(SecretKey::public);
        verifiers
            .iter()
            .map(|verifier| {
                let nonce = Hash::of(&verifier.public().0);
                let reveal = VerdictReveal { verdict: verdict.clone(), nonce };
                let commit = VerdictCommit {
                    job: verdict.job,
                    commit: reveal.commitment(&verifier.public()).unwrap(),
                };
                let commit = self.keys.seal(verifier, &commit);
                VerdictRecord { commit, reveal: Some(self.keys.seal(verifier, &reveal)) }
            })
            .collect()
    }

    fn receipt(&mut self, attempt: &Attempt, miner: PublicKey) -> Envelope {
        let (index, previous) = self.chains.get(&miner).copied().unwrap_or_default();
        let tokens = credited_tokens(attempt.completion_tokens, attempt.completion.len(), 256);
        let receipt = Receipt {
            miner,
            index,
            previous,
            epoch: EPOCH,
            lease: attempt.lease,
            attempt_index: attempt.index,
            attempt: attempt.id().unwrap(),
            tokens,
            parameters: self.card.parameters,
            tier: Tier::T0,
            credit_version: CREDIT_VERSION,
            credits_milli: credits_milli(tokens, self.card.parameters, Tier::T0),
            unix_ms: 1_700_000_000_000 + index,
        };
        self.chains.insert(miner, (index + 1, receipt.hash().unwrap()));
        let signer = self.keys.coordinator.clone();
        self.keys.seal(&signer, &receipt)
    }

    /// Writes the ledger of the counters as they are now.
    pub fn settle(&mut self) {
        let record = &mut self.record;
        let mut ledger = vec![
            LedgerEntry::EpochOpened { epoch: EPOCH, envelope: record.open.hash().unwrap() },
            LedgerEntry::BeaconFixed {
                epoch: EPOCH,
                envelope: record.beacon_fixed.hash().unwrap(),
            },
        ];
        for counter in &record.counters {
            ledger.push(LedgerEntry::Sealed {
                epoch: EPOCH,
                counter: counter.counter,
                task: counter.task,
                outcome: counter.outcome.clone(),
            });
            let moves = self.moves.get(&counter.counter).into_iter().flatten();
            ledger.extend(moves.map(|step| LedgerEntry::Moved { epoch: EPOCH, step: *step }));
        }
        let count = record.counters.len() as u64;
        ledger.push(LedgerEntry::EpochClosed { epoch: EPOCH, count, secret: record.secret });
        record.ledger = ledger;
    }

    /// Stages and signs the bundle below `root`.
    pub fn write(&self, root: &std::path::Path) -> std::path::PathBuf {
        let staged = stage(&self.record, &BuiltinEngine, root, 2).expect("stages");
        self.sign(root, &staged)
    }

    pub fn sign(&self, root: &std::path::Path, staged: &Staged) -> std::path::PathBuf {
        attach_signatures(root, &staged.name, self.signatures(staged.manifest_hash)).expect("signs")
    }

    /// The coordinator's and two verifiers' signatures over a manifest.
    pub fn signatures(&self, manifest: Hash) -> Vec<Envelope> {
        std::iter::once(&self.keys.coordinator)
            .chain(self.keys.verifiers.iter().take(2))
            .map(|key| sign_manifest(manifest, EPOCH, self.keys.network, key, 900_000).unwrap())
            .collect()
    }

    pub fn policy(&self) -> PolicyId {
        self.card.policy.id().unwrap()
    }
}

/// The outcome that a group's record gives.
pub fn outcome_of(group: &GroupRecord, network: NetworkId, graded: bool) -> Outcome {
    let MineRequest::Commit(commit) = group.commit.open(network).unwrap() else { panic!() };
    let mut attempts = commit.attempts;
    for turn in &group.turns {
        let MineRequest::CommitTurn(turn) = turn.open(network).unwrap() else { panic!() };
        attempts.extend(turn.attempts);
    }
    attempts.truncate(group.attempts.len());
    let (lease, lease_number) = (commit.lease, group.lease_number);
    if graded {
        Outcome::Graded { lease, lease_number, attempts }
    } else {
        let reason = "the upload was not complete in time".into();
        Outcome::Incomplete { lease, lease_number, attempts, reason }
    }
}
