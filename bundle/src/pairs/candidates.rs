//! Which attempts of a group may stand on which side of a pair.

use std::collections::{BTreeMap, BTreeSet};

use lode_tasks::types::{AnswerStatus, FailureClass, ParseOutcome, RuleVerdict, TrapStatus};

use super::{Drops, Kind, dedup};
use crate::derive::Group;

/// Indices into the group's attempts.
#[derive(Debug, Default)]
pub(crate) struct Sides {
    pub(crate) chosen: Vec<usize>,
    pub(crate) rejected: Vec<usize>,
}

/// Sorts the attempts of each turn of a group into the two sides; counts those that fit on neither. A
/// group has one turn; of a session, the first has one attempt, which nothing else answers with.
pub(crate) fn sides(kind: Kind, group: &Group, drops: &mut Drops<'_>) -> Vec<Sides> {
    let mut turns: BTreeMap<u32, (Sides, BTreeSet<String>)> = BTreeMap::new();
    for (at, attempt) in group.attempts.iter().enumerate() {
        let verdict = &attempt.verdict;
        let turn = group.session.turn_of(attempt.attempt.index);
        let (sides, seen) = turns.entry(turn).or_default();
        let Ok(text) = std::str::from_utf8(&attempt.attempt.completion) else {
            drops.attempt(kind, "not_utf8");
            continue;
        };
        if let Some(reason) = unread(verdict) {
            drops.attempt(kind, reason);
            continue;
        }
        if !seen.insert(dedup::normalised(text)) {
            drops.attempt(kind, "duplicate_completion");
            continue;
        }
        let side = match kind {
            Kind::Group | Kind::Revision if verdict.passes() => Some(&mut sides.chosen),
            Kind::Group | Kind::Revision => Some(&mut sides.rejected),
            Kind::Trap if has(verdict, TrapStatus::Caught) => Some(&mut sides.rejected),
            Kind::Trap if has(verdict, TrapStatus::Avoided) => Some(&mut sides.chosen),
            Kind::Trap | Kind::Sequential | Kind::Bookend => None,
        };
        match side {
            Some(side) => side.push(at),
            None => drops.attempt(kind, "no_trap_reached"),
        }
    }
    turns.into_values().map(|(sides, _)| sides).collect()
}

/// Why an attempt stands on no side: it was not read to its end.
pub(crate) fn unread(verdict: &RuleVerdict) -> Option<&'static str> {
    match (verdict.parse, verdict.failure) {
        (ParseOutcome::Read, Some(FailureClass::Format)) | (ParseOutcome::Malformed, _) => {
            Some("format")
        }
        (ParseOutcome::Read, Some(FailureClass::Cap)) | (ParseOutcome::Capped, _) => Some("cap"),
        (ParseOutcome::Read, _) => None,
    }
}

fn has(verdict: &RuleVerdict, status: TrapStatus) -> bool {
    verdict.traps.iter().any(|trap| trap.status == status)
}

/// What tells a chosen from a rejected side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edge {
    /// No pair.
    None,
    /// A pair for the default config, or of kind `trap` with the trap's number.
    Default(Option<u16>),
    /// A pair that the default config leaves out.
    Mixed,
}

/// Whether the two make a pair of the kind.
pub(crate) fn edge(kind: Kind, chosen: &RuleVerdict, rejected: &RuleVerdict) -> Edge {
    let Some(better) = compare(chosen, rejected) else { return Edge::None };
    match kind {
        Kind::Sequential | Kind::Bookend if better => Edge::Default(None),
        Kind::Sequential | Kind::Bookend => Edge::None,
        Kind::Group | Kind::Revision if !better || !chosen.passes() || rejected.passes() => {
            Edge::None
        }
        Kind::Group | Kind::Revision if super::in_default(rejected.failure) => Edge::Default(None),
        Kind::Group | Kind::Revision => Edge::Mixed,
        Kind::Trap => {
            let trap = rejected.traps.iter().find(|caught| {
                caught.status == TrapStatus::Caught
                    && chosen.traps.iter().any(|other| {
                        other.trap == caught.trap && other.status == TrapStatus::Avoided
                    })
            });
            trap.map_or(Edge::None, |trap| Edge::Default(Some(trap.trap)))
        }
    }
}

/// `None` where the chosen side is worse on a question, a constraint or the trace (or they are not
/// about the same ones); else whether it is better on one.
fn compare(chosen: &RuleVerdict, rejected: &RuleVerdict) -> Option<bool> {
    let (good, bad) = (parts(chosen), parts(rejected));
    let comparable = good.len() == bad.len() && good.iter().zip(&bad).all(|(a, b)| *a >= *b);
    comparable.then(|| good.iter().zip(&bad).any(|(a, b)| a > b))
}

/// For each question and constraint, then for the trace: whether it is right.
///
/// The failure class names the trace only where all answers and constraints hold; for an attempt
/// that fails before, the trace does not count against it.
pub(crate) fn parts(verdict: &RuleVerdict) -> Vec<bool> {
    let answers = verdict.answers.iter().map(|answer| answer.status == AnswerStatus::Right);
    let constraints = verdict.constraints.iter().map(|constraint| constraint.holds);
    let trace = verdict.failure != Some(FailureClass::Trace);
    answers.chain(constraints).chain(std::iter::once(trace)).collect()
}
