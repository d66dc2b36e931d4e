//! What single steps are read and recomputed as, at the ends of what is allowed.

use lode_tasks::{
    parse::{MAX_STEP_BYTES, StepBody, parse},
    types::{ComputeStatus, RevisionStatus},
};

use crate::{
    fixture::{graded, task, with},
    traces::status,
};

#[test]
fn arguments_come_to_256_values_at_most() {
    let most = |kept: &str, times: usize| {
        let all = vec!["f1"; times].join(", ");
        status(&format!("f1: filter({kept}; above 0) = {kept}\nc90: max({all}) = 4,210"))
    };
    let eight = "e1, e2, c1, e4, c2, c3, e7, e8";
    assert_eq!(most(eight, 32), ComputeStatus::Right);
    let nine = "e1, e2, c1, e4, c2, c3, e7, e8, e9";
    assert_eq!(most(nine, 28), ComputeStatus::Right);
    assert_eq!(most(nine, 29), ComputeStatus::Undefined);
}

#[test]
fn a_wrong_difference_is_rightly_withdrawn() {
    for (claim, status) in [
        ("310 more people than Alta Flow", RevisionStatus::Needless),
        ("311 more people than Alta Flow", RevisionStatus::Unsettled),
        ("310 more people than Nobody", RevisionStatus::Needless),
    ] {
        let text = with(
            "c4:",
            &format!("e20: Nero Data employs {claim} [paragraph_3]\nr2: e20 is superseded\nc4:"),
        );
        assert_eq!(graded(&task(), &text).revisions[1].status, status, "{claim}");
    }
}

#[test]
fn a_step_has_512_bytes_at_most() {
    for (length, read) in [(MAX_STEP_BYTES, true), (MAX_STEP_BYTES + 1, false), (600, false)] {
        let (head, tail) = ("add(1,", "1) = 2");
        let body = format!("{head}{}{tail}", " ".repeat(length - head.len() - tail.len()));
        let text = with("c4:", &format!("c90: {body}\nc4:"));
        let parsed = parse(&task(), text.as_bytes()).expect("parses");
        let step = parsed.steps.iter().find(|step| step.id.number == 90).expect("is there");
        assert_eq!(step.body != StepBody::Unread, read, "{length}");
    }
}

#[test]
fn a_citation_is_a_paragraph_and_its_number() {
    for (written, cited) in [
        ("[paragraph_5]", Some(5)),
        ("[ Paragraph_05 ].", Some(5)),
        ("[paragraph_99999999999]", Some(u32::MAX)),
        ("[section_5]", None),
        ("[paragraph_]", None),
        ("[paragraph_five]", None),
        ("[paragraph_5a]", None),
        ("[paragraph 5]", None),
        ("(paragraph_5)", None),
        ("[paragraph_5] so", None),
    ] {
        let line = format!("e90: Volt Link employs 2,800 people {written}\nc4:");
        let parsed = parse(&task(), with("c4:", &line).as_bytes()).expect("parses");
        let step = parsed.steps.iter().find(|step| step.id.number == 90).expect("is there");
        assert_eq!(step.citation, cited, "{written}");
        assert_eq!(step.body != StepBody::Unread, cited.is_some(), "{written}");
    }
}
