//! Why a model file cannot be had, in words for the person who asked for it.

use std::{
    io,
    path::{Path, PathBuf},
};

use lode_proto::id::Hash;

/// Why a model file cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Neither a known name nor a file.
    #[error("no model {name:?}: it is neither a file nor one of the known models ({known})")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// Known, but not here.
    #[error("the model {name} is not on this machine; fetch it with `lode model pull {name}`")]
    NotPulled {
        /// Its name.
        name: &'static str,
    },
    /// A folder where a file is needed.
    #[error("{} is a folder; name the GGUF file inside it", path.display())]
    NotAFile {
        /// The folder.
        path: PathBuf,
    },
    /// A file that is not the pinned one.
    #[error(
        "{} is not {name}: BLAKE3 {got} over {bytes} bytes, expected {expected} over \
         {expected_bytes}; remove it and pull again", path.display()
    )]
    WrongHash {
        /// The file.
        path: PathBuf,
        /// The model it should be.
        name: &'static str,
        /// Its hash.
        got: Hash,
        /// Its size.
        bytes: u64,
        /// The pinned hash.
        expected: &'static str,
        /// The pinned size.
        expected_bytes: u64,
    },
    /// A source did not yield a file.
    #[error("{reason}")]
    Source {
        /// Why not.
        reason: String,
    },
    /// No source did.
    #[error(
        "no source yields the model {name}:\n  {failures}\ncheck the network, or bring the file \
         and name it with `lode model pull {name} --from FILE`"
    )]
    NoSource {
        /// The model.
        name: &'static str,
        /// One line a source.
        failures: String,
    },
    /// No folder to keep models in.
    #[error("neither LODE_HOME nor HOME is set; set LODE_HOME to a folder that Lode may write to")]
    NoHome,
    /// A file or folder could not be used.
    #[error("cannot {action} {}: {source}; check permissions and free space", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// In the system's words.
        source: io::Error,
    },
    /// A worker thread ended without an answer.
    #[error("the store's worker thread failed: {reason}")]
    Worker {
        /// Its last words.
        reason: String,
    },
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_path_buf(), source }
    }
}
