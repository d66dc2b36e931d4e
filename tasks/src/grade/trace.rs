//! The trace score: how much of the way from the paragraphs to answers and artifact a trace shows.
//!
//! ```text
//! trace_milli = (300 × sources shown / sources + 700 × links shown / links) × sound / steps
//! ```
//!
//! each quotient rounded down; `docs/quality.md` defines it in full. Final values alone show sources
//! at most, so they come to at most [`SOURCES`].

use super::{
    Graded, Grader,
    ledger::{Entry, Ledger},
    outline::{Basis, Link, measured},
    quality::Share,
};
use crate::{
    parse::{Argument, Condition, Step, StepBody},
    types::{CitationStatus, ComputeStatus, EntityId, FactRef, Filter, Measure, RevisionStatus},
};

/// Thousandths of a trace that shows every source and no link.
pub(super) const SOURCES: usize = 300;
/// Thousandths of the links.
const LINKS: usize = 700;
/// Longest chain that is followed.
const MAX_CHAIN: usize = 64;

/// The trace score of one attempt, thousandths.
pub(super) fn milli(grader: &Grader<'_>, graded: &Graded<'_>) -> u16 {
    let ledger = &graded.ledger;
    let derived = graded
        .parsed
        .steps
        .iter()
        .zip(&ledger.workings.entries)
        .enumerate()
        .filter(|(place, (step, _))| {
            ledger.is_grounded(*place)
                && !matches!(step.body, StepBody::Extract(_) | StepBody::Revise(_))
        })
        .map(|(_, derived)| derived)
        .collect();
    let shown = Shown { grader, ledger, derived };
    let mut sources = Share { right: 0, all: 0 };
    let mut links = Share { right: 0, all: 0 };
    shown.facts(&mut sources, &mut links);
    for link in &grader.outline.links {
        links.count(shown.link(link));
    }
    let score = match links.all {
        0 => sources.milli(SOURCES + LINKS),
        _ => sources.milli(SOURCES) + links.milli(LINKS),
    };
    u16::try_from(shown.sound().milli(score)).unwrap_or(1000)
}

struct Shown<'a> {
    grader: &'a Grader<'a>,
    ledger: &'a Ledger,
    /// Computed steps that stand on right citations.
    derived: Vec<(&'a Step, &'a Entry)>,
}

impl Shown<'_> {
    /// The sources of every deciding fact, and the links of its chain. A statement that several
    /// facts rest on counts once.
    fn facts(&self, sources: &mut Share, links: &mut Share) {
        let index = &self.grader.index;
        let mut counted = vec![false; index.facts()];
        for fact in &self.grader.outline.facts {
            let mut at = *fact;
            for _ in 0..MAX_CHAIN {
                match counted.get_mut(index.place(at)) {
                    Some(seen) if !*seen => *seen = true,
                    _ => break,
                }
                let extracted = self.ledger.extracted(index, at);
                let Some(reference) = index.reference(at).filter(|_| !extracted) else {
                    sources.count(extracted);
                    break;
                };
                let related = self.ledger.related(index, at);
                sources.count(related.is_some());
                links.count(self.ledger.resolved(index, at));
                at.entity = related.unwrap_or(reference);
            }
        }
    }

    /// Extracts with a right citation, computations that recompute and revisions that are settled,
    /// of all steps.
    fn sound(&self) -> Share {
        let ledger = self.ledger;
        let cited = self.grader.task.trace.citations;
        let citations = ledger.citations.iter().map(|outcome| {
            outcome.status == CitationStatus::Right
                || (!cited && outcome.status == CitationStatus::Missing)
        });
        let computes = ledger.computes.iter().map(|o| o.status == ComputeStatus::Right);
        let revisions = ledger.revisions.iter().map(|o| o.status == RevisionStatus::Right);
        Share::of(citations.chain(computes).chain(revisions))
    }

    fn link(&self, link: &Link<'_>) -> bool {
        match link {
            Link::Number { milli, basis } => self.number(*milli, basis),
            Link::Compare { measure, order, rank, winner, passing } => {
                self.derived.iter().any(|(step, entry)| match &step.body {
                    StepBody::Compare { order: by, rank: place, .. } => {
                        by == order
                            && place == rank
                            && entry.subject == Some(*winner)
                            && self.entries(self.ledger.workings.among(entry)).all(|one| {
                                one.subject.is_some_and(|subject| {
                                    passing.contains(&subject)
                                        && self.measures(one, subject, measure)
                                })
                            })
                    }
                    _ => false,
                })
            }
            Link::Filter { filter, kept, other } => kept.iter().all(|entity| {
                self.derived.iter().any(|(step, entry)| match &step.body {
                    StepBody::Filter { condition, .. } => {
                        self.entries(self.ledger.workings.kept(entry)).any(|one| {
                            self.meets(one, *entity, filter, condition, entry.against, *other)
                        })
                    }
                    _ => false,
                })
            }),
        }
    }

    fn entries<'p>(&self, places: &'p [usize]) -> impl Iterator<Item = &Entry> + use<'_, 'p> {
        places.iter().filter_map(|place| self.ledger.workings.entries.get(*place))
    }

    /// Whether a step's number is the measure of the entity that it is about, by the truth.
    fn measures(&self, entry: &Entry, entity: EntityId, measure: &Measure) -> bool {
        let said = entry.exact.or_else(|| entry.number.map(|milli| (milli, 1)));
        let truth = measured(&self.grader.index.truth, entity, measure);
        entry.subject == Some(entity)
            && said.zip(truth).is_some_and(|(said, truth)| {
                i128::from(said.0) * i128::from(truth.1) == i128::from(truth.0) * i128::from(said.1)
            })
    }

    /// Whether a step that a filter kept shows that the entity passes one of the query's filters.
    /// `against` is the step that it was held against, `other` the entity that a hop leads to.
    fn meets(
        &self,
        one: &Entry,
        entity: EntityId,
        filter: &Filter,
        condition: &Condition,
        against: Option<usize>,
        other: Option<EntityId>,
    ) -> bool {
        let held = against.and_then(|place| self.ledger.workings.entries.get(place));
        let against = |entity: Option<EntityId>, measure: &Measure| {
            held.zip(entity).is_some_and(|(step, entity)| self.measures(step, entity, measure))
        };
        let states = |step: &Entry, entity, attr| {
            step.states.is_some_and(|(fact, _)| fact == FactRef { entity, attr })
        };
        match (filter, condition) {
            (Filter::Is { attr, .. }, Condition::Is(_)) => states(one, entity, *attr),
            (Filter::SameAs { attr, .. }, Condition::SameAs(_)) => {
                states(one, entity, *attr)
                    && held.zip(other).is_some_and(|(step, other)| states(step, other, *attr))
            }
            (Filter::Bound { measure, op, milli }, Condition::Bound(by, bound)) => {
                op == by
                    && *bound == Argument::Number(*milli)
                    && self.measures(one, entity, measure)
            }
            (
                Filter::Versus { measure, op, other: second },
                Condition::Bound(by, Argument::Step(_)),
            ) => op == by && self.measures(one, entity, measure) && against(Some(entity), second),
            (Filter::Relative { measure, op, .. }, Condition::Bound(by, Argument::Step(_))) => {
                op == by && self.measures(one, entity, measure) && against(other, measure)
            }
            _ => false,
        }
    }

    /// A computed number that rests on all of its basis.
    fn number(&self, milli: i64, basis: &Basis) -> bool {
        self.derived.iter().any(|(step, entry)| {
            matches!(step.body, StepBody::Compute { .. })
                && entry.number == Some(milli)
                && self.ledger.covers(entry, basis)
        })
    }
}
