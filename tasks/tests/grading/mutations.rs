//! For each rule, an attempt that fails by that rule alone: it passes where the task does not have
//! the rule, and every other part of its verdict is as good as the witness's.

use lode_proto::attempt::Finish;
use lode_tasks::{
    grade::grade,
    types::{
        AnswerStatus, CitationStatus, ComputeStatus, FailureClass, RuleVerdict, Task, TraceNeed,
    },
};

use crate::fixture::{WITNESS, graded, key, needing, task, with, without};

/// The faults of a verdict, rule by rule.
fn faults(verdict: &RuleVerdict) -> Vec<String> {
    let mut faults = Vec::new();
    for answer in &verdict.answers {
        if answer.status != AnswerStatus::Right {
            faults.push(format!("Q{}", answer.question));
        }
    }
    for constraint in &verdict.constraints {
        if !constraint.holds {
            faults.push(format!("constraint {}", constraint.constraint));
        }
    }
    if verdict.citations.iter().any(|c| c.status != CitationStatus::Right) {
        faults.push("citations".into());
    }
    if verdict.computes.iter().any(|c| c.status != ComputeStatus::Right) {
        faults.push("computes".into());
    }
    if verdict.dataflow.iter().any(|outcome| !outcome.follows) {
        faults.push("dataflow".into());
    }
    if verdict
        .reasons
        .iter()
        .any(|r| r.text.starts_with("it does not state") || r.text.starts_with("it states"))
    {
        faults.push("facts".into());
    }
    faults
}

#[test]
fn a_wrong_answer_alone() {
    // Dataflow sees a wrong answer too, so the task here does not ask for it.
    let task = needing(&[TraceNeed::Facts, TraceNeed::Citations, TraceNeed::Computes]);
    for (from, to) in [
        ("Q1: Nero Data", "Q1: Alta Flow"),
        ("Q2: Falkridge", "Q2: Lyndora"),
        ("Q3: 1,410", "Q3: 1,411"),
        ("Q4: 2.1", "Q4: 2.2"),
        ("Q5: 1,250", "Q5: 1,251"),
        ("Q5: 1,250", "Q5:"),
        ("Q5: 1,250\n", ""),
        ("Q5: 1,250", "Q5: not 1,250"),
        ("Q5: 1,250", "Q5: 1,250 or 1,260"),
        ("Q5: 1,250", "Q5: 1,250 thousand dollars"),
        ("Q1: Nero Data", "Q1: Nero Data or Volt Link"),
        ("Q1: Nero Data", "Q1: Nero"),
        ("Q1: Nero Data", "Q1: Nero Database"),
    ] {
        let verdict = graded(&task, &with(from, to));
        assert_eq!(verdict.failure, Some(FailureClass::Answer), "{to}");
        let question = format!("Q{}", &from[1..2]);
        assert_eq!(faults(&verdict), [question.as_str(), "dataflow"], "{to}");
    }
}

#[test]
fn a_broken_constraint_alone() {
    let task = needing(&[TraceNeed::Facts, TraceNeed::Citations, TraceNeed::Computes]);
    for (number, from, to) in [
        (1, "drift home", "drift safely home"),
        (1, "drift home", "drift"),
        (2, "Lyndora and", "Lyndoras and"),
        (3, "23 lamps", "24 lamps"),
        (3, "23 lamps", "230 lamps"),
        (4, "20+57=77", "20+57=78"),
        (4, "20+57=77", "20+58=78"),
        (4, "boats drift", "1+1=2 drift"),
        (5, "lamps", "jars"),
        (6, "Falkridge hold", "Falkridges hold"),
    ] {
        let verdict = graded(&task, &with(from, to));
        assert_eq!(verdict.failure, Some(FailureClass::Constraint), "{to}");
        let mut found = faults(&verdict);
        found.retain(|fault| fault != "dataflow");
        assert_eq!(found, [format!("constraint {number}")], "{to}");
    }
}

/// Fails with class `trace` where the task needs `need`, passes where it needs all but that.
fn by_need_alone(text: &str, need: TraceNeed, fault: &str) {
    let all = [TraceNeed::Facts, TraceNeed::Citations, TraceNeed::Computes, TraceNeed::Dataflow];
    let others: Vec<TraceNeed> = all.into_iter().filter(|other| *other != need).collect();
    let strict = graded(&task(), text);
    assert_eq!(strict.failure, Some(FailureClass::Trace), "{text}");
    assert_eq!(faults(&strict), [fault], "{text}");
    let lenient = graded(&needing(&others), text);
    assert_eq!(lenient.failure, None, "{:#?}", lenient.reasons);
    assert_eq!(graded(&needing(&[need]), text).failure, Some(FailureClass::Trace));
    assert!(strict.quality_milli < 1000);
}

#[test]
fn citations_alone() {
    // Nine extracts, 900 in 1,000 must hold: one wrong one is too many.
    for (from, to) in [
        ("people [paragraph_5]", "people [paragraph_6]"),
        ("people [paragraph_5]", "people"),
        ("people [paragraph_5]", "people [paragraph_0]"),
        ("ratio of 2.1 [paragraph_10]", "ratio of 2.1 [paragraph_8]"),
    ] {
        by_need_alone(&with(from, to), TraceNeed::Citations, "citations");
    }
}

#[test]
fn computes_alone() {
    for (from, to) in [
        ("c2: max(e1, c1, e4) = 4,210", "c2: max(e1, c1, e4) = 4,211"),
        ("c2: max(e1, c1, e4) = 4,210", "c2: max(e1, c1, e9) = 4,210"),
        ("c2: max(e1, c1, e4) = 4,210", "c2: the most is 4,210"),
    ] {
        by_need_alone(&with(from, to), TraceNeed::Computes, "computes");
    }
}

#[test]
fn dataflow_alone() {
    // The difference is nowhere worked out; the prime comes from nowhere; nor does a term of the
    // equation; the city of Q1's company is never stated.
    by_need_alone(&without(&["c3:"]), TraceNeed::Dataflow, "dataflow");
    by_need_alone(&without(&["c6:"]), TraceNeed::Dataflow, "dataflow");
    by_need_alone(&without(&["c10:", "c11:"]), TraceNeed::Dataflow, "dataflow");
    by_need_alone(&without(&["e6:"]), TraceNeed::Dataflow, "dataflow");
}

#[test]
fn facts_alone() {
    // A fact that decides nothing in the query's own table: overlaying it changes no answer, so
    // only the rule about facts sees that what finally stands is untrue.
    let text = with("c2:", "c20: add(e1, 1,410) = 5,310\nc2:")
        .replace("c3: abs_diff(c1, e4) = 1,410", "c3: abs_diff(e1, c20) = 1,410")
        .replace("e7: ", "e17: Nero Data employs 4,209 people [paragraph_3]\ne7: ");
    let lenient = needing(&[TraceNeed::Computes]);
    assert_eq!(graded(&lenient, &text).failure, None);
    let strict = needing(&[TraceNeed::Facts, TraceNeed::Computes]);
    assert_eq!(graded(&strict, &text).failure, Some(FailureClass::Trace));
    // Left out altogether.
    let silent = without(&["e7:"]);
    assert_eq!(graded(&strict, &silent).failure, Some(FailureClass::Trace));
    assert_eq!(graded(&lenient, &silent).failure, None);
}

#[test]
fn too_few_extracts_alone() {
    let mut task = needing(&[]);
    task.trace.min_extracts = 9;
    assert_eq!(graded(&task, WITNESS).failure, None);
    let fewer = without(&["e6:"]);
    assert_eq!(graded(&task, &fewer).failure, Some(FailureClass::Trace));
    task.trace.min_extracts = 8;
    assert_eq!(graded(&task, &fewer).failure, None);
}

#[test]
fn too_many_steps_alone() {
    let mut task = task();
    task.trace.max_steps = 21;
    assert_eq!(graded(&task, WITNESS).failure, None);
    task.trace.max_steps = 20;
    assert_eq!(graded(&task, WITNESS).failure, Some(FailureClass::Format));
}

#[test]
fn the_trap_alone() {
    // Whoever falls in with one answer and is right everywhere else.
    let task = needing(&[]);
    let verdict = graded(&task, &with("Q3: 1,410", "Q3: 890"));
    assert_eq!(verdict.failure, Some(FailureClass::Trap));
    // The same wrong answer without the trap is just wrong.
    let mut key = key();
    key.traps.clear();
    let text = with("Q3: 1,410", "Q3: 890");
    let verdict = grade(&task, &key, text.as_bytes(), Finish::Stop);
    assert_eq!(verdict.failure, Some(FailureClass::Answer));
}

#[test]
fn the_cap_alone() {
    let text = WITNESS.trim_end();
    let key = key();
    let of = |task: &Task, finish| grade(task, &key, text.as_bytes(), finish).failure;
    assert_eq!(of(&task(), Finish::Stop), None);
    assert_eq!(of(&task(), Finish::Cap), Some(FailureClass::Cap));
    let mut short = task();
    short.max_completion_bytes = u32::try_from(text.len()).expect("small");
    assert_eq!(of(&short, Finish::Stop), None);
    short.max_completion_bytes -= 1;
    assert_eq!(of(&short, Finish::Stop), Some(FailureClass::Cap));
}
