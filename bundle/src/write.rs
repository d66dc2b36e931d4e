//! Writing a bundle: staged first, then signed, then under its name. Never half-written.
//!
//! ```text
//! EpochRecord ─► ROOT/.writing-bundle-000042 ─► ROOT/staged/bundle-000042 ─► ROOT/bundle-000042
//!                files, each synced             complete, waits for           manifest.sig added,
//!                                               signatures                    renamed
//! ```
//!
//! Beside the bundles, `ROOT/fingerprints/` keeps what their pairs were, so that a later epoch does
//! not publish a near-duplicate again ([`earlier`]).
//!
//! Every step ends in a rename, so that a crash leaves the state before it; running the step again
//! carries on. What stands under the final name is complete and signed.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use lode_proto::{
    codec,
    envelope::Envelope,
    id::{Hash, NetworkId},
    key::SecretKey,
    limits::{MAX_EARLIER_FINGERPRINTS, MAX_MANIFEST_BYTES},
    manifest::{BundleSignature, Manifest, SignatureFile},
};

use crate::{
    derive::{self, StoredTasks},
    engine::Engine,
    error::BundleError,
    fsio, imported, layout,
    pairs::{self, PairSet},
    read::{self, signature_findings},
    record::EpochRecord,
    render::{self, SOFTWARE},
};

/// A bundle that waits for its signatures.
#[derive(Debug, Clone)]
pub struct Staged {
    /// Its name.
    pub name: String,
    /// Where it lies: `ROOT/staged/NAME`.
    pub dir: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// Plain BLAKE3 of `manifest.json`: what is signed.
    pub manifest_hash: Hash,
    /// The pairs.
    pub pairs: PairSet,
}

/// Writes the bundle of an epoch to `ROOT/staged/`. `threads` grade at a time.
///
/// A bundle of that name that is staged already is replaced: the same record gives the same bytes.
///
/// # Errors
/// Where anything in the record does not hold (every finding is named), an input of it is an import
/// of somebody else's rows ([`BundleError::Imported`]), a signed bundle of that name exists, or the file system refuses. Nothing is left under a final name then.
pub fn stage(
    record: &EpochRecord,
    engine: &dyn Engine,
    root: &Path,
    threads: usize,
) -> Result<Staged, BundleError> {
    for (hash, blob) in &record.blobs {
        imported::refuse_bytes(&format!("input {hash}"), blob)?;
    }
    let derived = derive::derive(record, engine, &StoredTasks::new(), threads);
    let epoch = match &derived.epoch {
        Some(epoch) if derived.findings.is_empty() => epoch,
        _ => return Err(BundleError::Record(derived.findings)),
    };
    let set = pairs::build(&derived.groups, &record.earlier.iter().copied().collect());
    let name = layout::bundle_name(record.epoch);
    let signed = root.join(&name);
    if signed.exists() {
        return Err(BundleError::bad(signed.display().to_string(), "exists already and is signed"));
    }
    let (writing, dir) =
        (root.join(format!(".writing-{name}")), root.join(layout::STAGED).join(&name));
    fsio::remove_tree(&writing)?;
    fsio::create_dir(&writing)?;
    let mut put = |path: &str, bytes: Vec<u8>| fsio::write_new(&writing.join(path), &bytes);
    let (manifest, bytes) = render::render(record, &derived, epoch, &set, SOFTWARE, &mut put)?;
    if bytes.len() > MAX_MANIFEST_BYTES {
        let what = format!("has {} bytes, at most {MAX_MANIFEST_BYTES} are allowed", bytes.len());
        return Err(BundleError::bad(layout::MANIFEST, what));
    }
    fsio::write_new(&writing.join(layout::MANIFEST), &bytes)?;
    fsio::sync_tree(&writing)?;
    fsio::create_dir(&root.join(layout::STAGED))?;
    let prints = set.pairs.iter().filter_map(|pair| pairs::of_pair(&derived.groups, pair));
    let prints: BTreeSet<Hash> = prints.collect();
    let prints: Vec<u8> = prints.iter().flat_map(|hash| hash.0).collect();
    fsio::replace(&root.join(layout::STAGED).join(format!("{name}.bin")), &prints)?;
    fsio::remove_tree(&dir)?;
    fsio::rename(&writing, &dir)?;
    Ok(Staged { name, dir, manifest, manifest_hash: Hash::of(&bytes), pairs: set })
}

/// Fingerprints of the pairs that this root's bundles before `epoch` hold, sorted: what goes into
/// [`EpochRecord::earlier`]. A bundle that was moved away still counts. Of more than
/// [`MAX_EARLIER_FINGERPRINTS`] those of the oldest bundles are left out.
///
/// # Errors
/// A published bundle whose fingerprints are missing or cut, saying what to do.
pub fn earlier(root: &Path, epoch: u64) -> Result<Vec<Hash>, BundleError> {
    let mut prints = BTreeSet::new();
    for name in (0..epoch).rev().map(layout::bundle_name) {
        let path = root.join(layout::FINGERPRINTS).join(format!("{name}.bin"));
        let unusable = |what: &str| {
            let what = format!(
                "{what}: restore it, or put an empty file there to risk near-duplicates of that \
                 bundle's pairs"
            );
            BundleError::bad(path.display().to_string(), what)
        };
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if root.join(&name).exists() {
                    return Err(unusable("is missing"));
                }
                continue;
            }
            Err(error) => return Err(BundleError::io(&path)(error)),
        };
        let (hashes, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() {
            return Err(unusable("is cut"));
        }
        if prints.len() + hashes.len() > MAX_EARLIER_FINGERPRINTS {
            break;
        }
        prints.extend(hashes.iter().map(|hash| Hash(*hash)));
    }
    Ok(prints.into_iter().collect())
}

/// Signs a bundle's manifest, as its coordinator or as a verifier that has audited it.
///
/// # Errors
/// None in practice; the payload is small.
pub fn sign_manifest(
    manifest_hash: Hash,
    epoch: u64,
    network: NetworkId,
    key: &SecretKey,
    sequence: u64,
) -> Result<Envelope, BundleError> {
    let payload = BundleSignature { manifest: manifest_hash, epoch };
    Ok(Envelope::seal(&payload, network, key, sequence)?)
}

/// Gives a staged bundle its signatures and its final name, `ROOT/NAME`. Running it again after a
/// crash, or after it has succeeded, ends well.
///
/// # Errors
/// Where the coordinator's signature or a quorum of verifiers' is missing, or any does not hold.
pub fn attach_signatures(
    root: &Path,
    name: &str,
    envelopes: Vec<Envelope>,
) -> Result<PathBuf, BundleError> {
    if !layout::is_bundle_name(name) {
        return Err(BundleError::bad(name, "is not the name of a bundle"));
    }
    let (staged, signed) = (root.join(layout::STAGED).join(name), root.join(name));
    if !staged.exists() && signed.exists() {
        return Ok(signed);
    }
    let opened = read::open(&staged)?;
    let coordinator = opened.genesis.coordinator;
    let mut file = SignatureFile { envelopes };
    file.envelopes.sort_by_key(|envelope| (envelope.sender != coordinator, envelope.sender));
    file.envelopes.dedup_by_key(|envelope| envelope.sender);
    let findings = signature_findings(&opened, &file, true);
    if !findings.is_empty() {
        return Err(BundleError::Record(findings));
    }
    fsio::replace(&staged.join(layout::SIGNATURES), &codec::encode(&file)?)?;
    let folder = root.join(layout::FINGERPRINTS);
    let prints = root.join(layout::STAGED).join(format!("{name}.bin"));
    let kept = folder.join(format!("{name}.bin"));
    if prints.exists() {
        fsio::create_dir(&folder)?;
        fsio::sync_dir(root)?;
        fsio::rename(&prints, &kept)?;
    } else if !kept.exists() {
        let what = "is missing: stage the bundle again";
        return Err(BundleError::bad(prints.display().to_string(), what));
    }
    fsio::rename(&staged, &signed)?;
    Ok(signed)
}
