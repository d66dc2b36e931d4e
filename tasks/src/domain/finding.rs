//! What is wrong with a domain file, and in which line.
//!
//! Checks name the place of a fault as people read it (`attributes.employees.plain`) and, where
//! they have it, the text at fault. The line is looked up afterwards, in the parsed file, so that
//! reading a sound file costs nothing for it.

use std::fmt;

use toml::de::{DeTable, DeValue};

/// Most findings of one file.
pub(super) const MAX_FINDINGS: usize = 100;
/// Most characters of a file's text that a finding quotes.
const MAX_QUOTED: usize = 80;

/// Whether a file with the finding can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but its tasks are poorer for it.
    Warning,
}

/// One thing to mend in a domain file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether the file can be used.
    pub severity: Severity,
    /// From 1; 0 where it has none.
    pub line: usize,
    /// Which part, for example `attributes.employees.plain`; empty for the file as a whole.
    pub place: String,
    /// What is wrong there and what is expected.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&self.message)
    }
}

/// A fault before its line is known.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) severity: Severity,
    pub(super) place: String,
    pub(super) message: String,
    /// The text at fault, where it is an element of a list or the value at the place.
    pub(super) text: Option<String>,
    /// The last of several parts of that name is meant.
    pub(super) last: bool,
}

/// Reading cannot go on here; the fault is recorded.
#[derive(Debug)]
pub(super) struct Stop;

/// Faults with their lines, in the order of the file; the rest of a long list is only counted.
pub(super) fn located(text: &str, faults: Vec<Fault>) -> Vec<Finding> {
    // Faults of content are only found in a file that TOML can read.
    let Ok(table) = DeTable::parse(text) else { return Vec::new() };
    let starts = line_starts(text);
    let mut findings: Vec<Finding> = faults
        .into_iter()
        .map(|fault| Finding {
            severity: fault.severity,
            line: offset(table.get_ref(), &fault).map_or(0, |at| line_at(&starts, at)),
            place: fault.place,
            message: fault.message,
        })
        .collect();
    findings.sort_by_key(|finding| (finding.severity, finding.line));
    findings
}

/// Offsets of the first byte of each line.
pub(super) fn line_starts(text: &str) -> Vec<usize> {
    let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
    std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect()
}

/// The line of an offset, from 1.
pub(super) fn line_at(starts: &[usize], offset: usize) -> usize {
    starts.partition_point(|start| *start <= offset)
}

/// Where the place of a fault begins, as far down as it is found.
fn offset(table: &DeTable<'_>, fault: &Fault) -> Option<usize> {
    let mut found = None;
    let mut value: Option<&DeValue<'_>> = None;
    let mut at = Some(table);
    let (head, tail) = fault.place.split_once('.').unwrap_or((&fault.place, ""));
    // The phrase of a measure may have full stops in it.
    let segments: Vec<&str> = match head {
        "measures" => vec![head, tail],
        _ => fault.place.split('.').collect(),
    };
    for segment in segments {
        if let Some(table) = at.take() {
            let entry = table.iter().find(|(key, _)| key.get_ref().as_ref() == segment);
            let Some((key, next)) = entry else { break };
            found = Some(key.span().start);
            at = next.get_ref().as_table();
            value = Some(next.get_ref());
        } else if let Some(array) = value.and_then(DeValue::as_array) {
            let named = |element: &&toml::Spanned<DeValue<'_>>| {
                ["key", "phrase", "label"].iter().any(|name| {
                    let field = element.get_ref().as_table().and_then(|table| table.get(*name));
                    field.and_then(|field| field.get_ref().as_str()) == Some(segment)
                })
            };
            let mut elements = array.iter();
            let element = if fault.last { elements.rfind(named) } else { elements.find(named) };
            let Some(element) = element else { break };
            found = Some(element.span().start);
            at = element.get_ref().as_table();
            value = Some(element.get_ref());
        } else {
            break;
        }
    }
    let Some(text) = fault.text.as_deref() else { return found };
    text_in(value?, text).or(found)
}

/// Where a text stands in a value, its lists and its tables.
fn text_in(value: &DeValue<'_>, text: &str) -> Option<usize> {
    let element = |value: &toml::Spanned<DeValue<'_>>| match value.get_ref().as_str() {
        Some(known) => (known == text).then(|| value.span().start),
        None => text_in(value.get_ref(), text),
    };
    match value {
        DeValue::Array(array) => array.iter().find_map(element),
        DeValue::Table(table) => table.values().find_map(element),
        _ => None,
    }
}

/// A text of the file as a finding quotes it: cut where it is long, without control characters.
pub(super) fn quoted(text: &str) -> String {
    let mut short: String = text.chars().take(MAX_QUOTED).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}
