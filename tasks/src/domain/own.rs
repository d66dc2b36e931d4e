//! A facts file: the wordings of a domain, and beside them the entities of somebody's own texts and
//! what these texts say of them.
//!
//! An attribute needs little here: what a domain file spells out for variety has defaults, and its
//! range or vocabulary follows from the facts where none is given.
//!
//! ```text
//! bytes ─► RawOwn ─┬─ attributes, measures, sources ─► Raw ─► Reader ─► Domain
//!                  └─ files, entities, facts, each with its line ─► OwnFile
//! ```

use lode_proto::{id::Hash, limits::MAX_DOMAIN_BYTES};
use serde::Deserialize;
use toml::Spanned;

use super::{
    Domain, Finding, Severity,
    finding::{self, line_at, line_starts, quoted},
    limits::MAX_ATTRIBUTES,
    raw::{Names, Raw, RawAttribute, RawMeasure, RawNoise, RawSources},
    reader::Reader,
    shape,
};
use crate::{number, types::ValueKind};

/// Sources of a facts file that names none.
const SOURCES: [&str; 10] = [
    "county register",
    "district survey",
    "central archive",
    "field inventory",
    "annual return",
    "inspection report",
    "older catalogue",
    "printed guide",
    "reference index",
    "statistical office",
];
/// Years beyond those of the facts that a year may have, where no range is given.
const YEARS_AROUND: i64 = 15;
/// Years as documents may have them.
const YEARS: (i64, i64) = (1800, 2099);
/// Steps that a range must have, where none is given.
const STEPS: i64 = 40;
/// Stands for the value of the worked example, which own documents have none of.
const NO_EXAMPLE: &str = "unknown";

/// Something of the file with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lined<T> {
    pub(crate) line: usize,
    pub(crate) it: T,
}

/// An entity of the texts.
#[derive(Debug, Clone)]
pub(crate) struct OwnEntity {
    pub(crate) name: Lined<String>,
    pub(crate) aliases: Vec<Lined<String>>,
}

/// A fact as the file has it.
#[derive(Debug, Clone)]
pub(crate) struct OwnFact {
    pub(crate) entity: Lined<String>,
    pub(crate) attribute: Lined<String>,
    pub(crate) value: Lined<OwnValue>,
    pub(crate) file: Lined<String>,
    pub(crate) quote: Lined<String>,
}

/// A value as the file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OwnValue {
    /// Thousandths.
    Number(i64),
    Text(String),
}

/// A facts file, read; what it says of the texts is not checked against them yet.
#[derive(Debug, Clone)]
pub(crate) struct OwnFile {
    pub(crate) domain: Domain,
    pub(crate) files: Vec<Lined<String>>,
    pub(crate) entities: Vec<OwnEntity>,
    pub(crate) facts: Vec<OwnFact>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOwn {
    name: String,
    noun: String,
    nouns: String,
    files: Vec<Spanned<String>>,
    attributes: Vec<RawAttribute>,
    #[serde(default)]
    measures: Vec<RawMeasure>,
    sources: Option<RawOwnSources>,
    entities: Vec<RawEntity>,
    facts: Vec<RawFact>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOwnSources {
    names: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntity {
    name: Spanned<String>,
    #[serde(default)]
    aliases: Vec<Spanned<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFact {
    entity: Spanned<String>,
    attribute: Spanned<String>,
    value: Spanned<toml::Value>,
    file: Spanned<String>,
    quote: Spanned<String>,
}

/// Sections that no facts file can do without, with an example of each.
const REQUIRED: [(&str, &str); 7] = [
    ("name", "name = \"lighthouses\""),
    ("noun", "noun = \"lighthouse\""),
    ("nouns", "nouns = \"lighthouses\""),
    ("files", "files = [\"coast.md\"]"),
    ("attributes", "[[attributes]] with `key`, `label`, `kind` and `trace`"),
    ("entities", "[[entities]] with `name`"),
    ("facts", "[[facts]] with `entity`, `attribute`, `value`, `file` and `quote`"),
];

impl OwnFile {
    /// Reads a facts file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Vec<Finding>> {
        let whole = |line: usize, message: String| {
            vec![Finding { severity: Severity::Error, line, place: String::new(), message }]
        };
        if bytes.len() > MAX_DOMAIN_BYTES {
            let got = bytes.len();
            let message =
                format!("the file has {got} bytes, at most {MAX_DOMAIN_BYTES} are allowed");
            return Err(whole(0, message));
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let before = bytes.iter().take(error.valid_up_to());
                let line = 1 + before.filter(|byte| **byte == b'\n').count();
                return Err(whole(line, "not UTF-8 text: save the file as UTF-8".to_owned()));
            }
        };
        let raw: RawOwn = match toml::from_str(text) {
            Ok(raw) => raw,
            Err(error) => return Err(explain(text, &error)),
        };
        let starts = line_starts(text);
        let lined = |text: &Spanned<String>| Lined {
            line: line_at(&starts, text.span().start),
            it: text.get_ref().clone(),
        };
        let mut found: Vec<Finding> = Vec::new();
        let mut facts = Vec::with_capacity(raw.facts.len());
        for fact in &raw.facts {
            let line = line_at(&starts, fact.value.span().start);
            match value(fact.value.get_ref(), text.get(fact.value.span()).unwrap_or_default()) {
                Ok(it) => facts.push(OwnFact {
                    entity: lined(&fact.entity),
                    attribute: lined(&fact.attribute),
                    value: Lined { line, it },
                    file: lined(&fact.file),
                    quote: lined(&fact.quote),
                }),
                Err(message) => {
                    found.extend(whole(line, message));
                }
            }
        }
        let files = raw.files.iter().map(lined).collect();
        let entities = raw
            .entities
            .iter()
            .map(|entity| OwnEntity {
                name: lined(&entity.name),
                aliases: entity.aliases.iter().map(lined).collect(),
            })
            .collect();
        let name = raw.name.clone();
        let keys = raw.attributes.iter().map(|attribute| attribute.key.clone()).collect();
        let reader = Reader::of_own(&name, keys);
        for attribute in &raw.attributes {
            if attribute.from.is_some() || attribute.periods.is_some() {
                let _ = reader.fault::<()>(
                    &format!("attributes.{}", attribute.key),
                    "`from` and `periods` are for made-up worlds; state each attribute by itself",
                );
            }
        }
        let domain = reader.domain(raw.wordings(&facts), Hash::of(bytes));
        found.extend(finding::located(text, reader.into_faults()));
        match domain {
            Ok(domain) if found.is_empty() => Ok(Self { domain, files, entities, facts }),
            _ => {
                found.sort_by_key(|finding| finding.line);
                Err(found)
            }
        }
    }
}

/// A value of a fact; `written` is how the file has it, because a binary fraction is no decimal.
fn value(value: &toml::Value, written: &str) -> Result<OwnValue, String> {
    let decimal = || {
        let bare = written.replace('_', "");
        let whole = |found: &number::Found| found.start == 0 && found.end == bare.len();
        number::only(&bare).filter(whole).map(|found| OwnValue::Number(found.milli))
    };
    let unfit = || {
        format!(
            "{} is no value: write a word in quotes, a whole number below {}, or a decimal with at \
             most three digits after the point",
            quoted(written),
            number::grouped(super::derive::LARGEST)
        )
    };
    match value {
        toml::Value::String(text) => Ok(OwnValue::Text(text.clone())),
        toml::Value::Integer(n) if (0..=super::derive::LARGEST).contains(n) => {
            Ok(OwnValue::Number(n * 1000))
        }
        toml::Value::Float(_) => decimal().ok_or_else(unfit),
        _ => Err(unfit()),
    }
}

impl RawOwn {
    /// The wordings as a domain file would have them.
    fn wordings(self, facts: &[OwnFact]) -> Raw {
        let mut attributes = self.attributes;
        for attribute in attributes.iter_mut().take(MAX_ATTRIBUTES) {
            attribute.complete(facts);
        }
        let sources = self
            .sources
            .map_or_else(|| SOURCES.map(str::to_owned).to_vec(), |sources| sources.names);
        Raw {
            name: self.name,
            entity: self.noun,
            entities: self.nouns,
            titles: Vec::new(),
            names: Names { first: Vec::new(), second: Vec::new() },
            attributes,
            measures: self.measures,
            example: None,
            groups: Vec::new(),
            sources: RawSources { names: sources, rules: None, attributed: None, marks: None },
            scope: None,
            scopes: Vec::new(),
            aliases: None,
            instructions: None,
            noise: RawNoise { general: Vec::new(), entity: Vec::new(), pair: Vec::new() },
            shared: None,
            questions: None,
            phrases: None,
            constraints: None,
        }
    }
}

impl RawAttribute {
    /// Fills in what an attribute of a facts file may leave out.
    fn complete(&mut self, facts: &[OwnFact]) {
        let Some(kind) = self.kind else { return };
        let own = || facts.iter().filter(|fact| fact.attribute.it == self.key);
        if kind == ValueKind::Category && self.vocabulary.is_none() && self.first.is_none() {
            let words = own().filter_map(|fact| match &fact.value.it {
                OwnValue::Text(text) => Some(text.clone()),
                OwnValue::Number(_) => None,
            });
            let mut words: Vec<String> = words.collect();
            words.sort();
            words.dedup();
            self.vocabulary = Some(words);
        }
        let numbers: Vec<i64> = own()
            .filter_map(|fact| match &fact.value.it {
                OwnValue::Number(milli) => Some(*milli),
                OwnValue::Text(_) => None,
            })
            .collect();
        if let (Some(least), Some(most)) = (numbers.iter().min(), numbers.iter().max())
            && kind.is_number()
        {
            self.range(kind, &numbers, *least, *most);
        }
        self.example.get_or_insert_with(|| NO_EXAMPLE.to_owned());
        self.words(kind);
    }

    /// A range around the facts, on their step.
    fn range(&mut self, kind: ValueKind, numbers: &[i64], least: i64, most: i64) {
        let decimal = kind == ValueKind::Decimal;
        let step = *self.step.get_or_insert_with(|| {
            let fits = |step: &i64| numbers.iter().all(|milli| milli % step == 0);
            if decimal { [100, 10].into_iter().find(fits).unwrap_or(1) } else { 1 }
        });
        let unit = if decimal { 1 } else { 1000 };
        let (least, most) = (least / unit, most / unit);
        let (low, high) = if kind == ValueKind::Year {
            ((least - YEARS_AROUND).max(YEARS.0), (most + YEARS_AROUND).min(YEARS.1))
        } else {
            let step = step.max(1);
            let low = (least / 2 / step * step).max(step);
            (
                low,
                (most + most / 2).max(low.saturating_add(STEPS.saturating_mul(step))) / step * step,
            )
        };
        self.min.get_or_insert(low);
        self.max.get_or_insert(high);
    }

    /// Wordings that follow from the label and the trace sentence.
    fn words(&mut self, kind: ValueKind) {
        let label = self.label.clone().unwrap_or_else(|| self.key.replace('_', " "));
        let fill = |field: &mut Option<String>, text: String| {
            field.get_or_insert(text);
        };
        fill(&mut self.label, label.clone());
        fill(&mut self.of, format!("the {label} of {{entity}}"));
        self.ask.get_or_insert_with(|| vec![format!("What is the {label} of {{entity}}?")]);
        if kind.is_number() {
            fill(&mut self.measure, label.clone());
            fill(&mut self.highest, format!("has the highest {label}"));
            fill(&mut self.lowest, format!("has the lowest {label}"));
            fill(&mut self.above, format!("with a {label} above {{value}}"));
            fill(&mut self.below, format!("with a {label} below {{value}}"));
        } else {
            fill(&mut self.is, format!("whose {label} is {{value}}"));
            fill(&mut self.same, format!("with the same {label} as {{entity}}"));
        }
        let form =
            self.forms.as_ref().and_then(|forms| forms.first()).map_or("{n}", String::as_str);
        if let Some(trace) = &self.trace
            && self.plain.is_none()
        {
            let amount = form.replace("{n}", "{value}");
            let first =
                if kind.is_number() { trace.replace(&amount, "{amount}") } else { trace.clone() };
            self.plain = Some(vec![format!("{first}.")]);
        }
    }
}

/// Everything that keeps a file from being one of facts.
fn explain(text: &str, error: &toml::de::Error) -> Vec<Finding> {
    shape::explained(text, error, &REQUIRED, |shape, key, value| {
        match key {
            "name" | "noun" | "nouns" => shape.one::<String>(key, value),
            "files" => shape.one::<Vec<String>>(key, value),
            "attributes" => shape.each::<RawAttribute>(key, value),
            "measures" => shape.each::<RawMeasure>(key, value),
            "sources" => shape.one::<RawOwnSources>(key, value),
            "entities" => shape.each::<RawEntity>(key, value),
            "facts" => shape.each::<RawFact>(key, value),
            _ => return false,
        }
        true
    })
}

impl Reader {
    /// What a facts file needs of its head.
    pub(super) fn own_head(&self, raw: &Raw) {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if raw.name.is_empty() || raw.name.len() > 64 || !raw.name.bytes().all(plain) {
            let _ = self.fault::<()>(
                "name",
                format!("{} is not 1 to 64 letters, digits, '-' and '_'", quoted(&raw.name)),
            );
        }
    }
}
