//! The lines of a trace.

use std::ops::Range;

use lode_proto::limits::MAX_TRACE_STEPS;

use super::{
    Argument, MAX_ARGUMENTS, MAX_STEP_BYTES, MAX_STEP_NUMBER, ParseFault, Sentences, Step,
    StepBody,
    sections::{lines, trimmed},
};
use crate::{
    number,
    types::{ComputeOp, StepId, StepKind, Task},
};

pub(super) fn read(
    task: &Task,
    sentences: &Sentences<'_>,
    text: &str,
    trace: &Range<usize>,
) -> Result<Vec<Step>, (usize, ParseFault)> {
    let most = usize::from(task.trace.max_steps).min(MAX_TRACE_STEPS);
    let mut steps = Vec::new();
    for line in lines(text, trace.clone()) {
        let range = trimmed(line.start, line.text);
        if range.is_empty() {
            continue;
        }
        if steps.len() == most {
            return Err((line.start, ParseFault::TooManySteps(most)));
        }
        let body = line.text.trim();
        let Some((id, length)) = step_id(body) else {
            return Err((range.start, ParseFault::NoStepId));
        };
        let Some(rest) = body.get(length..).and_then(|rest| rest.strip_prefix(':')) else {
            return Err((range.start, ParseFault::NoStepId));
        };
        let start = range.end - rest.len();
        steps.push(step(sentences, text, id, line.start, trimmed(start, rest)));
    }
    Ok(steps)
}

fn step(sentences: &Sentences<'_>, text: &str, id: StepId, at: usize, body: Range<usize>) -> Step {
    let unread = Step { id, at, citation: None, body: StepBody::Unread };
    if body.len() > MAX_STEP_BYTES {
        return unread;
    }
    let Some(whole) = text.get(body.clone()) else { return unread };
    let (sentence, citation) = split_citation(whole);
    let sentence = sentence.trim_end();
    let sentence = sentence.strip_suffix('.').unwrap_or(sentence);
    let read = match id.kind {
        StepKind::Extract => {
            sentences.read(text, body.start..body.start + sentence.len()).map(StepBody::Extract)
        }
        StepKind::Compute => compute(sentence),
        StepKind::Revise => revise(sentence),
    };
    Step { id, at, citation, body: read.unwrap_or(StepBody::Unread) }
}

/// `e12` at the beginning of `text`: the id and its length in bytes.
fn step_id(text: &str) -> Option<(StepId, usize)> {
    let kind = match text.as_bytes().first()? {
        b'e' | b'E' => StepKind::Extract,
        b'c' | b'C' => StepKind::Compute,
        b'r' | b'R' => StepKind::Revise,
        _ => return None,
    };
    let digits = text.bytes().skip(1).take_while(u8::is_ascii_digit).count();
    let number: u16 = text.get(1..=digits)?.parse().ok()?;
    ((1..=MAX_STEP_NUMBER).contains(&number)).then_some((StepId { kind, number }, digits + 1))
}

/// Takes `[paragraph_12]` off the end.
fn split_citation(text: &str) -> (&str, Option<u32>) {
    let bare = text.strip_suffix('.').unwrap_or(text).trim_end();
    let cited =
        bare.strip_suffix(']').and_then(|bare| bare.rsplit_once('[')).and_then(|(head, inside)| {
            let digits = inside.trim().strip_prefix("paragraph_")?;
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| (head, digits.parse().unwrap_or(u32::MAX)))
        });
    match cited {
        Some((head, number)) => (head, Some(number)),
        None => (text, None),
    }
}

/// `mod(e1, 100) = 10`
fn compute(text: &str) -> Option<StepBody> {
    let (call, result) = text.split_once('=')?;
    let (name, inside) = call.trim().strip_suffix(')')?.split_once('(')?;
    let name = name.trim();
    let (op, _) = ComputeOp::ALL.into_iter().find(|(_, word)| name.eq_ignore_ascii_case(word))?;
    // With ", " between arguments a literal may have commas of its own: mod(4,210, 100).
    let separator = if inside.contains(", ") { ", " } else { "," };
    let mut arguments = Vec::new();
    for part in inside.split(separator).filter(|_| !inside.trim().is_empty()) {
        if arguments.len() == MAX_ARGUMENTS {
            return None;
        }
        arguments.push(argument(part.trim())?);
    }
    Some(StepBody::Compute { op, arguments, result: literal(result.trim())? })
}

fn argument(text: &str) -> Option<Argument> {
    match step_id(text) {
        Some((id, length)) if length == text.len() => Some(Argument::Step(id)),
        _ => literal(text).map(Argument::Number),
    }
}

/// A text that is one bare number and nothing else, thousandths.
fn literal(text: &str) -> Option<i64> {
    match number::find(text).as_slice() {
        [one] if one.start == 0 && one.end == text.len() => Some(one.milli),
        _ => None,
    }
}

/// `e1 is superseded`
fn revise(text: &str) -> Option<StepBody> {
    let (id, length) = step_id(text)?;
    let says = text.get(length..)?.trim();
    says.eq_ignore_ascii_case("is superseded").then_some(StepBody::Revise(id))
}
