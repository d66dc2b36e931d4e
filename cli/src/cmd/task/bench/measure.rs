//! What is counted about tasks, one task at a time.

use std::{collections::BTreeMap, time::Instant};

use lode_proto::{attempt::Finish, id::Hash, task::TaskTemplate};
use lode_tasks::{
    check,
    family::{GenerateError, Library},
    grade::Grader,
    leak::{Sentence, sentences},
    longdoc::{
        self,
        cheat::{Cheats, Shortcut},
    },
    recheck::{Wordings, recheck},
    types::{AnswerKey, FactRef, Task},
};

/// Guesses at one constraint, so that the draws of a kind spread over many tasks.
const DRAWS_A_TASK: u64 = 500;
/// Sentences kept for the trained reader.
const MAX_SENTENCES: usize = 60_000;
/// Attempts at one task, as a verifier gets them.
const ATTEMPTS: usize = 8;
/// Violations of which the words are kept.
const MAX_TOLD: usize = 8;

/// Where tasks come from.
pub(super) struct Subject<'a> {
    pub(super) words: &'a Wordings,
    pub(super) template: TaskTemplate,
    pub(super) library: &'a Library,
}

/// Guesses at one kind of constraint.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Guesses {
    /// Constraints seen.
    pub(super) seen: u64,
    pub(super) draws: u64,
    pub(super) hits: u64,
    /// Largest bound of one constraint, parts per billion.
    pub(super) most_ppb: u64,
}

/// Everything counted about the tasks of one profile and domain.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) made: u64,
    pub(super) exhausted: u64,
    pub(super) tries: u64,
    pub(super) most_tries: u64,
    /// Processor time, nanoseconds.
    pub(super) generating: u64,
    pub(super) graded: u64,
    pub(super) grading: u64,
    pub(super) rechecking: u64,
    pub(super) bytes: u64,
    pub(super) paragraphs: u64,
    pub(super) floor_ppb: u64,
    /// By proof, 1 to 5.
    pub(super) violations: [u64; 5],
    pub(super) told: Vec<String>,
    pub(super) guesses: BTreeMap<String, Guesses>,
    /// By shortcut: disputed facts, those survived, twins, those answered.
    pub(super) cheats: [[u64; 4]; 6],
    pub(super) sentences: Vec<Sentence>,
    /// Distance from the first to the last paragraph behind an answer, tenths of the document.
    pub(super) spread: [u64; 10],
    /// Where each paragraph behind an answer stands, tenths of the document.
    pub(super) places: [u64; 10],
    pub(super) traps: BTreeMap<String, u64>,
    pub(super) shapes: BTreeMap<String, u64>,
    pub(super) hops: BTreeMap<u32, u64>,
    pub(super) constraints: BTreeMap<String, u64>,
}

impl Tally {
    /// Makes some tasks one after the other and lets go of each, as a coordinator does when it has
    /// encoded it; then makes them again and counts all that there is to count about them.
    pub(super) fn batch(
        &mut self,
        subject: &Subject<'_>,
        seeds: impl Iterator<Item = u64>,
        draws: u64,
    ) {
        let seed = |seed: u64| Hash::derive("lode/1/bench-seed", &seed.to_le_bytes());
        let seeds: Vec<Hash> = seeds.map(seed).collect();
        let clock = Clock::start();
        let make = |seed: &Hash| {
            longdoc::generate_counted(&subject.template.spec(seed.0), subject.library)
        };
        seeds.iter().map(make).for_each(drop);
        self.generating += clock.nanos();
        for seed in &seeds {
            match make(seed) {
                Ok((task, key, tries)) => {
                    self.made += 1;
                    self.tries += u64::from(tries);
                    self.most_tries = self.most_tries.max(u64::from(tries));
                    self.one(subject, seed, &task, &key, draws);
                }
                Err(error) => {
                    self.exhausted += 1;
                    if let GenerateError::Exhausted(exhausted) = &error {
                        self.tries += u64::from(exhausted.tries);
                    }
                    self.told.extend((self.told.len() < MAX_TOLD).then(|| error.to_string()));
                }
            }
        }
    }

    fn one(
        &mut self,
        subject: &Subject<'_>,
        seed: &Hash,
        task: &Task,
        key: &AnswerKey,
        draws: u64,
    ) {
        self.bytes += task.prompt().len() as u64;
        self.paragraphs += task.paragraphs.len() as u64;
        self.floor_ppb = self.floor_ppb.max(key.guess_floor_ppb);
        let clock = Clock::start();
        for fault in recheck(subject.words, task, key) {
            if let Some(count) = self.violations.get_mut(fault.proof().wrapping_sub(1)) {
                *count += 1;
            }
            if self.told.len() < MAX_TOLD {
                self.told.push(fault.to_string());
            }
        }
        self.rechecking += clock.nanos();
        self.grade(task, key);
        self.cheat(task, key);
        self.guess(task, key, u64::from_le_bytes(first_bytes(seed)), draws);
        if self.sentences.len() < MAX_SENTENCES {
            self.sentences.extend(sentences(task, key));
        }
        self.count(task, key);
    }

    /// Grades a group of attempts: the witness, a trapped one, and damaged ones.
    fn grade(&mut self, task: &Task, key: &AnswerKey) {
        let witness = &key.witness;
        let mut attempts: Vec<String> = vec![witness.clone()];
        attempts.extend(key.trapped.first().map(|trapped| trapped.text.clone()));
        attempts.push(witness.replace("[paragraph_1", "[paragraph_2"));
        attempts.push(witness.replace("Q1: ", "Q1: not "));
        attempts.push(witness.replace(" = 1", " = 2"));
        attempts.push(witness.replace("Artifact: ", "Artifact: so "));
        attempts.push(witness.replacen("e2: ", "r2: ", 1));
        attempts.push(witness.chars().take(witness.len() / 2).collect());
        attempts.truncate(ATTEMPTS);
        let clock = Clock::start();
        let grader = Grader::new(task, key);
        for attempt in &attempts {
            let verdict = grader.grade(attempt.as_bytes(), Finish::Stop);
            self.graded += u64::from(verdict.quality_milli <= 1000);
        }
        self.grading += clock.nanos();
    }

    fn cheat(&mut self, task: &Task, key: &AnswerKey) {
        let cheats = Cheats::new(task, key);
        for (shortcut, row) in Shortcut::ALL.into_iter().zip(&mut self.cheats) {
            // A document that cannot be read under a shortcut is survived by nobody.
            let survival = cheats.survival(shortcut).unwrap_or_default();
            let disputes = cheats.disputed().len();
            row[0] += disputes as u64;
            row[1] += survival.survived as u64;
            row[2] += 1;
            row[3] += u64::from(cheats.answers_twin(shortcut).unwrap_or(false));
        }
    }

    /// Draws what a guesser who knows all ranges may find.
    fn guess(&mut self, task: &Task, key: &AnswerKey, seed: u64, draws: u64) {
        let mut state = seed;
        let mut below = |n: u64| {
            // SplitMix64: a benchmark's draws need to be spread, not secret.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut x = state;
            x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let wide = u128::from(x ^ (x >> 31)) * u128::from(n);
            u64::try_from(wide >> 64).unwrap_or(0)
        };
        for known in &key.constraints {
            let guesses = self.guesses.entry(kind_of(&known.constraint)).or_default();
            guesses.seen += 1;
            guesses.most_ppb = guesses.most_ppb.max(check::guess_ppb(task, known));
            let wanted = DRAWS_A_TASK.min(draws.saturating_sub(guesses.draws));
            for _ in 0..wanted {
                let Some(found) = check::guess(task, known, &mut below) else { break };
                guesses.draws += 1;
                guesses.hits += u64::from(found == known.check);
            }
        }
    }

    fn count(&mut self, task: &Task, key: &AnswerKey) {
        for trap in &key.traps {
            *self.traps.entry(format!("{:?} {:?}", trap.role, trap.kind)).or_default() += 1;
        }
        for known in &key.constraints {
            *self.constraints.entry(kind_of(&known.constraint)).or_default() += 1;
        }
        let tenth = |part: u32| {
            let all = task.paragraphs.len().max(1);
            (usize::try_from(part).unwrap_or(0) * 10 / all).min(9)
        };
        for gold in &key.gold {
            *self.shapes.entry(gold.query.shape()).or_default() += 1;
            *self.hops.entry(gold.query.hops()).or_default() += 1;
            let mut places: Vec<u32> = Vec::new();
            for fact in &gold.support {
                evidence(key, *fact, &mut places);
            }
            places.sort_unstable();
            places.dedup();
            if let (Some(first), Some(last)) = (places.first(), places.last()) {
                self.spread[tenth(last - first)] += 1;
            }
            for place in places {
                self.places[tenth(place.saturating_sub(1))] += 1;
            }
        }
    }

    /// Adds another count to this one.
    pub(super) fn add(&mut self, other: Self) {
        for (sum, part) in [
            (&mut self.made, other.made),
            (&mut self.exhausted, other.exhausted),
            (&mut self.tries, other.tries),
            (&mut self.generating, other.generating),
            (&mut self.graded, other.graded),
            (&mut self.grading, other.grading),
            (&mut self.rechecking, other.rechecking),
            (&mut self.bytes, other.bytes),
            (&mut self.paragraphs, other.paragraphs),
        ] {
            *sum += part;
        }
        self.most_tries = self.most_tries.max(other.most_tries);
        self.floor_ppb = self.floor_ppb.max(other.floor_ppb);
        for (sums, parts) in [
            (&mut self.violations[..], &other.violations[..]),
            (&mut self.spread[..], &other.spread[..]),
            (&mut self.places[..], &other.places[..]),
            (self.cheats.as_flattened_mut(), other.cheats.as_flattened()),
        ] {
            sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
        }
        let room = MAX_TOLD.saturating_sub(self.told.len());
        self.told.extend(other.told.into_iter().take(room));
        let room = MAX_SENTENCES.saturating_sub(self.sentences.len());
        self.sentences.extend(other.sentences.into_iter().take(room));
        for (kind, part) in other.guesses {
            let sum = self.guesses.entry(kind).or_default();
            sum.seen += part.seen;
            sum.draws += part.draws;
            sum.hits += part.hits;
            sum.most_ppb = sum.most_ppb.max(part.most_ppb);
        }
        for (sums, parts) in [
            (&mut self.traps, other.traps),
            (&mut self.shapes, other.shapes),
            (&mut self.constraints, other.constraints),
        ] {
            for (name, part) in parts {
                *sums.entry(name).or_default() += part;
            }
        }
        for (hops, part) in other.hops {
            *self.hops.entry(hops).or_default() += part;
        }
    }
}

/// The paragraphs behind a fact: the first that states it, those of what it is told relative to, and
/// those that settle a dispute about it.
fn evidence(key: &AnswerKey, fact: FactRef, places: &mut Vec<u32>) {
    let mut at = Some(fact);
    // As many links as there are facts at the most: a chain does not loop.
    for _ in 0..key.facts.len() {
        let Some(fact) = at else { return };
        let found = key.facts.binary_search_by_key(&fact, |known| known.fact);
        let Some(known) = found.ok().and_then(|at| key.facts.get(at)) else { return };
        match key.traps.iter().find(|trap| trap.fact == fact) {
            Some(trap) => places.extend(&trap.right_paragraphs),
            None => places.extend(known.paragraphs.first()),
        }
        at = known.reference;
    }
}

/// The name of a constraint's kind.
fn kind_of(constraint: &lode_tasks::types::Constraint) -> String {
    format!("{constraint:?}").chars().take_while(|c| c.is_alphanumeric()).collect()
}

fn first_bytes(hash: &Hash) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash.0[..8]);
    bytes
}

/// Processor time of this thread, or wall time where the system does not tell it. The system may
/// count in steps of milliseconds: sums over a hundred tasks are right, single tasks are not.
struct Clock {
    wall: Instant,
    busy: Option<u64>,
}

impl Clock {
    fn start() -> Self {
        Self { wall: Instant::now(), busy: busy() }
    }

    /// Since the start, nanoseconds.
    fn nanos(&self) -> u64 {
        match (self.busy, busy()) {
            (Some(before), Some(after)) => after.saturating_sub(before),
            _ => u64::try_from(self.wall.elapsed().as_nanos()).unwrap_or(u64::MAX),
        }
    }
}

fn busy() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    stat.split_whitespace().next()?.parse().ok()
}

/// Resident memory of this process now, and its peak, KiB; 0 where the system does not tell.
pub(super) fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    (field("VmRSS:").unwrap_or(0), field("VmHWM:").unwrap_or(0))
}
