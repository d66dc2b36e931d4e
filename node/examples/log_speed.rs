//! Durable records a second: `cargo run --release -p lode-node --example log_speed [FOLDER] [SECONDS]`.
//!
//! Appends records of 2 KB to a new log in FOLDER (a temporary folder by default) in batches of
//! several sizes, each batch synced, and then through the group-committing writer with several
//! callers that each wait for their own record. Beside it, as the limit the disk sets, the same
//! bytes appended to a plain file and synced.
#![allow(clippy::unwrap_used)] // a measurement: any error ends it

use std::{
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use lode_node::{
    log::{Batch, DurableLog, SledLog},
    writer::Writer,
};

const RECORD_BYTES: usize = 2048;

fn record(number: u64) -> Vec<u8> {
    // Not compressible and different each time, like signed text.
    let mut bytes = vec![0; RECORD_BYTES];
    blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn report(what: &str, records: u64, syncs: u64, start: Instant, folder: &Path) {
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{what:<34} {:>9.0} records/s {:>7.0} syncs/s {:>6.1} bytes on disk per byte",
        records as f64 / seconds,
        syncs as f64 / seconds,
        size(folder) as f64 / (records * RECORD_BYTES as u64) as f64,
    );
}

fn size(path: &Path) -> u64 {
    let data = std::fs::metadata(path).unwrap();
    if !data.is_dir() {
        return data.len();
    }
    std::fs::read_dir(path).unwrap().map(|entry| size(&entry.unwrap().path())).sum()
}

fn fresh(root: &Path, name: &str) -> PathBuf {
    let folder = root.join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let root = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from).join("log-speed");
    let seconds = arguments.next().map_or(5, |text| text.parse().unwrap());
    let span = Duration::from_secs(seconds);
    for batch in [1_u64, 16, 256] {
        let folder = fresh(&root, "sled");
        let mut log = SledLog::open(&folder).unwrap();
        let (start, mut number, mut syncs) = (Instant::now(), 0, 0);
        while start.elapsed() < span {
            let records = (number..number + batch).map(record).collect();
            log.append(&Batch { records, blobs: Vec::new() }).unwrap();
            number += batch;
            syncs += 1;
        }
        report(&format!("sled, batches of {batch}"), number, syncs, start, &folder);
        drop(log);
        let start = Instant::now();
        let log = SledLog::open(&folder).unwrap();
        let opened = start.elapsed();
        let read = log.replay(0).inspect(|item| assert!(item.is_ok())).count();
        println!(
            "    opened in {opened:.2?}, {read} records replayed in {:.2?}",
            start.elapsed() - opened
        );
    }
    for batch in [1_u64, 16, 256] {
        let folder = fresh(&root, "file");
        let mut file = std::fs::File::create(folder.join("log")).unwrap();
        let (start, mut number, mut syncs) = (Instant::now(), 0, 0);
        while start.elapsed() < span {
            let bytes: Vec<u8> = (number..number + batch).flat_map(record).collect();
            file.write_all(&bytes).unwrap();
            file.sync_data().unwrap();
            number += batch;
            syncs += 1;
        }
        report(&format!("plain file, batches of {batch}"), number, syncs, start, &folder);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    for callers in [1_u64, 64, 1024] {
        let folder = fresh(&root, "writer");
        let log = SledLog::open(&folder).unwrap();
        let (start, done) = runtime.block_on(async {
            let (writer, _thread) = Writer::start(log).unwrap();
            let start = Instant::now();
            let tasks: Vec<_> = (0..callers)
                .map(|caller| {
                    let writer = writer.clone();
                    tokio::spawn(async move {
                        let mut number = 0;
                        while start.elapsed() < span {
                            let batch = Batch::record(record(caller << 40 | number));
                            writer.append(batch).await.unwrap();
                            number += 1;
                        }
                        number
                    })
                })
                .collect();
            let mut done = 0;
            for task in tasks {
                done += task.await.unwrap();
            }
            (start, done)
        });
        report(&format!("writer, {callers} waiting callers"), done, 0, start, &folder);
    }
    let _ = std::fs::remove_dir_all(&root);
}
