//! Keeps other people's rows out of bundles: what `lode import` wrote is marked, and a marked row or
//! input ends the writing of a bundle with [`BundleError::Imported`].

use std::path::Path;

use lode_tasks::foreign::import::{self, IMPORT_KEY, ROWS_FILE};
use serde_json::{Map, Value};

use crate::{error::BundleError, fsio};

/// How much of a file is looked at to name its source, bytes: the first row of an import.
const HEAD_BYTES: u64 = 16 * 1024 * 1024;

/// Refuses a row that carries the mark.
pub(crate) fn refuse_row(place: &str, row: &Map<String, Value>) -> Result<(), BundleError> {
    let Some(mark) = row.get(IMPORT_KEY) else { return Ok(()) };
    let said = |key: &str| mark.get(key).and_then(Value::as_str).unwrap_or("unknown").to_owned();
    Err(BundleError::Imported {
        place: place.to_owned(),
        origin: said("source"),
        licence: said("licence"),
    })
}

/// Refuses bytes that are an import.
pub(crate) fn refuse_bytes(place: &str, bytes: &[u8]) -> Result<(), BundleError> {
    match import::origin_of(bytes) {
        None => Ok(()),
        Some((origin, licence)) => {
            Err(BundleError::Imported { place: place.to_owned(), origin, licence })
        }
    }
}

/// Refuses a folder that holds an import where a bundle was expected.
pub(crate) fn refuse_folder(dir: &Path) -> Result<(), BundleError> {
    let path = dir.join(ROWS_FILE);
    if !path.exists() {
        return Ok(());
    }
    refuse_bytes(&path.display().to_string(), &fsio::read_bounded(&path, HEAD_BYTES)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{pairs::Config, schema, table::TableWriter};

    #[test]
    fn a_table_takes_no_imported_row() {
        let mut writer = TableWriter::new("data/x", schema::schema(Config::Pairs)).unwrap();
        let row = json!({
            "lode_import": { "source": "somebody", "licence": "MIT" },
            "pair_id": "1",
        });
        let Value::Object(row) = row else { panic!("no object") };
        match writer.push(row) {
            Err(BundleError::Imported { place, origin, licence }) => {
                assert_eq!((place.as_str(), origin.as_str()), ("data/x", "somebody"));
                assert_eq!(licence, "MIT");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(writer.rows(), 0);
    }
}
