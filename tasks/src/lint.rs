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
    for (at, pair) in bytes.windows(2).enumerate() {
        if let [b' ', b' ' | b'.' | b',' | b';' | b'?'] | [b'(', b')'] | [b',', b',' | b'.'] = pair
        {
            return Err(Fault::EmptySlot(near(text, at)));
        }
    }
    if let Some(at) = text.find(['{', '}', '<', '>', '\n', '\t']) {
        return Err(Fault::Placeholder(near(text, at)));
    }
    if text.contains("None") || text.contains("null") || text.contains("[]") {
        return Err(Fault::Placeholder(near(text, 0)));
    }
    words(text)?;
    numbers(text)
}

fn words(text: &str) -> Result<(), Fault> {
    let mut before: Option<&str> = None;
    for word in text.split(' ') {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        if let Some(previous) = before {
            if !bare.is_empty() && bare.eq_ignore_ascii_case(previous) && !is_number(bare) {
                return Err(Fault::DoubledWord(format!("{previous} {bare}")));
            }
            let small = |article: &str| previous.eq_ignore_ascii_case(article);
            let letters = bare.starts_with(char::is_alphabetic);
            if letters && small("a") && crate::domain::article(bare) == "an"
                || letters && small("an") && crate::domain::article(bare) == "a"
            {
                return Err(Fault::Article(format!("{previous} {bare}")));
            }
        }
        // A word that closes a clause does not meet the next one.
        before = word.ends_with(char::is_alphanumeric).then_some(bare);
    }
    Ok(())
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit() || byte == b',' || byte == b'.')
}

fn numbers(text: &str) -> Result<(), Fault> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() && bytes[at].is_ascii_digit() {
            at += 1;
        }
        let decimal = start > 0 && bytes[start - 1] == b'.';
        let year = text.get(start..at).and_then(|digits| digits.parse().ok());
        let long = at - start > 3;
        if long && !decimal && !year.is_some_and(|year| YEARS.contains(&year)) {
            return Err(Fault::Number(near(text, start)));
        }
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
