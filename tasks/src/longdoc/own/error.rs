//! What can be wrong with a folder, and how large it may be.

use std::fmt;

pub use crate::domain::Severity;

/// Most files of text.
pub const MAX_FILES: usize = 256;
/// Largest file of text, bytes.
pub const MAX_TEXT_BYTES: usize = 1024 * 1024;
/// All files of text together, bytes.
pub const MAX_TEXTS_BYTES: usize = 8 * 1024 * 1024;
/// Longest paragraph, bytes.
pub const MAX_PARAGRAPH_BYTES: usize = 4_000;
/// Most paragraphs of all files.
pub const MAX_PARAGRAPHS: usize = 20_000;
/// Most entities.
pub const MAX_ENTITIES: usize = 400;
/// Most aliases of one entity.
pub const MAX_ALIASES: usize = 8;
/// Most facts; each is looked for in one file.
pub const MAX_FACTS: usize = 2_000;
/// Most findings of one folder.
pub(super) const MAX_FINDINGS: usize = 100;

/// One thing to mend in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether the folder can be used.
    pub severity: Severity,
    /// The file's name.
    pub file: String,
    /// From 1; 0 where it has none.
    pub line: usize,
    /// What is wrong there and what to do.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        f.write_str(if self.severity == Severity::Warning { ": warning: " } else { ": " })?;
        f.write_str(&self.message)
    }
}

/// Why a folder cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OwnError {
    /// More of something than the limit.
    #[error("{got} {what}, at most {limit} are allowed: split the folder")]
    TooMany {
        /// What there is too much of, in the plural.
        what: &'static str,
        /// Measured.
        got: usize,
        /// Limit.
        limit: usize,
    },
    /// A file, or all of them, larger than the limit.
    #[error("{what}: {got} bytes, at most {limit} are allowed: split it")]
    TooLarge {
        /// The file's name, or what all are together.
        what: String,
        /// Measured, bytes.
        got: usize,
        /// Limit, bytes.
        limit: usize,
    },
    /// The texts do not come with the facts file, or other ones do.
    #[error("the facts file names {named} files, {got} are there")]
    Texts {
        /// Names in `files`.
        named: usize,
        /// Texts given.
        got: usize,
    },
    /// Something is wrong with what the files say.
    #[error("{first}{more}", more = further(*.errors))]
    Content {
        /// The first error.
        first: Finding,
        /// All errors.
        errors: usize,
    },
}

fn further(errors: usize) -> String {
    match errors.saturating_sub(1) {
        0 => String::new(),
        more => format!(" (and {more} more: `lode task own lint DIR` lists them)"),
    }
}

impl OwnError {
    /// The first error of a list.
    pub(super) fn of(findings: Vec<Finding>) -> Option<Self> {
        let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
        let first = findings.into_iter().find(|finding| finding.severity == Severity::Error)?;
        Some(Self::Content { first, errors })
    }
}
