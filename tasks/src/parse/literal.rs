//! The fixed text of a trace sentence, matched at either end of a text: case is ignored, and a space
//! stands for any run of blanks.

use crate::work;

/// Longest text of a slot, bytes.
pub(super) const MAX_SLOT_BYTES: usize = 80;

/// The next place from `from` on where a slot at the beginning of `rest` may end: before the
/// literal `next`, or at the end of the text. With `last`, the literal must reach the end.
pub(super) fn slot_end(rest: &str, from: usize, next: Option<&str>, last: bool) -> Option<usize> {
    let Some(literal) = next else { return (from <= rest.len()).then_some(rest.len()) };
    if last {
        return literal_before(rest, literal).filter(|end| (from..=MAX_SLOT_BYTES).contains(end));
    }
    let first = literal.bytes().next()?;
    let begins = |byte: u8| byte.eq_ignore_ascii_case(&first) || (first == b' ' && blank(byte));
    let within = rest.as_bytes().get(..rest.len().min(MAX_SLOT_BYTES + 1))?;
    let mut end = from;
    loop {
        end += within.get(end..)?.iter().position(|byte| begins(*byte))?;
        if rest.get(end..).is_some_and(|tail| literal_at(tail, literal).is_some()) {
            return Some(end);
        }
        end += 1;
    }
}

/// How many bytes of `text` the literal takes at its beginning: case is ignored, a space stands for
/// any run of blanks.
pub(super) fn literal_at(text: &str, literal: &str) -> Option<usize> {
    work::count();
    let bytes = text.as_bytes();
    // Most texts are written as the sentence has it.
    if bytes.starts_with(literal.as_bytes())
        && !(literal.ends_with(' ') && bytes.get(literal.len()).is_some_and(|byte| blank(*byte)))
    {
        return Some(literal.len());
    }
    let mut at = 0;
    for want in literal.bytes() {
        if want == b' ' {
            let blanks = bytes[at..].iter().take_while(|byte| blank(**byte)).count();
            if blanks == 0 {
                return None;
            }
            at += blanks;
        } else if bytes.get(at).is_some_and(|have| have.eq_ignore_ascii_case(&want)) {
            at += 1;
        } else {
            return None;
        }
    }
    text.is_char_boundary(at).then_some(at)
}

fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// As [`literal_at`], at the end of `text`: where the literal begins there.
pub(super) fn literal_before(text: &str, literal: &str) -> Option<usize> {
    work::count();
    let bytes = text.as_bytes();
    if let Some(head) = bytes.strip_suffix(literal.as_bytes())
        && !(literal.starts_with(' ') && head.last().is_some_and(|byte| blank(*byte)))
    {
        return Some(head.len());
    }
    let mut at = bytes.len();
    for want in literal.bytes().rev() {
        let before = bytes.get(..at)?;
        if want == b' ' {
            let blanks = before.iter().rev().take_while(|byte| blank(**byte)).count();
            if blanks == 0 {
                return None;
            }
            at -= blanks;
        } else if before.last().is_some_and(|have| have.eq_ignore_ascii_case(&want)) {
            at -= 1;
        } else {
            return None;
        }
    }
    text.is_char_boundary(at).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn literals_at_either_end() {
        assert_eq!(literal_at("Employs  4", " employs "), None);
        assert_eq!(literal_at(" \tEMPLOYS  4", " employs "), Some(11));
        assert_eq!(literal_at(" employ", " employs"), None);
        assert_eq!(literal_at("x", ""), Some(0));
        assert_eq!(literal_before("4,210 \t PEOPLE", " people"), Some(5));
        assert_eq!(literal_before("people", " people"), None);
        assert_eq!(literal_before("4 people ", " people"), None);
        assert_eq!(literal_before("4 people ", " people "), Some(1));
        // A literal byte is no part of a character.
        assert_eq!(literal_at("é", "\u{e9}"), Some(2));
        assert_eq!(literal_before("xé", "é"), Some(1));
    }

    #[test]
    fn slots_end_before_the_next_literal() {
        assert_eq!(slot_end("310 more than X", 0, Some(" more than "), false), Some(3));
        assert_eq!(slot_end("3 10  more than X", 0, Some(" more than "), false), Some(4));
        assert_eq!(slot_end("3 more than 4 more than X", 2, Some(" more than "), false), Some(13));
        assert_eq!(slot_end("310 people", 0, Some(" people"), true), Some(3));
        assert_eq!(slot_end("310 people", 4, Some(" people"), true), None);
        assert_eq!(slot_end("310 people or so", 0, Some(" people"), true), None);
        assert_eq!(slot_end("310", 0, None, true), Some(3));
        assert_eq!(slot_end("310", 4, None, true), None);
        // Beyond the longest slot nothing is looked for.
        let at = |length: usize| format!("{} more than X", "x".repeat(length));
        assert_eq!(slot_end(&at(80), 0, Some(" more than "), false), Some(80));
        assert_eq!(slot_end(&at(81), 0, Some(" more than "), false), None);
        let last = |length: usize| format!("{} people", "x".repeat(length));
        assert_eq!(slot_end(&last(80), 0, Some(" people"), true), Some(80));
        assert_eq!(slot_end(&last(81), 0, Some(" people"), true), None);
    }

    proptest! {
        #[test]
        fn both_ends_agree(head in "[a-z ]{0,8}", literal in "( ?[a-zA-Z]){1,5}") {
            let text = format!("{head}{literal}");
            let begins = literal_before(&text, &literal);
            // As far to the left as its first blanks reach.
            prop_assert!(begins.is_some_and(|at| at <= head.len()));
            let at = begins.unwrap_or(0);
            prop_assert_eq!(literal_at(&text[at..], &literal), Some(text.len() - at));
        }
    }
}
