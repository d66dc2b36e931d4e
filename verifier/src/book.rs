//! What this verifier has said: pure state, rebuilt from its durable records.
//!
//! A nonce, a verdict and a signature are each kept before they are said. Asked again, the verifier
//! says the same again; asked for something else in the same place, it says nothing. So a kill at
//! any instant cannot make it equivocate.

use std::collections::BTreeMap;

use lode_proto::{
    envelope::Envelope,
    id::{Hash, JobId},
};
use serde::{Deserialize, Serialize};

/// Jobs that are remembered after their reveal; a job is asked for again only shortly after.
const MAX_JOBS: usize = 10_000;

/// One durable record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// A nonce was drawn and its commitment signed.
    Nonce {
        /// The epoch.
        epoch: u64,
        /// Plain BLAKE3 of the coordinator's `EpochOpen`: one epoch has one opening.
        opened: Hash,
        /// The nonce; secret until it is revealed.
        nonce: Hash,
        /// The signed `BeaconCommit`.
        commit: Envelope,
    },
    /// A job was graded; both halves are signed.
    Verdict {
        /// The job.
        job: JobId,
        /// The signed `VerdictCommit`.
        commit: Envelope,
        /// The signed `VerdictReveal`; kept back until the coordinator asks for it.
        reveal: Envelope,
    },
    /// A bundle was audited and signed.
    Signed {
        /// The epoch.
        epoch: u64,
        /// Plain BLAKE3 of its manifest.
        manifest: Hash,
        /// The signed `BundleSignature`.
        signature: Envelope,
    },
}

/// Both halves of a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The signed `VerdictCommit`.
    pub commit: Envelope,
    /// The signed `VerdictReveal`.
    pub reveal: Envelope,
}

/// The state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book {
    nonces: BTreeMap<u64, (Hash, Envelope)>,
    opened: BTreeMap<u64, Hash>,
    verdicts: BTreeMap<JobId, (u64, Verdict)>,
    signed: BTreeMap<u64, (Hash, Envelope)>,
    /// Verdicts so far: the order in which jobs are forgotten.
    count: u64,
}

impl Book {
    /// Takes a record into account. The first record about a place stands.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Nonce { epoch, opened, nonce, commit } => {
                self.opened.entry(*epoch).or_insert(*opened);
                self.nonces.entry(*epoch).or_insert_with(|| (*nonce, commit.clone()));
            }
            Record::Verdict { job, commit, reveal } => {
                let verdict = Verdict { commit: commit.clone(), reveal: reveal.clone() };
                self.count += 1;
                self.verdicts.entry(*job).or_insert((self.count, verdict));
                if self.verdicts.len() > MAX_JOBS {
                    let oldest = self.verdicts.iter().min_by_key(|(_, (at, _))| *at);
                    if let Some(job) = oldest.map(|(job, _)| *job) {
                        self.verdicts.remove(&job);
                    }
                }
            }
            Record::Signed { epoch, manifest, signature } => {
                self.signed.entry(*epoch).or_insert_with(|| (*manifest, signature.clone()));
            }
        }
    }

    /// The nonce of an epoch with its signed commitment, if one was drawn.
    #[must_use]
    pub fn nonce(&self, epoch: u64) -> Option<&(Hash, Envelope)> {
        self.nonces.get(&epoch)
    }

    /// How the coordinator opened an epoch, if a nonce was drawn for it.
    #[must_use]
    pub fn opened(&self, epoch: u64) -> Option<Hash> {
        self.opened.get(&epoch).copied()
    }

    /// The verdict on a job, if it was graded.
    #[must_use]
    pub fn verdict(&self, job: &JobId) -> Option<&Verdict> {
        self.verdicts.get(job).map(|(_, verdict)| verdict)
    }

    /// The manifest that was signed for an epoch, with the signature.
    #[must_use]
    pub fn signature(&self, epoch: u64) -> Option<&(Hash, Envelope)> {
        self.signed.get(&epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lode_proto::{epoch::BeaconCommit, id::NetworkId, key::SecretKey};

    fn envelope(sequence: u64) -> Envelope {
        let content = BeaconCommit { epoch: sequence, commit: Hash::of(b"c") };
        let key = SecretKey::from_bytes(&[3; 32]);
        Envelope::seal(&content, NetworkId::of(b"n"), &key, sequence).expect("seals")
    }

    #[test]
    fn the_first_word_stands() {
        let mut book = Book::default();
        let nonce = |byte: u8, sequence| Record::Nonce {
            epoch: 1,
            opened: Hash::of(&[byte, byte]),
            nonce: Hash::of(&[byte]),
            commit: envelope(sequence),
        };
        book.apply(&nonce(1, 1));
        book.apply(&nonce(2, 2));
        assert_eq!(book.nonce(1), Some(&(Hash::of(&[1]), envelope(1))));
        assert_eq!(book.opened(1), Some(Hash::of(&[1, 1])));
        assert_eq!(book.opened(2), None);
        let job = JobId::of(b"j");
        let verdict = |sequence| Record::Verdict {
            job,
            commit: envelope(sequence),
            reveal: envelope(sequence + 1),
        };
        book.apply(&verdict(3));
        book.apply(&verdict(5));
        assert_eq!(book.verdict(&job).map(|v| v.commit.sequence), Some(3));
        let signed = |byte: u8| Record::Signed {
            epoch: 1,
            manifest: Hash::of(&[byte]),
            signature: envelope(9),
        };
        book.apply(&signed(1));
        book.apply(&signed(2));
        assert_eq!(book.signature(1).map(|(manifest, _)| *manifest), Some(Hash::of(&[1])));
    }

    #[test]
    fn old_jobs_are_forgotten_first() {
        let mut book = Book::default();
        let (commit, reveal) = (envelope(1), envelope(2));
        for number in 0..=MAX_JOBS as u64 {
            let job = JobId::of(&number.to_le_bytes());
            book.apply(&Record::Verdict { job, commit: commit.clone(), reveal: reveal.clone() });
        }
        assert!(book.verdict(&JobId::of(&0_u64.to_le_bytes())).is_none());
        assert!(book.verdict(&JobId::of(&1_u64.to_le_bytes())).is_some());
    }
}
