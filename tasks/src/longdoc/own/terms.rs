//! Names and words looked for in a text, all at once and in time that grows with the text only.

use std::collections::{HashMap, HashSet};

use crate::term::normal;

/// Words of the longest term that is looked for.
const MAX_TERM_WORDS: usize = 5;

/// Terms with what each stands for. They are compared as the grader compares them: runs of letters
/// and digits, in any case.
#[derive(Debug, Clone)]
pub(super) struct Terms<T> {
    known: HashMap<String, Vec<T>>,
    first: HashSet<String>,
}

impl<T> Default for Terms<T> {
    fn default() -> Self {
        Self { known: HashMap::new(), first: HashSet::new() }
    }
}

impl<T: Copy + Ord> Terms<T> {
    /// Adds a term; one of more than [`MAX_TERM_WORDS`] words is never found.
    pub(super) fn add(&mut self, term: &str, it: T) {
        let term = normal(term);
        let Some(first) = term.split(' ').next() else { return };
        if !term.is_empty() {
            self.first.insert(first.to_owned());
            self.known.entry(term).or_default().push(it);
        }
    }

    /// Every term in a text, in its order: from where, to where, and what it stands for.
    pub(super) fn find(&self, text: &str) -> Vec<(usize, usize, T)> {
        let tokens: Vec<(usize, usize, String)> = tokens(text)
            .map(|(from, to)| (from, to, normal(text.get(from..to).unwrap_or_default())))
            .collect();
        let mut found = Vec::new();
        let mut phrase = String::new();
        for (at, (from, _, word)) in tokens.iter().enumerate() {
            if !self.first.contains(word) {
                continue;
            }
            phrase.clear();
            for (_, to, word) in tokens.iter().skip(at).take(MAX_TERM_WORDS) {
                if !phrase.is_empty() {
                    phrase.push(' ');
                }
                phrase.push_str(word);
                for it in self.known.get(&phrase).into_iter().flatten() {
                    found.push((*from, *to, *it));
                }
            }
        }
        found
    }
}

/// Where the runs of letters and digits of a text begin and end.
fn tokens(text: &str) -> impl Iterator<Item = (usize, usize)> + '_ {
    let mut rest = 0;
    std::iter::from_fn(move || {
        let tail = text.get(rest..)?;
        let from = rest + tail.find(char::is_alphanumeric)?;
        let token = text.get(from..)?;
        rest = from + token.find(|c: char| !c.is_alphanumeric()).unwrap_or(token.len());
        Some((from, rest))
    })
}
