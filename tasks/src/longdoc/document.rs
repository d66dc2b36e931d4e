//! The document: paragraphs of text, each together with the statements it makes.

use crate::{
    domain::{Slot, Template, with_article},
    draw::Draw,
    number,
    query::{Cell, value_of},
    types::{
        AttrId, DocParagraph, EntityId, FactRef, Scope, Statement, StatementKind, TrapKind, Value,
        ValueKind,
    },
};

use super::{
    constrain::initials,
    phrase::Phrases,
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
        if long || has(TrapKind::Scope) {
            let text = draw.pick(&self.world.domain.scope)?.clone();
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

    /// How a paragraph about figures names its entity: half of the time by its alias, if any.
    fn mention(&self, entity: EntityId, draw: &mut Draw) -> Option<String> {
        let alias = self.aliases.iter().find(|(known, _)| *known == entity)?;
        draw.chance(1, 2).then(|| alias.1.clone())
    }

    fn value(&self, fact: FactRef, cell: Cell) -> Option<Value> {
        value_of(cell, &self.world.schemas[fact.attr.at()])
    }

    /// A number in one of its forms, or a word.
    fn amount(&self, attr: AttrId, cell: Cell, forms: &[Template], draw: &mut Draw) -> String {
        let text = self.world.text(cell, attr);
        if !self.world.schemas[attr.at()].kind.is_number() {
            return text;
        }
        match self.form(forms, draw) {
            Some(form) => form.fill(|_, out| out.push_str(&text)),
            None => text,
        }
    }

    /// Short documents keep to the first form.
    fn form<'t>(&self, forms: &'t [Template], draw: &mut Draw) -> Option<&'t Template> {
        match self.plan.layout {
            Layout::Sentences => forms.first(),
            Layout::Grouped => draw.pick(forms),
        }
    }

    /// The value of a fact as its own paragraph prints it, and the printed number where a unit
    /// trap puts it into another unit.
    fn printed(
        &self,
        fact: FactRef,
        cell: Cell,
        draw: &mut Draw,
    ) -> Option<(String, Option<Value>)> {
        let attribute = self.world.attribute(fact.attr);
        if let Some(trap) = self.trap(TrapKind::Unit, fact)
            && let Some(unit) = trap.unit_form.and_then(|at| attribute.unit_forms.get(at))
            && let Cell::Number(milli) = cell
        {
            let printed = milli.checked_mul(unit.factor)?;
            let text = if attribute.schema.kind == ValueKind::Decimal {
                number::decimal(printed)
            } else {
                number::grouped(printed / 1000)
            };
            let text = unit.form.fill(|_, out| out.push_str(&text));
            return Some((text, self.value(fact, Cell::Number(printed))));
        }
        Some((self.amount(fact.attr, cell, &attribute.forms, draw), None))
    }

    /// One fact in one sentence, attributed or not.
    fn plain(&self, fact: FactRef, source: Option<u8>, draw: &mut Draw) -> Option<Draft> {
        let cell = self.world.table.get(fact);
        let named = self.mention(fact.entity, draw);
        self.sentence(fact, cell, Scope::Own, source, named, draw)
    }

    fn sentence(
        &self,
        fact: FactRef,
        cell: Cell,
        scope: Scope,
        source: Option<u8>,
        named: Option<String>,
        draw: &mut Draw,
    ) -> Option<Draft> {
        let attribute = self.world.attribute(fact.attr);
        let wordings = match scope {
            Scope::Own => &attribute.plain,
            Scope::Other => &attribute.wider,
        };
        let (amount, printed) = match scope {
            Scope::Own => self.printed(fact, cell, draw)?,
            Scope::Other => (self.amount(fact.attr, cell, &attribute.forms, draw), None),
        };
        let wording = match self.plan.layout {
            Layout::Sentences => wordings.first()?,
            Layout::Grouped => draw.pick(wordings)?,
        };
        let name = named.as_deref().unwrap_or(self.world.name(fact.entity));
        let body = wording.fill(|slot, out| {
            out.push_str(if slot == Slot::Entity { name } else { &amount });
        });
        let text = self.attributed(body, source, draw)?;
        let value = self.value(fact, cell)?;
        let kind = StatementKind::Absolute { fact, value, scope, source };
        Some(Draft { text, statements: vec![Statement { kind, named, printed }] })
    }

    fn attributed(&self, body: String, source: Option<u8>, draw: &mut Draw) -> Option<String> {
        let Some(source) = source else { return Some(body) };
        let source = self.source(source);
        Some(draw.pick(&self.world.domain.attributed)?.fill(|slot, out| {
            if slot == Slot::Sentence {
                out.push_str(&body);
            } else if out.is_empty() {
                out.push_str(&capitalised(source));
            } else {
                out.push_str(source);
            }
        }))
    }

    /// All facts of a group in one paragraph.
    fn together(
        &self,
        group: usize,
        entity: EntityId,
        attrs: &[AttrId],
        draw: &mut Draw,
    ) -> Option<Draft> {
        let group = &self.world.domain.groups[group];
        let superseded = attrs
            .iter()
            .any(|attr| self.trap(TrapKind::Superseded, FactRef { entity, attr: *attr }).is_some());
        // The paragraph of a disputed fact may be the one that holds or the one that yields.
        let source = match superseded {
            true if self.group_is_weak(entity, attrs) => self.sources.weak,
            true => self.sources.strong,
            false => self.either(draw),
        };
        let named = if group.always { None } else { self.mention(entity, draw) };
        let mut statements = Vec::with_capacity(attrs.len());
        let mut amounts: Vec<(u16, String)> = Vec::with_capacity(attrs.len());
        for attr in attrs {
            let fact = FactRef { entity, attr: *attr };
            let mut cell = self.world.table.get(fact);
            if source == self.sources.weak
                && let Some(trap) = self.trap(TrapKind::Superseded, fact)
            {
                cell = trap.wrong;
            }
            let (text, printed) = self.printed(fact, cell, draw)?;
            amounts.push((self.world.attrs[attr.at()], text));
            let value = self.value(fact, cell)?;
            statements.push(Statement {
                kind: StatementKind::Absolute { fact, value, scope: Scope::Own, source },
                named: named.clone(),
                printed,
            });
        }
        let name = named.as_deref().unwrap_or(self.world.name(entity));
        let amount = |place: u16| {
            amounts.iter().find(|(known, _)| *known == place).map_or("", |(_, text)| text.as_str())
        };
        let body = draw.pick(&group.wordings)?.fill(|slot, out| match slot {
            Slot::Entity => out.push_str(name),
            Slot::Attr(place) => out.push_str(amount(place)),
            Slot::Article(place) => out.push_str(&with_article(amount(place))),
            _ => {}
        });
        Some(Draft { text: self.attributed(body, source, draw)?, statements })
    }

    /// Which of the two paragraphs about a disputed fact yields: decided by the fact itself, so
    /// that both paragraphs agree on it.
    fn group_is_weak(&self, entity: EntityId, attrs: &[AttrId]) -> bool {
        attrs.iter().any(|attr| {
            self.trap(TrapKind::Superseded, FactRef { entity, attr: *attr }).is_some_and(weak_first)
        })
    }

    /// All facts of a group as differences from another entity.
    fn relative(
        &self,
        entity: EntityId,
        reference: EntityId,
        attrs: &[AttrId],
        draw: &mut Draw,
    ) -> Option<Draft> {
        let named = self.mention(entity, draw);
        let name = named.as_deref().unwrap_or(self.world.name(entity));
        let mut text = String::new();
        let mut statements = Vec::with_capacity(attrs.len());
        for at in draw.sample(attrs.len(), attrs.len()) {
            let attr = *attrs.get(at)?;
            let fact = FactRef { entity, attr };
            let attribute = self.world.attribute(attr);
            let own = self.world.table.number(entity, attr)?;
            let delta = own - self.world.table.number(reference, attr)?;
            let wordings = match (text.is_empty(), delta < 0) {
                (true, false) => &attribute.more,
                (true, true) => &attribute.less,
                (false, false) => &attribute.more_next,
                (false, true) => &attribute.less_next,
            };
            let amount = self.amount(attr, Cell::Number(delta.abs()), &attribute.gap_forms, draw);
            if !text.is_empty() {
                text.push(' ');
            }
            draw.pick(wordings)?.write(&mut text, |slot, out| {
                out.push_str(match slot {
                    Slot::Entity => name,
                    Slot::Reference => self.world.name(reference),
                    _ => &amount,
                });
            });
            let delta = self.value(fact, Cell::Number(delta))?;
            statements.push(Statement {
                kind: StatementKind::Relative { fact, reference, delta },
                named: named.clone(),
                printed: None,
            });
        }
        Some(Draft { text, statements })
    }

    /// The paragraph that a trap adds, if it adds one.
    fn trap_paragraph(&self, trap: &DraftedTrap, draw: &mut Draw) -> Option<Vec<Draft>> {
        let fact = trap.fact;
        Some(match trap.kind {
            TrapKind::Unit | TrapKind::Homonym => Vec::new(),
            TrapKind::Superseded => {
                // The paragraph of the group has the one side, this one the other.
                let group_is_weak = self.plan.layout == Layout::Grouped && weak_first(trap);
                let (cell, source) = if group_is_weak {
                    (trap.right, self.sources.strong)
                } else {
                    (trap.wrong, self.sources.weak)
                };
                vec![self.sentence(fact, cell, Scope::Own, source, None, draw)?]
            }
            TrapKind::Scope => {
                vec![self.sentence(fact, trap.wrong, Scope::Other, None, None, draw)?]
            }
            TrapKind::PlantedInstruction => {
                let sentence = Phrases { world: self.world, plain: true }.trace(fact, trap.wrong);
                let text = draw
                    .pick(&self.world.domain.instructions)?
                    .fill(|_, out| out.push_str(&sentence));
                let value = self.value(fact, trap.wrong)?;
                vec![Draft {
                    text,
                    statements: vec![statement(StatementKind::Instruction { fact, value })],
                }]
            }
        })
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

/// A coin that the trap itself carries: whether the paragraph of the group is the one that yields.
fn weak_first(trap: &DraftedTrap) -> bool {
    match (trap.right, trap.wrong) {
        (Cell::Number(right), Cell::Number(wrong)) => (right / 100 + wrong / 100) % 2 == 0,
        (Cell::Category(right), Cell::Category(wrong)) => (right + wrong) % 2 == 0,
        _ => false,
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
