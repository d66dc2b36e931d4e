//! What a published record holds, typed. The record itself stays beside it, so nothing is lost that
//! has no type here.

use super::trace::Step;

/// What was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Challenge {
    /// Its id, where the record has one.
    pub id: Option<String>,
    /// `companies`, `quantum_physics`, …; empty where the record does not say.
    pub domain: String,
    /// The document's paragraphs in order, without their labels.
    pub paragraphs: Vec<String>,
    /// The questions in order.
    pub questions: Vec<String>,
    /// The constraints in order, the tip included.
    pub constraints: Vec<String>,
    /// Traps.
    pub traps: Vec<Trap>,
    /// The recorded gold answer of each question, by position; `None` where the record has none.
    pub gold: Vec<Option<String>>,
    /// The published prompt.
    pub prompt: Option<String>,
}

/// A trap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trap {
    /// Attribute key, for example `employees` or `revenue.0`.
    pub attribute: String,
    /// The entity it is about.
    pub entity: String,
    /// The right value, as written.
    pub correct: String,
    /// The wrong value, as written.
    pub wrong: String,
    /// `prime` or `equation`: what the value goes into. Absent in pairs.
    pub role: Option<String>,
}

/// One attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Side {
    /// `chosen`, `rejected`, `attempt` or `response`.
    pub name: &'static str,
    /// The artifact; `None` where the text holds none.
    pub artifact: Option<String>,
    /// The trace.
    pub steps: Vec<Step>,
    /// What was recorded about it.
    pub meta: Meta,
}

/// What a record says about an attempt. Everything may be missing: bare texts have nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meta {
    /// Its id.
    pub record_id: Option<String>,
    /// Which attempt of its session, from 1.
    pub attempt_index: Option<i64>,
    /// `A`, `B` or `NONE`.
    pub acceptance_path: Option<String>,
    /// `PATH_A`, `PATH_B` or `UNKNOWN`.
    pub trap_classification: Option<String>,
    /// Whether it passed.
    pub pass: Option<bool>,
    /// Whether it earned credit.
    pub credit_eligible: Option<bool>,
    /// Constraints that held.
    pub passed: Option<usize>,
    /// Constraints that did not.
    pub failed: Option<usize>,
    /// How near it came, in words.
    pub bucket: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// Whether each constraint held, where the record says so.
    pub constraints: Vec<Option<bool>>,
    /// Counts of steps.
    pub stats: Option<Stats>,
    /// What the trace's check found.
    pub validation: Option<Validation>,
    /// Where its citations lie.
    pub spatial: Option<Spatial>,
    /// `reasoning_trace_quality_score`, thousandths.
    pub quality_milli: Option<i64>,
    /// Score of `reasoning_depth`, thousandths.
    pub depth_milli: Option<i64>,
    /// Flags of `error_annotation`.
    pub error_flags: Vec<String>,
    /// Time since the attempt before, milliseconds.
    pub since_previous_ms: Option<i64>,
    /// What the one who answered had been told before.
    pub feedback: Option<Feedback>,
    /// Attempts used and left.
    pub retry: Option<Retry>,
    /// Which constraints changed since the attempt before.
    pub flips: Option<Flips>,
    /// When, ISO 8601.
    pub timestamp: Option<String>,
}

/// `trace_stats`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// All steps.
    pub total: usize,
    /// Facts taken from the document.
    pub extract: usize,
    /// Computations.
    pub compute: usize,
}

/// `trace_validation`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validation {
    /// Whether the trace was accepted.
    pub ok: bool,
    /// Citations that matched, thousandths.
    pub citation_milli: Option<i64>,
    /// Number of flags.
    pub flags: Option<i64>,
}

/// `trace_spatial_summary`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spatial {
    /// Cited paragraphs, ascending.
    pub paragraphs: Vec<usize>,
    /// Last less first.
    pub span: Option<usize>,
    /// Order of extraction, thousandths.
    pub order_milli: Option<i64>,
    /// Largest step forward.
    pub forward: Option<usize>,
    /// Largest step back.
    pub backward: Option<usize>,
    /// The trap's value was cited.
    pub trap_touched: Option<bool>,
    /// The right value was cited.
    pub truth_touched: Option<bool>,
}

/// `feedback_shown`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback {
    /// Constraints that had held.
    pub passed: usize,
    /// Constraints there were.
    pub total: usize,
    /// Attempts left.
    pub remaining: usize,
    /// Whether another attempt was allowed.
    pub retry: bool,
}

/// `retry_metadata`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Attempts used, this one included.
    pub used: usize,
    /// Attempts left.
    pub remaining: usize,
    /// Whether another one is allowed.
    pub allowed: bool,
}

/// Constraints by what became of them, from 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flips {
    /// Failed before, hold now.
    pub to_pass: Vec<usize>,
    /// Held before, fail now.
    pub to_fail: Vec<usize>,
    /// Held and hold.
    pub stayed_pass: Vec<usize>,
    /// Failed and fail.
    pub stayed_fail: Vec<usize>,
}

impl Flips {
    /// Whether constraint `index` held before these flips.
    #[must_use]
    pub fn before(&self, index: usize) -> Option<bool> {
        if self.to_pass.contains(&index) || self.stayed_fail.contains(&index) {
            Some(false)
        } else if self.to_fail.contains(&index) || self.stayed_pass.contains(&index) {
            Some(true)
        } else {
            None
        }
    }

    /// Whether constraint `index` holds after them.
    #[must_use]
    pub fn after(&self, index: usize) -> Option<bool> {
        if self.to_pass.contains(&index) || self.stayed_pass.contains(&index) {
            Some(true)
        } else if self.to_fail.contains(&index) || self.stayed_fail.contains(&index) {
            Some(false)
        } else {
            None
        }
    }
}

/// Which of the published shapes a record has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Two attempts of a session with all that is known about them.
    Pair,
    /// One attempt with all that is known about it.
    Attempt,
    /// Prompt and two completions.
    PairTexts,
    /// Prompt, completion, perhaps a reward.
    Response,
}

impl Kind {
    /// Its name in an import.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pair => "pair",
            Self::Attempt => "attempt",
            Self::PairTexts => "pair_texts",
            Self::Response => "response",
        }
    }
}

/// A published record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its shape.
    pub kind: Kind,
    /// What was asked.
    pub challenge: Challenge,
    /// Two attempts of a pair, chosen first; one of an attempt.
    pub sides: Vec<Side>,
    /// The reward of a response, as written.
    pub reward: Option<String>,
    /// Paths of fields that no published record known to us has: kept, and not looked at.
    pub unknown: Vec<String>,
}
