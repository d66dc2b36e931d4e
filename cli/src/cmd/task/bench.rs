//! `lode task bench`: what the task engine gives and how fast, measured on this machine.
//!
//! Tasks of every asked profile and domain are made, rechecked by their text alone, graded, guessed
//! at and read by cheating readers; each thread counts for itself ([`measure::Tally`]), and the sums
//! are printed. Rates are by processor time of one core, so that a busy machine does not blur them.

mod measure;
mod print;

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::bail;
use lode_proto::task::{Profile, TaskTemplate};
use lode_tasks::{ENGINE_VERSION, family::Library, longdoc, recheck::Wordings};

use crate::{Outcome, args::BenchTasks, term};
use measure::{Subject, Tally};

/// Tasks made in a row before they are looked at.
const BATCH: usize = 64;
/// Most threads that are started.
const MAX_THREADS: usize = 256;

/// One profile in one domain.
struct Cell {
    profile: Profile,
    /// Place in the list of subjects.
    subject: usize,
}

pub(crate) fn bench(args: &BenchTasks) -> anyhow::Result<Outcome> {
    let profiles: Vec<Profile> =
        args.profile.iter().map(|name| Ok(name.parse()?)).collect::<anyhow::Result<_>>()?;
    let library = Library::builtin()?;
    let domains = if args.domain.is_empty() {
        let mut all = library.domains();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    } else {
        args.domain.iter().map(|name| library.named(name)).collect::<Result<_, _>>()?
    };
    if !(1..=MAX_THREADS).contains(&args.threads) {
        bail!("--threads {} is not between 1 and {MAX_THREADS}", args.threads);
    }
    let mut subjects: Vec<(String, Wordings, TaskTemplate)> = Vec::with_capacity(domains.len());
    for domain in domains {
        let Some(bytes) = library.domain_bytes(domain.hash) else { continue };
        let words = match Wordings::read(bytes) {
            Ok(words) => words,
            Err(why) => bail!("domain {}: {why}", domain.name),
        };
        let template = TaskTemplate {
            family: longdoc::NAME.into(),
            engine_version: ENGINE_VERSION,
            domain: domain.clone(),
            profile: Profile::Nano,
            inputs: Vec::new(),
        };
        subjects.push((domain.name, words, template));
    }
    let cells: Vec<Cell> = profiles
        .iter()
        .flat_map(|profile| (0..subjects.len()).map(|subject| Cell { profile: *profile, subject }))
        .collect();
    let seeds = usize::try_from(args.seeds)?;
    let jobs = cells.len() * seeds;
    let bar = term::step_bar(jobs as u64, "tasks");
    let next = AtomicUsize::new(0);
    let batches = seeds.div_ceil(BATCH);
    let work = || {
        let mut tallies: Vec<Tally> = cells.iter().map(|_| Tally::default()).collect();
        loop {
            let job = next.fetch_add(1, Ordering::Relaxed);
            // One profile and domain after the other: what a slow one does to memory shows.
            let (at, batch) = (job / batches.max(1), job.checked_rem(batches).unwrap_or(0));
            let Some(cell) = cells.get(at) else { return tallies };
            let places = batch * BATCH..seeds.min((batch + 1) * BATCH);
            let (_, words, template) = &subjects[cell.subject];
            let template = TaskTemplate { profile: cell.profile, ..template.clone() };
            let subject = Subject { words, template, library: &library };
            let count = places.len() as u64;
            let seeds = places.map(|place| args.first.wrapping_add(place as u64));
            if let Some(tally) = tallies.get_mut(at) {
                tally.batch(&subject, seeds, args.draws);
            }
            bar.inc(count);
        }
    };
    let mut sums: Vec<Tally> = cells.iter().map(|_| Tally::default()).collect();
    let before = measure::memory();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..args.threads).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            if let Ok(tallies) = thread.join() {
                for (sum, tally) in sums.iter_mut().zip(tallies) {
                    sum.add(tally);
                }
            }
        }
    });
    bar.finish_and_clear();
    let mut rows: Vec<print::Row> = Vec::new();
    for profile in &profiles {
        let mut of_profile = Tally::default();
        for (cell, tally) in cells.iter().zip(&sums).filter(|(cell, _)| cell.profile == *profile) {
            rows.push(print::Row {
                profile: *profile,
                domain: subjects[cell.subject].0.clone(),
                tally: tally.clone(),
            });
            of_profile.add(tally.clone());
        }
        if subjects.len() > 1 {
            rows.push(print::Row {
                profile: *profile,
                domain: "all".to_owned(),
                tally: of_profile,
            });
        }
    }
    let memory = (before, measure::memory());
    if args.json {
        term::json(&print::json(&rows, memory))?;
    } else {
        print::text(&rows, memory)?;
    }
    let sound = sums.iter().all(|tally| tally.violations == [0; 5]);
    Ok(if sound { Outcome::Yes } else { Outcome::No })
}
