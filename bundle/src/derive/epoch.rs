//! The epoch's own records: genesis, opening, verifiers, beacon, counters and ledger.

use std::collections::{BTreeMap, BTreeSet};

use lode_proto::{
    envelope::{Envelope, Payload},
    epoch::{BeaconCommit, BeaconFixed, BeaconReveal, EpochOpen},
    genesis::{Admission, Genesis},
    id::{Hash, NetworkId, PolicyId},
    key::PublicKey,
    ledger::{self, LedgerEntry},
    mine::{AccountBinding, MineRequest},
    policy::PolicyCard,
    seed,
    verify::VerifyRequest,
};

use super::Epoch;
use crate::{
    finding::{Check, Finding},
    record::EpochRecord,
};

/// Checks everything that is not about a single task. `None` where even that cannot be read.
pub(crate) fn check(record: &EpochRecord, findings: &mut Vec<Finding>) -> Option<Epoch> {
    let mut fail = |check, what: String| findings.push(Finding::bundle(check, what));
    let (network, genesis) = match Genesis::open(&record.genesis) {
        Ok(opened) => opened,
        Err(error) => {
            fail(Check::Network, error.to_string());
            return None;
        }
    };
    let open: EpochOpen = match record.open.open_from(network, &genesis.coordinator) {
        Ok(open) => open,
        Err(error) => {
            fail(Check::Evidence, format!("the epoch's opening: {error}"));
            return None;
        }
    };
    if open.epoch != record.epoch {
        fail(
            Check::Evidence,
            format!("the opening is of epoch {}, not of epoch {}", open.epoch, record.epoch),
        );
    }
    let commit = seed::epoch_commit(&record.secret.0);
    if open.commit != commit {
        let what = format!(
            "the secret does not open its commitment: {} was published, the secret gives {commit}",
            open.commit
        );
        fail(Check::Beacon, what);
    }
    let verifiers = verifiers(record, network, &genesis, findings);
    let beacon = beacon(record, network, &genesis, &open, &verifiers, findings)?;
    let cards = cards(record, network, findings);
    check_faults(record, network, findings);
    check_ledger(record, &open, findings);
    let faults = record.faults.iter().map(|fault| (fault.accused, fault.lease)).collect();
    Some(Epoch { network, genesis, open, beacon, secret: record.secret, verifiers, cards, faults })
}

/// The account behind a node key: the signer of a binding that names it, or the key itself.
fn account(
    binding: Option<&Envelope>,
    node: PublicKey,
    network: NetworkId,
) -> Result<PublicKey, String> {
    let Some(envelope) = binding else { return Ok(node) };
    match envelope.open::<AccountBinding>(network) {
        Ok(bound) if bound.node == node => Ok(envelope.sender),
        Ok(bound) => {
            Err(format!("account binding names {} instead of {}", bound.node.short(), node.short()))
        }
        Err(error) => Err(format!("account binding of {}: {error}", node.short())),
    }
}

fn verifiers(
    record: &EpochRecord,
    network: NetworkId,
    genesis: &Genesis,
    findings: &mut Vec<Finding>,
) -> BTreeMap<PublicKey, PublicKey> {
    let mut verifiers = BTreeMap::new();
    let mut fail = |what: String| findings.push(Finding::bundle(Check::Verifier, what));
    for envelope in &record.verifier_joins {
        let key = envelope.sender;
        match envelope.open::<VerifyRequest>(network) {
            Ok(VerifyRequest::Join { account: binding, .. }) => {
                match account(binding.as_ref(), key, network) {
                    Ok(account) => {
                        if verifiers.insert(key, account).is_some() {
                            fail(format!("verifier {} is listed twice", key.short()));
                        }
                    }
                    Err(what) => fail(what),
                }
            }
            Ok(_) => {
                fail(format!("verifier {} is listed by another message than Join", key.short()))
            }
            Err(error) => fail(format!("verifier {}: {error}", key.short())),
        }
        if let Admission::Listed(keys) = &genesis.verifier_admission
            && !keys.contains(&key)
        {
            fail(format!("verifier {} is not on the network's list", key.short()));
        }
    }
    let accounts: BTreeSet<&PublicKey> = verifiers.values().collect();
    if accounts.len() < verifiers.len() {
        fail("one account runs two verifiers; together they would be a quorum".into());
    }
    if verifiers.len() > genesis.verifiers as usize {
        let (got, limit) = (verifiers.len(), genesis.verifiers);
        fail(format!("the epoch has {got} verifiers, the network allows {limit}"));
    }
    verifiers
}

/// Envelopes of one type from verifiers, at most one each.
fn from_verifiers<T: Payload>(
    envelopes: &[Envelope],
    network: NetworkId,
    verifiers: &BTreeMap<PublicKey, PublicKey>,
    findings: &mut Vec<Finding>,
) -> BTreeMap<PublicKey, T> {
    let mut found = BTreeMap::new();
    for envelope in envelopes {
        let who = envelope.sender.short();
        let fault = match envelope.open::<T>(network) {
            Err(error) => error.to_string(),
            Ok(_) if !verifiers.contains_key(&envelope.sender) => {
                format!("{who} is not a verifier of the epoch")
            }
            Ok(value) => match found.insert(envelope.sender, value) {
                None => continue,
                Some(_) => format!("verifier {who} did it twice"),
            },
        };
        findings.push(Finding::bundle(Check::Beacon, format!("{}: {fault}", T::CONTEXT)));
    }
    found
}

fn beacon(
    record: &EpochRecord,
    network: NetworkId,
    genesis: &Genesis,
    open: &EpochOpen,
    verifiers: &BTreeMap<PublicKey, PublicKey>,
    findings: &mut Vec<Finding>,
) -> Option<Hash> {
    let commits: BTreeMap<PublicKey, BeaconCommit> =
        from_verifiers(&record.beacon_commits, network, verifiers, findings);
    let reveals: BTreeMap<PublicKey, BeaconReveal> =
        from_verifiers(&record.beacon_reveals, network, verifiers, findings);
    let mut fail = |what: String| findings.push(Finding::bundle(Check::Beacon, what));
    for (key, commit) in &commits {
        if commit.epoch != open.epoch {
            fail(format!("the nonce commitment of {} is of epoch {}", key.short(), commit.epoch));
        }
    }
    for (key, reveal) in &reveals {
        let right = seed::nonce_commit(key, open.epoch, &reveal.nonce.0);
        if reveal.epoch != open.epoch || commits.get(key).is_none_or(|made| made.commit != right) {
            fail(format!("the nonce of {} does not open its commitment", key.short()));
        }
    }
    let fixed: BeaconFixed = match record.beacon_fixed.open_from(network, &genesis.coordinator) {
        Ok(fixed) => fixed,
        Err(error) => {
            fail(format!("the fixed beacon: {error}"));
            return None;
        }
    };
    let revealed: Vec<PublicKey> = reveals.keys().copied().collect();
    let withheld: Vec<PublicKey> =
        commits.keys().filter(|key| !reveals.contains_key(key)).copied().collect();
    if fixed.epoch != open.epoch || fixed.revealed != revealed || fixed.withheld != withheld {
        fail("the fixed beacon names other verifiers than those that revealed".into());
    }
    if revealed.len() < genesis.quorum as usize {
        let (got, want) = (revealed.len(), genesis.quorum);
        fail(format!("{got} verifiers revealed a nonce, the quorum is {want}"));
    }
    let nonces: Vec<(PublicKey, [u8; 32])> =
        reveals.iter().map(|(key, reveal)| (*key, reveal.nonce.0)).collect();
    let right = seed::beacon(&open.commit, open.epoch, &nonces);
    if fixed.beacon != right {
        fail(format!("the beacon is given as {}, the nonces give {right}", fixed.beacon));
    }
    Some(fixed.beacon)
}

/// A miner's policies with its account, by key and policy.
type Cards = BTreeMap<(PublicKey, PolicyId), (PolicyCard, PublicKey)>;

fn cards(record: &EpochRecord, network: NetworkId, findings: &mut Vec<Finding>) -> Cards {
    let mut cards = BTreeMap::new();
    let mut fail = |what: String| findings.push(Finding::bundle(Check::Evidence, what));
    for envelope in &record.joins {
        let key = envelope.sender;
        match envelope.open::<MineRequest>(network) {
            Ok(MineRequest::Join { account: binding, card, .. }) => {
                match (account(binding.as_ref(), key, network), card.policy.id()) {
                    (Ok(account), Ok(policy)) => {
                        let made = (*card, account);
                        if cards.get(&(key, policy)).is_some_and(|other| *other != made) {
                            fail(format!("miner {} has two cards for one policy", key.short()));
                        }
                        cards.insert((key, policy), made);
                    }
                    (Err(what), _) => fail(what),
                    (_, Err(error)) => fail(format!("policy of {}: {error}", key.short())),
                }
            }
            Ok(_) => {
                fail(format!("miner {} is introduced by another message than Join", key.short()))
            }
            Err(error) => fail(format!("joining of {}: {error}", key.short())),
        }
    }
    cards
}

fn check_faults(record: &EpochRecord, network: NetworkId, findings: &mut Vec<Finding>) {
    for fault in &record.faults {
        for envelope in &fault.evidence {
            if envelope.network != network && envelope.network != NetworkId::default() {
                let what =
                    format!("the fault of {} rests on another network", fault.accused.short());
                findings.push(Finding::bundle(Check::Evidence, what));
            }
        }
    }
}

/// The ledger from the epoch's opening to its close: each counter settled exactly once, with the
/// outcome that the manifest lists.
fn check_ledger(record: &EpochRecord, open: &EpochOpen, findings: &mut Vec<Finding>) {
    for (place, counter) in record.counters.iter().enumerate() {
        if counter.counter != place as u64 {
            let what = format!(
                "counter {} stands where counter {place} must: one was skipped, repeated or moved",
                counter.counter
            );
            findings.push(Finding::bundle(Check::Counter, what));
        }
    }
    let mut fail = |what: String| findings.push(Finding::bundle(Check::Ledger, what));
    let count = record.counters.len() as u64;
    let mut entries = record.ledger.iter();
    match (entries.next(), record.open.hash()) {
        (Some(LedgerEntry::EpochOpened { epoch, envelope }), Ok(hash))
            if *epoch == open.epoch && *envelope == hash => {}
        _ => fail("its first entry is not the opening of this epoch".into()),
    }
    match (entries.next(), record.beacon_fixed.hash()) {
        (Some(LedgerEntry::BeaconFixed { epoch, envelope }), Ok(hash))
            if *epoch == open.epoch && *envelope == hash => {}
        _ => fail("its second entry is not the beacon of this epoch".into()),
    }
    let mut seen = BTreeSet::new();
    let mut closed = false;
    for entry in entries {
        if closed {
            fail("it goes on after the epoch was closed".into());
            return;
        }
        match entry {
            LedgerEntry::Sealed { epoch, counter, task, outcome } => {
                let listed = usize::try_from(*counter).ok().and_then(|i| record.counters.get(i));
                let same = listed.is_some_and(|listed| {
                    listed.counter == *counter && listed.task == *task && listed.outcome == *outcome
                });
                if *epoch != open.epoch || !same {
                    fail(format!("its entry for counter {counter} is not what the manifest lists"));
                }
                if !seen.insert(*counter) {
                    fail(format!("counter {counter} was settled twice"));
                }
            }
            // What it must say is checked once the groups are graded.
            LedgerEntry::Moved { epoch, .. } if *epoch == open.epoch => {}
            LedgerEntry::Moved { epoch, .. } => {
                fail(format!("it moves a policy in epoch {epoch}, not in this one"));
            }
            LedgerEntry::EpochClosed { epoch, count: closed_at, secret } => {
                closed = true;
                if *epoch != open.epoch || *closed_at != count || *secret != record.secret {
                    fail(format!(
                        "the epoch was closed with {closed_at} counters, the manifest lists {count}"
                    ));
                }
            }
            LedgerEntry::EpochOpened { .. } | LedgerEntry::BeaconFixed { .. } => {
                fail("it opens an epoch inside this one".into());
            }
        }
    }
    if !closed {
        fail("it does not end with the close of the epoch".into());
    }
    if seen.len() as u64 != count {
        fail(format!("{} of {count} counters were settled", seen.len()));
    }
}

/// The ledger's head after the epoch, or why there is none.
pub(crate) fn ledger_head(record: &EpochRecord, open: &EpochOpen) -> Result<Hash, String> {
    record.ledger.iter().try_fold(open.ledger_head, |head, entry| {
        ledger::append(&head, entry).map_err(|error| error.to_string())
    })
}
