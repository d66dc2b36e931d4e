//! A file of text as paragraphs: split at blank lines, line breaks inside them become spaces.

use super::error::{Finding, MAX_PARAGRAPH_BYTES, Severity};

/// A paragraph of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Paragraph {
    /// Place in `files`.
    pub(super) file: usize,
    /// Its first line, from 1.
    pub(super) line: usize,
    /// In one line, single spaces between words.
    pub(super) text: String,
}

/// Texts that mean something in a prompt.
const MARKS: [&str; 3] = ["[paragraph_", "===", "<trace>"];

/// The paragraphs of a file, and what keeps them from being used.
pub(super) fn paragraphs(
    file: usize,
    name: &str,
    bytes: &[u8],
    findings: &mut Vec<Finding>,
) -> Vec<Paragraph> {
    let mut error = |line: usize, message: String| {
        let (severity, file) = (Severity::Error, name.to_owned());
        findings.push(Finding { severity, file, line, message });
    };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.trim_start_matches('\u{feff}'),
        Err(fault) => {
            let before = bytes.iter().take(fault.valid_up_to());
            let line = 1 + before.filter(|byte| **byte == b'\n').count();
            error(line, "not UTF-8 text: save the file as UTF-8".to_owned());
            return Vec::new();
        }
    };
    let mut all = Vec::new();
    let mut open: Option<Paragraph> = None;
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(c) = line.chars().find(|c| c.is_control() && *c != '\t') {
            let code = u32::from(c);
            error(number, format!("a control character (U+{code:04X}): delete it"));
            continue;
        }
        if line.trim().is_empty() {
            all.extend(open.take());
            continue;
        }
        // A heading of Markdown is a paragraph of its own.
        let heading = line.trim_start().starts_with('#');
        if heading {
            all.extend(open.take());
        }
        let line = line.trim().trim_start_matches('#').trim();
        let at = open.get_or_insert_with(|| Paragraph { file, line: number, text: String::new() });
        for word in line.split_whitespace() {
            if !at.text.is_empty() {
                at.text.push(' ');
            }
            at.text.push_str(word);
        }
        if heading {
            all.extend(open.take());
        }
    }
    all.extend(open.take());
    all.retain(|paragraph| {
        if paragraph.text.is_empty() {
            return false;
        }
        let got = paragraph.text.len();
        if got > MAX_PARAGRAPH_BYTES {
            error(
                paragraph.line,
                format!(
                    "a paragraph of {got} bytes, at most {MAX_PARAGRAPH_BYTES} are allowed: split it \
                     by a blank line"
                ),
            );
            return false;
        }
        if let Some(mark) = MARKS.iter().find(|mark| paragraph.text.contains(**mark)) {
            error(
                paragraph.line,
                format!("{mark:?} would read as a mark of the prompt: write it in other words"),
            );
            return false;
        }
        true
    });
    all
}

/// As paragraphs are written: single spaces between words.
pub(super) fn joined(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}
