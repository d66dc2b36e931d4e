//! What may be wrong with a folder that can be used: wordings that are no clean language, and
//! values in the texts that no fact declares.
//!
//! What the texts say beyond the facts file cannot be known. But where an entity's name and a number
//! that one of its attributes could have, or a word of a category, stand near each other in a
//! paragraph, and no fact quotes it there, a reader may take it for a statement.

use super::{
    FACTS_FILE,
    collection::{Collection, Entity, Stated, short},
    error::{Finding, MAX_FINDINGS, Severity},
    text::Paragraph,
};
use crate::{
    check::find_term,
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
    for (at, paragraph) in collection.paragraphs.iter().enumerate() {
        if found.len() >= MAX_FINDINGS {
            break;
        }
        undeclared(collection, at, paragraph, &mut found);
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
            None => crate::longdoc::world::cell_text(Cell::Number(attribute.max), &attribute.schema),
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

/// Values near a name that no fact quotes.
fn undeclared(
    collection: &Collection,
    at: usize,
    paragraph: &Paragraph,
    found: &mut Vec<Finding>,
) {
    let quoted: Vec<(usize, usize)> = collection
        .facts
        .iter()
        .flat_map(|fact| &fact.quotes)
        .filter(|quote| quote.paragraph == at)
        .map(|quote| (quote.from, quote.to))
        .collect();
    let free = |from: usize, to: usize| !quoted.iter().any(|(a, b)| from < *b && *a < to);
    let mut spots: Vec<(usize, usize, String)> = number::numbers(&paragraph.text)
        .filter(|number| free(number.start, number.end) && number.milli >= SMALL)
        .filter(|number| {
            collection.domain.attributes.iter().any(|attribute| could_be(attribute, number.milli))
        })
        .filter_map(|number| {
            let text = paragraph.text.get(number.start..number.end)?;
            Some((number.start, number.end, text.to_owned()))
        })
        .collect();
    for attribute in &collection.domain.attributes {
        for word in &attribute.schema.vocabulary {
            if let Some(end) = find_term(&paragraph.text, word, 0) {
                let start = end.saturating_sub(word.len());
                if free(start, end) {
                    spots.push((start, end, word.clone()));
                }
            }
        }
    }
    for entity in &collection.entities {
        let Some((from, to)) = named(entity, &paragraph.text) else { continue };
        for (start, end, text) in &spots {
            let gap = if *start >= to { start - to } else { from.saturating_sub(*end) };
            if gap <= NEAR_BYTES && found.len() < MAX_FINDINGS {
                found.push(Finding {
                    severity: Severity::Warning,
                    file: collection.files.get(paragraph.file).cloned().unwrap_or_default(),
                    line: paragraph.line,
                    message: format!(
                        "{} stands near {} and no fact quotes it: a reader may take it for one. Declare \
                         it, or see to it that it is none",
                        short(text),
                        entity.name
                    ),
                });
            }
        }
    }
}

fn could_be(attribute: &Attribute, milli: i64) -> bool {
    attribute.schema.kind.is_number() && (attribute.min..=attribute.max).contains(&milli)
}

/// Where a text names an entity first.
fn named(entity: &Entity, text: &str) -> Option<(usize, usize)> {
    std::iter::once(&entity.name).chain(&entity.aliases).find_map(|name| {
        let end = find_term(text, name, 0)?;
        Some((end.saturating_sub(name.len()), end))
    })
}
