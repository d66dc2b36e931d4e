//! Hashes that must not change without a new engine version: of verdicts on the hand-made task, and
//! of everything that the first seeds of each profile give.
//!
//! Those of generated tasks are data, `tests/golden/PROFILE.txt`, one `domain seed what hash` a line.
//! They are what a version of the engine promises: a change that alters one of them takes a new
//! [`ENGINE_VERSION`], and only then `LODE_BLESS=1 cargo test -p lode-tasks golden` writes them anew.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::PathBuf};

use lode_proto::{attempt::Finish, codec::encode, id::Hash, task::Profile};
use lode_tasks::{
    ENGINE_VERSION,
    family::Library,
    grade::Grader,
    grammar::grammar,
    types::{AnswerKey, Task},
};

use crate::{
    fixture::{TRAPPED, WITNESS, graded, task, with},
    generated::made_in,
    ids::crowded,
};

/// The environment variable that has the files written instead of compared.
const BLESS: &str = "LODE_BLESS";

#[test]
fn verdict_hashes() {
    let cases: [(String, &str); 5] = [
        (WITNESS.into(), "413d96e473943486a6e29cbe441b85e0789b31193070f782530c4b27156bfc94"),
        (TRAPPED.into(), "316162147d47b23d0ca0968f0853967642961e18703a2f554057bc88552bb832"),
        (
            with("people [paragraph_5]", "people [paragraph_6]"),
            "867db5889da0f347d5731e87a72608721a9c2413f8c6d10fa4f325e94319db62",
        ),
        (
            with("Q4: 2.1", "Q4: 2.2"),
            "97beea4053b2cb28ebdd258c58334540efc184749779fd34a83b5f569b4491b4",
        ),
        ("no".into(), "300a69ff9db5a9335cff68daa2419a1178c8fb53ccf9dafe1f4f579a8e6ebc71"),
    ];
    let found =
        cases.each_ref().map(|(text, _)| graded(&task(), text).hash().expect("hashes").to_string());
    assert_eq!(found.each_ref().map(String::as_str), cases.each_ref().map(|(_, hash)| *hash));
}

/// Damaged witnesses, each by one rule of the grader, with names for the file.
fn damaged(witness: &str) -> Vec<(&'static str, String, Finish)> {
    let answers = witness.split_once("</trace>\n").expect("has a trace").1;
    let before = witness.split_once("Artifact: ").expect("has an artifact").0;
    let unread = witness.replacen("e1: ", "e1: it is said that ", 1);
    let half = witness[..witness.len() / 2].to_owned();
    let mut all = vec![
        ("answer", witness.replacen("Q1: ", "Q1: not ", 1), Finish::Stop),
        ("artifact", format!("{before}Artifact: So it is said\n"), Finish::Stop),
        ("citations", witness.replace("[paragraph_", "[paragraph_1"), Finish::Stop),
        ("computes", witness.replace(") = ", ") = 1"), Finish::Stop),
        ("repeated-ids", crowded(witness, 3), Finish::Stop),
        ("unread", unread, Finish::Stop),
        ("no-steps", format!("<trace>\n</trace>\n{answers}"), Finish::Stop),
        ("no-trace", answers.to_owned(), Finish::Stop),
        ("half", half.clone(), Finish::Stop),
        ("cap", half, Finish::Cap),
    ];
    // Short traces have no citations and no compute steps.
    all.retain(|(_, text, _)| text != witness);
    all
}

/// One line for each thing that a seed gives.
fn lines(domain: &str, seed: u64, task: &Task, key: &AnswerKey) -> String {
    let mut out = String::new();
    let mut line = |what: &str, hash: Hash| {
        writeln!(out, "{domain} {seed} {what} {hash}").expect("a string takes everything");
    };
    line("task", Hash::of(&encode(task).expect("encodes")));
    line("key", Hash::of(&encode(key).expect("encodes")));
    line("prompt", Hash::of(task.prompt().as_bytes()));
    line("grammar", Hash::of(grammar(task).as_bytes()));
    let grader = Grader::new(task, key);
    let mut verdict = |what: &str, text: &str, finish| {
        line(what, grader.grade(text.as_bytes(), finish).hash().expect("hashes"));
    };
    verdict("witness", &key.witness, Finish::Stop);
    for trapped in &key.trapped {
        verdict(&format!("trapped-{}", trapped.trap), &trapped.text, Finish::Stop);
    }
    for (what, text, finish) in damaged(&key.witness) {
        verdict(what, &text, finish);
    }
    out
}

/// Compares what the seeds from 0 on give in every domain.
fn generated(profile: Profile, seeds: u64) {
    let library = Library::builtin().expect("reads");
    let mut found = format!(
        "# Engine {ENGINE_VERSION}, profile {profile}: BLAKE3 of what each seed gives; the verdicts by \
         what was graded.\n# Written by: {BLESS}=1 cargo test -p lode-tasks golden\n"
    );
    for domain in library.domains() {
        let domain = domain.name.as_str();
        for seed in 0..seeds {
            match made_in(&library, domain, profile, seed) {
                Some((task, key)) => found += &lines(domain, seed, &task, &key),
                None => found += &format!("{domain} {seed} exhausted\n"),
            }
        }
    }
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "tests", "golden", &format!("{profile}.txt")].iter().collect();
    if std::env::var_os(BLESS).is_some() {
        fs::write(&path, found).expect("the file can be written");
        return;
    }
    let known = fs::read_to_string(&path).unwrap_or_default();
    let changed: BTreeSet<&str> = found
        .lines()
        .filter(|line| !known.lines().any(|other| other == *line))
        .chain(known.lines().filter(|line| !found.lines().any(|other| other == *line)))
        .filter_map(|line| line.rsplit_once(' ').map(|(what, _)| what))
        .collect();
    assert!(
        changed.is_empty(),
        "the engine's output changed: {changed:?} differ from {}.\nIf that is meant, run \
         `{BLESS}=1 cargo test -p lode-tasks golden` under a new engine version and commit the file \
         with the change.",
        path.display()
    );
}

#[test]
fn golden_nano() {
    generated(Profile::Nano, 3);
}

#[test]
fn golden_mini() {
    generated(Profile::Mini, 3);
}

#[test]
fn golden_standard() {
    generated(Profile::Standard, 3);
}

#[test]
fn golden_hard() {
    generated(Profile::Hard, 1);
}
