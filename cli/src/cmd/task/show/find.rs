//! Search in a document: whole words, several terms at once, and an entity under all its names.

use std::{collections::BTreeSet, ops::Range};

use lode_tasks::types::{AnswerKey, Task};

/// A word of a text: where it lies, and what it is compared by.
#[derive(Debug, PartialEq, Eq)]
struct Word {
    place: Range<usize>,
    form: String,
}

/// The words of a text. A comma or point between digits belongs to the number; the comma does not count.
fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut open: Option<usize> = None;
    let mut close = |start: usize, end: usize| {
        let raw = text.get(start..end).unwrap_or_default();
        words.push(Word { place: start..end, form: raw.replace(',', "").to_lowercase() });
    };
    let mut before = ' ';
    let mut places = text.char_indices().peekable();
    while let Some((at, c)) = places.next() {
        let after = places.peek().map_or(' ', |(_, c)| *c);
        let inside = c.is_alphanumeric()
            || (matches!(c, ',' | '.') && before.is_ascii_digit() && after.is_ascii_digit());
        match (inside, open) {
            (true, None) => open = Some(at),
            (false, Some(start)) => {
                close(start, at);
                open = None;
            }
            _ => {}
        }
        before = c;
    }
    if let Some(start) = open {
        close(start, text.len());
    }
    words
}

/// One thing to find: any of several runs of words.
#[derive(Debug, PartialEq, Eq)]
struct Term(Vec<Vec<String>>);

/// What is searched for: every term must occur in a paragraph.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Search {
    terms: Vec<Term>,
    /// Entities that were meant, with their other names.
    pub(super) entities: Vec<(String, Vec<String>)>,
}

fn forms(text: &str) -> Vec<String> {
    words(text).into_iter().map(|word| word.form).collect()
}

/// All names of each entity, its own first.
fn names(task: &Task, key: &AnswerKey) -> Vec<Vec<String>> {
    let mut names: Vec<Vec<String>> =
        task.roster.iter().map(|entry| vec![entry.name.clone()]).collect();
    for alias in &key.aliases {
        if let Some(names) = names.get_mut(alias.entity.at())
            && !names.contains(&alias.name)
        {
            names.push(alias.name.clone());
        }
    }
    names
}

impl Search {
    /// The terms of a text: the longest run of its words that names an entity is that entity, under any
    /// of its names; every other word stands for itself. `None` where it holds no word.
    pub(super) fn new(text: &str, task: &Task, key: &AnswerKey) -> Option<Self> {
        let wanted = forms(text);
        let names = names(task, key);
        let known: Vec<(Vec<String>, usize)> = names
            .iter()
            .enumerate()
            .flat_map(|(entity, names)| names.iter().map(move |name| (forms(name), entity)))
            .filter(|(words, _)| !words.is_empty())
            .collect();
        let (mut terms, mut entities) = (Vec::new(), Vec::new());
        let mut rest = wanted.as_slice();
        while let Some((first, tail)) = rest.split_first() {
            let named = known
                .iter()
                .filter(|(words, _)| rest.starts_with(words))
                .max_by_key(|(words, _)| words.len());
            if let Some((words, entity)) = named {
                let all = names.get(*entity).cloned().unwrap_or_default();
                terms.push(Term(all.iter().map(|name| forms(name)).collect()));
                if let Some((own, others)) = all.split_first() {
                    entities.push((own.clone(), others.to_vec()));
                }
                rest = rest.get(words.len()..).unwrap_or_default();
            } else {
                terms.push(Term(vec![vec![first.clone()]]));
                rest = tail;
            }
        }
        (!terms.is_empty()).then_some(Self { terms, entities })
    }

    /// Where the terms lie in a text, in order and apart; empty where one of them does not occur.
    pub(super) fn hits(&self, text: &str) -> Vec<Range<usize>> {
        let words = words(text);
        let mut hits = BTreeSet::new();
        for Term(forms) in &self.terms {
            let mut any = false;
            for start in 0..words.len() {
                let runs = |form: &&Vec<String>| {
                    words.get(start..start + form.len()).is_some_and(|run| {
                        !form.is_empty()
                            && run.iter().zip(*form).all(|(word, form)| word.form == *form)
                    })
                };
                let Some(form) = forms.iter().filter(runs).max_by_key(|form| form.len()) else {
                    continue;
                };
                any = true;
                if let (Some(first), Some(last)) =
                    (words.get(start), words.get(start + form.len() - 1))
                {
                    hits.insert((first.place.start, last.place.end));
                }
            }
            if !any {
                return Vec::new();
            }
        }
        let mut apart: Vec<Range<usize>> = Vec::new();
        for (start, end) in hits {
            match apart.last_mut() {
                Some(last) if start < last.end => last.end = last.end.max(end),
                _ => apart.push(start..end),
            }
        }
        apart
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(search: &[&[&str]], text: &str) -> Vec<String> {
        let terms = search
            .iter()
            .map(|forms| Term(forms.iter().map(|form| self::forms(form)).collect()))
            .collect();
        let search = Search { terms, entities: Vec::new() };
        search.hits(text).into_iter().map(|range| text[range].to_owned()).collect()
    }

    #[test]
    fn words_are_whole_and_numbers_have_one_form() {
        assert_eq!(
            forms("Volt Link's 4,210 people, $2.5M."),
            ["volt", "link", "s", "4210", "people", "2.5m"]
        );
        assert_eq!(found(&[&["link"]], "Linkage, unlinked, Link."), ["Link"]);
        assert_eq!(found(&[&["4210"]], "4,210 or 42,10"), ["4,210", "42,10"]);
        assert_eq!(found(&[&["4,210"]], "14210"), [""; 0]);
    }

    #[test]
    fn every_term_must_occur_and_any_name_will_do() {
        let text = "VL grew; Volt Link hired, and volt link moved.";
        assert_eq!(found(&[&["volt link", "VL"]], text), ["VL", "Volt Link", "volt link"]);
        assert_eq!(found(&[&["VL"], &["hired"]], text), ["VL", "hired"]);
        assert_eq!(found(&[&["VL"], &["sold"]], text), [""; 0]);
        assert_eq!(found(&[&["volt"], &["volt link"]], "Volt Link"), ["Volt Link"], "one stretch");
        assert_eq!(found(&[&["x"]], ""), [""; 0]);
    }
}
