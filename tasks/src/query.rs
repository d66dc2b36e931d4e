//! Evaluation of the query algebra over a table of facts.
//!
//! The table may be the truth, what a solver read from the document, or what a trapped reader
//! believes: evaluation is the same. It is exact (ratios are compared by cross-multiplication in
//! 128 bits) and undefined rather than arbitrary wherever a tie would decide.

mod table;

use std::cmp::Ordering;

use crate::types::{
    Answer, AttrId, AttributeSchema, CompareOp, EntityId, FactRef, Filter, Measure, Order, Query,
    Selector, ValueKind,
};
pub use table::{Cell, Table, cell_of, value_of};

/// Deepest nesting of selectors that is evaluated.
const MAX_HOPS: u32 = 8;

/// Why a query has no single answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Undefined {
    /// A fact it needs is not known.
    #[error("a fact it needs is not known")]
    Missing,
    /// Two entities share the deciding place.
    #[error("a tie decides it")]
    Tie,
    /// No entity passes its filters, or fewer than its rank.
    #[error("too few entities pass its filters")]
    Empty,
    /// It compares or adds what cannot be compared or added, or nests too deep.
    #[error("it is not well-formed")]
    Malformed,
}

/// Evaluates queries over one table.
#[derive(Debug, Clone, Copy)]
pub struct Evaluator<'a> {
    /// The facts.
    pub table: &'a Table,
    /// The task's attributes.
    pub attributes: &'a [AttributeSchema],
}

/// A measured number: thousandths over a positive whole.
#[derive(Debug, Clone, Copy)]
struct Quotient {
    over: i64,
    under: i64,
}

impl Quotient {
    fn cmp(self, other: Self) -> Ordering {
        (i128::from(self.over) * i128::from(other.under))
            .cmp(&(i128::from(other.over) * i128::from(self.under)))
    }
}

impl Evaluator<'_> {
    /// The answer to a query.
    ///
    /// # Errors
    /// Where it has no single answer.
    pub fn answer(&self, query: &Query) -> Result<Answer, Undefined> {
        match query {
            Query::Which(selector) => Ok(Answer::Entity(self.select(selector, 0)?)),
            Query::Number { of, measure } => {
                let entity = self.select(of, 0)?;
                self.number(measure, self.whole(entity, measure)?)
            }
            Query::Category { of, attr } => {
                let entity = self.select(of, 0)?;
                let Cell::Category(place) = self.table.get(FactRef { entity, attr: *attr }) else {
                    return Err(Undefined::Missing);
                };
                let words = &self.attributes.get(attr.at()).ok_or(Undefined::Malformed)?.vocabulary;
                let word = words.get(usize::from(place)).ok_or(Undefined::Malformed)?;
                Ok(Answer::Category(word.clone()))
            }
            Query::Count(filters) => {
                let count = self.passing(filters, 0)?.len();
                Ok(Answer::Integer(i64::try_from(count).map_err(|_| Undefined::Malformed)?))
            }
            Query::Total { filters, measure } => {
                let entities = self.passing(filters, 0)?;
                if entities.is_empty() {
                    return Err(Undefined::Empty);
                }
                let mut total = 0_i64;
                for entity in entities {
                    let part = self.whole(entity, measure)?;
                    total = total.checked_add(part).ok_or(Undefined::Malformed)?;
                }
                self.number(measure, total)
            }
            Query::Gap { a, b, measure } => {
                let (a, b) = (self.select(a, 0)?, self.select(b, 0)?);
                let (left, right) = (self.whole(a, measure)?, self.whole(b, measure)?);
                self.number(measure, left.abs_diff(right).try_into().unwrap_or(i64::MAX))
            }
            Query::Compare { a, b, measure, order } => {
                let left = self.measure(*a, measure)?;
                let right = self.measure(*b, measure)?;
                match (left.cmp(right), order) {
                    (Ordering::Equal, _) => Err(Undefined::Tie),
                    (Ordering::Greater, Order::Highest) | (Ordering::Less, Order::Lowest) => {
                        Ok(Answer::Entity(*a))
                    }
                    _ => Ok(Answer::Entity(*b)),
                }
            }
        }
    }

    /// The entity that a selector singles out.
    ///
    /// # Errors
    /// Where it singles out none or several.
    pub fn entity(&self, selector: &Selector) -> Result<EntityId, Undefined> {
        self.select(selector, 0)
    }

    /// The entities that pass all filters, in roster order.
    ///
    /// # Errors
    /// Where a fact is missing or a hop is undefined.
    pub fn filtered(&self, filters: &[Filter]) -> Result<Vec<EntityId>, Undefined> {
        self.passing(filters, 0)
    }

    fn select(&self, selector: &Selector, hops: u32) -> Result<EntityId, Undefined> {
        if hops > MAX_HOPS {
            return Err(Undefined::Malformed);
        }
        match selector {
            Selector::Named(entity) if entity.0 < self.table.entities() => Ok(*entity),
            Selector::Named(_) => Err(Undefined::Malformed),
            Selector::Only(filters) => match self.passing(filters, hops)?.as_slice() {
                [one] => Ok(*one),
                [] => Err(Undefined::Empty),
                _ => Err(Undefined::Tie),
            },
            Selector::Ranked { filters, measure, order, rank } => {
                let mut ranked = Vec::new();
                for entity in self.passing(filters, hops)? {
                    ranked.push((self.measure(entity, measure)?, entity));
                }
                ranked.sort_by(|(a, _), (b, _)| match order {
                    Order::Highest => b.cmp(*a),
                    Order::Lowest => a.cmp(*b),
                });
                let place = usize::from(*rank).checked_sub(1).ok_or(Undefined::Malformed)?;
                let (found, entity) = ranked.get(place).ok_or(Undefined::Empty)?;
                let equal = |at: Option<usize>| {
                    at.and_then(|at| ranked.get(at))
                        .is_some_and(|(other, _)| other.cmp(*found).is_eq())
                };
                if equal(place.checked_sub(1)) || equal(Some(place + 1)) {
                    return Err(Undefined::Tie);
                }
                Ok(*entity)
            }
        }
    }

    fn passing(&self, filters: &[Filter], hops: u32) -> Result<Vec<EntityId>, Undefined> {
        let mut left: Vec<EntityId> = (0..self.table.entities()).map(EntityId).collect();
        for filter in filters {
            left = self.keep(&left, filter, hops)?;
        }
        Ok(left)
    }

    fn keep(
        &self,
        from: &[EntityId],
        filter: &Filter,
        hops: u32,
    ) -> Result<Vec<EntityId>, Undefined> {
        let mut kept = Vec::with_capacity(from.len());
        match filter {
            Filter::Is { attr, value } => {
                let schema = self.attributes.get(attr.at()).ok_or(Undefined::Malformed)?;
                let place =
                    schema.vocabulary.binary_search(value).map_err(|_| Undefined::Malformed)?;
                for entity in from {
                    if self.category(*entity, *attr)? == place {
                        kept.push(*entity);
                    }
                }
            }
            Filter::Bound { measure, op, milli } => {
                for entity in from {
                    let value = self.measure(*entity, measure)?;
                    if op.holds(value.cmp(Quotient { over: *milli, under: 1 })) {
                        kept.push(*entity);
                    }
                }
            }
            Filter::Versus { measure, op, other } => {
                for entity in from {
                    let order = self.measure(*entity, measure)?.cmp(self.measure(*entity, other)?);
                    if op.holds(order) {
                        kept.push(*entity);
                    }
                }
            }
            Filter::SameAs { attr, of } => {
                let other = self.select(of, hops + 1)?;
                let place = self.category(other, *attr)?;
                for entity in from {
                    if *entity != other && self.category(*entity, *attr)? == place {
                        kept.push(*entity);
                    }
                }
            }
            Filter::Relative { measure, op, of } => {
                let bound = self.measure(self.select(of, hops + 1)?, measure)?;
                for entity in from {
                    if op.holds(self.measure(*entity, measure)?.cmp(bound)) {
                        kept.push(*entity);
                    }
                }
            }
        }
        Ok(kept)
    }

    fn category(&self, entity: EntityId, attr: AttrId) -> Result<usize, Undefined> {
        match self.table.get(FactRef { entity, attr }) {
            Cell::Category(place) => Ok(usize::from(place)),
            Cell::Missing => Err(Undefined::Missing),
            Cell::Number(_) => Err(Undefined::Malformed),
        }
    }

    fn sum(&self, entity: EntityId, attrs: &[AttrId]) -> Result<i64, Undefined> {
        let mut total = 0_i64;
        for attr in attrs {
            let part = self.table.number(entity, *attr).ok_or(Undefined::Missing)?;
            total = total.checked_add(part).ok_or(Undefined::Malformed)?;
        }
        Ok(total)
    }

    fn measure(&self, entity: EntityId, measure: &Measure) -> Result<Quotient, Undefined> {
        if let Measure::Ratio { over, under } = measure {
            let under = self.sum(entity, under)?;
            if under <= 0 {
                return Err(Undefined::Malformed);
            }
            return Ok(Quotient { over: self.sum(entity, over)?, under });
        }
        Ok(Quotient { over: self.whole(entity, measure)?, under: 1 })
    }

    /// A measure that is no ratio, thousandths.
    fn whole(&self, entity: EntityId, measure: &Measure) -> Result<i64, Undefined> {
        match measure {
            Measure::Attr(attr) => self.sum(entity, &[*attr]),
            Measure::Sum(attrs) => self.sum(entity, attrs),
            Measure::Diff(first, second) => {
                let (a, b) = (self.sum(entity, &[*first])?, self.sum(entity, &[*second])?);
                a.checked_sub(b).ok_or(Undefined::Malformed)
            }
            Measure::Ratio { .. } => Err(Undefined::Malformed),
        }
    }

    fn number(&self, measure: &Measure, milli: i64) -> Result<Answer, Undefined> {
        let first = match measure {
            Measure::Attr(attr) | Measure::Diff(attr, _) => *attr,
            Measure::Sum(attrs) => *attrs.first().ok_or(Undefined::Malformed)?,
            Measure::Ratio { .. } => return Err(Undefined::Malformed),
        };
        match self.attributes.get(first.at()).ok_or(Undefined::Malformed)?.kind {
            ValueKind::Decimal => Ok(Answer::Decimal(milli)),
            ValueKind::Integer | ValueKind::Year => Ok(Answer::Integer(milli / 1000)),
            ValueKind::Category => Err(Undefined::Malformed),
        }
    }
}

impl CompareOp {
    /// Whether an ordering of left against right satisfies it.
    #[must_use]
    pub fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Above => order.is_gt(),
            Self::Below => order.is_lt(),
        }
    }
}

impl Measure {
    /// The attributes it is computed from.
    #[must_use]
    pub fn attrs(&self) -> Vec<AttrId> {
        match self {
            Self::Attr(attr) => vec![*attr],
            Self::Sum(attrs) => attrs.clone(),
            Self::Diff(a, b) => vec![*a, *b],
            Self::Ratio { over, under } => over.iter().chain(under).copied().collect(),
        }
    }
}
