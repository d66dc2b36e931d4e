//! Adaptive difficulty: which profile a policy's next tasks have, so that about half of its attempts
//! pass. A group gives pairs where some attempts pass and some fail, so most at one half.
//!
//! A pure integer rule, applied by the coordinator as groups are graded and again by every auditor in
//! the order of the ledger:
//!
//! ```text
//! graded group (policy, account, profile, passed of attempts) ─► observe ─► window of that profile
//! windows ─► due(policy) ─► Step { from, to, why } ─► apply           each a ledger entry
//! ```
//!
//! A policy stands at one profile and moves only to a neighbour of it among those that the campaign
//! allows. It moves when its pass rate lies further from one half than [`BAND_MILLI`] and a margin for
//! few groups together, and the neighbour is unknown or is known to do better by half
//! ([`GAIN`]). What was found at a profile is remembered there, so a model that is too good for one
//! profile and too weak for the next settles at the better one of the two. What its neighbours gave is
//! forgotten after [`REVISIT_GROUPS`] groups, as other miners may run the policy by then.
//!
//! A policy is pooled over all miners that run it: where several do, the groups of one account count no
//! more than those of all others together, so no miner moves a model alone. (An account that is the only
//! one is the whole pool. To do badly on purpose gains it nothing: credits depend on tokens, not on
//! profiles or passes.)

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::{
    epoch::{Campaign, Level},
    id::PolicyId,
    key::PublicKey,
    limits::MAX_ADAPTED_POLICIES,
    task::Profile,
};

/// Groups that an estimate rests on at most: the newest of a policy at a profile.
pub const WINDOW_GROUPS: usize = 64;
/// Groups below which nothing is decided.
pub const MIN_GROUPS: u64 = 8;
/// Distance of the pass rate from one half that is always right, thousandths.
pub const BAND_MILLI: u64 = 150;
/// Added to the band: this over the root of the number of groups, thousandths. The standard error of
/// the rate where all attempts at a task pass or fail together.
pub const MARGIN_MILLI: u64 = 500;
/// Groups at a profile after which what its neighbours gave is forgotten.
pub const REVISIT_GROUPS: u64 = 512;
/// How many times better a known neighbour must do, as a fraction: three halves. Less would be within
/// the noise of two windows, and a model between two profiles would go to and fro.
pub const GAIN: (u64, u64) = (3, 2);

/// One graded group, as the rule sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graded {
    /// What wrote it.
    pub policy: PolicyId,
    /// The account of the miner that ran it.
    pub account: PublicKey,
    /// The task's profile.
    pub profile: Profile,
    /// Attempts that pass.
    pub passed: u32,
    /// Attempts.
    pub attempts: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// Number among all groups of the window, those that left it included.
    number: u64,
    account: PublicKey,
    passed: u32,
    attempts: u32,
}

/// The newest groups of a policy at one profile, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Window {
    next: u64,
    entries: VecDeque<Entry>,
}

impl Window {
    fn push(&mut self, account: PublicKey, passed: u32, attempts: u32) {
        let number = self.next;
        self.next += 1;
        self.entries.retain(|held| number - held.number < REVISIT_GROUPS);
        let own = self.entries.iter().filter(|held| held.account == account).count();
        let out = if own >= WINDOW_GROUPS / 2 {
            self.entries.iter().position(|held| held.account == account)
        } else {
            (self.entries.len() >= WINDOW_GROUPS).then_some(0)
        };
        if let Some(place) = out {
            self.entries.remove(place);
        }
        self.entries.push_back(Entry { number, account, passed, attempts });
    }

    /// All groups, but of an account with more than all others together only its newest.
    fn evidence(&self) -> Evidence {
        let mut counts: BTreeMap<PublicKey, usize> = BTreeMap::new();
        for entry in &self.entries {
            *counts.entry(entry.account).or_default() += 1;
        }
        let largest = counts.iter().max_by_key(|(_, count)| **count).map(|(key, n)| (*key, *n));
        let (account, most) = largest.unzip();
        let most = most.unwrap_or(0);
        let others = self.entries.len() - most;
        let mut left_out = if others > 0 { most.saturating_sub(others) } else { 0 };
        let mut evidence = Evidence::default();
        for entry in &self.entries {
            if Some(entry.account) == account && left_out > 0 {
                left_out -= 1;
                continue;
            }
            evidence.groups += 1;
            evidence.passed += u64::from(entry.passed);
            evidence.attempts += u64::from(entry.attempts);
        }
        evidence
    }
}

/// What an estimate rests on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Groups in the window.
    pub groups: u64,
    /// Attempts in them that pass.
    pub passed: u64,
    /// Attempts in them.
    pub attempts: u64,
}

impl Evidence {
    /// The pass rate in thousandths, with one pass and one failure added, so that it is never sure.
    #[must_use]
    pub fn rate_milli(&self) -> u64 {
        (self.passed.saturating_add(1)).saturating_mul(1000) / self.attempts.saturating_add(2)
    }

    /// Whether a decision may rest on it.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.groups >= MIN_GROUPS
    }

    /// How far from one half the rate may lie, thousandths.
    fn tolerance_milli(&self) -> u64 {
        BAND_MILLI + MARGIN_MILLI / self.groups.isqrt().max(1)
    }

    /// How fast pairs are made, in millionths: passes times failures.
    fn pairing(&self) -> u64 {
        let rate = self.rate_milli().min(1000);
        rate * (1000 - rate)
    }
}

/// Why a policy is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It passes too often to learn from, and the harder profile is not known.
    TooEasy,
    /// It passes too seldom, and the easier profile is not known.
    TooHard,
    /// Pairs were made faster at the other profile.
    BetterThere,
}

/// One decision, with what it rests on: what the log and the ledger keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which policy.
    pub policy: PolicyId,
    /// Where it stood.
    pub from: Profile,
    /// Where its next tasks come from.
    pub to: Profile,
    /// Why.
    pub why: Why,
    /// What was found at `from`.
    pub found: Evidence,
}

/// Where a policy stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    profile: Profile,
    /// Groups graded at `profile` since it came there.
    here: u64,
    windows: BTreeMap<Profile, Window>,
}

impl Track {
    fn at(profile: Profile) -> Self {
        Self { profile, here: 0, windows: BTreeMap::new() }
    }

    fn known(&self, profile: Profile) -> Option<Evidence> {
        self.windows.get(&profile).map(Window::evidence).filter(Evidence::is_enough)
    }

    /// Where it stands.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// What was found where it stands.
    #[must_use]
    pub fn found(&self) -> Evidence {
        self.windows.get(&self.profile).map(Window::evidence).unwrap_or_default()
    }
}

/// The rule with its memory: of one epoch, from its opening.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    start: Profile,
    /// Easiest first; fewer than two: nothing ever moves.
    rungs: Vec<Profile>,
    tracks: BTreeMap<PolicyId, Track>,
}

impl Schedule {
    /// The rule of a campaign, from the levels that its epoch was opened with.
    #[must_use]
    pub fn new(campaign: &Campaign, levels: &[Level]) -> Self {
        let mut rungs = campaign.profiles.clone();
        rungs.sort();
        rungs.dedup();
        let tracks = levels.iter().map(|level| (level.policy, Track::at(level.profile)));
        Self { start: campaign.template.profile, rungs, tracks: tracks.collect() }
    }

    /// The profile of a policy's next task.
    #[must_use]
    pub fn profile(&self, policy: &PolicyId) -> Profile {
        self.tracks.get(policy).map_or(self.start, |track| track.profile)
    }

    /// Policies of which something is known, in order.
    pub fn tracks(&self) -> impl Iterator<Item = (&PolicyId, &Track)> {
        self.tracks.iter()
    }

    /// Takes a graded group in.
    pub fn observe(&mut self, group: &Graded) {
        let room = self.tracks.len() < MAX_ADAPTED_POLICIES;
        if self.rungs.len() < 2 || !(room || self.tracks.contains_key(&group.policy)) {
            return;
        }
        let start = self.start;
        let track = self.tracks.entry(group.policy).or_insert_with(|| Track::at(start));
        let window = track.windows.entry(group.profile).or_default();
        window.push(group.account, group.passed, group.attempts);
        if group.profile == track.profile {
            track.here += 1;
            if track.here.is_multiple_of(REVISIT_GROUPS) {
                let here = track.profile;
                track.windows.retain(|profile, _| *profile == here);
            }
        }
    }

    /// What is to be decided about a policy now, if anything.
    #[must_use]
    pub fn due(&self, policy: &PolicyId) -> Option<Step> {
        let track = self.tracks.get(policy)?;
        let found = track.known(track.profile)?;
        let rate = found.rate_milli();
        if rate.abs_diff(500) <= found.tolerance_milli() {
            return None;
        }
        let too_easy = rate > 500;
        let to = if too_easy {
            self.rungs.iter().find(|rung| **rung > track.profile)
        } else {
            self.rungs.iter().rev().find(|rung| **rung < track.profile)
        };
        let to = *to?;
        let why = match track.known(to) {
            None if too_easy => Why::TooEasy,
            None => Why::TooHard,
            Some(there) if there.pairing() * GAIN.1 > found.pairing() * GAIN.0 => Why::BetterThere,
            Some(_) => return None,
        };
        Some(Step { policy: *policy, from: track.profile, to, why, found })
    }

    /// Carries a decision out.
    pub fn apply(&mut self, step: &Step) {
        let track = self.tracks.entry(step.policy).or_insert_with(|| Track::at(step.from));
        track.profile = step.to;
        track.here = 0;
    }

    /// Where policies stand that are not where new ones begin: what the next epoch opens with. Those
    /// that another campaign does not allow are moved to the nearest profile that it does.
    #[must_use]
    pub fn levels(&self, next: &Campaign) -> Vec<Level> {
        let nearest = |profile: Profile| {
            let easier = next.profiles.iter().copied().filter(|rung| *rung <= profile).max();
            easier.or_else(|| next.profiles.iter().copied().min())
        };
        self.tracks
            .iter()
            .filter_map(|(policy, track)| Some((*policy, nearest(track.profile)?)))
            .filter(|(_, profile)| *profile != next.template.profile)
            .map(|(policy, profile)| Level { policy, profile })
            .collect()
    }
}
