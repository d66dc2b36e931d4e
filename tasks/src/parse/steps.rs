//! The lines of a trace.

use std::ops::Range;

use lode_proto::limits::MAX_TRACE_STEPS;

use super::{
    Argument, Condition, MAX_ARGUMENTS, MAX_STEP_BYTES, MAX_STEP_NUMBER, ParseFault, Sentences,
    Step, StepBody,
    sections::{lines, trim, trimmed},
};
use crate::{
    number,
    types::{CompareOp, ComputeOp, Order, StepId, StepKind, Task},
};

/// Words for the places of a comparison, the first of which is not written.
pub(crate) const ORDINALS: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];
/// What a filter that keeps nothing gives.
pub(crate) const NONE: &str = "none";

/// Steps that most traces have.
const USUAL_STEPS: usize = 64;

pub(super) fn read(
    task: &Task,
    sentences: &Sentences<'_>,
    text: &str,
    trace: &Range<usize>,
) -> Result<(Vec<Step>, Vec<Argument>), (usize, ParseFault)> {
    let most = usize::from(task.trace.max_steps).min(MAX_TRACE_STEPS);
    let mut reader = Reader { sentences, text, arguments: Vec::with_capacity(USUAL_STEPS) };
    let mut steps = Vec::with_capacity(USUAL_STEPS.min(most));
    for line in lines(text, trace.clone()) {
        let range = trimmed(line.start, line.text);
        if range.is_empty() {
            continue;
        }
        if steps.len() == most {
            return Err((line.start, ParseFault::TooManySteps(most)));
        }
        let body = trim(line.text);
        let Some((id, length)) = step_id(body) else {
            return Err((range.start, ParseFault::NoStepId));
        };
        let Some(rest) = body.get(length..).and_then(|rest| rest.strip_prefix(':')) else {
            return Err((range.start, ParseFault::NoStepId));
        };
        let start = range.end - rest.len();
        steps.push(reader.step(id, line.start, trimmed(start, rest)));
    }
    Ok((steps, reader.arguments))
}

struct Reader<'s, 't> {
    sentences: &'s Sentences<'s>,
    text: &'t str,
    arguments: Vec<Argument>,
}

impl Reader<'_, '_> {
    fn step(&mut self, id: StepId, at: usize, body: Range<usize>) -> Step {
        let unread = Step { id, at, citation: None, body: StepBody::Unread };
        if body.len() > MAX_STEP_BYTES {
            return unread;
        }
        let Some(whole) = self.text.get(body.clone()) else { return unread };
        let (sentence, citation) = split_citation(whole);
        let sentence = sentence.trim_end();
        let sentence = sentence.strip_suffix('.').unwrap_or(sentence);
        let before = self.arguments.len();
        let read = match id.kind {
            StepKind::Extract => self
                .sentences
                .read(self.text, body.start..body.start + sentence.len())
                .map(StepBody::Extract),
            StepKind::Compute => self.compute(sentence),
            StepKind::Filter => self.filter(sentence, body.start),
            StepKind::Compare => self.compare(sentence),
            StepKind::Revise => revise(sentence),
        };
        if read.is_none() {
            self.arguments.truncate(before);
        }
        Step { id, at, citation, body: read.unwrap_or(StepBody::Unread) }
    }

    /// `mod(e1, 100) = 10`
    fn compute(&mut self, text: &str) -> Option<StepBody> {
        let (name, inside, result) = call(text)?;
        let (op, _) =
            ComputeOp::ALL.into_iter().find(|(_, word)| name.eq_ignore_ascii_case(word))?;
        // One argument has no commas but its own: next_prime(1,234).
        let single = (op == ComputeOp::NextPrime).then(|| argument(trim(inside))).flatten();
        let arguments = match single {
            Some(one) => {
                self.arguments.push(one);
                self.arguments.len() - 1..self.arguments.len()
            }
            None => self.list(inside, argument)?,
        };
        Some(StepBody::Compute { op, arguments, result: literal(result)? })
    }

    /// `filter(e3, e4, e9; above 1,990) = e3, e9`; `base` is where the text stands.
    fn filter(&mut self, text: &str, base: usize) -> Option<StepBody> {
        let (name, inside, result) = call(text)?;
        if !name.eq_ignore_ascii_case("filter") {
            return None;
        }
        let open = text.find('(')?;
        let (among, words) = inside.split_once(';')?;
        let words = trimmed(base + open + 1 + among.len() + 1, words);
        let condition = condition(words.start, self.text.get(words.clone())?)?;
        let among = self.list(among, step_argument)?;
        let kept = if result.eq_ignore_ascii_case(NONE) {
            self.arguments.len()..self.arguments.len()
        } else {
            self.list(result, step_argument).filter(|kept| !kept.is_empty())?
        };
        Some(StepBody::Filter { among, condition, kept })
    }

    /// `compare(e3, e9; second highest) = e9`
    fn compare(&mut self, text: &str) -> Option<StepBody> {
        let (name, inside, result) = call(text)?;
        if !name.eq_ignore_ascii_case("compare") {
            return None;
        }
        let (among, place) = inside.split_once(';')?;
        let among = self.list(among, step_argument)?;
        let (rank, order) = place_word(trim(place))?;
        Some(StepBody::Compare { among, order, rank, winner: whole_id(result)? })
    }

    /// Reads a list of arguments into [`Reader::arguments`].
    fn list(
        &mut self,
        inside: &str,
        read: impl Fn(&str) -> Option<Argument>,
    ) -> Option<Range<usize>> {
        let start = self.arguments.len();
        if trim(inside).is_empty() {
            return Some(start..start);
        }
        // With ", " between arguments a literal may have commas of its own: mod(4,210, 100).
        let separator = if inside.contains(", ") { ", " } else { "," };
        for part in inside.split(separator) {
            if self.arguments.len() - start == MAX_ARGUMENTS {
                return None;
            }
            self.arguments.push(read(trim(part))?);
        }
        Some(start..self.arguments.len())
    }
}

/// `name(inside) = result`
fn call(text: &str) -> Option<(&str, &str, &str)> {
    let (call, result) = text.split_once('=')?;
    let (name, inside) = trim(call).strip_suffix(')')?.split_once('(')?;
    Some((trim(name), inside, trim(result)))
}

/// What stands behind the semicolon of a filter, at `start` of the whole text.
fn condition(start: usize, words: &str) -> Option<Condition> {
    let (first, rest) = words.split_once([' ', '\t'])?;
    let rest = rest.trim_start();
    if first.eq_ignore_ascii_case("above") {
        return argument(rest).map(|bound| Condition::Bound(CompareOp::Above, bound));
    }
    if first.eq_ignore_ascii_case("below") {
        return argument(rest).map(|bound| Condition::Bound(CompareOp::Below, bound));
    }
    if first.eq_ignore_ascii_case("is") {
        let end = start + words.len();
        if let Some((_, word)) =
            rest.split_once([' ', '\t']).filter(|(not, _)| not.eq_ignore_ascii_case("not"))
        {
            return Some(Condition::IsNot(end - word.trim_start().len()..end));
        }
        return Some(Condition::Is(end - rest.len()..end));
    }
    if first.eq_ignore_ascii_case("same") {
        let (word, id) = rest.split_once([' ', '\t'])?;
        let id = whole_id(id.trim_start()).filter(|_| word.eq_ignore_ascii_case("as"));
        return id.map(Condition::SameAs);
    }
    None
}

/// `highest`, `second lowest`: the rank and the order.
fn place_word(text: &str) -> Option<(u16, Order)> {
    let (ordinal, end) = match text.split_once([' ', '\t']) {
        Some((ordinal, end)) => (ordinal, end.trim_start()),
        None => (ORDINALS[0], text),
    };
    let order = [("highest", Order::Highest), ("lowest", Order::Lowest)]
        .into_iter()
        .find_map(|(word, order)| end.eq_ignore_ascii_case(word).then_some(order))?;
    let rank = (1..).zip(ORDINALS).find(|(_, word)| ordinal.eq_ignore_ascii_case(word))?.0;
    Some((rank, order))
}

/// `e12` at the beginning of `text`: the id and its length in bytes.
fn step_id(text: &str) -> Option<(StepId, usize)> {
    let kind = match text.as_bytes().first()? {
        b'e' | b'E' => StepKind::Extract,
        b'c' | b'C' => StepKind::Compute,
        b'r' | b'R' => StepKind::Revise,
        b'f' | b'F' => StepKind::Filter,
        b'm' | b'M' => StepKind::Compare,
        _ => return None,
    };
    let digits = text.bytes().skip(1).take_while(u8::is_ascii_digit).count();
    let number: u16 = text.get(1..=digits)?.parse().ok()?;
    ((1..=MAX_STEP_NUMBER).contains(&number)).then_some((StepId { kind, number }, digits + 1))
}

/// Takes `[paragraph_12]` off the end.
fn split_citation(text: &str) -> (&str, Option<u32>) {
    // Most are written as they are asked for.
    if let Some(bare) = text.strip_suffix(']')
        && let head = bare.trim_end_matches(|c: char| c.is_ascii_digit())
        && head.len() < bare.len()
        && let Some(sentence) = head.strip_suffix("[paragraph_")
    {
        return (sentence, Some(bare[head.len()..].parse().unwrap_or(u32::MAX)));
    }
    let bare = text.strip_suffix('.').unwrap_or(text).trim_end();
    let cited =
        bare.strip_suffix(']').and_then(|bare| bare.rsplit_once('[')).and_then(|(head, inside)| {
            let (word, digits) = trim(inside).split_once('_')?;
            let plain = word.eq_ignore_ascii_case("paragraph")
                && !digits.is_empty()
                && digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| (head, digits.parse().unwrap_or(u32::MAX)))
        });
    match cited {
        Some((head, number)) => (head, Some(number)),
        None => (text, None),
    }
}

fn argument(text: &str) -> Option<Argument> {
    whole_id(text).map(Argument::Step).or_else(|| literal(text).map(Argument::Number))
}

fn step_argument(text: &str) -> Option<Argument> {
    whole_id(text).map(Argument::Step)
}

/// A text that is one id and nothing else.
fn whole_id(text: &str) -> Option<StepId> {
    step_id(text).filter(|(_, length)| *length == text.len()).map(|(id, _)| id)
}

/// A text that is one bare number and nothing else, thousandths.
fn literal(text: &str) -> Option<i64> {
    let found = number::only(text)?;
    (found.start == 0 && found.end == text.len()).then_some(found.milli)
}

/// `e1 is superseded`
fn revise(text: &str) -> Option<StepBody> {
    let (id, length) = step_id(text)?;
    let says = text.get(length..)?.trim();
    says.eq_ignore_ascii_case("is superseded").then_some(StepBody::Revise(id))
}
