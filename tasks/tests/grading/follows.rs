//! What follows from an attempt's own answers and trace, right or wrong, for each kind of constraint.

use lode_proto::attempt::Finish;
use lode_tasks::{
    grade::grade,
    types::{
        AnswerKey, AttrId, Check, Constraint, ConstraintKey, DataflowOutcome, EntityId, FactRef,
        NumberRange, NumberSource, NumberTerm, Part, Task,
    },
};

use crate::fixture::{ALTA, CITY, DEBT, FOUNDED, REVENUE, STAFF, TRAPPED, VOLT, WITNESS};
use crate::fixture::{key, task};

/// A constraint in the key's terms: the questions that it depends on are those it names.
fn asked(constraint: Constraint, check: Check, questions: &[u16]) -> ConstraintKey {
    ConstraintKey { constraint, check, questions: questions.to_vec(), support: vec![] }
}

fn fact(entity: EntityId, attr: AttrId) -> FactRef {
    FactRef { entity, attr }
}

/// The key with this constraint and no other.
fn only(constraint: &ConstraintKey) -> AnswerKey {
    let mut key = key();
    for trap in &mut key.traps {
        trap.consequences.clear();
    }
    key.constraints = vec![constraint.clone()];
    key
}

/// What the verdict says about that constraint, with another artifact under `text`.
fn outcome(
    task: &Task,
    constraint: &ConstraintKey,
    text: &str,
    artifact: &str,
) -> Option<DataflowOutcome> {
    let before = text.split_once("Artifact: ").expect("has an artifact").0;
    let text = format!("{before}Artifact: {artifact}\n");
    let verdict = grade(task, &only(constraint), text.as_bytes(), Finish::Stop);
    verdict.dataflow.into_iter().find(|outcome| outcome.part == Part::Constraint(1))
}

fn follows(constraint: &ConstraintKey, text: &str, artifact: &str) -> bool {
    outcome(&task(), constraint, text, artifact).is_some_and(|outcome| outcome.follows)
}

/// `text` with one passage replaced; panics where it is not there.
fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?}");
    text.replacen(from, to, 1)
}

#[test]
fn a_constraint_follows_from_the_attempts_own_answers() {
    let plain = |attr| NumberSource::plain(1, Some(attr));
    let term = |word: &str| vec![word.to_owned()];
    // Who was trapped answers Volt Link (5,100 people), Falkridge and 890.
    let trapped = changed(TRAPPED, "Q4: 2.1", "Q4: 2.2");
    let trapped = changed(&trapped, "ratio of 2.1", "ratio of 2.2");
    let trapped =
        changed(&trapped, "Volt Link is based in Marrow Bay", "Volt Link is based in Lyndora");
    let cases = [
        (
            asked(Constraint::Answer { question: 1 }, Check::Contains(term("Nero Data")), &[1]),
            "the Nero Data barge",
            "the Volt Link barge",
        ),
        (
            asked(Constraint::Answer { question: 3 }, Check::ContainsNumber(1_410), &[3]),
            "1,410 barges",
            "890 barges",
        ),
        (
            asked(Constraint::Answer { question: 4 }, Check::ContainsDecimal(2_100), &[4]),
            "2.1 barges",
            "2.2 barges",
        ),
        (
            asked(
                Constraint::Category { question: 1, attr: CITY },
                Check::Contains(term("Marrow Bay")),
                &[1],
            ),
            "Marrow Bay",
            "Lyndora",
        ),
        (
            ConstraintKey {
                support: vec![fact(VOLT, CITY)],
                ..asked(
                    Constraint::Fact(fact(VOLT, CITY)),
                    Check::Contains(term("Marrow Bay")),
                    &[],
                )
            },
            "Marrow Bay",
            "Lyndora",
        ),
        (
            ConstraintKey {
                support: vec![fact(VOLT, DEBT)],
                ..asked(Constraint::Fact(fact(VOLT, DEBT)), Check::ContainsDecimal(2_100), &[])
            },
            "2.1 barges",
            "2.2 barges",
        ),
        (
            ConstraintKey {
                support: vec![fact(VOLT, STAFF)],
                ..asked(Constraint::Fact(fact(VOLT, STAFF)), Check::ContainsNumber(2_800), &[])
            },
            "2,800 barges",
            "5,100 barges",
        ),
        (
            asked(
                Constraint::NextPrime { source: plain(STAFF), modulus: 100, plus: 11 },
                Check::ContainsNumber(23),
                &[1],
            ),
            "23 barges",
            "11 barges",
        ),
        (
            asked(
                Constraint::Modular { source: plain(STAFF), modulus: 50, plus: 10 },
                Check::ContainsNumber(20),
                &[1],
            ),
            "20 barges",
            "10 barges",
        ),
        (
            asked(
                Constraint::Equation { a: plain(STAFF), b: plain(REVENUE), modulus: 50, plus: 10 },
                Check::Equation { a: 20, b: 57 },
                &[1],
            ),
            "20+57=77 barges",
            "10+10=20 barges",
        ),
        (
            asked(
                Constraint::Json { question: 2, source: plain(STAFF), modulus: 50, plus: 10 },
                Check::Json { answer: term("Falkridge"), n: 20 },
                &[1, 2],
            ),
            "{\"answer\": \"Falkridge\", \"n\": 20}",
            "{\"answer\": \"Falkridge\", \"n\": 10}",
        ),
        (
            asked(
                Constraint::Acrostic { questions: vec![1, 2] },
                Check::Acrostic("NDF".into()),
                &[1],
            ),
            "New docks float",
            "Very low floats",
        ),
        (
            asked(
                Constraint::Order { questions: vec![2, 1] },
                Check::Order(vec![term("Falkridge"), term("Nero Data")]),
                &[1, 2],
            ),
            "Falkridge, then Nero Data",
            "Falkridge, then Volt Link",
        ),
    ];
    for (constraint, right, own) in cases {
        let told = format!("{:?}", constraint.constraint);
        assert!(follows(&constraint, &trapped, own), "{told}: its own");
        assert!(!follows(&constraint, &trapped, right), "{told}: the right one, from elsewhere");
        assert!(!follows(&constraint, &trapped, "calm barges"), "{told}: neither");
    }
}

#[test]
fn a_number_of_a_constraint_rests_on_stated_facts() {
    let source = |times, and| NumberSource { times, and, ..NumberSource::plain(1, Some(REVENUE)) };
    let city = NumberTerm { question: 1, attr: STAFF, range: NumberRange::UNKNOWN };
    // Without compute steps the trace has to state the numbers, no more.
    let mut small = task();
    small.trace.computes = false;
    // 97 mod 50 + 10; (2 * 97 + 4,210) mod 50 + 10.
    for (source, n, needed) in [(source(1, None), 57, "e9:"), (source(2, Some(city)), 14, "e9:")] {
        let modular = Constraint::Modular { source, modulus: 50, plus: 10 };
        let constraint = asked(modular, Check::ContainsNumber(n), &[1]);
        let artifact = format!("{n} barges");
        let of = |text: &str| {
            outcome(&small, &constraint, text, &artifact).expect("depends on an answer").follows
        };
        assert!(of(WITNESS), "{n}");
        let kept: Vec<&str> = WITNESS.lines().filter(|line| !line.starts_with(needed)).collect();
        assert!(!of(&(kept.join("\n") + "\n")), "{n} without {needed}");
    }
}

#[test]
fn an_equation_is_grounded_where_both_its_numbers_are() {
    let plain = |attr| NumberSource::plain(1, Some(attr));
    let equation = |first, second| {
        let (a, b) = (plain(first), plain(second));
        Constraint::Equation { a, b, modulus: 50, plus: 10 }
    };
    let miscited =
        changed(WITNESS, "97 million dollars [paragraph_11]", "97 million dollars [paragraph_10]");
    for (first, second, check) in [
        (STAFF, REVENUE, Check::Equation { a: 20, b: 57 }),
        (REVENUE, STAFF, Check::Equation { a: 57, b: 20 }),
    ] {
        let constraint = asked(equation(first, second), check.clone(), &[1]);
        let Check::Equation { a, b } = check else { unreachable!() };
        let artifact = format!("{a}+{b}={}", a + b);
        let of = |text: &str| {
            let outcome = outcome(&task(), &constraint, text, &artifact).expect("depends on Q1");
            (outcome.follows, outcome.grounded)
        };
        assert_eq!(of(WITNESS), (true, true), "{artifact}");
        assert_eq!(of(&miscited), (true, false), "{artifact}");
    }
}

#[test]
fn what_only_the_key_can_resolve_follows_where_its_facts_are_stated() {
    let constraint = ConstraintKey {
        support: vec![fact(ALTA, FOUNDED)],
        ..asked(
            Constraint::FirstWordOf { question: 1 },
            Check::StartsWith(vec!["Nero".into()]),
            &[1],
        )
    };
    let stated = changed(WITNESS, "c4:", "e20: Alta Flow was founded in 1998 [paragraph_9]\nc4:");
    assert!(follows(&constraint, &stated, "Nero drifts"));
    assert!(!follows(&constraint, &stated, "Data drifts"));
    assert!(!follows(&constraint, WITNESS, "Nero drifts"), "the fact is not stated");
}

#[test]
fn nobody_states_a_fact_that_the_task_does_not_have() {
    // The place after Alta Flow's last attribute is nobody else's.
    let follows = |beyond: Option<FactRef>| {
        let mut key = key();
        key.gold[1].support.extend(beyond);
        let verdict = grade(&task(), &key, WITNESS.as_bytes(), Finish::Stop);
        verdict.dataflow.iter().any(|found| found.part == Part::Question(2) && found.follows)
    };
    assert!(follows(None));
    let attributes = u16::try_from(task().attributes.len()).expect("a few");
    assert!(!follows(Some(fact(ALTA, AttrId(attributes)))));
    assert!(!follows(Some(fact(EntityId(3), CITY))));
}
