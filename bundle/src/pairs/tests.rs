//! Properties of the pair builder over real groups, and over many made from them.

use std::collections::{BTreeMap, BTreeSet};

use lode_proto::{
    id::{AttemptId, TaskId},
    session::Session,
};
use lode_tasks::types::FailureClass;

use super::{Config, ENFORCED_FROM, Kind, PairSet, Split, build, candidates, dedup};
use crate::{
    common::World,
    derive::{self, Group, StoredTasks},
    engine::BuiltinEngine,
};

fn groups(counters: u64) -> Vec<Group> {
    groups_of(&World::new(counters))
}

fn groups_of(world: &World) -> Vec<Group> {
    let derived = derive::derive(&world.record, &BuiltinEngine, &StoredTasks::new(), 2);
    assert_eq!(derived.findings, Vec::new());
    derived.groups
}

/// attempts = 2 × pairs + 2 × pairs dropped + attempts dropped, for each kind.
fn assert_every_attempt_is_counted(groups: &[Group], set: &PairSet) {
    let attempts: u64 = groups.iter().map(|group| group.attempts.len() as u64).sum();
    for kind in [Kind::Group, Kind::Trap] {
        let sum = |prefix: String| -> u64 {
            set.dropped.iter().filter(|(k, _)| k.starts_with(&prefix)).map(|(_, n)| n).sum()
        };
        let pairs = set.pairs.iter().filter(|pair| pair.kind == kind).count() as u64;
        let dropped_pairs = sum(format!("{}_pairs/", kind.name()));
        let dropped = sum(format!("{}/", kind.name()));
        assert_eq!(attempts, 2 * pairs + 2 * dropped_pairs + dropped, "{kind:?} {:?}", set.dropped);
    }
}

#[test]
fn pairs_are_what_their_kind_says() {
    let groups = groups(24);
    let set = build(&groups, &BTreeSet::new());
    assert!(set.of(Config::Pairs).count() >= 10, "{:?}", set.dropped);
    assert!(set.of(Config::Trap).count() >= 5, "{:?}", set.dropped);
    assert!(set.of(Config::Mixed).count() >= 1, "{:?}", set.dropped);
    assert_every_attempt_is_counted(&groups, &set);
    let mut used: BTreeSet<(Kind, AttemptId)> = BTreeSet::new();
    for pair in &set.pairs {
        let group = &groups[pair.group];
        let (chosen, rejected) = (&group.attempts[pair.chosen], &group.attempts[pair.rejected]);
        assert!(used.insert((pair.kind, chosen.id)) && used.insert((pair.kind, rejected.id)));
        assert_eq!(chosen.attempt.policy, rejected.attempt.policy);
        assert!(std::str::from_utf8(&rejected.attempt.completion).is_ok());
        let class = rejected.verdict.failure;
        assert!(!matches!(class, Some(FailureClass::Cap | FailureClass::Format)));
        let parts = |one: &crate::derive::GradedAttempt| candidates::parts(&one.verdict);
        let (good, bad) = (parts(chosen), parts(rejected));
        assert!(good.iter().zip(&bad).all(|(good, bad)| good >= bad));
        match pair.kind {
            Kind::Group => {
                assert!(chosen.verdict.passes() && class.is_some());
                assert_eq!(pair.config == Config::Pairs, class != Some(FailureClass::Constraint));
            }
            Kind::Trap => assert!(pair.trap.is_some() && class == Some(FailureClass::Trap)),
            Kind::Revision | Kind::Sequential | Kind::Bookend => panic!("there is no session"),
        }
    }
    for config in Config::ALL {
        for split in Split::ALL {
            let of = set.of(config).filter(|p| set.split(&groups[p.group].task.id) == split);
            let of_groups = [Config::Pairs, Config::Trap, Config::Mixed].contains(&config);
            if split == Split::Train && of_groups {
                assert!(of.count() > 0, "{config:?} has no train");
            }
        }
    }
}

#[test]
fn pairs_of_sessions_are_what_their_kind_says() {
    let groups = groups_of(&World::of_sessions(24));
    let set = build(&groups, &BTreeSet::new());
    let mut used: BTreeSet<(Kind, AttemptId)> = BTreeSet::new();
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for pair in &set.pairs {
        let group = &groups[pair.group];
        let (chosen, rejected) = (&group.attempts[pair.chosen], &group.attempts[pair.rejected]);
        assert!(used.insert((pair.kind, chosen.id)) && used.insert((pair.kind, rejected.id)));
        assert_eq!(pair.kind.session(), group.session, "{pair:?}");
        *kinds.entry(pair.kind.name()).or_default() += 1;
        let turns = [chosen, rejected].map(|one| group.session.turn_of(one.attempt.index));
        match pair.kind {
            Kind::Group | Kind::Trap => assert!(chosen.conversation.is_none()),
            Kind::Revision => {
                assert_eq!(pair.config, Config::Revision);
                assert!(turns[0] == turns[1] && turns[0] > 0);
                assert!(chosen.verdict.passes() && !rejected.verdict.passes());
                let seen = chosen.conversation.as_ref().expect("a conversation");
                assert_eq!(Some(seen), rejected.conversation.as_ref());
                assert!(seen.starts_with(&group.task.prompt) && seen.contains("Feedback: "));
            }
            Kind::Sequential => {
                assert_eq!((pair.config, turns[0]), (Config::Sequential, turns[1] + 1));
            }
            Kind::Bookend => {
                assert_eq!((pair.config, turns), (Config::Sequential, [2, 0]));
            }
        }
    }
    // Every kind of session of the fixture stands in the epoch several times.
    for kind in ["group", "trap", "revision", "sequential", "bookend"] {
        assert!(kinds.get(kind).is_some_and(|count| *count >= 1), "{kind}: {kinds:?}");
    }
    // An attempt that is a rerun of a session's is in no pair of groups.
    let attempts = |session| -> usize {
        groups.iter().filter(|one| one.session == session).map(|one| one.attempts.len()).sum()
    };
    assert!(attempts(Session::Revision) >= 10 && attempts(Session::Group) >= 40);
}

#[test]
fn the_order_of_files_is_the_order_of_pairs() {
    let groups = groups(24);
    let set = build(&groups, &BTreeSet::new());
    let place = |pair: &super::Pair| (pair.config, set.split(&groups[pair.group].task.id));
    assert!(set.pairs.is_sorted_by_key(place));
    assert_eq!(build(&groups, &BTreeSet::new()), set);
}

#[test]
fn what_was_published_before_is_dropped() {
    let groups = groups(12);
    let first = build(&groups, &BTreeSet::new());
    let earlier: BTreeSet<_> =
        first.pairs.iter().filter_map(|pair| dedup::of_pair(&groups, pair)).collect();
    let second = build(&groups, &earlier);
    assert_eq!(second.pairs, Vec::new());
    assert_every_attempt_is_counted(&groups, &second);
    let published = second.dropped.get("group_pairs/published_before").copied().unwrap_or(0)
        + second.dropped.get("trap_pairs/published_before").copied().unwrap_or(0);
    assert_eq!(published, first.pairs.len() as u64);
}

#[test]
fn a_train_split_is_never_empty() {
    for counters in 1..8 {
        let groups = groups(counters);
        let set = build(&groups, &BTreeSet::new());
        for config in [Config::Pairs, Config::Trap, Config::Mixed] {
            let mut of = set.of(config).peekable();
            let train = of.peek().is_none()
                || of.any(|pair| set.split(&groups[pair.group].task.id) == Split::Train);
            assert!(train, "{counters} counters, {config:?}");
        }
    }
}

/// Many groups from a few real ones: other task ids, and texts changed by `change`.
fn many(count: usize, change: impl Fn(usize, bool, &mut String)) -> Vec<Group> {
    let real: Vec<Group> = groups(24);
    let pairs = build(&real, &BTreeSet::new());
    let pairs: Vec<_> = pairs.of(Config::Pairs).cloned().collect();
    (0..count)
        .map(|at| {
            let pair = &pairs[at % pairs.len()];
            let mut group = real[pair.group].clone();
            group.counter = at as u64;
            let id = TaskId::of(&at.to_le_bytes());
            let mut task = (*group.task).clone();
            task.id = id;
            group.task = task.into();
            let sides = [(pair.chosen, true), (pair.rejected, false)];
            group.attempts = sides
                .into_iter()
                .map(|(side, chosen)| {
                    let mut one = group.attempts[side].clone();
                    let mut text = String::from_utf8(one.attempt.completion.clone()).unwrap();
                    change(at, chosen, &mut text);
                    one.attempt.completion = text.into_bytes();
                    one.id = one.attempt.id().unwrap();
                    one
                })
                .collect();
            group
        })
        .collect()
}

#[test]
fn length_is_balanced_from_five_hundred_pairs_up() {
    let longer = |at: usize, chosen: bool, text: &mut String| {
        // Four fifths of the chosen sides are longer; every text is another.
        let long = chosen != at.is_multiple_of(5);
        text.push_str(&format!("{at}{}", "x".repeat(if long { 700 + at } else { 0 })));
    };
    let small = build(&many(ENFORCED_FROM - 100, longer), &BTreeSet::new());
    assert_eq!(small.of(Config::Mixed).count(), 0);
    assert!(small.length["pairs"].right_milli > 750);

    let groups = many(900, longer);
    let set = build(&groups, &BTreeSet::new());
    let reader = set.length["pairs"];
    assert!((480..=520).contains(&reader.right_milli), "{reader:?}");
    assert!(set.dropped["moved_to_mixed/length_balance"] > 0);
    assert_every_attempt_is_counted(&groups, &set);
}

#[test]
fn the_probe_finds_a_tell_and_only_a_tell() {
    let tell = |at: usize, chosen: bool, text: &mut String| {
        text.push_str(&format!("{} {at}", if chosen { "certainly" } else { "obviously" }));
    };
    let told = build(&many(200, tell), &BTreeSet::new());
    assert!(told.probe["pairs"].auc_milli > 950, "{:?}", told.probe);
    let groups = many(200, |at, chosen, text| {
        // The same words on both sides: the real text is replaced as well.
        *text = format!("words {} {}", (at * 7919) % 97, at % 3);
        text.push_str(&format!(" {}", if chosen { at * 2 } else { at * 2 + 1 }));
    });
    let blind = build(&groups, &BTreeSet::new());
    let area = blind.probe["pairs"].auc_milli;
    // Steps and lines of the real verdicts still differ a little.
    assert!(area < 800, "{:?}", blind.probe);
}

#[test]
fn the_probe_is_enforced_from_five_hundred_pairs_up() {
    // A fifth of the pairs has a tell.
    let groups = many(700, |at, chosen, text| {
        let word = if at % 5 == 0 { if chosen { "certainly" } else { "obviously" } } else { "and" };
        text.push_str(&format!("{word} {at} {}", usize::from(chosen)));
    });
    let set = build(&groups, &BTreeSet::new());
    let moved = set.dropped.get("moved_to_mixed/probe").copied().unwrap_or(0);
    let area = set.probe["pairs"].auc_milli;
    assert!(area <= 600 || set.of(Config::Pairs).count() < ENFORCED_FROM || moved > 300, "{area}");
    assert_every_attempt_is_counted(&groups, &set);
}

#[test]
fn sides_of_a_pair_are_near_in_length() {
    let groups = groups(24);
    let set = build(&groups, &BTreeSet::new());
    let mut by_group: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
    for pair in set.of(Config::Pairs) {
        let bytes = |at: usize| groups[pair.group].attempts[at].attempt.completion.len() as i64;
        by_group.entry(pair.group).or_default().push(bytes(pair.chosen) - bytes(pair.rejected));
    }
    assert!(!by_group.is_empty());
    let reader = set.length["pairs"];
    assert_eq!(reader.pairs, set.of(Config::Pairs).count());
    assert!(reader.interval_milli.0 <= reader.right_milli);
}
