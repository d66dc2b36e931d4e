//! Why a foreign file was not read, for the one who gave it.

/// What is wrong with a foreign file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForeignError {
    /// More than is read.
    #[error("{what} has {found} {unit}, at most {limit} are read; split the file")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large it is, or the first size beyond the limit.
        found: usize,
        /// Unit of both figures.
        unit: &'static str,
        /// The most that is read.
        limit: usize,
    },
    /// The bytes are no JSON.
    #[error("line {line}, column {column}: {what}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1, bytes.
        column: usize,
        /// What was found and what was expected.
        what: String,
    },
    /// A field is missing, or holds something else than it should.
    #[error("record {record} (line {line}): {path}: {what}")]
    Field {
        /// From 1.
        record: usize,
        /// Line on which the record begins, from 1.
        line: usize,
        /// Which field, for example `chosen_metadata.pass`.
        path: String,
        /// What was found and what was expected.
        what: String,
    },
}
