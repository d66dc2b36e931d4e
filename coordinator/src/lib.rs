//! The coordinator: it issues tasks, takes attempts, has them graded and closes epochs.
//!
//! ```text
//! core/    what decides: a pure state machine over a log of events. No I/O, clock or randomness
//! ```
#![forbid(unsafe_code)]

pub mod core;
