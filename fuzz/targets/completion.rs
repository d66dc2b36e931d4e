//! What a model wrote, parsed against a real task. Never panics; the same bytes say the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| lode_tasks::fuzz::completion(data));
