//! The coordinator: it issues tasks, takes attempts, has them graded and closes epochs.
//!
//! ```text
//! core/     what decides: a pure state machine over a log of events. No I/O, clock or randomness
//! evidence  what an epoch left behind in that log: the input of its bundle. Pure
//! shell/    the daemon: network, disk, clock and threads around both
//! ```
#![forbid(unsafe_code)]

pub mod core;
pub mod evidence;
pub mod shell;

pub use shell::{CoordinatorConfig, EventSink, Notice, RunError, Running, run, start};
