//! One thing that does not hold, and where.

use std::fmt;

use lode_proto::plain;
use serde::Serialize;

/// What a finding is about; decides which pairs it takes down.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The bundle as a whole: no pair holds.
    Bundle,
    /// A file: no pair in it holds; for a file that is not data, no pair at all.
    File(String),
    /// A counter's groups: no pair from its task holds.
    Counter(u64),
}

/// What kind of check found it; stable names for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Missing, unlisted, wrong size or hash, a link, an unsafe path.
    File,
    /// `manifest.json` is not canonical or contradicts the evidence.
    Manifest,
    /// A signature of the bundle is missing or does not hold.
    Signature,
    /// Genesis or the anchor.
    Network,
    /// Evidence that cannot be read or is signed by the wrong key.
    Evidence,
    /// Commit, secret or beacon.
    Beacon,
    /// Who may verify, under which account.
    Verifier,
    /// Counters: gaps, order, outcomes.
    Counter,
    /// A task is not what its seed gives.
    Task,
    /// Which profile a policy's tasks had.
    Profile,
    /// Leases, commitments and attempts.
    Attempt,
    /// Receipts and credits.
    Receipt,
    /// Grades.
    Verdict,
    /// The ledger.
    Ledger,
    /// Rows that the evidence does not give.
    Rows,
    /// Something that this build cannot check; never evidence of a fault.
    Inconclusive,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// What kind of check found it.
    pub check: Check,
    /// What was found and what was expected.
    pub what: String,
}

impl Finding {
    /// About the bundle as a whole.
    #[must_use]
    pub fn bundle(check: Check, what: impl Into<String>) -> Self {
        Self { place: Place::Bundle, check, what: what.into() }
    }

    /// About a file.
    #[must_use]
    pub fn file(path: &str, check: Check, what: impl Into<String>) -> Self {
        Self { place: Place::File(path.to_owned()), check, what: what.into() }
    }

    /// About a counter.
    #[must_use]
    pub fn counter(counter: u64, check: Check, what: impl Into<String>) -> Self {
        Self { place: Place::Counter(counter), check, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It quotes the bundle, which may be anyone's.
        let what = plain::line(&self.what);
        match &self.place {
            Place::Bundle => write!(f, "{what}"),
            Place::File(path) => write!(f, "{}: {what}", plain::line(path)),
            Place::Counter(counter) => write!(f, "counter {counter}: {what}"),
        }
    }
}
