//! DACR-Bench: questions over real papers and generated documents, with injected wrong sentences.
//!
//! ```text
//! file ─► Challenge (document, questions, gold, aliases, traps) ─► prompt ─► a model
//!                                                                              │
//!    score: theirs, with its holes, and a strict one beside it ◄── sheet ◄─────┘
//! ```
//!
//! Their scorer takes one answer within another for right, so that "e" alone is right most of the
//! time. It is kept as it is, to compare with published figures; the strict one is what counts.

mod metrics;
mod prompt;
mod read;
mod score;
mod sheet;
mod strict;

pub use metrics::{Metrics, PASS_MILLI, Share};
pub use read::{Dataset, read};
pub use score::{Outcome, Scored, score};
pub use sheet::{Entry, Form, Sheet};

/// How this format is called.
pub const FORMAT: &str = "dacr";
/// Where it is published.
pub const SOURCE: &str = "botcoinmoney/dacr-bench";
/// Its licence.
pub const LICENCE: &str = "Apache-2.0";
/// Most questions of a challenge.
pub const MAX_QUESTIONS: usize = 200;
/// Most facts of a challenge; theirs have 330.
pub const MAX_FACTS: usize = 20_000;

/// What a challenge knows to be so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Its id.
    pub id: String,
    /// About what.
    pub entity: String,
    /// Which attribute.
    pub attribute: String,
    /// The value, as written.
    pub value: String,
}

/// A wrong value in the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trap {
    /// Its id.
    pub id: String,
    /// The fact it is about.
    pub fact: String,
    /// The right value, as written.
    pub correct: String,
    /// The wrong one.
    pub wrong: String,
    /// The paragraph that was put into the document.
    pub injected: String,
}

/// One step of the reasoning that leads to an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainStep {
    /// What is done, in free words.
    pub action: String,
    /// About what, where it says so.
    pub note: Option<String>,
    /// The fact it uses.
    pub fact: Option<String>,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// `q01`, …
    pub id: String,
    /// What is asked.
    pub text: String,
    /// `direct_extraction`, `trap_targeted`, …
    pub category: String,
    /// Steps from the document to the answer.
    pub hops: usize,
    /// `easy`, `medium`, `hard`.
    pub difficulty: String,
    /// The trap it is aimed at, by place in [`Challenge::traps`].
    pub trap: Option<usize>,
    /// The right answer.
    pub gold: String,
    /// Other ways to say it.
    pub aliases: Vec<String>,
    /// How it is reached.
    pub chain: Vec<ChainStep>,
}

/// A document with its questions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Its id.
    pub id: String,
    /// `chemistry`, `computational_biology`, …
    pub domain: String,
    /// `real` or `synthetic`.
    pub split: String,
    /// Where the document is from: a paper, or an engine's seed.
    pub source: String,
    /// The document.
    pub document: String,
    /// What is so.
    pub facts: Vec<Fact>,
    /// What is wrong in it.
    pub traps: Vec<Trap>,
    /// The questions, by their place.
    pub questions: Vec<Question>,
}
