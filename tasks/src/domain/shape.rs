//! A file's text as [`Raw`], or everything that keeps it from being one.
//!
//! A file of the right shape is read in one go. Where that fails, each section is read by itself,
//! and a table with a field too many is read again without it, so that the author sees all faults
//! of syntax and shape at once.

use serde::{Deserialize, de::IntoDeserializer};
use toml::{
    Spanned,
    de::{DeTable, DeValue, Error},
};

use super::{
    finding::{Finding, MAX_FINDINGS, Severity, line_at, line_starts, quoted},
    raw::{
        Names, Raw, RawAttribute, RawConstraints, RawExample, RawGroup, RawMeasure, RawNoise,
        RawPhrases, RawQuestions, RawRules, RawScope, RawShared, RawSources, RawWordings,
    },
};

/// Sections that no domain can do without, with an example of each.
const REQUIRED: [(&str, &str); 9] = [
    ("name", "name = \"companies\""),
    ("entity", "entity = \"company\""),
    ("entities", "entities = \"companies\""),
    ("titles", "titles = [\"Notes on companies, in no particular order.\"]"),
    ("names", "[names] with `first` and `second`"),
    ("attributes", "[[attributes]] with `key`, `kind`, …"),
    ("groups", "[[groups]] with `key`, `headings`, `attributes` and `wordings`"),
    ("sources", "[sources] with `names`"),
    ("noise", "[noise] with `general`, `entity` and `pair`"),
];

/// The file as it is written, or what is wrong with its form.
pub(super) fn read(text: &str) -> Result<Raw, Vec<Finding>> {
    match toml::from_str::<Raw>(text) {
        Ok(raw) => Ok(raw),
        Err(error) => Err(explained(text, &error, &REQUIRED, Shape::section)),
    }
}

/// Everything that keeps a text from being read, `error` where nothing is found section by section.
/// `section` reads the value of one key and says whether it knows the key.
pub(super) fn explained(
    text: &str,
    error: &Error,
    required: &[(&str, &str)],
    section: impl Fn(&mut Shape, &str, Spanned<DeValue<'_>>) -> bool,
) -> Vec<Finding> {
    let mut found = Shape { starts: line_starts(text), findings: Vec::new() };
    found.explain(text, required, section);
    if found.findings.is_empty() {
        found.error("", error, 0);
    }
    found.findings.sort_by_key(|finding| finding.line);
    found.findings
}

pub(super) struct Shape {
    starts: Vec<usize>,
    findings: Vec<Finding>,
}

impl Shape {
    fn explain(
        &mut self,
        text: &str,
        required: &[(&str, &str)],
        section: impl Fn(&mut Self, &str, Spanned<DeValue<'_>>) -> bool,
    ) {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors.iter().take(MAX_FINDINGS) {
            self.error("", error, 0);
        }
        if !errors.is_empty() {
            return;
        }
        let table = table.into_inner();
        for (name, example) in required {
            if !table.contains_key(*name) {
                self.add(0, name, format!("is missing; the file needs {example}"));
            }
        }
        for (key, value) in table {
            if self.findings.len() >= MAX_FINDINGS {
                return;
            }
            let (at, key) = (key.span().start, key.into_inner());
            if !section(self, key.as_ref(), value) {
                self.add(at, "", format!("unknown section {}", quoted(&key)));
            }
        }
    }

    /// One section of a domain file.
    fn section(&mut self, key: &str, value: Spanned<DeValue<'_>>) -> bool {
        match key {
            "name" | "entity" | "entities" => self.one::<String>(key, value),
            "titles" => self.one::<Vec<String>>(key, value),
            "names" => self.one::<Names>(key, value),
            "attributes" => self.each::<RawAttribute>(key, value),
            "measures" => self.each::<RawMeasure>(key, value),
            "groups" => self.each::<RawGroup>(key, value),
            "scopes" => self.each::<RawScope>(key, value),
            "example" => self.one::<RawExample>(key, value),
            "sources" => self.one::<RawSources>(key, value),
            "scope" => self.one::<RawRules>(key, value),
            "aliases" | "instructions" => self.one::<RawWordings>(key, value),
            "noise" => self.one::<RawNoise>(key, value),
            "shared" => self.one::<RawShared>(key, value),
            "questions" => self.one::<RawQuestions>(key, value),
            "phrases" => self.one::<RawPhrases>(key, value),
            "constraints" => self.one::<RawConstraints>(key, value),
            _ => return false,
        }
        true
    }

    /// Every element of an array of tables by itself.
    pub(super) fn each<T: for<'de> Deserialize<'de>>(
        &mut self,
        place: &str,
        value: Spanned<DeValue<'_>>,
    ) {
        let at = value.span().start;
        let DeValue::Array(array) = value.into_inner() else {
            self.add(at, place, format!("must be a list of tables, each headed [[{place}]]"));
            return;
        };
        for element in array {
            if self.findings.len() >= MAX_FINDINGS {
                return;
            }
            let key = element.get_ref().as_table().and_then(|table| table.get("key"));
            let place = match key.and_then(|key| key.get_ref().as_str()) {
                Some(key) => format!("{place}.{key}"),
                None => place.to_owned(),
            };
            self.one::<T>(&place, element);
        }
    }

    /// One value; a table again and again without its unknown fields, each of them a finding.
    pub(super) fn one<T: for<'de> Deserialize<'de>>(
        &mut self,
        place: &str,
        value: Spanned<DeValue<'_>>,
    ) {
        let start = value.span().start;
        let mut value = value;
        while let Err(error) = T::deserialize(value.clone().into_deserializer()) {
            self.error(place, &error, start);
            let Some(at) = error.span().map(|span| span.start) else { return };
            let DeValue::Table(table) = value.get_mut() else { return };
            let key = table.keys().find(|key| key.span().start == at);
            let Some(key) = key.map(|key| key.get_ref().to_string()) else { return };
            table.remove(key.as_str());
            if self.findings.len() >= MAX_FINDINGS {
                return;
            }
        }
    }

    fn error(&mut self, place: &str, error: &Error, start: usize) {
        let at = error.span().map_or(start, |span| span.start);
        self.add(at, place, error.message().replace('\n', ", "));
    }

    fn add(&mut self, at: usize, place: &str, message: String) {
        self.findings.push(Finding {
            severity: Severity::Error,
            line: line_at(&self.starts, at),
            place: place.to_owned(),
            message,
        });
    }
}
