//! Evaluation of the query algebra over a table of facts.
//!
//! The table may be the truth, what a solver read from the document, or what a trapped reader
//! believes: evaluation is the same. It is exact (ratios are compared by cross-multiplication in
//! 128 bits) and undefined rather than arbitrary wherever a tie would decide.

mod front;
mod measure;
mod table;

use std::cmp::Ordering;

use crate::types::{
    Answer, AttrId, AttributeSchema, CompareOp, EntityId, Filter, Measure, Order, Query, Selector,
    ValueKind,
};
use front::Front;
use measure::{Quotient, category, number, quotient, whole};
pub use table::{Cell, Table, cell_of, value_of};

/// Deepest nesting of selectors that is evaluated.
const MAX_HOPS: u32 = 8;
/// Most filters on one selection.
pub const MAX_FILTERS: usize = 6;
/// Last rank that can be asked for.
pub const MAX_RANK: usize = 12;

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
                self.word(*attr, self.category(entity, *attr)?)
            }
            Query::Count(filters) => {
                let mut count = 0;
                self.each(filters, 0, |_, _| {
                    count += 1;
                    Ok(())
                })?;
                Ok(Answer::Integer(count))
            }
            Query::Total { filters, measure } => {
                let (mut total, mut any) = (0_i64, false);
                self.each(filters, 0, |_, row| {
                    any = true;
                    let part = whole(row, measure)?;
                    total = total.checked_add(part).ok_or(Undefined::Malformed)?;
                    Ok(())
                })?;
                if any { self.number(measure, total) } else { Err(Undefined::Empty) }
            }
            Query::Mode { filters, attr } => self.word(*attr, self.mode(filters, *attr)?),
            Query::Gap { a, b, measure } => {
                let (a, b) = (self.select(a, 0)?, self.select(b, 0)?);
                let (left, right) = (self.whole(a, measure)?, self.whole(b, measure)?);
                self.number(measure, left.abs_diff(right).try_into().unwrap_or(i64::MAX))
            }
            Query::Sum { a, b, measure } => {
                let (a, b) = self.two(a, b)?;
                let (left, right) = (self.whole(a, measure)?, self.whole(b, measure)?);
                self.number(measure, left.checked_add(right).ok_or(Undefined::Malformed)?)
            }
            Query::Compare { a, b, measure, order } => {
                let (a, b) = self.two(a, b)?;
                let (left, right) = (self.measure(a, measure)?, self.measure(b, measure)?);
                match (left.cmp(&right), order) {
                    (Ordering::Equal, _) => Err(Undefined::Tie),
                    (Ordering::Greater, Order::Highest) | (Ordering::Less, Order::Lowest) => {
                        Ok(Answer::Entity(a))
                    }
                    _ => Ok(Answer::Entity(b)),
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
        let mut found = Vec::new();
        self.each(filters, 0, |entity, _| {
            found.push(entity);
            Ok(())
        })?;
        Ok(found)
    }

    /// How many entities pass all filters.
    ///
    /// # Errors
    /// Where a fact is missing or a hop is undefined.
    pub fn count(&self, filters: &[Filter]) -> Result<usize, Undefined> {
        let mut count = 0;
        self.each(filters, 0, |_, _| {
            count += 1;
            Ok(())
        })?;
        Ok(count)
    }

    /// Two entities that must differ.
    fn two(&self, a: &Selector, b: &Selector) -> Result<(EntityId, EntityId), Undefined> {
        let (a, b) = (self.select(a, 0)?, self.select(b, 0)?);
        if a == b { Err(Undefined::Tie) } else { Ok((a, b)) }
    }

    fn select(&self, selector: &Selector, hops: u32) -> Result<EntityId, Undefined> {
        if hops > MAX_HOPS {
            return Err(Undefined::Malformed);
        }
        match selector {
            Selector::Named(entity) if entity.0 < self.table.entities() => Ok(*entity),
            Selector::Named(_) => Err(Undefined::Malformed),
            Selector::Only(filters) => {
                let (mut found, mut several) = (None, false);
                self.each(filters, hops, |entity, _| {
                    several |= found.is_some();
                    found = Some(entity);
                    Ok(())
                })?;
                if several { Err(Undefined::Tie) } else { found.ok_or(Undefined::Empty) }
            }
            Selector::Ranked { filters, measure, order, rank } => {
                if matches!(measure, Measure::Ratio { .. }) {
                    return self
                        .first(filters, hops, (*rank, *order), |row| quotient(row, measure));
                }
                self.first(filters, hops, (*rank, *order), |row| whole(row, measure))
            }
            Selector::Nearest { measure, to } => {
                let other = self.select(to, hops + 1)?;
                let own = self.whole(other, measure)?;
                let mut front = Front::new(1, Order::Lowest)?;
                for entity in (0..self.table.entities()).map(EntityId) {
                    if entity != other {
                        let distance = self.whole(entity, measure)?.abs_diff(own);
                        let over = i64::try_from(distance).map_err(|_| Undefined::Malformed)?;
                        front.enter(over, entity);
                    }
                }
                front.winner()
            }
        }
    }

    /// The entity at a rank among those that pass, by what `value` says of their cells.
    fn first<V: Ord + Copy>(
        &self,
        filters: &[Filter],
        hops: u32,
        (rank, order): (u16, Order),
        value: impl Fn(&[Cell]) -> Result<V, Undefined>,
    ) -> Result<EntityId, Undefined> {
        let mut front = Front::new(rank, order)?;
        self.each(filters, hops, |entity, row| {
            front.enter(value(row)?, entity);
            Ok(())
        })?;
        front.winner()
    }

    /// Calls `found` with each entity that passes all filters and its cells, in roster order.
    fn each(
        &self,
        filters: &[Filter],
        hops: u32,
        mut found: impl FnMut(EntityId, &[Cell]) -> Result<(), Undefined>,
    ) -> Result<(), Undefined> {
        let mut tests = [Test::None; MAX_FILTERS];
        if filters.len() > MAX_FILTERS {
            return Err(Undefined::Malformed);
        }
        for (test, filter) in tests.iter_mut().zip(filters) {
            *test = self.test(filter, hops)?;
        }
        let tests = tests.get(..filters.len()).unwrap_or_default();
        'entities: for entity in (0..self.table.entities()).map(EntityId) {
            let row = self.table.row(entity);
            for test in tests {
                if !test.passes(entity, row)? {
                    continue 'entities;
                }
            }
            found(entity, row)?;
        }
        Ok(())
    }

    /// A filter with its words looked up and its hops taken.
    fn test<'q>(&self, filter: &'q Filter, hops: u32) -> Result<Test<'q>, Undefined> {
        let place = |attr: &AttrId, value: &String| {
            let schema = self.attributes.get(attr.at()).ok_or(Undefined::Malformed)?;
            let place = schema.vocabulary.binary_search(value).map_err(|_| Undefined::Malformed)?;
            u16::try_from(place).map_err(|_| Undefined::Malformed)
        };
        Ok(match filter {
            Filter::Is { attr, value } => Test::Is(*attr, place(attr, value)?, true),
            Filter::IsNot { attr, value } => Test::Is(*attr, place(attr, value)?, false),
            Filter::Bound { measure, op, milli } => {
                Test::Bound(measure, *op, Quotient { over: *milli, under: 1 })
            }
            Filter::Versus { measure, op, other } => Test::Versus(measure, *op, other),
            Filter::SameAs { attr, of } => {
                let other = self.select(of, hops + 1)?;
                Test::Same(*attr, self.category(other, *attr)?, other)
            }
            Filter::Relative { measure, op, of } => {
                let bound = self.measure(self.select(of, hops + 1)?, measure)?;
                Test::Bound(measure, *op, bound)
            }
        })
    }

    /// The commonest category of those that pass.
    fn mode(&self, filters: &[Filter], attr: AttrId) -> Result<u16, Undefined> {
        let schema = self.attributes.get(attr.at()).ok_or(Undefined::Malformed)?;
        let mut counts = vec![0_u16; schema.vocabulary.len()];
        self.each(filters, 0, |_, row| {
            let place = usize::from(category(row, attr)?);
            let count = counts.get_mut(place).ok_or(Undefined::Malformed)?;
            *count = count.saturating_add(1);
            Ok(())
        })?;
        let most = counts.iter().copied().max().unwrap_or(0);
        let mut places = (0..).zip(&counts).filter(|(_, count)| **count == most);
        match (most, places.next(), places.next()) {
            (0, ..) | (_, None, _) => Err(Undefined::Empty),
            (1, ..) | (_, _, Some(_)) => Err(Undefined::Tie),
            (_, Some((place, _)), None) => Ok(place),
        }
    }

    fn word(&self, attr: AttrId, place: u16) -> Result<Answer, Undefined> {
        let words = &self.attributes.get(attr.at()).ok_or(Undefined::Malformed)?.vocabulary;
        let word = words.get(usize::from(place)).ok_or(Undefined::Malformed)?;
        Ok(Answer::Category(word.clone()))
    }

    fn category(&self, entity: EntityId, attr: AttrId) -> Result<u16, Undefined> {
        category(self.table.row(entity), attr)
    }

    fn measure(&self, entity: EntityId, measure: &Measure) -> Result<Quotient, Undefined> {
        quotient(self.table.row(entity), measure)
    }

    /// A measure that is no ratio, thousandths.
    fn whole(&self, entity: EntityId, measure: &Measure) -> Result<i64, Undefined> {
        whole(self.table.row(entity), measure)
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

/// A filter, ready to be tried on each entity.
#[derive(Debug, Clone, Copy)]
enum Test<'q> {
    None,
    /// Attribute, place in its vocabulary, and whether that is wanted.
    Is(AttrId, u16, bool),
    Bound(&'q Measure, CompareOp, Quotient),
    Versus(&'q Measure, CompareOp, &'q Measure),
    /// Attribute, place in its vocabulary, and who is left out.
    Same(AttrId, u16, EntityId),
}

impl Test<'_> {
    fn passes(&self, entity: EntityId, row: &[Cell]) -> Result<bool, Undefined> {
        Ok(match self {
            Self::None => true,
            Self::Is(attr, place, wanted) => (category(row, *attr)? == *place) == *wanted,
            Self::Bound(Measure::Attr(attr), op, Quotient { over, under: 1 }) => {
                op.holds(number(row, *attr)?.cmp(over))
            }
            Self::Bound(measure, op, bound) => op.holds(quotient(row, measure)?.cmp(bound)),
            Self::Versus(measure, op, other) => {
                op.holds(quotient(row, measure)?.cmp(&quotient(row, other)?))
            }
            Self::Same(attr, place, other) => entity != *other && category(row, *attr)? == *place,
        })
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
