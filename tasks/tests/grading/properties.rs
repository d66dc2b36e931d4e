//! Whatever the bytes: no panic, a bounded verdict, and the same one every time.

use lode_proto::attempt::Finish;
use lode_tasks::{
    grade::{Grader, MAX_REASONS, grade},
    parse::parse,
    types::{FailureClass, Path},
};
use proptest::{collection::vec, prelude::*};

use crate::fixture::{WITNESS, key, small, task};

/// Pieces that make up texts close to the format.
const PIECES: [&str; 26] = [
    "<trace>",
    "</trace>",
    "\n",
    "e1: ",
    "e2: ",
    "c1: ",
    "r1: ",
    "Alta Flow",
    "Nero Data",
    " employs ",
    "3,900",
    " people",
    " more people than ",
    " [paragraph_2]",
    "add(e1, e2) = ",
    "4,210",
    "Q1: ",
    "Q2: ",
    "Artifact: ",
    " is based in ",
    "Falkridge",
    "e1 is superseded",
    "{entity}",
    "\"",
    ".",
    "é\u{2028}",
];

fn check(bytes: &[u8], finish: Finish) -> Result<(), TestCaseError> {
    for task in [task(), small()] {
        let key = key();
        let verdict = grade(&task, &key, bytes, finish);
        prop_assert_eq!(&verdict, &Grader::new(&task, &key).grade(bytes, finish));
        prop_assert!(verdict.hash().is_ok());
        prop_assert!(verdict.reasons.len() <= MAX_REASONS);
        prop_assert!(verdict.quality_milli <= 1000);
        prop_assert_eq!(verdict.answers.len(), key.gold.len());
        prop_assert_eq!(verdict.constraints.len(), key.constraints.len());
        prop_assert_eq!(verdict.traps.len(), key.traps.len());
        prop_assert_eq!(verdict.passes(), verdict.path == Path::B);
        match parse(&task, bytes) {
            Ok(parsed) => {
                for range in parsed.answers.iter().flatten() {
                    prop_assert!(parsed.text.get(range.clone()).is_some());
                }
                prop_assert!(parsed.text.get(parsed.artifact.clone()).is_some());
                prop_assert!(!parsed.artifact().is_empty());
            }
            Err(error) => {
                prop_assert!(error.at <= bytes.len());
                prop_assert!(matches!(
                    verdict.failure,
                    Some(FailureClass::Format | FailureClass::Cap)
                ));
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..600), cap: bool) {
        check(&bytes, if cap { Finish::Cap } else { Finish::Stop })?;
    }

    #[test]
    fn any_pieces(pieces in vec(0..PIECES.len(), 0..60)) {
        let text: String = pieces.into_iter().map(|at| PIECES[at]).collect();
        check(text.as_bytes(), Finish::Stop)?;
    }

    #[test]
    fn a_witness_with_wounds(
        wounds in vec((0..WITNESS.len(), 0..4_usize, any::<u8>()), 1..6),
    ) {
        let mut bytes = WITNESS.as_bytes().to_vec();
        for (at, kind, byte) in wounds {
            let at = at % bytes.len().max(1);
            match kind {
                // Earlier wounds may have left nothing to take or to change.
                0 if at < bytes.len() => { bytes.remove(at); }
                2 if at < bytes.len() => bytes[at] = byte,
                0..=2 => bytes.insert(at, byte),
                _ => bytes.truncate(at.max(1)),
            }
        }
        check(&bytes, Finish::Stop)?;
    }
}

#[test]
fn time_is_bounded_by_length() {
    // Long lines, many lines, many slots, many commas: each must be read in one go.
    let key = key();
    let mut task = task();
    task.max_completion_bytes = 256 * 1024;
    let size = 250_000;
    let cases = [
        "e".repeat(size),
        "<trace>\n".repeat(size / 8),
        format!("<trace>\ne1: {}\n</trace>", "Volt Link employs ".repeat(size / 18)),
        format!("<trace>\nc1: add({}1) = 1\n</trace>", "1, ".repeat(size / 3)),
        format!("<trace>\n{}</trace>", "\n".repeat(size)),
        format!("<trace>\n</trace>\n{}", "Q1:\n".repeat(size / 4)),
        format!("<trace>\n</trace>\nArtifact: {}", "1,".repeat(size / 2)),
        "\u{feff}".repeat(size / 3),
    ];
    for text in cases {
        assert!(!grade(&task, &key, text.as_bytes(), Finish::Stop).passes());
    }
}
