//! What became of each trap, and which road an attempt takes.

use super::{Graded, Grader, index::narrow};
use crate::{
    check,
    query::{Cell, cell_of},
    types::{AnswerStatus, Consequence, Path, Trap, TrapOutcome, TrapRole, TrapStatus, Value},
};

/// One outcome for each trap. What an attempt answers and writes counts before what its trace
/// says: a wrong value that it looked at and did not use has not caught it.
pub(super) fn outcomes(grader: &Grader<'_>, graded: &Graded<'_>) -> Vec<TrapOutcome> {
    let status = |trap: &Trap| {
        let reached = trap.consequences.iter().any(|consequence| falls_in(graded, consequence));
        if reached {
            return TrapStatus::Caught;
        }
        if !trap.consequences.is_empty()
            && trap.consequences.iter().all(|consequence| stays_out(graded, consequence))
        {
            return TrapStatus::Avoided;
        }
        match graded.ledger.get(&grader.index, trap.fact) {
            Some(cell) if cell == cell_for(grader, trap, &trap.wrong) => TrapStatus::Caught,
            Some(cell) if cell == cell_for(grader, trap, &trap.right) => TrapStatus::Avoided,
            _ => TrapStatus::NotReached,
        }
    };
    grader
        .key
        .traps
        .iter()
        .enumerate()
        .map(|(place, trap)| TrapOutcome { trap: narrow(place + 1), status: status(trap) })
        .collect()
}

/// Whether a binding trap caught the attempt.
pub(super) fn caught(grader: &Grader<'_>, outcomes: &[TrapOutcome]) -> bool {
    grader
        .key
        .traps
        .iter()
        .zip(outcomes)
        .any(|(trap, found)| trap.role == TrapRole::Binding && found.status == TrapStatus::Caught)
}

fn cell_for(grader: &Grader<'_>, trap: &Trap, value: &Value) -> Cell {
    let schema = grader.task.attributes.get(trap.fact.attr.at());
    // A cell that no statement has: a value outside the vocabulary matches nothing.
    schema.and_then(|schema| cell_of(value, schema)).unwrap_or(Cell::Category(u16::MAX))
}

fn falls_in(graded: &Graded<'_>, consequence: &Consequence) -> bool {
    match consequence {
        Consequence::Answer { question, answer } => {
            let place = usize::from(*question).wrapping_sub(1);
            graded.statuses.get(place) != Some(&AnswerStatus::Right)
                && graded.given.get(place).is_some_and(|given| given.as_ref() == Some(answer))
        }
        Consequence::Check { constraint, check } => {
            let place = usize::from(*constraint).wrapping_sub(1);
            graded.holds.get(place) == Some(&false) && check::holds(check, graded.artifact)
        }
    }
}

fn stays_out(graded: &Graded<'_>, consequence: &Consequence) -> bool {
    match consequence {
        Consequence::Answer { question, .. } => {
            let place = usize::from(*question).wrapping_sub(1);
            graded.statuses.get(place) == Some(&AnswerStatus::Right)
        }
        Consequence::Check { constraint, .. } => {
            let place = usize::from(*constraint).wrapping_sub(1);
            graded.holds.get(place) == Some(&true)
        }
    }
}

/// [`Path::B`] for an attempt that passes; [`Path::A`] where all answers and constraints would hold
/// if one trap's wrong value were the truth; else [`Path::None`].
pub(super) fn path(grader: &Grader<'_>, graded: &Graded<'_>, passes: bool) -> Path {
    if passes {
        return Path::B;
    }
    let by_trap = |trap: &Trap| {
        let answers = graded.statuses.iter().enumerate().all(|(place, status)| {
            let changed = trap.consequences.iter().find_map(|consequence| match consequence {
                Consequence::Answer { question, answer } => {
                    (usize::from(*question) == place + 1).then_some(answer)
                }
                Consequence::Check { .. } => None,
            });
            match changed {
                Some(answer) => {
                    graded.given.get(place).is_some_and(|given| given.as_ref() == Some(answer))
                }
                None => *status == AnswerStatus::Right,
            }
        });
        let constraints = graded.holds.iter().enumerate().all(|(place, holds)| {
            let changed = trap.consequences.iter().find_map(|consequence| match consequence {
                Consequence::Check { constraint, check } => {
                    (usize::from(*constraint) == place + 1).then_some(check)
                }
                Consequence::Answer { .. } => None,
            });
            changed.map_or(*holds, |check| check::holds(check, graded.artifact))
        });
        answers && constraints
    };
    let binding = |trap: &&Trap| trap.role == TrapRole::Binding;
    if grader.key.traps.iter().filter(binding).any(by_trap) { Path::A } else { Path::None }
}
