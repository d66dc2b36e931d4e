//! What may be wrong with a folder that can be used: wordings that are no clean language, and
//! values in the texts that no fact declares.
//!
//! What the texts say beyond the facts file cannot be known. But where an entity's name and a number
//! that one of its attributes could have, or a word of a category, stand near each other in a
//! paragraph, and no fact quotes it there, a reader may take it for a statement.

use lode_proto::plain::{self, Surface};

use super::{
    FACTS_FILE,
    collection::{Collection, Stated, short},
    error::{Finding, MAX_FINDINGS, Severity},
    terms::Terms,
    text::Paragraph,
};
use crate::{
    domain::{Attribute, Slot},
    lint, number,
    query::Cell,
};

/// Bytes between a name and a value that are near each other.
const NEAR_BYTES: usize = 80;
/// Words that a category needs so that its facts can be contested.
const MIN_CONTESTED_WORDS: usize = 6;
/// Numbers below this one stand everywhere ("two of the 4 lamps").
const SMALL: i64 = 10_000;

/// Warnings about a collection.
pub(super) fn warnings(collection: &Collection) -> Vec<Finding> {
    let mut found = Vec::new();
    wordings(collection, &mut found);
    let words = vocabulary(collection);
    let mut quoted: Vec<Vec<(usize, usize)>> = vec![Vec::new(); collection.paragraphs.len()];
    for quote in collection.facts.iter().flat_map(|fact| &fact.quotes) {
        if let Some(quoted) = quoted.get_mut(quote.paragraph) {
            quoted.push((quote.from, quote.to));
        }
    }
    for paragraph in &collection.paragraphs {
        hidden(collection, paragraph, &mut found);
    }
    for (at, quoted) in quoted.iter().enumerate() {
        undeclared(collection, at, &words, quoted, &mut found);
    }
    found
}

fn of_facts(message: String) -> Finding {
    Finding { severity: Severity::Warning, file: FACTS_FILE.to_owned(), line: 0, message }
}

/// Sentences that our own notes would hold.
fn wordings(collection: &Collection, found: &mut Vec<Finding>) {
    let Some(entity) = collection.entities.first() else { return };
    for attribute in &collection.domain.attributes {
        let key = &attribute.schema.key;
        let amount = match attribute.schema.vocabulary.first() {
            Some(word) => word.clone(),
            None => {
                crate::longdoc::world::cell_text(Cell::Number(attribute.max), &attribute.schema)
            }
        };
        for wording in &attribute.plain {
            let text = wording.fill(|slot, out| {
                out.push_str(if slot == Slot::Entity { &entity.name } else { &amount });
            });
            if let Err(fault) = lint::lint(&text) {
                found.push(of_facts(format!("attributes.{key}: {} has {fault}", short(&text))));
            }
        }
        let words = attribute.schema.vocabulary.len();
        if !attribute.schema.kind.is_number() && words < MIN_CONTESTED_WORDS {
            found.push(of_facts(format!(
                "attributes.{key}: {words} words; with fewer than {MIN_CONTESTED_WORDS} no note contests \
                 it: add words that others could have to `vocabulary`"
            )));
        }
        if !collection.facts.iter().any(|fact| known(collection, fact, key)) {
            found.push(of_facts(format!("attributes.{key}: no fact is about it")));
        }
    }
}

fn known(collection: &Collection, fact: &Stated, key: &str) -> bool {
    let attribute = collection.domain.attributes.get(usize::from(fact.attr));
    attribute.is_some_and(|attribute| attribute.schema.key == key)
}

/// Characters that a person does not see as a model reads them.
fn hidden(collection: &Collection, paragraph: &Paragraph, found: &mut Vec<Finding>) {
    let shown = plain::escape(&paragraph.text, Surface::Line, paragraph.text.len());
    if shown != paragraph.text && found.len() < MAX_FINDINGS {
        found.push(Finding {
            severity: Severity::Warning,
            file: collection.files.get(paragraph.file).cloned().unwrap_or_default(),
            line: paragraph.line,
            message: format!(
                "has characters that hide or reorder others: {}. A person does not see what a model reads",
                short(&shown)
            ),
        });
    }
}

/// The words of all categories.
fn vocabulary(collection: &Collection) -> Terms<()> {
    let mut words = Terms::default();
    for attribute in &collection.domain.attributes {
        for word in &attribute.schema.vocabulary {
            words.add(word, ());
        }
    }
    words
}

/// Values near a name that no fact quotes.
fn undeclared(
    collection: &Collection,
    at: usize,
    words: &Terms<()>,
    quoted: &[(usize, usize)],
    found: &mut Vec<Finding>,
) {
    let Some(paragraph) = collection.paragraphs.get(at) else { return };
    let mentions = collection.mentions.get(at).map_or(&[][..], Vec::as_slice);
    if mentions.is_empty() {
        return;
    }
    let text = &paragraph.text;
    let free = |from: usize, to: usize| !quoted.iter().any(|(a, b)| from < *b && *a < to);
    let mut spots: Vec<(usize, usize)> = number::numbers(text)
        .filter(|number| number.milli >= SMALL)
        .filter(|number| {
            collection.domain.attributes.iter().any(|attribute| could_be(attribute, number.milli))
        })
        .map(|number| (number.start, number.end))
        .collect();
    spots.extend(words.find(text).into_iter().map(|(from, to, ())| (from, to)));
    spots.retain(|(from, to)| free(*from, *to));
    let mut told: Vec<(usize, usize)> = Vec::new();
    for (from, to, mention) in mentions {
        let Some(entity) = collection.entities.get(mention.entity) else { continue };
        for (start, end) in &spots {
            let gap = if start >= to { start - to } else { from.saturating_sub(*end) };
            if gap > NEAR_BYTES || told.contains(&(mention.entity, *start)) {
                continue;
            }
            if found.len() >= MAX_FINDINGS {
                return;
            }
            told.push((mention.entity, *start));
            found.push(Finding {
                severity: Severity::Warning,
                file: collection.files.get(paragraph.file).cloned().unwrap_or_default(),
                line: paragraph.line,
                message: format!(
                    "{} stands near {} and no fact quotes it: a reader may take it for one. Declare it, \
                     or see to it that it is none",
                    short(text.get(*start..*end).unwrap_or_default()),
                    entity.name
                ),
            });
        }
    }
}

fn could_be(attribute: &Attribute, milli: i64) -> bool {
    attribute.schema.kind.is_number() && (attribute.min..=attribute.max).contains(&milli)
}
