//! Hashes that must not change without a new engine version: of verdicts on the hand-made task, and
//! of everything that the first seeds of each profile give.
//!
//! Those of generated tasks are data, `tests/golden/PROFILE.txt`, one `seed what hash` a line. After
//! a change of the engine that is meant, `LODE_BLESS=1 cargo test -p lode-tasks golden` writes them
//! anew; the difference is then part of the change.

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
    generated::made,
    ids::crowded,
};

/// The environment variable that has the files written instead of compared.
const BLESS: &str = "LODE_BLESS";
/// Seeds of each profile, from 0.
const SEEDS: u64 = 4;

#[test]
fn verdict_hashes() {
    let cases: [(String, &str); 5] = [
        (WITNESS.into(), "3dacca594fae900b28d0d16bbe9cf2a9e406a9c79a9b082987dac81c888149b4"),
        (TRAPPED.into(), "3a55673265cc72567b783949dc78128f7ad7c0054cdb81d7c631eb4e0335391a"),
        (
            with("people [paragraph_5]", "people [paragraph_6]"),
            "911b7ff961e420a5eb09fd4988ca08cb71bc8842a418ceb326766a3b0e09ef06",
        ),
        (
            with("Q4: 2.1", "Q4: 2.2"),
            "1e35c6e43b9cf73cfe6f234cf18cbb4ddd2c06535a8fa0a2e8beb0a8d61180f1",
        ),
        ("no".into(), "0e3b80cc47f6420fc8f6016c4ce99987bad7354d20f6c515a479e48658204e2e"),
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
fn lines(seed: u64, task: &Task, key: &AnswerKey) -> String {
    let mut out = String::new();
    let mut line = |what: &str, hash: Hash| {
        writeln!(out, "{seed} {what} {hash}").expect("a string takes everything");
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

fn generated(profile: Profile) {
    let library = Library::builtin().expect("reads");
    let mut found = format!(
        "# Engine {ENGINE_VERSION}, profile {profile}: BLAKE3 of what each seed gives; the verdicts by \
         what was graded.\n# Written by: {BLESS}=1 cargo test -p lode-tasks golden\n"
    );
    for seed in 0..SEEDS {
        match made(&library, profile, seed) {
            Some((task, key)) => found += &lines(seed, &task, &key),
            None => found += &format!("{seed} exhausted\n"),
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
         `{BLESS}=1 cargo test -p lode-tasks golden` and commit the file with the change; from \
         engine version 1 on it takes a new version.",
        path.display()
    );
}

#[test]
fn golden_nano() {
    generated(Profile::Nano);
}

#[test]
fn golden_mini() {
    generated(Profile::Mini);
}

#[test]
fn golden_standard() {
    generated(Profile::Standard);
}
