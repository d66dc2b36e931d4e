//! Trace sentences: each attribute's public sentence, matched against a line.
//!
//! A sentence is literals with slots between them. Literals match in any case and with any run of
//! spaces for a space; the entity slot is tried against the roster first. Of several sentences that
//! match, the one whose slots are best understood wins, the first of them on a tie.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Mutex, PoisonError},
};

use foldhash::fast::RandomState;

use super::{
    Claim, Named, Relative, Said,
    literal::{MAX_SLOT_BYTES, literal_at, literal_before, slot_end},
};
use crate::{
    number::{self, Found},
    term::{is_normal, normal, words},
    types::{AttrId, AttributeSchema, EntityId, RosterEntry, Task},
};

/// Most sentences that are remembered: those of some dozens of attempts.
const MAX_KNOWN: usize = 4_096;
/// Sentences of one attempt and of what others say otherwise.
const USUAL_KNOWN: usize = 96;
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece<'t> {
    Literal(&'t str),
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
    /// Places in [`Sentences::pieces`].
    pieces: Range<usize>,
    /// Where it begins with the entity: the byte after the name and a space, in lower case. 0 where
    /// it begins otherwise.
    head: u8,
}

/// The trace sentences of one task, ready to match.
#[derive(Debug)]
pub struct Sentences<'t> {
    roster: &'t [RosterEntry],
    attributes: &'t [AttributeSchema],
    templates: Vec<Template>,
    pieces: Vec<Piece<'t>>,
    /// Words of the attributes' units.
    units: Vec<&'t str>,
    /// What sentences were read as, their ranges from 0 on: attempts at one task say the same.
    known: Mutex<HashMap<Box<str>, Option<Claim>, RandomState>>,
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
        let most = task.attributes.len() * 3;
        let mut sentences = Self {
            roster: &task.roster,
            attributes: &task.attributes,
            templates: Vec::with_capacity(most),
            pieces: Vec::with_capacity(most * 5),
            units: Vec::new(),
            known: Mutex::new(HashMap::with_capacity_and_hasher(
                USUAL_KNOWN,
                RandomState::default(),
            )),
        };
        for (attr, schema) in task.attributes.iter().enumerate() {
            sentences.units.extend(schema.unit.split_whitespace());
            let forms = [
                (Form::Absolute, Some(&schema.trace)),
                (Form::More, schema.trace_more.as_ref()),
                (Form::Less, schema.trace_less.as_ref()),
            ];
            for (form, text) in forms {
                let start = sentences.pieces.len();
                if text.and_then(|text| pieces(text, form, &mut sentences.pieces)).is_none() {
                    sentences.pieces.truncate(start);
                    continue;
                }
                let head = match sentences.pieces.get(start..) {
                    Some([Piece::Slot(Slot::Entity), Piece::Literal(literal), ..]) => {
                        literal.strip_prefix(' ').and_then(|rest| rest.bytes().next()).unwrap_or(0)
                    }
                    _ => 0,
                };
                sentences.templates.push(Template {
                    attr,
                    form,
                    pieces: start..sentences.pieces.len(),
                    head: head.to_ascii_lowercase(),
                });
            }
        }
        sentences
    }

    /// The one number that a text states, where it says nothing else but units and hedges.
    #[must_use]
    pub fn quantity(&self, text: &str) -> Option<Found> {
        let one = number::only(text)?;
        let around = [text.get(..one.start)?, text.get(one.end..)?];
        let plain = around.iter().flat_map(|part| words(part)).all(|word| {
            matches!(word, "k" | "K" | "m" | "M" | "b" | "B" | "bn")
                || QUANTITY_WORDS.iter().any(|known| word.eq_ignore_ascii_case(known))
                || self.units.iter().any(|known| word.eq_ignore_ascii_case(known))
        });
        plain.then_some(one)
    }

    /// The place of a text in the vocabulary of an attribute, token by token, in any case.
    fn word(&self, attr: usize, text: &str) -> Option<u16> {
        let vocabulary = &self.attributes.get(attr)?.vocabulary;
        let place = vocabulary.iter().position(|word| word.eq_ignore_ascii_case(text));
        let place = place.or_else(|| {
            let text = normal(text);
            vocabulary.iter().position(|word| !text.is_empty() && is_normal(word, &text))
        });
        u16::try_from(place?).ok()
    }

    /// The claim that a range of `text` makes. A name of the roster at the beginning is taken for
    /// the entity; only where no sentence fits it so, other names are considered.
    pub(super) fn read(&self, text: &str, range: Range<usize>) -> Option<Claim> {
        let sentence = text.get(range.clone())?;
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(claim) = known().get(sentence) {
            return claim.clone().map(|claim| claim.shifted(range.start));
        }
        let lead = self.roster_at(sentence);
        let claim =
            lead.and_then(|_| self.best(sentence, lead)).or_else(|| self.best(sentence, None));
        let mut known = known();
        if known.len() < MAX_KNOWN {
            known.insert(sentence.into(), claim.clone());
        }
        claim.map(|claim| claim.shifted(range.start))
    }

    fn best(&self, sentence: &str, lead: Option<(EntityId, usize)>) -> Option<Claim> {
        let mut best: Option<(usize, Claim)> = None;
        let after = lead.and_then(|(_, length)| sentence.get(length..));
        let head = after.and_then(|after| after.trim_start_matches([' ', '\t']).bytes().next());
        let head = head.map(|byte| byte.to_ascii_lowercase());
        for template in &self.templates {
            if head.is_some_and(|head| template.head != 0 && template.head != head)
                || !self.may_fit(template, sentence, after)
            {
                continue;
            }
            let Some(filled) = self.fill(template, sentence, lead) else { continue };
            let understood = filled.understood;
            if best.as_ref().is_some_and(|(most, _)| *most >= understood) {
                continue;
            }
            let Some(claim) = claim(template, filled) else { continue };
            best = Some((understood, claim));
            if understood == slots(template.form) {
                break;
            }
        }
        best.map(|(_, claim)| claim)
    }

    /// Whether the template's first literal stands after the name, where it begins with a name, and
    /// its last one at the end: most templates are told apart by these two.
    fn may_fit(&self, template: &Template, sentence: &str, after: Option<&str>) -> bool {
        let pieces = self.pieces.get(template.pieces.clone()).unwrap_or(&[]);
        let begins = match (pieces, after) {
            ([Piece::Slot(Slot::Entity), Piece::Literal(first), ..], Some(after)) => {
                literal_at(after, first).is_some()
            }
            _ => true,
        };
        begins
            && match pieces.last() {
                Some(Piece::Literal(last)) => literal_before(sentence, last).is_some(),
                _ => true,
            }
    }

    /// The roster's longest name that `text` begins with, and its length there.
    fn roster_at(&self, text: &str) -> Option<(EntityId, usize)> {
        let first = text.bytes().next()?.to_ascii_lowercase();
        let mut best: Option<(EntityId, usize)> = None;
        for (place, entry) in self.roster.iter().enumerate() {
            if entry.name.bytes().next().is_none_or(|byte| byte.to_ascii_lowercase() != first) {
                continue;
            }
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
        let all = self.pieces.get(template.pieces.clone())?;
        let mut pieces = all.iter().peekable();
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
                Some(Piece::Literal(literal)) => Some(*literal),
                _ => None,
            };
            if pieces.peek().is_some() && next.is_none() {
                return None;
            }
            let last = pieces.len() == usize::from(next.is_some());
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
        let mut from = 0;
        while let Some(end) = slot_end(rest, from, next, last) {
            from = end + 1;
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
                if let Some(word) = self.word(template.attr, text) {
                    filled.value = Some(Said::Word(word, place));
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

fn claim(template: &Template, filled: Filled) -> Option<Claim> {
    let relative = match template.form {
        Form::Absolute => None,
        form => Some(Relative { reference: filled.reference?, less: form == Form::Less }),
    };
    Some(Claim {
        entity: filled.entity?,
        attr: AttrId(u16::try_from(template.attr).ok()?),
        value: filled.value?,
        relative,
    })
}

/// Splits a sentence at its slots; `None` where a slot is missing, doubled or unknown to the form.
fn pieces<'t>(text: &'t str, form: Form, out: &mut Vec<Piece<'t>>) -> Option<()> {
    let mut seen = [false; 3];
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
        if std::mem::replace(&mut seen[slot as usize], true) {
            return None;
        }
        if !literal.is_empty() {
            out.push(Piece::Literal(literal));
        }
        out.push(Piece::Slot(slot));
        rest = &tail[close + 1..];
    }
    if !rest.is_empty() {
        out.push(Piece::Literal(rest));
    }
    (seen == [true, true, form != Form::Absolute]).then_some(())
}
