//! A bundle's manifest as it comes from a stranger: refused, or the same value again after a round
//! trip. (Parquet is not fuzzed here: instrumenting it takes longer than all the fuzzing; what it
//! claims is bounded before it is read, which `bundle/tests` check.)
#![no_main]

use libfuzzer_sys::fuzz_target;
use lode_proto::manifest::Manifest;

fuzz_target!(|data: &[u8]| {
    if let Ok(manifest) = serde_json::from_slice::<Manifest>(data) {
        let text = serde_json::to_vec(&manifest).expect("what was decoded encodes");
        assert_eq!(serde_json::from_slice::<Manifest>(&text).expect("decodes again"), manifest);
    }
});
