//! Ids given twice: a step that has one is a step like any other, and hides nothing.

use std::collections::BTreeMap;

use lode_proto::{attempt::Finish, task::Profile};
use lode_tasks::{
    family::Library,
    grade::{Grader, grade},
    grammar::Grammar,
    types::{
        CitationStatus, ComputeStatus, FailureClass, Part, RuleVerdict, StepId, StepKind, TraceNeed,
    },
};
use proptest::prelude::*;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use crate::{
    fixture::{WITNESS, graded, key, needing, task, with},
    generated::made,
};

/// An id that no step of a renamed trace has.
const NOWHERE: u16 = 999;

/// The places of all step ids in a line that holds no names: at the start of a word, whole.
fn ids(line: &str) -> Vec<(usize, usize)> {
    let bytes = line.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let word = bytes[at..].iter().take_while(|b| b.is_ascii_alphanumeric()).count();
        let is_id = word > 1
            && matches!(bytes[at], b'e' | b'c' | b'r' | b'f' | b'm')
            && bytes[at + 1..at + word].iter().all(u8::is_ascii_digit);
        if is_id {
            found.push((at, at + word));
        }
        at += word.max(1);
    }
    found
}

/// The ids of a trace line: the first is its own; an extract refers to nothing.
fn line_ids(line: &str) -> Vec<(usize, usize)> {
    let mut found = ids(line);
    if line.starts_with('e') {
        found.truncate(1);
    }
    found
}

/// Rewrites every id of the trace; `name` is told whether the id is a step's own.
fn rewritten(text: &str, mut name: impl FnMut(bool, &str) -> String) -> String {
    let (head, rest) = text.split_once("</trace>").expect("has a trace");
    let mut out = String::new();
    for line in head.split_inclusive('\n') {
        let mut from = 0;
        let places = if line.contains(": ") { line_ids(line) } else { Vec::new() };
        // References first: a step cannot refer to itself.
        let mut names: Vec<String> =
            places.iter().skip(1).map(|(a, b)| name(false, &line[*a..*b])).collect();
        if let Some((a, b)) = places.first() {
            names.insert(0, name(true, &line[*a..*b]));
        }
        for ((a, b), name) in places.into_iter().zip(names) {
            out.push_str(&line[from..a]);
            out.push_str(&name);
            from = b;
        }
        out.push_str(&line[from..]);
    }
    out + "</trace>" + rest
}

/// The same trace with an id of its own for every step.
fn renamed(text: &str) -> String {
    let mut last: BTreeMap<String, String> = BTreeMap::new();
    let mut steps = 0;
    rewritten(text, |own, id| {
        let letter = &id[..1];
        if !own {
            return last.get(id).cloned().unwrap_or_else(|| format!("{letter}{NOWHERE}"));
        }
        steps += 1;
        let fresh = format!("{letter}{steps}");
        last.insert(id.to_owned(), fresh.clone());
        fresh
    })
}

/// The same trace with few ids, most of them given to several steps.
pub(crate) fn crowded(text: &str, few: u16) -> String {
    rewritten(text, |_, id| {
        let number: u16 = id[1..].parse().expect("a number");
        format!("{}{}", &id[..1], number % few + 1)
    })
}

/// A verdict that does not say what the steps are called.
fn nameless(mut verdict: RuleVerdict) -> RuleVerdict {
    let blank = |id: &mut StepId| id.number = NOWHERE;
    verdict.citations.iter_mut().for_each(|outcome| blank(&mut outcome.step));
    verdict.computes.iter_mut().for_each(|outcome| blank(&mut outcome.step));
    verdict.revisions.iter_mut().for_each(|outcome| blank(&mut outcome.step));
    for reason in &mut verdict.reasons {
        if let Part::Step(id) = &mut reason.part {
            blank(id);
        }
    }
    verdict
}

fn same_by_any_name(grader: &Grader<'_>, text: &str) -> Result<(), TestCaseError> {
    let fresh = renamed(text);
    let [as_written, as_renamed] =
        [text, &fresh].map(|text| nameless(grader.grade(text.as_bytes(), Finish::Stop)));
    prop_assert_eq!(as_written, as_renamed, "{}\n{}", text, fresh);
    Ok(())
}

proptest! {
    #[test]
    fn a_trace_says_what_it_says_with_fresh_ids(seed: u64, few in 1_u16..12) {
        let (task, key) = (task(), key());
        let grader = Grader::new(&task, &key);
        same_by_any_name(&grader, &crowded(WITNESS, few))?;
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let drawn = Grammar::new(&task).sample(&mut rng);
        same_by_any_name(&grader, &drawn)?;
        same_by_any_name(&grader, &crowded(&drawn, few))?;
    }
}

#[test]
fn generated_witnesses_and_draws_say_the_same_with_fresh_ids() {
    let library = Library::builtin().expect("reads");
    let mut changed = 0;
    for profile in [Profile::Nano, Profile::Mini, Profile::Standard] {
        for (task, key) in (0..10).filter_map(|seed| made(&library, profile, seed)) {
            let grader = Grader::new(&task, &key);
            let grammar = Grammar::new(&task);
            let mut rng = ChaCha20Rng::seed_from_u64(5);
            for few in [1, 2, 3, 7, 20] {
                let witness = crowded(&key.witness, few);
                changed += u32::from(!grader.grade(witness.as_bytes(), Finish::Stop).passes());
                same_by_any_name(&grader, &witness).expect("the same");
                same_by_any_name(&grader, &grammar.sample(&mut rng)).expect("the same");
            }
            let verdict = grader.grade(renamed(&key.witness).as_bytes(), Finish::Stop);
            assert!(verdict.passes(), "{:#?}", verdict.reasons);
        }
    }
    assert!(changed > 20, "references that mean another step must show: {changed}");
}

#[test]
fn a_step_given_again_does_not_hide_the_first() {
    // A wrong computation stays one, whatever takes its id later.
    let again = with(
        "c2: max(e1, c1, e4) = 4,210",
        "c2: max(e1, c1, e4) = 4,211\nc2: max(e1, c1, e4) = 4,210",
    );
    let verdict = graded(&needing(&[TraceNeed::Computes]), &again);
    assert_eq!(verdict.failure, Some(FailureClass::Trace));
    let c2 = StepId { kind: StepKind::Compute, number: 2 };
    let statuses: Vec<ComputeStatus> =
        verdict.computes.iter().filter(|c| c.step == c2).map(|c| c.status).collect();
    assert_eq!(statuses, [ComputeStatus::Wrong, ComputeStatus::Right]);
    // So does a wrong citation; withdrawing the id withdraws its last step alone.
    let line = "e4: Volt Link employs 2,800 people [paragraph_5]";
    let wrong = "e4: Volt Link employs 2,800 people [paragraph_6]";
    let verdict = graded(&task(), &with(line, &format!("{wrong}\n{line}")));
    let wrongs = verdict.citations.iter().filter(|c| c.status != CitationStatus::Right).count();
    assert_eq!((wrongs, verdict.citations.len()), (1, 10));
    let claim = "e4: Volt Link employs 5,100 people [paragraph_4]";
    let both = format!("{claim}\n{line}\nr2: e4 is superseded [paragraph_6]");
    let text = with(line, &both);
    assert_eq!(graded(&task(), &text).failure, Some(FailureClass::Trace), "5,100 is left standing");
    // A trap is caught or not by what is answered, not by which step had the id first.
    let trapped = with(line, &format!("{claim}\n{line}")).replace("Q3: 1,410", "Q3: 890");
    assert_eq!(graded(&task(), &trapped).failure, Some(FailureClass::Trap));
}

#[test]
fn a_reference_means_the_last_step_before_it() {
    let text = with("c2: max(e1, c1, e4)", "c1: add(e1, 1) = 3,901\nc2: max(e1, c1, e4)");
    let verdict = graded(&task(), &text);
    let wrong: Vec<String> = verdict
        .computes
        .iter()
        .filter(|c| c.status == ComputeStatus::Wrong)
        .map(|c| c.step.to_string())
        .collect();
    // c2, c3, c4 and c7 were worked out from the first c1.
    assert_eq!(wrong, ["c2", "c3", "c4", "c7"]);
    let after = with("c11: add(c8, c10) = 77", "c11: add(c8, c10) = 77\nc1: add(e1, 1) = 3,901");
    let verdict = grade(&task(), &key(), after.as_bytes(), Finish::Stop);
    assert_eq!(verdict.failure, None, "{:#?}", verdict.reasons);
}
