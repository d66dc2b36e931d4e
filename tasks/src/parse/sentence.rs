//! Trace sentences: each attribute's public sentence, matched against a line.
//!
//! A sentence is literals with slots between them. Literals match in any case and with any run of
//! spaces for a space; the entity slot is tried against the roster first. Of several sentences that
//! match, the one whose slots are best understood wins, the first of them on a tie.

use std::{collections::BTreeSet, ops::Range};

use super::{Claim, Named, Relative, Said};
use crate::{
    check::find_term,
    number::{self, Found},
    types::{AttrId, AttributeSchema, EntityId, RosterEntry, Task},
};

/// Longest text of a slot, bytes.
const MAX_SLOT_BYTES: usize = 80;

/// Words that may stand beside a number without changing what it says.
const QUANTITY_WORDS: [&str; 20] = [
    "a",
    "about",
    "an",
    "approximately",
    "around",
    "close",
    "dollar",
    "dollars",
    "estimated",
    "exactly",
    "just",
    "million",
    "billion",
    "thousand",
    "nearly",
    "percent",
    "roughly",
    "some",
    "to",
    "usd",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Entity,
    Value,
    Reference,
}

#[derive(Debug, Clone)]
enum Piece {
    Literal(String),
    Slot(Slot),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Absolute,
    More,
    Less,
}

#[derive(Debug, Clone)]
struct Template {
    attr: usize,
    form: Form,
    pieces: Vec<Piece>,
}

/// The trace sentences of one task, ready to match.
#[derive(Debug, Clone)]
pub struct Sentences<'t> {
    roster: &'t [RosterEntry],
    attributes: &'t [AttributeSchema],
    templates: Vec<Template>,
    units: BTreeSet<String>,
}

/// What the slots of one template were filled with, and how many were understood.
#[derive(Debug, Clone, Default)]
struct Filled {
    entity: Option<Named>,
    value: Option<Said>,
    reference: Option<Named>,
    understood: usize,
}

impl<'t> Sentences<'t> {
    /// Prepares a task's sentences.
    #[must_use]
    pub fn new(task: &'t Task) -> Self {
        let mut templates = Vec::new();
        let mut units: BTreeSet<String> =
            QUANTITY_WORDS.iter().map(|word| (*word).to_owned()).collect();
        for (attr, schema) in task.attributes.iter().enumerate() {
            units.extend(schema.unit.split_whitespace().map(str::to_ascii_lowercase));
            let forms = [
                (Form::Absolute, Some(&schema.trace)),
                (Form::More, schema.trace_more.as_ref()),
                (Form::Less, schema.trace_less.as_ref()),
            ];
            for (form, text) in forms {
                if let Some(pieces) = text.and_then(|text| pieces(text, form)) {
                    templates.push(Template { attr, form, pieces });
                }
            }
        }
        Self { roster: &task.roster, attributes: &task.attributes, templates, units }
    }

    /// The one number that a text states, where it says nothing else but units and hedges.
    #[must_use]
    pub fn quantity(&self, text: &str) -> Option<Found> {
        let one = number::only(text)?;
        let around = [text.get(..one.start)?, text.get(one.end..)?];
        let plain = around.iter().flat_map(|part| words(part)).all(|word| {
            matches!(word, "k" | "K" | "m" | "M" | "b" | "B" | "bn")
                || self.units.contains(&word.to_ascii_lowercase())
        });
        plain.then_some(one)
    }

    /// The claim that a range of `text` makes. A name of the roster at the beginning is taken for
    /// the entity; only where no sentence fits it so, other names are considered.
    pub(super) fn read(&self, text: &str, range: Range<usize>) -> Option<Claim> {
        let sentence = text.get(range.clone())?;
        let lead = self.roster_at(sentence);
        lead.and_then(|_| self.best(sentence, lead, range.start))
            .or_else(|| self.best(sentence, None, range.start))
    }

    fn best(&self, sentence: &str, lead: Option<(EntityId, usize)>, base: usize) -> Option<Claim> {
        let mut best: Option<(usize, Claim)> = None;
        for template in &self.templates {
            let Some(filled) = self.fill(template, sentence, lead) else { continue };
            let understood = filled.understood;
            if best.as_ref().is_some_and(|(most, _)| *most >= understood) {
                continue;
            }
            let Some(claim) = claim(template, filled, base) else { continue };
            best = Some((understood, claim));
            if understood == slots(template.form) {
                break;
            }
        }
        best.map(|(_, claim)| claim)
    }

    /// The roster's longest name that `text` begins with, and its length there.
    fn roster_at(&self, text: &str) -> Option<(EntityId, usize)> {
        let mut best: Option<(EntityId, usize)> = None;
        for (place, entry) in self.roster.iter().enumerate() {
            let Some(length) = literal_at(text, &entry.name) else { continue };
            let ends = !text[length..].starts_with(char::is_alphanumeric);
            if ends && best.is_none_or(|(_, longest)| length > longest) {
                best = u16::try_from(place).ok().map(|place| (EntityId(place), length));
            }
        }
        best
    }

    fn fill(
        &self,
        template: &Template,
        sentence: &str,
        lead: Option<(EntityId, usize)>,
    ) -> Option<Filled> {
        let mut filled = Filled::default();
        let mut at = 0;
        let mut pieces = template.pieces.iter().peekable();
        while let Some(piece) = pieces.next() {
            let rest = sentence.get(at..)?;
            let slot = match piece {
                Piece::Literal(literal) => {
                    at += literal_at(rest, literal)?;
                    continue;
                }
                Piece::Slot(slot) => *slot,
            };
            // A literal always stands between two slots, and what follows the last slot must
            // reach the end.
            let next = match pieces.peek() {
                Some(Piece::Literal(literal)) => Some(literal.as_str()),
                _ => None,
            };
            if pieces.peek().is_some() && next.is_none() {
                return None;
            }
            let last = template.pieces.len() - pieces.len() + usize::from(next.is_some())
                == template.pieces.len();
            let known = if slot == Slot::Value {
                None
            } else if at == 0 && lead.is_some() {
                lead
            } else if at == 0 {
                None
            } else {
                self.roster_at(rest)
            };
            if let Some((entity, length)) = known {
                let tail = &rest[length..];
                let fits = match next {
                    None => tail.trim().is_empty(),
                    Some(literal) => {
                        literal_at(tail, literal).is_some_and(|end| !last || end == tail.len())
                    }
                };
                if fits {
                    filled.set(slot, Named::Roster(entity));
                    filled.understood += 1;
                    at += length;
                    if next.is_none() {
                        at = sentence.len();
                    }
                    continue;
                }
                if at == 0 && lead.is_some() {
                    return None;
                }
            }
            at += self.guess(template, slot, rest, at, next, last, &mut filled)?;
        }
        (at == sentence.len()).then_some(filled)
    }

    /// Fills a slot that is no name of the roster with the text before the next literal; returns
    /// its length.
    #[allow(clippy::too_many_arguments)]
    fn guess(
        &self,
        template: &Template,
        slot: Slot,
        rest: &str,
        at: usize,
        next: Option<&str>,
        last: bool,
        filled: &mut Filled,
    ) -> Option<usize> {
        let schema = self.attributes.get(template.attr)?;
        let mut fallback = None;
        let mut ends = Vec::new();
        match next {
            None => ends.push(rest.len()),
            Some(literal) => ends.extend(
                rest.char_indices()
                    .map(|(end, _)| end)
                    .take_while(|end| *end <= MAX_SLOT_BYTES)
                    .filter(|end| {
                        literal_at(&rest[*end..], literal)
                            .is_some_and(|length| !last || end + length == rest.len())
                    }),
            ),
        }
        for end in ends {
            let inside = &rest[..end];
            let text = inside.trim();
            if text.is_empty() || text.len() > MAX_SLOT_BYTES {
                continue;
            }
            let start = at + (inside.len() - inside.trim_start().len());
            let place = start..start + text.len();
            if slot != Slot::Value {
                fallback = fallback.or(Some((end, place)));
                continue;
            }
            if schema.kind.is_number() {
                if let Some(found) = self.quantity(text) {
                    let found =
                        Found { start: found.start + start, end: found.end + start, ..found };
                    filled.value = Some(Said::Number(found));
                    filled.understood += 1;
                    return Some(end);
                }
            } else {
                if schema.vocabulary.iter().any(|word| same_term(word, text)) {
                    filled.value = Some(Said::Text(place));
                    filled.understood += 1;
                    return Some(end);
                }
                fallback = fallback.or(Some((end, place)));
            }
        }
        let (end, place) = fallback?;
        match slot {
            Slot::Value => filled.value = Some(Said::Text(place)),
            named => filled.set(named, Named::Other(place)),
        }
        Some(end)
    }
}

impl Filled {
    fn set(&mut self, slot: Slot, named: Named) {
        match slot {
            Slot::Entity => self.entity = Some(named),
            Slot::Reference => self.reference = Some(named),
            Slot::Value => {}
        }
    }
}

fn slots(form: Form) -> usize {
    if form == Form::Absolute { 2 } else { 3 }
}

fn claim(template: &Template, filled: Filled, base: usize) -> Option<Claim> {
    let shift = |range: Range<usize>| range.start + base..range.end + base;
    let named = |named: Named| match named {
        Named::Other(range) => Named::Other(shift(range)),
        known @ Named::Roster(_) => known,
    };
    let value = match filled.value? {
        Said::Number(found) => {
            Said::Number(Found { start: found.start + base, end: found.end + base, ..found })
        }
        Said::Text(range) => Said::Text(shift(range)),
    };
    let relative = match template.form {
        Form::Absolute => None,
        form => Some(Relative { reference: named(filled.reference?), less: form == Form::Less }),
    };
    Some(Claim {
        entity: named(filled.entity?),
        attr: AttrId(u16::try_from(template.attr).ok()?),
        value,
        relative,
    })
}

/// Splits a sentence at its slots; `None` where a slot is missing, doubled or unknown to the form.
fn pieces(text: &str, form: Form) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut seen = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let (literal, tail) = rest.split_at(open);
        let close = tail.find('}')?;
        let slot = match &tail[1..close] {
            "entity" => Slot::Entity,
            "value" => Slot::Value,
            "reference" => Slot::Reference,
            _ => return None,
        };
        if seen.contains(&slot) {
            return None;
        }
        seen.push(slot);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.to_owned()));
        }
        pieces.push(Piece::Slot(slot));
        rest = &tail[close + 1..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest.to_owned()));
    }
    let wanted = seen.contains(&Slot::Entity)
        && seen.contains(&Slot::Value)
        && seen.contains(&Slot::Reference) == (form != Form::Absolute);
    wanted.then_some(pieces)
}

/// How many bytes of `text` the literal takes at its beginning: case is ignored, a space stands for
/// any run of blanks.
fn literal_at(text: &str, literal: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    for want in literal.bytes() {
        if want == b' ' {
            let blanks = bytes[at..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
            if blanks == 0 {
                return None;
            }
            at += blanks;
        } else if bytes.get(at).is_some_and(|have| have.eq_ignore_ascii_case(&want)) {
            at += 1;
        } else {
            return None;
        }
    }
    text.is_char_boundary(at).then_some(at)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Whether a text is exactly a term, token by token, in any case.
pub(crate) fn same_term(term: &str, text: &str) -> bool {
    find_term(text, term, 0).is_some() && words(term).count() == words(text).count()
}
