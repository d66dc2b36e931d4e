//! A second opinion on every task: gold answers derived from the rendered text alone, by code that
//! shares nothing with the generator, its solver or its evaluator but the domain file.
//!
//! The last tests plant defects and expect the checker to find them.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking

#[path = "checker/asker.rs"]
mod asker;
#[path = "checker/reader.rs"]
mod reader;
#[path = "checker/words.rs"]
mod words;

use asker::Asker;
use lode_proto::task::{Profile, TaskTemplate};
use lode_tasks::{
    ENGINE_VERSION,
    family::Library,
    longdoc,
    types::{Answer, AnswerKey, Task},
};
use reader::Known;
use words::Words;

const DOMAIN: &str = include_str!("../domains/companies.toml");

fn template(profile: Profile) -> (Library, TaskTemplate) {
    let library = Library::builtin().expect("built-in domains are sound");
    let template = TaskTemplate {
        family: longdoc::NAME.into(),
        engine_version: ENGINE_VERSION,
        domain: library.named("companies").expect("companies"),
        profile,
        inputs: Vec::new(),
    };
    (library, template)
}

fn seed(n: u64) -> [u8; 32] {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&n.to_le_bytes());
    seed
}

/// What is wrong with a task, by its text.
fn check(words: &Words, task: &Task, key: &AnswerKey) -> Result<(), String> {
    let roster: Vec<String> = task.roster.iter().map(|entry| entry.name.clone()).collect();
    let facts = reader::read(words, &roster, &task.paragraphs)?;
    if facts.len() != roster.len() * task.attributes.len() {
        return Err(format!(
            "{} facts follow, {} are wanted",
            facts.len(),
            roster.len() * task.attributes.len()
        ));
    }
    let asker = Asker { words, roster: &roster, facts: &facts };
    for (question, gold) in task.questions.iter().zip(&key.gold) {
        let wanted = match &gold.answer {
            Answer::Entity(entity) => Known::Word(roster[entity.at()].clone()),
            Answer::Category(word) => Known::Word(word.clone()),
            Answer::Integer(n) => Known::Number(n * 1000),
            Answer::Decimal(milli) => Known::Number(*milli),
        };
        let found = asker.answer(&question.text)?;
        if found != wanted {
            return Err(format!(
                "{:?}: the text gives {found:?}, the key {wanted:?}",
                question.text
            ));
        }
    }
    Ok(())
}

fn check_many(profile: Profile, seeds: std::ops::Range<u64>) {
    let words = Words::read(DOMAIN);
    let (library, template) = template(profile);
    for n in seeds {
        let (task, key) = longdoc::generate(&template.spec(seed(n)), &library)
            .unwrap_or_else(|error| panic!("{profile} seed {n}: {error}"));
        if let Err(why) = check(&words, &task, &key) {
            panic!("{profile} seed {n}: {why}\n{}", task.prompt());
        }
    }
}

#[test]
fn nano_gold_follows_from_the_text() {
    check_many(Profile::Nano, 0..2_000);
}

#[test]
fn mini_gold_follows_from_the_text() {
    check_many(Profile::Mini, 0..150);
}

#[test]
fn standard_gold_follows_from_the_text() {
    check_many(Profile::Standard, 0..60);
}

/// Applies a defect to standard tasks until one takes, and expects it to be found.
fn planted(name: &str, defect: impl Fn(&mut Task, &mut AnswerKey) -> bool) {
    let words = Words::read(DOMAIN);
    let (library, template) = template(Profile::Standard);
    let mut applied = 0;
    for n in 0..12 {
        let (mut task, mut key) =
            longdoc::generate(&template.spec(seed(n)), &library).expect("generates");
        assert_eq!(check(&words, &task, &key), Ok(()));
        if defect(&mut task, &mut key) {
            applied += 1;
            assert!(check(&words, &task, &key).is_err(), "{name}: not found in seed {n}");
        }
    }
    assert!(applied > 0, "{name}: never applied");
}

/// The paragraphs (places) that state the facts behind an answer.
fn deciding(key: &AnswerKey) -> Vec<usize> {
    let mut places = Vec::new();
    for fact in key.gold.iter().flat_map(|gold| &gold.support) {
        if let Some(known) = key.facts.iter().find(|known| known.fact == *fact)
            && let [only] = known.paragraphs.as_slice()
        {
            places.push(*only as usize - 1);
        }
    }
    places
}

#[test]
fn a_missing_paragraph_is_found() {
    planted("missing paragraph", |task, key| match deciding(key).first() {
        Some(at) => {
            task.paragraphs.remove(*at);
            true
        }
        None => false,
    });
}

#[test]
fn a_wrong_gold_answer_is_found() {
    planted("wrong gold", |task, key| {
        for gold in &mut key.gold {
            match &mut gold.answer {
                Answer::Integer(n) | Answer::Decimal(n) => *n += 1,
                Answer::Entity(entity) => {
                    entity.0 = (entity.0 + 1) % u16::try_from(task.roster.len()).expect("small");
                }
                Answer::Category(word) => word.push('x'),
            }
        }
        true
    });
}

#[test]
fn a_contradiction_is_found() {
    planted("contradiction", |task, _| {
        let changed = task.paragraphs.iter().find_map(|text| {
            let (head, tail) = text.split_once(" employs ")?;
            let (number, rest) = tail.split_once(" people")?;
            (rest.starts_with('.') && number.len() > 3 && !head.contains(':'))
                .then(|| format!("{head} employs 1{number} people{rest}"))
                .filter(|text| text.matches('.').count() == 1)
        });
        match changed {
            Some(text)
                if words::number(text.split(' ').nth(3).unwrap_or(""), "integer").is_some() =>
            {
                task.paragraphs.push(text);
                true
            }
            _ => false,
        }
    });
}

#[test]
fn an_empty_slot_and_a_stranger_are_found() {
    planted("empty slot", |task, _| {
        let at = task.paragraphs.iter().position(|text| text.contains(" more people than "));
        at.is_some_and(|at| {
            let text = &mut task.paragraphs[at];
            let (head, tail) = text.split_once(" more people than ").expect("found");
            let head = head.rsplit_once(' ').map_or("", |(head, _)| head).to_owned();
            *text = format!("{head}  more people than {tail}");
            true
        })
    });
    planted("stranger", |task, _| {
        task.paragraphs.push("Volt Stranger employs 4,210 people.".into());
        true
    });
}

#[test]
fn a_reversed_rule_is_found() {
    planted("reversed rule", |task, key| {
        use lode_tasks::types::{TrapKind, TrapRole};
        let binds = key
            .traps
            .iter()
            .any(|trap| trap.kind == TrapKind::Superseded && trap.role == TrapRole::Binding);
        let at = task.paragraphs.iter().position(|text| text.contains(" overrules the "));
        match at {
            Some(at) if binds => {
                let text = task.paragraphs[at].clone();
                let inner = text
                    .strip_prefix("Where they differ, the ")
                    .and_then(|rest| rest.strip_suffix('.'))
                    .expect("the rule's wording");
                let (strong, weak) =
                    inner.split_once(" overrules the ").expect("the rule's wording");
                task.paragraphs[at] =
                    format!("Where they differ, the {weak} overrules the {strong}.");
                key.gold.iter().any(|_| true)
                    && key.traps.iter().any(|trap| {
                        trap.role == TrapRole::Binding
                            && trap.kind == TrapKind::Superseded
                            && trap
                                .consequences
                                .iter()
                                .any(|c| matches!(c, lode_tasks::types::Consequence::Answer { .. }))
                    })
            }
            _ => false,
        }
    });
}

#[test]
fn a_lost_alias_is_found() {
    planted("lost alias", |task, key| {
        let used = key.aliases.iter().find_map(|alias| {
            let uses = task
                .paragraphs
                .iter()
                .filter(|text| text.split([' ', '.', ',', ':']).any(|word| word == alias.name))
                .count();
            (uses > 1).then_some(alias.defined_in).flatten()
        });
        match used {
            Some(paragraph) => {
                task.paragraphs.remove(paragraph as usize - 1);
                true
            }
            None => false,
        }
    });
}

#[test]
fn a_question_about_something_else_is_found() {
    planted("other question", |task, _| {
        let mut changed = false;
        for question in &mut task.questions {
            for (from, to) in [("the highest", "the lowest"), ("the lowest", "the highest")] {
                if question.text.starts_with("Which company has the")
                    && question.text.contains(from)
                {
                    question.text = question.text.replace(from, to);
                    changed = true;
                    break;
                }
            }
        }
        changed
    });
}
