//! The task engine: documents with traps, questions over them, and grading by rule.
//!
//! Everything here is a pure function of its inputs, in integers: the same [`lode_proto::task::TaskSpec`]
//! and [`family::Library`] give the same bytes on every machine. The flow:
//!
//! ```text
//! TaskSpec ─► generate ─► (Task, AnswerKey)          Task ─► prompt() ─► the model's completion
//!   seed      world, statements, traps, questions,                            │
//!             constraints, solver, proofs            grade(&Task, &AnswerKey, completion) ─► Verdict
//! ```
//!
//! [`types::Task`] is public and says nothing about the seed; [`types::AnswerKey`] is secret until
//! the task is sealed. `longdoc` is the family of long documents.
#![forbid(unsafe_code)]

pub mod check;
pub mod domain;
mod draw;
pub mod family;
pub mod foreign;
pub mod fuzz;
pub mod grade;
pub mod grammar;
pub mod knobs;
pub mod leak;
pub mod lint;
pub mod longdoc;
pub mod number;
pub mod parse;
mod prompt;
pub mod query;
pub mod recheck;
pub mod revision;
mod term;
pub mod types;
mod work;

/// Version of the generator and the grader whose output this build gives: the same specification and
/// the same completion give the same bytes in every build of one version. What a version promises
/// is held by `tests/golden`.
pub const ENGINE_VERSION: u32 = 1;
