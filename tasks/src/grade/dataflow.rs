//! Whether answers and artifact follow from the trace.
//!
//! The trace's facts are laid over the true ones (a trace need not state what loses a comparison)
//! and each question is asked of the result. An answer follows if it is what comes out, every fact
//! that decides it is stated, and, where the format has compute steps, a number is the number of a
//! step. A constraint follows if the artifact satisfies it as the attempt's own answers and trace
//! resolve it. Constraints that depend on neither have no outcome.

use super::{Graded, Grader, index::narrow};
use crate::{
    check, number,
    query::{Cell, Evaluator, Table, value_of},
    types::{
        Answer, AnswerStatus, AttrId, Check, Constraint, ConstraintKey, DataflowOutcome, FactRef,
        Gold, NumberSource, Part, Value,
    },
};

/// The trace's view of the world.
struct View<'a> {
    grader: &'a Grader<'a>,
    graded: &'a Graded<'a>,
    /// The truth under the trace's facts; `None` where they do not differ.
    differs: Option<Table>,
}

pub(super) fn outcomes(grader: &Grader<'_>, graded: &Graded<'_>) -> Vec<DataflowOutcome> {
    let truth = &grader.index.truth;
    let differs = graded.ledger.facts().iter().any(|(fact, cell)| truth.get(*fact) != *cell);
    let differs = differs.then(|| {
        let mut table = truth.clone();
        for (fact, cell) in graded.ledger.facts() {
            table.set(*fact, *cell);
        }
        table
    });
    let view = View { grader, graded, differs };
    let mut outcomes = Vec::with_capacity(grader.key.gold.len() + grader.key.constraints.len());
    for (place, gold) in grader.key.gold.iter().enumerate() {
        let part = Part::Question(narrow(place + 1));
        outcomes.push(DataflowOutcome { part, follows: view.answer(place, gold) });
    }
    for (place, key) in grader.key.constraints.iter().enumerate() {
        if let Some(follows) = view.constraint(place, key) {
            outcomes.push(DataflowOutcome { part: Part::Constraint(narrow(place + 1)), follows });
        }
    }
    outcomes
}

impl View<'_> {
    fn table(&self) -> &Table {
        self.differs.as_ref().unwrap_or(&self.grader.index.truth)
    }

    fn answer(&self, place: usize, gold: &Gold) -> bool {
        let Some(given) = self.given(place) else { return false };
        let same = match &self.differs {
            None => *given == gold.answer,
            Some(table) => {
                let evaluator = Evaluator { table, attributes: &self.grader.task.attributes };
                evaluator.answer(&gold.query).as_ref() == Ok(given)
            }
        };
        // Where the answer is wrong, the facts that decide the right one are beside the point.
        let stated = self.graded.statuses.get(place) != Some(&AnswerStatus::Right)
            || gold.support.iter().all(|fact| self.graded.ledger.get(*fact).is_some());
        same && stated && self.worked_out(given)
    }

    fn given(&self, place: usize) -> Option<&Answer> {
        self.graded.given.get(place)?.as_ref()
    }

    /// Whether a number stands at the end of a step, where the format has compute steps.
    fn worked_out(&self, answer: &Answer) -> bool {
        let milli = match answer {
            Answer::Integer(n) => n.checked_mul(1000),
            Answer::Decimal(milli) => Some(*milli),
            Answer::Entity(_) | Answer::Category(_) => return true,
        };
        !self.grader.task.trace.computes
            || milli.is_some_and(|milli| self.graded.ledger.has_number(milli))
    }

    fn constraint(&self, place: usize, key: &ConstraintKey) -> Option<bool> {
        let depends = matches!(
            key.constraint,
            Constraint::Answer { .. }
                | Constraint::Category { .. }
                | Constraint::Fact(_)
                | Constraint::NextPrime { .. }
                | Constraint::Equation { .. }
                | Constraint::Modular { .. }
                | Constraint::Json { .. }
        );
        if !depends {
            return None;
        }
        let artifact = self.graded.artifact;
        let Some(own) = self.own_check(&key.constraint) else { return Some(false) };
        // Under the truth the key's check knows every form of a term.
        let truthful = self.differs.is_none()
            && key.questions.iter().all(|question| {
                let place = usize::from(*question).wrapping_sub(1);
                self.graded.statuses.get(place) == Some(&AnswerStatus::Right)
            });
        Some(if truthful {
            self.graded.holds.get(place).copied().unwrap_or(false)
        } else {
            check::holds(&own, artifact)
        })
    }

    /// The constraint as the attempt's own answers and trace resolve it; `None` where they do not,
    /// or where a number of it stands at the end of no step.
    fn own_check(&self, constraint: &Constraint) -> Option<Check> {
        match constraint {
            Constraint::Answer { question } => match self.asked(*question)? {
                Answer::Entity(entity) => {
                    let name = &self.grader.task.roster.get(entity.at())?.name;
                    Some(Check::Contains(vec![name.clone()]))
                }
                Answer::Category(word) => Some(Check::Contains(vec![word.clone()])),
                Answer::Integer(n) => Some(Check::ContainsNumber(*n)),
                Answer::Decimal(milli) => Some(Check::ContainsDecimal(*milli)),
            },
            Constraint::Category { question, attr } => {
                let Answer::Entity(entity) = self.asked(*question)? else { return None };
                self.value_check(FactRef { entity: *entity, attr: *attr })
            }
            Constraint::Fact(fact) => self.value_check(*fact),
            Constraint::NextPrime { source, modulus, plus } => {
                let n = number::next_prime(self.reduced(source, *modulus, *plus)?);
                self.stepped(n).then_some(Check::ContainsNumber(n))
            }
            Constraint::Equation { a, b, modulus, plus } => {
                let a = self.reduced(a, *modulus, *plus)?;
                let b = self.reduced(b, *modulus, *plus)?;
                (self.stepped(a) && self.stepped(b)).then_some(Check::Equation { a, b })
            }
            Constraint::Modular { source, modulus, plus } => {
                let n = self.reduced(source, *modulus, *plus)?;
                self.stepped(n).then_some(Check::ContainsNumber(n))
            }
            Constraint::Json { question, source, modulus, plus } => {
                let n = self.reduced(source, *modulus, *plus)?;
                let answer = match self.asked(*question)? {
                    Answer::Entity(entity) => {
                        self.grader.task.roster.get(entity.at())?.name.clone()
                    }
                    Answer::Category(word) => word.clone(),
                    Answer::Integer(_) | Answer::Decimal(_) => return None,
                };
                self.stepped(n).then_some(Check::Json { answer: vec![answer], n })
            }
            _ => None,
        }
    }

    fn asked(&self, question: u16) -> Option<&Answer> {
        self.given(usize::from(question).checked_sub(1)?)
    }

    /// The check for a fact that the trace states.
    fn value_check(&self, fact: FactRef) -> Option<Check> {
        let schema = self.grader.task.attributes.get(fact.attr.at())?;
        match value_of(self.graded.ledger.get(fact)?, schema)? {
            Value::Int(n) => Some(Check::ContainsNumber(n)),
            Value::Milli(milli) => Some(Check::ContainsDecimal(milli)),
            Value::Text(word) => Some(Check::Contains(vec![word])),
        }
    }

    /// `(n mod modulus) + plus`
    fn reduced(&self, source: &NumberSource, modulus: i64, plus: i64) -> Option<i64> {
        let of = |question: u16, attr: Option<AttrId>| match (self.asked(question)?, attr) {
            (Answer::Entity(entity), Some(attr)) => {
                let fact = FactRef { entity: *entity, attr };
                self.graded.ledger.get(fact)?;
                match self.table().get(fact) {
                    Cell::Number(milli) => Some(milli / 1000),
                    Cell::Missing | Cell::Category(_) => None,
                }
            }
            (Answer::Integer(n), None) => Some(*n),
            _ => None,
        };
        let second = match &source.and {
            Some(term) => Some(of(term.question, Some(term.attr))?),
            None => None,
        };
        let n = source.combine(of(source.question, source.attr)?, second)?;
        n.checked_rem_euclid(modulus)?.checked_add(plus).filter(|n| *n < i64::from(u32::MAX))
    }

    fn stepped(&self, n: i64) -> bool {
        self.worked_out(&Answer::Integer(n))
    }
}
