//! Their constraints: read from the published wording, and checked on an artifact.

use super::companies::{Quantity, capture};
use crate::number::next_prime;

/// Largest modulus, addend, word count or number of letters that is read.
const MAX_NUMBER: i64 = 1_000_000;

/// A figure in a constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Figure {
    /// One of a company's.
    Company(Quantity),
    /// Of another domain, as written.
    Other(String),
}

/// `((figure of the answer to question) mod modulus) + plus`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// Which figure.
    pub figure: Figure,
    /// Of the answer to this question, from 1.
    pub question: usize,
    /// Modulus, positive.
    pub modulus: i64,
    /// What is added, not negative.
    pub plus: i64,
}

impl Term {
    /// Its value for a whole figure.
    #[must_use]
    pub fn of(&self, figure: i64) -> i64 {
        figure.rem_euclid(self.modulus) + self.plus
    }
}

/// A text that an answer has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// Headquarters, city.
    City,
    /// Headquarters, country.
    Country,
    /// Last name of who leads it.
    CeoLast,
    /// Of another domain, as written.
    Other(String),
}

/// A constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Constraint {
    /// Exactly so many words on one line.
    Words(usize),
    /// A text of the answer to a question stands in it.
    Include(Attribute, usize),
    /// The next prime from a term on stands in it as digits.
    Prime(Term),
    /// `A+B=C`.
    Equation(Term, Term),
    /// The first letters of so many words are the first of the initials of these questions' answers.
    Acrostic(usize, Vec<usize>),
    /// A letter stands nowhere in it.
    Forbidden(char),
    /// Advice, which nobody checks.
    Tip,
}

fn figure(text: &str) -> Figure {
    let quarter = |prefix: char| {
        let rest = text.strip_prefix(['Q', 'q'])?.strip_prefix(prefix)?;
        (rest == " revenue").then_some(())
    };
    match text {
        "employees" => Figure::Company(Quantity::Employees),
        _ => (0..4_u8).find(|number| quarter(char::from(b'1' + number)).is_some()).map_or_else(
            || Figure::Other(text.to_owned()),
            |q| Figure::Company(Quantity::Revenue(q)),
        ),
    }
}

fn whole(text: &str, least: i64) -> Option<i64> {
    text.trim().parse().ok().filter(|value| (least..=MAX_NUMBER).contains(value))
}

fn position(text: &str) -> Option<usize> {
    whole(text, 1).and_then(|value| usize::try_from(value).ok())
}

fn term(parts: &[&str]) -> Option<Term> {
    let [name, question, modulus, plus] = parts else { return None };
    Some(Term {
        figure: figure(name),
        question: position(question)?,
        modulus: whole(modulus, 1)?,
        plus: whole(plus, 0)?,
    })
}

/// Reads a constraint; `None` where its wording is not known.
#[must_use]
pub fn read(text: &str) -> Option<Constraint> {
    let text = text.trim();
    if text.starts_with("Tip:") {
        return Some(Constraint::Tip);
    }
    if let Some(parts) = capture(text, &["Write EXACTLY ", " words. Single line."]) {
        return Some(Constraint::Words(position(parts[0])?));
    }
    if let Some(parts) =
        capture(text, &["Must NOT contain the letter \"", "\" (case-insensitive)."])
    {
        let mut letters = parts[0].chars();
        return match (letters.next(), letters.next()) {
            (Some(letter), None) => Some(Constraint::Forbidden(letter)),
            _ => None,
        };
    }
    let of = " of the answer to Question ";
    if let Some(parts) = capture(
        text,
        &["Must include a prime number equal to nextPrime((", of, " mod ", ") + ", "), as digits."],
    ) {
        return term(&parts).map(Constraint::Prime);
    }
    if let Some(parts) = capture(
        text,
        &[
            "Must include the equation \"A+B=C\" (digits, no spaces) where A=((",
            of,
            " mod ",
            ")+",
            ") and B=((",
            of,
            " mod ",
            ")+",
            ") and C=A+B.",
        ],
    ) {
        let (first, second) = parts.split_at(4);
        return Some(Constraint::Equation(term(first)?, term(second)?));
    }
    if let Some(parts) = capture(
        text,
        &[
            "Acrostic: the first letters of the first ",
            " words must spell the first ",
            " letters of (",
            "), uppercased.",
        ],
    ) {
        let (words, letters) = (position(parts[0])?, position(parts[1])?);
        let questions: Option<Vec<usize>> = parts[2]
            .split('+')
            .map(|one| position(capture(one.trim(), &["initials(Q", ")"])?[0]))
            .collect();
        return (words == letters).then_some(Constraint::Acrostic(words, questions?));
    }
    let parts = capture(text, &["Must include the ", " that answers Question ", "."])?;
    let question = position(parts[1])?;
    let what = parts[0];
    let attribute = [
        ("headquarters city of the company", Attribute::City),
        ("headquarters country of the company", Attribute::Country),
        ("CEO's last name of the company", Attribute::CeoLast),
    ]
    .into_iter()
    .find_map(|(words, attribute)| (what == words).then_some(attribute))
    .unwrap_or_else(|| {
        let end = [" of ", " used ", " on ", " for "].iter().filter_map(|cue| what.find(cue)).min();
        Attribute::Other(end.map_or(what, |end| &what[..end]).to_owned())
    });
    Some(Constraint::Include(attribute, question))
}

/// Words are what stands between single spaces; nothing between two of them is none.
fn words(artifact: &str) -> impl Iterator<Item = &str> {
    artifact.split(' ').filter(|word| !word.is_empty())
}

/// Exactly so many words, on one line.
#[must_use]
pub fn has_words(artifact: &str, count: usize) -> bool {
    !artifact.contains(['\n', '\r']) && words(artifact).count() == count
}

/// Whether digits stand in a text and are no part of a longer number.
fn has_digits(artifact: &str, digits: &str) -> bool {
    artifact.match_indices(digits).any(|(at, _)| {
        let before = artifact[..at].chars().next_back();
        let after = artifact[at + digits.len()..].chars().next();
        let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        !digit(before) && !digit(after)
    })
}

/// The smallest prime from `from` on, as digits of its own.
#[must_use]
pub fn has_prime(artifact: &str, from: i64) -> bool {
    has_digits(artifact, &next_prime(from).to_string())
}

/// The equation, and no other one.
#[must_use]
pub fn has_equation(artifact: &str, a: i64, b: i64) -> bool {
    has_digits(artifact, &format!("{a}+{b}={}", a + b)) && equations(artifact) == 1
}

/// How many times digits, a plus, digits, an equals sign and digits stand in a row.
fn equations(artifact: &str) -> usize {
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    artifact
        .match_indices('+')
        .filter(|(at, _)| {
            let rest = &artifact[at + 1..];
            let number = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            digit(artifact[..*at].chars().next_back())
                && number > 0
                && rest[number..].strip_prefix('=').is_some_and(|end| digit(end.chars().next()))
        })
        .count()
}

/// First letters of the first words, in capitals.
#[must_use]
pub fn has_acrostic(artifact: &str, count: usize, letters: &str) -> bool {
    let upper = |c: char| c.to_uppercase().collect::<String>();
    let wanted: Vec<String> = letters.chars().take(count).map(upper).collect();
    let found: Vec<String> =
        words(artifact).take(count).filter_map(|word| word.chars().next()).map(upper).collect();
    wanted.len() == count && wanted == found
}

/// First letters of a name's words.
#[must_use]
pub fn initials(name: &str) -> String {
    name.split_whitespace().filter_map(|word| word.chars().next()).collect()
}

/// A letter stands nowhere, in either case.
#[must_use]
pub fn lacks(artifact: &str, letter: char) -> bool {
    !artifact.to_lowercase().contains(&letter.to_lowercase().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_wordings_are_read() {
        let company = |quantity| Figure::Company(quantity);
        for (text, expected) in [
            ("Write EXACTLY 13 words. Single line.", Constraint::Words(13)),
            (
                "Must include the headquarters city of the company that answers Question 4.",
                Constraint::Include(Attribute::City, 4),
            ),
            (
                "Must include the CEO's last name of the company that answers Question 5.",
                Constraint::Include(Attribute::CeoLast, 5),
            ),
            (
                "Must include the noise model used by the code that answers Question 10.",
                Constraint::Include(Attribute::Other("noise model".into()), 10),
            ),
            (
                "Must include a prime number equal to nextPrime((employees of the answer to \
                 Question 2 mod 100) + 11), as digits.",
                Constraint::Prime(Term {
                    figure: company(Quantity::Employees),
                    question: 2,
                    modulus: 100,
                    plus: 11,
                }),
            ),
            (
                "Must include the equation \"A+B=C\" (digits, no spaces) where A=((Q1 revenue of \
                 the answer to Question 2 mod 50)+10) and B=((tca flux of the answer to Question \
                 1 mod 10)+10) and C=A+B.",
                Constraint::Equation(
                    Term {
                        figure: company(Quantity::Revenue(0)),
                        question: 2,
                        modulus: 50,
                        plus: 10,
                    },
                    Term {
                        figure: Figure::Other("tca flux".into()),
                        question: 1,
                        modulus: 10,
                        plus: 10,
                    },
                ),
            ),
            (
                "Acrostic: the first letters of the first 2 words must spell the first 2 letters \
                 of (initials(Q4)+initials(Q5)), uppercased.",
                Constraint::Acrostic(2, vec![4, 5]),
            ),
            ("Must NOT contain the letter \"x\" (case-insensitive).", Constraint::Forbidden('x')),
            ("Tip: avoid extra punctuation-only \"words\".", Constraint::Tip),
        ] {
            assert_eq!(read(text), Some(expected), "{text}");
        }
        for text in
            ["Write EXACTLY 0 words. Single line.", "Must rhyme.", "", "Must include a prime."]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn checks_are_theirs() {
        let artifact = "Kite vale 71 revenue; 43+36=79  end";
        assert!(has_words(artifact, 6) && !has_words(artifact, 7));
        assert!(!has_words("a\nb", 2));
        assert!(has_prime(artifact, 68) && !has_prime("171 710", 68) && has_prime("x71y", 71));
        assert!(has_equation(artifact, 43, 36) && !has_equation(artifact, 43, 35));
        assert!(!has_equation("143+36=79", 43, 36) && !has_equation("43+36=790", 43, 36));
        assert!(!has_equation("43+36=79 1+1=2", 43, 36));
        assert!(has_acrostic(artifact, 2, "KV") && !has_acrostic(artifact, 2, "KX"));
        assert!(!has_acrostic("one", 2, "ON"));
        assert!(lacks(artifact, 'x') && !lacks(artifact, 'V'));
        assert_eq!(initials("Glyco soma"), "Gs");
    }
}
