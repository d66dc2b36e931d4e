//! Questions in words: the query algebra rendered through the shared wordings and the domain's.
//!
//! A selection that another one hangs on stands either inside the question ("the company that
//! employs the most people") or in a sentence before it ("Take the company that employs the most
//! people."), after which the question says "that company". What takes four hops is always split.

use crate::{
    domain::{MeasureKind, Slot, Template},
    draw::Draw,
    query::Cell,
    types::{AttrId, CompareOp, EntityId, FactRef, Filter, Measure, Order, Query, Selector},
};

use super::world::{World, cell_text};

/// Renders parts of questions for one world. `None` anywhere means that the domain has no words
/// for the query, and the query is not asked.
pub(super) struct Phrases<'w, 'a> {
    pub(super) world: &'w World<'a>,
    /// Whether to keep to the first wording of a question about one attribute.
    pub(super) plain: bool,
}

/// Room for what most trace sentences take.
const SENTENCE_BYTES: usize = 96;
const ORDINALS: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];
/// From this many hops on, a question is always split into sentences.
const SPLIT_ALWAYS: u32 = 4;
/// From this many hops on, it is split half of the time.
const SPLIT_OFTEN: u32 = 3;

fn one(template: &Template, text: &str) -> String {
    template.fill(|_, out| out.push_str(text))
}

fn superlative_end(order: Order) -> &'static str {
    match order {
        Order::Highest => "highest",
        Order::Lowest => "lowest",
    }
}

fn comparative_end(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Above => "higher",
        CompareOp::Below => "lower",
    }
}

/// The sentences before a question.
struct Leads<'d> {
    text: String,
    /// How many entities they take.
    taken: u32,
    split: bool,
    draw: &'d mut Draw,
}

impl Phrases<'_, '_> {
    /// The whole question.
    pub(super) fn question(&self, query: &Query, draw: &mut Draw) -> Option<String> {
        let hops = query.hops();
        let split =
            !self.plain && (hops >= SPLIT_ALWAYS || hops >= SPLIT_OFTEN && draw.chance(1, 2));
        let mut leads = Leads { text: String::new(), taken: 0, split, draw };
        let question = self.asked(query, &mut leads)?;
        if leads.text.is_empty() {
            return Some(question);
        }
        leads.text.push_str(&question);
        Some(leads.text)
    }

    fn asked(&self, query: &Query, leads: &mut Leads<'_>) -> Option<String> {
        let words = &self.world.domain.questions;
        Some(match query {
            Query::Which(selector) => self.which(selector, leads)?,
            Query::Number { of, measure: Measure::Attr(attr) } => {
                let entity = self.reference(of, leads)?;
                self.value(*attr, &entity, &words.value, leads)?
            }
            Query::Category { of, attr } => {
                let entity = self.reference(of, leads)?;
                self.value(*attr, &entity, &words.category, leads)?
            }
            Query::Number { of, measure } => {
                let (entity, phrase) = (self.reference(of, leads)?, self.measure(measure)?);
                let unit = self.unit(measure)?;
                leads.draw.pick(&words.number)?.fill(|slot, out| {
                    out.push_str(match slot {
                        Slot::Measure => phrase,
                        Slot::Unit => &unit,
                        _ => &entity,
                    });
                })
            }
            Query::Count(filters) => {
                let set = self.set(filters, leads)?;
                one(leads.draw.pick(&words.count)?, &set)
            }
            Query::Total { filters, measure } => {
                let (set, phrase) = (self.set(filters, leads)?, self.measure(measure)?);
                let unit = self.unit(measure)?;
                leads.draw.pick(&words.total)?.fill(|slot, out| {
                    out.push_str(match slot {
                        Slot::Measure => phrase,
                        Slot::Unit => &unit,
                        _ => &set,
                    });
                })
            }
            Query::Mode { filters, attr } => {
                let set = self.set(filters, leads)?;
                let label = &self.world.schemas[attr.at()].label;
                leads.draw.pick(&words.mode)?.fill(|slot, out| {
                    out.push_str(if slot == Slot::Label { label } else { &set });
                })
            }
            Query::Gap { a, b, measure } => self.two(a, b, measure, None, &words.gap, leads)?,
            Query::Sum { a, b, measure } => self.two(a, b, measure, None, &words.sum, leads)?,
            Query::Compare { a, b, measure, order } => {
                self.two(a, b, measure, Some(*order), &words.compare, leads)?
            }
        })
    }

    /// A question about a measure of two entities.
    fn two(
        &self,
        a: &Selector,
        b: &Selector,
        measure: &Measure,
        order: Option<Order>,
        list: &[Template],
        leads: &mut Leads<'_>,
    ) -> Option<String> {
        // Two selections in one question stand in it; only what they hang on is taken before.
        let (a, b) = (self.selected(a, leads)?, self.selected(b, leads)?);
        let phrase = self.measure(measure)?;
        let unit = if order.is_none() { self.unit(measure)? } else { String::new() };
        Some(leads.draw.pick(list)?.fill(|slot, out| {
            out.push_str(match slot {
                Slot::A => &a,
                Slot::B => &b,
                Slot::Unit => &unit,
                Slot::End => match order {
                    Some(Order::Lowest) => "lower",
                    _ => "higher",
                },
                _ => phrase,
            });
        }))
    }

    /// What the value of one attribute is: in the domain's words, or in those that fit all.
    fn value(
        &self,
        attr: AttrId,
        entity: &str,
        shared: &[Template],
        leads: &mut Leads<'_>,
    ) -> Option<String> {
        let attribute = self.world.attribute(attr);
        // Short documents ask in the words of their statements.
        if self.plain {
            return Some(one(attribute.ask.first()?, entity));
        }
        let at = leads.draw.index(attribute.ask.len() + shared.len());
        Some(match attribute.ask.get(at) {
            Some(ask) => one(ask, entity),
            None => shared.get(at - attribute.ask.len())?.fill(|slot, out| {
                out.push_str(if slot == Slot::Label { &attribute.schema.label } else { entity });
            }),
        })
    }

    fn which(&self, selector: &Selector, leads: &mut Leads<'_>) -> Option<String> {
        let words = &self.world.domain.questions;
        Some(match selector {
            Selector::Named(_) => return None,
            Selector::Only(filters) => {
                let filters = self.filters(filters, leads)?;
                one(leads.draw.pick(&words.which_only)?, &filters)
            }
            Selector::Nearest { measure, to } => {
                let (entity, phrase) = (self.reference(to, leads)?, self.measure(measure)?);
                leads.draw.pick(&words.which_nearest)?.fill(|slot, out| {
                    out.push_str(if slot == Slot::Entity { &entity } else { phrase });
                })
            }
            Selector::Ranked { filters, measure, order, rank: 1 }
                if neighbour(filters, measure, *order).is_some() =>
            {
                let (op, of) = neighbour(filters, measure, *order)?;
                let (entity, phrase) = (self.reference(of, leads)?, self.measure(measure)?);
                leads.draw.pick(&words.which_next)?.fill(|slot, out| {
                    out.push_str(match slot {
                        Slot::Entity => &entity,
                        Slot::End => match op {
                            CompareOp::Above => "above",
                            CompareOp::Below => "below",
                        },
                        _ => phrase,
                    });
                })
            }
            Selector::Ranked { filters, measure, order, rank } => {
                let set = if filters.is_empty() { None } else { Some(self.set(filters, leads)?) };
                let list = match (measure, rank, &set) {
                    (Measure::Attr(_), 1, None) => &words.which,
                    (Measure::Attr(_), 1, Some(_)) => &words.which_filtered,
                    (_, 1, None) => &words.which_measure,
                    (_, 1, Some(_)) => &words.which_measure_filtered,
                    (_, _, None) => &words.which_rank,
                    (_, _, Some(_)) => &words.which_rank_filtered,
                };
                let template = leads.draw.pick(list)?;
                self.ranking(template, measure, *order, *rank, set.as_deref())?
            }
        })
    }

    /// A wording about a ranking, filled.
    fn ranking(
        &self,
        template: &Template,
        measure: &Measure,
        order: Order,
        rank: u16,
        set: Option<&str>,
    ) -> Option<String> {
        let phrase = match measure {
            Measure::Attr(_) if rank == 1 => "",
            _ => self.measure(measure)?,
        };
        let superlative = match measure {
            Measure::Attr(attr) => self.superlative(*attr, order),
            _ => "",
        };
        let ordinal = ORDINALS.get(usize::from(rank).checked_sub(1)?)?;
        Some(template.fill(|slot, out| {
            out.push_str(match slot {
                Slot::Superlative => superlative,
                Slot::Measure => phrase,
                Slot::End => superlative_end(order),
                Slot::Ordinal => ordinal,
                _ => set.unwrap_or_default(),
            });
        }))
    }

    /// What a measure is called: "number of employees".
    pub(super) fn measure(&self, measure: &Measure) -> Option<&str> {
        let place = |attr: AttrId| self.world.attrs[attr.at()];
        let same = |attrs: &[AttrId], places: &[u16]| {
            attrs.len() == places.len()
                && attrs.iter().zip(places).all(|(attr, known)| place(*attr) == *known)
        };
        if let Measure::Attr(attr) = measure {
            let phrase = &self.world.attribute(*attr).measure;
            return (!phrase.is_empty()).then_some(phrase);
        }
        let named =
            self.world.domain.measures.iter().find(|named| match (measure, &named.kind) {
                (Measure::Sum(attrs), MeasureKind::Sum(places)) => same(attrs, places),
                (Measure::Diff(a, b), MeasureKind::Diff(x, y)) => {
                    place(*a) == *x && place(*b) == *y
                }
                (Measure::Ratio { over, under }, MeasureKind::Ratio { over: x, under: y }) => {
                    same(over, x) && same(under, y)
                }
                _ => false,
            })?;
        Some(&named.phrase)
    }

    fn unit(&self, measure: &Measure) -> Option<String> {
        let first = measure.parts().next()?;
        let unit = &self.world.schemas[first.at()].unit;
        Some(if unit.is_empty() {
            String::new()
        } else {
            one(&self.world.domain.phrases.unit, unit)
        })
    }

    fn superlative(&self, attr: AttrId, order: Order) -> &str {
        let attribute = self.world.attribute(attr);
        match order {
            Order::Highest => &attribute.highest,
            Order::Lowest => &attribute.lowest,
        }
    }

    /// How a question speaks of an entity: as in [`Self::selected`], or as "that company" after a
    /// sentence that takes it.
    fn reference(&self, selector: &Selector, leads: &mut Leads<'_>) -> Option<String> {
        let selected = self.selected(selector, leads)?;
        if !leads.split || matches!(selector, Selector::Named(_)) {
            return Some(selected);
        }
        let (words, phrases) = (&self.world.domain.questions, &self.world.domain.phrases);
        let (list, that) = match leads.taken {
            0 => (&words.take, &phrases.that),
            _ => (&words.then_take, &phrases.that_next),
        };
        leads.taken += 1;
        let lead = one(leads.draw.pick(list)?, &selected);
        leads.text.push_str(&lead);
        leads.text.push(' ');
        Some(that.fill(|_, _| {}))
    }

    /// "the company led by Ada Brandt"
    pub(super) fn described(&self, attr: AttrId, value: &str) -> String {
        let is = one(&self.world.attribute(attr).is, value);
        one(&self.world.domain.phrases.selected_only, &is)
    }

    /// "the company that employs the most people"
    fn selected(&self, selector: &Selector, leads: &mut Leads<'_>) -> Option<String> {
        let words = &self.world.domain.phrases;
        match selector {
            Selector::Named(entity) => Some(self.world.name(*entity).to_owned()),
            Selector::Only(filters) => {
                Some(one(&words.selected_only, &self.filters(filters, leads)?))
            }
            Selector::Nearest { measure, to } => {
                let (entity, phrase) = (self.reference(to, leads)?, self.measure(measure)?);
                Some(words.selected_nearest.fill(|slot, out| {
                    out.push_str(if slot == Slot::Entity { &entity } else { phrase });
                }))
            }
            Selector::Ranked { filters, measure, order, rank } => {
                let set = if filters.is_empty() { None } else { Some(self.set(filters, leads)?) };
                let template = match (measure, rank, &set) {
                    (Measure::Attr(_), 1, None) => &words.selected,
                    (Measure::Attr(_), 1, Some(_)) => &words.selected_filtered,
                    (_, 1, None) => &words.selected_measure,
                    (_, 1, Some(_)) => &words.selected_measure_filtered,
                    (_, _, None) => &words.selected_rank,
                    (_, _, Some(_)) => &words.selected_rank_filtered,
                };
                self.ranking(template, measure, *order, *rank, set.as_deref())
            }
        }
    }

    /// "companies in the banking sector", "other companies in the same sector as Volt Link"
    fn set(&self, filters: &[Filter], leads: &mut Leads<'_>) -> Option<String> {
        let words = &self.world.domain.phrases;
        let others = filters.iter().any(|filter| matches!(filter, Filter::SameAs { .. }));
        let template = if others { &words.other_set } else { &words.set };
        Some(one(template, &self.filters(filters, leads)?))
    }

    fn filters(&self, filters: &[Filter], leads: &mut Leads<'_>) -> Option<String> {
        let words = &self.world.domain.phrases;
        let mut text: Option<String> = None;
        for filter in filters {
            let next = self.filter(filter, leads)?;
            text = Some(match (text, filter) {
                (None, Filter::IsNot { .. }) => one(&words.except, &next),
                (None, _) => next,
                (Some(before), filter) => {
                    let template = match filter {
                        Filter::IsNot { .. } => &words.but_not,
                        _ => &words.also,
                    };
                    template.fill(|slot, out| {
                        out.push_str(if slot == Slot::First { &before } else { &next });
                    })
                }
            });
        }
        text
    }

    fn filter(&self, filter: &Filter, leads: &mut Leads<'_>) -> Option<String> {
        let words = &self.world.domain.phrases;
        match filter {
            Filter::Is { attr, value } | Filter::IsNot { attr, value } => {
                Some(one(&self.world.attribute(*attr).is, value))
            }
            Filter::Bound { measure: Measure::Attr(attr), op, milli } => {
                let attribute = self.world.attribute(*attr);
                let number = cell_text(Cell::Number(*milli), &attribute.schema);
                Some(one(
                    match op {
                        CompareOp::Above => &attribute.above,
                        CompareOp::Below => &attribute.below,
                    },
                    &number,
                ))
            }
            Filter::Bound { .. } => None,
            Filter::Versus { measure, op, other } => {
                let (left, right) = (self.measure(measure)?, self.measure(other)?);
                Some(words.versus.fill(|slot, out| {
                    out.push_str(match slot {
                        Slot::Measure => left,
                        Slot::End => comparative_end(*op),
                        _ => right,
                    });
                }))
            }
            Filter::SameAs { attr, of } => {
                Some(one(&self.world.attribute(*attr).same, &self.reference(of, leads)?))
            }
            Filter::Relative { measure, op, of } => {
                let (phrase, of) = (self.measure(measure)?, self.reference(of, leads)?);
                Some(words.relative.fill(|slot, out| {
                    out.push_str(match slot {
                        Slot::Measure => phrase,
                        Slot::End => comparative_end(*op),
                        _ => &of,
                    });
                }))
            }
        }
    }

    /// The trace sentence of a fact with a given value.
    pub(super) fn trace(&self, fact: FactRef, cell: Cell) -> String {
        let mut out = String::with_capacity(SENTENCE_BYTES);
        self.push_trace(&mut out, fact, cell);
        out
    }

    /// Appends what [`Phrases::trace`] gives.
    pub(super) fn push_trace(&self, out: &mut String, fact: FactRef, cell: Cell) {
        self.world.attribute(fact.attr).trace.write(out, |slot, out| match slot {
            Slot::Entity => out.push_str(self.world.name(fact.entity)),
            _ => self.world.push(out, cell, fact.attr),
        });
    }

    /// Appends the trace sentence of a relative statement; `delta` in thousandths, signed. Nothing
    /// where the attribute has no such sentence.
    pub(super) fn push_relative(
        &self,
        out: &mut String,
        fact: FactRef,
        reference: EntityId,
        delta: i64,
    ) -> Option<()> {
        let attribute = self.world.attribute(fact.attr);
        let template = if delta < 0 { &attribute.trace_less } else { &attribute.trace_more };
        template.as_ref()?.write(out, |slot, out| match slot {
            Slot::Entity => out.push_str(self.world.name(fact.entity)),
            Slot::Reference => out.push_str(self.world.name(reference)),
            _ => self.world.push(out, Cell::Number(delta.abs()), fact.attr),
        });
        Some(())
    }
}

/// Whether a ranking asks for the one right above or right below another, and which.
fn neighbour<'q>(
    filters: &'q [Filter],
    measure: &Measure,
    order: Order,
) -> Option<(CompareOp, &'q Selector)> {
    match (filters, order) {
        ([Filter::Relative { measure: own, op: CompareOp::Above, of }], Order::Lowest)
        | ([Filter::Relative { measure: own, op: CompareOp::Below, of }], Order::Highest)
            if own == measure =>
        {
            let op = if order == Order::Lowest { CompareOp::Above } else { CompareOp::Below };
            Some((op, of))
        }
        _ => None,
    }
}
