//! What an audit found, for people and for programs.

use std::{collections::BTreeSet, fmt, path::Path};

use lode_proto::{
    id::{Hash, NetworkId, PairId},
    plain,
};
use serde::Serialize;

use super::announced_pairs;
use crate::{
    derive::Derived,
    finding::{Check, Finding, Place},
    layout,
    read::Opened,
};

/// Most findings and pairs that the text of a report names.
const SHOWN: usize = 50;

/// Against what the bundle was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Against itself: it says what its own genesis, signed by whoever wrote it, allows.
    Consistent,
    /// Against a genesis that the reader trusts.
    Anchored,
}

/// A pair that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BadPair {
    /// Which.
    pub id: PairId,
    /// Why.
    pub why: String,
}

/// The result of an audit.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The folder.
    pub dir: String,
    /// Name of the bundle; empty where it could not be opened.
    pub name: String,
    /// The network.
    pub network: Option<NetworkId>,
    /// Plain BLAKE3 of `manifest.json`.
    pub manifest: Option<Hash>,
    /// Against what it was checked.
    pub trust: Trust,
    /// Signatures in `manifest.sig`.
    pub signatures: u64,
    /// Pairs that the manifest announces.
    pub pairs: u64,
    /// Counters.
    pub counters: u64,
    /// Counters whose task was made again from its seed.
    pub regenerated: u64,
    /// Counters whose stored task was graded instead, for want of the engine version.
    pub regraded: u64,
    /// Attempts graded again or, where no task was graded, read.
    pub attempts: u64,
    /// Groups that others than the verifiers drawn first graded.
    pub substituted: u64,
    /// Faults on record.
    pub faults: u64,
    /// Credits of all receipts, thousandths.
    pub credits_milli: u64,
    /// Everything that does not hold.
    pub findings: Vec<Finding>,
    /// Pairs that do not hold, where that could be told one by one.
    pub bad_pairs: Vec<BadPair>,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// Whether the pairs could be built again at all.
    pub(super) derivable: bool,
}

impl Report {
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.display().to_string(),
            name: String::new(),
            network: None,
            manifest: None,
            trust: Trust::Consistent,
            signatures: 0,
            pairs: 0,
            counters: 0,
            regenerated: 0,
            regraded: 0,
            attempts: 0,
            substituted: 0,
            faults: 0,
            credits_milli: 0,
            findings: Vec::new(),
            bad_pairs: Vec::new(),
            notes: Vec::new(),
            derivable: false,
        }
    }

    pub(super) fn opened(&mut self, opened: &Opened) {
        self.name.clone_from(&opened.manifest.name);
        self.network = Some(opened.network);
        self.manifest = Some(opened.manifest_hash);
        self.pairs = announced_pairs(&opened.manifest);
        self.counters = opened.manifest.counters.len() as u64;
    }

    pub(super) fn derived(&mut self, derived: &Derived, faults: usize) {
        self.regenerated = derived.regenerated;
        self.regraded = derived.regraded;
        self.attempts = derived.attempts;
        self.substituted = derived.substituted;
        self.credits_milli = derived.credits_milli;
        self.faults = faults as u64;
        if derived.substituted > 0 {
            let what = format!(
                "in {} groups a verifier drawn first is not among those that agree; the coordinator \
                 may have asked others after its time was over",
                derived.substituted
            );
            self.notes.push(what);
        }
    }

    pub(super) fn faulty_counters(&self) -> BTreeSet<u64> {
        let counter = |finding: &Finding| match finding.place {
            Place::Counter(counter) => Some(counter),
            _ => None,
        };
        self.findings.iter().filter_map(counter).collect()
    }

    /// Whether everything holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.findings.is_empty() && self.bad_pairs.is_empty()
    }

    /// How many pairs hold. None where the bundle as a whole does not.
    #[must_use]
    pub fn pairs_that_hold(&self) -> u64 {
        // The card and the attempts vouch for no pair; everything else outside data/ does.
        let whole = self.findings.iter().any(|finding| match &finding.place {
            Place::Bundle => true,
            Place::File(path) => {
                path != layout::CARD
                    && !path.starts_with("data/")
                    && finding.check != Check::Manifest
            }
            Place::Counter(_) => false,
        });
        // A data file with other bytes than listed was not read, and nothing is known of its rows.
        let unread = self.findings.iter().any(|finding| {
            finding.check == Check::File
                && matches!(&finding.place, Place::File(path)
                    if path.starts_with("data/") && !path.starts_with("data/attempts/"))
        });
        if whole || unread || !self.derivable {
            return 0;
        }
        self.pairs.saturating_sub(self.bad_pairs.len() as u64)
    }

    /// For a program's exit: 0 where everything holds, 1 where something does not, 2 where nothing
    /// is wrong but something could not be checked by this build.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.holds() {
            0
        } else if self.findings.iter().all(|finding| finding.check == Check::Inconclusive) {
            2
        } else {
            1
        }
    }

    /// The last line.
    #[must_use]
    pub fn summary(&self) -> String {
        let trust = match self.trust {
            Trust::Consistent => "consistent with itself",
            Trust::Anchored => "anchored in the trusted network",
        };
        let verdict = match self.exit_code() {
            0 => format!("0 mismatches; {trust}"),
            2 => format!("{} could not be checked by this build", self.findings.len()),
            _ => format!("{} mismatches", self.findings.len() + self.bad_pairs.len()),
        };
        format!(
            "{} of {} pairs hold: {verdict}; {} tasks regenerated, {} regraded, {} attempts, {} \
             signatures",
            self.pairs_that_hold(),
            self.pairs,
            self.regenerated,
            self.regraded,
            self.attempts,
            self.signatures
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in self.findings.iter().take(SHOWN) {
            writeln!(f, "does not hold: {finding}")?;
        }
        for pair in self.bad_pairs.iter().take(SHOWN) {
            writeln!(f, "pair {} does not hold: {}", pair.id, plain::line(&pair.why))?;
        }
        let shown = self.findings.len().min(SHOWN) + self.bad_pairs.len().min(SHOWN);
        let more = self.findings.len() + self.bad_pairs.len() - shown;
        if more > 0 {
            writeln!(f, "and {more} more (--json names each)")?;
        }
        for note in &self.notes {
            writeln!(f, "note: {}", plain::line(note))?;
        }
        writeln!(f, "{}", self.summary())
    }
}
