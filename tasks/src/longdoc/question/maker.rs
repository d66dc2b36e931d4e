//! One draft of a question: a query of the shape that is asked for, drawn on the world and kept only
//! where it has one answer.

use super::{Drafted, support};
use crate::{
    draw::Draw,
    longdoc::{
        phrase::Phrases,
        plan::{Layout, Plan, Shape},
        world::World,
    },
    query::{Cell, Evaluator},
    types::{
        Answer, AnswerKind, AttrId, CompareOp, EntityId, FactRef, Filter, Measure, Order, Query,
        Selector, ValueKind,
    },
};

/// Most entities that a count or a total may rest on: each is a line of the trace.
const MAX_COUNTED: usize = 3;

/// Draws queries of a shape on a world.
pub(super) struct Maker<'w, 'a> {
    pub(super) world: &'w World<'a>,
    pub(super) plan: &'w Plan,
}

impl Maker<'_, '_> {
    pub(super) fn draft(&self, shape: Shape, draw: &mut Draw) -> Option<Drafted> {
        let query = self.query(shape, draw)?;
        let evaluator = self.evaluator();
        let answer = evaluator.answer(&query).ok()?;
        let support = support(&query, &evaluator)?;
        let counted = match &query {
            Query::Count(filters) | Query::Total { filters, .. } => {
                evaluator.filtered(filters).ok()?.len()
            }
            _ => 1,
        };
        if counted == 0 || counted > MAX_COUNTED {
            return None;
        }
        let text = Phrases { world: self.world, plain: self.plan.layout == Layout::Sentences }
            .question(&query, draw)?;
        let kind = match answer {
            Answer::Entity(_) => AnswerKind::Entity,
            Answer::Category(_) => AnswerKind::Category,
            Answer::Integer(_) => AnswerKind::Integer,
            Answer::Decimal(_) => AnswerKind::Decimal,
        };
        Some(Drafted { query, text, kind, answer, support })
    }

    fn evaluator(&self) -> Evaluator<'_> {
        Evaluator { table: &self.world.table, attributes: &self.world.schemas }
    }

    fn query(&self, shape: Shape, draw: &mut Draw) -> Option<Query> {
        Some(match shape {
            Shape::LookupNumber => {
                Query::Number { of: self.named(draw), measure: Measure::Attr(self.number(draw)?) }
            }
            Shape::LookupCategory => {
                Query::Category { of: self.named(draw), attr: self.category(draw)? }
            }
            Shape::WhichOnly => Query::Which(self.only(draw)?),
            Shape::TwoHopNumber => {
                Query::Number { of: self.only(draw)?, measure: Measure::Attr(self.number(draw)?) }
            }
            Shape::TwoHopCategory => {
                let of = self.only(draw)?;
                let attr = self.category(draw)?;
                if matches!(&of, Selector::Only(filters)
                    if matches!(filters.first(), Some(Filter::Is { attr: known, .. }) if *known == attr))
                {
                    return None;
                }
                Query::Category { of, attr }
            }
            Shape::Extreme => Query::Which(self.extreme(Vec::new(), draw)?),
            Shape::Compare => {
                let two = draw.sample(self.world.roster.len(), 2);
                Query::Compare {
                    a: self.at(*two.first()?),
                    b: self.at(*two.get(1)?),
                    measure: self.measure(draw)?,
                    order: order(draw),
                }
            }
            Shape::Kth => Query::Which(Selector::Ranked {
                filters: Vec::new(),
                measure: Measure::Attr(self.measured(draw)?),
                order: order(draw),
                rank: u16::try_from(draw.range(2, 4)).ok()?,
            }),
            Shape::FilteredExtreme => {
                let filter = self.is(draw)?;
                Query::Which(self.extreme(vec![filter], draw)?)
            }
            Shape::BoundedExtreme => {
                let filter = self.bound(draw)?;
                Query::Which(self.extreme(vec![filter], draw)?)
            }
            Shape::VersusExtreme => {
                let filter = self.versus(draw)?;
                Query::Which(self.extreme(vec![filter], draw)?)
            }
            Shape::SumExtreme => Query::Which(self.made(|m| matches!(m, Measure::Sum(_)), draw)?),
            Shape::DiffExtreme => {
                Query::Which(self.made(|m| matches!(m, Measure::Diff(..)), draw)?)
            }
            Shape::RatioExtreme => {
                Query::Which(self.made(|m| matches!(m, Measure::Ratio { .. }), draw)?)
            }
            Shape::Count => {
                let mut filters = vec![self.is(draw)?];
                if draw.chance(1, 2) {
                    filters.push(self.bound(draw)?);
                }
                Query::Count(filters)
            }
            Shape::Total => Query::Total {
                filters: vec![self.is(draw)?],
                measure: Measure::Attr(self.integer(draw)?),
            },
            Shape::Gap => {
                let measure = Measure::Attr(self.measured(draw)?);
                let a = self.named(draw);
                let b = if draw.chance(1, 2) { self.named(draw) } else { self.only(draw)? };
                let evaluator = self.evaluator();
                if evaluator.entity(&a).ok()? == evaluator.entity(&b).ok()? {
                    return None;
                }
                Query::Gap { a, b, measure }
            }
            Shape::RankedNumber => {
                let attr = self.number(draw)?;
                let of = self.extreme(Vec::new(), draw)?;
                if ranks_by(&of, attr) {
                    return None;
                }
                Query::Number { of, measure: Measure::Attr(attr) }
            }
            Shape::RankedCategory => {
                Query::Category { of: self.extreme(Vec::new(), draw)?, attr: self.category(draw)? }
            }
            Shape::SameAsHop => {
                let hop = self.same_as(self.extreme(Vec::new(), draw)?, draw)?;
                Query::Which(self.extreme(vec![hop], draw)?)
            }
            Shape::RelativeHop => {
                let measure = Measure::Attr(self.measured(draw)?);
                let op = if draw.chance(1, 2) { CompareOp::Above } else { CompareOp::Below };
                let of = Box::new(self.named(draw));
                let hop = Filter::Relative { measure, op, of };
                Query::Which(self.extreme(vec![hop], draw)?)
            }
            Shape::ThreeHops => {
                let hop = self.same_as(self.extreme(Vec::new(), draw)?, draw)?;
                let of = self.extreme(vec![hop], draw)?;
                Query::Category { of, attr: self.category(draw)? }
            }
            Shape::FourHops => {
                let first = self.same_as(self.only(draw)?, draw)?;
                let hop = self.same_as(self.extreme(vec![first], draw)?, draw)?;
                let of = self.extreme(vec![hop], draw)?;
                Query::Number { of, measure: Measure::Attr(self.number(draw)?) }
            }
        })
    }

    fn at(&self, place: usize) -> EntityId {
        EntityId(u16::try_from(place).unwrap_or(0))
    }

    fn named(&self, draw: &mut Draw) -> Selector {
        Selector::Named(self.at(draw.index(self.world.roster.len())))
    }

    fn number(&self, draw: &mut Draw) -> Option<AttrId> {
        self.world.pick(ValueKind::is_number, draw)
    }

    fn integer(&self, draw: &mut Draw) -> Option<AttrId> {
        self.world.pick(|kind| kind == ValueKind::Integer, draw)
    }

    fn measured(&self, draw: &mut Draw) -> Option<AttrId> {
        self.world.pick(|kind| kind.is_number() && kind != ValueKind::Year, draw)
    }

    fn category(&self, draw: &mut Draw) -> Option<AttrId> {
        self.world.pick(|kind| kind == ValueKind::Category, draw)
    }

    /// An attribute, or a named sum or difference, to compare two entities by.
    fn measure(&self, draw: &mut Draw) -> Option<Measure> {
        if self.plan.layout == Layout::Sentences || draw.chance(2, 3) {
            return Some(Measure::Attr(self.measured(draw)?));
        }
        let made: Vec<Measure> = self
            .made_measures()
            .into_iter()
            .filter(|measure| !matches!(measure, Measure::Ratio { .. }))
            .collect();
        draw.pick(&made).cloned()
    }

    /// The domain's named measures whose attributes the document speaks of.
    fn made_measures(&self) -> Vec<Measure> {
        use crate::domain::MeasureKind as K;
        let attr = |place: &u16| self.world.attr_of(*place);
        let attrs = |places: &[u16]| places.iter().map(attr).collect::<Option<Vec<_>>>();
        self.world
            .domain
            .measures
            .iter()
            .filter_map(|named| match &named.kind {
                K::Sum(places) => Some(Measure::Sum(attrs(places)?)),
                K::Diff(a, b) => Some(Measure::Diff(attr(a)?, attr(b)?)),
                K::Ratio { over, under } => {
                    Some(Measure::Ratio { over: attrs(over)?, under: attrs(under)? })
                }
            })
            .collect()
    }

    fn made(&self, wanted: impl Fn(&Measure) -> bool, draw: &mut Draw) -> Option<Selector> {
        let fitting: Vec<Measure> = self.made_measures().into_iter().filter(wanted).collect();
        Some(Selector::Ranked {
            filters: Vec::new(),
            measure: draw.pick(&fitting)?.clone(),
            order: order(draw),
            rank: 1,
        })
    }

    fn extreme(&self, filters: Vec<Filter>, draw: &mut Draw) -> Option<Selector> {
        let attr = self.number(draw)?;
        let repeats = filters.iter().any(|filter| match filter {
            Filter::Bound { measure, .. } | Filter::Relative { measure, .. } => {
                *measure == Measure::Attr(attr)
            }
            _ => false,
        });
        if repeats {
            return None;
        }
        if !filters.is_empty() && self.evaluator().filtered(&filters).ok()?.len() < 2 {
            return None;
        }
        Some(Selector::Ranked {
            filters,
            measure: Measure::Attr(attr),
            order: order(draw),
            rank: 1,
        })
    }

    /// A category condition that some entity satisfies.
    fn is(&self, draw: &mut Draw) -> Option<Filter> {
        let attr = self.category(draw)?;
        let entity = self.at(draw.index(self.world.roster.len()));
        let Cell::Category(place) = self.world.table.get(FactRef { entity, attr }) else {
            return None;
        };
        let value = self.world.schemas[attr.at()].vocabulary.get(usize::from(place))?.clone();
        Some(Filter::Is { attr, value })
    }

    /// A category condition that exactly one entity satisfies.
    fn only(&self, draw: &mut Draw) -> Option<Selector> {
        let selector = Selector::Only(vec![self.is(draw)?]);
        self.evaluator().entity(&selector).ok()?;
        Some(selector)
    }

    fn same_as(&self, of: Selector, draw: &mut Draw) -> Option<Filter> {
        let attr = self.category(draw)?;
        if let Selector::Only(filters) = &of
            && matches!(filters.first(), Some(Filter::Is { attr: known, .. }) if *known == attr)
        {
            return None;
        }
        self.evaluator().entity(&of).ok()?;
        Some(Filter::SameAs { attr, of: Box::new(of) })
    }

    /// A bound between two values, rounded to two significant digits.
    fn bound(&self, draw: &mut Draw) -> Option<Filter> {
        let attr = self.number(draw)?;
        let mut values: Vec<i64> =
            self.world.entities().filter_map(|e| self.world.table.number(e, attr)).collect();
        values.sort_unstable();
        let at = draw.index(values.len().checked_sub(3)?) + 1;
        let (low, high) = (*values.get(at)?, *values.get(at + 1)?);
        let step = self.world.attribute(attr).step;
        let milli = if self.world.schemas[attr.at()].kind == ValueKind::Year {
            low + (high - low) / 2 / step * step
        } else {
            round_between(low, high, step)
        };
        if values.contains(&milli) {
            return None;
        }
        let op = if draw.chance(1, 2) { CompareOp::Above } else { CompareOp::Below };
        Some(Filter::Bound { measure: Measure::Attr(attr), op, milli })
    }

    /// One attribute above or below another of the same unit and range.
    fn versus(&self, draw: &mut Draw) -> Option<Filter> {
        let left = self.integer(draw)?;
        let alike: Vec<AttrId> = self
            .world
            .attr_ids()
            .filter(|attr| {
                let (a, b) = (self.world.attribute(*attr), self.world.attribute(left));
                *attr != left && a.schema.unit == b.schema.unit && a.max == b.max
            })
            .collect();
        let right = *draw.pick(&alike)?;
        let op = if draw.chance(1, 2) { CompareOp::Above } else { CompareOp::Below };
        Some(Filter::Versus { measure: Measure::Attr(left), op, other: Measure::Attr(right) })
    }
}

fn order(draw: &mut Draw) -> Order {
    if draw.chance(1, 2) { Order::Highest } else { Order::Lowest }
}

fn ranks_by(selector: &Selector, attr: AttrId) -> bool {
    matches!(selector, Selector::Ranked { measure: Measure::Attr(by), .. } if *by == attr)
}

/// A number strictly between two, as round as the gap allows, on the step.
fn round_between(low: i64, high: i64, step: i64) -> i64 {
    let middle = low + (high - low) / 2;
    let mut unit = step;
    while unit < i64::MAX / 20 && middle / (unit * 10) > 0 {
        let rounded = middle / (unit * 10) * (unit * 10);
        if rounded <= low {
            break;
        }
        unit *= 10;
    }
    middle / unit * unit
}
