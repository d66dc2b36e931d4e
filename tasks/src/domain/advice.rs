//! What a sound domain could do better: faults of language, and lists that are too short for
//! varied documents.

use super::{
    Attribute, Domain,
    finding::{Fault, Severity},
    limits::good,
    template::{Slot, Template, push_with_article},
};
use crate::{
    lint::lint,
    number,
    types::{AttributeSchema, ValueKind},
};

/// Everything to mend in a domain that can be used; `text` is its file.
pub(super) fn advise(domain: &Domain, text: &str) -> Vec<Fault> {
    let mut advice = Advice { domain, faults: Vec::new() };
    advice.language();
    advice.variety();
    advice.order(text);
    advice.faults
}

struct Advice<'a> {
    domain: &'a Domain,
    faults: Vec<Fault>,
}

impl Advice<'_> {
    fn add(&mut self, severity: Severity, place: &str, message: String) {
        let place = place.to_owned();
        self.faults.push(Fault { severity, place, message, text: None, last: false });
    }

    /// Warns where something is scarcer than in a varied domain.
    fn scarce(&mut self, place: &str, what: &str, got: usize, wanted: usize) {
        if got < wanted {
            self.add(
                Severity::Warning,
                place,
                format!("{got} {what}; {wanted} or more make varied tasks"),
            );
        }
    }

    /// Every sentence filled with names and values must read well.
    fn language(&mut self) {
        let domain = self.domain;
        let mut faulty: Vec<(String, String)> = Vec::new();
        let mut check = |place: String, text: String| {
            if let Err(fault) = lint(&text) {
                faulty.push((place, format!("{fault} in {text:?}")));
            }
        };
        for attribute in &domain.attributes {
            let key = &attribute.schema.key;
            for (field, list, forms) in [
                ("plain", &attribute.plain, &attribute.forms),
                ("more", &attribute.more, &attribute.gap_forms),
                ("less", &attribute.less, &attribute.gap_forms),
                ("more_next", &attribute.more_next, &attribute.gap_forms),
                ("less_next", &attribute.less_next, &attribute.gap_forms),
                ("wider", &attribute.wider, &attribute.forms),
                ("ask", &attribute.ask, &attribute.forms),
            ] {
                for wording in list {
                    for value in samples(&attribute.schema, forms) {
                        check(format!("attributes.{key}.{field}"), self.filled(wording, &value));
                    }
                }
            }
        }
        for (at, group) in domain.groups.iter().enumerate() {
            let key = domain.group_keys.get(at).map_or("", String::as_str);
            for wording in &group.wordings {
                let widest = group.attributes.iter().map(|at| {
                    samples(&self.attribute(*at).schema, &self.attribute(*at).forms).len()
                });
                for round in 0..widest.max().unwrap_or(0) {
                    check(format!("groups.{key}.wordings"), self.grouped(wording, round));
                }
            }
            for heading in &group.headings {
                check(format!("groups.{key}.headings"), heading.clone());
            }
        }
        for (place, texts) in [("titles", &domain.titles), ("noise.general", &domain.noise_general)]
        {
            for text in texts {
                check(place.to_owned(), text.clone());
            }
        }
        for (place, list) in
            [("noise.entity", &domain.noise_entity), ("noise.pair", &domain.noise_pair)]
        {
            for wording in list {
                check(place.to_owned(), self.filled(wording, ""));
            }
        }
        for scope in &domain.scopes {
            check("scopes".to_owned(), scope.note.clone());
            check("scopes".to_owned(), scope.rule.clone());
        }
        faulty.dedup_by(|a, b| a.0 == b.0);
        for (place, message) in faulty {
            self.add(Severity::Error, &place, message);
        }
    }

    fn attribute(&self, at: u16) -> &Attribute {
        &self.domain.attributes[usize::from(at)]
    }

    fn name(&self, at: usize) -> String {
        let part =
            |parts: &[String]| parts.get(at % parts.len().max(1)).cloned().unwrap_or_default();
        format!("{} {}", part(&self.domain.first), part(&self.domain.second))
    }

    fn filled(&self, wording: &Template, value: &str) -> String {
        wording.fill(|slot, out| match slot {
            Slot::Entity => out.push_str(&self.name(0)),
            Slot::Reference | Slot::Other => out.push_str(&self.name(1)),
            _ => out.push_str(value),
        })
    }

    fn grouped(&self, wording: &Template, round: usize) -> String {
        let value = |at: u16| {
            let attribute = self.attribute(at);
            let all = samples(&attribute.schema, &attribute.forms);
            all.get(round % all.len().max(1)).cloned().unwrap_or_default()
        };
        wording.fill(|slot, out| match slot {
            Slot::Attr(at) => out.push_str(&value(at)),
            Slot::Article(at) => push_with_article(out, &value(at)),
            _ => out.push_str(&self.name(0)),
        })
    }

    fn variety(&mut self) {
        let domain = self.domain;
        for attribute in &domain.attributes {
            let place = format!("attributes.{}", attribute.schema.key);
            self.scarce(
                &format!("{place}.plain"),
                "wordings",
                attribute.plain.len(),
                good::WORDINGS,
            );
            if !attribute.schema.kind.is_number() {
                continue;
            }
            if !attribute.more.is_empty() {
                for (field, list, wanted) in [
                    ("more", &attribute.more, good::RELATIVE),
                    ("less", &attribute.less, good::RELATIVE),
                    ("more_next", &attribute.more_next, good::NEXT),
                    ("less_next", &attribute.less_next, good::NEXT),
                ] {
                    self.scarce(&format!("{place}.{field}"), "wordings", list.len(), wanted);
                }
            }
            let values = values(attribute);
            // Years repeat in life, too.
            if values < good::DISTINCT && attribute.schema.kind != ValueKind::Year {
                self.add(
                    Severity::Warning,
                    &place,
                    format!(
                        "a range of {values} values; {} or more keep twenty entities apart",
                        good::DISTINCT
                    ),
                );
            }
        }
        for (at, group) in domain.groups.iter().enumerate() {
            let place = format!("groups.{}", domain.group_keys.get(at).map_or("", String::as_str));
            self.scarce(
                &format!("{place}.wordings"),
                "wordings",
                group.wordings.len(),
                good::WORDINGS,
            );
            self.scarce(
                &format!("{place}.headings"),
                "headings",
                group.headings.len(),
                good::HEADINGS,
            );
        }
        let categories: Vec<&AttributeSchema> = domain
            .attributes
            .iter()
            .map(|attribute| &attribute.schema)
            .filter(|schema| schema.kind == ValueKind::Category)
            .collect();
        let large = categories.iter().filter(|schema| schema.vocabulary.len() >= good::VOCABULARY);
        let (large, categories) = (large.count(), categories.len());
        let wide = domain.attributes.iter().filter(|attribute| {
            attribute.schema.kind.is_number() && values(attribute) >= good::RANGE
        });
        let wide = wide.count();
        let large_what = format!("categories of {} words or more", good::VOCABULARY);
        let wide_what = format!("numbers of {} values or more", good::RANGE);
        let noise =
            domain.noise_general.len() + domain.noise_entity.len() + domain.noise_pair.len();
        for (place, what, got, wanted) in [
            ("attributes", "attributes", domain.attributes.len(), good::ATTRIBUTES),
            ("attributes", "categories", categories, good::CATEGORIES),
            ("attributes", large_what.as_str(), large, good::LARGE),
            ("attributes", wide_what.as_str(), wide, good::WIDE),
            ("sources.names", "sources", domain.sources.len(), good::SOURCES),
            ("names.first", "name parts", domain.first.len(), good::NAME_PARTS),
            ("names.second", "name parts", domain.second.len(), good::NAME_PARTS),
            ("noise", "sentences", noise, good::NOISE),
        ] {
            self.scarce(place, what, got, wanted);
        }
    }

    /// Warns where a vocabulary is not in order, which makes words that are there twice or missing
    /// hard to see.
    fn order(&mut self, text: &str) {
        let Ok(table) = text.parse::<toml::Table>() else { return };
        let list = |attribute: &toml::Value| {
            let list = attribute.get("vocabulary")?.as_array()?;
            Some(list.iter().filter_map(toml::Value::as_str).map(str::to_owned).collect::<Vec<_>>())
        };
        for attribute in
            table.get("attributes").and_then(toml::Value::as_array).into_iter().flatten()
        {
            let key = attribute.get("key").and_then(toml::Value::as_str).unwrap_or_default();
            let words = list(attribute).unwrap_or_default();
            if let Some(pair) = words.windows(2).find(|pair| pair[0] > pair[1]) {
                let (place, message) = (
                    format!("attributes.{key}.vocabulary"),
                    format!(
                        "{:?} comes after {:?}; alphabetical order is expected",
                        pair[1], pair[0]
                    ),
                );
                let (severity, text) = (Severity::Warning, Some(pair[1].clone()));
                self.faults.push(Fault { severity, place, message, text, last: false });
            }
        }
    }
}

/// How many values a number can have.
fn values(attribute: &Attribute) -> i64 {
    (attribute.max - attribute.min) / attribute.step.max(1) + 1
}

/// Values as documents print them: every word of a category, a number in every form.
fn samples(schema: &AttributeSchema, forms: &[Template]) -> Vec<String> {
    let n = match schema.kind {
        ValueKind::Category => return schema.vocabulary.clone(),
        ValueKind::Year => "1987".to_owned(),
        ValueKind::Integer => number::grouped(8_412),
        ValueKind::Decimal => number::decimal(11_800),
    };
    forms.iter().map(|form| form.fill(|_, out| out.push_str(&n))).collect()
}
