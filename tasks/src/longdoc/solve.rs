//! The in-line solver: what follows from the statements as rendered, without a look at the world.
//!
//! It resolves names (canonical, aliases that the document introduces, misspellings, descriptions
//! that fit one entity), lets the document's own rules settle which of several statements about a
//! fact holds, and follows chains of relative statements. Instructions and rounded figures are no
//! statements of fact.
//!
//! ```text
//! statements ─► rules, aliases ─► claims ─► by clue ─► one winner a fact ─► chains ─► Reading
//! ```
//!
//! A [`Chooser`] may replace the choice among conflicting values and nothing else: that is a
//! cheating reader ([`super::cheat`]).

use crate::{
    query::{Cell, Table, cell_of},
    types::{
        AttrId, AttributeSchema, DocParagraph, EntityId, FactRef, NamedBy, RosterEntry, Rule,
        Standing, Statement, StatementKind,
    },
};

/// Conditions that a document can tell apart.
const MAX_CONDITIONS: u8 = 64;

/// Why a document has no single reading.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A paragraph names nobody that the roster, an alias or a clue leads to.
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
    /// A chain of relative statements leads back to itself, or to nothing.
    #[error("{fact:?} follows only from itself or from nothing")]
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

    /// The reading of somebody who falls into a trap, and draws all conclusions from it.
    pub(super) fn caught(&self, fall: Fall) -> Self {
        let mut caught = self.clone();
        let attr = fall.fact.attr;
        caught.table.set(fall.fact, fall.wrong);
        let at = fall.fact.entity.at() * usize::from(self.table.attrs()) + attr.at();
        if let Some(how) = caught.how.get_mut(at) {
            *how = How::Stated(fall.paragraph);
        }
        let mut open = vec![fall.fact];
        while let Some(changed) = open.pop() {
            let (Cell::Number(now), Cell::Number(truth)) =
                (caught.table.get(changed), self.table.get(changed))
            else {
                continue;
            };
            for entity in (0..self.table.entities()).map(EntityId) {
                let child = FactRef { entity, attr };
                if child != fall.fact
                    && matches!(self.how(child), How::Relative(_, parent) if parent == changed.entity)
                    && let Cell::Number(value) = self.table.get(child)
                {
                    let moved = value.saturating_sub(truth).saturating_add(now);
                    caught.table.set(child, Cell::Number(moved));
                    open.push(child);
                }
            }
        }
        caught
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

/// One statement about one fact.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    at: usize,
    /// The value, or the difference from the reference.
    pub(super) cell: Cell,
    reference: Option<EntityId>,
    standing: Standing,
    /// Where it stands, from 1.
    pub(super) paragraph: u32,
}

/// Chooses among claims of one fact, in the order of the text, that differ; gives its place.
pub(super) type Chooser<'c> = &'c dyn Fn(&[Claim]) -> usize;

/// Reads a document by its rules.
pub(super) fn read(
    document: &[DocParagraph],
    roster: &[RosterEntry],
    attributes: &[AttributeSchema],
) -> Result<Reading, Unreadable> {
    read_as(document, roster, attributes, None)
}

/// Reads a document; where statements of one fact differ, `chooser` picks, if there is one.
pub(super) fn read_as(
    document: &[DocParagraph],
    roster: &[RosterEntry],
    attributes: &[AttributeSchema],
    chooser: Option<Chooser<'_>>,
) -> Result<Reading, Unreadable> {
    let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let mut solver = Solver {
        roster,
        attributes,
        chooser,
        aliases: Vec::new(),
        rules: Rules::default(),
        claims: Vec::with_capacity(roster.len() * attributes.len() + 64),
        sorted: 0,
        how: vec![How::Unknown; roster.len() * attributes.len()],
        table: Table::new(count(roster.len()), count(attributes.len())),
    };
    for statement in document.iter().flat_map(|paragraph| &paragraph.statements) {
        match &statement.kind {
            StatementKind::AliasOf { entity, alias } => solver.aliases.push((alias, *entity)),
            StatementKind::Rule(rule) => solver.rules.add(*rule),
            _ => {}
        }
    }
    let mut by_clue = Vec::new();
    for (number, paragraph) in (1_u32..).zip(document) {
        for statement in &paragraph.statements {
            match &statement.named {
                Some(naming) if matches!(naming.by, NamedBy::Clue { .. }) => {
                    by_clue.push((number, statement));
                }
                _ => solver.claim(number, statement)?,
            }
        }
    }
    let places = solver.how.len();
    solver.claims = by_place(&solver.claims, places, |claim| claim.at);
    solver.sorted = solver.claims.len();
    for (number, statement) in by_clue {
        solver.claim(number, statement)?;
    }
    if solver.claims.len() > solver.sorted {
        solver.claims = by_place(&solver.claims, places, |claim| claim.at);
    }
    solver.settle()?;
    Ok(Reading { table: solver.table, how: solver.how })
}

/// Items in the order of their places, all below `places`, and within a place as they were.
pub(super) fn by_place<T: Copy>(items: &[T], places: usize, at: impl Fn(&T) -> usize) -> Vec<T> {
    let mut next = vec![0_usize; places + 1];
    for item in items {
        next[at(item) + 1] += 1;
    }
    for place in 0..places {
        next[place + 1] += next[place];
    }
    let mut sorted = items.to_vec();
    for item in items {
        let slot = &mut next[at(item)];
        sorted[*slot] = *item;
        *slot += 1;
    }
    sorted
}

/// The rules of one document.
#[derive(Debug, Clone, Default)]
struct Rules {
    source: Option<Standing>,
    extent: Option<Standing>,
    date: Option<Standing>,
    /// One bit a condition that came about.
    came: u64,
    over: Vec<(Standing, Standing)>,
}

impl Rules {
    fn add(&mut self, rule: Rule) {
        match rule {
            Rule::Over(strong, weak) => self.over.push((strong, weak)),
            Rule::Holds(standing) => match standing {
                Standing::Source(_) => self.source = Some(standing),
                Standing::Extent(_) => self.extent = Some(standing),
                Standing::AsOf(_) => self.date = Some(standing),
                Standing::Plain | Standing::If(_) | Standing::Wider => {}
            },
            Rule::Came { condition, came } => {
                if came && condition < MAX_CONDITIONS {
                    self.came |= 1 << condition;
                }
            }
        }
    }

    /// Whether a claim counts beside the others about its fact.
    fn stands(&self, claim: &Claim, same: &[Claim]) -> bool {
        let by_itself = match claim.standing {
            Standing::Plain => true,
            Standing::Wider => false,
            Standing::Extent(_) => self.extent.is_none_or(|meant| meant == claim.standing),
            Standing::AsOf(_) => self.date.is_none_or(|meant| meant == claim.standing),
            Standing::If(condition) => {
                condition < MAX_CONDITIONS && self.came & (1 << condition) != 0
            }
            Standing::Source(_) => match self.source {
                Some(strong) if strong != claim.standing => {
                    !same.iter().any(|other| other.standing == strong)
                }
                _ => true,
            },
        };
        by_itself
            && !self.over.iter().any(|(strong, weak)| {
                *weak == claim.standing && same.iter().any(|other| other.standing == *strong)
            })
    }
}

struct Solver<'a> {
    roster: &'a [RosterEntry],
    attributes: &'a [AttributeSchema],
    chooser: Option<Chooser<'a>>,
    aliases: Vec<(&'a str, EntityId)>,
    rules: Rules,
    /// In the order of the text within a fact.
    claims: Vec<Claim>,
    /// So many of them are sorted by fact while clues are followed.
    sorted: usize,
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
            attr: AttrId(id(at % self.attributes.len().max(1))),
        }
    }

    fn claim(&mut self, paragraph: u32, statement: &Statement) -> Result<(), Unreadable> {
        let (fact, value, reference, standing) = match &statement.kind {
            StatementKind::Absolute { standing: Standing::Wider, .. } => return Ok(()),
            StatementKind::Absolute { fact, value, standing } => (*fact, value, None, *standing),
            StatementKind::Relative { fact, reference, delta } => {
                (*fact, delta, Some(*reference), Standing::Plain)
            }
            _ => return Ok(()),
        };
        self.linked(paragraph, fact.entity, statement)?;
        let misfit = Unreadable::Misfit { paragraph };
        if fact.entity.at() >= self.roster.len() {
            return Err(misfit);
        }
        let Some(schema) = self.attributes.get(fact.attr.at()) else { return Err(misfit) };
        if reference.is_some_and(|reference| reference.at() >= self.roster.len()) {
            return Err(misfit);
        }
        let Some(cell) = cell_of(value, schema) else { return Err(misfit) };
        self.claims.push(Claim { at: self.place(fact), cell, reference, standing, paragraph });
        Ok(())
    }

    /// Whether the words of the text lead to the entity that the statement is about, and to no
    /// other.
    fn linked(
        &self,
        paragraph: u32,
        entity: EntityId,
        statement: &Statement,
    ) -> Result<(), Unreadable> {
        let unlinkable = |name: &str| Unreadable::Unlinkable { paragraph, name: name.to_owned() };
        let Some(naming) = &statement.named else {
            let known = entity.at() < self.roster.len();
            return known.then_some(()).ok_or_else(|| unlinkable("an entity beyond the roster"));
        };
        let mut meant: Box<dyn Iterator<Item = EntityId>> = match &naming.by {
            NamedBy::Alias => Box::new(
                self.aliases.iter().filter(|(alias, _)| *alias == naming.text).map(|(_, e)| *e),
            ),
            NamedBy::Typo => Box::new(
                (0_u16..)
                    .zip(self.roster)
                    .filter(|(_, entry)| swapped(&entry.name, &naming.text))
                    .map(|(at, _)| EntityId(at)),
            ),
            NamedBy::Clue { attr, value } => Box::new(self.with(*attr, value).into_iter()),
        };
        let found = meant.next();
        if found != Some(entity) || meant.any(|other| other != entity) {
            return Err(unlinkable(&naming.text));
        }
        Ok(())
    }

    /// The entities that have a category, by the claims without a clue.
    fn with(&self, attr: AttrId, value: &str) -> Vec<EntityId> {
        let Some(schema) = self.attributes.get(attr.at()) else { return Vec::new() };
        let Ok(place) = schema.vocabulary.binary_search_by(|word| word.as_str().cmp(value)) else {
            return Vec::new();
        };
        let wanted = Cell::Category(u16::try_from(place).unwrap_or(u16::MAX));
        let count = u16::try_from(self.roster.len()).unwrap_or(u16::MAX);
        (0..count)
            .map(EntityId)
            .filter(|entity| {
                let at = self.place(FactRef { entity: *entity, attr });
                let claims = self.claims.get(..self.sorted).unwrap_or_default();
                let start = claims.partition_point(|claim| claim.at < at);
                let rest = claims.get(start..).unwrap_or_default();
                let length = rest.partition_point(|claim| claim.at == at);
                let same = rest.get(..length).unwrap_or_default();
                matches!(self.winner(same), Ok(Some(winner)) if winner.cell == wanted)
            })
            .collect()
    }

    /// Values of all facts: what is stated first, then along the chains.
    fn settle(&mut self) -> Result<(), Unreadable> {
        let claims = std::mem::take(&mut self.claims);
        let mut chained: Vec<Claim> = Vec::new();
        for same in claims.chunk_by(|a, b| a.at == b.at) {
            let Some(winner) = self.winner(same)? else { continue };
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

    /// The claim that holds among all claims about one fact; `None` where none does.
    fn winner(&self, same: &[Claim]) -> Result<Option<Claim>, Unreadable> {
        let agree = |a: &Claim, b: &Claim| a.cell == b.cell && a.reference == b.reference;
        if let (Some(chooser), Some(first)) = (self.chooser, same.first())
            && same.iter().any(|claim| !agree(claim, first))
        {
            return Ok(same.get(chooser(same)).or(Some(first)).copied());
        }
        let mut winner: Option<Claim> = None;
        for claim in same {
            if !self.rules.stands(claim, same) {
                continue;
            }
            match winner {
                None => winner = Some(*claim),
                Some(known) if agree(&known, claim) => {}
                Some(_) => {
                    return Err(Unreadable::Contradiction { fact: self.fact(claim.at) });
                }
            }
        }
        Ok(winner)
    }
}

/// Whether `written` is `name` with two neighbouring letters swapped, and nothing else.
fn swapped(name: &str, written: &str) -> bool {
    let (a, b) = (name.as_bytes(), written.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let Some(at) = a.iter().zip(b).position(|(x, y)| x != y) else { return false };
    at + 1 < a.len() && a[at] == b[at + 1] && a[at + 1] == b[at] && a[at + 2..] == b[at + 2..]
}
