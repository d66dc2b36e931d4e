//! A second opinion on every task: what its text says, by code that shares nothing with the
//! generator, its solver or its evaluator but the wordings of the domain file.
//!
//! It reads the rendered paragraphs, questions and constraints, derives facts, disputes, answers and
//! checks from them, and compares those with the answer key: proofs 1 to 5 of DESIGN 3.3. The key's
//! own statements ([`AnswerKey::document`]) are never looked at. Whether a completion passes is asked
//! of the grader, which is what proof 3 is about; its answers and extracts are also read here.
//!
//! ```text
//! paragraphs ─► reader, sentence ─► claims, rules ─► settle ─► facts ─┐
//! questions  ─► ask ────────────────────────────────► measure ─► answers ├─► compare with the key
//! constraints ─► demand ─────────────────────────────────────► checks ──┘    witness, language
//! ```

mod amount;
mod ask;
mod compare;
mod demand;
mod fault;
mod language;
mod measure;
mod names;
mod pattern;
mod reader;
mod sentence;
mod settle;
mod witness;
mod wordings;

use crate::types::{AnswerKey, Task};

pub use fault::Fault;
pub use wordings::Wordings;

/// Everything that is wrong with a task and its key, by the text; nothing for a sound one.
///
/// `words` must be those of the task's own domain file.
#[must_use]
pub fn recheck(words: &Wordings, task: &Task, key: &AnswerKey) -> Vec<Fault> {
    let mut faults = Vec::new();
    language::check(task, &mut faults);
    let active: Option<Vec<usize>> = task
        .attributes
        .iter()
        .map(|schema| words.attributes.iter().position(|known| known.key == schema.key))
        .collect();
    let Some(active) = active else {
        faults.push(Fault::Shape("the task has attributes that the domain file lacks".to_owned()));
        return faults;
    };
    let pairs = [
        ("questions", task.questions.len(), key.gold.len()),
        ("constraints", task.constraints.len(), key.constraints.len()),
    ];
    for (what, public, secret) in pairs {
        if public != secret {
            faults.push(Fault::Shape(format!("{public} {what} against {secret} in the key")));
            return faults;
        }
    }
    let names = names::Names::new(words, &active, &task.roster);
    let mut said = reader::read(words, &active, task, &mut faults);
    let settler = settle::Settler { task, said: &mut said, faults: &mut faults };
    let facts = settler.settle();
    // Where the text has no single reading, nothing can be compared with it.
    if faults.iter().any(|fault| !matches!(fault, Fault::Language { .. })) {
        return faults;
    }
    let compare =
        compare::Compare { words, active: &active, names: &names, task, key, said: &said };
    compare.all(&facts, &mut faults);
    faults
}
