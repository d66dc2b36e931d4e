//! What the system says: memory, disk, GPUs, and the model file on it.

use std::{
    io::Write,
    path::{Path, PathBuf},
    time::Instant,
};

use lode_engine::{
    ModelHeader,
    memory::{Available, read_text},
    store::{KnownModel, Store, StoreError},
};

use crate::{
    doctor::{
        device::{Gpu, GpuFacts, parse_listing},
        disk::{DiskFacts, PROBE_BYTES, WriteFault},
        model::{MemoryFacts, ModelFacts, ModelFault},
    },
    power::{SMI, run_smi},
};

/// NVIDIA's driver and GPUs. Blocks for some seconds at most.
pub(in crate::doctor) fn gpus() -> GpuFacts {
    let driver = read_text("/proc/driver/nvidia/version").map(|text| driver_version(&text));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    GpuFacts { driver, listed: list_gpus(), cores }
}

/// The version in `NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.10  Tue …`.
fn driver_version(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    let number =
        |word: &&str| word.contains('.') && word.chars().all(|c| c.is_ascii_digit() || c == '.');
    first.split_whitespace().find(number).unwrap_or("of unknown version").to_owned()
}

fn list_gpus() -> Result<Vec<Gpu>, String> {
    let query = ["--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"];
    let text = run_smi(Path::new(SMI), query).map_err(|error| error.to_string())?;
    parse_listing(&text)
}

/// Memory that a new program may use.
pub(in crate::doctor) fn memory() -> Option<MemoryFacts> {
    let Available { bytes, from } = lode_engine::memory::available()?;
    Some(MemoryFacts { available: bytes, from: from.into() })
}

/// The data folder, or the nearest folder above it that is there. Leaves nothing behind.
pub(in crate::doctor) fn disk(data: &Path) -> DiskFacts {
    let data = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    let folder = data.ancestors().find(|path| path.exists()).unwrap_or(&data).to_owned();
    let free =
        rustix::fs::statvfs(&folder).ok().map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    let began = Instant::now();
    let synced_ms = write_and_sync(&folder)
        .map(|()| u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX))
        .map_err(|error| {
            use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
            let no_room = matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge);
            WriteFault { no_room, reason: lode_node::files::explain(&error) }
        });
    DiskFacts { folder, free, synced_ms }
}

fn write_and_sync(folder: &Path) -> std::io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".lode-doctor-").tempfile_in(folder)?;
    // Not zeros, which some file systems do not store.
    let bytes: Vec<u8> = (0..PROBE_BYTES).map(|at| (at % 251) as u8).collect();
    file.write_all(&bytes)?;
    file.as_file().sync_all()
}

/// The model file behind a name or path, without reading its weights yet.
pub(in crate::doctor) fn model(name_or_path: &str) -> ModelFacts {
    let missing = |path: PathBuf, error| ModelFacts {
        path,
        header: Err(ModelFault::Missing(error)),
        file: None,
    };
    let path = match KnownModel::named(name_or_path) {
        None => PathBuf::from(name_or_path),
        Some(known) => match Store::of_user() {
            Ok(store) => store.path_of(known),
            Err(error) => return missing(known.file.into(), error),
        },
    };
    if !path.is_file() {
        // Its words for what is there instead; nothing is hashed for them.
        let error = Store::of_user().and_then(|store| store.resolve(name_or_path));
        let none = || StoreError::NotAFile { path: path.clone() };
        return missing(path.clone(), error.err().unwrap_or_else(none));
    }
    let header = ModelHeader::read(&path).map_err(ModelFault::Header);
    ModelFacts { path, header, file: None }
}

/// Reads all of the file for its hash.
pub(in crate::doctor) fn with_hash(facts: ModelFacts, name_or_path: &str) -> ModelFacts {
    let sound = facts.header.is_ok();
    let file = sound.then(|| Store::of_user().and_then(|store| store.resolve(name_or_path)));
    ModelFacts { file, ..facts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_says_its_version() {
        let open =
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release Build\n";
        assert_eq!(driver_version(open), "570.124.06");
        assert_eq!(driver_version(""), "of unknown version");
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_tried_where_it_would_be_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let facts = disk(&folder.path().join("a/b"));
        assert_eq!(facts.folder, folder.path());
        assert!(facts.synced_ms.is_ok(), "{facts:?}");
        assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 0);
    }
}
