//! Miners and verifiers as they should be: each remembers on "disk" what it must, sends one request
//! at a time and sends it again when no answer came.

use std::collections::{BTreeMap, BTreeSet};

use lode_proto::{
    attempt::{Attempt, Finish, GroupCommit, Receipt},
    envelope::Envelope,
    epoch::{BeaconCommit, BeaconReveal, EpochOpen},
    id::{AttemptId, Hash, JobId},
    key::PublicKey,
    manifest::BundleSignature,
    mine::{Lease, MineReply, MineRequest},
    refusal::Refusal,
    seed,
    session::{Feedback, TurnCommit},
    verify::{GradeJob, JobVerdict, VerdictCommit, VerdictReveal, VerifyReply, VerifyRequest},
};

use super::world::{Client, World, card, grade};

pub(super) fn attempts_of(lease: &Lease, text: &str) -> Vec<Attempt> {
    let policy = card().policy.id().expect("hashes");
    (0..lease.attempt_seeds.len() as u32)
        .map(|index| Attempt {
            lease: lease.id,
            index,
            policy,
            completion: format!("{text} {index}").into_bytes(),
            finish: Finish::Stop,
            prompt_tokens: 10,
            completion_tokens: 5 + index,
            evidence: None,
        })
        .collect()
}

pub(super) fn commit_of(attempts: &[Attempt]) -> GroupCommit {
    GroupCommit {
        lease: attempts[0].lease,
        policy: attempts[0].policy,
        attempts: attempts.iter().map(|a| a.id().expect("hashes")).collect(),
    }
}

/// The attempts of a turn of a session.
pub(super) fn turn_of(lease: &Lease, turn: u32, text: &str) -> Vec<Attempt> {
    let size = lease.attempt_seeds.len() as u32;
    let range = lease.session.turn(turn, size);
    attempts_of(lease, text).into_iter().filter(|one| range.contains(&one.index)).collect()
}

/// The commitment to a turn that continues the conversation said to come next.
pub(super) fn turn_commit(attempts: &[Attempt], turn: u32, prompt: Hash) -> TurnCommit {
    let GroupCommit { lease, policy, attempts } = commit_of(attempts);
    TurnCommit { lease, policy, turn, prompt, attempts }
}

/// A miner's unfinished group or session.
#[derive(Debug, Clone)]
pub(super) struct Work {
    lease: Lease,
    /// The turn it is at, with its attempts.
    turn: u32,
    attempts: Vec<Attempt>,
    /// The conversation that they answer.
    prompt: Option<Hash>,
    committed: bool,
    done: BTreeSet<u32>,
}

impl Work {
    fn new(lease: Lease, turn: u32, prompt: Option<Hash>, text: &str) -> Self {
        let attempts = turn_of(&lease, turn, text);
        Self { lease, turn, attempts, prompt, committed: false, done: BTreeSet::new() }
    }

    fn request(&self) -> MineRequest {
        if !self.committed {
            return match self.prompt {
                None => MineRequest::Commit(commit_of(&self.attempts)),
                Some(prompt) => {
                    MineRequest::CommitTurn(turn_commit(&self.attempts, self.turn, prompt))
                }
            };
        }
        match self.attempts.iter().find(|one| !self.done.contains(&one.index)) {
            Some(attempt) => MineRequest::Submit(attempt.clone()),
            None => MineRequest::Feedback { lease: self.lease.id, turn: self.turn },
        }
    }

    /// Whether nothing comes after the turn.
    fn last(&self) -> bool {
        self.lease.session.turn(self.turn + 1, 0).is_empty()
    }
}

#[derive(Debug)]
pub(super) struct HonestMiner {
    pub(super) client: Client,
    joined: bool,
    pub(super) work: Option<Work>,
    /// Every receipt it was given: what the coordinator acknowledged.
    pub(super) receipts: BTreeMap<AttemptId, Envelope>,
}

impl HonestMiner {
    pub(super) fn new(byte: u8) -> Self {
        Self { client: Client::new(byte), joined: false, work: None, receipts: BTreeMap::new() }
    }

    pub(super) fn next_request(&self) -> MineRequest {
        if !self.joined {
            let software = "test".into();
            return MineRequest::Join { account: None, card: Box::new(card()), software };
        }
        match &self.work {
            None => MineRequest::Lease { policy: card().policy.id().expect("hashes") },
            Some(work) => work.request(),
        }
    }

    pub(super) fn hear(&mut self, reply: MineReply) {
        match reply {
            MineReply::Joined { .. } => self.joined = true,
            // An answer to a request sent twice may bring a second lease: the first stays.
            MineReply::Lease(lease) if self.work.is_none() => {
                let text = format!("by {}", self.client.public());
                self.work = Some(Work::new(*lease, 0, None, &text));
            }
            MineReply::Committed { lease, .. } => {
                if let Some(work) = &mut self.work
                    && work.lease.id == lease
                {
                    work.committed = true;
                }
            }
            MineReply::Receipt(envelope) => {
                let receipt: Receipt = envelope.open(envelope.network).expect("a receipt");
                self.receipts.insert(receipt.attempt, envelope);
                if let Some(work) = &mut self.work
                    && work.lease.id == receipt.lease
                    && work.attempts.iter().any(|one| one.index == receipt.attempt_index)
                {
                    work.done.insert(receipt.attempt_index);
                    if work.done.len() == work.attempts.len() && work.last() {
                        self.work = None;
                    }
                }
            }
            MineReply::Feedback(envelope) => {
                let said: Feedback = envelope.open(envelope.network).expect("feedback");
                if let Some(work) =
                    self.work.take_if(|work| (work.lease.id, work.turn) == (said.lease, said.turn))
                    && said.next.is_some()
                {
                    let text = format!("by {}", self.client.public());
                    self.work = Some(Work::new(work.lease, said.turn + 1, said.next, &text));
                }
            }
            // An answer to the commitment of the turn before, sent twice, was taken for one to this.
            MineReply::Refused(Refusal::OverLimit { .. }) => {
                if let Some(work) = &mut self.work {
                    work.committed = false;
                }
            }
            MineReply::Refused(Refusal::Replayed { last, .. }) => {
                self.client.sequence = self.client.sequence.max(last);
            }
            MineReply::Refused(Refusal::NotJoined) => self.joined = false,
            MineReply::Refused(Refusal::NoSuchLease(lease))
                if self.work.as_ref().is_some_and(|work| work.lease.id == lease) =>
            {
                self.work = None;
            }
            MineReply::Refused(Refusal::NotCommitted(lease)) => {
                panic!("an acknowledged commitment to {lease} was forgotten")
            }
            MineReply::Refused(
                refusal @ (Refusal::AlreadyCommitted(_) | Refusal::NotWhatWasCommitted { .. }),
            ) => panic!("an honest miner was told: {refusal}"),
            _ => {}
        }
    }
}

/// How a verifier behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Honest,
    /// Signs a verdict without grading.
    SignsAnything,
    /// Commits and never reveals.
    Withholds,
    /// Cannot check anything.
    CannotCheck,
    /// Never hands in anything but its nonce.
    Lags,
}

#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) client: Client,
    pub(super) manner: Manner,
    joined: bool,
    reveals: BTreeMap<JobId, VerdictReveal>,
    next: Option<VerifyRequest>,
}

impl Verifier {
    pub(super) fn new(byte: u8, manner: Manner) -> Self {
        Self {
            client: Client::new(byte),
            manner,
            joined: false,
            reveals: BTreeMap::new(),
            next: None,
        }
    }

    pub(super) fn public(&self) -> PublicKey {
        self.client.public()
    }

    pub(super) fn seal<T: lode_proto::envelope::Payload>(
        &mut self,
        world: &World,
        value: &T,
    ) -> Envelope {
        self.client.sequence += 1;
        let network = world.core.context().network;
        Envelope::seal(value, network, &self.client.key, self.client.sequence).expect("seals")
    }

    /// One request with its answer, over a network that loses nothing.
    pub(super) fn act(&mut self, world: &mut World) {
        let request = self.next_request();
        let reply = self.client.verify(world, &request);
        self.hear(world, reply);
    }

    fn nonce(&self, epoch: u64) -> Hash {
        Hash::derive_parts("test/nonce", &[&self.public().0, &epoch.to_le_bytes()])
    }

    pub(super) fn verdict(&self, job: &GradeJob) -> VerdictReveal {
        let verdicts = job.attempts.iter().map(|attempt| {
            let id = attempt.id().expect("hashes");
            let hash = match self.manner {
                Manner::SignsAnything => Hash::of(&self.public().0),
                _ => grade(&job.spec.seed, id),
            };
            (id, hash)
        });
        let verdict =
            JobVerdict { job: job.id, task_id: job.task_id, verdicts: verdicts.collect() };
        let nonce = Hash::derive_parts("test/verdict-nonce", &[&self.public().0, &job.id.0.0]);
        VerdictReveal { verdict, nonce }
    }

    pub(super) fn next_request(&mut self) -> VerifyRequest {
        if !self.joined {
            return VerifyRequest::Join { account: None, software: "test".into() };
        }
        self.next.clone().unwrap_or(VerifyRequest::Next)
    }

    pub(super) fn hear(&mut self, world: &World, reply: VerifyReply) {
        let me = self.public();
        let next = match reply {
            VerifyReply::Joined { .. } => {
                self.joined = true;
                None
            }
            VerifyReply::CommitBeacon { epoch_open } => {
                let open: EpochOpen = epoch_open.open(epoch_open.network).expect("opens");
                let nonce = self.nonce(open.epoch);
                let commit = seed::nonce_commit(&me, open.epoch, &nonce.0);
                let commit = BeaconCommit { epoch: open.epoch, commit };
                Some(VerifyRequest::BeaconCommit(self.seal(world, &commit)))
            }
            VerifyReply::RevealBeacon { epoch } => {
                let reveal = BeaconReveal { epoch, nonce: self.nonce(epoch) };
                Some(VerifyRequest::BeaconReveal(self.seal(world, &reveal)))
            }
            VerifyReply::Grade(job) => match self.manner {
                Manner::Lags => None,
                Manner::CannotCheck => {
                    let reason = "no such engine version here".into();
                    Some(VerifyRequest::Inconclusive { job: job.id, reason })
                }
                _ => {
                    let reveal = self.verdict(&job);
                    let commit = reveal.commitment(&me).expect("hashes");
                    self.reveals.insert(job.id, reveal);
                    let commit = VerdictCommit { job: job.id, commit };
                    Some(VerifyRequest::VerdictCommit(self.seal(world, &commit)))
                }
            },
            VerifyReply::Reveal { .. } if self.manner == Manner::Withholds => None,
            VerifyReply::Reveal { job } => {
                let reveal = self.reveals.get(&job).expect("it committed").clone();
                Some(VerifyRequest::VerdictReveal(self.seal(world, &reveal)))
            }
            VerifyReply::CoSign(job) => {
                let signature = BundleSignature { manifest: job.manifest, epoch: job.epoch };
                Some(VerifyRequest::CoSign(self.seal(world, &signature)))
            }
            VerifyReply::Refused(Refusal::Replayed { last, .. }) => {
                self.client.sequence = self.client.sequence.max(last);
                return;
            }
            VerifyReply::Refused(Refusal::NotJoined) => {
                self.joined = false;
                None
            }
            VerifyReply::Idle { .. } | VerifyReply::Accepted | VerifyReply::Refused(_) => None,
        };
        self.next = next;
    }
}
