//! A file for `lode import botcoin`: refused with a reason, or read, checked and given back without
//! loss.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| lode_tasks::foreign::fuzz::botcoin(data));
