//! Planned kills: each role is killed with -9 at named points of its event flow, a given number of
//! times, and started again. For tests; the points are drawn from a seed that is printed.

use std::{collections::BTreeMap, os::unix::process::ExitStatusExt, process::ExitStatus};

use lode_node::killpoint;
use lode_proto::id::Hash;

/// Points of each role's event flow, and how often a point may be passed before it kills: what is
/// reached all the time must be passed more often, or a run would never get anywhere.
const POINTS: [(&str, &[(&str, u64)]); 3] = [
    (
        "coordinator",
        &[
            ("log:before-write", 60),
            ("log:written", 60),
            ("log:flushed", 60),
            ("log:synced", 60),
            ("coordinator:lease_issued:decided", 3),
            ("coordinator:lease_issued:synced", 3),
            ("coordinator:group_committed:decided", 3),
            ("coordinator:group_committed:replied", 3),
            ("coordinator:attempt_accepted:decided", 12),
            ("coordinator:attempt_accepted:synced", 12),
            ("coordinator:attempt_accepted:replied", 12),
            ("coordinator:turn_graded:decided", 2),
            ("coordinator:turn_graded:synced", 2),
            ("coordinator:turn_committed:replied", 2),
            ("coordinator:group_sealed:synced", 3),
            ("coordinator:verdict_revealed:synced", 4),
            ("coordinator:settled:synced", 3),
        ],
    ),
    (
        "miner",
        &[
            ("miner:leased", 2),
            ("miner:generated", 2),
            ("miner:kept", 2),
            ("miner:committed", 2),
            ("miner:feedback", 2),
            ("miner:receipted", 12),
            ("miner:receipt-logged", 12),
            ("log:written", 12),
        ],
    ),
    (
        "verifier",
        &[
            ("verifier:graded", 2),
            ("verifier:verdict-kept", 2),
            ("verifier:reveal", 2),
            ("log:written", 4),
        ],
    ),
];

/// Points at the end of an epoch, each of which kills the coordinator once.
const AT_THE_END: &[&str] = &[
    "coordinator:epoch_closed:synced",
    "coordinator:bundle:begin",
    "coordinator:bundle:staged",
    "coordinator:bundle:signing",
    "coordinator:bundle:signed",
];

/// A lone point kills at one of so many of its first times.
const MOST_OF_ONE_POINT: u64 = 6;

/// SIGKILL and SIGABRT.
const KILLED: [i32; 2] = [9, 6];

/// Which kills are to come.
#[derive(Debug, Clone)]
pub(crate) struct Kills {
    each: u32,
    seed: u64,
    /// The one point to kill at, where not at any.
    only: Option<String>,
    draws: u64,
    /// How many of [`AT_THE_END`] have come true.
    ends: u64,
    planned: BTreeMap<String, bool>,
    done: BTreeMap<String, u32>,
}

impl Kills {
    /// `each` kills of every role, drawn from `seed`.
    pub(crate) fn new(each: u32, seed: u64, only: Option<String>) -> Self {
        let (planned, done) = (BTreeMap::new(), BTreeMap::new());
        Self { each, seed, only, draws: 0, ends: 0, planned, done }
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
        let points = POINTS.iter().find(|(known, _)| *known == role).map(|(_, points)| *points);
        let left = self.done.get(&role).copied().unwrap_or(0) < self.each;
        let Some(points) = points.filter(|_| left) else { return Vec::new() };
        let place = usize::try_from(self.draw(points.len() as u64)).unwrap_or(0);
        let (point, most) = match &self.only {
            Some(only) => (only.as_str(), MOST_OF_ONE_POINT),
            None => points[place],
        };
        let point = point.to_owned();
        let nth = 1 + self.draw(most);
        let mut plan = format!("{point}:{nth}");
        if role == "coordinator"
            && let Some(end) = AT_THE_END.get(usize::try_from(self.ends).unwrap_or(usize::MAX))
        {
            // Whichever of the two is reached first.
            plan.push_str(&format!(",{end}:1"));
        }
        self.planned.insert(name.to_owned(), true);
        vec![(killpoint::VARIABLE.to_owned(), plan)]
    }

    /// Whether this end was a planned kill; counts it. `words` are the child's last.
    pub(crate) fn was_planned(&mut self, name: &str, status: ExitStatus, words: &str) -> bool {
        let killed = status.signal().is_some_and(|signal| KILLED.contains(&signal));
        let planned = self.planned.insert(name.to_owned(), false).unwrap_or(false);
        if killed && AT_THE_END.iter().any(|point| words.contains(point)) {
            self.ends += 1;
        }
        if killed && planned {
            *self.done.entry(Self::role(name).to_owned()).or_default() += 1;
        }
        killed && planned
    }
}
