//! The work that the worst attempts cost, counted: matching literals, following arguments, dividing.

use lode_proto::attempt::Finish;

use super::Grader;
use crate::{
    fuzz,
    types::{AnswerKey, ParseOutcome, Task},
    work,
};

/// Most steps of work for one byte of a completion, for the worst attempt known here.
const WORK_PER_BYTE: u64 = 400;

/// The largest task at hand, with room for a completion of 1 MiB.
fn wide() -> (Task, AnswerKey) {
    let (task, key) = fuzz::tasks().last().expect("tasks").clone();
    (Task { max_completion_bytes: 1 << 20, ..task }, key)
}

/// The rest of a completion that can be read.
fn rest(key: &AnswerKey) -> &str {
    key.witness.split_once("</trace>\n").expect("has a trace").1
}

/// What an attempt costs, which the grader must be able to read.
fn cost(task: &Task, key: &AnswerKey, text: &str) -> u64 {
    let grader = Grader::new(task, key);
    let (verdict, work) = work::of(|| grader.grade(text.as_bytes(), Finish::Stop));
    assert_eq!(verdict.parse, ParseOutcome::Read, "{:?}", verdict.reasons);
    assert!(work <= WORK_PER_BYTE * text.len() as u64, "{work} for {} bytes", text.len());
    work
}

/// A trace of as many lines as a task allows, then the witness's answers.
fn trace(task: &Task, key: &AnswerKey, line: impl Fn(u16) -> String) -> String {
    let lines: String = (1..=task.trace.max_steps).map(|n| line(n) + "\n").collect();
    format!("<trace>\n{lines}</trace>\n{}", rest(key))
}

#[test]
fn the_witness_costs_little() {
    let (task, key) = wide();
    assert!(cost(&task, &key, &key.witness) < 40 * key.witness.len() as u64);
}

#[test]
fn sentences_that_almost_fit() {
    let (task, key) = wide();
    let name = &task.roster[0].name;
    for schema in task.attributes.iter() {
        let more = schema.trace_more.as_deref().unwrap_or(&schema.trace);
        for form in [schema.trace.as_str(), more] {
            // Each literal again and again, and never a value.
            let words =
                form.replace("{entity}", name).replace("{value}", "").replace("{reference}", name);
            let tail = words.strip_prefix(name.as_str()).unwrap_or(&words);
            let line = |n: u16| format!("e{n}: {name}{}", tail.repeat(480 / tail.len().max(1)));
            cost(&task, &key, &trace(&task, &key, line));
            let line = |n: u16| format!("e{n}: nobody{}", tail.repeat(480 / tail.len().max(1)));
            cost(&task, &key, &trace(&task, &key, line));
        }
    }
    cost(&task, &key, &trace(&task, &key, |n| format!("e{n}: {}", " ".repeat(500) + "x")));
    cost(&task, &key, &trace(&task, &key, |n| format!("e{n}: {}", "x ".repeat(250))));
}

#[test]
fn steps_that_rest_on_all_before_them() {
    let (task, key) = wide();
    let all = |n: u16| {
        let from = n.saturating_sub(31).max(1);
        (from..n).map(|n| format!("c{n}")).collect::<Vec<_>>().join(", ")
    };
    let line = |n: u16| match n {
        1 => "c1: count() = 0".to_owned(),
        _ => format!("c{n}: max({}) = 0", all(n)),
    };
    cost(&task, &key, &trace(&task, &key, line));
    // Filters of filters of filters: what they keep is bounded.
    let line = |n: u16| match n {
        1 => "c1: count() = 0".to_owned(),
        2 => "f1: filter(c1; above -1) = c1".to_owned(),
        _ => {
            let list = vec![format!("f{}", n - 2); 32].join(", ");
            format!("f{}: filter({list}; above -1) = {list}", n - 1)
        }
    };
    cost(&task, &key, &trace(&task, &key, line));
    let line = |n: u16| match n {
        1..=31 => format!("c{n}: add({n}, 0) = {n}"),
        32 => {
            let list: Vec<String> = (1..=31).map(|n| format!("c{n}")).collect();
            format!("f1: filter({0}; above 0) = {0}", list.join(", "))
        }
        _ => format!("m{n}: compare({}; highest) = c31", ["f1"; 8].join(", ")),
    };
    cost(&task, &key, &trace(&task, &key, line));
}

#[test]
fn many_steps_with_the_number_that_is_looked_for() {
    let (task, key) = wide();
    let numbers: Vec<String> = rest(&key)
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(_, said)| said.to_owned())
        .filter(|said| said.bytes().all(|byte| byte.is_ascii_digit() || byte == b','))
        .collect();
    for number in numbers {
        let line = |n: u16| match n {
            1 => format!("c1: add({number}, 0) = {number}"),
            _ => {
                let from = n.saturating_sub(30).max(1);
                let list: Vec<String> = (from..n).map(|n| format!("c{n}")).collect();
                format!("c{n}: max({}) = {number}", list.join(", "))
            }
        };
        cost(&task, &key, &trace(&task, &key, line));
    }
}

#[test]
fn the_largest_primes() {
    let (task, key) = wide();
    cost(&task, &key, &trace(&task, &key, |n| format!("c{n}: next_prime(999,984) = 999,983")));
    cost(&task, &key, &trace(&task, &key, |n| format!("c{n}: next_prime(1,000,000) = 1,000,003")));
}
