//! The query algebra: what a question asks, independent of how it is worded.
//!
//! Evaluated by [`crate::query`] over any table of facts, the true one and the trapped ones alike.

use serde::{Deserialize, Serialize};

use super::value::{AttrId, EntityId};

/// A number computed from the attributes of one entity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// One attribute.
    Attr(AttrId),
    /// The sum of several attributes of the same unit.
    Sum(Vec<AttrId>),
    /// First minus second.
    Diff(AttrId, AttrId),
    /// A quotient of sums, compared by cross-multiplication and never divided.
    Ratio {
        /// Attributes summed above the line.
        over: Vec<AttrId>,
        /// Attributes summed below the line; the sum is positive in every world.
        under: Vec<AttrId>,
    },
}

/// Strict comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompareOp {
    /// Greater than.
    Above,
    /// Less than.
    Below,
}

/// Which end of an ordering is first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The highest value first.
    Highest,
    /// The lowest value first.
    Lowest,
}

/// A condition on one entity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// The attribute has this category.
    Is {
        /// A category attribute.
        attr: AttrId,
        /// Canonical spelling.
        value: String,
    },
    /// The measure lies strictly above or below a bound.
    Bound {
        /// What is measured.
        measure: Measure,
        /// Which side.
        op: CompareOp,
        /// Thousandths of the unit.
        milli: i64,
    },
    /// One measure lies strictly above or below another of the same entity.
    Versus {
        /// What is measured.
        measure: Measure,
        /// Which side.
        op: CompareOp,
        /// What it is measured against.
        other: Measure,
    },
    /// The attribute has the same category as that of the selected entity; that entity itself is
    /// left out.
    SameAs {
        /// A category attribute.
        attr: AttrId,
        /// The hop.
        of: Box<Selector>,
    },
    /// The measure lies strictly above or below that of the selected entity.
    Relative {
        /// What is measured.
        measure: Measure,
        /// Which side.
        op: CompareOp,
        /// The hop.
        of: Box<Selector>,
    },
}

/// A way to single out one entity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selector {
    /// By name.
    Named(EntityId),
    /// The one that passes all filters; undefined where none or several do.
    Only(Vec<Filter>),
    /// The `rank`-th (from 1) of those that pass all filters, in the order of a measure. A tie at
    /// the rank makes the query undefined.
    Ranked {
        /// All must hold.
        filters: Vec<Filter>,
        /// What orders them.
        measure: Measure,
        /// Which end is first.
        order: Order,
        /// From 1.
        rank: u16,
    },
}

/// What a question asks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Query {
    /// Which entity.
    Which(Selector),
    /// A number of the selected entity.
    Number {
        /// Whose.
        of: Selector,
        /// What; never a ratio.
        measure: Measure,
    },
    /// A category of the selected entity.
    Category {
        /// Whose.
        of: Selector,
        /// A category attribute.
        attr: AttrId,
    },
    /// How many entities pass all filters.
    Count(Vec<Filter>),
    /// The sum of a measure over the entities that pass all filters (at least one must).
    Total {
        /// All must hold.
        filters: Vec<Filter>,
        /// What is summed; never a ratio.
        measure: Measure,
    },
    /// By how much the measures of two entities differ, without sign.
    Gap {
        /// One.
        a: Selector,
        /// The other.
        b: Selector,
        /// What; never a ratio.
        measure: Measure,
    },
    /// Which of two named entities has more (or less) of a measure.
    Compare {
        /// One.
        a: EntityId,
        /// The other.
        b: EntityId,
        /// What is compared.
        measure: Measure,
        /// Which end wins.
        order: Order,
    },
}
