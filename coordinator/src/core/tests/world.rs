//! A coordinator without a shell: records wait for a sync, replies wait with them, effects are done
//! by stand-ins for the task engine that are pure functions of seed and attempt.

use std::collections::{BTreeMap, BTreeSet};

use lode_proto::{
    attempt::Attempt,
    codec,
    envelope::Envelope,
    epoch::Campaign,
    genesis::{Admission, Genesis},
    id::{AttemptId, Hash, TaskId},
    key::{PublicKey, SecretKey},
    mine::{Lease, MineReply, MineRequest},
    policy::{Policy, PolicyCard, Sampling},
    refusal::Refusal,
    session::Counts,
    task::{DomainRef, Profile, TaskTemplate},
    verify::{GradeJob, VerifyReply, VerifyRequest},
};

use super::actors::{Manner, Verifier, commit_of};
use crate::core::{
    BuiltBundle, Command, Context, Core, Effect, EpochPlan, Generated, Input, Now, OwnGrade,
    Record, Reply, Target, Timing, TurnGrade, open_mine, open_verify,
};

pub(super) const GROUP: u32 = 3;

pub(super) fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes(&[byte; 32])
}

pub(super) fn card() -> PolicyCard {
    PolicyCard {
        policy: Policy {
            weights: Hash::of(b"weights"),
            quantisation: "Q4_1".into(),
            adapter: None,
            template: "raw/1".into(),
            sampling: Sampling { temperature_milli: 800, sampler: "gumbel/1".into() },
            grammar: Some(1),
        },
        model: "test".into(),
        parameters: 135_000_000,
        licence: "Apache-2.0".into(),
        output_licence: "none".into(),
        engine: "test/0".into(),
    }
}

pub(super) fn plan(target: Target) -> EpochPlan {
    EpochPlan {
        campaign: Campaign {
            template: TaskTemplate {
                family: "longdoc".into(),
                engine_version: 0,
                domain: DomainRef { name: "companies".into(), hash: Hash::of(b"domain") },
                profile: Profile::Nano,
                inputs: Vec::new(),
            },
            group_size: GROUP,
            max_completion_tokens: 100,
            lease_ms: 60_000,
            profiles: Vec::new(),
            revision_every: 0,
        },
        target,
    }
}

/// The stand-in for the generator: one seed in eight has no task.
pub(super) fn generate(seed: &[u8; 32]) -> Generated {
    if seed[0].is_multiple_of(8) {
        return Generated::Exhausted;
    }
    Generated::Task { id: TaskId::of(seed), bytes: seed.to_vec().into() }
}

/// The stand-in for the grader.
pub(super) fn grade(seed: &[u8; 32], attempt: AttemptId) -> Hash {
    Hash::derive_parts("test/grade", &[seed, attempt.0.as_bytes()])
}

/// The stand-in for the grader of turns: about one attempt in four passes.
pub(super) fn grade_turn(attempts: &[AttemptId]) -> TurnGrade {
    let next = conversation(attempts);
    let right = u16::from(next.0[0].is_multiple_of(4));
    let counts = Counts {
        read: true,
        answers_right: right,
        answers: 1,
        constraints_held: 1,
        constraints: 1,
        steps_right: 1,
        steps: 1,
        supported: true,
    };
    TurnGrade { counts, passes: right == 1, next }
}

/// The stand-in for a conversation.
pub(super) fn conversation(attempts: &[AttemptId]) -> Hash {
    let parts: Vec<&[u8]> = attempts.iter().map(|id| id.0.as_bytes().as_slice()).collect();
    Hash::derive_parts("test/conversation", &parts)
}

/// A reply on its way to whoever asked.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Mine(MineReply),
    Verify(VerifyReply),
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) core: Core,
    pub(super) now: u64,
    /// The log; the first `synced` records are safe.
    pub(super) log: Vec<Record>,
    pub(super) synced: usize,
    digest_at_sync: Hash,
    pub(super) blobs: BTreeMap<Hash, Vec<u8>>,
    unsynced_blobs: Vec<(Hash, Vec<u8>)>,
    /// Replies that wait for the sync.
    waiting: Vec<(PublicKey, Answer)>,
    /// Replies that were released.
    pub(super) released: Vec<(PublicKey, Answer)>,
    pub(super) effects: Vec<Effect>,
    /// Profiles of the campaign beyond the template's, and how many attempts of a group pass.
    pub(super) profiles: Vec<Profile>,
    pub(super) strength: fn(Profile) -> u32,
    /// Every so many tasks one is a revision session.
    pub(super) revision_every: u32,
    /// Seeds that a verifier has been shown.
    pub(super) shown: BTreeSet<[u8; 32]>,
}

impl World {
    pub(super) fn new(quorum: u32, verifiers: u32) -> Self {
        let coordinator = key(200);
        let genesis = Genesis {
            name: "test".into(),
            version: 1,
            coordinator: coordinator.public(),
            quorum,
            verifiers,
            verifier_admission: Admission::Open,
            open_to_miners: true,
            nonce: Hash::of(b"nonce"),
        };
        let (_, envelope) = genesis.seal(&coordinator).expect("seals");
        let context = Context::new(envelope, coordinator, Timing::default()).expect("is ours");
        let core = Core::new(context);
        let digest_at_sync = core.state().digest().expect("hashes");
        Self {
            core,
            now: 0,
            log: Vec::new(),
            synced: 0,
            digest_at_sync,
            blobs: BTreeMap::new(),
            unsynced_blobs: Vec::new(),
            waiting: Vec::new(),
            released: Vec::new(),
            effects: Vec::new(),
            profiles: Vec::new(),
            strength: |_| 1,
            revision_every: 0,
            shown: BTreeSet::new(),
        }
    }

    /// A world whose first epoch is open, with three honest verifiers that then fall silent.
    pub(super) fn opened(target: Target) -> Self {
        Self::opened_with(target, &mut [100, 101, 102].map(|b| Verifier::new(b, Manner::Honest)))
    }

    /// A world whose first epoch is open, with these verifiers.
    pub(super) fn opened_with(target: Target, verifiers: &mut [Verifier]) -> Self {
        Self::opened_on(target, verifiers, &[], |_| 1)
    }

    /// As [`World::opened_with`], with these profiles and a model of this strength.
    pub(super) fn opened_on(
        target: Target,
        verifiers: &mut [Verifier],
        profiles: &[Profile],
        strength: fn(Profile) -> u32,
    ) -> Self {
        let mut world = Self::new(2, verifiers.len() as u32);
        (world.profiles, world.strength) = (profiles.to_vec(), strength);
        world.open(target, verifiers)
    }

    /// A world in which every task is a revision session.
    pub(super) fn of_sessions(verifiers: &mut [Verifier]) -> Self {
        let mut world = Self::new(2, verifiers.len() as u32);
        world.revision_every = 1;
        world.open(Target::default(), verifiers)
    }

    fn open(self, target: Target, verifiers: &mut [Verifier]) -> Self {
        let mut world = self;
        for verifier in verifiers.iter_mut() {
            verifier.act(&mut world);
        }
        world.open_epoch(target, 1);
        // Ask, commit, ask, reveal.
        for _ in 0..4 {
            for verifier in verifiers.iter_mut() {
                verifier.act(&mut world);
            }
        }
        assert_eq!(world.stage(), "open");
        world.perform_all();
        world.sync();
        world
    }

    pub(super) fn stage(&self) -> &'static str {
        self.core.state().epoch.as_ref().map_or("none", |epoch| epoch.stage.name())
    }

    fn at(&self) -> Now {
        Now { ms: self.now, unix_ms: 1_700_000_000_000 + self.now }
    }

    pub(super) fn step(&mut self, input: Input) -> Reply {
        let decision = self.core.step(input, self.at()).expect("the machine holds");
        self.log.extend(decision.records);
        self.unsynced_blobs.extend(decision.blobs);
        self.effects.extend(decision.effects);
        decision.reply
    }

    /// Delivers a request; its answer waits for the next sync.
    pub(super) fn deliver_mine(&mut self, peer: &PublicKey, envelope: Envelope) {
        let network = self.core.context().network;
        let answer = match open_mine(network, peer, envelope) {
            Err(refusal) => MineReply::Refused(refusal),
            Ok(request) => match self.step(Input::Mine(request)) {
                Reply::Mine(reply) => reply,
                other => panic!("{other:?} to a miner"),
            },
        };
        self.waiting.push((*peer, Answer::Mine(answer)));
    }

    pub(super) fn deliver_verify(&mut self, peer: &PublicKey, envelope: Envelope) {
        let network = self.core.context().network;
        let answer = match open_verify(network, peer, envelope) {
            Err(refusal) => VerifyReply::Refused(refusal),
            Ok(request) => match self.step(Input::Verify(request)) {
                Reply::Verify(reply) => reply,
                Reply::Grade { job, spec, task, attempts } => {
                    let attempts = attempts.iter().map(|id| self.attempt(*id)).collect();
                    VerifyReply::Grade(Box::new(GradeJob {
                        id: job,
                        spec,
                        task_id: task,
                        attempts,
                    }))
                }
                other => panic!("{other:?} to a verifier"),
            },
        };
        self.waiting.push((*peer, Answer::Verify(answer)));
    }

    fn attempt(&self, id: AttemptId) -> Attempt {
        let unsynced = self.unsynced_blobs.iter().find(|(key, _)| *key == id.0);
        let bytes = self.blobs.get(&id.0).or(unsynced.map(|(_, bytes)| bytes));
        let bytes = bytes.expect("an accepted attempt has its blob");
        let envelope: Envelope = codec::decode(bytes, 1 << 24).expect("an envelope");
        match envelope.open(self.core.context().network).expect("opens") {
            MineRequest::Submit(attempt) => attempt,
            other => panic!("{other:?} in the blob store"),
        }
    }

    /// One sync for all that waits; then, and only then, the replies go out.
    pub(super) fn sync(&mut self) {
        self.synced = self.log.len();
        self.blobs.extend(self.unsynced_blobs.drain(..));
        self.digest_at_sync = self.core.state().digest().expect("hashes");
        for (_, answer) in &self.waiting {
            if let Answer::Verify(VerifyReply::Grade(job)) = answer {
                self.shown.insert(job.spec.seed);
            }
        }
        self.released.append(&mut self.waiting);
    }

    /// Killed: what was not synced is lost, the replies with it. Then started again.
    pub(super) fn crash(&mut self) {
        self.log.truncate(self.synced);
        self.unsynced_blobs.clear();
        self.waiting.clear();
        self.effects.clear();
        let mut core = Core::new(self.core.context().clone());
        for record in &self.log {
            core.replay(record).expect("the log replays");
        }
        assert_eq!(core.state().digest().expect("hashes"), self.digest_at_sync);
        // The clock stood still meanwhile: it goes on from the last record.
        self.now = core.state().clock_ms;
        let decision = core.resume(self.at()).expect("resumes");
        self.core = core;
        self.log.extend(decision.records);
        self.effects.extend(decision.effects);
    }

    /// Does what the shell would do for one effect.
    pub(super) fn perform(&mut self, effect: Effect) {
        let input = match effect {
            Effect::Generate { epoch, place, spec } => {
                Input::Generated { epoch, place, generated: generate(&spec.seed) }
            }
            Effect::Grade { lease, spec, attempts, .. } => {
                let verdicts = attempts.iter().map(|(id, _)| grade(&spec.seed, *id)).collect();
                let passed = (self.strength)(spec.profile);
                Input::Graded { lease, grade: Ok(OwnGrade { verdicts, passed, pairs: 1 }) }
            }
            Effect::GradeTurn { lease, turn, attempts, .. } => {
                Input::TurnGraded { lease, turn, grade: Ok(grade_turn(&attempts)) }
            }
            Effect::BuildBundle { epoch } => {
                let manifest = Hash::of(&epoch.to_le_bytes());
                let name = format!("bundle-{epoch:06}");
                let built = BuiltBundle { name, manifest, pairs: 1, paired_tasks: 1 };
                Input::BundleBuilt { epoch, bundle: Ok(built) }
            }
            Effect::WriteSignatures { epoch, .. } => {
                Input::SignaturesWritten { epoch, result: Ok(()) }
            }
        };
        self.step(input);
    }

    /// Does all effects until there are none.
    pub(super) fn perform_all(&mut self) {
        while let Some(effect) = self.effects.pop() {
            self.perform(effect);
        }
    }

    pub(super) fn open_epoch(&mut self, target: Target, secret: u8) {
        let mut plan = plan(target);
        plan.campaign.profiles.clone_from(&self.profiles);
        plan.campaign.revision_every = self.revision_every;
        let command = Command::OpenEpoch { plan: Box::new(plan), secret: Hash::of(&[secret]) };
        assert_eq!(self.step(Input::Command(command)), Reply::Command(Ok(())));
    }

    pub(super) fn tick_to(&mut self, now: u64) {
        self.now = self.now.max(now);
        self.step(Input::Tick);
    }
}

/// A key with its sequence, talking to a world whose every step is synced.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) key: SecretKey,
    pub(super) sequence: u64,
}

impl Client {
    pub(super) fn new(byte: u8) -> Self {
        Self { key: key(byte), sequence: 0 }
    }

    pub(super) fn public(&self) -> PublicKey {
        self.key.public()
    }

    pub(super) fn seal_mine(&mut self, world: &World, request: &MineRequest) -> Envelope {
        self.sequence += 1;
        let network = world.core.context().network;
        Envelope::seal(request, network, &self.key, self.sequence).expect("seals")
    }

    pub(super) fn seal_verify(&mut self, world: &World, request: &VerifyRequest) -> Envelope {
        self.sequence += 1;
        let network = world.core.context().network;
        Envelope::seal(request, network, &self.key, self.sequence).expect("seals")
    }

    pub(super) fn mine(&mut self, world: &mut World, request: &MineRequest) -> MineReply {
        let envelope = self.seal_mine(world, request);
        world.deliver_mine(&self.public(), envelope);
        world.sync();
        match world.released.pop().expect("an answer") {
            (_, Answer::Mine(reply)) => reply,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn verify(&mut self, world: &mut World, request: &VerifyRequest) -> VerifyReply {
        let envelope = self.seal_verify(world, request);
        world.deliver_verify(&self.public(), envelope);
        world.sync();
        match world.released.pop().expect("an answer") {
            (_, Answer::Verify(reply)) => reply,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn join_mine(&mut self, world: &mut World) {
        let request =
            MineRequest::Join { account: None, card: Box::new(card()), software: "test".into() };
        assert!(matches!(self.mine(world, &request), MineReply::Joined { .. }));
    }

    pub(super) fn lease(&mut self, world: &mut World) -> Lease {
        let policy = card().policy.id().expect("hashes");
        match self.mine(world, &MineRequest::Lease { policy }) {
            MineReply::Lease(lease) => *lease,
            other => panic!("no lease: {other:?}"),
        }
    }

    /// Commits to the attempts and uploads them all.
    pub(super) fn hand_in(&mut self, world: &mut World, attempts: &[Attempt]) {
        let commit = MineRequest::Commit(commit_of(attempts));
        assert!(matches!(self.mine(world, &commit), MineReply::Committed { .. }));
        for attempt in attempts {
            let submit = MineRequest::Submit(attempt.clone());
            assert!(matches!(self.mine(world, &submit), MineReply::Receipt(_)));
        }
    }

    pub(super) fn refused(&mut self, world: &mut World, request: &MineRequest) -> Refusal {
        match self.mine(world, request) {
            MineReply::Refused(refusal) => refusal,
            other => panic!("not refused: {other:?}"),
        }
    }
}
