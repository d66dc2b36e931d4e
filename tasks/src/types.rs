//! The types that the engine, the grader and every other crate share.
//!
//! Paragraphs, questions, constraints and traps are numbered from 1 everywhere, in text and in
//! code; entities and attributes are 0-based places in [`Task::roster`] and [`Task::attributes`].
//! Numbers are integers: a decimal is its integer thousandths.

mod constraint;
mod key;
mod query;
mod schema;
mod task;
mod value;
mod verdict;

pub use constraint::{Check, Constraint, NumberRange, NumberSource, NumberTerm};
pub use key::{
    Alias, AnswerKey, Consequence, ConstraintKey, DocParagraph, Fact, FactRef, Gold, NamedBy,
    Naming, Rule, Standing, Statement, StatementKind, Trap, TrapKind, TrapRole, TrappedWitness,
};
pub use query::{CompareOp, Filter, Measure, Order, Query, Selector};
pub use schema::{AttributeSchema, ValueKind};
pub use task::{
    AnswerKind, ComputeOp, ConstraintText, Question, RosterEntry, Task, TaskHeader, TraceNeed,
    TraceRules,
};
pub use value::{Answer, AttrId, EntityId, Value};
pub use verdict::{
    AnswerOutcome, AnswerStatus, CitationOutcome, CitationStatus, ComputeOutcome, ComputeStatus,
    ConstraintOutcome, DataflowOutcome, FailureClass, JudgeScore, ParseOutcome, Part, Path, Reason,
    RevisionOutcome, RevisionStatus, RuleVerdict, StepId, StepKind, TrapOutcome, TrapStatus,
    Verdict,
};
