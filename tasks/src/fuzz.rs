//! What fuzz targets call: arbitrary bytes against the parser, the grader and the grammar's
//! readers. A panic is a finding; everything that must hold of any bytes is asserted here, so that
//! a target is one line.

use std::sync::OnceLock;

use lode_proto::{
    attempt::Finish,
    task::{Profile, TaskTemplate},
};

use crate::{
    ENGINE_VERSION,
    domain::{Domain, Severity},
    family::Library,
    grade::{Grader, MAX_REASONS},
    longdoc,
    parse::parse,
    types::{AnswerKey, Path, Task},
};

/// Profiles whose first task is graded against; the first byte of the input picks one.
const PROFILES: [Profile; 3] = [Profile::Nano, Profile::Mini, Profile::Standard];

fn tasks() -> &'static [(Task, AnswerKey)] {
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

/// A completion. The first byte picks the task, how generation ended, and whether the rest is the
/// completion itself or a list of wounds (place, kind, byte) to the witness, which gets deeper.
pub fn completion(input: &[u8]) {
    let Some((&first, rest)) = input.split_first() else { return };
    let tasks = tasks();
    let Some((task, key)) = tasks.get(usize::from(first & 3) % tasks.len().max(1)) else { return };
    let finish = if first & 4 == 0 { Finish::Stop } else { Finish::Cap };
    let bytes = if first & 8 == 0 { rest.to_vec() } else { wounded(&key.witness, rest) };
    let verdict = Grader::new(task, key).grade(&bytes, finish);
    let again = Grader::new(task, key).grade(&bytes, finish);
    assert_eq!(verdict, again, "grading is a function of its inputs");
    assert!(verdict.hash().is_ok());
    assert!(verdict.reasons.len() <= MAX_REASONS);
    assert!(verdict.quality_milli <= 1000);
    assert_eq!(verdict.passes(), verdict.path == Path::B);
    assert_eq!(verdict.answers.len(), key.gold.len());
    assert_eq!(verdict.constraints.len(), key.constraints.len());
    assert_eq!(verdict.traps.len(), key.traps.len());
    match parse(task, &bytes) {
        Ok(parsed) => {
            assert!(!parsed.artifact().is_empty());
            assert!(parsed.text.get(parsed.artifact.clone()).is_some());
            assert!(parsed.text.get(parsed.trace.clone()).is_some());
            for answer in parsed.answers.iter().flatten() {
                assert!(parsed.text.get(answer.clone()).is_some());
            }
        }
        Err(error) => assert!(error.at <= bytes.len(), "{error}"),
    }
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

fn wounded(witness: &str, wounds: &[u8]) -> Vec<u8> {
    let mut bytes = witness.as_bytes().to_vec();
    for wound in wounds.chunks_exact(4) {
        let at = usize::from(u16::from_le_bytes([wound[0], wound[1]]));
        let at = at % bytes.len().max(1);
        match wound[2] % 4 {
            0 if !bytes.is_empty() => {
                bytes.remove(at);
            }
            1 => bytes.insert(at.min(bytes.len()), wound[3]),
            2 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = wound[3];
                }
            }
            _ => bytes.truncate(bytes.len() - usize::from(wound[3]).min(bytes.len()) / 8),
        }
    }
    bytes
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
        fn domains(input in vec(any::<u8>(), 0..200)) {
            super::domain(&input);
        }
    }
}
