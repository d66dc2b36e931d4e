//! Campaigns of several profiles: models are moved, tasks come from one sequence a profile, and a crash
//! at any point changes nothing.

use std::collections::BTreeMap;

use lode_proto::{
    adapt::Why,
    epoch::{EpochOpen, Level},
    task::{Place, Profile},
};

use super::{
    actors::{Manner, Verifier, attempts_of},
    checks::check,
    scenes::{joined, policy, settle, three},
    world::World,
};
use crate::core::{Command, CommandError, EpochPlan, Event, Input, Reply, Target};

/// Passes nano always, mini two times in three, nothing harder.
fn small(profile: Profile) -> u32 {
    match profile {
        Profile::Nano => 3,
        Profile::Mini => 2,
        Profile::Standard | Profile::Hard => 0,
    }
}

fn adaptive(profiles: &[Profile], verifiers: &mut [Verifier]) -> World {
    World::opened_on(Target::default(), verifiers, profiles, small)
}

/// Groups handed in and settled by two miners in turn, each after a crash where that is asked for.
fn groups(world: &mut World, verifiers: &mut [Verifier], count: usize, crashes: bool) {
    let mut miners = [joined(world, 1), joined(world, 2)];
    for number in 0..count {
        world.perform_all();
        let lease = miners[number % 2].lease(world);
        miners[number % 2].hand_in(world, &attempts_of(&lease, "text"));
        settle(world, verifiers, &lease);
        if crashes {
            world.sync();
            world.crash();
            world.perform_all();
            world.sync();
        }
        check(world);
    }
}

fn moves(world: &World) -> Vec<(Profile, Profile, Why)> {
    let step = |record: &crate::core::Record| match &record.event {
        Event::ProfileMoved { step } => Some((step.from, step.to, step.why)),
        _ => None,
    };
    world.log.iter().filter_map(step).collect()
}

#[test]
fn a_model_is_moved_where_about_half_passes_and_stays() {
    for crashes in [false, true] {
        let mut verifiers = three([Manner::Honest; 3]);
        let mut world =
            adaptive(&[Profile::Nano, Profile::Mini, Profile::Standard], &mut verifiers);
        groups(&mut world, &mut verifiers, 40, crashes);
        assert_eq!(moves(&world), [(Profile::Nano, Profile::Mini, Why::TooEasy)]);
        let epoch = world.core.state().epoch.as_ref().expect("an epoch");
        assert_eq!(epoch.schedule.profile(&policy()), Profile::Mini);
        // One sequence a profile, each without gaps, in order of the counters.
        let mut next: BTreeMap<Profile, u64> = BTreeMap::new();
        for slot in &epoch.slots {
            let index = next.entry(slot.place.profile).or_default();
            assert_eq!(slot.place.index, *index);
            *index += 1;
        }
        assert_eq!(next.keys().copied().collect::<Vec<_>>(), [Profile::Nano, Profile::Mini]);
        let first = |profile| epoch.spec_at(Place { profile, index: 0 }).expect("beacon").seed;
        assert_ne!(first(Profile::Nano), first(Profile::Mini), "no seed tells another");
    }
}

#[test]
fn the_next_epoch_opens_with_what_was_found() {
    let mut verifiers = three([Manner::Honest; 3]);
    let mut world = adaptive(&[Profile::Nano, Profile::Mini], &mut verifiers);
    groups(&mut world, &mut verifiers, 12, false);
    let close = Command::CloseEpoch { reason: "enough".into() };
    assert_eq!(world.step(Input::Command(close)), Reply::Command(Ok(())));
    for _ in 0..20 {
        world.perform_all();
        for verifier in &mut verifiers {
            verifier.act(&mut world);
        }
    }
    assert_eq!(world.stage(), "published");
    world.open_epoch(Target::default(), 2);
    let epoch = world.core.state().epoch.as_ref().expect("an epoch");
    let open: EpochOpen = epoch.open.open(world.core.context().network).expect("signed");
    assert_eq!(open.levels, [Level { policy: policy(), profile: Profile::Mini }]);
    assert_eq!(epoch.schedule.profile(&policy()), Profile::Mini);
    check(&world);
}

#[test]
fn a_fixed_profile_moves_nobody() {
    for profiles in [&[][..], &[Profile::Nano][..]] {
        let mut verifiers = three([Manner::Honest; 3]);
        let mut world = adaptive(profiles, &mut verifiers);
        groups(&mut world, &mut verifiers, 20, false);
        assert_eq!(moves(&world), []);
        let epoch = world.core.state().epoch.as_ref().expect("an epoch");
        assert!(epoch.slots.iter().all(|slot| slot.place.profile == Profile::Nano));
        assert_eq!(epoch.schedule.tracks().count(), 0);
    }
}

#[test]
fn a_list_of_profiles_that_cannot_work_is_refused() {
    let verifiers = &mut three([Manner::Honest; 3]);
    let world = World::opened_with(Target::default(), verifiers);
    let campaign = world.core.state().epoch.as_ref().expect("an epoch").campaign.clone();
    for profiles in [
        vec![Profile::Mini],
        vec![Profile::Mini, Profile::Nano],
        vec![Profile::Nano, Profile::Nano],
    ] {
        let mut plan = EpochPlan { campaign: campaign.clone(), target: Target::default() };
        plan.campaign.profiles = profiles;
        assert_eq!(plan.check(), Err(CommandError::Profiles(Profile::Nano)));
    }
}
