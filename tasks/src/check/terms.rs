//! Terms in an artifact: whole tokens (runs of letters and digits), in any case.

use memchr::memchr2_iter;

/// Byte offset after the first whole-token occurrence of `term` in `text` that begins at or after
/// `from`, in any case. Between two tokens of a term, any run of characters that are neither
/// letters nor digits may stand, except where the term has digits and points (`4.5`).
#[must_use]
pub fn find_term(text: &str, term: &str, from: usize) -> Option<usize> {
    if text.is_ascii() && term.is_ascii() {
        find_ascii(text.as_bytes(), term.as_bytes(), from)
    } else {
        find_tokens(text, term, from)
    }
}

fn find_tokens(text: &str, term: &str, from: usize) -> Option<usize> {
    let wanted: Vec<&str> = tokens(term).map(|(_, token)| token).collect();
    let (first, rest) = wanted.split_first()?;
    let mut stream = tokens(text).filter(|(start, _)| *start >= from);
    while let Some((start, token)) = stream.next() {
        if !same(token, first) {
            continue;
        }
        let mut end = start + token.len();
        let mut ahead = stream.clone();
        let matches = rest.iter().all(|want| {
            ahead.next().is_some_and(|(at, token)| {
                end = at + token.len();
                same(token, want)
            })
        });
        if matches {
            return Some(end);
        }
    }
    None
}

/// As [`find_tokens`], where a byte is a character.
fn find_ascii(text: &[u8], term: &[u8], from: usize) -> Option<usize> {
    let skip = |bytes: &[u8], mut at: usize| {
        while bytes.get(at).is_some_and(|byte| !byte.is_ascii_alphanumeric()) {
            at += 1;
        }
        at
    };
    let begin = skip(term, 0);
    let first = term.get(begin)?;
    let ends = |at: usize| !text.get(at).is_some_and(u8::is_ascii_alphanumeric);
    let rest = text.get(from..)?;
    memchr2_iter(first.to_ascii_lowercase(), first.to_ascii_uppercase(), rest)
        .map(|at| from + at)
        .filter(|at| *at == 0 || ends(*at - 1))
        .find_map(|start| {
            let (mut at, mut want) = (start, begin);
            while let Some(letter) = term.get(want) {
                if letter.is_ascii_alphanumeric() {
                    if !text.get(at).is_some_and(|have| have.eq_ignore_ascii_case(letter)) {
                        return None;
                    }
                    (at, want) = (at + 1, want + 1);
                    continue;
                }
                want = skip(term, want);
                if want == term.len() {
                    break;
                }
                if !ends(at) {
                    return None;
                }
                at = skip(text, at);
            }
            ends(at).then_some(at)
        })
}

/// Whether the first tokens of `text` are those of `term`.
pub(super) fn starts_with(text: &str, term: &str) -> bool {
    let mut stream = tokens(text).map(|(_, token)| token);
    let mut wanted = tokens(term).map(|(_, token)| token).peekable();
    wanted.peek().is_some() && wanted.all(|want| stream.next().is_some_and(|t| same(t, want)))
}

fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
        || (!a.is_ascii()
            && a.chars().flat_map(char::to_lowercase).eq(b.chars().flat_map(char::to_lowercase)))
}

/// Runs of letters and digits with their byte offsets.
fn tokens(text: &str) -> impl Iterator<Item = (usize, &str)> + Clone {
    let mut rest = 0;
    std::iter::from_fn(move || {
        let start = run(text, rest, false);
        let end = run(text, start, true);
        rest = end;
        text.get(start..end).filter(|token| !token.is_empty()).map(|token| (start, token))
    })
}

/// Where the run of characters from `start` on ends that are letters or digits, or are not.
fn run(text: &str, start: usize, wanted: bool) -> usize {
    let bytes = text.as_bytes();
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        if byte.is_ascii() {
            if byte.is_ascii_alphanumeric() != wanted {
                return at;
            }
            at += 1;
        } else {
            let c = text.get(at..).and_then(|tail| tail.chars().next());
            let Some(c) = c.filter(|c| c.is_alphanumeric() == wanted) else { return at };
            at += c.len_utf8();
        }
    }
    at
}

/// Whether two texts are the same run of tokens, in any case.
pub(super) fn same_term(a: &str, b: &str) -> bool {
    let (mut left, mut right) = (tokens(a).peekable(), tokens(b).peekable());
    if left.peek().is_none() {
        return false;
    }
    loop {
        match (left.next(), right.next()) {
            (None, None) => return true,
            (Some((_, a)), Some((_, b))) if same(a, b) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn terms_are_found_from_a_place_on() {
        assert_eq!(find_term("volt volt", "Volt", 0), Some(4));
        assert_eq!(find_term("volt volt", "Volt", 1), Some(9));
        assert_eq!(find_term("volt volt", "Volt", 5), Some(9));
        assert_eq!(find_term("volt volt", "Volt", 6), None);
        assert_eq!(find_term("a volt, LINK.", "Volt Link", 0), Some(12));
        assert_eq!(find_term("volt", "", 0), None);
    }

    proptest! {
        #[test]
        fn terms_of_ascii_are_found_as_any_others(
            text in "([aAbk1]|[ ,-]{1,2}){0,14}", term in "([aAbk1]|[ ,-]){0,5}", from in 0_usize..16,
        ) {
            let fast = find_ascii(text.as_bytes(), term.as_bytes(), from);
            prop_assert_eq!(fast, find_tokens(&text, &term, from), "{:?} in {:?}", term, text);
        }
    }
}
