//! What grading finds.

use lode_proto::{
    codec::{CodecError, encode},
    id::Hash,
};
use serde::{Deserialize, Serialize};

/// Kind of a trace step, by the letter that begins its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// `e1`: a statement taken from the document.
    Extract,
    /// `c1`: a computation.
    Compute,
    /// `r1`: an earlier step is withdrawn.
    Revise,
    /// `f1`: earlier steps that meet a condition.
    Filter,
    /// `m1`: the earlier step that comes first (or second, …) of several.
    Compare,
}

impl StepKind {
    /// The letter that begins its ids.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Extract => 'e',
            Self::Compute => 'c',
            Self::Revise => 'r',
            Self::Filter => 'f',
            Self::Compare => 'm',
        }
    }
}

/// Id of a trace step: `e1`, `c3`, `r1`, `f2`, `m1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepId {
    /// The letter.
    pub kind: StepKind,
    /// The number, from 1.
    pub number: u16,
}

impl std::fmt::Display for StepId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.kind.letter(), self.number)
    }
}

/// Whether the completion could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParseOutcome {
    /// Trace, answers and artifact were read.
    Read,
    /// It broke off before the artifact was complete, or is longer than the limit.
    Capped,
    /// It does not keep to the format.
    Malformed,
}

/// One constraint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConstraintOutcome {
    /// From 1.
    pub constraint: u16,
    /// Whether the artifact satisfies it.
    pub holds: bool,
}

/// How an answer compares with gold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerStatus {
    /// Equal, in some surface form.
    Right,
    /// Something else.
    Wrong,
    /// Exactly what a trap leads to.
    Trapped,
    /// None given.
    Missing,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AnswerOutcome {
    /// From 1.
    pub question: u16,
    /// Against gold.
    pub status: AnswerStatus,
}

/// How a citation compares with the paragraph it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CitationStatus {
    /// The paragraph names the entity and holds the value.
    Right,
    /// No citation was given.
    Missing,
    /// The document has no such paragraph.
    NoSuchParagraph,
    /// The paragraph does not name the entity.
    EntityAbsent,
    /// The paragraph names the entity but does not hold the value.
    ValueAbsent,
}

/// The citation of one extract step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CitationOutcome {
    /// Which step.
    pub step: StepId,
    /// The paragraph it names, from 1; 0 for none.
    pub paragraph: u32,
    /// Against the document.
    pub status: CitationStatus,
}

/// How a compute, filter or compare step compares with its recomputation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComputeStatus {
    /// Recomputes.
    Right,
    /// Gives another result.
    Wrong,
    /// Refers to a step that does not come before it, or to one that has no such value, has the
    /// wrong number of arguments, or has no single result (a tie decides it).
    Undefined,
}

/// One compute, filter or compare step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ComputeOutcome {
    /// Which step.
    pub step: StepId,
    /// Against its recomputation.
    pub status: ComputeStatus,
}

/// How a revise step compares with the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevisionStatus {
    /// What it withdraws is untrue, and the paragraph it cites states or settles the right value.
    Right,
    /// What it withdraws is untrue, but it cites no such paragraph.
    Unsettled,
    /// What it withdraws is true.
    Needless,
    /// No such step comes before it.
    Undefined,
}

/// One revise step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RevisionOutcome {
    /// Which step.
    pub step: StepId,
    /// The paragraph it names, from 1; 0 for none.
    pub paragraph: u32,
    /// Against the truth.
    pub status: RevisionStatus,
}

/// A part of an attempt, for outcomes and reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The whole text.
    Text,
    /// The trace as a whole.
    Trace,
    /// A step of it.
    Step(StepId),
    /// An answer, from 1.
    Question(u16),
    /// The artifact under a constraint, from 1.
    Constraint(u16),
    /// A trap, from 1.
    Trap(u16),
}

/// Whether an answer or the artifact follows from the trace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DataflowOutcome {
    /// [`Part::Question`] or [`Part::Constraint`].
    pub part: Part,
    /// Whether it follows from what the trace states.
    pub follows: bool,
    /// Whether it follows, and every step on its way begins at a paragraph that is rightly cited
    /// (where the format has citations).
    pub grounded: bool,
}

/// What became of a trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrapStatus {
    /// The right value, or what follows from it, was used.
    Avoided,
    /// The wrong value, or what follows from it, was used.
    Caught,
    /// Nothing shows either.
    NotReached,
}

/// One trap.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TrapOutcome {
    /// From 1.
    pub trap: u16,
    /// What became of it.
    pub status: TrapStatus,
}

/// By which road an attempt passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// Passes with the truth.
    B,
    /// Would pass only if a trap's wrong value were true.
    A,
    /// Neither.
    None,
}

/// Why an attempt fails: the first that applies, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// Broke off or too long.
    Cap,
    /// Cannot be read.
    Format,
    /// A binding trap caught it.
    Trap,
    /// A wrong or missing answer.
    Answer,
    /// A constraint does not hold.
    Constraint,
    /// The trace lacks what the profile needs.
    Trace,
}

/// One finding, for people and for training.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reason {
    /// What it is about.
    pub part: Part,
    /// What was found and what was expected. Deterministic; never shown before sealing.
    pub text: String,
}

/// What the rules find: the same bytes in give the same [`RuleVerdict::hash`] on every machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleVerdict {
    /// [`crate::ENGINE_VERSION`] of the grader.
    pub engine_version: u32,
    /// Whether it could be read.
    pub parse: ParseOutcome,
    /// One for each constraint of the task.
    pub constraints: Vec<ConstraintOutcome>,
    /// One for each question of the task.
    pub answers: Vec<AnswerOutcome>,
    /// One for each extract step, in the order of the text.
    pub citations: Vec<CitationOutcome>,
    /// One for each compute, filter and compare step, in the order of the text.
    pub computes: Vec<ComputeOutcome>,
    /// One for each revise step, in the order of the text.
    pub revisions: Vec<RevisionOutcome>,
    /// Answers first, then constraints.
    pub dataflow: Vec<DataflowOutcome>,
    /// One for each trap of the key.
    pub traps: Vec<TrapOutcome>,
    /// By which road it passes.
    pub path: Path,
    /// Thousandths, 0 to 1,000: 1,000 for an attempt without a fault.
    pub quality_milli: u16,
    /// How much of the way from the paragraphs to answers and artifact the trace shows, thousandths,
    /// 0 to 1,000. Only final values, however right: at most 300. Decides nothing.
    pub trace_milli: u16,
    /// `None`: the attempt passes.
    pub failure: Option<FailureClass>,
    /// In a fixed order.
    pub reasons: Vec<Reason>,
}

impl RuleVerdict {
    /// Whether the attempt passes.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.failure.is_none()
    }

    /// Canonical bytes: what verifiers hash, commit to and sign.
    ///
    /// # Errors
    /// Only where the reasons outgrow the codec's limit.
    pub fn canonical_bytes(&self) -> Result<Vec<u8>, CodecError> {
        encode(self)
    }

    /// Hash of the canonical bytes.
    ///
    /// # Errors
    /// As [`RuleVerdict::canonical_bytes`].
    pub fn hash(&self) -> Result<Hash, CodecError> {
        Ok(Hash::derive("lode/1/rule-verdict", &self.canonical_bytes()?))
    }
}

/// A score by a pinned model, for judged families.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgeScore {
    /// Hash of the judge's weights.
    pub judge: Hash,
    /// Thousandths.
    pub score_milli: i32,
}

/// A verdict: the rules' findings, and a judge's score where the family has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// By rule; reproducible everywhere.
    pub rules: RuleVerdict,
    /// By a model; never evidence of a fault.
    pub judge: Option<JudgeScore>,
}
