//! What a folder must be: names that can be told apart, values of their attributes, and for each fact
//! words that stand once in its file and hold its value.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    FACTS_FILE,
    collection::{Entity, MIN_ENTITIES, Mention, Quote, Stated, short},
    error::{Finding, MAX_ALIASES, MAX_ENTITIES, MAX_FACTS, MAX_FILES, MAX_FINDINGS, Severity},
    text::{self, Paragraph},
};
use crate::{
    domain::{Lined, OwnFact, OwnFile, OwnValue},
    number,
    query::Cell,
    term::padded,
    types::{AttributeSchema, ValueKind},
};

/// Longest name of an entity or a file, characters.
const MAX_NAME_CHARS: usize = 60;

/// The paragraphs of all files.
pub(super) struct Texts<'t> {
    pub(super) paragraphs: &'t [Paragraph],
    /// As in [`super::collection::Collection`].
    pub(super) mentions: &'t [Vec<(usize, usize, Mention)>],
    /// By file: where its paragraphs begin, and the end.
    pub(super) starts: &'t [usize],
}

/// Collects what is wrong.
#[derive(Debug, Default)]
pub(super) struct Checker {
    pub(super) findings: Vec<Finding>,
}

impl Checker {
    pub(super) fn error(&mut self, line: usize, message: String) {
        if self.findings.len() < MAX_FINDINGS {
            let (severity, file) = (Severity::Error, FACTS_FILE.to_owned());
            self.findings.push(Finding { severity, file, line, message });
        }
    }

    pub(super) fn files(&mut self, file: &OwnFile) {
        let count = file.files.len();
        if !(1..=MAX_FILES).contains(&count) {
            self.error(0, format!("{count} files, from 1 to {MAX_FILES} are expected"));
        }
        let mut seen = BTreeSet::new();
        for Lined { line, it } in &file.files {
            let stem = it.strip_suffix(".txt").or_else(|| it.strip_suffix(".md"));
            let good = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
            let fits = stem.is_some_and(|stem| {
                stem.starts_with(char::is_alphanumeric)
                    && stem.chars().all(good)
                    && stem.chars().count() <= MAX_NAME_CHARS
            });
            if !fits {
                self.error(
                    *line,
                    format!(
                        "{} is no name of a text in this folder: letters, digits, spaces, '-' and \
                         '_', then .txt or .md",
                        short(it)
                    ),
                );
            }
            if !seen.insert(it) {
                self.error(*line, format!("{} is there twice", short(it)));
            }
        }
    }

    /// The entities in alphabetical order.
    pub(super) fn entities(&mut self, file: &OwnFile) -> Vec<Entity> {
        let count = file.entities.len();
        if !(MIN_ENTITIES..=MAX_ENTITIES).contains(&count) {
            self.error(
                0,
                format!("{count} entities, from {MIN_ENTITIES} to {MAX_ENTITIES} are expected"),
            );
            return Vec::new();
        }
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut words: BTreeSet<String> = BTreeSet::new();
        let mut entities = Vec::with_capacity(count);
        for (at, own) in file.entities.iter().enumerate() {
            if own.aliases.len() > MAX_ALIASES {
                let got = own.aliases.len();
                self.error(
                    own.name.line,
                    format!("{got} aliases, at most {MAX_ALIASES} are allowed"),
                );
                continue;
            }
            for Lined { line, it } in std::iter::once(&own.name).chain(&own.aliases) {
                self.name(*line, it);
                if seen.insert(padded(it), at).is_some() {
                    self.error(*line, format!("the name {} is there twice", short(it)));
                }
                words.extend(crate::term::words(it).map(str::to_lowercase));
            }
            let aliases = own.aliases.iter().map(|alias| alias.it.clone()).collect();
            entities.push(Entity { name: own.name.it.clone(), aliases });
        }
        self.apart(file, &seen, &words);
        entities.sort_by(|a, b| a.name.cmp(&b.name));
        entities
    }

    fn name(&mut self, line: usize, name: &str) {
        let word = |word: &str| {
            word.starts_with(char::is_alphabetic)
                && word.ends_with(char::is_alphabetic)
                && word.chars().all(|c| c.is_alphabetic() || matches!(c, '-' | '\'' | '’'))
        };
        let fits = name.starts_with(char::is_uppercase)
            && name.chars().count() <= MAX_NAME_CHARS
            && (1..=5).contains(&name.split(' ').count())
            && name.split(' ').all(word);
        if !fits {
            self.error(
                line,
                format!(
                    "{} is no name: one to five words of letters, the first one capitalised, without \
                     digits or full stops",
                    short(name)
                ),
            );
        }
    }

    /// No name stands inside another entity's, and none has a word of a category in it: a paragraph
    /// with the longer would hold both.
    fn apart(&mut self, file: &OwnFile, names: &BTreeMap<String, usize>, words: &BTreeSet<String>) {
        for (at, own) in file.entities.iter().enumerate() {
            for Lined { line, it } in std::iter::once(&own.name).chain(&own.aliases) {
                let long = padded(it);
                // Every run of words of a name of at most five.
                let parts: Vec<&str> = long.split_whitespace().collect();
                let inside = (0..parts.len()).find_map(|from| {
                    (from + 1..=parts.len()).find_map(|to| {
                        let part = format!(" {} ", parts.get(from..to)?.join(" "));
                        names.get(&part).filter(|other| **other != at).map(|_| part)
                    })
                });
                if let Some(part) = inside {
                    self.error(
                        *line,
                        format!(
                            "{} has another entity's name {:?} in it: they cannot be told apart",
                            short(it),
                            part.trim()
                        ),
                    );
                }
            }
        }
        for attribute in &file.domain.attributes {
            for value in &attribute.schema.vocabulary {
                let taken = crate::term::words(value)
                    .map(str::to_lowercase)
                    .find(|word| words.contains(word));
                if let Some(word) = taken {
                    self.error(
                        0,
                        format!(
                            "{word:?} is part of a name and of {}, a word of {:?}: names and words must \
                             differ",
                            short(value),
                            attribute.schema.key
                        ),
                    );
                }
            }
        }
    }

    /// Every fact with its quotes found.
    pub(super) fn facts(
        &mut self,
        file: &OwnFile,
        entities: &[Entity],
        texts: &Texts<'_>,
    ) -> Vec<Stated> {
        let count = file.facts.len();
        if count > MAX_FACTS {
            self.error(0, format!("{count} facts, at most {MAX_FACTS} are allowed"));
            return Vec::new();
        }
        let names: BTreeMap<&str, usize> =
            entities.iter().enumerate().map(|(at, entity)| (entity.name.as_str(), at)).collect();
        let mut known: BTreeMap<(usize, u16), (Stated, usize)> = BTreeMap::new();
        for fact in &file.facts {
            let Some(entity) = names.get(fact.entity.it.as_str()).copied() else {
                let what = short(&fact.entity.it);
                self.error(
                    fact.entity.line,
                    format!("{what} is the name of no [[entities]] entry"),
                );
                continue;
            };
            let attributes = (0_u16..).zip(&file.domain.attributes);
            let named = |(_, attribute): &(u16, &crate::domain::Attribute)| {
                attribute.schema.key == fact.attribute.it
            };
            let Some((attr, attribute)) = { attributes }.find(named) else {
                let what = short(&fact.attribute.it);
                self.error(fact.attribute.line, format!("{what} is the key of no attribute"));
                continue;
            };
            let limits = (attribute.min, attribute.max);
            let cell = match cell(&fact.value.it, &attribute.schema, limits) {
                Ok(cell) => cell,
                Err(message) => {
                    self.error(fact.value.line, message);
                    continue;
                }
            };
            let place = (file, (entity, &entities[entity]), &attribute.schema);
            let quote = match quote(fact, cell, place, texts) {
                Ok(quote) => quote,
                Err((line, message)) => {
                    self.error(line, message);
                    continue;
                }
            };
            match known.get_mut(&(entity, attr)) {
                None => {
                    let stated = Stated { entity, attr, cell, quotes: vec![quote] };
                    known.insert((entity, attr), (stated, fact.value.line));
                }
                Some((stated, line)) if stated.cell != cell => {
                    let message = format!(
                        "is another value than in line {line}: what the texts say must agree; state only \
                         what holds, or mend the text"
                    );
                    self.error(fact.value.line, message);
                }
                Some((stated, _)) => stated.quotes.push(quote),
            }
        }
        known.into_values().map(|(stated, _)| stated).collect()
    }
}

/// A value as a cell of its attribute.
fn cell(
    value: &OwnValue,
    schema: &AttributeSchema,
    (min, max): (i64, i64),
) -> Result<Cell, String> {
    match value {
        OwnValue::Text(text) if schema.kind == ValueKind::Category => {
            let place = schema.vocabulary.binary_search(text).ok();
            place.and_then(|place| u16::try_from(place).ok()).map(Cell::Category).ok_or_else(|| {
                format!("{} is no word of the vocabulary of {:?}", short(text), schema.key)
            })
        }
        OwnValue::Number(milli) if schema.kind.is_number() => {
            if schema.kind != ValueKind::Decimal && milli % 1000 != 0 {
                return Err(format!("{:?} takes whole numbers", schema.key));
            }
            if !(min..=max).contains(milli) {
                return Err(format!(
                    "is outside the range of {:?}, from {} to {}",
                    schema.key,
                    number::decimal(min),
                    number::decimal(max)
                ));
            }
            Ok(Cell::Number(*milli))
        }
        OwnValue::Text(text) => Err(format!(
            "{} is no number, but {:?} takes numbers: write it without quotes",
            short(text),
            schema.key
        )),
        OwnValue::Number(_) => {
            Err(format!("{:?} takes words: write the value in quotes", schema.key))
        }
    }
}

/// Where the words of a fact stand, or the line and what is wrong with them.
fn quote(
    fact: &OwnFact,
    cell: Cell,
    (file, (entity, named), schema): (&OwnFile, (usize, &Entity), &AttributeSchema),
    texts: &Texts<'_>,
) -> Result<Quote, (usize, String)> {
    let line = fact.quote.line;
    let Some(at) = file.files.iter().position(|named| named.it == fact.file.it) else {
        return Err((fact.file.line, format!("{} is not in `files`", short(&fact.file.it))));
    };
    let words = text::joined(&fact.quote.it);
    if words.is_empty() {
        return Err((line, "the quote is empty".to_owned()));
    }
    let range = texts.starts[at]..texts.starts[at + 1];
    let mut found = range.flat_map(|paragraph| {
        let text = &texts.paragraphs[paragraph].text;
        text.match_indices(&words).map(move |(from, part)| (paragraph, from, from + part.len()))
    });
    let Some((paragraph, from, to)) = found.next() else {
        return Err((
            line,
            format!(
                "{} is not in {}: copy the words from the text as they are",
                short(&words),
                fact.file.it
            ),
        ));
    };
    if found.next().is_some() {
        let file = &fact.file.it;
        return Err((
            line,
            format!("{} is in {file} more than once: quote some words more", short(&words)),
        ));
    }
    let of = &texts.paragraphs[paragraph];
    let glued = |left: Option<char>, right: Option<char>| {
        left.is_some_and(char::is_alphanumeric) && right.is_some_and(char::is_alphanumeric)
    };
    let (before, after) = (&of.text[..from], &of.text[to..]);
    if glued(before.chars().next_back(), words.chars().next())
        || glued(words.chars().next_back(), after.chars().next())
    {
        return Err((line, format!("{} begins or ends inside a word", short(&words))));
    }
    let place = format!("{}:{}", fact.file.it, of.line);
    if !holds(of, (from, to), cell, schema) {
        return Err((
            line,
            format!(
                "the quote ({place}) does not hold the value: a number in digits (4,210, 4.5, 1.2 \
                 million), a word as in the vocabulary"
            ),
        ));
    }
    if !texts.mentions[paragraph].iter().any(|(_, _, mention)| mention.entity == entity) {
        return Err((
            line,
            format!(
                "the paragraph of the quote ({place}) names {} neither by name nor by an alias: add \
                 the alias, or put the name into the text",
                named.name
            ),
        ));
    }
    Ok(Quote { paragraph, from, to })
}

/// Whether words of a paragraph hold a value.
fn holds(
    paragraph: &Paragraph,
    (from, to): (usize, usize),
    cell: Cell,
    schema: &AttributeSchema,
) -> bool {
    match cell {
        Cell::Number(milli) => number::numbers(&paragraph.text).any(|found| {
            found.start >= from && found.end <= to && found.states(milli, schema.scale)
        }),
        Cell::Category(place) => {
            let word = schema.vocabulary.get(usize::from(place));
            let words = padded(paragraph.text.get(from..to).unwrap_or_default());
            word.is_some_and(|word| words.contains(&padded(word)))
        }
        Cell::Missing => false,
    }
}
