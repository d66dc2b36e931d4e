//! What grading looks up in a task: paragraphs as tokens and numbers, names, words, units.

use std::collections::HashMap;

use crate::{
    number::{self, Found},
    query::{Cell, Table, cell_of},
    types::{AnswerKey, AttrId, EntityId, Measure, Query, StatementKind, Task},
};

/// One paragraph, prepared.
#[derive(Debug)]
struct Paragraph {
    /// Tokens in lower case, a space before, between and after them.
    tokens: String,
    numbers: Vec<Found>,
    /// Entities that the paragraph speaks of under a name that stands only here.
    also: Vec<EntityId>,
}

/// The lookups, built once for all attempts at a task.
#[derive(Debug)]
pub struct TaskIndex {
    paragraphs: Vec<Paragraph>,
    /// By entity: its names as in [`Paragraph::tokens`], spaces included.
    names: Vec<Vec<String>>,
    /// Entities by name and alias, as [`normal`] gives them.
    entities: HashMap<String, EntityId>,
    /// Categories by [`normal`]: the canonical spelling.
    categories: HashMap<String, String>,
    /// By attribute: places in its vocabulary by [`normal`].
    words: Vec<HashMap<String, u16>>,
    /// The true facts.
    pub(super) truth: Table,
}

/// Runs of letters and digits in lower case, one space between them: the form in which terms are
/// compared.
pub(super) fn normal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut gap = false;
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            if std::mem::take(&mut gap) && !out.is_empty() {
                out.push(' ');
            }
            out.push(c.to_ascii_lowercase());
        } else if c.is_alphanumeric() {
            if std::mem::take(&mut gap) && !out.is_empty() {
                out.push(' ');
            }
            out.extend(c.to_lowercase());
        } else {
            gap = true;
        }
    }
    out
}

/// As [`normal`], with a space at either end, so that a search finds whole tokens only.
fn padded(text: &str) -> String {
    format!(" {} ", normal(text))
}

impl TaskIndex {
    /// Prepares a task and what its key adds: aliases and the truth.
    #[must_use]
    pub fn new(task: &Task, key: &AnswerKey) -> Self {
        let mut names: Vec<Vec<String>> =
            task.roster.iter().map(|entry| vec![padded(&entry.name)]).collect();
        let mut entities = HashMap::new();
        for alias in &key.aliases {
            entities.insert(normal(&alias.name), alias.entity);
            if let Some(list) = names.get_mut(alias.entity.at()) {
                list.push(padded(&alias.name));
            }
        }
        for (place, entry) in task.roster.iter().enumerate() {
            // A canonical name wins over an alias of the same spelling.
            entities.insert(normal(&entry.name), EntityId(narrow(place)));
        }
        let mut categories = HashMap::new();
        let mut words = Vec::with_capacity(task.attributes.len());
        for schema in &task.attributes {
            let mut places = HashMap::new();
            for (place, word) in schema.vocabulary.iter().enumerate() {
                places.insert(normal(word), narrow(place));
                categories.entry(normal(word)).or_insert_with(|| word.clone());
            }
            words.push(places);
        }
        let mut truth = Table::new(narrow(task.roster.len()), narrow(task.attributes.len()));
        for fact in &key.facts {
            let schema = task.attributes.get(fact.fact.attr.at());
            if let Some(cell) = schema.and_then(|schema| cell_of(&fact.value, schema)) {
                truth.set(fact.fact, cell);
            }
        }
        let paragraphs = task
            .paragraphs
            .iter()
            .enumerate()
            .map(|(place, text)| Paragraph {
                tokens: padded(text),
                numbers: number::find(text),
                also: named_here(key, place),
            })
            .collect();
        Self { paragraphs, names, entities, categories, words, truth }
    }

    /// Whether the document has a paragraph of this number (from 1).
    pub(super) fn has_paragraph(&self, number: u32) -> bool {
        self.paragraph(number).is_some()
    }

    fn paragraph(&self, number: u32) -> Option<&Paragraph> {
        self.paragraphs.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// Whether a paragraph names an entity, by name or alias, as whole tokens.
    pub(super) fn names(&self, number: u32, entity: EntityId) -> bool {
        self.paragraph(number).is_some_and(|paragraph| {
            paragraph.also.contains(&entity)
                || self.names.get(entity.at()).is_some_and(|names| {
                    names.iter().any(|name| paragraph.tokens.contains(name.as_str()))
                })
        })
    }

    /// Whether a paragraph holds words as whole tokens.
    pub(super) fn holds_words(&self, number: u32, words: &str) -> bool {
        let words = padded(words);
        words.len() > 2
            && self.paragraph(number).is_some_and(|paragraph| paragraph.tokens.contains(&words))
    }

    /// Whether a paragraph holds a number, given in thousandths of a unit of `scale` base units.
    pub(super) fn holds_number(&self, number: u32, milli: i64, scale: i64) -> bool {
        self.paragraph(number).is_some_and(|paragraph| {
            paragraph.numbers.iter().any(|found| found.states(milli, scale))
        })
    }

    /// The entity of a name or alias; an article before it is ignored.
    pub(super) fn entity(&self, text: &str) -> Option<EntityId> {
        lookup(&self.entities, text).copied()
    }

    /// The canonical spelling of a category of any attribute.
    pub(super) fn category(&self, text: &str) -> Option<&str> {
        lookup(&self.categories, text).map(String::as_str)
    }

    /// The cell that a word is under an attribute.
    pub(super) fn word(&self, attr: AttrId, text: &str) -> Option<Cell> {
        lookup(self.words.get(attr.at())?, text).copied().map(Cell::Category)
    }
}

/// Looks a text up as it is, then without an article.
fn lookup<'a, T>(map: &'a HashMap<String, T>, text: &str) -> Option<&'a T> {
    let key = normal(text);
    map.get(&key).or_else(|| {
        let bare = ["the ", "a ", "an "].iter().find_map(|article| key.strip_prefix(article))?;
        map.get(bare)
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

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn terms_are_tokens_in_lower_case() {
        assert_eq!(normal("  The Volt-Link, Inc. "), "the volt link inc");
        assert_eq!(normal("Ärger 4.5"), "ärger 4 5");
        assert_eq!(normal("…"), "");
    }
}
