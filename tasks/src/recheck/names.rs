//! Whom the words of a document name: canonical names, aliases that the document introduces,
//! misspellings, and descriptions that fit one entity.

use std::collections::HashMap;

use super::{
    amount::Kind,
    wordings::{Wordings, capitalised},
};
use crate::types::RosterEntry;

/// How a statement names its entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Name,
    Alias,
    Typo,
}

/// What a name leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Entity(usize, By),
    /// Whoever has this category: attribute of the task, word of its vocabulary.
    Clue(usize, usize),
    /// So many entities, which is not one.
    Owners(usize),
}

/// The names that one task knows.
#[derive(Debug)]
pub(super) struct Names<'a> {
    words: &'a Wordings,
    /// Attributes of the domain, by attribute of the task.
    active: &'a [usize],
    canonical: HashMap<&'a str, usize>,
    aliases: HashMap<&'a str, usize>,
    longest: usize,
}

impl<'a> Names<'a> {
    pub(super) fn new(words: &'a Wordings, active: &'a [usize], roster: &'a [RosterEntry]) -> Self {
        let canonical: HashMap<&str, usize> =
            roster.iter().enumerate().map(|(at, entry)| (entry.name.as_str(), at)).collect();
        let longest = roster.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
        Self { words, active, canonical, aliases: HashMap::new(), longest }
    }

    pub(super) fn canonical(&self, text: &str) -> Option<usize> {
        self.canonical.get(text).copied()
    }

    /// Learns an alias; false where it is already somebody else's.
    pub(super) fn alias(&mut self, alias: &'a str, entity: usize) -> bool {
        let other = self.canonical(alias).is_some_and(|owner| owner != entity);
        let before = self.aliases.insert(alias, entity);
        !other && before.is_none_or(|owner| owner == entity)
    }

    /// What a name leads to.
    pub(super) fn named(&self, text: &str) -> Name {
        if let Some(entity) = self.canonical(text) {
            return Name::Entity(entity, By::Name);
        }
        if let Some(entity) = self.aliases.get(text) {
            return Name::Entity(*entity, By::Alias);
        }
        if text.len() <= self.longest {
            match self.swapped(text).as_slice() {
                [] => {}
                [entity] => return Name::Entity(*entity, By::Typo),
                several => return Name::Owners(several.len()),
            }
        }
        self.clue(text).unwrap_or(Name::Owners(0))
    }

    /// The entities whose name is `text` with two neighbouring letters swapped.
    fn swapped(&self, text: &str) -> Vec<usize> {
        let mut found = Vec::new();
        let letters: Vec<char> = text.chars().collect();
        for at in 1..letters.len() {
            let mut other = letters.clone();
            other.swap(at - 1, at);
            let other: String = other.into_iter().collect();
            if other != text
                && let Some(entity) = self.canonical(&other)
                && !found.contains(&entity)
            {
                found.push(entity);
            }
        }
        found
    }

    fn clue(&self, text: &str) -> Option<Name> {
        let lower = decapitalised(text);
        let mut found = None;
        for (attr, place) in self.active.iter().enumerate() {
            let attribute = self.words.attributes.get(*place)?;
            if attribute.kind != Kind::Category {
                continue;
            }
            let Some(pattern) = &attribute.clue else { continue };
            pattern.each(&lower, |caught| {
                if let Some(word) = attribute.word(caught.get("value")) {
                    found = Some(Name::Clue(attr, word));
                }
            });
        }
        found
    }

    /// The description in the middle of a sentence.
    pub(super) fn description(text: &str) -> String {
        decapitalised(text)
    }
}

fn decapitalised(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if capitalised(text) == text => first.to_lowercase().chain(letters).collect(),
        _ => text.to_owned(),
    }
}
