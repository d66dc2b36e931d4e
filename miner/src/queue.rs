//! What the miner has not handed in yet: a pure state, rebuilt from its durable records.
//!
//! ```text
//! Leased ─► Generated ─► Committed ─► Receipted × group ─► (gone)
//!    └───────────┴───────────┴─ Dropped: over, cancelled or refused
//! ```
//!
//! A record is durable before the step after it is taken, so that a kill at any instant repeats at
//! most one request, and every request may be repeated: the coordinator answers the second as it
//! answered the first. Generated text is never thrown away while its lease may still be alive.

use std::collections::{BTreeMap, BTreeSet};

use lode_proto::{
    attempt::{Attempt, Receipt},
    credit,
    envelope::{Envelope, EnvelopeError},
    id::{Hash, LeaseId, NetworkId},
    key::PublicKey,
    mine::Lease,
};
use serde::{Deserialize, Serialize};

/// One durable record of the miner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// A lease was granted.
    Leased(Box<Lease>),
    /// All attempts of a lease were generated.
    Generated {
        /// The lease.
        lease: LeaseId,
        /// In order.
        attempts: Vec<Attempt>,
    },
    /// The coordinator has the commitment.
    Committed {
        /// The lease.
        lease: LeaseId,
    },
    /// The coordinator has an attempt.
    Receipted {
        /// The lease.
        lease: LeaseId,
        /// Number of the attempt.
        index: u32,
        /// The signed receipt.
        receipt: Envelope,
    },
    /// The lease is over; what was made under it is of no use.
    Dropped {
        /// The lease.
        lease: LeaseId,
        /// Why, for people.
        reason: String,
    },
}

/// A lease that is not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// As granted.
    pub lease: Lease,
    /// Generated attempts; empty before generation.
    pub attempts: Vec<Attempt>,
    /// Whether the coordinator has the commitment.
    pub committed: bool,
    /// Numbers of the attempts that have a receipt.
    pub receipted: BTreeSet<u32>,
}

/// What to do next for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Generate the attempts.
    Generate,
    /// Send the commitment.
    Commit,
    /// Upload this attempt.
    Submit(u32),
}

impl Job {
    /// The next step, or none when all is handed in.
    #[must_use]
    pub fn next(&self) -> Option<Step> {
        if self.attempts.is_empty() {
            return Some(Step::Generate);
        }
        if !self.committed {
            return Some(Step::Commit);
        }
        self.attempts
            .iter()
            .map(|attempt| attempt.index)
            .find(|index| !self.receipted.contains(index))
            .map(Step::Submit)
    }
}

/// The miner's own count, from receipts alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Attempts with a receipt.
    pub receipts: u64,
    /// Credits, thousandths.
    pub credits_milli: u64,
    /// Groups handed in whole.
    pub groups: u64,
    /// Leases that ended otherwise.
    pub dropped: u64,
}

impl Totals {
    /// Adds another network's count.
    pub(crate) fn add(&mut self, other: &Self) {
        self.receipts += other.receipts;
        self.credits_milli += other.credits_milli;
        self.groups += other.groups;
        self.dropped += other.dropped;
    }
}

/// Why a receipt is not what it should be. The work stays counted; the operator is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Not signed by the coordinator of this network.
    #[error("the receipt is not the coordinator's: {0}")]
    Envelope(#[from] EnvelopeError),
    /// About something else.
    #[error("the receipt is for {0}")]
    OtherSubject(String),
    /// The chain does not go on from the receipt before.
    #[error("receipt {got} follows receipt {last:?}: the coordinator's chain of this miner broke")]
    BrokenChain {
        /// Its number.
        got: u64,
        /// Number of the one before, if any.
        last: Option<u64>,
    },
    /// Other credits than the published formula gives.
    #[error("the receipt credits {got} thousandths; formula version {version} gives {want}")]
    WrongCredits {
        /// As written.
        got: u64,
        /// By formula.
        want: u64,
        /// Version of the formula.
        version: u32,
    },
}

/// The state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queue {
    jobs: BTreeMap<LeaseId, Job>,
    /// Number and link of the last receipt.
    last_receipt: Option<(u64, Hash)>,
    totals: Totals,
}

impl Queue {
    /// Takes a record into account. Records of leases that are gone are ignored.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Leased(lease) => {
                self.jobs.entry(lease.id).or_insert_with(|| Job {
                    lease: (**lease).clone(),
                    attempts: Vec::new(),
                    committed: false,
                    receipted: BTreeSet::new(),
                });
            }
            Record::Generated { lease, attempts } => {
                if let Some(job) = self.jobs.get_mut(lease) {
                    job.attempts.clone_from(attempts);
                }
            }
            Record::Committed { lease } => {
                if let Some(job) = self.jobs.get_mut(lease) {
                    job.committed = true;
                }
            }
            Record::Receipted { lease, index, receipt } => self.receipted(*lease, *index, receipt),
            Record::Dropped { lease, .. } => {
                if self.jobs.remove(lease).is_some() {
                    self.totals.dropped += 1;
                }
            }
        }
    }

    fn receipted(&mut self, lease: LeaseId, index: u32, envelope: &Envelope) {
        let Some(job) = self.jobs.get_mut(&lease) else { return };
        if !job.receipted.insert(index) {
            return;
        }
        let receipt: Option<Receipt> = envelope.open(envelope.network).ok();
        if let Some((receipt, link)) = receipt.and_then(|r| r.hash().ok().map(|link| (r, link))) {
            if self.last_receipt.is_none_or(|(last, _)| receipt.index > last) {
                self.last_receipt = Some((receipt.index, link));
            }
            self.totals.receipts += 1;
            self.totals.credits_milli += receipt.credits_milli;
        }
        if job.next().is_none() {
            self.jobs.remove(&lease);
            self.totals.groups += 1;
        }
    }

    /// Jobs that are not finished, oldest lease id first.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values()
    }

    /// A job by its lease.
    #[must_use]
    pub fn job(&self, lease: &LeaseId) -> Option<&Job> {
        self.jobs.get(lease)
    }

    /// The miner's own count.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Whether a receipt is the coordinator's for this attempt, continues the chain and credits
    /// what the published formula gives.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn check_receipt(
        &self,
        envelope: &Envelope,
        network: NetworkId,
        coordinator: &PublicKey,
        me: &PublicKey,
        attempt: &Attempt,
    ) -> Result<Receipt, ReceiptError> {
        let receipt: Receipt = envelope.open_from(network, coordinator)?;
        let id = attempt.id().map_err(EnvelopeError::from)?;
        if receipt.miner != *me {
            return Err(ReceiptError::OtherSubject(format!("miner {}", receipt.miner.short())));
        }
        if receipt.attempt != id || receipt.lease != attempt.lease {
            return Err(ReceiptError::OtherSubject(format!("attempt {}", receipt.attempt.short())));
        }
        let continues = match self.last_receipt {
            None => receipt.index == 0 && receipt.previous == Hash::default(),
            // A resent request gets its first receipt again, which may be an older link.
            Some((last, link)) => {
                receipt.index <= last || (receipt.index == last + 1 && receipt.previous == link)
            }
        };
        if !continues {
            let last = self.last_receipt.map(|(index, _)| index);
            return Err(ReceiptError::BrokenChain { got: receipt.index, last });
        }
        let want = credit::credits_milli(receipt.tokens, receipt.parameters, receipt.tier);
        if receipt.credit_version == credit::CREDIT_VERSION && receipt.credits_milli != want {
            return Err(ReceiptError::WrongCredits {
                got: receipt.credits_milli,
                want,
                version: receipt.credit_version,
            });
        }
        Ok(receipt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lode_proto::{
        attempt::Finish,
        id::{PolicyId, TaskId},
        key::SecretKey,
        policy::Tier,
    };

    fn lease(byte: u8) -> Lease {
        Lease {
            id: LeaseId::of(&[byte]),
            epoch: 1,
            task_id: TaskId::of(&[byte]),
            task: vec![byte],
            attempt_seeds: vec![[0; 32], [1; 32]],
            max_completion_tokens: 10,
            remaining_ms: 1000,
        }
    }

    fn attempts(lease: &Lease) -> Vec<Attempt> {
        (0..2)
            .map(|index| Attempt {
                lease: lease.id,
                index,
                policy: PolicyId::of(b"p"),
                completion: vec![b'a'; 3 + index as usize],
                finish: Finish::Stop,
                prompt_tokens: 5,
                completion_tokens: 3,
                evidence: None,
            })
            .collect()
    }

    struct Coordinator {
        key: SecretKey,
        network: NetworkId,
        index: u64,
        previous: Hash,
    }

    impl Coordinator {
        fn receipt(&mut self, miner: PublicKey, attempt: &Attempt) -> Envelope {
            let tokens =
                credit::credited_tokens(attempt.completion_tokens, attempt.completion.len(), 10);
            let receipt = Receipt {
                miner,
                index: self.index,
                previous: self.previous,
                epoch: 1,
                lease: attempt.lease,
                attempt_index: attempt.index,
                attempt: attempt.id().expect("id"),
                tokens,
                parameters: 134_515_008,
                tier: Tier::T0,
                credit_version: credit::CREDIT_VERSION,
                credits_milli: credit::credits_milli(tokens, 134_515_008, Tier::T0),
                unix_ms: 0,
            };
            self.index += 1;
            self.previous = receipt.hash().expect("hash");
            Envelope::seal(&receipt, self.network, &self.key, self.index).expect("seals")
        }
    }

    fn coordinator() -> Coordinator {
        Coordinator {
            key: SecretKey::from_bytes(&[5; 32]),
            network: NetworkId::of(b"n"),
            index: 0,
            previous: Hash::default(),
        }
    }

    #[test]
    fn a_job_walks_through_its_steps_and_counts_once() {
        let me = SecretKey::from_bytes(&[6; 32]).public();
        let mut chief = coordinator();
        let mut queue = Queue::default();
        let lease = lease(1);
        queue.apply(&Record::Leased(Box::new(lease.clone())));
        assert_eq!(queue.job(&lease.id).and_then(Job::next), Some(Step::Generate));
        let made = attempts(&lease);
        queue.apply(&Record::Generated { lease: lease.id, attempts: made.clone() });
        assert_eq!(queue.job(&lease.id).and_then(Job::next), Some(Step::Commit));
        queue.apply(&Record::Committed { lease: lease.id });
        assert_eq!(queue.job(&lease.id).and_then(Job::next), Some(Step::Submit(0)));
        for attempt in &made {
            let receipt = chief.receipt(me, attempt);
            let checked =
                queue.check_receipt(&receipt, chief.network, &chief.key.public(), &me, attempt);
            assert!(checked.is_ok(), "{checked:?}");
            let record = Record::Receipted { lease: lease.id, index: attempt.index, receipt };
            queue.apply(&record);
            queue.apply(&record);
        }
        assert_eq!(queue.jobs().count(), 0);
        // Three tokens each, at 0.1 class and 0.5 tier weight: 150 thousandths.
        let want = Totals { receipts: 2, credits_milli: 300, groups: 1, dropped: 0 };
        assert_eq!(queue.totals(), want);
    }

    #[test]
    fn receipts_that_lie_are_found() {
        let me = SecretKey::from_bytes(&[6; 32]).public();
        let mut chief = coordinator();
        let mut queue = Queue::default();
        let lease = lease(1);
        let made = attempts(&lease);
        queue.apply(&Record::Leased(Box::new(lease.clone())));
        queue.apply(&Record::Generated { lease: lease.id, attempts: made.clone() });
        queue.apply(&Record::Committed { lease: lease.id });
        let key = chief.key.public();
        let network = chief.network;
        let check = |queue: &Queue, receipt: &Envelope, attempt: &Attempt| {
            queue.check_receipt(receipt, network, &key, &me, attempt)
        };

        let first = chief.receipt(me, &made[0]);
        assert!(matches!(check(&queue, &first, &made[1]), Err(ReceiptError::OtherSubject(_))));
        let mut stranger = coordinator();
        stranger.key = SecretKey::from_bytes(&[9; 32]);
        let forged = stranger.receipt(me, &made[0]);
        assert!(matches!(check(&queue, &forged, &made[0]), Err(ReceiptError::Envelope(_))));
        let second = chief.receipt(me, &made[1]);
        assert!(matches!(
            check(&queue, &second, &made[1]),
            Err(ReceiptError::BrokenChain { got: 1, last: None })
        ));
        let mut receipt: Receipt = first.open(network).expect("opens");
        receipt.credits_milli -= 1;
        let short = Envelope::seal(&receipt, network, &chief.key, 9).expect("seals");
        assert!(matches!(
            check(&queue, &short, &made[0]),
            Err(ReceiptError::WrongCredits { got: 149, want: 150, version: 1 })
        ));
    }

    #[test]
    fn replaying_the_records_gives_the_same_state() {
        let lease_a = lease(1);
        let lease_b = lease(2);
        let records = [
            Record::Leased(Box::new(lease_a.clone())),
            Record::Leased(Box::new(lease_b.clone())),
            Record::Generated { lease: lease_a.id, attempts: attempts(&lease_a) },
            Record::Dropped { lease: lease_b.id, reason: "cancelled".into() },
            Record::Committed { lease: lease_b.id },
        ];
        let mut once = Queue::default();
        records.iter().for_each(|record| once.apply(record));
        assert_eq!(once.jobs().count(), 1);
        assert_eq!(once.totals().dropped, 1);
        let mut again = Queue::default();
        records.iter().for_each(|record| again.apply(record));
        assert_eq!(once, again);
    }
}
