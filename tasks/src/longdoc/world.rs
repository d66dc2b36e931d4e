//! The world behind a document: entities, their attributes, and which values are stated only
//! relative to another entity's.

use std::sync::Arc;

use crate::{
    domain::{Attribute, Domain},
    draw::Draw,
    number,
    query::{Cell, Table},
    types::{AttrId, AttributeSchema, EntityId, FactRef, ValueKind},
};

use super::{
    plan::{Layout, Plan},
    plausible::{ABSOLUTE, entity_bytes},
};

/// Fewest entities of a document that is cut to a size.
const MIN_FITTING: usize = 10;
/// One in so many names shares its first word with another.
const NAMESAKES: usize = 7;
/// Room for what most cells are written as.
const CELL_BYTES: usize = 24;
/// Tries for a value that no other entity has.
const DISTINCT_TRIES: u32 = 40;

/// Entities, attributes and values.
#[derive(Debug, Clone)]
pub(super) struct World<'a> {
    pub(super) domain: &'a Domain,
    /// The domain's attribute of each [`AttrId`].
    pub(super) attrs: Vec<u16>,
    pub(super) schemas: Arc<[AttributeSchema]>,
    /// Sorted.
    pub(super) roster: Vec<String>,
    pub(super) table: Table,
    /// Groups in use, by place in the domain.
    pub(super) groups: Vec<usize>,
    /// By entity, then attribute: the entity it is stated relative to.
    parents: Vec<Option<EntityId>>,
}

impl<'a> World<'a> {
    pub(super) fn draw(domain: &'a Domain, plan: &Plan, draw: &mut Draw) -> Self {
        let groups: Vec<usize> = match plan.layout {
            Layout::Sentences => Vec::new(),
            Layout::Grouped => (0..domain.groups.len().min(plan.groups)).collect(),
        };
        let most = usize::try_from(plan.entities.1).unwrap_or(usize::MAX);
        let count = usize::try_from(draw.range(plan.entities.0, plan.entities.1)).unwrap_or(3);
        let fitting = match plan.entity_bytes {
            Some(bytes) => bytes / entity_bytes(domain, &groups).max(1),
            None => most,
        };
        let count = count.min(fitting.max(MIN_FITTING));
        let roster = names(domain, count, draw);
        let attrs: Vec<u16> = match plan.layout {
            Layout::Sentences => {
                let wanted = draw.range(plan.attributes.0, plan.attributes.1);
                let wanted = usize::try_from(wanted).unwrap_or(2);
                let short: Vec<u16> = (0..)
                    .zip(&domain.attributes)
                    .filter_map(|(at, attribute)| attribute.short.then_some(at))
                    .collect();
                draw.sample(short.len(), wanted).into_iter().map(|at| short[at]).collect()
            }
            Layout::Grouped => {
                groups.iter().flat_map(|at| domain.groups[*at].attributes.iter().copied()).collect()
            }
        };
        let shared = groups.len().checked_sub(1).and_then(|at| domain.grouped.get(at));
        let schemas = shared.map_or_else(|| schemas(domain, &attrs), Arc::clone);
        let size = roster.len() * attrs.len();
        let mut world = Self {
            domain,
            table: Table::new(
                u16::try_from(roster.len()).unwrap_or(u16::MAX),
                u16::try_from(attrs.len()).unwrap_or(u16::MAX),
            ),
            attrs,
            schemas,
            roster,
            groups,
            parents: vec![None; size],
        };
        for joint in &domain.joint {
            if joint.iter().any(|place| world.attr_of(*place).is_some()) {
                world.fill(joint, plan, draw);
            }
        }
        if plan.layout == Layout::Grouped {
            world.link(plan, draw);
        }
        world
    }

    /// A world of somebody's own texts: nothing is drawn, and everything is stated absolutely.
    /// `attrs` are places in the domain, `roster` is sorted.
    pub(super) fn given(
        domain: &'a Domain,
        attrs: Vec<u16>,
        roster: Vec<String>,
        table: Table,
    ) -> Self {
        let schemas = schemas(domain, &attrs);
        let parents = vec![None; roster.len() * attrs.len()];
        Self { domain, table, attrs, schemas, roster, groups: Vec::new(), parents }
    }

    /// The domain's side of an attribute.
    pub(super) fn attribute(&self, attr: AttrId) -> &'a Attribute {
        &self.domain.attributes[usize::from(self.attrs[attr.at()])]
    }

    /// The attribute id of a place in the domain, where the document speaks of it.
    pub(super) fn attr_of(&self, place: u16) -> Option<AttrId> {
        let at = self.attrs.iter().position(|known| *known == place)?;
        Some(AttrId(u16::try_from(at).ok()?))
    }

    pub(super) fn name(&self, entity: EntityId) -> &str {
        &self.roster[entity.at()]
    }

    pub(super) fn entities(&self) -> impl Iterator<Item = EntityId> + use<> {
        (0..self.table.entities()).map(EntityId)
    }

    pub(super) fn attr_ids(&self) -> impl Iterator<Item = AttrId> + use<> {
        (0..self.table.attrs()).map(AttrId)
    }

    pub(super) fn parent(&self, fact: FactRef) -> Option<EntityId> {
        self.parents[self.place(fact)]
    }

    fn place(&self, fact: FactRef) -> usize {
        fact.entity.at() * self.attrs.len() + fact.attr.at()
    }

    /// The table of a reader who takes `wrong` for `fact`, and what follows from it for the facts
    /// stated relative to it.
    pub(super) fn misread(&self, fact: FactRef, wrong: Cell) -> Table {
        let mut table = self.table.clone();
        table.set(fact, wrong);
        let mut open = vec![fact];
        while let Some(changed) = open.pop() {
            let (Cell::Number(now), Cell::Number(truth)) =
                (table.get(changed), self.table.get(changed))
            else {
                continue;
            };
            for entity in self.entities() {
                let child = FactRef { entity, attr: fact.attr };
                if self.parent(child) == Some(changed.entity)
                    && let Cell::Number(value) = self.table.get(child)
                {
                    table.set(child, Cell::Number(value - truth + now));
                    open.push(child);
                }
            }
        }
        table
    }

    /// Draws attributes that hang together, entity by entity, so that numbers tell entities apart.
    fn fill(&mut self, joint: &[u16], plan: &Plan, draw: &mut Draw) {
        let ids: Vec<Option<AttrId>> = joint.iter().map(|place| self.attr_of(*place)).collect();
        let mut row: Vec<Cell> = Vec::with_capacity(joint.len());
        for entity in self.entities() {
            for _ in 0..=DISTINCT_TRIES {
                row.clear();
                for place in joint {
                    let attribute = &self.domain.attributes[usize::from(*place)];
                    let cell = value(attribute, plan, draw, |input| {
                        let at = joint.iter().position(|known| *known == input);
                        at.and_then(|at| row.get(at)).copied().unwrap_or(Cell::Missing)
                    });
                    row.push(cell);
                }
                let known = |attr: AttrId, cell: Cell| {
                    (self.schemas[attr.at()].kind.is_number() || plan.layout == Layout::Sentences)
                        && (0..entity.0).any(|other| {
                            self.table.get(FactRef { entity: EntityId(other), attr }) == cell
                        })
                };
                let mut cells = ids.iter().zip(&row);
                if !cells.any(|(id, cell)| id.is_some_and(|attr| known(attr, *cell))) {
                    break;
                }
            }
            for (id, cell) in ids.iter().zip(&row) {
                if let Some(attr) = *id {
                    self.table.set(FactRef { entity, attr }, *cell);
                }
            }
        }
    }

    /// Whether a wrong value for the attribute would contradict others in the document: it is
    /// computed from them, or they from it. No trap may touch it, and no chain an exact one.
    pub(super) fn tied(&self, attr: AttrId) -> bool {
        let attribute = self.attribute(attr);
        attribute.exact
            || attribute.feeds.iter().any(|place| {
                self.domain.attributes[usize::from(*place)].exact && self.attr_of(*place).is_some()
            })
    }

    /// Another value that this entity could have for this attribute, given all its others; in
    /// numbers, and in documents of single sentences, one that no entity has. `None` where the
    /// others leave none, or none is found in a few draws.
    pub(super) fn plausible(&self, fact: FactRef, plan: &Plan, draw: &mut Draw) -> Option<Cell> {
        if self.tied(fact.attr) {
            return None;
        }
        let attribute = self.attribute(fact.attr);
        let own = |place: u16| {
            let attr = self.attr_of(place)?;
            Some(self.table.get(FactRef { entity: fact.entity, attr }))
        };
        let alone = attribute.schema.kind.is_number() || plan.layout == Layout::Sentences;
        for _ in 0..DISTINCT_TRIES {
            let cell = value(attribute, plan, draw, |input| own(input).unwrap_or(Cell::Missing));
            let taken = if alone {
                self.entities()
                    .any(|entity| self.table.get(FactRef { entity, attr: fact.attr }) == cell)
            } else {
                self.table.get(fact) == cell
            };
            let Cell::Number(milli) = cell else {
                if taken {
                    continue;
                }
                return Some(cell);
            };
            // What hangs on it must still be possible.
            let fits = attribute.feeds.iter().all(|place| {
                let fed = &self.domain.attributes[usize::from(*place)];
                let (Some(rule), Some(Cell::Number(now))) = (&fed.rule, own(*place)) else {
                    return true;
                };
                let (low, high) = rule.range((fed.min, fed.max), fed.step, |_| milli);
                (low..=high).contains(&now)
            });
            if !taken && fits {
                return Some(cell);
            }
        }
        None
    }

    /// A random attribute among those of a wanted kind.
    pub(super) fn pick(
        &self,
        wanted: impl Fn(ValueKind) -> bool,
        draw: &mut Draw,
    ) -> Option<AttrId> {
        let fitting: Vec<AttrId> =
            self.attr_ids().filter(|attr| wanted(self.schemas[attr.at()].kind)).collect();
        draw.pick(&fitting).copied()
    }

    /// Chooses, for each group, which entities are stated absolutely, and a reference for each of
    /// the others, so that chains stay within the plan's depth.
    fn link(&mut self, plan: &Plan, draw: &mut Draw) {
        let count = self.roster.len();
        for group in self.groups.clone() {
            let group = &self.domain.groups[group];
            if group.always {
                continue;
            }
            let attrs: Vec<AttrId> =
                group.attributes.iter().filter_map(|place| self.attr_of(*place)).collect();
            let order = draw.sample(count, count);
            let roots = count.div_ceil(ABSOLUTE);
            let mut depths = vec![0_u32; count];
            for (at, entity) in order.iter().enumerate().skip(roots) {
                let eligible: Vec<usize> =
                    order[..at].iter().copied().filter(|e| depths[*e] < plan.depth).collect();
                let Some(reference) = draw.pick(&eligible).copied() else { continue };
                depths[*entity] = depths[reference] + 1;
                for attr in &attrs {
                    let fact = FactRef { entity: id(*entity), attr: *attr };
                    let place = self.place(fact);
                    self.parents[place] = Some(id(reference));
                }
            }
        }
    }

    /// A cell as the trace and the answers write it.
    pub(super) fn text(&self, cell: Cell, attr: AttrId) -> String {
        cell_text(cell, &self.schemas[attr.at()])
    }

    /// Appends what [`World::text`] gives.
    pub(super) fn push(&self, out: &mut String, cell: Cell, attr: AttrId) {
        push_cell(out, cell, &self.schemas[attr.at()]);
    }
}

/// A random value of an attribute, given those that its rule reads; in its own range where one of
/// them is missing.
fn value(attribute: &Attribute, plan: &Plan, draw: &mut Draw, input: impl Fn(u16) -> Cell) -> Cell {
    if attribute.schema.kind == ValueKind::Category {
        let at = draw.index(attribute.schema.vocabulary.len());
        return Cell::Category(u16::try_from(at).unwrap_or(0));
    }
    let (mut low, mut high) = (attribute.min, attribute.max);
    if let Some(rule) = &attribute.rule {
        let mut missing = false;
        let range = rule.range((low, high), attribute.step, |place| match input(place) {
            Cell::Number(milli) => milli,
            Cell::Missing | Cell::Category(_) => {
                missing = true;
                0
            }
        });
        if !missing {
            (low, high) = range;
        }
    }
    // Years stay years, and an attribute beyond the cap keeps its own range.
    let cap = plan.max_number.saturating_mul(1000);
    if attribute.schema.kind != ValueKind::Year && cap > low && !attribute.exact {
        high = high.min(cap);
    }
    let steps = (high - low) / attribute.step;
    Cell::Number(low + draw.range(0, steps) * attribute.step)
}

/// The public side of attributes, by their places in the domain.
fn schemas(domain: &Domain, attrs: &[u16]) -> Arc<[AttributeSchema]> {
    attrs.iter().map(|at| domain.attributes[usize::from(*at)].schema.clone()).collect()
}

fn id(at: usize) -> EntityId {
    EntityId(u16::try_from(at).unwrap_or(u16::MAX))
}

/// A cell as canonical text.
pub(super) fn cell_text(cell: Cell, schema: &AttributeSchema) -> String {
    let mut text = String::with_capacity(CELL_BYTES);
    push_cell(&mut text, cell, schema);
    text
}

/// Appends what [`cell_text`] gives.
fn push_cell(out: &mut String, cell: Cell, schema: &AttributeSchema) {
    match cell {
        Cell::Missing => {}
        Cell::Number(milli) => match schema.kind {
            ValueKind::Decimal => number::push_decimal(out, milli),
            ValueKind::Year => match u32::try_from(milli / 1000) {
                Ok(year) => number::push_plain(out, year),
                Err(_) => out.push_str(&(milli / 1000).to_string()),
            },
            ValueKind::Integer | ValueKind::Category => number::push_grouped(out, milli / 1000),
        },
        Cell::Category(place) => {
            out.push_str(schema.vocabulary.get(usize::from(place)).map_or("", String::as_str));
        }
    }
}

/// Different two-word names in alphabetical order. In longer rosters every [`NAMESAKES`]-th name
/// shares its first word with another, so that a homonym is at hand.
fn names(domain: &Domain, count: usize, draw: &mut Draw) -> Vec<String> {
    let first = draw.sample(domain.first.len(), count);
    let second = draw.sample(domain.second.len(), count);
    let part = |parts: &[String], order: &[usize], at: usize| -> String {
        let place = order.get(at % order.len().max(1)).copied().unwrap_or(0);
        parts.get(place).cloned().unwrap_or_default()
    };
    let own = count - count / NAMESAKES;
    let mut names: Vec<String> = Vec::with_capacity(count);
    for at in 0..count {
        let head = part(&domain.first, &first, if at < own { at } else { at - own });
        // A second word that this first word does not have yet; the reader sees to it that a
        // domain has names enough.
        let tails = (0..domain.second.len()).map(|step| part(&domain.second, &second, at + step));
        let mut made = tails.map(|tail| format!("{head} {tail}"));
        names.extend(made.find(|name| !names.contains(name)));
    }
    names.sort();
    names
}
