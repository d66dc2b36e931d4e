//! `/lode/bundle/1`: listing and downloading bundles. Anyone may ask; nothing is signed here,
//! because what comes back is checked against the manifest's hashes and the manifest against its
//! signatures.

use serde::{Deserialize, Serialize};

use crate::id::Hash;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BundleRequest {
    /// Which bundles there are.
    List,
    /// `manifest.json` and `manifest.sig` of a bundle.
    Manifest {
        /// Name of the bundle.
        name: String,
    },
    /// A piece of a file of a bundle.
    Chunk {
        /// Name of the bundle.
        name: String,
        /// Plain BLAKE3 of the whole file, from the manifest.
        file: Hash,
        /// First byte.
        offset: u64,
    },
}

/// One bundle in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleListing {
    /// Its name, for example `bundle-000001`.
    pub name: String,
    /// Plain BLAKE3 of its `manifest.json`.
    pub manifest: Hash,
    /// All its files together, bytes.
    pub bytes: u64,
    /// Pairs of the default config.
    pub pairs: u64,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BundleReply {
    /// The bundles that are complete.
    List(Vec<BundleListing>),
    /// A manifest.
    Manifest {
        /// `manifest.json`, byte for byte.
        manifest: Vec<u8>,
        /// `manifest.sig`, byte for byte; empty while a bundle waits for its signatures.
        signatures: Vec<u8>,
    },
    /// A piece: [`crate::limits::BUNDLE_CHUNK_BYTES`], or less at the end of the file.
    Chunk(Vec<u8>),
    /// There is no such bundle or file here.
    NotFound(String),
}
