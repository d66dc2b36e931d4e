//! Profiles of an epoch's tasks: which place each counter has, and that every policy stood where the
//! published rule puts it.
//!
//! The rule ([`lode_proto::adapt`]) is applied again to the graded groups in the order of the ledger.
//! Each decision that it gives must stand in the ledger right behind the outcome it rests on, with the
//! same evidence, and no other may. A group's task must have a profile at which its policy stood before
//! the group was sealed. Which tasks a profile gives is fixed by secret and beacon, in order and without
//! gaps; so the coordinator has no choice among tasks, whoever asks when.

use std::collections::{BTreeMap, BTreeSet};

use lode_proto::{
    adapt::{Graded, Schedule, Step},
    epoch::Outcome,
    id::PolicyId,
    ledger::LedgerEntry,
    limits::MAX_ADAPTED_POLICIES,
    session::Session,
    task::{Place, Profile},
};

use super::{Epoch, Group};
use crate::{
    finding::{Check, Finding},
    record::EpochRecord,
};

/// The place of each counter, in the order of the record.
pub(super) fn places(record: &EpochRecord) -> Vec<Place> {
    let mut issued: BTreeMap<Profile, u64> = BTreeMap::new();
    let place = |profile: Profile| {
        let next = issued.entry(profile).or_default();
        let place = Place { profile, index: *next };
        *next += 1;
        place
    };
    record.counters.iter().map(|counter| counter.profile).map(place).collect()
}

/// Checks profiles, levels and moves.
pub(super) fn check(
    record: &EpochRecord,
    epoch: &Epoch,
    groups: &[Group],
    findings: &mut Vec<Finding>,
) {
    let campaign = &epoch.open.campaign;
    for counter in record.counters.iter().filter(|one| !campaign.allows(one.profile)) {
        let what = format!("has profile {}, which the epoch does not allow", counter.profile);
        findings.push(Finding::counter(counter.counter, Check::Profile, what));
    }
    let levels = &epoch.open.levels;
    let allowed = levels.iter().all(|level| campaign.allows(level.profile));
    if !allowed
        || !levels.is_sorted_by(|a, b| a.policy < b.policy)
        || levels.len() > MAX_ADAPTED_POLICIES
        || (campaign.profiles.is_empty() && !levels.is_empty())
    {
        let what = "the epoch was opened with levels that its campaign does not allow";
        findings.push(Finding::bundle(Check::Profile, what));
        return;
    }
    let replay = Replay {
        schedule: Schedule::new(campaign, levels),
        stood: levels.iter().map(|level| (level.policy, [level.profile].into())).collect(),
        graded: groups.iter().map(|group| (group.counter, group)).collect(),
        pending: None,
        findings,
    };
    replay.run(record, epoch);
}

struct Replay<'a> {
    schedule: Schedule,
    /// Profiles at which each policy stood so far, where that is not just the first.
    stood: BTreeMap<PolicyId, BTreeSet<Profile>>,
    graded: BTreeMap<u64, &'a Group>,
    /// The decision that must come next.
    pending: Option<Step>,
    findings: &'a mut Vec<Finding>,
}

impl Replay<'_> {
    fn fail(&mut self, what: String) {
        self.findings.push(Finding::bundle(Check::Profile, what));
    }

    fn run(mut self, record: &EpochRecord, epoch: &Epoch) {
        let mut policies: BTreeMap<u64, Vec<PolicyId>> = BTreeMap::new();
        for group in &record.groups {
            policies.entry(group.counter).or_default().push(group.policy);
        }
        for entry in &record.ledger {
            match (entry, self.pending.take()) {
                (LedgerEntry::Moved { step, .. }, Some(due)) if *step == due => self.moved(step),
                (LedgerEntry::Moved { step, .. }, due) => {
                    let wanted = due.map_or("none".into(), |due| shown(&due));
                    let got = shown(step);
                    self.fail(format!("the ledger moves {got}, but the rule gives {wanted}"));
                    return;
                }
                (_, Some(due)) => {
                    let due = shown(&due);
                    self.fail(format!("the rule moves {due}, but the ledger does not"));
                    return;
                }
                (LedgerEntry::Sealed { counter, outcome, .. }, None) => {
                    for policy in policies.get(counter).into_iter().flatten() {
                        self.stands(record, *counter, *policy);
                    }
                    if matches!(outcome, Outcome::Graded { .. }) && !self.observe(epoch, *counter) {
                        return;
                    }
                }
                (_, None) => {}
            }
        }
    }

    /// Whether the policy of a group stood at its task's profile before it was sealed.
    fn stands(&mut self, record: &EpochRecord, counter: u64, policy: PolicyId) {
        let task = usize::try_from(counter).ok().and_then(|place| record.counters.get(place));
        let Some(profile) = task.map(|task| task.profile) else { return };
        let now = self.schedule.profile(&policy);
        let stood = self.stood.get(&policy).is_some_and(|stood| stood.contains(&profile));
        if now != profile && !stood {
            let what = format!(
                "policy {} was given a {profile} task, but had not stood there: it stood at {now}",
                policy.short()
            );
            self.findings.push(Finding::counter(counter, Check::Profile, what));
        }
    }

    /// Takes a graded group in; `false` where its grades are not known, so that nothing after it can be
    /// told (another finding says why).
    fn observe(&mut self, epoch: &Epoch, counter: u64) -> bool {
        let Some(group) = self.graded.get(&counter) else { return false };
        // Later attempts of a session know what is said of those before.
        if group.session == Session::Revision {
            return true;
        }
        let Some((_, account)) = epoch.cards.get(&(group.miner, group.policy)) else {
            return false;
        };
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let passed = group.attempts.iter().filter(|one| one.verdict.passes()).count();
        let policy = group.policy;
        self.schedule.observe(&Graded {
            policy,
            account: *account,
            profile: group.task.spec.profile,
            passed: count(passed),
            attempts: count(group.attempts.len()),
        });
        self.pending = self.schedule.due(&policy);
        true
    }

    fn moved(&mut self, step: &Step) {
        let stood = self.stood.entry(step.policy).or_default();
        stood.extend([step.from, step.to]);
        self.schedule.apply(step);
        self.pending = self.schedule.due(&step.policy);
    }
}

fn shown(step: &Step) -> String {
    format!("policy {} from {} to {}", step.policy.short(), step.from, step.to)
}
