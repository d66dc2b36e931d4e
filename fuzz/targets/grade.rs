//! What a model wrote, graded: raw bytes and wounded witnesses against real tasks. Never panics; the
//! same bytes give the same verdict, of bounded size.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| lode_tasks::fuzz::grade(data));
