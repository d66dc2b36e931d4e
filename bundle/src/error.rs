//! What can go wrong with a bundle, in words for the one who asked.

use std::path::{Path, PathBuf};

use lode_proto::{codec::CodecError, envelope::EnvelopeError};

use crate::finding::Finding;

/// Why a bundle could not be written, read or pulled.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file system refused.
    #[error("{path}: {source}; {advice}", path = path.display(), advice = advice(source))]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// The folder is not a bundle, or a file of it is not what it should be.
    #[error("{place}: {what}")]
    Bad {
        /// Path inside the bundle, or the folder.
        place: String,
        /// What was found and what was expected.
        what: String,
    },
    /// The epoch's record does not hold together, so no bundle is made of it.
    #[error("the epoch's record does not hold, so no bundle was written: {}", list(.0))]
    Record(Vec<Finding>),
    /// A value that has no canonical encoding.
    #[error("{0}")]
    Codec(#[from] CodecError),
    /// A signature that does not hold.
    #[error("{0}")]
    Envelope(#[from] EnvelopeError),
    /// Parquet or Arrow refused.
    #[error("{place}: {what}")]
    Parquet {
        /// Which file.
        place: String,
        /// What the library said.
        what: String,
    },
    /// Rows that were imported keep their source and licence, and go into no bundle of ours.
    #[error(
        "{place}: imported from {origin} under the licence {licence:?}, and bundles hold only what \
         this network made; `lode export` writes imported rows back to a file"
    )]
    Imported {
        /// Where they were found.
        place: String,
        /// Whose they are.
        origin: String,
        /// Their licence.
        licence: String,
    },
    /// The other side of a pull failed or answered with something that cannot be.
    #[error("the source of the bundle {0}")]
    Source(String),
    /// The bundle was pulled, but its audit found something; it stays in a folder of its own.
    #[error("the pulled bundle does not hold ({summary}); it was left in {}", path.display())]
    Audit {
        /// The last line of the report.
        summary: String,
        /// Where it lies.
        path: PathBuf,
    },
}

impl BundleError {
    /// An I/O error with its place.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn bad(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Bad { place: place.into(), what: what.into() }
    }

    pub(crate) fn parquet(
        place: &str,
    ) -> impl FnOnce(parquet::errors::ParquetError) -> Self + use<> {
        let place = place.to_owned();
        move |error| Self::Parquet { place, what: error.to_string() }
    }

    pub(crate) fn arrow(place: &str) -> impl FnOnce(arrow::error::ArrowError) -> Self + use<> {
        let place = place.to_owned();
        move |error| Self::Parquet { place, what: error.to_string() }
    }
}

fn advice(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind as Kind;
    match error.kind() {
        Kind::NotFound => "check the path",
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem => {
            "choose a folder that this user may write to"
        }
        Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => {
            "free some space and run the same command again"
        }
        Kind::AlreadyExists | Kind::DirectoryNotEmpty => "remove it or choose another name",
        _ => "check the disk",
    }
}

fn list(findings: &[Finding]) -> String {
    let mut text: Vec<String> = findings.iter().take(5).map(ToString::to_string).collect();
    if findings.len() > 5 {
        text.push(format!("and {} more", findings.len() - 5));
    }
    text.join("; ")
}
