//! One daemon a folder: a lock that the system drops with the process, however it dies.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::files::{FileError, create_private_folder};

/// Name of the lock file in a data folder.
const LOCK_FILE: &str = "LOCK";

/// Why a folder was not locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error(
        "{folder} is in use by another lode process{}; stop it, or give this one a folder of its own",
        pid.as_ref().map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The process that said it has it.
        pid: Option<String>,
    },
    /// The lock file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A locked folder; unlocked on drop.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Makes the folder if need be, and locks it.
    ///
    /// # Errors
    /// [`LockError::InUse`] where another process, or another part of this one, has it.
    pub fn take(folder: &Path) -> Result<Self, LockError> {
        create_private_folder(folder)?;
        let path = folder.join(LOCK_FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| FileError::new("open", &path, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let told = (&file).take(20).read_to_string(&mut pid);
                let pid = told.ok().map(|_| pid.trim().to_owned()).filter(|pid| !pid.is_empty());
                return Err(LockError::InUse { folder: folder.to_owned(), pid });
            }
            Err(TryLockError::Error(error)) => {
                return Err(FileError::new("lock", &path, &error).into());
            }
        }
        // For the message of the next one that tries; the lock does not depend on it.
        let _ = file
            .set_len(0)
            .and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()));
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let folder = tempfile::tempdir().expect("folder");
        let lock = FolderLock::take(folder.path()).expect("free");
        let error = FolderLock::take(folder.path()).expect_err("taken");
        let text = error.to_string();
        assert!(text.contains(&format!("(process {})", std::process::id())), "{text}");
        drop(lock);
        FolderLock::take(folder.path()).expect("free again");
    }
}
