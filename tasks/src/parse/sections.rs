//! The frame of a completion: thinking, trace, answers, artifact.

use std::ops::Range;

use memchr::{memchr, memrchr};

use super::{MAX_ANSWER_BYTES, MAX_ARTIFACT_BYTES, ParseFault};
use crate::types::Task;

/// The parts of a text, as byte ranges.
pub(super) struct Frame {
    pub(super) thinking: Range<usize>,
    pub(super) trace: Range<usize>,
    pub(super) answers: Vec<Option<Range<usize>>>,
    pub(super) artifact: Range<usize>,
    pub(super) closed: bool,
}

/// One line: where it begins and ends (without its line break) and where the next one begins.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) start: usize,
    pub(super) text: &'a str,
    pub(super) next: usize,
}

/// The lines of a range of `text`.
pub(super) fn lines(text: &str, range: Range<usize>) -> impl Iterator<Item = Line<'_>> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        let rest = text.get(at..range.end).filter(|rest| !rest.is_empty())?;
        let (line, step) = match memchr(b'\n', rest.as_bytes()) {
            Some(end) => (&rest[..end], end + 1),
            None => (rest, rest.len()),
        };
        let start = at;
        at += step;
        Some(Line { start, text: line, next: at })
    })
}

/// The range of `part`, a slice of a line that begins at `start`, without surrounding white space.
pub(super) fn trimmed(start: usize, part: &str) -> Range<usize> {
    if neat(part) {
        return start..start + part.len();
    }
    let begin = start + (part.len() - part.trim_start().len());
    begin..begin + part.trim().len()
}

/// As [`str::trim`], which looks at whole characters even where there is nothing to trim.
pub(super) fn trim(text: &str) -> &str {
    if neat(text) { text } else { text.trim() }
}

/// Whether a text begins and ends in ASCII that is not white space: most do.
fn neat(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes
        .first()
        .zip(bytes.last())
        .is_some_and(|(a, b)| a.is_ascii_graphic() && b.is_ascii_graphic())
}

pub(super) fn read(task: &Task, text: &str) -> Result<Frame, (usize, ParseFault)> {
    let whole = 0..text.len();
    let opened = last_tag(text, "<trace>");
    let (thinking, trace, mut at) = match opened {
        Some(open) => {
            let close = first_tag(text, open.next, "</trace>")
                .ok_or((text.len(), ParseFault::TraceOpen))?;
            (0..open.start, open.next..close.start, close.next)
        }
        None if trace_needed(task) => return Err((text.len(), ParseFault::NoTrace)),
        None => {
            let begins = |word: &str| {
                lines(text, whole.clone())
                    .filter(|line| after(line.text.trim_start(), word).is_some())
                    .last()
            };
            let first = begins("Q1:").or_else(|| begins("Artifact:"));
            let start = first.map_or(0, |line| line.start);
            (0..start, start..start, start)
        }
    };
    let mut answers = vec![None; task.questions.len()];
    let mut seen = vec![false; task.questions.len()];
    for line in lines(text, at..text.len()) {
        let body = trim(line.text);
        if body.is_empty() {
            continue;
        }
        if let Some(rest) = after(body, "Artifact:") {
            let artifact = artifact(line.start + (offset(line.text, rest)), rest)?;
            at = line.next;
            let tail = text.get(at..).unwrap_or("");
            if !tail.trim().is_empty() {
                let blank = tail.len() - tail.trim_start().len();
                return Err((at + blank, ParseFault::AfterArtifact));
            }
            let closed = text.get(line.start..line.next).is_some_and(|full| full.ends_with('\n'));
            return Ok(Frame { thinking, trace, answers, artifact, closed });
        }
        let Some((number, rest)) = question(body) else {
            return Err((line.start, ParseFault::StrayLine));
        };
        let place = usize::try_from(number).ok().and_then(|n| n.checked_sub(1));
        let Some((slot, seen)) =
            place.and_then(|place| Some((answers.get_mut(place)?, seen.get_mut(place)?)))
        else {
            return Err((line.start, ParseFault::NoSuchQuestion(number)));
        };
        if std::mem::replace(seen, true) {
            let number = u16::try_from(number).unwrap_or(u16::MAX);
            return Err((line.start, ParseFault::AnswerTwice(number)));
        }
        let range = trimmed(line.start + offset(line.text, rest), rest);
        if range.len() > MAX_ANSWER_BYTES {
            let fault = ParseFault::AnswerTooLong { got: range.len(), limit: MAX_ANSWER_BYTES };
            return Err((range.start, fault));
        }
        no_controls(range.start, rest.trim())?;
        *slot = (!range.is_empty()).then_some(range);
    }
    Err((text.len(), ParseFault::NoArtifact))
}

/// The line of `text` that holds the byte at `at`.
fn line_of(text: &str, at: usize) -> Option<Line<'_>> {
    let start = memrchr(b'\n', text.get(..at)?.as_bytes()).map_or(0, |end| end + 1);
    lines(text, start..text.len()).next()
}

/// The last line that is nothing but `tag`.
fn last_tag<'t>(text: &'t str, tag: &str) -> Option<Line<'t>> {
    let mut before = text;
    loop {
        let at = memrchr(b'<', before.as_bytes())?;
        let line = line_of(text, at)?;
        if trim(line.text) == tag {
            return Some(line);
        }
        before = text.get(..line.start)?;
    }
}

/// The first line from `start` on, which begins a line, that is nothing but `tag`.
fn first_tag<'t>(text: &'t str, start: usize, tag: &str) -> Option<Line<'t>> {
    let mut from = start;
    loop {
        let at = from + memchr(b'<', text.get(from..)?.as_bytes())?;
        let line = line_of(text, at)?;
        if trim(line.text) == tag {
            return Some(line);
        }
        from = line.next;
    }
}

fn trace_needed(task: &Task) -> bool {
    !task.trace.needs.is_empty() || task.trace.min_extracts > 0
}

/// How far into `line` its slice `part` begins.
fn offset(line: &str, part: &str) -> usize {
    // `part` is always a tail of the line's trimmed text, so trailing white space is all that
    // can stand behind it.
    line.trim_end().len().saturating_sub(part.trim_end().len())
}

/// What follows `word` at the beginning of `text`, in any case.
fn after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.get(..word.len())
        .filter(|head| head.eq_ignore_ascii_case(word))
        .and_then(|_| text.get(word.len()..))
}

/// `Q12: rest` as 12 and the rest.
fn question(body: &str) -> Option<(u32, &str)> {
    let digits = after(body, "Q")?;
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    let rest = digits.get(length..)?.strip_prefix(':')?;
    (length > 0).then_some(())?;
    Some((digits.get(..length)?.parse().unwrap_or(u32::MAX), rest))
}

fn artifact(start: usize, rest: &str) -> Result<Range<usize>, (usize, ParseFault)> {
    let mut range = trimmed(start, rest);
    let mut body = rest.trim();
    if let Some(inner) = body.strip_prefix('"').and_then(|body| body.strip_suffix('"')) {
        range = trimmed(range.start + 1, inner);
        body = inner.trim();
    }
    if body.is_empty() {
        return Err((start, ParseFault::EmptyArtifact));
    }
    if body.len() > MAX_ARTIFACT_BYTES {
        let fault = ParseFault::ArtifactTooLong { got: body.len(), limit: MAX_ARTIFACT_BYTES };
        return Err((range.start, fault));
    }
    no_controls(range.start, body)?;
    Ok(range)
}

fn no_controls(start: usize, text: &str) -> Result<(), (usize, ParseFault)> {
    match text.char_indices().find(|(_, c)| c.is_control() && *c != '\t') {
        Some((at, c)) => Err((start + at, ParseFault::ControlCharacter(c))),
        None => Ok(()),
    }
}
