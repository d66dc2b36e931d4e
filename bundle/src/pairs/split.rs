//! Train, validation and test, by task: no document stands in two of them.

use std::collections::BTreeMap;

use lode_proto::id::{Hash, TaskId};

use super::{Config, Pair, Split};
use crate::derive::Group;

/// Share of the tasks in `validation`, and in `test`, percent.
const HELD_OUT_PERCENT: u64 = 5;

fn bucket(task: &TaskId) -> u64 {
    let hash = Hash::derive("lode/1/split", task.0.as_bytes());
    let mut eight = [0; 8];
    eight.copy_from_slice(&hash.0[..8]);
    u64::from_le_bytes(eight)
}

/// The split of every graded task: a function of its id alone, but for a bundle too small to have a
/// default pair in `train`; there, the task with default pairs and the lowest hash is moved to it.
pub(crate) fn splits(groups: &[Group], pairs: &[Pair]) -> BTreeMap<TaskId, Split> {
    let mut splits: BTreeMap<TaskId, Split> = groups
        .iter()
        .map(|group| {
            let split = match bucket(&group.task.id) % 100 {
                b if b < HELD_OUT_PERCENT => Split::Validation,
                b if b < 2 * HELD_OUT_PERCENT => Split::Test,
                _ => Split::Train,
            };
            (group.task.id, split)
        })
        .collect();
    for config in Config::OF_PAIRS.into_iter().chain([Config::Attempts]) {
        let mut tasks: Vec<TaskId> = match config {
            Config::Attempts => splits.keys().copied().collect(),
            _ => pairs
                .iter()
                .filter(|pair| pair.config == config)
                .filter_map(|pair| groups.get(pair.group).map(|group| group.task.id))
                .collect(),
        };
        if tasks.iter().any(|task| splits.get(task) == Some(&Split::Train)) {
            continue;
        }
        tasks.sort_by_key(bucket);
        if let Some(first) = tasks.first() {
            splits.insert(*first, Split::Train);
        }
    }
    splits
}
