//! Generated tasks: what the grader must say about each of them.

use lode_proto::{
    attempt::Finish,
    task::{Profile, TaskSpec},
};
use lode_tasks::{
    ENGINE_VERSION,
    family::Library,
    grade::Grader,
    grammar::{Grammar, grammar},
    longdoc::{MAX_GUESS_FLOOR_PPB, NAME, generate},
    parse::parse,
    types::{AnswerKey, CitationStatus, FailureClass, Path, Task, TrapStatus},
};
use rand_chacha::{ChaCha8Rng, ChaCha20Rng, rand_core::SeedableRng};

use crate::{
    grammar::{Reader, draws_fit},
    variants::variants,
};

/// Seeds of a profile that each test looks at.
const SEEDS: [(Profile, u64); 3] =
    [(Profile::Nano, 300), (Profile::Mini, 60), (Profile::Standard, 30)];

/// The task of a seed; `None` where the seed is exhausted.
pub(crate) fn made(library: &Library, profile: Profile, seed: u64) -> Option<(Task, AnswerKey)> {
    made_in(library, "companies", profile, seed)
}

pub(crate) fn made_in(
    library: &Library,
    domain: &str,
    profile: Profile,
    seed: u64,
) -> Option<(Task, AnswerKey)> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let spec = TaskSpec {
        family: NAME.into(),
        engine_version: ENGINE_VERSION,
        domain: library.named(domain).expect("is built in"),
        profile,
        inputs: vec![],
        seed: bytes,
    };
    generate(&spec, library).ok()
}

fn each(mut look: impl FnMut(Profile, u64, &Task, &AnswerKey)) {
    let library = Library::builtin().expect("reads");
    for (profile, seeds) in SEEDS {
        let mut some = 0;
        for seed in 0..seeds {
            if let Some((task, key)) = made(&library, profile, seed) {
                look(profile, seed, &task, &key);
                some += 1;
            }
        }
        assert!(some * 10 >= seeds * 9, "{profile}: {some} of {seeds} seeds gave a task");
    }
}

#[test]
fn witnesses_pass_without_a_fault() {
    each(|profile, seed, task, key| {
        let verdict = Grader::new(task, key).grade(key.witness.as_bytes(), Finish::Stop);
        let told = format!("{profile} {seed}: {:#?}\n{}", verdict.reasons, key.witness);
        assert_eq!(verdict.failure, None, "{told}");
        assert_eq!((verdict.path, verdict.quality_milli), (Path::B, 1000), "{told}");
        for (place, trap) in verdict.traps.iter().enumerate() {
            assert_ne!(trap.status, TrapStatus::Caught, "trap {place}, {told}");
        }
    });
}

#[test]
fn trapped_witnesses_fail_by_their_trap() {
    let mut told_apart = 0;
    each(|profile, seed, task, key| {
        let grader = Grader::new(task, key);
        for trapped in &key.trapped {
            let verdict = grader.grade(trapped.text.as_bytes(), Finish::Stop);
            let told = format!("{profile} {seed}: {:#?}\n{}", verdict.reasons, trapped.text);
            assert_eq!(verdict.failure, Some(FailureClass::Trap), "{told}");
            assert_eq!(verdict.path, Path::A, "{told}");
            let caught: Vec<u16> = verdict
                .traps
                .iter()
                .filter(|trap| trap.status == TrapStatus::Caught)
                .map(|trap| trap.trap)
                .collect();
            assert!(caught.contains(&trapped.trap), "{told}");
            // Another trap may lead to the same wrong answer or number, and then cannot be told
            // apart; one with consequences of its own must not be named.
            let of = |number: u16| &key.traps[usize::from(number) - 1];
            let own = of(trapped.trap);
            for other in caught.iter().map(|number| of(*number)) {
                let shared = other.consequences.iter().any(|c| own.consequences.contains(c));
                let same = (other.fact, &other.wrong) == (own.fact, &own.wrong);
                assert!(shared || same, "{told}");
            }
            told_apart += 1;
        }
    });
    assert!(told_apart > 300);
}

#[test]
fn no_surface_variant_of_a_witness_is_rejected() {
    let mut graded = 0_u32;
    let mut rejected = 0_u32;
    each(|profile, seed, task, key| {
        let grader = Grader::new(task, key);
        for (name, text) in variants(task, key) {
            let verdict = grader.grade(text.as_bytes(), Finish::Stop);
            graded += 1;
            if !verdict.passes() {
                rejected += 1;
                println!("{profile} {seed} {name}: {:#?}\n{text}", verdict.reasons);
            }
        }
    });
    println!("false rejects: {rejected} of {graded} surface variants");
    assert!(graded >= 10_000, "{graded}");
    assert_eq!(rejected, 0);
}

#[test]
fn shuffled_citations_change_the_verdict() {
    each(|profile, seed, task, key| {
        if !task.trace.citations {
            return;
        }
        let paragraphs = task.paragraphs.len();
        let text: String = key
            .witness
            .split_inclusive('\n')
            .map(|line| match line.split_once("[paragraph_") {
                Some((head, tail)) => {
                    let number: usize =
                        tail.trim_end().trim_end_matches(']').parse().expect("a number");
                    format!("{head}[paragraph_{}]\n", (number + 2) % paragraphs + 1)
                }
                None => line.to_owned(),
            })
            .collect();
        let grader = Grader::new(task, key);
        let verdict = grader.grade(text.as_bytes(), Finish::Stop);
        let wrong = verdict.citations.iter().filter(|c| c.status != CitationStatus::Right).count();
        assert!(wrong * 10 > verdict.citations.len() * 8, "{profile} {seed}: {wrong}\n{text}");
        let right = grader.grade(key.witness.as_bytes(), Finish::Stop);
        assert_ne!(verdict.hash().expect("hashes"), right.hash().expect("hashes"));
        if task.trace.citation_milli > 0 {
            assert_eq!(verdict.failure, Some(FailureClass::Trace), "{profile} {seed}");
        }
    });
}

#[test]
fn grammars_accept_their_witnesses() {
    let reader = Reader::new();
    each(|profile, seed, task, key| {
        if profile != Profile::Nano && seed >= 8 {
            return;
        }
        let lark = grammar(task);
        reader.assert_accepts(&lark, &key.witness);
        for trapped in &key.trapped {
            reader.assert_accepts(&lark, &trapped.text);
        }
    });
}

/// How many texts are drawn for each task whose draws must be read.
const DRAWS_TO_READ: u32 = 40;

#[test]
fn whatever_is_drawn_under_a_grammar_can_be_read() {
    each(|profile, seed, task, _| {
        let grammar = Grammar::new(task);
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        for _ in 0..DRAWS_TO_READ {
            let text = grammar.sample(&mut rng);
            if let Err(error) = parse(task, text.as_bytes()) {
                panic!("{profile} {seed}: {error}\n{text}");
            }
        }
    });
}

#[test]
fn draws_for_generated_tasks_are_in_the_language() {
    let reader = Reader::new();
    each(|profile, seed, task, _| {
        if seed < if profile == Profile::Nano { 30 } else { 3 } {
            draws_fit(&reader, task, seed, 5);
        }
    });
}

/// Draws for each task.
const DRAWS_A_TASK: u64 = 500;
/// How many draws a profile gets. A draw for a long profile is ten thousand bytes to write and to
/// grade, so these get fewer, as do all of an unoptimised build; `LODE_DRAWS=100000` says otherwise.
fn draws(profile: Profile) -> u64 {
    if let Ok(asked) = std::env::var("LODE_DRAWS") {
        return asked.parse().expect("LODE_DRAWS is a number of draws");
    }
    match (cfg!(debug_assertions), profile) {
        (true, _) => 2_000,
        (false, Profile::Nano) => 100_000,
        (false, _) => 20_000,
    }
}

/// Outcomes of random draws.
#[derive(Default)]
struct Drawn {
    done: u64,
    passed: u64,
    /// The sum of the bounds of the tasks drawn for, one for each draw, in parts per billion.
    bound_ppb: u64,
}

/// [`DRAWS_A_TASK`] draws under the grammar of one task, from its own stream of randomness.
fn drawn(task: &Task, key: &AnswerKey, seed: u64) -> Drawn {
    let grader = Grader::new(task, key);
    let grammar = Grammar::new(task);
    assert!(key.guess_floor_ppb < MAX_GUESS_FLOOR_PPB, "1 % is the limit");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let passes = |_: &u64| grader.grade(grammar.sample(&mut rng).as_bytes(), Finish::Stop).passes();
    let passed = (0..DRAWS_A_TASK).filter(passes).count() as u64;
    Drawn { done: DRAWS_A_TASK, passed, bound_ppb: key.guess_floor_ppb * DRAWS_A_TASK }
}

/// At least so many draws for the tasks of a profile's first seeds. How the seeds are shared out
/// over threads makes no difference to what is drawn.
fn random_draws(profile: Profile, draws: u64) -> Drawn {
    let library = Library::builtin().expect("reads");
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    // A few seeds in a hundred are exhausted.
    let seeds = draws.div_ceil(DRAWS_A_TASK) * 11 / 10 + 1;
    let drawn_by = |thread: u64| -> Vec<Drawn> {
        (thread..seeds)
            .step_by(threads as usize)
            .filter_map(|seed| Some((seed, made(&library, profile, seed)?)))
            .map(|(seed, (task, key))| drawn(&task, &key, seed))
            .collect()
    };
    let all: Vec<Drawn> = std::thread::scope(|scope| {
        let handles: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || drawn_by(thread))).collect();
        handles.into_iter().flat_map(|handle| handle.join().expect("no panic")).collect()
    });
    all.into_iter().fold(Drawn::default(), |sum, one| Drawn {
        done: sum.done + one.done,
        passed: sum.passed + one.passed,
        bound_ppb: sum.bound_ppb + one.bound_ppb,
    })
}

/// The design's check of `guess_floor_ppb`: under 1 % of draws pass, and no more than the bounds of
/// the tasks allow.
fn stay_under_the_floor(profile: Profile) {
    let draws = draws(profile);
    let Drawn { done, passed, bound_ppb } = random_draws(profile, draws);
    let expected = bound_ppb / 1_000_000_000;
    println!("{profile}: {passed} of {done} draws passed; the bound on the mean is {expected}");
    assert!(done >= draws, "{profile}: only {done} draws");
    assert!(passed * 100 < done, "{profile}: {passed} of {done} draws passed");
    // The bound is on the mean: allow four standard deviations of a Poisson count, and four.
    let slack = 4 * expected.isqrt() + 4;
    assert!(passed <= expected + slack, "{profile}: {passed} of {done}, bound {expected}");
}

#[test]
fn nano_draws_stay_under_the_floor() {
    stay_under_the_floor(Profile::Nano);
}

#[test]
fn mini_draws_stay_under_the_floor() {
    stay_under_the_floor(Profile::Mini);
}

#[test]
fn standard_draws_stay_under_the_floor() {
    stay_under_the_floor(Profile::Standard);
}
