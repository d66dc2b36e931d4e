//! What the way from the document to answers and artifact is made of, by the truth: worked out once
//! for all attempts at a task.
//!
//! *Sources* are statements of the document that something rests on: each fact that decides an
//! answer or a constraint, and along its chain each statement that relates one entity to the next.
//! *Links* are what a reader does with them: chains resolved, filters passed, comparisons won,
//! numbers computed.

use super::index::TaskIndex;
use crate::{
    query::{Evaluator, Table},
    types::{
        Answer, AnswerKey, Check, Constraint, EntityId, FactRef, Filter, Measure, NumberSource,
        Order, Query, Selector, Task,
    },
};

/// A number and what it must have been worked out from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Basis {
    /// Each of these facts.
    pub(super) facts: Vec<FactRef>,
    /// Some fact of each of these.
    pub(super) entities: Vec<EntityId>,
}

/// One step of the way besides stating and resolving facts.
#[derive(Debug)]
pub(super) enum Link<'a> {
    /// A comparison that `winner` wins among others of `passing`.
    Compare {
        measure: &'a Measure,
        order: Order,
        rank: u16,
        winner: EntityId,
        passing: Vec<EntityId>,
    },
    /// A comparison that the entity closest to another wins: its distance, thousandths.
    Nearest { milli: i64, basis: Basis },
    /// A condition that each of `kept` meets; `other` is the entity that a hop leads to.
    Filter { filter: &'a Filter, kept: Vec<EntityId>, other: Option<EntityId> },
    /// A computed number, thousandths.
    Number { milli: i64, basis: Basis },
}

/// The way to everything that an attempt at a task claims.
#[derive(Debug)]
pub(super) struct Outline<'a> {
    /// Facts that decide something, each once.
    pub(super) facts: Vec<FactRef>,
    pub(super) links: Vec<Link<'a>>,
    /// By question: what its number is made of.
    pub(super) bases: Vec<Basis>,
}

impl<'a> Outline<'a> {
    pub(super) fn new(task: &Task, key: &'a AnswerKey, index: &TaskIndex<'_>) -> Self {
        let evaluator = Evaluator { table: &index.truth, attributes: &task.attributes };
        let mut facts: Vec<FactRef> = key
            .gold
            .iter()
            .flat_map(|gold| &gold.support)
            .chain(key.constraints.iter().flat_map(|constraint| &constraint.support))
            .copied()
            .collect();
        facts.sort_unstable();
        facts.dedup();
        let mut links = Links { evaluator, links: Vec::new() };
        let mut bases = Vec::with_capacity(key.gold.len());
        for gold in &key.gold {
            let basis = basis(&gold.query, &evaluator).unwrap_or_default();
            links.query(&gold.query, &gold.answer, &basis);
            bases.push(basis);
        }
        for constraint in &key.constraints {
            links.constraint(&constraint.constraint, &constraint.check, key, &bases);
        }
        Self { facts, links: links.links, bases }
    }
}

/// What the number that a query asks for is made of; nothing for other queries. `None` where it is
/// undefined.
pub(super) fn basis(query: &Query, evaluator: &Evaluator<'_>) -> Option<Basis> {
    let mut basis = Basis::default();
    let mut push = |entity: EntityId, measure: &Measure| {
        basis.facts.extend(measure.attrs().into_iter().map(|attr| FactRef { entity, attr }));
    };
    match query {
        Query::Number { of, measure } => push(evaluator.entity(of).ok()?, measure),
        Query::Total { filters, measure } => {
            evaluator.filtered(filters).ok()?.into_iter().for_each(|one| push(one, measure));
        }
        Query::Gap { a, b, measure } | Query::Sum { a, b, measure } => {
            push(evaluator.entity(a).ok()?, measure);
            push(evaluator.entity(b).ok()?, measure);
        }
        Query::Count(filters) => basis.entities = evaluator.filtered(filters).ok()?,
        _ => {}
    }
    Some(basis)
}

/// A measure of an entity, exactly: thousandths over a positive whole. `None` where a fact is missing.
pub(crate) fn measured(table: &Table, entity: EntityId, measure: &Measure) -> Option<(i64, i64)> {
    let sum = |attrs: &[crate::types::AttrId]| {
        attrs.iter().try_fold(0_i64, |sum, attr| {
            table.number(entity, *attr).and_then(|number| sum.checked_add(number))
        })
    };
    match measure {
        Measure::Attr(attr) => Some((sum(&[*attr])?, 1)),
        Measure::Sum(attrs) => Some((sum(attrs)?, 1)),
        Measure::Diff(a, b) => Some((sum(&[*a])?.checked_sub(sum(&[*b])?)?, 1)),
        Measure::Ratio { over, under } => {
            let under = sum(under).filter(|under| *under > 0)?;
            Some((sum(over)?.checked_mul(1000)?, under))
        }
    }
}

/// Thousandths of a numeric answer.
pub(super) fn milli(answer: &Answer) -> Option<i64> {
    match answer {
        Answer::Integer(n) => n.checked_mul(1000),
        Answer::Decimal(milli) => Some(*milli),
        Answer::Entity(_) | Answer::Category(_) => None,
    }
}

struct Links<'a, 'e> {
    evaluator: Evaluator<'e>,
    links: Vec<Link<'a>>,
}

impl<'a> Links<'a, '_> {
    fn query(&mut self, query: &'a Query, answer: &Answer, basis: &Basis) {
        // A single fact is its own number.
        let worked_out = basis.facts.len() > 1 || !basis.entities.is_empty();
        match query {
            Query::Which(selector)
            | Query::Number { of: selector, .. }
            | Query::Category { of: selector, .. } => self.selector(selector),
            Query::Count(filters) | Query::Total { filters, .. } => {
                if let Ok(kept) = self.evaluator.filtered(filters) {
                    self.filters(filters, &kept);
                }
            }
            Query::Mode { filters, attr } => {
                // Those that have the category, which is all that shows it.
                if let (Ok(mut kept), Answer::Category(word)) =
                    (self.evaluator.filtered(filters), answer)
                {
                    let is = [Filter::Is { attr: *attr, value: word.clone() }];
                    let alike = self.evaluator.filtered(&is).unwrap_or_default();
                    kept.retain(|entity| alike.contains(entity));
                    self.filters(filters, &kept);
                    if let Some(milli) =
                        i64::try_from(kept.len()).ok().and_then(|n| n.checked_mul(1000))
                    {
                        let basis = Basis { facts: Vec::new(), entities: kept };
                        self.links.push(Link::Number { milli, basis });
                    }
                }
            }
            Query::Gap { a, b, .. } | Query::Sum { a, b, .. } => {
                self.selector(a);
                self.selector(b);
            }
            Query::Compare { a, b, measure, order } => {
                self.selector(a);
                self.selector(b);
                let passing = [a, b].map(|one| self.evaluator.entity(one));
                if let (Answer::Entity(winner), [Ok(a), Ok(b)]) = (answer, passing) {
                    self.links.push(Link::Compare {
                        measure,
                        order: *order,
                        rank: 1,
                        winner: *winner,
                        passing: vec![a, b],
                    });
                }
            }
        }
        if let Some(milli) = milli(answer).filter(|_| worked_out) {
            self.links.push(Link::Number { milli, basis: basis.clone() });
        }
    }

    fn selector(&mut self, selector: &'a Selector) {
        let Ok(entity) = self.evaluator.entity(selector) else { return };
        match selector {
            Selector::Named(_) => {}
            Selector::Nearest { measure, to } => {
                self.selector(to);
                let table = self.evaluator.table;
                let Ok(to) = self.evaluator.entity(to) else { return };
                let (Some((own, 1)), Some((other, 1))) =
                    (measured(table, entity, measure), measured(table, to, measure))
                else {
                    return;
                };
                if let Ok(milli) = i64::try_from(own.abs_diff(other)) {
                    let facts = [entity, to].into_iter().flat_map(|entity| {
                        measure.attrs().into_iter().map(move |attr| FactRef { entity, attr })
                    });
                    let basis = Basis { facts: facts.collect(), entities: Vec::new() };
                    self.links.push(Link::Nearest { milli, basis });
                }
            }
            Selector::Only(filters) => self.filters(filters, &[entity]),
            Selector::Ranked { filters, measure, order, rank } => {
                self.filters(filters, &[entity]);
                let Ok(passing) = self.evaluator.filtered(filters) else { return };
                // The only one that passes wins without a comparison.
                if passing.len() > 1 {
                    self.links.push(Link::Compare {
                        measure,
                        order: *order,
                        rank: *rank,
                        winner: entity,
                        passing,
                    });
                }
            }
        }
    }

    fn filters(&mut self, filters: &'a [Filter], kept: &[EntityId]) {
        for filter in filters {
            let other = match filter {
                Filter::SameAs { of, .. } | Filter::Relative { of, .. } => {
                    self.selector(of);
                    self.evaluator.entity(of).ok()
                }
                _ => None,
            };
            self.links.push(Link::Filter { filter, kept: kept.to_vec(), other });
        }
    }

    /// The numbers of a constraint, as the truth resolves them.
    fn constraint(
        &mut self,
        constraint: &Constraint,
        check: &Check,
        key: &AnswerKey,
        bases: &[Basis],
    ) {
        let basis = |source: &NumberSource| {
            let place = usize::from(source.question).checked_sub(1)?;
            let second = source.and.as_ref().and_then(|term| {
                let place = usize::from(term.question).checked_sub(1)?;
                key.gold.get(place).map(|gold| &gold.answer)
            });
            source_basis(source, &key.gold.get(place)?.answer, second, bases.get(place)?)
        };
        let numbers: [Option<(&NumberSource, i64)>; 2] = match (constraint, check) {
            (Constraint::NextPrime { source, .. }, Check::ContainsNumber(n)) => {
                [Some((source, *n)), None]
            }
            (Constraint::Modular { source, .. }, Check::ContainsNumber(n))
            | (Constraint::Json { source, .. }, Check::Json { n, .. }) => {
                [Some((source, *n)), None]
            }
            (
                Constraint::Equation { a: left, b: right, .. },
                Check::Equation { a: first, b: second },
            ) => [Some((left, *first)), Some((right, *second))],
            _ => [None, None],
        };
        for (source, n) in numbers.into_iter().flatten() {
            if let (Some(milli), Some(basis)) = (n.checked_mul(1000), basis(source)) {
                self.links.push(Link::Number { milli, basis });
            }
        }
    }
}

/// What the number that a constraint starts from is made of: `answer` and `second` answer the
/// questions of its terms.
pub(super) fn source_basis(
    source: &NumberSource,
    answer: &Answer,
    second: Option<&Answer>,
    numeric: &Basis,
) -> Option<Basis> {
    let mut basis = match (source.attr, answer) {
        (Some(attr), Answer::Entity(entity)) => {
            let fact = FactRef { entity: *entity, attr };
            Basis { facts: vec![fact], entities: Vec::new() }
        }
        (None, Answer::Integer(_)) => numeric.clone(),
        _ => return None,
    };
    if let Some(term) = &source.and {
        let Some(Answer::Entity(entity)) = second else { return None };
        basis.facts.push(FactRef { entity: *entity, attr: term.attr });
    }
    Some(basis)
}
