//! A second opinion on every task, from its rendered text alone ([`lode_tasks::recheck`]): proofs 1
//! to 5 over many seeds, and planted defects that it must find by name.
//!
//! `LODE_SEEDS=100000 cargo test --release -p lode-tasks --test checker every -- --nocapture` runs
//! more seeds than CI does.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking

mod defects;
mod plant;
mod trained;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use lode_proto::{
    id::Hash,
    task::{DomainRef, Profile, TaskTemplate},
};
use lode_tasks::{
    ENGINE_VERSION,
    family::{GenerateError, Library},
    longdoc,
    recheck::{Wordings, recheck},
    types::{AnswerKey, Task},
};

/// Seeds of one run without `LODE_SEEDS`.
const SEEDS: u64 = 2_000;
/// Of so many tasks, how many are of each profile.
const SHARES: [(Profile, u64); 4] =
    [(Profile::Nano, 50), (Profile::Mini, 30), (Profile::Standard, 18), (Profile::Hard, 2)];
const THREADS: usize = 2;

pub(crate) struct Subject {
    pub(crate) domain: DomainRef,
    pub(crate) words: Wordings,
}

/// Every built-in domain with its wordings.
pub(crate) fn subjects(library: &Library) -> Vec<Subject> {
    let mut subjects: Vec<Subject> = library
        .domains()
        .into_iter()
        .map(|domain| {
            let bytes = library.domain_bytes(domain.hash).expect("in the library");
            Subject { words: Wordings::read(bytes).expect("sound wordings"), domain }
        })
        .collect();
    subjects.sort_by(|a, b| a.domain.name.cmp(&b.domain.name));
    subjects
}

pub(crate) fn make(
    library: &Library,
    domain: &DomainRef,
    profile: Profile,
    n: u64,
) -> Result<(Task, AnswerKey), GenerateError> {
    let template = TaskTemplate {
        family: longdoc::NAME.into(),
        engine_version: ENGINE_VERSION,
        domain: domain.clone(),
        profile,
        inputs: Vec::new(),
    };
    longdoc::generate(
        &template.spec(Hash::derive("lode/1/checker-seed", &n.to_le_bytes()).0),
        library,
    )
}

/// What one task violates, in words, by proof.
fn violations(
    library: &Library,
    subject: &Subject,
    profile: Profile,
    n: u64,
) -> Vec<(usize, String)> {
    match make(library, &subject.domain, profile, n) {
        Err(error) => vec![(0, error.to_string())],
        Ok((task, key)) => recheck(&subject.words, &task, &key)
            .into_iter()
            .map(|fault| (fault.proof(), fault.to_string()))
            .collect(),
    }
}

/// The seeds of a run: profile, place of the domain, number.
fn run(domains: usize, seeds: u64) -> Vec<(Profile, usize, u64)> {
    (0..seeds)
        .map(|n| {
            let mut at = n % 100;
            let profile = SHARES
                .iter()
                .find(|(_, share)| {
                    let here = at < *share;
                    at = at.saturating_sub(*share);
                    here
                })
                .map_or(Profile::Nano, |(profile, _)| *profile);
            // Another domain for each hundred and place, so that every pair comes up.
            let domain = (n + n / 100) as usize % domains;
            (profile, domain, n)
        })
        .collect()
}

/// A profile, the place of a domain, a seed, and the faults of its task by proof.
type Found = (Profile, usize, u64, Vec<(usize, String)>);

#[test]
fn every_task_holds_its_proofs_by_its_text() {
    let library = Library::builtin().expect("built-in domains are sound");
    let subjects = subjects(&library);
    let seeds = std::env::var("LODE_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(SEEDS);
    let run = run(subjects.len(), seeds);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut found: Vec<Found> = Vec::new();
        while let Some((profile, domain, n)) = run.get(next.fetch_add(1, Ordering::Relaxed)) {
            let violations = violations(&library, &subjects[*domain], *profile, *n);
            found.push((*profile, *domain, *n, violations));
        }
        found
    };
    let found: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    let mut table: BTreeMap<(String, String), [usize; 7]> = BTreeMap::new();
    let mut bad = Vec::new();
    for (profile, domain, n, violations) in &found {
        let name = &subjects[*domain].domain.name;
        let row = table.entry((name.clone(), profile.to_string())).or_default();
        row[0] += 1;
        for (proof, text) in violations {
            row[proof + 1] += 1;
            bad.push(format!("{name} {profile} seed {n}, proof {proof}: {text}"));
        }
    }
    println!("domain profile: seeds, exhausted, violations of proofs 1 to 5");
    for ((domain, profile), row) in &table {
        println!("{domain} {profile}: {row:?}");
    }
    bad.sort();
    let first: Vec<&String> = bad.iter().take(12).collect();
    assert!(bad.is_empty(), "{} violations in {seeds} seeds: {first:#?}", bad.len());
}

#[test]
fn a_run_spreads_over_domains_and_profiles() {
    let run = run(8, 2_000);
    for domain in 0..8 {
        for (profile, share) in SHARES {
            let here = run.iter().filter(|(p, d, _)| (*p, *d) == (profile, domain)).count();
            assert!(here as u64 >= share, "{profile} {domain}: {here}");
        }
    }
}
