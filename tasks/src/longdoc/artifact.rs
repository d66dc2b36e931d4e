//! Composes an artifact that satisfies a list of checks: the last step of every witness, and the
//! proof that the constraints hold together.

use crate::{
    check::{self, find_term},
    draw::Draw,
    number,
    types::Check,
};

/// Words to fill with, several for each initial and for each length from 2 to 8.
pub(super) const FILLER: [&str; 112] = [
    "able", "about", "acorn", "air", "also", "apple", "autumn", "bird", "blue", "book", "bread",
    "brook", "calm", "candle", "chair", "clear", "cloud", "coast", "dawn", "deep", "door", "dry",
    "dune", "early", "earth", "east", "evening", "fair", "farm", "fern", "field", "fire", "garden",
    "gentle", "glow", "gold", "grass", "green", "hall", "hill", "hope", "horn", "idea", "inner",
    "ink", "jolly", "journey", "jug", "keen", "kind", "kite", "lake", "lamp", "leaf", "light",
    "linen", "map", "market", "mild", "moon", "moss", "near", "nest", "night", "noon", "oak",
    "open", "orchard", "outer", "paper", "path", "pebble", "pine", "quiet", "quilt", "rain", "red",
    "ridge", "road", "roof", "sand", "sea", "shore", "sky", "soft", "stone", "tall", "tea", "tent",
    "tide", "tree", "under", "upon", "urban", "vale", "vast", "velvet", "violin", "warm", "water",
    "wide", "wind", "wood", "xenon", "xylem", "yard", "yarn", "young", "zebra", "zinc", "zone",
    "we",
];
/// Longest artifact that is composed, words.
const MAX_WORDS: usize = 80;

/// A line that satisfies every check; `None` where this composer finds none.
pub(super) fn compose(checks: &[Check], draw: &mut Draw) -> Option<String> {
    let mut lexicon: Vec<&str> = FILLER
        .iter()
        .copied()
        .filter(|word| !checks.iter().any(|check| forbids(check, word)))
        .collect();
    draw.shuffle(&mut lexicon);
    let mut line = Line { words: Vec::new(), breaks: Vec::new(), lexicon, next: 0 };
    line.lead(checks)?;
    line.terms(checks);
    line.numbers(checks)?;
    line.fill(checks)?;
    line.sentences(checks)?;
    let text = line.words.join(" ");
    (line.words.len() <= MAX_WORDS && checks.iter().all(|check| check::holds(check, &text)))
        .then_some(text)
}

/// Words that the checks need at the least, as composed without any word count.
pub(super) fn words_needed(checks: &[Check], draw: &mut Draw) -> Option<usize> {
    let free: Vec<Check> = checks
        .iter()
        .filter(|check| {
            !matches!(check, Check::WordCount(_) | Check::MaxWords(_) | Check::MinWords(_))
        })
        .cloned()
        .collect();
    compose(&free, draw).map(|text| text.split(' ').count())
}

fn forbids(check: &Check, word: &str) -> bool {
    matches!(check, Check::ForbiddenLetter(letter) if word.contains(*letter))
}

struct Line<'a> {
    words: Vec<String>,
    /// Places after which a sentence may end: not inside a term.
    breaks: Vec<usize>,
    lexicon: Vec<&'a str>,
    next: usize,
}

impl Line<'_> {
    fn push(&mut self, text: &str) {
        self.words.extend(text.split_whitespace().map(str::to_owned));
        self.breaks.push(self.words.len());
    }

    fn holds(&self, term: &str) -> bool {
        find_term(&self.words.join(" "), term, 0).is_some()
    }

    fn any(&mut self) -> Option<String> {
        let word = self.lexicon.get(self.next % self.lexicon.len().max(1))?;
        self.next += 1;
        Some((*word).to_owned())
    }

    fn one(&self, wanted: impl Fn(&str) -> bool) -> Option<String> {
        self.lexicon
            .iter()
            .find(|word| wanted(word) && !self.words.iter().any(|used| used == *word))
            .or_else(|| self.lexicon.iter().find(|word| wanted(word)))
            .map(|word| (*word).to_owned())
    }

    /// The words that checks fix at the start.
    fn lead(&mut self, checks: &[Check]) -> Option<()> {
        for check in checks {
            match check {
                Check::StartsWith(forms) => self.push(forms.first()?),
                Check::Acrostic(letters) => {
                    for letter in letters.chars() {
                        let small = letter.to_lowercase().next()?;
                        let word = self.one(|word| word.starts_with(small))?;
                        self.push(&word);
                    }
                }
                Check::WordLengths(lengths) => {
                    for length in lengths {
                        let word = self.one(|word| word.len() == usize::from(*length))?;
                        self.push(&word);
                    }
                }
                Check::Alphabetical(count) => {
                    let mut words: Vec<String> = Vec::new();
                    for _ in 0..*count {
                        words.push(self.any()?);
                    }
                    words.sort();
                    words.iter().for_each(|word| self.push(word));
                }
                _ => {}
            }
        }
        Some(())
    }

    fn terms(&mut self, checks: &[Check]) {
        for check in checks {
            if let Check::Order(terms) = check {
                for forms in terms {
                    if let Some(form) = forms.first() {
                        self.push(form);
                    }
                }
            }
        }
        for check in checks {
            if let Check::Contains(forms) = check
                && !forms.iter().any(|form| self.holds(form))
                && let Some(form) = forms.first()
            {
                self.push(form);
            }
        }
    }

    fn numbers(&mut self, checks: &[Check]) -> Option<()> {
        for check in checks {
            match check {
                Check::Equation { a, b } => {
                    self.push(&format!("{a}+{b}={}", a.checked_add(*b)?));
                }
                Check::ContainsNumber(n) if !self.satisfied(check) => {
                    // A number that may be a year is written like one.
                    let year = (1800..2100).contains(n);
                    self.push(&if year { n.to_string() } else { number::grouped(*n) });
                }
                Check::ContainsDecimal(milli) if !self.satisfied(check) => {
                    self.push(&number::decimal(*milli));
                }
                _ => {}
            }
        }
        for check in checks {
            if let Check::DigitSum(sum) = check {
                let have: i64 = self
                    .words
                    .iter()
                    .flat_map(|word| word.chars())
                    .filter_map(|c| c.to_digit(10))
                    .map(i64::from)
                    .sum();
                let mut left = sum - have;
                if left < 0 {
                    return None;
                }
                let mut digits = String::new();
                while left > 0 && digits.len() < 12 {
                    let digit = left.min(9);
                    digits.push(char::from_digit(u32::try_from(digit).ok()?, 10)?);
                    left -= digit;
                }
                if !digits.is_empty() {
                    self.push(&digits);
                }
            }
        }
        Some(())
    }

    fn satisfied(&self, check: &Check) -> bool {
        check::holds(check, &self.words.join(" "))
    }

    /// Filler up to the word count, and the last word.
    fn fill(&mut self, checks: &[Check]) -> Option<()> {
        let end = checks.iter().find_map(|check| match check {
            Check::EndsWith(word) => Some(word.clone()),
            _ => None,
        });
        let tail = usize::from(end.is_some());
        let mut least = 1;
        let mut exact = None;
        for check in checks {
            match check {
                Check::WordCount(count) => exact = Some(usize::from(*count)),
                Check::MinWords(count) => least = usize::from(*count),
                Check::SentenceCount(count) => least = least.max(2 * usize::from(*count)),
                _ => {}
            }
        }
        let wanted = exact.unwrap_or(least);
        if exact.is_some_and(|exact| self.words.len() + tail > exact) || wanted > MAX_WORDS {
            return None;
        }
        while self.words.len() + tail < wanted {
            let word = self.any()?;
            self.push(&word);
        }
        if let Some(end) = end {
            self.push(&end);
        }
        Some(())
    }

    fn sentences(&mut self, checks: &[Check]) -> Option<()> {
        for check in checks {
            let Check::SentenceCount(count) = check else { continue };
            let count = usize::from(*count);
            let start = self.breaks.len().checked_sub(count)?;
            for end in self.breaks.iter().skip(start) {
                let word = self.words.get_mut(end.checked_sub(1)?)?;
                word.push('.');
            }
        }
        Some(())
    }
}
