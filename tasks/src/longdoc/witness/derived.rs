//! How a witness works out the numbers that constraints ask for.

use super::{Argument, Id, Trace, constrain};
use crate::{
    longdoc::question::Drafted,
    number,
    query::Evaluator,
    types::{Answer, Constraint, FactRef, Measure, NumberSource, Query},
};

impl Trace<'_, '_> {
    /// The computation behind a constraint's number, where there is one.
    pub(super) fn derived(
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
                let prime = number::grouped(number::next_prime(n));
                self.compute("next_prime", &[step], &prime)?;
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
    ) -> Option<(Argument, i64)> {
        let n = constrain::source_number(source, answers, &self.reading.table)?;
        let answer = |question: u16| answers.get(usize::from(question).checked_sub(1)?);
        let mut step = match (source.attr, answer(source.question)?) {
            (Some(attr), Answer::Entity(entity)) => {
                Argument::Step(self.fact(FactRef { entity: *entity, attr })?)
            }
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
                    Some((Argument::Step(self.fact(fact)?), value))
                }
                _ => return None,
            },
            None => None,
        };
        let product = n - second.as_ref().map_or(0, |(_, value)| *value);
        if source.times != 1 {
            let times = Argument::Number(source.times);
            step =
                Argument::Step(self.compute("mul", &[step, times], &number::grouped(product))?);
        }
        if let Some((other, _)) = second {
            step = Argument::Step(self.compute("add", &[step, other], &number::grouped(n))?);
        }
        let rest = n.rem_euclid(modulus);
        let modulus = Argument::Number(modulus);
        let step = self.compute("mod", &[step, modulus], &number::grouped(rest))?;
        let sum = number::grouped(rest + plus);
        let step = self.compute("add", &[Argument::Step(step), Argument::Number(plus)], &sum)?;
        Some((Argument::Step(step), rest + plus))
    }

    /// The step that holds a numeric answer: the fact itself where it is one, else the last
    /// computation with that result, else the number as a literal.
    fn numeric(&mut self, query: &Query, n: i64, evaluator: &Evaluator<'_>) -> Option<Argument> {
        if let Query::Number { of, measure: Measure::Attr(attr) } = query {
            let entity = evaluator.entity(of).ok()?;
            return self.fact(FactRef { entity, attr: *attr }).map(Argument::Step);
        }
        let result = format!(" = {}", number::grouped(n));
        let found = self
            .text
            .lines()
            .rev()
            .find(|line| line.starts_with('c') && line.ends_with(&result))
            .and_then(|line| line.get(1..line.find(':')?)?.parse().ok());
        Some(match found {
            Some(number) => Argument::Step(Id { letter: 'c', number }),
            None => Argument::Number(n),
        })
    }
}
