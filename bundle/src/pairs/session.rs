//! Pairs along the conversation of a revision session: what came of feedback.

use lode_proto::session::MAX_TURNS;

use super::{
    Drops, Kind, Pair,
    candidates::{Edge, edge, unread},
    dedup,
    matching::config,
    pair_id,
};
use crate::derive::{GradedAttempt, Group};

/// The pairs of kind `sequential` or `bookend` of a session, the latest turn first, so that what
/// passes at last is used.
pub(crate) fn pairs(at: usize, group: &Group, kind: Kind, drops: &mut Drops<'_>) -> Vec<Pair> {
    let chain: Vec<usize> = (0..MAX_TURNS)
        .map(|turn| group.session.continued(turn) as usize)
        .filter(|place| *place < group.attempts.len())
        .collect();
    let candidates: Vec<(usize, usize)> = match (kind, chain.as_slice()) {
        (Kind::Sequential, chain) => {
            chain.iter().copied().zip(chain.iter().copied().skip(1)).rev().collect()
        }
        // Of two turns, first and last are those of `sequential`.
        (Kind::Bookend, [first, _, .., last]) => vec![(*first, *last)],
        _ => Vec::new(),
    };
    let mut used = vec![false; group.attempts.len()];
    let mut pairs = Vec::new();
    for (rejected_at, chosen_at) in candidates {
        let (Some(rejected), Some(chosen)) =
            (group.attempts.get(rejected_at), group.attempts.get(chosen_at))
        else {
            continue;
        };
        if used[rejected_at] || used[chosen_at] {
            drops.pair(kind, "attempt_stands_in_another");
            continue;
        }
        if let Some(reason) = unfit(kind, chosen, rejected) {
            drops.pair(kind, reason);
            continue;
        }
        used[rejected_at] = true;
        used[chosen_at] = true;
        pairs.push(Pair {
            id: pair_id(kind, chosen, rejected),
            kind,
            config: config(kind),
            group: at,
            chosen: chosen_at,
            rejected: rejected_at,
            trap: None,
        });
    }
    pairs
}

/// Why two attempts of a conversation make no pair.
fn unfit(kind: Kind, chosen: &GradedAttempt, rejected: &GradedAttempt) -> Option<&'static str> {
    let text = |one: &GradedAttempt| {
        std::str::from_utf8(&one.attempt.completion).ok().map(dedup::normalised)
    };
    let (Some(later), Some(earlier)) = (text(chosen), text(rejected)) else {
        return Some("not_utf8");
    };
    if let Some(reason) = unread(&chosen.verdict).or_else(|| unread(&rejected.verdict)) {
        return Some(reason);
    }
    if later == earlier {
        return Some("unchanged");
    }
    let better = edge(kind, &chosen.verdict, &rejected.verdict) != Edge::None;
    (!better).then_some("not_better")
}
