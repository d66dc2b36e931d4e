//! Pulling: from an honest source, a broken connection, and sources that lie.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use common::World;
use futures::executor::block_on;
use lode_bundle::{
    audit::{AuditOptions, Signatures},
    engine::BuiltinEngine,
    error::BundleError,
    layout,
    pull::{ChunkSource, Progress, PullOptions, Pulled, list, pull},
    store::BundleStore,
    write::stage,
};
use lode_proto::{
    exchange::{BundleReply, BundleRequest},
    id::{Hash, NetworkId},
};

const NAME: &str = "bundle-000001";

struct Place {
    _folder: tempfile::TempDir,
    root: PathBuf,
    out: PathBuf,
    network: NetworkId,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let (root, out) = (folder.path().join("bundles"), folder.path().join("out"));
    let world = World::new(8);
    world.write(&root);
    Place { _folder: folder, root, out, network: world.keys.network }
}

fn options() -> PullOptions {
    let audit = AuditOptions { threads: 2, ..AuditOptions::default() };
    PullOptions { audit, ..PullOptions::default() }
}

fn run(source: &dyn ChunkSource, out: &Path, options: &PullOptions) -> Result<Pulled, BundleError> {
    block_on(pull(source, NAME, out, &BuiltinEngine, options, &|_| {}))
}

#[test]
fn a_pulled_bundle_is_the_same_and_audited() {
    let place = place();
    let store = BundleStore::new(&place.root);
    let bundles = block_on(list(&store)).unwrap();
    assert_eq!(bundles.len(), 1);
    assert_eq!(bundles[0].name, NAME);
    let mut options = options();
    options.audit.anchor = Some(place.network);
    options.manifest = Some(bundles[0].manifest);
    let seen = Mutex::new(Vec::new());
    let progress = |at: Progress| seen.lock().unwrap().push(at);
    let pulled =
        block_on(pull(&store, NAME, &place.out, &BuiltinEngine, &options, &progress)).unwrap();
    assert!(pulled.report.unwrap().holds());
    let last = *seen.lock().unwrap().last().unwrap();
    assert_eq!((last.bytes, last.files), (last.total, last.files_total));
    assert_eq!(last.total, bundles[0].bytes);
    for name in [layout::MANIFEST, layout::SIGNATURES, layout::CARD] {
        let read = |root: &Path| fs::read(root.join(NAME).join(name)).unwrap();
        assert_eq!(read(&place.root), read(&place.out));
    }
    // Again: it is here already.
    assert!(run(&store, &place.out, &options).unwrap().report.unwrap().holds());
    assert_eq!(fs::read_dir(&place.out).unwrap().count(), 1);
}

/// Fails after so many chunks, as a connection does.
struct Breaks {
    store: BundleStore,
    left: AtomicUsize,
    asked: AtomicUsize,
}

#[async_trait]
impl ChunkSource for Breaks {
    async fn ask(&self, request: BundleRequest) -> Result<BundleReply, String> {
        if matches!(request, BundleRequest::Chunk { .. }) {
            let left =
                self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
            left.map_err(|_| "connection reset".to_owned())?;
            self.asked.fetch_add(1, Ordering::SeqCst);
        }
        Ok(self.store.answer(&request))
    }
}

#[test]
fn a_broken_pull_goes_on_where_it_ended() {
    let place = place();
    let mut source = Breaks {
        store: BundleStore::new(&place.root),
        left: AtomicUsize::new(5),
        asked: AtomicUsize::new(0),
    };
    let error = run(&source, &place.out, &options()).unwrap_err().to_string();
    assert!(error.contains("connection reset") && error.contains("run the same pull"), "{error}");
    assert!(!place.out.join(NAME).exists());
    source.left = AtomicUsize::new(usize::MAX);
    let before = source.asked.swap(0, Ordering::SeqCst);
    assert_eq!(before, 5);
    run(&source, &place.out, &options()).unwrap();
    let manifest = lode_bundle::read::open(&place.out.join(NAME)).unwrap().manifest;
    // Every file here is one chunk; what came the first time was not asked for again.
    let files = manifest.files.iter().filter(|file| file.bytes > 0).count();
    assert_eq!(source.asked.load(Ordering::SeqCst), files - before);
}

#[test]
fn a_damaged_part_is_fetched_again() {
    let place = place();
    let store = BundleStore::new(&place.root);
    let opened = lode_bundle::read::open(&place.root.join(NAME)).unwrap();
    let work = place.out.join(format!(".pulling-{NAME}-{}", opened.manifest_hash.short()));
    fs::create_dir_all(work.join("evidence")).unwrap();
    fs::write(work.join("README.md.part"), vec![b'x'; 3 << 20]).unwrap();
    fs::write(work.join("evidence/ledger.bin"), b"wrong").unwrap();
    let pulled = run(&store, &place.out, &options()).unwrap();
    assert!(pulled.report.unwrap().holds());
}

/// Changes some replies.
struct Lies<F>(BundleStore, F);

#[async_trait]
impl<F: Fn(&BundleRequest, BundleReply) -> BundleReply + Send + Sync> ChunkSource for Lies<F> {
    async fn ask(&self, request: BundleRequest) -> Result<BundleReply, String> {
        let reply = self.0.answer(&request);
        Ok(self.1(&request, reply))
    }
}

#[track_caller]
fn refused(
    place: &Place,
    said: &str,
    lie: impl Fn(&BundleRequest, BundleReply) -> BundleReply + Send + Sync,
) {
    let source = Lies(BundleStore::new(&place.root), lie);
    let error = run(&source, &place.out, &options()).unwrap_err().to_string();
    assert!(error.contains(said), "{error}");
    assert!(!place.out.join(NAME).exists(), "a lie came under the final name");
    let _ = fs::remove_dir_all(&place.out);
}

#[test]
fn a_source_that_lies_is_refused() {
    let place = place();
    let chunk = |change: fn(&mut Vec<u8>)| {
        move |_: &BundleRequest, mut reply: BundleReply| {
            if let BundleReply::Chunk(bytes) = &mut reply {
                change(bytes);
            }
            reply
        }
    };
    refused(&place, "the manifest says", chunk(|bytes| bytes[0] ^= 1));
    refused(&place, "were due", chunk(|bytes| bytes.push(0)));
    refused(&place, "were due", chunk(Vec::clear));
    refused(&place, "were due", chunk(|bytes| bytes.truncate(bytes.len() / 2)));
    refused(&place, "something else", |_, _| BundleReply::List(Vec::new()));
    refused(&place, "does not have it", |_, _| BundleReply::NotFound("gone".into()));
    let manifest = |change: fn(&mut Vec<u8>, &mut Vec<u8>)| {
        move |_: &BundleRequest, mut reply: BundleReply| {
            if let BundleReply::Manifest { manifest, signatures } = &mut reply {
                change(manifest, signatures);
            }
            reply
        }
    };
    refused(&place, "manifest.json", manifest(|manifest, _| manifest.push(b'\n')));
    refused(&place, "manifest.sig", manifest(|_, signatures| signatures.clear()));
    refused(&place, "manifest.sig", manifest(|_, signatures| signatures[40] ^= 1));
    refused(
        &place,
        "one of its bytes was changed",
        manifest(|manifest, _| {
            let text = String::from_utf8(manifest.clone()).unwrap();
            let at = text.find("\"bytes\": ").unwrap() + 9;
            let digit = if manifest[at] == b'9' { b'8' } else { b'9' };
            // Another size of the first listed file; the form stays right.
            manifest[at] = digit;
        }),
    );
    refused(
        &place,
        "manifest.json",
        manifest(|manifest, _| {
            let text = String::from_utf8(manifest.clone()).unwrap();
            *manifest = text.replacen("README.md", "../README", 1).into_bytes();
        }),
    );
}

#[test]
fn another_network_or_manifest_is_refused_before_the_download() {
    let place = place();
    let source = Breaks {
        store: BundleStore::new(&place.root),
        left: AtomicUsize::new(0),
        asked: AtomicUsize::new(0),
    };
    let mut other = options();
    other.audit.anchor = Some(NetworkId::of(b"other"));
    let error = run(&source, &place.out, &other).unwrap_err().to_string();
    assert!(error.contains("the trusted one is"), "{error}");
    let mut other = options();
    other.manifest = Some(Hash::of(b"other"));
    let error = run(&source, &place.out, &other).unwrap_err().to_string();
    assert!(error.contains("was asked for"), "{error}");
    let mut other = options();
    other.audit.max_bytes = 1000;
    let error = run(&source, &place.out, &other).unwrap_err().to_string();
    assert!(error.contains("nothing was pulled"), "{error}");
    for name in ["../x", "bundle-1", "", "staged"] {
        let pulled = pull(&source, name, &place.out, &BuiltinEngine, &other, &|_| {});
        assert!(block_on(pulled).is_err());
    }
}

#[test]
fn a_verifier_pulls_and_audits_what_waits_for_its_signature() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(8);
    let staged = stage(&world.record, &BuiltinEngine, folder.path(), 2).unwrap();
    let store = BundleStore::new(folder.path());
    assert!(block_on(list(&store)).unwrap().is_empty());
    let out = folder.path().join("out");
    let mut options = options();
    options.manifest = Some(staged.manifest_hash);
    assert!(run(&store, &out, &options).is_err());
    options.audit.signatures = Signatures::Staged;
    assert!(run(&store, &out, &options).unwrap().report.unwrap().holds());
}

#[test]
fn the_store_answers_nothing_outside_its_bundles() {
    let place = place();
    fs::write(place.root.join("secret"), b"secret").unwrap();
    let store = BundleStore::new(&place.root);
    let not_found = |request| matches!(store.answer(&request), BundleReply::NotFound(_));
    for name in ["..", "../bundles/bundle-000001", "bundle-000001/..", "staged", "bundle-999999"] {
        assert!(not_found(BundleRequest::Manifest { name: name.into() }), "{name}");
        let chunk =
            BundleRequest::Chunk { name: name.into(), file: Hash::of(b"secret"), offset: 0 };
        assert!(not_found(chunk), "{name}");
    }
    let name = NAME.to_owned();
    assert!(not_found(BundleRequest::Chunk {
        name: name.clone(),
        file: Hash::of(b"x"),
        offset: 0
    }));
    let opened = lode_bundle::read::open(&place.root.join(NAME)).unwrap();
    let file = opened.manifest.files.iter().find(|file| file.bytes > 10).unwrap();
    let at = |offset| {
        store.answer(&BundleRequest::Chunk { name: name.clone(), file: file.blake3, offset })
    };
    assert_eq!(at(file.bytes), BundleReply::Chunk(Vec::new()));
    assert!(matches!(at(file.bytes - 3), BundleReply::Chunk(bytes) if bytes.len() == 3));
    assert!(matches!(at(u64::MAX), BundleReply::NotFound(_)));
    assert!(block_on(list(&BundleStore::new(&place.root.join("nowhere")))).unwrap().is_empty());
}
