//! The texts of a bundle's pairs, for a trainer: nothing is verified, so audit first.

use std::path::Path;

use arrow::array::StringArray;

use crate::{
    error::BundleError,
    fsio, layout,
    pairs::{Config, Split},
    read, table,
};

/// Largest Parquet file that is read into memory, bytes.
const MAX_FILE_BYTES: u64 = 4 << 30;
/// Most rows that are read of one split.
const MAX_ROWS: usize = 10_000_000;

/// The texts of one pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairTexts {
    /// The pair.
    pub pair_id: String,
    /// The exact text the model saw.
    pub prompt: String,
    /// The better completion.
    pub chosen: String,
    /// The worse one.
    pub rejected: String,
}
