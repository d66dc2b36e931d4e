//! What the miner has not handed in yet: a pure state, rebuilt from its durable records.
//!
//! ```text
//! Leased ─► Generated ─► Committed ─► Receipted × group ─► (gone)
//!            ▲                              └─ of a revision session: Feedback ─┬► (gone)
//!            └────────────────────────── the next turn ─────────────────────────┘
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
    session::Feedback,
};
use serde::{Deserialize, Serialize};

use crate::receipts::{Joined, Kept, KeptReceipt};

mod snapshot;

/// One durable record of the miner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// A lease was granted.
    Leased(Box<Lease>),
    /// All attempts of a lease, or of a turn of it, were generated.
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
    /// The network was joined: by which genesis, and as what. Written at the first join and whenever
    /// something of it changes.
    Joined(Box<Joined>),
    /// What the coordinator says of a turn of a revision session.
    Feedback(Feedback),
}

/// A lease that is not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// As granted.
    pub lease: Lease,
    /// Generated attempts; empty before generation.
    pub attempts: Vec<Attempt>,
    /// How many of them the coordinator has the commitments of.
    pub committed: usize,
    /// Numbers of the attempts that have a receipt.
    pub receipted: BTreeSet<u32>,
    /// What was said of the turns of a revision session, from turn 0 on.
    pub feedback: Vec<Feedback>,
}

/// What to do next for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Generate the attempts of the next turn; a group has one.
    Generate,
    /// Send the commitment.
    Commit,
    /// Upload this attempt.
    Submit(u32),
    /// Ask what the coordinator says of this turn.
    Feedback(u32),
}

impl Job {
    /// The next step, or none when all is handed in.
    #[must_use]
    pub fn next(&self) -> Option<Step> {
        if self.attempts.is_empty() {
            return Some(Step::Generate);
        }
        if self.attempts.len() > self.committed {
            return Some(Step::Commit);
        }
        let mut indices = self.attempts.iter().map(|attempt| attempt.index);
        if let Some(index) = indices.find(|index| !self.receipted.contains(index)) {
            return Some(Step::Submit(index));
        }
        let done = self.turns();
        if self.seeds(done).is_empty() {
            return None;
        }
        match self.feedback.get(done.saturating_sub(1) as usize) {
            None => Some(Step::Feedback(done - 1)),
            Some(said) => said.next.map(|_| Step::Generate),
        }
    }

    /// Turns whose attempts are made.
    #[must_use]
    pub fn turns(&self) -> u32 {
        self.attempts.last().map_or(0, |last| self.lease.session.turn_of(last.index) + 1)
    }

    /// The attempts of a turn, as far as they are made.
    pub fn attempts_of(&self, turn: u32) -> impl Iterator<Item = &Attempt> {
        let session = self.lease.session;
        self.attempts.iter().filter(move |attempt| session.turn_of(attempt.index) == turn)
    }

    /// The seeds of a turn's attempts; none for a turn that there is not.
    #[must_use]
    pub fn seeds(&self, turn: u32) -> &[[u8; 32]] {
        let all = &self.lease.attempt_seeds;
        let range = self.lease.session.turn(turn, u32::try_from(all.len()).unwrap_or(u32::MAX));
        all.get(range.start as usize..range.end as usize).unwrap_or_default()
    }
}

/// The miner's own count, from receipts alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    joined: Option<Box<Joined>>,
    /// Entries given to the receipts file so far.
    kept: u64,
}

impl Queue {
    /// Takes a record into account, and returns what of it is kept for ever. Records of leases that are
    /// gone are ignored.
    pub fn apply(&mut self, record: &Record) -> Option<Kept> {
        match record {
            Record::Leased(lease) => {
                self.jobs.entry(lease.id).or_insert_with(|| Job {
                    lease: (**lease).clone(),
                    attempts: Vec::new(),
                    committed: 0,
                    receipted: BTreeSet::new(),
                    feedback: Vec::new(),
                });
            }
            Record::Generated { lease, attempts } => {
                if let Some(job) = self.jobs.get_mut(lease) {
                    let known = job.attempts.len() as u64;
                    let new = attempts.iter().filter(|one| u64::from(one.index) >= known);
                    job.attempts.extend(new.cloned());
                }
            }
            Record::Committed { lease } => {
                if let Some(job) = self.jobs.get_mut(lease) {
                    job.committed = job.attempts.len();
                }
            }
            Record::Receipted { lease, index, receipt } => {
                return self.receipted(*lease, *index, receipt);
            }
            Record::Joined(joined) => {
                self.joined = Some(joined.clone());
                self.kept += 1;
                return Some(Kept::Joined(joined.clone()));
            }
            Record::Dropped { lease, .. } => match self.jobs.remove(lease) {
                // A session that ended between two turns: the turns before are handed in.
                Some(job) if job.committed > 0 && job.receipted.len() == job.committed => {
                    self.totals.groups += 1;
                }
                Some(_) => self.totals.dropped += 1,
                None => {}
            },
            Record::Feedback(said) => {
                if let Some(job) = self.jobs.get_mut(&said.lease)
                    && job.feedback.len() == said.turn as usize
                {
                    job.feedback.push(said.clone());
                    self.close(&said.lease);
                }
            }
        }
        None
    }

    fn receipted(&mut self, lease: LeaseId, index: u32, envelope: &Envelope) -> Option<Kept> {
        let job = self.jobs.get_mut(&lease)?;
        let attempt = job.attempts.iter().find(|attempt| attempt.index == index)?;
        let kept = Kept::Receipt(Box::new(KeptReceipt {
            lease,
            attempt_index: index,
            attempt: attempt.id().ok()?,
            policy: attempt.policy,
            claimed_tokens: attempt.completion_tokens,
            completion_bytes: u32::try_from(attempt.completion.len()).unwrap_or(u32::MAX),
            allowed_tokens: job.lease.max_completion_tokens,
            receipt: envelope.clone(),
        }));
        if !job.receipted.insert(index) {
            return None;
        }
        let receipt: Option<Receipt> = envelope.open(envelope.network).ok();
        if let Some((receipt, link)) = receipt.and_then(|r| r.hash().ok().map(|link| (r, link))) {
            if self.last_receipt.is_none_or(|(last, _)| receipt.index > last) {
                self.last_receipt = Some((receipt.index, link));
            }
            self.totals.receipts += 1;
            self.totals.credits_milli =
                self.totals.credits_milli.saturating_add(receipt.credits_milli);
        }
        self.close(&lease);
        self.kept += 1;
        Some(kept)
    }

    /// Forgets a job of which nothing is left to do.
    fn close(&mut self, lease: &LeaseId) {
        if self.jobs.get(lease).is_some_and(|job| job.next().is_none()) {
            self.jobs.remove(lease);
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

    /// By what and as what the miner joined last, where the log has it.
    #[must_use]
    pub fn joined(&self) -> Option<&Joined> {
        self.joined.as_deref()
    }

    /// Entries that were given to the receipts file so far.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.kept
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
mod tests;
