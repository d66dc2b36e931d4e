//! Paragraphs that state facts: every way in which a paragraph is a sequence of sentences, a group of
//! attributes, differences from another entity, or a table.

use super::{
    amount::{Amount, Known, amounts, gaps, traced},
    fault::Fault,
    names::{By, Name, Names},
    reader::{Claim, Reader},
    wordings::{Attribute, Mark, capitalised},
};

/// Most readings of one text that are looked at.
const MAX_READINGS: usize = 16;
/// Most sentences of one wording.
const MAX_SENTENCES: usize = 5;

/// What one sentence says of one attribute.
#[derive(Debug, Clone, PartialEq)]
struct Unit<'t> {
    /// `None`: of the entity that the sentence before is about.
    name: Option<(Name, &'t str)>,
    attr: usize,
    amount: Amount,
    /// What the amount is the difference from.
    reference: Option<usize>,
    wider: bool,
}

/// One way to read a text.
type Units<'t> = Vec<Unit<'t>>;

/// All ways to read a text, and a name that led nowhere in a sentence that fits a wording.
#[derive(Debug, Default)]
struct Found<'t> {
    readings: Vec<Units<'t>>,
    stranger: Option<(&'t str, usize)>,
}

/// Which sentences may stand at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Plain,
    First,
    Next,
}

impl<'a> Reader<'a> {
    /// Reads a paragraph that must state something, and keeps what it states.
    pub(super) fn statement<'t>(&mut self, paragraph: u32, text: &'t str, faults: &mut Vec<Fault>) {
        let mut distinct: Vec<(Mark, Units<'t>)> = Vec::new();
        let mut stranger: Option<(&'t str, usize)> = None;
        let mut take = |mark: Mark, found: Found<'t>| {
            stranger = found.stranger.or(stranger);
            for units in found.readings {
                let reading = (mark, units);
                if !distinct.contains(&reading) {
                    distinct.push(reading);
                }
            }
        };
        take(Mark::Plain, self.body(text));
        for (pattern, mark) in &self.words.standings {
            pattern.each(text, |caught| take(*mark, self.body(caught.get("sentence"))));
        }
        match distinct.as_slice() {
            [(mark, units)] => self.keep(paragraph, *mark, units),
            [] => faults.push(match stranger {
                Some((name, owners)) => {
                    Fault::Unlinkable { paragraph, name: name.to_owned(), owners }
                }
                None => Fault::Unread { paragraph, text: text.to_owned() },
            }),
            _ => faults.push(Fault::Ambiguous { paragraph, text: text.to_owned() }),
        }
    }

    /// All ways in which a text is a sequence of groups, tables, plain sentences, differences and
    /// texts that state nothing.
    fn body<'t>(&self, text: &'t str) -> Found<'t> {
        let mut found = Found::default();
        // A sentence ends at a full stop before a space, unless a small letter follows: `E. coli`.
        let ends: Vec<usize> = text
            .match_indices(". ")
            .map(|(at, _)| at + 1)
            .filter(|end| {
                let next = text.get(end + 1..).and_then(|rest| rest.chars().next());
                !next.is_some_and(char::is_lowercase)
            })
            .chain([text.len()])
            .collect();
        let mut before = Vec::new();
        self.from(text, 0, &ends, false, &mut before, &mut found);
        found
    }

    /// Follows every sequence of sentences from `start` to the end of `text`; `differs`: whether
    /// the one before was a difference, so that the next may go on about the same entity.
    fn from<'t>(
        &self,
        text: &'t str,
        start: usize,
        ends: &[usize],
        differs: bool,
        before: &mut Units<'t>,
        found: &mut Found<'t>,
    ) {
        for (at, end) in ends.iter().take(MAX_SENTENCES).enumerate() {
            let Some(block) = text.get(start..*end) else { continue };
            let mut blocks: Vec<(Units<'t>, bool)> = Vec::new();
            let mut add = |units: Vec<Units<'t>>, differs: bool| {
                blocks.extend(units.into_iter().map(|units| (units, differs)));
            };
            add(self.groups(block, at + 1, found), false);
            add(self.table(block).into_iter().collect(), false);
            if self.nothing(block) {
                add(vec![Vec::new()], false);
            }
            let single = |unit: Unit<'t>| vec![unit];
            let sentence = |place: Place, found: &mut Found<'t>| -> Vec<Units<'t>> {
                self.sentence(block, at + 1, place, found).into_iter().map(single).collect()
            };
            let plain = sentence(Place::Plain, found);
            let first = sentence(Place::First, found);
            let next = if differs { sentence(Place::Next, found) } else { Vec::new() };
            add(plain, false);
            add(first, true);
            add(next, true);
            for (units, differs) in blocks {
                let length = before.len();
                before.extend(units);
                let rest = ends.get(at + 1..).unwrap_or_default();
                if !rest.is_empty() {
                    self.from(text, end + 1, rest, differs, before, found);
                } else if found.readings.len() < MAX_READINGS && !found.readings.contains(before) {
                    found.readings.push(before.clone());
                }
                before.truncate(length);
            }
        }
    }

    /// All ways to read one sentence (or a wording of so many) at a place.
    fn sentence<'t>(
        &self,
        text: &'t str,
        sentences: usize,
        place: Place,
        found: &mut Found<'t>,
    ) -> Units<'t> {
        let mut units: Units<'t> = Vec::new();
        let mut add = |unit: Unit<'t>| {
            if !units.contains(&unit) {
                units.push(unit);
            }
        };
        let lists: &[(&str, i64)] = match place {
            Place::Plain => &[("plain", 1), ("wider", 1)],
            Place::First => &[("more", 1), ("less", -1)],
            Place::Next => &[("more_next", 1), ("less_next", -1)],
        };
        for attr in 0..self.active.len() {
            let Some(attribute) = self.attribute(attr) else { continue };
            for (list, sign) in lists {
                for pattern in attribute.list(list) {
                    if pattern.sentences() != sentences {
                        continue;
                    }
                    pattern.each(text, |caught| {
                        let name = match place {
                            Place::Next => None,
                            _ => Some(caught.get("entity")),
                        };
                        if place == Place::Plain {
                            let amount = match caught.get("amount") {
                                "" => caught.get("value"),
                                text => text,
                            };
                            for amount in amounts(attribute, amount) {
                                let Some(name) = self.link(name, found) else { return };
                                let wider = *list == "wider";
                                add(Unit { name, attr, amount, reference: None, wider });
                            }
                            return;
                        }
                        for gap in gaps(attribute, caught.get("amount")) {
                            let reference = caught.get("reference");
                            let Name::Entity(other, _) = self.names.named(reference) else {
                                found.stranger = Some((reference, 0));
                                return;
                            };
                            let Some(name) = self.link(name, found) else { return };
                            let value = Known::Number(sign * gap);
                            let amount = Amount { value, printed: None, rounded: false };
                            add(Unit { name, attr, amount, reference: Some(other), wider: false });
                        }
                    });
                }
            }
        }
        units
    }

    /// A name that leads to one entity, or a description; `None` notes a stranger.
    fn link<'t>(
        &self,
        name: Option<&'t str>,
        found: &mut Found<'t>,
    ) -> Option<Option<(Name, &'t str)>> {
        let Some(text) = name else { return Some(None) };
        match self.names.named(text) {
            Name::Owners(owners) => {
                if !text.contains(". ") {
                    found.stranger = Some((text, owners));
                }
                None
            }
            name => Some(Some((name, text))),
        }
    }

    /// All ways in which a text of so many sentences is about all attributes of a group.
    fn groups<'t>(&self, text: &'t str, sentences: usize, found: &mut Found<'t>) -> Vec<Units<'t>> {
        let mut all: Vec<Units<'t>> = Vec::new();
        for group in &self.words.groups {
            let members: Option<Vec<(usize, &Attribute)>> = group
                .attributes
                .iter()
                .map(|place| {
                    let attr = self.active.iter().position(|known| known == place)?;
                    Some((attr, self.attribute(attr)?))
                })
                .collect();
            let Some(members) = members else { continue };
            for wording in &group.wordings {
                if wording.sentences() != sentences {
                    continue;
                }
                wording.each(text, |caught| {
                    let mut readings: Vec<Units<'t>> = vec![Vec::new()];
                    let written = caught.get("entity");
                    for (attr, attribute) in &members {
                        let text = match caught.get(&attribute.key) {
                            "" => without_article(caught.get(&format!("a:{}", attribute.key))),
                            text => text,
                        };
                        let all = amounts(attribute, text);
                        let mut next = Vec::new();
                        for reading in &readings {
                            for amount in &all {
                                let mut reading: Units<'t> = reading.clone();
                                reading.push(Unit {
                                    name: Some((Name::Owners(0), written)),
                                    attr: *attr,
                                    amount: *amount,
                                    reference: None,
                                    wider: false,
                                });
                                next.push(reading);
                            }
                        }
                        readings = next;
                    }
                    if readings.is_empty() {
                        return;
                    }
                    let Some(name) = self.link(Some(written), found) else { return };
                    for mut reading in readings {
                        for unit in &mut reading {
                            unit.name = name;
                        }
                        if !all.contains(&reading) {
                            all.push(reading);
                        }
                    }
                });
            }
        }
        all
    }

    /// `Number of patents: Volt Link – 12; Nova Grid – 7.`
    fn table<'t>(&self, text: &'t str) -> Option<Units<'t>> {
        let (attr, attribute, rest) = (0..self.active.len()).find_map(|attr| {
            let attribute = self.attribute(attr)?;
            let rest = text.strip_prefix(&capitalised(&attribute.label))?.strip_prefix(": ")?;
            Some((attr, attribute, rest))
        })?;
        let mut units = Vec::new();
        for line in rest.strip_suffix('.')?.split("; ") {
            let (written, value) = line.split_once(" – ")?;
            let entity = self.names.canonical(written)?;
            let value = traced(attribute, value)?;
            units.push(Unit {
                name: Some((Name::Entity(entity, By::Name), written)),
                attr,
                amount: Amount { value, printed: None, rounded: false },
                reference: None,
                wider: false,
            });
        }
        Some(units)
    }

    fn keep(&mut self, paragraph: u32, mark: Mark, units: &[Unit<'_>]) {
        let mut subject: Option<(Name, &str)> = None;
        for unit in units {
            subject = unit.name.or(subject);
            let Some((name, written)) = subject else { continue };
            let (entity, written) = match name {
                Name::Entity(entity, By::Typo) => (Some(entity), Some(written.to_owned())),
                Name::Entity(entity, _) => (Some(entity), None),
                _ => (None, Some(Names::description(written))),
            };
            self.said.claims.push(Claim {
                entity,
                name,
                written,
                attr: unit.attr,
                value: unit.amount.value,
                printed: unit.amount.printed,
                reference: unit.reference,
                mark,
                wider: unit.wider,
                rounded: unit.amount.rounded,
                paragraph,
            });
        }
    }
}

/// The word behind its indefinite article, where that is the right one.
fn without_article(text: &str) -> &str {
    let Some((article, word)) = text.split_once(' ') else { return "" };
    let right = match super::language::article(word) {
        Some(right) => article == right,
        None => article == "a" || article == "an",
    };
    if right { word } else { "" }
}
