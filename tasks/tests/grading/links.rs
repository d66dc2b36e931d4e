//! The trace score, link by link: what shows a filter, a comparison or a number, and what does not.

use lode_proto::attempt::Finish;
use lode_tasks::{
    grade::grade,
    types::{
        Answer, AnswerKey, AnswerKind, AttrId, CompareOp, EntityId, FactRef, Filter, Gold, Measure,
        Order, Query, RuleVerdict, Selector, Task, TraceNeed,
    },
};

use crate::fixture::{ALTA, CITY, FOUNDED, NERO, REVENUE, STAFF, VOLT, key, needing};

/// Steps that the cases below choose from.
const STAFFS: &str = "\
e1: Alta Flow employs 3,900 people [paragraph_2]
e2: Nero Data employs 310 more people than Alta Flow [paragraph_3]
c1: resolve(e1, e2) = 4,210
e3: Volt Link employs 2,800 people [paragraph_5]
";
const YEARS: &str = "\
e4: Alta Flow was founded in 1998 [paragraph_9]
e5: Nero Data was founded in 2004 [paragraph_9]
e6: Volt Link was founded in 1987 [paragraph_8]
";
const REVENUES: &str = "\
e7: Alta Flow earned 412 million dollars [paragraph_11]
e8: Nero Data earned 97 million dollars [paragraph_11]
e9: Volt Link earned 1,250 million dollars [paragraph_11]
";

/// The hand-made task with one question, no constraints and no traps.
fn single(query: Query, answer: Answer, support: &[(EntityId, AttrId)]) -> (Task, AnswerKey) {
    let mut task = needing(&[]);
    task.trace.min_extracts = 0;
    task.questions.truncate(1);
    task.questions[0].answer = match answer {
        Answer::Entity(_) => AnswerKind::Entity,
        Answer::Category(_) => AnswerKind::Category,
        Answer::Integer(_) => AnswerKind::Integer,
        Answer::Decimal(_) => AnswerKind::Decimal,
    };
    task.constraints.clear();
    let mut key = key();
    let support = support.iter().map(|(entity, attr)| FactRef { entity: *entity, attr: *attr });
    key.gold = vec![Gold { answer, query, support: support.collect() }];
    key.constraints.clear();
    key.traps.clear();
    // Nero Data's staff is stated against Alta Flow's alone.
    let relative = FactRef { entity: NERO, attr: STAFF };
    let known = key.facts.iter_mut().find(|known| known.fact == relative).expect("is known");
    known.reference = Some(FactRef { entity: ALTA, attr: STAFF });
    (task, key)
}

fn verdict((task, key): &(Task, AnswerKey), steps: &str) -> RuleVerdict {
    let said = match &key.gold[0].answer {
        Answer::Entity(entity) => task.roster[entity.at()].name.clone(),
        Answer::Category(word) => word.clone(),
        Answer::Integer(n) => n.to_string(),
        Answer::Decimal(milli) => lode_tasks::number::decimal(*milli),
    };
    let text = format!("<trace>\n{steps}</trace>\nQ1: {said}\nArtifact: calm\n");
    let verdict = grade(task, key, text.as_bytes(), Finish::Stop);
    assert_eq!(verdict.failure, None, "{:#?}\n{text}", verdict.reasons);
    verdict
}

/// The score of steps, all of which are sound.
fn score(case: &(Task, AnswerKey), steps: &str) -> u16 {
    let verdict = verdict(case, steps);
    assert_eq!(verdict.reasons, [], "{steps}");
    verdict.trace_milli
}

fn most(measure: Measure, filters: Vec<Filter>) -> Query {
    Query::Which(Selector::Ranked { filters, measure, order: Order::Highest, rank: 1 })
}

#[test]
fn without_links_the_sources_are_all_there_is() {
    let number = Query::Number { of: Selector::Named(VOLT), measure: Measure::Attr(REVENUE) };
    let case =
        single(number, Answer::Integer(1_250), &[(VOLT, REVENUE), (VOLT, STAFF), (ALTA, STAFF)]);
    let lines: Vec<&str> = [STAFFS, REVENUES].iter().flat_map(|text| text.lines()).collect();
    let of = |ids: &[&str]| {
        let kept = lines.iter().filter(|line| ids.iter().any(|id| line.starts_with(id)));
        verdict(&case, &kept.fold(String::new(), |text, line| text + line + "\n")).trace_milli
    };
    assert_eq!(of(&["e9", "e3", "e1"]), 1000);
    assert_eq!(of(&["e9", "e3"]), 666);
    assert_eq!(of(&["e9"]), 333);
}

#[test]
fn a_comparison_of_ratios_is_shown_exactly() {
    let ratio = Measure::Ratio { over: vec![REVENUE], under: vec![STAFF] };
    let case = single(most(ratio, vec![]), Answer::Entity(VOLT), &[(VOLT, REVENUE), (VOLT, STAFF)]);
    let steps = |rest: &str| format!("{STAFFS}{REVENUES}{rest}");
    assert_eq!(score(&case, &steps("")), 300);
    let of = |rest: &str| score(&case, &steps(rest));
    let shown =
        "c2: ratio(e7, e1) = 0.105\nc3: ratio(e9, e3) = 0.446\nm1: compare(c2, c3; highest) = c3\n";
    assert_eq!(of(shown), 1000);
    // The quotient of another pair, and the rounded number by itself.
    let other =
        "c2: ratio(e1, e7) = 9.466\nc3: ratio(e3, e9) = 2.24\nm1: compare(c2, c3; lowest) = c3\n";
    assert_eq!(of(other), 300);
    let doubled =
        "c2: ratio(e7, e1) = 0.105\nc3: mul(e9, 2) = 2,500\nm1: compare(c2, c3; highest) = c3\n";
    assert_eq!(of(doubled), 300);
}

#[test]
fn the_only_one_that_passes_wins_without_a_comparison() {
    let falkridge = Filter::Is { attr: CITY, value: "Falkridge".into() };
    let query = most(Measure::Attr(STAFF), vec![falkridge]);
    let case = single(query, Answer::Entity(ALTA), &[(ALTA, STAFF)]);
    let cities = "\
        e10: Alta Flow is based in Falkridge [paragraph_2]\n\
        e11: Nero Data is based in Lyndora [paragraph_7]\n";
    let kept = "f1: filter(e10, e11; is Falkridge) = e10\n";
    assert_eq!(score(&case, &format!("{STAFFS}{cities}")), 300);
    assert_eq!(score(&case, &format!("{STAFFS}{cities}{kept}")), 1000);
}

/// The scores of one filter's query: each step by itself, after all statements.
fn filtered(case: &(Task, AnswerKey), shown: &str, not_shown: &[&str]) {
    let steps = |rest: &str| format!("{STAFFS}{YEARS}{REVENUES}{rest}\n");
    let without = score(case, &steps(""));
    assert!(score(case, &steps(shown)) > without, "{shown}");
    for line in not_shown {
        assert_eq!(score(case, &steps(line)), without, "{line}");
    }
}

#[test]
fn a_bound_is_shown_by_the_same_bound_on_the_same_measure() {
    let bound = |op, milli| Filter::Bound { measure: Measure::Attr(STAFF), op, milli };
    let only = |filter| Query::Which(Selector::Only(vec![filter]));
    let case =
        single(only(bound(CompareOp::Above, 4_000_000)), Answer::Entity(NERO), &[(NERO, STAFF)]);
    filtered(
        &case,
        "f1: filter(e1, c1, e3; above 4,000) = c1",
        &[
            "f1: filter(e1, c1, e3; above 4,001) = c1",
            "f1: filter(e1, c1, e3; below 4,000) = e1, e3",
            "f1: filter(e1, e3; above 4,000) = none",
        ],
    );
    let case =
        single(only(bound(CompareOp::Below, 3_000_000)), Answer::Entity(VOLT), &[(VOLT, STAFF)]);
    filtered(
        &case,
        "f1: filter(e1, c1, e3; below 3,000) = e3",
        &["f1: filter(e9; below 3,000) = e9", "f1: filter(e3; above 2,000) = e3"],
    );
}

#[test]
fn two_measures_of_one_entity_are_held_against_each_other() {
    let versus = Filter::Versus {
        measure: Measure::Attr(STAFF),
        op: CompareOp::Above,
        other: Measure::Attr(FOUNDED),
    };
    let query = most(Measure::Attr(STAFF), vec![versus]);
    let case = single(query, Answer::Entity(NERO), &[(NERO, STAFF), (NERO, FOUNDED)]);
    filtered(
        &case,
        "f1: filter(c1; above e5) = c1",
        &[
            "f1: filter(c1; above e4) = c1",
            "f1: filter(c1; above e8) = c1",
            "f1: filter(e3; above e5) = e3",
            "f1: filter(c1; above 2,004) = c1",
            "f1: filter(e5; below c1) = e5",
        ],
    );
}

#[test]
fn a_measure_is_held_against_that_of_the_entity_a_hop_leads_to() {
    let relative = Filter::Relative {
        measure: Measure::Attr(STAFF),
        op: CompareOp::Above,
        of: Box::new(Selector::Named(ALTA)),
    };
    let query = Query::Which(Selector::Only(vec![relative]));
    let case = single(query, Answer::Entity(NERO), &[(NERO, STAFF)]);
    filtered(
        &case,
        "f1: filter(c1, e3; above e1) = c1",
        &[
            "f1: filter(c1, e1; above e3) = c1, e1",
            "f1: filter(c1; above e4) = c1",
            "f1: filter(c1; above 3,900) = c1",
            // Another entity, held against the right one; another side of the right one.
            "c2: add(e3, 2,000) = 4,800\nf1: filter(c2; above e1) = c2",
            "f1: filter(c1, e3; below e1) = e3",
        ],
    );
}

#[test]
fn a_step_without_its_citation_is_not_sound() {
    let number = Query::Number { of: Selector::Named(VOLT), measure: Measure::Attr(REVENUE) };
    let mut case = single(number, Answer::Integer(1_250), &[(VOLT, REVENUE)]);
    let steps = "e1: Volt Link earned 1,250 million dollars [paragraph_11]\n";
    let bare = "e2: Alta Flow employs 3,900 people\n";
    let astray = "e2: Alta Flow employs 3,900 people [paragraph_1]\n";
    let of =
        |case: &(Task, AnswerKey), more: &str| verdict(case, &format!("{steps}{more}")).trace_milli;
    assert_eq!([of(&case, ""), of(&case, bare), of(&case, astray)], [1000, 500, 500]);
    // Where the format has no citations, none is missed; one that is wrong is no better for it.
    case.0.trace.citations = false;
    assert_eq!([of(&case, ""), of(&case, bare), of(&case, astray)], [1000, 1000, 500]);
}

#[test]
fn numbers_that_answer_are_made_of_facts() {
    let follows = |case: &(Task, AnswerKey), line: &str| {
        let mut needed = case.clone();
        needed.0.trace.needs = vec![TraceNeed::Dataflow];
        let said = match needed.1.gold[0].answer {
            Answer::Integer(n) => n,
            _ => unreachable!("asked for numbers only"),
        };
        let text =
            format!("<trace>\n{STAFFS}{REVENUES}{line}\n</trace>\nQ1: {said}\nArtifact: calm\n");
        grade(&needed.0, &needed.1, text.as_bytes(), Finish::Stop).failure.is_none()
    };
    let less = Query::Number { of: Selector::Named(VOLT), measure: Measure::Diff(STAFF, REVENUE) };
    let case = single(less, Answer::Integer(1_550), &[(VOLT, STAFF), (VOLT, REVENUE)]);
    assert!(follows(&case, "c2: sub(e3, e9) = 1,550"));
    assert!(!follows(&case, "c2: sub(2,800, 1,250) = 1,550"));
    assert!(!follows(&case, "c2: sub(e3, 1,250) = 1,550"));
    let above =
        Filter::Bound { measure: Measure::Attr(STAFF), op: CompareOp::Above, milli: 3_000_000 };
    // A count of what says nothing, or of what is withdrawn, is no count.
    let count = single(Query::Count(vec![above.clone()]), Answer::Integer(2), &[]);
    assert!(follows(&count, "c2: count(e1, c1) = 2"));
    assert!(!follows(&count, "e90: so\nc2: count(c1, e90) = 2"));
    // What is counted is somebody: no literal, and no sum over both.
    assert!(!follows(&count, "c2: add(e1, c1) = 8,110\nc3: count(c2, 1) = 2"));
    assert!(!follows(&count, "c2: count(e1, 4,210) = 2"));
    assert!(!follows(&count, "c2: add(e1, c1) = 8,110\nc3: count(c2, c2) = 2"));
    let withdrawn = "r1: e3 is superseded\nc2: count(c1, r1) = 2\nr2: r1 is superseded";
    assert!(!follows(&count, withdrawn));
    let total = Query::Total { filters: vec![above], measure: Measure::Attr(STAFF) };
    let case = single(total, Answer::Integer(8_110), &[(ALTA, STAFF), (NERO, STAFF)]);
    assert!(follows(&case, "c2: add(e1, c1) = 8,110"));
    assert!(!follows(&case, "c2: add(e1, 4,210) = 8,110"));
    assert!(!follows(&case, "c2: add(3,900, 4,210) = 8,110"));
}
