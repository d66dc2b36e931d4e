//! What the cells of one entity come to.

use std::cmp::Ordering;

use super::{Cell, Undefined};
use crate::types::{AttrId, Measure};

/// A measured number: thousandths over a positive whole. Equal are those of one value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quotient {
    pub(super) over: i64,
    pub(super) under: i64,
}

impl Ord for Quotient {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.under == other.under {
            return self.over.cmp(&other.over);
        }
        (i128::from(self.over) * i128::from(other.under))
            .cmp(&(i128::from(other.over) * i128::from(self.under)))
    }
}

impl PartialOrd for Quotient {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Quotient {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Quotient {}

pub(super) fn category(row: &[Cell], attr: AttrId) -> Result<u16, Undefined> {
    match row.get(attr.at()) {
        Some(Cell::Category(place)) => Ok(*place),
        Some(Cell::Number(_)) => Err(Undefined::Malformed),
        Some(Cell::Missing) | None => Err(Undefined::Missing),
    }
}

/// Thousandths.
pub(super) fn number(row: &[Cell], attr: AttrId) -> Result<i64, Undefined> {
    match row.get(attr.at()) {
        Some(Cell::Number(milli)) => Ok(*milli),
        _ => Err(Undefined::Missing),
    }
}

/// Thousandths.
fn sum(row: &[Cell], attrs: &[AttrId]) -> Result<i64, Undefined> {
    let mut total = 0_i64;
    for attr in attrs {
        total = total.checked_add(number(row, *attr)?).ok_or(Undefined::Malformed)?;
    }
    Ok(total)
}

/// Any measure.
pub(super) fn quotient(row: &[Cell], measure: &Measure) -> Result<Quotient, Undefined> {
    if let Measure::Ratio { over, under } = measure {
        let under = sum(row, under)?;
        if under <= 0 {
            return Err(Undefined::Malformed);
        }
        return Ok(Quotient { over: sum(row, over)?, under });
    }
    Ok(Quotient { over: whole(row, measure)?, under: 1 })
}

/// A measure that is no ratio, thousandths.
pub(super) fn whole(row: &[Cell], measure: &Measure) -> Result<i64, Undefined> {
    match measure {
        Measure::Attr(attr) => number(row, *attr),
        Measure::Sum(attrs) => sum(row, attrs),
        Measure::Diff(first, second) => {
            number(row, *first)?.checked_sub(number(row, *second)?).ok_or(Undefined::Malformed)
        }
        Measure::Ratio { .. } => Err(Undefined::Malformed),
    }
}
