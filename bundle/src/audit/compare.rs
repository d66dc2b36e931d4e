//! Every file rendered again from the evidence, and compared with what the manifest lists.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use lode_proto::{
    id::{Hash, PairId},
    manifest::{FileRecord, Manifest},
};

use super::Report;
use crate::{
    derive::{Derived, Epoch},
    error::BundleError,
    finding::{Check, Finding},
    layout,
    pairs::PairSet,
    read::{self, Opened, unpack_limit},
    record::EpochRecord,
    render::{self, SOFTWARE},
    table,
};

/// Compares; findings go to the report, pairs that do not hold to `bad`.
pub(crate) fn compare(
    opened: &Opened,
    record: &EpochRecord,
    derived: &Derived,
    epoch: &Epoch,
    set: &PairSet,
    report: &mut Report,
    bad: &mut BTreeMap<PairId, String>,
) {
    let manifest = &opened.manifest;
    let same_software = manifest.software == SOFTWARE;
    if !same_software {
        let what = format!(
            "written by {}, audited by {SOFTWARE}: files whose bytes differ are compared by content",
            manifest.software
        );
        report.notes.push(what);
    }
    let mut listed: BTreeMap<&str, &FileRecord> =
        manifest.files.iter().map(|file| (file.path.as_str(), file)).collect();
    let pairs_in = render::pairs_by_file(derived, set);
    let mut findings = Vec::new();
    let mut notes = Vec::new();
    let mut put = |path: &str, bytes: Vec<u8>| {
        let ids = pairs_in.get(path).map_or(&[][..], Vec::as_slice);
        match listed.remove(path) {
            None => {
                let what = "the evidence gives this file, but the manifest does not list it";
                findings.push(Finding::file(path, Check::Rows, what));
                bad.extend(ids.iter().map(|id| (*id, format!("{path} is missing"))));
            }
            Some(file) if file.blake3 == Hash::of(&bytes) => {}
            Some(file) if path.ends_with(".parquet") => {
                match rows_differ(opened, file, bytes, ids) {
                    // Another library version may pack the same rows otherwise; ours may not.
                    Ok(wrong) if wrong.is_empty() && !same_software => {}
                    Ok(wrong) => {
                        let what = "its rows are not what the evidence gives";
                        findings.push(Finding::file(path, Check::Rows, what));
                        bad.extend(wrong);
                    }
                    Err(error) => {
                        let what = format!("is not what the evidence gives ({error})");
                        findings.push(Finding::file(path, Check::Rows, what));
                        bad.extend(ids.iter().map(|id| (*id, format!("{path} cannot be read"))));
                    }
                }
            }
            Some(_) if path == layout::CARD && !same_software => {
                notes.push("README.md was not compared: another version words it otherwise".into());
            }
            Some(_) => {
                let what = "is not what the evidence gives";
                findings.push(Finding::file(path, Check::Rows, what));
            }
        }
        Ok(())
    };
    let software = &manifest.software;
    let rendered = render::render(record, derived, epoch, set, software, &mut put);
    for path in listed.keys() {
        let what = "is listed in the manifest, but nothing in the evidence gives it";
        findings.push(Finding::file(path, Check::Rows, what));
    }
    match rendered {
        Ok((ours, _)) => manifest_differs(manifest, &ours, &mut findings),
        Err(error) => {
            let what = format!("the bundle cannot be rendered again: {error}");
            findings.push(Finding::bundle(Check::Rows, what));
        }
    }
    report.findings.append(&mut findings);
    report.notes.append(&mut notes);
}

/// Names each field of the manifest that the evidence does not give. File hashes are compared file
/// by file.
fn manifest_differs(theirs: &Manifest, ours: &Manifest, findings: &mut Vec<Finding>) {
    let same = [
        ("name", theirs.name == ours.name),
        ("network", theirs.network == ours.network),
        ("epoch", theirs.epoch == ours.epoch),
        ("campaign", theirs.campaign == ours.campaign),
        ("commit", theirs.commit == ours.commit),
        ("beacon", theirs.beacon == ours.beacon),
        ("secret", theirs.secret == ours.secret),
        ("counters", theirs.counters == ours.counters),
        ("ledger_head", theirs.ledger_head == ours.ledger_head),
        ("pairs_root", theirs.pairs_root == ours.pairs_root),
        ("verifiers", theirs.verifiers == ours.verifiers),
        ("counts", theirs.counts == ours.counts),
        ("dropped", theirs.dropped == ours.dropped),
        ("licences", theirs.licences == ours.licences),
    ];
    for (field, same) in same {
        if !same {
            let what = format!("its {field} is not what the evidence gives");
            // The pairs are judged one by one; a wrong root or count alone says nothing about each.
            findings.push(Finding::file(layout::MANIFEST, Check::Manifest, what));
        }
    }
}

/// The pairs of a file whose rows differ from the expected ones, with the reason.
fn rows_differ(
    opened: &Opened,
    file: &FileRecord,
    expected: Vec<u8>,
    ids: &[PairId],
) -> Result<BTreeMap<PairId, String>, BundleError> {
    let path = file.path.as_str();
    let limit = unpack_limit(expected.len() as u64).min(unpack_limit(file.bytes));
    let ours = table::read(path, expected, u64::MAX)?;
    let theirs = table::read(path, read::read_file(&opened.dir, file)?, limit)?;
    let (ours, theirs) = (by_id(path, &ours)?, by_id(path, &theirs)?);
    let mut wrong = BTreeMap::new();
    for (id, row) in &ours {
        let why = match theirs.get(id) {
            Some(other) if other == row => continue,
            Some(_) => "its row is not what the evidence gives",
            None => "it is missing",
        };
        if let Ok(id) = id.parse() {
            wrong.insert(id, format!("{path}: {why}"));
        }
    }
    let known: BTreeSet<PairId> = ids.iter().copied().collect();
    for id in theirs.keys().filter(|id| !ours.contains_key(*id)) {
        match id.parse::<PairId>() {
            Ok(id) if !known.contains(&id) => {
                wrong.insert(id, format!("{path}: nothing in the evidence gives it"));
            }
            Ok(_) => {}
            Err(_) => return Err(BundleError::bad(path, "has a row without an id")),
        }
    }
    Ok(wrong)
}

/// The rows of a file by the id in their first column.
fn by_id(
    path: &str,
    batches: &[RecordBatch],
) -> Result<BTreeMap<String, RecordBatch>, BundleError> {
    let mut rows = BTreeMap::new();
    for batch in batches {
        let name = if batch.schema().column_with_name("pair_id").is_some() {
            "pair_id"
        } else {
            "attempt_id"
        };
        let ids = table::texts(path, batch, name)?;
        for row in 0..batch.num_rows() {
            let id = table::cell(ids, row).unwrap_or_default().to_owned();
            if rows.insert(id, batch.slice(row, 1)).is_some() {
                return Err(BundleError::bad(path, "has a row twice"));
            }
        }
    }
    Ok(rows)
}
