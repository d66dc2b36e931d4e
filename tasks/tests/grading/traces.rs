//! Traces: what resolve, filter and compare steps say, what the trace score counts, and that a
//! trace which was made up is found.

use std::fmt::Write as _;

use lode_proto::{attempt::Finish, task::Profile};
use lode_tasks::{
    family::Library,
    grade::Grader,
    number::{decimal, grouped},
    parse::{Condition, StepBody, parse},
    types::{
        AnswerKey, CompareOp, ComputeStatus, FactRef, FailureClass, Order, Part, RevisionStatus,
        RuleVerdict, StepId, StepKind, Task, Value, ValueKind,
    },
};
use rand_chacha::{ChaCha20Rng, rand_core::RngCore, rand_core::SeedableRng};

use crate::{
    fixture::{WITNESS, graded, needing, task, with, without},
    generated::made,
};

/// Highest trace score of final values alone, thousandths.
const FINAL_VALUES: u16 = 300;

/// What the verdict says about lines put before the witness's `c4`, the last of them.
pub(crate) fn status(lines: &str) -> ComputeStatus {
    let verdict = graded(&task(), &with("c4:", &format!("{lines}\nc4:")));
    let c4 = StepId { kind: StepKind::Compute, number: 4 };
    let at = verdict.computes.iter().position(|outcome| outcome.step == c4).expect("has c4");
    verdict.computes[at - 1].status
}

#[test]
fn chains_are_resolved() {
    use ComputeStatus::{Right, Undefined, Wrong};
    for (line, found) in [
        ("c90: resolve(e1, e2) = 4,210", Right),
        ("c90: resolve(e2, e1) = 4,210", Right),
        ("c90: resolve(e1, e2) = 4,211", Wrong),
        ("c90: resolve(e2) = 310", Undefined),
        ("c90: resolve(e1, e2, e4) = 7,010", Undefined),
        // The relative step refers to Alta Flow, not to Volt Link.
        ("c90: resolve(e4, e2) = 3,110", Undefined),
        ("c90: resolve(3,900, e2) = 4,210", Undefined),
        ("c90: resolve(e1, e4) = 6,700", Undefined),
    ] {
        assert_eq!(status(line), found, "{line}");
    }
    // It states the fact, as an addition of the two does.
    for op in ["resolve", "add"] {
        let verdict = graded(&task(), &with("add(e1, e2)", &format!("{op}(e1, e2)")));
        assert_eq!((verdict.failure, verdict.quality_milli), (None, 1000));
    }
}

#[test]
fn ratios_are_rounded_and_compared_exactly() {
    use ComputeStatus::{Right, Undefined, Wrong};
    for (line, found) in [
        ("c90: ratio(2, 3) = 0.666", Right),
        ("c90: ratio(2, 3) = 0.667", Right),
        ("c90: ratio(2, 3) = 0.665", Wrong),
        ("c90: ratio(2, 3) = 0.668", Wrong),
        ("c90: ratio(1, 2) = 0.5", Right),
        ("c90: ratio(1, 2) = 0.501", Wrong),
        ("c90: ratio(-1, 3) = -0.333", Right),
        ("c90: ratio(-1, 3) = -0.334", Right),
        ("c90: ratio(1, 0) = 0", Undefined),
        ("c90: ratio(1, -2) = -0.5", Undefined),
        ("c90: ratio(1) = 1", Undefined),
        // 1/3 is less than 0.334 = 334/1,000 and more than 333/1,000.
        (
            "c90: ratio(1, 3) = 0.334\nc91: ratio(334, 1,000) = 0.334\nm1: compare(c90, c91; highest) = c91",
            Right,
        ),
        (
            "c90: ratio(1, 3) = 0.333\nc91: ratio(333, 1,000) = 0.333\nm1: compare(c90, c91; highest) = c90",
            Right,
        ),
        ("c90: ratio(1, 3) = 0.333\nf1: filter(c90; above 0.333) = c90", Right),
        (
            "c90: ratio(1, 3) = 0.333\nc91: ratio(2, 6) = 0.334\nm1: compare(c90, c91; highest) = c91",
            Undefined,
        ),
    ] {
        assert_eq!(status(line), found, "{line}");
    }
}

#[test]
fn filters_are_recomputed() {
    use ComputeStatus::{Right, Undefined, Wrong};
    // e1 3,900, c1 4,210, e4 2,800; e5 Falkridge, e6 Lyndora; e7 2.1.
    for (line, found) in [
        ("f1: filter(e1, c1, e4; above 3,000) = e1, c1", Right),
        ("f1: filter(e1, c1, e4; above 3,000) = c1, e1", Right),
        ("f1: filter(e1,c1,e4; above 3000) = c1,e1.", Right),
        ("F1: FILTER(E1, C1, E4; ABOVE 3,000) = E1, C1", Right),
        ("f1: filter(e1, c1, e4; above 3,000) = e1", Wrong),
        ("f1: filter(e1, c1, e4; above 3,000) = e1, c1, e4", Wrong),
        ("f1: filter(e1, c1; above 3,000) = e1, c1, e4", Wrong),
        ("f1: filter(e1, c1, e4; above 3,900) = c1", Right),
        ("f1: filter(e1, c1, e4; below 3,900) = e4", Right),
        ("f1: filter(e1, c1, e4; below e1) = e4", Right),
        ("f1: filter(e1, c1, e4; above c1) = none", Right),
        ("f1: filter(e1, c1, e4; above c1) = e1", Wrong),
        ("f1: filter(e1, c1, e4; above e77) = none", Undefined),
        ("f1: filter(e1, c1, e4; above e5) = none", Undefined),
        ("f1: filter(e1, e77; above 3,000) = e1", Undefined),
        ("f1: filter(e1, e5; above 3,000) = e1", Undefined),
        ("f1: filter(e1; above 3,000) = e77", Undefined),
        ("f1: filter(; above 3,000) = none", Undefined),
        ("f1: filter(e1, c1; above 3,000) =", Undefined),
        ("f1: filter(e1, 5,000; above 3,000) = e1", Undefined),
        ("f1: filter(e1, c1; about 3,000) = e1, c1", Undefined),
        ("f1: filter(e1, c1) = e1, c1", Undefined),
        ("f1: keep(e1, c1; above 3,000) = e1, c1", Undefined),
        ("f1: filter(e5, e6; is Falkridge) = e5", Right),
        ("f1: filter(e5, e6; is the falkridge) = e5", Right),
        ("f1: filter(e5, e6; is Lyndora) = e5", Wrong),
        ("f1: filter(e5, e6; is Nowhere) = none", Undefined),
        ("f1: filter(e5, e6; is not Falkridge) = e6", Right),
        ("f1: filter(e5, e6; IS  NOT falkridge) = e6", Right),
        ("f1: filter(e5, e6; is not Falkridge) = e5", Wrong),
        ("f1: filter(e5, e6; is not Nowhere) = e5, e6", Undefined),
        ("f1: filter(e5, e6; not Falkridge) = e6", Undefined),
        ("f1: filter(e5, e1; is Falkridge) = e5", Undefined),
        ("f1: filter(e5, e6; same as e5) = e5", Right),
        ("f1: filter(e5, e6; same as e6) = e5", Wrong),
        ("f1: filter(e5, e6; same as e1) = e5", Undefined),
        ("f1: filter(e5, e6; same for e5) = e5", Undefined),
        // A filter of what a filter kept; a comparison stands for its winner.
        ("f1: filter(e1, c1, e4; above 3,000) = e1, c1\nf2: filter(f1; above 4,000) = c1", Right),
        ("f1: filter(e1, c1, e4; above 3,000) = e1, c1\nf2: filter(f1; above 2,000) = f1", Right),
        ("f1: filter(e1, c1, e4; above 3,000) = e1, c1\nc90: count(f1) = 2", Right),
        ("f1: filter(e1, c1, e4; above 3,000) = e1, c1\nc90: add(f1) = 8,110", Right),
        ("f1: filter(e1, c1, e4; above 3,000) = e1, c1\nc90: add(f1, 10) = 8,120", Right),
        ("f1: filter(e1, c1, e4; above 9,000) = none\nc90: count(f1) = 0", Right),
        ("m1: compare(e1, c1; highest) = c1\nf1: filter(m1; above 4,000) = c1", Right),
        ("m1: compare(e1, c1; highest) = c1\nf1: filter(c1; above 4,000) = m1", Right),
    ] {
        assert_eq!(status(line), found, "{line}");
    }
}

#[test]
fn comparisons_are_recomputed() {
    use ComputeStatus::{Right, Undefined, Wrong};
    for (line, found) in [
        ("m1: compare(e1, c1, e4; highest) = c1", Right),
        ("m1: compare(e1, c1, e4; Highest) = c1.", Right),
        ("m1: compare(e1, c1, e4; first highest) = c1", Right),
        ("m1: compare(e1, c1, e4; second highest) = e1", Right),
        ("m1: compare(e1, c1, e4; second  lowest) = e1", Right),
        ("m1: compare(e1, c1, e4; third highest) = e4", Right),
        ("m1: compare(e1, c1, e4; fourth highest) = e4", Undefined),
        ("m1: compare(e1, c1, e4; lowest) = e4", Right),
        ("m1: compare(e1, c1, e4; lowest) = c1", Wrong),
        ("m1: compare(e1, c1, e4; second highest) = c1", Wrong),
        ("m1: compare(e1, e4; highest) = c1", Wrong),
        ("m1: compare(e1; highest) = e1", Undefined),
        ("m1: compare(e1, e1; highest) = e1", Undefined),
        ("m1: compare(e1, e5; highest) = e1", Undefined),
        ("m1: compare(e1, e77; highest) = e1", Undefined),
        ("m1: compare(e1, c1; highest) = e77", Undefined),
        ("m1: compare(e1, c1; best) = c1", Undefined),
        ("m1: compare(e1, c1; sixth highest) = c1", Undefined),
        ("m1: compare(e1, c1; highest) = 4,210", Undefined),
        ("m1: compare(e1, c1; highest) = c1, e1", Undefined),
        ("m1: compare(e1, m1; highest) = e1", Undefined),
        ("m1: most(e1, c1; highest) = c1", Undefined),
        ("f1: filter(e1, c1, e4; below 4,000) = e1, e4\nm1: compare(f1; highest) = e1", Right),
        ("m1: compare(e1, c1; highest) = c1\nm2: compare(m1, e4; highest) = m1", Right),
        ("m1: compare(e1, c1; highest) = c1\nm2: compare(m1, e4; highest) = c1", Right),
        ("m1: compare(e1, c1; highest) = c1\nc90: mod(m1, 100) = 10", Right),
    ] {
        assert_eq!(status(line), found, "{line}");
    }
}

#[test]
fn new_steps_are_read_to_the_letter() {
    let lines = "f1: filter(e1, c1; above 3,000) = e1, c1\nf2: filter(e5; is Falkridge) = none\n\
                 f3: filter(e5; same as e6) = e5\nm1: compare(e1, c1; second lowest) = c1\nc4:";
    let parsed = parse(&task(), with("c4:", lines).as_bytes()).expect("parses");
    let body = |kind, number| {
        let id = StepId { kind, number };
        &parsed.steps.iter().find(|step| step.id == id).expect("is there").body
    };
    let StepBody::Filter { among, condition, kept } = body(StepKind::Filter, 1) else {
        panic!("a filter")
    };
    assert_eq!((parsed.arguments(among).len(), parsed.arguments(kept).len()), (2, 2));
    assert!(matches!(condition, Condition::Bound(CompareOp::Above, _)));
    let StepBody::Filter { condition: Condition::Is(word), kept, .. } = body(StepKind::Filter, 2)
    else {
        panic!("a filter by a word")
    };
    assert_eq!((parsed.slice(word), kept.len()), ("Falkridge", 0));
    let e6 = StepId { kind: StepKind::Extract, number: 6 };
    assert!(matches!(body(StepKind::Filter, 3),
        StepBody::Filter { condition: Condition::SameAs(id), .. } if *id == e6));
    let c1 = StepId { kind: StepKind::Compute, number: 1 };
    assert!(matches!(body(StepKind::Compare, 1),
        StepBody::Compare { order: Order::Lowest, rank: 2, winner, .. } if *winner == c1));
}

#[test]
fn wrong_filters_and_comparisons_fail_an_attempt() {
    for (line, part) in [
        ("f1: filter(e1, c1; above 3,000) = e1", StepKind::Filter),
        ("m1: compare(e1, c1; highest) = e1", StepKind::Compare),
        ("f1: what is above 3,000", StepKind::Filter),
        ("m1: c1 is the highest", StepKind::Compare),
    ] {
        let verdict = graded(&task(), &with("c4:", &format!("{line}\nc4:")));
        assert_eq!(verdict.failure, Some(FailureClass::Trace), "{line}");
        let step = StepId { kind: part, number: 1 };
        assert!(verdict.reasons.iter().any(|reason| reason.part == Part::Step(step)), "{line}");
    }
}

fn revision(from: &str, to: &str) -> RevisionStatus {
    graded(&task(), &with(from, to)).revisions[0].status
}

#[test]
fn revisions_are_compared_with_what_settles_them() {
    let line = "r1: e3 is superseded [paragraph_6]";
    assert_eq!(revision(line, line), RevisionStatus::Right);
    assert_eq!(
        revision("superseded [paragraph_6]", "superseded [paragraph_5]"),
        RevisionStatus::Right
    );
    assert_eq!(
        revision("superseded [paragraph_6]", "superseded [paragraph_4]"),
        RevisionStatus::Unsettled
    );
    assert_eq!(revision("superseded [paragraph_6]", "superseded"), RevisionStatus::Unsettled);
    assert_eq!(revision("r1: e3", "r1: e1"), RevisionStatus::Needless);
    assert_eq!(revision("r1: e3", "r1: e2"), RevisionStatus::Needless);
    assert_eq!(revision("r1: e3", "r1: c1"), RevisionStatus::Needless);
    assert_eq!(revision("r1: e3", "r1: e77"), RevisionStatus::Undefined);
    assert_eq!(revision("r1: e3 is superseded", "r1: e3 is wrong"), RevisionStatus::Undefined);
    // A computation that does not hold speaks for itself.
    let text = with("c4:", "c90: add(1, 1) = 3\nr2: c90 is superseded\nc4:");
    assert_eq!(graded(&task(), &text).revisions[1].status, RevisionStatus::Right);
    let text = with("c4:", "c90: add(1, 1) = 2\nr2: c90 is superseded\nc4:");
    assert_eq!(graded(&task(), &text).revisions[1].status, RevisionStatus::Needless);
}

#[test]
fn what_rests_on_a_withdrawn_step_falls_with_it() {
    // c3 is worked out from e4; e4 is then withdrawn and stated again.
    let text = with(
        "e5:",
        "r2: e4 is superseded [paragraph_6]\ne14: Volt Link employs 2,800 people [paragraph_5]\ne5:",
    );
    let verdict = graded(&task(), &text);
    let third = verdict.dataflow.iter().find(|outcome| outcome.part == Part::Question(3));
    assert!(third.is_some_and(|outcome| !outcome.follows), "{:#?}", verdict.dataflow);
    // A chain falls with its base.
    let text = with("e5:", "r2: e1 is superseded [paragraph_6]\ne5:");
    let verdict = graded(&task(), &text);
    assert!(verdict.reasons.iter().any(|r| r.text == "it does not state employees of Nero Data"));
}

#[test]
fn numbers_must_be_worked_out_from_what_they_are_made_of() {
    let follows = |text: &str, part: Part| {
        let verdict = graded(&task(), text);
        verdict.dataflow.iter().any(|outcome| outcome.part == part && outcome.follows)
    };
    let line = "c3: abs_diff(c1, e4) = 1,410";
    assert!(follows(WITNESS, Part::Question(3)));
    assert!(follows(&with(line, "c3: sub(c1, e4) = 1,410"), Part::Question(3)));
    // The right number out of literals, or out of one of the two facts only.
    assert!(!follows(&with(line, "c3: sub(4,210, 2,800) = 1,410"), Part::Question(3)));
    assert!(!follows(&with(line, "c3: sub(c1, 2,800) = 1,410"), Part::Question(3)));
    // Out of a step that does not hold.
    let broken = "c30: add(e1, 311) = 4,210\nc3: sub(c30, e4) = 1,410";
    assert!(!follows(&with(line, broken), Part::Question(3)));
    // A number of the artifact out of the wrong fact.
    assert!(follows(WITNESS, Part::Constraint(3)));
    assert!(!follows(&with("c4: mod(c1, 100) = 10", "c4: mod(10, 100) = 10"), Part::Constraint(3)));
    assert!(!follows(&with("c9: mod(e9, 50) = 47", "c9: mod(47, 50) = 47"), Part::Constraint(4)));
    // A word of the artifact out of an answer that does not follow.
    assert!(!follows(&without(&["e5:"]), Part::Constraint(6)));
}

#[test]
fn right_citations_ground_what_follows() {
    let grounded = |text: &str, part: Part| {
        let verdict = graded(&task(), text);
        let found = verdict.dataflow.iter().find(|outcome| outcome.part == part).expect("is there");
        assert!(found.follows, "{part:?}");
        found.grounded
    };
    for part in [Part::Question(1), Part::Question(3), Part::Constraint(2), Part::Constraint(3)] {
        assert!(grounded(WITNESS, part), "{part:?}");
    }
    let text = with("3,900 people [paragraph_2]", "3,900 people [paragraph_3]");
    for part in [Part::Question(1), Part::Question(3), Part::Constraint(2), Part::Constraint(3)] {
        assert!(!grounded(&text, part), "{part:?}");
    }
    assert!(grounded(&text, Part::Question(4)));
    let text = with("Lyndora [paragraph_7]", "Lyndora [paragraph_8]");
    assert!(grounded(&text, Part::Question(1)));
    assert!(!grounded(&text, Part::Constraint(2)));
}

#[test]
fn the_trace_score_counts_sources_links_and_sound_steps() {
    // Without a comparison the links are 6 of 7; the chain's reference is not in the hand-made key,
    // so the fact that it comes to has no source there, as no paragraph states it outright.
    let plain = graded(&task(), WITNESS);
    let compared = graded(&task(), &with("c4:", "m1: compare(e1, c1, e4; highest) = c1\nc4:"));
    assert!(compared.trace_milli > plain.trace_milli);
    // A comparison against the wrong end, or of something else, shows nothing.
    for line in [
        "m1: compare(e1, c1, e4; lowest) = e4",
        "m1: compare(e1, c1, e4; second highest) = e1",
        "m1: compare(c1, 4,000; highest) = c1",
        "m1: compare(c1, e9; highest) = c1",
    ] {
        let verdict = graded(&task(), &with("c4:", &format!("{line}\nc4:")));
        assert!(verdict.trace_milli <= plain.trace_milli, "{line}");
    }
    // Padding with what does not hold costs.
    let padded = graded(&needing(&[]), &with("c4:", "c90: add(1, 1) = 3\nc4:"));
    assert!(padded.trace_milli < plain.trace_milli);
    let miscited = graded(&task(), &WITNESS.replace("[paragraph_", "[paragraph_1"));
    assert!(miscited.trace_milli < 100, "{}", miscited.trace_milli);
    let silent = format!("<trace>\n</trace>\n{}", WITNESS.split_once("</trace>\n").expect("has").1);
    assert_eq!(graded(&needing(&[]), &silent).trace_milli, 0);
}

/// The tasks of the first seeds of a profile.
fn tasks(profile: Profile, seeds: u64) -> Vec<(Task, AnswerKey)> {
    let library = Library::builtin().expect("reads");
    (0..seeds).filter_map(|seed| made(&library, profile, seed)).collect()
}

fn value(task: &Task, fact: FactRef, value: &Value) -> String {
    match value {
        Value::Int(n) if task.attributes[fact.attr.at()].kind == ValueKind::Year => n.to_string(),
        Value::Int(n) => grouped(*n),
        Value::Milli(milli) => decimal(*milli),
        Value::Text(text) => text.clone(),
    }
}

/// The witness's answers and artifact after the values that decide them, and nothing else.
fn final_values(task: &Task, key: &AnswerKey) -> String {
    let mut facts: Vec<FactRef> = key
        .gold
        .iter()
        .flat_map(|gold| &gold.support)
        .chain(key.constraints.iter().flat_map(|constraint| &constraint.support))
        .copied()
        .collect();
    facts.sort_unstable();
    facts.dedup();
    let mut text = String::from("<trace>\n");
    for (number, fact) in (1..).zip(facts) {
        let known = key.facts.iter().find(|known| known.fact == fact).expect("is known");
        let sentence = task.attributes[fact.attr.at()]
            .trace
            .replace("{entity}", &task.roster[fact.entity.at()].name)
            .replace("{value}", &value(task, fact, &known.value));
        let paragraph = known.paragraphs.first().expect("is stated");
        writeln!(text, "e{number}: {sentence} [paragraph_{paragraph}]").expect("a string");
    }
    text + "</trace>\n" + key.witness.split_once("</trace>\n").expect("has a trace").1
}

#[test]
fn final_values_alone_score_low() {
    for (profile, seeds) in [(Profile::Mini, 200), (Profile::Standard, 100)] {
        let (mut highest, mut witnesses, mut lowest) = (0, 0_u64, 1000);
        let tasks = tasks(profile, seeds);
        for (task, key) in &tasks {
            let grader = Grader::new(task, key);
            let verdict = grader.grade(final_values(task, key).as_bytes(), Finish::Stop);
            assert!(verdict.trace_milli <= FINAL_VALUES, "{}", verdict.trace_milli);
            highest = highest.max(verdict.trace_milli);
            let witness = grader.grade(key.witness.as_bytes(), Finish::Stop).trace_milli;
            lowest = lowest.min(witness);
            witnesses += u64::from(witness);
        }
        let mean = witnesses / tasks.len() as u64;
        println!(
            "{profile}: final values score at most {highest}; witnesses {mean} on average, {lowest} \
             at least"
        );
        assert!(mean > 750 && lowest > FINAL_VALUES, "{mean}, {lowest}");
    }
}

/// The text with its citations in another order.
fn shuffled(text: &str, rng: &mut impl RngCore) -> String {
    let mark = "[paragraph_";
    let cited = |line: &str| line.rfind(mark).map(|at| line[at..].to_owned());
    let mut citations: Vec<String> = text.lines().filter_map(cited).collect();
    for at in (1..citations.len()).rev() {
        let other = rng.next_u32() as usize % (at + 1);
        citations.swap(at, other);
    }
    let mut next = citations.into_iter();
    text.lines().fold(String::new(), |mut out, line| {
        match line.rfind(mark) {
            Some(at) => out.extend([&line[..at], &next.next().expect("as many")]),
            None => out.push_str(line),
        }
        out + "\n"
    })
}

/// What a verdict finds, without what it is called and how it is put.
fn finding(verdict: &RuleVerdict) -> (Option<FailureClass>, u16, u16) {
    (verdict.failure, verdict.quality_milli, verdict.trace_milli)
}

#[test]
fn shuffled_citations_are_found() {
    let mut rng = ChaCha20Rng::seed_from_u64(17);
    let (mut all, mut changed, mut failed, mut scored) = (0_u32, 0, 0, 0);
    for (profile, seeds) in [(Profile::Mini, 700), (Profile::Standard, 400)] {
        for (task, key) in tasks(profile, seeds) {
            let grader = Grader::new(&task, &key);
            let before = grader.grade(key.witness.as_bytes(), Finish::Stop);
            let after = grader.grade(shuffled(&key.witness, &mut rng).as_bytes(), Finish::Stop);
            all += 1;
            changed += u32::from(finding(&before) != finding(&after));
            failed += u32::from(after.failure == Some(FailureClass::Trace));
            scored += u32::from(after.trace_milli <= FINAL_VALUES);
        }
    }
    println!(
        "of {all} witnesses with shuffled citations, {changed} have another verdict, {failed} fail by \
         their trace, {scored} score at most {FINAL_VALUES}"
    );
    assert!(all >= 1_000, "{all}");
    assert!(changed * 100 >= all * 99, "{changed} of {all}");
    assert!(failed * 100 >= all * 99, "{failed} of {all}");
}

#[test]
fn made_up_links_are_found() {
    // Every derived step of a witness is needed: without its lines of one kind, something no longer
    // follows or the score is lower.
    for (task, key) in tasks(Profile::Standard, 20) {
        let grader = Grader::new(&task, &key);
        let whole = grader.grade(key.witness.as_bytes(), Finish::Stop);
        for letter in ['c', 'f', 'm'] {
            let is_step = |line: &&str| {
                line.starts_with(letter) && line[1..].starts_with(|c: char| c.is_ascii_digit())
            };
            let kept: Vec<&str> = key.witness.lines().filter(|line| !is_step(line)).collect();
            if kept.len() == key.witness.lines().count() {
                continue;
            }
            let verdict = grader.grade((kept.join("\n") + "\n").as_bytes(), Finish::Stop);
            assert!(verdict.trace_milli < whole.trace_milli, "{letter}\n{}", key.witness);
        }
    }
}
