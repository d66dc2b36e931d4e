//! Which facts decide a query, so that a trace must state them.

use crate::{
    query::Evaluator,
    types::{AttrId, EntityId, FactRef, Filter, Query, Selector},
};

/// The facts that decide a query: see [`crate::types::Gold::support`]. `None` where it is
/// undefined.
pub(in crate::longdoc) fn support(
    query: &Query,
    evaluator: &Evaluator<'_>,
) -> Option<Vec<FactRef>> {
    let mut facts = Vec::new();
    match query {
        Query::Which(selector) => {
            selected(selector, evaluator, &mut facts)?;
        }
        Query::Number { of, measure } => {
            let entity = selected(of, evaluator, &mut facts)?;
            push(&mut facts, entity, &measure.attrs());
        }
        Query::Category { of, attr } => {
            let entity = selected(of, evaluator, &mut facts)?;
            push(&mut facts, entity, &[*attr]);
        }
        Query::Count(filters) => counted(filters, &[], evaluator, &mut facts)?,
        Query::Total { filters, measure } => {
            counted(filters, &measure.attrs(), evaluator, &mut facts)?;
        }
        Query::Gap { a, b, measure } => {
            for selector in [a, b] {
                let entity = selected(selector, evaluator, &mut facts)?;
                push(&mut facts, entity, &measure.attrs());
            }
        }
        Query::Compare { a, b, measure, .. } => {
            push(&mut facts, *a, &measure.attrs());
            push(&mut facts, *b, &measure.attrs());
        }
    }
    Some(facts)
}

fn push(facts: &mut Vec<FactRef>, entity: EntityId, attrs: &[AttrId]) {
    for attr in attrs {
        let fact = FactRef { entity, attr: *attr };
        if !facts.contains(&fact) {
            facts.push(fact);
        }
    }
}

fn selected(
    selector: &Selector,
    evaluator: &Evaluator<'_>,
    facts: &mut Vec<FactRef>,
) -> Option<EntityId> {
    let entity = evaluator.entity(selector).ok()?;
    match selector {
        Selector::Named(_) => {}
        Selector::Only(filters) => passed(filters, entity, evaluator, facts)?,
        Selector::Ranked { filters, measure, .. } => {
            passed(filters, entity, evaluator, facts)?;
            push(facts, entity, &measure.attrs());
        }
    }
    Some(entity)
}

fn counted(
    filters: &[Filter],
    attrs: &[AttrId],
    evaluator: &Evaluator<'_>,
    facts: &mut Vec<FactRef>,
) -> Option<()> {
    for entity in evaluator.filtered(filters).ok()? {
        passed(filters, entity, evaluator, facts)?;
        push(facts, entity, attrs);
    }
    Some(())
}

/// What shows that an entity passes the filters.
fn passed(
    filters: &[Filter],
    entity: EntityId,
    evaluator: &Evaluator<'_>,
    facts: &mut Vec<FactRef>,
) -> Option<()> {
    for filter in filters {
        match filter {
            Filter::Is { attr, .. } => push(facts, entity, &[*attr]),
            Filter::Bound { measure, .. } => push(facts, entity, &measure.attrs()),
            Filter::Versus { measure, other, .. } => {
                push(facts, entity, &measure.attrs());
                push(facts, entity, &other.attrs());
            }
            Filter::SameAs { attr, of } => {
                let other = selected(of, evaluator, facts)?;
                push(facts, other, &[*attr]);
                push(facts, entity, &[*attr]);
            }
            Filter::Relative { measure, of, .. } => {
                let other = selected(of, evaluator, facts)?;
                push(facts, other, &measure.attrs());
                push(facts, entity, &measure.attrs());
            }
        }
    }
    Some(())
}
