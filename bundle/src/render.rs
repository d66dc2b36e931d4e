//! A bundle's files as a function of its record: what the writer puts on disk and what the auditor
//! compares with it.

use std::collections::{BTreeMap, BTreeSet};

use lode_proto::{
    id::Hash,
    manifest::{BUNDLE_FORMAT, FileRecord, Manifest},
    merkle,
};

use crate::{
    card,
    derive::{Derived, Epoch, epoch::ledger_head, task_frame},
    error::BundleError,
    evidence::{self, Put, Shards},
    layout,
    pairs::{Config, PairSet, Split},
    record::EpochRecord,
    rows, schema,
    table::TableWriter,
};

/// What wrote a bundle; other versions may give other bytes for the same rows.
pub(crate) const SOFTWARE: &str = concat!("lode-bundle/", env!("CARGO_PKG_VERSION"));

/// Renders every file but the signatures; returns the manifest and its bytes.
pub(crate) fn render(
    record: &EpochRecord,
    derived: &Derived,
    epoch: &Epoch,
    set: &PairSet,
    software: &str,
    put: &mut Put<'_>,
) -> Result<(Manifest, Vec<u8>), BundleError> {
    let mut files = Vec::new();
    let mut keep = |path: &str, bytes: Vec<u8>| {
        files.push(FileRecord {
            path: path.to_owned(),
            bytes: bytes.len() as u64,
            blake3: Hash::of(&bytes),
        });
        put(path, bytes)
    };
    let counts = data(derived, epoch, set, &mut keep)?;
    evidence::write(record, &epoch.open.campaign.template.domain, &mut keep)?;
    let mut tasks = Shards::new(layout::TASKS, "tasks", &mut keep);
    for task in derived.tasks.values() {
        tasks.push(&task_frame(task)?)?;
    }
    tasks.finish()?;
    let mut manifest = Manifest {
        format: BUNDLE_FORMAT.into(),
        name: layout::bundle_name(record.epoch),
        network: epoch.network,
        epoch: record.epoch,
        campaign: epoch.open.campaign.clone(),
        commit: epoch.open.commit,
        beacon: epoch.beacon,
        secret: record.secret,
        counters: record.counters.clone(),
        ledger_head: ledger_head(record, &epoch.open)
            .map_err(|what| BundleError::bad(layout::LEDGER, what))?,
        files: Vec::new(),
        pairs_root: merkle::root(&set.pairs.iter().map(|pair| pair.id.0).collect::<Vec<_>>()),
        verifiers: epoch.verifiers.keys().copied().collect(),
        counts,
        dropped: set.dropped.clone(),
        licences: licences(record, derived),
        software: software.to_owned(),
    };
    keep(layout::CARD, card::render(&manifest, derived, epoch, set).into_bytes())?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    manifest.files = files;
    let bytes = manifest_bytes(&manifest)?;
    Ok((manifest, bytes))
}

/// The one spelling of a manifest: JSON with two spaces of indentation and a last line break.
pub(crate) fn manifest_bytes(manifest: &Manifest) -> Result<Vec<u8>, BundleError> {
    let mut bytes = serde_json::to_vec_pretty(manifest)
        .map_err(|error| BundleError::bad(layout::MANIFEST, error.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn licences(record: &EpochRecord, derived: &Derived) -> BTreeMap<String, String> {
    let mut licences = BTreeMap::from([("bundle".to_owned(), record.licence.clone())]);
    for group in &derived.groups {
        let card = &group.card;
        licences.insert(format!("weights of {}", card.model), card.licence.clone());
        licences.insert(format!("output of {}", card.model), card.output_licence.clone());
    }
    licences
}

/// The Parquet files; returns the rows of each config and split.
fn data(
    derived: &Derived,
    epoch: &Epoch,
    set: &PairSet,
    put: &mut Put<'_>,
) -> Result<BTreeMap<String, u64>, BundleError> {
    let mut counts = BTreeMap::new();
    for config in Config::ALL {
        for split in Split::ALL {
            let rows = match config {
                Config::Attempts => attempts(derived, epoch, set, split, put)?,
                _ => pairs(derived, epoch, set, config, split, put)?,
            };
            if rows > 0 {
                counts.insert(format!("{}/{}", config.name(), split.name()), rows);
            }
        }
    }
    Ok(counts)
}

/// A config's rows of one split over numbered files.
struct Files<'a, 'p> {
    config: Config,
    split: Split,
    writer: Option<TableWriter>,
    number: usize,
    rows: u64,
    put: &'a mut Put<'p>,
}

impl<'a, 'p> Files<'a, 'p> {
    fn new(config: Config, split: Split, put: &'a mut Put<'p>) -> Self {
        Self { config, split, writer: None, number: 0, rows: 0, put }
    }

    fn path(&self) -> String {
        layout::data_file(self.config, self.split, self.number)
    }

    fn push(&mut self, row: serde_json::Map<String, serde_json::Value>) -> Result<(), BundleError> {
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => TableWriter::new(&self.path(), schema::schema(self.config))?,
        };
        writer.push(row)?;
        self.rows += 1;
        let full = writer.rows() >= layout::ROWS_PER_FILE as u64;
        self.writer = Some(writer);
        if full { self.close() } else { Ok(()) }
    }

    fn close(&mut self) -> Result<(), BundleError> {
        if let Some(writer) = self.writer.take() {
            let path = self.path();
            (self.put)(&path, writer.finish()?)?;
            self.number += 1;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<u64, BundleError> {
        self.close()?;
        Ok(self.rows)
    }
}

fn pairs(
    derived: &Derived,
    epoch: &Epoch,
    set: &PairSet,
    config: Config,
    split: Split,
    put: &mut Put<'_>,
) -> Result<u64, BundleError> {
    let mut files = Files::new(config, split, put);
    for pair in set.of(config) {
        let Some(group) = derived.groups.get(pair.group) else { continue };
        if set.split(&group.task.id) != split {
            continue;
        }
        if let Some(row) = rows::pair(epoch, &derived.groups, set, pair) {
            files.push(row)?;
        }
    }
    files.finish()
}

fn attempts(
    derived: &Derived,
    epoch: &Epoch,
    set: &PairSet,
    split: Split,
    put: &mut Put<'_>,
) -> Result<u64, BundleError> {
    let mut of_attempt: BTreeMap<(usize, usize), BTreeSet<String>> = BTreeMap::new();
    for pair in &set.pairs {
        for at in [pair.chosen, pair.rejected] {
            of_attempt.entry((pair.group, at)).or_default().insert(pair.id.to_string());
        }
    }
    let mut files = Files::new(Config::Attempts, split, put);
    for (at, group) in derived.groups.iter().enumerate() {
        if set.split(&group.task.id) != split {
            continue;
        }
        for (number, attempt) in group.attempts.iter().enumerate() {
            let ids: Vec<String> =
                of_attempt.get(&(at, number)).into_iter().flatten().cloned().collect();
            files.push(rows::attempt(epoch, group, attempt, split, &ids))?;
        }
    }
    files.finish()
}

/// The ids of the pairs in each data file, by path.
pub(crate) fn pairs_by_file(
    derived: &Derived,
    set: &PairSet,
) -> BTreeMap<String, Vec<lode_proto::id::PairId>> {
    let mut files: BTreeMap<String, Vec<_>> = BTreeMap::new();
    let mut rows: BTreeMap<(Config, Split), usize> = BTreeMap::new();
    for pair in &set.pairs {
        let Some(group) = derived.groups.get(pair.group) else { continue };
        let split = set.split(&group.task.id);
        let row = rows.entry((pair.config, split)).or_default();
        let path = layout::data_file(pair.config, split, *row / layout::ROWS_PER_FILE);
        *row += 1;
        files.entry(path).or_default().push(pair.id);
    }
    files
}
