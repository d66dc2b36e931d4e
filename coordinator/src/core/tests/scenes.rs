//! Steps that several tests share.

use lode_bundle::record::FaultKind;
use lode_proto::{
    epoch::Outcome,
    id::{NetworkId, PolicyId},
    key::PublicKey,
    mine::Lease,
};

use super::{
    actors::{Manner, Verifier, attempts_of},
    checks::check,
    world::{Client, World, card},
};
use crate::core::{Event, Phase};

pub(super) fn network(world: &World) -> NetworkId {
    world.core.context().network
}

pub(super) fn policy() -> PolicyId {
    card().policy.id().expect("hashes")
}

pub(super) fn three(manners: [Manner; 3]) -> [Verifier; 3] {
    let mut byte = 99;
    manners.map(|manner| {
        byte += 1;
        Verifier::new(byte, manner)
    })
}

pub(super) fn joined(world: &mut World, byte: u8) -> Client {
    let mut client = Client::new(byte);
    client.join_mine(world);
    client
}

/// One group handed in, its lease.
pub(super) fn one_group(world: &mut World, byte: u8) -> Lease {
    let mut client = joined(world, byte);
    let lease = client.lease(world);
    client.hand_in(world, &attempts_of(&lease, "text"));
    lease
}

pub(super) fn phase<'a>(world: &'a World, lease: &Lease) -> &'a Phase {
    let epoch = world.core.state().epoch.as_ref().expect("an epoch");
    &epoch.slot(epoch.leases[&lease.id].counter).expect("a task").phase
}

pub(super) fn outcome(world: &World, lease: &Lease) -> Outcome {
    match phase(world, lease) {
        Phase::Settled(outcome, _) => (**outcome).clone(),
        other => panic!("not settled: {other:?}"),
    }
}

pub(super) fn faults(world: &World) -> Vec<(PublicKey, FaultKind, usize)> {
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
pub(super) fn settle(world: &mut World, verifiers: &mut [Verifier], lease: &Lease) {
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
