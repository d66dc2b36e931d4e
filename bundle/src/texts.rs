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

/// Reads one split of a config of pairs, in file order. A split without files has no pairs.
///
/// # Errors
/// Where a file cannot be read, is no Parquet, lacks a column, or holds a null where text must be.
pub fn read(dir: &Path, config: Config, split: Split) -> Result<Vec<PairTexts>, BundleError> {
    let opened = read::open(dir)?;
    let mut rows = Vec::new();
    for number in 0.. {
        let path = layout::data_file(config, split, number);
        if !opened.manifest.files.iter().any(|file| file.path == path) {
            break;
        }
        let bytes = fsio::read_bounded(&dir.join(&path), MAX_FILE_BYTES)?;
        for batch in table::read(&path, bytes, MAX_FILE_BYTES)? {
            let columns = ["pair_id", "prompt", "chosen", "rejected"]
                .map(|name| table::texts(&path, &batch, name));
            let [pair_id, prompt, chosen, rejected] = columns;
            let columns = [pair_id?, prompt?, chosen?, rejected?];
            for row in 0..batch.num_rows() {
                rows.push(texts(&path, columns, row)?);
            }
            if rows.len() > MAX_ROWS {
                let what = format!("has more than {MAX_ROWS} rows, the most that are read");
                return Err(BundleError::bad(path, what));
            }
        }
    }
    Ok(rows)
}

fn texts(path: &str, columns: [&StringArray; 4], row: usize) -> Result<PairTexts, BundleError> {
    let text = |column| {
        table::cell(column, row)
            .map(str::to_owned)
            .ok_or_else(|| BundleError::bad(path, format!("row {row} has no text")))
    };
    let [pair_id, prompt, chosen, rejected] = columns;
    Ok(PairTexts {
        pair_id: text(pair_id)?,
        prompt: text(prompt)?,
        chosen: text(chosen)?,
        rejected: text(rejected)?,
    })
}
