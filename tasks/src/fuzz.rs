//! What fuzz targets call: arbitrary bytes against the parser, the grader and the grammar's
//! readers. A panic is a finding; everything that must hold of any bytes is asserted here, so that
//! a target is one line.

use std::sync::OnceLock;

use lode_proto::{
    attempt::Finish,
    limits::MAX_TRACE_STEPS,
    task::{Profile, TaskTemplate},
};

use crate::{
    ENGINE_VERSION,
    domain::{Domain, Severity},
    family::Library,
    grade::{Grader, MAX_REASONS},
    longdoc,
    parse::{Sentences, parse, parse_with},
    types::{AnswerKey, FailureClass, Path, Task},
};

mod wound;

/// Profiles whose first task is read and graded; the first byte of the input picks one.
const PROFILES: [Profile; 3] = [Profile::Nano, Profile::Mini, Profile::Standard];
/// Largest verdict, canonical bytes: each step has an outcome, and reasons are short and few.
const MAX_VERDICT_BYTES: usize = 64 * 1024;

pub(crate) fn tasks() -> &'static [(Task, AnswerKey)] {
    static TASKS: OnceLock<Vec<(Task, AnswerKey)>> = OnceLock::new();
    TASKS.get_or_init(|| {
        let Ok(library) = Library::builtin() else { return Vec::new() };
        let Ok(domain) = library.named("companies") else { return Vec::new() };
        PROFILES
            .into_iter()
            .filter_map(|profile| {
                let template = TaskTemplate {
                    family: longdoc::NAME.into(),
                    engine_version: ENGINE_VERSION,
                    domain: domain.clone(),
                    profile,
                    inputs: Vec::new(),
                };
                longdoc::generate(&template.spec([1; 32]), &library).ok()
            })
            .collect()
    })
}

/// The task that the first byte of an input picks, and its place.
fn pick(first: u8) -> Option<(usize, &'static Task, &'static AnswerKey)> {
    let tasks = tasks();
    let place = usize::from(first & 3) % tasks.len().max(1);
    tasks.get(place).map(|(task, key)| (place, task, key))
}

/// What an input stands for: with bit 3 of its first byte, the task's witness after the wounds that
/// the rest lists; else the rest itself.
fn text(first: u8, rest: &[u8], key: &AnswerKey) -> Vec<u8> {
    if first & 8 == 0 {
        return rest.to_vec();
    }
    let trapped = key.trapped.first().map_or("", |trapped| trapped.text.as_str());
    let (head, donor) = if first & 16 == 0 {
        (key.witness.as_str(), trapped)
    } else {
        (trapped, key.witness.as_str())
    };
    wound::wounded(head, donor, rest)
}

/// A completion for the parser.
pub fn completion(input: &[u8]) {
    let Some((&first, rest)) = input.split_first() else { return };
    let Some((_, task, key)) = pick(first) else { return };
    let bytes = text(first, rest, key);
    let read = parse(task, &bytes);
    assert_eq!(
        read,
        parse_with(task, &Sentences::new(task), &bytes),
        "the same bytes say the same"
    );
    match read {
        Ok(parsed) => {
            assert!(!parsed.artifact().is_empty());
            assert!(parsed.text.get(parsed.artifact.clone()).is_some());
            assert!(parsed.text.get(parsed.trace.clone()).is_some());
            assert!(parsed.text.get(parsed.thinking.clone()).is_some());
            assert!(parsed.steps.len() <= usize::from(task.trace.max_steps).min(MAX_TRACE_STEPS));
            for answer in parsed.answers.iter().flatten() {
                assert!(parsed.text.get(answer.clone()).is_some_and(|text| !text.is_empty()));
            }
        }
        Err(error) => assert!(error.at <= bytes.len() && !error.to_string().is_empty(), "{error}"),
    }
}

/// A completion for the grader.
pub fn grade(input: &[u8]) {
    static GRADERS: OnceLock<Vec<Grader<'static>>> = OnceLock::new();
    let Some((&first, rest)) = input.split_first() else { return };
    let Some((place, task, key)) = pick(first) else { return };
    let graders =
        GRADERS.get_or_init(|| tasks().iter().map(|(task, key)| Grader::new(task, key)).collect());
    let Some(shared) = graders.get(place) else { return };
    let finish = if first & 4 == 0 { Finish::Stop } else { Finish::Cap };
    let bytes = text(first, rest, key);
    let verdict = shared.grade(&bytes, finish);
    // What other attempts left in the shared grader makes no difference.
    let again = Grader::new(task, key).grade(&bytes, finish);
    assert_eq!(verdict, again, "grading is a function of its inputs");
    assert!(verdict.canonical_bytes().is_ok_and(|bytes| bytes.len() <= MAX_VERDICT_BYTES));
    assert!(verdict.reasons.len() <= MAX_REASONS);
    assert!(verdict.quality_milli <= 1000 && verdict.trace_milli <= 1000);
    assert_eq!(verdict.passes(), verdict.path == Path::B);
    assert_eq!(verdict.answers.len(), key.gold.len());
    assert_eq!(verdict.constraints.len(), key.constraints.len());
    assert_eq!(verdict.traps.len(), key.traps.len());
    let steps = verdict.citations.len() + verdict.computes.len() + verdict.revisions.len();
    assert!(steps <= usize::from(task.trace.max_steps).min(MAX_TRACE_STEPS));
    assert!(verdict.dataflow.iter().all(|outcome| outcome.follows || !outcome.grounded));
    let unread = matches!(verdict.failure, Some(FailureClass::Cap | FailureClass::Format));
    assert!(unread || parse(task, &bytes).is_ok());
    assert!(!unread || verdict.quality_milli == 0);
}

/// A domain file.
pub fn domain(input: &[u8]) {
    // It comes back, and where it is refused, the author is told why, in words and in a line.
    let findings = Domain::check("companies", input);
    if let Err(error) = Domain::read("companies", input) {
        assert!(!error.to_string().is_empty());
        assert!(findings.iter().any(|finding| finding.severity == Severity::Error), "{error}");
    }
    let lines = 1 + input.iter().filter(|byte| **byte == b'\n').count();
    for finding in findings {
        assert!(finding.line <= lines && !finding.message.is_empty(), "{finding}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    proptest! {
        #[test]
        fn completions(input in vec(any::<u8>(), 0..200)) {
            super::completion(&input);
        }

        #[test]
        fn verdicts(input in vec(any::<u8>(), 0..200)) {
            super::grade(&input);
        }

        #[test]
        fn verdicts_on_wounded_witnesses(first in 0_u8..32, input in vec(any::<u8>(), 0..60)) {
            super::grade(&[&[first | 8], input.as_slice()].concat());
        }

        #[test]
        fn domains(input in vec(any::<u8>(), 0..200)) {
            super::domain(&input);
        }
    }
}
