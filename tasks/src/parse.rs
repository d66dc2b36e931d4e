//! The one parser: from the bytes of a completion to trace steps, answers and artifact.
//!
//! ```text
//! cue + completion ─► lines ─► thinking | <trace> steps </trace> | Q1: … | Artifact: …
//!                     (sections)          (steps, sentence)
//! ```
//!
//! [`crate::types::Task::cue`] is read as if the model had written it. Everything before the last
//! line that is `<trace>` is free thinking. A step whose sentence is not one of the task's trace
//! sentences is kept as [`StepBody::Unread`]: it supports nothing, but the attempt can be read.
//! Whatever breaks the frame (a line of the trace without an id, a question answered twice, text
//! after the artifact) is a [`ParseError`] with its byte offset.
//!
//! An id may be given again: each line is a step of its own, and a reference means the last step of
//! that id before it. So any trace says exactly what it would say with fresh ids on every line, and
//! an id used again hides nothing: the earlier step keeps its citation, its recomputation and its
//! claim, each graded. Numbering is no part of the task, and a grammar that counts three kinds of
//! ids at once would need a rule for every triple of counts.
//!
//! Time is linear in the length of the completion and every part of the result is bounded.

use std::ops::Range;

use crate::{
    number::Found,
    types::{AttrId, CompareOp, ComputeOp, EntityId, Order, StepId, Task},
};

mod error;
mod literal;
mod sections;
mod sentence;
mod steps;

pub use error::{ParseError, ParseFault};
pub use sentence::Sentences;
pub(crate) use steps::{NONE, ORDINALS};

/// Longest line of a trace that is read as a step, bytes; a longer one is unread.
pub const MAX_STEP_BYTES: usize = 512;
/// Longest answer, bytes.
pub const MAX_ANSWER_BYTES: usize = 200;
/// Longest artifact, bytes.
pub const MAX_ARTIFACT_BYTES: usize = 2_000;
/// Most arguments of a compute, filter or compare step.
pub const MAX_ARGUMENTS: usize = 32;
/// Largest number of a step id.
pub const MAX_STEP_NUMBER: u16 = 999;

/// A completion that keeps to the format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// Cue and completion in one; all ranges are byte offsets into it.
    pub text: String,
    /// Bytes of the cue at the beginning of [`Parsed::text`].
    pub cue_len: usize,
    /// What stands before the trace.
    pub thinking: Range<usize>,
    /// What stands between the tags of the trace; empty without a trace.
    pub trace: Range<usize>,
    /// In the order of the text.
    pub steps: Vec<Step>,
    /// The arguments of all steps, one after the other; each step says which are its own.
    pub arguments: Vec<Argument>,
    /// One for each question of the task.
    pub answers: Vec<Option<Range<usize>>>,
    /// The artifact, without surrounding spaces and one pair of double quotes.
    pub artifact: Range<usize>,
    /// Whether a line break follows the artifact: it was not cut.
    pub closed: bool,
}

impl Parsed {
    /// The text of a range; empty where the range is not one of this value's.
    #[must_use]
    pub fn slice(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or("")
    }

    /// The artifact.
    #[must_use]
    pub fn artifact(&self) -> &str {
        self.slice(&self.artifact)
    }

    /// The answer to a question (from 1), as written.
    #[must_use]
    pub fn answer(&self, question: u16) -> Option<&str> {
        let place = usize::from(question).checked_sub(1)?;
        self.answers.get(place)?.as_ref().map(|range| self.slice(range))
    }

    /// The trace without its tags.
    #[must_use]
    pub fn trace(&self) -> &str {
        self.slice(&self.trace)
    }

    /// The arguments of a step; none where the range is not one of this value's.
    #[must_use]
    pub fn arguments(&self, range: &Range<usize>) -> &[Argument] {
        self.arguments.get(range.clone()).unwrap_or(&[])
    }

    /// The place in the completion (cue not counted) of a place in [`Parsed::text`].
    #[must_use]
    pub fn completion_offset(&self, at: usize) -> usize {
        at.saturating_sub(self.cue_len)
    }
}

/// One line of the trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `e1`, `c1`, `r1`, `f1`, `m1`. Several steps may have the same.
    pub id: StepId,
    /// Byte offset of its line in [`Parsed::text`].
    pub at: usize,
    /// The paragraph it cites, from 1 (as written; the document may have no such paragraph).
    pub citation: Option<u32>,
    /// What it says.
    pub body: StepBody,
}

/// What a step says. Ranges of arguments are places in [`Parsed::arguments`], at most
/// [`MAX_ARGUMENTS`] each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepBody {
    /// A trace sentence.
    Extract(Claim),
    /// `op(arguments) = result`
    Compute {
        /// Which operation.
        op: ComputeOp,
        /// What it is applied to.
        arguments: Range<usize>,
        /// As written, thousandths.
        result: i64,
    },
    /// `filter(among; condition) = kept`
    Filter {
        /// Steps.
        among: Range<usize>,
        /// What must hold of them.
        condition: Condition,
        /// Those of which it holds, as written.
        kept: Range<usize>,
    },
    /// `compare(among; second highest) = winner`
    Compare {
        /// Steps.
        among: Range<usize>,
        /// Which end comes first.
        order: Order,
        /// From 1.
        rank: u16,
        /// The step at that place, as written.
        winner: StepId,
    },
    /// `e1 is superseded`: the last step of that id before this one.
    Revise(StepId),
    /// Something else: it supports nothing.
    Unread,
}

/// The condition of a filter step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// `above 1,990`, `below e4`: strictly.
    Bound(CompareOp, Argument),
    /// `is Lyndora`: the place of the word in [`Parsed::text`].
    Is(Range<usize>),
    /// `is not Lyndora`: the same.
    IsNot(Range<usize>),
    /// `same as e4`: the same category as that step states.
    SameAs(StepId),
}

/// An argument of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// The number of the last step of that id before this one.
    Step(StepId),
    /// A literal, thousandths.
    Number(i64),
}

/// A trace sentence with its slots filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose.
    pub entity: Named,
    /// Which attribute's sentence.
    pub attr: AttrId,
    /// The number or word in the value slot.
    pub value: Said,
    /// For a relative sentence, against whom and with which sign.
    pub relative: Option<Relative>,
}

impl Claim {
    /// The same claim, its sentence so many bytes further on.
    pub(crate) fn shifted(mut self, by: usize) -> Self {
        let shift = |range: &mut Range<usize>| *range = range.start + by..range.end + by;
        let named = |named: &mut Named| match named {
            Named::Other(range) => shift(range),
            Named::Roster(_) => {}
        };
        named(&mut self.entity);
        if let Some(relative) = &mut self.relative {
            named(&mut relative.reference);
        }
        match &mut self.value {
            Said::Number(found) => (found.start, found.end) = (found.start + by, found.end + by),
            Said::Word(_, range) | Said::Text(range) => shift(range),
        }
        self
    }
}

/// The second half of a relative sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relative {
    /// Against whom.
    pub reference: Named,
    /// Whether the value is to be taken away from the reference's.
    pub less: bool,
}

/// An entity as a sentence names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// By its canonical name, in any case.
    Roster(EntityId),
    /// By another name, which the answer key may know: the place in [`Parsed::text`].
    Other(Range<usize>),
}

/// What stands in the value slot of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Exactly one number, at its place in [`Parsed::text`].
    Number(Found),
    /// A word of the attribute's vocabulary: its place there, and the place in [`Parsed::text`].
    Word(u16, Range<usize>),
    /// Other words.
    Text(Range<usize>),
}

/// Reads a completion. Builds [`Sentences`] for the one call: a caller with many attempts at one
/// task builds them once and calls [`parse_with`].
///
/// # Errors
/// Where the completion does not keep to the format; never panics, whatever the bytes.
pub fn parse(task: &Task, completion: &[u8]) -> Result<Parsed, ParseError> {
    parse_with(task, &Sentences::new(task), completion)
}

/// As [`parse`], with the task's sentences at hand.
///
/// # Errors
/// As [`parse`].
pub fn parse_with(
    task: &Task,
    sentences: &Sentences<'_>,
    completion: &[u8],
) -> Result<Parsed, ParseError> {
    let limit = usize::try_from(task.max_completion_bytes).unwrap_or(usize::MAX);
    if completion.len() > limit {
        let fault = ParseFault::TooLong { got: completion.len(), limit };
        return Err(ParseError { at: limit, fault });
    }
    let written = std::str::from_utf8(completion)
        .map_err(|error| ParseError { at: error.valid_up_to(), fault: ParseFault::NotUtf8 })?;
    if written.trim().is_empty() {
        return Err(ParseError { at: 0, fault: ParseFault::Empty });
    }
    let cue_len = task.cue.len();
    let mut text = String::with_capacity(cue_len + written.len());
    text.push_str(&task.cue);
    text.push_str(written);
    let place =
        |(at, fault): (usize, ParseFault)| ParseError { at: at.saturating_sub(cue_len), fault };
    let frame = sections::read(task, &text).map_err(place)?;
    let (steps, arguments) = steps::read(task, sentences, &text, &frame.trace).map_err(place)?;
    Ok(Parsed {
        text,
        cue_len,
        thinking: frame.thinking,
        trace: frame.trace,
        steps,
        arguments,
        answers: frame.answers,
        artifact: frame.artifact,
        closed: frame.closed,
    })
}
