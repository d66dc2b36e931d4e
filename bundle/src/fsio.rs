//! File-system steps that leave either the old state or the new one, whatever moment the power goes.

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::Path,
};

use lode_proto::id::Hash;

use crate::error::BundleError;

/// Creates a folder and those above it.
pub(crate) fn create_dir(path: &Path) -> Result<(), BundleError> {
    fs::create_dir_all(path).map_err(BundleError::io(path))
}

/// Makes renames and new names in a folder durable.
pub(crate) fn sync_dir(path: &Path) -> Result<(), BundleError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(BundleError::io(path))
}

/// Writes a new file and syncs it. The name must not be taken.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), BundleError> {
    if let Some(parent) = path.parent() {
        create_dir(parent)?;
    }
    let mut file = File::create_new(path).map_err(BundleError::io(path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(BundleError::io(path))
}

/// Puts a file in place of what may be there, whole or not at all.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), BundleError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}"));
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(BundleError::io(&temporary)(error));
        }
        _ => {}
    }
    write_new(&temporary, bytes)?;
    rename(&temporary, path)
}

/// Syncs every folder below and including `root`, deepest first.
pub(crate) fn sync_tree(root: &Path) -> Result<(), BundleError> {
    for entry in fs::read_dir(root).map_err(BundleError::io(root))? {
        let entry = entry.map_err(BundleError::io(root))?;
        if entry.file_type().map_err(BundleError::io(root))?.is_dir() {
            sync_tree(&entry.path())?;
        }
    }
    sync_dir(root)
}

/// Renames and makes it durable. The new name must not be taken by a folder with content.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), BundleError> {
    fs::rename(from, to).map_err(BundleError::io(to))?;
    for path in [from, to] {
        if let Some(parent) = path.parent() {
            sync_dir(parent)?;
        }
    }
    Ok(())
}

/// Removes a folder that may not be there.
pub(crate) fn remove_tree(path: &Path) -> Result<(), BundleError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(BundleError::io(path)(error))
        }
        _ => Ok(()),
    }
}

/// The whole of a plain file, which may have at most `limit` bytes; never follows a link.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, BundleError> {
    let meta = fs::symlink_metadata(path).map_err(BundleError::io(path))?;
    let place = || path.display().to_string();
    if !meta.is_file() {
        return Err(BundleError::bad(place(), "is not a plain file"));
    }
    if meta.len() > limit {
        let what = format!("has {} bytes, at most {limit} are allowed here", meta.len());
        return Err(BundleError::bad(place(), what));
    }
    let file = File::open(path).map_err(BundleError::io(path))?;
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0));
    // The file may grow after it was measured; the limit holds all the same.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(BundleError::io(path))?;
    if bytes.len() as u64 > limit {
        return Err(BundleError::bad(place(), format!("has more than {limit} bytes")));
    }
    Ok(bytes)
}

/// Size and plain BLAKE3 of a plain file, read in pieces; stops once `limit` bytes are passed.
pub(crate) fn hash_file(path: &Path, limit: u64) -> Result<(u64, Hash), BundleError> {
    let meta = fs::symlink_metadata(path).map_err(BundleError::io(path))?;
    if !meta.is_file() {
        return Err(BundleError::bad(path.display().to_string(), "is not a plain file"));
    }
    let mut file = File::open(path).map_err(BundleError::io(path))?.take(limit.saturating_add(1));
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 16];
    let mut total = 0;
    loop {
        let read = file.read(&mut buffer).map_err(BundleError::io(path))?;
        if read == 0 {
            return Ok((total, Hash(*hasher.finalize().as_bytes())));
        }
        total += read as u64;
        hasher.update(&buffer[..read]);
    }
}
