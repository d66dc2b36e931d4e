//! The public task: all that a model, a miner and the public see before sealing.

use std::sync::Arc;

use lode_proto::{
    codec::{CodecError, encode},
    id::TaskId,
    task::{DomainRef, Profile},
};
use serde::{Deserialize, Serialize};

use super::schema::AttributeSchema;

/// What a task was made by: a specification without its seed and inputs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskHeader {
    /// `longdoc`.
    pub family: String,
    /// [`crate::ENGINE_VERSION`] of the generator.
    pub engine_version: u32,
    /// The domain file.
    pub domain: DomainRef,
    /// Size and difficulty.
    pub profile: Profile,
}

/// An entity by its canonical name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RosterEntry {
    /// Canonical name, for example `Volt Link`.
    pub name: String,
}

/// What form the answer to a question takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerKind {
    /// A name of the roster.
    Entity,
    /// A category.
    Category,
    /// A whole number.
    Integer,
    /// A decimal.
    Decimal,
}

/// A question. Its number is its place, from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Question {
    /// As the model reads it.
    pub text: String,
    /// What form the answer takes.
    pub answer: AnswerKind,
}

/// A constraint as the model reads it. Its number is its place, from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConstraintText(pub String);

/// A compute operation of the trace, written `op(arguments) = result`. Arguments are ids of earlier
/// steps or literal numbers; a filter step stands for all that it kept, a compare step for the one
/// it found. Decimals are computed in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComputeOp {
    /// Sum of two or more. The sum of one absolute fact and one relative step that refers to it
    /// states the value of the relative step's entity.
    Add,
    /// First minus second.
    Sub,
    /// Product of two.
    Mul,
    /// Remainder of the first by the second, never negative.
    Mod,
    /// Largest.
    Max,
    /// Smallest.
    Min,
    /// Distance of two, never negative.
    AbsDiff,
    /// Number of arguments.
    Count,
    /// Smallest prime that is at least the argument.
    NextPrime,
    /// The value of a relative step's entity: a step that states the reference's value and the
    /// relative step, added up.
    Resolve,
    /// Quotient of the first by the second, which is positive, in thousandths, rounded up or down.
    /// A comparison takes it exactly.
    Ratio,
}

impl ComputeOp {
    /// Every operation with the word that a trace writes for it.
    pub const ALL: [(Self, &'static str); 11] = [
        (Self::Add, "add"),
        (Self::Sub, "sub"),
        (Self::Mul, "mul"),
        (Self::Mod, "mod"),
        (Self::Max, "max"),
        (Self::Min, "min"),
        (Self::AbsDiff, "abs_diff"),
        (Self::Count, "count"),
        (Self::NextPrime, "next_prime"),
        (Self::Resolve, "resolve"),
        (Self::Ratio, "ratio"),
    ];

    /// The word that a trace writes for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(op, _)| *op == self).map_or("", |(_, name)| name)
    }
}

/// A part of the trace that must hold for an attempt to pass. What is not listed is still graded
/// and counts for quality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceNeed {
    /// Every value that an answer rests on is stated by an extract or a compute step, truly.
    Facts,
    /// At least [`TraceRules::citation_milli`] of the extracts cite a paragraph that holds them.
    Citations,
    /// Every compute, filter and compare step recomputes.
    Computes,
    /// Answers and the artifact's numbers follow from the trace.
    Dataflow,
}

/// What a trace must be, by profile. Public.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TraceRules {
    /// Sorted. Empty: a trace is optional.
    pub needs: Vec<TraceNeed>,
    /// Fewest extract steps.
    pub min_extracts: u16,
    /// Most steps of all kinds.
    pub max_steps: u16,
    /// Whether the grammar lets (and the prompt asks) an extract end with `[paragraph_N]`.
    pub citations: bool,
    /// Whether compute (`c1`), filter (`f1`), compare (`m1`) and revise (`r1`) steps and relative
    /// extracts belong to the format.
    pub computes: bool,
    /// Share of extracts with a right citation that [`TraceNeed::Citations`] asks for, thousandths.
    pub citation_milli: u16,
}

/// The public task.
///
/// It is made of the generator's output only; nothing in it depends on the seed but through the
/// document, the questions and the constraints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// What made it.
    pub header: TaskHeader,
    /// Text of the paragraphs, without their `[paragraph_N]` line; N is the place, from 1.
    pub paragraphs: Vec<String>,
    /// Entities in alphabetical order.
    pub roster: Vec<RosterEntry>,
    /// Attributes that the document speaks of.
    pub attributes: Arc<[AttributeSchema]>,
    /// Q1 and on.
    pub questions: Vec<Question>,
    /// 1 and on.
    pub constraints: Vec<ConstraintText>,
    /// What the trace must be.
    pub trace: TraceRules,
    /// First lines of the prompt: what to do.
    pub preamble: String,
    /// Last lines of the prompt: how to answer.
    pub answer_format: String,
    /// The text that ends the prompt and begins the answer (for example `<trace>\n`): the parser
    /// reads it as if the model had written it. May be empty.
    pub cue: String,
    /// Longest completion that is read, bytes; a longer one is a `cap` failure.
    pub max_completion_bytes: u32,
}

impl Task {
    /// The identifier: a hash of the canonical bytes.
    ///
    /// # Errors
    /// Only where the task is larger than the codec's limit.
    pub fn id(&self) -> Result<TaskId, CodecError> {
        Ok(TaskId::of(&encode(self)?))
    }

    /// The text of paragraph `number` (from 1).
    #[must_use]
    pub fn paragraph(&self, number: u32) -> Option<&str> {
        let place = usize::try_from(number).ok()?.checked_sub(1)?;
        self.paragraphs.get(place).map(String::as_str)
    }
}
