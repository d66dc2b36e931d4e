//! Disputed facts of long documents: one right statement among several wrong ones, told apart only
//! by the document's own rules.
//!
//! The candidates are made alike on purpose. Values are drawn so that the right one is equally
//! likely to be the largest, the smallest or any between; which source, extent, date or condition
//! belongs to the right one is drawn per document; their order is shuffled. So no position, size or
//! wording gives the right one away: only the rule does, and that stands elsewhere.
//!
//! ```text
//! fact ─► mechanism ─► candidates ─► what each wrong one changes ─► one Trap a wrong value
//! ```

use crate::{
    draw::Draw,
    query::{Cell, Evaluator},
    types::{EntityId, FactRef, Filter, Query, Selector, Standing, TrapKind, TrapRole, ValueKind},
};

use super::{
    constrain,
    plan::Plan,
    question::Drafted,
    trap::{Derived, DraftedTrap, changes},
    words,
    world::World,
};

/// Facts tried for one dispute.
const TRIES: u32 = 16;
/// Draws for one wrong value.
const VALUE_TRIES: u32 = 8;
/// Steps of the attribute that must be free on both sides of a disputed number, for each candidate.
const ROOM: i64 = 3;
/// Most disputes of one document that hang on conditions.
const MAX_CONDITIONAL: usize = 2;

/// What tells the candidates of one dispute apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mechanism {
    Sources,
    Extents,
    Dates,
    Conditions,
}

/// Which source, extent and date holds in one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meant {
    pub(super) source: u8,
    pub(super) extent: u8,
    pub(super) date: u8,
}

/// One of several statements about one fact.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) cell: Cell,
    pub(super) standing: Standing,
    /// Which of the attribute's unit forms it is printed in; `None` for its own unit.
    pub(super) unit_form: Option<usize>,
}

/// A disputed fact.
#[derive(Debug, Clone)]
pub(super) struct Dispute {
    pub(super) fact: FactRef,
    /// In the order of the text.
    pub(super) candidates: Vec<Candidate>,
    /// Place of the right one.
    pub(super) right: usize,
    /// A value that a planted instruction asks to report.
    pub(super) planted: Option<Cell>,
}

/// All disputes of a document with the traps that they are.
#[derive(Debug, Clone)]
pub(super) struct Drawn {
    pub(super) meant: Meant,
    pub(super) disputes: Vec<Dispute>,
    pub(super) traps: Vec<DraftedTrap>,
}

pub(super) struct Disputes<'w, 'a> {
    pub(super) world: &'w World<'a>,
    pub(super) plan: &'w Plan,
    pub(super) questions: &'w [Drafted],
    pub(super) constraints: &'w [crate::types::Constraint],
    pub(super) truth: &'w Derived,
}

/// A fact to dispute: where only one wrong value tempts, which, and under what name.
#[derive(Debug, Clone, Copy)]
struct Target {
    fact: FactRef,
    outside: Option<Cell>,
}

impl Disputes<'_, '_> {
    /// Draws binding disputes, then bait; `None` where too few binding ones are found.
    pub(super) fn draw(&self, draw: &mut Draw) -> Option<Drawn> {
        let domain = self.world.domain;
        let index = |n: usize, draw: &mut Draw| u8::try_from(draw.index(n)).ok();
        let mut drawn = Drawn {
            meant: Meant {
                source: index(domain.sources.len(), draw)?,
                extent: index(domain.scopes.len(), draw)?,
                date: index(words::DATES.len(), draw)?,
            },
            disputes: Vec::new(),
            traps: Vec::new(),
        };
        let mut conditions = draw.sample(words::CONDITIONS.len(), words::CONDITIONS.len());
        let facts = self.deciding();
        let roles = [(TrapRole::Binding, self.plan.binding), (TrapRole::Bait, self.plan.bait)];
        for (role, (least, most)) in roles {
            let wanted = draw.range(least, most);
            let mut found = 0;
            for _ in 0..u32::try_from(wanted).ok()? * TRIES {
                if found == wanted {
                    break;
                }
                let target = self.target(role, &facts, draw)?;
                let taken = |dispute: &Dispute| dispute.fact == target.fact;
                if drawn.disputes.iter().any(taken) {
                    continue;
                }
                if let Some((dispute, traps)) =
                    self.dispute(role, target, drawn.meant, &mut conditions, draw)
                {
                    drawn.disputes.push(dispute);
                    drawn.traps.extend(traps);
                    found += 1;
                }
            }
            if role == TrapRole::Binding && found < least {
                return None;
            }
        }
        Some(drawn)
    }

    /// Facts stated absolutely that answers and constraints rest on.
    fn deciding(&self) -> Vec<FactRef> {
        let mut facts: Vec<FactRef> =
            self.questions.iter().flat_map(|question| question.support.iter().copied()).collect();
        for constraint in self.constraints {
            facts.extend(constrain::support_of(constraint, &self.truth.answers));
        }
        for fact in &mut facts {
            while let Some(parent) = self.world.parent(*fact) {
                fact.entity = parent;
            }
        }
        facts.sort_unstable();
        facts.dedup();
        facts
    }

    fn target(&self, role: TrapRole, facts: &[FactRef], draw: &mut Draw) -> Option<Target> {
        if role == TrapRole::Bait {
            let entity = EntityId(u16::try_from(draw.index(self.world.roster.len())).ok()?);
            let attrs: Vec<_> = self.world.attr_ids().collect();
            let mut fact = FactRef { entity, attr: *draw.pick(&attrs)? };
            while let Some(parent) = self.world.parent(fact) {
                fact.entity = parent;
            }
            return Some(Target { fact, outside: None });
        }
        if draw.chance(1, 4)
            && let Some(target) = self.outside(draw)
        {
            return Some(target);
        }
        Some(Target { fact: *draw.pick(facts)?, outside: None })
    }

    /// The entity that would win a question if its condition let it in.
    fn outside(&self, draw: &mut Draw) -> Option<Target> {
        let evaluator = Evaluator { table: &self.world.table, attributes: &self.world.schemas };
        let mut found = Vec::new();
        for question in self.questions {
            let (Query::Which(selector)
            | Query::Number { of: selector, .. }
            | Query::Category { of: selector, .. }) = &question.query
            else {
                continue;
            };
            let Selector::Ranked { filters, measure, order, rank } = selector else { continue };
            for filter in filters {
                let Filter::Is { attr, value } = filter else { continue };
                let open = Selector::Ranked {
                    filters: filters.iter().filter(|other| *other != filter).cloned().collect(),
                    measure: measure.clone(),
                    order: *order,
                    rank: *rank,
                };
                let (Ok(tempting), Ok(right)) =
                    (evaluator.entity(&open), evaluator.entity(selector))
                else {
                    continue;
                };
                let words = &self.world.schemas[attr.at()].vocabulary;
                let Ok(place) = words.binary_search(value) else { continue };
                if tempting != right {
                    found.push(Target {
                        fact: FactRef { entity: tempting, attr: *attr },
                        outside: Some(Cell::Category(u16::try_from(place).ok()?)),
                    });
                }
            }
        }
        draw.pick(&found).copied().filter(|target| self.world.parent(target.fact).is_none())
    }

    fn dispute(
        &self,
        role: TrapRole,
        target: Target,
        meant: Meant,
        conditions: &mut Vec<usize>,
        draw: &mut Draw,
    ) -> Option<(Dispute, Vec<DraftedTrap>)> {
        let Target { fact, outside } = target;
        if !self.world.disputable(fact) {
            return None;
        }
        let attribute = self.world.attribute(fact.attr);
        let kind = attribute.schema.kind;
        let mut mechanisms = vec![Mechanism::Sources];
        let spare = words::CONDITIONS.len() - (MAX_CONDITIONAL - 1) * self.plan.candidates;
        if conditions.len() >= spare.min(self.plan.candidates) {
            mechanisms.push(Mechanism::Conditions);
        }
        if kind != ValueKind::Year {
            mechanisms.push(Mechanism::Dates);
        }
        if matches!(kind, ValueKind::Integer | ValueKind::Decimal) {
            mechanisms.push(Mechanism::Extents);
        }
        let mechanism = *draw.pick(&mechanisms)?;
        let right = self.world.table.get(fact);
        let base = match mechanism {
            Mechanism::Sources => TrapKind::Superseded,
            Mechanism::Extents | Mechanism::Dates => TrapKind::Scope,
            Mechanism::Conditions => TrapKind::ConditionalCorrection,
        };
        let mut traps: Vec<DraftedTrap> = Vec::new();
        let mut cells = vec![right];
        let losers = self.losers(fact, outside, draw)?;
        // A value on either side must do what the role asks for before it is known on which side
        // they will lie: else facts that bind on one side only would give the right value away.
        let mut tried = Vec::with_capacity(losers.sides.len());
        for side in &losers.sides {
            tried.push((*side, self.loser((base, Some(role)), fact, *side, &[], draw)?));
        }
        for loser in losers.drawn {
            // The value that was tried is as good as another.
            if let Some(at) = tried.iter().position(|(side, _)| *side == loser) {
                let (_, made) = tried.swap_remove(at);
                cells.push(made.wrong);
                traps.push(made);
                continue;
            }
            // Beside one that lets an entity in through a filter, the others do as they may.
            let wanted = match (outside, loser) {
                (None, _) => (base, Some(role)),
                (Some(_), Loser::This { .. }) => (TrapKind::OutsideFilter, Some(role)),
                (Some(_), _) => (base, None),
            };
            let made = self.loser(wanted, fact, loser, &cells, draw)?;
            cells.push(made.wrong);
            traps.push(made);
        }
        let standings = self.standings(mechanism, meant, conditions, draw)?;
        let unit_form = |draw: &mut Draw| {
            let forms = attribute.unit_forms.len();
            (forms > 0 && draw.chance(1, 3)).then(|| draw.index(forms))
        };
        let mut order: Vec<usize> = (0..cells.len()).collect();
        draw.shuffle(&mut order);
        let mut candidates = Vec::with_capacity(cells.len());
        for at in &order {
            candidates.push(Candidate {
                cell: *cells.get(*at)?,
                standing: *standings.get(*at)?,
                unit_form: unit_form(draw),
            });
        }
        let place = order.iter().position(|at| *at == 0)?;
        let mut dispute = Dispute { fact, candidates, right: place, planted: None };
        traps.extend(self.extra(role, &mut dispute, draw));
        Some((dispute, traps))
    }

    /// What else a careless reader may take for the fact, beside the other candidates.
    fn extra(&self, role: TrapRole, dispute: &mut Dispute, draw: &mut Draw) -> Option<DraftedTrap> {
        let fact = dispute.fact;
        let attribute = self.world.attribute(fact.attr);
        let right = dispute.candidates.get_mut(dispute.right)?;
        let mut kinds = vec![TrapKind::PlantedInstruction];
        if !attribute.unit_forms.is_empty() {
            kinds.push(TrapKind::Unit);
        }
        let namesake = self.world.namesake(fact.entity);
        if namesake.is_some() {
            kinds.push(TrapKind::Homonym);
        }
        match *draw.pick(&kinds)? {
            TrapKind::Unit => {
                let at = draw.index(attribute.unit_forms.len());
                let Cell::Number(milli) = right.cell else { return None };
                let printed = milli.checked_mul(attribute.unit_forms.get(at)?.factor)?;
                let trap = self.trap((TrapKind::Unit, Some(role)), fact, Cell::Number(printed))?;
                right.unit_form = Some(at);
                Some(trap)
            }
            TrapKind::Homonym => {
                let other = namesake?;
                let cell = self.world.table.get(FactRef { entity: other, attr: fact.attr });
                let trap = self.trap((TrapKind::Homonym, Some(role)), fact, cell)?;
                Some(DraftedTrap { other: Some(other), ..trap })
            }
            _ => {
                let cell = self.world.plausible(fact, self.plan, draw)?;
                if dispute.candidates.iter().any(|candidate| candidate.cell == cell) {
                    return None;
                }
                let trap = self.trap((TrapKind::PlantedInstruction, Some(role)), fact, cell)?;
                dispute.planted = Some(cell);
                Some(trap)
            }
        }
    }

    /// A wrong value with all that it changes; `None` where that is not what the role asks for, if
    /// one is asked for.
    fn trap(
        &self,
        (kind, wanted): (TrapKind, Option<TrapRole>),
        fact: FactRef,
        wrong: Cell,
    ) -> Option<DraftedTrap> {
        let right = self.world.table.get(fact);
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
            wanted == Some(TrapRole::Bait),
        )?;
        let role = if consequences.is_empty() { TrapRole::Bait } else { TrapRole::Binding };
        wanted.is_none_or(|wanted| wanted == role).then_some(DraftedTrap {
            kind,
            role,
            fact,
            right,
            wrong,
            other: None,
            consequences,
        })
    }

    /// A wrong value that is not taken and does what the role asks for.
    fn loser(
        &self,
        wanted: (TrapKind, Option<TrapRole>),
        fact: FactRef,
        loser: Loser,
        taken: &[Cell],
        draw: &mut Draw,
    ) -> Option<DraftedTrap> {
        (0..VALUE_TRIES).find_map(|_| {
            let cell = self.wrong(fact, loser, draw).filter(|cell| !taken.contains(cell))?;
            self.trap(wanted, fact, cell)
        })
    }

    fn wrong(&self, fact: FactRef, loser: Loser, draw: &mut Draw) -> Option<Cell> {
        match loser {
            Loser::This { cell } => Some(cell),
            Loser::Any => self.world.plausible(fact, self.plan, draw),
            Loser::Between { low, high, step } => {
                let milli = low + draw.range(0, (high - low) / step) * step;
                self.world.fits(fact, milli).then_some(Cell::Number(milli))
            }
        }
    }

    /// How each wrong candidate is to be drawn: for numbers, so that the right one is equally
    /// likely to have any rank.
    fn losers(&self, fact: FactRef, outside: Option<Cell>, draw: &mut Draw) -> Option<Losers> {
        let wrong = self.plan.candidates - 1;
        let alike = |loser: Loser| Losers { sides: Vec::new(), drawn: vec![loser; wrong] };
        let Cell::Number(right) = self.world.table.get(fact) else {
            let words = self.world.schemas[fact.attr.at()].vocabulary.len();
            let mut losers = (words > wrong).then(|| alike(Loser::Any))?;
            if let (Some(cell), Some(first)) = (outside, losers.drawn.first_mut()) {
                *first = Loser::This { cell };
            }
            return Some(losers);
        };
        let (low, high, step) = self.world.bounds(fact);
        let room = i64::try_from(wrong).ok()?.checked_mul(ROOM)?.checked_mul(step)?;
        if right.checked_sub(low)? < room || high.checked_sub(right)? < room {
            return None;
        }
        let above = Loser::Between { low: right + step, high, step };
        let below = Loser::Between { low, high: right - step, step };
        let count = draw.index(wrong + 1);
        let drawn = (0..wrong).map(|at| if at < count { above } else { below }).collect();
        Some(Losers { sides: vec![above, below], drawn })
    }

    /// One standing for each candidate, that of the right one first.
    fn standings(
        &self,
        mechanism: Mechanism,
        meant: Meant,
        conditions: &mut Vec<usize>,
        draw: &mut Draw,
    ) -> Option<Vec<Standing>> {
        let count = self.plan.candidates;
        let domain = self.world.domain;
        let others = |n: usize, meant: u8, draw: &mut Draw| -> Option<Vec<u8>> {
            let mut all: Vec<u8> = (0..u8::try_from(n).ok()?).filter(|at| *at != meant).collect();
            draw.shuffle(&mut all);
            all.insert(0, meant);
            all.truncate(count);
            (all.len() == count).then_some(all)
        };
        Some(match mechanism {
            Mechanism::Sources => others(domain.sources.len(), meant.source, draw)?
                .into_iter()
                .map(Standing::Source)
                .collect(),
            Mechanism::Extents => others(domain.scopes.len(), meant.extent, draw)?
                .into_iter()
                .map(Standing::Extent)
                .collect(),
            Mechanism::Dates => others(words::DATES.len(), meant.date, draw)?
                .into_iter()
                .map(Standing::AsOf)
                .collect(),
            Mechanism::Conditions => {
                let left = conditions.len().checked_sub(count)?;
                conditions
                    .drain(left..)
                    .map(|at| Some(Standing::If(u8::try_from(at).ok()?)))
                    .collect::<Option<_>>()?
            }
        })
    }
}

/// How the wrong values of one dispute are drawn.
#[derive(Debug, Clone)]
struct Losers {
    /// Where they may lie.
    sides: Vec<Loser>,
    /// One for each.
    drawn: Vec<Loser>,
}

/// How a wrong value is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loser {
    This { cell: Cell },
    Any,
    Between { low: i64, high: i64, step: i64 },
}
