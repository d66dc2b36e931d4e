//! Who is paired with whom: as many pairs as there can be, default ones first, near in length.
//!
//! A group is a bipartite graph of at most 64 attempts; the matching is the optimum of an integer
//! assignment problem (Kuhn 1955, Munkres 1957; the O(n³) form with potentials), so it does not
//! depend on the platform. Of the matchings with the most default pairs, and of those with the most
//! pairs in all, it takes the one with the smallest sum of length differences, where a difference
//! that adds to the surplus of the groups before (chosen longer, or rejected longer) counts three
//! times. Ties go to the lower attempt number.

use super::{
    Config, Drops, Kind, Pair,
    candidates::{Edge, Sides, edge},
    pair_id,
};
use crate::derive::Group;

/// Largest length difference that is told apart, bytes.
const LONGEST_DIFFERENCE: i64 = 1 << 18;
/// More than the cost of a whole matching's length differences.
const MIXED_GAIN: i64 = 65 * 4 * LONGEST_DIFFERENCE;
/// More than the gain of a whole matching of mixed pairs.
const DEFAULT_GAIN: i64 = 65 * MIXED_GAIN;
const _: () = {
    // 64 is the largest group; a difference counts up to three times.
    assert!(MIXED_GAIN > 64 * 3 * LONGEST_DIFFERENCE);
    assert!(DEFAULT_GAIN > 64 * MIXED_GAIN);
    assert!(DEFAULT_GAIN.checked_mul(65).is_some());
};

/// The pairs of a group. `surplus` is chosen-longer minus rejected-longer so far.
pub(crate) fn pair_up(
    at: usize,
    group: &Group,
    kind: Kind,
    sides: &Sides,
    surplus: &mut i64,
    drops: &mut Drops<'_>,
) -> Vec<Pair> {
    let size = sides.chosen.len().max(sides.rejected.len());
    let find = |chosen: usize, rejected: usize| {
        let chosen = group.attempts.get(*sides.chosen.get(chosen)?)?;
        let rejected = group.attempts.get(*sides.rejected.get(rejected)?)?;
        Some((chosen, rejected, edge(kind, &chosen.verdict, &rejected.verdict)))
    };
    let cost = |row: usize, column: usize| {
        let Some((chosen, rejected, edge)) = find(row, column) else { return 0 };
        let gain = match edge {
            Edge::None => return 0,
            Edge::Default(_) => DEFAULT_GAIN,
            Edge::Mixed => MIXED_GAIN,
        };
        let difference = length(&chosen.attempt.completion) - length(&rejected.attempt.completion);
        let weight = if difference.signum() == surplus.signum() { 3 } else { 1 };
        weight * difference.abs().min(LONGEST_DIFFERENCE) - gain
    };
    let assigned = assign(size, &cost);
    let mut pairs = Vec::new();
    let mut paired = vec![false; group.attempts.len()];
    for (row, column) in assigned.into_iter().enumerate() {
        let Some((chosen, rejected, edge)) = find(row, column) else { continue };
        let (config, trap) = match edge {
            Edge::None => continue,
            Edge::Mixed if kind == Kind::Group => (Config::Mixed, None),
            Edge::Mixed => (config(kind), None),
            Edge::Default(trap) => (config(kind), trap),
        };
        let difference = length(&chosen.attempt.completion) - length(&rejected.attempt.completion);
        *surplus += difference.signum();
        let (chosen_at, rejected_at) = (sides.chosen[row], sides.rejected[column]);
        paired[chosen_at] = true;
        paired[rejected_at] = true;
        pairs.push(Pair {
            id: pair_id(kind, chosen, rejected),
            kind,
            config,
            group: at,
            chosen: chosen_at,
            rejected: rejected_at,
            trap,
        });
    }
    for (side, other, alone, left) in [
        (&sides.chosen, &sides.rejected, "nothing_to_reject", "surplus_chosen"),
        (&sides.rejected, &sides.chosen, "nothing_to_choose", "surplus_rejected"),
    ] {
        let reason = if other.is_empty() { alone } else { left };
        for at in side {
            if !paired[*at] {
                drops.attempt(kind, reason);
            }
        }
    }
    pairs
}

/// Where pairs of a kind are published unless they are left out of it.
pub(crate) fn config(kind: Kind) -> Config {
    match kind {
        Kind::Group => Config::Pairs,
        Kind::Trap => Config::Trap,
        Kind::Revision => Config::Revision,
        Kind::Sequential | Kind::Bookend => Config::Sequential,
    }
}

/// Length of a completion, bytes.
pub(crate) fn length(completion: &[u8]) -> i64 {
    i64::try_from(completion.len()).unwrap_or(i64::MAX)
}

/// The column of each row in a cheapest assignment of a square matrix.
fn assign(size: usize, cost: &dyn Fn(usize, usize) -> i64) -> Vec<usize> {
    // Index 0 of rows and columns is the usual sentinel; real ones begin at 1.
    let far = i64::MAX / 4;
    let (mut row_potential, mut column_potential) = (vec![0; size + 1], vec![0; size + 1]);
    let mut row_of = vec![0; size + 1];
    for row in 1..=size {
        row_of[0] = row;
        let mut column = 0;
        let mut slack = vec![far; size + 1];
        let mut came_from = vec![0; size + 1];
        let mut done = vec![false; size + 1];
        while row_of[column] != 0 {
            done[column] = true;
            let (current, mut step, mut next) = (row_of[column], far, 0);
            for other in 1..=size {
                if done[other] {
                    continue;
                }
                let reduced =
                    cost(current - 1, other - 1) - row_potential[current] - column_potential[other];
                if reduced < slack[other] {
                    slack[other] = reduced;
                    came_from[other] = column;
                }
                if slack[other] < step {
                    step = slack[other];
                    next = other;
                }
            }
            for other in 0..=size {
                if done[other] {
                    row_potential[row_of[other]] += step;
                    column_potential[other] -= step;
                } else {
                    slack[other] -= step;
                }
            }
            column = next;
        }
        while column != 0 {
            let before = came_from[column];
            row_of[column] = row_of[before];
            column = before;
        }
    }
    let mut columns = vec![0; size];
    for column in 1..=size {
        columns[row_of[column] - 1] = column - 1;
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The cheapest of all assignments, by trying each.
    fn by_force(costs: &[Vec<i64>]) -> i64 {
        fn go(costs: &[Vec<i64>], row: usize, used: &mut Vec<bool>) -> i64 {
            let Some(line) = costs.get(row) else { return 0 };
            let mut best = i64::MAX;
            for column in 0..line.len() {
                if !used[column] {
                    used[column] = true;
                    best = best.min(line[column] + go(costs, row + 1, used));
                    used[column] = false;
                }
            }
            best
        }
        go(costs, 0, &mut vec![false; costs.len()])
    }

    proptest! {
        #[test]
        fn finds_the_optimum(costs in (1_usize..6).prop_flat_map(|n| {
            proptest::collection::vec(proptest::collection::vec(-1000_i64..1000, n), n)
        })) {
            let found = assign(costs.len(), &|row, column| costs[row][column]);
            let total: i64 = found.iter().enumerate().map(|(row, column)| costs[row][*column]).sum();
            prop_assert_eq!(total, by_force(&costs));
            let mut columns = found.clone();
            columns.sort_unstable();
            prop_assert_eq!(columns, (0..costs.len()).collect::<Vec<_>>());
        }
    }
}
