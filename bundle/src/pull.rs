//! Downloading a bundle from whoever has it, trusting nobody.
//!
//! ```text
//! manifest ─► form, expected hash ─► genesis file ─► signatures ─► every file, chunk by chunk
//!          ─► BLAKE3 of each before it loses `.part` ─► audit ─► final name
//! ```
//!
//! Everything lies in `OUT/.pulling-NAME-HASH/` until it is complete and audited; one rename makes
//! it `OUT/NAME`. Running the same pull again carries on: files that are complete are checked and
//! kept, a `.part` goes on where it ends. How requests travel is behind [`ChunkSource`].

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use futures::stream::{self, StreamExt as _};
use lode_proto::{
    exchange::{BundleListing, BundleReply, BundleRequest},
    id::{Hash, NetworkId},
    limits::BUNDLE_CHUNK_BYTES,
    manifest::{FileRecord, Manifest},
};

use crate::{
    audit::{AuditOptions, Report, Signatures, audit},
    engine::Engine,
    error::BundleError,
    fsio, layout,
    read::{self, MAX_GENESIS_BYTES, Opened, signature_findings},
    store::BundleStore,
};

/// Chunks that are asked for at a time.
const CHUNKS_IN_FLIGHT: usize = 4;
/// How often a request is made before the pull fails; what was received stays.
const TRIES: u32 = 3;
/// Suffix of a file that is not complete or not verified.
const PART: &str = ".part";

/// Somebody who has bundles. Nothing it says is believed.
#[async_trait]
pub trait ChunkSource: Send + Sync {
    /// Sends a request and waits for the reply, with the transport's own timeout.
    ///
    /// # Errors
    /// What went wrong, for people.
    async fn ask(&self, request: BundleRequest) -> Result<BundleReply, String>;
}

/// A folder on this machine as a source.
#[async_trait]
impl ChunkSource for BundleStore {
    async fn ask(&self, request: BundleRequest) -> Result<BundleReply, String> {
        Ok(self.answer(&request))
    }
}

/// How to pull.
#[derive(Debug, Clone, Default)]
pub struct PullOptions {
    /// Network, signatures, threads and size limits; the size limits hold before anything is
    /// downloaded.
    pub audit: AuditOptions,
    /// The hash that `manifest.json` must have, where the reader knows it (a co-signing verifier,
    /// a published list).
    pub manifest: Option<Hash>,
    /// Skip the audit; signatures and hashes are checked all the same.
    pub skip_audit: bool,
}

/// How far a pull has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Bytes that are here, those of an earlier run included.
    pub bytes: u64,
    /// Bytes in all.
    pub total: u64,
    /// Files that are complete and verified.
    pub files: u64,
    /// Files in all.
    pub files_total: u64,
}

/// A bundle that was pulled.
#[derive(Debug)]
pub struct Pulled {
    /// Where it lies.
    pub dir: PathBuf,
    /// Its audit; `None` where it was skipped.
    pub report: Option<Report>,
}

/// The bundles that a source has.
///
/// # Errors
/// Where the source fails.
pub async fn list(source: &dyn ChunkSource) -> Result<Vec<BundleListing>, BundleError> {
    match ask(source, BundleRequest::List).await? {
        BundleReply::List(bundles) => {
            Ok(bundles.into_iter().filter(|one| layout::is_bundle_name(&one.name)).collect())
        }
        other => Err(unexpected(&other)),
    }
}

/// Pulls the bundle `name` into `OUT/NAME`.
///
/// # Errors
/// Where the source fails or sends something else than was signed, the audit finds anything, or the
/// file system refuses. `OUT/NAME` does not exist then; running it again carries on.
pub async fn pull(
    source: &dyn ChunkSource,
    name: &str,
    out: &Path,
    engine: &dyn Engine,
    options: &PullOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Pulled, BundleError> {
    if !layout::is_bundle_name(name) {
        let what = "is not the name of a bundle (expected for example bundle-000001)";
        return Err(BundleError::bad(name, what));
    }
    let target = out.join(name);
    let request = BundleRequest::Manifest { name: name.to_owned() };
    let (bytes, signatures) = match ask(source, request).await? {
        BundleReply::Manifest { manifest, signatures } => (manifest, signatures),
        other => return Err(unexpected(&other)),
    };
    let manifest = read::parse_manifest(&bytes)?;
    let hash = Hash::of(&bytes);
    check_manifest(&manifest, name, hash, options)?;
    if target.exists() {
        return existing(&target, hash, engine, options);
    }
    let work = out.join(format!(".pulling-{name}-{}", hash.short()));
    fsio::create_dir(&work)?;
    let mut pull = Pull { source, name, work: &work, progress, at: Progress::default() };
    pull.at.total = manifest.files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes));
    pull.at.files_total = manifest.files.len() as u64;
    // The genesis first: it names the keys that the signatures must be of.
    let genesis = manifest
        .files
        .iter()
        .find(|file| file.path == layout::GENESIS && file.bytes <= MAX_GENESIS_BYTES)
        .ok_or_else(|| BundleError::bad(layout::MANIFEST, "lists no genesis of a usable size"))?;
    pull.file(genesis).await?;
    let (network, genesis) = read::parse_genesis(&read::read_file(&work, genesis)?)?;
    check_anchor(network, options)?;
    let manifest_hash = hash;
    let opened = Opened { dir: work.clone(), manifest, manifest_hash, network, genesis };
    let complete = options.audit.signatures == Signatures::Complete;
    if complete || !signatures.is_empty() {
        let findings = signature_findings(&opened, &read::parse_signatures(&signatures)?, complete);
        if let Some(first) = findings.first() {
            return Err(BundleError::bad(name, first.to_string()));
        }
    }
    for file in opened.manifest.files.iter().filter(|file| file.path != layout::GENESIS) {
        pull.file(file).await?;
    }
    replace(&work.join(layout::MANIFEST), &bytes)?;
    if !signatures.is_empty() {
        replace(&work.join(layout::SIGNATURES), &signatures)?;
    }
    let report = (!options.skip_audit).then(|| audit(&work, engine, &options.audit));
    if let Some(report) = report.as_ref().filter(|report| !report.holds()) {
        return Err(BundleError::Audit { summary: first_line(report), path: work });
    }
    fsio::sync_tree(&work)?;
    fsio::rename(&work, &target)?;
    Ok(Pulled { dir: target, report })
}

fn first_line(report: &Report) -> String {
    let first = report.findings.first().map(ToString::to_string);
    first.map_or_else(|| report.summary(), |first| format!("{first}; {}", report.summary()))
}

/// A bundle of that name is here already: it must be the same one.
fn existing(
    target: &Path,
    hash: Hash,
    engine: &dyn Engine,
    options: &PullOptions,
) -> Result<Pulled, BundleError> {
    let here = read::open(target)?;
    if here.manifest_hash != hash {
        let what = format!(
            "is here already with manifest {}, the source has {hash}; move it away to pull that one",
            here.manifest_hash
        );
        return Err(BundleError::bad(target.display().to_string(), what));
    }
    let report = (!options.skip_audit).then(|| audit(target, engine, &options.audit));
    if let Some(report) = report.as_ref().filter(|report| !report.holds()) {
        let path = target.to_owned();
        return Err(BundleError::Audit { summary: first_line(report), path });
    }
    Ok(Pulled { dir: target.to_owned(), report })
}

fn check_manifest(
    manifest: &Manifest,
    name: &str,
    hash: Hash,
    options: &PullOptions,
) -> Result<(), BundleError> {
    if manifest.name != name {
        let what = format!("is of {}, {name} was asked for", manifest.name);
        return Err(BundleError::bad(layout::MANIFEST, what));
    }
    if let Some(wanted) = options.manifest.filter(|wanted| *wanted != hash) {
        let what = format!("has BLAKE3 {hash}, {wanted} was asked for");
        return Err(BundleError::bad(layout::MANIFEST, what));
    }
    let total = manifest.files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.bytes));
    if total > options.audit.max_bytes {
        let limit = options.audit.max_bytes;
        let what = format!("lists {total} bytes, over the limit of {limit}; nothing was pulled");
        return Err(BundleError::bad(layout::MANIFEST, what));
    }
    // Cheap to tell now, and it saves the download.
    check_anchor(manifest.network, options)
}

fn check_anchor(network: NetworkId, options: &PullOptions) -> Result<(), BundleError> {
    match options.audit.anchor {
        Some(anchor) if anchor != network => {
            let what = format!("the bundle is of network {network}, the trusted one is {anchor}");
            Err(BundleError::bad(layout::MANIFEST, what))
        }
        _ => Ok(()),
    }
}

fn unexpected(reply: &BundleReply) -> BundleError {
    BundleError::Source(match reply {
        BundleReply::NotFound(what) => format!("does not have it: {what}"),
        BundleReply::List(_) | BundleReply::Manifest { .. } | BundleReply::Chunk(_) => {
            "answered something else than was asked".into()
        }
    })
}

async fn ask(source: &dyn ChunkSource, request: BundleRequest) -> Result<BundleReply, BundleError> {
    let mut last = String::new();
    for _ in 0..TRIES {
        match source.ask(request.clone()).await {
            Ok(reply) => return Ok(reply),
            Err(error) => last = error,
        }
    }
    Err(BundleError::Source(format!(
        "failed {TRIES} times: {last}; run the same pull again to go on"
    )))
}

/// Writes a small file over whatever an earlier run left there.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), BundleError> {
    remove(path)?;
    fsio::write_new(path, bytes)
}

fn remove(path: &Path) -> Result<(), BundleError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(BundleError::io(path)(error))
        }
        _ => Ok(()),
    }
}

struct Pull<'a> {
    source: &'a dyn ChunkSource,
    name: &'a str,
    work: &'a Path,
    progress: &'a (dyn Fn(Progress) + Sync),
    at: Progress,
}

impl Pull<'_> {
    /// Brings one file under its name, verified.
    async fn file(&mut self, record: &FileRecord) -> Result<(), BundleError> {
        let path = self.work.join(&record.path);
        let part = self.work.join(format!("{}{PART}", record.path));
        if path.exists() {
            if fsio::hash_file(&path, record.bytes)? == (record.bytes, record.blake3) {
                self.at.bytes += record.bytes;
                return self.done();
            }
            remove(&path)?;
        }
        if let Some(parent) = path.parent() {
            fsio::create_dir(parent)?;
        }
        // A part that an earlier run left may be damaged; then the file is fetched once from zero.
        let resumed = part.exists();
        let before = self.at.bytes;
        let mut hash = self.fetch(record, &part).await?;
        if hash != record.blake3 && resumed {
            remove(&part)?;
            self.at.bytes = before;
            hash = self.fetch(record, &part).await?;
        }
        if hash != record.blake3 {
            remove(&part)?;
            return Err(BundleError::Source(format!(
                "sent {} with BLAKE3 {hash}, the manifest says {}; try another source",
                record.path, record.blake3
            )));
        }
        fsio::rename(&part, &path)?;
        self.done()
    }

    fn done(&mut self) -> Result<(), BundleError> {
        self.at.files += 1;
        (self.progress)(self.at);
        Ok(())
    }

    /// Fetches what is missing of a file into its part and returns the hash of the whole.
    async fn fetch(&mut self, record: &FileRecord, part: &Path) -> Result<Hash, BundleError> {
        let mut hasher = blake3::Hasher::new();
        let start = resume(part, record.bytes, &mut hasher)?;
        self.at.bytes += start;
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(part)
            .map_err(BundleError::io(part))?;
        let (source, name, hash) = (self.source, self.name, record.blake3);
        let mut offsets = Vec::new();
        let mut offset = start;
        while offset < record.bytes {
            offsets.push(offset);
            offset = offset.saturating_add(BUNDLE_CHUNK_BYTES);
        }
        let mut chunks = stream::iter(offsets)
            .map(|offset| async move {
                let name = name.to_owned();
                let reply = ask(source, BundleRequest::Chunk { name, file: hash, offset }).await;
                (offset, reply)
            })
            .buffered(CHUNKS_IN_FLIGHT);
        while let Some((offset, reply)) = chunks.next().await {
            let bytes = match reply? {
                BundleReply::Chunk(bytes) => bytes,
                other => return Err(unexpected(&other)),
            };
            let wanted = BUNDLE_CHUNK_BYTES.min(record.bytes - offset);
            if bytes.len() as u64 != wanted {
                return Err(BundleError::Source(format!(
                    "sent {} bytes of {} at byte {offset}, {wanted} were due",
                    bytes.len(),
                    record.path
                )));
            }
            hasher.update(&bytes);
            file.write_all(&bytes).map_err(BundleError::io(part))?;
            self.at.bytes += wanted;
            (self.progress)(self.at);
        }
        file.sync_all().map_err(BundleError::io(part))?;
        Ok(Hash(*hasher.finalize().as_bytes()))
    }
}

/// Hashes what an earlier run left of a part, cut to whole chunks; returns how many bytes stay.
fn resume(part: &Path, size: u64, hasher: &mut blake3::Hasher) -> Result<u64, BundleError> {
    let meta = match fs::symlink_metadata(part) {
        Ok(meta) if meta.is_file() => meta,
        Ok(_) => {
            return Err(BundleError::bad(part.display().to_string(), "is not a plain file"));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(BundleError::io(part)(error)),
    };
    let kept = meta.len().min(size) / BUNDLE_CHUNK_BYTES * BUNDLE_CHUNK_BYTES;
    let file = OpenOptions::new().write(true).open(part).map_err(BundleError::io(part))?;
    file.set_len(kept).map_err(BundleError::io(part))?;
    let mut reader = File::open(part).map_err(BundleError::io(part))?.take(kept);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = reader.read(&mut buffer).map_err(BundleError::io(part))?;
        if read == 0 {
            return Ok(kept);
        }
        hasher.update(&buffer[..read]);
    }
}
