//! The queue as one value that stands for all records so far, so that the log may forget them.
//!
//! ```text
//! version (1) ‖ parts: kind (1) ‖ length (u32, little-endian) ‖ canonical encoding
//!     Summary, once   what is counted: totals, last receipt, last join, entries kept
//!     Record          Leased and Generated of each job that is not finished
//!     Committed       lease and how many of its attempts are committed to
//!     Receipted       lease and numbers of its attempts that have a receipt
//!     Record          Feedback on its turns
//! ```
//!
//! Parts, because each is within the codec's limit and all jobs together need not be. Texts of leases
//! that are delivered or dropped are in no part: that is the point.

use std::collections::BTreeSet;

use lode_proto::{
    codec::{self, CodecError},
    id::{Hash, LeaseId},
    limits::MAX_ENCODED_BYTES,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Joined, Queue, Record, Totals};

const VERSION: u8 = 1;
const SUMMARY: u8 = 0;
const RECORD: u8 = 1;
const RECEIPTED: u8 = 2;
const COMMITTED: u8 = 3;

#[derive(Debug, Serialize, Deserialize)]
struct Summary {
    totals: Totals,
    last_receipt: Option<(u64, Hash)>,
    joined: Option<Box<Joined>>,
    kept: u64,
    jobs: u64,
}

fn put<T: Serialize>(out: &mut Vec<u8>, kind: u8, value: &T) -> Result<(), CodecError> {
    let bytes = codec::encode(value)?;
    out.push(kind);
    out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend(bytes);
    Ok(())
}

fn take<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    codec::decode(bytes, MAX_ENCODED_BYTES).map_err(|error| error.to_string())
}

impl Queue {
    /// The state as bytes.
    ///
    /// # Errors
    /// Only where a job is beyond the codec's limit, with which its record was not written either.
    pub fn to_snapshot(&self) -> Result<Vec<u8>, CodecError> {
        let mut out = vec![VERSION];
        let summary = Summary {
            totals: self.totals,
            last_receipt: self.last_receipt,
            joined: self.joined.clone(),
            kept: self.kept,
            jobs: self.jobs.len() as u64,
        };
        put(&mut out, SUMMARY, &summary)?;
        for (id, job) in &self.jobs {
            put(&mut out, RECORD, &Record::Leased(Box::new(job.lease.clone())))?;
            if !job.attempts.is_empty() {
                let attempts = job.attempts.clone();
                put(&mut out, RECORD, &Record::Generated { lease: *id, attempts })?;
            }
            if job.committed > 0 {
                put(&mut out, COMMITTED, &(*id, job.committed as u64))?;
            }
            put(&mut out, RECEIPTED, &(*id, &job.receipted))?;
            for said in &job.feedback {
                put(&mut out, RECORD, &Record::Feedback(said.clone()))?;
            }
        }
        Ok(out)
    }

    /// The state that [`Queue::to_snapshot`] wrote.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn from_snapshot(bytes: &[u8]) -> Result<Self, String> {
        let Some((&VERSION, mut rest)) = bytes.split_first() else {
            return Err("it is not of a version that this build knows".into());
        };
        let mut queue = Self::default();
        let mut jobs = None;
        while let Some((kind, after)) = rest.split_first() {
            let part = after.split_first_chunk::<4>().and_then(|(length, after)| {
                after.split_at_checked(u32::from_le_bytes(*length) as usize)
            });
            let Some((part, after)) = part else { return Err("it is cut short".into()) };
            rest = after;
            match *kind {
                SUMMARY => {
                    let summary: Summary = take(part)?;
                    queue.totals = summary.totals;
                    queue.last_receipt = summary.last_receipt;
                    queue.joined = summary.joined;
                    queue.kept = summary.kept;
                    jobs = Some(summary.jobs);
                }
                RECORD => {
                    queue.apply(&take(part)?);
                }
                COMMITTED => {
                    let (lease, committed): (LeaseId, u64) = take(part)?;
                    if let Some(job) = queue.jobs.get_mut(&lease) {
                        job.committed = usize::try_from(committed).unwrap_or(usize::MAX);
                    }
                }
                RECEIPTED => {
                    let (lease, receipted): (LeaseId, BTreeSet<u32>) = take(part)?;
                    if let Some(job) = queue.jobs.get_mut(&lease) {
                        job.receipted = receipted;
                    }
                }
                other => return Err(format!("it has a part of unknown kind {other}")),
            }
        }
        if jobs != Some(queue.jobs.len() as u64) {
            return Err(format!("it has {} jobs of {jobs:?}", queue.jobs.len()));
        }
        Ok(queue)
    }
}
