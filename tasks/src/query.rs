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

/// A measured number: thousandths over a positive whole.
#[derive(Debug, Clone, Copy)]
struct Quotient {
    over: i64,
    under: i64,
}

impl Quotient {
    fn cmp(self, other: Self) -> Ordering {
        if self.under == other.under {
            return self.over.cmp(&other.over);
        }
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
                self.word(*attr, self.category(entity, *attr)?)
            }
            Query::Count(filters) => {
                let mut count = 0;
                self.each(filters, 0, |_| {
                    count += 1;
                    Ok(())
                })?;
                Ok(Answer::Integer(count))
            }
            Query::Total { filters, measure } => {
                let (mut total, mut any) = (0_i64, false);
                self.each(filters, 0, |entity| {
                    any = true;
                    let part = self.whole(entity, measure)?;
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
                match (left.cmp(right), order) {
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
        self.each(filters, 0, |entity| {
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
        self.each(filters, 0, |_| {
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
                self.each(filters, hops, |entity| {
                    several |= found.is_some();
                    found = Some(entity);
                    Ok(())
                })?;
                if several { Err(Undefined::Tie) } else { found.ok_or(Undefined::Empty) }
            }
            Selector::Ranked { filters, measure, order, rank } => {
                let mut front = Front::new(*rank, *order)?;
                self.each(filters, hops, |entity| {
                    front.enter(self.measure(entity, measure)?, entity);
                    Ok(())
                })?;
                front.winner()
            }
            Selector::Nearest { measure, to } => {
                let other = self.select(to, hops + 1)?;
                let own = self.whole(other, measure)?;
                let mut front = Front::new(1, Order::Lowest)?;
                for entity in (0..self.table.entities()).map(EntityId) {
                    if entity != other {
                        let distance = self.whole(entity, measure)?.abs_diff(own);
                        let over = i64::try_from(distance).map_err(|_| Undefined::Malformed)?;
                        front.enter(Quotient { over, under: 1 }, entity);
                    }
                }
                front.winner()
            }
        }
    }

    /// Calls `found` with each entity that passes all filters, in roster order.
    fn each(
        &self,
        filters: &[Filter],
        hops: u32,
        mut found: impl FnMut(EntityId) -> Result<(), Undefined>,
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
            for test in tests {
                if !self.passes(entity, test)? {
                    continue 'entities;
                }
            }
            found(entity)?;
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

    fn passes(&self, entity: EntityId, test: &Test<'_>) -> Result<bool, Undefined> {
        Ok(match test {
            Test::None => true,
            Test::Is(attr, place, wanted) => (self.category(entity, *attr)? == *place) == *wanted,
            Test::Bound(measure, op, bound) => op.holds(self.measure(entity, measure)?.cmp(*bound)),
            Test::Versus(measure, op, other) => {
                op.holds(self.measure(entity, measure)?.cmp(self.measure(entity, other)?))
            }
            Test::Same(attr, place, other) => {
                entity != *other && self.category(entity, *attr)? == *place
            }
        })
    }

    /// The commonest category of those that pass.
    fn mode(&self, filters: &[Filter], attr: AttrId) -> Result<u16, Undefined> {
        let schema = self.attributes.get(attr.at()).ok_or(Undefined::Malformed)?;
        let mut counts = vec![0_u16; schema.vocabulary.len()];
        self.each(filters, 0, |entity| {
            let place = usize::from(self.category(entity, attr)?);
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
        match self.table.get(FactRef { entity, attr }) {
            Cell::Category(place) => Ok(place),
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
            Measure::Attr(attr) => self.table.number(entity, *attr).ok_or(Undefined::Missing),
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

/// The best so far, down to the one behind the wanted rank: enough to see a tie.
struct Front {
    places: [(Quotient, EntityId); MAX_RANK + 1],
    filled: usize,
    rank: usize,
    order: Order,
}

impl Front {
    fn new(rank: u16, order: Order) -> Result<Self, Undefined> {
        let rank = usize::from(rank);
        if !(1..=MAX_RANK).contains(&rank) {
            return Err(Undefined::Malformed);
        }
        let nobody = (Quotient { over: 0, under: 1 }, EntityId(0));
        Ok(Self { places: [nobody; MAX_RANK + 1], filled: 0, rank, order })
    }

    fn enter(&mut self, value: Quotient, entity: EntityId) {
        let behind = |known: &(Quotient, EntityId)| match self.order {
            Order::Highest => value.cmp(known.0).is_gt(),
            Order::Lowest => value.cmp(known.0).is_lt(),
        };
        let filled = self.places.get(..self.filled).unwrap_or_default();
        let at = filled.iter().position(behind).unwrap_or(self.filled);
        if at > self.rank {
            return;
        }
        self.filled = (self.filled + 1).min(self.rank + 1);
        if let Some(tail) = self.places.get_mut(at..self.filled) {
            tail.rotate_right(1);
            if let Some(first) = tail.first_mut() {
                *first = (value, entity);
            }
        }
    }

    /// The one at the rank.
    fn winner(&self) -> Result<EntityId, Undefined> {
        let filled = self.places.get(..self.filled).unwrap_or_default();
        let (found, entity) = filled.get(self.rank - 1).ok_or(Undefined::Empty)?;
        let level = |at: Option<usize>| {
            at.and_then(|at| filled.get(at)).is_some_and(|(other, _)| other.cmp(*found).is_eq())
        };
        if level(self.rank.checked_sub(2)) || level(Some(self.rank)) {
            return Err(Undefined::Tie);
        }
        Ok(*entity)
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
