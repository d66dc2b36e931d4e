//! A bundle's files as they come from a stranger: manifest, signatures, genesis.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lode_bundle::read::{parse_genesis, parse_manifest, parse_signatures};

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    match kind % 3 {
        0 => drop(parse_manifest(bytes)),
        1 => drop(parse_signatures(bytes)),
        _ => drop(parse_genesis(bytes)),
    }
});
