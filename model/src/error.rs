//! What can go wrong between a model file and a log-probability, one typed reason each.

use std::path::{Path, PathBuf};

/// Every error of this crate. The text says what happened, what was expected and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file could not be read or written.
    #[error("cannot {action} {path}: {source}; check that the path exists and that you may use it", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A model file breaks its own format.
    #[error("{path} is not a usable {format} file: {reason}; fetch the file again", path = path.display())]
    Malformed {
        /// The format it should have.
        format: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A model file that ends before what its header promises: a download that was broken off.
    #[error(
        "{path} is cut short: it has {size} bytes, its header speaks of at least {needed}; fetch the file again",
        path = path.display()
    )]
    CutShort {
        /// The file.
        path: PathBuf,
        /// Bytes it has.
        size: u64,
        /// Bytes that it must have, as far as was read.
        needed: u64,
    },
    /// A well-formed model that this crate cannot run.
    #[error("unsupported model: {0}")]
    Unsupported(String),
    /// A tensor is missing, or has another shape than the configuration demands.
    #[error("tensor `{name}`: {reason}; the weights do not belong to this configuration")]
    Tensor {
        /// Its HF or GGUF name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A text cannot be written in the model's vocabulary.
    #[error(
        "byte 0x{byte:02x} at offset {offset} has no token in this vocabulary; remove it from the text"
    )]
    ByteNotInVocabulary {
        /// The byte.
        byte: u8,
        /// Its place in the text, bytes.
        offset: usize,
    },
    /// The tokenizer refused.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// The chat template failed to render.
    #[error("chat template: {0}")]
    ChatTemplate(String),
    /// A token id outside the vocabulary.
    #[error(
        "token id {id} is outside the vocabulary of {vocab} tokens; was the text encoded with another tokenizer?"
    )]
    TokenOutOfRange {
        /// The id.
        id: u32,
        /// Number of ids.
        vocab: usize,
    },
    /// More tokens than the model has positions.
    #[error(
        "{needed} tokens are needed but the model has {limit} positions; shorten the prompt or the completion"
    )]
    TooLong {
        /// Positions asked for.
        needed: usize,
        /// Positions there are.
        limit: usize,
    },
    /// A call that makes no sense (no tokens, wrong number of rows, ...).
    #[error("{0}")]
    Invalid(String),
    /// The tensor library refused an operation.
    #[error("tensor operation failed: {0}")]
    Candle(#[from] candle_core::Error),
}

/// Result with this crate's error.
pub type Result<T> = std::result::Result<T, ModelError>;

impl ModelError {
    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_path_buf(), source }
    }

    pub(crate) fn malformed(format: &'static str, path: &Path, reason: impl Into<String>) -> Self {
        Self::Malformed { format, path: path.to_path_buf(), reason: reason.into() }
    }

    pub(crate) fn tensor(name: &str, reason: impl Into<String>) -> Self {
        Self::Tensor { name: name.to_owned(), reason: reason.into() }
    }
}
