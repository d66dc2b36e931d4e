//! Writes a signed bundle of an invented network into a folder, for programs that read bundles:
//! `cargo run -p lode-bundle --example write_bundle -- DIR [COUNTERS]`.
//!
//! Tasks, grades, signatures and files are real; the texts are made from each task's witness.

#[path = "../tests/common/mod.rs"]
mod common;

use std::path::PathBuf;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(root) = arguments.next().map(PathBuf::from) else {
        eprintln!("usage: write_bundle DIR [COUNTERS]");
        std::process::exit(2);
    };
    let counters = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(24);
    let dir = common::World::new(counters).write(&root);
    println!("{}", dir.display());
}
