//! Constraints as properties of the artifact alone.
//!
//! Words are runs of non-space characters. Terms are compared as whole tokens (runs of letters and
//! digits), in any case, so `Volt Link.` holds `volt link` and `Volt Linkage` does not.

mod guess;
mod terms;

use crate::{number, types::Check};
pub use guess::{MAX_DERIVED_PPB, guess, guess_ppb};
pub(crate) use guess::{equation_ppb, number_ppb, prime_ppb};
pub use terms::find_term;
use terms::{same_term, starts_with};

/// Whether the artifact satisfies the check.
#[must_use]
pub fn holds(check: &Check, artifact: &str) -> bool {
    match check {
        Check::WordCount(words) => artifact.split_whitespace().count() == usize::from(*words),
        Check::MaxWords(words) => artifact.split_whitespace().count() <= usize::from(*words),
        Check::MinWords(words) => artifact.split_whitespace().count() >= usize::from(*words),
        Check::StartsWith(forms) => forms.iter().any(|form| starts_with(artifact, form)),
        Check::Contains(forms) => forms.iter().any(|form| find_term(artifact, form, 0).is_some()),
        Check::ContainsNumber(n) => holds_number(artifact, n.checked_mul(1000)),
        Check::ContainsDecimal(milli) => holds_number(artifact, Some(*milli)),
        Check::Equation { a, b } => {
            let milli = |n: i64| n.saturating_mul(1000);
            equations(artifact) == [(milli(*a), milli(*b), milli(a.saturating_add(*b)))]
        }
        Check::Acrostic(letters) => {
            let firsts: String =
                words(artifact).take(letters.chars().count()).filter_map(initial).collect();
            firsts == *letters
        }
        Check::ForbiddenLetter(letter) => {
            !artifact.chars().flat_map(char::to_lowercase).any(|c| c == *letter)
        }
        Check::Order(terms) => {
            let mut from = 0;
            for forms in terms {
                let next = forms.iter().filter_map(|form| find_term(artifact, form, from)).min();
                let Some(end) = next else { return false };
                from = end;
            }
            true
        }
        Check::Json { answer, n } => {
            let found = objects(artifact);
            let [object] = found.as_slice() else { return false };
            let text = object.get("answer").and_then(serde_json::Value::as_str);
            object.len() == 2
                && object.get("n").and_then(serde_json::Value::as_i64) == Some(*n)
                && text.is_some_and(|text| answer.iter().any(|form| same_term(text, form)))
        }
        Check::WordLengths(lengths) => {
            let found: Vec<usize> = words(artifact).take(lengths.len()).map(letters).collect();
            found.len() == lengths.len()
                && found.iter().zip(lengths).all(|(have, want)| *have == usize::from(*want))
        }
        Check::Alphabetical(count) => {
            let firsts: Vec<String> =
                words(artifact).take(usize::from(*count)).map(sort_key).collect();
            firsts.len() == usize::from(*count)
                && firsts.iter().all(|word| !word.is_empty())
                && firsts.windows(2).all(|pair| pair[0] <= pair[1])
        }
        Check::SentenceCount(count) => {
            artifact.trim_end().ends_with('.')
                && words(artifact).filter(|word| word.ends_with('.')).count() == usize::from(*count)
        }
        Check::EndsWith(word) => {
            words(artifact).next_back().is_some_and(|last| sort_key(last) == *word)
        }
        Check::WordAt { place, word } => usize::from(*place)
            .checked_sub(1)
            .and_then(|at| words(artifact).nth(at))
            .is_some_and(|found| sort_key(found) == *word),
        Check::LetterCount { letter, count } => {
            let found = artifact.chars().flat_map(char::to_lowercase).filter(|c| c == letter);
            found.count() == usize::from(*count)
        }
        Check::DifferentInitials(count) => {
            let mut firsts: Vec<char> =
                words(artifact).take(usize::from(*count)).filter_map(initial).collect();
            firsts.sort_unstable();
            firsts.dedup();
            firsts.len() == usize::from(*count)
        }
        Check::LengthSum { words: count, letters: sum } => {
            let count = usize::from(*count);
            words(artifact).count() >= count
                && words(artifact).take(count).map(letters).sum::<usize>() == usize::from(*sum)
        }
        Check::NoRepeats => {
            let mut all: Vec<String> = words(artifact).map(sort_key).collect();
            let count = all.len();
            all.sort_unstable();
            all.dedup();
            all.len() == count
        }
    }
}

/// What the artifact has instead, for a reason: "it has 9 words, 12 are asked for".
#[must_use]
pub fn explain(check: &Check, artifact: &str) -> String {
    match check {
        Check::WordCount(count) => {
            format!("it has {} words, {count} are asked for", artifact.split_whitespace().count())
        }
        Check::MaxWords(count) => format!(
            "it has {} words, at most {count} are allowed",
            artifact.split_whitespace().count()
        ),
        Check::MinWords(count) => format!(
            "it has {} words, at least {count} are asked for",
            artifact.split_whitespace().count()
        ),
        Check::StartsWith(forms) => {
            format!("it does not begin with {:?}", forms.first().map_or("", String::as_str))
        }
        Check::Contains(forms) => {
            format!("it lacks {:?}", forms.first().map_or("", String::as_str))
        }
        Check::ContainsNumber(n) => format!("it lacks the number {n}"),
        Check::ContainsDecimal(milli) => format!("it lacks the number {}", number::decimal(*milli)),
        Check::Equation { a, b } => format!(
            "it has {} equations; exactly one, {a}+{b}={}, is asked for",
            equations(artifact).len(),
            a.saturating_add(*b)
        ),
        Check::Acrostic(letters) => format!("its first words do not spell {letters}"),
        Check::ForbiddenLetter(letter) => format!("it holds the letter {letter:?}"),
        Check::Order(_) => "its terms are missing or in another order".to_owned(),
        Check::Json { answer, n } => format!(
            "it has {} JSON objects; exactly one, with \"answer\" {:?} and \"n\" {n}, is asked for",
            objects(artifact).len(),
            answer.first().map_or("", String::as_str)
        ),
        Check::WordLengths(lengths) => {
            format!("its first words do not have {lengths:?} letters")
        }
        Check::Alphabetical(count) => {
            format!("its first {count} words are not in alphabetical order")
        }
        Check::SentenceCount(count) => format!("it does not have {count} sentences"),
        Check::EndsWith(word) => format!("it does not end with {word:?}"),
        Check::WordAt { place, word } => format!("its word {place} is not {word:?}"),
        Check::LetterCount { letter, count } => {
            format!("it does not have the letter {letter:?} exactly {count} times")
        }
        Check::DifferentInitials(count) => {
            format!("its first {count} words do not begin with different letters")
        }
        Check::LengthSum { words: count, letters: sum } => format!(
            "its first {count} words have {} letters together, {sum} are asked for",
            words(artifact).take(usize::from(*count)).map(letters).sum::<usize>()
        ),
        Check::NoRepeats => "a word occurs twice".to_owned(),
    }
}

fn words(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.split_whitespace()
}

fn initial(word: &str) -> Option<char> {
    word.chars().find(|c| c.is_alphabetic()).and_then(|c| c.to_uppercase().next())
}

fn letters(word: &str) -> usize {
    word.chars().filter(|c| c.is_alphabetic()).count()
}

/// Letters and digits of a word in lower case.
pub(crate) fn sort_key(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The JSON objects of a text, from left to right, each read from the first brace that opens one.
fn objects(text: &str) -> Vec<serde_json::Map<String, serde_json::Value>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(open) = text.get(from..).and_then(|rest| rest.find('{')).map(|at| from + at) {
        let tail = text.get(open..).unwrap_or_default();
        let mut stream = serde_json::Deserializer::from_str(tail).into_iter();
        from = match stream.next() {
            Some(Ok(serde_json::Value::Object(object))) => {
                found.push(object);
                open + stream.byte_offset().max(1)
            }
            _ => open + 1,
        };
    }
    found
}

fn holds_number(artifact: &str, milli: Option<i64>) -> bool {
    milli.is_some_and(|milli| number::find(artifact).iter().any(|found| found.milli == milli))
}

/// Every `A+B=C` in the text, right or wrong, in thousandths; a space is allowed around each sign.
fn equations(text: &str) -> Vec<(i64, i64, i64)> {
    let numbers = number::find(text);
    let between = |left: &number::Found, right: &number::Found, sign: &str| {
        text.get(left.end..right.start).is_some_and(|gap| gap.trim_matches(' ') == sign)
    };
    numbers
        .windows(3)
        .filter(|n| between(&n[0], &n[1], "+") && between(&n[1], &n[2], "="))
        .map(|n| (n[0].milli, n[1].milli, n[2].milli))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_whole_tokens_in_any_case() {
        let check = Check::Contains(vec!["Volt Link".into()]);
        assert!(holds(&check, "calm VOLT link."));
        assert!(!holds(&check, "Volt Linkage"));
        assert!(!holds(&check, "Revolt Link"));
        assert!(!holds(&check, "Volt calm Link"));
        assert!(holds(&check, "Volt Volt Link"));
    }

    #[test]
    fn one_json_object_of_two_fields_and_no_other() {
        let check = Check::Json { answer: vec!["Volt Link".into()], n: 71 };
        for (artifact, wanted) in [
            ("{\"answer\":\"Volt Link\",\"n\":71}", true),
            ("x { y {\"answer\": \"VOLT LINK.\", \"n\": 71} }", true),
            ("{\"answer\":\"Volt Link\",\"n\":\"71\"}", false),
            ("{\"answer\":\"Volt Link\",\"n\":71.0}", false),
            ("{\"answer\":\"Volt\",\"n\":71}", false),
            ("{\"answer\":\"Volt Lake\",\"n\":71}", false),
            ("{\"answer\":\"Volt Link\",\"n\":71,\"m\":1}", false),
            ("{\"answer\":\"Volt Link\",\"n\":71} {}", false),
            ("answer: Volt Link, n: 71", false),
        ] {
            assert_eq!(holds(&check, artifact), wanted, "{artifact}");
        }
        assert!(!holds(&check, &"{\"a\":[".repeat(300)), "deep nesting is no crash");
    }

    #[test]
    fn edges_of_each_kind() {
        let contains = |form: &str| Check::Contains(vec![form.into()]);
        let order = |terms: &[&str]| {
            Check::Order(terms.iter().map(|term| vec![(*term).to_owned()]).collect())
        };
        let spans = |words: u16, letters: u16| Check::LengthSum { words, letters };
        for (check, artifact, wanted) in [
            (Check::MaxWords(2), "a b c d", false),
            (Check::MinWords(2), "a b c", true),
            (Check::WordCount(2), "  a   b ", true),
            (Check::StartsWith(vec!["Volt".into()]), "Voltage", false),
            (Check::StartsWith(vec!["Volt Link".into()]), "Volt", false),
            (Check::StartsWith(vec![String::new()]), "Volt", false),
            (Check::StartsWith(vec!["X".into(), "Volt".into()]), "volt so", true),
            (contains("4.5"), "so 4.5", true),
            (contains("4.5"), "so 4 5", true),
            (contains("4.5"), "so 45", false),
            (contains("\u{c4}rger"), "der \u{e4}RGER", true),
            (contains("\u{c4}rger"), "der arger", false),
            (contains("a b"), "a a b", true),
            (contains("a b"), "a c b", false),
            (contains("a b"), "a", false),
            (contains(""), "a", false),
            (Check::ContainsNumber(5), "5.5", false),
            (Check::ContainsNumber(5), "5.0", true),
            (Check::ContainsNumber(i64::MAX), "5", false),
            (Check::ContainsDecimal(4_500), "4.50", true),
            (Check::Equation { a: 20, b: 57 }, "20 + 57 = 77", true),
            (Check::Equation { a: 20, b: 57 }, "20+57= 77", true),
            (Check::Equation { a: 20, b: 57 }, "57+20=77", false),
            (Check::Equation { a: 20, b: 57 }, "20.5+57.5=77.5", false),
            (Check::Equation { a: 20, b: 57 }, "20.0+57=77", true),
            (Check::Equation { a: 20, b: 57 }, "20+57=77 20+57=77", false),
            (Check::Equation { a: 20, b: 57 }, "20-57=77", false),
            (Check::Equation { a: 20, b: 57 }, "20+57+77", false),
            (Check::Equation { a: 20, b: 57 }, "20=57=77", false),
            (Check::Equation { a: 20, b: 57 }, "3 20+57=77 4", true),
            (Check::Acrostic("KV".into()), "kite", false),
            (Check::Acrostic("KV".into()), "1 kite vale", false),
            (Check::Acrostic("KV".into()), "2kite (vale)", true),
            (Check::ForbiddenLetter('\u{e4}'), "\u{c4}rger", false),
            (order(&["a", "b"]), "a b a", true),
            (order(&["a", "a"]), "a b", false),
            (order(&["a", "a"]), "a b a", true),
            (order(&["a", "b"]), "a", false),
            (order(&[]), "", true),
            (Check::WordLengths(vec![2, 3]), "ab", false),
            (Check::WordLengths(vec![2, 3]), "a1b abc", true),
            (Check::WordLengths(vec![2, 3]), "ab abcd", false),
            (Check::WordLengths(vec![2, 3]), "abc abc", false),
            (Check::Alphabetical(2), "b b", true),
            (Check::Alphabetical(2), "b", false),
            (Check::Alphabetical(2), "... b", false),
            (Check::Alphabetical(2), "\"A b a", true),
            (Check::Alphabetical(3), "a b a", false),
            (Check::SentenceCount(2), "A. b. c.", false),
            (Check::SentenceCount(1), "A b.  ", true),
            (Check::SentenceCount(1), "A. b", false),
            (Check::EndsWith("calm".into()), "so ca-lm!", true),
            (Check::EndsWith("calm".into()), "", false),
            (Check::WordAt { place: 1, word: "a".into() }, "A b", true),
            (Check::WordAt { place: 3, word: "a".into() }, "a a", false),
            (Check::WordAt { place: 0, word: "a".into() }, "a a", false),
            (Check::LetterCount { letter: 'k', count: 1 }, "kk", false),
            (Check::LetterCount { letter: 'k', count: 0 }, "oo", true),
            (Check::DifferentInitials(2), "ant", false),
            (Check::DifferentInitials(2), "ant bee axe", true),
            (Check::DifferentInitials(2), "ant 1 bee", false),
            (spans(2, 5), "ab", false),
            (spans(1, 2), "ab", true),
            (spans(2, 5), "ab cde", true),
            (spans(2, 5), "a1b (cde) f", true),
            (Check::NoRepeats, "", true),
            (Check::NoRepeats, "a-b ab", false),
        ] {
            assert_eq!(holds(&check, artifact), wanted, "{check:?} of {artifact:?}");
        }
    }

    #[test]
    fn objects_are_read_one_after_the_other() {
        let count = |text: &str| objects(text).len();
        assert_eq!(count("{} {}"), 2);
        assert_eq!(count("{}{\"a\": {\"b\": 1}}"), 2);
        assert_eq!(count("{{}"), 1);
        assert_eq!(count("{ not {\"a\": 1} so"), 1);
        assert_eq!(count("none [1]"), 0);
        let check = Check::Json { answer: vec!["A B".into()], n: 7 };
        for (artifact, wanted) in [
            ("{\"answer\": \"a, b\", \"n\": 7}", true),
            ("{\"answer\": \"a b c\", \"n\": 7}", false),
            ("{\"answer\": \"a\", \"n\": 7}", false),
            ("{\"answer\": \"\", \"n\": 7}", false),
            ("{\"answer\": \"a b\"}", false),
            ("{\"n\": 7}", false),
        ] {
            assert_eq!(holds(&check, artifact), wanted, "{artifact}");
        }
        let check = Check::Json { answer: vec![String::new()], n: 7 };
        assert!(!holds(&check, "{\"answer\": \"\", \"n\": 7}"), "a term has a word");
    }

    #[test]
    fn what_is_missing_is_told() {
        let words = |words: u16, letters: u16| Check::LengthSum { words, letters };
        for (check, text) in [
            (Check::WordCount(3), "it has 2 words, 3 are asked for"),
            (Check::MaxWords(1), "it has 2 words, at most 1 are allowed"),
            (Check::MinWords(3), "it has 2 words, at least 3 are asked for"),
            (Check::StartsWith(vec!["X".into()]), "it does not begin with \"X\""),
            (Check::Contains(vec!["X".into(), "Y".into()]), "it lacks \"X\""),
            (Check::ContainsNumber(7), "it lacks the number 7"),
            (Check::ContainsDecimal(4_500), "it lacks the number 4.5"),
            (
                Check::Equation { a: 2, b: 3 },
                "it has 0 equations; exactly one, 2+3=5, is asked for",
            ),
            (Check::Acrostic("X".into()), "its first words do not spell X"),
            (Check::ForbiddenLetter('a'), "it holds the letter 'a'"),
            (Check::Order(vec![]), "its terms are missing or in another order"),
            (
                Check::Json { answer: vec!["X".into()], n: 7 },
                "it has 0 JSON objects; exactly one, with \"answer\" \"X\" and \"n\" 7, is asked for",
            ),
            (Check::WordLengths(vec![1, 2]), "its first words do not have [1, 2] letters"),
            (Check::Alphabetical(2), "its first 2 words are not in alphabetical order"),
            (Check::SentenceCount(2), "it does not have 2 sentences"),
            (Check::EndsWith("x".into()), "it does not end with \"x\""),
            (Check::WordAt { place: 2, word: "x".into() }, "its word 2 is not \"x\""),
            (
                Check::LetterCount { letter: 'x', count: 2 },
                "it does not have the letter 'x' exactly 2 times",
            ),
            (Check::DifferentInitials(2), "its first 2 words do not begin with different letters"),
            (words(2, 9), "its first 2 words have 7 letters together, 9 are asked for"),
            (Check::NoRepeats, "a word occurs twice"),
        ] {
            assert_eq!(explain(&check, "all told"), text);
        }
    }

    #[test]
    fn each_kind_holds_and_fails() {
        let cases: [(Check, &str, &str); 21] = [
            (Check::MaxWords(2), "a b", "a b c"),
            (Check::MinWords(2), "a b", "a"),
            (Check::StartsWith(vec!["Volt Link".into()]), "\"volt link, so", "so Volt Link"),
            (Check::WordCount(3), "a b 1+2=3", "a b"),
            (Check::Contains(vec!["Falk".into(), "FK".into()]), "x FK", "x fkk"),
            (Check::ContainsNumber(4210), "so 4,210 it is", "so 44210 it is"),
            (Check::ContainsDecimal(4500), "so 4.5.", "so 4.55"),
            (Check::Equation { a: 43, b: 36 }, "x 43+36=79 y", "43+36=79 and 1+1=2"),
            (Check::Acrostic("KV".into()), "kite \"vale x", "kite x vale"),
            (Check::ForbiddenLetter('j'), "calm dunes", "Jade dunes"),
            (Check::Order(vec![vec!["a".into()], vec!["b".into()]]), "x a b", "b x a"),
            (
                Check::Json { answer: vec!["Volt Link".into()], n: 71 },
                "so {\"n\": 71, \"answer\": \"volt link\"} it is",
                "so {\"n\": 72, \"answer\": \"Volt Link\"} it is",
            ),
            (Check::WordAt { place: 2, word: "bee".into() }, "a Bee, c", "bee a c"),
            (Check::LetterCount { letter: 'k', count: 2 }, "Keen oak", "keen"),
            (Check::DifferentInitials(3), "ant bee cat ant", "ant Axe bee"),
            (Check::LengthSum { words: 2, letters: 5 }, "ab cde f", "ab cd"),
            (Check::NoRepeats, "a b c", "a b A."),
            (Check::WordLengths(vec![2, 3]), "ab, abc d", "ab ab"),
            (Check::Alphabetical(3), "ant Bee cat a", "ant cat bee"),
            (Check::SentenceCount(2), "A b. C d.", "A b. C d"),
            (Check::EndsWith("calm".into()), "so Calm.", "calm so"),
        ];
        for (check, good, bad) in cases {
            assert!(holds(&check, good), "{check:?} should hold for {good:?}");
            assert!(!holds(&check, bad), "{check:?} should fail for {bad:?}");
            assert!(!explain(&check, bad).is_empty());
        }
    }
}
