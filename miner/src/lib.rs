//! The miner daemon: leases tasks, answers them with a local model, hands the answers in, keeps
//! the receipts.
//!
//! ```text
//! coordinator ─ Lease ─► work.rs (prompt, grammar, engine) ─► Generated ─┐
//!      ▲                                                                 ▼
//!      └─ Commit, Submit ◄─ daemon.rs ◄─ next step ◄─ queue.rs ◄─ durable log
//!                              │               └─► receipts.rs ─► lode miner receipts
//!                              └─ report.rs: events ─► log lines, dashboard, metrics.rs
//! ```
//!
//! [`queue`] is pure and decides what comes next; [`daemon`] makes each record durable before it
//! takes the step after it, talks to the coordinator and keeps heartbeats going while the engine
//! works. [`doctor`] says beforehand whether all of this can work on a machine. Every call is started by the miner, so a rig behind NAT needs no open port.
#![forbid(unsafe_code)]

pub mod config;
pub mod daemon;
pub mod doctor;
mod hours;
pub mod metrics;
pub mod power;
pub mod queue;
pub mod receipts;
mod report;
mod slots;
mod store;
mod work;

pub use config::{Device, EngineConfig, EngineKind, MinerConfig, NetworkConfig, PAUSE_FILE};
pub use daemon::{Ending, Event, EventSink, MinerError, ReceiptNote, run};
pub use hours::Hours;
