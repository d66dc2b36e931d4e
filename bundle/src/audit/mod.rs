//! The audit: everything in a bundle recomputed, offline.
//!
//! ```text
//! folder ─► files: hash, size, unlisted, links       (files.rs)
//!        ─► manifest.sig over the raw manifest.json   (read.rs)
//!        ─► evidence ─► derive: seeds, tasks, commitments, receipts, grades, ledger
//!        ─► pairs built again ─► every file rendered again and compared   (compare.rs)
//!        ─► Report: how many pairs hold, and each that does not           (report.rs)
//! ```
//!
//! A bundle is a pure function of its signed evidence, so that the last step leaves nothing
//! unchecked: a byte that the evidence does not give is found. What comes from elsewhere is treated
//! as hostile: sizes are bounded before anything is read, links and paths that lead out are
//! refused, and Parquet is unpacked only where its bytes are not the expected ones.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use lode_proto::{
    id::{NetworkId, PairId},
    manifest::Manifest,
};

use crate::{
    derive::{self, StoredTasks},
    engine::Engine,
    error::BundleError,
    evidence::{self, TaskFrame, read_frames},
    finding::{Check, Finding, Place},
    fsio, layout, pairs,
    read::{self, Opened, signature_findings},
};

mod compare;
mod files;
mod report;
#[cfg(test)]
mod tests;

pub use report::{BadPair, Report, Trust};

/// Which signatures a bundle must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Signatures {
    /// The coordinator's and a quorum of verifiers'.
    #[default]
    Complete,
    /// Any that are there must hold; for a verifier that audits before it signs.
    Staged,
}

/// How to audit.
#[derive(Debug, Clone)]
pub struct AuditOptions {
    /// The network that the reader trusts; without one a bundle can only be `consistent`.
    pub anchor: Option<NetworkId>,
    /// Which signatures must be there.
    pub signatures: Signatures,
    /// Threads that generate and grade.
    pub threads: usize,
    /// Largest bundle that is read, bytes.
    pub max_bytes: u64,
    /// Largest evidence that is read into memory, bytes.
    pub max_evidence_bytes: u64,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self {
            anchor: None,
            signatures: Signatures::Complete,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            max_bytes: 64 << 30,
            max_evidence_bytes: 8 << 30,
        }
    }
}

/// Audits the bundle in `dir`. Whatever is wrong becomes a finding of the report; nothing in the
/// folder is changed.
#[must_use]
pub fn audit(dir: &Path, engine: &dyn Engine, options: &AuditOptions) -> Report {
    let mut report = Report::new(dir);
    let opened = match read::open(dir) {
        Ok(opened) => opened,
        Err(error) => {
            report.findings.push(unreadable(dir, &error));
            return report;
        }
    };
    report.opened(&opened);
    files::check(&opened, options, &mut report.findings);
    check_signatures(&opened, options, &mut report);
    check_anchor(&opened, options, &mut report);
    deep(&opened, engine, options, &mut report);
    report.findings.sort();
    report.findings.dedup();
    report
}

/// The finding for a file that cannot be opened, named by its path inside the bundle.
fn unreadable(dir: &Path, error: &BundleError) -> Finding {
    match error {
        BundleError::Bad { place, what } => {
            let inside = place.strip_prefix(&format!("{}/", dir.display())).unwrap_or(place);
            Finding::file(inside, Check::File, what.clone())
        }
        BundleError::Io { path, source } => {
            let inside = path.strip_prefix(dir).unwrap_or(path);
            Finding::file(&inside.display().to_string(), Check::File, source.to_string())
        }
        other => Finding::bundle(Check::File, other.to_string()),
    }
}

fn check_signatures(opened: &Opened, options: &AuditOptions, report: &mut Report) {
    let complete = options.signatures == Signatures::Complete;
    let path = opened.dir.join(layout::SIGNATURES);
    if !complete && std::fs::symlink_metadata(&path).is_err() {
        return;
    }
    let file = fsio::read_bounded(&path, read::MAX_SIGNATURE_BYTES as u64)
        .and_then(|bytes| read::parse_signatures(&bytes));
    match file {
        Ok(file) => {
            report.signatures = file.envelopes.len() as u64;
            report.findings.append(&mut signature_findings(opened, &file, complete));
        }
        Err(error) => {
            let finding = unreadable(&opened.dir, &error);
            let check = Check::Signature;
            report.findings.push(Finding::file(layout::SIGNATURES, check, finding.what));
        }
    }
}

fn check_anchor(opened: &Opened, options: &AuditOptions, report: &mut Report) {
    let Some(anchor) = options.anchor else { return };
    if anchor == opened.network {
        report.trust = Trust::Anchored;
    } else {
        let what = format!("is of network {}, the trusted one is {anchor}", opened.network);
        report.findings.push(Finding::bundle(Check::Network, what));
    }
}

/// Everything that needs the evidence. Left out, with a note, where the evidence is not what the
/// manifest lists: those findings stand already.
fn deep(opened: &Opened, engine: &dyn Engine, options: &AuditOptions, report: &mut Report) {
    let manifest = &opened.manifest;
    let broken = report.findings.iter().any(|finding| match &finding.place {
        Place::File(path) => {
            ["evidence/", "domains/", "inputs/"].iter().any(|folder| path.starts_with(folder))
                || path == layout::MANIFEST
        }
        Place::Bundle => finding.check == Check::File,
        Place::Counter(_) => false,
    });
    if broken {
        report
            .notes
            .push("the evidence was not recomputed, because it is not what was signed".into());
        return;
    }
    let records: BTreeMap<&str, _> =
        manifest.files.iter().map(|file| (file.path.as_str(), file)).collect();
    let mut fetch = |path: &str| match records.get(path) {
        Some(record) => read::read_file(&opened.dir, record),
        None => Err(BundleError::bad(path, "is missing from the manifest")),
    };
    let paths: Vec<String> = manifest.files.iter().map(|file| file.path.clone()).collect();
    let record = match evidence::read(&paths, manifest.counters.clone(), &mut fetch) {
        Ok(record) => record,
        Err(error) => {
            report.findings.push(unreadable(&opened.dir, &error));
            return;
        }
    };
    let stored = match stored_tasks(&paths, &mut fetch) {
        Ok(stored) => stored,
        Err(error) => {
            report.findings.push(unreadable(&opened.dir, &error));
            return;
        }
    };
    let mut derived = derive::derive(&record, engine, &stored, options.threads.max(1));
    report.derived(&derived, record.faults.len());
    report.findings.append(&mut derived.findings);
    let Some(epoch) = &derived.epoch else { return };
    if report.findings.iter().any(|finding| finding.check == Check::Inconclusive) {
        let what = "the rows were not compared, because not everything could be recomputed";
        report.notes.push(what.into());
        return;
    }
    let set = pairs::build(&derived.groups, &record.earlier.iter().copied().collect());
    let mut bad: BTreeMap<PairId, String> = BTreeMap::new();
    compare::compare(opened, &record, &derived, epoch, &set, report, &mut bad);
    let faulty: BTreeSet<u64> = report.faulty_counters();
    for pair in &set.pairs {
        let counter = derived.groups.get(pair.group).map(|group| group.counter);
        if let Some(counter) = counter.filter(|counter| faulty.contains(counter)) {
            bad.entry(pair.id).or_insert_with(|| format!("counter {counter} does not hold"));
        }
    }
    report.derivable = true;
    report.bad_pairs = bad.into_iter().map(|(id, why)| BadPair { id, why }).collect();
}

fn stored_tasks(
    paths: &[String],
    fetch: &mut dyn FnMut(&str) -> Result<Vec<u8>, BundleError>,
) -> Result<StoredTasks, BundleError> {
    let mut stored = StoredTasks::new();
    for path in paths.iter().filter(|path| path.starts_with(layout::TASKS)) {
        for frame in read_frames::<TaskFrame>(path, "tasks", &fetch(path)?)? {
            stored.insert(frame.id, frame);
        }
    }
    Ok(stored)
}

/// Rows of all configs of pairs that a manifest announces.
pub(crate) fn announced_pairs(manifest: &Manifest) -> u64 {
    manifest
        .counts
        .iter()
        .filter(|(key, _)| !key.starts_with("attempts/"))
        .fold(0, |sum, (_, count)| sum.saturating_add(*count))
}
