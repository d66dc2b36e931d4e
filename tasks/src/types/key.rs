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

/// What a statement says about its own standing: which of several statements about one fact holds
/// is decided by the [`Rule`]s of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It stands for itself.
    Plain,
    /// It is attributed to the source of this number.
    Source(u8),
    /// Its figure covers the extent of this number: subsidiaries counted, branches left out.
    Extent(u8),
    /// It is of the date of this number.
    AsOf(u8),
    /// It holds only if the condition of this number came about.
    If(u8),
    /// Its figure covers a wider unit, which the document sets apart from the entity itself.
    Wider,
}

/// A rule by which a document settles its own differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Where statements of these two standings differ, the first holds.
    Over(Standing, Standing),
    /// Where statements differ, the one of this standing holds: a source, an extent or a date.
    Holds(Standing),
    /// Whether a condition came about: what hangs on one that did not holds nowhere.
    Came {
        /// Its number.
        condition: u8,
        /// Whether it did.
        came: bool,
    },
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
        /// On what authority, of what extent or date, under which condition.
        standing: Standing,
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
    /// How the document's own differences are settled.
    Rule(Rule),
    /// Introduces an alias.
    AliasOf {
        /// Who.
        entity: EntityId,
        /// The other name.
        alias: String,
    },
    /// Gives a rounded figure; it settles nothing.
    Hedged {
        /// Whose and which.
        fact: FactRef,
        /// As rounded.
        about: Value,
    },
    /// Asks the reader to report a value; it is no evidence, whether the value is true or not.
    Instruction {
        /// Whose and which.
        fact: FactRef,
        /// What it asks to report.
        value: Value,
    },
    /// States nothing about any fact.
    Nothing,
}

/// How a statement names its entity, other than by its canonical name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Naming {
    /// As written, in mid-sentence: `VL`, `Vlot Link`, `the company led by Ada Brandt`.
    pub text: String,
    /// What leads from the words to the entity.
    pub by: NamedBy,
}

/// What leads from the words of a [`Naming`] to an entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedBy {
    /// An alias that the document introduces.
    Alias,
    /// A canonical name with two neighbouring letters swapped.
    Typo,
    /// The one entity whose attribute has this category.
    Clue {
        /// A category attribute.
        attr: AttrId,
        /// Canonical spelling.
        value: String,
    },
}

/// A statement together with how it names its entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// What it says.
    pub kind: StatementKind,
    /// The words by which the text names its entity; `None` for the canonical name.
    pub named: Option<Naming>,
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
    /// Taking the figure of another extent or date.
    Scope,
    /// Taking the value of another entity with a similar name.
    Homonym,
    /// Obeying an instruction planted in the document.
    PlantedInstruction,
    /// Taking in an entity that the question's own condition leaves out.
    OutsideFilter,
    /// Taking a correction whose condition did not come about.
    ConditionalCorrection,
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
    /// For each disputed fact, one for each kind of binding trap on it.
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
