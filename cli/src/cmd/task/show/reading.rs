//! How a task is solved, from its key: the gold path and the traps, as data for `--json` and as lines.
//!
//! Everything here follows from fields of the key: facts with their references, traps with their values
//! and consequences. Kinds that this file does not know are shown by their names.

use lode_tasks::{
    number,
    types::{
        Answer, AnswerKey, Check, Consequence, FactRef, Measure, NamedBy, Naming, Query, Statement,
        StatementKind, Task, Trap, TrapRole, Value, ValueKind,
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
    /// How those paragraphs name its entity, where not by its own name.
    pub(super) named: Vec<Named>,
    /// Traps about it: their numbers, from 1.
    pub(super) traps: Vec<usize>,
}

/// Words for an entity, and what leads from them to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Named {
    /// As written.
    pub(super) text: String,
    /// For example "alias".
    pub(super) by: String,
    /// Paragraphs (from 1) from which that follows.
    pub(super) paragraphs: Vec<u32>,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Side {
    /// With its unit.
    pub(super) value: String,
    /// Paragraphs (from 1).
    pub(super) paragraphs: Vec<u32>,
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
    pub(super) right: Side,
    /// What a caught reader takes for it, and where that stands.
    pub(super) wrong: Side,
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

/// The name of a kind, without its fields.
fn kind<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::Object(fields)) => {
            fields.keys().next().map(|name| name.replace('_', " ")).unwrap_or_default()
        }
        _ => words(value),
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
        // A label may name the unit itself: "revenue in million dollars".
        let unit = schema.filter(|schema| !schema.label.contains(schema.unit.as_str()));
        let unit = unit.map_or("", |schema| schema.unit.as_str());
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

    /// Whether a query asks for a year, which is written without a separator.
    fn asks_year(&self, query: &Query) -> bool {
        let Query::Number { measure: Measure::Attr(attr), .. } = query else { return false };
        let schema = self.task.attributes.get(attr.at());
        schema.is_some_and(|schema| schema.kind == ValueKind::Year)
    }

    /// An answer as it would be written.
    pub(super) fn answer(&self, query: &Query, answer: &Answer) -> String {
        match answer {
            Answer::Integer(n) if self.asks_year(query) => n.to_string(),
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

    /// Paragraphs that state a fact.
    fn stated(&self, fact: FactRef) -> Vec<u32> {
        let known = self.key.facts.iter().find(|known| known.fact == fact);
        known.map(|known| known.paragraphs.clone()).unwrap_or_default()
    }

    /// The paragraph that introduces an alias.
    fn introduced(&self, name: &str) -> Vec<u32> {
        let alias = self.key.aliases.iter().find(|alias| alias.name == name);
        alias.and_then(|alias| alias.defined_in).into_iter().collect()
    }

    /// The other names that the paragraphs which state a fact use for its entity.
    fn named(&self, fact: FactRef, paragraphs: &[u32]) -> Vec<Named> {
        let states = |statement: &&Statement| match &statement.kind {
            StatementKind::Absolute { fact: stated, .. }
            | StatementKind::Relative { fact: stated, .. } => *stated == fact,
            _ => false,
        };
        let places = paragraphs.iter().filter_map(|number| usize::try_from(*number).ok());
        let read = places.filter_map(|number| self.key.document.get(number.checked_sub(1)?));
        let mut names: Vec<Named> = read
            .flat_map(|paragraph| paragraph.statements.iter().filter(states))
            .filter_map(|statement| statement.named.clone())
            .map(|Naming { text, by }| {
                let paragraphs = match &by {
                    NamedBy::Clue { attr, .. } => self.stated(FactRef { attr: *attr, ..fact }),
                    _ => self.introduced(&text),
                };
                Named { by: kind(&by), text, paragraphs }
            })
            .collect();
        names.sort();
        names.dedup();
        names
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
                named: self.named(fact, &known.paragraphs),
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
                answer: self.answer(&gold.query, &gold.answer),
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
                let Some(gold) = gold else { return format!("Q{question} changes") };
                let (wrong, right) =
                    (self.answer(&gold.query, answer), self.answer(&gold.query, &gold.answer));
                format!("Q{question} becomes {wrong}, not {right}")
            }
            Consequence::Check { constraint, check } => {
                let at = usize::from(*constraint).checked_sub(1);
                let key = at.and_then(|at| self.key.constraints.get(at));
                let right = key.map_or_else(|| "?".into(), |key| self.check(&key.check));
                format!("constraint {constraint} becomes {}, not {right}", self.check(check))
            }
        });
        let side = |value, paragraphs: &[u32]| Side {
            value: self.value(trap.fact, value),
            paragraphs: paragraphs.to_vec(),
        };
        TrapView {
            trap: number,
            kind: words(&trap.kind),
            binding: trap.role == TrapRole::Binding,
            what: self.what(trap.fact),
            right: side(&trap.right, &trap.right_paragraphs),
            wrong: side(&trap.wrong, &trap.wrong_paragraphs),
            changes: changes.collect(),
        }
    }
}
