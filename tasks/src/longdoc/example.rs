//! The worked example of the smallest profile: one solved task about a made-up entity, with the
//! attribute that the task's question is about and a constraint of the same kind as the task's.
//!
//! A model of 135M parameters takes the format from such an example and from nothing else. It is
//! made of public information only: of the question and the constraint, not of their answers.

use crate::{
    check,
    domain::{Slot, Template},
    types::{AttrId, Check, Constraint, Measure, Query, Selector},
};

use super::{question::Drafted, world::World};

/// The example, from its document to its artifact.
pub(super) fn write(
    world: &World<'_>,
    questions: &[Drafted],
    constraints: &[Constraint],
) -> Option<String> {
    let query = &questions.first()?.query;
    let attribute = world.attribute(asked(query));
    let example = &world.domain.example;
    let (name, value) = (example.entity.as_str(), attribute.example.as_str());
    let sentence = attribute.trace.fill(|slot, out| {
        out.push_str(if slot == Slot::Entity { name } else { value });
    });
    let question = attribute.ask.first()?.fill(|_, out| out.push_str(name));
    let mut artifact = &example.plain;
    let mut lines = Vec::with_capacity(constraints.len());
    let words = &world.domain.constraints;
    for constraint in constraints {
        let one = |list: &[Template], text: &str| {
            list.first().map(|wording| wording.fill(|_, out| out.push_str(text)))
        };
        lines.push(match constraint {
            Constraint::Answer { question } => one(&words.answer, &question.to_string())?,
            Constraint::Name(entity) if is_asked(query, *entity) => one(&words.name, name)?,
            Constraint::Name(_) => {
                artifact = &example.naming;
                one(&words.name, &example.other)?
            }
            Constraint::StartsWith(_) => one(&words.starts_with, name)?,
            Constraint::Word(_) => {
                artifact = &example.with_word;
                one(&words.word, &example.word)?
            }
            Constraint::MaxWords(n) => one(&words.max_words, &n.to_string())?,
            _ => return None,
        });
    }
    let constraint = match lines.as_slice() {
        [one] => format!("Constraint: {one}"),
        several => {
            let numbered: Vec<String> =
                (1..).zip(several).map(|(n, line)| format!("{n}. {line}")).collect();
            format!("Constraints:\n{}", numbered.join("\n"))
        }
    };
    let artifact = artifact.fill(|slot, out| {
        out.push_str(match slot {
            Slot::Sentence => &sentence,
            Slot::Other => &example.other,
            _ => &example.word,
        });
    });
    Some(format!(
        "[paragraph_1] {sentence}.\n\nQ1: {question}\n{constraint}\n\
         <trace>\ne1: {sentence}\n</trace>\nQ1: {value}\nArtifact: {artifact}"
    ))
}

/// A sentence of the document as an artifact, in the manner of the example; `None` where none
/// satisfies the checks.
pub(super) fn artifact(world: &World<'_>, sentence: &str, checks: &[Check]) -> Option<String> {
    let example = &world.domain.example;
    let mut candidates = vec![(&example.plain, "")];
    for check in checks {
        if let Check::Contains(forms) = check
            && let Some(form) = forms.first()
        {
            let name = form.starts_with(char::is_uppercase);
            candidates
                .push((if name { &example.naming } else { &example.with_word }, form.as_str()));
        }
    }
    candidates.into_iter().find_map(|(template, term)| {
        let text = template.fill(|slot, out| {
            out.push_str(if slot == Slot::Sentence { sentence } else { term });
        });
        checks.iter().all(|check| check::holds(check, &text)).then_some(text)
    })
}

/// The attribute that a question comes down to.
fn asked(query: &Query) -> AttrId {
    match query {
        Query::Number { measure: Measure::Attr(attr), .. }
        | Query::Category { attr, .. }
        | Query::Which(Selector::Ranked { measure: Measure::Attr(attr), .. }) => *attr,
        _ => AttrId(0),
    }
}

fn is_asked(query: &Query, entity: crate::types::EntityId) -> bool {
    match query {
        Query::Number { of, .. } | Query::Category { of, .. } => *of == Selector::Named(entity),
        _ => false,
    }
}
