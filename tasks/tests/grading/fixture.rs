//! A hand-made task of three companies that uses every part of the format, with its key.

use lode_proto::{
    attempt::Finish,
    id::Hash,
    task::{DomainRef, Profile},
};
use lode_tasks::{
    grade::grade,
    types::{
        Alias, Answer, AnswerKey, AnswerKind, AttrId, AttributeSchema, Check, Consequence,
        Constraint, ConstraintKey, ConstraintText, EntityId, Fact, FactRef, Gold, Measure,
        NumberSource, Order, Query, Question, RosterEntry, RuleVerdict, Selector, Task, TaskHeader,
        TraceNeed, TraceRules, Trap, TrapKind, TrapRole, TrappedWitness, Value, ValueKind,
    },
};

pub(crate) const ALTA: EntityId = EntityId(0);
pub(crate) const NERO: EntityId = EntityId(1);
pub(crate) const VOLT: EntityId = EntityId(2);
pub(crate) const CITY: AttrId = AttrId(0);
pub(crate) const STAFF: AttrId = AttrId(1);
pub(crate) const FOUNDED: AttrId = AttrId(2);
pub(crate) const DEBT: AttrId = AttrId(3);
pub(crate) const REVENUE: AttrId = AttrId(4);

pub(crate) const WITNESS: &str = "\
<trace>
e1: Alta Flow employs 3,900 people [paragraph_2]
e2: Nero Data employs 310 more people than Alta Flow [paragraph_3]
c1: add(e1, e2) = 4,210
e3: Volt Link employs 5,100 people [paragraph_4]
r1: e3 is superseded [paragraph_6]
e4: Volt Link employs 2,800 people [paragraph_5]
c2: max(e1, c1, e4) = 4,210
c3: abs_diff(c1, e4) = 1,410
e5: Alta Flow is based in Falkridge [paragraph_2]
e6: Nero Data is based in Lyndora [paragraph_7]
e7: Volt Link has a debt ratio of 2.1 [paragraph_10]
e8: Volt Link earned 1,250 million dollars [paragraph_11]
e9: Nero Data earned 97 million dollars [paragraph_11]
c4: mod(c1, 100) = 10
c5: add(c4, 11) = 21
c6: next_prime(c5) = 23
c7: mod(c1, 50) = 10
c8: add(c7, 10) = 20
c9: mod(e9, 50) = 47
c10: add(c9, 10) = 57
c11: add(c8, c10) = 77
</trace>
Q1: Nero Data
Q2: Falkridge
Q3: 1,410
Q4: 2.1
Q5: 1,250
Artifact: Calm Lyndora and Falkridge hold 23 lamps while 20+57=77 boats drift home
";

pub(crate) const TRAPPED: &str = "\
<trace>
e1: Alta Flow employs 3,900 people [paragraph_2]
e2: Nero Data employs 310 more people than Alta Flow [paragraph_3]
c1: add(e1, e2) = 4,210
e3: Volt Link employs 5,100 people [paragraph_4]
c2: max(e1, c1, e3) = 5,100
c3: abs_diff(c1, e3) = 890
e5: Alta Flow is based in Falkridge [paragraph_2]
e6: Volt Link is based in Marrow Bay [paragraph_8]
e7: Volt Link has a debt ratio of 2.1 [paragraph_10]
e8: Volt Link earned 1,250 million dollars [paragraph_11]
c4: mod(e3, 100) = 0
c5: add(c4, 11) = 11
c6: next_prime(c5) = 11
c7: mod(e3, 50) = 0
c8: add(c7, 10) = 10
c9: mod(e8, 50) = 0
c10: add(c9, 10) = 10
c11: add(c8, c10) = 20
</trace>
Q1: Volt Link
Q2: Falkridge
Q3: 890
Q4: 2.1
Q5: 1,250
Artifact: Calm Marrow Bay and Falkridge hold 11 lamps and 10+10=20 boats drift
";

fn fact(entity: EntityId, attr: AttrId) -> FactRef {
    FactRef { entity, attr }
}

fn attribute(
    key: &str,
    kind: ValueKind,
    unit: &str,
    trace: &str,
    words: &[&str],
) -> AttributeSchema {
    AttributeSchema {
        key: key.into(),
        label: key.into(),
        kind,
        unit: unit.into(),
        scale: if unit == "million dollars" { 1_000_000 } else { 1 },
        trace: trace.into(),
        trace_more: None,
        trace_less: None,
        vocabulary: words.iter().map(|word| (*word).to_owned()).collect(),
    }
}

pub(crate) fn task() -> Task {
    let mut staff = attribute(
        "employees",
        ValueKind::Integer,
        "people",
        "{entity} employs {value} people",
        &[],
    );
    staff.trace_more = Some("{entity} employs {value} more people than {reference}".into());
    staff.trace_less = Some("{entity} employs {value} fewer people than {reference}".into());
    let question = |text: &str, answer| Question { text: text.into(), answer };
    Task {
        header: TaskHeader {
            family: "longdoc".into(),
            engine_version: 0,
            domain: DomainRef { name: "fixture".into(), hash: Hash::of(b"fixture") },
            profile: Profile::Mini,
        },
        paragraphs: [
            "Working file: notes on three companies.",
            "Alta Flow employs 3,900 people and is based in Falkridge.",
            "Nero Data employs 310 more people than Alta Flow.",
            "Planning papers say that Volt Link employs 5,100 people.",
            "Audited filings say that Volt Link employs 2,800 people.",
            "Where they differ, audited filings hold and planning papers do not.",
            "ND, as Nero Data is also known, is based in Lyndora.",
            "Volt Link is based in Marrow Bay; it was founded in 1987.",
            "Alta Flow was founded in 1998, ND in 2004.",
            "Debt ratio: Alta Flow 4.5, ND 0.8, Volt Link 2.1.",
            "Alta Flow earned $412M; ND earned 97 million dollars; Volt Link earned $1.25 billion.",
            "Volt Linkage, a trade body, counts 28,001 members.",
        ]
        .map(str::to_owned)
        .to_vec(),
        roster: ["Alta Flow", "Nero Data", "Volt Link"]
            .map(|name| RosterEntry { name: name.into() })
            .to_vec(),
        attributes: vec![
            attribute(
                "city",
                ValueKind::Category,
                "",
                "{entity} is based in {value}",
                &["Falkridge", "Lyndora", "Marrow Bay", "The Hague"],
            ),
            staff,
            attribute("founded", ValueKind::Year, "", "{entity} was founded in {value}", &[]),
            attribute("debt", ValueKind::Decimal, "", "{entity} has a debt ratio of {value}", &[]),
            attribute(
                "revenue",
                ValueKind::Integer,
                "million dollars",
                "{entity} earned {value} million dollars",
                &[],
            ),
        ]
        .into(),
        questions: vec![
            question("Which company employs the most people?", AnswerKind::Entity),
            question("In which city is Alta Flow based?", AnswerKind::Category),
            question(
                "By how many people do the staffs of Nero Data and Volt Link differ?",
                AnswerKind::Integer,
            ),
            question("What is the debt ratio of Volt Link?", AnswerKind::Decimal),
            question("How many million dollars did Volt Link earn?", AnswerKind::Integer),
        ],
        constraints: [
            "Write exactly 12 words.",
            "Include the city of the company that answers Q1.",
            "Include the smallest prime that is at least (employees of Q1 mod 100) + 11.",
            "Include A+B=C with A=(employees of Q1 mod 50)+10, B=(revenue of Q1 mod 50)+10.",
            "Do not use the letter j.",
            "Include the answer to Q2.",
        ]
        .map(|text| ConstraintText(text.into()))
        .to_vec(),
        trace: TraceRules {
            needs: vec![
                TraceNeed::Facts,
                TraceNeed::Citations,
                TraceNeed::Computes,
                TraceNeed::Dataflow,
            ],
            min_extracts: 3,
            max_steps: 40,
            citations: true,
            computes: true,
            citation_milli: 900,
        },
        preamble: "Read the document, answer the questions and write the artifact.".into(),
        answer_format: "Write a trace, the answers and the artifact.".into(),
        cue: String::new(),
        max_completion_bytes: 16 * 1024,
    }
}

fn golds() -> Vec<Gold> {
    vec![
        Gold {
            answer: Answer::Entity(NERO),
            query: Query::Which(Selector::Ranked {
                filters: vec![],
                measure: Measure::Attr(STAFF),
                order: Order::Highest,
                rank: 1,
            }),
            support: vec![fact(NERO, STAFF)],
        },
        Gold {
            answer: Answer::Category("Falkridge".into()),
            query: Query::Category { of: Selector::Named(ALTA), attr: CITY },
            support: vec![fact(ALTA, CITY)],
        },
        Gold {
            answer: Answer::Integer(1_410),
            query: Query::Gap {
                a: Selector::Named(NERO),
                b: Selector::Named(VOLT),
                measure: Measure::Attr(STAFF),
            },
            support: vec![fact(NERO, STAFF), fact(VOLT, STAFF)],
        },
        Gold {
            answer: Answer::Decimal(2_100),
            query: Query::Number { of: Selector::Named(VOLT), measure: Measure::Attr(DEBT) },
            support: vec![fact(VOLT, DEBT)],
        },
        Gold {
            answer: Answer::Integer(1_250),
            query: Query::Number { of: Selector::Named(VOLT), measure: Measure::Attr(REVENUE) },
            support: vec![fact(VOLT, REVENUE)],
        },
    ]
}

fn constraint_keys() -> Vec<ConstraintKey> {
    let source = |attr| NumberSource::plain(1, Some(attr));
    let key = |constraint, check, questions: &[u16], support: Vec<FactRef>| ConstraintKey {
        constraint,
        check,
        questions: questions.to_vec(),
        support,
    };
    vec![
        key(Constraint::WordCount(12), Check::WordCount(12), &[], vec![]),
        key(
            Constraint::Category { question: 1, attr: CITY },
            Check::Contains(vec!["Lyndora".into()]),
            &[1],
            vec![fact(NERO, CITY)],
        ),
        key(
            Constraint::NextPrime { source: source(STAFF), modulus: 100, plus: 11 },
            Check::ContainsNumber(23),
            &[1],
            vec![],
        ),
        key(
            Constraint::Equation { a: source(STAFF), b: source(REVENUE), modulus: 50, plus: 10 },
            Check::Equation { a: 20, b: 57 },
            &[1],
            vec![fact(NERO, REVENUE)],
        ),
        key(Constraint::ForbiddenLetter('j'), Check::ForbiddenLetter('j'), &[], vec![]),
        key(
            Constraint::Answer { question: 2 },
            Check::Contains(vec!["Falkridge".into()]),
            &[2],
            vec![],
        ),
    ]
}

pub(crate) fn key() -> AnswerKey {
    let mut facts = Vec::new();
    let mut state = |entity, attr, value| {
        facts.push(Fact { fact: fact(entity, attr), value, paragraphs: vec![], reference: None });
    };
    for (entity, city, staff, founded, debt, revenue) in [
        (ALTA, "Falkridge", 3_900, 1998, 4_500, 412),
        (NERO, "Lyndora", 4_210, 2004, 800, 97),
        (VOLT, "Marrow Bay", 2_800, 1987, 2_100, 1_250),
    ] {
        state(entity, CITY, Value::Text(city.into()));
        state(entity, STAFF, Value::Int(staff));
        state(entity, FOUNDED, Value::Int(founded));
        state(entity, DEBT, Value::Milli(debt));
        state(entity, REVENUE, Value::Int(revenue));
    }
    AnswerKey {
        gold: golds(),
        constraints: constraint_keys(),
        traps: vec![
            Trap {
                kind: TrapKind::Superseded,
                role: TrapRole::Binding,
                fact: fact(VOLT, STAFF),
                right: Value::Int(2_800),
                wrong: Value::Int(5_100),
                right_paragraphs: vec![5, 6],
                wrong_paragraphs: vec![4],
                consequences: vec![
                    Consequence::Answer { question: 1, answer: Answer::Entity(VOLT) },
                    Consequence::Answer { question: 3, answer: Answer::Integer(890) },
                    Consequence::Check {
                        constraint: 2,
                        check: Check::Contains(vec!["Marrow Bay".into()]),
                    },
                    Consequence::Check { constraint: 3, check: Check::ContainsNumber(11) },
                    Consequence::Check { constraint: 4, check: Check::Equation { a: 10, b: 10 } },
                ],
            },
            Trap {
                kind: TrapKind::Unit,
                role: TrapRole::Bait,
                fact: fact(ALTA, REVENUE),
                right: Value::Int(412),
                wrong: Value::Int(412_000),
                right_paragraphs: vec![11],
                wrong_paragraphs: vec![11],
                consequences: vec![],
            },
        ],
        facts,
        aliases: vec![Alias { entity: NERO, name: "ND".into(), defined_in: Some(7) }],
        document: vec![],
        witness: WITNESS.into(),
        trapped: vec![TrappedWitness { trap: 1, text: TRAPPED.into() }],
        guess_floor_ppb: 1,
    }
}

/// The task under other needs.
pub(crate) fn needing(needs: &[TraceNeed]) -> Task {
    let mut task = task();
    task.trace.needs = needs.to_vec();
    task
}

/// The task as a small model gets it: extracts only, and the cue has opened the trace.
pub(crate) fn small() -> Task {
    let mut task = task();
    task.header.profile = Profile::Nano;
    task.trace = TraceRules {
        needs: vec![TraceNeed::Facts],
        min_extracts: 1,
        max_steps: 4,
        citations: true,
        computes: false,
        citation_milli: 0,
    };
    task.cue = "<trace>\n".into();
    task
}

pub(crate) fn graded(task: &Task, text: &str) -> RuleVerdict {
    grade(task, &key(), text.as_bytes(), Finish::Stop)
}

/// The witness with one passage replaced; panics where it is not there.
pub(crate) fn with(from: &str, to: &str) -> String {
    assert!(WITNESS.contains(from), "the witness has no {from:?}");
    WITNESS.replacen(from, to, 1)
}

/// The witness without the lines that begin with one of these.
pub(crate) fn without(heads: &[&str]) -> String {
    let kept: Vec<&str> =
        WITNESS.lines().filter(|line| !heads.iter().any(|head| line.starts_with(head))).collect();
    assert!(kept.len() < WITNESS.lines().count(), "the witness has none of {heads:?}");
    kept.join("\n") + "\n"
}
