//! What every part of Lode agrees on: identities, the canonical encoding, signed envelopes, the
//! messages between daemons, the records that end up in a bundle, and every limit.
//!
//! Nothing here does I/O, reads a clock or draws randomness. The flow through the records:
//!
//! ```text
//! Genesis ─ EpochOpen ─ Beacon ─ Lease ─ GroupCommit ─ Attempt ─ Receipt ─ VerdictReveal ─ Manifest
//! genesis.rs   epoch.rs          mine.rs     attempt.rs            verify.rs        manifest.rs
//! ```
//!
//! A message travels as an [`envelope::Envelope`]; its bytes are decoded only after the signature
//! holds, by [`codec::decode`], which refuses anything but the one canonical encoding.
#![forbid(unsafe_code)]

pub mod adapt;
pub mod attempt;
pub mod codec;
pub mod credit;
pub mod envelope;
pub mod epoch;
pub mod exchange;
pub mod genesis;
pub mod id;
pub mod key;
pub mod ledger;
pub mod limits;
pub mod manifest;
pub mod merkle;
pub mod mine;
pub mod plain;
pub mod policy;
pub mod refusal;
pub mod seed;
pub mod session;
pub mod task;
pub mod time;
pub mod verify;
