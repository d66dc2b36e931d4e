//! Questions and constraints as they are drawn, before any document: how varied they are, that
//! their words are sound, and that every constraint can be kept and broken.

use std::collections::{BTreeMap, BTreeSet};

use lode_proto::task::Profile;

use super::{
    artifact, constrain,
    plan::{Layout, plan},
    question::{self, Budget, Drafted},
    trap,
    world::World,
};
use crate::{
    check,
    draw::Draw,
    family::Library,
    lint,
    types::{AnswerKind, Check, Constraint},
};

struct Drawn<'a> {
    world: World<'a>,
    questions: Vec<Drafted>,
    constraints: Vec<Constraint>,
    checks: Vec<Check>,
}

/// Draws of a profile over all built-in domains, with how many failed at each step.
fn drawn(profile: Profile, seeds: u64, mut each: impl FnMut(&Drawn<'_>, &mut Draw)) -> [u64; 3] {
    let library = Library::builtin().expect("built-in domains are sound");
    let plan = plan(profile).expect("a plan");
    let mut failed = [0; 3];
    for named in library.domains() {
        let domain = library.domain(&named).expect("is built in");
        for seed in 0..seeds {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&seed.to_le_bytes());
            let draw = &mut Draw::new(bytes);
            let world = World::draw(domain, &plan, draw);
            let mut budget = Budget::default();
            let Some(questions) = question::questions(&world, &plan, &mut budget, draw) else {
                failed[0] += 1;
                continue;
            };
            let found = constrain::constraints(&world, &plan, &questions, &mut budget, draw);
            let Some(mut constraints) = found else {
                failed[1] += 1;
                continue;
            };
            let early = trap::derive(&world, &questions, &constraints, &world.table)
                .expect("the truth gives every check");
            if constrain::finish(&mut constraints, &[early.checks], &plan, draw).is_none() {
                failed[2] += 1;
                continue;
            }
            let checks = trap::derive(&world, &questions, &constraints, &world.table)
                .expect("the truth gives every check")
                .checks;
            each(&Drawn { world, questions, constraints, checks }, draw);
        }
    }
    failed
}

#[test]
fn standard_questions_have_many_shapes_of_two_to_four_hops_and_every_kind_of_answer() {
    let mut shapes: BTreeMap<String, u32> = BTreeMap::new();
    let mut kinds: BTreeSet<AnswerKind> = BTreeSet::new();
    let mut all = 0;
    let failed = drawn(Profile::Standard, 200, |drawn, _| {
        for question in &drawn.questions {
            let hops = question.query.hops();
            assert!((1..=4).contains(&hops), "{hops} hops: {}", question.text);
            all += 1;
            if hops > 1 {
                *shapes.entry(question.query.shape()).or_default() += 1;
            }
            kinds.insert(question.kind);
        }
    });
    assert_eq!(failed, [0; 3], "no draw fails before the traps");
    let common = shapes.values().filter(|count| **count >= 10).count();
    assert!(common >= 35, "{common} of {shapes:#?}");
    assert!(shapes.values().sum::<u32>() * 10 > all * 7, "most questions take several hops");
    assert_eq!(kinds.len(), 4, "{kinds:?}");
}

#[test]
fn skeletons_differ_and_hold_many_kinds() {
    for (profile, least) in [(Profile::Mini, 20), (Profile::Standard, 22)] {
        let mut kinds = BTreeSet::new();
        let mut first = BTreeSet::new();
        let mut skeletons = BTreeSet::new();
        let mut count = 0;
        drawn(profile, 200, |drawn, _| {
            let names: Vec<String> = drawn.constraints.iter().map(name).collect();
            first.insert(names[0].clone());
            kinds.extend(names.iter().cloned());
            skeletons.insert(names);
            count += 1;
        });
        assert!(kinds.len() >= least, "{profile}: {kinds:?}");
        assert!(first.len() >= 15, "{profile}: the first slot has {first:?}");
        assert!(skeletons.len() * 10 > count * 9, "{profile}: {} of {count}", skeletons.len());
    }
}

/// The name of a variant.
fn name(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}").chars().take_while(|c| c.is_alphanumeric()).collect()
}

#[test]
fn questions_and_constraints_are_sound_language() {
    for profile in [Profile::Nano, Profile::Mini, Profile::Standard] {
        let plain = plan(profile).expect("a plan").layout == Layout::Sentences;
        drawn(profile, 150, |drawn, draw| {
            for question in &drawn.questions {
                assert_eq!(lint::lint(&question.text), Ok(()), "{}", question.text);
                assert!(question.text.ends_with(['?', '.']), "{}", question.text);
            }
            for constraint in &drawn.constraints {
                for _ in 0..2 {
                    let text = constrain::wording(constraint, &drawn.world, plain, draw)
                        .expect("every kind has words");
                    assert_eq!(lint::lint(&text), Ok(()), "{text}");
                }
            }
        });
    }
}

/// What breaks one check, and perhaps others.
fn damaged(check: &Check, text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let without = |gone: &str| {
        let mut out = text.to_owned();
        while let Some(at) = out.to_lowercase().find(&gone.to_lowercase()) {
            out.replace_range(at..at + gone.len(), "gone");
        }
        out
    };
    match check {
        Check::WordCount(_) | Check::NoRepeats => format!("{text} {}", words[0]),
        Check::MaxWords(n) => vec!["word"; usize::from(*n) + 1].join(" "),
        Check::MinWords(n) => vec!["word"; usize::from(*n) - 1].join(" "),
        Check::StartsWith(_) | Check::Acrostic(_) | Check::WordAt { .. } => format!("q {text}"),
        Check::WordLengths(_) | Check::LengthSum { .. } => format!("x{text}"),
        Check::Alphabetical(_) => format!("zzz {text}"),
        Check::DifferentInitials(_) => format!("{} {text}", words[0]),
        Check::Contains(forms) => without(&forms[0]),
        Check::ContainsNumber(n) => {
            without(&crate::number::grouped(*n)).replace(&n.to_string(), "gone")
        }
        Check::ContainsDecimal(milli) => without(&crate::number::decimal(*milli)),
        Check::Equation { .. } => text.replace('+', "-"),
        Check::Json { .. } => text.replace("\"n\"", "\"m\""),
        Check::ForbiddenLetter(letter) => format!("{text} {letter}"),
        Check::LetterCount { letter, .. } => format!("{text} {letter}"),
        Check::Order(terms) => without(&terms[0][0]),
        Check::SentenceCount(_) => format!("{text} And more."),
        Check::EndsWith(_) => format!("{text} indeed"),
    }
}

#[test]
fn every_check_takes_the_composed_line_and_refuses_a_damaged_one() {
    let mut seen = BTreeSet::new();
    for profile in [Profile::Mini, Profile::Standard] {
        drawn(profile, 300, |drawn, draw| {
            let text = artifact::compose(&drawn.checks, draw)
                .unwrap_or_else(|| panic!("no line for {:?}", drawn.checks));
            assert!(!text.contains('\n') && text.len() < 400, "{text}");
            assert!(text.starts_with(|c: char| c.is_ascii_alphanumeric()), "{text}");
            for check in &drawn.checks {
                assert!(check::holds(check, &text), "{check:?}: {text}");
                let bad = damaged(check, &text);
                assert!(!check::holds(check, &bad), "{check:?} holds for {bad:?}");
                assert!(!check::explain(check, &bad).is_empty());
                seen.insert(name(check));
            }
        });
    }
    assert!(seen.len() >= 18, "{seen:?}");
}
