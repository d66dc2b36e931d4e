//! Compute, filter and compare steps against their recomputation from earlier steps.
//!
//! An argument that names a compare step means the step that it found; one that names a filter step
//! means all that it kept, one after the other.

use std::cmp::Ordering;

use super::{
    index::TaskIndex,
    ledger::Entry,
    steps::{Names, Steps},
};
use crate::{
    number,
    parse::{Argument, Condition, Parsed, StepBody},
    query::Cell,
    types::{ComputeOp, ComputeStatus, FactRef, Order, StepId},
    work,
};

/// Largest argument of `next_prime` that is recomputed: at most 168 divisions for each candidate.
const MAX_PRIME_ARGUMENT: i64 = 1_000_000;
/// Most values that the arguments of one step may come to; filters multiply them.
const MAX_TERMS: usize = 256;

/// An exact number: thousandths over a positive whole.
type Exact = (i64, i64);

fn cmp(a: Exact, b: Exact) -> Ordering {
    (i128::from(a.0) * i128::from(b.1)).cmp(&(i128::from(b.0) * i128::from(a.1)))
}

/// One value among the arguments.
#[derive(Debug, Clone, Copy)]
struct Term {
    /// The step, never a compare step; `None` for a literal.
    place: Option<usize>,
    /// Thousandths; a literal or the step's.
    number: Option<i64>,
}

/// What recomputation needs of the steps so far.
#[derive(Default)]
pub(super) struct Workings {
    pub(super) entries: Vec<Entry>,
    /// Places of the steps that filter steps kept and compare steps compared.
    places: Vec<usize>,
    /// The arguments of the step at hand.
    terms: Vec<Term>,
}

impl Workings {
    pub(super) fn with_capacity(steps: usize) -> Self {
        Self { entries: Vec::with_capacity(steps), ..Self::default() }
    }

    /// A computed step, at `place`: what it amounts to and how it compares.
    pub(super) fn recompute(
        &mut self,
        index: &TaskIndex<'_>,
        parsed: &Parsed,
        names: &Names,
        place: usize,
        body: &StepBody,
    ) -> (Entry, ComputeStatus) {
        let mut entry = Entry { rests: Steps::one(place), ..Entry::default() };
        let right = match body {
            StepBody::Compute { op, arguments, result } => {
                entry.number = Some(*result);
                let arguments = parsed.arguments(arguments);
                self.gather(names, arguments, &mut entry)
                    .and_then(|()| self.compute(*op, *result, &mut entry))
            }
            StepBody::Filter { among, condition, kept } => self
                .gather(names, parsed.arguments(among), &mut entry)
                .and_then(|()| self.filter(index, parsed, names, condition, kept, &mut entry)),
            StepBody::Compare { among, order, rank, winner } => self
                .gather(names, parsed.arguments(among), &mut entry)
                .and_then(|()| self.compare(names, *order, *rank, *winner, &mut entry)),
            StepBody::Extract(_) | StepBody::Revise(_) | StepBody::Unread => None,
        };
        let status = match right {
            None => ComputeStatus::Undefined,
            Some(true) => ComputeStatus::Right,
            Some(false) => ComputeStatus::Wrong,
        };
        if status != ComputeStatus::Right {
            entry.states = None;
        }
        (entry, status)
    }

    /// The step that an id comes to, through compare steps.
    fn meant(&self, names: &Names, id: StepId) -> Option<(usize, &Entry)> {
        let place = names.find(id)?;
        let entry = self.entries.get(place)?;
        match entry.winner {
            None => Some((place, entry)),
            Some(winner) => Some((winner, self.entries.get(winner)?)),
        }
    }

    /// Works the arguments out into [`Workings::terms`]; what they rest on goes to the entry, and
    /// whom they are about where that is one entity. `None` where one names no earlier step.
    fn gather(&mut self, names: &Names, arguments: &[Argument], to: &mut Entry) -> Option<()> {
        self.terms.clear();
        for argument in arguments {
            work::count();
            let id = match argument {
                Argument::Number(milli) => {
                    self.terms.push(Term { place: None, number: Some(*milli) });
                    continue;
                }
                Argument::Step(id) => *id,
            };
            let named = self.entries.get(names.find(id)?)?;
            to.rests.join(&named.rests);
            match &named.kept {
                None => {
                    let (place, entry) = self.meant(names, id)?;
                    self.terms.push(Term { place: Some(place), number: entry.number });
                }
                Some(kept) => {
                    for place in self.places.get(kept.clone())? {
                        work::count();
                        let number = self.entries.get(*place)?.number;
                        self.terms.push(Term { place: Some(*place), number });
                    }
                }
            }
            if self.terms.len() > MAX_TERMS {
                return None;
            }
        }
        let mut subjects = self
            .terms
            .iter()
            .filter_map(|term| term.place.and_then(|place| self.entries.get(place)))
            .map(|entry| entry.subject);
        let first = subjects.next().flatten();
        to.subject = if subjects.all(|other| other == first) { first } else { None };
        Some(())
    }

    fn entry(&self, term: &Term) -> Option<&Entry> {
        self.entries.get(term.place?)
    }

    fn exact(&self, term: &Term) -> Option<Exact> {
        match self.entry(term) {
            Some(entry) => value(entry),
            None => term.number.map(|milli| (milli, 1)),
        }
    }

    /// Whether the result is that of the operation; `None` where it has none.
    fn compute(&self, op: ComputeOp, result: i64, entry: &mut Entry) -> Option<bool> {
        let terms = self.terms.as_slice();
        if op == ComputeOp::Count {
            // What is counted is somebody: no literal, no sum over several, no withdrawal.
            let somebody =
                |term: &Term| self.entry(term).is_some_and(|entry| entry.subject.is_some());
            if !terms.iter().all(somebody) {
                return None;
            }
            return Some(i64::try_from(terms.len()).ok()?.checked_mul(1000)? == result);
        }
        let numbers = || terms.iter().filter_map(|term| term.number);
        if numbers().count() != terms.len() {
            return None;
        }
        if let (ComputeOp::Add | ComputeOp::Resolve, [a, b]) = (op, terms)
            && let Some((a, b)) = self.entry(a).zip(self.entry(b))
            && let Some(fact) = chain(a, b).or_else(|| chain(b, a))
        {
            entry.states = Some((fact, Cell::Number(result)));
            entry.subject = Some(fact.entity);
        } else if op == ComputeOp::Resolve {
            return None;
        }
        let wide = i128::from(result);
        let two = || match terms {
            [Term { number: Some(a), .. }, Term { number: Some(b), .. }] => Some((*a, *b)),
            _ => None,
        };
        Some(match op {
            ComputeOp::Add if terms.len() >= 2 => numbers().map(i128::from).sum::<i128>() == wide,
            ComputeOp::Resolve => numbers().map(i128::from).sum::<i128>() == wide,
            ComputeOp::Sub => two().map(|(a, b)| i128::from(a) - i128::from(b))? == wide,
            ComputeOp::Mul => two().map(|(a, b)| i128::from(a) * i128::from(b))? == wide * 1000,
            ComputeOp::Mod => {
                let (a, b) = two().filter(|(_, b)| *b > 0)?;
                a.rem_euclid(b) == result
            }
            ComputeOp::Max => numbers().max()? == result,
            ComputeOp::Min => numbers().min()? == result,
            ComputeOp::AbsDiff => two().map(|(a, b)| i128::from(a.abs_diff(b)))? == wide,
            ComputeOp::NextPrime => {
                let [Term { number: Some(n), .. }] = terms else { return None };
                if n % 1000 != 0 || n / 1000 > MAX_PRIME_ARGUMENT {
                    return None;
                }
                i128::from(number::next_prime(n / 1000)) * 1000 == wide
            }
            ComputeOp::Ratio => {
                let (a, b) = two().filter(|(_, b)| *b > 0)?;
                entry.exact = Some((a.checked_mul(1000)?, b));
                let off = i128::from(a) * 1000 - wide * i128::from(b);
                off.abs() < i128::from(b)
            }
            ComputeOp::Add | ComputeOp::Count => return None,
        })
    }

    /// Whether exactly those that meet the condition are kept.
    fn filter(
        &mut self,
        index: &TaskIndex<'_>,
        parsed: &Parsed,
        names: &Names,
        condition: &Condition,
        kept: &std::ops::Range<usize>,
        entry: &mut Entry,
    ) -> Option<bool> {
        // A filter keeps steps, whoever they are about.
        entry.subject = None;
        let start = self.places.len();
        entry.kept = Some(start..start);
        if let Condition::Bound(_, Argument::Step(id)) | Condition::SameAs(id) = condition {
            entry.rests.join(&self.entries.get(names.find(*id)?)?.rests);
            entry.against = Some(self.meant(names, *id)?.0);
        }
        let mut passing = Steps::default();
        for term in &self.terms {
            if self.meets(index, parsed, condition, entry.against, term)? {
                passing.add(term.place?);
            }
        }
        if self.terms.is_empty() {
            return None;
        }
        let mut said = Steps::default();
        for argument in parsed.arguments(kept) {
            let Argument::Step(id) = argument else { return None };
            let (place, named) = self.meant(names, *id)?;
            match &named.kept {
                None => said.add(place),
                Some(kept) => self.places.get(kept.clone())?.iter().for_each(|at| said.add(*at)),
            }
        }
        self.places.extend(said.places());
        entry.kept = Some(start..self.places.len());
        Some(said == passing)
    }

    fn meets(
        &self,
        index: &TaskIndex<'_>,
        parsed: &Parsed,
        condition: &Condition,
        against: Option<usize>,
        term: &Term,
    ) -> Option<bool> {
        let against = || self.entries.get(against?);
        match condition {
            Condition::Bound(op, bound) => {
                let bound = match bound {
                    Argument::Number(milli) => (*milli, 1),
                    Argument::Step(_) => value(against()?)?,
                };
                Some(op.holds(cmp(self.exact(term)?, bound)))
            }
            Condition::Is(word) | Condition::IsNot(word) => {
                let (fact, cell) = category(self.entry(term)?)?;
                let is = index.word(fact.attr, parsed.slice(word))? == cell;
                Some(is == matches!(condition, Condition::Is(_)))
            }
            Condition::SameAs(_) => {
                let (fact, cell) = category(self.entry(term)?)?;
                let (other, wanted) = category(against()?)?;
                (fact.attr == other.attr).then_some(cell == wanted)
            }
        }
    }

    /// Whether the winner is the one at that place; `None` where a tie or too few steps decide.
    fn compare(
        &mut self,
        names: &Names,
        order: Order,
        rank: u16,
        winner: StepId,
        entry: &mut Entry,
    ) -> Option<bool> {
        let (winner, found) = self.meant(names, winner)?;
        let best = value(found)?;
        let (mut ahead, mut level, mut listed) = (0, 0, false);
        for term in &self.terms {
            listed |= term.place == Some(winner);
            match (cmp(self.exact(term)?, best), order) {
                (Ordering::Equal, _) => level += 1,
                (Ordering::Greater, Order::Highest) | (Ordering::Less, Order::Lowest) => ahead += 1,
                _ => {}
            }
        }
        if self.terms.len() < 2 || self.terms.len() < usize::from(rank) {
            return None;
        }
        if !listed {
            return Some(false);
        }
        if level > 1 {
            return None;
        }
        entry.winner = Some(winner);
        entry.number = found.number;
        entry.exact = found.exact;
        entry.subject = found.subject;
        let start = self.places.len();
        self.places.extend(self.terms.iter().filter_map(|term| term.place));
        entry.among = Some(start..self.places.len());
        Some(ahead + 1 == usize::from(rank))
    }

    /// The steps that a filter kept.
    pub(super) fn kept(&self, entry: &Entry) -> &[usize] {
        entry.kept.clone().and_then(|kept| self.places.get(kept)).unwrap_or(&[])
    }

    /// The steps that a comparison compared.
    pub(super) fn among(&self, entry: &Entry) -> &[usize] {
        entry.among.clone().and_then(|among| self.places.get(among)).unwrap_or(&[])
    }
}

/// A step's number, before it was rounded.
fn value(entry: &Entry) -> Option<Exact> {
    entry.exact.or_else(|| entry.number.map(|milli| (milli, 1)))
}

/// The fact and the category that a step states.
fn category(entry: &Entry) -> Option<(FactRef, Cell)> {
    entry.states.filter(|(_, cell)| matches!(cell, Cell::Category(_)))
}

/// The fact that an absolute step and a relative step that refers to it add up to.
fn chain(base: &Entry, relative: &Entry) -> Option<FactRef> {
    let (known, _) = base.states?;
    let (fact, reference) = relative.relative?;
    (known.attr == fact.attr && known.entity == reference).then_some(fact)
}
