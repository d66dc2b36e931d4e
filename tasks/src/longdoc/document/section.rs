//! Long documents: a title, then sections of shuffled paragraphs.
//!
//! Each group of attributes has two sections under its own headings, at random places; what belongs
//! to no group (rules, candidates, tables, rounded figures, noise) goes anywhere, and so does every
//! third paragraph of a group. So the statements behind one answer lie all over the document.

use super::{Draft, nothing, statement};
use crate::{
    domain::Slot,
    draw::Draw,
    longdoc::{constrain::initials, dispute::Drawn, plan::Plan, words, world::World},
    types::{AttrId, EntityId, FactRef, NamedBy, Naming, Standing, StatementKind},
};

/// Sections of one group.
const SECTIONS: usize = 2;
/// A paragraph of this many bytes is not continued.
const MAX_JOINED_BYTES: usize = 400;
/// One in so many paragraphs of a group stands elsewhere.
const ASTRAY: u64 = 3;

pub(super) struct Writer<'w, 'a> {
    pub(super) world: &'w World<'a>,
    pub(super) plan: &'w Plan,
    pub(super) drawn: &'w Drawn,
    pub(super) aliases: Vec<(EntityId, String)>,
    /// Each with the group it belongs to, if any.
    drafts: Vec<(Option<usize>, Draft)>,
}

/// Names by which a document speaks of an entity, other than its canonical one.
pub(super) type Names = Vec<(EntityId, String)>;

/// The paragraphs, and every name in them that is not canonical.
pub(super) fn write(
    world: &World<'_>,
    plan: &Plan,
    drawn: &Drawn,
    draw: &mut Draw,
) -> Option<(Vec<Draft>, Names)> {
    let mut writer = Writer { world, plan, drawn, aliases: Vec::new(), drafts: Vec::new() };
    writer.draw_aliases(draw);
    writer.groups(draw)?;
    for dispute in &drawn.disputes {
        let drafts = writer.dispute(dispute, draw)?;
        writer.anywhere(drafts);
    }
    let rules = writer.rules(draw)?;
    writer.anywhere(rules);
    writer.again(draw)?;
    writer.noise(draw)?;
    let names = writer.names();
    Some((writer.sections(draw)?, names))
}

impl Writer<'_, '_> {
    fn anywhere(&mut self, drafts: Vec<Draft>) {
        self.drafts.extend(drafts.into_iter().map(|draft| (None, draft)));
    }

    /// Whether somebody disputes a fact.
    pub(super) fn disputed(&self, fact: FactRef) -> bool {
        self.drawn.disputes.iter().any(|dispute| dispute.fact == fact)
    }

    /// No source, or any: where nobody differs it does not matter which.
    pub(super) fn some_source(&self, draw: &mut Draw) -> Standing {
        let count = self.world.domain.sources.len();
        match draw.chance(1, 4) {
            true => Standing::Source(u8::try_from(draw.index(count)).unwrap_or(0)),
            false => Standing::Plain,
        }
    }

    /// Aliases that lead to one entity: initials, or the first word of the name.
    fn draw_aliases(&mut self, draw: &mut Draw) {
        let first = |name: &str| name.split(' ').next().unwrap_or_default().to_owned();
        let mut all: Vec<(EntityId, String)> = Vec::new();
        for entity in self.world.entities() {
            let name = self.world.name(entity);
            all.push((entity, initials(name)));
            all.push((entity, first(name)));
        }
        let alone = |(entity, alias): &(EntityId, String)| {
            !words::SMALL_WORDS.contains(&alias.as_str())
                && !all.iter().any(|(e, a)| e != entity && a == alias)
        };
        let mut picked: Vec<(EntityId, String)> = Vec::new();
        let order = draw.sample(all.len(), all.len());
        for candidate in order.into_iter().filter_map(|at| all.get(at)) {
            if picked.len() == self.plan.aliases {
                break;
            }
            if alone(candidate) && !picked.iter().any(|(entity, _)| *entity == candidate.0) {
                picked.push(candidate.clone());
            }
        }
        self.aliases = picked;
    }

    /// Every fact once: in its group's paragraph, as a difference, in a table, or by itself where
    /// the group has a disputed fact.
    fn groups(&mut self, draw: &mut Draw) -> Option<()> {
        for (entity, alias) in self.aliases.clone() {
            let name = self.world.name(entity);
            let text = draw.pick(&self.world.domain.aliases)?.fill(|slot, out| {
                out.push_str(if slot == Slot::Entity { name } else { &alias });
            });
            let kind = StatementKind::AliasOf { entity, alias };
            self.anywhere(vec![Draft { text, statements: vec![statement(kind)] }]);
        }
        let related: Vec<usize> = self
            .world
            .groups
            .iter()
            .copied()
            .filter(|at| !self.world.domain.groups[*at].always)
            .collect();
        let tabled = if self.plan.tables { draw.pick(&related).copied() } else { None };
        let mut described = 0;
        for group in self.world.groups.clone() {
            let always = self.world.domain.groups[group].always;
            let attrs: Vec<AttrId> = self.world.domain.groups[group]
                .attributes
                .iter()
                .map(|place| self.world.attr_of(*place))
                .collect::<Option<_>>()?;
            let mut in_table: Vec<EntityId> = Vec::new();
            for entity in self.world.entities() {
                let facts = attrs.iter().map(|attr| FactRef { entity, attr: *attr });
                let draft = if let Some(reference) = self.world.parent(facts.clone().next()?) {
                    self.relative(entity, reference, &attrs, draw)?
                } else if facts.clone().any(|fact| self.disputed(fact)) {
                    let rest: Vec<FactRef> = facts.filter(|fact| !self.disputed(*fact)).collect();
                    if rest.is_empty() {
                        continue;
                    }
                    self.apart(&rest, draw)?
                } else if tabled == Some(group) {
                    in_table.push(entity);
                    continue;
                } else {
                    let clue = if !always && described < self.plan.described {
                        self.described(entity, draw)
                    } else {
                        None
                    };
                    described += usize::from(clue.is_some());
                    let named = match clue {
                        Some(clue) => Some(clue),
                        None if always => None,
                        None => self.mention(entity, draw),
                    };
                    self.together(group, entity, &attrs, named, draw)?
                };
                self.drafts.push((Some(group), draft));
            }
            if !in_table.is_empty() {
                for attr in attrs {
                    let table = self.table(attr, &in_table, draw)?;
                    self.drafts.push((Some(group), table));
                }
            }
        }
        Some(())
    }

    /// What is said once more: exactly, rounded, or as an instruction that is true.
    fn again(&mut self, draw: &mut Draw) -> Option<()> {
        let facts: Vec<FactRef> = self
            .world
            .entities()
            .flat_map(|entity| self.world.attr_ids().map(move |attr| FactRef { entity, attr }))
            .filter(|fact| !self.disputed(*fact))
            .collect();
        let absolute: Vec<FactRef> =
            facts.iter().copied().filter(|fact| self.world.parent(*fact).is_none()).collect();
        let mut drafts = Vec::new();
        for at in draw.sample(absolute.len(), self.plan.restated) {
            let fact = *absolute.get(at)?;
            let source = self.some_source(draw);
            let named =
                self.misspelt(fact.entity, draw).or_else(|| self.mention(fact.entity, draw));
            drafts.push(self.plain(fact, source, named, draw)?);
        }
        for at in draw.sample(absolute.len(), self.plan.hedged) {
            drafts.extend(self.hedged(*absolute.get(at)?, draw));
        }
        for at in draw.sample(facts.len(), self.plan.instructions) {
            let fact = *facts.get(at)?;
            drafts.push(self.instruction(fact, self.world.table.get(fact), draw)?);
        }
        self.anywhere(drafts);
        Some(())
    }

    /// Paragraphs that state nothing, up to the size of the plan.
    fn noise(&mut self, draw: &mut Draw) -> Option<()> {
        let domain = self.world.domain;
        let mut general: Vec<&String> = domain.noise_general.iter().collect();
        draw.shuffle(&mut general);
        let headings = if self.plan.headed { self.world.groups.len() * SECTIONS } else { 0 };
        while self.drafts.len() + headings + 1 < self.plan.paragraphs {
            let text = match draw.below(3) {
                0 if !general.is_empty() => general.pop()?.clone(),
                1 => {
                    let two = draw.sample(self.world.roster.len(), 2);
                    let (a, b) = (
                        self.world.roster.get(*two.first()?)?,
                        self.world.roster.get(*two.get(1)?)?,
                    );
                    draw.pick(&domain.noise_pair)?.fill(|slot, out| {
                        out.push_str(if slot == Slot::Entity { a } else { b });
                    })
                }
                _ => {
                    let at = EntityId(u16::try_from(draw.index(self.world.roster.len())).ok()?);
                    let named = self.misspelt(at, draw);
                    let name = named.as_ref().map_or(self.world.name(at), |naming| &naming.text);
                    draw.pick(&domain.noise_entity)?.fill(|_, out| out.push_str(name))
                }
            };
            self.drafts.push((None, nothing(text)));
        }
        Some(())
    }

    /// Names in the text that lead to an entity without being its own.
    fn names(&self) -> Vec<(EntityId, String)> {
        let mut names = self.aliases.clone();
        for statement in self.drafts.iter().flat_map(|(_, draft)| &draft.statements) {
            let entity = match &statement.kind {
                StatementKind::Absolute { fact, .. }
                | StatementKind::Relative { fact, .. }
                | StatementKind::Hedged { fact, .. } => fact.entity,
                _ => continue,
            };
            if let Some(Naming { text, by: NamedBy::Typo | NamedBy::Clue { .. } }) =
                &statement.named
                && !names.iter().any(|(known, name)| *known == entity && name == text)
            {
                names.push((entity, text.clone()));
            }
        }
        names
    }

    /// Title, then the sections in random order, each shuffled.
    fn sections(self, draw: &mut Draw) -> Option<Vec<Draft>> {
        let domain = self.world.domain;
        let mut drafts = vec![nothing(draw.pick(&domain.titles)?.clone())];
        let mut bodies: Vec<Draft> = Vec::with_capacity(self.drafts.len());
        if !self.plan.headed {
            bodies.extend(self.drafts.into_iter().map(|(_, draft)| draft));
            draw.shuffle(&mut bodies);
            drafts.append(&mut bodies);
            return Some(drafts);
        }
        let count = self.world.groups.len() * SECTIONS;
        let mut sections: Vec<Vec<Draft>> = vec![Vec::new(); count];
        for (group, draft) in self.drafts {
            let home = group.and_then(|group| self.world.groups.iter().position(|at| *at == group));
            let at = match home {
                Some(home) if !draw.chance(1, ASTRAY) => home * SECTIONS + draw.index(SECTIONS),
                _ => draw.index(count),
            };
            sections.get_mut(at)?.push(draft);
        }
        let mut order: Vec<usize> = (0..count).collect();
        draw.shuffle(&mut order);
        for at in order {
            let heading = words::heading(domain, *self.world.groups.get(at / SECTIONS)?, at)?;
            drafts.push(nothing(heading));
            let section = sections.get_mut(at)?;
            draw.shuffle(section);
            let first = drafts.len();
            for draft in section.drain(..) {
                let joins =
                    drafts.len() > first && draw.chance(self.plan.joined.0, self.plan.joined.1);
                match drafts.last_mut() {
                    Some(last) if joins && last.open() && draft.open() => last.append(draft),
                    _ => drafts.push(draft),
                }
            }
        }
        Some(drafts)
    }
}

impl Draft {
    /// Whether another paragraph may follow in the same one: nothing here is attributed, dated,
    /// conditional or a rule, so that none of it could be taken to reach into the other.
    fn open(&self) -> bool {
        self.text.len() < MAX_JOINED_BYTES
            && self.statements.iter().all(|statement| match &statement.kind {
                StatementKind::Relative { .. }
                | StatementKind::Hedged { .. }
                | StatementKind::Nothing => true,
                StatementKind::Absolute { standing, .. } => *standing == Standing::Plain,
                StatementKind::Rule(_)
                | StatementKind::AliasOf { .. }
                | StatementKind::Instruction { .. } => false,
            })
    }

    fn append(&mut self, next: Self) {
        self.text.push(' ');
        self.text.push_str(&next.text);
        self.statements.extend(next.statements);
    }
}
