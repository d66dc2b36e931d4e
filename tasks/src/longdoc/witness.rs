//! The witness: a whole completion that follows from one reading of the document.
//!
//! Written from the true reading it must pass; from the reading of a reader caught by a trap, it
//! must fail by that trap.
//!
//! What the answers rest on is always written. Where its length allows, so is what a careful reader
//! does besides: filters, comparisons with a rival, and statements that were met and withdrawn
//! (`weigh.rs`). To know what is left for that, the witness is first written without. Who is caught by a
//! trap was not careful: such a witness is bare.

mod derived;
mod step;
mod weigh;

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{
    number,
    query::{Cell, Evaluator},
    types::{
        Answer, AttrId, Check, Constraint, DocParagraph, EntityId, FactRef, Measure, Query,
        TraceRules, ValueKind,
    },
};

use super::{
    constrain,
    phrase::Phrases,
    question::{self, Drafted},
    solve::{How, Reading},
    trap::Derived,
    world::World,
};
use step::{Argument, Id};
use weigh::Dispute;

/// Tenths of bytes of a witness for each token of it: SmolLM2's tokenizer makes 23 to 27 of them.
const TENTHS_OF_BYTES_A_TOKEN: usize = 23;
/// Tokens that a witness may have beyond what questions and constraints were drafted for.
const SPARE_TOKENS: usize = 100;

/// Bytes that most witnesses take.
const USUAL_BYTES: usize = 4_096;

/// What a witness is written from.
#[derive(Clone, Copy)]
pub(super) struct Source<'t, 'a> {
    pub(super) world: &'t World<'a>,
    pub(super) rules: &'t TraceRules,
    /// Most estimated tokens that questions and constraints were drafted for.
    pub(super) tokens: usize,
    pub(super) questions: &'t [Drafted],
    pub(super) constraints: &'t [Constraint],
    pub(super) document: &'t [DocParagraph],
    pub(super) reading: &'t Reading,
    pub(super) derived: &'t Derived,
    pub(super) artifact: &'t str,
    /// The one attribute of which the reading is not that of the truth.
    pub(super) misread: Option<AttrId>,
}

/// Writes what the answers rest on and no more; `None` where the reading does not support it.
pub(super) fn bare(source: Source<'_, '_>) -> Option<String> {
    completion(source, Vec::new(), 0)
}

/// Writes a completion as a careful reader does; `None` where the reading does not support one.
pub(super) fn write(source: Source<'_, '_>) -> Option<String> {
    let needed = bare(source)?;
    let limit = (source.tokens + SPARE_TOKENS) * TENTHS_OF_BYTES_A_TOKEN / 10;
    let spare = limit.saturating_sub(needed.len());
    if !source.rules.computes || spare == 0 {
        return Some(needed);
    }
    completion(source, weigh::disputes(source), spare)
}

/// A completion in which everything that could be left out takes at most `spare` bytes.
fn completion(source: Source<'_, '_>, disputes: Vec<Dispute>, spare: usize) -> Option<String> {
    let Source { world, reading, derived, .. } = source;
    let mut trace = Trace {
        world,
        reading,
        rules: source.rules,
        disputes,
        spare,
        text: String::with_capacity(USUAL_BYTES) + "<trace>\n",
        steps: BTreeMap::new(),
        stated: Vec::new(),
        measured: Vec::new(),
        counts: [0; 5],
    };
    let evaluator = Evaluator { table: &reading.table, attributes: &world.schemas };
    for question in source.questions {
        // Elsewhere the answer rests on what it was drafted with.
        let moved = source.misread.is_some_and(|attr| question.query.mentions(attr));
        let own = if moved { question::support(&question.query, &evaluator)? } else { Vec::new() };
        for fact in if moved { &own } else { &question.support } {
            trace.fact(*fact)?;
        }
        if source.rules.computes {
            trace.weigh(&question.query, &evaluator);
            trace.answer(&question.query, &evaluator)?;
        }
    }
    for constraint in source.constraints {
        for fact in constrain::support_of(constraint, &derived.answers) {
            trace.fact(fact)?;
        }
        if source.rules.computes {
            trace.derived(constraint, source.questions, &derived.answers, &evaluator)?;
        }
    }
    let mut text = trace.text;
    text.push_str("</trace>\n");
    for (number, (question, answer)) in (1..).zip(source.questions.iter().zip(&derived.answers)) {
        writeln!(text, "Q{number}: {}", answer_text(world, &question.query, answer)).ok()?;
    }
    writeln!(text, "Artifact: {}", source.artifact).ok()?;
    Some(text)
}

/// An answer as a careful reader writes it.
pub(super) fn answer_text(world: &World<'_>, query: &Query, answer: &Answer) -> String {
    match answer {
        Answer::Entity(entity) => world.name(*entity).to_owned(),
        Answer::Category(text) => text.clone(),
        Answer::Integer(n) => match query {
            Query::Number { measure: Measure::Attr(attr), .. }
                if world.schemas[attr.at()].kind == ValueKind::Year =>
            {
                n.to_string()
            }
            _ => number::grouped(*n),
        },
        Answer::Decimal(milli) => number::decimal(*milli),
    }
}

/// The checks of a reading with the constraints' late parts in place.
pub(super) fn checks(
    constraints: &[Constraint],
    world: &World<'_>,
    reading: &Reading,
    answers: &[Answer],
) -> Option<Vec<Check>> {
    constraints
        .iter()
        .map(|constraint| constrain::resolve(constraint, world, answers, &reading.table))
        .collect()
}

struct Trace<'t, 'a> {
    world: &'t World<'a>,
    reading: &'t Reading,
    rules: &'t TraceRules,
    /// Statements that a careful reader meets and withdraws.
    disputes: Vec<Dispute>,
    /// Bytes left for what could be left out.
    spare: usize,
    text: String,
    /// The step that states each fact.
    steps: BTreeMap<FactRef, Id>,
    /// The facts of [`Trace::steps`] in the order in which they were stated.
    stated: Vec<FactRef>,
    /// Steps that hold a measure of an entity.
    measured: Vec<(EntityId, Measure, Id)>,
    /// How many steps there are of each kind, by the letters of [`LETTERS`].
    counts: [u32; 5],
}

/// The kinds of steps.
const LETTERS: [char; 5] = ['e', 'c', 'r', 'f', 'm'];

impl Trace<'_, '_> {
    /// States a fact, after all that it follows from; gives the id of the step that states it.
    fn fact(&mut self, fact: FactRef) -> Option<Id> {
        if let Some(step) = self.steps.get(&fact) {
            return Some(*step);
        }
        let phrases = Phrases { world: self.world, plain: true };
        let cell = self.reading.table.get(fact);
        let step = match self.reading.how(fact) {
            How::Unknown => return None,
            How::Stated(paragraph) => {
                self.withdraw(fact, cell);
                self.extract(paragraph, |out| {
                    phrases.push_trace(out, fact, cell);
                    Some(())
                })?
            }
            How::Relative(paragraph, reference) => {
                let base = FactRef { entity: reference, attr: fact.attr };
                let base_step = self.fact(base)?;
                let (Cell::Number(own), Cell::Number(other)) = (cell, self.reading.table.get(base))
                else {
                    return None;
                };
                let relative = self.extract(paragraph, |out| {
                    phrases.push_relative(out, fact, reference, own - other)
                })?;
                let world = self.world;
                let steps = [Argument::Step(base_step), Argument::Step(relative)];
                self.computed("resolve", &steps, |out| world.push(out, cell, fact.attr))?
            }
        };
        self.steps.insert(fact, step);
        self.stated.push(fact);
        Some(step)
    }

    /// Writes a line and gives its id.
    fn line(&mut self, letter: char, body: impl FnOnce(&mut String) -> Option<()>) -> Option<Id> {
        let place = LETTERS.iter().position(|known| *known == letter)?;
        let count = self.counts.get_mut(place)?;
        *count += 1;
        let id = Id { letter, number: *count };
        id.push(&mut self.text);
        self.text.push_str(": ");
        body(&mut self.text)?;
        self.text.push('\n');
        Some(id)
    }

    /// Appends where a line was found, in a format with citations.
    fn cite(rules: &TraceRules, out: &mut String, paragraph: u32) {
        if rules.citations {
            out.push_str(" [paragraph_");
            number::push_plain(out, paragraph);
            out.push(']');
        }
    }

    /// Writes a sentence and where it was found.
    fn extract(
        &mut self,
        paragraph: u32,
        sentence: impl FnOnce(&mut String) -> Option<()>,
    ) -> Option<Id> {
        let rules = self.rules;
        self.line('e', |out| {
            sentence(out)?;
            Self::cite(rules, out, paragraph);
            Some(())
        })
    }

    fn compute(&mut self, op: &str, arguments: &[Argument], result: &str) -> Option<Id> {
        self.computed(op, arguments, |out| out.push_str(result))
    }

    fn computed(
        &mut self,
        op: &str,
        arguments: &[Argument],
        result: impl FnOnce(&mut String),
    ) -> Option<Id> {
        self.line('c', |out| {
            out.push_str(op);
            out.push('(');
            for (place, argument) in arguments.iter().enumerate() {
                out.push_str(if place == 0 { "" } else { ", " });
                match argument {
                    Argument::Step(id) => id.push(out),
                    Argument::Number(n) => number::push_grouped(out, *n),
                }
            }
            out.push_str(") = ");
            result(out);
            Some(())
        })
    }

    /// The step that holds a measure of an entity.
    fn measure(&mut self, entity: EntityId, measure: &Measure) -> Option<Id> {
        if let Measure::Attr(attr) = measure {
            return self.fact(FactRef { entity, attr: *attr });
        }
        let known = self.measured.iter().find(|(of, what, _)| *of == entity && what == measure);
        if let Some((_, _, step)) = known {
            return Some(*step);
        }
        let step = match measure {
            Measure::Attr(_) => return None,
            Measure::Sum(attrs) => self.sum(entity, attrs)?,
            Measure::Diff(first, second) => {
                let steps = [
                    Argument::Step(self.fact(FactRef { entity, attr: *first })?),
                    Argument::Step(self.fact(FactRef { entity, attr: *second })?),
                ];
                let table = &self.reading.table;
                let milli = table.number(entity, *first)? - table.number(entity, *second)?;
                let text = self.world.text(Cell::Number(milli), *first);
                self.compute("sub", &steps, &text)?
            }
            Measure::Ratio { over, under } => {
                let steps = [
                    Argument::Step(self.sum(entity, over)?),
                    Argument::Step(self.sum(entity, under)?),
                ];
                let total = |attrs: &[AttrId]| -> Option<i64> {
                    attrs.iter().map(|attr| self.reading.table.number(entity, *attr)).sum()
                };
                let (over, under) = (total(over)?, total(under)?);
                let milli = over.checked_mul(1000)?.checked_div_euclid(under)?;
                self.compute("ratio", &steps, &number::decimal(milli))?
            }
        };
        self.measured.push((entity, measure.clone(), step));
        Some(step)
    }

    /// The step that holds the sum of attributes of an entity.
    fn sum(&mut self, entity: EntityId, attrs: &[AttrId]) -> Option<Id> {
        let mut steps = Vec::with_capacity(attrs.len());
        for attr in attrs {
            steps.push(Argument::Step(self.fact(FactRef { entity, attr: *attr })?));
        }
        if let [Argument::Step(one)] = steps.as_slice() {
            return Some(*one);
        }
        let numbers = attrs.iter().map(|attr| self.reading.table.number(entity, *attr));
        let milli: i64 = numbers.sum::<Option<i64>>()?;
        let text = self.world.text(Cell::Number(milli), *attrs.first()?);
        self.compute("add", &steps, &text)
    }

    /// The computation behind a numeric answer, where there is one.
    fn answer(&mut self, query: &Query, evaluator: &Evaluator<'_>) -> Option<()> {
        let result = |evaluator: &Evaluator<'_>| {
            let answer = evaluator.answer(query).ok()?;
            Some(answer_text(self.world, query, &answer))
        };
        match query {
            Query::Number { of, measure: measure @ (Measure::Sum(_) | Measure::Diff(..)) } => {
                let entity = evaluator.entity(of).ok()?;
                self.measure(entity, measure)?;
            }
            Query::Count(filters) => {
                let text = result(evaluator)?;
                let attr = filters.first().and_then(weigh::tested)?;
                let mut steps = Vec::new();
                for entity in evaluator.filtered(filters).ok()? {
                    steps.push(Argument::Step(self.fact(FactRef { entity, attr })?));
                }
                self.compute("count", &steps, &text)?;
            }
            Query::Total { filters, measure } => {
                let text = result(evaluator)?;
                let mut steps = Vec::new();
                for entity in evaluator.filtered(filters).ok()? {
                    steps.extend(self.all(entity, measure)?);
                }
                if steps.len() > 1 {
                    self.compute("add", &steps, &text)?;
                }
            }
            Query::Gap { a, b, measure } => {
                let text = result(evaluator)?;
                let mut steps = Vec::new();
                for selector in [a, b] {
                    steps.extend(self.all(evaluator.entity(selector).ok()?, measure)?);
                }
                self.compute("abs_diff", &steps, &text)?;
            }
            Query::Sum { a, b, measure } => {
                let text = result(evaluator)?;
                let mut steps = Vec::new();
                for selector in [a, b] {
                    steps.extend(self.all(evaluator.entity(selector).ok()?, measure)?);
                }
                self.compute("add", &steps, &text)?;
            }
            _ => {}
        }
        Some(())
    }

    fn all(&mut self, entity: EntityId, measure: &Measure) -> Option<Vec<Argument>> {
        let mut step = |attr| self.fact(FactRef { entity, attr }).map(Argument::Step);
        measure.attrs().into_iter().map(&mut step).collect()
    }
}
