//! Which facts decide a query, so that a trace must state them.

use crate::{
    query::Evaluator,
    types::{Answer, AttrId, EntityId, FactRef, Filter, Measure, Query, Selector},
};

/// The facts that decide a query: see [`crate::types::Gold::support`]. `None` where it is
/// undefined.
pub(in crate::longdoc) fn support(
    query: &Query,
    evaluator: &Evaluator<'_>,
) -> Option<Vec<FactRef>> {
    let mut facts = Vec::with_capacity(8);
    match query {
        Query::Which(selector) => {
            selected(selector, evaluator, &mut facts)?;
        }
        Query::Number { of, measure } => {
            let entity = selected(of, evaluator, &mut facts)?;
            measured(&mut facts, entity, measure);
        }
        Query::Category { of, attr } => {
            let entity = selected(of, evaluator, &mut facts)?;
            push(&mut facts, entity, *attr);
        }
        Query::Count(filters) => {
            for entity in evaluator.filtered(filters).ok()? {
                passed(filters, entity, evaluator, &mut facts)?;
            }
        }
        Query::Total { filters, measure } => {
            for entity in evaluator.filtered(filters).ok()? {
                passed(filters, entity, evaluator, &mut facts)?;
                measured(&mut facts, entity, measure);
            }
        }
        Query::Mode { filters, attr } => {
            for entity in commonest(filters, *attr, query, evaluator)? {
                passed(filters, entity, evaluator, &mut facts)?;
                push(&mut facts, entity, *attr);
            }
        }
        Query::Gap { a, b, measure }
        | Query::Sum { a, b, measure }
        | Query::Compare { a, b, measure, .. } => {
            for selector in [a, b] {
                let entity = selected(selector, evaluator, &mut facts)?;
                measured(&mut facts, entity, measure);
            }
        }
    }
    Some(facts)
}

/// The entities that a count, a total or a mode rests on, in roster order; one entity or pair of
/// entities for every other query counts as nobody. `None` where the query is undefined.
pub(in crate::longdoc) fn counted(
    query: &Query,
    evaluator: &Evaluator<'_>,
) -> Option<Vec<EntityId>> {
    match query {
        Query::Count(filters) | Query::Total { filters, .. } => evaluator.filtered(filters).ok(),
        Query::Mode { filters, attr } => commonest(filters, *attr, query, evaluator),
        _ => Some(Vec::new()),
    }
}

/// Those that pass and have the commonest category.
fn commonest(
    filters: &[Filter],
    attr: AttrId,
    query: &Query,
    evaluator: &Evaluator<'_>,
) -> Option<Vec<EntityId>> {
    let Answer::Category(value) = evaluator.answer(query).ok()? else { return None };
    let mut filters = filters.to_vec();
    filters.push(Filter::Is { attr, value });
    evaluator.filtered(&filters).ok()
}

fn push(facts: &mut Vec<FactRef>, entity: EntityId, attr: AttrId) {
    let fact = FactRef { entity, attr };
    if !facts.contains(&fact) {
        facts.push(fact);
    }
}

fn measured(facts: &mut Vec<FactRef>, entity: EntityId, measure: &Measure) {
    for attr in measure.parts() {
        push(facts, entity, attr);
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
            measured(facts, entity, measure);
        }
        Selector::Nearest { measure, to } => {
            let other = selected(to, evaluator, facts)?;
            measured(facts, other, measure);
            measured(facts, entity, measure);
        }
    }
    Some(entity)
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
            Filter::Is { attr, .. } | Filter::IsNot { attr, .. } => push(facts, entity, *attr),
            Filter::Bound { measure, .. } => measured(facts, entity, measure),
            Filter::Versus { measure, other, .. } => {
                measured(facts, entity, measure);
                measured(facts, entity, other);
            }
            Filter::SameAs { attr, of } => {
                let other = selected(of, evaluator, facts)?;
                push(facts, other, *attr);
                push(facts, entity, *attr);
            }
            Filter::Relative { measure, of, .. } => {
                let other = selected(of, evaluator, facts)?;
                measured(facts, other, measure);
                measured(facts, entity, measure);
            }
        }
    }
    Some(())
}
