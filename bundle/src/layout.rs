//! Where things lie in a bundle, and which paths a bundle may name.

use crate::pairs::{Config, Split};

/// The manifest.
pub const MANIFEST: &str = "manifest.json";
/// Its signatures.
pub const SIGNATURES: &str = "manifest.sig";
/// The dataset card.
pub const CARD: &str = "README.md";
/// The network's genesis; the first thing that `pull` fetches.
pub const GENESIS: &str = "evidence/genesis.bin";
/// Opening, beacon, joins.
pub const EPOCH: &str = "evidence/epoch.bin";
/// The epoch's part of the ledger.
pub const LEDGER: &str = "evidence/ledger.bin";
/// What went wrong.
pub const FAULTS: &str = "evidence/faults.bin";
/// Fingerprints of pairs published before.
pub const EARLIER: &str = "evidence/earlier.bin";
/// Groups: `evidence/groups-00000.bin` and on.
pub const GROUPS: &str = "evidence/groups-";
/// Tasks with their keys: `evidence/tasks-00000.bin` and on.
pub const TASKS: &str = "evidence/tasks-";
/// The folder of finished bundles that wait for signatures, beside the signed ones.
pub const STAGED: &str = "staged";
/// The folder of the published bundles' fingerprints, beside them: 32 bytes a pair, sorted.
pub const FINGERPRINTS: &str = "fingerprints";
/// Most rows in one Parquet file.
pub const ROWS_PER_FILE: usize = 5_000;
/// Longest path inside a bundle, bytes.
pub const MAX_PATH_BYTES: usize = 200;
/// Deepest folder inside a bundle.
pub const MAX_PATH_PARTS: usize = 4;
/// Longest name of a bundle, bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// The name of an epoch's bundle.
#[must_use]
pub fn bundle_name(epoch: u64) -> String {
    format!("bundle-{epoch:06}")
}

/// A numbered file, for example `evidence/groups-00000.bin`.
#[must_use]
pub fn numbered(prefix: &str, number: usize) -> String {
    format!("{prefix}{number:05}.bin")
}

/// A data file, for example `data/pairs/train-00000.parquet`.
#[must_use]
pub fn data_file(config: Config, split: Split, number: usize) -> String {
    format!("data/{}/{}-{number:05}.parquet", config.name(), split.name())
}

/// Whether `name` can be a bundle's name: what [`bundle_name`] gives, and nothing that means
/// anything to a file system.
#[must_use]
pub fn is_bundle_name(name: &str) -> bool {
    name.len() <= MAX_NAME_BYTES
        && name.strip_prefix("bundle-").is_some_and(|digits| {
            digits.len() >= 6 && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
}

/// Why `path` may not stand in a manifest, or `None` where it may: relative, with `/`, of plain
/// ASCII names that do not begin with a dot.
#[must_use]
pub fn path_fault(path: &str) -> Option<&'static str> {
    if path.is_empty() || path.len() > MAX_PATH_BYTES {
        return Some("is empty or longer than 200 bytes");
    }
    if path.split('/').count() > MAX_PATH_PARTS {
        return Some("lies deeper than four folders");
    }
    for part in path.split('/') {
        if part.is_empty() || part.starts_with('.') || part.ends_with('.') {
            return Some("has an empty part or one that begins or ends with a dot");
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !part.bytes().all(plain) {
            return Some("has other characters than letters, digits, '-', '_' and '.'");
        }
    }
    (path == MANIFEST || path == SIGNATURES).then_some("is never listed in the manifest itself")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_out_are_refused() {
        for bad in [
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "./a",
            "a\\b",
            "C:/x",
            ".hidden",
            "a/b/c/d/e",
            "manifest.json",
            "manifest.sig",
            "a\0b",
            "a b",
            "ä",
            "x.",
        ] {
            assert!(path_fault(bad).is_some(), "{bad:?} was let through");
        }
        for good in [CARD, GENESIS, "data/pairs/train-00000.parquet", "domains/companies.toml"] {
            assert_eq!(path_fault(good), None, "{good}");
        }
    }

    #[test]
    fn names_are_only_ours() {
        assert!(is_bundle_name(&bundle_name(42)));
        assert!(is_bundle_name(&bundle_name(u64::MAX)));
        for bad in ["", "bundle-", "bundle-12", "bundle-00001/..", "../bundle-000001", "staged"] {
            assert!(!is_bundle_name(bad), "{bad:?}");
        }
    }
}
