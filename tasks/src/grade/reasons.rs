//! Findings in words, in a fixed order and bounded.

use super::{Graded, Grader, index::narrow};
use crate::{
    check, number,
    query::value_of,
    types::{
        Answer, AnswerStatus, AttributeSchema, CitationStatus, ComputeStatus, FactRef, Part,
        Reason, RevisionStatus, RuleVerdict, StepId, StepKind, TrapKind, TrapStatus, Value,
        ValueKind,
    },
};

/// Most reasons in a verdict; further ones are left out.
pub const MAX_REASONS: usize = 64;
/// Longest quotation from a completion, characters.
const MAX_QUOTE_CHARS: usize = 60;

/// A part of a text for a reason.
pub(super) fn quote(text: &str) -> String {
    let mut chars = text.chars();
    let head: String = chars.by_ref().take(MAX_QUOTE_CHARS).collect();
    if chars.next().is_some() { format!("{head:?}…") } else { format!("{head:?}") }
}

pub(super) fn list(grader: &Grader<'_>, graded: &Graded<'_>, rules: &RuleVerdict) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut add = |part: Part, text: String| {
        if reasons.len() < MAX_REASONS {
            reasons.push(Reason { part, text });
        }
    };
    for (place, status) in graded.statuses.iter().enumerate() {
        let question = narrow(place + 1);
        let said = || graded.parsed.answer(question).map(quote).unwrap_or_default();
        let gold = || {
            let gold = grader.key.gold.get(place).map(|gold| answer(grader, &gold.answer));
            gold.unwrap_or_default()
        };
        match status {
            AnswerStatus::Right => {}
            AnswerStatus::Wrong => {
                add(Part::Question(question), format!("{} is not the answer {}", said(), gold()));
            }
            AnswerStatus::Trapped => add(
                Part::Question(question),
                format!("{} is what a trap leads to; the answer is {}", said(), gold()),
            ),
            AnswerStatus::Missing => {
                add(Part::Question(question), format!("no answer; it is {}", gold()));
            }
        }
    }
    for (place, key) in grader.key.constraints.iter().enumerate() {
        if graded.holds.get(place) == Some(&false) {
            let text = check::explain(&key.check, graded.artifact);
            add(Part::Constraint(narrow(place + 1)), text);
        }
    }
    for (outcome, trap) in rules.traps.iter().zip(&grader.key.traps) {
        if outcome.status == TrapStatus::Caught {
            let schema = grader.task.attributes.get(trap.fact.attr.at());
            add(
                Part::Trap(outcome.trap),
                format!(
                    "caught ({}): took {} for {} as {}",
                    kind(trap.kind),
                    value(schema, &trap.wrong),
                    value(schema, &trap.right),
                    fact(grader, trap.fact)
                ),
            );
        }
    }
    let needed = usize::from(grader.task.trace.min_extracts);
    if graded.ledger.extracts < needed {
        add(
            Part::Trace,
            format!(
                "it has {} extract steps, at least {needed} are asked for",
                graded.ledger.extracts
            ),
        );
    }
    for missing in &graded.unstated {
        let schema = grader.task.attributes.get(missing.attr.at());
        let says = schema
            .zip(graded.ledger.get(&grader.index, *missing))
            .map(|(schema, cell)| value_of(cell, schema).map(|said| value(Some(schema), &said)));
        let text = match says {
            None => format!("it does not state {}", fact(grader, *missing)),
            Some(None) => format!("it states no possible value as {}", fact(grader, *missing)),
            Some(Some(said)) => format!("it states {said} as {}", fact(grader, *missing)),
        };
        add(Part::Trace, text);
    }
    for outcome in &rules.dataflow {
        if !outcome.follows {
            add(outcome.part, "does not follow from the trace".to_owned());
        }
    }
    for outcome in &rules.citations {
        let text = match outcome.status {
            CitationStatus::Right => continue,
            CitationStatus::Missing if !grader.task.trace.citations => continue,
            CitationStatus::Missing => "cites no paragraph".to_owned(),
            CitationStatus::NoSuchParagraph => {
                format!("the document has no paragraph {}", outcome.paragraph)
            }
            CitationStatus::EntityAbsent => {
                format!("paragraph {} does not name its entity", outcome.paragraph)
            }
            CitationStatus::ValueAbsent => {
                format!("paragraph {} does not hold its value", outcome.paragraph)
            }
        };
        add(Part::Step(outcome.step), text);
    }
    for outcome in &rules.computes {
        let text = match outcome.status {
            ComputeStatus::Right => continue,
            ComputeStatus::Wrong => "gives another result when it is computed again",
            ComputeStatus::Undefined => {
                "cannot be computed: expected earlier steps or numbers that have a single result"
            }
        };
        add(Part::Step(outcome.step), text.to_owned());
    }
    for outcome in &rules.revisions {
        let text = match outcome.status {
            // The second is among the steps that could not be read.
            RevisionStatus::Right | RevisionStatus::Undefined => continue,
            RevisionStatus::Unsettled => {
                "cites no paragraph that states or settles the right value"
            }
            RevisionStatus::Needless => "withdraws what is true",
        };
        add(Part::Step(outcome.step), text.to_owned());
    }
    for step in &graded.ledger.unread {
        add(Part::Step(*step), unread(*step).to_owned());
    }
    reasons
}

fn unread(step: StepId) -> &'static str {
    match step.kind {
        StepKind::Extract => "is not one of the trace sentences",
        StepKind::Compute => "is not of the form op(arguments) = result",
        StepKind::Revise => "does not withdraw an earlier step",
        StepKind::Filter => "is not of the form filter(steps; condition) = steps",
        StepKind::Compare => "is not of the form compare(steps; highest) = step",
    }
}

fn kind(kind: TrapKind) -> String {
    let camel = format!("{kind:?}");
    let mut words = String::new();
    for c in camel.chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

fn fact(grader: &Grader<'_>, fact: FactRef) -> String {
    let name = grader.task.roster.get(fact.entity.at()).map_or("?", |entry| &entry.name);
    let label = grader.task.attributes.get(fact.attr.at()).map_or("?", |schema| &schema.label);
    format!("{label} of {name}")
}

fn value(schema: Option<&AttributeSchema>, value: &Value) -> String {
    match value {
        Value::Int(n) if schema.is_some_and(|schema| schema.kind == ValueKind::Year) => {
            n.to_string()
        }
        Value::Int(n) => number::grouped(*n),
        Value::Milli(milli) => number::decimal(*milli),
        Value::Text(text) => text.clone(),
    }
}

fn answer(grader: &Grader<'_>, answer: &Answer) -> String {
    match answer {
        Answer::Entity(entity) => {
            grader.task.roster.get(entity.at()).map_or_else(String::new, |e| e.name.clone())
        }
        Answer::Category(word) => word.clone(),
        Answer::Integer(n) => number::grouped(*n),
        Answer::Decimal(milli) => number::decimal(*milli),
    }
}
