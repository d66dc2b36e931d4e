//! The language lint: what no rendered text may contain.

use memchr::memchr;

/// A fault in a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Two spaces, or a space before a full stop or comma: a slot that came out empty.
    #[error("a slot came out empty near {0:?}")]
    EmptySlot(String),
    /// The same word twice in a row.
    #[error("a doubled word near {0:?}")]
    DoubledWord(String),
    /// "a" before a vowel sound or "an" before a consonant.
    #[error("the wrong article near {0:?}")]
    Article(String),
    /// A number of four digits or more without separators that is no year, or a year with one.
    #[error("an unformatted number near {0:?}")]
    Number(String),
    /// A brace or a template's marker.
    #[error("a literal placeholder near {0:?}")]
    Placeholder(String),
    /// No text at all, or one that does not begin with a capital or a digit.
    #[error("not a sentence: {0:?}")]
    NotASentence(String),
}

/// Years as documents may have them.
const YEARS: std::ops::RangeInclusive<u32> = 1800..=2099;

/// So many digits in a row are a year or want separators.
const LONG: usize = 4;

/// Checks one paragraph, question or constraint.
///
/// # Errors
/// The first fault.
pub fn lint(text: &str) -> Result<(), Fault> {
    let begins = text.chars().next();
    if !begins.is_some_and(|c| c.is_uppercase() || c.is_ascii_digit()) || text.ends_with(' ') {
        return Err(Fault::NotASentence(near(text, 0)));
    }
    if clean(text) { Ok(()) } else { search(text) }
}

/// Whether [`search`] finds nothing, several times as fast: documents are long, and every one is
/// looked through. Loops over whole slices without a branch are turned into vector code.
fn clean(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut bad = bytes.first().is_some_and(|byte| never(*byte));
    for (a, b) in bytes.iter().zip(bytes.get(1..).unwrap_or_default()) {
        let slot = (*a == b' ') & matches!(*b, b' ' | b'.' | b',' | b';' | b'?');
        let list = (*a == b',') & matches!(*b, b',' | b'.');
        let pair = ((*a == b'(') & (*b == b')')) | ((*a == b'[') & (*b == b']'));
        bad |= slot | list | pair | never(*b);
    }
    let from = |at: usize| bytes.get(at..).unwrap_or_default();
    let (near, far) = (bytes.iter().zip(from(1)), from(2).iter().zip(from(3)));
    let mut long = false;
    for ((a, b), (c, d)) in near.zip(far) {
        long |= a.is_ascii_digit() & b.is_ascii_digit() & c.is_ascii_digit() & d.is_ascii_digit();
        bad |= (*a == b'N') & (*b == b'o') & (*c == b'n') & (*d == b'e');
        bad |= (*a == b'n') & (*b == b'u') & (*c == b'l') & (*d == b'l');
    }
    !bad && (!long || numbers(text)) && words(bytes)
}

/// Whether every run of digits is well written. A long one holds one byte in [`LONG`]: the others
/// need no look.
fn numbers(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = LONG - 1;
    while let Some(byte) = bytes.get(at) {
        if byte.is_ascii_digit() {
            let digit = |byte: &&u8| byte.is_ascii_digit();
            let start = at - bytes[..at].iter().rev().take_while(digit).count();
            let end = at + bytes[at..].iter().take_while(digit).count();
            if digits(text, start, end).is_err() {
                return false;
            }
            at = end;
        }
        at += LONG;
    }
    true
}

/// Whether no word clashes with the one before it.
fn words(bytes: &[u8]) -> bool {
    let initial = |at: usize| bytes.get(at).map_or(0, |byte| INITIALS[usize::from(*byte)]);
    let (mut before, mut first) = (0, initial(0));
    for (base, block) in (0..).step_by(BLOCK).zip(bytes.chunks(BLOCK)) {
        let mut found = spaces(block);
        while found != 0 {
            let space = base + found.trailing_zeros() as usize;
            let second = initial(space + 1);
            if clash(first, second) && !fits(bytes, before, space) {
                return false;
            }
            (before, first) = (space + 1, second);
            found &= found - 1;
        }
    }
    true
}

/// Whether the words on both sides of a space may stand side by side.
fn fits(bytes: &[u8], before: usize, space: usize) -> bool {
    let rest = bytes.get(space + 1..).unwrap_or_default();
    let end = memchr(b' ', rest).unwrap_or(rest.len());
    beside(open(&bytes[before..space]), bare(&rest[..end])).is_ok()
}

/// Bytes that [`spaces`] looks at.
const BLOCK: usize = 32;

/// One bit for each byte of a block that is a space: words are so short that a search for each of
/// them takes longer.
fn spaces(block: &[u8]) -> u32 {
    let bit = |at: usize, byte: &u8| u32::from(*byte == b' ') << at;
    // The same twice: only of a whole block, whose length is known, does vector code come out.
    match block.first_chunk::<BLOCK>() {
        Some(block) => (0..).zip(block).fold(0, |found, (at, byte)| found | bit(at, byte)),
        None => (0..).zip(block).fold(0, |found, (at, byte)| found | bit(at, byte)),
    }
}

/// Whether [`beside`] has anything to look at in two words with these [`INITIALS`]: few begin alike,
/// or with an article's letter.
fn clash(first: u8, second: u8) -> bool {
    first == second || first == b'a' || first == 0 || second == 0
}

/// What a byte is at the beginning of a word: letters in lower case, 0 for what is no part of one.
const INITIALS: [u8; 256] = {
    let mut all = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        if IN_WORD[byte] {
            all[byte] = (byte as u8).to_ascii_lowercase();
        }
        byte += 1;
    }
    all
};

/// A word as it meets the next one; nothing where it closes a clause.
fn open(word: &[u8]) -> &[u8] {
    if word.last().is_some_and(|last| in_word(*last)) { bare(word) } else { &[] }
}

/// Whether no text may have the byte.
fn never(byte: u8) -> bool {
    matches!(byte, b'{' | b'}' | b'<' | b'>' | b'\n' | b'\t')
}

/// Finds the first fault, byte by byte: only a text that has one comes here.
fn search(text: &str) -> Result<(), Fault> {
    let bytes = text.as_bytes();
    let (mut before, mut word, mut run) = (0_u8, 0, 0);
    let mut previous: &[u8] = &[];
    for (at, &byte) in bytes.iter().enumerate() {
        if before.is_ascii_digit() && !byte.is_ascii_digit() {
            digits(text, run, at)?;
        } else if byte.is_ascii_digit() && !before.is_ascii_digit() {
            run = at;
        }
        match (before, byte) {
            (b' ', b' ' | b'.' | b',' | b';' | b'?') | (b'(', b')') | (b',', b',' | b'.') => {
                return Err(Fault::EmptySlot(near(text, at - 1)));
            }
            (b'[', b']') => return Err(Fault::Placeholder(near(text, at))),
            (_, byte) if never(byte) => return Err(Fault::Placeholder(near(text, at))),
            (_, b'N' | b'n')
                if bytes[at..].starts_with(b"None") || bytes[at..].starts_with(b"null") =>
            {
                return Err(Fault::Placeholder(near(text, at)));
            }
            (_, b' ') => {
                beside(previous, bare(&bytes[word..at]))?;
                previous = open(&bytes[word..at]);
                word = at + 1;
            }
            _ => {}
        }
        before = byte;
    }
    if before.is_ascii_digit() {
        digits(text, run, bytes.len())?;
    }
    beside(previous, bare(&bytes[word..]))
}

/// Whether a byte belongs to a word; letters beyond ASCII do.
fn in_word(byte: u8) -> bool {
    IN_WORD[usize::from(byte)]
}

const IN_WORD: [bool; 256] = {
    let mut all = [true; 256];
    let mut byte = 0;
    while byte < 128 {
        all[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    all
};

/// A word without what stands around it.
fn bare(mut word: &[u8]) -> &[u8] {
    while let Some((first, rest)) = word.split_first()
        && !in_word(*first)
    {
        word = rest;
    }
    while let Some((last, rest)) = word.split_last()
        && !in_word(*last)
    {
        word = rest;
    }
    word
}

/// Checks a word beside the one before it, which is empty where there is none.
fn beside(previous: &[u8], word: &[u8]) -> Result<(), Fault> {
    let near = || {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        format!("{} {}", text(previous), text(word))
    };
    if previous.len() == word.len()
        && !word.is_empty()
        && word.eq_ignore_ascii_case(previous)
        && !is_number(word)
    {
        return Err(Fault::DoubledWord(near()));
    }
    if matches!(previous.len(), 1 | 2) && wrong_article(previous, word) {
        return Err(Fault::Article(near()));
    }
    Ok(())
}

fn wrong_article(article: &[u8], word: &[u8]) -> bool {
    let wrong = match article {
        b"a" | b"A" => "an",
        b"an" | b"An" | b"AN" => "a",
        _ => return false,
    };
    let word = String::from_utf8_lossy(word);
    word.starts_with(char::is_alphabetic) && crate::domain::article(&word) == wrong
}

fn is_number(word: &[u8]) -> bool {
    word.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b',' | b'.'))
}

/// Checks the digits at `start..end`.
fn digits(text: &str, start: usize, end: usize) -> Result<(), Fault> {
    if end - start < LONG || start > 0 && text.as_bytes()[start - 1] == b'.' {
        return Ok(());
    }
    let year = text.get(start..end).and_then(|digits| digits.parse().ok());
    if !year.is_some_and(|year| YEARS.contains(&year)) {
        return Err(Fault::Number(near(text, start)));
    }
    Ok(())
}

/// Some text around a byte offset.
fn near(text: &str, at: usize) -> String {
    let from = text.char_indices().map(|(i, _)| i).take_while(|i| *i + 20 <= at).last();
    text[from.unwrap_or(0)..].chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn looking_fast_is_as_good_as_searching(
            text in "(A|an?|The|the|hour|sky|null|N|[0-9]{1,5}|1987|é|[ ,.;?()\\[\\]{<n-]| ){0,12}",
        ) {
            prop_assert_eq!(clean(&text), search(&text).is_ok(), "{:?}", text);
        }
    }

    #[test]
    fn good_texts_pass() {
        for text in [
            "Volt Link employs 4,210 people.",
            "Founded in 1987, Volt Link is an aviation company.",
            "Register: Volt Link took in $412M, or 412 million dollars.",
            "A user of a unit met an hour ago.",
            "Which company is based in Salem?",
        ] {
            assert_eq!(lint(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn each_fault_is_found() {
        type Is = fn(&Fault) -> bool;
        let cases: [(&str, Is); 9] = [
            ("It exceeds that by  nmol.", |f| matches!(f, Fault::EmptySlot(_))),
            ("It is based in .", |f| matches!(f, Fault::EmptySlot(_))),
            ("In the the first quarter.", |f| matches!(f, Fault::DoubledWord(_))),
            ("It is a agri company.", |f| matches!(f, Fault::Article(_))),
            ("It is an mining company.", |f| matches!(f, Fault::Article(_))),
            ("It employs 4210 people.", |f| matches!(f, Fault::Number(_))),
            ("It uses {LATTICE}.", |f| matches!(f, Fault::Placeholder(_))),
            ("", |f| matches!(f, Fault::NotASentence(_))),
            ("lower case.", |f| matches!(f, Fault::NotASentence(_))),
        ];
        for (text, is) in cases {
            let fault = lint(text).expect_err(text);
            assert!(is(&fault), "{text}: {fault}");
        }
    }
}
