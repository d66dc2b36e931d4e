//! The DACR-Bench sample: imported, prompted, answered in every form, scored by both rules.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking

use std::path::PathBuf;

use lode_tasks::foreign::{
    dacr::{self, Challenge, Form, Metrics, Sheet, score},
    json::Json,
};

fn sample() -> Option<Vec<u8>> {
    let promised = std::env::var_os("LODE_SHARED");
    let root = promised.as_ref().map_or_else(|| PathBuf::from("../../shared"), PathBuf::from);
    match std::fs::read(root.join("data/dacr/dacr-bench-sample.json")) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            assert!(promised.is_none(), "LODE_SHARED has no DACR sample: {error}");
            eprintln!("skipped: no DACR sample ({error}); set LODE_SHARED");
            None
        }
    }
}

fn challenges() -> Option<Vec<Challenge>> {
    let dataset = dacr::read(&sample()?).unwrap();
    Some(dataset.challenges.into_iter().map(|(challenge, _)| challenge).collect())
}

fn metrics(challenges: &[Challenge], sheet: impl Fn(&Challenge) -> Sheet) -> Metrics {
    let mut metrics = Metrics::default();
    for challenge in challenges {
        metrics.add(challenge, &score(challenge, &sheet(challenge)));
    }
    metrics
}

#[test]
fn the_sample_becomes_tasks() {
    let Some(all) = challenges() else { return };
    assert_eq!(all.len(), 3);
    for challenge in &all {
        assert_eq!(challenge.questions.len(), 10);
        let prompt = challenge.prompt();
        assert!(prompt.contains(&challenge.document));
        for (place, question) in challenge.questions.iter().enumerate() {
            let line = format!("{}. [{}] {}\n", place + 1, question.id, question.text);
            assert!(prompt.contains(&line), "{line}");
        }
        // Real documents hold the injected sentence; generated ones give the start of its block.
        for trap in &challenge.traps {
            let start: String = trap.injected.chars().take(60).collect();
            assert!(challenge.document.contains(&start), "{start}");
        }
    }
    let traps: usize = all.iter().map(|challenge| challenge.traps.len()).sum();
    let aimed = all.iter().flat_map(|c| &c.questions).filter(|q| q.trap.is_some()).count();
    assert_eq!((traps, aimed), (4, 5));
}

#[test]
fn a_perfect_sheet_scores_all_and_an_empty_one_nothing() {
    let Some(all) = challenges() else { return };
    let perfect = metrics(&all, |c| Sheet::of(c, |place| c.questions[place].gold.clone()));
    assert_eq!((perfect.all.theirs_milli(), perfect.all.strict_milli()), (1000, 1000));
    assert_eq!((perfect.passed, perfect.missing), (3, 0));
    assert_eq!(perfect.confidence_weighted_milli(), 1000);
    assert_eq!(perfect.calibration_error_milli(), 500);
    for sheet in [Sheet::empty as fn(&Challenge) -> Sheet, |c| Sheet::of(c, |_| String::new())] {
        let empty = metrics(&all, sheet);
        assert_eq!((empty.all.theirs, empty.all.strict, empty.passed), (0, 0, 0));
    }
    assert_eq!(metrics(&all, Sheet::empty).format_failure_milli(), 1000);
    // Every alias is right by both rules, too.
    for challenge in &all {
        for (place, question) in challenge.questions.iter().enumerate() {
            for alias in &question.aliases {
                let sheet = Sheet::of(challenge, |_| alias.clone());
                let outcome = score(challenge, &sheet).outcomes[place];
                assert!(outcome.theirs && outcome.strict, "{alias}");
            }
        }
    }
}

#[test]
fn tricks_that_fool_their_scorer_do_not_fool_the_strict_one() {
    let Some(all) = challenges() else { return };
    let fooled = |answer: &str| {
        let one = metrics(&all, |c| Sheet::of(c, |_| answer.to_owned()));
        println!("{answer:.20?}: theirs {}, strict {} of 30", one.all.theirs, one.all.strict);
        (one.all.theirs, one.all.strict)
    };
    let (theirs, strict) = fooled("e");
    assert!(theirs >= 20 && strict == 0, "{theirs} {strict}");
    let (theirs, strict) = fooled("a");
    assert!(theirs >= 15 && strict == 0, "{theirs} {strict}");
    // The digit is in numbers only, so in real golds more than in generated ones.
    let real = &all[..1];
    let one = metrics(real, |c| Sheet::of(c, |_| "1".into()));
    println!("\"1\" on the real document: theirs {}, strict {}", one.all.theirs, one.all.strict);
    assert!(one.all.theirs >= 5 && one.all.strict == 0);
    // All entities in one answer.
    let list = |c: &Challenge| {
        let mut names: Vec<String> = c.facts.iter().map(|fact| fact.entity.clone()).collect();
        names.dedup();
        names.join(", ")
    };
    let all_names = metrics(&all[1..], |c| Sheet::of(c, |_| list(c)));
    assert!(all_names.all.theirs >= 15, "{}", all_names.all.theirs);
    assert_eq!(all_names.all.strict, 0);
}

#[test]
fn traps_are_evaded_or_not() {
    let Some(all) = challenges() else { return };
    let with = |wrong: bool| {
        metrics(&all, |c| {
            Sheet::of(c, |place| match c.questions[place].trap {
                Some(trap) if wrong => c.traps[trap].wrong.clone(),
                Some(trap) => c.traps[trap].correct.clone(),
                None => "none".into(),
            })
        })
    };
    assert_eq!(with(false).evasion_milli(), 1000);
    assert_eq!(with(true).evasion_milli(), 0);
    assert_eq!(metrics(&all, Sheet::empty).evasion_milli(), 1000);
}

#[test]
fn sheets_are_read_in_their_order() {
    let Some(all) = challenges() else { return };
    let challenge = &all[1];
    let read = |text: &str| {
        let sheet = Sheet::read(challenge, text);
        let answers: Vec<Option<String>> =
            sheet.entries.iter().map(|entry| entry.as_ref().map(|e| e.answer.clone())).collect();
        (sheet.form, answers[0].clone(), answers[1].clone())
    };
    let text = |answer: &str| Some(answer.to_owned());
    for (completion, expected) in [
        (
            "Sure!\n```json\n{\"q01\": {\"answer\": \"A\", \"confidence\": 0.9}, \"Q02\": \"B\"}\n```",
            (Form::Json, text("A"), text("B")),
        ),
        (
            "{\"1\": {\"Answer\": 5}, \"question_02\": {\"response\": true}}",
            (Form::Json, text("5"), text("true")),
        ),
        ("{“q01”: {“answer”: “A”,},}", (Form::Json, text("A"), None)),
        ("{'q01': {'answer': 'A'}}", (Form::Json, text("A"), None)),
        ("{\"q01\": \"A\", \"q01\": \"B\"}", (Form::Json, text("B"), None)),
        ("e1: x\n<|artifact|>\nq01: A\nq02: B", (Form::Artifact, text("A"), text("B"))),
        ("**Q1**: A\n2) B", (Form::Prose, text("A"), text("B"))),
        ("[q01] A\nQuestion 2: B", (Form::Prose, text("A"), text("B"))),
        ("I do not know.", (Form::Failed, None, None)),
        ("{\"other\": 1}", (Form::Failed, None, None)),
        ("", (Form::Failed, None, None)),
    ] {
        assert_eq!(read(completion), expected, "{completion}");
    }
    let sheet = Sheet::read(challenge, "{\"q01\": {\"answer\": \"A\", \"confidence\": 7}}");
    assert_eq!(sheet.entries[0].as_ref().unwrap().confidence_milli, 1000);
    let long = "x".repeat(lode_proto::limits::MAX_COMPLETION_BYTES + 1);
    assert_eq!(read(&long).0, Form::Failed);
}

#[test]
fn what_is_wrong_is_named() {
    let Some(bytes) = sample() else { return };
    let text = std::str::from_utf8(&bytes).unwrap();
    for (from, to, said) in [
        ("\"trapId\"", "\"trap\"", "trapId"),
        ("\"targetsTrap\": \"t001\"", "\"targetsTrap\": \"t9\"", "no trap of this challenge"),
        ("\"questionId\": \"q02\"", "\"questionId\": \"q01\"", "earlier question"),
        ("\"goldAnswer\":", "\"gold\":", "goldAnswer"),
        ("\"hops\": 1", "\"hops\": \"one\"", "whole number"),
    ] {
        let spaced = text.replacen(from, to, 1);
        let packed = text.replacen(&from.replace(": ", ":"), &to.replace(": ", ":"), 1);
        let changed = if spaced == text { packed } else { spaced };
        assert_ne!(changed, text, "{from}");
        let error = dacr::read(changed.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(said) || error.contains("a number"), "{error}");
    }
    assert!(dacr::read(b"{\"challenges\": 5}").unwrap_err().to_string().contains("challenges"));
    assert!(dacr::read(b"[]").is_err());
    let kept = dacr::read(&bytes).unwrap();
    let Json::Object(header) = &kept.header else { panic!("no header") };
    assert!(header.iter().any(|(key, _)| key == "domainBreakdown"));
}
