//! Paragraphs about facts: one sentence, a group of them, differences, and what a trap adds.

use super::{Draft, Writer, statement};
use crate::{
    domain::{Slot, Template, with_article},
    draw::Draw,
    longdoc::{phrase::Phrases, plan::Layout, trap::DraftedTrap},
    number,
    query::{Cell, value_of},
    types::{
        AttrId, EntityId, FactRef, Scope, Statement, StatementKind, TrapKind, Value, ValueKind,
    },
};

impl Writer<'_, '_> {
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
    pub(super) fn plain(
        &self,
        fact: FactRef,
        source: Option<u8>,
        draw: &mut Draw,
    ) -> Option<Draft> {
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
    pub(super) fn together(
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
    pub(super) fn relative(
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
    pub(super) fn trap_paragraph(&self, trap: &DraftedTrap, draw: &mut Draw) -> Option<Vec<Draft>> {
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
