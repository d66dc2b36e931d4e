//! A question's words, and patterns that take them out.
//!
//! Patterns are words in a row: `a|b` either of them, a final `?` may be missing, `#` a number, `$`
//! an amount of dollars with its unit, `Q` a quarter, `D` a decade (`1980s`).

use super::phrase::MAX_WORDS;
use crate::number;

/// A question taken apart.
pub(super) struct Words {
    pub(super) words: Vec<Option<String>>,
    /// Numbers of the last match, thousandths; quarters from 0, decades as years.
    pub(super) numbers: Vec<i64>,
}

impl Words {
    pub(super) fn of(text: &str) -> Self {
        let words = text.split_whitespace().take(MAX_WORDS + 1).map(|word| {
            let word = word.trim_matches(|c: char| "?.,;:()\"".contains(c)).to_lowercase();
            let bare = word.replace(',', "");
            Some(if number::find(&bare).is_empty() { word } else { bare })
        });
        let words = words.filter(|word| word.as_deref() != Some("")).collect();
        Self { words, numbers: Vec::new() }
    }

    pub(super) fn word(&self, at: usize) -> Option<&str> {
        self.words.get(at)?.as_deref()
    }

    /// End of a match of `pattern` that begins at `at`.
    pub(super) fn fits(&mut self, at: usize, pattern: &str) -> Option<usize> {
        self.numbers.clear();
        let parts: Vec<&str> = pattern.split(' ').collect();
        self.fit(at, &parts)
    }

    fn fit(&mut self, at: usize, parts: &[&str]) -> Option<usize> {
        let Some((part, rest)) = parts.split_first() else { return Some(at) };
        let (part, may_miss) = match part.strip_suffix('?') {
            Some(part) => (part, true),
            None => (*part, false),
        };
        let kept = self.numbers.len();
        if let Some(next) = self.one(at, part)
            && let Some(end) = self.fit(next, rest)
        {
            return Some(end);
        }
        self.numbers.truncate(kept);
        if may_miss { self.fit(at, rest) } else { None }
    }

    fn one(&mut self, at: usize, part: &str) -> Option<usize> {
        let word = self.word(at)?;
        let milli = |text: &str| match number::find(text).as_slice() {
            [found] => Some((found.milli, found.scale)),
            _ => None,
        };
        for way in part.split('|') {
            let value = match way {
                "#" => milli(word).filter(|(_, scale)| *scale == 1).map(|(milli, _)| (milli, 1)),
                "$" => {
                    let scale = match self.word(at + 1) {
                        Some("million") => Some(1),
                        Some("billion") => Some(1_000),
                        _ => None,
                    };
                    let amount = word.strip_prefix('$').and_then(milli).filter(|(_, s)| *s == 1);
                    amount
                        .zip(scale)
                        .and_then(|((milli, _), scale)| Some((milli.checked_mul(scale)?, 2)))
                }
                "Q" => match word {
                    "q1" => Some((0, 1)),
                    "q2" => Some((1, 1)),
                    "q3" => Some((2, 1)),
                    "q4" => Some((3, 1)),
                    _ => None,
                },
                "D" => word
                    .strip_suffix('s')
                    .and_then(|year| year.parse::<i64>().ok())
                    .filter(|year| year % 10 == 0)
                    .map(|year| (year, 1)),
                literal if literal == word => return Some(at + 1),
                _ => None,
            };
            if let Some((value, taken)) = value {
                self.numbers.push(value);
                return Some(at + taken);
            }
        }
        None
    }

    /// Takes the first match of a pattern out: where it began, and its numbers.
    pub(super) fn take(&mut self, pattern: &str) -> Option<(usize, Vec<i64>)> {
        for at in 0..self.words.len() {
            if let Some(end) = self.fits(at, pattern)
                && end > at
            {
                self.clear(at, end);
                return Some((at, self.numbers.clone()));
            }
        }
        None
    }

    pub(super) fn clear(&mut self, from: usize, to: usize) {
        for word in self.words.iter_mut().take(to).skip(from) {
            *word = None;
        }
    }
}
