//! What can stop a training run.

use std::path::{Path, PathBuf};

use lode_model::ModelError;

/// Every error of this crate. The text says what happened, what was expected and what to do.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// Loading, tokenising or running the model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The tensor library refused an operation.
    #[error("tensor operation failed: {0}")]
    Candle(#[from] candle_core::Error),
    /// A file could not be read or written.
    #[error("cannot {action} {path}: {source}; check that the folder exists, is writable and has room", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A setting is out of its range.
    #[error("setting `{name}` is {value}; {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// Nothing is left to train on.
    #[error(
        "none of the {given} pairs can be used ({reasons}); raise the length limit or mine more pairs"
    )]
    NoPairs {
        /// Pairs that came in.
        given: usize,
        /// Counts by reason.
        reasons: String,
    },
    /// A self-test failed: the run would not train what it says.
    #[error(
        "self-test `{test}` failed: {found}; nothing was saved, because training on would be wrong"
    )]
    SelfTest {
        /// Which test.
        test: &'static str,
        /// What it found.
        found: String,
    },
    /// A loss or gradient is not a number.
    #[error("step {step}: {what} is not finite; lower the learning rate")]
    NotFinite {
        /// Optimiser step, from 1.
        step: u64,
        /// Which quantity.
        what: String,
    },
    /// The folder holds another run.
    #[error("{path} holds a run with {difference}; resume with the same settings, model and pairs, or choose another folder", path = path.display())]
    OtherRun {
        /// The run's folder.
        path: PathBuf,
        /// What differs.
        difference: String,
    },
    /// A checkpoint is damaged.
    #[error("checkpoint {path} cannot be used: {reason}; delete it to resume from the one before", path = path.display())]
    Checkpoint {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A row of an evaluation does not fit the model.
    #[error(
        "row {row} has {needed} tokens, the model takes {limit}; leave it out, or take another model"
    )]
    RowTooLong {
        /// Its place, from 0.
        row: usize,
        /// Its tokens.
        needed: usize,
        /// The model's context.
        limit: usize,
    },
    /// A kept reference is not what it should be.
    #[error("the kept reference {path} cannot be used: {reason}; delete it, and it is computed again", path = path.display())]
    Reference {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The training thread could not be started, or panicked.
    #[error("the training thread {0}")]
    Thread(String),
}

/// Result with this crate's error.
pub type Result<T> = std::result::Result<T, TrainError>;

impl TrainError {
    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_path_buf(), source }
    }
}
