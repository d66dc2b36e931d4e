//! Answers: what a text says, whatever its surface form.

use super::index::TaskIndex;
use crate::{
    number::Found,
    parse::Sentences,
    types::{Answer, AnswerKind},
};

/// Whole numbers that may be written as a word.
const NUMBER_WORDS: [&str; 21] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
];

/// The answer that a text gives to a question of this kind, in canonical form. Case, articles,
/// punctuation, spacing, aliases, units and number formats make no difference; `None` where it
/// gives no such answer.
pub(super) fn read(
    index: &TaskIndex<'_>,
    sentences: &Sentences<'_>,
    kind: AnswerKind,
    scale: i64,
    text: &str,
) -> Option<Answer> {
    match kind {
        AnswerKind::Entity => index.entity(text).map(Answer::Entity),
        AnswerKind::Category => index.category(text).map(|word| Answer::Category(word.to_owned())),
        AnswerKind::Integer => {
            let milli = number(sentences, scale, text)?;
            (milli % 1000 == 0).then_some(Answer::Integer(milli / 1000))
        }
        AnswerKind::Decimal => number(sentences, scale, text).map(Answer::Decimal),
    }
}

/// The number of a text in thousandths of a unit of `scale` base units.
fn number(sentences: &Sentences<'_>, scale: i64, text: &str) -> Option<i64> {
    let plain;
    let text = if text.contains('\u{2212}') {
        plain = text.replace('\u{2212}', "-");
        plain.as_str()
    } else {
        text
    };
    // A number is not read after an underscore, but answers are written in italics.
    match sentences.quantity(text.trim_matches(['_', '*', '`', ' '])) {
        Some(found) => in_unit(&found, scale),
        None => {
            let word = crate::term::normal(text);
            let place = NUMBER_WORDS.iter().position(|known| *known == word)?;
            i64::try_from(place).ok()?.checked_mul(1000)
        }
    }
}

/// A number in thousandths of a unit of `scale` base units: as it stands, or by its scale word.
/// `None` where it is not a whole number of thousandths of that unit.
pub(super) fn in_unit(found: &Found, scale: i64) -> Option<i64> {
    if found.scale == 1 || scale < 1 {
        return Some(found.milli);
    }
    let base = i128::from(found.milli) * i128::from(found.scale);
    let scale = i128::from(scale);
    (base % scale == 0).then(|| i64::try_from(base / scale).ok())?
}
