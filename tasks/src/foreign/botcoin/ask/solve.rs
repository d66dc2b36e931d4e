//! Who answers a query. Where figures have several possible values, or names tie, every company that
//! could be the answer is one: too many are possible, never too few.

use std::cmp::Ordering;

use super::{Filter, Measure, Pick, Query, Share};
use crate::foreign::botcoin::{
    companies::{Profile, Quantity},
    facts::{Facts, Known},
};

/// A fraction between two bounds; denominators are positive.
#[derive(Debug, Clone, Copy)]
struct Range {
    low: (i128, i128),
    high: (i128, i128),
}

fn order(a: (i128, i128), b: (i128, i128)) -> Ordering {
    (a.0.saturating_mul(b.1)).cmp(&(b.0.saturating_mul(a.1)))
}

fn bounds(facts: &Facts, entity: usize, quantity: Quantity) -> Result<(i128, i128), String> {
    match facts.known(entity, quantity) {
        Known::Values(values) => {
            let low = values.first().copied().unwrap_or(0);
            let high = values.last().copied().unwrap_or(0);
            Ok((i128::from(low), i128::from(high)))
        }
        Known::Unknown(why) => Err(why),
    }
}

fn total(facts: &Facts, entity: usize) -> Result<(i128, i128), String> {
    let mut sum = (0, 0);
    for quarter in 0..4 {
        let (low, high) = bounds(facts, entity, Quantity::Revenue(quarter))?;
        sum = (sum.0 + low, sum.1 + high);
    }
    Ok(sum)
}

/// A company's measure; `None` where it has none (a private one and the year it went public).
fn measure(facts: &Facts, entity: usize, measure: Measure) -> Result<Option<Range>, String> {
    let whole = |(low, high): (i128, i128)| Some(Range { low: (low, 1), high: (high, 1) });
    let year = |year: i64| whole((i128::from(year) * 1000, i128::from(year) * 1000));
    let profile = facts.profiles.get(entity).ok_or("no such company")?;
    Ok(match measure {
        Measure::One(quantity) => whole(bounds(facts, entity, quantity)?),
        Measure::TotalRevenue => whole(total(facts, entity)?),
        Measure::EmployeesPerRevenue => {
            let (few, many) = bounds(facts, entity, Quantity::Employees)?;
            let (little, much) = total(facts, entity)?;
            if little <= 0 {
                return Err(format!("{} may have had no revenue at all", profile.name));
            }
            Some(Range { low: (few, much), high: (many, little) })
        }
        Measure::RevenueIncrease => {
            let first = bounds(facts, entity, Quantity::Revenue(0))?;
            let last = bounds(facts, entity, Quantity::Revenue(3))?;
            whole((last.0 - first.1, last.1 - first.0))
        }
        Measure::Founded => year(profile.founded),
        Measure::Public => profile.public.and_then(year),
    })
}

fn any(of: &[String], wanted: impl Fn(&str) -> bool) -> (bool, bool) {
    let hits = of.iter().filter(|one| wanted(one)).count();
    (hits == of.len() && hits > 0, hits > 0)
}

/// Whether a company surely, and whether it possibly, is what a filter asks for.
fn holds(facts: &Facts, entity: usize, filter: &Filter) -> Result<(bool, bool), String> {
    let profile = facts.profiles.get(entity).ok_or("no such company")?;
    let both = |truth: bool| (truth, truth);
    let negative = |quarter: u8| {
        let (low, high) = bounds(facts, entity, Quantity::Growth(quarter))?;
        Ok::<_, String>((high < 0, low < 0))
    };
    Ok(match filter {
        Filter::Private(wanted) => both(profile.public.is_none() == *wanted),
        Filter::Place(place) => {
            let same = |name: &str| name.eq_ignore_ascii_case(place);
            let (city, country) = (any(&profile.city, same), any(&profile.country, same));
            (city.0 || country.0, city.1 || country.1)
        }
        Filter::Business(word) => {
            both(profile.business.split(' ').any(|part| part.eq_ignore_ascii_case(word)))
        }
        Filter::Bound(by, above, bound) => match measure(facts, entity, *by)? {
            None => both(false),
            Some(Range { low, high }) => {
                let bound = (i128::from(*bound), 1);
                if *above {
                    (order(low, bound).is_gt(), order(high, bound).is_gt())
                } else {
                    (order(high, bound).is_lt(), order(low, bound).is_lt())
                }
            }
        },
        Filter::Decade(from) => both((*from..from + 10).contains(&profile.founded)),
        Filter::NegativeQuarter(quarter) => negative(*quarter)?,
        Filter::AnyNegative => {
            let mut any = (false, false);
            for quarter in 0..4 {
                let one = negative(quarter)?;
                any = (any.0 || one.0, any.1 || one.1);
            }
            any
        }
        Filter::Exceeds(one, other) => {
            let a = bounds(facts, entity, Quantity::Revenue(*one))?;
            let b = bounds(facts, entity, Quantity::Revenue(*other))?;
            (a.0 > b.1, a.1 > b.0)
        }
    })
}

/// Who may be picked from companies that surely or possibly (`false`) belong to the choice.
fn pick(facts: &Facts, from: &[(usize, bool)], pick: Pick) -> Result<Vec<usize>, String> {
    let mut ranges = Vec::with_capacity(from.len());
    for (entity, sure) in from {
        if let Some(Range { low, high }) = measure(facts, *entity, pick.measure)? {
            // The smallest is the largest of what is turned round.
            let (low, high) =
                if pick.most { (low, high) } else { ((-high.0, high.1), (-low.0, low.1)) };
            ranges.push((*entity, *sure, Range { low, high }));
        }
    }
    if ranges.is_empty() {
        return Err("no company is left to choose from".into());
    }
    // Someone may be at this rank unless more than `rank` others surely are above them; and unless,
    // for a rank below the first, fewer than `rank` others could be.
    let possible: Vec<usize> = ranges
        .iter()
        .filter(|(entity, _, range)| {
            let above = ranges
                .iter()
                .filter(|(other, sure, theirs)| {
                    other != entity && *sure && order(theirs.low, range.high).is_gt()
                })
                .count();
            let could = ranges
                .iter()
                .filter(|(other, _, theirs)| {
                    other != entity && order(theirs.high, range.low).is_ge()
                })
                .count();
            above <= pick.rank && could >= pick.rank
        })
        .map(|(entity, ..)| *entity)
        .collect();
    if possible.is_empty() {
        return Err("too few companies are left to choose from".into());
    }
    Ok(possible)
}

fn shares(share: Share, one: &Profile, other: &Profile) -> (bool, bool) {
    match share {
        Share::CeoInitial => {
            let initial = |profile: &Profile| profile.ceo_first.chars().next();
            let same = initial(one) == initial(other);
            (same, same)
        }
        Share::Country => any(&other.country, |name| one.country.iter().any(|n| n == name)),
        Share::City => any(&other.city, |name| one.city.iter().any(|n| n == name)),
    }
}

/// Every company that may be the answer, by its place among the profiles; never empty.
///
/// # Errors
/// Which figure is missing, or that nobody is left.
pub fn solve(facts: &Facts, query: &Query) -> Result<Vec<usize>, String> {
    let all: Vec<usize> = (0..facts.profiles.len()).collect();
    let Some((first, share)) = query.like else {
        return choose(facts, query, &all);
    };
    let whole: Vec<(usize, bool)> = all.iter().map(|entity| (*entity, true)).collect();
    let mut answers = Vec::new();
    for leader in pick(facts, &whole, first)? {
        let leader = &facts.profiles[leader];
        let group: Vec<usize> = all
            .iter()
            .copied()
            .filter(|entity| shares(share, leader, &facts.profiles[*entity]).1)
            .collect();
        answers.extend(choose(facts, query, &group)?);
    }
    answers.sort_unstable();
    answers.dedup();
    Ok(answers)
}

fn choose(facts: &Facts, query: &Query, group: &[usize]) -> Result<Vec<usize>, String> {
    let mut from = Vec::with_capacity(group.len());
    for entity in group {
        let (mut sure, mut possible) = (true, true);
        for filter in &query.filters {
            let one = holds(facts, *entity, filter)?;
            sure &= one.0;
            possible &= one.1;
        }
        if possible {
            from.push((*entity, sure));
        }
    }
    pick(facts, &from, query.pick)
}
