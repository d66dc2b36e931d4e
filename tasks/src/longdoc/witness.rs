//! The witness: a whole completion that follows from one reading of the document.
//!
//! Written from the true reading it must pass; from the reading of a reader caught by a trap, it
//! must fail by that trap.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{
    number,
    query::{Cell, Evaluator},
    types::{
        Answer, Check, Constraint, FactRef, Filter, Measure, NumberSource, Query, TraceRules,
        ValueKind,
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

/// Writes a completion; `None` where the reading does not support one.
pub(super) fn write(
    world: &World<'_>,
    rules: &TraceRules,
    questions: &[Drafted],
    constraints: &[Constraint],
    reading: &Reading,
    derived: &Derived,
    artifact: &str,
) -> Option<String> {
    let mut trace =
        Trace { world, reading, rules, text: String::new(), steps: BTreeMap::new(), e: 0, c: 0 };
    let evaluator = Evaluator { table: &reading.table, attributes: &world.schemas };
    for question in questions {
        let support = question::support(&question.query, &evaluator)?;
        for fact in &support {
            trace.fact(*fact)?;
        }
        if rules.computes {
            trace.answer(&question.query, &evaluator)?;
        }
    }
    for constraint in constraints {
        for fact in constrain::support_of(constraint, &derived.answers) {
            trace.fact(fact)?;
        }
        if rules.computes {
            trace.derived(constraint, questions, &derived.answers, &evaluator)?;
        }
    }
    let mut text = format!("<trace>\n{}</trace>\n", trace.text);
    for (number, (question, answer)) in (1..).zip(questions.iter().zip(&derived.answers)) {
        writeln!(text, "Q{number}: {}", answer_text(world, &question.query, answer)).ok()?;
    }
    writeln!(text, "Artifact: {artifact}").ok()?;
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

struct Trace<'t, 'w, 'a> {
    world: &'w World<'a>,
    reading: &'t Reading,
    rules: &'t TraceRules,
    text: String,
    /// The step that states each fact.
    steps: BTreeMap<FactRef, String>,
    e: u32,
    c: u32,
}

impl Trace<'_, '_, '_> {
    /// States a fact, after all that it follows from; gives the id of the step that states it.
    fn fact(&mut self, fact: FactRef) -> Option<String> {
        if let Some(step) = self.steps.get(&fact) {
            return Some(step.clone());
        }
        let phrases = Phrases { world: self.world, plain: true };
        let cell = self.reading.table.get(fact);
        let step = match self.reading.how(fact) {
            How::Unknown => return None,
            How::Stated(paragraph) => self.extract(&phrases.trace(fact, cell), paragraph)?,
            How::Relative(paragraph, reference) => {
                let base = FactRef { entity: reference, attr: fact.attr };
                let base_step = self.fact(base)?;
                let (Cell::Number(own), Cell::Number(other)) = (cell, self.reading.table.get(base))
                else {
                    return None;
                };
                let sentence = phrases.relative_trace(fact, reference, own - other)?;
                let relative = self.extract(&sentence, paragraph)?;
                let result = self.world.text(cell, fact.attr);
                self.compute("add", &[base_step, relative], &result)?
            }
        };
        self.steps.insert(fact, step.clone());
        Some(step)
    }

    fn extract(&mut self, sentence: &str, paragraph: u32) -> Option<String> {
        self.e += 1;
        if self.rules.citations {
            writeln!(self.text, "e{}: {sentence} [paragraph_{paragraph}]", self.e).ok()?;
        } else {
            writeln!(self.text, "e{}: {sentence}", self.e).ok()?;
        }
        Some(format!("e{}", self.e))
    }

    fn compute(&mut self, op: &str, arguments: &[String], result: &str) -> Option<String> {
        self.c += 1;
        writeln!(self.text, "c{}: {op}({}) = {result}", self.c, arguments.join(", ")).ok()?;
        Some(format!("c{}", self.c))
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
                let text = result(evaluator)?;
                let steps = self.all(entity, measure)?;
                let op = if matches!(measure, Measure::Sum(_)) { "add" } else { "sub" };
                self.compute(op, &steps, &text)?;
            }
            Query::Count(filters) => {
                let text = result(evaluator)?;
                let mut steps = Vec::new();
                let attr = filters.first().and_then(|filter| match filter {
                    Filter::Is { attr, .. }
                    | Filter::IsNot { attr, .. }
                    | Filter::SameAs { attr, .. } => Some(*attr),
                    Filter::Bound { measure, .. }
                    | Filter::Versus { measure, .. }
                    | Filter::Relative { measure, .. } => measure.parts().next(),
                })?;
                for entity in evaluator.filtered(filters).ok()? {
                    steps.push(self.fact(FactRef { entity, attr })?);
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

    fn all(&mut self, entity: crate::types::EntityId, measure: &Measure) -> Option<Vec<String>> {
        measure.attrs().into_iter().map(|attr| self.fact(FactRef { entity, attr })).collect()
    }

    /// The computation behind a constraint's number, where there is one.
    fn derived(
        &mut self,
        constraint: &Constraint,
        questions: &[Drafted],
        answers: &[Answer],
        evaluator: &Evaluator<'_>,
    ) -> Option<()> {
        match constraint {
            Constraint::NextPrime { source, modulus, plus } => {
                let (step, n) =
                    self.reduced(source, *modulus, *plus, questions, answers, evaluator)?;
                self.compute("next_prime", &[step], &number::grouped(number::next_prime(n)))?;
            }
            Constraint::Modular { source, modulus, plus }
            | Constraint::Json { source, modulus, plus, .. } => {
                self.reduced(source, *modulus, *plus, questions, answers, evaluator)?;
            }
            Constraint::Equation { a, b, modulus, plus } => {
                let (left, m) = self.reduced(a, *modulus, *plus, questions, answers, evaluator)?;
                let (right, n) = self.reduced(b, *modulus, *plus, questions, answers, evaluator)?;
                self.compute("add", &[left, right], &number::grouped(m + n))?;
            }
            _ => {}
        }
        Some(())
    }

    /// `(n mod modulus) + plus`: the last step and its result.
    fn reduced(
        &mut self,
        source: &NumberSource,
        modulus: i64,
        plus: i64,
        questions: &[Drafted],
        answers: &[Answer],
        evaluator: &Evaluator<'_>,
    ) -> Option<(String, i64)> {
        let n = constrain::source_number(source, answers, &self.reading.table)?;
        let answer = |question: u16| answers.get(usize::from(question).checked_sub(1)?);
        let mut step = match (source.attr, answer(source.question)?) {
            (Some(attr), Answer::Entity(entity)) => self.fact(FactRef { entity: *entity, attr })?,
            (_, Answer::Integer(own)) => {
                let question = questions.get(usize::from(source.question) - 1)?;
                self.numeric(&question.query, *own, evaluator)?
            }
            _ => return None,
        };
        let second = match &source.and {
            Some(term) => match answer(term.question)? {
                Answer::Entity(entity) => {
                    let fact = FactRef { entity: *entity, attr: term.attr };
                    let value = self.reading.table.number(fact.entity, fact.attr)? / 1000;
                    Some((self.fact(fact)?, value))
                }
                _ => return None,
            },
            None => None,
        };
        let product = n - second.as_ref().map_or(0, |(_, value)| *value);
        if source.times != 1 {
            let times = number::grouped(source.times);
            step = self.compute("mul", &[step, times], &number::grouped(product))?;
        }
        if let Some((other, _)) = second {
            step = self.compute("add", &[step, other], &number::grouped(n))?;
        }
        let rest = n.rem_euclid(modulus);
        let modulus = number::grouped(modulus);
        let step = self.compute("mod", &[step, modulus], &number::grouped(rest))?;
        let sum = number::grouped(rest + plus);
        let step = self.compute("add", &[step, number::grouped(plus)], &sum)?;
        Some((step, rest + plus))
    }

    /// The step that holds a numeric answer: the fact itself where it is one, else the last
    /// computation with that result, else the number as a literal.
    fn numeric(&mut self, query: &Query, n: i64, evaluator: &Evaluator<'_>) -> Option<String> {
        if let Query::Number { of, measure: Measure::Attr(attr) } = query {
            let entity = evaluator.entity(of).ok()?;
            return self.fact(FactRef { entity, attr: *attr });
        }
        let result = format!(" = {}", number::grouped(n));
        let found = self
            .text
            .lines()
            .rev()
            .find(|line| line.starts_with('c') && line.ends_with(&result))
            .and_then(|line| line.split(':').next())
            .map(str::to_owned);
        Some(found.unwrap_or_else(|| number::grouped(n)))
    }
}
