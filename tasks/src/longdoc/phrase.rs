//! Questions in words: the query algebra rendered through the domain's wordings.

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

const ORDINALS: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];

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

impl Phrases<'_, '_> {
    /// The whole question.
    pub(super) fn question(&self, query: &Query, draw: &mut Draw) -> Option<String> {
        let words = &self.world.domain.questions;
        let text = match query {
            Query::Which(Selector::Ranked { filters, measure, order, rank }) if *rank > 1 => {
                if !filters.is_empty() {
                    return None;
                }
                let ordinal = ORDINALS.get(usize::from(*rank) - 1)?;
                let phrase = self.measure(measure)?;
                draw.pick(&words.which_rank)?.fill(|slot, out| {
                    out.push_str(match slot {
                        Slot::Ordinal => ordinal,
                        Slot::End => superlative_end(*order),
                        _ => &phrase,
                    });
                })
            }
            Query::Which(Selector::Ranked { filters, measure, order, .. }) => {
                let filters = if filters.is_empty() { None } else { Some(self.filters(filters)?) };
                match (measure, &filters) {
                    (Measure::Attr(attr), None) => {
                        one(draw.pick(&words.which)?, &self.superlative(*attr, *order))
                    }
                    (Measure::Attr(attr), Some(filters)) => {
                        let superlative = self.superlative(*attr, *order);
                        draw.pick(&words.which_filtered)?.fill(|slot, out| {
                            out.push_str(if slot == Slot::Filters {
                                filters
                            } else {
                                &superlative
                            });
                        })
                    }
                    (_, filters) => {
                        let phrase = self.measure(measure)?;
                        let list = if filters.is_none() {
                            &words.which_measure
                        } else {
                            &words.which_measure_filtered
                        };
                        draw.pick(list)?.fill(|slot, out| {
                            out.push_str(match slot {
                                Slot::Filters => filters.as_deref().unwrap_or_default(),
                                Slot::End => superlative_end(*order),
                                _ => &phrase,
                            });
                        })
                    }
                }
            }
            Query::Which(Selector::Only(filters)) => {
                one(draw.pick(&words.which_only)?, &self.filters(filters)?)
            }
            Query::Which(Selector::Named(_)) => return None,
            Query::Number { of, measure: Measure::Attr(attr) } | Query::Category { of, attr } => {
                let entity = self.selected(of)?;
                let asks = &self.world.attribute(*attr).ask;
                // Short documents ask in the words of their statements.
                let ask = if self.plain { asks.first()? } else { draw.pick(asks)? };
                one(ask, &entity)
            }
            Query::Number { of, measure } => {
                let (entity, phrase) = (self.selected(of)?, self.measure(measure)?);
                let unit = self.unit(measure)?;
                draw.pick(&words.number)?.fill(|slot, out| {
                    out.push_str(match slot {
                        Slot::Measure => &phrase,
                        Slot::Unit => &unit,
                        _ => &entity,
                    });
                })
            }
            Query::Count(filters) => one(draw.pick(&words.count)?, &self.filters(filters)?),
            Query::Total { filters, measure } => {
                let (filters, phrase) = (self.filters(filters)?, self.measure(measure)?);
                let unit = self.unit(measure)?;
                draw.pick(&words.total)?.fill(|slot, out| {
                    out.push_str(match slot {
                        Slot::Measure => &phrase,
                        Slot::Unit => &unit,
                        _ => &filters,
                    });
                })
            }
            Query::Gap { a, b, measure } => {
                let (a, b) = (self.selected(a)?, self.selected(b)?);
                let (phrase, unit) = (self.measure(measure)?, self.unit(measure)?);
                draw.pick(&words.gap)?.fill(|slot, out| {
                    out.push_str(match slot {
                        Slot::A => &a,
                        Slot::B => &b,
                        Slot::Unit => &unit,
                        _ => &phrase,
                    });
                })
            }
            Query::Compare { a, b, measure, order } => {
                let phrase = self.measure(measure)?;
                draw.pick(&words.compare)?.fill(|slot, out| {
                    out.push_str(match slot {
                        Slot::A => self.world.name(*a),
                        Slot::B => self.world.name(*b),
                        Slot::End => match order {
                            Order::Highest => "higher",
                            Order::Lowest => "lower",
                        },
                        _ => &phrase,
                    });
                })
            }
        };
        Some(text)
    }

    /// What a measure is called: "number of employees".
    pub(super) fn measure(&self, measure: &Measure) -> Option<String> {
        let place = |attr: &AttrId| self.world.attrs[attr.at()];
        let places = |attrs: &[AttrId]| attrs.iter().map(place).collect::<Vec<u16>>();
        let kind = match measure {
            Measure::Attr(attr) => {
                let phrase = &self.world.attribute(*attr).measure;
                return (!phrase.is_empty()).then(|| phrase.clone());
            }
            Measure::Sum(attrs) => MeasureKind::Sum(places(attrs)),
            Measure::Diff(a, b) => MeasureKind::Diff(place(a), place(b)),
            Measure::Ratio { over, under } => {
                MeasureKind::Ratio { over: places(over), under: places(under) }
            }
        };
        let named = self.world.domain.measures.iter().find(|named| named.kind == kind)?;
        Some(named.phrase.clone())
    }

    fn unit(&self, measure: &Measure) -> Option<String> {
        let first = measure.attrs().first().copied()?;
        let unit = &self.world.schemas[first.at()].unit;
        Some(if unit.is_empty() {
            String::new()
        } else {
            one(&self.world.domain.phrases.unit, unit)
        })
    }

    fn superlative(&self, attr: AttrId, order: Order) -> String {
        let attribute = self.world.attribute(attr);
        match order {
            Order::Highest => attribute.highest.clone(),
            Order::Lowest => attribute.lowest.clone(),
        }
    }

    /// "the company that employs the most people"
    pub(super) fn selected(&self, selector: &Selector) -> Option<String> {
        let words = &self.world.domain.phrases;
        match selector {
            Selector::Named(entity) => Some(self.world.name(*entity).to_owned()),
            Selector::Only(filters) => Some(one(&words.selected_only, &self.filters(filters)?)),
            Selector::Ranked { filters, measure, order, rank: 1 } => match measure {
                Measure::Attr(attr) if filters.is_empty() => {
                    Some(one(&words.selected, &self.superlative(*attr, *order)))
                }
                Measure::Attr(attr) => {
                    let filters = self.filters(filters)?;
                    let superlative = self.superlative(*attr, *order);
                    Some(words.selected_filtered.fill(|slot, out| {
                        out.push_str(if slot == Slot::Filters { &filters } else { &superlative });
                    }))
                }
                _ if filters.is_empty() => {
                    let phrase = self.measure(measure)?;
                    Some(words.selected_measure.fill(|slot, out| {
                        let end = superlative_end(*order);
                        out.push_str(if slot == Slot::End { end } else { &phrase });
                    }))
                }
                _ => None,
            },
            Selector::Ranked { .. } => None,
        }
    }

    fn filters(&self, filters: &[Filter]) -> Option<String> {
        let mut text: Option<String> = None;
        for filter in filters {
            let next = self.filter(filter)?;
            text = Some(match text {
                None => next,
                Some(before) => self.world.domain.phrases.also.fill(|slot, out| {
                    out.push_str(if slot == Slot::First { &before } else { &next });
                }),
            });
        }
        text
    }

    fn filter(&self, filter: &Filter) -> Option<String> {
        let words = &self.world.domain.phrases;
        match filter {
            Filter::Is { attr, value } => Some(one(&self.world.attribute(*attr).is, value)),
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
                        Slot::Measure => &left,
                        Slot::End => comparative_end(*op),
                        _ => &right,
                    });
                }))
            }
            Filter::SameAs { attr, of } => {
                Some(one(&self.world.attribute(*attr).same, &self.selected(of)?))
            }
            Filter::Relative { measure, op, of } => {
                let (phrase, of) = (self.measure(measure)?, self.selected(of)?);
                Some(words.relative.fill(|slot, out| {
                    out.push_str(match slot {
                        Slot::Measure => &phrase,
                        Slot::End => comparative_end(*op),
                        _ => &of,
                    });
                }))
            }
        }
    }

    /// The trace sentence of a fact with a given value.
    pub(super) fn trace(&self, fact: FactRef, cell: Cell) -> String {
        let attribute = self.world.attribute(fact.attr);
        let value = self.world.text(cell, fact.attr);
        attribute.trace.fill(|slot, out| {
            out.push_str(if slot == Slot::Entity { self.world.name(fact.entity) } else { &value });
        })
    }

    /// The trace sentence of a relative statement; `delta` in thousandths, signed.
    pub(super) fn relative_trace(
        &self,
        fact: FactRef,
        reference: EntityId,
        delta: i64,
    ) -> Option<String> {
        let attribute = self.world.attribute(fact.attr);
        let template = if delta < 0 { &attribute.trace_less } else { &attribute.trace_more };
        let value = self.world.text(Cell::Number(delta.abs()), fact.attr);
        Some(template.as_ref()?.fill(|slot, out| {
            out.push_str(match slot {
                Slot::Entity => self.world.name(fact.entity),
                Slot::Reference => self.world.name(reference),
                _ => &value,
            });
        }))
    }
}
