//! Every way in which a completion can break the format, each with its place.

use lode_tasks::{
    parse::{Argument, Named, ParseFault, Said, StepBody, parse},
    types::{ComputeOp, StepId, StepKind, TraceNeed},
};

use crate::fixture::{ALTA, NERO, STAFF, WITNESS, needing, small, task, with, without};

fn fault(text: &str) -> (usize, ParseFault) {
    let error = parse(&task(), text.as_bytes()).expect_err("must not parse");
    (error.at, error.fault)
}

fn at(text: &str, needle: &str) -> usize {
    text.find(needle).expect("is there")
}

#[test]
fn each_fault_has_its_place() {
    assert_eq!(fault(""), (0, ParseFault::Empty));
    assert_eq!(fault(" \n\t\n"), (0, ParseFault::Empty));
    assert_eq!(fault("hello"), (5, ParseFault::NoTrace));
    let cases: [(String, &str, ParseFault); 11] = [
        (with("e4:", "so:"), "so:", ParseFault::NoStepId),
        (with("e4:", "e0:"), "e0:", ParseFault::NoStepId),
        (with("e4:", "e4"), "e4 ", ParseFault::NoStepId),
        (with("Q2:", "Q1:"), "Q1: Falk", ParseFault::AnswerTwice(1)),
        (with("Q2:", "Q6:"), "Q6:", ParseFault::NoSuchQuestion(6)),
        (with("Q2:", "Q0:"), "Q0:", ParseFault::NoSuchQuestion(0)),
        (with("Q2:", "Answer:"), "Answer:", ParseFault::StrayLine),
        (with("Q2:", "Q:"), "Q:", ParseFault::StrayLine),
        (with("home\n", "home\n\n  zzz"), "zzz", ParseFault::AfterArtifact),
        (with("Q2: Falk", "Q2: Fa\u{7}lk"), "\u{7}", ParseFault::ControlCharacter('\u{7}')),
        (with("boats", "bo\rats"), "\rats", ParseFault::ControlCharacter('\r')),
    ];
    for (text, needle, expected) in cases {
        assert_eq!(fault(&text), (at(&text, needle), expected));
    }
    let open = without(&["</trace>"]);
    assert_eq!(fault(&open), (open.len(), ParseFault::TraceOpen));
    let bare = without(&["Artifact:"]);
    assert_eq!(fault(&bare), (bare.len(), ParseFault::NoArtifact));
    let empty = format!("{bare}Artifact: \"\"\n");
    assert!(matches!(fault(&empty).1, ParseFault::EmptyArtifact));
    let long = format!("{bare}Artifact: {}\n", "a".repeat(2_001));
    assert_eq!(fault(&long).1, ParseFault::ArtifactTooLong { got: 2_001, limit: 2_000 });
    let long = with("Q2: Falkridge", &format!("Q2: {}", "a".repeat(201)));
    assert_eq!(fault(&long).1, ParseFault::AnswerTooLong { got: 201, limit: 200 });
    // As long as they may be.
    for (text, length) in [
        (format!("{bare}Artifact: {}\n", "a".repeat(2_000)), 2_000),
        (with("Q2: Falkridge", &format!("Q2: {}", "a".repeat(200))), 200),
    ] {
        let parsed = parse(&task(), text.as_bytes()).expect("parses");
        assert!(
            parsed.artifact().len() == length || parsed.answer(2).map(str::len) == Some(length)
        );
    }
    let many: String = (10..60).map(|n| format!("c{}: x\n", n + 10)).collect();
    assert_eq!(fault(&with("c4:", &format!("{many}c4:"))).1, ParseFault::TooManySteps(40));
    let mut bytes = WITNESS.as_bytes().to_vec();
    bytes[40] = 0xff;
    let error = parse(&task(), &bytes).expect_err("not UTF-8");
    assert_eq!((error.at, error.fault), (40, ParseFault::NotUtf8));
    // End tokens as text.
    assert_eq!(fault(&"<|im_end|>".repeat(50)).1, ParseFault::NoTrace);
    assert_eq!(fault(&format!("{WITNESS}<|im_end|>")).1, ParseFault::AfterArtifact);
}

#[test]
fn steps_are_read_to_the_letter() {
    let parsed = parse(&task(), WITNESS.as_bytes()).expect("parses");
    assert_eq!(parsed.steps.len(), 21);
    let StepBody::Extract(claim) = &parsed.steps[1].body else { panic!("an extract") };
    assert_eq!((&claim.entity, claim.attr), (&Named::Roster(NERO), STAFF));
    let relative = claim.relative.as_ref().expect("relative");
    assert_eq!((&relative.reference, relative.less), (&Named::Roster(ALTA), false));
    let Said::Number(found) = &claim.value else { panic!("a number") };
    assert_eq!(&parsed.text[found.start..found.end], "310");
    assert_eq!(parsed.steps[1].citation, Some(3));
    let StepBody::Compute { op, arguments, result } = &parsed.steps[2].body else {
        panic!("a computation")
    };
    assert_eq!((*op, *result), (ComputeOp::Add, 4_210_000));
    assert_eq!(
        parsed.arguments(arguments),
        [
            Argument::Step(StepId { kind: StepKind::Extract, number: 1 }),
            Argument::Step(StepId { kind: StepKind::Extract, number: 2 }),
        ]
    );
    assert_eq!(
        parsed.steps[4].body,
        StepBody::Revise(StepId { kind: StepKind::Extract, number: 3 })
    );
    assert_eq!(parsed.answer(2), Some("Falkridge"));
    assert_eq!(parsed.answer(6), None);
    assert!(parsed.artifact().starts_with("Calm Lyndora"));
    assert!(parsed.trace().starts_with("e1: ") && parsed.trace().ends_with("= 77\n"));
    assert!(parsed.closed);
}

#[test]
fn thinking_may_come_first_and_the_last_trace_counts() {
    let drafted = format!("Let me see.\n{WITNESS}\nNo, again:\n{WITNESS}");
    let parsed = parse(&task(), drafted.as_bytes()).expect("parses");
    assert!(parsed.slice(&parsed.thinking).ends_with("No, again:\n"));
    assert_eq!(parsed.steps.len(), 21);
}

#[test]
fn without_needs_a_trace_is_optional() {
    let mut task = needing(&[]);
    task.trace.min_extracts = 0;
    let bare = WITNESS.split_once("</trace>\n").expect("has a trace").1;
    let parsed = parse(&task, format!("Hm.\n{bare}").as_bytes()).expect("parses");
    assert_eq!((parsed.steps.len(), parsed.slice(&parsed.thinking)), (0, "Hm.\n"));
    assert_eq!(parsed.answer(1), Some("Nero Data"));
    // Either a need or a number of steps asks for one.
    task.trace.min_extracts = 1;
    assert!(parse(&task, bare.as_bytes()).is_err());
    let mut needed = needing(&[TraceNeed::Facts]);
    needed.trace.min_extracts = 0;
    assert!(parse(&needed, bare.as_bytes()).is_err());
}

#[test]
fn the_cue_is_read_as_written() {
    let task = small();
    let rest = "e1: Alta Flow employs 3,900 people\n</trace>\nQ1: Alta Flow\nArtifact: calm";
    let parsed = parse(&task, rest.as_bytes()).expect("parses");
    assert_eq!(parsed.steps.len(), 1);
    // Places are told in what was written, without the cue.
    assert_eq!(parsed.completion_offset(parsed.steps[0].at), 0);
    assert_eq!(parsed.completion_offset(parsed.artifact.start), at(rest, "calm"));
    assert!(!parsed.closed);
    let error = parse(&task, b"so what").expect_err("no close");
    assert_eq!((error.at, error.fault), (7, ParseFault::TraceOpen));
}

#[test]
fn other_sentences_are_kept_unread() {
    let task = task();
    for line in [
        "e90: the staff of Volt Link is 2,800 [paragraph_5]",
        "e90: Volt Link employs many people [paragraph_5]",
        "e90: Volt Link employs not 2,800 people [paragraph_5]",
        "e90: Volt Link employs 2,800 or 5,100 people [paragraph_5]",
        "e90:",
        "e90: employs 12 people",
        "r90: e1 was wrong",
    ] {
        let text = with("c4:", &format!("{line}\nc4:"));
        let parsed = parse(&task, text.as_bytes()).expect("the frame holds");
        let step = parsed.steps.iter().find(|step| step.id.number == 90).expect("is there");
        assert_eq!(step.body, StepBody::Unread, "{line}");
    }
    let long = format!("e90: Volt Link employs {} people", "1".repeat(600));
    let parsed = parse(&task, with("c4:", &format!("{long}\nc4:")).as_bytes()).expect("parses");
    assert!(parsed.steps.iter().any(|step| step.body == StepBody::Unread));
}
