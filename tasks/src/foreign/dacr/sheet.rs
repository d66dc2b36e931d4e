//! What a model answered, read in their order: a JSON object, then what follows `<|artifact|>`, then
//! lines of prose. What none of them finds is a format failure.

use lode_proto::limits::MAX_COMPLETION_BYTES;

use super::Challenge;
use crate::foreign::json::{Json, Reader};

/// Confidence where none is given, thousandths.
const DEFAULT_CONFIDENCE_MILLI: u32 = 500;
/// What stands before the answers in the format of traces.
const ARTIFACT_MARK: &str = "<|artifact|>";

/// How the answers were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As a JSON object.
    Json,
    /// After the mark of the trace format.
    Artifact,
    /// In lines of prose.
    Prose,
    /// Not at all.
    Failed,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What was answered.
    pub answer: String,
    /// The words that are to prove it; empty where there are none.
    pub citation: String,
    /// How sure, thousandths.
    pub confidence_milli: u32,
}

/// Answers to the questions of a challenge, by their place; `None` where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// How they were found.
    pub form: Form,
    /// Them.
    pub entries: Vec<Option<Entry>>,
}

impl Sheet {
    /// A sheet without answers.
    #[must_use]
    pub fn empty(challenge: &Challenge) -> Self {
        Self { form: Form::Failed, entries: vec![None; challenge.questions.len()] }
    }

    /// The sheet that gives the same text to each question.
    #[must_use]
    pub fn of(challenge: &Challenge, answer: impl Fn(usize) -> String) -> Self {
        let entry = |place| {
            Some(Entry {
                answer: answer(place),
                citation: String::new(),
                confidence_milli: DEFAULT_CONFIDENCE_MILLI,
            })
        };
        let entries = (0..challenge.questions.len()).map(entry).collect();
        Self { form: Form::Json, entries }
    }

    /// Reads a completion. A longer one than [`MAX_COMPLETION_BYTES`] is a format failure.
    #[must_use]
    pub fn read(challenge: &Challenge, completion: &str) -> Self {
        if completion.len() > MAX_COMPLETION_BYTES {
            return Self::empty(challenge);
        }
        if let Some(entries) = of_json(challenge, completion) {
            return Self { form: Form::Json, entries };
        }
        if let Some((_, rest)) = completion.rsplit_once(ARTIFACT_MARK)
            && let Some(entries) = of_json(challenge, rest).or_else(|| of_prose(challenge, rest))
        {
            return Self { form: Form::Artifact, entries };
        }
        match of_prose(challenge, completion) {
            Some(entries) => Self { form: Form::Prose, entries },
            None => Self::empty(challenge),
        }
    }
}

/// The object from the first brace to the last, as it is or repaired.
fn of_json(challenge: &Challenge, text: &str) -> Option<Vec<Option<Entry>>> {
    let (start, end) = (text.find('{')?, text.rfind('}')?);
    let object = text.get(start..=end)?;
    let json = parse(object).or_else(|| parse(&repaired(object)))?;
    let entries: Vec<Option<Entry>> =
        (0..challenge.questions.len()).map(|place| entry(challenge, &json, place)).collect();
    entries.iter().any(Option::is_some).then_some(entries)
}

/// As JavaScript does: of a repeated key the last value counts.
fn parse(text: &str) -> Option<Json> {
    let mut reader = Reader::new(text.as_bytes()).ok()?.with_repeats();
    let json = reader.value().ok()?;
    reader.end().ok()?;
    Some(json)
}

/// Curly quotes made straight, single ones double where there are no others, and no comma before a
/// closing bracket.
fn repaired(text: &str) -> String {
    let mut straight: String = text
        .chars()
        .map(|c| match c {
            '\u{201c}' | '\u{201d}' | '\u{201e}' => '"',
            '\u{2018}' | '\u{2019}' => '\'',
            c => c,
        })
        .collect();
    if !straight.contains('"') {
        straight = straight.replace('\'', "\"");
    }
    let mut out = String::with_capacity(straight.len());
    let (mut quoted, mut escaped) = (false, false);
    for c in straight.chars() {
        if !quoted && matches!(c, '}' | ']') {
            let kept = out.trim_end().len();
            if out[..kept].ends_with(',') {
                out.truncate(kept - 1);
            }
        }
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && c == '\\' && !escaped;
        out.push(c);
    }
    out
}

fn plain(json: &Json) -> Option<String> {
    match json {
        Json::Text(text) => Some(text.clone()),
        Json::Number(number) => Some(number.as_str().to_owned()),
        Json::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

fn entry(challenge: &Challenge, json: &Json, place: usize) -> Option<Entry> {
    let id = &challenge.questions.get(place)?.id;
    let number = place + 1;
    let keys = [id.clone(), id.to_uppercase(), number.to_string(), format!("question_{number:02}")];
    let value = keys.iter().find_map(|key| json.get(key))?;
    let Json::Object(_) = value else {
        let answer = plain(value)?;
        let confidence_milli = DEFAULT_CONFIDENCE_MILLI;
        return Some(Entry { answer, citation: String::new(), confidence_milli });
    };
    let answer =
        ["answer", "Answer", "response"].iter().find_map(|key| value.get(key)).and_then(plain)?;
    let confidence = match value.get("confidence") {
        Some(Json::Number(number)) => number.rounded_milli(),
        _ => None,
    };
    Some(Entry {
        answer,
        citation: value.get("citation").and_then(plain).unwrap_or_default(),
        confidence_milli: confidence
            .map_or(DEFAULT_CONFIDENCE_MILLI, |milli| milli.clamp(0, 1000).unsigned_abs() as u32),
    })
}

/// Lines such as `q01: answer`, `Q1. answer`, `1) answer`, `[q01] answer`, `**Q1** - answer`.
fn of_prose(challenge: &Challenge, text: &str) -> Option<Vec<Option<Entry>>> {
    let mut entries: Vec<Option<Entry>> = vec![None; challenge.questions.len()];
    for line in text.lines() {
        let line = line.trim_start_matches(|c: char| c.is_whitespace() || "[*#->(".contains(c));
        let rest = line
            .strip_prefix(['q', 'Q'])
            .map(|rest| rest.strip_prefix("uestion ").unwrap_or(rest))
            .unwrap_or(line);
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let Ok(number) = rest[..digits].parse::<usize>() else { continue };
        let after = rest[digits..].trim_start_matches(['*', ']']);
        let answer = after
            .strip_prefix([':', '.', ')'])
            .or_else(|| after.trim_start().strip_prefix('-'))
            .or_else(|| after.strip_prefix(' '))
            .map(|answer| answer.trim().trim_matches('*').trim());
        let Some(answer) = answer.filter(|answer| !answer.is_empty()) else { continue };
        let slot = number.checked_sub(1).and_then(|place| entries.get_mut(place));
        if let Some(slot @ None) = slot {
            *slot = Some(Entry {
                answer: answer.to_owned(),
                citation: String::new(),
                confidence_milli: DEFAULT_CONFIDENCE_MILLI,
            });
        }
    }
    entries.iter().any(Option::is_some).then_some(entries)
}
