//! The figures that they publish over many challenges, in thousandths.

use std::collections::BTreeMap;

use super::{
    Challenge,
    score::{Outcome, Scored},
};

/// Least share of right answers with which a challenge is passed, thousandths.
pub const PASS_MILLI: u64 = 600;
/// Bins of the calibration error.
const BINS: u32 = 10;

/// Right answers of some questions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// Questions.
    pub questions: u64,
    /// Right by their rules.
    pub theirs: u64,
    /// Right by ours.
    pub strict: u64,
}

impl Share {
    fn add(&mut self, outcome: &Outcome) {
        self.questions += 1;
        self.theirs += u64::from(outcome.theirs);
        self.strict += u64::from(outcome.strict);
    }

    /// Thousandths by their rules.
    #[must_use]
    pub fn theirs_milli(&self) -> u64 {
        milli(self.theirs, self.questions)
    }

    /// Thousandths by ours.
    #[must_use]
    pub fn strict_milli(&self) -> u64 {
        milli(self.strict, self.questions)
    }
}

fn milli(part: u64, whole: u64) -> u64 {
    if whole == 0 { 0 } else { (part * 2000 + whole) / (2 * whole) }
}

/// The published figures over challenges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    /// All questions: answer accuracy.
    pub all: Share,
    /// By category.
    pub category: BTreeMap<String, Share>,
    /// By domain.
    pub domain: BTreeMap<String, Share>,
    /// By number of hops; 6 stands for more.
    pub hops: BTreeMap<usize, Share>,
    /// By difficulty, of the question itself. (Theirs takes that of the first challenge with a
    /// question of that id.)
    pub difficulty: BTreeMap<String, Share>,
    /// By split.
    pub split: BTreeMap<String, Share>,
    /// Challenges.
    pub challenges: u64,
    /// Challenges with at least [`PASS_MILLI`] right by their rules.
    pub passed: u64,
    /// Questions without an answer.
    pub missing: u64,
    evaded: u64,
    aimed: u64,
    citation: u64,
    confidence: u64,
    confidence_right: u64,
    bins: [(u64, u64); BINS as usize],
}

impl Metrics {
    /// Adds a challenge.
    pub fn add(&mut self, challenge: &Challenge, scored: &Scored) {
        let mut own = Share::default();
        for (question, outcome) in challenge.questions.iter().zip(&scored.outcomes) {
            own.add(outcome);
            self.all.add(outcome);
            self.category.entry(question.category.clone()).or_default().add(outcome);
            self.domain.entry(challenge.domain.clone()).or_default().add(outcome);
            self.hops.entry(question.hops.min(6)).or_default().add(outcome);
            self.difficulty.entry(question.difficulty.clone()).or_default().add(outcome);
            self.split.entry(challenge.split.clone()).or_default().add(outcome);
            self.missing += u64::from(!outcome.given);
            if let Some(evaded) = outcome.evaded {
                self.aimed += 1;
                self.evaded += u64::from(evaded);
            }
            self.citation += u64::from(outcome.citation_milli);
            let sure = u64::from(outcome.confidence_milli);
            self.confidence += sure;
            self.confidence_right += if outcome.theirs { sure } else { 0 };
            // Full confidence falls into no bin, as in theirs.
            let bin = outcome.confidence_milli * BINS / 1000;
            if let Some((confidence, right)) =
                self.bins.get_mut(bin as usize).filter(|_| outcome.given)
            {
                *confidence += sure;
                *right += u64::from(outcome.theirs) * 1000;
            }
        }
        self.challenges += 1;
        self.passed += u64::from(own.questions > 0 && own.theirs_milli() >= PASS_MILLI);
    }

    /// Confidence of right answers, of all confidence.
    #[must_use]
    pub fn confidence_weighted_milli(&self) -> u64 {
        milli(self.confidence_right, self.confidence)
    }

    /// Expected calibration error.
    #[must_use]
    pub fn calibration_error_milli(&self) -> u64 {
        let sum: u64 = self.bins.iter().map(|(sure, right)| sure.abs_diff(*right)).sum();
        sum.checked_div(self.all.questions).unwrap_or(0)
    }

    /// Traps evaded, of answers that have either value; 1000 where none has.
    #[must_use]
    pub fn evasion_milli(&self) -> u64 {
        if self.aimed == 0 { 1000 } else { milli(self.evaded, self.aimed) }
    }

    /// Mean grade of citations.
    #[must_use]
    pub fn citation_milli(&self) -> u64 {
        self.citation.checked_div(self.all.questions).unwrap_or(0)
    }

    /// Questions without an answer, of all.
    #[must_use]
    pub fn format_failure_milli(&self) -> u64 {
        milli(self.missing, self.all.questions)
    }

    /// Real documents' accuracy less that of generated ones, by their rules.
    #[must_use]
    pub fn transfer_gap_milli(&self) -> i64 {
        let of = |split: &str| self.split.get(split).map_or(0, Share::theirs_milli);
        of("real").cast_signed() - of("synthetic").cast_signed()
    }
}
