//! What a question asks and what the answer is, from its text and the facts alone.

use std::collections::BTreeSet;

use super::{
    reader::{Facts, Known},
    words::{Attribute, Words, captures, number, slot, strings},
};

/// A number over a positive number: what a measure comes to.
type Quotient = (i128, i128);

#[derive(Debug, Clone)]
enum Measure {
    Sum(Vec<String>),
    Diff(String, String),
    Ratio(Vec<String>, Vec<String>),
}

/// Everything that one text can mean, by its value.
pub(crate) struct Asker<'a> {
    pub(crate) words: &'a Words,
    pub(crate) roster: &'a [String],
    pub(crate) facts: &'a Facts,
}

/// An answer in canonical text: a name, a word, or a number in thousandths.
pub(crate) type Said = Known;

impl Asker<'_> {
    /// The one answer to a question; what is wrong otherwise.
    pub(crate) fn answer(&self, question: &str) -> Result<Said, String> {
        let all = self.answers(question);
        match all.len() {
            1 => Ok(all.into_iter().next().expect("one")),
            0 => Err(format!("no reading of {question:?} has an answer")),
            _ => Err(format!("{question:?} can mean {all:?}")),
        }
    }

    fn answers(&self, question: &str) -> BTreeSet<Said> {
        let mut said = BTreeSet::new();
        let list = |key: &str| self.words.list("questions", key);
        let name = |name: String| Known::Word(name);
        let everyone = || self.roster.to_vec();
        for wording in list("which") {
            for found in captures(&wording, question) {
                for (measure, high) in self.superlative(slot(&found, "superlative")) {
                    said.extend(self.best(&everyone(), &measure, high, 1).map(name));
                }
            }
        }
        for wording in list("which_filtered") {
            for found in captures(&wording, question) {
                for (measure, high) in self.superlative(slot(&found, "superlative")) {
                    for set in self.filtered(slot(&found, "filters")) {
                        said.extend(self.best(&set, &measure, high, 1).map(name));
                    }
                }
            }
        }
        for (key, ranked) in
            [("which_measure", false), ("which_measure_filtered", false), ("which_rank", true)]
        {
            for wording in list(key) {
                for found in captures(&wording, question) {
                    let rank = match (ranked, slot(&found, "ordinal")) {
                        (false, _) => 1,
                        (_, "second") => 2,
                        (_, "third") => 3,
                        (_, "fourth") => 4,
                        _ => continue,
                    };
                    let Some(high) = end(slot(&found, "end")) else { continue };
                    let sets = match slot(&found, "filters") {
                        "" => vec![everyone()],
                        text => self.filtered(text),
                    };
                    for measure in self.measure(slot(&found, "measure")) {
                        for set in &sets {
                            said.extend(self.best(set, &measure, high, rank).map(name));
                        }
                    }
                }
            }
        }
        for wording in list("which_only") {
            for found in captures(&wording, question) {
                for set in self.filtered(slot(&found, "filters")) {
                    if let [one] = set.as_slice() {
                        said.insert(name(one.clone()));
                    }
                }
            }
        }
        for wording in list("compare") {
            for found in captures(&wording, question) {
                let Some(high) = end(slot(&found, "end")) else { continue };
                let two = [slot(&found, "a").to_owned(), slot(&found, "b").to_owned()];
                if two.iter().all(|one| self.roster.contains(one)) {
                    for measure in self.measure(slot(&found, "measure")) {
                        said.extend(self.best(&two, &measure, high, 1).map(name));
                    }
                }
            }
        }
        for attribute in &self.words.attributes {
            for wording in attribute.list("ask") {
                for found in captures(wording, question) {
                    for entity in self.selected(slot(&found, "entity")) {
                        said.extend(self.facts.get(&(entity, attribute.key.clone())).cloned());
                    }
                }
            }
        }
        for wording in list("count") {
            for found in captures(&wording, question) {
                for set in self.filtered(slot(&found, "filters")) {
                    said.insert(Known::Number(set.len() as i64 * 1000));
                }
            }
        }
        for wording in list("total") {
            for found in captures(&wording, question) {
                for measure in self.measure(slot(&found, "measure")) {
                    for set in self.filtered(slot(&found, "filters")) {
                        let parts: Option<Vec<i128>> =
                            set.iter().map(|e| self.whole(e, &measure)).collect();
                        said.extend(parts.and_then(|parts| whole_number(parts.iter().sum())));
                    }
                }
            }
        }
        for wording in list("gap") {
            for found in captures(&wording, question) {
                for measure in self.measure(slot(&found, "measure")) {
                    for a in self.selected(slot(&found, "a")) {
                        for b in self.selected(slot(&found, "b")) {
                            let two = (self.whole(&a, &measure), self.whole(&b, &measure));
                            if let (Some(x), Some(y)) = two {
                                said.extend(whole_number((x - y).abs()));
                            }
                        }
                    }
                }
            }
        }
        for wording in list("number") {
            for found in captures(&wording, question) {
                for measure in self.measure(slot(&found, "measure")) {
                    for entity in self.selected(slot(&found, "entity")) {
                        said.extend(self.whole(&entity, &measure).and_then(whole_number));
                    }
                }
            }
        }
        said
    }

    fn superlative(&self, text: &str) -> Vec<(Measure, bool)> {
        let mut all = Vec::new();
        for attribute in self.words.attributes.iter().filter(|a| a.kind != "category") {
            for (field, high) in [("highest", true), ("lowest", false)] {
                if attribute.text(field) == text {
                    all.push((Measure::Sum(vec![attribute.key.clone()]), high));
                }
            }
        }
        all
    }

    fn measure(&self, text: &str) -> Vec<Measure> {
        let mut all: Vec<Measure> = self
            .words
            .attributes
            .iter()
            .filter(|attribute| attribute.text("measure") == text && !text.is_empty())
            .map(|attribute| Measure::Sum(vec![attribute.key.clone()]))
            .collect();
        for table in self.words.tables(&["measures"]) {
            if table["phrase"].as_str() != Some(text) {
                continue;
            }
            let (sum, diff) = (strings(table.get("sum")), strings(table.get("diff")));
            if let [first, second] = diff.as_slice() {
                all.push(Measure::Diff(first.clone(), second.clone()));
            } else if sum.is_empty() {
                all.push(Measure::Ratio(strings(table.get("over")), strings(table.get("under"))));
            } else {
                all.push(Measure::Sum(sum));
            }
        }
        all
    }

    fn number_of(&self, entity: &str, key: &str) -> Option<i128> {
        match self.facts.get(&(entity.to_owned(), key.to_owned()))? {
            Known::Number(n) => Some(i128::from(*n)),
            Known::Word(_) => None,
        }
    }

    fn sum(&self, entity: &str, keys: &[String]) -> Option<i128> {
        keys.iter().map(|key| self.number_of(entity, key)).sum()
    }

    fn whole(&self, entity: &str, measure: &Measure) -> Option<i128> {
        match measure {
            Measure::Sum(keys) => self.sum(entity, keys),
            Measure::Diff(a, b) => Some(self.number_of(entity, a)? - self.number_of(entity, b)?),
            Measure::Ratio(..) => None,
        }
    }

    fn quotient(&self, entity: &str, measure: &Measure) -> Option<Quotient> {
        match measure {
            Measure::Ratio(over, under) => {
                Some((self.sum(entity, over)?, self.sum(entity, under)?))
            }
            whole => Some((self.whole(entity, whole)?, 1)),
        }
    }

    /// The one at this rank, counted by how many are strictly ahead and how many are level.
    fn best(&self, set: &[String], measure: &Measure, high: bool, rank: usize) -> Option<String> {
        let mut winners = Vec::new();
        for entity in set {
            let own = self.quotient(entity, measure)?;
            let mut ahead = 0;
            let mut level = 0;
            for other in set.iter().filter(|other| *other != entity) {
                let their = self.quotient(other, measure)?;
                let (a, b) = (their.0 * own.1, own.0 * their.1);
                ahead += usize::from(if high { a > b } else { a < b });
                level += usize::from(a == b);
            }
            if ahead + 1 == rank {
                if level > 0 {
                    return None;
                }
                winners.push(entity.clone());
            }
        }
        winners.pop()
    }

    /// The entities that a noun phrase can mean.
    fn selected(&self, text: &str) -> Vec<String> {
        if self.roster.iter().any(|name| name == text) {
            return vec![text.to_owned()];
        }
        let phrase = |key: &str| self.words.one("phrases", key);
        let mut all = Vec::new();
        for found in captures(&phrase("selected"), text) {
            for (measure, high) in self.superlative(slot(&found, "superlative")) {
                all.extend(self.best(self.roster, &measure, high, 1));
            }
        }
        for found in captures(&phrase("selected_filtered"), text) {
            for (measure, high) in self.superlative(slot(&found, "superlative")) {
                for set in self.filtered(slot(&found, "filters")) {
                    all.extend(self.best(&set, &measure, high, 1));
                }
            }
        }
        for found in captures(&phrase("selected_measure"), text) {
            if let Some(high) = end(slot(&found, "end")) {
                for measure in self.measure(slot(&found, "measure")) {
                    all.extend(self.best(self.roster, &measure, high, 1));
                }
            }
        }
        for found in captures(&phrase("selected_only"), text) {
            for set in self.filtered(slot(&found, "filters")) {
                if let [one] = set.as_slice() {
                    all.push(one.clone());
                }
            }
        }
        all
    }

    /// The sets of entities that a filter phrase can mean.
    fn filtered(&self, text: &str) -> Vec<Vec<String>> {
        let mut sets = self.single(text);
        for found in captures(&self.words.one("phrases", "also"), text) {
            for first in self.single(slot(&found, "first")) {
                for second in self.filtered(slot(&found, "second")) {
                    sets.push(first.iter().filter(|e| second.contains(e)).cloned().collect());
                }
            }
        }
        sets
    }

    fn single(&self, text: &str) -> Vec<Vec<String>> {
        let mut sets = Vec::new();
        let keep = |test: &dyn Fn(&String) -> bool| -> Vec<String> {
            self.roster.iter().filter(|entity| test(entity)).cloned().collect()
        };
        for attribute in &self.words.attributes {
            sets.extend(self.by_attribute(attribute, text));
        }
        for found in captures(&self.words.one("phrases", "relative"), text) {
            let Some(more) = comparative(slot(&found, "end")) else { continue };
            for measure in self.measure(slot(&found, "measure")) {
                for other in self.selected(slot(&found, "entity")) {
                    let bound = self.whole(&other, &measure);
                    sets.push(keep(&|entity| {
                        let own = self.whole(entity, &measure);
                        if more { own > bound } else { own < bound }
                    }));
                }
            }
        }
        for found in captures(&self.words.one("phrases", "versus"), text) {
            let Some(more) = comparative(slot(&found, "end")) else { continue };
            for left in self.measure(slot(&found, "measure")) {
                for right in self.measure(slot(&found, "other")) {
                    sets.push(keep(&|entity| {
                        let (a, b) = (self.whole(entity, &left), self.whole(entity, &right));
                        if more { a > b } else { a < b }
                    }));
                }
            }
        }
        sets
    }

    fn by_attribute(&self, attribute: &Attribute, text: &str) -> Vec<Vec<String>> {
        let mut sets = Vec::new();
        let fact = |entity: &String| self.facts.get(&(entity.clone(), attribute.key.clone()));
        let keep = |test: &dyn Fn(&String) -> bool| -> Vec<String> {
            self.roster.iter().filter(|entity| test(entity)).cloned().collect()
        };
        if attribute.kind == "category" {
            for found in captures(attribute.text("is"), text) {
                let word = Known::Word(slot(&found, "value").to_owned());
                let known = attribute.vocabulary.iter().any(|w| w == slot(&found, "value"));
                if known {
                    sets.push(keep(&|entity| fact(entity) == Some(&word)));
                }
            }
            for found in captures(attribute.text("same"), text) {
                for other in self.selected(slot(&found, "entity")) {
                    let word = fact(&other).cloned();
                    sets.push(keep(&|e| *e != other && fact(e) == word.as_ref()));
                }
            }
            return sets;
        }
        for (field, more) in [("above", true), ("below", false)] {
            for found in captures(attribute.text(field), text) {
                if let Some(bound) = number(slot(&found, "value"), &attribute.kind) {
                    sets.push(keep(&|entity| match fact(entity) {
                        Some(Known::Number(n)) => {
                            if more {
                                *n > bound
                            } else {
                                *n < bound
                            }
                        }
                        _ => false,
                    }));
                }
            }
        }
        sets
    }
}

fn whole_number(n: i128) -> Option<Known> {
    i64::try_from(n).ok().map(Known::Number)
}

fn end(text: &str) -> Option<bool> {
    match text {
        "highest" | "higher" => Some(true),
        "lowest" | "lower" => Some(false),
        _ => None,
    }
}

fn comparative(text: &str) -> Option<bool> {
    match text {
        "higher" => Some(true),
        "lower" => Some(false),
        _ => None,
    }
}
