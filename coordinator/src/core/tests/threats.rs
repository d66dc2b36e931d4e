//! The threats of DESIGN 9 that the state machine itself must withstand, one test each: what
//! anybody and what miners may try. Those of verifiers are in `grading`.

use lode_bundle::record::FaultKind;
use lode_proto::{
    attempt::Attempt,
    envelope::Envelope,
    epoch::Outcome,
    id::{Hash, NetworkId},
    limits,
    manifest::BundleSignature,
    mine::{AccountBinding, MineReply, MineRequest},
    refusal::Refusal,
    verify::{VerifyReply, VerifyRequest},
};

use super::{
    actors::{Manner, attempts_of, commit_of},
    checks::check,
    scenes::{faults, joined, network, outcome, policy, settle, three},
    world::{Answer, Client, World, card, key},
};
use crate::core::{Target, open_mine};

#[test]
fn unsigned() {
    let mut world = World::opened(Target::default());
    let mut client = Client::new(1);
    let mut envelope = client.seal_mine(&world, &MineRequest::Status);
    envelope.signature.0 = [0; 64];
    let refusal = open_mine(network(&world), &client.public(), envelope).expect_err("unsigned");
    assert!(matches!(refusal, Refusal::Malformed(text) if text.contains("signature")));
    let other = Envelope::seal(&MineRequest::Status, NetworkId::of(b"other"), &client.key, 9);
    let refusal = open_mine(network(&world), &client.public(), other.expect("seals"));
    assert!(matches!(refusal, Err(Refusal::Malformed(text)) if text.contains("network")));
    let records = world.log.len();
    world.sync();
    assert_eq!(world.log.len(), records);
}

#[test]
fn strangers_get_hello_and_leave_no_trace() {
    let mut world = World::opened(Target::default());
    let mut client = Client::new(9);
    let records = world.log.len();
    for _ in 0..2 {
        let MineReply::Hello(hello) = client.mine(&mut world, &MineRequest::Hello) else {
            panic!("no hello")
        };
        let epoch = world.core.state().epoch.as_ref().expect("open");
        assert_eq!(hello.campaign.as_ref(), Some(&epoch.campaign));
        assert_eq!(hello.genesis, world.core.context().genesis_envelope);
    }
    assert_eq!(world.log.len(), records);
    // Not even its sequence is remembered: it asks again after a restart from nothing.
    assert_eq!(world.core.last_sequence(&client.public()), None);
    // Whoever joined may ask, too, in order.
    let mut miner = joined(&mut world, 1);
    assert!(matches!(miner.mine(&mut world, &MineRequest::Hello), MineReply::Hello(_)));
}

#[test]
fn foreign_signed() {
    let mut world = World::opened(Target::default());
    let mut miner = joined(&mut world, 1);
    let thief = joined(&mut world, 2);
    let envelope = miner.seal_mine(&world, &MineRequest::Status);
    let refusal = open_mine(network(&world), &thief.public(), envelope);
    assert_eq!(refusal.expect_err("not its connection"), Refusal::NotYourConnection);
    // A verifier's statement signed by another verifier, inside a request of its own.
    let mut verifiers = three([Manner::Honest; 3]);
    let mut world = World::opened_with(Target::default(), &mut verifiers);
    let signature = BundleSignature { manifest: Hash::default(), epoch: 1 };
    let foreign = verifiers[1].seal(&world, &signature);
    let reply = verifiers[0].client.verify(&mut world, &VerifyRequest::CoSign(foreign));
    assert!(matches!(reply, VerifyReply::Refused(Refusal::Malformed(_))), "{reply:?}");
}

#[test]
fn foreign_account() {
    let mut world = World::opened(Target::default());
    let mut client = Client::new(1);
    let (node, owner) = (client.public(), key(9));
    let mut join = |binding: AccountBinding, network| {
        let account = Some(Envelope::seal(&binding, network, &owner, 0).expect("seals"));
        let software = "test".into();
        client.mine(&mut world, &MineRequest::Join { account, card: Box::new(card()), software })
    };
    let other = AccountBinding { node: key(3).public() };
    let home = World::new(2, 3).core.context().network;
    assert!(matches!(join(other, home), MineReply::Refused(Refusal::NotAdmitted(_))));
    let mine = AccountBinding { node };
    let away = NetworkId::of(b"another network");
    assert!(matches!(join(mine.clone(), away), MineReply::Refused(Refusal::Malformed(_))));
    assert!(matches!(join(mine, home), MineReply::Joined { .. }));
    assert_eq!(world.core.state().miners[&node].account, owner.public());
}

#[test]
fn replayed() {
    let mut world = World::opened(Target::default());
    let mut client = joined(&mut world, 1);
    let envelope = client.seal_mine(&world, &MineRequest::Lease { policy: policy() });
    let peer = client.public();
    let mut send = |envelope: &Envelope| {
        world.deliver_mine(&peer, envelope.clone());
        world.sync();
        world.released.pop().expect("an answer").1
    };
    assert!(matches!(send(&envelope), Answer::Mine(MineReply::Lease(_))));
    let again = send(&envelope);
    let last = envelope.sequence;
    assert!(
        matches!(
            again,
            Answer::Mine(MineReply::Refused(Refusal::Replayed { got, last: l })) if got == last && l == last
        ),
        "{again:?}"
    );
    // Not after a restart either: the lease is on record with its sequence.
    world.crash();
    world.deliver_mine(&peer, envelope);
    world.sync();
    let again = world.released.pop().expect("an answer").1;
    assert!(matches!(again, Answer::Mine(MineReply::Refused(Refusal::Replayed { .. }))));
    assert_eq!(world.core.state().miners[&peer].leases.len(), 1);
}

#[test]
fn submitted_twice_returns_the_first_receipt() {
    let mut verifiers = three([Manner::Honest; 3]);
    let mut world = World::opened_with(Target::default(), &mut verifiers);
    let mut client = joined(&mut world, 1);
    let lease = client.lease(&mut world);
    let attempts = attempts_of(&lease, "x");
    let commit = MineRequest::Commit(commit_of(&attempts));
    client.mine(&mut world, &commit);
    let submit = MineRequest::Submit(attempts[0].clone());
    let first = client.mine(&mut world, &submit);
    world.now += 10;
    assert_eq!(client.mine(&mut world, &submit), first);
    for attempt in &attempts[1..] {
        client.mine(&mut world, &MineRequest::Submit(attempt.clone()));
    }
    settle(&mut world, &mut verifiers, &lease);
    assert_eq!(client.mine(&mut world, &submit), first, "also after sealing");
    assert!(matches!(client.mine(&mut world, &commit), MineReply::Committed { .. }));
    assert_eq!(world.core.state().miners[&client.public()].receipts, attempts.len() as u64);
    let other = MineRequest::Commit(commit_of(&attempts_of(&lease, "y")));
    assert_eq!(client.refused(&mut world, &other), Refusal::AlreadyCommitted(lease.id));
}

#[test]
fn answer_copied_from_another_miner() {
    let mut world = World::opened(Target::default());
    let (mut author, mut thief) = (joined(&mut world, 1), joined(&mut world, 2));
    let lease = author.lease(&mut world);
    let attempts = attempts_of(&lease, "original");
    author.mine(&mut world, &MineRequest::Commit(commit_of(&attempts)));
    author.mine(&mut world, &MineRequest::Submit(attempts[0].clone()));
    // Under the author's lease.
    let submit = MineRequest::Submit(attempts[1].clone());
    assert_eq!(thief.refused(&mut world, &submit), Refusal::NoSuchLease(lease.id));
    // The author's ids committed under the thief's lease: it has no body with such an id.
    let own = thief.lease(&mut world);
    assert_ne!(own.task_id, lease.task_id, "one task is never with two miners at a time");
    let mut commit = commit_of(&attempts);
    commit.lease = own.id;
    thief.mine(&mut world, &MineRequest::Commit(commit));
    let mut moved = attempts[0].clone();
    assert_eq!(
        thief.refused(&mut world, &MineRequest::Submit(moved.clone())),
        Refusal::NoSuchLease(lease.id)
    );
    moved.lease = own.id;
    let refusal = thief.refused(&mut world, &MineRequest::Submit(moved));
    assert!(matches!(refusal, Refusal::NotWhatWasCommitted { index: 0, .. }), "{refusal:?}");
}

#[test]
fn resampling_until_it_suits() {
    let mut world = World::opened(Target::default());
    let mut client = joined(&mut world, 1);
    let first = client.lease(&mut world);
    // Uploading comes after committing, and only what was committed.
    let attempts = attempts_of(&first, "x");
    let submit = MineRequest::Submit(attempts[0].clone());
    assert_eq!(client.refused(&mut world, &submit), Refusal::NotCommitted(first.id));
    // A task handed back never returns to the same account, not even to another of its nodes.
    let back = MineRequest::HandBack { lease: first.id, reason: "not to my taste".into() };
    assert_eq!(client.mine(&mut world, &back), MineReply::HandedBack);
    let second = client.lease(&mut world);
    assert_ne!(second.task_id, first.task_id);
    // A commitment is final: it cannot be handed back, and what is not uploaded is on record.
    let attempts = attempts_of(&second, "x");
    client.mine(&mut world, &MineRequest::Commit(commit_of(&attempts)));
    let back = MineRequest::HandBack { lease: second.id, reason: "no".into() };
    assert!(matches!(client.refused(&mut world, &back), Refusal::NotExpected(_)));
    client.mine(&mut world, &MineRequest::Submit(attempts[2].clone()));
    world.tick_to(world.now + 120_000);
    let Outcome::Incomplete { attempts: uploaded, .. } = outcome(&world, &second) else {
        panic!("a part of a group counts for nothing")
    };
    assert_eq!(uploaded, [attempts[2].id().expect("hashes")]);
    assert_eq!(faults(&world), [(client.public(), FaultKind::UploadWithheld, 1)]);
    // Another miner of the first task draws other noise.
    let mut other = joined(&mut world, 2);
    let again = other.lease(&mut world);
    assert_eq!(again.task_id, first.task_id);
    assert_ne!(again.attempt_seeds, first.attempt_seeds);
    check(&world);
}

#[test]
fn wrong_groups_are_refused() {
    let mut world = World::opened(Target::default());
    let mut client = joined(&mut world, 1);
    let lease = client.lease(&mut world);
    let attempts = attempts_of(&lease, "x");
    let short = MineRequest::Commit(commit_of(&attempts[..2]));
    assert_eq!(client.refused(&mut world, &short), Refusal::WrongGroupSize { got: 2, want: 3 });
    let mut other_policy = commit_of(&attempts);
    other_policy.policy = Default::default();
    let request = MineRequest::Commit(other_policy);
    assert_eq!(client.refused(&mut world, &request), Refusal::UnknownPolicy);
    let mut huge = attempts.clone();
    huge[0].completion = vec![b'x'; limits::MAX_COMPLETION_BYTES + 1];
    huge[1].completion_tokens = 101;
    client.mine(&mut world, &MineRequest::Commit(commit_of(&huge)));
    for attempt in &huge[..2] {
        let refusal = client.refused(&mut world, &MineRequest::Submit(attempt.clone()));
        assert!(matches!(refusal, Refusal::OverLimit { .. }), "{refusal:?}");
    }
    let beyond = Attempt { index: 7, ..huge[2].clone() };
    let refusal = client.refused(&mut world, &MineRequest::Submit(beyond));
    assert!(matches!(refusal, Refusal::OverLimit { got: 7, limit: 2, .. }), "{refusal:?}");
    // Bytes that are no text and nothing at all are as good as any.
    let lease = client.lease(&mut world);
    let mut odd = attempts_of(&lease, "x");
    odd[0].completion = vec![0xff, 0xfe, 0];
    odd[1].completion = Vec::new();
    client.hand_in(&mut world, &odd);
    check(&world);
}

#[test]
fn one_miner_cannot_hold_every_task() {
    let mut world = World::opened(Target::default());
    let mut client = joined(&mut world, 1);
    for _ in 0..limits::MAX_LEASES_PER_MINER {
        client.lease(&mut world);
    }
    let limit = limits::MAX_LEASES_PER_MINER;
    let refusal = client.refused(&mut world, &MineRequest::Lease { policy: policy() });
    assert_eq!(refusal, Refusal::TooManyLeases { held: limit, limit });
    let refusal = client.refused(&mut world, &MineRequest::Lease { policy: Default::default() });
    assert_eq!(refusal, Refusal::UnknownPolicy);
    let mut stranger = Client::new(7);
    let refusal = stranger.refused(&mut world, &MineRequest::Status);
    assert_eq!(refusal, Refusal::NotJoined);
}

#[test]
fn a_lease_whose_reply_was_lost_frees_its_task() {
    let mut world = World::opened(Target::default());
    let mut client = joined(&mut world, 1);
    let (kept, lost) = (client.lease(&mut world), client.lease(&mut world));
    let heartbeat = MineRequest::Heartbeat { leases: vec![kept.id] };
    client.mine(&mut world, &heartbeat);
    assert_eq!(world.core.state().miners[&client.public()].leases.len(), 2, "not yet");
    world.tick_to(world.now + limits::REQUEST_TIMEOUT_MS + 1);
    client.mine(&mut world, &heartbeat);
    assert_eq!(world.core.state().miners[&client.public()].leases.len(), 1);
    let mut other = joined(&mut world, 2);
    assert_eq!(other.lease(&mut world).task_id, lost.task_id);
    let alive = client.mine(&mut world, &MineRequest::Heartbeat { leases: vec![kept.id, lost.id] });
    assert_eq!(alive, MineReply::Alive { cancelled: vec![lost.id] });
}

#[test]
fn poison_task_that_fails_every_miner() {
    let mut world = World::opened(Target::default());
    let mut task = None;
    let mut last = None;
    for byte in 1..=3 {
        let mut client = joined(&mut world, byte);
        let lease = client.lease(&mut world);
        assert_eq!(*task.get_or_insert(lease.task_id), lease.task_id, "the waiting task first");
        world.tick_to(world.now + 60_000);
        last = Some(lease);
    }
    let leases = limits::MAX_LEASES_PER_TASK;
    assert_eq!(outcome(&world, &last.expect("a lease")), Outcome::Unanswered { leases });
    check(&world);
}

#[test]
fn a_card_is_final_but_for_the_engine_that_runs_it() {
    let mut world = World::opened(Target::default());
    let mut client = joined(&mut world, 1);
    let mut join = |card: lode_proto::policy::PolicyCard| {
        let software = "test".into();
        client
            .mine(&mut world, &MineRequest::Join { account: None, card: Box::new(card), software })
    };
    let upgraded = join(lode_proto::policy::PolicyCard { engine: "test/1".into(), ..card() });
    assert!(matches!(upgraded, MineReply::Joined { .. }), "{upgraded:?}");
    let larger = join(lode_proto::policy::PolicyCard { parameters: 70_000_000_000, ..card() });
    assert!(matches!(larger, MineReply::Refused(Refusal::NotAdmitted(_))), "{larger:?}");
    for number in 1..limits::MAX_POLICIES_PER_MINER as u32 {
        let mut other = card();
        other.policy.sampling.temperature_milli = number;
        assert!(matches!(join(other), MineReply::Joined { .. }));
    }
    let mut other = card();
    other.policy.sampling.temperature_milli = 1_000_000;
    assert!(matches!(join(other), MineReply::Refused(Refusal::OverLimit { .. })));
}

#[test]
fn settled_tasks_leave_nothing_in_the_caches() {
    let mut verifiers = three([Manner::Honest; 3]);
    let mut world = World::opened_with(Target::default(), &mut verifiers);
    let mut client = joined(&mut world, 1);
    for _ in 0..5 {
        let lease = client.lease(&mut world);
        client.hand_in(&mut world, &attempts_of(&lease, "x"));
        settle(&mut world, &mut verifiers, &lease);
        world.perform_all();
    }
    let ahead = limits::GENERATE_AHEAD as usize;
    assert_eq!(world.core.cached_tasks(), ahead, "those for the next leases, and no others");
}
