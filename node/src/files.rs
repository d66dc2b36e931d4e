//! Small files that must be whole or absent, whatever happens: written beside their place, synced,
//! moved there, and the folder synced.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// A file operation that failed, with the file and what to do.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}: {reason}")]
pub struct FileError {
    /// What was tried, for example `write`.
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// Why, and what to do.
    pub reason: String,
    /// The kind of system error.
    pub kind: io::ErrorKind,
}

impl FileError {
    /// Explains a system error.
    #[must_use]
    pub fn new(action: &'static str, path: &Path, error: &io::Error) -> Self {
        Self { action, path: path.to_owned(), reason: explain(error), kind: error.kind() }
    }
}

/// A system error in words, with what to do about the common ones.
#[must_use]
pub fn explain(error: &io::Error) -> String {
    use io::ErrorKind::{
        FileTooLarge, NotADirectory, NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem,
        StorageFull,
    };
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => {
            format!("no room left ({error}); free some space or choose another folder")
        }
        ReadOnlyFilesystem => format!("{error}; choose a folder that can be written"),
        PermissionDenied => {
            format!("{error}; give this user the rights, or choose another folder")
        }
        NotFound => format!("{error}; check the path"),
        NotADirectory => format!("{error}; a part of the path is a file"),
        _ => error.to_string(),
    }
}

/// Makes a folder and its parents, new ones with mode 0700.
///
/// # Errors
/// Where the folder is not there afterwards.
pub fn create_private_folder(path: &Path) -> Result<(), FileError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| FileError::new("create the folder", path, &error))
}

/// Makes a folder's entries durable.
///
/// # Errors
/// Where the system says so.
pub fn sync_folder(path: &Path) -> Result<(), FileError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| FileError::new("sync the folder", path, &error))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn write_beside(path: &Path, bytes: &[u8], mode: u32) -> Result<PathBuf, FileError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(name);
    // Left over from a crash of a process with the same id: of no worth.
    let _ = fs::remove_file(&beside);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    if let Err(error) = written {
        let _ = fs::remove_file(&beside);
        return Err(FileError::new("write", path, &error));
    }
    Ok(beside)
}

/// Puts `bytes` at `path`, over what is there, in one step.
///
/// # Errors
/// Where they are not durably there afterwards; the old content still is, then.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let beside = write_beside(path, bytes, mode)?;
    if let Err(error) = fs::rename(&beside, path) {
        let _ = fs::remove_file(&beside);
        return Err(FileError::new("write", path, &error));
    }
    sync_folder(folder_of(path))
}

/// Puts `bytes` at `path` in one step, if nothing is there. Returns whether it did.
///
/// # Errors
/// Where it could not be tried.
pub fn create_new(path: &Path, bytes: &[u8], mode: u32) -> Result<bool, FileError> {
    let beside = write_beside(path, bytes, mode)?;
    // A link, unlike a rename, never replaces what another process put there meanwhile.
    let linked = fs::hard_link(&beside, path);
    let _ = fs::remove_file(&beside);
    match linked {
        Ok(()) => sync_folder(folder_of(path)).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(FileError::new("write", path, &error)),
    }
}

/// Reads a small file; `None` where there is none.
///
/// # Errors
/// Where it is there but cannot be read, or is longer than `limit` bytes.
pub fn read_small(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, FileError> {
    use io::Read;
    let mut bytes = Vec::new();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::new("read", path, &error)),
    };
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| FileError::new("read", path, &error))?;
    if bytes.len() as u64 > limit {
        let error = io::Error::new(
            io::ErrorKind::InvalidData,
            format!("longer than {limit} bytes, so not the file it should be"),
        );
        return Err(FileError::new("read", path, &error));
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_are_whole_and_private_and_leave_nothing_beside() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a").join("b");
        create_private_folder(path.parent().expect("has one")).expect("made");
        assert!(create_new(&path, b"one", 0o600).expect("written"));
        assert!(!create_new(&path, b"two", 0o600).expect("tried"));
        assert_eq!(read_small(&path, 3).expect("read").expect("there"), b"one");
        replace(&path, b"three", 0o600).expect("replaced");
        assert_eq!(read_small(&path, 5).expect("read").expect("there"), b"three");
        assert!(read_small(&path, 4).is_err());
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        let parent = path.parent().expect("has one");
        assert_eq!(fs::metadata(parent).expect("there").permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(parent).expect("listed").count(), 1);
    }

    #[test]
    fn errors_say_what_to_do() {
        let error =
            replace(Path::new("/proc/nothing/here"), b"x", 0o600).expect_err("no such folder");
        assert!(error.to_string().starts_with("cannot write /proc/nothing/here: "), "{error}");
        let full = explain(&io::Error::from(io::ErrorKind::StorageFull));
        assert!(full.contains("free some space"), "{full}");
    }
}
