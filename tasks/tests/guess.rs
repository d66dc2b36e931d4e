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
    types::Constraint,
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
