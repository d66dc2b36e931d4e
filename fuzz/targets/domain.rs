//! A domain file: refused with a reason, or usable.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| lode_tasks::fuzz::domain(data));
