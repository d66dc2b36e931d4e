//! Planned kills: each role is killed with -9 at named points of its event flow, a given number of
//! times, and started again. For tests; the points are drawn from a seed that is printed.

use std::{collections::BTreeMap, os::unix::process::ExitStatusExt, process::ExitStatus};

use lode_node::killpoint;
use lode_proto::id::Hash;

/// Points of each role's event flow.
const POINTS: [(&str, &[&str]); 3] = [
    (
        "coordinator",
        &[
            "log:before-write",
            "log:written",
            "log:synced",
            "coordinator:bundle:begin",
            "coordinator:bundle:staged",
            "coordinator:bundle:signing",
            "coordinator:bundle:signed",
        ],
    ),
    (
        "miner",
        &["miner:leased", "miner:generated", "miner:kept", "miner:committed", "miner:receipted"],
    ),
    ("verifier", &["verifier:graded", "verifier:verdict-kept", "verifier:reveal"]),
];

/// SIGKILL and SIGABRT.
const KILLED: [i32; 2] = [9, 6];

/// Which kills are to come.
#[derive(Debug, Clone)]
pub(crate) struct Kills {
    each: u32,
    seed: u64,
    draws: u64,
    planned: BTreeMap<String, bool>,
    done: BTreeMap<String, u32>,
}

impl Kills {
    /// `each` kills of every role, drawn from `seed`.
    pub(crate) fn new(each: u32, seed: u64) -> Self {
        Self { each, seed, draws: 0, planned: BTreeMap::new(), done: BTreeMap::new() }
    }

    /// What to say before the run.
    pub(crate) fn announce(&self) -> Option<String> {
        (self.each > 0)
            .then(|| format!("each role is killed {} times, kill seed {}", self.each, self.seed))
    }

    /// Kills so far, by role.
    pub(crate) fn done(&self) -> BTreeMap<String, u32> {
        self.done.clone()
    }

    fn role(name: &str) -> &str {
        name.split('-').next().unwrap_or(name)
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.draws += 1;
        let bytes = [self.seed.to_le_bytes(), self.draws.to_le_bytes()].concat();
        let hash = Hash::derive("lode/1/devnet-kill", &bytes);
        let mut eight = [0; 8];
        eight.copy_from_slice(&hash.0[..8]);
        u64::from_le_bytes(eight) % below.max(1)
    }

    /// The environment for the next start of a child.
    pub(crate) fn environment(&mut self, name: &str) -> Vec<(String, String)> {
        let role = Self::role(name).to_owned();
        // One of a role's children at a time, so that the others make the work go on.
        let others = self.planned.iter().any(|(other, on)| *on && Self::role(other) == role);
        let points = POINTS.iter().find(|(known, _)| *known == role).map(|(_, points)| *points);
        let left = self.done.get(&role).copied().unwrap_or(0) < self.each;
        let Some(points) = points.filter(|_| left && !others) else { return Vec::new() };
        let place = usize::try_from(self.draw(points.len() as u64)).unwrap_or(0);
        let nth = 1 + self.draw(3);
        self.planned.insert(name.to_owned(), true);
        vec![(killpoint::VARIABLE.to_owned(), format!("{}:{nth}", points[place]))]
    }

    /// Whether this end was a planned kill; counts it.
    pub(crate) fn was_planned(&mut self, name: &str, status: ExitStatus) -> bool {
        let killed = status.signal().is_some_and(|signal| KILLED.contains(&signal));
        let planned = self.planned.insert(name.to_owned(), false).unwrap_or(false);
        if killed && planned {
            *self.done.entry(Self::role(name).to_owned()).or_default() += 1;
        }
        killed && planned
    }
}
