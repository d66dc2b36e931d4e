//! The verifier daemon: grades every sealed group again from its seed, audits and co-signs bundles.
//!
//! ```text
//! coordinator ─ Next ─► CommitBeacon │ RevealBeacon │ Grade │ Reveal │ CoSign
//!      ▲                    nonce         nonce      check.rs verdict  pull + audit
//!      └──── what it signs ◄─ daemon.rs ◄─ book.rs: kept on disk before it is said
//! ```
//!
//! [`book`] is pure: what this key has said, so that it never says two different things in one
//! place, also across a kill. [`check`] is pure: a job in, hashes of verdicts out, through the same
//! generator and grader that miners and auditors run. [`daemon`] is the shell around both.
#![forbid(unsafe_code)]

pub mod book;
pub mod check;
pub mod config;
pub mod daemon;
mod report;

pub use config::VerifierConfig;
pub use daemon::{Event, VerifierError, run};
