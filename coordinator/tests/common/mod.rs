//! A network over real sockets: a coordinator with its log on disk, and scripted peers that talk to
//! it as miners and verifiers do. Only the "model" is a script: it has each task's witness from the
//! coordinator's task engine, and answers some attempts wrongly.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "shared by several tests")]

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use lode_bundle::{
    audit::{AuditOptions, Signatures},
    engine::{BuiltinEngine, Engine},
    error::BundleError,
    pull::{self, ChunkSource, PullOptions},
};
use lode_coordinator::{
    CoordinatorConfig, EventSink, Notice,
    core::{Target as EpochTarget, Timing},
    shell::{CampaignConfig, NetworkConfig, TrainingConfig},
};
use lode_node::{
    rpc::{self, Caller, Client, Retry},
    sequence::Sequence,
    transport::{Handle, Multiaddr, Protocol, Target, Transport, TransportConfig},
};
use lode_proto::{
    attempt::{Attempt, Finish, GroupCommit, Receipt},
    codec,
    envelope::Envelope,
    epoch::{BeaconCommit, BeaconReveal, EpochOpen},
    exchange::{BundleReply, BundleRequest},
    id::{Hash, JobId, NetworkId, TaskId},
    key::SecretKey,
    manifest::BundleSignature,
    mine::{Lease, MineReply, MineRequest, NoWork},
    policy::{Policy, PolicyCard, Sampling},
    refusal::Refusal,
    seed,
    task::{Profile, TaskSpec, TaskTemplate},
    verify::{GradeJob, JobVerdict, VerdictCommit, VerdictReveal, VerifyReply, VerifyRequest},
};
use lode_tasks::{
    family::{Family, GenerateError, Library, LibraryError},
    types::{AnswerKey, Task, Verdict},
};
use tokio::sync::mpsc;

/// What the scripted model knows: task and witness.
pub type Witnesses = Arc<Mutex<HashMap<TaskId, String>>>;

/// The engine of this build, with an ear at the generator.
#[derive(Clone, Default)]
pub struct Spy {
    pub witnesses: Witnesses,
}

impl Family for Spy {
    fn name(&self) -> &'static str {
        lode_tasks::longdoc::NAME
    }

    fn generate(
        &self,
        spec: &TaskSpec,
        library: &Library,
    ) -> Result<(Task, AnswerKey), GenerateError> {
        let (task, key) = lode_tasks::longdoc::generate(spec, library)?;
        let id = task.id().expect("hashes");
        self.witnesses.lock().expect("lock").insert(id, key.witness.clone());
        Ok((task, key))
    }

    fn grade(&self, task: &Task, key: &AnswerKey, completion: &[u8], finish: Finish) -> Verdict {
        let family = BuiltinEngine.family(self.name()).expect("built in");
        family.grade(task, key, completion, finish)
    }
}

impl Engine for Spy {
    fn family(&self, name: &str) -> Option<&dyn Family> {
        (name == self.name()).then_some(self as &dyn Family)
    }

    fn library(
        &self,
        template: &TaskTemplate,
        blobs: &BTreeMap<Hash, Vec<u8>>,
    ) -> Result<Library, LibraryError> {
        BuiltinEngine.library(template, blobs)
    }

    fn prompt(&self, task: &Task) -> String {
        BuiltinEngine.prompt(task)
    }
}

pub fn config(data: &Path, port: u16, target: EpochTarget) -> CoordinatorConfig {
    CoordinatorConfig {
        data: data.to_owned(),
        listen: vec![format!("/ip4/127.0.0.1/tcp/{port}")],
        network: NetworkConfig { name: "test".into(), ..NetworkConfig::default() },
        campaign: CampaignConfig {
            revision_every: 0,
            family: "longdoc".into(),
            domain: "companies".into(),
            profile: Profile::Nano,
            group_size: 4,
            max_completion_tokens: 512,
            lease_ms: 60_000,
            profiles: Vec::new(),
        },
        target,
        timing: Timing { drain_ms: 1_000, retry_after_ms: 20, ..Timing::default() },
        epochs: 1,
        threads: 2,
        licence: "CC-BY-4.0".into(),
        bundles: None,
        training: TrainingConfig::default(),
        stop_when_finished: false,
    }
}

/// A sink with its other end.
pub fn events() -> (EventSink, mpsc::UnboundedReceiver<Notice>) {
    let (send, receive) = mpsc::unbounded_channel();
    let sink: EventSink = Arc::new(move |notice| {
        let _ = send.send(notice);
    });
    (sink, receive)
}

/// Waits for a notice; a minute without any is a failure.
pub async fn wait_for<T>(
    notices: &mut mpsc::UnboundedReceiver<Notice>,
    mut wanted: impl FnMut(&Notice) -> Option<T>,
) -> T {
    loop {
        let next = tokio::time::timeout(Duration::from_secs(120), notices.recv()).await;
        let notice = next.expect("something happens").expect("the coordinator lives");
        if let Some(found) = wanted(&notice) {
            return found;
        }
    }
}

pub fn card() -> PolicyCard {
    PolicyCard {
        policy: Policy {
            weights: Hash::of(b"weights"),
            quantisation: "none".into(),
            adapter: None,
            template: "raw/1".into(),
            sampling: Sampling { temperature_milli: 700, sampler: "gumbel/1".into() },
            grammar: None,
        },
        model: "script".into(),
        parameters: 1_000_000,
        licence: "Apache-2.0".into(),
        output_licence: "Apache-2.0".into(),
        engine: "script/1".into(),
    }
}

pub async fn client<Q: rpc::Request>(
    folder: &Path,
    key: u8,
    network: NetworkId,
    addresses: &[String],
    protocols: Vec<Protocol>,
) -> (Client<Q>, Handle, Target) {
    let key = SecretKey::from_bytes(&[key; 32]);
    std::fs::create_dir_all(folder).expect("folder");
    let sequence = Sequence::open(folder, network).expect("sequence");
    let (handle, _) =
        Transport::start(TransportConfig::caller(key.clone(), protocols)).await.expect("starts");
    let addresses = addresses.iter().map(|a| a.parse::<Multiaddr>().expect("address")).collect();
    let target = Target::at(addresses);
    let caller = Caller::new(key, sequence);
    let client = Client::new(handle.clone(), target.clone(), caller, Retry::FOREVER);
    (client, handle, target)
}

/// How many attempts of a group pass, by the task's profile.
pub type Strength = fn(Profile) -> u32;

/// What one attempt is to be, where the first so many pass.
fn completion(witness: &str, index: u32, passing: u32) -> Vec<u8> {
    let wrong = |answer: &str| {
        let lines = witness.lines().map(|line| {
            let is_answer = line.starts_with("Q1:");
            if is_answer { format!("Q1: {answer}") } else { line.to_owned() }
        });
        lines.collect::<Vec<_>>().join("\n") + "\n"
    };
    match index {
        _ if index < passing => witness.as_bytes().to_vec(),
        1 => wrong("nobody at all").into_bytes(),
        2 => b"\xff\xfe no text".to_vec(),
        _ => wrong("somebody else").into_bytes(),
    }
}

/// The attempts at a task; all wrong where its witness is not known.
pub fn attempts(lease: &Lease, witnesses: &Witnesses, strength: Strength) -> Vec<Attempt> {
    let task: Task = codec::decode(&lease.task, 1 << 20).expect("a task");
    assert_eq!(task.id().expect("hashes"), lease.task_id);
    let passing = strength(task.header.profile);
    let witness = witnesses.lock().expect("lock").get(&lease.task_id).cloned().unwrap_or_default();
    (0..lease.attempt_seeds.len() as u32)
        .map(|index| Attempt {
            lease: lease.id,
            index,
            policy: card().policy.id().expect("hashes"),
            completion: completion(&witness, index, passing),
            finish: Finish::Stop,
            prompt_tokens: 300,
            completion_tokens: 40,
            evidence: None,
        })
        .collect()
}

/// Mines until the campaign is over; returns every receipt.
pub async fn mine(
    client: Client<MineRequest>,
    network: NetworkId,
    witnesses: Witnesses,
    strength: Strength,
) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    let join =
        MineRequest::Join { account: None, card: Box::new(card()), software: "script".into() };
    let joined = client.call(&join).await.expect("joins");
    assert!(matches!(joined, MineReply::Joined { .. }), "{joined:?}");
    let policy = card().policy.id().expect("hashes");
    loop {
        let lease = match client.call(&MineRequest::Lease { policy }).await.expect("asks") {
            MineReply::Lease(lease) => lease,
            MineReply::NoWork { reason: NoWork::Finished, .. } => return receipts,
            // Leases whose replies were lost in a kill; they run out.
            MineReply::Refused(Refusal::TooManyLeases { .. }) => {
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
            MineReply::NoWork { retry_after_ms, .. } => {
                tokio::time::sleep(Duration::from_millis(retry_after_ms)).await;
                continue;
            }
            other => panic!("{other:?}"),
        };
        let attempts = attempts(&lease, &witnesses, strength);
        let ids = attempts.iter().map(|a| a.id().expect("hashes")).collect();
        let commit = GroupCommit { lease: lease.id, policy, attempts: ids };
        match client.call(&MineRequest::Commit(commit)).await.expect("commits") {
            MineReply::Committed { .. } => {}
            // The epoch was closed meanwhile.
            MineReply::Refused(_) => continue,
            other => panic!("{other:?}"),
        }
        for attempt in attempts {
            match client.call(&MineRequest::Submit(attempt)).await.expect("submits") {
                MineReply::Receipt(envelope) => {
                    receipts.push(envelope.open(network).expect("signed"));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

struct FromCoordinator(Handle, Target);

#[async_trait]
impl ChunkSource for FromCoordinator {
    async fn ask(&self, request: BundleRequest) -> Result<BundleReply, String> {
        rpc::call_bundle(&self.0, &self.1, &request).await.map_err(|error| error.to_string())
    }
}

/// Verifies until the campaign is over; returns how many groups it graded.
pub async fn verify(folder: &Path, key: u8, network: NetworkId, addresses: &[String]) -> usize {
    let protocols = vec![Protocol::Verify, Protocol::Bundle];
    let (client, handle, target) =
        client::<VerifyRequest>(folder, key, network, addresses, protocols).await;
    let me = client.caller().public();
    let join = VerifyRequest::Join { account: None, software: "script".into() };
    let joined = client.call(&join).await.expect("joins");
    assert!(matches!(joined, VerifyReply::Joined { .. }), "{joined:?}");
    let mut verdicts: HashMap<JobId, VerdictReveal> = HashMap::new();
    let nonce = |epoch: u64| Hash::derive_parts("test/nonce", &[&me.0, &epoch.to_le_bytes()]);
    let library = Library::builtin().expect("built in");
    loop {
        let request = match client.call(&VerifyRequest::Next).await.expect("asks") {
            VerifyReply::Idle { finished: true, .. } => return verdicts.len(),
            VerifyReply::Idle { retry_after_ms, .. } => {
                tokio::time::sleep(Duration::from_millis(retry_after_ms)).await;
                continue;
            }
            VerifyReply::CommitBeacon { epoch_open } => {
                let open: EpochOpen = epoch_open.open(network).expect("signed");
                let commit = seed::nonce_commit(&me, open.epoch, &nonce(open.epoch).0);
                let commit = BeaconCommit { epoch: open.epoch, commit };
                VerifyRequest::BeaconCommit(client.caller().seal(&commit).await.expect("seals"))
            }
            VerifyReply::RevealBeacon { epoch } => {
                let reveal = BeaconReveal { epoch, nonce: nonce(epoch) };
                VerifyRequest::BeaconReveal(client.caller().seal(&reveal).await.expect("seals"))
            }
            VerifyReply::Grade(job) => {
                let reveal = verdicts.entry(job.id).or_insert_with(|| grade(&job, &library));
                let commit = reveal.commitment(&me).expect("hashes");
                let commit = VerdictCommit { job: job.id, commit };
                VerifyRequest::VerdictCommit(client.caller().seal(&commit).await.expect("seals"))
            }
            VerifyReply::Reveal { job } => {
                let reveal = &verdicts[&job];
                VerifyRequest::VerdictReveal(client.caller().seal(reveal).await.expect("seals"))
            }
            VerifyReply::CoSign(job) => {
                let options = PullOptions {
                    audit: AuditOptions {
                        anchor: Some(network),
                        signatures: Signatures::Staged,
                        threads: 1,
                        ..AuditOptions::default()
                    },
                    manifest: Some(job.manifest),
                    skip_audit: false,
                };
                let source = FromCoordinator(handle.clone(), target.clone());
                let out = folder.join("audit");
                std::fs::create_dir_all(&out).expect("folder");
                let pulled =
                    pull::pull(&source, &job.name, &out, &BuiltinEngine, &options, &|_| {}).await;
                match pulled {
                    Ok(_) => {}
                    // The coordinator was killed meanwhile, which says nothing about the bundle.
                    Err(BundleError::Source(_)) => continue,
                    Err(error) => panic!("the bundle does not hold: {error}"),
                }
                let signature = BundleSignature { manifest: job.manifest, epoch: job.epoch };
                VerifyRequest::CoSign(client.caller().seal(&signature).await.expect("seals"))
            }
            other => panic!("{other:?}"),
        };
        let reply = client.call(&request).await.expect("hands in");
        assert!(matches!(reply, VerifyReply::Accepted | VerifyReply::Refused(_)), "{reply:?}");
    }
}

fn grade(job: &GradeJob, library: &Library) -> VerdictReveal {
    let family = BuiltinEngine.family(&job.spec.family).expect("built in");
    let (task, key) = family.generate(&job.spec, library).expect("generates");
    assert_eq!(task.id().expect("hashes"), job.task_id);
    let verdicts = job.attempts.iter().map(|attempt| {
        let verdict = family.grade(&task, &key, &attempt.completion, attempt.finish).rules;
        (attempt.id().expect("hashes"), verdict.hash().expect("hashes"))
    });
    let verdict = JobVerdict { job: job.id, task_id: job.task_id, verdicts: verdicts.collect() };
    VerdictReveal { verdict, nonce: Hash::of(&job.id.0.0) }
}

/// Receipts of one miner chain, and recount to its credits.
pub fn check_chain(receipts: &[Receipt]) -> u64 {
    let mut previous = Hash::default();
    for (index, receipt) in (0..).zip(receipts) {
        assert_eq!((receipt.index, receipt.previous), (index, previous));
        previous = receipt.hash().expect("hashes");
    }
    receipts.iter().map(|receipt| receipt.credits_milli).sum()
}

/// An envelope of a stranger, for hostile requests.
pub fn stranger(network: NetworkId, request: &MineRequest) -> Envelope {
    let key = SecretKey::from_bytes(&[77; 32]);
    Envelope::seal(request, network, &key, 1).expect("seals")
}

/// Three verifiers and two miners at work, each with a folder under `folder`.
pub async fn everybody(
    folder: &Path,
    network: NetworkId,
    addresses: &[String],
    witnesses: &Witnesses,
    strength: Strength,
) -> (Vec<tokio::task::JoinHandle<usize>>, Vec<tokio::task::JoinHandle<Vec<Receipt>>>) {
    let mut verifiers = Vec::new();
    for key in [100, 101, 102] {
        let (folder, addresses) = (folder.join(key.to_string()), addresses.to_vec());
        verifiers
            .push(tokio::spawn(async move { verify(&folder, key, network, &addresses).await }));
    }
    let mut miners = Vec::new();
    for key in [1, 2] {
        let folder = folder.join(key.to_string());
        let (client, ..) =
            client::<MineRequest>(&folder, key, network, addresses, vec![Protocol::Mine]).await;
        miners.push(tokio::spawn(mine(client, network, witnesses.clone(), strength)));
    }
    (verifiers, miners)
}
