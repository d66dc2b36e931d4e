//! Composes an artifact that satisfies a list of checks: the last step of every witness, and the
//! proof that the constraints hold together.
//!
//! ```text
//! lead (words that are fixed at the start) ─ terms ─ numbers ─ letters ─ filler ─ last word ─ full stops
//! ```
//!
//! Under the few checks of a short document the line is bare words; under more, names and numbers
//! are joined into something that reads like a sentence.

mod lexicon;

use crate::{
    check::{self, find_term},
    draw::Draw,
    number,
    types::Check,
};

pub(super) use lexicon::FILLER;
use lexicon::{JOINTS, Lexicon, NOUNS, OPENERS, TURNS, bit};

/// Longest artifact that is composed, words.
const MAX_WORDS: usize = 80;
/// A skeleton of so few checks belongs to a short document.
const FEW_CHECKS: usize = 2;
/// Shortest and longest filler word that letters are added up with.
const WORD_LETTERS: (usize, usize) = (3, 7);

/// A line that satisfies every check; `None` where this composer finds none.
pub(super) fn compose(checks: &[Check], draw: &mut Draw) -> Option<String> {
    let checks: Vec<&Check> = checks.iter().collect();
    let line = Line::write(&checks, true, draw)?;
    (line.words <= MAX_WORDS && checks.iter().all(|check| check::holds(check, &line.text)))
        .then_some(line.text)
}

/// Words that the checks need at the least, as composed without any word count; `None` where they
/// do not go together.
pub(super) fn words_needed(checks: &[&Check], draw: &mut Draw) -> Option<usize> {
    let counted = |check: &Check| {
        matches!(check, Check::WordCount(_) | Check::MaxWords(_) | Check::MinWords(_))
    };
    let line = Line::write(checks, false, draw)?;
    let holds = checks.iter().all(|check| counted(check) || check::holds(check, &line.text));
    (line.words <= MAX_WORDS && holds).then_some(line.words)
}

struct Line<'d> {
    text: String,
    words: usize,
    /// Byte offsets after which a sentence may end: not inside a term, not after a joint.
    breaks: Vec<usize>,
    lexicon: Lexicon,
    /// Letters that no filler may have.
    barred: u32,
    /// Whether terms are joined.
    rich: bool,
    /// Where no word may come twice: all words that are still to come.
    reserved: Option<String>,
    draw: &'d mut Draw,
}

impl<'d> Line<'d> {
    /// `counts`: whether word counts are kept to.
    fn write(checks: &[&Check], counts: bool, draw: &'d mut Draw) -> Option<Self> {
        let mut barred = 0;
        let mut reserved = None;
        for check in checks {
            match check {
                Check::ForbiddenLetter(letter) | Check::LetterCount { letter, .. } => {
                    barred |= bit(*letter);
                }
                Check::NoRepeats => reserved = Some(required(checks)),
                _ => {}
            }
        }
        let rich = checks.len() > FEW_CHECKS;
        let lexicon =
            if rich { Lexicon::strided(barred, draw) } else { Lexicon::shuffled(barred, draw) };
        let text = String::with_capacity(256);
        let mut line =
            Self { text, words: 0, breaks: Vec::new(), lexicon, barred, rich, reserved, draw };
        line.lead(checks)?;
        line.terms(checks);
        line.numbers(checks)?;
        line.letters(checks)?;
        line.fill(checks, counts)?;
        line.sentences(checks)?;
        if line.rich {
            capital(&mut line.text, 0);
        }
        Some(line)
    }

    fn add(&mut self, text: &str) {
        for word in text.split_whitespace() {
            if !self.text.is_empty() {
                self.text.push(' ');
            }
            self.text.push_str(word);
            self.words += 1;
        }
    }

    /// Adds text after which a sentence may end.
    fn push(&mut self, text: &str) {
        self.add(text);
        self.breaks.push(self.text.len());
    }

    fn holds(&self, term: &str) -> bool {
        find_term(&self.text, term, 0).is_some()
    }

    /// Whether a filler word may stand in this line.
    fn one(&mut self, wanted: impl Fn(&str) -> bool) -> Option<&'static str> {
        let (text, reserved) = (&self.text, &self.reserved);
        self.lexicon.word(|word| wanted(word) && free(text, reserved.as_deref(), word))
    }

    fn any(&mut self) -> Option<&'static str> {
        let (text, reserved) = (&self.text, &self.reserved);
        self.lexicon.any(|word| free(text, reserved.as_deref(), word))
    }

    /// The words that checks fix at the start.
    fn lead(&mut self, checks: &[&Check]) -> Option<()> {
        for check in checks {
            match check {
                Check::StartsWith(forms) => self.add(forms.first()?),
                Check::Acrostic(letters) => {
                    for letter in letters.chars() {
                        let small = letter.to_lowercase().next()?;
                        let word = self.one(|word| word.starts_with(small))?;
                        self.add(word);
                    }
                }
                Check::WordLengths(lengths) => {
                    for length in lengths {
                        let word = self.one(|word| word.len() == usize::from(*length))?;
                        self.add(word);
                    }
                }
                Check::Alphabetical(count) => {
                    let mut words = Vec::with_capacity(usize::from(*count));
                    for _ in 0..*count {
                        words.push(self.any()?);
                    }
                    words.sort_unstable();
                    words.iter().for_each(|word| self.add(word));
                }
                Check::DifferentInitials(count) => {
                    let mut seen = 0;
                    for _ in 0..*count {
                        let first = |word: &str| word.chars().next().map_or(0, bit);
                        let word = self.one(|word| seen & first(word) == 0)?;
                        seen |= first(word);
                        self.add(word);
                    }
                }
                Check::LengthSum { words, letters } => self.length_sum(*words, *letters)?,
                Check::WordAt { place, word } => {
                    for _ in 1..*place {
                        let filler = self.one(|filler| filler != word)?;
                        self.add(filler);
                    }
                    self.add(word);
                }
                _ => {}
            }
        }
        if !self.text.is_empty() {
            self.breaks.push(self.text.len());
        }
        Some(())
    }

    fn length_sum(&mut self, words: u16, letters: u16) -> Option<()> {
        let mut left = usize::from(letters);
        for more in (0..usize::from(words)).rev() {
            // What the words to come can take.
            let low = left.saturating_sub(more * WORD_LETTERS.1).max(WORD_LETTERS.0);
            let high = left.checked_sub(more * WORD_LETTERS.0)?.min(WORD_LETTERS.1);
            let word = self.one(|word| (low..=high).contains(&word.len()))?;
            left -= word.len();
            self.add(word);
        }
        Some(())
    }

    /// A word that leads over to the next term.
    fn joint(&mut self) {
        if !self.rich || self.reserved.is_some() {
            return;
        }
        let words = if self.text.is_empty() { &OPENERS } else { &JOINTS };
        if let Some(word) = words.pick(self.barred, self.draw) {
            self.add(word);
        }
    }

    fn terms(&mut self, checks: &[&Check]) {
        for check in checks {
            if let Check::Order(terms) = check {
                for form in terms.iter().filter_map(|forms| forms.first()) {
                    self.joint();
                    self.push(form);
                }
            }
        }
        for check in checks {
            if let Check::Contains(forms) = check
                && !forms.iter().any(|form| self.holds(form))
                && let Some(form) = forms.first()
            {
                self.joint();
                self.push(form);
            }
        }
    }

    fn numbers(&mut self, checks: &[&Check]) -> Option<()> {
        for check in checks {
            match check {
                Check::Equation { a, b } => {
                    self.joint();
                    self.push(&format!("{a}+{b}={}", a.checked_add(*b)?));
                }
                Check::ContainsNumber(n) if !check::holds(check, &self.text) => {
                    self.joint();
                    // A number that may be a year is written like one.
                    let year = (1800..2100).contains(n);
                    self.add(&if year { n.to_string() } else { number::grouped(*n) });
                    let noun = match self.rich && self.reserved.is_none() {
                        true => NOUNS.pick(self.barred, self.draw).unwrap_or(""),
                        false => "",
                    };
                    self.push(noun);
                }
                Check::ContainsDecimal(milli) if !check::holds(check, &self.text) => {
                    self.joint();
                    self.push(&number::decimal(*milli));
                }
                Check::Json { answer, n } => {
                    if self.text.is_empty() {
                        let word = self.any()?;
                        self.add(word);
                    }
                    let answer = serde_json::to_string(answer.first()?).ok()?;
                    self.push(&format!("{{\"answer\": {answer}, \"n\": {n}}}"));
                }
                _ => {}
            }
        }
        Some(())
    }

    /// Words with a letter that must occur so often.
    fn letters(&mut self, checks: &[&Check]) -> Option<()> {
        for check in checks {
            let Check::LetterCount { letter, count } = check else { continue };
            let last = last_word(checks).unwrap_or("");
            let all = self.text.chars().chain(last.chars()).flat_map(char::to_lowercase);
            let have = all.filter(|c| c == letter).count();
            for _ in 0..usize::from(*count).checked_sub(have)? {
                let (text, reserved) = (&self.text, &self.reserved);
                let word =
                    self.lexicon.holding(*letter, |word| free(text, reserved.as_deref(), word))?;
                self.push(word);
            }
        }
        Some(())
    }

    /// Filler up to the word count, and the last word.
    fn fill(&mut self, checks: &[&Check], counts: bool) -> Option<()> {
        let end = last_word(checks);
        let tail = usize::from(end.is_some());
        let mut least = 1;
        let mut exact = None;
        let mut sentences = 0;
        for check in checks {
            match check {
                Check::WordCount(count) if counts => exact = Some(usize::from(*count)),
                Check::MinWords(count) if counts => least = least.max(usize::from(*count)),
                Check::SentenceCount(count) => {
                    sentences = usize::from(*count);
                    least = least.max(2 * sentences);
                }
                _ => {}
            }
        }
        while self.breaks.len() + tail < sentences {
            let word = self.any()?;
            self.push(word);
        }
        let wanted = exact.unwrap_or(least);
        if exact.is_some_and(|exact| self.words + tail > exact) || wanted > MAX_WORDS {
            return None;
        }
        while self.words + tail < wanted {
            match self.turn(wanted - tail - self.words) {
                Some(turn) => self.push(turn),
                None => {
                    let word = self.any()?;
                    self.push(word);
                }
            }
        }
        if let Some(end) = end {
            self.push(end);
        }
        Some(())
    }

    /// A turn of phrase of at most so many words that leaves no single word over.
    fn turn(&mut self, most: usize) -> Option<&'static str> {
        if !self.rich || self.reserved.is_some() {
            return None;
        }
        let longest = match most {
            0 | 1 => return None,
            2..=4 => most,
            5 => 3,
            _ => 2 + self.draw.index(3),
        };
        let turn = TURNS.get(longest - 2)?.pick(self.barred, self.draw)?;
        (!self.holds(turn)).then_some(turn)
    }

    /// Full stops, spread evenly over the places that may have one.
    fn sentences(&mut self, checks: &[&Check]) -> Option<()> {
        for check in checks {
            let Check::SentenceCount(count) = check else { continue };
            let count = usize::from(*count);
            let places = self.breaks.len();
            if places < count || self.breaks.last() != Some(&self.text.len()) {
                return None;
            }
            for sentence in (1..=count).rev() {
                let end = *self.breaks.get(places * sentence / count - 1)?;
                self.text.insert(end, '.');
                capital(&mut self.text, end + 2);
            }
        }
        Some(())
    }
}

/// Whether a filler word may stand in a line: always where words may come twice.
fn free(text: &str, reserved: Option<&str>, word: &str) -> bool {
    reserved.is_none_or(|reserved| {
        find_term(text, word, 0).is_none() && find_term(reserved, word, 0).is_none()
    })
}

/// All words that the checks ask for.
fn required(checks: &[&Check]) -> String {
    let mut all = String::new();
    let mut add = |text: Option<&String>| {
        all.push_str(text.map_or("", String::as_str));
        all.push(' ');
    };
    for check in checks {
        match check {
            Check::Contains(forms) | Check::StartsWith(forms) => add(forms.first()),
            Check::Order(terms) => terms.iter().for_each(|forms| add(forms.first())),
            Check::EndsWith(word) | Check::WordAt { word, .. } => add(Some(word)),
            Check::Json { answer, .. } => add(answer.first()),
            _ => {}
        }
    }
    all
}

/// The word that the line must end with.
fn last_word<'c>(checks: &[&'c Check]) -> Option<&'c str> {
    checks.iter().find_map(|check| match *check {
        Check::EndsWith(word) => Some(word.as_str()),
        _ => None,
    })
}

/// Makes the letter at a byte offset a capital, where there is one.
fn capital(text: &mut str, at: usize) {
    if let Some(letter) = text.get_mut(at..at + 1) {
        letter.make_ascii_uppercase();
    }
}
