//! Revision sessions: one attempt at a time, with feedback, for one account.

use lode_proto::{
    attempt::Attempt,
    epoch::Outcome,
    id::Hash,
    mine::{Lease, MineReply, MineRequest},
    refusal::Refusal,
    session::{Feedback, MAX_TURNS, Session},
    task::Profile,
};

use super::{
    actors::{Manner, Verifier, attempts_of, commit_of, turn_commit, turn_of},
    checks::check,
    scenes::{faults, joined, network, outcome, phase, settle, three},
    world::{Client, World, grade_turn, plan},
};
use crate::core::{CommandError, Effect, Input, Phase, Target, TurnGrade};

fn world() -> (World, [Verifier; 3], Client, Lease) {
    let mut verifiers = three([Manner::Honest; 3]);
    let mut world = World::of_sessions(&mut verifiers);
    let mut client = joined(&mut world, 1);
    let lease = client.lease(&mut world);
    (world, verifiers, client, lease)
}

/// The shell grades the newest turn so.
fn grade(world: &mut World, passes: bool) -> u32 {
    let at = world.effects.iter().position(|effect| matches!(effect, Effect::GradeTurn { .. }));
    let Effect::GradeTurn { lease, turn, attempts, .. } =
        world.effects.swap_remove(at.expect("a turn to grade"))
    else {
        unreachable!("found above")
    };
    assert_eq!(attempts.len() as u32, turn + 1, "one attempt of each turn so far");
    let grade = TurnGrade { passes, ..grade_turn(&attempts) };
    world.step(Input::TurnGraded { lease, turn, grade: Ok(grade) });
    world.sync();
    turn
}

fn feedback(world: &mut World, client: &mut Client, lease: &Lease, turn: u32) -> Feedback {
    match client.mine(world, &MineRequest::Feedback { lease: lease.id, turn }) {
        MineReply::Feedback(envelope) => envelope.open(network(world)).expect("signed"),
        other => panic!("no feedback: {other:?}"),
    }
}

fn upload(world: &mut World, client: &mut Client, attempts: &[Attempt]) {
    for attempt in attempts {
        let reply = client.mine(world, &MineRequest::Submit(attempt.clone()));
        assert!(matches!(reply, MineReply::Receipt(_)), "{reply:?}");
    }
}

/// Commits to a turn after the first and uploads it.
fn hand_in(world: &mut World, client: &mut Client, lease: &Lease, turn: u32, prompt: Hash) {
    let attempts = turn_of(lease, turn, "text");
    let commit = MineRequest::CommitTurn(turn_commit(&attempts, turn, prompt));
    for _ in 0..2 {
        let reply = client.mine(world, &commit);
        assert!(matches!(reply, MineReply::Committed { .. }), "{reply:?}");
    }
    upload(world, client, &attempts);
}

#[test]
fn three_turns_are_sealed_as_one_group() {
    let (mut world, mut verifiers, mut client, lease) = world();
    assert_eq!(lease.session, Session::Revision);
    assert_eq!(lease.attempt_seeds.len() as u32, Session::Revision.attempts(3));
    client.hand_in(&mut world, &turn_of(&lease, 0, "text"));
    for turn in 0..MAX_TURNS - 1 {
        let ask = MineRequest::Feedback { lease: lease.id, turn };
        assert!(matches!(client.mine(&mut world, &ask), MineReply::FeedbackPending { .. }));
        assert_eq!(grade(&mut world, false), turn);
        let said = feedback(&mut world, &mut client, &lease, turn);
        assert_eq!((said.lease, said.turn), (lease.id, turn));
        assert_eq!(feedback(&mut world, &mut client, &lease, turn), said, "asked twice");
        world.crash();
        hand_in(&mut world, &mut client, &lease, turn + 1, said.next.expect("it failed"));
        check(&world);
    }
    assert!(matches!(phase(&world, &lease), Phase::Grading(_)));
    settle(&mut world, &mut verifiers, &lease);
    let Outcome::Graded { attempts, .. } = outcome(&world, &lease) else { panic!("not graded") };
    let all: Vec<_> = attempts_of(&lease, "text").iter().map(|a| a.id().expect("id")).collect();
    assert_eq!(attempts, all);
    // Who lost an answer still gets it.
    feedback(&mut world, &mut client, &lease, 1);
}

#[test]
fn what_passes_ends_the_session() {
    let (mut world, mut verifiers, mut client, lease) = world();
    client.hand_in(&mut world, &turn_of(&lease, 0, "text"));
    grade(&mut world, true);
    assert_eq!(feedback(&mut world, &mut client, &lease, 0).next, None);
    let attempts = turn_of(&lease, 1, "text");
    let late = MineRequest::CommitTurn(turn_commit(&attempts, 1, Hash::default()));
    assert!(matches!(client.refused(&mut world, &late), Refusal::NoSuchLease(_)));
    settle(&mut world, &mut verifiers, &lease);
    let Outcome::Graded { attempts, .. } = outcome(&world, &lease) else { panic!("not graded") };
    assert_eq!(attempts.len(), 1);
}

#[test]
fn a_turn_must_be_the_next_of_the_same_conversation() {
    let (mut world, _, mut client, lease) = world();
    let second = turn_of(&lease, 1, "text");
    let turn = |turn, prompt| MineRequest::CommitTurn(turn_commit(&second, turn, prompt));
    let ask = |turn| MineRequest::Feedback { lease: lease.id, turn };
    let refused = client.refused(&mut world, &turn(1, Hash::default()));
    assert!(matches!(refused, Refusal::NoSuchLease(_)), "{refused:?}");
    assert!(matches!(client.refused(&mut world, &ask(0)), Refusal::NotCommitted(_)));
    // The first turn is one attempt, not a group.
    let all = MineRequest::Commit(commit_of(&attempts_of(&lease, "text")));
    let refused = client.refused(&mut world, &all);
    assert_eq!(refused, Refusal::WrongGroupSize { got: 5, want: 1 });
    client.hand_in(&mut world, &turn_of(&lease, 0, "text"));
    let refused = client.refused(&mut world, &turn(1, Hash::default()));
    assert!(matches!(refused, Refusal::NotExpected(_)), "before feedback: {refused:?}");
    assert!(matches!(client.refused(&mut world, &ask(1)), Refusal::NotExpected(_)));
    grade(&mut world, false);
    let next = feedback(&mut world, &mut client, &lease, 0).next.expect("it failed");
    let refused = client.refused(&mut world, &turn(1, Hash::of(b"other")));
    assert_eq!(refused, Refusal::OtherConversation { lease: lease.id, turn: 1 });
    assert!(matches!(client.refused(&mut world, &turn(2, next)), Refusal::NotExpected(_)));
    let one = MineRequest::CommitTurn(turn_commit(&second[..1], 1, next));
    assert_eq!(client.refused(&mut world, &one), Refusal::WrongGroupSize { got: 1, want: 2 });
    assert!(matches!(client.mine(&mut world, &turn(1, next)), MineReply::Committed { .. }));
    let other = MineRequest::CommitTurn(turn_commit(&turn_of(&lease, 1, "other"), 1, next));
    assert!(matches!(client.refused(&mut world, &other), Refusal::AlreadyCommitted(_)));
    // Nobody else has a part in it.
    let mut stranger = joined(&mut world, 2);
    assert!(matches!(stranger.refused(&mut world, &ask(0)), Refusal::NoSuchLease(_)));
    assert!(matches!(stranger.refused(&mut world, &turn(1, next)), Refusal::NoSuchLease(_)));
    check(&world);
}

#[test]
fn a_group_gets_no_feedback() {
    let mut world = World::opened(Target::default());
    let mut client = joined(&mut world, 1);
    let lease = client.lease(&mut world);
    assert_eq!(lease.session, Session::Group);
    client.hand_in(&mut world, &attempts_of(&lease, "text"));
    let ask = MineRequest::Feedback { lease: lease.id, turn: 0 };
    assert!(matches!(client.refused(&mut world, &ask), Refusal::NotExpected(_)));
}

/// What was said must not come to another account, so the task is not given out again.
#[test]
fn a_session_that_is_left_is_sealed_with_what_there_is() {
    for hand_back in [false, true] {
        let (mut world, mut verifiers, mut client, lease) = world();
        client.hand_in(&mut world, &turn_of(&lease, 0, "text"));
        grade(&mut world, false);
        feedback(&mut world, &mut client, &lease, 0);
        if hand_back {
            let request = MineRequest::HandBack { lease: lease.id, reason: "no".into() };
            assert_eq!(client.mine(&mut world, &request), MineReply::HandedBack);
        } else {
            world.tick_to(world.now + 59_999);
            assert!(matches!(phase(&world, &lease), Phase::Committed(_)));
            world.tick_to(world.now + 1);
        }
        assert!(matches!(phase(&world, &lease), Phase::Grading(_)));
        settle(&mut world, &mut verifiers, &lease);
        let Outcome::Graded { attempts, .. } = outcome(&world, &lease) else { panic!("no grade") };
        assert_eq!((attempts.len(), faults(&world)), (1, Vec::new()));
    }
}

#[test]
fn a_committed_turn_that_is_not_uploaded_is_a_fault() {
    let (mut world, mut verifiers, mut client, lease) = world();
    client.hand_in(&mut world, &turn_of(&lease, 0, "text"));
    grade(&mut world, false);
    let next = feedback(&mut world, &mut client, &lease, 0).next.expect("it failed");
    let attempts = turn_of(&lease, 1, "text");
    client.mine(&mut world, &MineRequest::CommitTurn(turn_commit(&attempts, 1, next)));
    upload(&mut world, &mut client, &attempts[..1]);
    settle(&mut world, &mut verifiers, &lease);
    let Outcome::Incomplete { attempts, .. } = outcome(&world, &lease) else { panic!("whole") };
    assert_eq!((attempts.len(), faults(&world).len()), (2, 1));
}

#[test]
fn a_turn_that_cannot_be_graded_ends_the_session() {
    let (mut world, mut verifiers, mut client, lease) = world();
    client.hand_in(&mut world, &turn_of(&lease, 0, "text"));
    let at = world.effects.iter().position(|effect| matches!(effect, Effect::GradeTurn { .. }));
    world.effects.swap_remove(at.expect("a turn to grade"));
    let grade = Err("the disk is gone".into());
    world.step(Input::TurnGraded { lease: lease.id, turn: 0, grade });
    let ask = MineRequest::Feedback { lease: lease.id, turn: 0 };
    assert!(matches!(client.refused(&mut world, &ask), Refusal::NoSuchLease(_)));
    settle(&mut world, &mut verifiers, &lease);
    assert!(matches!(outcome(&world, &lease), Outcome::Graded { .. }));
}

/// The grade of a turn that comes too late leaves the session gradable.
#[test]
fn a_turn_graded_too_late_does_not_keep_the_session_from_its_grade() {
    let (mut world, mut verifiers, mut client, lease) = world();
    client.hand_in(&mut world, &turn_of(&lease, 0, "text"));
    let at = world.effects.iter().position(|effect| matches!(effect, Effect::GradeTurn { .. }));
    let late = world.effects.swap_remove(at.expect("a turn to grade"));
    world.tick_to(world.now + lode_proto::limits::OWN_GRADE_MS);
    assert!(matches!(phase(&world, &lease), Phase::Grading(_)));
    world.perform(late);
    settle(&mut world, &mut verifiers, &lease);
    assert!(matches!(outcome(&world, &lease), Outcome::Graded { .. }));
}

/// A second commitment to one attempt could never be uploaded, and no audit would take the bundle.
#[test]
fn nobody_commits_to_an_attempt_twice() {
    let twice = |refusal: Refusal| {
        assert!(matches!(&refusal, Refusal::Malformed(why) if why.contains("twice")), "{refusal}");
    };
    let mut world = World::opened(Target::default());
    let mut client = joined(&mut world, 1);
    let lease = client.lease(&mut world);
    let mut commit = commit_of(&attempts_of(&lease, "text"));
    commit.attempts[2] = commit.attempts[0];
    twice(client.refused(&mut world, &MineRequest::Commit(commit)));

    let (mut world, _, mut client, lease) = self::world();
    client.hand_in(&mut world, &turn_of(&lease, 0, "text"));
    grade(&mut world, false);
    let next = feedback(&mut world, &mut client, &lease, 0).next.expect("it failed");
    let made = attempts_of(&lease, "text");
    for (first, second) in [(1, 1), (0, 1), (1, 0)] {
        let pair = [made[first].clone(), made[second].clone()];
        twice(client.refused(&mut world, &MineRequest::CommitTurn(turn_commit(&pair, 1, next))));
    }
    check(&world);
}

#[test]
fn a_lease_given_back_between_turns_may_be_given_back_again() {
    let (mut world, _, mut client, lease) = world();
    client.hand_in(&mut world, &turn_of(&lease, 0, "text"));
    grade(&mut world, false);
    let request = MineRequest::HandBack { lease: lease.id, reason: "no".into() };
    for _ in 0..2 {
        assert_eq!(client.mine(&mut world, &request), MineReply::HandedBack);
    }
    check(&world);
}

#[test]
fn an_epoch_of_sessions_alone_is_not_asked_for_pairs_of_groups() {
    let wanted = |pairs, paired_tasks, profiles: &[Profile], every| {
        let mut plan = plan(Target { pairs, paired_tasks, ..Target::default() });
        plan.campaign.profiles = profiles.to_vec();
        plan.campaign.revision_every = every;
        plan.check()
    };
    let two = [Profile::Nano, Profile::Mini];
    assert_eq!(wanted(0, 0, &[], 1), Ok(()));
    assert_eq!(wanted(5, 5, &two, 2), Ok(()));
    for (pairs, tasks, profiles) in [(1, 0, &[][..]), (0, 1, &[]), (0, 0, &two)] {
        assert_eq!(wanted(pairs, tasks, profiles, 1), Err(CommandError::SessionsOnly));
    }
}
