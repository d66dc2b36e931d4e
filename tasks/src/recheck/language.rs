//! What no rendered text may contain: an own, small and careful lint. It only speaks up where there
//! is no doubt.

use super::fault::Fault;
use crate::types::Task;

/// Longest run of digits without a comma that is no year.
const MAX_DIGITS: usize = 3;

/// Checks all texts of a task.
pub(super) fn check(task: &Task, faults: &mut Vec<Fault>) {
    let paragraphs = task.paragraphs.iter().enumerate().map(|(at, text)| ("paragraph", at, text));
    let questions = task.questions.iter().enumerate().map(|(at, q)| ("question", at, &q.text));
    let constraints = task.constraints.iter().enumerate().map(|(at, c)| ("constraint", at, &c.0));
    for (what, at, text) in paragraphs.chain(questions).chain(constraints) {
        // Constraints may show what a JSON object looks like.
        if let Some(fault) = fault(text, what == "constraint") {
            let place = format!("{what} {}", at + 1);
            faults.push(Fault::Language { place, what: format!("{fault} in {text:?}") });
        }
    }
}

/// The first fault of a text.
fn fault(text: &str, formulas: bool) -> Option<&'static str> {
    if text.trim() != text || text.is_empty() {
        return Some("no text, or spaces around it");
    }
    if !text.starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit()) {
        return Some("no capital at the beginning");
    }
    if ["  ", " .", " ,", " ;", " ?", "()", ",,", "..", ",.", ": ."]
        .iter()
        .any(|bad| text.contains(bad))
    {
        return Some("an empty slot");
    }
    if text.contains(['{', '}', '<', '>', '_', '\n', '\t', '\u{fffd}']) && !formulas {
        return Some("a placeholder");
    }
    let words: Vec<&str> = text.split(' ').collect();
    for pair in words.windows(2) {
        let [first, second] = pair else { continue };
        let closed = !first.ends_with(char::is_alphanumeric);
        let next = second.trim_matches(|c: char| !c.is_alphanumeric());
        if closed || next.is_empty() {
            continue;
        }
        let first = first.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        let articles = ["a", "an", "the"];
        let lower = next.to_lowercase();
        let one = second.starts_with(char::is_alphanumeric);
        if one && articles.contains(&first.as_str()) && articles.contains(&lower.as_str()) {
            return Some("a doubled article");
        }
        if one && first == lower && first.chars().all(char::is_alphabetic) {
            return Some("a doubled word");
        }
        if one
            && let Some(right) = article(next)
            && (first == "a" || first == "an")
            && first != right
        {
            return Some("the wrong article");
        }
        if matches!(next, "None" | "null" | "NaN" | "undefined" | "TODO") {
            return Some("a placeholder");
        }
    }
    digits(text)
}

/// The article of a word, where spelling leaves no doubt.
pub(super) fn article(word: &str) -> Option<&'static str> {
    let lower = word.to_lowercase();
    let heads = |list: &[&str]| list.iter().any(|head| lower.starts_with(head));
    if heads(&["hour", "honest", "honour", "honor", "heir"]) {
        return Some("an");
    }
    if heads(&["uni", "use", "usu", "eu", "one", "ubiq", "uti"]) {
        return Some("a");
    }
    let capitals =
        word.len() < 2 || word.chars().skip(1).any(|c| c.is_uppercase() || !c.is_alphabetic());
    let first = lower.chars().next()?;
    match first {
        _ if capitals => None,
        'a' | 'e' | 'i' | 'o' => Some("an"),
        'u' => Some("an"),
        c if c.is_ascii_alphabetic() => Some("a"),
        _ => None,
    }
}

/// Numbers without commas, and years with one.
fn digits(text: &str) -> Option<&'static str> {
    let mut rest = text;
    let mut before = ' ';
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        before = rest.get(..at).and_then(|head| head.chars().next_back()).unwrap_or(before);
        let tail = rest.get(at..).unwrap_or_default();
        let end = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        let number = tail.get(..end).unwrap_or_default();
        let year = number.len() == 4
            && (number.starts_with("18") || number.starts_with("19") || number.starts_with("20"));
        if number.len() > MAX_DIGITS && !year && before != '.' {
            return Some("an unformatted number");
        }
        rest = tail.get(end..).unwrap_or_default();
        before = '0';
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_found_and_good_texts_pass() {
        for text in [
            "Volt Link employs 4,210 people.",
            "Founded in 1987, Volt Link is an aviation company.",
            "Revenue: Volt Link – 412; a unit – 2.0.",
            "A user of a unit met an hour ago.",
            "An unlucky heir of a one-off.",
        ] {
            assert_eq!(fault(text, false), None, "{text}");
        }
        for text in [
            "It is the the one.",
            "It is a the one.",
            "It is a aviation company.",
            "It is an mining company.",
            "It was founded in .",
            "It employs 4210 people.",
            "It uses {LATTICE}.",
            "It was told told so.",
            "lower case.",
            "",
        ] {
            assert!(fault(text, false).is_some(), "{text}");
        }
    }
}
