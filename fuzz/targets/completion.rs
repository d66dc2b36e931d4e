//! What a model wrote: parsed and graded against a real task. Never panics; the same bytes give the
//! same verdict.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| lode_tasks::fuzz::completion(data));
