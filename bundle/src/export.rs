//! Pairs of a bundle in other people's formats, one self-contained file a pair.
//!
//! ```text
//! bundle ─► rows of a config and split ─► botcoin: their keys, their prompt layout ─► NAME.json
//! ```
//!
//! Files are checked against the manifest; audit a bundle that somebody else wrote before.

mod botcoin;

use std::path::Path;

use crate::{
    error::BundleError,
    imported,
    pairs::{Config, Split},
    read, table,
};

/// One pair, to be written to a file of this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedPair {
    /// Name of the file: config, split and pair id.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// Hands every pair of a bundle to `put` in BOTCOIN's format for pairs (`hf_export/v1`), config by
/// config and split by split. Returns how many there were.
///
/// What we do not have is `null` (times between attempts, feedback in their words, flips), pairs of
/// kind `revision` are left out, and what they do not have stands under `lode`. No label of a verifier is in a
/// trace: ours has none.
///
/// # Errors
/// Where the folder is an import or no bundle, a file is not what the manifest says, or `put` fails.
pub fn botcoin(
    dir: &Path,
    put: &mut dyn FnMut(ExportedPair) -> Result<(), BundleError>,
) -> Result<u64, BundleError> {
    imported::refuse_folder(dir)?;
    let opened = read::open(dir)?;
    let mut count = 0;
    // Their records have no place for a conversation.
    for config in Config::OF_PAIRS.into_iter().filter(|config| *config != Config::Revision) {
        for split in Split::ALL {
            let prefix = format!("data/{}/{}-", config.name(), split.name());
            for file in opened.manifest.files.iter().filter(|file| file.path.starts_with(&prefix)) {
                let bytes = read::read_file(dir, file)?;
                for batch in table::read(&file.path, bytes, read::unpack_limit(file.bytes))? {
                    for row in table::rows(&file.path, &batch)? {
                        put(ExportedPair {
                            file: botcoin::file_name(&file.path, config, split, &row)?,
                            text: botcoin::pair(&file.path, &opened, &row)?.pretty(),
                        })?;
                        count += 1;
                    }
                }
            }
        }
    }
    Ok(count)
}
