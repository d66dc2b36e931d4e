//! What Lode's daemons share: talking to each other and keeping things across a crash.
//!
//! ```text
//! a call:    value ─ rpc.rs (seal, retry) ─ transport/ (libp2p) ══► transport/ ─ rpc.rs (open) ─ daemon
//! a record:  daemon ─ writer.rs (many waiting, one sync) ─ log/ (sled) ─► acknowledged
//! a start:   config.rs ─ keystore.rs ─ lock.rs ─ sequence.rs ─ telemetry.rs
//! ```
//!
//! Nothing here knows what a task or an attempt is.
#![forbid(unsafe_code)]

pub mod config;
pub mod files;
pub mod keystore;
pub mod killpoint;
pub mod lock;
pub mod log;
pub mod rpc;
pub mod sequence;
pub mod stop;
pub mod telemetry;
pub mod transport;
pub mod writer;
