//! What must hold of every log, found from its records alone and compared with the state.

use std::collections::{BTreeMap, BTreeSet};

use lode_proto::{
    adapt::{Graded, Schedule},
    attempt::{GroupCommit, Receipt},
    codec, credit,
    epoch::{EpochOpen, Outcome},
    id::{AttemptId, Hash, LeaseId, PolicyId},
    key::PublicKey,
    ledger::{self, LedgerEntry},
    mine::MineRequest,
    session::{Feedback, Session},
    task::{Place, Profile},
    verify::{VerdictCommit, VerdictReveal},
};

use super::world::{GROUP, World};
use crate::core::{Event, Phase};

#[derive(Default)]
struct Chain {
    next: u64,
    head: Hash,
    credits: u64,
}

/// Where the next task of a profile stands.
fn next_place(places: &[Place], profile: Profile) -> Place {
    let index = places.iter().filter(|place| place.profile == profile).count() as u64;
    Place { profile, index }
}

/// Receipts chain, credits recount, no attempt counts twice, every upload was committed first,
/// counters have no gap, the ledger's head is that of its entries, and a grade has its quorum.
pub(super) fn check(world: &World) {
    let network = world.core.context().network;
    let coordinator = world.core.context().genesis.coordinator;
    let mut chains: BTreeMap<PublicKey, Chain> = BTreeMap::new();
    let mut accepted: BTreeSet<AttemptId> = BTreeSet::new();
    let mut commits: BTreeMap<u64, GroupCommit> = BTreeMap::new();
    let mut miners: BTreeMap<u64, PublicKey> = BTreeMap::new();
    let mut committed: BTreeMap<(u64, PublicKey), Hash> = BTreeMap::new();
    let mut revealed: BTreeMap<u64, Vec<VerdictReveal>> = BTreeMap::new();
    let mut own: BTreeMap<u64, VerdictReveal> = BTreeMap::new();
    let mut sealed: BTreeSet<u64> = BTreeSet::new();
    let mut settled: BTreeMap<u64, Outcome> = BTreeMap::new();
    let mut tasks = BTreeMap::new();
    let mut schedule: Option<Schedule> = None;
    let mut policies: BTreeMap<u64, (PolicyId, Profile)> = BTreeMap::new();
    let mut passes: BTreeMap<u64, (u32, u32)> = BTreeMap::new();
    let mut feedbacks: BTreeMap<u64, Vec<Feedback>> = BTreeMap::new();
    let mut campaign = None;
    let mut places: Vec<Place> = Vec::new();
    let mut sessions: BTreeSet<u64> = BTreeSet::new();
    let mut due = None;
    let mut next_counter = 0;
    let mut head = Hash::default();
    let mut epoch = 0;
    let mut secret = Hash::default();
    let mut log = |entry: &LedgerEntry| head = ledger::append(&head, entry).expect("hashes");
    let mut at_ms = 0;
    for record in &world.log {
        assert!(record.at_ms >= at_ms, "time runs backwards in the log");
        at_ms = record.at_ms;
        if let Event::Settled { .. } | Event::CounterExhausted { .. } | Event::EpochClosed { .. } =
            &record.event
        {
            assert_eq!(due, None, "the rule moves a model, but the log does not");
        }
        match &record.event {
            Event::EpochOpened { open, secret: s, .. } => {
                (epoch, secret, next_counter) = (epoch + 1, *s, 0);
                commits.clear();
                sealed.clear();
                settled.clear();
                tasks.clear();
                committed.clear();
                revealed.clear();
                own.clear();
                policies.clear();
                feedbacks.clear();
                sessions.clear();
                let content: EpochOpen = open.open(network).expect("signed");
                schedule = Some(Schedule::new(&content.campaign, &content.levels));
                campaign = Some(content.campaign);
                places.clear();
                due = None;
                log(&LedgerEntry::EpochOpened { epoch, envelope: open.hash().expect("hashes") });
            }
            Event::BeaconFixed { fixed } => {
                log(&LedgerEntry::BeaconFixed { epoch, envelope: fixed.hash().expect("hashes") });
            }
            Event::CounterExhausted { profile } => {
                places.push(next_place(&places, *profile));
                let outcome = Outcome::Exhausted;
                log(&LedgerEntry::Sealed { epoch, counter: next_counter, task: None, outcome });
                next_counter += 1;
            }
            Event::LeaseIssued { counter, task, miner, policy, profile, .. } => {
                let stands = schedule.as_ref().expect("an epoch").profile(policy);
                assert_eq!(*profile, stands, "a task of another profile than the policy's");
                policies.insert(*counter, (*policy, *profile));
                assert!(*counter <= next_counter, "a counter was skipped");
                assert!(!settled.contains_key(counter), "a settled task was leased");
                if *counter == next_counter {
                    places.push(next_place(&places, *profile));
                    next_counter += 1;
                }
                tasks.insert(*counter, *task);
                miners.insert(*counter, *miner);
            }
            Event::GroupCommitted { counter, request, .. } => {
                let MineRequest::Commit(commit) = request.open(network).expect("signed") else {
                    panic!("not a commitment")
                };
                assert_eq!(request.sender, miners[counter]);
                let campaign = campaign.as_ref().expect("an epoch");
                let session = campaign.session(places[*counter as usize]);
                assert_eq!(commit.attempts.len(), session.turn(0, GROUP).len());
                if session == Session::Revision {
                    sessions.insert(*counter);
                }
                assert!(commits.insert(*counter, commit).is_none(), "a second commitment");
            }
            Event::TurnGraded { counter, feedback, .. } => {
                let said: Feedback = feedback.open_from(network, &coordinator).expect("signed");
                assert!(!sealed.contains(counter), "feedback after sealing");
                let attempt = Session::Revision.continued(said.turn) as usize;
                assert_eq!(commits[counter].attempts[attempt], said.attempt);
                let turns = feedbacks.entry(*counter).or_default();
                assert_eq!(turns.len(), said.turn as usize, "feedback out of order");
                turns.push(said);
            }
            Event::TurnCommitted { counter, request, .. } => {
                let MineRequest::CommitTurn(commit) = request.open(network).expect("signed") else {
                    panic!("not a turn")
                };
                assert_eq!(request.sender, miners[counter]);
                assert!(!sealed.contains(counter), "a turn after sealing");
                let said = feedbacks[counter].last().expect("feedback comes first");
                assert_eq!((commit.turn, Some(commit.prompt)), (said.turn + 1, said.next));
                commits.get_mut(counter).expect("a first turn").attempts.extend(commit.attempts);
            }
            Event::AttemptAccepted { counter, index, receipt, .. } => {
                let content: Receipt = receipt.open_from(network, &coordinator).expect("signed");
                assert!(!sealed.contains(counter), "an attempt after sealing");
                assert_eq!(commits[counter].attempts[*index as usize], content.attempt);
                assert!(accepted.insert(content.attempt), "an attempt was counted twice");
                let chain = chains.entry(content.miner).or_default();
                assert_eq!((content.index, content.previous), (chain.next, chain.head));
                let credits =
                    credit::credits_milli(content.tokens, content.parameters, content.tier);
                assert_eq!(content.credits_milli, credits);
                chain.next += 1;
                chain.head = content.hash().expect("hashes");
                chain.credits += credits;
            }
            Event::GroupSealed { counter, rank, .. } => {
                assert!(!rank.contains(&miners[counter]), "a miner would grade itself");
                sealed.insert(*counter);
            }
            Event::OwnGraded { counter, reveal, grade } => {
                passes.insert(*counter, (grade.passed, grade.verdicts.len() as u32));
                own.insert(*counter, reveal.open_from(network, &coordinator).expect("signed"));
            }
            Event::VerdictCommitted { counter, commit } => {
                let content: VerdictCommit = commit.open(network).expect("signed");
                let before = committed.insert((*counter, commit.sender), content.commit);
                assert!(before.is_none(), "a verifier committed twice");
            }
            Event::VerdictRevealed { counter, reveal } => {
                let content: VerdictReveal = reveal.open(network).expect("signed");
                let commit = content.commitment(&reveal.sender).expect("hashes");
                assert_eq!(committed[&(*counter, reveal.sender)], commit);
                revealed.entry(*counter).or_default().push(content);
            }
            Event::Settled { counter, outcome } => {
                assert!(settled.insert(*counter, outcome.clone()).is_none(), "settled twice");
                if let Outcome::Graded { attempts, .. } = outcome {
                    assert_eq!(*attempts, commits[counter].attempts);
                    let own = &own[counter].verdict;
                    let equal = revealed[counter].iter().filter(|r| r.verdict == *own).count();
                    assert!(equal >= world.core.context().quorum(), "graded without a quorum");
                    let (policy, profile) = policies[counter];
                    let (passed, attempts) = passes[counter];
                    let account = miners[counter];
                    let schedule = schedule.as_mut().expect("an epoch");
                    if !sessions.contains(counter) {
                        schedule.observe(&Graded { policy, account, profile, passed, attempts });
                        due = schedule.due(&policy);
                    }
                }
                log(&LedgerEntry::Sealed {
                    epoch,
                    counter: *counter,
                    task: tasks.get(counter).copied(),
                    outcome: outcome.clone(),
                });
            }
            Event::ProfileMoved { step } => {
                assert_eq!(due, Some(*step), "the log moves a model, but the rule does not");
                let schedule = schedule.as_mut().expect("an epoch");
                schedule.apply(step);
                due = schedule.due(&step.policy);
                log(&LedgerEntry::Moved { epoch, step: *step });
            }
            Event::EpochClosed { .. } => {
                log(&LedgerEntry::EpochClosed { epoch, count: next_counter, secret });
            }
            Event::EpochVoided { .. } => {
                log(&LedgerEntry::EpochClosed { epoch, count: 0, secret });
            }
            _ => {}
        }
    }
    let state = world.core.state();
    assert_eq!(state.ledger_head, head);
    for (key, miner) in &state.miners {
        let chain = chains.remove(key).unwrap_or_default();
        assert_eq!(
            (miner.receipts, miner.receipt_head, miner.credits_milli),
            (chain.next, chain.head, chain.credits)
        );
    }
    assert!(chains.is_empty(), "receipts for miners that never joined");
    assert!(world.blobs.len() <= accepted.len());
    for attempt in &accepted {
        let in_store = world.blobs.contains_key(&attempt.0);
        assert!(in_store || world.synced < world.log.len(), "an attempt without its bytes");
    }
    if let Some(epoch) = &state.epoch {
        assert_eq!(epoch.next_counter(), next_counter);
        let of = |phase: fn(&Phase) -> bool| epoch.slots.iter().filter(|s| phase(&s.phase)).count();
        let unsettled = of(|phase| !matches!(phase, Phase::Settled(..))) as u64;
        let out = of(|phase| matches!(phase, Phase::Leased(_) | Phase::Committed(_))) as u64;
        assert_eq!((epoch.unsettled, epoch.out), (unsettled, out));
        let held: usize = state.miners.values().map(|miner| miner.leases.len()).sum();
        assert_eq!(held as u64, out, "a lease is held that is not out");
        for seed in &world.shown {
            let open = (0..epoch.next_counter()).find(|counter| {
                epoch.spec(*counter).is_some_and(|spec| spec.seed == *seed)
                    && matches!(
                        epoch.slots[*counter as usize].phase,
                        Phase::Waiting | Phase::Leased(_) | Phase::Committed(_)
                    )
            });
            assert_eq!(open, None, "a verifier has the seed of a task that is not sealed");
        }
    }
}

/// Every receipt that a miner holds is on record, byte for byte.
pub(super) fn check_acknowledged(
    world: &World,
    receipts: &BTreeMap<AttemptId, lode_proto::envelope::Envelope>,
) {
    let on_record: BTreeMap<AttemptId, _> = world
        .log
        .iter()
        .filter_map(|record| match &record.event {
            Event::AttemptAccepted { receipt, .. } => {
                let content: Receipt = codec::decode(&receipt.bytes, 4096).expect("decodes");
                Some((content.attempt, receipt))
            }
            _ => None,
        })
        .collect();
    for (attempt, receipt) in receipts {
        assert_eq!(on_record.get(attempt), Some(&receipt), "an acknowledged attempt was lost");
    }
}

/// At rest: every counter has its outcome, nobody holds a lease.
pub(super) fn check_at_rest(world: &World) {
    let state = world.core.state();
    let epoch = state.epoch.as_ref().expect("an epoch");
    assert!(epoch.stage.at_rest(), "stuck in {:?}", epoch.stage);
    if epoch.beacon.is_some() {
        for slot in &epoch.slots {
            assert!(matches!(slot.phase, Phase::Settled(..)), "stuck: {:?}", slot.phase);
        }
    }
    let held: Vec<LeaseId> =
        state.miners.values().flat_map(|miner| miner.leases.iter().copied()).collect();
    assert!(held.is_empty(), "leases held at rest: {held:?}");
    assert!(epoch.todo.values().all(BTreeSet::is_empty), "jobs wait at rest");
}
