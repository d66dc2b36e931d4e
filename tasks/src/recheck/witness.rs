//! Completions against what the text gives: answers, artifact, and the trace's extracts with their
//! citations.

use super::{
    amount::{Known, number, traced},
    measure::Said,
    reader::Claim,
    settle::Facts,
    wordings::{Attribute, Wordings},
};
use crate::{
    check,
    types::{Check, Task},
};

/// What a completion is held against.
pub(super) struct Held<'a> {
    pub(super) words: &'a Wordings,
    /// Attributes of the domain, by attribute of the task.
    pub(super) active: &'a [usize],
    pub(super) task: &'a Task,
    pub(super) claims: &'a [Claim],
}

impl Held<'_> {
    /// What is wrong with a completion that should follow from these facts; `wrong` is a fact that
    /// its writer took from a trap.
    pub(super) fn fault(
        &self,
        text: &str,
        facts: &Facts,
        answers: &[Said],
        checks: &[Check],
        wrong: Option<(usize, usize)>,
    ) -> Option<String> {
        for (at, answer) in answers.iter().enumerate() {
            let head = format!("Q{}: ", at + 1);
            let Some(given) = text.lines().rev().find_map(|line| line.strip_prefix(&head)) else {
                return Some(format!("it has no answer to Q{}", at + 1));
            };
            if !self.says(given, *answer) {
                return Some(format!("it answers Q{} with {given:?}", at + 1));
            }
        }
        let artifact = text.lines().rev().find_map(|line| line.strip_prefix("Artifact: "));
        let Some(artifact) = artifact else { return Some("it has no artifact".to_owned()) };
        for check in checks {
            if !check::holds(check, artifact) {
                return Some(check::explain(check, artifact));
            }
        }
        let withdrawn: Vec<&str> = text
            .lines()
            .filter_map(|line| {
                line.strip_prefix('r')?.split_once(": ")?.1.split_once(" is superseded")
            })
            .map(|(step, _)| step)
            .collect();
        text.lines().find_map(|line| self.step(line, facts, wrong, &withdrawn))
    }

    fn says(&self, given: &str, answer: Said) -> bool {
        match answer {
            Said::Entity(entity) => {
                self.task.roster.get(entity).is_some_and(|entry| entry.name == given)
            }
            Said::Word(attr, word) => self
                .attribute(attr)
                .and_then(|a| a.vocabulary.get(word))
                .is_some_and(|known| known == given),
            Said::Number(milli) => {
                use super::amount::Kind::{Decimal, Integer, Year};
                let bare = given.strip_prefix('-').unwrap_or(given);
                let sign = if bare.len() < given.len() { -1 } else { 1 };
                [Integer, Year, Decimal]
                    .into_iter()
                    .any(|kind| number(bare, kind) == Some(sign * milli))
            }
        }
    }

    fn attribute(&self, attr: usize) -> Option<&Attribute> {
        self.words.attributes.get(*self.active.get(attr)?)
    }

    /// What is wrong with one line of the trace, if it is an extract.
    fn step(
        &self,
        line: &str,
        facts: &Facts,
        wrong: Option<(usize, usize)>,
        withdrawn: &[&str],
    ) -> Option<String> {
        let (id, rest) = line.split_once(": ")?;
        let number = id.strip_prefix('e')?;
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (sentence, cited) = match rest.split_once(" [paragraph_") {
            Some((sentence, cited)) => (sentence, cited.strip_suffix(']')?.parse::<u32>().ok()),
            None => (rest, None),
        };
        let mut found: Option<String> = Some(format!("{id} is no sentence of a trace: {line:?}"));
        for attr in 0..self.active.len() {
            let Some(attribute) = self.attribute(attr) else { continue };
            for (list, sign) in [("trace", 0), ("trace_more", 1), ("trace_less", -1)] {
                for pattern in attribute.list(list) {
                    pattern.each(sentence, |caught| {
                        let entity = self.entity(caught.get("entity"));
                        let value = traced(attribute, caught.get("value"));
                        let reference = self.entity(caught.get("reference"));
                        let (Some(entity), Some(value)) = (entity, value) else { return };
                        let step = Step { entity, attr, value, sign, reference, cited };
                        let caught = wrong == Some((entity, attr));
                        let why = if withdrawn.contains(&id) {
                            self.unstated(&step)
                        } else {
                            self.untrue(&step, facts, caught)
                        };
                        found = why.map(|why| format!("{id} {why}"));
                    });
                }
            }
        }
        found
    }

    fn entity(&self, name: &str) -> Option<usize> {
        self.task.roster.iter().position(|entry| entry.name == name)
    }

    fn untrue(&self, step: &Step, facts: &Facts, caught: bool) -> Option<String> {
        let own = facts.value(step.entity, step.attr);
        let right = match (step.sign, step.value) {
            (0, value) => own == Some(value),
            (sign, Known::Number(gap)) => {
                let base = step.reference.and_then(|other| facts.value(other, step.attr));
                own.and_then(Known::number)
                    .zip(base.and_then(Known::number))
                    .is_some_and(|(own, base)| own - base == sign * gap)
            }
            _ => false,
        };
        if !right {
            return Some("does not say what the document says".to_owned());
        }
        // A caught reader cites the trap, which may state the value of another or none.
        if caught { None } else { self.unstated(step) }
    }

    /// Whether the cited paragraph does not state it, true or not.
    fn unstated(&self, step: &Step) -> Option<String> {
        let cited = step.cited?;
        let states = self.claims.iter().any(|claim| {
            claim.paragraph == cited
                && claim.attr == step.attr
                && claim.entity == Some(step.entity)
                && match step.sign {
                    0 => claim.reference.is_none() && claim.value == step.value,
                    _ => claim.reference.is_some() && claim.reference == step.reference,
                }
        });
        (!states).then(|| format!("cites paragraph {cited}, which does not state it"))
    }
}

/// One extract of a trace.
#[derive(Debug, Clone, Copy)]
struct Step {
    entity: usize,
    attr: usize,
    value: Known,
    /// 0 for a value, else the sign of a difference.
    sign: i64,
    reference: Option<usize>,
    cited: Option<u32>,
}
