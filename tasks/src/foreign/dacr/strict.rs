//! The strict scorer: an answer is right where, apart from words that say nothing, it is the gold
//! answer or an alias, word for word, or the same number.
//!
//! No part of a word counts, a list of candidates does not, and length is capped by the words that
//! may be left over.

use super::{Question, score::Decimal};

/// Most words that an answer may have beside the gold one.
const MAX_EXTRA_WORDS: usize = 6;
/// What they may be.
const FILLERS: [&str; 22] = [
    "the",
    "a",
    "an",
    "answer",
    "is",
    "it",
    "was",
    "are",
    "this",
    "that",
    "study",
    "method",
    "code",
    "company",
    "approximately",
    "about",
    "around",
    "roughly",
    "value",
    "of",
    "named",
    "called",
];

/// Words in lower case; marks around them go, marks inside stay.
fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| "\"'`*.,;:!?()[]{}~≈“”‘’".contains(c)).to_owned())
        .filter(|word| !word.is_empty())
        .collect()
}

fn filler(word: &str) -> bool {
    FILLERS.contains(&word)
}

/// Whether `given` is `wanted` in a row, and around it fillers only.
fn same(given: &[String], wanted: &[String]) -> bool {
    if given == wanted {
        return !wanted.is_empty();
    }
    if wanted.is_empty() || given.len() < wanted.len() {
        return false;
    }
    let extra = given.len() - wanted.len();
    extra <= MAX_EXTRA_WORDS
        && (0..=extra).any(|at| {
            given[at..at + wanted.len()] == *wanted
                && given[..at].iter().chain(&given[at + wanted.len()..]).all(|word| filler(word))
        })
}

/// A number with the words of its unit, if that is all there is.
fn number(words: &[String]) -> Option<(Decimal, bool, Vec<&String>)> {
    let mut kept = words.iter().filter(|word| !filler(word));
    let first = kept.next()?.replace(',', "");
    let whole = first.strip_prefix('-').unwrap_or(&first);
    let mut points = 0;
    let plain = whole.chars().all(|c| {
        points += usize::from(c == '.');
        c.is_ascii_digit() || c == '.'
    });
    (plain && points <= 1).then_some(())?;
    Some((Decimal::leading(&first)?, points == 1, kept.collect()))
}

/// Right by strict rules.
pub(super) fn right(answer: &str, question: &Question) -> bool {
    let given = words(answer);
    let mut wanted = std::iter::once(&question.gold).chain(&question.aliases);
    wanted.any(|gold| {
        let gold = words(gold);
        if same(&given, &gold) {
            return true;
        }
        // A whole number must be the same; one with a fraction may be rounded. A unit may be left
        // out, but not be another one.
        match (number(&given), number(&gold)) {
            (Some((ours, _, unit)), Some((theirs, fraction, wanted))) => {
                given.len() <= gold.len() + MAX_EXTRA_WORDS
                    && (unit.is_empty() || unit == wanted)
                    && (ours.same(&theirs) || (fraction && ours.near(&theirs)))
            }
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_right(answer: &str, gold: &str) -> bool {
        right(
            answer,
            &Question {
                id: "q01".into(),
                text: String::new(),
                category: String::new(),
                hops: 1,
                difficulty: String::new(),
                trap: None,
                gold: gold.into(),
                aliases: vec!["MV".into()],
                chain: Vec::new(),
            },
        )
    }

    #[test]
    fn only_whole_answers_are_right() {
        for answer in ["Meso valve", "the answer is **meso valve**.", "mv", "It is MV"] {
            assert!(is_right(answer, "Meso valve"), "{answer}");
        }
        let list = "Meso valve, Proto stat";
        for answer in ["", "e", "Meso", "valve", "valve Meso", "not Meso valve", list, "the"] {
            assert!(!is_right(answer, "Meso valve"), "{answer}");
        }
        let long = format!("{} Meso valve", "the ".repeat(MAX_EXTRA_WORDS + 1));
        assert!(!is_right(&long, "Meso valve"));
    }

    #[test]
    fn numbers_are_the_same_or_rounded() {
        assert!(is_right("18", "18") && is_right("18.0", "18") && !is_right("18.1", "18"));
        assert!(
            is_right("about 1,000", "1000") && !is_right("1", "18") && !is_right("18 19", "18")
        );
        assert!(is_right("1.63", "1.627") && is_right("0.65", "0.65 mm"));
        assert!(is_right("0.651 mm", "0.65 mm") && !is_right("0.65 cm", "0.65 mm"));
        assert!(!is_right("1", "E1") && !is_right("-18", "18"));
    }
}
