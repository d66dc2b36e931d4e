//! BOTCOIN's published records: attempts, pairs of attempts, and bare texts for training.
//!
//! ```text
//! record ─► Row (typed, whole record kept beside it) ─► check: every constraint against answers
//!               │                                        derived from the document
//!               └► export: without the verifier's labels  companies ─► facts ─► ask ─► constraint
//! ```

pub mod ask;
pub mod check;
pub mod companies;
pub mod constraint;
pub mod export;
pub mod facts;
pub mod record;
mod row;
pub mod trace;

pub use check::{Checked, Report, Verdict, check};
pub use export::{LEAKED_FIELDS, without_labels};
pub use record::{Challenge, Row, Side};

/// How this format is called.
pub const FORMAT: &str = "botcoin";
/// Where its records are published, unless the one who imports says otherwise.
pub const SOURCE: &str = "botcoinmoney";
/// Their licence: none is stated beside the pair and the attempts.
pub const LICENCE: &str = "unknown (the source states none)";

/// A record, typed.
///
/// # Errors
/// Where it has none of the published shapes, or a known field holds another type of value.
pub fn read_row(record: &super::import::Record) -> Result<Row, super::ForeignError> {
    row::row(record)
}
