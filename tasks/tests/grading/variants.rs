//! Surface variants: ways to write the same attempt that must all pass.

use lode_proto::attempt::Finish;
use lode_tasks::{
    grade::Grader,
    types::{Answer, AnswerKey, FailureClass, Task},
};

use crate::fixture::{key, task};

/// Thirty-two ways to write an attempt that passes, with their names.
pub(crate) fn variants(task: &Task, key: &AnswerKey) -> Vec<(&'static str, String)> {
    let witness = &key.witness;
    let answers = |change: &dyn Fn(&str, &Answer) -> String| each_answer(witness, key, change);
    let steps = |change: &dyn Fn(&str) -> String| {
        each_line(witness, |line| {
            let step = line.len() > 1
                && line.starts_with(['e', 'c', 'r', 'f', 'm'])
                && line.as_bytes()[1].is_ascii_digit();
            step.then(|| change(line))
        })
    };
    let ungrouped = |said: &str| said.replace(',', "");
    vec![
        ("lower case answers", answers(&|said, _| said.to_lowercase())),
        ("upper case answers", answers(&|said, _| said.to_uppercase())),
        ("a full stop after answers", answers(&|said, _| format!("{said}."))),
        ("quoted answers", answers(&|said, _| format!("\"{said}\""))),
        ("answers in bold", answers(&|said, _| format!("**{said}**"))),
        ("spaces around answers", answers(&|said, _| format!("   {said}  "))),
        ("doubled spaces in answers", answers(&|said, _| said.replace(' ', "  "))),
        (
            "an article before answers",
            answers(&|said, answer| match answer {
                Answer::Entity(_) | Answer::Category(_) => format!("the {said}"),
                _ => format!("a {said}"),
            }),
        ),
        (
            "numbers without commas",
            answers(&|said, answer| match answer {
                Answer::Integer(_) | Answer::Decimal(_) => ungrouped(said),
                _ => said.to_owned(),
            }),
        ),
        (
            "numbers with a fraction",
            answers(&|said, answer| match answer {
                Answer::Integer(_) => format!("{}.0", ungrouped(said)),
                Answer::Decimal(_) => format!("{said}0"),
                _ => said.to_owned(),
            }),
        ),
        (
            "hedged numbers",
            answers(&|said, answer| match answer {
                Answer::Integer(_) | Answer::Decimal(_) => format!("about {said}"),
                _ => said.to_owned(),
            }),
        ),
        ("units", with_units(task, key)),
        (
            "aliases",
            answers(&|said, answer| match answer {
                Answer::Entity(entity) => key
                    .aliases
                    .iter()
                    .find(|alias| alias.entity == *entity)
                    .map_or_else(|| said.to_owned(), |alias| alias.name.clone()),
                _ => said.to_owned(),
            }),
        ),
        ("curly quotes around answers", answers(&|said, _| format!("\u{201c}{said}\u{201d}"))),
        ("answers in italics", answers(&|said, _| format!("_{said}_"))),
        ("answers as code", answers(&|said, _| format!("`{said}`"))),
        ("hard spaces in answers", answers(&|said, _| said.replace(' ', "\u{a0}"))),
        (
            "small numbers in words",
            answers(&|said, answer| match answer {
                Answer::Integer(n) => usize::try_from(*n)
                    .ok()
                    .and_then(|n| WORDS.get(n))
                    .map_or_else(|| said.to_owned(), |word| (*word).to_owned()),
                _ => said.to_owned(),
            }),
        ),
        (
            "no space after labels",
            each_line(witness, |line| {
                let (label, rest) = line.split_once(": ")?;
                Some(format!("{label}:{rest}"))
            }),
        ),
        (
            "lower case labels",
            each_line(witness, |line| {
                let (label, rest) = line.split_once(": ")?;
                Some(format!("{}: {rest}", label.to_lowercase()))
            }),
        ),
        ("upper case steps", steps(&|line| line.to_uppercase())),
        (
            "computations without commas",
            steps(&|line| match line.rsplit_once(" = ") {
                Some((head, result)) if line.starts_with('c') => {
                    format!("{head} = {}", ungrouped(result))
                }
                _ => line.to_owned(),
            }),
        ),
        ("no spaces around signs", steps(&|line| line.replace(" = ", "="))),
        ("chains added up", witness.replace(": resolve(", ": add(")),
        ("first places named", witness.replace("; highest", "; first highest")),
        ("lower case steps", steps(&|line| line.to_lowercase())),
        ("steps that end in a full stop", steps(&|line| format!("{line}."))),
        ("indented steps", steps(&|line| format!("  {line}  "))),
        ("doubled spaces in steps", steps(&|line| line.replace(' ', "  "))),
        ("thinking first", format!("I shall read the document first.\n\n{witness}")),
        ("line breaks of other systems", witness.replace('\n', "\r\n")),
        (
            "blank lines and a quoted artifact",
            each_line(witness, |line| {
                Some(match line.strip_prefix("Artifact: ") {
                    Some(artifact) => format!("\nArtifact: \"{artifact}\"\n"),
                    None => format!("{line}\n"),
                })
            }),
        ),
    ]
}

/// Numbers as words, from 0.
const WORDS: [&str; 11] =
    ["zero", "One", "two", "three", "FOUR", "five", "six", "seven", "eight", "nine.", "ten"];

fn each_line(text: &str, change: impl Fn(&str) -> Option<String>) -> String {
    text.lines().map(|line| change(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

/// Changes each answer of a text; `change` gets what is written and the gold answer.
fn each_answer(text: &str, key: &AnswerKey, change: impl Fn(&str, &Answer) -> String) -> String {
    each_line(text, |line| {
        let (number, said) = line.strip_prefix('Q')?.split_once(": ")?;
        let place = number.parse::<usize>().ok()?.checked_sub(1)?;
        Some(format!("Q{number}: {}", change(said, &key.gold.get(place)?.answer)))
    })
}

/// Each number with the unit of the attribute that its question measures.
fn with_units(task: &Task, key: &AnswerKey) -> String {
    use lode_tasks::types::{Measure, Query};
    each_line(&key.witness, |line| {
        let (number, said) = line.strip_prefix('Q')?.split_once(": ")?;
        let gold = key.gold.get(number.parse::<usize>().ok()?.checked_sub(1)?)?;
        let measure = match &gold.query {
            Query::Number { measure, .. }
            | Query::Total { measure, .. }
            | Query::Gap { measure, .. } => measure,
            _ => return None,
        };
        let attr = match measure {
            Measure::Attr(attr) | Measure::Diff(attr, _) => attr,
            Measure::Sum(attrs) => attrs.first()?,
            Measure::Ratio { .. } => return None,
        };
        let unit = &task.attributes.get(attr.at())?.unit;
        Some(format!("Q{number}: {said} {unit}"))
    })
}

#[test]
fn variants_of_the_witness_pass() {
    let (task, key) = (task(), key());
    let grader = Grader::new(&task, &key);
    let variants = variants(&task, &key);
    assert_eq!(variants.len(), 32);
    for (name, text) in variants {
        let verdict = grader.grade(text.as_bytes(), Finish::Stop);
        assert!(verdict.passes(), "{name}: {:#?}\n{text}", verdict.reasons);
    }
}

#[test]
fn numbers_in_words_signs_and_scales() {
    let (task, key) = (task(), key());
    let grader = Grader::new(&task, &key);
    for (question, said) in [
        ("Q5: 1,250", "$1,250 million"),
        ("Q5: 1,250", "1.25 billion dollars"),
        ("Q5: 1,250", "$1.25bn"),
        ("Q5: 1,250", "USD 1,250"),
        ("Q5: 1,250", "1250M"),
        ("Q5: 1,250", "~1,250"),
        // People have no unit of their own.
        ("Q3: 1,410", "1.41 thousand"),
        ("Q3: 1,410", "1.41k people"),
    ] {
        let text = key.witness.replace(question, &format!("{} {said}", &question[..3]));
        let verdict = grader.grade(text.as_bytes(), Finish::Stop);
        assert!(verdict.passes(), "{said}: {:#?}", verdict.reasons);
    }
    for said in ["1.41", "1,410 thousand", "1.41 million", "1.4101k"] {
        let text = key.witness.replace("Q3: 1,410", &format!("Q3: {said}"));
        let verdict = grader.grade(text.as_bytes(), Finish::Stop);
        assert_eq!(verdict.failure, Some(FailureClass::Answer), "{said}");
    }
}
