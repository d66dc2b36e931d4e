//! The in-line solver: what follows from the statements as rendered, without a look at the world.
//!
//! It resolves names by the roster and the aliases that the document introduces, keeps to the
//! scope of the questions, lets the document's own authority rule settle differences between its
//! sources, and follows chains of relative statements. Instructions are not statements of fact.

use crate::{
    query::{Cell, Table, cell_of},
    types::{
        AttributeSchema, DocParagraph, EntityId, FactRef, RosterEntry, Scope, Statement,
        StatementKind,
    },
};

/// Why a document has no single reading.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A paragraph names nobody that the roster or an alias leads to.
    #[error("paragraph {paragraph} names {name:?}, which leads to no single entity")]
    Unlinkable {
        /// From 1.
        paragraph: u32,
        /// As written.
        name: String,
    },
    /// Two statements differ and no rule settles it.
    #[error("{fact:?} is stated in two ways that no rule settles")]
    Contradiction {
        /// Which fact.
        fact: FactRef,
    },
    /// A chain of relative statements leads back to itself.
    #[error("{fact:?} follows only from itself")]
    Circular {
        /// Which fact.
        fact: FactRef,
    },
    /// A statement whose value does not fit its attribute.
    #[error("paragraph {paragraph} states a value that does not fit its attribute")]
    Misfit {
        /// From 1.
        paragraph: u32,
    },
}

/// How a fact is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Not at all.
    Unknown,
    /// Stated in this paragraph (from 1).
    Stated(u32),
    /// Stated in this paragraph (from 1) relative to the same attribute of another entity.
    Relative(u32, EntityId),
}

/// What a reader takes from a document.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub(super) table: Table,
    how: Vec<How>,
}

impl Reading {
    /// How a fact is known.
    pub(super) fn how(&self, fact: FactRef) -> How {
        let at = fact.entity.at() * usize::from(self.table.attrs()) + fact.attr.at();
        self.how.get(at).copied().unwrap_or(How::Unknown)
    }
}

/// A fact that a caught reader takes from a trap.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fall {
    pub(super) fact: FactRef,
    pub(super) wrong: Cell,
    /// Where the trap stands, from 1.
    pub(super) paragraph: u32,
}

#[derive(Debug, Clone, Copy)]
struct Claim {
    at: usize,
    /// The value, or the difference from the reference.
    cell: Cell,
    reference: Option<EntityId>,
    source: Option<u8>,
    paragraph: u32,
}

/// Reads a document; `fall` is the trap that the reader falls into, if any.
pub(super) fn read(
    document: &[DocParagraph],
    roster: &[RosterEntry],
    attributes: &[AttributeSchema],
    fall: Option<Fall>,
) -> Result<Reading, Unreadable> {
    let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let table = Table::new(count(roster.len()), count(attributes.len()));
    let mut solver = Solver {
        roster,
        attributes,
        aliases: Vec::new(),
        rules: Vec::new(),
        claims: Vec::new(),
        how: vec![How::Unknown; roster.len() * attributes.len()],
        table,
    };
    for paragraph in document {
        for statement in &paragraph.statements {
            match &statement.kind {
                StatementKind::AliasOf { entity, alias } => solver.aliases.push((alias, *entity)),
                StatementKind::Authority { strong, weak } => solver.rules.push((*strong, *weak)),
                _ => {}
            }
        }
    }
    for (number, paragraph) in (1_u32..).zip(document) {
        for statement in &paragraph.statements {
            solver.claim(number, statement)?;
        }
    }
    if let Some(fall) = fall {
        let at = solver.place(fall.fact);
        solver.claims.retain(|claim| claim.at != at);
        solver.claims.push(Claim {
            at,
            cell: fall.wrong,
            reference: None,
            source: None,
            paragraph: fall.paragraph,
        });
    }
    solver.claims.sort_by_key(|claim| claim.at);
    solver.settle()?;
    Ok(Reading { table: solver.table, how: solver.how })
}

struct Solver<'a> {
    roster: &'a [RosterEntry],
    attributes: &'a [AttributeSchema],
    aliases: Vec<(&'a str, EntityId)>,
    /// What holds over what; `None` is a statement without a source.
    rules: Vec<(Option<u8>, Option<u8>)>,
    claims: Vec<Claim>,
    how: Vec<How>,
    table: Table,
}

impl Solver<'_> {
    fn place(&self, fact: FactRef) -> usize {
        fact.entity.at() * self.attributes.len() + fact.attr.at()
    }

    fn fact(&self, at: usize) -> FactRef {
        let id = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        FactRef {
            entity: EntityId(id(at / self.attributes.len().max(1))),
            attr: crate::types::AttrId(id(at % self.attributes.len().max(1))),
        }
    }

    fn claim(&mut self, paragraph: u32, statement: &Statement) -> Result<(), Unreadable> {
        let (fact, value, reference, source) = match &statement.kind {
            StatementKind::Absolute { fact, value, scope: Scope::Own, source } => {
                (*fact, value, None, *source)
            }
            StatementKind::Relative { fact, reference, delta } => {
                (*fact, delta, Some(*reference), None)
            }
            _ => return Ok(()),
        };
        let entity = self.resolve(paragraph, fact.entity, statement.named.as_deref())?;
        let fact = FactRef { entity, attr: fact.attr };
        let misfit = Unreadable::Misfit { paragraph };
        let schema = self.attributes.get(fact.attr.at()).ok_or(misfit.clone())?;
        if reference.is_some_and(|reference| reference.at() >= self.roster.len()) {
            return Err(misfit);
        }
        let cell = cell_of(value, schema).ok_or(misfit)?;
        self.claims.push(Claim { at: self.place(fact), cell, reference, source, paragraph });
        Ok(())
    }

    /// Who is meant by the name in the text.
    fn resolve(
        &self,
        paragraph: u32,
        entity: EntityId,
        named: Option<&str>,
    ) -> Result<EntityId, Unreadable> {
        let unlinkable = |name: &str| Unreadable::Unlinkable { paragraph, name: name.to_owned() };
        let Some(name) = named else {
            return if entity.at() < self.roster.len() {
                Ok(entity)
            } else {
                Err(unlinkable("an entity beyond the roster"))
            };
        };
        let mut meant = self.aliases.iter().filter(|(alias, _)| *alias == name).map(|(_, e)| *e);
        let found = meant.next().ok_or_else(|| unlinkable(name))?;
        if meant.any(|other| other != found) || found != entity {
            return Err(unlinkable(name));
        }
        Ok(found)
    }

    /// Values of all facts: what is stated first, then along the chains.
    fn settle(&mut self) -> Result<(), Unreadable> {
        let claims = std::mem::take(&mut self.claims);
        let mut chained: Vec<Claim> = Vec::new();
        let mut rest = claims.as_slice();
        while let Some(first) = rest.first() {
            let length = rest.iter().take_while(|claim| claim.at == first.at).count();
            let (same, after) = rest.split_at(length);
            rest = after;
            let winner = self.winner(same)?;
            match winner.reference {
                None => {
                    self.table.set(self.fact(winner.at), winner.cell);
                    self.how[winner.at] = How::Stated(winner.paragraph);
                }
                Some(reference) => {
                    self.how[winner.at] = How::Relative(winner.paragraph, reference);
                    chained.push(winner);
                }
            }
        }
        while !chained.is_empty() {
            let before = chained.len();
            chained.retain(|claim| {
                let fact = self.fact(claim.at);
                let reference = claim.reference.unwrap_or(fact.entity);
                let base = self.table.number(reference, fact.attr);
                if let (Some(base), Cell::Number(delta)) = (base, claim.cell) {
                    self.table.set(fact, Cell::Number(base.saturating_add(delta)));
                    return false;
                }
                true
            });
            if chained.len() == before {
                let fact = chained.first().map_or(self.fact(0), |claim| self.fact(claim.at));
                return Err(Unreadable::Circular { fact });
            }
        }
        Ok(())
    }

    /// The claim that holds among all claims about one fact.
    fn winner(&self, same: &[Claim]) -> Result<Claim, Unreadable> {
        let yields = |claim: &Claim| {
            same.iter().any(|other| self.rules.contains(&(other.source, claim.source)))
        };
        let mut winner: Option<Claim> = None;
        for claim in same {
            let agrees =
                winner.is_none_or(|w| w.cell == claim.cell && w.reference == claim.reference);
            if agrees {
                winner = winner.or(Some(*claim));
            } else if winner.is_some_and(|w| yields(&w)) && !yields(claim) {
                winner = Some(*claim);
            } else if !yields(claim) {
                return Err(Unreadable::Contradiction { fact: self.fact(claim.at) });
            }
        }
        match winner {
            // A source that yields may still agree with the one that holds: cite what holds.
            Some(winner) if yields(&winner) => {
                Ok(same.iter().find(|claim| !yields(claim)).copied().unwrap_or(winner))
            }
            Some(winner) => Ok(winner),
            None => Err(Unreadable::Contradiction { fact: self.fact(0) }),
        }
    }
}
