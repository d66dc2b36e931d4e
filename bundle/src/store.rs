//! The serving side of `/lode/bundle/1`: answers from a folder of bundles.
//!
//! Signed bundles are listed; staged ones, which wait for signatures in `staged/`, are answered by
//! name only, so that verifiers can pull and audit them before they sign. A request names a file by
//! its hash in the manifest, never by a path, and costs one bounded read.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use lode_proto::{
    exchange::{BundleListing, BundleReply, BundleRequest},
    id::Hash,
    limits::{BUNDLE_CHUNK_BYTES, MAX_MANIFEST_BYTES},
};

use crate::{
    audit::announced_pairs,
    error::BundleError,
    fsio, layout,
    pairs::Config,
    read::{self, MAX_SIGNATURE_BYTES},
};

/// Most bundles that are listed; the newest ones.
pub const MAX_LISTED: usize = 1_000;
/// Most manifests that are kept in memory.
const MAX_CACHED: usize = 64;

/// What is kept of a manifest.
#[derive(Debug)]
struct Index {
    listing: BundleListing,
    /// Path and size by hash.
    files: HashMap<Hash, (PathBuf, u64)>,
}

/// Answers requests from a folder of bundles.
#[derive(Debug)]
pub struct BundleStore {
    root: PathBuf,
    /// By folder; a bundle under one name never changes, but a staged one may be written again.
    cache: Mutex<BTreeMap<PathBuf, (Hash, Arc<Index>)>>,
}

impl BundleStore {
    /// A store over `root`, which need not exist yet.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), cache: Mutex::default() }
    }

    /// Answers one request. Never fails: what cannot be served is `NotFound`, with the reason.
    #[must_use]
    pub fn answer(&self, request: &BundleRequest) -> BundleReply {
        let answer = match request {
            BundleRequest::List => self.list().map(BundleReply::List),
            BundleRequest::Manifest { name } => self.manifest(name),
            BundleRequest::Chunk { name, file, offset } => self.chunk(name, file, *offset),
        };
        answer.unwrap_or_else(|error| match error {
            // The asker learns what is wrong, not where things lie on this machine.
            BundleError::Io { source, .. } => BundleReply::NotFound(source.kind().to_string()),
            other => BundleReply::NotFound(other.to_string()),
        })
    }

    /// Where a bundle lies: signed, or else staged.
    fn find(&self, name: &str) -> Result<PathBuf, BundleError> {
        if !layout::is_bundle_name(name) {
            return Err(BundleError::bad("the request", "does not name a bundle"));
        }
        let (signed, staged) = (self.root.join(name), self.root.join(layout::STAGED).join(name));
        [signed, staged]
            .into_iter()
            .find(|dir| dir.join(layout::MANIFEST).is_file())
            .ok_or_else(|| BundleError::bad(name, "is not here"))
    }

    fn list(&self) -> Result<Vec<BundleListing>, BundleError> {
        let mut names = Vec::new();
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(BundleError::io(&self.root)(error)),
        };
        for entry in entries {
            let name = entry.map_err(BundleError::io(&self.root))?.file_name();
            match name.into_string() {
                Ok(name) if layout::is_bundle_name(&name) => names.push(name),
                _ => {}
            }
        }
        names.sort();
        let newest = names.len().saturating_sub(MAX_LISTED);
        let mut listings = Vec::new();
        for name in names.split_off(newest) {
            let dir = self.root.join(&name);
            // One that cannot be read is not offered; its operator sees it by `audit`.
            if dir.join(layout::SIGNATURES).is_file()
                && let Ok(index) = self.index(&dir)
            {
                listings.push(index.listing.clone());
            }
        }
        Ok(listings)
    }

    fn manifest(&self, name: &str) -> Result<BundleReply, BundleError> {
        let dir = self.find(name)?;
        let manifest = fsio::read_bounded(&dir.join(layout::MANIFEST), MAX_MANIFEST_BYTES as u64)?;
        let path = dir.join(layout::SIGNATURES);
        let signatures = match fsio::read_bounded(&path, MAX_SIGNATURE_BYTES as u64) {
            Ok(bytes) => bytes,
            Err(BundleError::Io { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        Ok(BundleReply::Manifest { manifest, signatures })
    }

    fn chunk(&self, name: &str, file: &Hash, offset: u64) -> Result<BundleReply, BundleError> {
        let dir = self.find(name)?;
        let index = self.index(&dir)?;
        let (inside, size) = index
            .files
            .get(file)
            .ok_or_else(|| BundleError::bad(name, format!("has no file with hash {file}")))?;
        if offset > *size {
            let what = format!("the file has {size} bytes, byte {offset} was asked for");
            return Err(BundleError::bad(name, what));
        }
        let path = dir.join(inside);
        let meta = fs::symlink_metadata(&path).map_err(BundleError::io(&path))?;
        if !meta.is_file() {
            return Err(BundleError::bad(name, "the file is not a plain one here"));
        }
        let mut source = File::open(&path).map_err(BundleError::io(&path))?;
        source.seek(SeekFrom::Start(offset)).map_err(BundleError::io(&path))?;
        let length = BUNDLE_CHUNK_BYTES.min(size - offset);
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        source.take(length).read_to_end(&mut bytes).map_err(BundleError::io(&path))?;
        Ok(BundleReply::Chunk(bytes))
    }

    /// The index of a bundle, read again where its manifest has changed.
    fn index(&self, dir: &Path) -> Result<Arc<Index>, BundleError> {
        let path = dir.join(layout::MANIFEST);
        let signed = !dir.starts_with(self.root.join(layout::STAGED));
        if signed && let Some((_, index)) = self.cached(dir) {
            return Ok(index);
        }
        let bytes = fsio::read_bounded(&path, MAX_MANIFEST_BYTES as u64)?;
        let hash = Hash::of(&bytes);
        if let Some((known, index)) = self.cached(dir)
            && known == hash
        {
            return Ok(index);
        }
        let manifest = read::parse_manifest(&bytes)?;
        let default = |key: &str| key.starts_with(&format!("{}/", Config::Pairs.name()));
        let pairs = manifest.counts.iter().filter(|(key, _)| default(key)).map(|(_, n)| n).sum();
        debug_assert!(pairs <= announced_pairs(&manifest));
        let listing = BundleListing {
            name: manifest.name.clone(),
            manifest: hash,
            bytes: manifest.files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes)),
            pairs,
        };
        let files = manifest
            .files
            .into_iter()
            .map(|file| (file.blake3, (PathBuf::from(file.path), file.bytes)))
            .collect();
        let index = Arc::new(Index { listing, files });
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= MAX_CACHED {
            cache.clear();
        }
        cache.insert(dir.to_owned(), (hash, index.clone()));
        Ok(index)
    }

    fn cached(&self, dir: &Path) -> Option<(Hash, Arc<Index>)> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(dir).cloned()
    }
}
