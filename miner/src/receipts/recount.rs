//! Credits counted again from the receipts alone, offline: a function of the entries of the receipts
//! file and of whom they are trusted by.
//!
//! ```text
//! entry ─► signature ─► ours? ─► tokens ─► formula ─┬─► holds: counted a day, an epoch, a policy
//!             └──────────────── number, link ───────┴─► chain from receipt 0, without a gap
//! ```
//!
//! Receipts come in the order of their chain, except that one whose answer was lost may come after
//! later ones, when it is asked for again; so the chain is put in order here, and a gap is one only
//! once all entries were seen. The cut-off end of a chain cannot be seen in the chain: the file's own
//! count finds it ([`super::file::Extent::fault`]), and the coordinator's `status` has its own.

use std::collections::BTreeMap;

use lode_proto::{
    attempt::Receipt,
    credit::{self, CREDIT_VERSION},
    envelope::Envelope,
    genesis::Genesis,
    id::{Hash, NetworkId, PolicyId},
    key::PublicKey,
    time::day,
};
use serde::Serialize;

use super::{Kept, KeptReceipt, Problem, Wrong};

/// Problems that are told; any more are only counted.
const MAX_PROBLEMS: usize = 100;

/// Whose word counts. What is not known is taken from the genesis that the miner joined by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Anchor {
    /// The coordinator's key.
    pub coordinator: Option<PublicKey>,
    /// The network.
    pub network: Option<NetworkId>,
}

/// What some receipts come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// Receipts.
    pub receipts: u64,
    /// Tokens credited.
    pub tokens: u64,
    /// Credits, thousandths.
    pub credits_milli: u64,
}

impl Sum {
    fn add(&mut self, receipt: &Receipt) {
        self.receipts += 1;
        self.tokens = self.tokens.saturating_add(u64::from(receipt.tokens));
        self.credits_milli = self.credits_milli.saturating_add(receipt.credits_milli);
    }
}

/// A policy and what it earned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct OfPolicy {
    /// The model's name, as joined with.
    pub model: Option<String>,
    /// What it earned.
    #[serde(flatten)]
    pub sum: Sum,
}

/// The count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Recount {
    /// The network, where anything says which.
    pub network: Option<NetworkId>,
    /// The key that the receipts were checked against.
    pub coordinator: Option<PublicKey>,
    /// Whose receipts.
    pub miner: Option<PublicKey>,
    /// Receipts in the file.
    pub found: u64,
    /// What holds.
    pub total: Sum,
    /// The same by day of the coordinator's clock (UTC, `2026-11-22`).
    pub days: BTreeMap<String, Sum>,
    /// The same by epoch.
    pub epochs: BTreeMap<u64, Sum>,
    /// The same by policy.
    pub policies: BTreeMap<PolicyId, OfPolicy>,
    /// Number and link of the last receipt up to which the chain is whole.
    pub head: Option<(u64, Hash)>,
    /// What is wrong, by number of receipt; no more than a hundred of it.
    pub problems: Vec<Problem>,
    /// How much is wrong.
    pub wrong: u64,
}

impl Recount {
    /// Whether everything holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.wrong == 0
    }
}

/// A receipt that is waiting for the ones before it.
struct Ahead {
    previous: Hash,
    link: Hash,
}

/// Counts while entries come; [`Counter::finish`] says what they come to.
#[derive(Default)]
pub struct Counter {
    count: Recount,
    entries: u64,
    cards: BTreeMap<PolicyId, (String, u64)>,
    /// Receipts from 0 on that were seen without a gap.
    next: u64,
    link: Option<Hash>,
    ahead: BTreeMap<u64, Ahead>,
    told: BTreeMap<(u64, u64), Wrong>,
}

impl std::fmt::Debug for Counter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Counter({} entries, chain up to {})", self.entries, self.next)
    }
}

impl Counter {
    /// A count of nothing yet.
    #[must_use]
    pub fn new(anchor: Anchor) -> Self {
        let count = Recount {
            network: anchor.network,
            coordinator: anchor.coordinator,
            ..Recount::default()
        };
        Self { count, ..Self::default() }
    }

    /// Whether a receipt came before anything said whose signature it must have.
    #[must_use]
    pub fn lacks_key(&self) -> bool {
        self.count.coordinator.is_none() && self.count.found > 0
    }

    /// Learns from a join whom to trust, and what models are joined with. A miner that kept receipts
    /// before it kept its joins has them later in its file than receipts they tell of.
    pub fn foresee(&mut self, kept: &Kept) {
        let Kept::Joined(joined) = kept else { return };
        self.cards.insert(joined.policy, (joined.card.model.clone(), joined.card.parameters));
        if let Ok((network, genesis)) = Genesis::open(&joined.genesis) {
            self.count.network.get_or_insert(network);
            self.count.coordinator.get_or_insert(genesis.coordinator);
            self.count.miner.get_or_insert(joined.miner);
        }
    }

    /// Takes an entry and its number in the file.
    pub fn add(&mut self, number: u64, kept: &Kept) {
        let want = self.entries;
        self.entries += 1;
        if number != want {
            self.wrong(self.count.found, Wrong::OutOfPlace { got: number, want });
        }
        match kept {
            Kept::Joined(joined) => {
                self.cards
                    .insert(joined.policy, (joined.card.model.clone(), joined.card.parameters));
                if let Err(reason) = self.joined(&joined.genesis, joined.miner) {
                    self.wrong(self.count.found, Wrong::Genesis(reason));
                }
                match joined.card.policy.id() {
                    Ok(id) if id == joined.policy => {}
                    _ => {
                        let reason = "the card beside it is of another policy".to_owned();
                        self.wrong(self.count.found, Wrong::Genesis(reason));
                    }
                }
            }
            Kept::Receipt(kept) => {
                let expected = self.count.found;
                self.count.found += 1;
                match self.check(kept) {
                    Ok(receipt) => self.sum(kept, &receipt),
                    Err((number, what)) => self.wrong(number.unwrap_or(expected), what),
                }
            }
        }
    }

    fn joined(&mut self, genesis: &Envelope, miner: PublicKey) -> Result<(), String> {
        let (network, genesis) = Genesis::open(genesis).map_err(|error| error.to_string())?;
        let same_network = *self.count.network.get_or_insert(network) == network;
        let same_key =
            *self.count.coordinator.get_or_insert(genesis.coordinator) == genesis.coordinator;
        let same_miner = *self.count.miner.get_or_insert(miner) == miner;
        match (same_network, same_key, same_miner) {
            (true, true, true) => Ok(()),
            (false, ..) => Err(format!("it is of network {network}")),
            (_, false, _) => Err(format!("it names coordinator {}", genesis.coordinator)),
            _ => Err(format!("miner {miner} joined by it, not the one before")),
        }
    }

    /// The receipt, if it holds; else what is wrong, with its number where it can be believed.
    fn check(&mut self, kept: &KeptReceipt) -> Result<Receipt, (Option<u64>, Wrong)> {
        let network = *self.count.network.get_or_insert(kept.receipt.network);
        let signer = self.count.coordinator.unwrap_or(kept.receipt.sender);
        let receipt: Receipt =
            kept.receipt.open_from(network, &signer).map_err(|error| (None, error.into()))?;
        let number = receipt.index;
        let wrong = |what| (Some(number), what);
        let link = receipt.hash().map_err(|error| wrong(Wrong::Link(error)))?;
        self.chain(number, receipt.previous, link).map_err(wrong)?;
        let miner = *self.count.miner.get_or_insert(receipt.miner);
        check_content(&receipt, kept, &miner, self.cards.get(&kept.policy).map(|card| card.1))
            .map_err(wrong)?;
        Ok(receipt)
    }

    fn chain(&mut self, number: u64, previous: Hash, link: Hash) -> Result<(), Wrong> {
        if number < self.next || self.ahead.contains_key(&number) {
            return Err(Wrong::Doubled);
        }
        self.ahead.insert(number, Ahead { previous, link });
        let mut own = Ok(());
        while let Some(ahead) = self.ahead.remove(&self.next) {
            if ahead.previous != self.link.unwrap_or_default() {
                if self.next == number {
                    own = Err(Wrong::Chain);
                } else {
                    self.wrong(self.next, Wrong::Chain);
                }
            }
            self.link = Some(ahead.link);
            if own.is_ok() && self.count.wrong == 0 {
                self.count.head = Some((self.next, ahead.link));
            }
            self.next += 1;
        }
        own
    }

    fn sum(&mut self, kept: &KeptReceipt, receipt: &Receipt) {
        self.count.total.add(receipt);
        self.count.days.entry(day(receipt.unix_ms)).or_default().add(receipt);
        self.count.epochs.entry(receipt.epoch).or_default().add(receipt);
        let of = self.count.policies.entry(kept.policy).or_default();
        of.sum.add(receipt);
        if of.model.is_none() {
            of.model = self.cards.get(&kept.policy).map(|card| card.0.clone());
        }
    }

    fn wrong(&mut self, receipt: u64, what: Wrong) {
        self.count.wrong += 1;
        // By number of receipt, since the first thing wrong is what a reader looks at first.
        self.told.insert((receipt, self.count.wrong), what);
        if self.told.len() > MAX_PROBLEMS {
            self.told.pop_last();
        }
    }

    /// What all entries come to.
    #[must_use]
    pub fn finish(mut self) -> Recount {
        while let Some((&number, _)) = self.ahead.first_key_value() {
            self.wrong(self.next, Wrong::Missing { up_to: number - 1 });
            // What comes after the gap is still held against itself.
            self.next = number;
            self.link = self.ahead.get(&number).map(|ahead| ahead.previous);
            while let Some(ahead) = self.ahead.remove(&self.next) {
                if Some(ahead.previous) != self.link {
                    self.wrong(self.next, Wrong::Chain);
                }
                self.link = Some(ahead.link);
                self.next += 1;
            }
        }
        let told = std::mem::take(&mut self.told);
        self.count.problems =
            told.into_iter().map(|((receipt, _), what)| Problem { receipt, what }).collect();
        self.count
    }
}

/// What a receipt says of its attempt, by what the miner knows of it.
fn check_content(
    receipt: &Receipt,
    kept: &KeptReceipt,
    miner: &PublicKey,
    parameters: Option<u64>,
) -> Result<(), Wrong> {
    if receipt.miner != *miner {
        return Err(Wrong::OtherMiner(receipt.miner));
    }
    if receipt.attempt != kept.attempt {
        return Err(Wrong::OtherAttempt { got: receipt.attempt, want: kept.attempt });
    }
    if receipt.lease != kept.lease || receipt.attempt_index != kept.attempt_index {
        return Err(Wrong::OtherPlace);
    }
    let bytes = usize::try_from(kept.completion_bytes).unwrap_or(usize::MAX);
    let want = credit::credited_tokens(kept.claimed_tokens, bytes, kept.allowed_tokens);
    if receipt.tokens != want {
        return Err(Wrong::Tokens { got: receipt.tokens, want });
    }
    if let Some(want) = parameters.filter(|want| *want != receipt.parameters) {
        return Err(Wrong::Parameters { got: receipt.parameters, want });
    }
    if receipt.credit_version != CREDIT_VERSION {
        return Err(Wrong::Version(receipt.credit_version));
    }
    let want = credit::credits_milli(receipt.tokens, receipt.parameters, receipt.tier);
    if receipt.credits_milli != want {
        return Err(Wrong::Credits { got: receipt.credits_milli, want });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
