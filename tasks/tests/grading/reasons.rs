//! Findings in words: what each fault is told as, and in which order.

use lode_tasks::{
    grade::MAX_REASONS,
    types::{Part, RuleVerdict, StepId, StepKind, TraceNeed},
};

use crate::fixture::{TRAPPED, WITNESS, graded, needing, task, with, without};

fn told(verdict: &RuleVerdict) -> Vec<(Part, &str)> {
    verdict.reasons.iter().map(|reason| (reason.part, reason.text.as_str())).collect()
}

fn step(kind: StepKind, number: u16) -> Part {
    Part::Step(StepId { kind, number })
}

/// The one finding of an attempt under a task that asks for facts alone.
fn only(text: &str) -> (Part, String) {
    let verdict = graded(&needing(&[TraceNeed::Facts]), text);
    let [reason] = verdict.reasons.as_slice() else { panic!("{:#?}", verdict.reasons) };
    (reason.part, reason.text.clone())
}

#[test]
fn faults_of_steps() {
    use StepKind::{Compare, Compute, Extract, Filter, Revise};
    for (from, to, kind, number, text) in [
        ("2.1 [paragraph_10]", "2.1", Extract, 7, "cites no paragraph"),
        (
            "2.1 [paragraph_10]",
            "2.1 [paragraph_99]",
            Extract,
            7,
            "the document has no paragraph 99",
        ),
        (
            "2.1 [paragraph_10]",
            "2.1 [paragraph_1]",
            Extract,
            7,
            "paragraph 1 does not name its entity",
        ),
        (
            "2.1 [paragraph_10]",
            "2.1 [paragraph_8]",
            Extract,
            7,
            "paragraph 8 does not hold its value",
        ),
        (
            "c2: max(e1, c1, e4) = 4,210",
            "c2: max(e1, c1, e4) = 1",
            Compute,
            2,
            "gives another result when it is computed again",
        ),
        (
            "c2: max(e1, c1, e4) = 4,210",
            "c2: max(e1, c1, e77) = 4,210",
            Compute,
            2,
            "cannot be computed: expected earlier steps or numbers that have a single result",
        ),
        (
            "superseded [paragraph_6]",
            "superseded [paragraph_2]",
            Revise,
            1,
            "cites no paragraph that states or settles the right value",
        ),
        ("r1: e3 is", "r1: e77 is", Revise, 1, "does not withdraw an earlier step"),
    ] {
        assert_eq!(only(&with(from, to)), (step(kind, number), text.to_owned()), "{to}");
    }
    let needless = with(
        "c4:",
        "r2: e8 is superseded\ne10: Volt Link earned 1,250 million dollars [paragraph_11]\nc4:",
    );
    assert_eq!(only(&needless), (step(Revise, 2), "withdraws what is true".to_owned()));
    for (line, kind, texts) in [
        ("f1: so", Filter, "is not of the form filter(steps; condition) = steps"),
        ("m1: so", Compare, "is not of the form compare(steps; highest) = step"),
        ("c90: so", Compute, "is not of the form op(arguments) = result"),
        ("e90: so [paragraph_2]", Extract, "is not one of the trace sentences"),
        ("r90: so", Revise, "does not withdraw an earlier step"),
    ] {
        let verdict = graded(&task(), &with("c4:", &format!("{line}\nc4:")));
        let last = verdict.reasons.last().expect("is told");
        let Part::Step(id) = last.part else { panic!("{last:?}") };
        assert_eq!((id.kind, last.text.as_str()), (kind, texts), "{line}");
    }
}

#[test]
fn faults_of_answers_artifact_and_trace() {
    let verdict = graded(
        &task(),
        &with("Q1: Nero Data", "Q1: Alta Flow")
            .replace("Q3: 1,410", "Q3: 890")
            .replace("Q4: 2.1\n", "")
            .replace("Q5: 1,250", &format!("Q5: {}", "long ".repeat(20)))
            .replace("23 lamps", "24 lamps"),
    );
    let heads: Vec<(Part, &str)> = told(&verdict).into_iter().take(6).collect();
    let long = format!("\"{}\"\u{2026} is not the answer 1,250", "long ".repeat(12));
    assert_eq!(
        heads,
        [
            (Part::Question(1), "\"Alta Flow\" is not the answer Nero Data"),
            (Part::Question(3), "\"890\" is what a trap leads to; the answer is 1,410"),
            (Part::Question(4), "no answer; it is 2.1"),
            (Part::Question(5), long.as_str()),
            (Part::Constraint(3), "it lacks the number 23"),
            (Part::Trap(1), "caught (superseded): took 5,100 for 2,800 as employees of Volt Link"),
        ]
    );
    let city = with("Q2: Falkridge", "Q2: Lyndora");
    assert_eq!(
        told(&graded(&needing(&[]), &city))[0],
        (Part::Question(2), "\"Lyndora\" is not the answer Falkridge")
    );
    // What is missing from the trace, then what does not follow from it.
    let silent = graded(&task(), &without(&["e7:"]));
    assert_eq!(
        told(&silent),
        [
            (Part::Trace, "it does not state debt of Volt Link"),
            (Part::Question(4), "does not follow from the trace"),
        ]
    );
    let untrue = graded(&task(), &with("of 2.1 [paragraph_10]", "of 0.8 [paragraph_10]"));
    assert_eq!(told(&untrue)[0], (Part::Trace, "it states 0.8 as debt of Volt Link"));
    let nowhere = graded(
        &task(),
        &with("e5: Alta Flow is based in Falkridge", "e5: Alta Flow is based in Narnia"),
    );
    assert_eq!(
        told(&nowhere)[0],
        (Part::Trace, "it states no possible value as city of Alta Flow")
    );
    let mut strict = task();
    strict.trace.min_extracts = 12;
    assert_eq!(
        told(&graded(&strict, WITNESS)),
        [(Part::Trace, "it has 9 extract steps, at least 12 are asked for")]
    );
}

#[test]
fn a_bait_is_told_by_its_kind_and_years_have_no_commas() {
    let bait = with("c4:", "e10: Alta Flow earned 412,000 million dollars [paragraph_11]\nc4:");
    let verdict = graded(&task(), &bait);
    assert!(
        told(&verdict).contains(&(
            Part::Trap(2),
            "caught (unit): took 412,000 for 412 as revenue of Alta Flow"
        )),
        "{:#?}",
        verdict.reasons
    );
    let mut key = crate::fixture::key();
    let founded =
        lode_tasks::types::FactRef { entity: crate::fixture::VOLT, attr: crate::fixture::FOUNDED };
    key.gold[3].support.push(founded);
    let text = with("c4:", "e10: Volt Link was founded in 1998 [paragraph_9]\nc4:");
    let verdict =
        lode_tasks::grade::grade(&task(), &key, text.as_bytes(), lode_proto::attempt::Finish::Stop);
    assert_eq!(told(&verdict)[0], (Part::Trace, "it states 1998 as founded of Volt Link"));
}

#[test]
fn a_trapped_reader_is_told_why() {
    let verdict = graded(&task(), TRAPPED);
    let parts: Vec<Part> = verdict.reasons.iter().map(|reason| reason.part).collect();
    let questions = parts.iter().filter(|part| matches!(part, Part::Question(_))).count();
    assert!(questions >= 2 && parts.contains(&Part::Trap(1)));
    assert!(parts.windows(2).all(|pair| order(pair[0]) <= order(pair[1])), "{parts:?}");
}

/// The order in which parts are told.
fn order(part: Part) -> u8 {
    match part {
        Part::Text => 0,
        Part::Question(_) => 1,
        Part::Constraint(_) => 2,
        Part::Trap(_) => 3,
        Part::Trace => 4,
        Part::Step(_) => 5,
    }
}

#[test]
fn reasons_are_bounded() {
    let mut wide = task();
    wide.trace.max_steps = 300;
    let many = |count: usize| with("c4:", &format!("{}c4:", "c90: so\n".repeat(count)));
    // Each such line is told twice: it does not recompute, and it says nothing.
    assert_eq!(graded(&wide, &many(10)).reasons.len(), 20);
    assert_eq!(graded(&wide, &many(32)).reasons.len(), MAX_REASONS);
    assert_eq!(graded(&wide, &many(200)).reasons.len(), MAX_REASONS);
}
