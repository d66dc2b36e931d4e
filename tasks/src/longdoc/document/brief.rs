//! Short documents: the rules first, then one sentence a fact and one a trap, shuffled.

use super::{Draft, nothing, statement};
use crate::{
    domain::Slot,
    draw::Draw,
    longdoc::{plan::Plan, trap::DraftedTrap, world::World},
    query::{Cell, value_of},
    types::{FactRef, Rule, Standing, Statement, StatementKind, TrapKind},
};

/// Two sources; the strong one holds where they differ.
#[derive(Debug, Clone, Copy)]
struct Sources {
    strong: Standing,
    weak: Standing,
    /// Place in [`crate::domain::Domain::marks`] where one of the two is a mark.
    mark: Option<usize>,
}

struct Writer<'w, 'a> {
    world: &'w World<'a>,
    traps: &'w [DraftedTrap],
    sources: Sources,
}

pub(super) fn write(
    world: &World<'_>,
    plan: &Plan,
    traps: &[DraftedTrap],
    draw: &mut Draw,
) -> Option<Vec<Draft>> {
    let sources = Sources::draw(world, plan, draw)?;
    Writer { world, traps, sources }.sentences(draw)
}

impl Sources {
    fn draw(world: &World<'_>, plan: &Plan, draw: &mut Draw) -> Option<Self> {
        let names = world.domain.sources.len();
        if draw.chance(plan.marked.0, plan.marked.1) && !world.domain.marks.is_empty() {
            let weights: Vec<(usize, u32)> =
                world.domain.marks.iter().map(|mark| mark.weight).enumerate().collect();
            let at = *draw.weighted(&weights)?;
            let label = Standing::Source(u8::try_from(names + at).ok()?);
            let holds = world.domain.marks.get(at)?.holds;
            let (strong, weak) =
                if holds { (label, Standing::Plain) } else { (Standing::Plain, label) };
            return Some(Self { strong, weak, mark: Some(at) });
        }
        let two = draw.sample(names, 2);
        let source = |at: usize| Some(Standing::Source(u8::try_from(*two.get(at)?).ok()?));
        Some(Self { strong: source(0)?, weak: source(1)?, mark: None })
    }
}

impl Writer<'_, '_> {
    fn sentences(&self, draw: &mut Draw) -> Option<Vec<Draft>> {
        let mut body = Vec::new();
        let has = |kind| self.traps.iter().any(|trap| trap.kind == kind);
        let disputed = has(TrapKind::Superseded);
        for entity in self.world.entities() {
            for attr in self.world.attr_ids() {
                let fact = FactRef { entity, attr };
                let superseded =
                    |trap: &DraftedTrap| trap.kind == TrapKind::Superseded && trap.fact == fact;
                let standing = if self.traps.iter().any(superseded) {
                    self.sources.strong
                } else if disputed && self.sources.mark.is_none() && draw.chance(1, 4) {
                    self.either(draw)
                } else {
                    Standing::Plain
                };
                body.push(self.sentence(fact, self.world.table.get(fact), standing, draw)?);
            }
        }
        for trap in self.traps {
            let standing = match trap.kind {
                TrapKind::Superseded => self.sources.weak,
                _ => Standing::Wider,
            };
            body.push(self.sentence(trap.fact, trap.wrong, standing, draw)?);
        }
        draw.shuffle(&mut body);
        let mut drafts = Vec::with_capacity(body.len() + 2);
        if disputed {
            drafts.push(self.authority(draw)?);
        }
        if has(TrapKind::Scope) {
            drafts.push(nothing(draw.pick(&self.world.domain.scope)?.clone()));
        }
        drafts.append(&mut body);
        Some(drafts)
    }

    fn authority(&self, draw: &mut Draw) -> Option<Draft> {
        let Sources { strong, weak, mark } = self.sources;
        let text = match mark.and_then(|at| self.world.domain.marks.get(at)) {
            Some(mark) => draw.pick(&mark.rules)?.clone(),
            None => draw.pick(&self.world.domain.authority)?.fill(|slot, out| {
                let source = if slot == Slot::Strong { strong } else { weak };
                out.push_str(self.source(source));
            }),
        };
        let rule = StatementKind::Rule(Rule::Over(strong, weak));
        Some(Draft { text, statements: vec![statement(rule)] })
    }

    fn source(&self, standing: Standing) -> &str {
        let Standing::Source(at) = standing else { return "" };
        let domain = self.world.domain;
        let marks = domain.marks.iter().map(|mark| mark.label.as_str());
        domain.sources.iter().map(String::as_str).chain(marks).nth(usize::from(at)).unwrap_or("")
    }

    /// No source, or one of the two.
    fn either(&self, draw: &mut Draw) -> Standing {
        match draw.below(4) {
            0 => self.sources.strong,
            1 => self.sources.weak,
            _ => Standing::Plain,
        }
    }

    /// One fact in one sentence, in the first wording and form.
    fn sentence(
        &self,
        fact: FactRef,
        cell: Cell,
        standing: Standing,
        draw: &mut Draw,
    ) -> Option<Draft> {
        let attribute = self.world.attribute(fact.attr);
        let schema = &self.world.schemas[fact.attr.at()];
        let wordings =
            if standing == Standing::Wider { &attribute.wider } else { &attribute.plain };
        let mut amount = self.world.text(cell, fact.attr);
        if schema.kind.is_number()
            && let Some(form) = attribute.forms.first()
        {
            amount = form.fill(|_, out| out.push_str(&amount));
        }
        let mut text = wordings.first()?.fill(|slot, out| {
            out.push_str(if slot == Slot::Entity { self.world.name(fact.entity) } else { &amount });
        });
        let source = self.source(standing);
        if !source.is_empty() {
            text = draw.pick(&self.world.domain.attributed)?.fill(|slot, out| match slot {
                Slot::Sentence => out.push_str(&text),
                _ => super::push_name(out, source),
            });
        }
        let kind = StatementKind::Absolute { fact, value: value_of(cell, schema)?, standing };
        Some(Draft { text, statements: vec![Statement { kind, named: None, printed: None }] })
    }
}
