//! `lode task show` on generated tasks: by what the key says, never by the words of a domain.

use std::path::PathBuf;

use lode_tasks::{check::find_term, types::TrapRole};
use unicode_width::UnicodeWidthStr;

use super::*;
use crate::args::TaskSelection;

const PLAIN: Look = Look { width: 72, colour: false };

fn selection(profile: &str, seed: u64) -> TaskSelection {
    TaskSelection { profile: profile.into(), domain: "companies".into(), seed: seed.to_string() }
}

fn asked(profile: &str, seed: u64) -> ShowTask {
    ShowTask {
        task: selection(profile, seed),
        bundle: None,
        id: None,
        section: Vec::new(),
        find: Vec::new(),
        paragraph: Vec::new(),
        gold: false,
        traps: false,
        witness: false,
        json: false,
        part: None,
    }
}

fn page(args: &ShowTask) -> String {
    let (task, key) = load(args).expect("generates");
    View::new(args, &task, &key).expect("is asked well").page(PLAIN).expect("renders")
}

/// Everything that a sentence says, without the line breaks that wrapping put in.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn everything_public_is_there_once_and_fits() {
    for (profile, seed) in [("nano", 1), ("mini", 2), ("standard", 3), ("standard", 4)] {
        let args = asked(profile, seed);
        let (task, key) = load(&args).expect("generates");
        let shown = page(&args);
        let flat = unwrapped(&shown);
        for (number, text) in (1..).zip(&task.paragraphs) {
            assert!(flat.contains(&unwrapped(text)), "{profile} {seed}: paragraph {number}");
            assert_eq!(
                shown.matches(&format!("[{number}]  ")).count(),
                1,
                "{profile} {seed}: {number}"
            );
        }
        for (number, question) in (1..).zip(&task.questions) {
            assert!(
                flat.contains(&format!("Q{number} {}", unwrapped(&question.text))),
                "Q{number}"
            );
        }
        for constraint in &task.constraints {
            assert!(flat.contains(&unwrapped(&constraint.0)), "{constraint:?}");
        }
        for entry in &task.roster {
            assert!(shown.contains(&entry.name), "{entry:?}");
        }
        // A table of the document keeps its lines; everything else is wrapped.
        let wide = shown.lines().filter(|line| line.width() > PLAIN.width);
        assert_eq!(wide.collect::<Vec<_>>(), [""; 0], "{profile} {seed}");
        assert!(!shown.contains('\u{1b}'), "no colours without a terminal");
        assert!(!flat.contains(&unwrapped(&key.witness)), "the key stays hidden");
    }
}

#[test]
fn sections_can_be_picked() {
    let mut args = asked("standard", 3);
    args.section = vec![Section::Questions, Section::Roster];
    let shown = page(&args);
    assert!(shown.starts_with("Roster\n") && shown.contains("\nQuestions\n"), "{shown}");
    assert!(!shown.contains("[1]") && shown.lines().count() < 40, "{shown}");
}

#[test]
fn paragraphs_are_picked_by_number() {
    let mut args = asked("standard", 3);
    args.paragraph = vec!["2".into(), "5-7".into()];
    let shown = page(&args);
    for number in 1..=8 {
        let wanted = [2, 5, 6, 7].contains(&number);
        assert_eq!(shown.contains(&format!("[{number}]  ")), wanted, "{number}: {shown}");
    }
    let (task, key) = load(&args).expect("generates");
    for bad in ["0", "7-5", "x", "5-", "100000", "-3"] {
        args.paragraph = vec![bad.into()];
        assert!(View::new(&args, &task, &key).is_err(), "{bad}");
    }
}

/// A search for an entity finds every paragraph that states a fact of it, under whatever name.
#[test]
fn a_search_finds_an_entity_under_its_aliases() {
    let mut tried = 0;
    for seed in 0..5 {
        let mut args = asked("standard", seed);
        let (task, key) = load(&args).expect("generates");
        for alias in key.aliases.iter().filter(|alias| alias.defined_in.is_some()) {
            let name = &task.roster[alias.entity.at()].name;
            for text in [name, &alias.name] {
                args.find = vec![text.clone()];
                let view = View::new(&args, &task, &key).expect("is asked well");
                let found: Vec<usize> = view.found().iter().map(|(number, _)| *number).collect();
                for (number, paragraph) in (1..).zip(&task.paragraphs) {
                    // Whole words: a city may be called Weston.
                    let names = [name, &alias.name];
                    let holds = names.iter().any(|name| find_term(paragraph, name, 0).is_some());
                    assert!(!holds || found.contains(&number), "seed {seed}: {text} in {number}");
                }
                let shown = view.page(PLAIN).expect("renders");
                assert!(shown.contains(&format!("{name} is also ")), "{shown}");
                assert!(shown.contains('«'), "{shown}");
                tried += 1;
            }
        }
    }
    assert!(tried > 4, "the seeds must have aliases: {tried}");
}

#[test]
fn a_search_for_what_is_not_there_finds_nothing() {
    let mut args = asked("nano", 1);
    args.find = vec!["zzyzx".into()];
    assert!(page(&args).contains("0 paragraphs of"));
    args.find = vec!["!?".into()];
    let (task, key) = load(&args).expect("generates");
    assert!(View::new(&args, &task, &key).is_err(), "no word to look for");
}

/// The gold path names every answer, every deciding fact, and every paragraph that states a link.
#[test]
fn the_gold_path_follows_the_key() {
    for (profile, seed) in [("nano", 1), ("mini", 2), ("standard", 3), ("standard", 9)] {
        let mut args = asked(profile, seed);
        args.gold = true;
        let (task, key) = load(&args).expect("generates");
        let view = View::new(&args, &task, &key).expect("is asked well");
        let reader = view.reader();
        let gold = reader.gold();
        assert_eq!(gold.len(), task.questions.len());
        let mut longest = 0;
        for (shown, known) in gold.iter().zip(&key.gold) {
            assert_eq!(shown.answer, reader.answer(&known.query, &known.answer));
            assert_eq!(shown.facts.len(), known.support.len());
            for (chain, fact) in shown.facts.iter().zip(&known.support) {
                longest = longest.max(chain.len());
                let known = key.facts.iter().find(|known| known.fact == *fact).expect("a fact");
                let last = chain.last().expect("a chain has an end");
                assert_eq!(last.paragraphs, known.paragraphs);
                assert_eq!(chain[0].change, None, "a chain begins with what is stated outright");
                assert_eq!(chain.len() > 1, known.reference.is_some());
            }
        }
        assert!(profile != "standard" || longest > 1, "standard has chains");
        let flat = unwrapped(&view.page(PLAIN).expect("renders"));
        for answer in &gold {
            assert!(flat.contains(&format!("= {}", unwrapped(&answer.answer))), "{answer:?}");
            for step in answer.facts.iter().flatten() {
                assert!(flat.contains(&unwrapped(&step.what)), "{step:?}");
            }
        }
    }
}

/// A link that the document states under another name says which, and where that name comes from.
#[test]
fn the_gold_path_names_the_aliases_that_are_needed() {
    let mut seen = 0;
    for seed in 0..20 {
        let args = asked("standard", seed);
        let (task, key) = load(&args).expect("generates");
        let reader = Reader { task: &task, key: &key };
        for step in reader.gold().iter().flat_map(|gold| &gold.facts).flatten() {
            for named in step.named.iter().filter(|named| named.by == "alias") {
                let alias = key.aliases.iter().find(|alias| alias.name == named.text);
                let introduced = alias.expect("an alias").defined_in;
                assert_eq!(named.paragraphs, introduced.into_iter().collect::<Vec<_>>());
                seen += 1;
            }
        }
    }
    assert!(seen > 0, "no seed needs an alias");
}

/// Each trap is shown with both values, their paragraphs, and all that it changes.
#[test]
fn traps_are_shown_with_what_they_change() {
    for (profile, seed) in [("nano", 1), ("mini", 2), ("standard", 3), ("standard", 7)] {
        let mut args = asked(profile, seed);
        args.traps = true;
        let (task, key) = load(&args).expect("generates");
        let view = View::new(&args, &task, &key).expect("is asked well");
        let traps = view.reader().traps();
        assert_eq!(traps.len(), key.traps.len());
        let flat = unwrapped(&view.page(PLAIN).expect("renders"));
        for (shown, known) in traps.iter().zip(&key.traps) {
            assert_eq!(shown.binding, known.role == TrapRole::Binding);
            assert_eq!(shown.changes.len(), known.consequences.len());
            assert_eq!(shown.right.paragraphs, known.right_paragraphs);
            assert_eq!(shown.wrong.paragraphs, known.wrong_paragraphs);
            for (side, text) in [("right", &shown.right), ("wrong", &shown.wrong)] {
                let line = unwrapped(&format!("{side} {} {}", text.value, cite(&text.paragraphs)));
                assert!(flat.contains(&line), "{line} is not in {flat}");
            }
            for change in &shown.changes {
                assert!(flat.contains(&unwrapped(change)), "{change}");
            }
        }
    }
}

#[test]
fn json_has_the_same_sections() {
    let mut args = asked("standard", 3);
    args.traps = true;
    args.paragraph = vec!["4".into()];
    let (task, key) = load(&args).expect("generates");
    let value = View::new(&args, &task, &key).expect("is asked well").json().expect("encodes");
    let mut keys: Vec<&String> = value.as_object().expect("an object").keys().collect();
    keys.sort();
    assert_eq!(keys, ["document", "task_id", "traps"]);
    assert_eq!(value["document"][0]["text"], task.paragraphs[3]);
    assert_eq!(value["traps"].as_array().map(Vec::len), Some(key.traps.len()));
}

/// A name, a paragraph and a question of a hostile domain act on no terminal and forge no line.
#[test]
fn a_hostile_document_is_shown_and_not_obeyed() {
    let mut args = asked("nano", 1);
    let (mut task, key) = load(&args).expect("generates");
    let hostile = "\u{1b}[2J\u{202e}evil\u{7}\r\u{9b}31m";
    task.roster[0].name = format!("{hostile}\n[1]  forged");
    task.paragraphs[0] = format!("{hostile} {}", "a\u{301}".repeat(10) + &"\u{301}".repeat(1000));
    task.questions[0].text = hostile.into();
    task.constraints[0].0 = hostile.into();
    task.preamble = hostile.into();
    task.header.domain.name = "x](http://evil)\u{1b}]0;t\u{7}".into();
    for section in [Section::PUBLIC.to_vec(), vec![Section::Gold, Section::Traps, Section::Witness]]
    {
        args.section = section;
        let view = View::new(&args, &task, &key).expect("is asked well");
        let shown = view.page(PLAIN).expect("renders");
        let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert_eq!(shown.chars().find(|c| acts(*c)), None, "{shown}");
        assert!(!shown.lines().any(|line| line.starts_with("[1]  forged")), "{shown}");
        let json = plain::json(&view.json().expect("encodes").to_string());
        assert_eq!(json.chars().find(|c| acts(*c)), None);
    }
}

#[test]
fn a_task_of_a_bundle_needs_the_bundle() {
    let mut args = asked("nano", 1);
    args.id = Some("ab".into());
    assert!(load(&args).is_err_and(|error| error.to_string().contains("--bundle")));
    args.bundle = Some(PathBuf::from("/nowhere/at/all"));
    assert!(load(&args).is_err_and(|error| error.to_string().contains("/nowhere")));
}
