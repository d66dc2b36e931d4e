//! The language lint: what no rendered text may contain.

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

/// Checks one paragraph, question or constraint.
///
/// # Errors
/// The first fault.
pub fn lint(text: &str) -> Result<(), Fault> {
    let begins = text.chars().next();
    if !begins.is_some_and(|c| c.is_uppercase() || c.is_ascii_digit()) || text.ends_with(' ') {
        return Err(Fault::NotASentence(near(text, 0)));
    }
    let bytes = text.as_bytes();
    // One pass: documents are long, and every one is looked through.
    let (mut word, mut run) = (0, 0);
    let mut previous: Option<&str> = None;
    let mut before = 0_u8;
    for (at, &byte) in bytes.iter().enumerate() {
        match (before, byte) {
            (b' ', b' ' | b'.' | b',' | b';' | b'?') | (b'(', b')') | (b',', b',' | b'.') => {
                return Err(Fault::EmptySlot(near(text, at - 1)));
            }
            (_, b'{' | b'}' | b'<' | b'>' | b'\n' | b'\t') | (b'[', b']') => {
                return Err(Fault::Placeholder(near(text, at)));
            }
            (_, b'N' | b'n')
                if bytes[at..].starts_with(b"None") || bytes[at..].starts_with(b"null") =>
            {
                return Err(Fault::Placeholder(near(text, at)));
            }
            (_, b' ') => {
                previous = next_word(text, word, at, previous)?;
                word = at + 1;
            }
            _ => {}
        }
        if byte.is_ascii_digit() {
            if !before.is_ascii_digit() {
                run = at;
            }
        } else if before.is_ascii_digit() {
            digits(text, run, at)?;
        }
        before = byte;
    }
    if before.is_ascii_digit() {
        digits(text, run, bytes.len())?;
    }
    next_word(text, word, bytes.len(), previous).map(|_| ())
}

/// Whether a byte belongs to a word; letters beyond ASCII do.
fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// Checks the word at `start..end` beside the one before; gives it where it meets the next one.
fn next_word<'t>(
    text: &'t str,
    start: usize,
    end: usize,
    previous: Option<&'t str>,
) -> Result<Option<&'t str>, Fault> {
    let bytes = text.as_bytes();
    let (mut from, mut to) = (start, end);
    while from < to && !in_word(bytes[from]) {
        from += 1;
    }
    while from < to && !in_word(bytes[to - 1]) {
        to -= 1;
    }
    let bare = text.get(from..to).unwrap_or_default();
    if let Some(previous) = previous {
        if bare.len() == previous.len()
            && !bare.is_empty()
            && bare.eq_ignore_ascii_case(previous)
            && !is_number(bare)
        {
            return Err(Fault::DoubledWord(format!("{previous} {bare}")));
        }
        let wrong = match previous {
            "a" | "A" => "an",
            "an" | "An" | "AN" => "a",
            _ => "",
        };
        if !wrong.is_empty()
            && bare.starts_with(char::is_alphabetic)
            && crate::domain::article(bare) == wrong
        {
            return Err(Fault::Article(format!("{previous} {bare}")));
        }
    }
    // A word that closes a clause does not meet the next one.
    let open = end > start && in_word(bytes[end - 1]);
    Ok(open.then_some(bare))
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit() || byte == b',' || byte == b'.')
}

/// Checks the digits at `start..end`.
fn digits(text: &str, start: usize, end: usize) -> Result<(), Fault> {
    if end - start <= 3 || start > 0 && text.as_bytes()[start - 1] == b'.' {
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
