//! Attributes: kind, range or vocabulary, and wordings that agree with each other.

use super::{
    Attribute, Rule, UnitForm,
    derive::{LARGEST, MAX_FACTOR},
    finding::{Stop, quoted},
    limits::{MAX_ATTRIBUTES, MAX_PERIODS, MAX_VOCABULARY, MIN_VOCABULARY},
    raw::{RawAttribute, RawShared},
    reader::Reader,
    template::{Slot, Template},
};
use crate::{
    number,
    types::{AttributeSchema, ValueKind},
};

/// Years as documents may have them.
const YEARS: (i64, i64) = (1800, 2099);

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
    ) -> Result<(Vec<Attribute>, Vec<Vec<u16>>), Stop> {
        self.sized("attributes", raws.len(), 1, MAX_ATTRIBUTES, "attributes")?;
        let read: Vec<Result<Attribute, Stop>> =
            (0..raws.len()).map(|at| self.inherited(at, raws, shared)).collect();
        let mut attributes = read.into_iter().collect::<Result<Vec<_>, _>>()?;
        let joint = self.derive(&mut attributes)?;
        Ok((attributes, joint))
    }

    /// One attribute, with what it takes over from the one it is like.
    fn inherited(
        &self,
        at: usize,
        raws: &[RawAttribute],
        shared: &RawShared,
    ) -> Result<Attribute, Stop> {
        let mut raw = raws[at].clone();
        let place = format!("attributes.{}", raw.key);
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        self.word("attributes", &raw.key)?;
        if !raw.key.chars().all(good) || Slot::known(&raw.key) {
            return self.fault(
                &format!("{place}.key"),
                format!(
                    "{} must be of small letters, digits and underscores, such as \"revenue_q1\", \
                     and no slot of the engine",
                    quoted(&raw.key)
                ),
            );
        }
        if self.keys.iter().take(at).any(|key| *key == raw.key) {
            return self.last_fault(&place, format!("the key {:?} is used twice", raw.key));
        }
        if let Some(like) = raw.like.clone() {
            let base = raws.iter().find(|base| base.key == like && base.like.is_none());
            let Some(base) = base else {
                return self.fault(
                    &format!("{place}.like"),
                    format!(
                        "`like` names {}, which is no attribute with fields of its own",
                        quoted(&like)
                    ),
                );
            };
            raw.inherit(base);
        }
        raw.share(shared);
        self.attribute(&place, &raw)
    }

    fn attribute(&self, place: &str, raw: &RawAttribute) -> Result<Attribute, Stop> {
        let before = self.count();
        let periods = raw.periods.clone().unwrap_or_default();
        let _ = self.sized(&format!("{place}.periods"), periods.len(), 0, MAX_PERIODS, "periods");
        for period in &periods {
            self.word(&format!("{place}.periods"), period)?;
        }
        let first_period = periods.first().cloned().unwrap_or_default();
        let settle = |text: &str| text.replace("{period}", &first_period);
        let expand = |texts: &Option<Vec<String>>| -> Vec<String> {
            let mut all = Vec::new();
            for text in texts.iter().flatten() {
                if text.contains("{period}") && !periods.is_empty() {
                    all.extend(periods.iter().map(|period| text.replace("{period}", period)));
                } else {
                    all.push(text.clone());
                }
            }
            all
        };
        let Some(kind) = raw.kind else {
            return self.fault(place, "`kind` is missing: category, integer, year or decimal");
        };
        // A text that must be there, without slots; one that is missing reads as empty.
        let need = |field: &str, text: &Option<String>| -> String {
            let text = match text {
                Some(text) if periods.is_empty() => text.clone(),
                Some(text) => settle(text),
                None => {
                    let _ = self.fault::<()>(place, format!("`{field}` is missing"));
                    return String::new();
                }
            };
            let _ = self.one(&format!("{place}.{field}"), &text, &[]);
            text
        };
        let vocabulary = self.vocabulary(place, kind, raw).unwrap_or_default();
        let (min, max, step) = self.limits(place, kind, raw).unwrap_or((1, 2, 1));
        let rule = match &raw.from {
            Some(from) => self.rule(place, kind, from).ok(),
            None => None,
        };
        let slotted = |field: &str, text: &Option<String>, slots: &[Slot]| match text {
            Some(text) => self.one(&format!("{place}.{field}"), &settle(text), slots),
            None => self.fault(place, format!("`{field}` is missing")).or(Ok(Template::default())),
        };
        let fact = [Slot::Entity, Slot::Value];
        let relative = [Slot::Entity, Slot::Value, Slot::Reference];
        let relative_trace = |field: &str, text: &Option<String>| match text {
            Some(_) => slotted(field, text, &relative).map(Some),
            None => Ok(None),
        };
        let number = kind.is_number();
        let said = if number { [Slot::Entity, Slot::Amount] } else { fact };
        let gap = [Slot::Entity, Slot::Amount, Slot::Reference];
        let gap_next = [Slot::Amount, Slot::Reference];
        let wordings = |field: &str, texts: &Option<Vec<String>>, slots: &[Slot]| {
            self.list(&format!("{place}.{field}"), &expand(texts), slots)
        };
        let optional = |field: &str, texts: &Option<Vec<String>>, slots: &[Slot]| match texts {
            Some(_) => wordings(field, texts, slots),
            None => Ok(Vec::new()),
        };
        let forms = raw.forms.clone().unwrap_or_else(|| vec!["{n}".to_owned()]);
        let gap_forms = raw.gap_forms.clone().unwrap_or_else(|| forms.clone());
        let phrase = |field: &str, text: &Option<String>, slot: Slot, wanted: bool| {
            if wanted { slotted(field, text, &[slot]) } else { Ok(Template::default()) }
        };
        let attribute = Attribute {
            example: need("example", &raw.example),
            short: raw.short.unwrap_or(false),
            min,
            max,
            step,
            exact: rule.as_ref().is_some_and(Rule::exact),
            rule,
            feeds: Vec::new(),
            forms: self.list(&format!("{place}.forms"), &forms, &[Slot::N])?,
            gap_forms: self.list(&format!("{place}.gap_forms"), &gap_forms, &[Slot::N])?,
            unit_forms: self.unit_forms(place, raw)?,
            plain: wordings("plain", &raw.plain, &said)?,
            more: optional("more", &raw.more, &gap)?,
            less: optional("less", &raw.less, &gap)?,
            more_next: optional("more_next", &raw.more_next, &gap_next)?,
            less_next: optional("less_next", &raw.less_next, &gap_next)?,
            wider: optional("wider", &raw.wider, &said)?,
            ask: wordings("ask", &raw.ask, &[Slot::Entity])?,
            measure: if number && kind != ValueKind::Year || raw.measure.is_some() {
                need("measure", &raw.measure)
            } else {
                String::new()
            },
            highest: if number { need("highest", &raw.highest) } else { String::new() },
            lowest: if number { need("lowest", &raw.lowest) } else { String::new() },
            above: phrase("above", &raw.above, Slot::Value, number)?,
            below: phrase("below", &raw.below, Slot::Value, number)?,
            is: phrase("is", &raw.is, Slot::Value, !number)?,
            same: phrase("same", &raw.same, Slot::Entity, !number)?,
            of: phrase("of", &raw.of, Slot::Entity, true)?,
            trace_more: relative_trace("trace_more", &raw.trace_more)?,
            trace_less: relative_trace("trace_less", &raw.trace_less)?,
            trace: slotted("trace", &raw.trace, &fact)?,
            schema: AttributeSchema {
                key: raw.key.clone(),
                label: need("label", &raw.label),
                kind,
                unit: raw.unit.clone().unwrap_or_default(),
                scale: raw.scale.unwrap_or(1),
                trace: raw.trace.as_deref().map(settle).unwrap_or_default(),
                trace_more: raw.trace_more.as_deref().map(settle),
                trace_less: raw.trace_less.as_deref().map(settle),
                vocabulary,
            },
        };
        if !(1..=LARGEST).contains(&attribute.schema.scale) {
            let _ =
                self.fault::<()>(&format!("{place}.scale"), format!("must be from 1 to {LARGEST}"));
        }
        if self.count() == before {
            self.consistent(place, &attribute);
        }
        Ok(attribute)
    }

    fn unit_forms(&self, place: &str, raw: &RawAttribute) -> Result<Vec<UnitForm>, Stop> {
        let place = &format!("{place}.unit_forms");
        let mut unit_forms = Vec::new();
        for form in raw.unit_forms.iter().flatten() {
            if !(2..=MAX_FACTOR).contains(&form.factor) {
                let _ = self.text_fault::<()>(
                    place,
                    &form.form,
                    format!(
                        "`factor` is {}, from 2 to {MAX_FACTOR} are expected: how many of this unit \
                         make one of the attribute's",
                        form.factor
                    ),
                );
            }
            let template = self.one(place, &form.form, &[Slot::N])?;
            unit_forms.push(UnitForm { form: template, factor: form.factor });
        }
        Ok(unit_forms)
    }

    /// The words of a category, in alphabetical order.
    fn vocabulary(
        &self,
        place: &str,
        kind: ValueKind,
        raw: &RawAttribute,
    ) -> Result<Vec<String>, Stop> {
        let (given, first, last) =
            (raw.vocabulary.as_deref(), raw.first.as_deref(), raw.last.as_deref());
        let place = &if given.is_none() && first.is_some() {
            format!("{place}.first")
        } else {
            format!("{place}.vocabulary")
        };
        if kind.is_number() {
            return if given.is_none() && first.is_none() && last.is_none() {
                Ok(Vec::new())
            } else {
                self.fault(place, "numbers have no vocabulary")
            };
        }
        let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
        let count =
            given.map_or(0, <[String]>::len).saturating_add(first.len().saturating_mul(last.len()));
        self.sized(
            place,
            count,
            MIN_VOCABULARY,
            MAX_VOCABULARY,
            "words (`vocabulary`, or `first` with `last`)",
        )?;
        let mut words = given.unwrap_or_default().to_vec();
        for first in first {
            words.extend(last.iter().map(|last| format!("{first} {last}")));
        }
        self.once(place, &words)?;
        for word in &words {
            self.word(place, word)?;
            if word.contains(|c: char| c.is_ascii_digit()) {
                let _ = self.text_fault::<()>(
                    place,
                    word,
                    format!("{} has a digit in it and could be taken for a figure", quoted(word)),
                );
            }
        }
        words.sort();
        Ok(words)
    }

    /// Range and step in thousandths.
    fn limits(
        &self,
        place: &str,
        kind: ValueKind,
        raw: &RawAttribute,
    ) -> Result<(i64, i64, i64), Stop> {
        if !kind.is_number() {
            return Ok((0, 0, 1));
        }
        let decimal = kind == ValueKind::Decimal;
        let unit = if decimal { 1 } else { 1000 };
        let step = raw.step.unwrap_or(1);
        if !(1..=LARGEST).contains(&step) {
            return self.fault(&format!("{place}.step"), format!("must be from 1 to {LARGEST}"));
        }
        let computed = raw.from.as_ref().is_some_and(|from| {
            from.sum.is_some() || from.product.is_some() || from.ratio.is_some()
        });
        if computed {
            if raw.min.is_some() || raw.max.is_some() {
                return self.fault(
                    &format!("{place}.{}", if raw.min.is_some() { "min" } else { "max" }),
                    "the range of a computed attribute follows from its inputs; leave `min` and `max` out",
                );
            }
            return Ok((0, 0, step * unit));
        }
        let (Some(min), Some(max)) = (raw.min, raw.max) else {
            return self.fault(place, "`min` and `max` are needed for a number");
        };
        if !(0 < min && min < max && max <= LARGEST) {
            let field = if 0 < min && max <= LARGEST {
                "max"
            } else if min <= 0 {
                "min"
            } else {
                "max"
            };
            return self.fault(
                &format!("{place}.{field}"),
                format!("from {min} to {max} is no range: 0 < min < max <= {LARGEST} is expected"),
            );
        }
        if decimal && (min % step != 0 || max % step != 0) {
            return self.fault(
                &format!("{place}.step"),
                "`min` and `max` must be multiples of `step` (all three in thousandths)",
            );
        }
        if kind == ValueKind::Year && !(YEARS.0 <= min && max <= YEARS.1) {
            return self.fault(
                &format!("{place}.max"),
                format!("years must be from {} to {}", YEARS.0, YEARS.1),
            );
        }
        Ok((min * unit, max * unit, step * unit))
    }

    /// What holds between the parts of an attribute.
    fn consistent(&self, place: &str, attribute: &Attribute) {
        let relative =
            [&attribute.more, &attribute.less, &attribute.more_next, &attribute.less_next];
        let some = relative.iter().any(|list| !list.is_empty());
        let all = relative.iter().all(|list| !list.is_empty())
            && attribute.trace_more.is_some()
            && attribute.trace_less.is_some();
        if some && (!all || !attribute.schema.kind.is_number()) {
            let _ = self.fault::<()>(
                place,
                "relative wordings need a number, and all of `more`, `less`, `more_next`, `less_next`, `trace_more`, `trace_less`",
            );
        }
        if attribute.schema.vocabulary.contains(&attribute.example) {
            let _ = self.fault::<()>(
                &format!("{place}.example"),
                "must not be a word of the vocabulary: the worked example is about nothing in the document",
            );
        }
        let shown = number::find(&attribute.example).first().map(|found| found.milli);
        // A facts file has no worked example.
        if attribute.schema.kind.is_number() && !attribute.exact && !self.own {
            let possible =
                (attribute.min..=attribute.max).contains(&shown.unwrap_or(attribute.min));
            if possible {
                let _ = self.fault::<()>(
                    &format!("{place}.example"),
                    "must be a number outside of `min` and `max`: the worked example is about nothing in the document",
                );
            }
        }
        for (field, trace) in [
            ("trace", Some(&attribute.trace)),
            ("trace_more", attribute.trace_more.as_ref()),
            ("trace_less", attribute.trace_less.as_ref()),
        ] {
            let slots: Vec<Slot> = trace.into_iter().flat_map(Template::slots).collect();
            let twice = slots.iter().enumerate().any(|(at, slot)| slots[..at].contains(slot));
            let touching = trace.is_some_and(Template::touching);
            if twice || touching {
                let _ = self.fault::<()>(
                    &format!("{place}.{field}"),
                    "a trace sentence has each slot once, and words between any two of them",
                );
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
            let _ = self.fault::<()>(
                &format!("{place}.plain"),
                format!(
                    "the first wording must read {} (in its first form), as the trace does; it reads {}",
                    quoted(&wanted),
                    quoted(first.as_deref().unwrap_or_default())
                ),
            );
        }
    }
}
