//! Which of several statements about a fact holds, by the document's own rules; descriptions
//! followed, chains resolved.

use super::{
    amount::Known,
    fault::Fault,
    names::{By, Name},
    reader::{Claim, Said},
    wordings::Mark,
};
use crate::{longdoc::words, types::Task};

/// How a fact is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) value: Known,
    /// The entity that it is told relative to.
    pub(super) reference: Option<usize>,
    /// Of the statement that holds.
    pub(super) mark: Mark,
}

/// Values by entity and attribute; `None` where nothing settles one.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) entities: usize,
    pub(super) attrs: usize,
    cells: Vec<Option<Settled>>,
}

impl Facts {
    fn new(entities: usize, attrs: usize) -> Self {
        Self { entities, attrs, cells: vec![None; entities * attrs] }
    }

    pub(super) fn get(&self, entity: usize, attr: usize) -> Option<Settled> {
        self.cells.get(entity * self.attrs + attr).copied().flatten()
    }

    pub(super) fn value(&self, entity: usize, attr: usize) -> Option<Known> {
        self.get(entity, attr).map(|settled| settled.value)
    }

    fn set(&mut self, entity: usize, attr: usize, settled: Settled) {
        if let Some(cell) = self.cells.get_mut(entity * self.attrs + attr) {
            *cell = Some(settled);
        }
    }

    /// The facts of a reader who takes `wrong` for one of them, and draws all conclusions.
    pub(super) fn misread(&self, entity: usize, attr: usize, wrong: Known) -> Self {
        let mut caught = self.clone();
        let mut open = vec![(entity, wrong)];
        while let Some((at, value)) = open.pop() {
            let Some(mut settled) = self.get(at, attr) else { continue };
            let moved = match (settled.value, value) {
                (Known::Number(truth), Known::Number(now)) => Some(now.saturating_sub(truth)),
                _ => None,
            };
            settled.value = value;
            caught.set(at, attr, settled);
            let Some(moved) = moved else { continue };
            for child in (0..self.entities).filter(|child| *child != entity) {
                if let Some(known) = self.get(child, attr)
                    && known.reference == Some(at)
                    && let Known::Number(milli) = known.value
                {
                    open.push((child, Known::Number(milli.saturating_add(moved))));
                }
            }
        }
        caught
    }
}

pub(super) struct Settler<'a> {
    pub(super) task: &'a Task,
    pub(super) said: &'a mut Said,
    pub(super) faults: &'a mut Vec<Fault>,
}

impl Settler<'_> {
    /// The facts that hold.
    pub(super) fn settle(mut self) -> Facts {
        self.rules();
        self.follow();
        self.misspelt();
        let mut facts = Facts::new(self.task.roster.len(), self.task.attributes.len());
        let mut open: Vec<(usize, usize, Claim)> = Vec::new();
        let order = self.order();
        for same in order.chunk_by(|a, b| a.0 == b.0) {
            let Some(((entity, attr), _)) = same.first().copied() else { continue };
            let claims: Vec<&Claim> =
                same.iter().filter_map(|(_, at)| self.said.claims.get(*at)).collect();
            match self.winner(entity, attr, &claims) {
                Ok(Some(winner)) => open.push((entity, attr, winner.clone())),
                Ok(None) => {}
                Err(fault) => self.faults.push(fault),
            }
        }
        loop {
            let before = open.len();
            open.retain(|(entity, attr, claim)| {
                let value = match (claim.reference, claim.value) {
                    (None, value) => Some(value),
                    (Some(other), Known::Number(gap)) => facts
                        .value(other, *attr)
                        .and_then(Known::number)
                        .map(|base| Known::Number(base.saturating_add(gap))),
                    (Some(_), Known::Word(_)) => None,
                };
                let Some(value) = value else { return true };
                let (reference, mark) = (claim.reference, claim.mark);
                facts.set(*entity, *attr, Settled { value, reference, mark });
                false
            });
            if open.len() == before {
                break;
            }
        }
        for entity in 0..facts.entities {
            for attr in 0..facts.attrs {
                if facts.get(entity, attr).is_some() {
                    continue;
                }
                let fact = self.name(entity, attr);
                let chained = open.iter().any(|(e, a, _)| (*e, *a) == (entity, attr));
                self.faults.push(match chained && self.circles(entity, attr, &open) {
                    true => Fault::Loop { fact },
                    false => Fault::Unstated { fact },
                });
            }
        }
        facts
    }

    /// Whether following references from a fact comes back to a fact met before.
    fn circles(&self, entity: usize, attr: usize, open: &[(usize, usize, Claim)]) -> bool {
        let mut met = vec![entity];
        let mut at = entity;
        loop {
            let next = open.iter().find(|(e, a, _)| (*e, *a) == (at, attr));
            match next.and_then(|(_, _, claim)| claim.reference) {
                None => return false,
                Some(reference) if met.contains(&reference) => return true,
                Some(reference) => {
                    met.push(reference);
                    at = reference;
                }
            }
        }
    }

    fn name(&self, entity: usize, attr: usize) -> String {
        fact_name(self.task, entity, attr)
    }

    /// Statements about facts, by fact, in the order of the text.
    fn order(&self) -> Vec<((usize, usize), usize)> {
        let mut order: Vec<((usize, usize), usize)> = Vec::with_capacity(self.said.claims.len());
        for (at, claim) in self.said.claims.iter().enumerate() {
            if let Some(entity) = claim.entity
                && !claim.wider
                && !claim.rounded
            {
                order.push(((entity, claim.attr), at));
            }
        }
        order.sort_unstable();
        order
    }

    /// Two rules of one kind that differ.
    fn rules(&mut self) {
        let holds = &self.said.holds;
        for (what, same) in [
            ("source", holds.iter().filter(|(m, _)| matches!(m, Mark::Source(_))).count()),
            ("extent", holds.iter().filter(|(m, _)| matches!(m, Mark::Extent(_))).count()),
            ("date", holds.iter().filter(|(m, _)| matches!(m, Mark::Date(_))).count()),
            ("of two sources", self.said.over.len()),
        ] {
            if same > 1 {
                self.faults.push(Fault::TwoRules { what: what.to_owned() });
            }
        }
        for (at, ((condition, _), _)) in self.said.outcomes.iter().enumerate() {
            let again = self.said.outcomes.iter().take(at).any(|((c, _), _)| c == condition);
            if again {
                let what = words::CONDITIONS.get(*condition).map_or("", |c| c.clause).to_owned();
                self.faults.push(Fault::TwoRules { what });
            }
        }
    }

    /// Finds whom descriptions fit, by what is said without them.
    fn follow(&mut self) {
        for at in 0..self.said.claims.len() {
            let Some(claim) = self.said.claims.get(at) else { continue };
            let Name::Clue(attr, word) = claim.name else { continue };
            let fits: Vec<usize> = (0..self.task.roster.len())
                .filter(|entity| {
                    let same: Vec<&Claim> = self
                        .said
                        .claims
                        .iter()
                        .filter(|c| {
                            let named = matches!(c.name, Name::Entity(..));
                            named && c.entity == Some(*entity) && c.attr == attr && !c.wider
                        })
                        .collect();
                    let winner = self.winner(*entity, attr, &same);
                    matches!(winner, Ok(Some(winner)) if winner.value == Known::Word(word))
                })
                .collect();
            let (paragraph, name) = (claim.paragraph, claim.written.clone().unwrap_or_default());
            match fits.as_slice() {
                [entity] => {
                    let entity = *entity;
                    if let Some(claim) = self.said.claims.get_mut(at) {
                        claim.entity = Some(entity);
                    }
                }
                several => {
                    let owners = several.len();
                    self.faults.push(Fault::Unlinkable { paragraph, name, owners });
                }
            }
        }
    }

    /// A misspelt name must stand beside another statement of the same.
    fn misspelt(&mut self) {
        let typo = |claim: &Claim| matches!(claim.name, Name::Entity(_, By::Typo));
        for claim in self.said.claims.iter().filter(|claim| typo(claim) && !claim.rounded) {
            let again = self.said.claims.iter().any(|other| {
                !typo(other)
                    && !other.rounded
                    && (other.entity, other.attr, other.value)
                        == (claim.entity, claim.attr, claim.value)
            });
            if !again {
                let fact = self.name(claim.entity.unwrap_or(usize::MAX), claim.attr);
                self.faults.push(Fault::OnlyMisspelt { fact });
            }
        }
    }

    /// The statement that holds among all about one fact.
    fn winner<'c>(
        &self,
        entity: usize,
        attr: usize,
        claims: &[&'c Claim],
    ) -> Result<Option<&'c Claim>, Fault> {
        let rule =
            |like: fn(&Mark) -> bool| self.said.holds.iter().map(|(mark, _)| *mark).find(like);
        let source = rule(|mark| matches!(mark, Mark::Source(_)));
        let extent = rule(|mark| matches!(mark, Mark::Extent(_)));
        let date = rule(|mark| matches!(mark, Mark::Date(_)));
        let told = |mark: Mark| claims.iter().any(|claim| claim.mark == mark);
        let mut standing: Vec<&'c Claim> = Vec::with_capacity(claims.len());
        for claim in claims {
            let mark = claim.mark;
            let holds = match mark {
                Mark::Plain => true,
                Mark::Source(_) => source.is_none_or(|strong| strong == mark || !told(strong)),
                Mark::Extent(_) => extent.is_none_or(|meant| meant == mark),
                Mark::Date(_) => date.is_none_or(|meant| meant == mark),
                Mark::If(condition) => {
                    let outcome = self.said.outcomes.iter().find(|((c, _), _)| *c == condition);
                    let Some(((_, came), _)) = outcome else {
                        let clause = words::CONDITIONS.get(condition).map_or("", |c| c.clause);
                        let fact = self.name(entity, attr);
                        return Err(Fault::OutcomeUntold { fact, condition: clause.to_owned() });
                    };
                    *came
                }
            };
            let overruled =
                self.said.over.iter().any(|((strong, weak), _)| *weak == mark && told(*strong));
            if holds && !overruled {
                standing.push(claim);
            }
        }
        let Some(first) = standing.first().copied() else { return Ok(None) };
        let same =
            |claim: &&&Claim| claim.value == first.value && claim.reference == first.reference;
        if standing.iter().filter(same).count() == standing.len() {
            return Ok(Some(first));
        }
        let fact = self.name(entity, attr);
        let all = |like: fn(&Mark) -> bool| standing.iter().all(|claim| like(&claim.mark));
        let what = match () {
            () if all(|mark| matches!(mark, Mark::Source(_))) => "source",
            () if all(|mark| matches!(mark, Mark::Extent(_))) => "extent",
            () if all(|mark| matches!(mark, Mark::Date(_))) => "date",
            () => return Err(Fault::Contradiction { fact }),
        };
        let marks = standing.iter().filter(|claim| claim.mark == first.mark).count();
        if marks == standing.len() {
            return Err(Fault::Contradiction { fact });
        }
        Err(Fault::NoRule { fact, what })
    }
}

/// "number of patents of Volt Link"
pub(super) fn fact_name(task: &Task, entity: usize, attr: usize) -> String {
    let label = task.attributes.get(attr).map_or("?", |schema| schema.label.as_str());
    let name = task.roster.get(entity).map_or("?", |entry| entry.name.as_str());
    format!("the {label} of {name}")
}
