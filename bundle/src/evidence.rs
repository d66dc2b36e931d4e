//! `evidence/`: the epoch's record as files, and back.
//!
//! Each file is a line that names its content, then frames: a length (u32, little-endian) and so
//! many canonical bytes. One frame is one envelope or a small record, so that no frame outgrows the
//! codec's limit and a reader never holds more than one file.

use std::collections::BTreeMap;

use lode_proto::{
    codec,
    envelope::Envelope,
    id::{Hash, PolicyId, TaskId},
    key::PublicKey,
    limits::MAX_ENCODED_BYTES,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    error::BundleError,
    layout,
    record::{AttemptRecord, EpochRecord, GroupRecord, VerdictRecord},
};

/// Size at which a numbered evidence file is full, bytes.
const SHARD_BYTES: usize = 64 * 1024 * 1024;

/// Takes the files of a bundle one by one.
pub(crate) type Put<'a> = dyn FnMut(&str, Vec<u8>) -> Result<(), BundleError> + 'a;

/// The small parts of [`EpochRecord`], one frame.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct EpochFrame {
    epoch: u64,
    open: Envelope,
    beacon_fixed: Envelope,
    secret: Hash,
    licence: String,
}

/// One of the envelopes of an epoch, with what it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum EpochItem {
    Epoch(Box<EpochFrame>),
    VerifierJoin(Envelope),
    BeaconCommit(Envelope),
    BeaconReveal(Envelope),
    Join(Envelope),
}

/// A group without its attempts, then its attempts one by one.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum GroupItem {
    Group {
        counter: u64,
        lease_number: u32,
        miner: PublicKey,
        policy: PolicyId,
        commit: Envelope,
        turns: Vec<Envelope>,
        feedback: Vec<Envelope>,
        own: Option<Envelope>,
        verdicts: Vec<VerdictRecord>,
        attempts: u32,
    },
    Attempt(AttemptRecord),
}

/// A task with its key, for a reader whose engine no longer generates it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TaskFrame {
    pub(crate) id: TaskId,
    pub(crate) task: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

/// A frame file while it is written.
pub(crate) struct FrameWriter(Vec<u8>);

impl FrameWriter {
    pub(crate) fn new(kind: &str) -> Self {
        Self(format!("lode-evidence/1 {kind}\n").into_bytes())
    }

    pub(crate) fn push<T: Serialize>(&mut self, value: &T) -> Result<(), BundleError> {
        let bytes = codec::encode(value)?;
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(&bytes);
        Ok(())
    }

    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= SHARD_BYTES
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Every frame of a file, decoded.
pub(crate) fn read_frames<T: Serialize + DeserializeOwned>(
    path: &str,
    kind: &str,
    bytes: &[u8],
) -> Result<Vec<T>, BundleError> {
    let head = format!("lode-evidence/1 {kind}\n");
    let mut rest = bytes.strip_prefix(head.as_bytes()).ok_or_else(|| {
        BundleError::bad(path, format!("does not begin with the line {:?}", head.trim_end()))
    })?;
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        let (length, tail) = rest
            .split_first_chunk::<4>()
            .ok_or_else(|| BundleError::bad(path, format!("is cut in a length at byte {at}")))?;
        let length = u32::from_le_bytes(*length) as usize;
        let Some((frame, tail)) = tail.split_at_checked(length) else {
            let what = format!("is cut: a frame of {length} bytes at byte {at} has {}", tail.len());
            return Err(BundleError::bad(path, what));
        };
        frames.push(codec::decode(frame, MAX_ENCODED_BYTES).map_err(|error| {
            BundleError::bad(path, format!("the frame at byte {at} cannot be used: {error}"))
        })?);
        rest = tail;
    }
    Ok(frames)
}

fn one_file<T: Serialize>(
    path: &str,
    kind: &str,
    items: impl IntoIterator<Item = T>,
    put: &mut Put<'_>,
) -> Result<(), BundleError> {
    let mut file = FrameWriter::new(kind);
    for item in items {
        file.push(&item)?;
    }
    put(path, file.finish())
}

/// Writes numbered files, a new one wherever the last is full.
pub(crate) struct Shards<'a, 'p> {
    prefix: &'static str,
    kind: &'static str,
    file: FrameWriter,
    number: usize,
    put: &'a mut Put<'p>,
}

impl<'a, 'p> Shards<'a, 'p> {
    pub(crate) fn new(prefix: &'static str, kind: &'static str, put: &'a mut Put<'p>) -> Self {
        Self { prefix, kind, file: FrameWriter::new(kind), number: 0, put }
    }

    pub(crate) fn push<T: Serialize>(&mut self, item: &T) -> Result<(), BundleError> {
        if self.file.is_full() {
            let full = std::mem::replace(&mut self.file, FrameWriter::new(self.kind));
            (self.put)(&layout::numbered(self.prefix, self.number), full.finish())?;
            self.number += 1;
        }
        self.file.push(item)
    }

    pub(crate) fn finish(self) -> Result<(), BundleError> {
        (self.put)(&layout::numbered(self.prefix, self.number), self.file.finish())
    }
}

/// Gives every evidence file but the tasks, and the domain file and inputs, to `put`.
pub(crate) fn write(
    record: &EpochRecord,
    domain: &lode_proto::task::DomainRef,
    put: &mut Put<'_>,
) -> Result<(), BundleError> {
    one_file(layout::GENESIS, "genesis", [&record.genesis], put)?;
    let epoch = EpochItem::Epoch(Box::new(EpochFrame {
        epoch: record.epoch,
        open: record.open.clone(),
        beacon_fixed: record.beacon_fixed.clone(),
        secret: record.secret,
        licence: record.licence.clone(),
    }));
    let items = std::iter::once(epoch)
        .chain(record.verifier_joins.iter().cloned().map(EpochItem::VerifierJoin))
        .chain(record.beacon_commits.iter().cloned().map(EpochItem::BeaconCommit))
        .chain(record.beacon_reveals.iter().cloned().map(EpochItem::BeaconReveal))
        .chain(record.joins.iter().cloned().map(EpochItem::Join));
    one_file(layout::EPOCH, "epoch", items, put)?;
    one_file(layout::LEDGER, "ledger", &record.ledger, put)?;
    one_file(layout::FAULTS, "faults", &record.faults, put)?;
    one_file(layout::EARLIER, "earlier", &record.earlier, put)?;
    let mut shards = Shards::new(layout::GROUPS, "groups", put);
    for group in &record.groups {
        shards.push(&GroupItem::Group {
            counter: group.counter,
            lease_number: group.lease_number,
            miner: group.miner,
            policy: group.policy,
            commit: group.commit.clone(),
            turns: group.turns.clone(),
            feedback: group.feedback.clone(),
            own: group.own.clone(),
            verdicts: group.verdicts.clone(),
            attempts: u32::try_from(group.attempts.len()).unwrap_or(u32::MAX),
        })?;
        for attempt in &group.attempts {
            shards.push(&GroupItem::Attempt(attempt.clone()))?;
        }
    }
    shards.finish()?;
    for (hash, bytes) in &record.blobs {
        let path = blob_path(domain, hash);
        put(&path, bytes.clone())?;
    }
    Ok(())
}

/// Where the domain file or an input lies.
pub(crate) fn blob_path(domain: &lode_proto::task::DomainRef, hash: &Hash) -> String {
    if *hash == domain.hash {
        format!("domains/{}.toml", domain.name)
    } else {
        format!("inputs/{hash}")
    }
}

/// Builds the record again from the files of a bundle. `counters` come from the manifest, whose
/// claims the audit then compares with the ledger; `read` gives the verified bytes of a file.
pub(crate) fn read(
    paths: &[String],
    counters: Vec<lode_proto::manifest::CounterRecord>,
    read: &mut dyn FnMut(&str) -> Result<Vec<u8>, BundleError>,
) -> Result<EpochRecord, BundleError> {
    let genesis: Vec<Envelope> = read_frames(layout::GENESIS, "genesis", &read(layout::GENESIS)?)?;
    let [genesis] = <[Envelope; 1]>::try_from(genesis)
        .map_err(|_| BundleError::bad(layout::GENESIS, "must hold exactly one envelope"))?;
    let mut head = None;
    let (mut verifier_joins, mut beacon_commits, mut beacon_reveals, mut joins) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for item in read_frames(layout::EPOCH, "epoch", &read(layout::EPOCH)?)? {
        match item {
            EpochItem::Epoch(frame) if head.is_none() => head = Some(frame),
            EpochItem::Epoch(_) => {
                return Err(BundleError::bad(layout::EPOCH, "names more than one epoch"));
            }
            EpochItem::VerifierJoin(envelope) => verifier_joins.push(envelope),
            EpochItem::BeaconCommit(envelope) => beacon_commits.push(envelope),
            EpochItem::BeaconReveal(envelope) => beacon_reveals.push(envelope),
            EpochItem::Join(envelope) => joins.push(envelope),
        }
    }
    let head = head.ok_or_else(|| BundleError::bad(layout::EPOCH, "names no epoch"))?;
    let mut groups: Vec<GroupRecord> = Vec::new();
    let mut open = 0;
    for path in paths.iter().filter(|path| path.starts_with(layout::GROUPS)) {
        for item in read_frames(path, "groups", &read(path)?)? {
            match (item, groups.last_mut()) {
                (GroupItem::Attempt(attempt), Some(group)) if open > 0 => {
                    group.attempts.push(attempt);
                    open -= 1;
                }
                (
                    GroupItem::Group {
                        counter,
                        lease_number,
                        miner,
                        policy,
                        commit,
                        turns,
                        feedback,
                        own,
                        verdicts,
                        attempts,
                    },
                    _,
                ) if open == 0 => {
                    open = attempts;
                    let attempts = Vec::new();
                    groups.push(GroupRecord {
                        counter,
                        lease_number,
                        miner,
                        policy,
                        commit,
                        turns,
                        feedback,
                        attempts,
                        own,
                        verdicts,
                    });
                }
                _ => {
                    let what = "has a group with more or fewer attempts than it announces";
                    return Err(BundleError::bad(path.as_str(), what));
                }
            }
        }
    }
    if open > 0 {
        return Err(BundleError::bad(layout::GROUPS, "the last group is not complete"));
    }
    let mut blobs = BTreeMap::new();
    let is_blob = |path: &&String| path.starts_with("domains/") || path.starts_with("inputs/");
    for path in paths.iter().filter(is_blob) {
        let bytes = read(path)?;
        blobs.insert(Hash::of(&bytes), bytes);
    }
    Ok(EpochRecord {
        genesis,
        epoch: head.epoch,
        open: head.open,
        verifier_joins,
        beacon_commits,
        beacon_reveals,
        beacon_fixed: head.beacon_fixed,
        secret: head.secret,
        counters,
        joins,
        groups,
        ledger: read_frames(layout::LEDGER, "ledger", &read(layout::LEDGER)?)?,
        faults: read_frames(layout::FAULTS, "faults", &read(layout::FAULTS)?)?,
        blobs,
        earlier: read_frames(layout::EARLIER, "earlier", &read(layout::EARLIER)?)?,
        licence: head.licence,
    })
}
