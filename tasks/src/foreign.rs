//! Other people's records: read without loss, checked as far as their own data allows, written back.
//!
//! Foreign files are hostile input: their size, depth and number of values are bounded before
//! anything else looks at them, and every refusal names its line or its field.
//!
//! ```text
//! bytes ─► json (lossless, bounded) ─► fields (typed, with places) ─► botcoin: rows, pairs, checks
//!                                                                   └► dacr: tasks, sheets, scores
//! ```
//!
//! What was imported stays marked ([`IMPORT_KEY`]): it keeps its source and licence, and never
//! becomes part of a bundle of ours.

pub mod botcoin;
pub mod dacr;
mod error;
mod fields;
pub mod fuzz;
pub mod import;
pub mod json;
pub mod scores;

pub use error::ForeignError;
pub use import::{IMPORT_KEY, Origin, is_imported};

/// Largest foreign file, bytes.
pub const MAX_FILE_BYTES: usize = 128 * 1024 * 1024;
/// Largest record (a row, a pair, a challenge) of a foreign file, bytes.
pub const MAX_RECORD_BYTES: usize = 8 * 1024 * 1024;
/// Deepest nesting of lists and objects.
pub const MAX_DEPTH: usize = 32;
/// Most values (numbers, texts, lists, objects, …) in a file: bounds memory.
pub const MAX_VALUES: usize = 4_000_000;
/// Most records in a file.
pub const MAX_RECORDS: usize = 100_000;
