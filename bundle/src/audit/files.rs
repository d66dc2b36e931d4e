//! What lies in the folder against what the manifest lists.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use lode_proto::{limits::MAX_BUNDLE_FILES, manifest::FileRecord};

use super::AuditOptions;
use crate::{
    finding::{Check, Finding},
    fsio, layout,
    read::Opened,
};

/// Checks every file of the folder and of the manifest.
pub(crate) fn check(opened: &Opened, options: &AuditOptions, findings: &mut Vec<Finding>) {
    let files = &opened.manifest.files;
    let total = files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.bytes));
    let evidence = files
        .iter()
        .filter(|file| !file.path.starts_with("data/"))
        .fold(0_u64, |sum, file| sum.saturating_add(file.bytes));
    for (what, got, limit) in [
        ("the bundle", total, options.max_bytes),
        ("its evidence", evidence, options.max_evidence_bytes),
    ] {
        if got > limit {
            let what =
                format!("{what} has {got} bytes, over the limit of {limit}; nothing was read");
            findings.push(Finding::bundle(Check::File, what));
            return;
        }
    }
    let mut listed: BTreeMap<&str, &FileRecord> =
        files.iter().map(|file| (file.path.as_str(), file)).collect();
    let mut walk = Walk { root: &opened.dir, found: Vec::new(), findings };
    walk.folder(&opened.dir, "", 1);
    let found = walk.found;
    for path in found {
        if path == layout::MANIFEST || path == layout::SIGNATURES {
            continue;
        }
        match listed.remove(path.as_str()) {
            None => {
                let what = "is not listed in the manifest";
                findings.push(Finding::file(&path, Check::File, what));
            }
            Some(record) => {
                if let Some(what) = differs(&opened.dir.join(&path), record) {
                    findings.push(Finding::file(&path, Check::File, what));
                }
            }
        }
    }
    for path in listed.keys() {
        findings.push(Finding::file(path, Check::File, "is listed in the manifest, but missing"));
    }
}

fn differs(path: &Path, record: &FileRecord) -> Option<String> {
    match fsio::hash_file(path, record.bytes) {
        Err(error) => Some(error.to_string()),
        Ok((bytes, _)) if bytes != record.bytes => {
            let more = if bytes > record.bytes { "more than " } else { "" };
            let got = bytes.min(record.bytes);
            Some(format!("has {more}{got} bytes, the manifest says {}", record.bytes))
        }
        Ok((_, hash)) if hash != record.blake3 => {
            Some(format!("has BLAKE3 {hash}, the manifest says {}", record.blake3))
        }
        Ok(_) => None,
    }
}

struct Walk<'a> {
    root: &'a Path,
    found: Vec<String>,
    findings: &'a mut Vec<Finding>,
}

impl Walk<'_> {
    /// Collects plain files; everything else is a finding. Links are never followed.
    fn folder(&mut self, path: &Path, inside: &str, depth: usize) {
        let entries: Result<Vec<PathBuf>, _> = fs::read_dir(path).and_then(|entries| {
            // One more than can be right is enough to know.
            entries.take(MAX_BUNDLE_FILES + 3).map(|entry| entry.map(|e| e.path())).collect()
        });
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => return self.fail(inside, error.to_string()),
        };
        entries.sort();
        if entries.is_empty() && path != self.root {
            self.fail(inside, "is an empty folder".into());
        }
        for entry in entries {
            if self.found.len() > MAX_BUNDLE_FILES + 2 {
                return;
            }
            let name =
                entry.file_name().map_or(String::new(), |n| n.to_string_lossy().into_owned());
            let inside = if inside.is_empty() { name } else { format!("{inside}/{name}") };
            match fs::symlink_metadata(&entry) {
                Ok(meta) if meta.is_file() => self.found.push(inside),
                Ok(meta) if meta.is_dir() && depth < layout::MAX_PATH_PARTS => {
                    self.folder(&entry, &inside, depth + 1);
                }
                Ok(meta) if meta.is_dir() => self.fail(&inside, "lies too deep".into()),
                Ok(meta) if meta.is_symlink() => {
                    self.fail(&inside, "is a link; a bundle has plain files only".into());
                }
                Ok(_) => self.fail(&inside, "is no plain file".into()),
                Err(error) => self.fail(&inside, error.to_string()),
            }
        }
    }

    fn fail(&mut self, inside: &str, what: String) {
        self.findings.push(Finding::file(inside, Check::File, what));
    }
}
