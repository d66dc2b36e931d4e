//! The threats of DESIGN 9 that the state machine itself must withstand, one test each.

use lode_bundle::record::FaultKind;
use lode_proto::{
    attempt::Attempt,
    envelope::Envelope,
    epoch::Outcome,
    id::{Hash, NetworkId},
    key::PublicKey,
    limits,
    manifest::BundleSignature,
    mine::{AccountBinding, MineReply, MineRequest, NoWork},
    refusal::Refusal,
    seed,
    verify::{VerdictCommit, VerifyReply, VerifyRequest},
};

use super::{
    actors::{Manner, Verifier, attempts_of, commit_of},
    checks::{check, check_at_rest},
    world::{Answer, Client, World, card, key},
};
use crate::core::{Event, Phase, Status, Target, open_mine};

fn network(world: &World) -> NetworkId {
    world.core.context().network
}

fn policy() -> lode_proto::id::PolicyId {
    card().policy.id().expect("hashes")
}

fn three(manners: [Manner; 3]) -> [Verifier; 3] {
    let mut byte = 99;
    manners.map(|manner| {
        byte += 1;
        Verifier::new(byte, manner)
    })
}

fn joined(world: &mut World, byte: u8) -> Client {
    let mut client = Client::new(byte);
    client.join_mine(world);
    client
}

/// One group handed in, its lease.
fn one_group(world: &mut World, byte: u8) -> lode_proto::mine::Lease {
    let mut client = joined(world, byte);
    let lease = client.lease(world);
    client.hand_in(world, &attempts_of(&lease, "text"));
    lease
}

fn phase<'a>(world: &'a World, lease: &lode_proto::mine::Lease) -> &'a Phase {
    let epoch = world.core.state().epoch.as_ref().expect("an epoch");
    &epoch.slot(epoch.leases[&lease.id].counter).expect("a task").phase
}

fn outcome(world: &World, lease: &lode_proto::mine::Lease) -> Outcome {
    match phase(world, lease) {
        Phase::Settled(outcome, _) => (**outcome).clone(),
        other => panic!("not settled: {other:?}"),
    }
}

fn faults(world: &World) -> Vec<(PublicKey, FaultKind, usize)> {
    world
        .log
        .iter()
        .filter_map(|record| match &record.event {
            Event::FaultFound { accused, kind, evidence, .. } => {
                Some((*accused, *kind, evidence.len()))
            }
            _ => None,
        })
        .collect()
}

/// Lets everybody work until nothing changes, then time pass until the group is settled.
fn settle(world: &mut World, verifiers: &mut [Verifier], lease: &lode_proto::mine::Lease) {
    for _ in 0..40 {
        world.perform_all();
        for _ in 0..14 {
            for verifier in verifiers.iter_mut() {
                verifier.act(world);
            }
        }
        if matches!(phase(world, lease), Phase::Settled(..)) {
            check(world);
            return;
        }
        let deadline = world.core.next_deadline_ms().expect("a way out");
        world.tick_to(deadline);
    }
    panic!("never settled: {:?}", phase(world, lease));
}

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
fn grades_not_leaked_before_sealing() {
    let mut verifiers = three([Manner::Honest; 3]);
    let mut world = World::opened_with(Target::default(), &mut verifiers);
    let mut client = joined(&mut world, 1);
    let lease = client.lease(&mut world);
    let attempts = attempts_of(&lease, "x");
    client.mine(&mut world, &MineRequest::Commit(commit_of(&attempts)));
    for attempt in &attempts[..2] {
        client.mine(&mut world, &MineRequest::Submit(attempt.clone()));
    }
    // Two of three are here: no effect grades them, no verifier hears of them, no figure shows it.
    assert!(world.effects.iter().all(|e| !matches!(e, crate::core::Effect::Grade { .. })));
    for verifier in &mut verifiers {
        let reply = verifier.client.verify(&mut world, &VerifyRequest::Next);
        assert!(matches!(reply, VerifyReply::Idle { .. }), "{reply:?}");
    }
    assert!(world.shown.is_empty());
    client.mine(&mut world, &MineRequest::Submit(attempts[2].clone()));
    world.perform_all();
    // Sealed and graded by the coordinator: its owner still learns nothing but receipts.
    let status = client.mine(&mut world, &MineRequest::Status);
    assert!(matches!(status, MineReply::Status(status) if status.accepted == 3));
    let status = Status::of(world.core.state(), world.now);
    assert_eq!((status.graded, status.passed, status.pairs, status.grading), (0, 0, 0, 1));
    settle(&mut world, &mut verifiers, &lease);
    assert_eq!(Status::of(world.core.state(), world.now).graded, 1);
    assert_eq!(world.shown.len(), 1);
}

#[test]
fn verifier_never_grades_its_own_account() {
    // The miner's account is that of verifier 100.
    let mut verifiers = three([Manner::Honest; 3]);
    let mut world = World::opened_with(Target::default(), &mut verifiers);
    for byte in 1..6 {
        let mut client = Client::new(byte);
        let binding = AccountBinding { node: client.public() };
        let account = Envelope::seal(&binding, network(&world), &verifiers[0].client.key, 0);
        let request = MineRequest::Join {
            account: Some(account.expect("seals")),
            card: Box::new(card()),
            software: "test".into(),
        };
        assert!(matches!(client.mine(&mut world, &request), MineReply::Joined { .. }));
        let lease = client.lease(&mut world);
        client.hand_in(&mut world, &attempts_of(&lease, "x"));
        let Phase::Grading(grading) = phase(&world, &lease) else { panic!("not sealed") };
        assert_eq!(grading.rank.len(), 2);
        assert!(!grading.rank.contains(&verifiers[0].public()));
        settle(&mut world, &mut verifiers, &lease);
        assert_eq!(outcome(&world, &lease).name(), "graded");
    }
    assert_eq!(world.core.state().verifiers[&verifiers[0].public()].revealed, 0);
}

#[test]
fn verifier_that_copies() {
    let mut verifiers = three([Manner::Honest; 3]);
    let mut world = World::opened_with(Target::default(), &mut verifiers);
    let lease = one_group(&mut world, 1);
    let Phase::Grading(grading) = phase(&world, &lease) else { panic!("not sealed") };
    let job = grading.job;
    let drawn: Vec<_> = grading.assignments.keys().copied().collect();
    let mut drawn = verifiers.iter_mut().filter(|v| drawn.contains(&v.public()));
    let (honest, copier) = (drawn.next().expect("two"), drawn.next().expect("two"));
    let VerifyReply::Grade(shown) = honest.client.verify(&mut world, &VerifyRequest::Next) else {
        panic!("no job")
    };
    let reveal = honest.verdict(&shown);
    let commit = reveal.commitment(&honest.public()).expect("hashes");
    let commit = VerdictCommit { job, commit };
    let signed = honest.seal(&world, &commit);
    honest.client.verify(&mut world, &VerifyRequest::VerdictCommit(signed));
    // The reveal must not be asked for, nor taken, while a drawn verifier has not committed.
    let signed = honest.seal(&world, &reveal);
    let early = honest.client.verify(&mut world, &VerifyRequest::VerdictReveal(signed));
    assert!(matches!(early, VerifyReply::Refused(Refusal::NotExpected(_))), "{early:?}");
    let idle = honest.client.verify(&mut world, &VerifyRequest::Next);
    assert!(matches!(idle, VerifyReply::Idle { .. }), "{idle:?}");
    // The copier takes the other's commitment for its own: the same reveal does not open it.
    let signed = copier.seal(&world, &commit);
    let taken = copier.client.verify(&mut world, &VerifyRequest::VerdictCommit(signed));
    assert_eq!(taken, VerifyReply::Accepted);
    let signed = copier.seal(&world, &reveal);
    let reply = copier.client.verify(&mut world, &VerifyRequest::VerdictReveal(signed));
    assert_eq!(reply, VerifyReply::Refused(Refusal::BadReveal));
    assert_eq!(faults(&world), [(copier.public(), FaultKind::BadReveal, 2)]);
}

#[test]
fn verifier_that_equivocates() {
    let mut verifiers = three([Manner::Honest; 3]);
    let mut world = World::opened_with(Target::default(), &mut verifiers);
    let lease = one_group(&mut world, 1);
    let Phase::Grading(grading) = phase(&world, &lease) else { panic!("not sealed") };
    let (job, drawn) = (grading.job, *grading.assignments.keys().next().expect("drawn"));
    let liar = verifiers.iter_mut().find(|v| v.public() == drawn).expect("known");
    for (text, taken) in [(b"one", true), (b"two", false), (b"six", false), (b"one", true)] {
        let signed = liar.seal(&world, &VerdictCommit { job, commit: Hash::of(text) });
        let reply = liar.client.verify(&mut world, &VerifyRequest::VerdictCommit(signed));
        assert_eq!(reply == VerifyReply::Accepted, taken, "{reply:?}");
    }
    // Once, with both envelopes.
    assert_eq!(faults(&world), [(drawn, FaultKind::Equivocation, 2)]);
}

#[test]
fn verifier_that_signs_anything() {
    let mut verifiers = three([Manner::SignsAnything, Manner::Honest, Manner::Honest]);
    let mut world = World::opened_with(Target::default(), &mut verifiers);
    let liar = verifiers[0].public();
    let mut caught = 0;
    for byte in 1..8 {
        let lease = one_group(&mut world, byte);
        let Phase::Grading(grading) = phase(&world, &lease) else { panic!("not sealed") };
        let drawn = grading.assignments.contains_key(&liar);
        settle(&mut world, &mut verifiers, &lease);
        assert_eq!(outcome(&world, &lease).name(), "graded", "the honest ones are a quorum");
        caught += usize::from(drawn);
        assert_eq!(faults(&world).len(), caught, "each time it was drawn, and only then");
    }
    assert!(caught > 0);
    assert!(faults(&world).iter().all(|f| *f == (liar, FaultKind::WrongVerdict, 1)));
}

#[test]
fn verifiers_that_collude_are_no_quorum() {
    // Two of three sign the same lie: the coordinator's own grade stands against them.
    let mut verifiers = three([Manner::Honest; 3]);
    let mut world = World::opened_with(Target::default(), &mut verifiers);
    let lease = one_group(&mut world, 1);
    for verifier in &mut verifiers[..2] {
        verifier.manner = Manner::SignsAnything;
    }
    settle(&mut world, &mut verifiers, &lease);
    let Outcome::Incomplete { reason, .. } = outcome(&world, &lease) else {
        panic!("a lie was graded")
    };
    assert!(reason.contains("quorum"), "{reason}");
    assert_eq!(Status::of(world.core.state(), world.now).pairs, 0);
}

#[test]
fn verifier_that_lags() {
    let mut verifiers = three([Manner::Lags, Manner::Honest, Manner::Honest]);
    let mut world = World::opened_with(Target::default(), &mut verifiers);
    for byte in 1..6 {
        let lease = one_group(&mut world, byte);
        settle(&mut world, &mut verifiers, &lease);
        assert_eq!(outcome(&world, &lease).name(), "graded");
    }
    assert!(world.core.state().verifiers[&verifiers[0].public()].lagged > 0);
    assert!(faults(&world).is_empty(), "slow is not wrong");
}

#[test]
fn verifier_that_withholds_its_verdict() {
    let mut verifiers = three([Manner::Withholds, Manner::Honest, Manner::Honest]);
    let mut world = World::opened_with(Target::default(), &mut verifiers);
    for byte in 1..6 {
        let lease = one_group(&mut world, byte);
        settle(&mut world, &mut verifiers, &lease);
        assert_eq!(outcome(&world, &lease).name(), "graded");
    }
    let found = faults(&world);
    assert!(!found.is_empty());
    assert!(found.iter().all(|f| *f == (verifiers[0].public(), FaultKind::VerdictWithheld, 1)));
}

#[test]
fn verifier_that_cannot_check_is_not_at_fault() {
    let mut verifiers = three([Manner::CannotCheck, Manner::Honest, Manner::Honest]);
    let mut world = World::opened_with(Target::default(), &mut verifiers);
    for byte in 1..6 {
        let lease = one_group(&mut world, byte);
        settle(&mut world, &mut verifiers, &lease);
        assert_eq!(outcome(&world, &lease).name(), "graded");
    }
    let info = &world.core.state().verifiers[&verifiers[0].public()];
    assert!(info.inconclusive > 0);
    assert_eq!(info.faults, 0);
    // With two of them there is no quorum, and no fault either.
    let mut verifiers = three([Manner::CannotCheck, Manner::CannotCheck, Manner::Honest]);
    let mut world = World::opened_with(Target::default(), &mut verifiers);
    let lease = one_group(&mut world, 1);
    settle(&mut world, &mut verifiers, &lease);
    assert_eq!(outcome(&world, &lease).name(), "incomplete");
    assert!(faults(&world).is_empty());
}

#[test]
fn verifier_that_withholds_its_nonce() {
    let mut verifiers = three([Manner::Honest; 3]);
    let mut world = World::new(2, 3);
    for verifier in &mut verifiers {
        verifier.act(&mut world);
    }
    world.open_epoch(Target::default(), 1);
    for verifier in &mut verifiers {
        verifier.act(&mut world);
        verifier.act(&mut world);
    }
    assert_eq!(world.stage(), "nonce_reveals");
    for verifier in &mut verifiers[..2] {
        verifier.act(&mut world);
        verifier.act(&mut world);
    }
    // A nonce nobody committed to does not open.
    let wrong = lode_proto::epoch::BeaconReveal { epoch: 1, nonce: Hash::of(b"better") };
    let signed = verifiers[2].seal(&world, &wrong);
    let reply = verifiers[2].client.verify(&mut world, &VerifyRequest::BeaconReveal(signed));
    assert_eq!(reply, VerifyReply::Refused(Refusal::BadReveal));
    assert_eq!(world.stage(), "nonce_reveals");
    let deadline = world.core.next_deadline_ms().expect("a way out");
    world.tick_to(deadline);
    assert_eq!(world.stage(), "open");
    assert_eq!(faults(&world), [(verifiers[2].public(), FaultKind::NonceWithheld, 1)]);
    let epoch = world.core.state().epoch.as_ref().expect("an epoch");
    let reveals: Vec<_> =
        epoch.nonces.iter().filter_map(|(key, n)| Some((*key, n.revealed?.0))).collect();
    assert_eq!(reveals.len(), 2);
    let commit = seed::epoch_commit(epoch.secret.as_bytes());
    assert_eq!(epoch.beacon, Some(seed::beacon(&commit, 1, &reveals)));
}

#[test]
fn an_epoch_without_verifiers_is_void_in_public() {
    let mut verifiers = three([Manner::Honest; 3]);
    let mut world = World::new(2, 3);
    for verifier in &mut verifiers {
        verifier.act(&mut world);
    }
    world.open_epoch(Target::default(), 1);
    let mut miner = joined(&mut world, 1);
    let reply = miner.mine(&mut world, &MineRequest::Lease { policy: policy() });
    assert!(matches!(reply, MineReply::NoWork { reason: NoWork::NotOpen, .. }));
    let deadline = world.core.next_deadline_ms().expect("a way out");
    world.tick_to(deadline);
    assert_eq!(world.stage(), "void");
    world.sync();
    check(&world);
    check_at_rest(&world);
    // The next one may be opened.
    world.open_epoch(Target::default(), 2);
    assert_eq!(world.core.state().epoch.as_ref().map(|e| e.number), Some(2));
}

#[test]
fn bundle_that_verifiers_do_not_hold_for_good_is_not_published() {
    let mut verifiers = three([Manner::Honest; 3]);
    let target = Target { graded: 1, ..Target::default() };
    let mut world = World::opened_with(target, &mut verifiers);
    let lease = one_group(&mut world, 1);
    settle(&mut world, &mut verifiers, &lease);
    world.perform_all();
    assert_eq!(world.stage(), "co_signing");
    let manifest = Status::of(world.core.state(), 0).manifest.expect("built");
    // Another manifest is refused; two refusals leave no quorum.
    let other = BundleSignature { manifest: Hash::of(b"other"), epoch: 1 };
    let signed = verifiers[0].seal(&world, &other);
    let reply = verifiers[0].client.verify(&mut world, &VerifyRequest::CoSign(signed));
    assert!(matches!(reply, VerifyReply::Refused(Refusal::NotExpected(_))));
    for verifier in &mut verifiers[..2] {
        let reason = "pair 3 does not regrade".to_owned();
        let request = VerifyRequest::RefuseCoSign { manifest, reason };
        assert_eq!(verifier.client.verify(&mut world, &request), VerifyReply::Accepted);
    }
    assert_eq!(world.stage(), "not_signed");
    let reason = Status::of(world.core.state(), 0).stage.and_then(|stage| stage.reason);
    assert!(reason.is_some_and(|text| text.contains("pair 3 does not regrade")));
    world.sync();
    check(&world);
    check_at_rest(&world);
}

#[test]
fn two_verifiers_of_one_account_are_not_admitted() {
    let mut world = World::new(2, 3);
    let owner = key(9);
    let mut join = |byte: u8| {
        let mut client = Client::new(byte);
        let binding = AccountBinding { node: client.public() };
        let account = Envelope::seal(&binding, network(&world), &owner, 0).expect("seals");
        let software = "test".into();
        client.verify(&mut world, &VerifyRequest::Join { account: Some(account), software })
    };
    assert!(matches!(join(100), VerifyReply::Joined { .. }));
    assert!(matches!(join(101), VerifyReply::Refused(Refusal::NotAdmitted(_))));
    assert!(matches!(join(100), VerifyReply::Refused(Refusal::Replayed { .. })));
    assert_eq!(world.core.state().verifiers.len(), 1);
    for byte in 110..112 {
        Verifier::new(byte, Manner::Honest).act(&mut world);
    }
    let mut fourth = Client::new(113);
    let request = VerifyRequest::Join { account: None, software: "test".into() };
    let reply = fourth.verify(&mut world, &request);
    assert!(matches!(reply, VerifyReply::Refused(Refusal::NotAdmitted(_))), "{reply:?}");
}
