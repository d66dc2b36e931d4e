//! Domains: what documents of one subject speak of, and in which words, read from a TOML file.
//!
//! [`Domain::read`] checks a file and cuts its wordings at their slots; the generator draws from
//! the result. Nothing about a subject is in code: an operator adds a domain by adding a file.
//!
//! ```text
//! bytes ─► Raw ──────► Reader ────────────────────────────────────► Domain ─► advice
//!          raw, shape  read, head, attribute, derive, group, collide
//! ```
//!
//! All along the way, whatever is wrong is recorded with its place and looked up in the file at the
//! end: an author sees every [`Finding`] at once, with its line.

mod advice;
mod attribute;
mod collide;
mod derive;
mod finding;
mod group;
mod head;
mod limits;
mod own;
mod raw;
mod read;
mod reader;
mod shape;
mod template;

use std::sync::Arc;

use lode_proto::{id::Hash, limits::MAX_DOMAIN_BYTES};

use crate::{family::DomainError, types::AttributeSchema};
pub(crate) use derive::Rule;
pub use finding::{Finding, Severity};
pub(crate) use own::{Lined, OwnFact, OwnFile, OwnValue};
use reader::Reader;
pub(crate) use template::{Piece, Slot, Template, article, push_with_article};

/// A form of a number in another unit than the attribute's.
#[derive(Debug, Clone)]
pub(crate) struct UnitForm {
    pub(crate) form: Template,
    /// The printed number is the stored one times this.
    pub(crate) factor: i64,
}

/// An attribute with its wordings. Number ranges are in thousandths.
#[derive(Debug, Clone)]
pub(crate) struct Attribute {
    pub(crate) schema: AttributeSchema,
    /// A value that no document has, for the worked example.
    pub(crate) example: String,
    /// Whether short documents speak of it.
    pub(crate) short: bool,
    pub(crate) min: i64,
    pub(crate) max: i64,
    pub(crate) step: i64,
    /// How values hang on other attributes of the same entity; `None` where they are free.
    pub(crate) rule: Option<Rule>,
    /// Whether the value is a function of others: it must agree with them wherever it is stated,
    /// so that no document states it relatively or holds a wrong value for it.
    pub(crate) exact: bool,
    /// Attributes whose rules read this one.
    pub(crate) feeds: Vec<u16>,
    pub(crate) forms: Vec<Template>,
    pub(crate) gap_forms: Vec<Template>,
    pub(crate) unit_forms: Vec<UnitForm>,
    pub(crate) plain: Vec<Template>,
    pub(crate) more: Vec<Template>,
    pub(crate) less: Vec<Template>,
    pub(crate) more_next: Vec<Template>,
    pub(crate) less_next: Vec<Template>,
    pub(crate) wider: Vec<Template>,
    pub(crate) ask: Vec<Template>,
    pub(crate) measure: String,
    pub(crate) highest: String,
    pub(crate) lowest: String,
    pub(crate) above: Template,
    pub(crate) below: Template,
    pub(crate) is: Template,
    pub(crate) same: Template,
    pub(crate) of: Template,
    pub(crate) trace: Template,
    pub(crate) trace_more: Option<Template>,
    pub(crate) trace_less: Option<Template>,
}

/// How a named measure is made of attributes (places in [`Domain::attributes`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MeasureKind {
    Sum(Vec<u16>),
    Diff(u16, u16),
    Ratio { over: Vec<u16>, under: Vec<u16> },
}

#[derive(Debug, Clone)]
pub(crate) struct NamedMeasure {
    pub(crate) phrase: String,
    pub(crate) kind: MeasureKind,
}

#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) always: bool,
    /// Section headings that fit its paragraphs.
    pub(crate) headings: Vec<String>,
    pub(crate) attributes: Vec<u16>,
    pub(crate) wordings: Vec<Template>,
}

macro_rules! wordings {
    ($(#[$doc:meta])* $name:ident { $($list:ident,)* ; $($one:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub(crate) struct $name {
            $(pub(crate) $list: Vec<Template>,)*
            $(pub(crate) $one: Template,)*
        }
    };
}

wordings! {
    /// Question wordings by shape.
    Questions {
        which, which_filtered, which_measure, which_measure_filtered, which_rank,
        which_rank_filtered, which_only, which_nearest, which_next, compare, number, value,
        category, mode, count, total, gap, sum, take, then_take, ;
    }
}
wordings! {
    /// Parts of questions.
    Phrases {
        ; selected, selected_measure, selected_rank, selected_filtered, selected_measure_filtered,
        selected_rank_filtered, selected_only, selected_nearest, that, that_next, set, other_set,
        relative, versus, except, but_not, also, unit,
    }
}
wordings! {
    /// Constraint wordings by kind.
    Constraints {
        word_count, max_words, min_words, answer, category, fact, name, starts_with, word,
        next_prime, equation, modular, json, acrostic, forbidden_letter, order, word_lengths,
        alphabetical, sentence_count, ends_with, word_at, letter_count, different_initials,
        length_sum, first_word_of, last_word_of, no_repeats, ;
        answer_of, number_of, times, plus_other,
    }
}

/// A source that holds over, or yields to, statements without a source.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(crate) label: String,
    pub(crate) weight: u32,
    pub(crate) holds: bool,
    pub(crate) rules: Vec<String>,
}

/// An extent that a figure may have. Both texts are whole sentences that fit every number of the
/// domain, and none sounds more right than those of another extent.
#[derive(Debug, Clone)]
pub(crate) struct ScopeForm {
    /// Follows a figure's sentence: "This figure counts subsidiaries."
    pub(crate) note: String,
    /// Says that figures of this extent are those that are meant.
    pub(crate) rule: String,
}

/// What the worked example is made of: names that no document has, and artifacts.
#[derive(Debug, Clone)]
pub(crate) struct Example {
    pub(crate) entity: String,
    pub(crate) other: String,
    pub(crate) word: String,
    pub(crate) plain: Template,
    pub(crate) naming: Template,
    pub(crate) with_word: Template,
}

/// A domain, read and checked.
#[derive(Debug, Clone)]
pub struct Domain {
    pub(crate) name: String,
    pub(crate) hash: Hash,
    pub(crate) entity: String,
    pub(crate) entities: String,
    pub(crate) titles: Vec<String>,
    pub(crate) first: Vec<String>,
    pub(crate) second: Vec<String>,
    pub(crate) attributes: Vec<Attribute>,
    /// Attributes that hang together by their rules, each list in an order in which it can be
    /// filled; an attribute without rules is a list of its own.
    pub(crate) joint: Vec<Vec<u16>>,
    pub(crate) measures: Vec<NamedMeasure>,
    pub(crate) groups: Vec<Group>,
    /// The public side of the attributes of the first group, of the first two, and so on: what the
    /// tasks of one size share.
    pub(crate) grouped: Vec<Arc<[AttributeSchema]>>,
    /// Keys of the groups, for findings.
    pub(crate) group_keys: Vec<String>,
    pub(crate) example: Example,
    pub(crate) marks: Vec<Mark>,
    pub(crate) sources: Vec<String>,
    pub(crate) authority: Vec<Template>,
    pub(crate) attributed: Vec<Template>,
    pub(crate) scope: Vec<String>,
    pub(crate) scopes: Vec<ScopeForm>,
    pub(crate) aliases: Vec<Template>,
    pub(crate) instructions: Vec<Template>,
    pub(crate) noise_general: Vec<String>,
    pub(crate) noise_entity: Vec<Template>,
    pub(crate) noise_pair: Vec<Template>,
    pub(crate) questions: Questions,
    pub(crate) phrases: Phrases,
    pub(crate) constraints: Constraints,
}

impl Domain {
    /// Reads and checks a domain file.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, DomainError> {
        if bytes.len() > MAX_DOMAIN_BYTES {
            return Err(DomainError::TooLarge {
                name: name.to_owned(),
                got: bytes.len(),
                limit: MAX_DOMAIN_BYTES,
            });
        }
        Self::examine(name, bytes).map_err(|findings| {
            let first = findings.into_iter().next();
            let (line, place, message) = first.map_or_else(
                || (0, String::new(), "cannot be read".to_owned()),
                |first| (first.line, first.place, first.message),
            );
            DomainError::Content { name: name.to_owned(), line, place, message }
        })
    }

    /// Everything that is wrong with a domain file, and what would make it better; nothing for a
    /// good one. `name` is the file's stem.
    #[must_use]
    pub fn check(name: &str, bytes: &[u8]) -> Vec<Finding> {
        match Self::examine(name, bytes) {
            Ok(domain) => {
                let text = String::from_utf8_lossy(bytes);
                finding::located(&text, advice::advise(&domain, &text))
            }
            Err(findings) => findings,
        }
    }

    fn examine(name: &str, bytes: &[u8]) -> Result<Self, Vec<Finding>> {
        let whole = |line: usize, message: String| {
            let (severity, place) = (Severity::Error, String::new());
            vec![Finding { severity, line, place, message }]
        };
        if bytes.len() > MAX_DOMAIN_BYTES {
            let got = bytes.len();
            return Err(whole(
                0,
                format!("the file has {got} bytes, at most {MAX_DOMAIN_BYTES} are allowed"),
            ));
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let before = bytes.iter().take(error.valid_up_to());
                let line = 1 + before.filter(|byte| **byte == b'\n').count();
                return Err(whole(line, "not UTF-8 text: save the file as UTF-8".to_owned()));
            }
        };
        let raw = shape::read(text)?;
        let keys = raw.attributes.iter().map(|attribute| attribute.key.clone()).collect();
        let reader = Reader::new(name, keys);
        match reader.domain(raw, Hash::of(bytes)) {
            Ok(domain) => Ok(domain),
            Err(_) => Err(finding::located(text, reader.into_faults())),
        }
    }

    /// The name in the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Plain BLAKE3 of the file's bytes.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// What a document is about, in the singular: "company".
    #[must_use]
    pub fn entity(&self) -> &str {
        &self.entity
    }

    /// The entities that a document is about, in the plural: "companies".
    #[must_use]
    pub fn entities(&self) -> &str {
        &self.entities
    }
}
