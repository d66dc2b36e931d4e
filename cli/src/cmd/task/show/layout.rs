//! Text for a terminal: wrapped to its width, in columns, with hits and headings painted.
//!
//! What a domain or a stranger wrote enters by [`Text::quote`] or through [`lode_proto::plain`]; from
//! there on it holds nothing that acts on the terminal, and only [`Look`] adds colour.

use std::ops::Range;

use lode_proto::plain;
use unicode_width::UnicodeWidthStr;

use crate::term::Look;

/// How a stretch of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Titles and answers.
    Strong,
    /// Numbers of paragraphs, what one may skip.
    Faint,
    /// What was searched for.
    Hit,
    /// What is wrong.
    Wrong,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Strong => "\u{1b}[1m",
            Self::Faint => "\u{1b}[2m",
            Self::Hit => "\u{1b}[1;33m",
            Self::Wrong => "\u{1b}[31m",
        }
    }
}

const RESET: &str = "\u{1b}[0m";

/// Text of which parts have a style.
#[derive(Debug, Clone, Default)]
pub(super) struct Text {
    text: String,
    styles: Vec<(Range<usize>, Style)>,
}

impl Text {
    /// Our own words.
    pub(super) fn ours(text: impl Into<String>) -> Self {
        Self { text: text.into(), styles: Vec::new() }
    }

    /// Words of a document or a stranger.
    pub(super) fn quote(text: &str) -> Self {
        Self::ours(plain::block(text))
    }

    /// Adds a stretch.
    pub(super) fn and(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// Adds a stretch with a style. Where there are no colours, hits stand between `«` and `»`.
    pub(super) fn styled(mut self, text: &str, style: Style, look: Look) -> Self {
        let start = self.text.len();
        if style == Style::Hit && !look.colour {
            self.text.push('«');
            self.text.push_str(text);
            self.text.push('»');
        } else {
            self.text.push_str(text);
        }
        self.styles.push((start..self.text.len(), style));
        self
    }

    /// The text of a line with its colours.
    fn paint(&self, line: Range<usize>, look: Look) -> String {
        let whole = self.text.get(line.clone()).unwrap_or_default();
        if !look.colour {
            return whole.to_owned();
        }
        let (mut out, mut at) = (String::new(), line.start);
        for (range, style) in &self.styles {
            let (start, end) = (range.start.max(at), range.end.min(line.end));
            if start >= end {
                continue;
            }
            out.push_str(self.text.get(at..start).unwrap_or_default());
            out.push_str(style.code());
            out.push_str(self.text.get(start..end).unwrap_or_default());
            out.push_str(RESET);
            at = end;
        }
        out.push_str(self.text.get(at..line.end).unwrap_or_default());
        out
    }
}

/// What is printed, line by line.
#[derive(Debug)]
pub(super) struct Page {
    look: Look,
    out: String,
}

impl Page {
    pub(super) fn new(look: Look) -> Self {
        Self { look, out: String::new() }
    }

    pub(super) fn look(&self) -> Look {
        self.look
    }

    /// All of it, without the last line break.
    pub(super) fn finish(self) -> String {
        self.out.trim_end_matches('\n').to_owned()
    }

    /// A section begins.
    pub(super) fn title(&mut self, text: &str) {
        self.gap();
        let text = Text::default().styled(text, Style::Strong, self.look);
        self.hanging("", &text);
    }

    /// An empty line, unless the page is empty or has one.
    pub(super) fn gap(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// A paragraph behind a label: the label stands in the margin, the text is wrapped beside it.
    /// Lines of the text that fit stay as they are, so that tables keep their columns.
    pub(super) fn hanging(&mut self, label: &str, text: &Text) {
        let margin = label.width();
        let room = self.look.width.saturating_sub(margin).max(20);
        let mut lines = wrap(&text.text, room).into_iter();
        let first = lines.next().unwrap_or(0..0);
        let label_text = Text::default().styled(label, Style::Faint, self.look);
        let label = label_text.paint(0..label_text.text.len(), self.look);
        self.push(&format!("{label}{}", text.paint(first, self.look)));
        for line in lines {
            self.push(&format!("{:margin$}{}", "", text.paint(line, self.look)));
        }
    }

    /// Cells in as many columns as fit, read downwards.
    pub(super) fn columns(&mut self, cells: &[String]) {
        let widest = cells.iter().map(|cell| cell.width()).max().unwrap_or(0);
        let across = ((self.look.width + 2) / (widest + 2)).clamp(1, cells.len().max(1));
        let rows = cells.len().div_ceil(across);
        for row in 0..rows {
            let mut line = String::new();
            for cell in cells.iter().skip(row).step_by(rows.max(1)) {
                if !line.is_empty() {
                    line.push_str("  ");
                }
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', widest - cell.width()));
            }
            self.push(line.trim_end());
        }
    }

    fn push(&mut self, line: &str) {
        self.out.push_str(line.trim_end_matches(' '));
        self.out.push('\n');
    }
}

/// Where the lines of a text lie when it is set in so many columns. A word that is wider stands over.
pub(super) fn wrap(text: &str, room: usize) -> Vec<Range<usize>> {
    let mut lines = Vec::new();
    let mut start = 0;
    for line in text.split('\n') {
        let end = start + line.len();
        if line.width() <= room {
            lines.push(start..end);
        } else {
            wrap_line(line, start, room, &mut lines);
        }
        start = end + 1;
    }
    lines
}

fn wrap_line(line: &str, offset: usize, room: usize, lines: &mut Vec<Range<usize>>) {
    // Start of the line, end of its last word, and its width so far.
    let mut open: Option<(usize, usize, usize)> = None;
    let mut at = 0;
    for word in line.split(' ') {
        let (start, end) = (at, at + word.len());
        at = end + 1;
        if word.is_empty() {
            continue;
        }
        open = Some(match open {
            Some((first, last, used)) => {
                let gap = start - last;
                if used + gap + word.width() <= room {
                    (first, end, used + gap + word.width())
                } else {
                    lines.push(offset + first..offset + last);
                    (start, end, word.width())
                }
            }
            None => (start, end, word.width()),
        });
    }
    if let Some((first, last, _)) = open {
        lines.push(offset + first..offset + last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, room: usize) -> Vec<&str> {
        wrap(text, room).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn text_is_wrapped_at_words() {
        assert_eq!(lines("one two three", 7), ["one two", "three"]);
        assert_eq!(lines("one two three", 80), ["one two three"]);
        assert_eq!(lines("incomprehensible to me", 6), ["incomprehensible", "to me"]);
        assert_eq!(lines("数据 数据 数据", 9), ["数据 数据", "数据"], "by columns, not letters");
        assert_eq!(lines("", 9), [""]);
        assert_eq!(lines("a  | b\nc  | d", 9), ["a  | b", "c  | d"], "tables keep their columns");
    }

    #[test]
    fn colours_are_for_terminals_and_hits_are_seen_without() {
        let plain = Look { width: 40, colour: false };
        let colour = Look { width: 40, colour: true };
        let text = |look| Text::ours("see ").styled("Volt Link", Style::Hit, look).and(" here");
        let mut page = Page::new(plain);
        page.hanging("[1] ", &text(plain));
        assert_eq!(page.finish(), "[1] see «Volt Link» here");
        let mut page = Page::new(colour);
        page.hanging("[1] ", &text(colour));
        assert_eq!(page.finish(), "\u{1b}[2m[1] \u{1b}[0msee \u{1b}[1;33mVolt Link\u{1b}[0m here");
    }

    #[test]
    fn a_hit_over_a_line_break_is_painted_on_both_lines() {
        let look = Look { width: 40, colour: true };
        let text = Text::default().styled(&"word ".repeat(12), Style::Hit, look);
        let mut page = Page::new(look);
        page.hanging("", &text);
        for line in page.finish().lines() {
            assert!(line.starts_with("\u{1b}[1;33m") && line.ends_with(RESET), "{line:?}");
        }
    }

    #[test]
    fn columns_fill_the_width_downwards() {
        let mut page = Page::new(Look { width: 40, colour: false });
        let cells: Vec<String> = (1..=5).map(|n| format!("{n} name")).collect();
        page.columns(&cells);
        assert_eq!(page.finish(), "1 name  2 name  3 name  4 name  5 name");
        let mut page = Page::new(Look { width: 40, colour: false });
        let cells: Vec<String> = (1..=5).map(|n| format!("{n} a longer name")).collect();
        page.columns(&cells);
        assert_eq!(
            page.finish(),
            "1 a longer name  4 a longer name\n2 a longer name  5 a longer name\n3 a longer name"
        );
    }
}
