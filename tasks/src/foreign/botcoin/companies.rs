//! Reading a document of the domain `companies`: every paragraph becomes statements, or is known to
//! state nothing, or is listed as unread.
//!
//! ```text
//! paragraphs ─► profile (names, places, people, years) ─► Roster: who is meant, typos allowed
//!            └► absolute figures, final records, superseded records ┐
//!            └► relative: "X ran 140M above Y" ─────────────────────┴► statements ─► facts.rs
//! ```
//!
//! A document repeats absolute facts in fragments without a name, and has asides that are no facts;
//! neither is used. Where a wording is not known, the sentence is unread: nothing is guessed.

mod profile;
mod relative;

use std::collections::BTreeSet;

use crate::number::{self, Found};

pub(crate) use profile::capture;
pub use profile::{Profile, Roster};

/// Most entities of a document.
pub const MAX_ENTITIES: usize = 200;
/// Longest paragraph that is read, bytes; theirs have 400.
pub const MAX_PARAGRAPH_BYTES: usize = 8_192;

/// A numeric fact about a company, in thousandths of its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quantity {
    /// Employees.
    Employees,
    /// Debt-to-equity.
    Debt,
    /// Satisfaction, of ten.
    Satisfaction,
    /// Revenue of a quarter (0 to 3), $ million.
    Revenue(u8),
    /// Growth of a quarter (0 to 3), %.
    Growth(u8),
}

impl Quantity {
    /// All eleven.
    pub const ALL: [Self; 11] = [
        Self::Employees,
        Self::Debt,
        Self::Satisfaction,
        Self::Revenue(0),
        Self::Revenue(1),
        Self::Revenue(2),
        Self::Revenue(3),
        Self::Growth(0),
        Self::Growth(1),
        Self::Growth(2),
        Self::Growth(3),
    ];

    /// Its place in [`Self::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::Employees => 0,
            Self::Debt => 1,
            Self::Satisfaction => 2,
            Self::Revenue(quarter) => 3 + usize::from(quarter.min(3)),
            Self::Growth(quarter) => 7 + usize::from(quarter.min(3)),
        }
    }

    /// For people.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Employees => "employees".into(),
            Self::Debt => "debt-to-equity".into(),
            Self::Satisfaction => "satisfaction".into(),
            Self::Revenue(quarter) => format!("Q{} revenue", quarter + 1),
            Self::Growth(quarter) => format!("Q{} growth", quarter + 1),
        }
    }
}

/// Who is ahead in a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ahead {
    /// The first.
    First,
    /// The second.
    Second,
    /// The document does not say.
    Unsaid,
}

/// What a sentence states. Entities by their place in the roster; values in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// A value. A final record overrules any other.
    Is {
        /// About whom.
        entity: usize,
        /// The value.
        milli: i64,
        /// From a final record.
        last: bool,
    },
    /// A difference.
    Differs {
        /// One.
        first: usize,
        /// The other.
        second: usize,
        /// By how much, not negative.
        milli: i64,
        /// Who is ahead.
        ahead: Ahead,
    },
}

/// A statement and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    /// What it is about.
    pub quantity: Quantity,
    /// What it says.
    pub said: Said,
    /// Paragraph, from 1.
    pub paragraph: usize,
}

/// A sentence whose wording is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Paragraph, from 1.
    pub paragraph: usize,
    /// Entities that it names.
    pub entities: Vec<usize>,
    /// Why.
    pub why: String,
}

/// A document, read.
#[derive(Debug, Clone, Default)]
pub struct Document {
    /// Who there is.
    pub roster: Roster,
    /// What is stated.
    pub statements: Vec<Statement>,
    /// What was not read.
    pub unread: Vec<Unread>,
    /// Values that the document calls superseded: about whom, what, and the value; paragraph.
    pub superseded: Vec<Statement>,
}

/// Reads a document. `also` are texts of the same hand (questions) that show how names are spelled.
#[must_use]
pub fn read(paragraphs: &[String], also: &[String]) -> Document {
    let roster = Roster::read(paragraphs, also);
    let mut document = Document { roster, ..Document::default() };
    for (place, text) in paragraphs.iter().enumerate() {
        let number = place + 1;
        if text.len() > MAX_PARAGRAPH_BYTES {
            document.unread.push(Unread {
                paragraph: number,
                entities: Vec::new(),
                why: format!("has more than {MAX_PARAGRAPH_BYTES} bytes"),
            });
        } else if profile::parse(text).is_none() {
            paragraph(&mut document, number, text);
        }
    }
    document
}

/// Sentences of a paragraph. A point inside a number has no space after it.
pub(crate) fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split(". ").map(|sentence| sentence.trim().trim_end_matches('.')).filter(|s| !s.is_empty())
}

/// Numbers of a sentence in order; of `$2.39 billion (2,391M exact)` only the exact one.
pub(crate) fn numbers(text: &str) -> Vec<Found> {
    let found = number::find(text);
    let exact = |place: usize| {
        let (Some(this), Some(next)) = (found.get(place), found.get(place + 1)) else {
            return false;
        };
        this.scale == 1_000_000_000
            && text.get(this.end..next.start).is_some_and(|between| between.ends_with('('))
            && text
                .get(next.end..)
                .is_some_and(|rest| rest.trim_start_matches('M').trim_start().starts_with("exact)"))
    };
    (0..found.len()).filter(|place| !exact(*place)).filter_map(|p| found.get(p).copied()).collect()
}

/// Lower-case words of a sentence; a hyphen joins.
pub(crate) fn lower_words(text: &str) -> Vec<String> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '/'))
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// The quarters that a sentence names (0 to 3).
pub(crate) fn quarters(text: &str) -> BTreeSet<u8> {
    let mut found = BTreeSet::new();
    for word in lower_words(text) {
        let quarter = match word.as_str() {
            "q1" => 0,
            "q2" => 1,
            "q3" => 2,
            "q4" => 3,
            other => {
                let stem = other.strip_suffix("-quarter").unwrap_or(other);
                match stem {
                    "first" | "opening" => 0,
                    "second" | "mid-year" | "mid-spring" | "follow-on" => 1,
                    "third" | "late-year" => 2,
                    "fourth" | "closing" | "year-end" => 3,
                    _ => continue,
                }
            }
        };
        found.insert(quarter);
    }
    found
}

fn has_any(text: &str, parts: &[&str]) -> bool {
    parts.iter().any(|part| text.contains(part))
}

/// Which of the three figures about a company's working a sentence is about.
pub(crate) fn working(text: &str) -> Option<Quantity> {
    let lower = text.to_lowercase();
    if has_any(&lower, &["satisfaction", "sentiment"]) {
        Some(Quantity::Satisfaction)
    } else if has_any(&lower, &["d/e", "debt", "leverage", "levered", "balance-sheet"]) {
        Some(Quantity::Debt)
    } else if has_any(
        &lower,
        &["employee", "staff", "headcount", "workforce", "roster", "positions", "team", "people"],
    ) {
        Some(Quantity::Employees)
    } else {
        None
    }
}

fn paragraph(document: &mut Document, number: usize, text: &str) {
    let mentioned = document.roster.mentions(text);
    let mut entities: Vec<usize> = mentioned.iter().map(|mention| mention.entity).collect();
    entities.sort_unstable();
    entities.dedup();
    let lower = text.to_lowercase();
    match entities.as_slice() {
        [entity] => {
            if has_any(&lower, &["superseded", "pre-final", "planning"]) {
                let found = record(text).map(|(quantity, milli)| Statement {
                    quantity,
                    said: Said::Is { entity: *entity, milli, last: false },
                    paragraph: number,
                });
                document.superseded.extend(found);
            } else if has_any(&lower, &["final", "audited"])
                && has_any(&lower, &["filed", "filing", "confirmation", "amendment"])
                && !numbers(text).is_empty()
            {
                match record(text) {
                    Some((quantity, milli)) => {
                        let said = Said::Is { entity: *entity, milli, last: true };
                        document.statements.push(Statement { quantity, said, paragraph: number });
                    }
                    None => unread(document, number, &entities, "a final record in other words"),
                }
            } else {
                absolute(document, number, *entity, text);
            }
        }
        [_, _] => relative::paragraph(document, number, text, &entities),
        _ => {}
    }
}

fn unread(document: &mut Document, paragraph: usize, entities: &[usize], why: &str) {
    let entities = entities.to_vec();
    document.unread.push(Unread { paragraph, entities, why: why.to_owned() });
}

/// The one figure of a record: employees, or revenue of a named quarter.
fn record(text: &str) -> Option<(Quantity, i64)> {
    let found = numbers(text);
    let [figure] = found.as_slice() else { return None };
    let lower = text.to_lowercase();
    if lower.contains("revenue") {
        let quarters: Vec<u8> = quarters(text).into_iter().collect();
        let [quarter] = quarters.as_slice() else { return None };
        return Some((Quantity::Revenue(*quarter), figure.milli));
    }
    working(text).map(|quantity| (quantity, figure.milli))
}

/// Figures about one company: employees, debt and satisfaction, or the four quarters.
fn absolute(document: &mut Document, paragraph: usize, entity: usize, text: &str) {
    let found = numbers(text);
    let mut say = |quantity, milli| {
        let said = Said::Is { entity, milli, last: false };
        document.statements.push(Statement { quantity, said, paragraph });
    };
    let lower = text.to_lowercase();
    let three = has_any(&lower, &["debt-to-equity", "d/e", "leverage"])
        && has_any(&lower, &["satisfaction"]);
    if let ([employees, debt, satisfaction], true) = (found.as_slice(), three) {
        say(Quantity::Employees, employees.milli);
        say(Quantity::Debt, debt.milli);
        say(Quantity::Satisfaction, satisfaction.milli);
        return;
    }
    if found.len() != 8 {
        // A fragment, an aside, or speculation: none of them adds a fact. But what looks like the
        // four quarters or the three figures and is not read must be known.
        if found.len() > 4 || (three && found.len() > 2) {
            unread(document, paragraph, &[entity], "figures in another order than known");
        }
        return;
    }
    let mut values = Vec::with_capacity(8);
    let mut from = 0;
    for (quarter, pair) in (0_u8..4).zip(found.chunks_exact(2)) {
        let [revenue, growth] = pair else { return };
        let before = text.get(from..revenue.start).unwrap_or("");
        let between = text.get(revenue.end..growth.start).unwrap_or("");
        let after = text.get(growth.end..).unwrap_or("").trim_start();
        from = growth.end;
        let percent = after.starts_with('%') || after.starts_with("percent");
        // The period may stand before the figure ("Q1 came in at V") or after it ("V in the Q1").
        let mut named = quarters(before);
        named.extend(quarters(between));
        let sign = growth_sign(between);
        let (Some(sign), true, true) = (sign, percent, named.contains(&quarter)) else {
            return unread(document, paragraph, &[entity], "quarters in other words than known");
        };
        values.push((Quantity::Revenue(quarter), revenue.milli));
        values.push((Quantity::Growth(quarter), sign * growth.milli));
    }
    let mut say = |quantity, milli| {
        let said = Said::Is { entity, milli, last: false };
        document.statements.push(Statement { quantity, said, paragraph });
    };
    for (quantity, milli) in values {
        say(quantity, milli);
    }
}

/// The last word that says which way a quarter went.
fn growth_sign(text: &str) -> Option<i64> {
    lower_words(text).iter().rev().find_map(|word| match word.as_str() {
        "grew" | "growing" | "expanded" | "increased" | "rose" | "up" => Some(1),
        "fell" | "declined" | "contracted" | "decreased" | "shrank" | "down" => Some(-1),
        _ => None,
    })
}
