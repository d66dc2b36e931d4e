//! What an epoch left behind, gathered from the log: the input of its bundle.
//!
//! A pure fold over the records. It copies signed envelopes and derives nothing from them; uploaded
//! attempts are named by id and fetched from the blob store when everything else is known.

use std::collections::{BTreeMap, BTreeSet};

use lode_bundle::record::{AttemptRecord, EpochRecord, FaultRecord, GroupRecord, VerdictRecord};
use lode_proto::{
    attempt::Receipt,
    codec::{self, CodecError},
    envelope::{Envelope, Payload},
    epoch::{EpochOpen, Outcome},
    id::{AttemptId, Hash, PolicyId, TaskId},
    key::PublicKey,
    ledger::LedgerEntry,
    manifest::CounterRecord,
    mine::MineRequest,
    task::Profile,
};

use crate::core::{Event, Record};

/// Why the evidence of an epoch could not be gathered.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// Not closed yet, or voided.
    #[error("epoch {0} is not closed; only a closed epoch has a bundle")]
    NotClosed(u64),
    /// A record that cannot be read.
    #[error("a record of the log cannot be read: {0}")]
    Codec(#[from] CodecError),
    /// A record that does not follow from those before it.
    #[error("the log does not hold together: it has {0}")]
    BrokenLog(&'static str),
    /// An accepted attempt whose bytes are gone.
    #[error("attempt {0} was accepted, but its bytes are not in the blob store")]
    MissingBlob(AttemptId),
    /// The blob store failed.
    #[error("the blob store failed: {0}")]
    Blobs(String),
}

#[derive(Debug)]
struct Lease {
    number: u32,
    miner: PublicKey,
    policy: PolicyId,
}

#[derive(Debug)]
struct GroupPart {
    lease_number: u32,
    miner: PublicKey,
    policy: PolicyId,
    commit: Envelope,
    turns: Vec<Envelope>,
    feedback: Vec<Envelope>,
    /// Attempts committed so far.
    committed: usize,
    receipts: BTreeMap<u32, Envelope>,
    own: Option<Envelope>,
    commits: BTreeMap<PublicKey, Envelope>,
    reveals: BTreeMap<PublicKey, Envelope>,
}

#[derive(Debug)]
struct Part {
    epoch: u64,
    open: Envelope,
    secret: Hash,
    commits: BTreeMap<PublicKey, Envelope>,
    reveals: BTreeMap<PublicKey, Envelope>,
    fixed: Option<Envelope>,
    tasks: Vec<(Profile, Option<TaskId>)>,
    outcomes: BTreeMap<u64, Outcome>,
    leases: BTreeMap<u64, Vec<Lease>>,
    groups: BTreeMap<u64, GroupPart>,
    faults: Vec<FaultRecord>,
    ledger: Vec<LedgerEntry>,
    closed: bool,
}

/// Gathers the evidence of one epoch from the records of the log, from the first one on.
#[derive(Debug)]
pub struct Collector {
    wanted: u64,
    verifier_joins: Vec<Envelope>,
    miner_joins: BTreeMap<(PublicKey, PolicyId), Envelope>,
    part: Option<Part>,
}

fn read<T: Payload>(envelope: &Envelope) -> Result<T, CodecError> {
    codec::decode(&envelope.bytes, T::MAX_BYTES)
}

fn broken(what: &'static str) -> EvidenceError {
    EvidenceError::BrokenLog(what)
}

impl Part {
    fn group(&mut self, counter: u64) -> Result<&mut GroupPart, EvidenceError> {
        self.groups.get_mut(&counter).ok_or(broken("evidence on a group that was not committed"))
    }

    fn settle(&mut self, counter: u64, outcome: &Outcome) {
        let place = usize::try_from(counter).unwrap_or(usize::MAX);
        let task = self.tasks.get(place).and_then(|(_, task)| *task);
        let (epoch, outcome) = (self.epoch, outcome.clone());
        self.outcomes.insert(counter, outcome.clone());
        self.ledger.push(LedgerEntry::Sealed { epoch, counter, task, outcome });
    }
}

impl Collector {
    /// For the evidence of epoch number `epoch`.
    #[must_use]
    pub fn new(epoch: u64) -> Self {
        Self { wanted: epoch, verifier_joins: Vec::new(), miner_joins: BTreeMap::new(), part: None }
    }

    /// Takes the next record of the log.
    ///
    /// # Errors
    /// A record that cannot be read or does not follow from those before it.
    pub fn take(&mut self, record: &Record) -> Result<(), EvidenceError> {
        match &record.event {
            Event::MinerJoined { request } => {
                let MineRequest::Join { card, .. } = read(request)? else {
                    return Err(broken("a miner joined by another request than Join"));
                };
                let policy = card.policy.id()?;
                self.miner_joins.insert((request.sender, policy), request.clone());
            }
            Event::VerifierJoined { request } => self.verifier_joins.push(request.clone()),
            Event::EpochOpened { secret, open, .. } => {
                let content: EpochOpen = read(open)?;
                if content.epoch == self.wanted {
                    let envelope = open.hash()?;
                    self.part = Some(Part {
                        epoch: content.epoch,
                        open: open.clone(),
                        secret: *secret,
                        commits: BTreeMap::new(),
                        reveals: BTreeMap::new(),
                        fixed: None,
                        tasks: Vec::new(),
                        outcomes: BTreeMap::new(),
                        leases: BTreeMap::new(),
                        groups: BTreeMap::new(),
                        faults: Vec::new(),
                        ledger: vec![LedgerEntry::EpochOpened { epoch: content.epoch, envelope }],
                        closed: false,
                    });
                }
            }
            event => {
                if let Some(part) = self.part.as_mut().filter(|part| !part.closed) {
                    take_one(part, event)?;
                }
            }
        }
        Ok(())
    }

    /// The epoch's record, with the attempts' envelopes from `blob` and the domain file and inputs
    /// from `inputs`.
    ///
    /// # Errors
    /// An epoch that is not closed, or an attempt without its bytes.
    pub fn finish(
        self,
        genesis: Envelope,
        inputs: BTreeMap<Hash, Vec<u8>>,
        licence: String,
        blob: &mut dyn FnMut(AttemptId) -> Result<Option<Envelope>, String>,
    ) -> Result<EpochRecord, EvidenceError> {
        let epoch = self.wanted;
        let part = self.part.filter(|part| part.closed).ok_or(EvidenceError::NotClosed(epoch))?;
        let beacon_fixed = part.fixed.ok_or(EvidenceError::NotClosed(epoch))?;
        let mut counters = Vec::new();
        for (counter, (profile, task)) in (0..).zip(&part.tasks) {
            let outcome = part.outcomes.get(&counter).cloned();
            let outcome = outcome.ok_or(broken("a closed epoch with an unsettled counter"))?;
            counters.push(CounterRecord { counter, profile: *profile, task: *task, outcome });
        }
        let mut groups = Vec::new();
        let mut introduced = BTreeSet::new();
        for (counter, group) in part.groups {
            if group.receipts.is_empty() {
                continue;
            }
            introduced.insert((group.miner, group.policy));
            groups.push(finish_group(counter, group, blob)?);
        }
        let joins = introduced.iter().map(|who| self.miner_joins.get(who).cloned());
        let mut joins: Vec<Envelope> =
            joins.collect::<Option<_>>().ok_or(broken("a group of a miner that never joined"))?;
        joins.sort_by_key(|envelope| (envelope.sender, envelope.sequence));
        let of_epoch = |envelope: &Envelope| part.commits.contains_key(&envelope.sender);
        Ok(EpochRecord {
            genesis,
            epoch,
            verifier_joins: self.verifier_joins.into_iter().filter(of_epoch).collect(),
            open: part.open,
            beacon_commits: part.commits.into_values().collect(),
            beacon_reveals: part.reveals.into_values().collect(),
            beacon_fixed,
            secret: part.secret,
            counters,
            joins,
            groups,
            ledger: part.ledger,
            faults: part.faults,
            blobs: inputs,
            earlier: Vec::new(),
            licence,
        })
    }
}

fn finish_group(
    counter: u64,
    group: GroupPart,
    blob: &mut dyn FnMut(AttemptId) -> Result<Option<Envelope>, String>,
) -> Result<GroupRecord, EvidenceError> {
    let mut attempts = Vec::new();
    for receipt in group.receipts.into_values() {
        let id = read::<Receipt>(&receipt)?.attempt;
        let submit = blob(id).map_err(EvidenceError::Blobs)?;
        let submit = submit.ok_or(EvidenceError::MissingBlob(id))?;
        attempts.push(AttemptRecord { submit, receipt });
    }
    let mut reveals = group.reveals;
    let verdicts = group
        .commits
        .into_iter()
        .map(|(verifier, commit)| VerdictRecord { commit, reveal: reveals.remove(&verifier) });
    Ok(GroupRecord {
        counter,
        lease_number: group.lease_number,
        miner: group.miner,
        policy: group.policy,
        commit: group.commit,
        turns: group.turns,
        feedback: group.feedback,
        attempts,
        own: group.own,
        verdicts: verdicts.collect(),
    })
}

fn take_one(part: &mut Part, event: &Event) -> Result<(), EvidenceError> {
    match event {
        Event::NonceCommitted { commit } => {
            part.commits.insert(commit.sender, commit.clone());
        }
        Event::NonceRevealed { reveal } => {
            part.reveals.insert(reveal.sender, reveal.clone());
        }
        Event::BeaconFixed { fixed } => {
            part.fixed = Some(fixed.clone());
            let envelope = fixed.hash()?;
            part.ledger.push(LedgerEntry::BeaconFixed { epoch: part.epoch, envelope });
        }
        Event::CounterExhausted { profile } => {
            part.tasks.push((*profile, None));
            part.settle(part.tasks.len() as u64 - 1, &Outcome::Exhausted);
        }
        Event::LeaseIssued { counter, task, profile, miner, policy, .. } => {
            if *counter == part.tasks.len() as u64 {
                part.tasks.push((*profile, Some(*task)));
            }
            let leases = part.leases.entry(*counter).or_default();
            let number = u32::try_from(leases.len()).unwrap_or(u32::MAX);
            leases.push(Lease { number, miner: *miner, policy: *policy });
        }
        Event::GroupCommitted { counter, request, .. } => {
            let MineRequest::Commit(content) = read(request)? else {
                return Err(broken("a commitment by another request than Commit"));
            };
            let lease = part.leases.get(counter).and_then(|leases| leases.last());
            let lease = lease.ok_or(broken("a commitment without a lease"))?;
            let group = GroupPart {
                lease_number: lease.number,
                miner: lease.miner,
                policy: lease.policy,
                commit: request.clone(),
                turns: Vec::new(),
                feedback: Vec::new(),
                committed: content.attempts.len(),
                receipts: BTreeMap::new(),
                own: None,
                commits: BTreeMap::new(),
                reveals: BTreeMap::new(),
            };
            part.groups.insert(*counter, group);
        }
        Event::AttemptAccepted { counter, index, receipt, .. } => {
            let group = part.group(*counter)?;
            if *index as usize >= group.committed {
                return Err(broken("an attempt beyond its group"));
            }
            group.receipts.insert(*index, receipt.clone());
        }
        Event::TurnGraded { counter, feedback, .. } => {
            part.group(*counter)?.feedback.push(feedback.clone());
        }
        Event::TurnCommitted { counter, request, .. } => {
            let MineRequest::CommitTurn(content) = read(request)? else {
                return Err(broken("a turn by another request than CommitTurn"));
            };
            let group = part.group(*counter)?;
            group.turns.push(request.clone());
            group.committed += content.attempts.len();
        }
        Event::OwnGraded { counter, reveal, .. } => {
            part.group(*counter)?.own = Some(reveal.clone());
        }
        Event::VerdictCommitted { counter, commit } => {
            part.group(*counter)?.commits.insert(commit.sender, commit.clone());
        }
        Event::VerdictRevealed { counter, reveal } => {
            part.group(*counter)?.reveals.insert(reveal.sender, reveal.clone());
        }
        Event::FaultFound { accused, kind, lease, evidence, note } => {
            part.faults.push(FaultRecord {
                accused: *accused,
                kind: *kind,
                lease: *lease,
                evidence: evidence.clone(),
                note: note.clone(),
            });
        }
        Event::Settled { counter, outcome } => part.settle(*counter, outcome),
        Event::ProfileMoved { step } => {
            part.ledger.push(LedgerEntry::Moved { epoch: part.epoch, step: *step });
        }
        Event::EpochClosed { .. } => {
            part.ledger.push(LedgerEntry::EpochClosed {
                epoch: part.epoch,
                count: part.tasks.len() as u64,
                secret: part.secret,
            });
            part.closed = true;
        }
        _ => {}
    }
    Ok(())
}
