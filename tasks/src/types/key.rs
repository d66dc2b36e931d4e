//! The answer key: secret until the task is sealed.

use serde::{Deserialize, Serialize};

use super::{
    constraint::{Check, Constraint},
    query::Query,
    value::{Answer, AttrId, EntityId, Value},
};

/// One attribute of one entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FactRef {
    /// Whose.
    pub entity: EntityId,
    /// Which.
    pub attr: AttrId,
}

/// A true value and where the document states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Whose and which.
    pub fact: FactRef,
    /// The truth, as it follows from the document under its own rules.
    pub value: Value,
    /// Paragraphs (from 1) that state it: absolutely, or as the last link of its chain.
    pub paragraphs: Vec<u32>,
    /// The facts it follows from, for a value stated only relative to another: the reference.
    pub reference: Option<FactRef>,
}

/// Another way in which the document names an entity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Alias {
    /// Who.
    pub entity: EntityId,
    /// The other name, for example `VL`.
    pub name: String,
    /// The paragraph (from 1) that introduces it; `None` where it follows from the full name.
    pub defined_in: Option<u32>,
}

/// Which part of an entity a figure covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// What the questions ask about.
    Own,
    /// A wider or narrower unit that they do not (a group with its subsidiaries, one branch).
    Other,
}

/// What a sentence of the document says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementKind {
    /// `attr` of `entity` is `value`.
    Absolute {
        /// Whose and which.
        fact: FactRef,
        /// As stated, converted to the attribute's unit.
        value: Value,
        /// What it covers.
        scope: Scope,
        /// Index of the source it is attributed to, `None` where it stands for itself.
        source: Option<u8>,
    },
    /// `attr` of `entity` is that of `reference` plus `delta`.
    Relative {
        /// Whose and which.
        fact: FactRef,
        /// Against whom.
        reference: EntityId,
        /// Signed: an integer for integer attributes, thousandths for decimals.
        delta: Value,
    },
    /// Where the two sources differ, `strong` holds.
    Authority {
        /// Index of the source that holds; `None` for statements without a source.
        strong: Option<u8>,
        /// Index of the source that yields; `None` for statements without a source.
        weak: Option<u8>,
    },
    /// Introduces an alias.
    AliasOf {
        /// Who.
        entity: EntityId,
        /// The other name.
        alias: String,
    },
    /// Asks the reader to report a value that the document does not support.
    Instruction {
        /// Whose and which.
        fact: FactRef,
        /// What it asks to report.
        value: Value,
    },
    /// States nothing about any fact.
    Nothing,
}

/// A statement together with how it names its entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// What it says.
    pub kind: StatementKind,
    /// The name under which its entity stands in the text; `None` for the canonical one.
    pub named: Option<String>,
    /// The number as printed, where it stands in another unit than the attribute's.
    pub printed: Option<Value>,
}

/// One paragraph as structured statements, parallel to [`super::Task::paragraphs`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocParagraph {
    /// In the order of the text.
    pub statements: Vec<Statement>,
}

/// What kind of mistake a trap tempts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrapKind {
    /// Taking the value of a source that yields to another.
    Superseded,
    /// Reading the number in the wrong unit.
    Unit,
    /// Taking the figure of a wider or narrower scope.
    Scope,
    /// Taking the value of another entity with a similar name.
    Homonym,
    /// Obeying an instruction planted in the document.
    PlantedInstruction,
}

/// Whether falling in changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrapRole {
    /// A caught reader gets a wrong answer or constraint.
    Binding,
    /// Proved to change nothing.
    Bait,
}

/// What a reader caught by a trap derives instead of the truth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// A wrong answer.
    Answer {
        /// From 1.
        question: u16,
        /// What a caught reader answers.
        answer: Answer,
    },
    /// A wrong constraint.
    Check {
        /// From 1.
        constraint: u16,
        /// What a caught reader's artifact satisfies.
        check: Check,
    },
}

/// A trap. Its number is its place in [`AnswerKey::traps`], from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trap {
    /// What kind of mistake.
    pub kind: TrapKind,
    /// Whether it matters.
    pub role: TrapRole,
    /// Whose and which value it is about.
    pub fact: FactRef,
    /// The truth.
    pub right: Value,
    /// What a caught reader takes for the truth.
    pub wrong: Value,
    /// Paragraphs (from 1) that state or settle the right value.
    pub right_paragraphs: Vec<u32>,
    /// Paragraphs (from 1) that hold the wrong value.
    pub wrong_paragraphs: Vec<u32>,
    /// All that changes for a caught reader; empty for bait.
    pub consequences: Vec<Consequence>,
}

/// The gold answer to one question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gold {
    /// The truth.
    pub answer: Answer,
    /// What the question asks.
    pub query: Query,
    /// The facts that decide the answer and that a trace under
    /// [`super::TraceNeed::Facts`] must state: the measured values of the entities that the
    /// query's selectors come to (not those of every entity that loses).
    pub support: Vec<FactRef>,
}

/// One constraint, as asked and as resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConstraintKey {
    /// As asked.
    pub constraint: Constraint,
    /// As resolved by the truth.
    pub check: Check,
    /// Questions (from 1) whose answers it depends on.
    pub questions: Vec<u16>,
    /// Facts beyond the questions' support that its numbers or terms come from.
    pub support: Vec<FactRef>,
}

/// What a reader caught by one trap would write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrappedWitness {
    /// Which trap, from 1.
    pub trap: u16,
    /// A whole completion that must fail with class `trap`, naming it.
    pub text: String,
}

/// Everything the grader knows beyond the public task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerKey {
    /// One for each question.
    pub gold: Vec<Gold>,
    /// One for each constraint.
    pub constraints: Vec<ConstraintKey>,
    /// Traps, binding ones first.
    pub traps: Vec<Trap>,
    /// All facts, sorted by [`Fact::fact`].
    pub facts: Vec<Fact>,
    /// All aliases that the document uses.
    pub aliases: Vec<Alias>,
    /// The document as statements.
    pub document: Vec<DocParagraph>,
    /// A whole completion that passes.
    pub witness: String,
    /// One for each binding trap.
    pub trapped: Vec<TrappedWitness>,
    /// Upper bound on the chance that a random text under the task's grammar passes, in parts per
    /// billion, rounded up.
    pub guess_floor_ppb: u64,
}

impl AnswerKey {
    /// The true value of a fact.
    #[must_use]
    pub fn value(&self, fact: FactRef) -> Option<&Value> {
        let place = self.facts.binary_search_by_key(&fact, |known| known.fact).ok()?;
        self.facts.get(place).map(|known| &known.value)
    }
}
