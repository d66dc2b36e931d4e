//! How a task is solved, from its key: the gold path and the traps, as data for `--json` and as lines.
//!
//! Everything here follows from fields of the key: facts with their references, traps with their values
//! and consequences. Kinds that this file does not know are shown by their names.

use lode_tasks::{
    number,
    types::{
        Answer, AnswerKey, Check, Consequence, FactRef, Task, Trap, TrapRole, Value, ValueKind,
    },
};
use serde::Serialize;

/// Longest chain that is followed: longer ones are a defect of the key.
const MAX_CHAIN: usize = 50;

/// A task with its key, to read from.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) task: &'a Task,
    pub(super) key: &'a AnswerKey,
}

/// A value that the document states, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Stated {
    /// Whose and which: "number of employees of Volt Link".
    pub(super) what: String,
    /// With its unit.
    pub(super) value: String,
    /// What is added to the step before: "+210"; `None` where the value is stated outright.
    pub(super) change: Option<String>,
    /// Paragraphs (from 1).
    pub(super) paragraphs: Vec<u32>,
    /// Traps about it: their numbers, from 1.
    pub(super) traps: Vec<usize>,
}

/// How one question is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct GoldAnswer {
    /// From 1.
    pub(super) question: usize,
    /// As asked.
    pub(super) text: String,
    /// The truth.
    pub(super) answer: String,
    /// The facts that decide it; each a chain whose last step is the fact itself.
    pub(super) facts: Vec<Vec<Stated>>,
}

/// What one constraint comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct GoldCheck {
    /// From 1.
    pub(super) constraint: usize,
    /// As asked.
    pub(super) text: String,
    /// As resolved.
    pub(super) check: String,
    /// Questions (from 1) whose answers it depends on.
    pub(super) questions: Vec<u16>,
    /// Facts beyond those of the questions; as in [`GoldAnswer::facts`].
    pub(super) facts: Vec<Vec<Stated>>,
}

/// One trap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct TrapView {
    /// From 1.
    pub(super) trap: usize,
    /// For example "superseded".
    pub(super) kind: String,
    /// Whether it changes anything.
    pub(super) binding: bool,
    /// Whose and which.
    pub(super) what: String,
    /// The truth and the paragraphs that state or settle it.
    pub(super) right: (String, Vec<u32>),
    /// What a caught reader takes for it, and where that stands.
    pub(super) wrong: (String, Vec<u32>),
    /// What it changes: "Q3 becomes Volt Link, not Acme Rail".
    pub(super) changes: Vec<String>,
}

/// `planted_instruction`, `PlantedInstruction` → "planted instruction", by the name in records.
fn words<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name.replace('_', " "),
        Ok(other) => generic(&other),
        Err(_) => "?".into(),
    }
}

/// A record of any shape in words: `{"digit_sum":57}` → "digit sum 57".
fn generic(value: &serde_json::Value) -> String {
    use serde_json::Value as Json;
    match value {
        Json::String(text) => text.clone(),
        Json::Array(items) => items.iter().map(generic).collect::<Vec<_>>().join(" | "),
        Json::Object(fields) => {
            let field = |(name, value): (&String, &Json)| {
                format!("{} {}", name.replace('_', " "), generic(value))
            };
            fields.iter().map(field).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

impl Reader<'_> {
    fn name(&self, fact: FactRef) -> &str {
        self.task.roster.get(fact.entity.at()).map_or("?", |entry| entry.name.as_str())
    }

    fn what(&self, fact: FactRef) -> String {
        let label = self.task.attributes.get(fact.attr.at()).map_or("?", |schema| &schema.label);
        format!("{label} of {}", self.name(fact))
    }

    /// A value as the document would write it, with its unit.
    fn value(&self, fact: FactRef, value: &Value) -> String {
        let schema = self.task.attributes.get(fact.attr.at());
        let year = schema.is_some_and(|schema| schema.kind == ValueKind::Year);
        let unit = schema.map_or("", |schema| schema.unit.as_str());
        let number = match value {
            Value::Text(text) => return text.clone(),
            Value::Int(n) if year => return n.to_string(),
            Value::Int(n) => number::grouped(*n),
            Value::Milli(milli) => number::decimal(*milli),
        };
        if unit.is_empty() { number } else { format!("{number} {unit}") }
    }

    fn change(from: &Value, to: &Value) -> Option<String> {
        let sign = |n: i64| if n < 0 { "-" } else { "+" };
        match (from, to) {
            (Value::Int(a), Value::Int(b)) => {
                let d = b.checked_sub(*a)?;
                Some(format!("{}{}", sign(d), number::grouped(d.checked_abs()?)))
            }
            _ => {
                let d = to.milli()?.checked_sub(from.milli()?)?;
                Some(format!("{}{}", sign(d), number::decimal(d.checked_abs()?)))
            }
        }
    }

    pub(super) fn answer(&self, answer: &Answer) -> String {
        match answer {
            Answer::Entity(entity) => {
                self.task.roster.get(entity.at()).map_or_else(|| "?".into(), |e| e.name.clone())
            }
            Answer::Category(word) => word.clone(),
            Answer::Integer(n) => number::grouped(*n),
            Answer::Decimal(milli) => number::decimal(*milli),
        }
    }

    fn check(&self, check: &Check) -> String {
        match check {
            Check::Equation { a, b } => format!("equation {a}+{b}={}", a.saturating_add(*b)),
            Check::ContainsDecimal(milli) => format!("contains {}", number::decimal(*milli)),
            other => words(other),
        }
    }

    /// A fact step by step: first the one that is stated outright, last itself.
    fn chain(&self, fact: FactRef) -> Vec<Stated> {
        let mut steps = Vec::new();
        let mut next = Some(fact);
        while let Some(fact) = next.filter(|_| steps.len() < MAX_CHAIN) {
            let Ok(place) = self.key.facts.binary_search_by_key(&fact, |known| known.fact) else {
                break;
            };
            let Some(known) = self.key.facts.get(place) else { break };
            let from = known.reference.and_then(|reference| self.key.value(reference));
            let traps = (1..).zip(&self.key.traps).filter(|(_, trap)| trap.fact == fact);
            steps.push(Stated {
                what: self.what(fact),
                value: self.value(fact, &known.value),
                change: from.and_then(|from| Self::change(from, &known.value)),
                paragraphs: known.paragraphs.clone(),
                traps: traps.map(|(number, _)| number).collect(),
            });
            next = known.reference;
        }
        steps.reverse();
        steps
    }

    pub(super) fn gold(&self) -> Vec<GoldAnswer> {
        (1..)
            .zip(self.task.questions.iter().zip(&self.key.gold))
            .map(|(question, (asked, gold))| GoldAnswer {
                question,
                text: asked.text.clone(),
                answer: self.answer(&gold.answer),
                facts: gold.support.iter().map(|fact| self.chain(*fact)).collect(),
            })
            .collect()
    }

    pub(super) fn checks(&self) -> Vec<GoldCheck> {
        (1..)
            .zip(self.task.constraints.iter().zip(&self.key.constraints))
            .map(|(constraint, (asked, key))| GoldCheck {
                constraint,
                text: asked.0.clone(),
                check: self.check(&key.check),
                questions: key.questions.clone(),
                facts: key.support.iter().map(|fact| self.chain(*fact)).collect(),
            })
            .collect()
    }

    pub(super) fn traps(&self) -> Vec<TrapView> {
        (1..).zip(&self.key.traps).map(|(number, trap)| self.trap(number, trap)).collect()
    }

    fn trap(&self, number: usize, trap: &Trap) -> TrapView {
        let changes = trap.consequences.iter().map(|consequence| match consequence {
            Consequence::Answer { question, answer } => {
                let gold =
                    usize::from(*question).checked_sub(1).and_then(|at| self.key.gold.get(at));
                let right = gold.map_or_else(|| "?".into(), |gold| self.answer(&gold.answer));
                format!("Q{question} becomes {}, not {right}", self.answer(answer))
            }
            Consequence::Check { constraint, check } => {
                let at = usize::from(*constraint).checked_sub(1);
                let key = at.and_then(|at| self.key.constraints.get(at));
                let right = key.map_or_else(|| "?".into(), |key| self.check(&key.check));
                format!("constraint {constraint} becomes {}, not {right}", self.check(check))
            }
        });
        TrapView {
            trap: number,
            kind: words(&trap.kind),
            binding: trap.role == TrapRole::Binding,
            what: self.what(trap.fact),
            right: (self.value(trap.fact, &trap.right), trap.right_paragraphs.clone()),
            wrong: (self.value(trap.fact, &trap.wrong), trap.wrong_paragraphs.clone()),
            changes: changes.collect(),
        }
    }
}
