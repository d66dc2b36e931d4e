//! Opening a bundle: the manifest, its signatures, its files.

use std::path::{Path, PathBuf};

use lode_proto::{
    codec,
    envelope::Envelope,
    genesis::Genesis,
    id::{Hash, NetworkId},
    limits::{MAX_BUNDLE_FILE_BYTES, MAX_BUNDLE_FILES, MAX_MANIFEST_BYTES, MAX_VERIFIERS},
    manifest::{BUNDLE_FORMAT, BundleSignature, FileRecord, Manifest, SignatureFile},
};

use crate::{
    error::BundleError,
    evidence::read_frames,
    finding::{Check, Finding},
    fsio, layout, render,
};

/// Largest `manifest.sig`, bytes: an envelope of each verifier and the coordinator.
pub const MAX_SIGNATURE_BYTES: usize = 1024 * (MAX_VERIFIERS + 1);
/// Largest `evidence/genesis.bin`, bytes.
pub const MAX_GENESIS_BYTES: u64 = 64 * 1024;
/// What a Parquet file may unpack to, times its own size (and at least [`MIN_UNPACKED_BYTES`]).
const MAX_UNPACK_RATIO: u64 = 200;
/// What any Parquet file may unpack to, bytes.
const MIN_UNPACKED_BYTES: u64 = 64 * 1024 * 1024;

/// A bundle whose manifest could be read; nothing is verified yet but its form.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The folder.
    pub dir: PathBuf,
    /// The manifest.
    pub manifest: Manifest,
    /// Plain BLAKE3 of its raw bytes.
    pub manifest_hash: Hash,
    /// The hash of the genesis in the evidence.
    pub network: NetworkId,
    /// The genesis in the evidence.
    pub genesis: Genesis,
}

/// Reads the bytes of a manifest: the format, the one spelling, safe paths, sorted without repeats.
///
/// # Errors
/// Whatever is not a manifest that this build could have written.
pub fn parse_manifest(bytes: &[u8]) -> Result<Manifest, BundleError> {
    let bad = |what: String| BundleError::bad(layout::MANIFEST, what);
    if bytes.len() > MAX_MANIFEST_BYTES {
        return Err(bad(format!(
            "has {} bytes, at most {MAX_MANIFEST_BYTES} are allowed",
            bytes.len()
        )));
    }
    let manifest: Manifest = serde_json::from_slice(bytes)
        .map_err(|error| bad(format!("cannot be read as a manifest: {error}")))?;
    if manifest.format != BUNDLE_FORMAT {
        let format = &manifest.format;
        return Err(bad(format!("has format {format:?}, this build reads {BUNDLE_FORMAT:?}")));
    }
    if !layout::is_bundle_name(&manifest.name) {
        return Err(bad(format!("names the bundle {:?}", manifest.name)));
    }
    if render::manifest_bytes(&manifest)? != bytes {
        return Err(bad(
            "is not in the one spelling that is signed (white space, order, escapes)".into()
        ));
    }
    if manifest.files.len() > MAX_BUNDLE_FILES {
        let got = manifest.files.len();
        return Err(bad(format!("lists {got} files, at most {MAX_BUNDLE_FILES} are allowed")));
    }
    for file in &manifest.files {
        if let Some(fault) = layout::path_fault(&file.path) {
            return Err(bad(format!("lists the path {:?}, which {fault}", file.path)));
        }
        if file.bytes > MAX_BUNDLE_FILE_BYTES {
            let (path, got) = (&file.path, file.bytes);
            return Err(bad(format!(
                "lists {path} with {got} bytes, at most {MAX_BUNDLE_FILE_BYTES} are allowed"
            )));
        }
    }
    if !manifest.files.is_sorted_by(|a, b| a.path < b.path) {
        return Err(bad("does not list its files sorted by path, each once".into()));
    }
    Ok(manifest)
}

/// Opens the genesis of a bundle from the bytes of its file.
///
/// # Errors
/// Where it is not exactly one valid genesis.
pub fn parse_genesis(bytes: &[u8]) -> Result<(NetworkId, Genesis), BundleError> {
    let envelopes: Vec<Envelope> = read_frames(layout::GENESIS, "genesis", bytes)?;
    let [envelope] = envelopes.as_slice() else {
        return Err(BundleError::bad(layout::GENESIS, "must hold exactly one envelope"));
    };
    Genesis::open(envelope).map_err(|error| BundleError::bad(layout::GENESIS, error.to_string()))
}

/// Opens a bundle's folder.
///
/// # Errors
/// Where there is no readable manifest and genesis in it.
pub fn open(dir: &Path) -> Result<Opened, BundleError> {
    let path = dir.join(layout::MANIFEST);
    let bytes = fsio::read_bounded(&path, MAX_MANIFEST_BYTES as u64)?;
    let manifest = parse_manifest(&bytes)?;
    let genesis = fsio::read_bounded(&dir.join(layout::GENESIS), MAX_GENESIS_BYTES)?;
    let (network, genesis) = parse_genesis(&genesis)?;
    Ok(Opened { dir: dir.to_owned(), manifest, manifest_hash: Hash::of(&bytes), network, genesis })
}

/// Reads the bytes of a `manifest.sig`.
///
/// # Errors
/// Where they are not the one encoding of a signature file.
pub fn parse_signatures(bytes: &[u8]) -> Result<SignatureFile, BundleError> {
    codec::decode(bytes, MAX_SIGNATURE_BYTES)
        .map_err(|error| BundleError::bad(layout::SIGNATURES, error.to_string()))
}

/// What is wrong with a bundle's signatures. Every envelope in the file must hold; with `complete`,
/// the coordinator's and a quorum of verifiers' must be among them.
#[must_use]
pub fn signature_findings(opened: &Opened, file: &SignatureFile, complete: bool) -> Vec<Finding> {
    let (manifest, genesis) = (&opened.manifest, &opened.genesis);
    let mut findings = Vec::new();
    let mut fail =
        |what: String| findings.push(Finding::file(layout::SIGNATURES, Check::Signature, what));
    if opened.network != manifest.network {
        fail(format!(
            "the bundle is of network {}, its genesis of {}",
            manifest.network, opened.network
        ));
        return findings;
    }
    let (mut coordinator, mut verifiers) = (false, std::collections::BTreeSet::new());
    for (place, envelope) in file.envelopes.iter().enumerate() {
        let who = envelope.sender.short();
        match envelope.open::<BundleSignature>(opened.network) {
            Err(error) => fail(format!("signature {place}: {error}")),
            Ok(signed) if signed.manifest != opened.manifest_hash => fail(format!(
                "{who} signed the manifest {}, but manifest.json is {}: one of its bytes was changed",
                signed.manifest, opened.manifest_hash
            )),
            Ok(signed) if signed.epoch != manifest.epoch => {
                fail(format!("{who} signed epoch {}, not {}", signed.epoch, manifest.epoch));
            }
            Ok(_) if envelope.sender == genesis.coordinator => {
                if coordinator || place != 0 {
                    fail("the coordinator's signature must stand first and once".into());
                }
                coordinator = true;
            }
            Ok(_) if !manifest.verifiers.contains(&envelope.sender) => {
                fail(format!("{who} is neither the coordinator nor a verifier of the epoch"));
            }
            Ok(_) => {
                if verifiers.last().is_some_and(|last| *last >= envelope.sender) {
                    fail(format!("the signature of {who} stands out of order or twice"));
                }
                verifiers.insert(envelope.sender);
            }
        }
    }
    if complete && !coordinator {
        fail("the coordinator's signature is missing".into());
    }
    if complete && verifiers.len() < genesis.quorum as usize {
        let (got, want) = (verifiers.len(), genesis.quorum);
        fail(format!("{got} verifiers signed, the quorum is {want}"));
    }
    findings
}

/// The bytes of a listed file, once size and hash have been found right.
///
/// # Errors
/// Where the file is missing, no plain file, or has another content than the manifest says.
pub fn read_file(dir: &Path, record: &FileRecord) -> Result<Vec<u8>, BundleError> {
    let bytes = fsio::read_bounded(&dir.join(&record.path), record.bytes)?;
    if bytes.len() as u64 != record.bytes || Hash::of(&bytes) != record.blake3 {
        return Err(BundleError::bad(
            record.path.as_str(),
            "has another content than the manifest says",
        ));
    }
    Ok(bytes)
}

/// What a Parquet file of so many bytes may unpack to.
pub(crate) fn unpack_limit(bytes: u64) -> u64 {
    bytes.saturating_mul(MAX_UNPACK_RATIO).max(MIN_UNPACKED_BYTES)
}
