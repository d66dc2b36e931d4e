//! Near-duplicates: the same two texts under the same question, in this bundle or an earlier one.

use std::collections::BTreeSet;

use lode_proto::id::Hash;
use lode_tasks::types::Task;

use super::{Drops, Kind, Pair};
use crate::derive::Group;

/// A text without differences of case and spacing.
pub(crate) fn normalised(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.extend(word.chars().flat_map(char::to_lowercase));
    }
    out
}

/// What is left of a task without its names and numbers: questions and constraints with every
/// entity as `@` and every digit as `#`.
fn skeleton(task: &Task) -> String {
    let mut lines: Vec<String> =
        task.questions.iter().map(|question| question.text.clone()).collect();
    lines.extend(task.constraints.iter().map(|constraint| constraint.0.clone()));
    let mut text = lines.join("\n");
    // Longer names first, so that none is cut by a shorter one inside it.
    let mut names: Vec<&str> = task.roster.iter().map(|entry| entry.name.as_str()).collect();
    names.sort_by_key(|name| (std::cmp::Reverse(name.len()), *name));
    for name in names.into_iter().filter(|name| !name.is_empty()) {
        text = text.replace(name, "@");
    }
    text.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect()
}

/// What two pairs share that are near-duplicates: kind, task skeleton and both texts without
/// differences of case and spacing.
#[must_use]
pub fn fingerprint(kind: Kind, task: &Task, chosen: &str, rejected: &str) -> Hash {
    Hash::derive_parts(
        "lode/1/pair-fingerprint",
        &[
            kind.name().as_bytes(),
            skeleton(task).as_bytes(),
            normalised(chosen).as_bytes(),
            normalised(rejected).as_bytes(),
        ],
    )
}

/// The fingerprint of a pair of a group; `None` only for a pair that does not belong to it.
pub(crate) fn of_pair(groups: &[Group], pair: &Pair) -> Option<Hash> {
    let group = groups.get(pair.group)?;
    let text = |at: usize| std::str::from_utf8(&group.attempts.get(at)?.attempt.completion).ok();
    Some(fingerprint(pair.kind, &group.task.task, text(pair.chosen)?, text(pair.rejected)?))
}

/// Keeps the first of each fingerprint, and none that was published before.
pub(crate) fn drop_duplicates(
    groups: &[Group],
    pairs: Vec<Pair>,
    kind: Kind,
    earlier: &BTreeSet<Hash>,
    drops: &mut Drops<'_>,
) -> Vec<Pair> {
    let mut seen = BTreeSet::new();
    pairs
        .into_iter()
        .filter(|pair| {
            let Some(print) = of_pair(groups, pair) else { return false };
            let reason = if earlier.contains(&print) {
                "published_before"
            } else if seen.insert(print) {
                return true;
            } else {
                "near_duplicate"
            };
            drops.pair(kind, reason);
            false
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_spacing_do_not_count() {
        assert_eq!(normalised("  Volt  Link\n<trace>\t"), "volt link <trace>");
        assert_ne!(normalised("e1: 42"), normalised("e1: 43"));
    }
}
