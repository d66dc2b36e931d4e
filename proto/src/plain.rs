//! Text that somebody else wrote, made harmless before a person or a program reads it as ours.
//!
//! Completions, documents, and every name, reason or note that came over the network are data. A
//! terminal obeys escape sequences, a Markdown page obeys tags and links, and an eye obeys characters
//! that reorder or hide others. Each surface that shows such text passes it through [`escape`]:
//!
//! ```text
//! a stranger's text ─► escape(text, surface, limit) ─┬ Line    log lines, error messages, tables
//!                                                    ├ Block   a document or completion to read
//!                                                    └ Markup  Markdown and HTML: the dataset card
//! JSON text         ─► json(text)                      the same value, nothing hidden in it
//! ```
//!
//! Ordinary text passes unchanged, and so does what was escaped for a line or a block before, so a
//! message may pass several surfaces; only [`Surface::Markup`] gives markup and must be last. What is
//! taken away is shown as `\u{202e}`, never dropped silently. The cost is bounded by the limit,
//! whatever the length of the text.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar;

/// Most characters of a stranger's line, unless the surface asks for another number.
pub const LINE_CHARS: usize = 500;
/// Most characters of a stranger's block, unless the surface asks for another number: a whole `hard` task.
pub const BLOCK_CHARS: usize = 1_000_000;
/// Most characters of a stranger's name.
pub const NAME_CHARS: usize = 120;
/// Combining marks that one character may carry: what written languages need.
const MARKS: usize = 3;
/// Characters in which a letter of another script is looked for, before a run counts as several words.
const WORD_CHARS: usize = 64;

/// Where text is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Surface {
    /// One line of a log, a message or a table: line breaks are escaped, too.
    Line,
    /// Several lines to read: `\n` stays, `\r\n` becomes `\n`, every other line break is escaped.
    Block,
    /// Inside Markdown or HTML: one line, in which every character that begins markup is a reference
    /// (`&lt;`). Valid as text of an element, as an attribute and in a table cell.
    Markup,
}

/// A stranger's line at its usual limit.
#[must_use]
pub fn line(text: &str) -> String {
    escape(text, Surface::Line, LINE_CHARS)
}

/// A stranger's name, for a line.
#[must_use]
pub fn name(text: &str) -> String {
    escape(text, Surface::Line, NAME_CHARS)
}

/// A stranger's text of several lines at its usual limit.
#[must_use]
pub fn block(text: &str) -> String {
    escape(text, Surface::Block, BLOCK_CHARS)
}

/// A stranger's name, for Markdown or HTML.
#[must_use]
pub fn markup(text: &str) -> String {
    escape(text, Surface::Markup, NAME_CHARS)
}

/// Makes `text` harmless on `surface`. Reads at most `limit` characters of it and says how many bytes
/// it left out.
#[must_use]
pub fn escape(text: &str, surface: Surface, limit: usize) -> String {
    let mut out = String::with_capacity(text.len().min(limit).min(4096));
    let (mut read, mut marks, mut word) = (0, 0_usize, Word::default());
    let mut places = text.char_indices().peekable();
    while let Some((at, c)) = places.next() {
        if read == limit {
            out.push_str(&cut(text.len() - at));
            return out;
        }
        read += 1;
        if c == '\r' && surface == Surface::Block && places.peek().is_some_and(|(_, c)| *c == '\n')
        {
            continue;
        }
        if at >= word.end {
            word = Word::at(text, at, &word);
        }
        let mark = c.width() == Some(0) && !hidden(c);
        marks = if mark { marks + 1 } else { 0 };
        match c {
            '\n' if surface == Surface::Block => out.push('\n'),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' if surface == Surface::Block => out.push_str("    "),
            '\t' => out.push_str("\\t"),
            _ if c.is_control() || hidden(c) || marks > MARKS || stands_for_ascii(c) => {
                code(&mut out, c)
            }
            _ if word.mixed && other_alphabet(c) => code(&mut out, c),
            // A mark at the very beginning would sit on the surface's own text.
            _ if mark && at == 0 => code(&mut out, c),
            _ if surface == Surface::Markup => reference(&mut out, c),
            _ => out.push(c),
        }
    }
    out
}

/// JSON text with the same value, in which every character that could act on a terminal or an eye is
/// written `\u…`. Such characters occur only inside strings of valid JSON, where that is the same.
#[must_use]
pub fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let acts = (c.is_control() && c != '\n') || hidden(c);
        if acts {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

fn cut(bytes: usize) -> String {
    format!("… [{bytes} bytes more]")
}

fn code(out: &mut String, c: char) {
    let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
}

/// A character of Markdown or HTML text. `-` and `.` begin something at the start of a line only,
/// where no surface puts a stranger's text; a dot after `www` begins a link.
fn reference(out: &mut String, c: char) {
    let special = match c {
        '.' => {
            out.len() >= 3
                && out.is_char_boundary(out.len() - 3)
                && out[out.len() - 3..].eq_ignore_ascii_case("www")
        }
        ' ' | ',' | ';' | '(' | ')' | '/' | '%' | '+' | '-' => false,
        c => c.is_ascii_punctuation(),
    };
    if special {
        let _ = write!(out, "&#{};", u32::from(c));
    } else {
        out.push(c);
    }
}

/// Whether a character is not seen, or changes how others are: bidirectional controls, zero-width
/// and filler characters, variation selectors, tags, separators of lines that are not `\n`.
fn hidden(c: char) -> bool {
    matches!(u32::from(c),
        0xAD | 0x34F | 0x61C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F
        | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0x2800 | 0x3164
        | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF9..=0xFFFB
        | 0x13430..=0x1345F | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF
        | 0xE000..=0xF8FF | 0xF0000..=0x10FFFF)
}

/// Letters and digits that only exist to look like plain ones: fullwidth forms, mathematical
/// alphanumerics, enclosed letters.
fn stands_for_ascii(c: char) -> bool {
    matches!(u32::from(c),
        0x2126 | 0x212A..=0x212D | 0x2460..=0x24FF | 0xFF01..=0xFF5E | 0x1D400..=0x1D7FF | 0x1F100..=0x1F1AD
        | 0x1FBF0..=0x1FBF9)
}

/// Letters and digits of alphabets in which many look like Latin ones.
fn other_alphabet(c: char) -> bool {
    c.is_alphanumeric()
        && matches!(u32::from(c),
            0x370..=0x58F | 0x660..=0x669 | 0x6F0..=0x6F9 | 0x10A0..=0x10FF | 0x13A0..=0x13FF
            | 0x1C80..=0x1C8F | 0x1F00..=0x1FFF | 0x2C80..=0x2DFF | 0xA640..=0xA69F | 0xAB30..=0xABBF
            | 0x10400..=0x104FF)
}

/// A run of letters and digits, or a part of a very long one.
#[derive(Debug, Default)]
struct Word {
    /// Where it ends, bytes.
    end: usize,
    /// Whether it mixes plain letters or digits with those of an alphabet that resembles them, or is
    /// too long to be a word. One that is wholly of one alphabet is left alone.
    mixed: bool,
    /// Whether it goes on after its end.
    goes_on: bool,
}

impl Word {
    fn at(text: &str, at: usize, before: &Self) -> Self {
        let rest = text.get(at..).unwrap_or_default();
        let in_word = |c: &char| c.is_alphanumeric() || c.width() == Some(0);
        let (mut length, mut end, mut ascii, mut other) = (0, at, false, false);
        for c in rest.chars().take(WORD_CHARS).take_while(in_word) {
            length += 1;
            end += c.len_utf8();
            ascii |= c.is_ascii_alphanumeric();
            other |= other_alphabet(c);
        }
        let goes_on = length == WORD_CHARS;
        let tail = before.goes_on && before.end == at;
        Self { end: end.max(at + 1), mixed: goes_on || tail || (ascii && other), goes_on }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Nothing in it acts on a terminal.
    fn inert(text: &str) -> bool {
        text.chars().all(|c| (!c.is_control() || c == '\n') && !hidden(c))
    }

    #[test]
    fn ordinary_text_passes_unchanged() {
        for text in [
            "Volt Link employs 4,210 people.",
            "Żółć, naïve, Ångström",
            "данные",
            "数据 – 50 %",
            "a\\b",
        ] {
            assert_eq!(line(text), text);
            assert_eq!(block(text), text);
        }
        assert_eq!(block("one\ntwo\n"), "one\ntwo\n");
    }

    #[test]
    fn escape_sequences_are_shown_and_not_obeyed() {
        assert_eq!(line("\u{1b}[31mred\u{7}"), "\\u{1b}[31mred\\u{7}");
        assert_eq!(line("\u{9b}2J"), "\\u{9b}2J", "the one-byte form of C1");
        assert_eq!(block("\u{1b}]0;title\u{1b}\\"), "\\u{1b}]0;title\\u{1b}\\");
        assert_eq!(line("\u{8}\u{8}\u{7f}"), "\\u{8}\\u{8}\\u{7f}");
    }

    #[test]
    fn a_right_to_left_override_does_not_reorder() {
        assert_eq!(line("invoice\u{202e}gpj.exe"), "invoice\\u{202e}gpj.exe");
        for c in ['\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{2066}', '\u{2069}'] {
            assert_eq!(line(&c.to_string()), format!("\\u{{{:x}}}", u32::from(c)));
        }
    }

    #[test]
    fn no_line_is_forged() {
        assert_eq!(line("a\nERROR forged"), "a\\nERROR forged");
        assert_eq!(block("a\r\nb\rc"), "a\nb\\rc");
        for c in ['\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'] {
            let shown = block(&format!("a{c}b"));
            assert_eq!(shown, format!("a\\u{{{:x}}}b", u32::from(c)));
        }
    }

    #[test]
    fn hidden_characters_are_shown() {
        assert_eq!(line("Volt\u{200b} Link\u{feff}"), "Volt\\u{200b} Link\\u{feff}");
        assert_eq!(line("a\u{e0041}\u{fe0f}\u{ad}"), "a\\u{e0041}\\u{fe0f}\\u{ad}");
    }

    #[test]
    fn a_flood_of_combining_marks_ends() {
        let flood = format!("a{}", "\u{301}".repeat(1000));
        let shown = line(&flood);
        assert!(shown.starts_with("a\u{301}\u{301}\u{301}\\u{301}\\u{301}"));
        assert_eq!(shown.matches('\u{301}').count(), MARKS);
        assert_eq!(line("e\u{301}le\u{300}ve"), "e\u{301}le\u{300}ve");
        assert_eq!(line("\u{301}"), "\\u{301}", "not on what stands before it");
    }

    #[test]
    fn a_homoglyph_flood_is_seen() {
        assert_eq!(line("V\u{43e}lt Link"), "V\\u{43e}lt Link");
        assert_eq!(line("12\u{663}4"), "12\\u{663}4", "an Arabic digit in a number");
        assert_eq!(line("\u{1d7d9}\u{ff11}"), "\\u{1d7d9}\\u{ff11}", "digits in disguise");
        let flood = "p\u{430}".repeat(100_000);
        let shown = escape(&flood, Surface::Line, 50);
        assert!(!shown.contains('\u{430}'), "{shown}");
        assert_eq!(line("данные данные"), "данные данные", "a language is no disguise");
    }

    #[test]
    fn markup_of_a_stranger_is_text() {
        let tag = markup("<script>alert(1)</script>");
        assert!(!tag.contains(['<', '>']), "{tag}");
        for (text, bad) in [
            ("[x](https://evil.example)", "]("),
            ("![](http://evil.example/a.png)", "!["),
            ("a | b | c", "|"),
            ("`code` **bold** _it_", "`"),
            ("\"><img src=x onerror=y>", "\""),
            ("&lt;b&gt;", "&lt;"),
            ("see http://evil.example", "http:"),
            ("see WWW.evil.example", "WWW."),
            ("mail@evil.example", "mail@"),
            ("a\n\n# Licence: none", "\n"),
            ("\u{202e}x", "\u{202e}"),
        ] {
            let shown = markup(text);
            assert!(!shown.contains(bad), "{text:?} gave {shown:?}");
        }
        assert_eq!(markup("companies-2 v1.5 (Apache-2.0)"), "companies-2 v1.5 (Apache-2.0)");
    }

    #[test]
    fn a_megabyte_is_cut_and_costs_no_more_than_the_limit() {
        let text = "é".repeat(1 << 19);
        let shown = line(&text);
        assert!(shown.chars().count() < LINE_CHARS + 40);
        assert!(
            shown.ends_with(&format!("… [{} bytes more]", text.len() - 2 * LINE_CHARS)),
            "{shown}"
        );
        assert_eq!(escape("abc", Surface::Line, 3), "abc");
        assert_eq!(escape("abcd", Surface::Line, 3), "abc… [1 bytes more]");
    }

    #[test]
    fn json_keeps_its_value() {
        let value = serde_json::json!({ "text": "\u{1b}[0m \u{9b} \u{202e} \u{e0041} ok\n" });
        let shown = json(&value.to_string());
        assert!(inert(&shown) && shown.is_ascii(), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).expect("JSON"), value);
    }

    proptest! {
        #[test]
        fn nothing_acts_whatever_comes(text in "\\PC{0,40}|(?s).{0,200}", limit in 0_usize..300) {
            for surface in [Surface::Line, Surface::Block, Surface::Markup] {
                let shown = escape(&text, surface, limit);
                prop_assert!(inert(&shown), "{shown:?}");
                prop_assert!(surface == Surface::Block || !shown.contains('\n'));
                prop_assert!(shown.chars().count() <= limit * 10 + 40);
                if surface != Surface::Markup && text.is_ascii() && text.len() <= limit {
                    prop_assert_eq!(&escape(&shown, surface, usize::MAX), &shown, "twice is once");
                }
            }
        }
    }
}
