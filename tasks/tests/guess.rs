//! How often a guess satisfies the constraints of generated tasks: the bound of each, and draws that
//! must keep to it.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking

use std::collections::BTreeMap;

use lode_proto::task::{Profile, TaskTemplate};
use lode_tasks::{
    ENGINE_VERSION,
    check::{MAX_DERIVED_PPB, guess, guess_ppb},
    family::Library,
    longdoc,
    types::{
        AttrId, AttributeSchema, Check, Constraint, ConstraintKey, EntityId, FactRef, NumberRange,
        NumberSource, NumberTerm, RosterEntry, Task, ValueKind,
    },
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

/// Guesses at each constraint.
const DRAWS: u64 = 4_000;

fn is_derived(constraint: &Constraint) -> bool {
    matches!(
        constraint,
        Constraint::NextPrime { .. }
            | Constraint::Modular { .. }
            | Constraint::Equation { .. }
            | Constraint::Json { .. }
    )
}

#[test]
fn a_derived_number_is_guessed_less_than_once_in_a_thousand() {
    let library = Library::builtin().unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut below = |n: u64| if n == 0 { 0 } else { random.next_u64() % n };
    // By kind: hits and draws.
    let mut found: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for domain in library.domains() {
        for (profile, seeds) in [(Profile::Mini, 12), (Profile::Standard, 12)] {
            for seed in 0..seeds {
                let template = TaskTemplate {
                    family: longdoc::NAME.into(),
                    engine_version: ENGINE_VERSION,
                    domain: domain.clone(),
                    profile,
                    inputs: Vec::new(),
                };
                let (task, key) = longdoc::generate(&template.spec([seed; 32]), &library).unwrap();
                for known in key.constraints.iter().filter(|k| is_derived(&k.constraint)) {
                    let bound = guess_ppb(&task, known);
                    assert!(bound <= MAX_DERIVED_PPB, "{}: {bound}: {known:?}", domain.name);
                    let name = format!("{:?}", known.constraint);
                    let name = name.split(' ').next().unwrap().to_owned();
                    let (hits, draws) = found.entry(name).or_default();
                    for _ in 0..DRAWS {
                        *hits +=
                            u64::from(guess(&task, known, &mut below) == Some(known.check.clone()));
                        *draws += 1;
                    }
                }
            }
        }
    }
    assert_eq!(found.len(), 4, "{found:?}");
    for (kind, (hits, draws)) in &found {
        assert!(hits * 1_000 < *draws, "{kind}: {hits} of {draws}");
    }
}

/// Parts per billion.
const CERTAIN: u64 = 1_000_000_000;
const CITY: AttrId = AttrId(0);
const STAFF: AttrId = AttrId(1);

/// A task with these names, five cities and a number.
fn naming(names: &[&str]) -> Task {
    let library = Library::builtin().unwrap();
    let template = TaskTemplate {
        family: longdoc::NAME.into(),
        engine_version: ENGINE_VERSION,
        domain: library.named("companies").unwrap(),
        profile: Profile::Nano,
        inputs: Vec::new(),
    };
    let (task, _) = longdoc::generate(&template.spec([1; 32]), &library).unwrap();
    let attribute = |kind, words: &[&str]| AttributeSchema {
        kind,
        vocabulary: words.iter().map(|word| (*word).to_owned()).collect(),
        ..task.attributes[0].clone()
    };
    let cities = ["Falkridge", "Lyndora", "Marrow Bay", "North Bay", "The Hague"];
    Task {
        attributes: vec![
            attribute(ValueKind::Category, &cities),
            attribute(ValueKind::Integer, &[]),
        ]
        .into(),
        roster: names.iter().map(|name| RosterEntry { name: (*name).into() }).collect(),
        ..task
    }
}

fn key(constraint: Constraint, check: Check) -> ConstraintKey {
    ConstraintKey { constraint, check, questions: vec![1], support: vec![] }
}

fn source(range: NumberRange, times: i64, second: Option<NumberRange>) -> NumberSource {
    let and = second.map(|range| NumberTerm { question: 2, attr: STAFF, range });
    NumberSource { range, times, and, ..NumberSource::plain(1, Some(STAFF)) }
}

fn range(low: i64, step: i64, count: u32) -> NumberRange {
    NumberRange { low, step, count }
}

#[test]
fn a_hidden_term_is_one_of_those_that_it_may_be() {
    let task = naming(&["Alta Flow", "Nero Data", "Volt Data", "Volt Link"]);
    let contains = |word: &str| Check::Contains(vec![word.into()]);
    let answer = Constraint::Answer { question: 1 };
    let first = Constraint::FirstWordOf { question: 1 };
    let last = Constraint::LastWordOf { question: 1 };
    let fact = FactRef { entity: EntityId(0), attr: CITY };
    for (constraint, check, one_in) in [
        (answer.clone(), contains("Volt Link"), 4),
        (answer.clone(), contains("Lyndora"), 5),
        (answer.clone(), contains("nowhere"), 1),
        // Ten for each digit.
        (answer.clone(), Check::ContainsNumber(1_410), 10_000),
        (answer.clone(), Check::ContainsNumber(7), 10),
        (answer, Check::ContainsDecimal(2_100), 100),
        (Constraint::Category { question: 1, attr: CITY }, contains("Lyndora"), 5),
        (Constraint::Fact(fact), contains("Lyndora"), 5),
        // Two of four names begin with it, two of five cities end with it.
        (first.clone(), Check::StartsWith(vec!["Volt".into()]), 2),
        (first.clone(), Check::StartsWith(vec!["Nero".into()]), 4),
        (first, Check::StartsWith(vec!["Marrow".into()]), 5),
        (last.clone(), Check::EndsWith("bay".into()), 2),
        (last.clone(), Check::EndsWith("link".into()), 4),
        (last, Check::EndsWith("nothing".into()), 1),
        (Constraint::NoRepeats, Check::NoRepeats, 1),
    ] {
        let known = key(constraint, check);
        assert_eq!(guess_ppb(&task, &known), CERTAIN / one_in, "{known:?}");
    }
}

#[test]
fn names_in_a_row_are_different_and_may_share_their_initials() {
    let four = naming(&["Alta Flow", "Nero Data", "Volt Data", "Volt Link"]);
    let order = key(Constraint::Order { questions: vec![1, 2] }, Check::Order(vec![]));
    assert_eq!(guess_ppb(&four, &order), CERTAIN.div_ceil(12));
    let acrostic = |letters: &str| {
        key(Constraint::Acrostic { questions: vec![1, 2] }, Check::Acrostic(letters.into()))
    };
    assert_eq!(guess_ppb(&four, &acrostic("VLND")), CERTAIN.div_ceil(12));
    let five = naming(&["Alta Flow", "Nero Data", "Vale Lodge", "Volt Data", "Volt Link"]);
    assert_eq!(guess_ppb(&five, &acrostic("VLND")), CERTAIN / 10, "either of two, then one");
    assert_eq!(guess_ppb(&five, &acrostic("NDAF")), CERTAIN / 20);
}

#[test]
fn a_number_is_as_likely_as_its_commonest_residue() {
    let task = naming(&["Volt Link"]);
    let bound = |source: NumberSource, modulus| {
        let modular = Constraint::Modular { source, modulus, plus: 0 };
        guess_ppb(&task, &key(modular, Check::ContainsNumber(0)))
    };
    let one =
        |step, times, count, modulus| bound(source(range(7, step, count), times, None), modulus);
    // A thousand numbers in a row over a hundred residues, ten on each; steps of five meet twenty
    // of them, steps of three all; ten numbers meet ten.
    assert_eq!(one(1, 1, 1_000, 100), CERTAIN / 100);
    assert_eq!(one(5, 1, 1_000, 100), CERTAIN / 20);
    assert_eq!(one(1, 5, 1_000, 100), CERTAIN / 20);
    assert_eq!(one(3, 1, 1_000, 100), CERTAIN / 100);
    assert_eq!(one(7, 1, 10, 100), CERTAIN / 10);
    assert_eq!(one(1, 1, 1_000, 2), CERTAIN / 2);
    // All the same, or nothing known.
    assert_eq!(one(1, 100, 1_000, 100), CERTAIN);
    assert_eq!([one(1, 1, 1_000, 1), one(1, 1, 1_000, 0), one(1, 1, 1_000, -5)], [CERTAIN; 3]);
    assert_eq!(bound(source(NumberRange::UNKNOWN, 1, None), 100), CERTAIN);
    // Tens and ones: five hundred numbers, all different.
    let two = source(range(0, 1, 50), 10, Some(range(0, 1, 10)));
    assert_eq!(bound(two, 1_000), CERTAIN / 500);
}

#[test]
fn primes_are_likelier_than_numbers_and_two_numbers_rarer_than_one() {
    let task = naming(&["Volt Link"]);
    let plain = |question| NumberSource { question, ..source(range(7, 1, 1_000), 1, None) };
    // Below 200 the widest gap is the one from 113 to 127.
    let prime = |modulus| {
        let constraint = Constraint::NextPrime { source: plain(1), modulus, plus: 100 };
        guess_ppb(&task, &key(constraint, Check::ContainsNumber(2)))
    };
    assert_eq!(prime(100), CERTAIN / 100 * 14);
    assert_eq!(prime(5_000_000), CERTAIN, "where the gaps are not known");
    let equation = |second| {
        let (a, b) = (plain(1), plain(second));
        let constraint = Constraint::Equation { a, b, modulus: 100, plus: 0 };
        guess_ppb(&task, &key(constraint, Check::Equation { a: 1, b: 2 }))
    };
    assert_eq!(equation(2), CERTAIN / 10_000);
    assert_eq!(equation(1), CERTAIN / 100, "two numbers of one entity may hang together");
}

#[test]
fn a_guess_is_what_its_draws_come_to() {
    let task = naming(&["Alta Flow", "Nero Data", "Volt Data", "Volt Link"]);
    let third = |known: &ConstraintKey| guess(&task, known, &mut |n| n.min(2));
    let number = Check::ContainsNumber(0);
    let contains = |word: &str| Some(Check::Contains(vec![word.into()]));
    // The third of 10, 15, 20 and 25 is 20; 20 mod 7 + 10 is 16.
    let plain = || source(range(10, 5, 4), 1, None);
    let prime = Constraint::NextPrime { source: plain(), modulus: 7, plus: 10 };
    assert_eq!(third(&key(prime, number.clone())), Some(Check::ContainsNumber(17)));
    let modular = |source| Constraint::Modular { source, modulus: 7, plus: 10 };
    assert_eq!(third(&key(modular(plain()), number.clone())), Some(Check::ContainsNumber(16)));
    // Twice that and 3: 43 mod 7 + 10.
    let both = source(range(10, 5, 4), 2, Some(range(1, 1, 9)));
    assert_eq!(third(&key(modular(both), number.clone())), Some(Check::ContainsNumber(11)));
    let unknown = source(NumberRange::UNKNOWN, 1, None);
    assert_eq!(third(&key(modular(unknown), number.clone())), None);
    let b = source(range(1, 1, 9), 1, None);
    let equation = Constraint::Equation { a: plain(), b, modulus: 7, plus: 10 };
    let check = Check::Equation { a: 16, b: 13 };
    assert_eq!(third(&key(equation, check.clone())), Some(check));
    let json = Constraint::Json { question: 1, source: plain(), modulus: 7, plus: 10 };
    let check = |n| Check::Json { answer: vec!["Volt Link".into()], n };
    assert_eq!(third(&key(json, check(3))), Some(check(16)));
    let category = Constraint::Category { question: 1, attr: CITY };
    assert_eq!(third(&key(category, number.clone())), contains("Marrow Bay"));
    let fact = Constraint::Fact(FactRef { entity: EntityId(0), attr: CITY });
    assert_eq!(third(&key(fact, number.clone())), contains("Marrow Bay"));
    assert_eq!(third(&key(Constraint::Answer { question: 1 }, number)), contains("Volt Data"));
    assert_eq!(third(&key(Constraint::NoRepeats, Check::NoRepeats)), None);
}
