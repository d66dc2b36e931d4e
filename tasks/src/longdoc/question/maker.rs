//! One draft of a question: a query of the shape that is asked for, drawn on the world and kept only
//! where it has one answer.
//!
//! What a draft can be made of is looked up once for all drafts of a task ([`Maker::new`]), so that
//! most drafts come out right at once.

use super::{Draft, support};
use crate::{
    draw::Draw,
    longdoc::{
        plan::{Layout, Plan, Shape},
        world::World,
    },
    query::{Cell, Evaluator},
    types::{
        AttrId, CompareOp, EntityId, FactRef, Filter, Measure, Order, Query, Selector, ValueKind,
    },
};

/// Most entities that a count, a total or a mode may rest on: each is a line of the trace.
const MAX_COUNTED: usize = 4;
/// Fewest entities that a ranking among some is worth asking about.
const MIN_RANKED: u16 = 2;

/// Draws queries of a shape on a world.
pub(super) struct Maker<'w, 'a> {
    world: &'w World<'a>,
    numbers: Vec<AttrId>,
    integers: Vec<AttrId>,
    /// Numbers but years.
    measured: Vec<AttrId>,
    categories: Vec<AttrId>,
    /// The domain's named measures whose attributes the document speaks of.
    made: Vec<Measure>,
    /// By category attribute in [`Self::categories`], then entity: how many share its category.
    peers: Vec<u16>,
}

impl<'w, 'a> Maker<'w, 'a> {
    pub(super) fn new(world: &'w World<'a>, plan: &Plan) -> Self {
        let kinds = |wanted: &dyn Fn(ValueKind) -> bool| -> Vec<AttrId> {
            world.attr_ids().filter(|attr| wanted(world.schemas[attr.at()].kind)).collect()
        };
        let categories = kinds(&|kind| kind == ValueKind::Category);
        let long = plan.layout == Layout::Grouped;
        let mut peers = Vec::new();
        if long {
            for attr in &categories {
                let cell = |entity| world.table.get(FactRef { entity, attr: *attr });
                peers.extend(world.entities().map(|entity| {
                    let own = cell(entity);
                    let alike = world.entities().filter(|other| cell(*other) == own).count();
                    u16::try_from(alike).unwrap_or(u16::MAX)
                }));
            }
        }
        Self {
            world,
            numbers: kinds(&ValueKind::is_number),
            integers: kinds(&|kind| kind == ValueKind::Integer),
            measured: kinds(&|kind| kind.is_number() && kind != ValueKind::Year),
            categories,
            made: if long { made_measures(world) } else { Vec::new() },
            peers,
        }
    }

    /// A query with one answer; `None` where this draw gives none.
    pub(super) fn draft(&self, shape: Shape, draw: &mut Draw) -> Option<Draft> {
        let query = self.query(shape, draw)?;
        let evaluator = self.evaluator();
        let answer = evaluator.answer(&query).ok()?;
        if let Query::Count(_) | Query::Total { .. } | Query::Mode { .. } = query {
            let counted = support::counted(&query, &evaluator)?.len();
            if counted == 0 || counted > MAX_COUNTED {
                return None;
            }
        }
        let support = support(&query, &evaluator)?;
        Some(Draft { query, answer, support })
    }

    fn evaluator(&self) -> Evaluator<'_> {
        Evaluator { table: &self.world.table, attributes: &self.world.schemas }
    }

    #[allow(clippy::too_many_lines)] // one arm a shape
    fn query(&self, shape: Shape, draw: &mut Draw) -> Option<Query> {
        let which = Query::Which;
        Some(match shape {
            Shape::LookupNumber => {
                Query::Number { of: self.named(draw), measure: Measure::Attr(self.number(draw)?) }
            }
            Shape::LookupCategory => {
                Query::Category { of: self.named(draw), attr: self.category(draw)? }
            }
            Shape::WhichOnly => which(self.only(draw)?),
            Shape::OnlyNumber => self.number_of(self.only(draw)?, draw)?,
            Shape::OnlyCategory => self.category_of(self.only(draw)?, draw)?,
            Shape::Extreme => which(self.best(Vec::new(), draw)?),
            Shape::Compare => {
                let (a, b) = self.pair(draw)?;
                let measure = self.measure(draw)?;
                Query::Compare { a, b, measure, order: order(draw) }
            }
            Shape::CompareSelected => {
                let a = self.only(draw)?;
                let b = if draw.chance(1, 2) { self.only(draw)? } else { self.named(draw) };
                let attr = self.fresh(&[&a, &b], draw)?;
                Query::Compare { a, b, measure: Measure::Attr(attr), order: order(draw) }
            }
            Shape::Kth => {
                which(self.kth(Vec::new(), Measure::Attr(self.pick(&self.measured, draw)?), draw))
            }
            Shape::FilteredExtreme => which(self.best(vec![self.is(3, draw)?], draw)?),
            Shape::ExceptExtreme => which(self.best(vec![self.is_not(draw)?], draw)?),
            Shape::BoundedExtreme => which(self.best(vec![self.bound(draw)?], draw)?),
            Shape::VersusExtreme => which(self.best(vec![self.versus(draw)?], draw)?),
            Shape::BothExtreme => {
                which(self.best(vec![self.is(4, draw)?, self.bound(draw)?], draw)?)
            }
            Shape::SameAsNamed => {
                let hop = self.same_as(self.named(draw), 2, draw)?;
                which(self.best(vec![hop], draw)?)
            }
            Shape::SameAsHop => {
                let hop = self.same_as(self.best(Vec::new(), draw)?, 2, draw)?;
                which(self.best(vec![hop], draw)?)
            }
            Shape::RelativeHop => {
                let hop = self.relative(self.named(draw), draw)?;
                which(self.best(vec![hop], draw)?)
            }
            Shape::RelativeRanked => {
                let hop = self.relative(self.best(Vec::new(), draw)?, draw)?;
                which(self.best(vec![hop], draw)?)
            }
            Shape::FilteredKth => {
                let measure = Measure::Attr(self.pick(&self.measured, draw)?);
                which(self.kth(vec![self.is(4, draw)?], measure, draw))
            }
            Shape::SumExtreme => {
                which(self.top(Vec::new(), |m| matches!(m, Measure::Sum(_)), draw)?)
            }
            Shape::DiffExtreme => {
                which(self.top(Vec::new(), |m| matches!(m, Measure::Diff(..)), draw)?)
            }
            Shape::RatioExtreme => which(self.top(Vec::new(), is_ratio, draw)?),
            Shape::FilteredSum => {
                which(self.top(vec![self.is(3, draw)?], |m| matches!(m, Measure::Sum(_)), draw)?)
            }
            Shape::FilteredRatio => which(self.top(vec![self.is(3, draw)?], is_ratio, draw)?),
            Shape::NextTo => {
                let attr = self.pick(&self.measured, draw)?;
                let (op, order) = if draw.chance(1, 2) {
                    (CompareOp::Above, Order::Lowest)
                } else {
                    (CompareOp::Below, Order::Highest)
                };
                let of = Box::new(self.named(draw));
                let hop = Filter::Relative { measure: Measure::Attr(attr), op, of };
                which(ranked(vec![hop], Measure::Attr(attr), order, 1))
            }
            Shape::Nearest => which(self.nearest(self.named(draw), draw)?),
            Shape::NearestRanked => which(self.nearest(self.best(Vec::new(), draw)?, draw)?),
            Shape::NearestCategory => {
                self.category_of(self.nearest(self.named(draw), draw)?, draw)?
            }
            Shape::Count => Query::Count(vec![self.is(2, draw)?]),
            Shape::CountBoth => Query::Count(vec![self.is(2, draw)?, self.bound(draw)?]),
            Shape::CountExcept => Query::Count(vec![self.is(2, draw)?, self.is_not(draw)?]),
            Shape::CountRelative => Query::Count(vec![self.relative(self.named(draw), draw)?]),
            Shape::CountSame => {
                Query::Count(vec![self.same_as(self.best(Vec::new(), draw)?, 1, draw)?])
            }
            Shape::Total => {
                Query::Total { filters: vec![self.is(2, draw)?], measure: self.summed(draw)? }
            }
            Shape::TotalSame => Query::Total {
                filters: vec![self.same_as(self.named(draw), 2, draw)?],
                measure: self.summed(draw)?,
            },
            Shape::TotalSameRanked => Query::Total {
                filters: vec![self.same_as(self.best(Vec::new(), draw)?, 2, draw)?],
                measure: self.summed(draw)?,
            },
            Shape::Mode => Query::Mode {
                filters: vec![if draw.chance(1, 2) {
                    self.versus(draw)?
                } else {
                    self.bound(draw)?
                }],
                attr: self.category(draw)?,
            },
            Shape::Gap => {
                let (a, b) = self.pair(draw)?;
                Query::Gap { a, b, measure: Measure::Attr(self.pick(&self.measured, draw)?) }
            }
            Shape::GapOnly => {
                let (a, b) = (self.named(draw), self.only(draw)?);
                let attr = self.fresh(&[&b], draw)?;
                self.apart(a, b, attr)?
            }
            Shape::GapRanked => {
                let attr = self.pick(&self.measured, draw)?;
                let order = order(draw);
                let at = |order, rank| ranked(Vec::new(), Measure::Attr(attr), order, rank);
                let b = match order {
                    Order::Highest if draw.chance(1, 2) => at(Order::Lowest, 1),
                    _ => at(order, u16::try_from(draw.range(2, 3)).ok()?),
                };
                self.apart(at(order, 1), b, attr)?
            }
            Shape::GapFiltered => {
                let a = self.best(vec![self.is(3, draw)?], draw)?;
                let b = self.named(draw);
                let attr = self.fresh(&[&a], draw)?;
                self.apart(a, b, attr)?
            }
            Shape::SumOfTwo => {
                let (a, b) = (self.best(Vec::new(), draw)?, self.best(Vec::new(), draw)?);
                let attr = self.pick(&self.integers, draw)?;
                (!a.mentions(attr) && !b.mentions(attr)).then_some(())?;
                Query::Sum { a, b, measure: Measure::Attr(attr) }
            }
            Shape::RankedNumber => self.number_of(self.best(Vec::new(), draw)?, draw)?,
            Shape::RankedCategory => self.category_of(self.best(Vec::new(), draw)?, draw)?,
            Shape::RunnerUpCategory => {
                let measure = Measure::Attr(self.pick(&self.measured, draw)?);
                self.category_of(self.kth(Vec::new(), measure, draw), draw)?
            }
            Shape::KthNumber => {
                let measure = Measure::Attr(self.pick(&self.measured, draw)?);
                self.number_of(self.kth(Vec::new(), measure, draw), draw)?
            }
            Shape::KthSumNumber => {
                let measure = self.made(|m| !is_ratio(m), draw)?;
                self.number_of(self.kth(Vec::new(), measure, draw), draw)?
            }
            Shape::SumNumber => {
                let measure = self.made(|m| matches!(m, Measure::Sum(_)), draw)?;
                let of = self.best(vec![self.is(3, draw)?], draw)?;
                Query::Number { of, measure }
            }
            Shape::FilteredNumber => {
                self.number_of(self.best(vec![self.is(3, draw)?], draw)?, draw)?
            }
            Shape::FilteredCategory => {
                self.category_of(self.best(vec![self.is(3, draw)?], draw)?, draw)?
            }
            Shape::BoundedNumber => {
                self.number_of(self.best(vec![self.bound(draw)?], draw)?, draw)?
            }
            Shape::ThreeHops => {
                let hop = self.same_as(self.best(Vec::new(), draw)?, 2, draw)?;
                self.category_of(self.best(vec![hop], draw)?, draw)?
            }
            Shape::FourHops => {
                let hop = self.same_as(self.best(Vec::new(), draw)?, 2, draw)?;
                self.number_of(self.best(vec![hop], draw)?, draw)?
            }
            Shape::SameAsOnly => {
                let hop = self.same_as(self.only(draw)?, 2, draw)?;
                self.number_of(self.best(vec![hop], draw)?, draw)?
            }
            Shape::SameAsFiltered => {
                let first = self.best(vec![self.is(3, draw)?], draw)?;
                which(self.best(vec![self.same_as(first, 2, draw)?], draw)?)
            }
        })
    }

    fn at(&self, place: usize) -> EntityId {
        EntityId(u16::try_from(place).unwrap_or(0))
    }

    fn named(&self, draw: &mut Draw) -> Selector {
        Selector::Named(self.at(draw.index(self.world.roster.len())))
    }

    /// Two different entities.
    fn pair(&self, draw: &mut Draw) -> Option<(Selector, Selector)> {
        let count = self.world.roster.len();
        let first = draw.index(count);
        let second = (first + 1 + draw.index(count.checked_sub(1)?)) % count;
        Some((Selector::Named(self.at(first)), Selector::Named(self.at(second))))
    }

    fn pick(&self, from: &[AttrId], draw: &mut Draw) -> Option<AttrId> {
        draw.pick(from).copied()
    }

    fn number(&self, draw: &mut Draw) -> Option<AttrId> {
        self.pick(&self.numbers, draw)
    }

    fn category(&self, draw: &mut Draw) -> Option<AttrId> {
        self.pick(&self.categories, draw)
    }

    /// A number that none of the selectors looks at.
    fn fresh(&self, selectors: &[&Selector], draw: &mut Draw) -> Option<AttrId> {
        let attr = self.pick(&self.measured, draw)?;
        (!selectors.iter().any(|selector| selector.mentions(attr))).then_some(attr)
    }

    /// An attribute, or a named sum or difference, to compare two entities by.
    fn measure(&self, draw: &mut Draw) -> Option<Measure> {
        if draw.chance(2, 3) {
            return Some(Measure::Attr(self.pick(&self.measured, draw)?));
        }
        self.made(|measure| !is_ratio(measure), draw)
    }

    fn made(&self, wanted: impl Fn(&Measure) -> bool, draw: &mut Draw) -> Option<Measure> {
        let fitting = self.made.iter().filter(|measure| wanted(measure)).count();
        let at = draw.index(fitting);
        self.made.iter().filter(|measure| wanted(measure)).nth(at).cloned()
    }

    /// What totals add up.
    fn summed(&self, draw: &mut Draw) -> Option<Measure> {
        Some(Measure::Attr(self.pick(&self.integers, draw)?))
    }

    fn top(
        &self,
        filters: Vec<Filter>,
        wanted: impl Fn(&Measure) -> bool,
        draw: &mut Draw,
    ) -> Option<Selector> {
        Some(ranked(filters, self.made(wanted, draw)?, order(draw), 1))
    }

    fn kth(&self, filters: Vec<Filter>, measure: Measure, draw: &mut Draw) -> Selector {
        let last = if filters.is_empty() { 4 } else { 2 };
        ranked(filters, measure, order(draw), u16::try_from(draw.range(2, last)).unwrap_or(2))
    }

    /// The extreme by an attribute that no filter looks at, among at least two.
    fn best(&self, filters: Vec<Filter>, draw: &mut Draw) -> Option<Selector> {
        let attr = self.number(draw)?;
        let order = order(draw);
        if !filters.is_empty() {
            let repeats = filters.iter().any(|filter| match filter {
                Filter::Bound { measure, .. } | Filter::Relative { measure, .. } => {
                    measure.uses(attr)
                }
                _ => false,
            });
            let few = |count: usize| count < usize::from(MIN_RANKED);
            if repeats || few(self.evaluator().count(&filters).ok()?) {
                return None;
            }
        }
        Some(ranked(filters, Measure::Attr(attr), order, 1))
    }

    fn number_of(&self, of: Selector, draw: &mut Draw) -> Option<Query> {
        let attr = self.number(draw)?;
        (!of.mentions(attr)).then_some(Query::Number { of, measure: Measure::Attr(attr) })
    }

    fn category_of(&self, of: Selector, draw: &mut Draw) -> Option<Query> {
        let attr = self.category(draw)?;
        (!of.mentions(attr)).then_some(Query::Category { of, attr })
    }

    /// The gap between two that are not the same.
    fn apart(&self, a: Selector, b: Selector, attr: AttrId) -> Option<Query> {
        let evaluator = self.evaluator();
        (evaluator.entity(&a).ok()? != evaluator.entity(&b).ok()?).then_some(Query::Gap {
            a,
            b,
            measure: Measure::Attr(attr),
        })
    }

    fn nearest(&self, to: Selector, draw: &mut Draw) -> Option<Selector> {
        let attr = self.fresh(&[&to], draw)?;
        Some(Selector::Nearest { measure: Measure::Attr(attr), to: Box::new(to) })
    }

    fn relative(&self, of: Selector, draw: &mut Draw) -> Option<Filter> {
        let measure = Measure::Attr(self.fresh(&[&of], draw)?);
        let op = if draw.chance(1, 2) { CompareOp::Above } else { CompareOp::Below };
        Some(Filter::Relative { measure, op, of: Box::new(of) })
    }

    /// A category that at least so many entities have.
    fn is(&self, least: u16, draw: &mut Draw) -> Option<Filter> {
        let (attr, value) = self.shared(draw, |peers| peers >= least)?;
        Some(Filter::Is { attr, value })
    }

    /// A category that several entities have, but not most.
    fn is_not(&self, draw: &mut Draw) -> Option<Filter> {
        let (attr, value) = self.shared(draw, |peers| peers >= 2)?;
        Some(Filter::IsNot { attr, value })
    }

    /// A category condition that exactly one entity satisfies.
    fn only(&self, draw: &mut Draw) -> Option<Selector> {
        let (attr, value) = self.shared(draw, |peers| peers == 1)?;
        Some(Selector::Only(vec![Filter::Is { attr, value }]))
    }

    /// A category of some entity, by how many share it: first the attribute, then the entity.
    fn shared(&self, draw: &mut Draw, wanted: impl Fn(u16) -> bool) -> Option<(AttrId, String)> {
        let place = draw.index(self.categories.len());
        let attr = *self.categories.get(place)?;
        let count = self.world.roster.len();
        let peers = self.peers.get(place * count..(place + 1) * count)?;
        let fitting = peers.iter().filter(|peers| wanted(**peers)).count();
        let nth = draw.index(fitting);
        let (entity, _) = peers.iter().enumerate().filter(|(_, peers)| wanted(**peers)).nth(nth)?;
        let fact = FactRef { entity: self.at(entity), attr };
        let Cell::Category(word) = self.world.table.get(fact) else { return None };
        let value = self.world.schemas[attr.at()].vocabulary.get(usize::from(word))?.clone();
        Some((attr, value))
    }

    /// The others with the same category as the selected entity: at least so many.
    fn same_as(&self, of: Selector, least: u16, draw: &mut Draw) -> Option<Filter> {
        let entity = self.evaluator().entity(&of).ok()?;
        let count = self.world.roster.len();
        let fits = |place: usize, attr: AttrId| {
            let peers = self.peers.get(place * count + entity.at()).copied().unwrap_or(0);
            peers > least && !of.mentions(attr)
        };
        let fitting = || self.categories.iter().enumerate().filter(|(at, attr)| fits(*at, **attr));
        let nth = draw.index(fitting().count());
        let (_, attr) = fitting().nth(nth)?;
        Some(Filter::SameAs { attr: *attr, of: Box::new(of) })
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
        if milli <= low || milli >= high {
            return None;
        }
        let op = if draw.chance(1, 2) { CompareOp::Above } else { CompareOp::Below };
        Some(Filter::Bound { measure: Measure::Attr(attr), op, milli })
    }

    /// One attribute above or below another of the same unit and range.
    fn versus(&self, draw: &mut Draw) -> Option<Filter> {
        let left = self.pick(&self.integers, draw)?;
        let alike = || {
            self.integers.iter().filter(|attr| {
                let (a, b) = (self.world.attribute(**attr), self.world.attribute(left));
                **attr != left && a.schema.unit == b.schema.unit && a.max == b.max
            })
        };
        let nth = draw.index(alike().count());
        let right = *alike().nth(nth)?;
        let op = if draw.chance(1, 2) { CompareOp::Above } else { CompareOp::Below };
        Some(Filter::Versus { measure: Measure::Attr(left), op, other: Measure::Attr(right) })
    }
}

fn made_measures(world: &World<'_>) -> Vec<Measure> {
    use crate::domain::MeasureKind as K;
    let attr = |place: &u16| world.attr_of(*place);
    let attrs = |places: &[u16]| places.iter().map(attr).collect::<Option<Vec<_>>>();
    let made = |kind: &K| match kind {
        K::Sum(places) => Some(Measure::Sum(attrs(places)?)),
        K::Diff(a, b) => Some(Measure::Diff(attr(a)?, attr(b)?)),
        K::Ratio { over, under } => {
            Some(Measure::Ratio { over: attrs(over)?, under: attrs(under)? })
        }
    };
    world.domain.measures.iter().filter_map(|named| made(&named.kind)).collect()
}

fn is_ratio(measure: &Measure) -> bool {
    matches!(measure, Measure::Ratio { .. })
}

fn ranked(filters: Vec<Filter>, measure: Measure, order: Order, rank: u16) -> Selector {
    Selector::Ranked { filters, measure, order, rank }
}

fn order(draw: &mut Draw) -> Order {
    if draw.chance(1, 2) { Order::Highest } else { Order::Lowest }
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
