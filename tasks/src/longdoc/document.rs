//! The document: paragraphs of text, each together with the statements it makes.

mod paragraph;

use crate::{
    domain::Slot,
    draw::Draw,
    types::{AttrId, DocParagraph, EntityId, FactRef, Statement, StatementKind, TrapKind},
};

use super::{
    constrain::initials,
    plan::{Layout, Plan},
    trap::DraftedTrap,
    world::World,
};

/// A paragraph before its place is known.
#[derive(Debug, Clone)]
struct Draft {
    text: String,
    statements: Vec<Statement>,
}

/// The rendered document.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) paragraphs: Vec<String>,
    pub(super) statements: Vec<DocParagraph>,
    /// Aliases by entity.
    pub(super) aliases: Vec<(EntityId, String)>,
}

/// Two sources; the strong one holds where they differ. `None` stands for no source.
#[derive(Debug, Clone, Copy)]
struct Sources {
    strong: Option<u8>,
    weak: Option<u8>,
    /// Place in [`crate::domain::Domain::marks`] where one of the two is a mark.
    mark: Option<usize>,
}

struct Writer<'w, 'a> {
    world: &'w World<'a>,
    plan: &'w Plan,
    traps: &'w [DraftedTrap],
    sources: Sources,
    aliases: Vec<(EntityId, String)>,
    drafts: Vec<Draft>,
}

/// Renders a world with its traps.
pub(super) fn write(
    world: &World<'_>,
    plan: &Plan,
    traps: &[DraftedTrap],
    draw: &mut Draw,
) -> Option<Document> {
    let sources = Sources::draw(world, plan, draw)?;
    let mut writer =
        Writer { world, plan, traps, sources, aliases: Vec::new(), drafts: Vec::new() };
    match plan.layout {
        Layout::Sentences => writer.sentences(draw)?,
        Layout::Grouped => writer.grouped(draw)?,
    }
    let Writer { drafts, aliases, .. } = writer;
    let (paragraphs, statements) = drafts
        .into_iter()
        .map(|draft| (draft.text, DocParagraph { statements: draft.statements }))
        .unzip();
    Some(Document { paragraphs, statements, aliases })
}

fn statement(kind: StatementKind) -> Statement {
    Statement { kind, named: None, printed: None }
}

impl Sources {
    fn draw(world: &World<'_>, plan: &Plan, draw: &mut Draw) -> Option<Self> {
        let names = world.domain.sources.len();
        if draw.chance(plan.marked.0, plan.marked.1) && !world.domain.marks.is_empty() {
            let weights: Vec<(usize, u32)> =
                world.domain.marks.iter().map(|mark| mark.weight).enumerate().collect();
            let at = *draw.weighted(&weights)?;
            let label = Some(u8::try_from(names + at).ok()?);
            let (strong, weak) =
                if world.domain.marks[at].holds { (label, None) } else { (None, label) };
            return Some(Self { strong, weak, mark: Some(at) });
        }
        let two = draw.sample(names, 2);
        Some(Self {
            strong: Some(u8::try_from(*two.first()?).ok()?),
            weak: Some(u8::try_from(*two.get(1)?).ok()?),
            mark: None,
        })
    }
}

impl Writer<'_, '_> {
    /// One sentence a paragraph; the rules first.
    fn sentences(&mut self, draw: &mut Draw) -> Option<()> {
        let mut body = Vec::new();
        let disputed = self.traps.iter().any(|trap| trap.kind == TrapKind::Superseded);
        for entity in self.world.entities() {
            for attr in self.world.attr_ids() {
                let fact = FactRef { entity, attr };
                let source = if self.trap(TrapKind::Superseded, fact).is_some() {
                    self.sources.strong
                } else if disputed && self.sources.mark.is_none() && draw.chance(1, 4) {
                    self.either(draw)
                } else {
                    None
                };
                body.push(self.plain(fact, source, draw)?);
            }
        }
        for trap in self.traps {
            body.extend(self.trap_paragraph(trap, draw)?);
        }
        draw.shuffle(&mut body);
        let mut rules = self.rules(draw)?;
        rules.append(&mut body);
        self.drafts = rules;
        Some(())
    }

    /// A title, then everything else shuffled.
    fn grouped(&mut self, draw: &mut Draw) -> Option<()> {
        self.draw_aliases(draw);
        let mut body = self.rules(draw)?;
        for (entity, alias) in self.aliases.clone() {
            let name = self.world.name(entity);
            let text = draw.pick(&self.world.domain.aliases)?.fill(|slot, out| {
                out.push_str(if slot == Slot::Entity { name } else { &alias });
            });
            body.push(Draft {
                text,
                statements: vec![statement(StatementKind::AliasOf { entity, alias })],
            });
        }
        let mut absolute: Vec<FactRef> = Vec::new();
        for at in self.world.groups.clone() {
            let group = &self.world.domain.groups[at];
            let attrs: Vec<AttrId> = group
                .attributes
                .iter()
                .map(|place| self.world.attr_of(*place))
                .collect::<Option<_>>()?;
            for entity in self.world.entities() {
                let first = FactRef { entity, attr: *attrs.first()? };
                match self.world.parent(first) {
                    None => {
                        absolute.extend(attrs.iter().map(|attr| FactRef { entity, attr: *attr }));
                        body.push(self.together(at, entity, &attrs, draw)?);
                    }
                    Some(reference) => {
                        body.push(self.relative(entity, reference, &attrs, draw)?);
                    }
                }
            }
        }
        for trap in self.traps {
            body.extend(self.trap_paragraph(trap, draw)?);
        }
        absolute.retain(|fact| !self.traps.iter().any(|trap| trap.fact == *fact));
        for at in draw.sample(absolute.len(), self.plan.restated) {
            let source = self.either(draw);
            body.push(self.plain(*absolute.get(at)?, source, draw)?);
        }
        let mut noise = self.noise(draw)?;
        while body.len() + 1 < self.plan.paragraphs {
            let Some(draft) = noise.pop() else { break };
            body.push(draft);
        }
        draw.shuffle(&mut body);
        let title = draw.pick(&self.world.domain.titles)?.clone();
        self.drafts =
            vec![Draft { text: title, statements: vec![statement(StatementKind::Nothing)] }];
        self.drafts.append(&mut body);
        Some(())
    }

    fn trap(&self, kind: TrapKind, fact: FactRef) -> Option<&DraftedTrap> {
        self.traps.iter().find(|trap| trap.kind == kind && trap.fact == fact)
    }

    fn rules(&self, draw: &mut Draw) -> Option<Vec<Draft>> {
        let mut rules = Vec::new();
        let has = |kind| self.traps.iter().any(|trap| trap.kind == kind);
        let long = self.plan.layout == Layout::Grouped;
        if long || has(TrapKind::Superseded) {
            let Sources { strong, weak, mark } = self.sources;
            let text = match mark.and_then(|at| self.world.domain.marks.get(at)) {
                Some(mark) => draw.pick(&mark.rules)?.clone(),
                None => draw.pick(&self.world.domain.authority)?.fill(|slot, out| {
                    let source = if slot == Slot::Strong { strong } else { weak };
                    out.push_str(source.map_or("", |at| self.source(at)));
                }),
            };
            rules.push(Draft {
                text,
                statements: vec![statement(StatementKind::Authority { strong, weak })],
            });
        }
        // Most domains state extents by notes, and have no wider wordings.
        let scope = &self.world.domain.scope;
        if long && !scope.is_empty() || has(TrapKind::Scope) {
            let text = draw.pick(scope)?.clone();
            rules.push(Draft { text, statements: vec![statement(StatementKind::Nothing)] });
        }
        Some(rules)
    }

    fn source(&self, at: u8) -> &str {
        let (at, domain) = (usize::from(at), self.world.domain);
        let marks = domain.marks.iter().map(|mark| mark.label.as_str());
        domain.sources.iter().map(String::as_str).chain(marks).nth(at).unwrap_or("")
    }

    /// No source, or one of the two.
    fn either(&self, draw: &mut Draw) -> Option<u8> {
        match draw.below(4) {
            0 => self.sources.strong,
            1 => self.sources.weak,
            _ => None,
        }
    }

    /// Initials as aliases, of entities whose initials no other has.
    fn draw_aliases(&mut self, draw: &mut Draw) {
        let all: Vec<(EntityId, String)> = self
            .world
            .entities()
            .map(|entity| (entity, initials(self.world.name(entity))))
            .collect();
        let unique: Vec<&(EntityId, String)> = all
            .iter()
            .filter(|(entity, alias)| !all.iter().any(|(e, a)| e != entity && a == alias))
            .collect();
        let picked = draw.sample(unique.len(), self.plan.aliases);
        self.aliases =
            picked.into_iter().filter_map(|at| unique.get(at)).map(|p| (*p).clone()).collect();
    }

    fn noise(&self, draw: &mut Draw) -> Option<Vec<Draft>> {
        let domain = self.world.domain;
        let mut texts: Vec<String> = domain.noise_general.clone();
        for wording in &domain.noise_entity {
            let at = EntityId(u16::try_from(draw.index(self.world.roster.len())).ok()?);
            texts.push(wording.fill(|_, out| out.push_str(self.world.name(at))));
        }
        for wording in &domain.noise_pair {
            let two = draw.sample(self.world.roster.len(), 2);
            let (a, b) =
                (self.world.roster.get(*two.first()?)?, self.world.roster.get(*two.get(1)?)?);
            texts.push(
                wording.fill(|slot, out| out.push_str(if slot == Slot::Entity { a } else { b })),
            );
        }
        draw.shuffle(&mut texts);
        Some(
            texts
                .into_iter()
                .map(|text| Draft { text, statements: vec![statement(StatementKind::Nothing)] })
                .collect(),
        )
    }
}
