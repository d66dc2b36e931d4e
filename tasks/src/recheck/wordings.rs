//! The wordings of a domain file as patterns, read anew: nothing of the engine's own reader is used.

use std::collections::{BTreeMap, HashMap, HashSet};

use toml::{Table, Value};

use super::{amount::Kind, measure::Measure, pattern::Pattern};
use crate::longdoc::words;

/// What domains share.
const COMMON: &str = include_str!("../../domains/common/wordings.toml");
/// The heading of a section whose group has none left.
const SPARE_HEADING: &str = "Further notes";

/// What a sentence says of its own standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    Plain,
    /// Place in [`Wordings::sources`].
    Source(usize),
    /// Place in [`Wordings::extents`].
    Extent(usize),
    Date(usize),
    If(usize),
}

/// One attribute with its wordings.
#[derive(Debug, Clone)]
pub(super) struct Attribute {
    pub(super) key: String,
    pub(super) label: String,
    pub(super) kind: Kind,
    /// How many base units the unit is.
    pub(super) scale: i64,
    /// Words by their place in `vocabulary`.
    pub(super) words: HashMap<String, usize>,
    pub(super) vocabulary: Vec<String>,
    pub(super) measure: String,
    /// The unit as questions append it; may be empty.
    pub(super) unit: String,
    pub(super) highest: String,
    pub(super) lowest: String,
    /// "the company led by {value}"
    pub(super) clue: Option<Pattern>,
    pub(super) unit_forms: Vec<(Pattern, i64)>,
    lists: BTreeMap<String, Vec<Pattern>>,
}

impl Attribute {
    /// The wordings under a key, in one text or a list.
    pub(super) fn list(&self, key: &str) -> &[Pattern] {
        self.lists.get(key).map_or(&[], Vec::as_slice)
    }

    pub(super) fn word(&self, text: &str) -> Option<usize> {
        self.words.get(text).copied()
    }
}

/// Attributes that share a paragraph.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// Places in [`Wordings::attributes`].
    pub(super) attributes: Vec<usize>,
    pub(super) wordings: Vec<Pattern>,
}

/// A rule about one mark: its whole text, the mark, and whether the mark holds or yields.
#[derive(Debug, Clone)]
pub(super) struct MarkRule {
    pub(super) text: String,
    pub(super) source: usize,
    pub(super) holds: bool,
}

/// A domain file, cut into patterns.
#[derive(Debug, Clone)]
pub struct Wordings {
    pub(super) attributes: Vec<Attribute>,
    pub(super) groups: Vec<Group>,
    pub(super) measures: Vec<(String, Measure)>,
    /// Sources, then marks.
    pub(super) sources: Vec<String>,
    pub(super) marks: Vec<MarkRule>,
    /// The note behind a figure, and the rule that such figures are meant.
    pub(super) extents: Vec<(String, String)>,
    /// Ways in which a sentence bears its standing, with the slot `sentence`.
    pub(super) standings: Vec<(Pattern, Mark)>,
    /// Texts that state nothing.
    pub(super) idle: HashSet<String>,
    pub(super) noise: Vec<Pattern>,
    sections: HashMap<String, HashMap<String, Vec<Pattern>>>,
}

impl Wordings {
    /// Reads a domain file.
    ///
    /// # Errors
    /// What is missing, for people: a file that the engine reads has all of it.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        let mut table: Table = text.parse().map_err(|error| format!("{error}"))?;
        let noun = |key: &str| text_at(&table, key);
        let shared: Table = COMMON
            .replace("{noun}", &noun("entity")?)
            .replace("{nouns}", &noun("entities")?)
            .parse()
            .map_err(|error| format!("shared wordings: {error}"))?;
        for (section, wordings) in shared {
            match (table.get_mut(&section).and_then(Value::as_table_mut), wordings) {
                // Of the sources, a domain may give some parts only.
                (Some(own), Value::Table(wordings)) if section == "sources" => {
                    for (key, value) in wordings {
                        own.entry(key).or_insert(value);
                    }
                }
                (Some(_), _) => {}
                (None, wordings) => {
                    table.insert(section, wordings);
                }
            }
        }
        let mut sections: HashMap<String, HashMap<String, Vec<Pattern>>> = HashMap::new();
        for (name, section) in &table {
            let wordings = section.as_table().into_iter().flatten();
            let wordings = wordings.map(|(key, value)| (key.clone(), patterns(Some(value))));
            sections.insert(name.clone(), wordings.collect());
        }
        let attributes = attributes(&table)?;
        let places: HashMap<&str, usize> =
            attributes.iter().enumerate().map(|(at, known)| (known.key.as_str(), at)).collect();
        let place = |key: &String| {
            places.get(key.as_str()).copied().ok_or_else(|| format!("no attribute {key:?}"))
        };
        let groups = tables(table.get("groups"))
            .map(|group| {
                let keys = texts(group.get("attributes"));
                Ok(Group {
                    attributes: keys.iter().map(place).collect::<Result<_, String>>()?,
                    wordings: patterns(group.get("wordings")),
                })
            })
            .collect::<Result<Vec<_>, String>>()?;
        let mut measures = Vec::new();
        for measure in tables(table.get("measures")) {
            let list = |key: &str| {
                texts(measure.get(key)).iter().map(place).collect::<Result<Vec<_>, String>>()
            };
            let (sum, diff) = (list("sum")?, list("diff")?);
            let made = match diff.as_slice() {
                [first, second] => Measure::Diff(*first, *second),
                _ if sum.is_empty() => Measure::Ratio(list("over")?, list("under")?),
                _ => Measure::Sum(sum),
            };
            measures.push((text_at(measure, "phrase")?, made));
        }
        let source_table = table.get("sources").and_then(Value::as_table).cloned();
        let source_table = source_table.unwrap_or_default();
        let mut sources = texts(source_table.get("names"));
        let mut marks = Vec::new();
        for mark in tables(source_table.get("marks")) {
            let holds = mark.get("holds").and_then(Value::as_bool) == Some(true);
            for text in texts(mark.get("rules")) {
                marks.push(MarkRule { text, source: sources.len(), holds });
            }
            sources.push(text_at(mark, "label")?);
        }
        let extents = tables(table.get("scopes"))
            .map(|scope| Ok((text_at(scope, "note")?, text_at(scope, "rule")?)))
            .collect::<Result<Vec<_>, String>>()?;
        let attributed = texts(source_table.get("attributed"));
        Ok(Self {
            standings: standings(&sources, &attributed, &extents),
            idle: idle(&table),
            noise: ["entity", "pair"]
                .into_iter()
                .flat_map(|key| patterns(table.get("noise").and_then(|noise| noise.get(key))))
                .collect(),
            attributes,
            groups,
            measures,
            sources,
            marks,
            extents,
            sections,
        })
    }

    /// The wordings at `section.key`, in one text or a list.
    pub(super) fn list(&self, section: &str, key: &str) -> &[Pattern] {
        self.sections.get(section).and_then(|s| s.get(key)).map_or(&[], Vec::as_slice)
    }
}

/// Every way in which a sentence says on what authority it stands.
fn standings(
    sources: &[String],
    attributed: &[String],
    extents: &[(String, String)],
) -> Vec<(Pattern, Mark)> {
    let mut all = Vec::new();
    let mut add = |text: String, mark: Mark| all.push((Pattern::new(&text), mark));
    for (at, source) in sources.iter().enumerate() {
        for (before, after, begins) in words::BY_SOURCE {
            let source = if begins { capitalised(source) } else { source.clone() };
            let after = after.replace("{}", "{sentence}");
            add(format!("{before}{source}{after}"), Mark::Source(at));
        }
        for wording in attributed {
            let begins = wording.starts_with("{source}");
            let source = if begins { capitalised(source) } else { source.clone() };
            add(wording.replace("{source}", &source), Mark::Source(at));
        }
    }
    for (at, date) in words::DATES.iter().enumerate() {
        for (before, after) in words::BY_DATE {
            add(format!("{before}{date}{after}{{sentence}}"), Mark::Date(at));
        }
    }
    for (at, condition) in words::CONDITIONS.iter().enumerate() {
        for (before, after) in words::BY_CONDITION {
            add(format!("{before}{}{after}{{sentence}}", condition.clause), Mark::If(at));
        }
    }
    for (at, (note, _)) in extents.iter().enumerate() {
        add(format!("{{sentence}} {note}"), Mark::Extent(at));
    }
    all
}

fn idle(table: &Table) -> HashSet<String> {
    let at = |section: &str, key: &str| texts(table.get(section).and_then(|s| s.get(key)));
    let headings = tables(table.get("groups")).flat_map(|group| texts(group.get("headings")));
    texts(table.get("titles"))
        .into_iter()
        .chain(at("noise", "general"))
        .chain(at("scope", "rules"))
        .chain(headings)
        .chain([SPARE_HEADING.to_owned()])
        .collect()
}

fn attributes(table: &Table) -> Result<Vec<Attribute>, String> {
    let raws: Vec<&Table> = tables(table.get("attributes")).collect();
    let only = table.get("phrases").and_then(|phrases| phrases.get("selected_only"));
    let only = texts(only).into_iter().next().unwrap_or_default();
    let unit = table.get("phrases").and_then(|phrases| phrases.get("unit"));
    let unit = texts(unit).into_iter().next().unwrap_or_default();
    raws.iter()
        .map(|raw| {
            let like = raw.get("like").and_then(Value::as_str);
            let base = like.and_then(|like| {
                raws.iter().find(|base| base.get("key").and_then(Value::as_str) == Some(like))
            });
            let mut merged = base.map(|base| (*base).clone()).unwrap_or_default();
            merged.extend((*raw).clone());
            share(&mut merged, table);
            attribute(&merged, &only, &unit)
        })
        .collect()
}

/// Adds the wordings that all attributes share.
fn share(raw: &mut Table, table: &Table) {
    let Some(shared) = table.get("shared") else { return };
    if raw.get("shared").and_then(Value::as_bool) == Some(false) {
        return;
    }
    let text = |key: &str| raw.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (kind, of, measure) = (text("kind"), text("of"), text("measure"));
    let number = kind == "integer" || kind == "decimal";
    let lists: &[&str] =
        if number { &["plain", "more", "less", "more_next", "less_next"] } else { &["words"] };
    for key in lists {
        let target = if number { key } else { "plain" };
        let Some(Value::Array(list)) = raw.get_mut(target) else { continue };
        for text in texts(shared.get(key)) {
            let mut text = text
                .replace("{of}", &of)
                .replace("{Of}", &capitalised(&of))
                .replace("{measure}", &measure);
            if kind == "year" {
                text = text.replace("{value}", "{amount}");
            }
            let text = Value::String(text);
            if !list.contains(&text) {
                list.push(text);
            }
        }
    }
}

fn attribute(raw: &Table, only: &str, unit: &str) -> Result<Attribute, String> {
    let periods = texts(raw.get("periods"));
    let first = periods.first().cloned().unwrap_or_default();
    let settled = |key: &str| {
        let text = raw.get(key).and_then(Value::as_str).unwrap_or_default();
        text.replace("{period}", &first)
    };
    let mut lists = BTreeMap::new();
    for (key, value) in raw {
        let mut all = Vec::new();
        for text in texts(Some(value)) {
            match value {
                Value::Array(_) if text.contains("{period}") && !periods.is_empty() => {
                    all.extend(periods.iter().map(|p| Pattern::new(&text.replace("{period}", p))));
                }
                _ => all.push(Pattern::new(&text.replace("{period}", &first))),
            }
        }
        lists.insert(key.clone(), all);
    }
    let forms = lists.entry("forms".to_owned()).or_insert_with(|| vec![Pattern::new("{n}")]);
    let forms = forms.clone();
    lists.entry("gap_forms".to_owned()).or_insert(forms);
    let mut vocabulary = texts(raw.get("vocabulary"));
    for first in texts(raw.get("first")) {
        vocabulary.extend(texts(raw.get("last")).iter().map(|last| format!("{first} {last}")));
    }
    let unit_forms = tables(raw.get("unit_forms"))
        .filter_map(|form| {
            let factor = form.get("factor").and_then(Value::as_integer)?;
            Some((Pattern::new(form.get("form")?.as_str()?), factor))
        })
        .collect();
    let kind = Kind::named(&settled("kind"))?;
    let is = settled("is");
    let clue = (kind == Kind::Category && !is.is_empty() && !only.is_empty())
        .then(|| Pattern::new(&only.replace("{filters}", &is)));
    let own = settled("unit");
    Ok(Attribute {
        key: text_at(raw, "key")?,
        label: settled("label"),
        kind,
        scale: raw.get("scale").and_then(Value::as_integer).unwrap_or(1),
        words: vocabulary.iter().cloned().zip(0..).collect(),
        vocabulary,
        measure: settled("measure"),
        unit: if own.is_empty() { own } else { unit.replace("{unit}", &own) },
        highest: settled("highest"),
        lowest: settled("lowest"),
        clue,
        unit_forms,
        lists,
    })
}

/// The text with a capital.
pub(super) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(list)) => {
            list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

fn patterns(value: Option<&Value>) -> Vec<Pattern> {
    texts(value).iter().map(|text| Pattern::new(text)).collect()
}

fn tables(value: Option<&Value>) -> impl Iterator<Item = &Table> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_table)
}

fn text_at(table: &Table, key: &str) -> Result<String, String> {
    match table.get(key).and_then(Value::as_str) {
        Some(text) => Ok(text.to_owned()),
        None => Err(format!("the domain file has no text {key:?}")),
    }
}
