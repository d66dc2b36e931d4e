//! Their scorer, rule by rule, and the figures that they publish; the strict verdict beside it.

use std::collections::BTreeMap;

use super::{
    Challenge, Question,
    sheet::{Entry, Form, Sheet},
    strict,
};

/// Bytes on each side of a gold answer in which a citation's words are looked for.
const WINDOW_BYTES: usize = 500;
/// Characters of a chain's note that a citation must begin with to count.
const NOTE_CHARS: usize = 40;

/// What came of one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// An answer was given.
    pub given: bool,
    /// Right by their rules.
    pub theirs: bool,
    /// Right by ours.
    pub strict: bool,
    /// Whether the trap it is aimed at was evaded; `None` where it is aimed at none, or the answer
    /// has neither value.
    pub evaded: Option<bool>,
    /// Their grade of the citation: 0, 500 or 1000.
    pub citation_milli: u32,
    /// How sure the model was.
    pub confidence_milli: u32,
}

/// What came of a challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scored {
    /// How the answers were found.
    pub form: Form,
    /// By question.
    pub outcomes: Vec<Outcome>,
}

/// Scores a sheet.
#[must_use]
pub fn score(challenge: &Challenge, sheet: &Sheet) -> Scored {
    let lower = challenge.document.to_lowercase();
    let outcomes = challenge
        .questions
        .iter()
        .enumerate()
        .map(|(place, question)| {
            let entry = sheet.entries.get(place).and_then(Option::as_ref);
            outcome(challenge, &lower, question, entry)
        })
        .collect();
    Scored { form: sheet.form, outcomes }
}

fn outcome(
    challenge: &Challenge,
    lower: &str,
    question: &Question,
    entry: Option<&Entry>,
) -> Outcome {
    let Some(entry) = entry else {
        return Outcome {
            given: false,
            theirs: false,
            strict: false,
            evaded: None,
            citation_milli: 0,
            confidence_milli: 0,
        };
    };
    let answer = entry.answer.to_lowercase();
    let trap = question.trap.and_then(|place| challenge.traps.get(place));
    let evaded = trap.and_then(|trap| {
        if answer.contains(&trap.correct.to_lowercase()) {
            Some(true)
        } else if answer.contains(&trap.wrong.to_lowercase()) {
            Some(false)
        } else {
            None
        }
    });
    Outcome {
        given: true,
        theirs: theirs(&entry.answer, question),
        strict: strict::right(&entry.answer, question),
        evaded,
        citation_milli: citation(lower, question, &entry.citation),
        confidence_milli: entry.confidence_milli,
    }
}

/// Their form of an answer: lower case, no article in front, no punctuation behind, single spaces.
pub(super) fn normal(text: &str) -> String {
    let lower = text.to_lowercase();
    let mut rest = lower.trim();
    for article in ["the ", "a ", "an "] {
        if let Some(after) = rest.strip_prefix(article) {
            rest = after;
            break;
        }
    }
    let rest = rest.trim_end_matches(['.', ',', ';', ':', '!', '?']);
    rest.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Right by their rules: the same, an alias, a number within 1 %, either within the other, or four
/// fifths of the words. An answer of nothing is wrong, which their rule of containment leaves open.
#[must_use]
pub(super) fn theirs(answer: &str, question: &Question) -> bool {
    let (given, gold) = (normal(answer), normal(&question.gold));
    if given.is_empty() || gold.is_empty() {
        return false;
    }
    given == gold
        || question.aliases.iter().any(|alias| normal(alias) == given)
        || matches!(
            (Decimal::loose(answer), Decimal::loose(&question.gold)),
            (Some(given), Some(gold)) if given.near(&gold)
        )
        || given.contains(&gold)
        || gold.contains(&given)
        || words_agree(&given, &gold)
}

/// Whether F1 of the words is at least four fifths.
fn words_agree(given: &str, gold: &str) -> bool {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut given_count, mut gold_count, mut both) = (0, 0, 0);
    for word in gold.split(' ') {
        *counts.entry(word).or_default() += 1;
        gold_count += 1;
    }
    for word in given.split(' ') {
        given_count += 1;
        if let Some(left) = counts.get_mut(word).filter(|left| **left > 0) {
            *left -= 1;
            both += 1;
        }
    }
    10 * both >= 4 * (given_count + gold_count)
}

/// A decimal number with 18 significant digits, without floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    /// 0, or 18 digits.
    digits: u128,
    /// Power of ten of the last digit.
    power: i32,
}

/// Digits that are kept.
const SIGNIFICANT: u32 = 18;

impl Decimal {
    /// What JavaScript's `parseFloat` makes of a text of which all but digits, points and dashes
    /// was removed: "about 1.35 (10^3)" is 1.3510.
    fn loose(text: &str) -> Option<Self> {
        let kept: String =
            text.chars().filter(|c| c.is_ascii_digit() || matches!(c, '.' | '-')).collect();
        Self::leading(&kept)
    }

    /// The number at the beginning of a text.
    pub(super) fn leading(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mut digits, mut power, mut kept) = (0_u128, 0_i32, 0);
        let (mut any, mut point) = (false, false);
        for c in rest.chars() {
            match c.to_digit(10) {
                Some(digit) => {
                    any = true;
                    if kept < SIGNIFICANT {
                        digits = digits * 10 + u128::from(digit);
                        kept += u32::from(digits > 0);
                        power -= i32::from(point);
                    } else {
                        power += i32::from(!point);
                    }
                }
                None if c == '.' && !point => point = true,
                None => break,
            }
        }
        if !any {
            return None;
        }
        while digits > 0 && kept < SIGNIFICANT {
            digits *= 10;
            power -= 1;
            kept += 1;
        }
        Some(Self { negative, digits, power: if digits == 0 { 0 } else { power } })
    }

    /// Within 1 % of `gold`.
    pub(super) fn near(&self, gold: &Self) -> bool {
        if self.digits == 0 || gold.digits == 0 {
            return self.digits == gold.digits;
        }
        if self.negative != gold.negative {
            return false;
        }
        let (mut given, mut wanted) = (self.digits, gold.digits);
        match self.power - gold.power {
            0 => {}
            1 => given *= 10,
            -1 => wanted *= 10,
            _ => return false,
        }
        given.abs_diff(wanted) * 100 <= wanted
    }

    /// The same number.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.digits == other.digits
            && (self.digits == 0 || (self.negative, self.power) == (other.negative, other.power))
    }
}

/// Their grade of a citation: full for the beginning of a chain's note, or half of its longer words
/// around the first place where the gold answer stands; half for a quarter of them.
fn citation(lower: &str, question: &Question, citation: &str) -> u32 {
    let citation = citation.to_lowercase();
    if citation.trim().is_empty() {
        return 0;
    }
    let noted = question.chain.iter().filter_map(|step| step.note.as_ref()).any(|note| {
        let start: String = note.to_lowercase().chars().take(NOTE_CHARS).collect();
        !start.is_empty() && citation.starts_with(&start)
    });
    if noted {
        return 1000;
    }
    let gold = question.gold.to_lowercase();
    let Some(at) = lower.find(&gold) else { return 0 };
    let edge = |at: usize, step: fn(usize) -> usize| {
        let mut at = at;
        while !lower.is_char_boundary(at) {
            at = step(at);
        }
        at
    };
    let from = edge(at.saturating_sub(WINDOW_BYTES), |at| at - 1);
    let to = edge((at + gold.len() + WINDOW_BYTES).min(lower.len()), |at| at + 1);
    let around = lower.get(from..to).unwrap_or("");
    let words: Vec<&str> =
        citation.split_whitespace().filter(|word| word.chars().count() > 3).collect();
    let found = words.iter().filter(|word| around.contains(**word)).count();
    if words.is_empty() {
        0
    } else if found * 2 >= words.len() {
        1000
    } else if found * 4 >= words.len() {
        500
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(gold: &str) -> Question {
        Question {
            id: "q01".into(),
            text: String::new(),
            category: String::new(),
            hops: 1,
            difficulty: String::new(),
            trap: None,
            gold: gold.into(),
            aliases: vec!["Meso-valve".into()],
            chain: Vec::new(),
        }
    }

    #[test]
    fn theirs_has_its_holes() {
        let meso = question("Meso valve");
        for right in ["the  Meso valve.", "meso-valve", "e", "I think it is Meso valve, or not"] {
            assert!(theirs(right, &meso), "{right}");
        }
        for wrong in ["", " . ", "Meso clast", "x"] {
            assert!(!theirs(wrong, &meso), "{wrong}");
        }
        assert!(theirs("a b c d x", &question("a b c d")));
        assert!(theirs("b c d e x", &question("b c d e f")));
        assert!(!theirs("b c x y z", &question("b c d e f")));
    }

    #[test]
    fn numbers_within_one_percent() {
        let near = |given: &str, gold: &str| {
            Decimal::loose(given).unwrap().near(&Decimal::loose(gold).unwrap())
        };
        assert!(near("1.0099", "1") && near("0.99", "1") && near("100", "99.5"));
        assert!(!near("1.0101", "1") && !near("0.9899", "1") && !near("10", "1"));
        assert!(near("0", "0.000") && !near("0", "0.001") && !near("-5", "5"));
        assert!(near("about 846 nmol", "846.0") && near("1,000", "999"));
        assert!(near(&"9".repeat(400), &"9".repeat(400)) && !near(&"9".repeat(400), "9"));
        assert!(near("0.000000001", "0.00000000100"));
        assert_eq!(Decimal::loose("--5"), None);
        assert_eq!(Decimal::loose("none"), None);
        assert_eq!(Decimal::loose("10-20"), Decimal::loose("10"));
    }
}
