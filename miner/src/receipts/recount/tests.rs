use lode_proto::{
    genesis::Admission,
    id::AttemptId,
    key::SecretKey,
    policy::{Policy, PolicyCard, Sampling, Tier},
};
use proptest::prelude::*;

use super::{super::Joined, *};

/// A day in milliseconds.
const DAY_MS: u64 = 86_400_000;

const PARAMETERS: u64 = 134_515_008;

struct Chief {
    key: SecretKey,
    network: NetworkId,
    genesis: Envelope,
    card: PolicyCard,
    policy: PolicyId,
    miner: PublicKey,
}

fn chief() -> Chief {
    let key = SecretKey::from_bytes(&[5; 32]);
    let genesis = Genesis {
        name: "n".into(),
        version: 1,
        coordinator: key.public(),
        quorum: 1,
        verifiers: 1,
        verifier_admission: Admission::Open,
        open_to_miners: true,
        nonce: Hash::default(),
    };
    let (network, genesis) = genesis.seal(&key).expect("seals");
    let policy = Policy {
        weights: Hash::of(b"w"),
        quantisation: "Q8_0".into(),
        adapter: None,
        template: "raw/1".into(),
        sampling: Sampling { temperature_milli: 700, sampler: "gumbel/1".into() },
        grammar: Some(1),
    };
    let id = policy.id().expect("id");
    let card = PolicyCard {
        policy,
        model: "a model".into(),
        parameters: PARAMETERS,
        licence: "Apache-2.0".into(),
        output_licence: "Apache-2.0".into(),
        engine: "native/1".into(),
    };
    let miner = SecretKey::from_bytes(&[6; 32]).public();
    Chief { key, network, genesis, card, policy: id, miner }
}

impl Chief {
    fn joined(&self) -> Kept {
        Kept::Joined(Box::new(Joined {
            genesis: self.genesis.clone(),
            miner: self.miner,
            policy: self.policy,
            card: self.card.clone(),
        }))
    }

    fn seal(&self, receipt: &Receipt) -> Envelope {
        Envelope::seal(receipt, self.network, &self.key, receipt.index).expect("seals")
    }

    /// A join and `count` receipts as an honest coordinator gives them.
    fn chain(&self, count: u64) -> Vec<Kept> {
        let mut previous = Hash::default();
        let mut out = vec![self.joined()];
        for index in 0..count {
            let tokens = 20 + u32::try_from(index).expect("few");
            let kept = KeptReceipt {
                lease: lode_proto::id::LeaseId::of(&(index / 8).to_le_bytes()),
                attempt_index: u32::try_from(index % 8).expect("few"),
                attempt: AttemptId::of(&index.to_le_bytes()),
                policy: self.policy,
                claimed_tokens: tokens,
                completion_bytes: 200_000,
                allowed_tokens: 200_000,
                receipt: self.genesis.clone(),
            };
            let receipt = Receipt {
                miner: self.miner,
                index,
                previous,
                epoch: index / 3,
                lease: kept.lease,
                attempt_index: kept.attempt_index,
                attempt: kept.attempt,
                tokens,
                parameters: PARAMETERS,
                tier: Tier::T0,
                credit_version: CREDIT_VERSION,
                credits_milli: credit::credits_milli(tokens, PARAMETERS, Tier::T0),
                unix_ms: 1_795_305_600_000 + index * DAY_MS / 4,
            };
            previous = receipt.hash().expect("hash");
            out.push(Kept::Receipt(Box::new(KeptReceipt { receipt: self.seal(&receipt), ..kept })));
        }
        out
    }

    fn receipt(&self, kept: &Kept) -> Receipt {
        let Kept::Receipt(kept) = kept else { panic!("no receipt") };
        kept.receipt.open(self.network).expect("opens")
    }
}

fn numbered(entries: &[Kept]) -> Vec<(u64, Kept)> {
    (0..).zip(entries.iter().cloned()).collect()
}

fn count(anchor: Anchor, entries: &[(u64, Kept)]) -> Recount {
    let mut counter = Counter::new(anchor);
    for (number, kept) in entries {
        counter.add(*number, kept);
    }
    counter.finish()
}

fn first(entries: &[Kept]) -> (u64, Wrong) {
    let found = count(Anchor::default(), &numbered(entries));
    let first = found.problems.into_iter().next().expect("something is wrong");
    (first.receipt, first.what)
}

#[test]
fn an_honest_chain_holds_and_sums_up() {
    let chief = chief();
    let found = count(Anchor::default(), &numbered(&chief.chain(9)));
    assert!(found.holds(), "{:?}", found.problems);
    assert_eq!((found.found, found.total.receipts), (9, 9));
    let tokens: u64 = (0..9).map(|index| 20 + index).sum();
    // 0.1 class weight, 0.5 tier weight.
    assert_eq!((found.total.tokens, found.total.credits_milli), (tokens, tokens * 50));
    assert_eq!(found.epochs.keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
    let days: Vec<_> = found.days.iter().map(|(day, sum)| (day.as_str(), sum.receipts)).collect();
    assert_eq!(days, [("2026-11-22", 4), ("2026-11-23", 4), ("2026-11-24", 1)]);
    let policy = &found.policies[&chief.policy];
    assert_eq!((policy.model.as_deref(), policy.sum), (Some("a model"), found.total));
    assert_eq!(found.coordinator, Some(chief.key.public()));
    assert_eq!(found.head.map(|(number, _)| number), Some(8));
}

#[test]
fn the_key_may_be_given_where_no_genesis_is_kept() {
    let chief = chief();
    let old: Vec<Kept> = chief.chain(3).into_iter().skip(1).collect();
    let mut counter = Counter::new(Anchor::default());
    counter.add(0, &old[0]);
    assert!(counter.lacks_key());
    // The join came later, with a newer version of the miner.
    let mut joined_late = old.clone();
    joined_late.push(chief.joined());
    let mut counter = Counter::new(Anchor::default());
    joined_late.iter().for_each(|kept| counter.foresee(kept));
    for (number, kept) in numbered(&joined_late) {
        counter.add(number, &kept);
        assert!(!counter.lacks_key());
    }
    let found = counter.finish();
    assert!(found.holds() && found.total.receipts == 3, "{:?}", found.problems);
    let right = Anchor { coordinator: Some(chief.key.public()), network: None };
    assert!(count(right, &numbered(&old)).holds());
    let other = SecretKey::from_bytes(&[7; 32]).public();
    let wrong = Anchor { coordinator: Some(other), network: None };
    let found = count(wrong, &numbered(&old));
    assert_eq!(found.wrong, 3);
    assert_eq!(found.total, Sum::default());
    // A genesis does not help against a key that the operator gives.
    assert_eq!(count(wrong, &numbered(&chief.chain(3))).wrong, 4);
}

#[test]
fn a_receipt_that_came_late_is_put_in_its_place() {
    let chief = chief();
    let mut entries = chief.chain(6);
    let late = entries.remove(3);
    entries.insert(5, late);
    assert!(count(Anchor::default(), &numbered(&entries)).holds());
}

#[test]
fn what_is_missing_or_doubled_is_named() {
    let chief = chief();
    let whole = chief.chain(6);
    let mut entries = whole.clone();
    entries.drain(3..5);
    assert_eq!(first(&entries), (2, Wrong::Missing { up_to: 3 }));
    let mut entries = whole.clone();
    entries.insert(5, whole[3].clone());
    assert_eq!(first(&entries), (2, Wrong::Doubled));
    let mut entries = numbered(&whole);
    entries.swap(2, 4);
    let found = count(Anchor::default(), &entries);
    assert!(matches!(found.problems[0].what, Wrong::OutOfPlace { .. }), "{:?}", found.problems);
}

#[test]
fn a_lying_coordinator_is_found_by_what_the_miner_knows() {
    let chief = chief();
    type Lie = fn(&mut Receipt);
    type Finds = fn(&Wrong) -> bool;
    let lies: [(Lie, Finds); 9] = [
        (|r| r.credits_milli -= 1, |w| matches!(w, Wrong::Credits { .. })),
        (|r| r.tokens -= 1, |w| matches!(w, Wrong::Tokens { .. })),
        (
            |r| {
                r.tokens -= 1;
                r.credits_milli = credit::credits_milli(r.tokens, r.parameters, r.tier);
            },
            |w| matches!(w, Wrong::Tokens { .. }),
        ),
        (|r| r.parameters = 1, |w| matches!(w, Wrong::Parameters { want: PARAMETERS, .. })),
        (|r| r.credit_version = 2, |w| matches!(w, Wrong::Version(2))),
        (|r| r.attempt = AttemptId::of(b"x"), |w| matches!(w, Wrong::OtherAttempt { .. })),
        (|r| r.attempt_index += 1, |w| matches!(w, Wrong::OtherPlace)),
        (
            |r| r.miner = SecretKey::from_bytes(&[9; 32]).public(),
            |w| matches!(w, Wrong::OtherMiner(_)),
        ),
        (|r| r.previous = Hash::of(b"x"), |w| matches!(w, Wrong::Chain)),
    ];
    for (lie, finds) in lies {
        let mut entries = chief.chain(5);
        let mut receipt = chief.receipt(&entries[4]);
        lie(&mut receipt);
        if let Kept::Receipt(kept) = &mut entries[4] {
            kept.receipt = chief.seal(&receipt);
        }
        let (number, what) = first(&entries);
        assert_eq!(number, 3);
        assert!(finds(&what), "{what}");
    }
}

#[test]
fn many_problems_are_counted_and_the_first_are_told() {
    let chief = chief();
    let mut entries = chief.chain(300);
    for kept in entries.iter_mut().rev() {
        if let Kept::Receipt(kept) = kept {
            kept.claimed_tokens = 1;
        }
    }
    let found = count(Anchor::default(), &numbered(&entries));
    assert_eq!((found.wrong, found.problems.len()), (300, MAX_PROBLEMS));
    assert_eq!(found.problems[0].receipt, 0);
    assert_eq!(
        found.problems[0].to_string(),
        "receipt 0: it credits 20 tokens; by the published rule the attempt has 1"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever bit of a receipt is changed, in the envelope or in what the miner noted beside it.
    #[test]
    fn any_change_of_one_is_found(at in 0_usize..8, place: prop::sample::Index, bit in 0..8) {
        let chief = chief();
        let mut entries = chief.chain(8);
        let Kept::Receipt(kept) = &mut entries[at + 1] else { panic!("no receipt") };
        let mut bytes = codec_of(kept);
        let place = place.index(bytes.len());
        bytes[place] ^= 1_u8 << bit;
        // A change that leaves no receipt at all is found by the file's reader.
        if let Ok(changed) = lode_proto::codec::decode::<KeptReceipt>(&bytes, bytes.len()) {
            // Bounds that do not bind are ours alone, and change nothing.
            let harmless = KeptReceipt {
                completion_bytes: kept.completion_bytes,
                allowed_tokens: kept.allowed_tokens,
                policy: kept.policy,
                ..changed.clone()
            } == **kept;
            **kept = changed;
            let found = count(Anchor::default(), &numbered(&entries));
            prop_assert!(harmless || !found.holds(), "byte {place}");
            if !harmless {
                prop_assert_eq!(found.problems[0].receipt, at as u64);
            }
        }
    }

    /// Whichever is dropped, said twice, or put elsewhere.
    #[test]
    fn any_other_sequence_is_found(from in 0_usize..8, to in 0_usize..8) {
        let chief = chief();
        let whole = numbered(&chief.chain(8));
        let mut dropped = whole.clone();
        dropped.remove(from + 1);
        prop_assert!(!count(Anchor::default(), &dropped).holds() || from == 7);
        // Renumbered, too: then by the chain itself.
        let again: Vec<Kept> = dropped.iter().map(|(_, kept)| kept.clone()).collect();
        prop_assert!(!count(Anchor::default(), &numbered(&again)).holds() || from == 7);
        let mut doubled: Vec<Kept> = whole.iter().map(|(_, kept)| kept.clone()).collect();
        doubled.insert(to + 1, whole[from + 1].1.clone());
        prop_assert!(!count(Anchor::default(), &numbered(&doubled)).holds());
        let mut moved = whole.clone();
        moved.swap(from + 1, to + 1);
        prop_assert_eq!(count(Anchor::default(), &moved).holds(), from == to);
        // Two receipts that changed places while what the miner noted did not.
        if from != to {
            let mut entries: Vec<Kept> = whole.iter().map(|(_, kept)| kept.clone()).collect();
            let one = envelope(&entries[from + 1]);
            let other = envelope(&entries[to + 1]);
            set(&mut entries[from + 1], other);
            set(&mut entries[to + 1], one);
            prop_assert!(!count(Anchor::default(), &numbered(&entries)).holds());
        }
    }
}

fn codec_of(kept: &KeptReceipt) -> Vec<u8> {
    lode_proto::codec::encode(kept).expect("encodes")
}

fn envelope(kept: &Kept) -> Envelope {
    let Kept::Receipt(kept) = kept else { panic!("no receipt") };
    kept.receipt.clone()
}

fn set(kept: &mut Kept, envelope: Envelope) {
    if let Kept::Receipt(kept) = kept {
        kept.receipt = envelope;
    }
}

/// Not a test: how long a year of receipts takes. `cargo test --release … -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn seconds_for_a_hundred_thousand() {
    let chief = chief();
    let entries = numbered(&chief.chain(100_000));
    let began = std::time::Instant::now();
    let found = count(Anchor::default(), &entries);
    assert_eq!(found.total.receipts, 100_000);
    let bytes: usize =
        entries.iter().map(|(_, kept)| lode_proto::codec::encode(kept).expect("bytes").len()).sum();
    eprintln!("{:?} for 100,000 receipts, {bytes} bytes", began.elapsed());
}
