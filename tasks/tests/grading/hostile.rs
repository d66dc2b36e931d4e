//! What no honest model writes: every one of these is a typed verdict, small and always the same.
//! What they cost at most is counted beside the grader (`src/grade/bounds.rs`).

use lode_proto::attempt::Finish;
use lode_tasks::{
    grade::{Grader, MAX_REASONS, grade},
    parse::{ParseFault, parse},
    types::{
        AnswerStatus, CitationStatus, ComputeStatus, FailureClass, ParseOutcome, RuleVerdict, Task,
    },
};

use crate::fixture::{WITNESS, graded, key, task, with, without};

/// Largest verdict on the hand-made task, canonical bytes.
const MAX_VERDICT_BYTES: usize = 16 * 1024;

/// The verdict on a text, which is the same from any grader and small.
fn verdict(task: &Task, text: &str) -> RuleVerdict {
    let key = key();
    let grader = Grader::new(task, &key);
    let verdict = grader.grade(text.as_bytes(), Finish::Stop);
    assert_eq!(verdict, grader.grade(text.as_bytes(), Finish::Stop));
    assert_eq!(verdict, grade(task, &key, text.as_bytes(), Finish::Stop));
    assert!(verdict.reasons.len() <= MAX_REASONS);
    let bytes = verdict.canonical_bytes().expect("encodes").len();
    assert!(bytes <= MAX_VERDICT_BYTES, "{bytes} bytes");
    verdict
}

/// The hand-made task with room for long completions.
fn roomy() -> Task {
    Task { max_completion_bytes: 4 << 20, ..task() }
}

#[test]
fn a_mebibyte_of_anything() {
    let size = 1 << 20;
    for text in [
        "a".repeat(size),
        "\n".repeat(size),
        "<trace>\n".repeat(size / 8),
        "<".repeat(size),
        "1,".repeat(size / 2),
        "Q1: ".repeat(size / 4),
        "Artifact: ".repeat(size / 10),
        "\u{202e}".repeat(size / 3),
        without(&["</trace>"]).repeat(size / WITNESS.len()),
    ] {
        // More than the task reads is a cap, whatever it is; with room for it, it is read in full.
        assert_eq!(verdict(&task(), &text).failure, Some(FailureClass::Cap));
        let failure = verdict(&roomy(), &text).failure;
        assert_eq!(failure, Some(FailureClass::Format), "{:?}", text.get(..20));
    }
    // Of many attempts in one, the last one counts.
    let again = WITNESS.repeat(size / WITNESS.len());
    assert_eq!(verdict(&task(), &again).failure, Some(FailureClass::Cap));
    assert_eq!(verdict(&roomy(), &again).failure, None);
    // A mebibyte of thinking before a sound attempt.
    let thought = format!("{}\n{WITNESS}", "Let me see. ".repeat(size / 12));
    assert_eq!(verdict(&roomy(), &thought).failure, None);
}

#[test]
fn control_characters() {
    for c in ['\0', '\u{7}', '\u{8}', '\u{1b}', '\u{7f}', '\u{85}', '\u{b}'] {
        // In answers and artifact they are a fault of the format; elsewhere a line that says nothing.
        let answer = with("Q2: Falk", &format!("Q2: Fa{c}lk"));
        let artifact = with("boats", &format!("bo{c}ats"));
        for text in [answer, artifact] {
            let error = parse(&task(), text.as_bytes()).expect_err("is a fault");
            assert_eq!(error.fault, ParseFault::ControlCharacter(c));
            let verdict = verdict(&task(), &text);
            assert_eq!(verdict.failure, Some(FailureClass::Format));
            // A reason may be shown as it is.
            assert!(!verdict.reasons[0].text.contains(c));
        }
        let step = with("e7: Volt", &format!("e7: Vo{c}lt"));
        let verdict = verdict(&task(), &step);
        assert_eq!(verdict.failure, Some(FailureClass::Trace), "{c:?}");
    }
}

#[test]
fn right_to_left_marks_and_other_invisible_characters() {
    for mark in ['\u{202e}', '\u{200f}', '\u{2066}', '\u{200b}', '\u{feff}', '\u{ad}'] {
        // Around a name they are punctuation, within a word they part it.
        let around = with("Q1: Nero Data", &format!("Q1: {mark}Nero Data{mark}"));
        assert_eq!(verdict(&task(), &around).answers[0].status, AnswerStatus::Right, "{mark:?}");
        let within = with("Q1: Nero Data", &format!("Q1: Ne{mark}ro Data"));
        let verdict = verdict(&task(), &within);
        assert_eq!(verdict.answers[0].status, AnswerStatus::Wrong, "{mark:?}");
        assert!(verdict.reasons.iter().all(|reason| !reason.text.contains(mark)), "{mark:?}");
    }
}

#[test]
fn combining_characters() {
    let heaped = "\u{301}".repeat(60);
    let answer = with("Q1: Nero Data", &format!("Q1: Nero{heaped} Data"));
    assert!(verdict(&task(), &answer).answers[0].status != AnswerStatus::Missing);
    // A digit with a mark is still that digit; a letter that is another is another word.
    let number = with("Q3: 1,410", "Q3: 1,410\u{20e3}");
    assert_eq!(verdict(&task(), &number).answers[2].status, AnswerStatus::Right);
    let word = with("Q2: Falkridge", "Q2: F\u{e4}lkridge");
    assert_eq!(verdict(&task(), &word).answers[1].status, AnswerStatus::Wrong);
    let step = with("e7: Volt", &format!("e7: V{heaped}olt"));
    assert_eq!(verdict(&task(), &step).failure, Some(FailureClass::Trace));
}

#[test]
fn homoglyph_digits() {
    // Only 0 to 9 are digits: others are neither numbers nor part of one.
    for said in [
        "\u{ff11},410",
        "1,41\u{660}",
        "\u{661}\u{664}\u{661}\u{660}",
        "1,41O",
        "l,410",
        "\u{1d7cf}410",
    ] {
        let text = with("Q3: 1,410", &format!("Q3: {said}"));
        assert_eq!(verdict(&task(), &text).answers[2].status, AnswerStatus::Wrong, "{said}");
    }
    for said in ["2\u{ff13} lamps", "\u{ff12}3 lamps", "\u{ff12}\u{ff13} lamps"] {
        let verdict = verdict(&task(), &with("23 lamps", said));
        assert_eq!(verdict.failure, Some(FailureClass::Constraint), "{said}");
    }
    let text = with("e4: Volt Link employs 2,800", "e4: Volt Link employs \u{ff12},800");
    assert_eq!(verdict(&task(), &text).failure, Some(FailureClass::Trace));
    let text = with("[paragraph_2]", "[paragraph_\u{ff12}]");
    assert_eq!(verdict(&task(), &text).failure, Some(FailureClass::Trace));
    // A name in look-alike letters is another name.
    let text = with("Q1: Nero Data", "Q1: N\u{435}ro Data");
    assert_eq!(verdict(&task(), &text).answers[0].status, AnswerStatus::Wrong);
}

#[test]
fn a_hundred_thousand_steps() {
    for line in
        ["e1: Alta Flow employs 3,900 people [paragraph_2]", "c1: add(1, 1) = 2", "x", "e1:"]
    {
        let text = format!("<trace>\n{}</trace>\n", format!("{line}\n").repeat(100_000));
        let failure = verdict(&Task { max_completion_bytes: 8 << 20, ..task() }, &text);
        assert_eq!(failure.failure, Some(FailureClass::Format), "{line}");
        assert_eq!(verdict(&task(), &text).failure, Some(FailureClass::Cap));
    }
    // A task that asks for more steps than are read does not get them.
    let mut endless = Task { max_completion_bytes: 8 << 20, ..task() };
    endless.trace.max_steps = u16::MAX;
    let text = with("c4:", &format!("{}c4:", "c90: add(1, 1) = 2\n".repeat(100_000)));
    let error = parse(&endless, text.as_bytes()).expect_err("too many");
    assert_eq!(error.fault, ParseFault::TooManySteps(400));
}

#[test]
fn steps_that_refer_to_themselves_or_ahead() {
    for line in [
        "c90: add(c90, 1) = 1",
        "c90: add(c91, 1) = 1\nc91: add(c90, 0) = 1",
        "c90: resolve(c90, e2) = 1",
        "f1: filter(f1; above 1) = f1",
        "f1: filter(e1; above f1) = e1",
        "f1: filter(e1; same as f1) = none",
        "m1: compare(m1, e1; highest) = m1",
        "m1: compare(e1, e4; highest) = m1",
        "c90: add(e90, 1) = 1\ne90: Volt Link employs 2,800 people [paragraph_5]",
    ] {
        let verdict = verdict(&task(), &with("c4:", &format!("{line}\nc4:")));
        assert_eq!(verdict.failure, Some(FailureClass::Trace), "{line}");
        assert_eq!(verdict.computes[3].status, ComputeStatus::Undefined, "{line}");
    }
    let verdict = verdict(&task(), &with("c4:", "r9: r9 is superseded\nc4:"));
    assert!(verdict.reasons.iter().any(|r| r.text == "does not withdraw an earlier step"));
}

#[test]
fn numbers_of_four_hundred_digits() {
    let long = "9".repeat(400);
    let zeros = format!("{}1,410", "0".repeat(396));
    for number in [&long, &zeros, &format!("1.{long}"), &format!("-{long}"), &format!("{long}%")] {
        // Too long for an answer is a fault of the format, like any answer of that length.
        let verdict = verdict(&task(), &with("Q3: 1,410", &format!("Q3: {number}")));
        assert_eq!(verdict.failure, Some(FailureClass::Format));
    }
    let half = "9".repeat(150);
    for (from, to) in [
        ("Q3: 1,410", format!("Q3: {half}")),
        ("Q3: 1,410", format!("Q3: {half} thousand")),
        ("Q4: 2.1", format!("Q4: 2.1{half}")),
    ] {
        assert_eq!(verdict(&task(), &with(from, &to)).failure, Some(FailureClass::Answer), "{to}");
    }
    let artifact = verdict(&task(), &with("23 lamps", &format!("{long} lamps")));
    assert_eq!(artifact.failure, Some(FailureClass::Constraint));
    for line in [
        format!("c90: add({long}, 1) = {long}"),
        format!("c90: mod({long}, {long}) = 0"),
        format!("f90: filter(e1; above {long}) = none"),
    ] {
        let verdict = verdict(&task(), &with("c4:", &format!("{line}\nc4:")));
        assert_eq!(verdict.failure, Some(FailureClass::Trace), "{line}");
    }
    let line = format!("e90: Volt Link employs {long} people [paragraph_5]\nc4:");
    let unread = verdict(&task(), &with("c4:", &line));
    assert!(unread.reasons.iter().any(|r| r.text == "is not one of the trace sentences"));
    let cited = verdict(&task(), &with("[paragraph_2]", &format!("[paragraph_{long}]")));
    assert_eq!(cited.citations[0].status, CitationStatus::NoSuchParagraph);
}

#[test]
fn numbers_at_the_ends_of_their_range() {
    use ComputeStatus::{Right, Undefined, Wrong};
    let most = "999,999,999,999,999";
    for (line, found) in [
        (format!("c90: add({most}, {most}) = 1"), Wrong),
        (format!("c90: mul({most}, {most}) = {most}"), Wrong),
        (format!("c90: sub(-{most}, {most}) = 0"), Wrong),
        (format!("c90: abs_diff(-{most}, {most}) = 0"), Wrong),
        (format!("c90: mod(-{most}, {most}) = 0"), Right),
        (format!("c90: ratio({most}, 0.001) = {most}"), Undefined),
        (format!("c90: ratio(1, {most}) = 0"), Right),
        ("m90: compare(c1, c2; highest) = c1".to_owned(), Undefined),
        ("c90: next_prime(-5) = 2".to_owned(), Right),
        ("c90: next_prime(1,000,000) = 1,000,003".to_owned(), Right),
        ("c90: next_prime(1,000,001) = 1,000,003".to_owned(), Undefined),
    ] {
        let verdict = graded(&task(), &with("c4:", &format!("{line}\nc4:")));
        assert_eq!(verdict.computes[3].status, found, "{line}");
    }
}

#[test]
fn pieces_of_the_format_in_the_wrong_place() {
    let trace = WITNESS.split_once("Q1: ").expect("has answers").0;
    for (text, failure) in [
        // Answers inside the trace, a trace inside a trace, tags on one line.
        (with("c4:", "Q1: Nero Data\nc4:"), Some(FailureClass::Format)),
        (with("c4:", "<trace>\nc4:"), Some(FailureClass::Trace)),
        (WITNESS.replace("<trace>\n", "<trace> "), Some(FailureClass::Format)),
        (WITNESS.replace("</trace>\n", "</trace> "), Some(FailureClass::Format)),
        (format!("{trace}{WITNESS}"), None),
        (format!("{WITNESS}{trace}"), Some(FailureClass::Format)),
        (without(&["<trace>"]), Some(FailureClass::Format)),
        ("\u{feff}".to_owned() + WITNESS, Some(FailureClass::Format)),
    ] {
        assert_eq!(verdict(&task(), &text).failure, failure, "{text}");
    }
    let mut bytes = WITNESS.as_bytes().to_vec();
    bytes.truncate(bytes.len() - 1);
    bytes.extend([0xe2, 0x82]);
    let verdict = grade(&task(), &key(), &bytes, Finish::Stop);
    assert_eq!(verdict.parse, ParseOutcome::Malformed);
}
