//! Snapshots as files beside the store: `snapshot-N`, each whole or absent, the last two kept.
//!
//! ```text
//! "lode snapshot 1\n" ‖ next (u64, little-endian) ‖ BLAKE3 of next and state ‖ state
//! ```

use std::{
    fs,
    path::{Path, PathBuf},
};

use lode_proto::id::Hash;

use super::{LogError, Snapshot};
use crate::files::{self, FileError};

const MAGIC: &[u8] = b"lode snapshot 1\n";
const PREFIX: &str = "snapshot-";
/// Snapshots kept: the newest, and one in case it cannot be read.
const KEPT: usize = 2;

fn checksum(next: u64, state: &[u8]) -> Hash {
    Hash::derive_parts("lode/1/log-snapshot", &[&next.to_le_bytes(), state])
}

/// Snapshot files, newest first.
fn list(folder: &Path) -> Result<Vec<(u64, PathBuf)>, LogError> {
    let read = |error| LogError::from(FileError::new("list", folder, &error));
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(read)? {
        let entry = entry.map_err(read)?;
        let name = entry.file_name();
        let next = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse().ok());
        if let Some(next) = next {
            found.push((next, entry.path()));
        }
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

pub(super) fn write(folder: &Path, next: u64, state: &[u8]) -> Result<(), LogError> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(next.to_le_bytes());
    bytes.extend(checksum(next, state).as_bytes());
    bytes.extend(state);
    files::replace(&folder.join(format!("{PREFIX}{next}")), &bytes, 0o600)?;
    for (_, old) in list(folder)?.into_iter().skip(KEPT) {
        // Only takes room; the next snapshot tries again.
        let _ = fs::remove_file(old);
    }
    Ok(())
}

fn parse(next: u64, bytes: &[u8]) -> Option<Snapshot> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (written, rest) = rest.split_first_chunk::<8>()?;
    let (sum, state) = rest.split_first_chunk::<32>()?;
    let whole = u64::from_le_bytes(*written) == next && checksum(next, state).0 == *sum;
    whole.then(|| Snapshot { next, state: state.to_vec() })
}

/// The newest readable snapshot that `usable` accepts.
pub(super) fn newest(
    folder: &Path,
    usable: impl Fn(u64) -> bool,
) -> Result<Option<Snapshot>, LogError> {
    let all = list(folder)?;
    for (next, path) in &all {
        let bytes = fs::read(path).map_err(|error| FileError::new("read", path, &error))?;
        match parse(*next, &bytes) {
            Some(snapshot) if usable(*next) => return Ok(Some(snapshot)),
            Some(_) => tracing::warn!(path = %path.display(), "this snapshot is ahead of its log"),
            None => {
                tracing::warn!(path = %path.display(), "this snapshot is damaged; trying the one before")
            }
        }
    }
    if all.is_empty() {
        return Ok(None);
    }
    Err(LogError::Corrupt {
        path: folder.to_owned(),
        what: format!("none of its {} snapshots can be used", all.len()),
    })
}
