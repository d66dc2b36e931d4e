//! Readers that cheat: the in-line solver with only its choice among conflicting values replaced by
//! a shortcut. A trap is worth its place if no shortcut gets past it; and each shortcut must do well
//! on a twin of the task without conflicts, or it would prove nothing.

use crate::query::{Evaluator, cell_of};
use crate::types::{AnswerKey, DocParagraph, FactRef, Standing, StatementKind, Task, TrapRole};

use super::solve::{self, Claim, Unreadable};

/// Words that sound as if what stands beside them held.
pub const AUTHORITY_WORDS: [&str; 16] = [
    "audit",
    "audited",
    "final",
    "official",
    "confirmed",
    "corrected",
    "correction",
    "certified",
    "register",
    "approved",
    "authoritative",
    "verified",
    "signed",
    "upheld",
    "adopted",
    "accepted",
];

/// A shortcut among conflicting values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shortcut {
    /// The value that stands first.
    First,
    /// The value that stands last.
    Last,
    /// The largest value.
    Largest,
    /// The first value in a paragraph with an authority word.
    AuthorityWord,
    /// The value in the paragraph that names the most entities.
    MostMentions,
    /// The last value in a paragraph with an authority word.
    LaterAuthority,
}

impl Shortcut {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::First,
        Self::Last,
        Self::Largest,
        Self::AuthorityWord,
        Self::MostMentions,
        Self::LaterAuthority,
    ];
}

/// A task as cheating readers see it, with what they look for in its paragraphs.
#[derive(Debug)]
pub struct Cheats<'a> {
    task: &'a Task,
    key: &'a AnswerKey,
    /// By paragraph: how many entities it names.
    mentions: Vec<usize>,
    /// By paragraph: whether it has an authority word.
    authority: Vec<bool>,
}

/// What became of the binding disputes of one task under one shortcut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Survival {
    /// Disputed facts that bind.
    pub disputes: usize,
    /// Those that the reader got right.
    pub survived: usize,
}

impl<'a> Cheats<'a> {
    /// Looks through the paragraphs.
    #[must_use]
    pub fn new(task: &'a Task, key: &'a AnswerKey) -> Self {
        let mentions = task
            .paragraphs
            .iter()
            .map(|text| task.roster.iter().filter(|entry| text.contains(&entry.name)).count())
            .collect();
        let authority = task
            .paragraphs
            .iter()
            .map(|text| {
                let lower = text.to_lowercase();
                lower
                    .split(|c: char| !c.is_alphabetic())
                    .any(|word| AUTHORITY_WORDS.contains(&word))
            })
            .collect();
        Self { task, key, mentions, authority }
    }

    /// Facts that a binding trap is about.
    #[must_use]
    pub fn disputed(&self) -> Vec<FactRef> {
        let binding = self.key.traps.iter().filter(|trap| trap.role == TrapRole::Binding);
        let mut facts: Vec<FactRef> = binding.map(|trap| trap.fact).collect();
        facts.sort_unstable();
        facts.dedup();
        facts
    }

    /// How many of the disputed facts a shortcut gets right.
    ///
    /// # Errors
    /// Where the document cannot be read under it.
    pub fn survival(&self, shortcut: Shortcut) -> Result<Survival, Unreadable> {
        let choose = |claims: &[Claim]| self.choose(shortcut, claims);
        let reading = solve::read_as(
            &self.key.document,
            &self.task.roster,
            &self.task.attributes,
            Some(&choose),
        )?;
        let facts = self.disputed();
        let right = |fact: &&FactRef| {
            let schema = &self.task.attributes[fact.attr.at()];
            let truth = self.key.value(**fact).and_then(|value| cell_of(value, schema));
            truth == Some(reading.table.get(**fact))
        };
        Ok(Survival { disputes: facts.len(), survived: facts.iter().filter(right).count() })
    }

    /// Whether a shortcut answers every question of the trap-free twin.
    ///
    /// # Errors
    /// Where the twin cannot be read under it.
    pub fn answers_twin(&self, shortcut: Shortcut) -> Result<bool, Unreadable> {
        let twin = self.twin();
        let choose = |claims: &[Claim]| self.choose(shortcut, claims);
        let reading =
            solve::read_as(&twin, &self.task.roster, &self.task.attributes, Some(&choose))?;
        let evaluator = Evaluator { table: &reading.table, attributes: &self.task.attributes };
        Ok(self
            .key
            .gold
            .iter()
            .all(|gold| evaluator.answer(&gold.query).is_ok_and(|answer| answer == gold.answer)))
    }

    /// The same document without its traps: of a disputed fact only what is right is left, and no
    /// instruction.
    #[must_use]
    pub fn twin(&self) -> Vec<DocParagraph> {
        let mut twin = self.key.document.clone();
        for paragraph in &mut twin {
            paragraph.statements.retain(|statement| match &statement.kind {
                StatementKind::Absolute { fact, value, standing } => {
                    *standing != Standing::Wider && self.key.value(*fact) == Some(value)
                }
                StatementKind::Instruction { .. } => false,
                _ => true,
            });
        }
        twin
    }

    fn choose(&self, shortcut: Shortcut, claims: &[Claim]) -> usize {
        let place = |claim: &Claim| usize::try_from(claim.paragraph).unwrap_or(0).wrapping_sub(1);
        let has_word = |claim: &Claim| self.authority.get(place(claim)) == Some(&true);
        let last = claims.len().saturating_sub(1);
        match shortcut {
            Shortcut::First => 0,
            Shortcut::Last => last,
            Shortcut::Largest => best(claims, |claim| match claim.cell {
                crate::query::Cell::Number(milli) => milli,
                crate::query::Cell::Category(at) => i64::from(at),
                crate::query::Cell::Missing => i64::MIN,
            }),
            Shortcut::AuthorityWord => claims.iter().position(has_word).unwrap_or(0),
            Shortcut::LaterAuthority => claims.iter().rposition(has_word).unwrap_or(last),
            Shortcut::MostMentions => best(claims, |claim| {
                let count = self.mentions.get(place(claim)).copied().unwrap_or(0);
                i64::try_from(count).unwrap_or(i64::MAX)
            }),
        }
    }
}

/// The place of the first claim with the highest measure.
fn best(claims: &[Claim], measure: impl Fn(&Claim) -> i64) -> usize {
    let mut found = (0, i64::MIN);
    for (at, claim) in claims.iter().enumerate() {
        let measured = measure(claim);
        if measured > found.1 {
            found = (at, measured);
        }
    }
    found.0
}
