//! What a trace states: each step by itself, then the facts that are left standing.
//!
//! ```text
//! step ─► entry: number, statement, whom it is about, the steps it rests on
//!           extract (citation) │ compute, filter, compare (recompute.rs) │ revise
//! entries ─► the last live statement of each fact; which steps stand; which are grounded
//! ```
//!
//! A step is *live* unless a later revise step withdraws it or something that it rests on. Where
//! several live steps state the same fact, the last one counts: it replaces the others. An id names
//! the last step before the one that refers to it; an earlier step of the same id stays what it is,
//! live and graded.
//!
//! A step *stands* if it is live and it and all that it rests on recompute. It is *grounded* if,
//! besides, every extract that it rests on cites a paragraph that holds it.

use std::ops::Range;

use super::{
    extract::Reader,
    index::TaskIndex,
    outline::Basis,
    recompute::Workings,
    steps::{Names, Steps},
};
use crate::{
    parse::{Parsed, Step, StepBody},
    query::Cell,
    types::{
        CitationOutcome, CitationStatus, ComputeOutcome, ComputeStatus, EntityId, FactRef,
        RevisionOutcome, RevisionStatus, StepId, StepKind, Task,
    },
    work,
};

/// What one step amounts to.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    /// Its number as an argument of later steps, thousandths; a difference is signed.
    pub(super) number: Option<i64>,
    /// A quotient before it is rounded to [`Entry::number`], thousandths over a positive whole.
    pub(super) exact: Option<(i64, i64)>,
    /// The fact that it states, and the value it gives; [`Cell::Missing`] for a word that is no
    /// value of the attribute.
    pub(super) states: Option<(FactRef, Cell)>,
    /// For a relative extract: its fact and the reference.
    pub(super) relative: Option<(FactRef, EntityId)>,
    /// Whom it is about, where that is one entity.
    pub(super) subject: Option<EntityId>,
    /// For a compare step: the step that it finds, never a compare step itself.
    pub(super) winner: Option<usize>,
    /// For a filter step: where [`Workings`] has what it kept.
    pub(super) kept: Option<Range<usize>>,
    /// For a compare step: where [`Workings`] has what it compared.
    pub(super) among: Option<Range<usize>>,
    /// For a filter step: the step whose value the others are held against.
    pub(super) against: Option<usize>,
    /// This step and all that it was worked out from.
    pub(super) rests: Steps,
}

/// Where the trace says something about a fact: places plus one, 0 for nowhere.
#[derive(Debug, Clone, Copy, Default)]
struct Mentions {
    /// The last live statement.
    last: u16,
    /// A grounded extract that truly states it.
    extract: u16,
    /// A grounded extract that truly relates it to another.
    relative: u16,
    /// A grounded computation that truly states it.
    resolved: u16,
}

/// A trace, worked out.
pub(super) struct Ledger {
    /// One for each extract step.
    pub(super) citations: Vec<CitationOutcome>,
    /// One for each compute, filter and compare step.
    pub(super) computes: Vec<ComputeOutcome>,
    /// One for each revise step.
    pub(super) revisions: Vec<RevisionOutcome>,
    /// Extract steps that were read.
    pub(super) extracts: usize,
    /// Steps that say nothing that could be read.
    pub(super) unread: Vec<StepId>,
    pub(super) workings: Workings,
    withdrawn: Steps,
    /// Not recomputed, or not read.
    broken: Steps,
    /// Extracts without a right citation, where the format has citations.
    uncited: Steps,
    /// Steps that state, or rest on, something untrue.
    untrue: Steps,
    /// Steps that stand.
    standing: Steps,
    /// Steps that are grounded.
    grounded: Steps,
    /// By [`TaskIndex::place`].
    mentions: Vec<Mentions>,
    /// Facts that the trace finally states, each once.
    facts: Vec<(FactRef, Cell)>,
}

impl Ledger {
    pub(super) fn new(task: &Task, index: &TaskIndex<'_>, parsed: &Parsed) -> Self {
        let count = parsed.steps.len();
        let mut ledger = Self {
            citations: Vec::with_capacity(count),
            computes: Vec::with_capacity(count),
            revisions: Vec::new(),
            extracts: 0,
            unread: Vec::new(),
            workings: Workings::with_capacity(count),
            withdrawn: Steps::default(),
            broken: Steps::default(),
            uncited: Steps::default(),
            untrue: Steps::default(),
            standing: Steps::default(),
            grounded: Steps::default(),
            mentions: vec![Mentions::default(); index.facts()],
            facts: Vec::with_capacity(count),
        };
        let reader = Reader { task, index, parsed };
        let mut names = Names::new(&parsed.steps);
        for (place, step) in parsed.steps.iter().enumerate() {
            let entry = ledger.step(&reader, &names, place, step);
            let true_so_far = entry.states.is_none_or(|(fact, cell)| index.truth.get(fact) == cell)
                && !entry.rests.meets(&ledger.untrue)
                && !reader.misrelates(&entry);
            if !true_so_far {
                ledger.untrue.add(place);
            }
            ledger.workings.entries.push(entry);
            names.give(step.id, place);
        }
        ledger.settle(index);
        ledger
    }

    fn step(&mut self, reader: &Reader<'_>, names: &Names, place: usize, step: &Step) -> Entry {
        match &step.body {
            StepBody::Extract(claim) => {
                self.extracts += 1;
                let (entry, status) = reader.extract(place, claim, step.citation);
                self.cite(reader, place, step, status);
                entry
            }
            StepBody::Compute { .. } | StepBody::Filter { .. } | StepBody::Compare { .. } => {
                let (index, parsed) = (reader.index, reader.parsed);
                let (entry, status) =
                    self.workings.recompute(index, parsed, names, place, &step.body);
                self.computed(place, step, status);
                entry
            }
            StepBody::Revise(target) => {
                let target = names.find(*target);
                if let Some(at) = target {
                    self.withdrawn.add(at);
                } else {
                    self.unread.push(step.id);
                }
                let status = self.revision(reader, target, step.citation);
                self.revise(step, status);
                Entry { rests: Steps::one(place), ..Entry::default() }
            }
            StepBody::Unread => {
                self.unread.push(step.id);
                self.broken.add(place);
                match step.id.kind {
                    StepKind::Extract => {
                        let status = match step.citation {
                            None => CitationStatus::Missing,
                            Some(number) if !reader.index.has_paragraph(number) => {
                                CitationStatus::NoSuchParagraph
                            }
                            Some(_) => CitationStatus::EntityAbsent,
                        };
                        self.cite(reader, place, step, status);
                    }
                    StepKind::Compute | StepKind::Filter | StepKind::Compare => {
                        self.computed(place, step, ComputeStatus::Undefined);
                    }
                    StepKind::Revise => self.revise(step, RevisionStatus::Undefined),
                }
                Entry { rests: Steps::one(place), ..Entry::default() }
            }
        }
    }

    fn cite(&mut self, reader: &Reader<'_>, place: usize, step: &Step, status: CitationStatus) {
        if status != CitationStatus::Right && reader.task.trace.citations {
            self.uncited.add(place);
        }
        let paragraph = step.citation.unwrap_or(0);
        self.citations.push(CitationOutcome { step: step.id, paragraph, status });
    }

    fn computed(&mut self, place: usize, step: &Step, status: ComputeStatus) {
        if status != ComputeStatus::Right {
            self.broken.add(place);
        }
        self.computes.push(ComputeOutcome { step: step.id, status });
    }

    fn revise(&mut self, step: &Step, status: RevisionStatus) {
        let paragraph = step.citation.unwrap_or(0);
        self.revisions.push(RevisionOutcome { step: step.id, paragraph, status });
    }

    /// How withdrawing the step at `target` compares with the truth.
    fn revision(
        &self,
        reader: &Reader<'_>,
        target: Option<usize>,
        cited: Option<u32>,
    ) -> RevisionStatus {
        let Some((place, entry)) =
            target.and_then(|place| Some((place, self.workings.entries.get(place)?)))
        else {
            return RevisionStatus::Undefined;
        };
        let fact = entry.states.map(|(fact, _)| fact).or(entry.relative.map(|(fact, _)| fact));
        match fact {
            // A computation that does not hold speaks for itself.
            None if self.broken.holds(place) || self.untrue.holds(place) => RevisionStatus::Right,
            Some(fact) if self.untrue.holds(place) => {
                let settled = !reader.task.trace.citations
                    || cited.is_some_and(|paragraph| reader.index.settles(paragraph, fact));
                if settled { RevisionStatus::Right } else { RevisionStatus::Unsettled }
            }
            _ => RevisionStatus::Needless,
        }
    }

    /// The facts that are left standing, and where each is said.
    fn settle(&mut self, index: &TaskIndex<'_>) {
        let numbered = |place: usize| u16::try_from(place + 1).unwrap_or(0);
        for (place, entry) in self.workings.entries.iter().enumerate() {
            if entry.rests.meets(&self.withdrawn) {
                continue;
            }
            let standing = !entry.rests.meets(&self.broken);
            let grounded = standing && !entry.rests.meets(&self.uncited);
            if standing {
                self.standing.add(place);
            }
            if grounded {
                self.grounded.add(place);
            }
            let holds = grounded && !self.untrue.holds(place);
            if let Some((fact, _)) = entry.states
                && let Some(mentions) = self.mentions.get_mut(index.place(fact))
            {
                mentions.last = numbered(place);
                // An extract rests on itself alone.
                match (holds, entry.rests == Steps::one(place)) {
                    (true, true) => mentions.extract = numbered(place),
                    (true, false) => mentions.resolved = numbered(place),
                    (false, _) => {}
                }
            }
            if let Some((fact, _)) = entry.relative.filter(|_| holds)
                && let Some(mentions) = self.mentions.get_mut(index.place(fact))
            {
                mentions.relative = numbered(place);
            }
        }
        for (place, entry) in self.workings.entries.iter().enumerate() {
            if let Some((fact, cell)) = entry.states
                && self.mentions.get(index.place(fact)).is_some_and(|m| m.last == numbered(place))
            {
                self.facts.push((fact, cell));
            }
        }
    }

    fn mentions(&self, index: &TaskIndex<'_>, fact: FactRef) -> Mentions {
        self.mentions.get(index.place(fact)).copied().unwrap_or_default()
    }

    fn entry(&self, numbered: u16) -> Option<&Entry> {
        self.workings.entries.get(usize::from(numbered).checked_sub(1)?)
    }

    /// The value that the trace finally gives a fact; `None` where it states none.
    pub(super) fn get(&self, index: &TaskIndex<'_>, fact: FactRef) -> Option<Cell> {
        self.entry(self.mentions(index, fact).last)?.states.map(|(_, cell)| cell)
    }

    /// All facts that the trace finally states.
    pub(super) fn facts(&self) -> &[(FactRef, Cell)] {
        &self.facts
    }

    /// Whether a grounded extract truly states the fact.
    pub(super) fn extracted(&self, index: &TaskIndex<'_>, fact: FactRef) -> bool {
        self.mentions(index, fact).extract != 0
    }

    /// Whether a grounded computation truly states the fact.
    pub(super) fn resolved(&self, index: &TaskIndex<'_>, fact: FactRef) -> bool {
        self.mentions(index, fact).resolved != 0
    }

    /// Against whom a grounded extract truly relates the fact.
    pub(super) fn related(&self, index: &TaskIndex<'_>, fact: FactRef) -> Option<EntityId> {
        self.entry(self.mentions(index, fact).relative)?.relative.map(|(_, reference)| reference)
    }

    /// Whether the step is live and it and all that it rests on recompute.
    pub(super) fn stands(&self, place: usize) -> bool {
        self.standing.holds(place)
    }

    /// Whether the step stands on rightly cited extracts.
    pub(super) fn is_grounded(&self, place: usize) -> bool {
        self.grounded.holds(place)
    }

    /// Whether a step rests on all that a number is made of.
    pub(super) fn covers(&self, entry: &Entry, basis: &Basis) -> bool {
        basis.facts.iter().all(|fact| self.rests_on(entry, *fact))
            && basis.entities.iter().all(|entity| self.rests_on_entity(entry, *entity))
    }

    /// Whether the statement that counts for a fact stands on right citations.
    pub(super) fn grounds(&self, index: &TaskIndex<'_>, fact: FactRef) -> bool {
        usize::from(self.mentions(index, fact).last)
            .checked_sub(1)
            .is_some_and(|place| self.is_grounded(place))
    }

    /// Whether a step rests on one that states or relates the fact.
    fn rests_on(&self, entry: &Entry, fact: FactRef) -> bool {
        self.leaves(entry).any(|leaf| {
            leaf.states.is_some_and(|(stated, _)| stated == fact)
                || leaf.relative.is_some_and(|(related, _)| related == fact)
        })
    }

    /// Whether a step rests on an extract about the entity.
    fn rests_on_entity(&self, entry: &Entry, entity: EntityId) -> bool {
        self.leaves(entry).any(|leaf| leaf.states.is_some_and(|(fact, _)| fact.entity == entity))
    }

    fn leaves<'l>(&'l self, entry: &Entry) -> impl Iterator<Item = &'l Entry> + use<'l> {
        entry.rests.places().filter_map(|place| {
            work::count();
            self.workings.entries.get(place)
        })
    }
}
