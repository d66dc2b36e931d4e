//! Traps: one wrong value each, that a careless reader would take for a fact, and all that follows
//! from it. Short documents draw theirs here, one sentence each; long ones have disputes
//! ([`super::dispute`]).

use crate::{
    draw::Draw,
    query::{Cell, Evaluator, Table},
    types::{
        Answer, AttrId, Check, Consequence, Constraint, EntityId, FactRef, TrapKind, TrapRole,
    },
};

use super::{constrain, plan::Plan, question::Drafted, world::World};

/// Candidates tried for one trap.
const TRIES: u32 = 24;
/// A wider scope's figure is this much larger, percent.
const WIDER_PERCENT: (i64, i64) = (107, 183);

/// A trap before the document is rendered.
#[derive(Debug, Clone)]
pub(super) struct DraftedTrap {
    pub(super) kind: TrapKind,
    pub(super) role: TrapRole,
    pub(super) fact: FactRef,
    pub(super) right: Cell,
    pub(super) wrong: Cell,
    /// The similarly named entity of a homonym.
    pub(super) other: Option<EntityId>,
    pub(super) consequences: Vec<Consequence>,
}

/// What a reader derives: answers and checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Derived {
    pub(super) answers: Vec<Answer>,
    pub(super) checks: Vec<Check>,
}

/// All answers and checks under a table; `None` where one is undefined.
pub(super) fn derive(
    world: &World<'_>,
    questions: &[Drafted],
    constraints: &[Constraint],
    table: &Table,
) -> Option<Derived> {
    let evaluator = Evaluator { table, attributes: &world.schemas };
    let answers = questions
        .iter()
        .map(|question| evaluator.answer(&question.query).ok())
        .collect::<Option<Vec<_>>>()?;
    let checks = constraints
        .iter()
        .map(|constraint| constrain::resolve(constraint, world, &answers, table))
        .collect::<Option<Vec<_>>>()?;
    Some(Derived { answers, checks })
}

/// Where a reader differs from the truth whose table does so in one attribute alone: only what looks
/// at it is worked out again. `None` where something is undefined, and, for bait, where anything
/// changes at all.
pub(super) fn changes(
    world: &World<'_>,
    questions: &[Drafted],
    constraints: &[Constraint],
    table: &Table,
    (attr, truth): (AttrId, &Derived),
    bait: bool,
) -> Option<Vec<Consequence>> {
    let evaluator = Evaluator { table, attributes: &world.schemas };
    let mut found = Vec::new();
    let mut moved: Option<Vec<Answer>> = None;
    for (at, (question, known)) in questions.iter().zip(&truth.answers).enumerate() {
        if !question.query.mentions(attr) {
            continue;
        }
        let answer = evaluator.answer(&question.query).ok()?;
        if answer != *known {
            if bait {
                return None;
            }
            let answers = moved.get_or_insert_with(|| truth.answers.clone());
            answers.get_mut(at)?.clone_from(&answer);
            found.push(Consequence::Answer { question: u16::try_from(at + 1).ok()?, answer });
        }
    }
    let answers = moved.as_ref().unwrap_or(&truth.answers);
    for (number, (constraint, known)) in (1..).zip(constraints.iter().zip(&truth.checks)) {
        if moved.is_none() && !constrain::looks_at(constraint, attr) {
            continue;
        }
        let check = constrain::resolve(constraint, world, answers, table)?;
        if check != *known {
            if bait {
                return None;
            }
            found.push(Consequence::Check { constraint: number, check });
        }
    }
    Some(found)
}

impl Derived {
    /// What a reader derives for whom these consequences follow.
    pub(super) fn with(&self, consequences: &[Consequence]) -> Self {
        let mut changed = self.clone();
        for consequence in consequences {
            match consequence {
                Consequence::Answer { question, answer } => {
                    if let Some(known) = changed.answers.get_mut(usize::from(*question) - 1) {
                        known.clone_from(answer);
                    }
                }
                Consequence::Check { constraint, check } => {
                    if let Some(known) = changed.checks.get_mut(usize::from(*constraint) - 1) {
                        known.clone_from(check);
                    }
                }
            }
        }
        changed
    }
}

pub(super) struct Traps<'w, 'a> {
    pub(super) world: &'w World<'a>,
    pub(super) plan: &'w Plan,
    pub(super) questions: &'w [Drafted],
    pub(super) constraints: &'w [Constraint],
    pub(super) truth: &'w Derived,
}

impl Traps<'_, '_> {
    /// Draws the binding traps, then the bait; `None` where no binding trap is found.
    pub(super) fn draw(&self, draw: &mut Draw) -> Option<Vec<DraftedTrap>> {
        let mut traps: Vec<DraftedTrap> = Vec::new();
        let binding = draw.range(self.plan.binding.0, self.plan.binding.1);
        let bait = draw.range(self.plan.bait.0, self.plan.bait.1);
        for (role, wanted) in [(TrapRole::Binding, binding), (TrapRole::Bait, bait)] {
            for _ in 0..wanted {
                let mut kinds = self.plan.traps.clone();
                kinds.retain(|(kind, _)| {
                    !traps.iter().any(|trap| trap.kind == *kind && trap.role == role)
                });
                for _ in 0..TRIES {
                    let Some(kind) = draw.weighted(&kinds).copied() else { break };
                    if let Some(trap) = self.draft(kind, role, &traps, draw) {
                        traps.push(trap);
                        break;
                    }
                }
            }
        }
        let found = traps.iter().filter(|trap| trap.role == TrapRole::Binding).count();
        (i64::try_from(found).ok()? >= self.plan.binding.0).then_some(traps)
    }

    fn draft(
        &self,
        kind: TrapKind,
        role: TrapRole,
        taken: &[DraftedTrap],
        draw: &mut Draw,
    ) -> Option<DraftedTrap> {
        let fact = self.target(role, draw)?;
        if taken.iter().any(|trap| trap.fact == fact) {
            return None;
        }
        let right = self.world.table.get(fact);
        let attribute = self.world.attribute(fact.attr);
        let wrong = match kind {
            TrapKind::Superseded => self.world.plausible(fact, self.plan, draw)?,
            TrapKind::Scope if !attribute.wider.is_empty() => {
                let Cell::Number(milli) = right else { return None };
                let wider = milli / 1000 * draw.range(WIDER_PERCENT.0, WIDER_PERCENT.1) / 100;
                Cell::Number(wider * 1000)
            }
            _ => return None,
        };
        if wrong == right || wrong == Cell::Missing {
            return None;
        }
        let table = self.world.misread(fact, wrong);
        let negative = self
            .world
            .entities()
            .any(|entity| table.number(entity, fact.attr).is_some_and(|milli| milli <= 0));
        if negative {
            return None;
        }
        let consequences = changes(
            self.world,
            self.questions,
            self.constraints,
            &table,
            (fact.attr, self.truth),
            role == TrapRole::Bait,
        )?;
        (consequences.is_empty() == (role == TrapRole::Bait)).then_some(DraftedTrap {
            kind,
            role,
            fact,
            right,
            wrong,
            other: None,
            consequences,
        })
    }

    /// A fact that matters, or any fact for bait.
    fn target(&self, role: TrapRole, draw: &mut Draw) -> Option<FactRef> {
        if role == TrapRole::Bait {
            let entity = EntityId(u16::try_from(draw.index(self.world.roster.len())).ok()?);
            let attrs: Vec<_> = self.world.attr_ids().collect();
            return Some(FactRef { entity, attr: *draw.pick(&attrs)? });
        }
        let mut facts: Vec<FactRef> =
            self.questions.iter().flat_map(|question| question.support.iter().copied()).collect();
        for constraint in self.constraints {
            facts.extend(constrain::support_of(constraint, &self.truth.answers));
        }
        // The losers matter as much as the winner.
        if let Some(attr) = draw.pick(&facts).map(|fact| fact.attr)
            && draw.chance(1, 3)
        {
            facts.extend(self.world.entities().map(|entity| FactRef { entity, attr }));
        }
        draw.pick(&facts).copied()
    }
}
