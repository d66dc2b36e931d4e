//! What grading looks up in a task: paragraphs as words and numbers, names, categories, units.
//!
//! A paragraph is prepared when the first attempt cites it: a grader is built for a handful of
//! attempts, which cite the same few paragraphs.

use std::sync::OnceLock;

use memchr::memchr_iter;

use crate::{
    number::{self, Found},
    query::{Cell, Table, cell_of},
    term::{is_normal, normal, padded},
    types::{AnswerKey, AttrId, EntityId, FactRef, Measure, Query, StatementKind, Task},
};

/// One paragraph, prepared as far as it has been asked about.
#[derive(Debug, Default)]
struct Paragraph {
    /// As [`padded`] gives it.
    words: OnceLock<String>,
    numbers: OnceLock<Vec<Found>>,
    /// Entities that the paragraph speaks of under a name that stands only here.
    also: OnceLock<Vec<EntityId>>,
}

/// The lookups, shared by all attempts at a task.
#[derive(Debug)]
pub struct TaskIndex<'a> {
    task: &'a Task,
    key: &'a AnswerKey,
    paragraphs: Vec<Paragraph>,
    /// By entity: its names as [`padded`] gives them, once one was asked for.
    names: Vec<OnceLock<Vec<String>>>,
    /// The true facts.
    pub(super) truth: Table,
    /// By [`TaskIndex::place`]: against whom the document states a fact, where it does so.
    references: Vec<Option<EntityId>>,
}

impl<'a> TaskIndex<'a> {
    /// Prepares a task and what its key adds: aliases and the truth.
    #[must_use]
    pub fn new(task: &'a Task, key: &'a AnswerKey) -> Self {
        let mut truth = Table::new(narrow(task.roster.len()), narrow(task.attributes.len()));
        let mut references = vec![None; cells(&truth)];
        for fact in &key.facts {
            if let Some(slot) = references.get_mut(place_in(&truth, fact.fact)) {
                *slot = fact.reference.map(|reference| reference.entity);
            }
            let schema = task.attributes.get(fact.fact.attr.at());
            if let Some(cell) = schema.and_then(|schema| cell_of(&fact.value, schema)) {
                truth.set(fact.fact, cell);
            }
        }
        Self {
            task,
            key,
            paragraphs: std::iter::repeat_with(Paragraph::default)
                .take(task.paragraphs.len())
                .collect(),
            names: std::iter::repeat_with(OnceLock::new).take(task.roster.len()).collect(),
            truth,
            references,
        }
    }

    /// How many facts there are places for.
    pub(super) fn facts(&self) -> usize {
        cells(&self.truth)
    }

    /// The place of a fact; beyond [`TaskIndex::facts`] for one that the task does not have.
    pub(super) fn place(&self, fact: FactRef) -> usize {
        place_in(&self.truth, fact)
    }

    /// Against whom the document states a fact, where it does not state it absolutely.
    pub(super) fn reference(&self, fact: FactRef) -> Option<EntityId> {
        self.references.get(self.place(fact)).copied().flatten()
    }

    /// Whether a paragraph states the true value of a fact, or the rule that settles it.
    pub(super) fn settles(&self, paragraph: u32, fact: FactRef) -> bool {
        let known = self.key.facts.binary_search_by_key(&fact, |known| known.fact).ok();
        known
            .and_then(|at| self.key.facts.get(at))
            .is_some_and(|f| f.paragraphs.contains(&paragraph))
            || self
                .key
                .traps
                .iter()
                .any(|trap| trap.fact == fact && trap.right_paragraphs.contains(&paragraph))
    }

    /// Whether the document has a paragraph of this number (from 1).
    pub(super) fn has_paragraph(&self, number: u32) -> bool {
        self.task.paragraph(number).is_some()
    }

    fn paragraph(&self, number: u32) -> Option<(usize, &str, &Paragraph)> {
        let place = usize::try_from(number).ok()?.checked_sub(1)?;
        Some((place, self.task.paragraphs.get(place)?, self.paragraphs.get(place)?))
    }

    /// Whether a paragraph names an entity, by name or alias, as whole words.
    pub(super) fn names(&self, number: u32, entity: EntityId) -> bool {
        let Some((place, text, paragraph)) = self.paragraph(number) else { return false };
        // Most paragraphs have the name as it is.
        if self.task.roster.get(entity.at()).is_some_and(|entry| holds_whole(text, &entry.name)) {
            return true;
        }
        let words = paragraph.words.get_or_init(|| padded(text));
        let names = self.names.get(entity.at());
        let names = names.map(|names| names.get_or_init(|| self.names_of(entity)));
        names.into_iter().flatten().any(|name| words.contains(name.as_str()))
            || paragraph.also.get_or_init(|| named_here(self.key, place)).contains(&entity)
    }

    fn names_of(&self, entity: EntityId) -> Vec<String> {
        let canonical = self.task.roster.get(entity.at()).map(|entry| &entry.name);
        let aliases = self.key.aliases.iter().filter(|alias| alias.entity == entity);
        canonical
            .into_iter()
            .chain(aliases.map(|alias| &alias.name))
            .map(|name| padded(name))
            .collect()
    }

    /// Whether a paragraph holds words as whole words.
    pub(super) fn holds_words(&self, number: u32, words: &str) -> bool {
        let Some((_, text, paragraph)) = self.paragraph(number) else { return false };
        if holds_whole(text, words) {
            return true;
        }
        let words = padded(words);
        words.len() > 2 && paragraph.words.get_or_init(|| padded(text)).contains(&words)
    }

    /// Whether a paragraph holds a number, given in thousandths of a unit of `scale` base units.
    pub(super) fn holds_number(&self, number: u32, milli: i64, scale: i64) -> bool {
        self.paragraph(number).is_some_and(|(_, text, paragraph)| {
            let numbers = paragraph.numbers.get_or_init(|| number::find(text));
            numbers.iter().any(|found| found.states(milli, scale))
        })
    }

    /// The entity of a name or alias; an article before it is ignored, and a canonical name wins
    /// over an alias of the same spelling.
    pub(super) fn entity(&self, text: &str) -> Option<EntityId> {
        let roster = &self.task.roster;
        let known = roster.iter().position(|entry| entry.name.eq_ignore_ascii_case(text));
        known.map(|place| EntityId(narrow(place))).or_else(|| {
            spelled(text, |term| {
                let named = roster.iter().position(|entry| is_normal(&entry.name, term));
                named.map(|place| EntityId(narrow(place))).or_else(|| {
                    let alias = self.key.aliases.iter().find(|a| is_normal(&a.name, term));
                    alias.map(|alias| alias.entity)
                })
            })
        })
    }

    /// The canonical spelling of a category of any attribute.
    pub(super) fn category(&self, text: &str) -> Option<&str> {
        let words = || self.task.attributes.iter().flat_map(|schema| &schema.vocabulary);
        words()
            .find(|word| word.eq_ignore_ascii_case(text))
            .or_else(|| spelled(text, |term| words().find(|word| is_normal(word, term))))
            .map(String::as_str)
    }

    /// The cell that a word is under an attribute.
    pub(super) fn word(&self, attr: AttrId, text: &str) -> Option<Cell> {
        let words = &self.task.attributes.get(attr.at())?.vocabulary;
        words
            .iter()
            .position(|word| word.eq_ignore_ascii_case(text))
            .or_else(|| spelled(text, |term| words.iter().position(|word| is_normal(word, term))))
            .map(|place| Cell::Category(narrow(place)))
    }
}

/// Whether a text holds a term as it is written, with neither letters nor digits around it: what
/// [`padded`] texts would then tell as well.
fn holds_whole(text: &str, term: &str) -> bool {
    let letter = |c: char| c.is_alphanumeric();
    let own = |c: Option<char>| c.is_some_and(letter);
    let alone = |at: usize| {
        let around = text.get(..at).zip(text.get(at + term.len()..));
        around.is_some_and(|(head, tail)| !head.ends_with(letter) && !tail.starts_with(letter))
    };
    let (text_bytes, term_bytes) = (text.as_bytes(), term.as_bytes());
    let Some(first) = term_bytes.first() else { return false };
    // Where it stands at all, it stands near the beginning: plainer than to prepare a search.
    own(term.chars().next())
        && own(term.chars().next_back())
        && memchr_iter(*first, text_bytes)
            .filter(|at| text_bytes[*at..].starts_with(term_bytes))
            .any(alone)
}

fn cells(table: &Table) -> usize {
    usize::from(table.entities()) * usize::from(table.attrs())
}

fn place_in(table: &Table, fact: FactRef) -> usize {
    if fact.entity.0 < table.entities() && fact.attr.0 < table.attrs() {
        fact.entity.at() * usize::from(table.attrs()) + fact.attr.at()
    } else {
        usize::MAX
    }
}

/// What a text stands for by its [`normal`] form: as it is, then without an article.
fn spelled<T>(text: &str, find: impl Fn(&str) -> Option<T>) -> Option<T> {
    let term = normal(text);
    if term.is_empty() {
        return None;
    }
    find(&term).or_else(|| {
        let bare = ["the ", "a ", "an "].iter().find_map(|article| term.strip_prefix(article))?;
        find(bare)
    })
}

/// Entities that the key's statements name otherwise than canonically in a paragraph.
fn named_here(key: &AnswerKey, place: usize) -> Vec<EntityId> {
    let statements = key.document.get(place).map_or(&[][..], |doc| &doc.statements);
    statements
        .iter()
        .filter(|statement| statement.named.is_some())
        .filter_map(|statement| match &statement.kind {
            StatementKind::Absolute { fact, .. } | StatementKind::Relative { fact, .. } => {
                Some(fact.entity)
            }
            _ => None,
        })
        .collect()
}

/// How many base units the unit of a question's number is.
pub(super) fn answer_scale(task: &Task, query: &Query) -> i64 {
    let measure = match query {
        Query::Number { measure, .. }
        | Query::Total { measure, .. }
        | Query::Gap { measure, .. }
        | Query::Sum { measure, .. } => measure,
        Query::Which(_)
        | Query::Category { .. }
        | Query::Count(_)
        | Query::Mode { .. }
        | Query::Compare { .. } => return 1,
    };
    let first = match measure {
        Measure::Attr(attr) | Measure::Diff(attr, _) => Some(*attr),
        Measure::Sum(attrs) => attrs.first().copied(),
        Measure::Ratio { .. } => None,
    };
    first.and_then(|attr| task.attributes.get(attr.at())).map_or(1, |schema| schema.scale)
}

pub(super) fn narrow(place: usize) -> u16 {
    u16::try_from(place).unwrap_or(u16::MAX)
}
