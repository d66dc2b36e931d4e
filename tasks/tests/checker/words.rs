//! The wordings of a domain file, read anew: nothing of the engine's own reader is used.

use std::collections::BTreeMap;

use toml::{Table, Value};

/// Places of slots in a text: name and captured text.
pub(crate) type Captures<'t> = Vec<(String, &'t str)>;

/// All ways in which `text` is `template` with its slots filled.
pub(crate) fn captures<'t>(template: &str, text: &'t str) -> Vec<Captures<'t>> {
    let Some(open) = template.find('{') else {
        return if template == text { vec![Vec::new()] } else { Vec::new() };
    };
    let Some(rest) = text.strip_prefix(&template[..open]) else { return Vec::new() };
    let close = open + template[open..].find('}').expect("slots are closed");
    let (name, after) = (&template[open + 1..close], &template[close + 1..]);
    let literal = &after[..after.find('{').unwrap_or(after.len())];
    let mut found = Vec::new();
    let ends: Vec<usize> = if after.is_empty() {
        vec![rest.len()]
    } else if literal.is_empty() {
        (1..rest.len()).filter(|at| rest.is_char_boundary(*at)).collect()
    } else {
        rest.match_indices(literal).map(|(at, _)| at).collect()
    };
    for end in ends {
        if end == 0 && name != "unit" {
            continue;
        }
        for mut tail in captures(after, &rest[end..]) {
            tail.insert(0, (name.to_owned(), &rest[..end]));
            found.push(tail);
        }
    }
    found
}

/// The capture of a slot.
pub(crate) fn slot<'t>(captures: &Captures<'t>, name: &str) -> &'t str {
    captures.iter().find(|(slot, _)| slot == name).map_or("", |(_, text)| text)
}

/// One attribute, with `{period}` expanded.
#[derive(Debug, Clone)]
pub(crate) struct Attribute {
    pub(crate) key: String,
    pub(crate) kind: String,
    pub(crate) lists: BTreeMap<String, Vec<String>>,
    pub(crate) texts: BTreeMap<String, String>,
    /// Form and factor.
    pub(crate) unit_forms: Vec<(String, i64)>,
    pub(crate) vocabulary: Vec<String>,
}

impl Attribute {
    pub(crate) fn list(&self, name: &str) -> &[String] {
        self.lists.get(name).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.texts.get(name).map_or("", String::as_str)
    }
}

/// What domains share.
const COMMON: &str = include_str!("../../domains/common/wordings.toml");

/// A domain file.
#[derive(Debug, Clone)]
pub(crate) struct Words {
    pub(crate) table: Table,
    pub(crate) attributes: Vec<Attribute>,
}

pub(crate) fn strings(value: Option<&Value>) -> Vec<String> {
    value
        .and_then(Value::as_array)
        .map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default()
}

impl Words {
    pub(crate) fn read(text: &str) -> Self {
        let mut table: Table = text.parse().expect("the domain file is TOML");
        let noun = |key: &str| table[key].as_str().expect("a noun").to_owned();
        let shared: Table = COMMON
            .replace("{noun}", &noun("entity"))
            .replace("{nouns}", &noun("entities"))
            .parse()
            .expect("the shared wordings are TOML");
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
        let raws: Vec<Table> = table["attributes"]
            .as_array()
            .expect("attributes")
            .iter()
            .filter_map(Value::as_table)
            .cloned()
            .collect();
        let attributes = raws
            .iter()
            .map(|raw| {
                let mut merged = match raw.get("like").and_then(Value::as_str) {
                    Some(like) => raws
                        .iter()
                        .find(|base| base["key"].as_str() == Some(like))
                        .expect("like")
                        .clone(),
                    None => Table::new(),
                };
                merged.extend(raw.clone());
                share(&mut merged, &table);
                attribute(&merged)
            })
            .collect();
        Self { table, attributes }
    }

    /// A list of wordings at `section.key`.
    pub(crate) fn list(&self, section: &str, key: &str) -> Vec<String> {
        strings(self.table.get(section).and_then(|section| section.get(key)))
    }

    /// One wording at `section.key`.
    pub(crate) fn one(&self, section: &str, key: &str) -> String {
        self.table[section][key].as_str().expect("a text").to_owned()
    }

    pub(crate) fn tables(&self, path: &[&str]) -> Vec<Table> {
        let mut at = self.table.get(path[0]);
        for key in &path[1..] {
            at = at.and_then(|value| value.get(key));
        }
        at.and_then(Value::as_array)
            .map(|list| list.iter().filter_map(Value::as_table).cloned().collect())
            .unwrap_or_default()
    }
}

/// Adds the wordings that all attributes share.
fn share(raw: &mut Table, words: &Table) {
    if raw.get("shared").and_then(Value::as_bool) == Some(false) {
        return;
    }
    let text = |key: &str| raw.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (kind, of, measure) = (text("kind"), text("of"), text("measure"));
    let capital = of[..1].to_uppercase() + &of[1..];
    let number = kind == "integer" || kind == "decimal";
    let lists: &[&str] =
        if number { &["plain", "more", "less", "more_next", "less_next"] } else { &["words"] };
    for key in lists {
        let target = if number { key } else { "plain" };
        let Some(Value::Array(list)) = raw.get_mut(target) else { continue };
        for text in strings(words["shared"].get(*key)) {
            let mut text =
                text.replace("{of}", &of).replace("{Of}", &capital).replace("{measure}", &measure);
            if kind == "year" {
                text = text.replace("{value}", "{amount}");
            }
            list.push(Value::String(text));
        }
    }
}

fn attribute(raw: &Table) -> Attribute {
    let periods = strings(raw.get("periods"));
    let first = periods.first().cloned().unwrap_or_default();
    let mut lists = BTreeMap::new();
    let mut texts = BTreeMap::new();
    for (key, value) in raw {
        if let Some(text) = value.as_str() {
            texts.insert(key.clone(), text.replace("{period}", &first));
        }
        let mut all = Vec::new();
        for text in strings(Some(value)) {
            if text.contains("{period}") {
                all.extend(periods.iter().map(|period| text.replace("{period}", period)));
            } else {
                all.push(text);
            }
        }
        lists.insert(key.clone(), all);
    }
    let mut vocabulary = strings(raw.get("vocabulary"));
    for first in strings(raw.get("first")) {
        vocabulary.extend(strings(raw.get("last")).iter().map(|last| format!("{first} {last}")));
    }
    let unit_forms = raw
        .get("unit_forms")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|form| {
            Some((form.get("form")?.as_str()?.to_owned(), form.get("factor")?.as_integer()?))
        })
        .collect();
    let forms = lists.entry("forms".to_owned()).or_insert_with(|| vec!["{n}".to_owned()]).clone();
    lists.entry("gap_forms".to_owned()).or_insert(forms);
    Attribute {
        key: raw["key"].as_str().expect("key").to_owned(),
        kind: raw["kind"].as_str().expect("kind").to_owned(),
        lists,
        texts,
        unit_forms,
        vocabulary,
    }
}

/// A number exactly as documents write it, in thousandths: `4,210`, `4.5`, and years as `1987`.
pub(crate) fn number(text: &str, kind: &str) -> Option<i64> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match kind {
        "year" => {
            (digits(text) && text.len() == 4).then(|| text.parse::<i64>().ok().map(|n| n * 1000))?
        }
        "decimal" => {
            let (whole, tenth) = text.split_once('.')?;
            (digits(whole) && digits(tenth) && tenth.len() <= 3).then(|| {
                let milli = format!("{tenth:0<3}").parse::<i64>().ok()?;
                Some(whole.parse::<i64>().ok()? * 1000 + milli)
            })?
        }
        "integer" => {
            let parts: Vec<&str> = text.split(',').collect();
            let good = parts.iter().enumerate().all(|(at, part)| {
                digits(part) && if at == 0 { part.len() <= 3 } else { part.len() == 3 }
            });
            good.then(|| parts.concat().parse::<i64>().ok().map(|n| n * 1000))?
        }
        _ => None,
    }
}
