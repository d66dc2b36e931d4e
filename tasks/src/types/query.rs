//! The query algebra: what a question asks, independent of how it is worded.
//!
//! Evaluated by [`crate::query`] over any table of facts, the true one and the trapped ones alike.
//! [`Query::hops`] says how many steps of reasoning an answer takes, [`Query::shape`] what form a
//! question has apart from its attributes, values and names.

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
    /// The attribute has another category than this one.
    IsNot {
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
    /// The one whose measure comes closest to that of the selected entity, which is left out
    /// itself. A tie makes the query undefined.
    Nearest {
        /// What is measured; never a ratio.
        measure: Measure,
        /// The hop.
        to: Box<Selector>,
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
    /// The measures of two different entities added together.
    Sum {
        /// One.
        a: Selector,
        /// The other.
        b: Selector,
        /// What; never a ratio.
        measure: Measure,
    },
    /// The category that most of the entities have that pass all filters. A tie makes the query
    /// undefined, and so does a category that only one of them has.
    Mode {
        /// All must hold.
        filters: Vec<Filter>,
        /// A category attribute.
        attr: AttrId,
    },
    /// Which of two different entities has more (or less) of a measure.
    Compare {
        /// One.
        a: Selector,
        /// The other.
        b: Selector,
        /// What is compared.
        measure: Measure,
        /// Which end wins.
        order: Order,
    },
}

impl Query {
    /// How many steps of reasoning the answer takes: each condition, each ranking, each reading of
    /// a value off a selected entity, and each count, sum or comparison is one.
    #[must_use]
    pub fn hops(&self) -> u32 {
        match self {
            Self::Which(of) => of.hops(),
            Self::Number { of, .. } | Self::Category { of, .. } => of.hops() + 1,
            Self::Count(filters) | Self::Total { filters, .. } | Self::Mode { filters, .. } => {
                hops(filters) + 1
            }
            Self::Gap { a, b, .. } | Self::Sum { a, b, .. } | Self::Compare { a, b, .. } => {
                a.hops() + b.hops() + 1
            }
        }
    }

    /// The form of the query without its attributes, values and names: `number(1st(same(1st)))`.
    #[must_use]
    pub fn shape(&self) -> String {
        let measured = |measure: &Measure| measure.shape();
        match self {
            Self::Which(of) => format!("which({})", of.shape()),
            Self::Number { of, measure } => format!("number{}({})", measured(measure), of.shape()),
            Self::Category { of, .. } => format!("category({})", of.shape()),
            Self::Count(filters) => format!("count({})", shapes(filters)),
            Self::Total { filters, measure } => {
                format!("total{}({})", measured(measure), shapes(filters))
            }
            Self::Mode { filters, .. } => format!("mode({})", shapes(filters)),
            Self::Gap { a, b, measure } => {
                format!("gap{}({}, {})", measured(measure), a.shape(), b.shape())
            }
            Self::Sum { a, b, measure } => {
                format!("sum{}({}, {})", measured(measure), a.shape(), b.shape())
            }
            Self::Compare { a, b, measure, .. } => {
                format!("compare{}({}, {})", measured(measure), a.shape(), b.shape())
            }
        }
    }

    /// Whether any part of the query looks at this attribute.
    #[must_use]
    pub fn mentions(&self, attr: AttrId) -> bool {
        match self {
            Self::Which(of) => of.mentions(attr),
            Self::Number { of, measure } => of.mentions(attr) || measure.uses(attr),
            Self::Category { of, attr: own } => of.mentions(attr) || *own == attr,
            Self::Count(filters) => mention(filters, attr),
            Self::Total { filters, measure } => mention(filters, attr) || measure.uses(attr),
            Self::Mode { filters, attr: own } => mention(filters, attr) || *own == attr,
            Self::Gap { a, b, measure }
            | Self::Sum { a, b, measure }
            | Self::Compare { a, b, measure, .. } => {
                a.mentions(attr) || b.mentions(attr) || measure.uses(attr)
            }
        }
    }
}

fn hops(filters: &[Filter]) -> u32 {
    filters.iter().map(Filter::hops).sum()
}

fn shapes(filters: &[Filter]) -> String {
    filters.iter().map(Filter::shape).collect::<Vec<_>>().join(" ")
}

fn mention(filters: &[Filter], attr: AttrId) -> bool {
    filters.iter().any(|filter| filter.mentions(attr))
}

impl Selector {
    /// See [`Query::hops`].
    #[must_use]
    pub fn hops(&self) -> u32 {
        match self {
            Self::Named(_) => 0,
            Self::Only(filters) => hops(filters),
            Self::Ranked { filters, .. } => hops(filters) + 1,
            Self::Nearest { to, .. } => to.hops() + 1,
        }
    }

    /// See [`Query::shape`].
    #[must_use]
    pub fn shape(&self) -> String {
        match self {
            Self::Named(_) => "named".to_owned(),
            Self::Only(filters) => format!("only({})", shapes(filters)),
            Self::Ranked { filters, measure, rank, .. } => {
                let rank = if *rank > 1 { "kth" } else { "1st" };
                let inner = shapes(filters);
                let measure = measure.shape();
                if inner.is_empty() {
                    format!("{rank}{measure}")
                } else {
                    format!("{rank}{measure}({inner})")
                }
            }
            Self::Nearest { to, .. } => format!("nearest({})", to.shape()),
        }
    }

    /// See [`Query::mentions`].
    #[must_use]
    pub fn mentions(&self, attr: AttrId) -> bool {
        match self {
            Self::Named(_) => false,
            Self::Only(filters) => mention(filters, attr),
            Self::Ranked { filters, measure, .. } => mention(filters, attr) || measure.uses(attr),
            Self::Nearest { measure, to } => measure.uses(attr) || to.mentions(attr),
        }
    }
}

impl Filter {
    fn hops(&self) -> u32 {
        match self {
            Self::Is { .. } | Self::IsNot { .. } | Self::Bound { .. } | Self::Versus { .. } => 1,
            Self::SameAs { of, .. } | Self::Relative { of, .. } => of.hops() + 1,
        }
    }

    fn shape(&self) -> String {
        match self {
            Self::Is { .. } => "is".to_owned(),
            Self::IsNot { .. } => "is_not".to_owned(),
            Self::Bound { .. } => "bound".to_owned(),
            Self::Versus { .. } => "versus".to_owned(),
            Self::SameAs { of, .. } => format!("same({})", of.shape()),
            Self::Relative { of, .. } => format!("relative({})", of.shape()),
        }
    }

    fn mentions(&self, attr: AttrId) -> bool {
        match self {
            Self::Is { attr: own, .. } | Self::IsNot { attr: own, .. } => *own == attr,
            Self::Bound { measure, .. } => measure.uses(attr),
            Self::Versus { measure, other, .. } => measure.uses(attr) || other.uses(attr),
            Self::SameAs { attr: own, of } => *own == attr || of.mentions(attr),
            Self::Relative { measure, of, .. } => measure.uses(attr) || of.mentions(attr),
        }
    }
}

impl Measure {
    /// The attributes it is computed from, in order.
    pub fn parts(&self) -> impl Iterator<Item = AttrId> + '_ {
        let (first, second): (&[AttrId], &[AttrId]) = match self {
            Self::Attr(attr) => (std::slice::from_ref(attr), &[]),
            Self::Sum(attrs) => (attrs, &[]),
            Self::Diff(a, b) => (std::slice::from_ref(a), std::slice::from_ref(b)),
            Self::Ratio { over, under } => (over, under),
        };
        first.iter().chain(second).copied()
    }

    /// The attributes it is computed from, in order.
    #[must_use]
    pub fn attrs(&self) -> Vec<AttrId> {
        self.parts().collect()
    }

    /// Whether it is computed from this attribute, among others.
    #[must_use]
    pub fn uses(&self, attr: AttrId) -> bool {
        self.parts().any(|own| own == attr)
    }

    fn shape(&self) -> &'static str {
        match self {
            Self::Attr(_) => "",
            Self::Sum(_) => "[sum]",
            Self::Diff(..) => "[diff]",
            Self::Ratio { .. } => "[ratio]",
        }
    }
}
