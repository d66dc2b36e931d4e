//! Bundles of closed epochs: gathered from the log, staged, signed, published under their name.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use lode_bundle::{error::BundleError, pairs::Config, write};
use lode_node::{killpoint, log::DurableLog, writer::Writer};
use lode_proto::{
    codec,
    envelope::Envelope,
    id::Hash,
    limits::{MAX_ENCODED_BYTES, MAX_LOG_RECORD_BYTES},
};

use super::{RunError, work::SharedEngine};
use crate::{
    core::{BuiltBundle, Record, blob_key},
    evidence::Collector,
};

/// Builds and signs bundles, one at a time.
pub(super) struct Bundles {
    pub(super) engine: SharedEngine,
    pub(super) root: PathBuf,
    pub(super) genesis: Envelope,
    /// Domain file and inputs by content hash.
    pub(super) inputs: BTreeMap<Hash, Vec<u8>>,
    pub(super) licence: String,
    pub(super) threads: usize,
    /// A retry must not write where an earlier try, late, still does.
    pub(super) one: Mutex<()>,
}

fn explain(error: &BundleError) -> String {
    match error {
        BundleError::Record(findings) => {
            let first: Vec<String> = findings.iter().take(3).map(ToString::to_string).collect();
            format!("{} findings, first: {}", findings.len(), first.join("; "))
        }
        other => other.to_string(),
    }
}

/// Reads the log from its beginning.
///
/// # Errors
/// A record that cannot be read, or what `each` says.
pub(super) fn for_each_record(
    log: &dyn DurableLog,
    from: u64,
    each: &mut dyn FnMut(Record) -> Result<(), RunError>,
) -> Result<(), RunError> {
    for item in log.replay(from) {
        let (index, bytes) = item?;
        let record = codec::decode(&bytes, MAX_LOG_RECORD_BYTES)
            .map_err(|error| RunError::Record { index, why: error.to_string() })?;
        each(record)?;
    }
    Ok(())
}

impl Bundles {
    /// Gathers the evidence of an epoch and stages its bundle.
    ///
    /// # Errors
    /// Why there is none, for people.
    pub(super) async fn build(
        self: &Arc<Self>,
        epoch: u64,
        writer: &Writer,
    ) -> Result<BuiltBundle, String> {
        killpoint::reach("coordinator:bundle:begin");
        let (genesis, inputs) = (self.genesis.clone(), self.inputs.clone());
        let licence = self.licence.clone();
        let mut record = writer
            .with_log(move |log| {
                let mut collector = Collector::new(epoch);
                for_each_record(log, 0, &mut |record| Ok(collector.take(&record)?))?;
                let mut blob = |id| {
                    let bytes = log.get_blob(&blob_key(id)).map_err(|error| error.to_string())?;
                    let decode = |bytes: Vec<u8>| codec::decode(&bytes, MAX_ENCODED_BYTES);
                    bytes.map(decode).transpose().map_err(|error| error.to_string())
                };
                Ok::<_, RunError>(collector.finish(genesis, inputs, licence, &mut blob)?)
            })
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        let this = Arc::clone(self);
        let staged = tokio::task::spawn_blocking(move || {
            let _one = this.one.lock().unwrap_or_else(PoisonError::into_inner);
            record.earlier = write::earlier(&this.root, record.epoch)?;
            write::stage(&record, &*this.engine, &this.root, this.threads)
        })
        .await
        .map_err(|error| format!("the bundle's writer failed: {error}"))?
        .map_err(|error| explain(&error))?;
        killpoint::reach("coordinator:bundle:staged");
        let prefix = format!("{}/", Config::Pairs.name());
        let counts = staged.manifest.counts.iter();
        let pairs = counts.filter(|(name, _)| name.starts_with(&prefix)).map(|(_, n)| *n).sum();
        let of_default = staged.pairs.pairs.iter().filter(|pair| pair.config == Config::Pairs);
        let tasks: BTreeSet<usize> = of_default.map(|pair| pair.group).collect();
        Ok(BuiltBundle {
            name: staged.name,
            manifest: staged.manifest_hash,
            pairs,
            paired_tasks: tasks.len() as u64,
        })
    }

    /// Adds the signatures and gives the bundle its final name.
    ///
    /// # Errors
    /// Why not, for people.
    pub(super) async fn sign(
        self: &Arc<Self>,
        name: String,
        envelopes: Vec<Envelope>,
    ) -> Result<(), String> {
        let this = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let _one = this.one.lock().unwrap_or_else(PoisonError::into_inner);
            killpoint::reach("coordinator:bundle:signing");
            write::attach_signatures(&this.root, &name, envelopes)
        })
        .await
        .map_err(|error| format!("the bundle's writer failed: {error}"))?
        .map_err(|error| explain(&error))?;
        killpoint::reach("coordinator:bundle:signed");
        Ok(())
    }
}

impl std::fmt::Debug for Bundles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bundles({})", self.root.display())
    }
}
