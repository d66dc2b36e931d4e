//! Contested facts: what the files say of a fact, and notes that say otherwise.
//!
//! The statement of the files is one candidate, the notes are the others, and each has another value.
//! A fact is contested only where *every two* of its candidates lead to different answers (or, for
//! bait, none of them does): so every candidate could be the right one, and which is right is drawn
//! last and evenly. Then the world takes its value, and the other candidates are the traps.
//!
//! ```text
//! fact ─► candidates, the files' first ─► what follows from each ─► which holds ─► traps
//! ```

use crate::{
    draw::Draw,
    longdoc::{
        constrain,
        plan::Plan,
        question::Drafted,
        trap::{Derived, DraftedTrap, changes, derive},
        words as shared,
        world::World,
    },
    query::{Cell, Evaluator},
    types::{Constraint, FactRef, Query, Standing, TrapKind, TrapRole, ValueKind},
};

/// Facts tried for one contest.
const TRIES: usize = 24;
/// Draws for one value.
const VALUE_TRIES: u32 = 8;
/// How often (of, out of) a note tells the reader what to report, besides.
const PLANTED: (u64, u64) = (1, 2);
/// Most entities that a count or a total may rest on: each is a line of the trace.
const MAX_COUNTED: usize = 4;

/// Who is right about everything that notes of one kind contest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Files,
    /// The source or date of this number.
    Note(u8),
}

/// What tells the candidates of one contest apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mechanism {
    Sources,
    Dates,
    Conditions,
}

/// One of several statements about one fact.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) cell: Cell,
    pub(super) standing: Standing,
}

/// A contested fact.
#[derive(Debug, Clone)]
pub(super) struct Contest {
    pub(super) fact: FactRef,
    pub(super) mechanism: Mechanism,
    /// The files' statement first.
    pub(super) candidates: Vec<Candidate>,
    /// Place of the right one.
    pub(super) right: usize,
    /// A value that a note asks to report.
    pub(super) planted: Option<Cell>,
    role: TrapRole,
}

impl Contest {
    /// The notes: all candidates but the files'.
    pub(super) fn notes(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates.iter().skip(1)
    }

    /// The standing of the statement that holds.
    pub(super) fn winner(&self) -> Option<Standing> {
        self.candidates.get(self.right).map(|candidate| candidate.standing)
    }
}

/// All contests of a document.
#[derive(Debug, Clone)]
pub(super) struct Contests {
    pub(super) sources: Holds,
    pub(super) dates: Holds,
    pub(super) all: Vec<Contest>,
}

struct Drawer<'w, 'a> {
    world: &'w World<'a>,
    plan: &'w Plan,
    questions: &'w [Drafted],
    constraints: &'w [Constraint],
}

/// Draws the binding contests, then bait, and gives world and questions the values and answers of
/// the statements that hold. `None` where too few binding ones are found.
pub(super) fn draw(
    world: &mut World<'_>,
    plan: &Plan,
    questions: &mut [Drafted],
    constraints: &[Constraint],
    draw: &mut Draw,
) -> Option<Contests> {
    let sources = world.domain.sources.len();
    let mut contests = Contests {
        sources: holds(sources, plan, draw)?,
        dates: holds(shared::DATES.len(), plan, draw)?,
        all: Vec::new(),
    };
    let mut conditions = draw.sample(shared::CONDITIONS.len(), shared::CONDITIONS.len());
    for (role, (least, most)) in [(TrapRole::Binding, plan.binding), (TrapRole::Bait, plan.bait)] {
        let wanted = draw.range(least, most);
        let mut found = 0;
        let drawer = Drawer { world: &*world, plan, questions: &*questions, constraints };
        let mut facts = drawer.facts(role)?;
        draw.shuffle(&mut facts);
        facts.truncate(TRIES * usize::try_from(wanted).ok()?);
        for fact in facts {
            if found == wanted {
                break;
            }
            if contests.all.iter().any(|known| known.fact == fact) {
                continue;
            }
            let drawer = Drawer { world: &*world, plan, questions: &*questions, constraints };
            let Some(contest) = drawer.contest(role, fact, &contests, &mut conditions, draw) else {
                continue;
            };
            let right = contest.candidates.get(contest.right)?.cell;
            world.table.set(fact, right);
            let evaluator = Evaluator { table: &world.table, attributes: &world.schemas };
            for question in &mut *questions {
                question.answer = evaluator.answer(&question.query).ok()?;
            }
            contests.all.push(contest);
            found += 1;
        }
        if role == TrapRole::Binding && found < least {
            return None;
        }
    }
    Some(contests)
}

/// The files as often as each candidate of a contest; else one of the notes' marks.
fn holds(marks: usize, plan: &Plan, draw: &mut Draw) -> Option<Holds> {
    let files = draw.index(plan.candidates) == 0;
    let mark = u8::try_from(draw.index(marks)).ok()?;
    Some(if files { Holds::Files } else { Holds::Note(mark) })
}

impl Drawer<'_, '_> {
    /// Facts that answers and constraints rest on; for bait, all.
    fn facts(&self, role: TrapRole) -> Option<Vec<FactRef>> {
        let known = |fact: &FactRef| self.world.table.get(*fact) != Cell::Missing;
        if role == TrapRole::Bait {
            let all = self
                .world
                .entities()
                .flat_map(|entity| self.world.attr_ids().map(move |attr| FactRef { entity, attr }));
            return Some(all.filter(known).collect());
        }
        let evaluator = Evaluator { table: &self.world.table, attributes: &self.world.schemas };
        let mut facts = Vec::new();
        for question in self.questions {
            facts.extend(crate::longdoc::question::support(&question.query, &evaluator)?);
        }
        let answers: Vec<_> =
            self.questions.iter().map(|question| question.answer.clone()).collect();
        for constraint in self.constraints {
            facts.extend(constrain::support_of(constraint, &answers));
        }
        facts.retain(known);
        facts.sort_unstable();
        facts.dedup();
        Some(facts)
    }

    fn contest(
        &self,
        role: TrapRole,
        fact: FactRef,
        contests: &Contests,
        conditions: &mut Vec<usize>,
        draw: &mut Draw,
    ) -> Option<Contest> {
        if !self.world.disputable(fact) {
            return None;
        }
        let kind = self.world.schemas[fact.attr.at()].kind;
        let notes = self.plan.candidates - 1;
        let mut mechanisms = vec![Mechanism::Sources];
        if kind != ValueKind::Year {
            mechanisms.push(Mechanism::Dates);
        }
        if conditions.len() >= notes {
            mechanisms.push(Mechanism::Conditions);
        }
        let mechanism = *draw.pick(&mechanisms)?;
        let mut cells = vec![self.world.table.get(fact)];
        let mut derived = vec![self.derived(fact, cells[0])?];
        for _ in 0..notes {
            let (cell, follows) =
                (0..VALUE_TRIES).find_map(|_| self.another(role, fact, &cells, &derived, draw))?;
            cells.push(cell);
            derived.push(follows);
        }
        let right = match (mechanism, contests.sources, contests.dates) {
            (Mechanism::Sources, Holds::Files, _) | (Mechanism::Dates, _, Holds::Files) => 0,
            (Mechanism::Conditions, ..) => draw.index(cells.len()),
            _ => 1 + draw.index(notes),
        };
        let planted = if draw.chance(PLANTED.0, PLANTED.1) {
            let another = |draw: &mut Draw| self.another(role, fact, &cells, &derived, draw);
            (0..VALUE_TRIES).find_map(|_| another(draw)).map(|(cell, _)| cell)
        } else {
            None
        };
        let standings = standings(mechanism, contests, right, notes, conditions, self.world, draw)?;
        let candidates = cells
            .into_iter()
            .zip(standings)
            .map(|(cell, standing)| Candidate { cell, standing })
            .collect();
        Some(Contest { fact, mechanism, candidates, right, planted, role })
    }

    /// What follows if the fact has this value; `None` where something is undefined.
    fn derived(&self, fact: FactRef, cell: Cell) -> Option<Derived> {
        let mut table = self.world.table.clone();
        table.set(fact, cell);
        let evaluator = Evaluator { table: &table, attributes: &self.world.schemas };
        for question in self.questions {
            if let Query::Count(filters) | Query::Total { filters, .. } = &question.query {
                let counted = evaluator.filtered(filters).ok()?.len();
                if counted == 0 || counted > MAX_COUNTED {
                    return None;
                }
            }
        }
        derive(self.world, self.questions, self.constraints, &table)
    }

    /// A value that is not taken, from which other answers follow than from those that are; for
    /// bait, the same.
    fn another(
        &self,
        role: TrapRole,
        fact: FactRef,
        cells: &[Cell],
        derived: &[Derived],
        draw: &mut Draw,
    ) -> Option<(Cell, Derived)> {
        let cell = self.world.plausible(fact, self.plan, draw)?;
        if cells.contains(&cell) {
            return None;
        }
        let follows = self.derived(fact, cell)?;
        let alike = |known: &Derived| *known == follows;
        let fits = match role {
            TrapRole::Binding => !derived.iter().any(alike),
            TrapRole::Bait => derived.iter().all(alike),
        };
        fits.then_some((cell, follows))
    }
}

/// The standing of each candidate, the files' first.
fn standings(
    mechanism: Mechanism,
    contests: &Contests,
    right: usize,
    notes: usize,
    conditions: &mut Vec<usize>,
    world: &World<'_>,
    draw: &mut Draw,
) -> Option<Vec<Standing>> {
    let (marks, holds) = match mechanism {
        Mechanism::Sources => (world.domain.sources.len(), contests.sources),
        Mechanism::Dates => (shared::DATES.len(), contests.dates),
        Mechanism::Conditions => (0, Holds::Files),
    };
    let mut all: Vec<u8> = if mechanism == Mechanism::Conditions {
        let left = conditions.len().checked_sub(notes)?;
        conditions.drain(left..).map(|at| u8::try_from(at).ok()).collect::<Option<_>>()?
    } else {
        let mut all: Vec<u8> = (0..u8::try_from(marks).ok()?).collect();
        draw.shuffle(&mut all);
        all
    };
    if let (Holds::Note(mark), Some(place)) = (holds, right.checked_sub(1)) {
        let at = all.iter().position(|known| *known == mark)?;
        all.swap(place, at);
    }
    let mut standings = vec![Standing::Plain];
    standings.extend(all.into_iter().take(notes).map(|mark| match mechanism {
        Mechanism::Sources => Standing::Source(mark),
        Mechanism::Dates => Standing::AsOf(mark),
        Mechanism::Conditions => Standing::If(mark),
    }));
    (standings.len() == notes + 1).then_some(standings)
}

/// The traps that the contests are, binding ones first; `None` where one does not do what it is for
/// once all contests are settled.
pub(super) fn traps(
    contests: &Contests,
    world: &World<'_>,
    questions: &[Drafted],
    constraints: &[Constraint],
    truth: &Derived,
) -> Option<Vec<DraftedTrap>> {
    let mut traps = Vec::new();
    for contest in &contests.all {
        let kind = match contest.mechanism {
            Mechanism::Sources => TrapKind::Superseded,
            Mechanism::Dates => TrapKind::Scope,
            Mechanism::Conditions => TrapKind::ConditionalCorrection,
        };
        let right = contest.candidates.get(contest.right)?.cell;
        let wrong = contest.candidates.iter().map(|candidate| (kind, candidate.cell));
        let planted = contest.planted.map(|cell| (TrapKind::PlantedInstruction, cell));
        for (kind, wrong) in wrong.filter(|(_, cell)| *cell != right).chain(planted) {
            let table = world.misread(contest.fact, wrong);
            let (at, bait) = ((contest.fact.attr, truth), contest.role == TrapRole::Bait);
            let consequences = changes(world, questions, constraints, &table, at, bait)?;
            if consequences.is_empty() != (contest.role == TrapRole::Bait) {
                return None;
            }
            let (fact, role) = (contest.fact, contest.role);
            traps.push(DraftedTrap { kind, role, fact, right, wrong, other: None, consequences });
        }
    }
    Some(traps)
}
