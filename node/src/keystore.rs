//! Keys on disk: made at the first start, readable by their owner only, never replaced.
//!
//! A key file is one line, `lode-secret-1 ` and 64 hexadecimal digits. The node key signs what a
//! daemon says and is its libp2p identity; the account key, which may be kept on another machine,
//! only says which node keys work for it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use lode_proto::key::SecretKey;
use zeroize::Zeroizing;

use crate::files::{self, FileError};

const PREFIX: &str = "lode-secret-1 ";
/// Largest key file, bytes.
const MAX_FILE: u64 = 256;
/// Permission bits of group and others.
const OTHERS: u32 = 0o077;
/// Write permission of group and others.
const OTHERS_WRITE: u32 = 0o022;

/// Which key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// Signs what the daemon says.
    Node,
    /// Owns credits; binds node keys to itself.
    Account,
}

impl KeyKind {
    fn file(self) -> &'static str {
        match self {
            Self::Node => "node.key",
            Self::Account => "account.key",
        }
    }
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Others than the owner may use the file.
    #[error(
        "{path} can be read by others (mode {mode:04o}): whoever read it can sign as you. If that \
         may have happened make a new key, else run: chmod 600 {path}"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Others may put another file in its place.
    #[error(
        "{path} can be written by others (mode {mode:04o}), who could replace the key in it; \
         run: chmod 700 {path}"
    )]
    OpenFolder {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds no key.
    #[error(
        "{path} holds no key: expected one line \"{PREFIX}\" and 64 hexadecimal digits. Restore it \
         from a copy, or move it away to have a new key made"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// There is one already.
    #[error("{path} exists; a key is never replaced. Move it away first if you want a new one")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// There is none.
    #[error("there is no key at {path}; make one with: lode key new")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The system gives no random bytes.
    #[error("the system's random source failed: {0}")]
    Random(String),
}

/// A folder of keys.
#[derive(Debug, Clone)]
pub struct Keystore {
    folder: PathBuf,
}

impl Keystore {
    /// The keys in `folder`, which is made with mode 0700 if it is not there.
    ///
    /// # Errors
    /// Where it cannot be made, or others may write to it.
    pub fn open(folder: &Path) -> Result<Self, KeyError> {
        files::create_private_folder(folder)?;
        let mode = mode_of(folder)?;
        if mode & OTHERS_WRITE != 0 {
            return Err(KeyError::OpenFolder { path: folder.to_owned(), mode });
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// Where a key is, or would be.
    #[must_use]
    pub fn path(&self, kind: KeyKind) -> PathBuf {
        self.folder.join(kind.file())
    }

    /// Reads a key; `None` where there is none.
    ///
    /// # Errors
    /// Where others may read it, or it holds no key.
    pub fn get(&self, kind: KeyKind) -> Result<Option<SecretKey>, KeyError> {
        load(&self.path(kind))
    }

    /// Makes a key.
    ///
    /// # Errors
    /// [`KeyError::Exists`] where there is one.
    pub fn create(&self, kind: KeyKind) -> Result<SecretKey, KeyError> {
        let path = self.path(kind);
        let mut secret = Zeroizing::new([0_u8; 32]);
        getrandom::fill(secret.as_mut_slice())
            .map_err(|error| KeyError::Random(error.to_string()))?;
        let line = Zeroizing::new(format!("{PREFIX}{}\n", *Zeroizing::new(hex::encode(*secret))));
        if !files::create_new(&path, line.as_bytes(), 0o600)? {
            return Err(KeyError::Exists { path });
        }
        Ok(SecretKey::from_bytes(&secret))
    }

    /// The key, made if it is not there. The second value says whether it was made now.
    ///
    /// # Errors
    /// As [`Keystore::get`].
    pub fn get_or_create(&self, kind: KeyKind) -> Result<(SecretKey, bool), KeyError> {
        if let Some(key) = self.get(kind)? {
            return Ok((key, false));
        }
        match self.create(kind) {
            // Another process was faster; its key is the key.
            Err(KeyError::Exists { path }) => {
                load(&path)?.map(|key| (key, false)).ok_or(KeyError::Missing { path })
            }
            made => made.map(|key| (key, true)),
        }
    }
}

fn mode_of(path: &Path) -> Result<u32, FileError> {
    fs::metadata(path)
        .map(|data| data.permissions().mode() & 0o7777)
        .map_err(|error| FileError::new("look at", path, &error))
}

/// Reads one key file; `None` where there is none.
///
/// # Errors
/// Where others may read it, or it holds no key.
pub fn load(path: &Path) -> Result<Option<SecretKey>, KeyError> {
    let Some(bytes) = files::read_small(path, MAX_FILE)?.map(Zeroizing::new) else {
        return Ok(None);
    };
    let mode = mode_of(path)?;
    if mode & OTHERS != 0 {
        return Err(KeyError::Exposed { path: path.to_owned(), mode });
    }
    let mut secret = Zeroizing::new([0_u8; 32]);
    std::str::from_utf8(&bytes)
        .ok()
        .and_then(|text| text.strip_suffix('\n').unwrap_or(text).strip_prefix(PREFIX))
        .and_then(|digits| hex::decode_to_slice(digits, secret.as_mut_slice()).ok())
        .ok_or_else(|| KeyError::Malformed { path: path.to_owned() })?;
    Ok(Some(SecretKey::from_bytes(&secret)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode set");
    }

    #[test]
    fn made_once_and_private() {
        let root = tempfile::tempdir().expect("folder");
        let folder = root.path().join("keys");
        let store = Keystore::open(&folder).expect("opens");
        assert!(store.get(KeyKind::Node).expect("reads").is_none());
        let (key, made) = store.get_or_create(KeyKind::Node).expect("made");
        assert!(made);
        let (again, made) = store.get_or_create(KeyKind::Node).expect("read");
        assert_eq!((key.public(), false), (again.public(), made));
        assert!(matches!(store.create(KeyKind::Node), Err(KeyError::Exists { .. })));
        let account = store.create(KeyKind::Account).expect("made");
        assert_ne!(account.public(), key.public());
        assert_eq!(mode_of(&folder).expect("there"), 0o700);
        assert_eq!(mode_of(&store.path(KeyKind::Node)).expect("there"), 0o600);
        assert_eq!(fs::read_dir(&folder).expect("listed").count(), 2, "nothing left beside");
    }

    #[test]
    fn exposed_keys_are_refused() {
        let root = tempfile::tempdir().expect("folder");
        let store = Keystore::open(root.path()).expect("opens");
        store.create(KeyKind::Node).expect("made");
        let path = store.path(KeyKind::Node);
        for mode in [0o640, 0o604, 0o660, 0o601] {
            set_mode(&path, mode);
            let error = store.get(KeyKind::Node).expect_err("exposed").to_string();
            assert!(error.contains("chmod 600"), "{error}");
        }
        set_mode(&path, 0o400);
        assert!(store.get(KeyKind::Node).expect("reads").is_some());
        set_mode(root.path(), 0o770);
        let error = Keystore::open(root.path()).expect_err("open folder").to_string();
        assert!(error.contains("chmod 700"), "{error}");
    }

    #[test]
    fn malformed_keys_are_refused_and_not_shown() {
        let root = tempfile::tempdir().expect("folder");
        let store = Keystore::open(root.path()).expect("opens");
        let path = store.path(KeyKind::Node);
        let long = format!("{PREFIX}{}", "ab".repeat(33));
        for bad in ["", "lode-secret-1", "lode-secret-2 00", &long, "\u{0}"] {
            files::replace(&path, bad.as_bytes(), 0o600).expect("written");
            let error = store.get(KeyKind::Node).expect_err("malformed").to_string();
            assert!(error.contains("holds no key") && !error.contains("abab"), "{error}");
        }
        files::replace(&path, &[0xff; 300], 0o600).expect("written");
        assert!(store.get(KeyKind::Node).is_err());
    }
}
