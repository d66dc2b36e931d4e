//! Paragraphs about undisputed facts: one sentence, a group of them, differences, tables, rounded
//! figures.

use std::ops::Range;

use super::{Draft, PARAGRAPH_BYTES, capitalised, push_name, section::Writer};
use crate::{
    domain::{Slot, push_with_article},
    draw::Draw,
    longdoc::{phrase::Phrases, words},
    number,
    query::{Cell, value_of},
    types::{
        AttrId, EntityId, FactRef, NamedBy, Naming, Standing, Statement, StatementKind, Value,
        ValueKind,
    },
};

/// From this number on, whole numbers may be written in thousands.
const FROM_THOUSANDS_MILLI: i64 = 2_000_000;
/// Room for what most values are written as.
pub(super) const AMOUNT_BYTES: usize = 32;
/// Digits that a rounded figure keeps.
const ROUNDED_DIGITS: u32 = 2;

impl Writer<'_, '_> {
    /// How a paragraph about figures names its entity: half of the time by its alias, if any.
    pub(super) fn mention(&self, entity: EntityId, draw: &mut Draw) -> Option<Naming> {
        let alias = self.aliases.iter().find(|(known, _)| *known == entity)?;
        draw.chance(1, 2).then(|| super::alias(&alias.1))
    }

    pub(super) fn value(&self, fact: FactRef, cell: Cell) -> Option<Value> {
        value_of(cell, &self.world.schemas[fact.attr.at()])
    }

    /// Appends a value in one of its forms; gives the printed number where that is another than the
    /// value.
    pub(super) fn amount(
        &self,
        out: &mut String,
        attr: AttrId,
        cell: Cell,
        unit_form: Option<usize>,
        draw: &mut Draw,
    ) -> Option<Option<Value>> {
        let attribute = self.world.attribute(attr);
        let schema = &self.world.schemas[attr.at()];
        let Cell::Number(milli) = cell else {
            self.world.push(out, cell, attr);
            return Some(None);
        };
        if let Some(unit) = unit_form.and_then(|at| attribute.unit_forms.get(at)) {
            let printed = milli.checked_mul(unit.factor)?;
            unit.form.write(out, |_, out| match schema.kind {
                ValueKind::Decimal => number::push_decimal(out, printed),
                _ => number::push_grouped(out, printed / 1000),
            });
            return Some(value_of(Cell::Number(printed), schema));
        }
        let thousands = schema.kind == ValueKind::Integer
            && schema.scale == 1
            && milli >= FROM_THOUSANDS_MILLI
            && draw.chance(1, 6);
        let word = thousands.then(|| if draw.chance(1, 2) { " thousand" } else { "k" });
        self.formed(out, attr, draw, |out| match word {
            Some(word) => {
                number::push_decimal(out, milli / 1000);
                out.push_str(word);
            }
            None => self.world.push(out, cell, attr),
        });
        Some(None)
    }

    /// Appends a number as one of the attribute's forms has it.
    fn formed(
        &self,
        out: &mut String,
        attr: AttrId,
        draw: &mut Draw,
        number: impl Fn(&mut String),
    ) {
        match draw.pick(&self.world.attribute(attr).forms) {
            Some(form) => form.write(out, |_, out| number(out)),
            None => number(out),
        }
    }

    /// A fact in one sentence.
    pub(super) fn body(
        &self,
        fact: FactRef,
        amount: &str,
        named: Option<&Naming>,
        draw: &mut Draw,
    ) -> Option<String> {
        let name = named.map_or(self.world.name(fact.entity), |naming| &naming.text);
        Some(draw.pick(&self.world.attribute(fact.attr).plain)?.fill(|slot, out| {
            push_name(out, if slot == Slot::Entity { name } else { amount });
        }))
    }

    /// One fact in one sentence of any standing.
    pub(super) fn plain(
        &self,
        fact: FactRef,
        standing: Standing,
        named: Option<Naming>,
        draw: &mut Draw,
    ) -> Option<Draft> {
        let cell = self.world.table.get(fact);
        let mut amount = String::with_capacity(AMOUNT_BYTES);
        let printed = self.amount(&mut amount, fact.attr, cell, None, draw)?;
        let body = self.body(fact, &amount, named.as_ref(), draw)?;
        let text = self.standing(body, standing, draw)?;
        let kind = StatementKind::Absolute { fact, value: self.value(fact, cell)?, standing };
        Some(Draft { text, statements: vec![Statement { kind, named, printed }] })
    }

    /// Facts that share no wording, a sentence each.
    pub(super) fn apart(&self, facts: &[FactRef], draw: &mut Draw) -> Option<Draft> {
        let text = String::with_capacity(PARAGRAPH_BYTES);
        let mut all = Draft { text, statements: Vec::with_capacity(facts.len()) };
        for fact in facts {
            let named = self.mention(fact.entity, draw);
            let draft = self.plain(*fact, Standing::Plain, named, draw)?;
            if !all.text.is_empty() {
                all.text.push(' ');
            }
            all.text.push_str(&draft.text);
            all.statements.extend(draft.statements);
        }
        Some(all)
    }

    /// All facts of a group in one paragraph.
    pub(super) fn together(
        &self,
        group: usize,
        entity: EntityId,
        attrs: &[AttrId],
        named: Option<Naming>,
        draw: &mut Draw,
    ) -> Option<Draft> {
        let group = self.world.domain.groups.get(group)?;
        let standing = self.some_source(draw);
        let mut statements = Vec::with_capacity(attrs.len());
        let mut written = String::with_capacity(attrs.len() * AMOUNT_BYTES);
        let mut amounts: Vec<(u16, Range<usize>)> = Vec::with_capacity(attrs.len());
        for attr in attrs {
            let fact = FactRef { entity, attr: *attr };
            let cell = self.world.table.get(fact);
            let start = written.len();
            let printed = self.amount(&mut written, *attr, cell, None, draw)?;
            amounts.push((self.world.attrs[attr.at()], start..written.len()));
            let kind = StatementKind::Absolute { fact, value: self.value(fact, cell)?, standing };
            statements.push(Statement { kind, named: named.clone(), printed });
        }
        let name = named.as_ref().map_or(self.world.name(entity), |naming| &naming.text);
        let amount = |place: u16| {
            let range = amounts.iter().find(|(known, _)| *known == place).map(|(_, range)| range);
            range.and_then(|range| written.get(range.clone())).unwrap_or_default()
        };
        let body = draw.pick(&group.wordings)?.fill(|slot, out| match slot {
            Slot::Entity => push_name(out, name),
            Slot::Attr(place) => out.push_str(amount(place)),
            Slot::Article(place) => push_with_article(out, amount(place)),
            _ => {}
        });
        Some(Draft { text: self.standing(body, standing, draw)?, statements })
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
        let name = named.as_ref().map_or(self.world.name(entity), |naming| &naming.text);
        let mut text = String::with_capacity(PARAGRAPH_BYTES);
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
            let number = |out: &mut String| self.world.push(out, Cell::Number(delta.abs()), attr);
            let form = draw.pick(&attribute.gap_forms);
            if !text.is_empty() {
                text.push(' ');
            }
            draw.pick(wordings)?.write(&mut text, |slot, out| match (slot, form) {
                (Slot::Entity, _) => out.push_str(name),
                (Slot::Reference, _) => out.push_str(self.world.name(reference)),
                (_, Some(form)) => form.write(out, |_, out| number(out)),
                (_, None) => number(out),
            });
            let kind = StatementKind::Relative {
                fact,
                reference,
                delta: self.value(fact, Cell::Number(delta))?,
            };
            statements.push(Statement { kind, named: named.clone(), printed: None });
        }
        Some(Draft { text, statements })
    }

    /// One attribute of several entities, in one line each.
    pub(super) fn table(
        &self,
        attr: AttrId,
        entities: &[EntityId],
        draw: &mut Draw,
    ) -> Option<Draft> {
        let mut draft = Draft {
            text: format!("{}:", capitalised(&self.world.schemas[attr.at()].label)),
            statements: Vec::with_capacity(entities.len()),
        };
        for at in draw.sample(entities.len(), entities.len()) {
            let fact = FactRef { entity: *entities.get(at)?, attr };
            let cell = self.world.table.get(fact);
            let end = if draft.statements.is_empty() { " " } else { "; " };
            draft.text.push_str(end);
            draft.text.push_str(self.world.name(fact.entity));
            draft.text.push_str(" – ");
            self.world.push(&mut draft.text, cell, attr);
            let value = self.value(fact, cell)?;
            draft.statements.push(super::statement(StatementKind::Absolute {
                fact,
                value,
                standing: Standing::Plain,
            }));
        }
        draft.text.push('.');
        Some(draft)
    }

    /// A figure rounded to its leading digits; `None` where rounding would not change it.
    pub(super) fn hedged(&self, fact: FactRef, draw: &mut Draw) -> Option<Draft> {
        let schema = &self.world.schemas[fact.attr.at()];
        if !matches!(schema.kind, ValueKind::Integer | ValueKind::Decimal) {
            return None;
        }
        let Cell::Number(milli) = self.world.table.get(fact) else { return None };
        let digits = (milli / 1000).checked_ilog10().unwrap_or(0) + 1;
        let unit = 1000 * 10_i64.checked_pow(digits.saturating_sub(ROUNDED_DIGITS))?;
        let about = (milli + unit / 2) / unit * unit;
        if about == milli || about == 0 {
            return None;
        }
        let hedge = draw.pick(&words::HEDGES)?;
        let mut amount = format!("{hedge} ");
        self.formed(&mut amount, fact.attr, draw, |out| number::push_grouped(out, about / 1000));
        let named = self.misspelt(fact.entity, draw).or_else(|| self.mention(fact.entity, draw));
        let text = self.body(fact, &amount, named.as_ref(), draw)?;
        let about = self.value(fact, Cell::Number(about))?;
        let kind = StatementKind::Hedged { fact, about };
        Some(Draft { text, statements: vec![Statement { kind, named, printed: None }] })
    }

    /// The entity as "the company led by Ada Brandt": by a category that no other entity has and
    /// that nobody disputes.
    pub(super) fn described(&self, entity: EntityId, draw: &mut Draw) -> Option<Naming> {
        let mut clues: Vec<AttrId> = self
            .world
            .attr_ids()
            .filter(|attr| {
                let fact = FactRef { entity, attr: *attr };
                let cell = self.world.table.get(fact);
                let alone = self.world.entities().all(|other| {
                    let same = FactRef { entity: other, attr: *attr };
                    (other == entity) == (self.world.table.get(same) == cell)
                });
                let disputed = self
                    .world
                    .entities()
                    .any(|other| self.disputed(FactRef { entity: other, attr: *attr }));
                matches!(cell, Cell::Category(_)) && alone && !disputed
            })
            .collect();
        draw.shuffle(&mut clues);
        let attr = *clues.first()?;
        let value = self.world.text(self.world.table.get(FactRef { entity, attr }), attr);
        let by = NamedBy::Clue { attr, value: value.clone() };
        let phrases = Phrases { world: self.world, plain: false };
        let text = phrases.described(attr, &value);
        Some(Naming { text, by })
    }

    /// The name with two neighbouring letters swapped, where that is nobody else's name.
    pub(super) fn misspelt(&self, entity: EntityId, draw: &mut Draw) -> Option<Naming> {
        if !draw.chance(self.plan.misspelt.0, self.plan.misspelt.1) {
            return None;
        }
        let name = self.world.name(entity);
        let mut letters: Vec<char> = name.chars().collect();
        let at = 1 + draw.index(letters.len().saturating_sub(2));
        let both = letters.get(at).zip(letters.get(at + 1))?;
        if both.0 == both.1 || !both.0.is_lowercase() || !both.1.is_lowercase() {
            return None;
        }
        letters.swap(at, at + 1);
        let text: String = letters.into_iter().collect();
        let taken = self.world.roster.contains(&text);
        (!taken).then_some(Naming { text, by: NamedBy::Typo })
    }
}
