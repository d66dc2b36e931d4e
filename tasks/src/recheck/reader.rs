//! What a document says, from its text alone: each paragraph by the wordings of its domain.

use super::{
    amount::{Known, traced},
    fault::Fault,
    names::{Name, Names},
    wordings::{Attribute, Mark, Wordings},
};
use crate::{longdoc::words, types::Task};

/// One statement about one fact.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    /// `None` until its description is followed.
    pub(super) entity: Option<usize>,
    pub(super) name: Name,
    /// The description or misspelling, where it is one.
    pub(super) written: Option<String>,
    pub(super) attr: usize,
    /// The value, or the difference from the reference.
    pub(super) value: Known,
    pub(super) printed: Option<i64>,
    pub(super) reference: Option<usize>,
    pub(super) mark: Mark,
    /// Of a wider unit: not the entity's own.
    pub(super) wider: bool,
    /// Only a rounded figure.
    pub(super) rounded: bool,
    /// From 1.
    pub(super) paragraph: u32,
}

/// Rules of one kind, each with its paragraph.
pub(super) type Told<T> = Vec<(T, u32)>;

/// Everything that a document says.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) claims: Vec<Claim>,
    pub(super) holds: Told<Mark>,
    /// Strong over weak.
    pub(super) over: Told<(Mark, Mark)>,
    /// Conditions and whether they came about.
    pub(super) outcomes: Told<(usize, bool)>,
    /// Entity and name.
    pub(super) aliases: Told<(usize, String)>,
    /// Entity, attribute and value that a sentence asks to report.
    pub(super) instructions: Told<(usize, usize, Known)>,
}

pub(super) struct Reader<'a> {
    pub(super) words: &'a Wordings,
    /// Attributes of the domain, by attribute of the task.
    pub(super) active: &'a [usize],
    pub(super) names: Names<'a>,
    pub(super) said: Said,
}

/// Reads a document.
pub(super) fn read<'a>(
    words: &'a Wordings,
    active: &'a [usize],
    task: &'a Task,
    faults: &mut Vec<Fault>,
) -> Said {
    let mut reader = Reader {
        words,
        active,
        names: Names::new(words, active, &task.roster),
        said: Said::default(),
    };
    let mut rest = Vec::new();
    for (number, text) in (1_u32..).zip(&task.paragraphs) {
        let known = words.idle.contains(text)
            || reader.rule(number, text)
            || reader.alias(number, text, faults);
        if !known {
            rest.push((number, text));
        }
    }
    for (number, text) in rest {
        if !reader.instruction(number, text) && !reader.nothing(text) {
            reader.statement(number, text, faults);
        }
    }
    reader.said
}

impl<'a> Reader<'a> {
    pub(super) fn attribute(&self, attr: usize) -> Option<&'a Attribute> {
        self.words.attributes.get(*self.active.get(attr)?)
    }

    fn rule(&mut self, paragraph: u32, text: &str) -> bool {
        let between = |(before, after): &(&str, &str)| {
            text.strip_prefix(before).and_then(|rest| rest.strip_suffix(after))
        };
        for ends in &words::SOURCE_RULES {
            let source = between(ends).and_then(|name| self.source(name));
            if let Some(source) = source {
                self.said.holds.push((Mark::Source(source), paragraph));
                return true;
            }
        }
        for ends in &words::DATE_RULES {
            let date =
                between(ends).and_then(|d| words::DATES.iter().position(|known| *known == d));
            if let Some(date) = date {
                self.said.holds.push((Mark::Date(date), paragraph));
                return true;
            }
        }
        if let Some(extent) = self.words.extents.iter().position(|(_, rule)| rule == text) {
            self.said.holds.push((Mark::Extent(extent), paragraph));
            return true;
        }
        if let Some(rule) = self.words.marks.iter().find(|rule| rule.text == text) {
            let mark = Mark::Source(rule.source);
            let pair = if rule.holds { (mark, Mark::Plain) } else { (Mark::Plain, mark) };
            self.said.over.push((pair, paragraph));
            return true;
        }
        let mut found = None;
        for wording in self.words.list("sources", "rules") {
            wording.each(text, |caught| {
                let (strong, weak) = (caught.get("strong"), caught.get("weak"));
                if let (Some(strong), Some(weak)) = (self.source(strong), self.source(weak)) {
                    found = Some((Mark::Source(strong), Mark::Source(weak)));
                }
            });
        }
        if let Some(pair) = found {
            self.said.over.push((pair, paragraph));
            return true;
        }
        self.outcomes(paragraph, text)
    }

    fn source(&self, name: &str) -> Option<usize> {
        self.words.sources.iter().position(|known| known == name)
    }

    /// Which conditions came about, a sentence each.
    fn outcomes(&mut self, paragraph: u32, text: &str) -> bool {
        let mut rest = text;
        let mut told = Vec::new();
        while !rest.is_empty() {
            let next = words::CONDITIONS.iter().enumerate().find_map(|(at, condition)| {
                let came = rest.strip_prefix(condition.came).map(|tail| (at, true, tail));
                came.or_else(|| rest.strip_prefix(condition.failed).map(|tail| (at, false, tail)))
            });
            let Some((condition, came, tail)) = next else { return false };
            told.push(((condition, came), paragraph));
            rest = match tail.strip_prefix(' ') {
                Some(tail) => tail,
                None if tail.is_empty() => tail,
                None => return false,
            };
        }
        self.said.outcomes.extend(told);
        true
    }

    fn alias(&mut self, paragraph: u32, text: &'a str, faults: &mut Vec<Fault>) -> bool {
        let mut found = None;
        for wording in self.words.list("aliases", "wordings") {
            wording.each(text, |caught| {
                if let Some(entity) = self.names.canonical(caught.get("entity")) {
                    found = Some((entity, caught.get("alias")));
                }
            });
        }
        let Some((entity, alias)) = found else { return false };
        if !self.names.alias(alias, entity) {
            faults.push(Fault::AliasOwners { alias: alias.to_owned() });
        }
        self.said.aliases.push(((entity, alias.to_owned()), paragraph));
        true
    }

    /// A sentence that asks to report a value.
    fn instruction(&mut self, paragraph: u32, text: &str) -> bool {
        let mut found = None;
        for wording in self.words.list("instructions", "wordings") {
            wording.each(text, |caught| {
                for attr in 0..self.active.len() {
                    let Some(attribute) = self.attribute(attr) else { continue };
                    for trace in attribute.list("trace") {
                        trace.each(caught.get("sentence"), |inner| {
                            let entity = self.names.canonical(inner.get("entity"));
                            let value = traced(attribute, inner.get("value"));
                            if let (Some(entity), Some(value)) = (entity, value) {
                                found = Some((entity, attr, value));
                            }
                        });
                    }
                }
            });
        }
        let Some(instruction) = found else { return false };
        self.said.instructions.push((instruction, paragraph));
        true
    }

    /// Whether a text states nothing.
    pub(super) fn nothing(&self, text: &str) -> bool {
        let mut found = self.words.idle.contains(text);
        for wording in &self.words.noise {
            wording.each(text, |caught| {
                found |= ["entity", "other"].iter().all(|slot| {
                    !wording.has(slot)
                        || matches!(self.names.named(caught.get(slot)), Name::Entity(..))
                });
            });
        }
        found
    }
}
