//! Whether answers and artifact follow from the trace.
//!
//! ```text
//! cited paragraphs ─► extracts ─► chains, filters, comparisons, numbers ─► answers ─► artifact
//! ```
//!
//! The trace's facts are laid over the true ones (a trace need not state what loses a comparison)
//! and each question is asked of the result. An answer follows if it is what comes out, every fact
//! that decides it is stated, and, where the format has compute steps, a number is the number of a
//! step that stands and rests on all that the number is made of. A constraint follows if the answers
//! that it depends on do, and the artifact satisfies it as the attempt's own answers and trace
//! resolve it. Constraints that depend on neither have no outcome.

use super::{
    Graded, Grader,
    index::narrow,
    outline::{self, Basis, milli},
};
use crate::{
    check, number,
    query::{Cell, Evaluator, Table, value_of},
    types::{
        Answer, AttrId, AnswerStatus, Check, Constraint, ConstraintKey, DataflowOutcome, FactRef, Gold,
        NumberSource, Part, Value,
    },
};

/// The trace's view of the world.
struct View<'a> {
    grader: &'a Grader<'a>,
    graded: &'a Graded<'a>,
    /// The truth under the trace's facts; `None` where they do not differ.
    differs: Option<Table>,
}

/// That something follows, and whether it does so from right citations.
#[derive(Clone, Copy)]
struct Follows {
    grounded: bool,
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
    let outcome = |part, found: Option<Follows>| DataflowOutcome {
        part,
        follows: found.is_some(),
        grounded: found.is_some_and(|found| found.grounded),
    };
    let mut outcomes = Vec::with_capacity(grader.key.gold.len() + grader.key.constraints.len());
    for (place, gold) in grader.key.gold.iter().enumerate() {
        outcomes.push(outcome(Part::Question(narrow(place + 1)), view.answer(place, gold)));
    }
    let answers = outcomes.len();
    for (place, key) in grader.key.constraints.iter().enumerate() {
        let answers = outcomes.get(..answers).unwrap_or(&[]);
        if let Some(found) = view.constraint(place, key, answers) {
            outcomes.push(outcome(Part::Constraint(narrow(place + 1)), found));
        }
    }
    outcomes
}

impl View<'_> {
    fn table(&self) -> &Table {
        self.differs.as_ref().unwrap_or(&self.grader.index.truth)
    }

    fn evaluator(&self) -> Evaluator<'_> {
        Evaluator { table: self.table(), attributes: &self.grader.task.attributes }
    }

    fn right(&self, place: usize) -> bool {
        self.graded.statuses.get(place) == Some(&AnswerStatus::Right)
    }

    /// Whether an answer follows; `None` where it does not.
    fn answer(&self, place: usize, gold: &Gold) -> Option<Follows> {
        let given = self.given(place)?;
        let same = match &self.differs {
            None => *given == gold.answer,
            Some(_) => self.evaluator().answer(&gold.query).as_ref() == Ok(given),
        };
        // Where the answer is wrong, the facts that decide the right one are beside the point.
        let right = self.right(place);
        let stated = !right || gold.support.iter().all(|fact| self.states(*fact));
        if !same || !stated {
            return None;
        }
        let number = self.worked_out(milli(given), || self.basis(place))?;
        Some(Follows { grounded: right && number.grounded && self.grounds(&gold.support) })
    }

    fn given(&self, place: usize) -> Option<&Answer> {
        self.graded.given.get(place)?.as_ref()
    }

    fn states(&self, fact: FactRef) -> bool {
        self.graded.ledger.get(&self.grader.index, fact).is_some()
    }

    fn grounds(&self, facts: &[FactRef]) -> bool {
        facts.iter().all(|fact| self.graded.ledger.grounds(&self.grader.index, *fact))
    }

    /// What the number that answers a question is made of, as the trace sees the world.
    fn basis(&self, place: usize) -> Option<Basis> {
        if self.right(place) {
            return self.grader.outline.bases.get(place).cloned();
        }
        outline::basis(&self.grader.key.gold.get(place)?.query, &self.evaluator())
    }

    /// Whether a number stands at the end of a step that rests on all that it is made of; true
    /// where the format has no compute steps.
    fn worked_out(
        &self,
        milli: Option<i64>,
        basis: impl FnOnce() -> Option<Basis>,
    ) -> Option<Follows> {
        let Some(milli) = milli.filter(|_| self.grader.task.trace.computes) else {
            return Some(Follows { grounded: true });
        };
        let ledger = &self.graded.ledger;
        let basis = basis()?;
        let mut found = None;
        for (place, entry) in ledger.workings.entries.iter().enumerate() {
            if entry.number == Some(milli) && ledger.stands(place) && ledger.covers(entry, &basis) {
                let grounded = ledger.is_grounded(place);
                found = Some(Follows { grounded });
                if grounded {
                    break;
                }
            }
        }
        found
    }

    /// Whether a constraint follows; `None` where it depends on neither answers nor facts.
    fn constraint(
        &self,
        place: usize,
        key: &ConstraintKey,
        answers: &[DataflowOutcome],
    ) -> Option<Option<Follows>> {
        if key.questions.is_empty() && key.support.is_empty() {
            return None;
        }
        let mut grounded = self.grounds(&key.support);
        for question in &key.questions {
            let answer = usize::from(*question).checked_sub(1).and_then(|at| answers.get(at));
            if !answer.is_some_and(|answer| answer.follows) {
                return Some(None);
            }
            grounded &= answer.is_some_and(|answer| answer.grounded);
        }
        let Some((own, numbers)) = self.own_check(place, key) else { return Some(None) };
        grounded &= numbers.grounded;
        // Under the truth the key's check knows every form of a term.
        let truthful = self.differs.is_none()
            && key
                .questions
                .iter()
                .all(|question| self.right(usize::from(*question).wrapping_sub(1)));
        let holds = if truthful {
            self.graded.holds.get(place).copied().unwrap_or(false)
        } else {
            check::holds(&own, self.graded.artifact)
        };
        Some(holds.then_some(Follows { grounded: grounded && truthful }))
    }

    /// The constraint as the attempt's own answers and trace resolve it; `None` where they do not,
    /// or where a number of it stands at the end of no step.
    fn own_check(&self, place: usize, key: &ConstraintKey) -> Option<(Check, Follows)> {
        let plain = |check| Some((check, Follows { grounded: true }));
        match &key.constraint {
            Constraint::Answer { question } => match self.asked(*question)? {
                Answer::Integer(n) => plain(Check::ContainsNumber(*n)),
                Answer::Decimal(milli) => plain(Check::ContainsDecimal(*milli)),
                term => plain(Check::Contains(vec![self.term(term)?])),
            },
            Constraint::Category { question, attr } => {
                let Answer::Entity(entity) = self.asked(*question)? else { return None };
                plain(self.value_check(FactRef { entity: *entity, attr: *attr })?)
            }
            Constraint::Fact(fact) => plain(self.value_check(*fact)?),
            Constraint::NextPrime { source, modulus, plus } => {
                let n = number::next_prime(self.reduced(source, *modulus, *plus)?);
                Some((Check::ContainsNumber(n), self.stepped(n, source)?))
            }
            Constraint::Equation { a: left, b: right, modulus, plus } => {
                let a = self.reduced(left, *modulus, *plus)?;
                let b = self.reduced(right, *modulus, *plus)?;
                let (first, second) = (self.stepped(a, left)?, self.stepped(b, right)?);
                let grounded = first.grounded && second.grounded;
                Some((Check::Equation { a, b }, Follows { grounded }))
            }
            Constraint::Modular { source, modulus, plus } => {
                let n = self.reduced(source, *modulus, *plus)?;
                Some((Check::ContainsNumber(n), self.stepped(n, source)?))
            }
            Constraint::Json { question, source, modulus, plus } => {
                let n = self.reduced(source, *modulus, *plus)?;
                let answer = vec![self.term(self.asked(*question)?)?];
                Some((Check::Json { answer, n }, self.stepped(n, source)?))
            }
            Constraint::Acrostic { questions } => {
                let mut letters = String::new();
                for question in questions {
                    let name = self.term(self.asked(*question)?)?;
                    let initials = name.split_whitespace().filter_map(|word| word.chars().next());
                    letters.extend(initials.flat_map(char::to_uppercase));
                }
                plain(Check::Acrostic(letters))
            }
            Constraint::Order { questions } => {
                let terms = questions
                    .iter()
                    .map(|question| Some(vec![self.term(self.asked(*question)?)?]))
                    .collect::<Option<Vec<_>>>()?;
                plain(Check::Order(terms))
            }
            // What resolves a constraint otherwise is known for the truth only.
            _ => {
                let stated = key.support.iter().all(|fact| self.states(*fact));
                let holds = self.graded.holds.get(place).copied().unwrap_or(false);
                (stated && holds).then(|| key.check.clone()).and_then(plain)
            }
        }
    }

    fn asked(&self, question: u16) -> Option<&Answer> {
        self.given(usize::from(question).checked_sub(1)?)
    }

    /// An entity's name or a category; `None` for a number.
    fn term(&self, answer: &Answer) -> Option<String> {
        match answer {
            Answer::Entity(entity) => {
                self.grader.task.roster.get(entity.at()).map(|entry| entry.name.clone())
            }
            Answer::Category(word) => Some(word.clone()),
            Answer::Integer(_) | Answer::Decimal(_) => None,
        }
    }

    /// The check for a fact that the trace states.
    fn value_check(&self, fact: FactRef) -> Option<Check> {
        let schema = self.grader.task.attributes.get(fact.attr.at())?;
        match value_of(self.graded.ledger.get(&self.grader.index, fact)?, schema)? {
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
                match self.table().get(fact) {
                    Cell::Number(milli) if self.states(fact) => Some(milli / 1000),
                    _ => None,
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

    /// Whether a number of a constraint stands at the end of a step that rests on its source.
    fn stepped(&self, n: i64, source: &NumberSource) -> Option<Follows> {
        self.worked_out(n.checked_mul(1000), || {
            let place = usize::from(source.question).checked_sub(1)?;
            let second = source.and.as_ref().and_then(|term| self.asked(term.question));
            outline::source_basis(source, self.given(place)?, second, &self.basis(place)?)
        })
    }
}
