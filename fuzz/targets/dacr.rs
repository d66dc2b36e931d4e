//! A file for `lode import dacr`, or an answer sheet: refused with a reason, or read and scored.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| lode_tasks::foreign::fuzz::dacr(data));
