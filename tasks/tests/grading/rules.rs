//! What each rule says about the hand-made task.

use lode_proto::attempt::Finish;
use lode_tasks::{
    grade::grade,
    types::{
        AnswerStatus, CitationStatus, ComputeStatus, DocParagraph, FactRef, FailureClass, NamedBy,
        Naming, ParseOutcome, Part, Path, Standing, Statement, StatementKind, TrapStatus, Value,
    },
};

use crate::fixture::{
    ALTA, CITY, STAFF, TRAPPED, VOLT, WITNESS, graded, key, small, task, with, without,
};

#[test]
fn the_witness_passes_without_a_fault() {
    let verdict = graded(&task(), WITNESS);
    assert_eq!(verdict.failure, None, "{:#?}", verdict.reasons);
    assert_eq!(verdict.path, Path::B);
    assert_eq!(verdict.quality_milli, 1000, "{:#?}", verdict.reasons);
    assert_eq!(verdict.reasons, vec![]);
    assert_eq!(verdict.traps[0].status, TrapStatus::Avoided);
    assert_eq!(verdict.traps[1].status, TrapStatus::NotReached);
    assert_eq!(verdict.citations.len(), 9);
    assert_eq!(verdict.computes.len(), 11);
    assert_eq!(verdict.dataflow.len(), 9);
}

#[test]
fn a_trapped_reader_is_told_apart() {
    let verdict = graded(&task(), TRAPPED);
    assert_eq!(verdict.failure, Some(FailureClass::Trap));
    assert_eq!(verdict.path, Path::A);
    assert_eq!(verdict.traps[0].status, TrapStatus::Caught);
    assert_eq!(verdict.answers[0].status, AnswerStatus::Trapped);
    assert_eq!(verdict.answers[2].status, AnswerStatus::Trapped);
    assert!(verdict.dataflow.iter().all(|outcome| outcome.follows), "{:#?}", verdict.dataflow);
    assert!(verdict.computes.iter().all(|step| step.status == ComputeStatus::Right));
    assert!(
        verdict.reasons.iter().any(|r| r.part == Part::Trap(1)
            && r.text == "caught (superseded): took 5,100 for 2,800 as employees of Volt Link"),
        "{:#?}",
        verdict.reasons
    );
}

#[test]
fn half_a_trap_is_no_road() {
    let verdict = graded(&task(), &with("Q3: 1,410", "Q3: 890"));
    assert_eq!(verdict.failure, Some(FailureClass::Trap));
    assert_eq!(verdict.path, Path::None);
}

#[test]
fn an_artifact_that_holds_the_right_value_is_not_caught_by_the_wrong_one() {
    let verdict = graded(&task(), &with("drift home", "Marrow Bay"));
    assert_eq!(verdict.traps[0].status, TrapStatus::Avoided);
    assert_eq!(verdict.failure, None, "{:#?}", verdict.reasons);
}

#[test]
fn bait_is_reported_and_does_not_fail() {
    let bait = with("c4:", "e10: Alta Flow earned 412,000 million dollars [paragraph_11]\nc4:");
    let verdict = graded(&task(), &bait);
    assert_eq!(verdict.traps[1].status, TrapStatus::Caught);
    assert_eq!(verdict.failure, None, "{:#?}", verdict.reasons);
    let right = with("c4:", "e10: Alta Flow earned 412 million dollars [paragraph_11]\nc4:");
    assert_eq!(graded(&task(), &right).traps[1].status, TrapStatus::Avoided);
}

#[test]
fn citations_are_checked_by_whole_tokens_in_any_number_format() {
    let status = |from: &str, to: &str| graded(&task(), &with(from, to)).citations;
    // $1.25 billion is 1,250 million dollars.
    let all = status("c4:", "c4:");
    assert!(all.iter().all(|citation| citation.status == CitationStatus::Right), "{all:#?}");
    // Paragraph 12 names Volt Linkage and holds 28,001: neither is a token of the claim.
    let linkage = status("people [paragraph_5]", "people [paragraph_12]");
    assert_eq!(linkage[3].status, CitationStatus::EntityAbsent);
    let value = status("people [paragraph_5]", "people [paragraph_8]");
    assert_eq!(value[3].status, CitationStatus::ValueAbsent);
    let nowhere = status("people [paragraph_5]", "people [paragraph_13]");
    assert_eq!(nowhere[3].status, CitationStatus::NoSuchParagraph);
    let huge = status("people [paragraph_5]", "people [paragraph_99999999999999]");
    assert_eq!(huge[3].status, CitationStatus::NoSuchParagraph);
    let none = status("people [paragraph_5]", "people");
    assert_eq!(none[3].status, CitationStatus::Missing);
    // A relative claim needs both names and the difference.
    let half = status("Alta Flow [paragraph_3]", "Alta Flow [paragraph_7]");
    assert_eq!(half[1].status, CitationStatus::EntityAbsent);
    // An alias names its entity.
    let alias = status("e9: Nero Data", "e9: ND");
    assert_eq!(alias[8].status, CitationStatus::Right);
    let stranger = status("e9: Nero Data", "e9: QX");
    // An extract that cannot be read still cites.
    let unread = |citation: &str| {
        let text = with("e7: Volt Link has a", &format!("e70: so {citation}\ne7: Volt Link has a"));
        graded(&task(), &text).citations[6].status
    };
    assert_eq!(unread(""), CitationStatus::Missing);
    assert_eq!(unread("[paragraph_13]"), CitationStatus::NoSuchParagraph);
    assert_eq!(unread("[paragraph_12]"), CitationStatus::EntityAbsent);
    assert_eq!(stranger[8].status, CitationStatus::EntityAbsent);
}

#[test]
fn a_paragraph_names_an_entity_as_the_document_does_there() {
    // A slip of the pen in paragraph 12, and words that lead to the entity.
    let mut task = task();
    task.paragraphs[11] = "Vlot Link counts 28,001 members, its larger rival 9,000.".into();
    let named = |entity, text: &str, by| Statement {
        kind: StatementKind::Absolute {
            fact: FactRef { entity, attr: STAFF },
            value: Value::Int(28_001),
            standing: Standing::Plain,
        },
        named: Some(Naming { text: text.into(), by }),
        printed: None,
    };
    let clue = NamedBy::Clue { attr: CITY, value: "Falkridge".into() };
    let statements =
        vec![named(VOLT, "Vlot Link", NamedBy::Typo), named(ALTA, "its larger rival", clue)];
    let mut key = key();
    key.document = vec![DocParagraph { statements: vec![] }; 11];
    key.document.push(DocParagraph { statements });
    let status = |name: &str, paragraph: u32| {
        let line = format!("e20: {name} employs 28,001 people [paragraph_{paragraph}]\nc4:");
        let text = with("c4:", &line);
        let verdict = grade(&task, &key, text.as_bytes(), Finish::Stop);
        verdict.citations.last().expect("is the last").status
    };
    assert_eq!(status("Volt Link", 12), CitationStatus::Right);
    assert_eq!(status("Alta Flow", 12), CitationStatus::Right);
    assert_eq!(status("Nero Data", 12), CitationStatus::EntityAbsent);
    assert_eq!(status("Volt Link", 3), CitationStatus::EntityAbsent);
}

#[test]
fn shuffled_citations_change_the_verdict() {
    let shuffled = WITNESS
        .replace("[paragraph_2]", "[paragraph_x]")
        .replace("[paragraph_5]", "[paragraph_2]")
        .replace("[paragraph_10]", "[paragraph_5]")
        .replace("[paragraph_x]", "[paragraph_10]");
    let verdict = graded(&task(), &shuffled);
    assert_eq!(verdict.failure, Some(FailureClass::Trace));
    assert_ne!(verdict.hash().expect("hashes"), graded(&task(), WITNESS).hash().expect("hashes"));
}

#[test]
fn computes_are_recomputed() {
    let of = |line: &str| {
        let text = with("c4:", &format!("c90: {line}\nc4:"));
        let verdict = graded(&task(), &text);
        verdict.computes[3].status
    };
    use ComputeStatus::{Right, Undefined, Wrong};
    for (line, status) in [
        ("add(1, 2) = 3", Right),
        ("add(1) = 1", Undefined),
        ("sub(e1, e4) = 1,100", Right),
        ("sub(e4, e1) = -1,100", Right),
        ("mul(e7, 2) = 4.2", Right),
        ("mul(e7, 2) = 4", Wrong),
        ("mul(1.5, 0.5) = 0.75", Right),
        ("mod(-7, 5) = 3", Right),
        ("mod(7, 0) = 0", Undefined),
        ("mod(4,210, 100) = 10", Right),
        ("max(e1, e4) = 3900", Right),
        ("min(e1,e4) = 2,800", Right),
        ("abs_diff(e4, e1) = 1,100", Right),
        ("count(e1, e5, e6) = 3", Right),
        ("count(e1, e77) = 2", Undefined),
        ("count() = 0", Right),
        ("next_prime(24) = 29", Right),
        ("next_prime(24) = 31", Wrong),
        ("next_prime(1,234) = 1,237", Right),
        ("next_prime(1, 234) = 1,237", Undefined),
        ("next_prime(2.5) = 3", Undefined),
        ("next_prime(1,000,000,007) = 1,000,000,007", Undefined),
        ("add(e5, 1) = 1", Undefined),
        ("add(c90, 1) = 1", Undefined),
        ("add(c11, 1) = 78", Undefined),
        ("power(2, 3) = 8", Undefined),
        ("add(1, 2) = three", Undefined),
        ("add 1 2", Undefined),
        ("ADD( 1 , 2 )  =  3.", Right),
    ] {
        assert_eq!(of(line), status, "{line}");
    }
}

#[test]
fn a_later_statement_replaces_an_earlier_one() {
    // Stated wrongly first, without a revise step.
    let replaced = without(&["r1:"]);
    assert_eq!(graded(&task(), &replaced).failure, None);
    // The wrong value is what finally stands: answers right, trace not.
    let last = without(&["r1:"])
        .replace("c4: ", "e10: Volt Link employs 5,100 people [paragraph_4]\nc4: ");
    let verdict = graded(&task(), &last);
    assert_eq!(verdict.failure, Some(FailureClass::Trace));
    assert_eq!(verdict.traps[0].status, TrapStatus::Avoided);
    assert!(
        verdict.reasons.iter().any(|r| r.text == "it states 5,100 as employees of Volt Link"),
        "{:#?}",
        verdict.reasons
    );
}

#[test]
fn caps_are_told_from_bad_formats() {
    let (task, key) = (task(), key());
    let cut = &WITNESS[..WITNESS.len() - 20];
    let capped = grade(&task, &key, cut.as_bytes(), Finish::Cap);
    assert_eq!((capped.parse, capped.failure), (ParseOutcome::Capped, Some(FailureClass::Cap)));
    let stopped = grade(&task, &key, WITNESS.trim_end().as_bytes(), Finish::Stop);
    assert_eq!(stopped.failure, None);
    let complete = grade(&task, &key, WITNESS.as_bytes(), Finish::Cap);
    assert_eq!(complete.failure, None);
    let early = &WITNESS[..200];
    let malformed = grade(&task, &key, early.as_bytes(), Finish::Stop);
    assert_eq!(malformed.failure, Some(FailureClass::Format));
    assert_eq!(malformed.reasons[0].text, "byte 200: the trace is not closed by a line </trace>");
    let endless = WITNESS.repeat(100);
    let long = grade(&task, &key, endless.as_bytes(), Finish::Stop);
    assert_eq!(long.failure, Some(FailureClass::Cap));
    assert_eq!(
        long.reasons[0].text,
        format!("byte 16384: the completion has {} bytes, at most 16384 are read", endless.len())
    );
}

#[test]
fn a_small_task_needs_only_the_deciding_facts() {
    let small = small();
    let text = WITNESS.strip_prefix("<trace>\n").expect("begins with the tag");
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with(['c', 'r']) && !line.starts_with("e2"))
        .collect();
    let text = lines.join("\n");
    // Four steps at most.
    assert_eq!(graded(&small, &text).failure, Some(FailureClass::Format));
    let mut wide = small;
    wide.trace.max_steps = 10;
    let text = text.replace("e1: Alta Flow employs 3,900", "e1: Nero Data employs 4,210");
    let verdict = graded(&wide, &text);
    assert_eq!(verdict.failure, None, "{:#?}", verdict.reasons);
    // e1 is stated nowhere as such.
    assert_eq!(verdict.citations[0].status, CitationStatus::EntityAbsent);
    assert!(verdict.quality_milli < 1000);
}
