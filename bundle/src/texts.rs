//! The texts of a bundle's pairs, for a trainer. Files are checked against the manifest; audit first a
//! bundle that somebody else wrote.

use std::path::Path;

use arrow::array::StringArray;

use crate::{
    error::BundleError,
    pairs::{Config, Split},
    read, table,
};

/// Where a pair's margin stands.
const ANNOTATIONS: &str = "pair_annotations";
const MARGIN: &str = "quality_margin_milli";
/// Most rows that are read of one split.
const MAX_ROWS: usize = 10_000_000;

/// The texts of one pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairTexts {
    /// The pair's id, hexadecimal.
    pub pair_id: String,
    /// The task's id, hexadecimal.
    pub task_id: String,
    /// The exact text the model saw.
    pub prompt: String,
    /// The better completion, byte for byte.
    pub chosen: String,
    /// The worse one, byte for byte.
    pub rejected: String,
    /// Quality of the better one less that of the worse one, thousandths.
    pub quality_margin_milli: Option<i64>,
}

/// Reads one split of a config of pairs, in file order. A split without files has no pairs.
///
/// # Errors
/// Where a file is not what the manifest says, is no Parquet, unpacks to far more than its size,
/// lacks a column, or holds a null where text must be.
pub fn read(dir: &Path, config: Config, split: Split) -> Result<Vec<PairTexts>, BundleError> {
    let opened = read::open(dir)?;
    let prefix = format!("data/{}/{}-", config.name(), split.name());
    let mut rows = Vec::new();
    for file in opened.manifest.files.iter().filter(|file| file.path.starts_with(&prefix)) {
        let path = file.path.as_str();
        let bytes = read::read_file(dir, file)?;
        for batch in table::read(path, bytes, read::unpack_limit(file.bytes))? {
            let columns = ["pair_id", "challenge_id", "prompt", "chosen", "rejected"]
                .map(|name| table::texts(path, &batch, name));
            let [pair_id, task_id, prompt, chosen, rejected] = columns;
            let columns = [pair_id?, task_id?, prompt?, chosen?, rejected?];
            for row in 0..batch.num_rows() {
                let margin = table::inner_number(&batch, ANNOTATIONS, MARGIN, row);
                let texts = texts(path, columns, row)?;
                rows.push(PairTexts { quality_margin_milli: margin, ..texts });
            }
            if rows.len() > MAX_ROWS {
                let what = format!("has more than {MAX_ROWS} rows, the most that are read");
                return Err(BundleError::bad(path, what));
            }
        }
    }
    Ok(rows)
}

fn texts(path: &str, columns: [&StringArray; 5], row: usize) -> Result<PairTexts, BundleError> {
    let text = |column| {
        table::cell(column, row)
            .map(str::to_owned)
            .ok_or_else(|| BundleError::bad(path, format!("row {row} has no text")))
    };
    let [pair_id, task_id, prompt, chosen, rejected] = columns;
    Ok(PairTexts {
        pair_id: text(pair_id)?,
        task_id: text(task_id)?,
        prompt: text(prompt)?,
        chosen: text(chosen)?,
        rejected: text(rejected)?,
        quality_margin_milli: None,
    })
}
