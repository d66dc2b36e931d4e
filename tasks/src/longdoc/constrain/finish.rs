//! What of the constraints can be fixed only when the trapped readings are known: word counts and
//! letters, so that the truth and every trapped reading can be written under them.

use crate::{
    draw::Draw,
    longdoc::{
        artifact::{self, FILLER},
        plan::{Layout, Plan},
    },
    types::{Check, Constraint},
};

/// Letters that a constraint may forbid or count, commonest in English first.
const LETTERS: &str = "etaoinshrdlcumwfgypbvkjxqz";
/// Letters that may be counted: few enough words have them.
const COUNTED: &str = "wfgypbvkjxqz";
/// Most occurrences of a counted letter.
const MAX_COUNTED: usize = 6;
/// Words beyond the fewest possible that a word count may ask for.
const SLACK_WORDS: (i64, i64) = (2, 5);
/// The same where a whole sentence of the document should fit.
const SLACK_SENTENCE: (i64, i64) = (7, 9);

/// Fixes word counts and letters. `readings` are the checks of each reading, the truth first. A
/// constraint on the line's form that does not go with the terms of some reading gives way to a
/// word.
pub(in crate::longdoc) fn finish(
    constraints: &mut [Constraint],
    readings: &[Vec<Check>],
    plan: &Plan,
    draw: &mut Draw,
) -> Option<()> {
    letters(constraints, readings, draw)?;
    let needed = loop {
        if let Some(needed) = needed(constraints, readings, draw) {
            break needed;
        }
        let at = constraints.iter().position(gives_way)?;
        let forbidden = constraints.iter().find_map(|constraint| match constraint {
            Constraint::ForbiddenLetter(letter) => Some(*letter),
            _ => None,
        });
        let fits = |word: &str| forbidden.is_none_or(|letter| !word.contains(letter));
        let start = draw.index(FILLER.len());
        let word = FILLER.iter().cycle().skip(start).take(FILLER.len()).find(|word| fits(word))?;
        *constraints.get_mut(at)? = Constraint::Word((*word).to_owned());
    };
    for constraint in constraints.iter_mut() {
        let slack = match plan.layout {
            Layout::Sentences => SLACK_SENTENCE,
            Layout::Grouped => SLACK_WORDS,
        };
        let extra = draw.range(slack.0, slack.1);
        let count = u16::try_from(i64::try_from(needed).ok()? + extra).ok()?;
        match constraint {
            Constraint::WordCount(words)
            | Constraint::MaxWords(words)
            | Constraint::MinWords(words) => *words = count,
            _ => {}
        }
    }
    Some(())
}

/// Whether a constraint is about the line's form alone, the same in every reading.
fn gives_way(constraint: &Constraint) -> bool {
    matches!(
        constraint,
        Constraint::NoRepeats
            | Constraint::LetterCount { .. }
            | Constraint::WordLengths(_)
            | Constraint::Alphabetical(_)
            | Constraint::DifferentInitials(_)
            | Constraint::LengthSum { .. }
            | Constraint::WordAt { .. }
            | Constraint::SentenceCount(_)
            | Constraint::EndsWith(_)
    )
}

/// Words that the longest reading needs; `None` where one cannot be written.
fn needed(constraints: &[Constraint], readings: &[Vec<Check>], draw: &mut Draw) -> Option<usize> {
    // What has been fixed since the readings were taken is the same in all of them.
    let fixed: Vec<Option<Check>> = constraints.iter().map(fixed).collect();
    let mut checks: Vec<&Check> = Vec::with_capacity(constraints.len());
    let mut needed = 0;
    for (at, reading) in readings.iter().enumerate() {
        // Many readings differ in answers that no constraint asks for.
        if readings.iter().take(at).any(|before| before == reading) {
            continue;
        }
        checks.clear();
        checks.extend(
            fixed.iter().zip(reading).map(|(fixed, check)| fixed.as_ref().unwrap_or(check)),
        );
        needed = needed.max(artifact::words_needed(&checks, draw)?);
    }
    Some(needed)
}

/// The check of a constraint that is fixed late.
fn fixed(constraint: &Constraint) -> Option<Check> {
    match constraint {
        Constraint::ForbiddenLetter(letter) => Some(Check::ForbiddenLetter(*letter)),
        Constraint::LetterCount { letter, count } => {
            Some(Check::LetterCount { letter: *letter, count: *count })
        }
        Constraint::Word(word) => Some(Check::Contains(vec![word.clone()])),
        _ => None,
    }
}

fn letters(constraints: &mut [Constraint], readings: &[Vec<Check>], draw: &mut Draw) -> Option<()> {
    for constraint in constraints.iter_mut() {
        match constraint {
            Constraint::ForbiddenLetter(letter) => {
                let most = most(readings);
                let free: Vec<char> =
                    LETTERS.chars().filter(|c| most.get(place(*c)) == Some(&0)).collect();
                *letter = *draw.pick(&free)?;
            }
            Constraint::LetterCount { letter, count } => {
                let most = most(readings);
                let least = |c: char| most.get(place(c)).copied().unwrap_or(usize::MAX);
                let fitting: Vec<char> =
                    COUNTED.chars().filter(|c| least(*c) < MAX_COUNTED).collect();
                *letter = *draw.pick(&fitting)?;
                let extra = usize::try_from(draw.range(0, 2)).ok()?;
                *count = u16::try_from((least(*letter) + extra).max(1)).ok()?;
            }
            _ => {}
        }
    }
    Some(())
}

/// Place of a letter in the alphabet; beyond its end for what is none.
fn place(letter: char) -> usize {
    match u8::try_from(letter) {
        Ok(byte) if byte.is_ascii_alphabetic() => usize::from(byte.to_ascii_lowercase() - b'a'),
        _ => usize::MAX,
    }
}

/// By letter: how often it may be needed in the reading that needs it most.
fn most(readings: &[Vec<Check>]) -> [usize; 26] {
    let mut most = [0; 26];
    for reading in readings {
        let mut counts = [0; 26];
        for check in reading {
            needs(check, |c| {
                if let Some(count) = counts.get_mut(place(c)) {
                    *count += 1;
                }
            });
        }
        for (most, count) in most.iter_mut().zip(counts) {
            *most = (*most).max(count);
        }
    }
    most
}

/// Every letter that a check wants in the line.
fn needs(check: &Check, mut add: impl FnMut(char)) {
    let mut text = |text: &str| text.chars().for_each(&mut add);
    match check {
        Check::Contains(forms) | Check::StartsWith(forms) => {
            forms.first().into_iter().for_each(|form| text(form));
        }
        Check::Order(terms) => {
            terms.iter().filter_map(|forms| forms.first()).for_each(|form| text(form));
        }
        Check::Acrostic(letters) => text(letters),
        Check::EndsWith(word) | Check::WordAt { word, .. } => text(word),
        Check::Json { answer, .. } => {
            text("answer n");
            answer.first().into_iter().for_each(|form| text(form));
        }
        _ => {}
    }
}
