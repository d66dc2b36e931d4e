//! The query algebra against brute force: an evaluator that shares nothing with the engine's but the
//! types. It works on plain rows, compares fractions as exact pairs, and singles an entity out by
//! counting who is strictly ahead of it.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking

use lode_tasks::{
    query::{Cell, Evaluator, Table},
    types::{
        Answer, AttrId, AttributeSchema, CompareOp, EntityId, FactRef, Filter, Measure, Order,
        Query, Selector, ValueKind,
    },
};
use proptest::prelude::*;

const ENTITIES: u16 = 6;
/// Two categories, three integers, one decimal, one year.
const KINDS: [ValueKind; 7] = [
    ValueKind::Category,
    ValueKind::Category,
    ValueKind::Integer,
    ValueKind::Integer,
    ValueKind::Integer,
    ValueKind::Decimal,
    ValueKind::Year,
];
const WORDS: [&str; 4] = ["ash", "birch", "cedar", "elm"];

fn schemas() -> Vec<AttributeSchema> {
    KINDS
        .iter()
        .enumerate()
        .map(|(at, kind)| AttributeSchema {
            key: format!("a{at}"),
            label: format!("a{at}"),
            kind: *kind,
            unit: String::new(),
            scale: 1,
            trace: "{entity} has {value}".into(),
            trace_more: None,
            trace_less: None,
            vocabulary: if *kind == ValueKind::Category {
                WORDS.map(str::to_owned).to_vec()
            } else {
                Vec::new()
            },
        })
        .collect()
}

/// By entity, then attribute: a place in [`WORDS`], or thousandths.
type Rows = Vec<Vec<i64>>;

fn table(rows: &Rows) -> Table {
    let mut table = Table::new(ENTITIES, KINDS.len() as u16);
    for (entity, row) in (0..).map(EntityId).zip(rows) {
        for (attr, value) in (0..).map(AttrId).zip(row) {
            let cell = match KINDS[attr.at()] {
                ValueKind::Category => Cell::Category(u16::try_from(*value).unwrap()),
                _ => Cell::Number(*value),
            };
            table.set(FactRef { entity, attr }, cell);
        }
    }
    table
}

// ------------------------------------------------------------------------------ brute force

struct Brute<'r>(&'r Rows);

/// Above and below the line.
type Fraction = (i128, i128);

fn ahead(left: Fraction, right: Fraction) -> bool {
    left.0 * right.1 > right.0 * left.1
}

fn level(left: Fraction, right: Fraction) -> bool {
    left.0 * right.1 == right.0 * left.1
}

impl Brute<'_> {
    fn everyone(&self) -> Vec<usize> {
        (0..self.0.len()).collect()
    }

    fn value(&self, entity: usize, attr: AttrId) -> i128 {
        i128::from(self.0[entity][attr.at()])
    }

    fn fraction(&self, entity: usize, measure: &Measure) -> Option<Fraction> {
        let sum = |attrs: &[AttrId]| attrs.iter().map(|a| self.value(entity, *a)).sum::<i128>();
        match measure {
            Measure::Attr(attr) => Some((self.value(entity, *attr), 1)),
            Measure::Sum(attrs) => Some((sum(attrs), 1)),
            Measure::Diff(a, b) => Some((self.value(entity, *a) - self.value(entity, *b), 1)),
            Measure::Ratio { over, under } => (sum(under) > 0).then(|| (sum(over), sum(under))),
        }
    }

    fn whole(&self, entity: usize, measure: &Measure) -> Option<i128> {
        match measure {
            Measure::Ratio { .. } => None,
            other => Some(self.fraction(entity, other)?.0),
        }
    }

    /// Whether an entity passes; `None` where that is undefined.
    fn passes(&self, entity: usize, filter: &Filter) -> Option<bool> {
        let word = |value: &String| WORDS.iter().position(|word| word == value).unwrap() as i128;
        let side = |op: &CompareOp, left, right| match op {
            CompareOp::Above => ahead(left, right),
            CompareOp::Below => ahead(right, left),
        };
        Some(match filter {
            Filter::Is { attr, value } => self.value(entity, *attr) == word(value),
            Filter::IsNot { attr, value } => self.value(entity, *attr) != word(value),
            Filter::Bound { measure, op, milli } => {
                side(op, self.fraction(entity, measure)?, (i128::from(*milli), 1))
            }
            Filter::Versus { measure, op, other } => {
                side(op, self.fraction(entity, measure)?, self.fraction(entity, other)?)
            }
            Filter::SameAs { attr, of } => {
                let other = self.one(of)?;
                entity != other && self.value(entity, *attr) == self.value(other, *attr)
            }
            Filter::Relative { measure, op, of } => {
                let other = self.one(of)?;
                side(op, self.fraction(entity, measure)?, self.fraction(other, measure)?)
            }
        })
    }

    fn all(&self, filters: &[Filter]) -> Option<Vec<usize>> {
        let mut found = Vec::new();
        for entity in self.everyone() {
            let mut passes = true;
            for filter in filters {
                passes &= self.passes(entity, filter)?;
            }
            if passes {
                found.push(entity);
            }
        }
        Some(found)
    }

    fn one(&self, selector: &Selector) -> Option<usize> {
        match selector {
            Selector::Named(entity) => Some(entity.at()),
            Selector::Only(filters) => match self.all(filters)?.as_slice() {
                [one] => Some(*one),
                _ => None,
            },
            Selector::Ranked { filters, measure, order, rank } => {
                let set = self.all(filters)?;
                let mut found = None;
                for one in &set {
                    let own = self.fraction(*one, measure)?;
                    let mut before = 0;
                    for other in set.iter().filter(|other| *other != one) {
                        let their = self.fraction(*other, measure)?;
                        before += usize::from(match order {
                            Order::Highest => ahead(their, own),
                            Order::Lowest => ahead(own, their),
                        });
                    }
                    let tied = set.iter().any(|other| {
                        other != one
                            && self.fraction(*other, measure).is_some_and(|f| level(f, own))
                    });
                    if before + 1 == usize::from(*rank) && !tied {
                        found = Some(*one);
                    }
                }
                found
            }
            Selector::Nearest { measure, to } => {
                let to = self.one(to)?;
                let far = |entity: usize| {
                    Some((self.whole(entity, measure)? - self.whole(to, measure)?).abs())
                };
                let others = || self.everyone().into_iter().filter(|entity| *entity != to);
                let least = others().map(far).collect::<Option<Vec<_>>>()?.into_iter().min()?;
                let near: Vec<usize> = others().filter(|e| far(*e) == Some(least)).collect();
                if let [one] = near.as_slice() { Some(*one) } else { None }
            }
        }
    }

    fn answer(&self, query: &Query) -> Option<Answer> {
        let number = |measure: &Measure, milli: i128| {
            let first = measure.attrs()[0];
            let milli = i64::try_from(milli).unwrap();
            match KINDS[first.at()] {
                ValueKind::Decimal => Answer::Decimal(milli),
                _ => Answer::Integer(milli / 1000),
            }
        };
        let word = |place: i128| Answer::Category(WORDS[usize::try_from(place).unwrap()].into());
        let entity = |at: usize| Answer::Entity(EntityId(u16::try_from(at).unwrap()));
        Some(match query {
            Query::Which(of) => entity(self.one(of)?),
            Query::Number { of, measure } => number(measure, self.whole(self.one(of)?, measure)?),
            Query::Category { of, attr } => word(self.value(self.one(of)?, *attr)),
            Query::Count(filters) => Answer::Integer(self.all(filters)?.len() as i64),
            Query::Total { filters, measure } => {
                let set = self.all(filters)?;
                let parts: Option<Vec<i128>> =
                    set.iter().map(|e| self.whole(*e, measure)).collect();
                (!set.is_empty()).then_some(())?;
                number(measure, parts?.iter().sum())
            }
            Query::Mode { filters, attr } => {
                let set = self.all(filters)?;
                let count = |place: usize| {
                    set.iter().filter(|e| self.value(**e, *attr) == place as i128).count()
                };
                let most = (0..WORDS.len()).map(count).max()?;
                let winners: Vec<usize> = (0..WORDS.len()).filter(|w| count(*w) == most).collect();
                match winners.as_slice() {
                    [one] if most > 1 => word(*one as i128),
                    _ => return None,
                }
            }
            Query::Gap { a, b, measure } => {
                let (a, b) = (self.one(a)?, self.one(b)?);
                number(measure, (self.whole(a, measure)? - self.whole(b, measure)?).abs())
            }
            Query::Sum { a, b, measure } => {
                let (a, b) = (self.one(a)?, self.one(b)?);
                (a != b).then_some(())?;
                number(measure, self.whole(a, measure)? + self.whole(b, measure)?)
            }
            Query::Compare { a, b, measure, order } => {
                let (a, b) = (self.one(a)?, self.one(b)?);
                let (x, y) = (self.fraction(a, measure)?, self.fraction(b, measure)?);
                (a != b && !level(x, y)).then_some(())?;
                entity(if ahead(x, y) == (*order == Order::Highest) { a } else { b })
            }
        })
    }
}

// ------------------------------------------------------------------------------ random queries

fn rows() -> impl Strategy<Value = Rows> {
    // Narrow ranges, so that ties are common.
    let row = (0_i64..4, 0_i64..4, 1_i64..8, 1_i64..8, 1_i64..30, 1_i64..60, 1990_i64..1996)
        .prop_map(|(a, b, c, d, e, f, g)| {
            vec![a, b, c * 1000, d * 1000, e * 1000, f * 100, g * 1000]
        });
    proptest::collection::vec(row, usize::from(ENTITIES))
}

fn category() -> impl Strategy<Value = AttrId> {
    (0_u16..2).prop_map(AttrId)
}

fn numeric() -> impl Strategy<Value = AttrId> {
    (2_u16..7).prop_map(AttrId)
}

fn whole() -> impl Strategy<Value = Measure> {
    prop_oneof![
        4 => numeric().prop_map(Measure::Attr),
        1 => Just(Measure::Sum(vec![AttrId(2), AttrId(3)])),
        1 => Just(Measure::Diff(AttrId(3), AttrId(4))),
    ]
}

fn measure() -> impl Strategy<Value = Measure> {
    prop_oneof![
        4 => whole(),
        1 => Just(Measure::Ratio { over: vec![AttrId(2)], under: vec![AttrId(4)] }),
        1 => Just(Measure::Ratio { over: vec![AttrId(2), AttrId(3)], under: vec![AttrId(3)] }),
    ]
}

fn op() -> impl Strategy<Value = CompareOp> {
    prop_oneof![Just(CompareOp::Above), Just(CompareOp::Below)]
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![Just(Order::Highest), Just(Order::Lowest)]
}

fn named() -> impl Strategy<Value = Selector> {
    (0..ENTITIES).prop_map(|at| Selector::Named(EntityId(at)))
}

fn flat() -> BoxedStrategy<Filter> {
    let word = || (0_usize..4).prop_map(|at| WORDS[at].to_owned());
    prop_oneof![
        (category(), word()).prop_map(|(attr, value)| Filter::Is { attr, value }),
        (category(), word()).prop_map(|(attr, value)| Filter::IsNot { attr, value }),
        (measure(), op(), 0_i64..9).prop_map(|(measure, op, n)| Filter::Bound {
            measure,
            op,
            milli: n * 500
        }),
        (measure(), op(), measure()).prop_map(|(measure, op, other)| Filter::Versus {
            measure,
            op,
            other
        }),
    ]
    .boxed()
}

fn over(of: BoxedStrategy<Selector>) -> BoxedStrategy<Filter> {
    prop_oneof![
        1 => flat(),
        1 => (category(), of.clone())
            .prop_map(|(attr, of)| Filter::SameAs { attr, of: Box::new(of) }),
        1 => (measure(), op(), of)
            .prop_map(|(measure, op, of)| Filter::Relative { measure, op, of: Box::new(of) }),
    ]
    .boxed()
}

fn select(filter: BoxedStrategy<Filter>, to: BoxedStrategy<Selector>) -> BoxedStrategy<Selector> {
    let filters = proptest::collection::vec(filter, 0..3);
    prop_oneof![
        1 => named(),
        2 => filters.clone().prop_map(Selector::Only),
        4 => (filters, measure(), order(), 1_u16..4).prop_map(|(filters, measure, order, rank)| {
            Selector::Ranked { filters, measure, order, rank }
        }),
        1 => (whole(), to).prop_map(|(measure, to)| Selector::Nearest { measure, to: Box::new(to) }),
    ]
    .boxed()
}

fn selector() -> BoxedStrategy<Selector> {
    let first = select(flat(), named().boxed());
    let second = select(over(first.clone()), first);
    select(over(second.clone()), second)
}

fn query() -> BoxedStrategy<Query> {
    let filters = || proptest::collection::vec(over(selector()), 0..3);
    prop_oneof![
        3 => selector().prop_map(Query::Which),
        1 => (selector(), whole()).prop_map(|(of, measure)| Query::Number { of, measure }),
        1 => (selector(), category()).prop_map(|(of, attr)| Query::Category { of, attr }),
        1 => filters().prop_map(Query::Count),
        1 => (filters(), whole()).prop_map(|(filters, measure)| Query::Total { filters, measure }),
        1 => (filters(), category()).prop_map(|(filters, attr)| Query::Mode { filters, attr }),
        1 => (selector(), selector(), whole())
            .prop_map(|(a, b, measure)| Query::Gap { a, b, measure }),
        1 => (selector(), selector(), whole())
            .prop_map(|(a, b, measure)| Query::Sum { a, b, measure }),
        1 => (selector(), selector(), measure(), order())
            .prop_map(|(a, b, measure, order)| Query::Compare { a, b, measure, order }),
    ]
    .boxed()
}

#[test]
fn random_queries_evaluate_as_by_brute_force() {
    let config = ProptestConfig { cases: 30_000, failure_persistence: None, ..Default::default() };
    let schemas = schemas();
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    let counted = std::cell::Cell::new(0_u32);
    runner
        .run(&(rows(), query()), |(rows, query)| {
            let table = table(&rows);
            let found = Evaluator { table: &table, attributes: &schemas }.answer(&query).ok();
            prop_assert_eq!(&found, &Brute(&rows).answer(&query), "{:?}", query.shape());
            counted.set(counted.get() + u32::from(found.is_some()));
            Ok(())
        })
        .unwrap();
    let defined = counted.get();
    assert!(defined > 8_000, "only {defined} queries have an answer");
}
