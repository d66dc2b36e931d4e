//! The receipts file: entries of [`Kept`] one after the other, each numbered and with a checksum.
//!
//! ```text
//! "lode receipts 1\n" ‖ entries (u64) ‖ checksum (8)      written over in place after each entry
//! length (u32) ‖ number (u64) ‖ checksum (16) ‖ canonical encoding of Kept          for each entry
//! ```
//!
//! Integers are little-endian. The number of entries at the front is written after the entry, so that
//! a reader who finds fewer whole entries than it says knows that the end was cut off, and one who
//! finds more reads beside a miner that is just writing.

use std::{
    fs::{File, OpenOptions},
    io::{BufReader, ErrorKind, Read},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use lode_node::{
    files::{FileError, sync_folder},
    log::LogError,
};
use lode_proto::{
    codec,
    id::Hash,
    limits::{MAX_MESSAGE_BYTES, MAX_TEXT_BYTES},
};

use super::Kept;

const MAGIC: &[u8; 16] = b"lode receipts 1\n";
/// Bytes before the first entry.
const HEAD: u64 = 32;
/// Bytes of an entry before its content.
const ENTRY_HEAD: usize = 4 + 8 + 16;
/// Largest content of an entry, bytes: the largest reply and some.
const MAX_ENTRY: usize = MAX_MESSAGE_BYTES + 64 * MAX_TEXT_BYTES;

fn head_bytes(entries: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&entries.to_le_bytes());
    let sum = Hash::derive("lode/1/receipts-head", &entries.to_le_bytes());
    bytes[8..].copy_from_slice(&sum.0[..8]);
    bytes
}

fn checksum(number: u64, content: &[u8]) -> [u8; 16] {
    let hash = Hash::derive_parts("lode/1/receipts-entry", &[&number.to_le_bytes(), content]);
    let mut short = [0; 16];
    short.copy_from_slice(&hash.0[..16]);
    short
}

/// What is in a receipts file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// Whole entries.
    pub entries: u64,
    /// Bytes up to the end of the last whole entry.
    bytes: u64,
    /// Entries that the file said it had when reading began, where that could be read.
    pub announced: Option<u64>,
    /// Why reading stopped before the end of the file, if it did.
    pub damage: Option<String>,
}

impl Extent {
    /// What is missing or damaged, in words, or nothing. An entry at the very end that is not whole
    /// and was not announced is just being written.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let announced = self.announced?;
        if self.entries >= announced {
            return None;
        }
        let why = self.damage.as_deref().unwrap_or("the file ends there");
        Some(format!(
            "{announced} entries were written, but only {} are whole: {why}",
            self.entries
        ))
    }
}

/// Reads up to `bytes.len()` bytes; fewer only at the end of the file.
fn fill(input: &mut impl Read, bytes: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match input.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Reads the entries of a file in order; `visit` gets each with its number. Reading stops at the
/// first one that is not whole.
///
/// # Errors
/// Where the file cannot be read, or is none of ours.
pub fn read(path: &Path, mut visit: impl FnMut(u64, Kept)) -> Result<Extent, LogError> {
    let failed = |error| LogError::from(FileError::new("read", path, &error));
    let mut input = BufReader::new(File::open(path).map_err(failed)?);
    let mut head = [0; HEAD as usize];
    let got = fill(&mut input, &mut head).map_err(failed)?;
    let known = got.min(MAGIC.len());
    if head[..known] != MAGIC[..known] {
        return Err(LogError::Corrupt {
            path: path.to_owned(),
            what: "it does not begin as a receipts file of this version does".into(),
        });
    }
    let announced = u64::from_le_bytes(head[16..24].try_into().unwrap_or_default());
    let announced = (head_bytes(announced) == head[16..]).then_some(announced);
    let mut extent = Extent { entries: 0, bytes: HEAD, announced, damage: None };
    if got < head.len() {
        extent.bytes = 0;
        return Ok(extent);
    }
    loop {
        let mut entry = [0; ENTRY_HEAD];
        let got = fill(&mut input, &mut entry).map_err(failed)?;
        if got == 0 {
            return Ok(extent);
        }
        match next(&mut input, &entry[..got], extent.entries).map_err(failed)? {
            Ok((kept, bytes)) => {
                visit(extent.entries, kept);
                extent.entries += 1;
                extent.bytes += bytes;
            }
            Err(damage) => {
                extent.damage = Some(damage);
                return Ok(extent);
            }
        }
    }
}

/// One entry and its size. The outer error is the system's, the inner says what is wrong with it.
fn next(
    input: &mut impl Read,
    head: &[u8],
    number: u64,
) -> std::io::Result<Result<(Kept, u64), String>> {
    let short = || Ok(Err(format!("entry {number} is cut short")));
    let Some((length, rest)) = head.split_first_chunk::<4>() else { return short() };
    let Some((written, sum)) = rest.split_first_chunk::<8>() else { return short() };
    if sum.len() < 16 {
        return short();
    }
    let length = u32::from_le_bytes(*length) as usize;
    if length > MAX_ENTRY {
        return Ok(Err(format!("entry {number} would have {length} bytes; at most {MAX_ENTRY}")));
    }
    let mut content = Vec::new();
    input.take(length as u64).read_to_end(&mut content)?;
    if content.len() < length {
        return short();
    }
    let written = u64::from_le_bytes(*written);
    if checksum(written, &content) != *sum {
        return Ok(Err(format!("the checksum of entry {number} is wrong")));
    }
    if written != number {
        return Ok(Err(format!("entry {written} stands where entry {number} belongs")));
    }
    Ok(match codec::decode(&content, MAX_ENTRY) {
        Ok(kept) => Ok((kept, (ENTRY_HEAD + length) as u64)),
        Err(error) => Err(format!("entry {number} cannot be read: {error}")),
    })
}

/// The file as the miner writes it. One writer, which holds the lock of the queue's folder.
#[derive(Debug)]
pub(crate) struct ReceiptsFile {
    path: PathBuf,
    file: File,
    entries: u64,
    bytes: u64,
    failed: bool,
}

impl ReceiptsFile {
    /// Opens the file, or makes an empty one. An end that is not whole is cut off, as long as at
    /// least `needed` entries stay: so many have been forgotten by the log.
    pub(crate) fn open(path: &Path, needed: u64) -> Result<Self, LogError> {
        let failed = |error| LogError::from(FileError::new("open", path, &error));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        let extent = read(path, |_, _| ())?;
        if extent.entries < needed {
            let why = extent.damage.as_deref().unwrap_or("the file ends there");
            return Err(LogError::Corrupt {
                path: path.to_owned(),
                what: format!(
                    "{needed} entries were kept in it, but only {} are whole: {why}",
                    extent.entries
                ),
            });
        }
        if let Some(damage) = &extent.damage {
            tracing::warn!(%damage, "cut off the end of the receipts file; it is written again from the log");
        }
        let mut opened = Self {
            path: path.to_owned(),
            file,
            entries: extent.entries,
            bytes: extent.bytes.max(HEAD),
            failed: false,
        };
        opened.file.set_len(opened.bytes).map_err(failed)?;
        opened.file.write_all_at(MAGIC, 0).map_err(failed)?;
        opened.write_head()?;
        opened.sync()?;
        if let Some(folder) = path.parent() {
            sync_folder(folder)?;
        }
        Ok(opened)
    }

    /// Whole entries.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// Appends an entry. Not durable before [`ReceiptsFile::sync`].
    pub(crate) fn append(&mut self, kept: &Kept) -> Result<(), LogError> {
        if self.failed {
            return Err(LogError::Stopped(format!("{} could not be written", self.path.display())));
        }
        let content = codec::encode(kept).map_err(|error| LogError::Misuse(error.to_string()))?;
        if content.len() > MAX_ENTRY {
            return Err(LogError::TooLarge { got: content.len(), limit: MAX_ENTRY });
        }
        let mut bytes = Vec::with_capacity(ENTRY_HEAD + content.len());
        bytes.extend(u32::try_from(content.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend(self.entries.to_le_bytes());
        bytes.extend(checksum(self.entries, &content));
        bytes.extend(content);
        // An error leaves a part of the entry; the next start cuts it off.
        self.failed = true;
        self.file.write_all_at(&bytes, self.bytes).map_err(|error| self.error("write", &error))?;
        self.bytes += bytes.len() as u64;
        self.entries += 1;
        self.write_head()?;
        self.failed = false;
        Ok(())
    }

    fn write_head(&self) -> Result<(), LogError> {
        self.file
            .write_all_at(&head_bytes(self.entries), MAGIC.len() as u64)
            .map_err(|error| self.error("write", &error))
    }

    /// Makes all entries durable.
    pub(crate) fn sync(&mut self) -> Result<(), LogError> {
        self.file.sync_data().map_err(|error| self.error("sync", &error))
    }

    fn error(&self, action: &'static str, error: &std::io::Error) -> LogError {
        FileError::new(action, &self.path, error).into()
    }
}
