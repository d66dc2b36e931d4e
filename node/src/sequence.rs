//! The sequence of the envelopes that one key sends on one network: it grows by at least one with
//! each, and is never used twice, not even across a kill -9.
//!
//! Reserved on disk [`SEQUENCE_BLOCK`] at a time: the file holds the end of the reserved block,
//! and is made durable before the first of the block is handed out. A restart begins a new block
//! and skips what was left of the old one.

use std::path::{Path, PathBuf};

use lode_proto::{id::NetworkId, limits::SEQUENCE_BLOCK};

use crate::files::{self, FileError};

/// Largest sequence file, bytes.
const MAX_FILE: u64 = 256;

/// Why no sequence can be had.
#[derive(Debug, thiserror::Error)]
pub enum SequenceError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not one of this module's.
    #[error(
        "{path} is damaged: expected one line \"reserved N\". Remove it: the next join asks the \
         coordinator for the highest sequence it has seen and goes on from there"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// 2^64 - 1 was reached, which only a false answer of a peer can do.
    #[error("the envelope sequence of this key is used up; make a new node key")]
    UsedUp,
}

/// A persistent counter for one network.
#[derive(Debug)]
pub struct Sequence {
    path: PathBuf,
    network: NetworkId,
    /// The next to hand out.
    next: u64,
    /// First one that is not reserved on disk.
    reserved: u64,
}

impl Sequence {
    /// Opens the counter of `network` in `folder`; a new one starts at 1.
    ///
    /// # Errors
    /// Where the file is damaged or cannot be read.
    pub fn open(folder: &Path, network: NetworkId) -> Result<Self, SequenceError> {
        let path = folder.join(format!("sequence-{network}"));
        let reserved = match files::read_small(&path, MAX_FILE)? {
            None => 1,
            Some(bytes) => std::str::from_utf8(&bytes)
                .ok()
                .and_then(|text| text.strip_suffix('\n')?.strip_prefix("reserved "))
                .and_then(|number| number.parse().ok())
                .ok_or(SequenceError::Damaged { path: path.clone() })?,
        };
        Ok(Self { path, network, next: reserved, reserved })
    }

    /// The network it counts for.
    #[must_use]
    pub fn network(&self) -> NetworkId {
        self.network
    }

    /// A sequence that was never handed out before.
    ///
    /// # Errors
    /// Where a new block cannot be reserved; nothing is handed out then.
    #[allow(clippy::should_implement_trait)] // it can fail, and it never ends
    pub fn next(&mut self) -> Result<u64, SequenceError> {
        if self.next >= self.reserved {
            let reserved = self.next.checked_add(SEQUENCE_BLOCK).ok_or(SequenceError::UsedUp)?;
            files::replace(&self.path, format!("reserved {reserved}\n").as_bytes(), 0o600)?;
            self.reserved = reserved;
        }
        let sequence = self.next;
        self.next += 1;
        Ok(sequence)
    }

    /// Makes the next one larger than `last`.
    ///
    /// # Errors
    /// [`SequenceError::UsedUp`] where there is none larger.
    pub fn raise_to(&mut self, last: u64) -> Result<(), SequenceError> {
        self.next = self.next.max(last.checked_add(1).ok_or(SequenceError::UsedUp)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn network() -> NetworkId {
        NetworkId::of(b"sequence")
    }

    #[test]
    fn damaged_files_are_named() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join(format!("sequence-{}", network()));
        for bad in [&b""[..], b"reserved 12", b"reserved x\n", b"\xff\n", &[b'9'; 300]] {
            std::fs::write(&path, bad).expect("written");
            let error = Sequence::open(folder.path(), network()).expect_err("damaged");
            assert!(error.to_string().contains("sequence-"), "{error}");
        }
    }

    #[test]
    fn the_end_is_an_error() {
        let folder = tempfile::tempdir().expect("folder");
        let mut sequence = Sequence::open(folder.path(), network()).expect("opens");
        assert!(matches!(sequence.raise_to(u64::MAX), Err(SequenceError::UsedUp)));
        sequence.raise_to(u64::MAX - 1).expect("raised");
        assert!(matches!(sequence.next(), Err(SequenceError::UsedUp)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// `true`: take one. `false`: die and start again. A large number: raise.
        #[test]
        fn always_grows(steps in proptest::collection::vec((any::<bool>(), 0u64..3000), 1..60)) {
            let folder = tempfile::tempdir().expect("folder");
            let mut sequence = Sequence::open(folder.path(), network()).expect("opens");
            let (mut last, mut raised) = (0, 0);
            for (take, number) in steps {
                if take {
                    let next = sequence.next().expect("reserved");
                    prop_assert!(next > raised);
                    prop_assert!(next > last);
                    last = next;
                } else if number < 1500 {
                    sequence = Sequence::open(folder.path(), network()).expect("opens");
                    // What was raised and never used is asked for again at the next join.
                    raised = 0;
                } else {
                    raised = last + number;
                    sequence.raise_to(raised).expect("raised");
                }
            }
        }
    }
}
