//! A folder, read and checked: which words of which paragraph state which fact.

use lode_proto::id::Hash;

use super::{
    FACTS_FILE,
    check::{Checker, Texts},
    error::{
        Finding, MAX_FILES, MAX_FINDINGS, MAX_PARAGRAPHS, MAX_TEXT_BYTES, MAX_TEXTS_BYTES,
        OwnError, Severity,
    },
    nearby,
    terms::Terms,
    text::{self, Paragraph},
};
use crate::{
    domain::{Domain, OwnFile},
    query::Cell,
};

/// Fewest entities: questions rank and compare.
pub(super) const MIN_ENTITIES: usize = 4;
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
}

/// A name in a paragraph: whose, and which alias, if it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mention {
    /// Place in [`Collection::entities`].
    pub(super) entity: usize,
    /// Place in its aliases; `None` for the name itself.
    pub(super) alias: Option<usize>,
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
    /// By paragraph: where its text names whom, in its order.
    pub(super) mentions: Vec<Vec<(usize, usize, Mention)>>,
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
        let mut checker = Checker::default();
        checker.files(&file);
        let mut findings = checker.findings;
        if !findings.is_empty() {
            return Ok(findings);
        }
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
        let mut checker = Checker::default();
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
        let names = names(&entities);
        let mentions: Vec<_> =
            paragraphs.iter().map(|paragraph| names.find(&paragraph.text)).collect();
        let texts = Texts { paragraphs: &paragraphs, mentions: &mentions, starts: &starts };
        let facts = checker.facts(&file, &entities, &texts);
        if !checker.findings.is_empty() {
            checker.findings.truncate(MAX_FINDINGS);
            return Err(checker.findings);
        }
        let files = file.files.into_iter().map(|named| named.it).collect();
        Ok(Self { domain: file.domain, files, paragraphs, mentions, entities, facts })
    }
}

/// Names and aliases of all entities.
fn names(entities: &[Entity]) -> Terms<Mention> {
    let mut names = Terms::default();
    for (entity, of) in entities.iter().enumerate() {
        names.add(&of.name, Mention { entity, alias: None });
        for (at, alias) in of.aliases.iter().enumerate() {
            names.add(alias, Mention { entity, alias: Some(at) });
        }
    }
    names
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
