//! Bundles: pairs with the evidence for each of them, written, audited, served and pulled.
//!
//! ```text
//! EpochRecord ─► derive ─► pairs ─► rows ─► write ─► staged folder ─► signatures ─► bundle-000042
//!   record.rs   grade again  pairs/   schema  writer                                   │
//!                  └──────────────────────────── audit ◄───────────────────────── pull ┘
//! ```
//!
//! The writer and the auditor run the same derivation from the same evidence, so a bundle holds
//! nothing that the auditor cannot recompute. `docs/decisions/` says why the columns are as they are.
#![forbid(unsafe_code)]

pub mod audit;
pub mod card;
pub mod derive;
pub mod engine;
pub mod error;
mod evidence;
pub mod export;
pub mod finding;
mod fsio;
mod imported;
pub mod inspect;
pub mod layout;
mod pages;
pub mod pairs;
pub mod pull;
pub mod read;
pub mod record;
mod render;
mod rows;
pub mod schema;
pub mod store;
mod table;
pub mod tasks;
pub mod texts;
pub mod write;

// The tests of the audit forge bundles with the writer's own parts, from the same fixture as the
// integration tests.
#[cfg(test)]
extern crate self as lode_bundle;
#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod common;
