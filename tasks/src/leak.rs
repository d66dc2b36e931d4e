//! Whether single sentences give traps away: a reader that is trained to tell, from the sentence
//! alone, the statement that holds from those that do not.
//!
//! It sees no document, so all that it can learn is wording. Words and pairs of neighbouring words
//! (numbers by their shape) are the features of a logistic regression; what it learned on some
//! sentences is measured on others, of wordings or domains it has not seen. It is a benchmark: it
//! decides nothing, which is why it may compute in floating point. All of it is deterministic.

use std::collections::BTreeMap;

use crate::types::{AnswerKey, FactRef, StatementKind, Task};

/// Passes over the training sentences.
const EPOCHS: u32 = 8;
/// First step of the descent; it shrinks with every pass.
const RATE: f64 = 0.2;
/// Weight decay of each step.
const DECAY: f64 = 1e-4;
/// Normal quantile of a two-sided interval of 95 %.
const Z: f64 = 1.96;

/// A sentence about a disputed fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// Words, names and categories masked, numbers by their shape.
    features: Vec<String>,
    /// Whether it holds.
    pub right: bool,
    /// Its wording: the sentence with names, values and standings taken out.
    pub wording: u64,
    /// The domain it is from.
    pub domain: String,
}

/// How well sentences were told apart: the chance that one that holds is ranked above one that does
/// not (0.5 is a guess), with a 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Auc {
    /// The estimate.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Sentences that hold, and that do not.
    pub tested: (usize, usize),
}

/// The sentences of a task that state disputed facts, each in a paragraph of its own.
#[must_use]
pub fn sentences(task: &Task, key: &AnswerKey) -> Vec<Sentence> {
    let mut disputed: Vec<FactRef> = key.traps.iter().map(|trap| trap.fact).collect();
    disputed.sort_unstable();
    disputed.dedup();
    let mut found = Vec::new();
    for (text, paragraph) in task.paragraphs.iter().zip(&key.document) {
        let [statement] = paragraph.statements.as_slice() else { continue };
        let StatementKind::Absolute { fact, value, .. } = &statement.kind else { continue };
        if disputed.binary_search(fact).is_err() {
            continue;
        }
        let masked = masked(task, key, text);
        let words: Vec<&str> = masked.split_whitespace().collect();
        let mut features: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        features.extend(words.windows(2).map(|pair| pair.join(" ")));
        features.sort_unstable();
        features.dedup();
        found.push(Sentence {
            features,
            right: key.value(*fact) == Some(value),
            wording: wording(&masked),
            domain: task.header.domain.name.clone(),
        });
    }
    found
}

/// The sentence with names and categories masked, and each number by its shape.
fn masked(task: &Task, key: &AnswerKey, text: &str) -> String {
    let mut text = text.to_owned();
    for entry in &task.roster {
        text = text.replace(&entry.name, "NAME");
    }
    for alias in &key.aliases {
        text = text.replace(&alias.name, "NAME");
    }
    for word in task.attributes.iter().flat_map(|schema| &schema.vocabulary) {
        if text.contains(word.as_str()) {
            text = text.replace(word.as_str(), "WORD");
        }
    }
    text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c.to_ascii_lowercase() }).collect()
}

/// A number for a masked sentence without its numbers and without what it says of its standing,
/// which ends at a colon.
fn wording(masked: &str) -> u64 {
    let body = masked.rsplit_once(": ").map_or(masked, |(_, body)| body);
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in body.bytes().filter(|byte| !byte.is_ascii_digit() && !b".,$".contains(byte)) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}

/// Trains on `train` and measures on `test`; `None` where either has sentences of one kind only.
#[must_use]
pub fn auc(train: &[&Sentence], test: &[&Sentence]) -> Option<Auc> {
    if train.iter().all(|s| s.right) || !train.iter().any(|s| s.right) {
        return None;
    }
    let model = Model::train(train);
    let mut scores: Vec<(f64, bool)> =
        test.iter().map(|sentence| (model.score(sentence), sentence.right)).collect();
    scores.sort_by(|a, b| a.0.total_cmp(&b.0));
    let right = scores.iter().filter(|(_, right)| *right).count();
    let wrong = scores.len() - right;
    if right == 0 || wrong == 0 {
        return None;
    }
    // Mann-Whitney, equal scores counted half.
    let mut rank_sum = 0.0;
    let mut at = 0;
    for same in scores.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let middle = at as f64 + (same.len() as f64 + 1.0) / 2.0;
        rank_sum += middle * same.iter().filter(|(_, right)| *right).count() as f64;
        at += same.len();
    }
    let (n, m) = (right as f64, wrong as f64);
    let value = (rank_sum - n * (n + 1.0) / 2.0) / (n * m);
    // Hanley and McNeil.
    let (q1, q2) = (value / (2.0 - value), 2.0 * value * value / (1.0 + value));
    let square = value * value;
    let spread = value * (1.0 - value) + (n - 1.0) * (q1 - square) + (m - 1.0) * (q2 - square);
    let error = Z * (spread.max(0.0) / (n * m)).sqrt();
    Some(Auc {
        value,
        low: (value - error).max(0.0),
        high: (value + error).min(1.0),
        tested: (right, wrong),
    })
}

/// The measure over held-out wordings: each fifth of the wordings is tested on a reader that was
/// trained on the others, and the scores of all fifths are averaged by their size.
#[must_use]
pub fn held_out_wordings(all: &[Sentence]) -> Option<Auc> {
    folds(all, 5, |sentence| sentence.wording % 5)
}

/// The measure over held-out domains, one after the other; `None` with fewer than two.
#[must_use]
pub fn held_out_domains(all: &[Sentence]) -> Option<Auc> {
    let mut names: Vec<&str> = all.iter().map(|sentence| sentence.domain.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    folds(all, names.len() as u64, |sentence| {
        names.binary_search(&sentence.domain.as_str()).unwrap_or(0) as u64
    })
}

fn folds(all: &[Sentence], count: u64, of: impl Fn(&Sentence) -> u64) -> Option<Auc> {
    let mut parts: Vec<Auc> = Vec::new();
    for fold in 0..count {
        let (test, train): (Vec<&Sentence>, Vec<&Sentence>) =
            all.iter().partition(|sentence| of(sentence) == fold);
        parts.extend(auc(&train, &test));
    }
    let weight = |part: &Auc| (part.tested.0 + part.tested.1) as f64;
    let total: f64 = parts.iter().map(weight).sum();
    let value = parts.iter().map(|part| part.value * weight(part)).sum::<f64>() / total;
    let half = |part: &Auc| (part.high - part.value) * weight(part) / total;
    let error = parts.iter().map(|part| half(part).powi(2)).sum::<f64>().sqrt();
    (!parts.is_empty()).then(|| Auc {
        value,
        low: (value - error).max(0.0),
        high: (value + error).min(1.0),
        tested: parts.iter().fold((0, 0), |sum, p| (sum.0 + p.tested.0, sum.1 + p.tested.1)),
    })
}

/// The features that speak most for a sentence that holds, and most against it, with their weights.
#[must_use]
pub fn telling(all: &[Sentence], count: usize) -> Vec<(String, f64)> {
    let model = Model::train(&all.iter().collect::<Vec<_>>());
    let mut features: Vec<(String, f64)> =
        model.places.iter().map(|(name, at)| (name.clone(), model.weights[*at])).collect();
    features.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then_with(|| a.0.cmp(&b.0)));
    features.truncate(count);
    features
}

/// A logistic regression over words and pairs of words.
struct Model {
    places: BTreeMap<String, usize>,
    weights: Vec<f64>,
    bias: f64,
}

impl Model {
    fn train(sentences: &[&Sentence]) -> Self {
        let mut places = BTreeMap::new();
        for feature in sentences.iter().flat_map(|sentence| &sentence.features) {
            let next = places.len();
            places.entry(feature.clone()).or_insert(next);
        }
        let rows: Vec<(Vec<usize>, f64)> = sentences
            .iter()
            .map(|sentence| {
                let row = sentence.features.iter().filter_map(|name| places.get(name).copied());
                (row.collect(), f64::from(u8::from(sentence.right)))
            })
            .collect();
        let mut model = Self { weights: vec![0.0; places.len()], places, bias: 0.0 };
        let right = rows.iter().map(|(_, right)| right).sum::<f64>().max(1.0);
        // Both kinds weigh the same.
        let heavy = (rows.len() as f64 - right) / right;
        for epoch in 0..EPOCHS {
            let rate = RATE / f64::from(epoch + 1);
            for at in order(rows.len(), u64::from(epoch)) {
                let (row, right) = &rows[at];
                let sum = model.bias + row.iter().map(|at| model.weights[*at]).sum::<f64>();
                let missed = right - 1.0 / (1.0 + (-sum).exp());
                let step = rate * missed * if *right > 0.5 { heavy } else { 1.0 } / heavy.max(1.0);
                model.bias += step;
                for at in row {
                    model.weights[*at] += step - rate * DECAY * model.weights[*at];
                }
            }
        }
        model
    }

    fn score(&self, sentence: &Sentence) -> f64 {
        let known = sentence.features.iter().filter_map(|name| self.places.get(name));
        self.bias + known.map(|at| self.weights[*at]).sum::<f64>()
    }
}

/// The rows in an order that looks random and is always the same.
fn order(count: usize, salt: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|at| {
        let mut x = (*at as u64).wrapping_add(salt << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x ^= x >> 29;
        x.wrapping_mul(0xbf58_476d_1ce4_e5b9)
    });
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(text: &str, right: bool) -> Sentence {
        let features = text.split(' ').map(str::to_owned).collect();
        Sentence { features, right, wording: wording(text), domain: "x".into() }
    }

    #[test]
    fn a_cue_word_is_learned_and_noise_is_not() {
        let words = ["calm", "dune", "east", "fern", "gold"];
        let made = |cue: bool| -> Vec<Sentence> {
            (0..400_usize)
                .map(|n| {
                    let right = n % 4 == 0;
                    let word = words[(n / 4) % 5];
                    let tail = if cue && right { "audited" } else { "said" };
                    sentence(&format!("{word} {tail} {}", words[(n / 20) % 5]), right)
                })
                .collect()
        };
        for (cue, least, most) in [(true, 0.99, 1.0), (false, 0.3, 0.7)] {
            let all = made(cue);
            let (train, test): (Vec<_>, Vec<_>) =
                all.iter().enumerate().partition(|(at, _)| at / 4 % 2 == 0);
            let pick = |list: Vec<(usize, &Sentence)>| -> Vec<Sentence> {
                list.into_iter().map(|(_, s)| s.clone()).collect()
            };
            let (train, test) = (pick(train), pick(test));
            let found = auc(&train.iter().collect::<Vec<_>>(), &test.iter().collect::<Vec<_>>());
            let found = found.map_or(0.5, |auc| auc.value);
            assert!((least..=most).contains(&found), "{cue}: {found}");
        }
        assert_eq!(telling(&made(true), 1)[0].0, "audited");
    }
}
