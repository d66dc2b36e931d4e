//! A network that loses, repeats and reorders, with hostile members, and a coordinator that is
//! killed at any instant with its unsynced writes lost.

use lode_proto::{
    attempt::{Attempt, GroupCommit},
    envelope::Envelope,
    id::{AttemptId, Hash, LeaseId},
    key::PublicKey,
    mine::{MineReply, MineRequest},
    session::TurnCommit,
};
use proptest::prelude::*;
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    actors::{HonestMiner, Manner, Verifier, attempts_of, commit_of},
    checks::{check, check_acknowledged, check_at_rest},
    world::{Answer, Client, World, card},
};
use crate::core::{Command, Input, Phase, Target};

struct Simulation {
    world: World,
    rng: ChaCha8Rng,
    miners: Vec<HonestMiner>,
    hostile: Vec<Client>,
    verifiers: Vec<Verifier>,
    /// On the way: (peer, envelope, to a miner's protocol?).
    wire: Vec<(PublicKey, Envelope, bool)>,
    /// Everything ever sent, to be replayed.
    seen: Vec<(PublicKey, Envelope, bool)>,
}

impl Simulation {
    fn new(seed: u64, manners: &[Manner]) -> Self {
        let mut simulation = Self {
            world: World::new(2, manners.len() as u32),
            rng: ChaCha8Rng::seed_from_u64(seed),
            miners: (1..=3).map(HonestMiner::new).collect(),
            hostile: (50..=51).map(Client::new).collect(),
            verifiers: (100..)
                .zip(manners)
                .map(|(byte, manner)| Verifier::new(byte, *manner))
                .collect(),
            wire: Vec::new(),
            seen: Vec::new(),
        };
        simulation.world.revision_every = 3;
        for client in &mut simulation.hostile {
            client.join_mine(&mut simulation.world);
        }
        for verifier in &mut simulation.verifiers {
            let request = verifier.next_request();
            let reply = verifier.client.verify(&mut simulation.world, &request);
            verifier.hear(&simulation.world, reply);
        }
        simulation.world.open_epoch(Target { graded: 8, ..Target::default() }, 1);
        simulation.world.sync();
        simulation
    }

    fn put(&mut self, peer: PublicKey, envelope: Envelope, mine: bool) {
        // Lost, once, or twice.
        let copies = *[0, 1, 1, 1, 1, 1, 2].choose(&mut self.rng).expect("not empty");
        for _ in 0..copies {
            self.wire.push((peer, envelope.clone(), mine));
        }
        self.seen.push((peer, envelope, mine));
    }

    fn hostile_request(&mut self) -> MineRequest {
        let lease: LeaseId = {
            let epoch = self.world.core.state().epoch.as_ref();
            let leases: Vec<_> =
                epoch.map(|e| e.leases.keys().copied().collect()).unwrap_or_default();
            leases.choose(&mut self.rng).copied().unwrap_or_default()
        };
        let policy = card().policy.id().expect("hashes");
        let text = format!("hostile {}", self.rng.random_range(0..3));
        let attempt = |index, completion: Vec<u8>| Attempt {
            lease,
            index,
            policy,
            completion,
            finish: lode_proto::attempt::Finish::Cap,
            prompt_tokens: 0,
            completion_tokens: 7,
            evidence: None,
        };
        let any: Vec<AttemptId> =
            (0..3).map(|i| attempt(i, text.clone().into_bytes()).id().expect("hashes")).collect();
        match self.rng.random_range(0..11) {
            0 | 1 => MineRequest::Lease { policy },
            2 => MineRequest::Lease { policy: Default::default() },
            3 => MineRequest::Heartbeat { leases: vec![lease] },
            4 | 5 => MineRequest::Commit(GroupCommit { lease, policy, attempts: any }),
            6 => {
                let index = self.rng.random_range(0..5);
                MineRequest::Submit(attempt(index, text.into_bytes()))
            }
            9 => MineRequest::Feedback { lease, turn: self.rng.random_range(0..4) },
            10 => {
                let turn = self.rng.random_range(0..4);
                let (prompt, attempts) = (Hash::of(text.as_bytes()), any);
                MineRequest::CommitTurn(TurnCommit { lease, policy, turn, prompt, attempts })
            }
            7 => MineRequest::Submit(attempt(0, vec![b'x'; 300_000])),
            _ => MineRequest::HandBack { lease, reason: "no".into() },
        }
    }

    fn act(&mut self) {
        match self.rng.random_range(0..100) {
            0..30 => {
                let place = self.rng.random_range(0..self.miners.len());
                let miner = &mut self.miners[place];
                let request = miner.next_request();
                let envelope = miner.client.seal_mine(&self.world, &request);
                let peer = miner.client.public();
                self.put(peer, envelope, true);
            }
            30..60 => {
                let place = self.rng.random_range(0..self.verifiers.len());
                let verifier = &mut self.verifiers[place];
                let request = verifier.next_request();
                let envelope = verifier.client.seal_verify(&self.world, &request);
                let peer = verifier.public();
                self.put(peer, envelope, false);
            }
            60..68 => {
                let request = self.hostile_request();
                let place = self.rng.random_range(0..self.hostile.len());
                let envelope = self.hostile[place].seal_mine(&self.world, &request);
                let peer = self.hostile[place].public();
                self.put(peer, envelope, true);
            }
            // Replayed, by its sender or by another; or changed on the way.
            68..72 => {
                if let Some((peer, mut envelope, mine)) = self.seen.choose(&mut self.rng).cloned() {
                    let peer = match self.rng.random_range(0..3) {
                        0 => self.hostile[0].public(),
                        1 if !envelope.bytes.is_empty() => {
                            let at = self.rng.random_range(0..envelope.bytes.len());
                            envelope.bytes[at] ^= 1;
                            peer
                        }
                        _ => peer,
                    };
                    self.wire.push((peer, envelope, mine));
                }
            }
            72..88 => {
                let count = self.world.effects.len();
                if count > 0 {
                    let place = self.rng.random_range(0..count);
                    let effect = self.world.effects.swap_remove(place);
                    self.world.perform(effect);
                }
            }
            88..96 => self.sync(),
            96..99 => {
                let by = self.rng.random_range(0..20_000);
                let to = self.world.now + by;
                self.world.tick_to(to);
            }
            _ => self.world.crash(),
        }
        if !self.wire.is_empty() {
            let place = self.rng.random_range(0..self.wire.len());
            let (peer, envelope, mine) = self.wire.swap_remove(place);
            if mine {
                self.world.deliver_mine(&peer, envelope);
            } else {
                self.world.deliver_verify(&peer, envelope);
            }
        }
    }

    fn sync(&mut self) {
        self.world.sync();
        for (peer, answer) in std::mem::take(&mut self.world.released) {
            // A reply can get lost, too.
            if self.rng.random_range(0..10) == 0 {
                continue;
            }
            match answer {
                Answer::Mine(reply) => {
                    if let Some(m) = self.miners.iter_mut().find(|m| m.client.public() == peer) {
                        m.hear(reply);
                    }
                }
                Answer::Verify(reply) => {
                    if let Some(v) = self.verifiers.iter_mut().find(|v| v.public() == peer) {
                        v.hear(&self.world, reply);
                    }
                }
            }
        }
    }

    fn check(&self) {
        check(&self.world);
        for miner in &self.miners {
            check_acknowledged(&self.world, &miner.receipts);
        }
    }

    /// Nobody says anything any more: ticks alone must bring the epoch to rest.
    fn quiesce(&mut self) {
        for _ in 0..10_000 {
            let epoch = self.world.core.state().epoch.as_ref().expect("an epoch");
            if epoch.stage.at_rest() {
                return;
            }
            let next = self.world.core.next_deadline_ms().expect("a state without a way out");
            self.world.tick_to(next);
        }
        panic!("no rest after 10,000 deadlines");
    }
}

const MANNERS: [[Manner; 3]; 5] = [
    [Manner::Honest; 3],
    [Manner::Honest, Manner::Honest, Manner::SignsAnything],
    [Manner::Honest, Manner::Withholds, Manner::Honest],
    [Manner::Lags, Manner::Honest, Manner::Honest],
    [Manner::Honest, Manner::CannotCheck, Manner::Honest],
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 0, ..Default::default() })]

    #[test]
    fn any_interleaving_holds(seed: u64, steps in 50_usize..700, manners in 0_usize..5) {
        let mut simulation = Simulation::new(seed, &MANNERS[manners]);
        for step in 0..steps {
            simulation.act();
            if step % 100 == 0 {
                simulation.check();
            }
        }
        simulation.sync();
        simulation.check();
        // Everybody falls silent, effects included: time alone must end it.
        simulation.quiesce();
        simulation.sync();
        simulation.check();
        check_at_rest(&simulation.world);
        simulation.world.crash();
        simulation.check();
    }
}

/// With everybody there and honest in the end, the target is reached and the bundle published,
/// however often the coordinator is killed.
#[test]
fn an_epoch_is_published_in_spite_of_crashes() {
    for seed in 0..6 {
        let mut simulation = Simulation::new(seed, &[Manner::Honest; 3]);
        let mut steps = 0;
        while !simulation.world.core.state().epoch.as_ref().is_some_and(|e| e.stage.at_rest()) {
            simulation.act();
            steps += 1;
            assert!(steps < 60_000, "seed {seed}: {:?}", simulation.world.core.state().epoch);
        }
        simulation.sync();
        simulation.check();
        check_at_rest(&simulation.world);
        let epoch = simulation.world.core.state().epoch.as_ref().expect("an epoch");
        assert_eq!(epoch.stage.name(), "published", "seed {seed}");
        assert!(epoch.graded >= 8);
        let graded = |phase: &Phase| matches!(phase, Phase::Settled(o, _) if o.name() == "graded");
        let count = epoch.slots.iter().filter(|slot| graded(&slot.phase)).count();
        assert_eq!(count as u64, epoch.graded);
    }
}

/// A lease has the time that was left when the coordinator went down: 60 s less 40.
#[test]
fn a_restart_neither_extends_nor_ends_a_lease() {
    for (wait, in_time) in [(19_999, true), (20_000, false)] {
        let mut world = World::opened(Target::default());
        let mut client = Client::new(50);
        client.join_mine(&mut world);
        let lease = client.lease(&mut world);
        world.tick_to(world.now + 40_000);
        // A record is what tells the time.
        world.step(Input::Command(Command::Pause(true)));
        world.sync();
        world.crash();
        world.tick_to(world.now + wait);
        let commit = MineRequest::Commit(commit_of(&attempts_of(&lease, "x")));
        let reply = client.mine(&mut world, &commit);
        assert_eq!(matches!(reply, MineReply::Committed { .. }), in_time, "{reply:?}");
    }
}
