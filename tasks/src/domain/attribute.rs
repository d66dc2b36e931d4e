//! Attributes: kind, range or vocabulary, and wordings that agree with each other.

use super::{
    Attribute, Rule, UnitForm,
    derive::LARGEST,
    raw::{RawAttribute, RawShared},
    read::Reader,
    template::{Slot, Template},
};
use crate::{
    family::DomainError,
    types::{AttributeSchema, ValueKind},
};

/// Fewest words of a category, so that guessing one does not pay.
const MIN_VOCABULARY: usize = 4;

impl RawAttribute {
    /// Adds the shared wordings behind its own, unless it declines them.
    fn share(&mut self, shared: &RawShared) {
        let (Some(kind), Some(of)) = (self.kind, &self.of) else { return };
        if self.shared == Some(false) {
            return;
        }
        let measure = self.measure.clone().unwrap_or_default();
        let add = |list: &mut Option<Vec<String>>, texts: &[String]| {
            let Some(list) = list else { return };
            for text in texts {
                let text = text
                    .replace("{of}", of)
                    .replace("{Of}", &capitalised(of))
                    .replace("{measure}", &measure);
                if !list.contains(&text) {
                    list.push(text);
                }
            }
        };
        match kind {
            ValueKind::Category => return add(&mut self.plain, &shared.words),
            ValueKind::Year => {
                let years = shared.words.iter().map(|text| text.replace("{value}", "{amount}"));
                return add(&mut self.plain, &years.collect::<Vec<_>>());
            }
            ValueKind::Integer | ValueKind::Decimal => {}
        }
        add(&mut self.plain, &shared.plain);
        add(&mut self.more, &shared.more);
        add(&mut self.less, &shared.less);
        add(&mut self.more_next, &shared.more_next);
        add(&mut self.less_next, &shared.less_next);
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

impl Reader {
    /// The attributes, and which of them hang together ([`super::Domain::joint`]).
    pub(super) fn attributes(
        &self,
        raws: &[RawAttribute],
        shared: &RawShared,
    ) -> Result<(Vec<Attribute>, Vec<Vec<u16>>), DomainError> {
        let mut attributes = Vec::with_capacity(raws.len());
        for (at, raw) in raws.iter().enumerate() {
            let place = format!("attributes.{}", raw.key);
            if self.keys.iter().take(at).any(|key| *key == raw.key) {
                return self.fault(&place, "the key is used twice");
            }
            let mut raw = raw.clone();
            if let Some(like) = raw.like.clone() {
                let Some(base) = raws.iter().find(|base| base.key == like && base.like.is_none())
                else {
                    return self
                        .fault(&place, format!("`like` names {like:?}, which is not there"));
                };
                raw.inherit(base);
            }
            raw.share(shared);
            attributes.push(self.attribute(&place, &raw)?);
        }
        let joint = self.derive(&mut attributes)?;
        Ok((attributes, joint))
    }

    fn attribute(&self, place: &str, raw: &RawAttribute) -> Result<Attribute, DomainError> {
        let periods = raw.periods.clone().unwrap_or_default();
        let first_period = periods.first().cloned().unwrap_or_default();
        let settle = |text: &str| text.replace("{period}", &first_period);
        let expand = |texts: &Option<Vec<String>>| -> Vec<String> {
            let mut all = Vec::new();
            for text in texts.iter().flatten() {
                if text.contains("{period}") {
                    all.extend(periods.iter().map(|period| text.replace("{period}", period)));
                } else {
                    all.push(text.clone());
                }
            }
            all
        };
        let need = |field: &str, text: &Option<String>| -> Result<String, DomainError> {
            match text {
                Some(text) => Ok(settle(text)),
                None => self.fault(place, format!("`{field}` is missing")),
            }
        };
        let Some(kind) = raw.kind else {
            return self.fault(place, "`kind` is missing: category, integer, year or decimal");
        };
        let vocabulary = self.vocabulary(place, kind, raw)?;
        let (min, max, step) = self.limits(place, kind, raw)?;
        let rule = match &raw.from {
            Some(from) => Some(self.rule(place, kind, from)?),
            None => None,
        };
        let trace_text = need("trace", &raw.trace)?;
        let fact = [Slot::Entity, Slot::Value];
        let trace = self.one(&format!("{place}.trace"), &trace_text, &fact)?;
        let relative = [Slot::Entity, Slot::Value, Slot::Reference];
        let relative_trace = |field: &str, text: &Option<String>| match text {
            Some(text) => self.one(&format!("{place}.{field}"), &settle(text), &relative).map(Some),
            None => Ok(None),
        };
        let number = kind.is_number();
        let said = if number { [Slot::Entity, Slot::Amount] } else { fact };
        let gap = [Slot::Entity, Slot::Amount, Slot::Reference];
        let gap_next = [Slot::Amount, Slot::Reference];
        let optional = |field: &str, texts: &Option<Vec<String>>, slots: &[Slot]| {
            expand(texts)
                .iter()
                .map(|text| self.one(&format!("{place}.{field}"), text, slots))
                .collect::<Result<Vec<_>, _>>()
        };
        let forms = raw.forms.clone().unwrap_or_else(|| vec!["{n}".to_owned()]);
        let gap_forms = raw.gap_forms.clone().unwrap_or_else(|| forms.clone());
        let mut unit_forms = Vec::new();
        for form in raw.unit_forms.iter().flatten() {
            if form.factor < 2 {
                return self.fault(&format!("{place}.unit_forms"), "`factor` must be at least 2");
            }
            unit_forms.push(UnitForm {
                form: self.one(&format!("{place}.unit_forms"), &form.form, &[Slot::N])?,
                factor: form.factor,
            });
        }
        let phrase = |field: &str, text: &Option<String>, slot: Slot, wanted: bool| {
            let text = if wanted { need(field, text)? } else { format!("{{{}}}", slot.name()) };
            self.one(&format!("{place}.{field}"), &text, &[slot])
        };
        let attribute = Attribute {
            example: need("example", &raw.example)?,
            short: raw.short.unwrap_or(false),
            min,
            max,
            step,
            exact: rule.as_ref().is_some_and(Rule::exact),
            rule,
            feeds: Vec::new(),
            forms: self.list(&format!("{place}.forms"), &forms, &[Slot::N])?,
            gap_forms: self.list(&format!("{place}.gap_forms"), &gap_forms, &[Slot::N])?,
            unit_forms,
            plain: self.list(&format!("{place}.plain"), &expand(&raw.plain), &said)?,
            more: optional("more", &raw.more, &gap)?,
            less: optional("less", &raw.less, &gap)?,
            more_next: optional("more_next", &raw.more_next, &gap_next)?,
            less_next: optional("less_next", &raw.less_next, &gap_next)?,
            wider: optional("wider", &raw.wider, &said)?,
            ask: self.list(&format!("{place}.ask"), &expand(&raw.ask), &[Slot::Entity])?,
            measure: if number && kind != ValueKind::Year || raw.measure.is_some() {
                need("measure", &raw.measure)?
            } else {
                String::new()
            },
            highest: if number { need("highest", &raw.highest)? } else { String::new() },
            lowest: if number { need("lowest", &raw.lowest)? } else { String::new() },
            above: phrase("above", &raw.above, Slot::Value, number)?,
            below: phrase("below", &raw.below, Slot::Value, number)?,
            is: phrase("is", &raw.is, Slot::Value, !number)?,
            same: phrase("same", &raw.same, Slot::Entity, !number)?,
            of: phrase("of", &raw.of, Slot::Entity, true)?,
            trace_more: relative_trace("trace_more", &raw.trace_more)?,
            trace_less: relative_trace("trace_less", &raw.trace_less)?,
            trace,
            schema: AttributeSchema {
                key: raw.key.clone(),
                label: need("label", &raw.label)?,
                kind,
                unit: raw.unit.clone().unwrap_or_default(),
                scale: raw.scale.unwrap_or(1),
                trace: trace_text,
                trace_more: raw.trace_more.as_deref().map(settle),
                trace_less: raw.trace_less.as_deref().map(settle),
                vocabulary,
            },
        };
        self.consistent(place, &attribute)?;
        Ok(attribute)
    }

    fn vocabulary(
        &self,
        place: &str,
        kind: ValueKind,
        raw: &RawAttribute,
    ) -> Result<Vec<String>, DomainError> {
        let mut words = raw.vocabulary.clone().unwrap_or_default();
        for first in raw.first.iter().flatten() {
            words.extend(raw.last.iter().flatten().map(|last| format!("{first} {last}")));
        }
        if kind.is_number() {
            return if words.is_empty() {
                Ok(words)
            } else {
                self.fault(place, "numbers have no vocabulary")
            };
        }
        let given = words.len();
        words.sort();
        words.dedup();
        if words.len() < given || words.len() < MIN_VOCABULARY {
            return self.fault(
                &format!("{place}.vocabulary"),
                format!(
                    "{} different words, at least {MIN_VOCABULARY} are needed, none twice",
                    words.len()
                ),
            );
        }
        Ok(words)
    }

    /// Range and step in thousandths.
    fn limits(
        &self,
        place: &str,
        kind: ValueKind,
        raw: &RawAttribute,
    ) -> Result<(i64, i64, i64), DomainError> {
        if !kind.is_number() {
            return Ok((0, 0, 1));
        }
        let step = raw.step.unwrap_or(1);
        let computed = raw.from.as_ref().is_some_and(|from| {
            from.sum.is_some() || from.product.is_some() || from.ratio.is_some()
        });
        if computed && step > 0 && step <= LARGEST && raw.min.is_none() && raw.max.is_none() {
            // The range follows from those of its inputs.
            let unit = if kind == ValueKind::Decimal { 1 } else { 1000 };
            return Ok((0, 0, step * unit));
        }
        let (Some(min), Some(max)) = (raw.min, raw.max) else {
            return self.fault(place, "`min` and `max` are needed for a number");
        };
        if !(0 < min && min < max && max <= LARGEST && step > 0) {
            return self.fault(place, format!("needs 0 < min < max <= {LARGEST} and step > 0"));
        }
        if kind == ValueKind::Decimal {
            if min % step != 0 || max % step != 0 {
                return self.fault(place, "`min` and `max` must be multiples of `step`");
            }
            return Ok((min, max, step));
        }
        Ok((min * 1000, max * 1000, step * 1000))
    }

    /// What holds between the parts of an attribute.
    fn consistent(&self, place: &str, attribute: &Attribute) -> Result<(), DomainError> {
        let relative =
            [&attribute.more, &attribute.less, &attribute.more_next, &attribute.less_next];
        let some = relative.iter().any(|list| !list.is_empty());
        let all = relative.iter().all(|list| !list.is_empty())
            && attribute.trace_more.is_some()
            && attribute.trace_less.is_some();
        if some && (!all || !attribute.schema.kind.is_number()) {
            return self.fault(
                place,
                "relative wordings need a number, and all of more, less, more_next, less_next, trace_more, trace_less",
            );
        }
        if attribute.schema.vocabulary.contains(&attribute.example) {
            return self.fault(&format!("{place}.example"), "must not be a word of the vocabulary");
        }
        for trace in
            [Some(&attribute.trace), attribute.trace_more.as_ref(), attribute.trace_less.as_ref()]
        {
            let slots: Vec<Slot> = trace.into_iter().flat_map(Template::slots).collect();
            if slots.iter().enumerate().any(|(at, slot)| slots[..at].contains(slot)) {
                return self.fault(place, "a trace sentence has a slot twice");
            }
        }
        let first = attribute.plain.first().map(|plain| {
            plain.fill(|slot, out| match (slot, attribute.forms.first()) {
                (Slot::Amount, Some(form)) => form.write(out, |_, out| out.push_str("{value}")),
                (slot, _) => {
                    out.push('{');
                    out.push_str(slot.name());
                    out.push('}');
                }
            })
        });
        let wanted = format!("{}.", attribute.schema.trace);
        if first.as_deref() != Some(wanted.as_str()) {
            return self.fault(
                &format!("{place}.plain"),
                format!(
                    "the first wording must read {wanted:?} (in its first form), as the trace does"
                ),
            );
        }
        Ok(())
    }
}
