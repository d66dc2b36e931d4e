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

pub mod record;
