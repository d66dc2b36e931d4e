//! The threats of DESIGN 9 around grading, the beacon and bundles: what verifiers may try.

use lode_bundle::record::FaultKind;
use lode_proto::{
    envelope::Envelope,
    epoch::Outcome,
    id::Hash,
    manifest::BundleSignature,
    mine::{AccountBinding, MineReply, MineRequest, NoWork},
    refusal::Refusal,
    seed,
    verify::{VerdictCommit, VerifyReply, VerifyRequest},
};

use super::{
    actors::{Manner, Verifier, attempts_of, commit_of},
    checks::{check, check_at_rest},
    scenes::{faults, joined, network, one_group, outcome, phase, policy, settle, three},
    world::{Client, World, card, key},
};
use crate::core::{Phase, Status, Target};

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
