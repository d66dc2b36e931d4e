//! What defects are made with: places in a task by its key, and changes to its text.

use lode_tasks::{
    number,
    types::{
        AnswerKey, EntityId, FactRef, NamedBy, Rule, Standing, Statement, StatementKind, Task,
        TrapRole, Value, ValueKind,
    },
};
use toml::Table;

/// A task that a defect is planted in.
pub(crate) struct Bed {
    pub(crate) task: Task,
    pub(crate) key: AnswerKey,
    /// Its domain file.
    pub(crate) domain: Table,
}

impl Bed {
    /// Statements with the place of their paragraph (from 0).
    pub(crate) fn statements(&self) -> Vec<(usize, Statement)> {
        let document = self.key.document.iter().enumerate();
        document
            .flat_map(|(at, paragraph)| {
                paragraph.statements.iter().map(move |statement| (at, statement.clone()))
            })
            .collect()
    }

    pub(crate) fn name(&self, entity: EntityId) -> String {
        self.task.roster[entity.at()].name.clone()
    }

    pub(crate) fn disputed(&self, fact: FactRef) -> bool {
        let values = |(_, statement): &(usize, Statement)| match &statement.kind {
            StatementKind::Absolute { fact: known, value, .. } if *known == fact => {
                Some(value.clone())
            }
            _ => None,
        };
        let mut values: Vec<Value> = self.statements().iter().filter_map(values).collect();
        values.sort();
        values.dedup();
        values.len() > 1
    }

    /// Facts that one paragraph alone states, with its place.
    pub(crate) fn single(&self) -> Vec<(FactRef, usize)> {
        self.key
            .facts
            .iter()
            .filter_map(|known| match known.paragraphs.as_slice() {
                [only] if !self.disputed(known.fact) => Some((known.fact, *only as usize - 1)),
                _ => None,
            })
            .collect()
    }

    /// A place that states nothing (not the title).
    pub(crate) fn idle(&self) -> Option<usize> {
        let nothing = |at: &usize| {
            let statements = &self.key.document[*at].statements;
            statements.iter().all(|s| matches!(s.kind, StatementKind::Nothing))
        };
        (1..self.task.paragraphs.len()).find(nothing)
    }

    /// Replaces a paragraph by a text that states nothing.
    pub(crate) fn silence(&mut self, at: usize) {
        let noise = self.domain["noise"]["general"][0].as_str().expect("noise").to_owned();
        self.task.paragraphs[at] = noise;
    }

    /// Puts a text where nothing was stated, else at the end.
    pub(crate) fn say(&mut self, text: String) {
        match self.idle() {
            Some(at) => self.task.paragraphs[at] = text,
            None => self.task.paragraphs.push(text),
        }
    }

    /// The plain sentence of a fact with a value: the trace sentence with a full stop, which every
    /// domain has as its first wording.
    pub(crate) fn sentence(&self, fact: FactRef, value: &Value) -> String {
        let schema = &self.task.attributes[fact.attr.at()];
        let value = match value {
            Value::Text(text) => text.clone(),
            Value::Milli(milli) => number::decimal(*milli),
            Value::Int(n) if schema.kind == ValueKind::Year => n.to_string(),
            Value::Int(n) => number::grouped(*n),
        };
        let name = self.name(fact.entity);
        format!("{}.", schema.trace.replace("{entity}", &name).replace("{value}", &value))
    }

    /// The document's rule that one standing holds: its place and the standing.
    pub(crate) fn rule(&self) -> Option<(usize, Standing)> {
        self.statements().iter().find_map(|(at, statement)| match statement.kind {
            StatementKind::Rule(Rule::Holds(standing)) => Some((*at, standing)),
            _ => None,
        })
    }

    /// The categories by which descriptions single somebody out.
    pub(crate) fn clues(&self) -> Vec<String> {
        let value = |(_, statement): &(usize, Statement)| match &statement.named.as_ref()?.by {
            NamedBy::Clue { value, .. } => Some(value.clone()),
            _ => None,
        };
        self.statements().iter().filter_map(value).collect()
    }

    /// A described entity: its paragraph, the category, and one that nobody has.
    pub(crate) fn clue(&self) -> Option<(usize, String, String)> {
        self.statements().iter().find_map(|(at, statement)| match &statement.named {
            Some(naming) => match &naming.by {
                NamedBy::Clue { attr, value } => {
                    let schema = &self.task.attributes[attr.at()];
                    let worn = |word: &&String| {
                        self.key.facts.iter().any(|fact| fact.value == Value::Text((*word).clone()))
                    };
                    let free = schema.vocabulary.iter().find(|word| !worn(word))?;
                    Some((*at, value.clone(), free.clone()))
                }
                _ => None,
            },
            None => None,
        })
    }

    /// Place (from 0) of the first trap of a role.
    pub(crate) fn trap(&self, role: TrapRole) -> Option<usize> {
        self.key.traps.iter().position(|trap| trap.role == role)
    }

    /// Replaces the first occurrence in a paragraph; false where there is none.
    pub(crate) fn replace(&mut self, at: usize, from: &str, to: &str) -> bool {
        let text = self.task.paragraphs[at].replacen(from, to, 1);
        std::mem::replace(&mut self.task.paragraphs[at], text.clone()) != text
    }
}

/// The first run of digits of a text that holds a number, as a byte range.
pub(crate) fn digits(text: &str) -> Option<std::ops::Range<usize>> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let rest = &text[start..];
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != ',').unwrap_or(rest.len());
    let end = rest[..end].trim_end_matches(',').len();
    Some(start..start + end)
}

/// A name with two neighbouring letters of a word swapped.
pub(crate) fn misspelt(name: &str) -> Option<String> {
    let mut letters: Vec<char> = name.chars().collect();
    let at = (1..letters.len() - 1).find(|at| {
        letters[*at] != letters[at + 1]
            && letters[*at].is_lowercase()
            && letters[at + 1].is_lowercase()
    })?;
    letters.swap(at, at + 1);
    Some(letters.into_iter().collect())
}

/// Another number of the same length and form.
pub(crate) fn other_number(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let last = bytes.last_mut().expect("digits");
    *last = if *last == b'9' { b'8' } else { *last + 1 };
    String::from_utf8(bytes).expect("digits")
}
