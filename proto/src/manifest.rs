//! A bundle's `manifest.json` (DESIGN 7): what the epoch was, every file with its hash, the root
//! over the pairs. `manifest.sig` holds envelopes of [`BundleSignature`] over its raw bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    envelope::Envelope,
    epoch::{Campaign, Outcome},
    id::{Hash, NetworkId, TaskId},
    key::PublicKey,
    payload,
    task::Profile,
};

/// The format named in manifests of this build.
pub const BUNDLE_FORMAT: &str = "lode-bundle/1";

/// A file of the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// Path inside the bundle, with `/`; never absolute, never with `..`.
    pub path: String,
    /// Size, bytes.
    pub bytes: u64,
    /// Plain BLAKE3 of the content.
    pub blake3: Hash,
}

/// What became of a counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CounterRecord {
    /// The counter.
    pub counter: u64,
    /// Profile of its task. Of the counters of one profile, in order, the n-th has the n-th task of
    /// that profile's sequence ([`crate::task::Place`]).
    pub profile: Profile,
    /// The task; `None` where the generator found none.
    pub task: Option<TaskId>,
    /// What became of it.
    pub outcome: Outcome,
}

/// The manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`BUNDLE_FORMAT`].
    pub format: String,
    /// Name of the bundle, `bundle-` and the epoch in six digits.
    pub name: String,
    /// The network.
    pub network: NetworkId,
    /// Number of the epoch.
    pub epoch: u64,
    /// What was asked of miners.
    pub campaign: Campaign,
    /// Commitment to the secret, published before the beacon.
    pub commit: Hash,
    /// The epoch's public randomness.
    pub beacon: Hash,
    /// The secret, revealed.
    pub secret: Hash,
    /// Every counter `0..N` in order.
    pub counters: Vec<CounterRecord>,
    /// Head of the ledger after the epoch was closed.
    pub ledger_head: Hash,
    /// Every file but `manifest.json` and `manifest.sig`, sorted by path.
    pub files: Vec<FileRecord>,
    /// [`crate::merkle::root`] over the ids of all pairs of all configs, in file order.
    pub pairs_root: Hash,
    /// Verifiers of the epoch, sorted.
    pub verifiers: Vec<PublicKey>,
    /// Rows of each config and split, for example `pairs/train`.
    pub counts: BTreeMap<String, u64>,
    /// Candidates that the pair builder dropped, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Licence of the bundle's own content and of each model's weights and output.
    pub licences: BTreeMap<String, String>,
    /// Name and version of the software that wrote it.
    pub software: String,
}

/// A signature over a manifest: the coordinator's, and those of verifiers that audited it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleSignature {
    /// Plain BLAKE3 of the raw bytes of `manifest.json`.
    pub manifest: Hash,
    /// Number of the epoch.
    pub epoch: u64,
}

/// The content of `manifest.sig`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureFile {
    /// The coordinator's envelope first, then the verifiers', by key.
    pub envelopes: Vec<Envelope>,
}

payload!(BundleSignature => "lode/1/bundle");
