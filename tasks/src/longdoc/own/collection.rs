//! A folder, read and checked: which words of which paragraph state which fact.

use std::collections::{BTreeMap, BTreeSet};

use lode_proto::id::Hash;

use super::{
    FACTS_FILE,
    error::{
        Finding, MAX_ENTITIES, MAX_FACTS, MAX_FILES, MAX_FINDINGS, MAX_PARAGRAPHS, MAX_TEXT_BYTES,
        MAX_TEXTS_BYTES, OwnError, Severity,
    },
    nearby,
    text::{self, Paragraph},
};
use crate::{
    domain::{Domain, Lined, OwnFact, OwnFile, OwnValue},
    number,
    query::Cell,
    term::padded,
    types::{AttributeSchema, ValueKind},
};

/// Fewest entities: questions rank and compare.
pub(super) const MIN_ENTITIES: usize = 4;
/// Longest name of an entity or a file, characters.
const MAX_NAME_CHARS: usize = 60;
/// Characters of a text that a finding quotes.
const QUOTED_CHARS: usize = 60;

/// A file of text.
#[derive(Debug, Clone, Copy)]
pub struct Text<'t> {
    /// Its name in the folder.
    pub name: &'t str,
    /// Its content.
    pub bytes: &'t [u8],
}

/// An entity of the texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entity {
    pub(super) name: String,
    pub(super) aliases: Vec<String>,
    /// Name and aliases as [`padded`] gives them.
    pub(super) names: Vec<String>,
}

/// Words of a paragraph that state a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quote {
    /// Place in [`Collection::paragraphs`].
    pub(super) paragraph: usize,
    /// Bytes of its text.
    pub(super) from: usize,
    pub(super) to: usize,
}

/// A fact and the words that state it.
#[derive(Debug, Clone)]
pub(super) struct Stated {
    pub(super) entity: usize,
    /// Place in the domain.
    pub(super) attr: u16,
    pub(super) cell: Cell,
    pub(super) quotes: Vec<Quote>,
}

/// A folder of texts with its facts.
#[derive(Debug, Clone)]
pub struct Collection {
    pub(super) domain: Domain,
    pub(super) files: Vec<String>,
    pub(super) paragraphs: Vec<Paragraph>,
    /// In alphabetical order of their names.
    pub(super) entities: Vec<Entity>,
    /// Sorted by entity, then attribute; each fact once.
    pub(super) facts: Vec<Stated>,
}

impl Collection {
    /// Reads and checks a facts file and the texts that it names, in the order of its `files`.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line.
    pub fn read(facts: &[u8], texts: &[&[u8]]) -> Result<Self, OwnError> {
        Self::bounded(texts)?;
        let file = match OwnFile::read(facts) {
            Ok(file) => file,
            Err(findings) => return Err(refused(of_facts(findings))),
        };
        if file.files.len() != texts.len() {
            return Err(OwnError::Texts { named: file.files.len(), got: texts.len() });
        }
        Self::checked(file, texts).map_err(refused)
    }

    /// Everything that is wrong with a folder, and what may be. `texts` are all its files of text.
    ///
    /// # Errors
    /// Where the folder is too large to be looked through.
    pub fn check(facts: &[u8], texts: &[Text<'_>]) -> Result<Vec<Finding>, OwnError> {
        let all: Vec<&[u8]> = texts.iter().map(|text| text.bytes).collect();
        Self::bounded(&all)?;
        let file = match OwnFile::read(facts) {
            Ok(file) => file,
            Err(findings) => return Ok(of_facts(findings)),
        };
        let mut findings = Vec::new();
        let mut found = Vec::with_capacity(file.files.len());
        for named in &file.files {
            match texts.iter().find(|text| text.name == named.it) {
                Some(text) => found.push(text.bytes),
                None => findings.push(Finding {
                    severity: Severity::Error,
                    file: FACTS_FILE.to_owned(),
                    line: named.line,
                    message: format!(
                        "there is no file {} in the folder, or it is no regular file",
                        short(&named.it)
                    ),
                }),
            }
        }
        for text in texts {
            if !file.files.iter().any(|named| named.it == text.name) {
                findings.push(Finding {
                    severity: Severity::Warning,
                    file: text.name.to_owned(),
                    line: 0,
                    message: format!("is not in `files` of {FACTS_FILE}, so no task has it"),
                });
            }
        }
        if findings.iter().any(|finding| finding.severity == Severity::Error) {
            return Ok(findings);
        }
        match Self::checked(file, &found) {
            Ok(collection) => findings.extend(nearby::warnings(&collection)),
            Err(errors) => findings.extend(errors),
        }
        findings.truncate(MAX_FINDINGS);
        Ok(findings)
    }

    /// The names in `files`, in their order.
    ///
    /// # Errors
    /// The first thing that is wrong with the facts file.
    pub fn files_of(facts: &[u8]) -> Result<Vec<String>, OwnError> {
        let file = OwnFile::read(facts).map_err(|findings| refused(of_facts(findings)))?;
        Ok(file.files.into_iter().map(|named| named.it).collect())
    }

    /// The name that the facts file gives itself.
    #[must_use]
    pub fn name(&self) -> &str {
        self.domain.name()
    }

    /// Plain BLAKE3 of the facts file.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.domain.hash()
    }

    /// How many entities, facts and paragraphs there are.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.entities.len(), self.facts.len(), self.paragraphs.len())
    }

    /// Whether every entity's name has two words.
    pub(super) fn two_words_each(&self) -> bool {
        self.entities.iter().all(|entity| entity.name.split(' ').count() == 2)
    }

    fn bounded(texts: &[&[u8]]) -> Result<(), OwnError> {
        if texts.len() > MAX_FILES {
            return Err(OwnError::TooMany {
                what: "files of text",
                got: texts.len(),
                limit: MAX_FILES,
            });
        }
        let large = texts.iter().find(|text| text.len() > MAX_TEXT_BYTES);
        if let Some(text) = large {
            let what = "a file of text".to_owned();
            return Err(OwnError::TooLarge { what, got: text.len(), limit: MAX_TEXT_BYTES });
        }
        let got = texts.iter().map(|text| text.len()).sum();
        if got > MAX_TEXTS_BYTES {
            let what = "all files of text".to_owned();
            return Err(OwnError::TooLarge { what, got, limit: MAX_TEXTS_BYTES });
        }
        Ok(())
    }

    fn checked(file: OwnFile, texts: &[&[u8]]) -> Result<Self, Vec<Finding>> {
        let mut checker = Checker { findings: Vec::new() };
        checker.files(&file);
        let entities = checker.entities(&file);
        let mut paragraphs: Vec<Paragraph> = Vec::new();
        let mut starts = Vec::with_capacity(texts.len() + 1);
        for (at, (named, bytes)) in file.files.iter().zip(texts).enumerate() {
            starts.push(paragraphs.len());
            paragraphs.extend(text::paragraphs(at, &named.it, bytes, &mut checker.findings));
        }
        starts.push(paragraphs.len());
        if paragraphs.len() > MAX_PARAGRAPHS {
            let got = paragraphs.len();
            checker.error(
                0,
                format!("{got} paragraphs in all files, at most {MAX_PARAGRAPHS} are allowed"),
            );
        }
        if !checker.findings.is_empty() {
            return Err(checker.findings);
        }
        let texts = Texts { paragraphs: &paragraphs, starts: &starts };
        let facts = checker.facts(&file, &entities, &texts);
        if !checker.findings.is_empty() {
            checker.findings.truncate(MAX_FINDINGS);
            return Err(checker.findings);
        }
        let files = file.files.into_iter().map(|named| named.it).collect();
        Ok(Self { domain: file.domain, files, paragraphs, entities, facts })
    }
}

/// Findings of the facts file as findings of a folder.
fn of_facts(findings: Vec<crate::domain::Finding>) -> Vec<Finding> {
    findings
        .into_iter()
        .map(|finding| {
            let place = &finding.place;
            let message = if place.is_empty() {
                finding.message
            } else {
                format!("{place}: {}", finding.message)
            };
            let (severity, line) = (finding.severity, finding.line);
            Finding { severity, file: FACTS_FILE.to_owned(), line, message }
        })
        .collect()
}

fn refused(findings: Vec<Finding>) -> OwnError {
    OwnError::of(findings).unwrap_or(OwnError::Texts { named: 0, got: 0 })
}

/// A text as a finding quotes it.
pub(super) fn short(text: &str) -> String {
    let mut out: String = text.chars().take(QUOTED_CHARS).collect();
    if out.len() < text.len() {
        out.push('…');
    }
    format!("{out:?}")
}

/// The paragraphs of all files.
struct Texts<'t> {
    paragraphs: &'t [Paragraph],
    /// By file: where its paragraphs begin, and the end.
    starts: &'t [usize],
}

struct Checker {
    findings: Vec<Finding>,
}

impl Checker {
    fn error(&mut self, line: usize, message: String) {
        if self.findings.len() < MAX_FINDINGS {
            let (severity, file) = (Severity::Error, FACTS_FILE.to_owned());
            self.findings.push(Finding { severity, file, line, message });
        }
    }

    fn files(&mut self, file: &OwnFile) {
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
    fn entities(&mut self, file: &OwnFile) -> Vec<Entity> {
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
            let mut names = Vec::with_capacity(own.aliases.len() + 1);
            for Lined { line, it } in std::iter::once(&own.name).chain(&own.aliases) {
                self.name(*line, it);
                let name = padded(it);
                if seen.insert(name.clone(), at).is_some() {
                    self.error(*line, format!("the name {} is there twice", short(it)));
                }
                words.extend(crate::term::words(it).map(str::to_lowercase));
                names.push(name);
            }
            let aliases = own.aliases.iter().map(|alias| alias.it.clone()).collect();
            entities.push(Entity { name: own.name.it.clone(), aliases, names });
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
    fn facts(&mut self, file: &OwnFile, entities: &[Entity], texts: &Texts<'_>) -> Vec<Stated> {
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
                self.error(fact.entity.line, format!("{what} is the name of no [[entities]] entry"));
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
            let place = (file, &entities[entity], &attribute.schema);
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
    (file, entity, schema): (&OwnFile, &Entity, &AttributeSchema),
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
    let paragraph_words = padded(&of.text);
    if !entity.names.iter().any(|name| paragraph_words.contains(name.as_str())) {
        return Err((
            line,
            format!(
                "the paragraph of the quote ({place}) names {} neither by name nor by an alias: add \
                 the alias, or put the name into the text",
                entity.name
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
