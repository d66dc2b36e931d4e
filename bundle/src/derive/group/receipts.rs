//! Receipts: each against its attempt and the formula of credits, and a miner's as one chain.

use std::collections::BTreeMap;

use lode_proto::{
    attempt::{Attempt, Receipt},
    credit::{CREDIT_VERSION, credited_tokens, credits_milli},
    id::{AttemptId, Hash, LeaseId},
    key::PublicKey,
    policy::{PolicyCard, Tier},
};

use super::OneGroup;
use crate::finding::{Check, Finding};

impl OneGroup<'_> {
    pub(super) fn check_receipt(
        &mut self,
        receipt: &Receipt,
        lease: LeaseId,
        id: AttemptId,
        attempt: &Attempt,
        card: &PolicyCard,
    ) {
        let epoch = self.epoch;
        let tokens = credited_tokens(
            attempt.completion_tokens,
            attempt.completion.len(),
            epoch.open.campaign.max_completion_tokens,
        );
        let credits = credits_milli(tokens, card.parameters, receipt.tier);
        if receipt.tier != Tier::T0 {
            let what = format!(
                "attempt {} is credited as {:?}, but a bundle proves no more than T0 yet",
                attempt.index, receipt.tier
            );
            self.fail(Check::Receipt, what);
        }
        let right = receipt.miner == self.group.miner
            && receipt.epoch == epoch.open.epoch
            && receipt.lease == lease
            && receipt.attempt_index == attempt.index
            && receipt.attempt == id;
        if !right {
            let what = format!("the receipt of attempt {} is for something else", attempt.index);
            self.fail(Check::Receipt, what);
        } else if receipt.credit_version != CREDIT_VERSION {
            let what = format!("credits by version {} of the formula", receipt.credit_version);
            self.fail(Check::Inconclusive, what);
        } else if (receipt.tokens, receipt.parameters, receipt.credits_milli)
            != (tokens, card.parameters, credits)
        {
            let what = format!(
                "attempt {} was credited {} for {} tokens, the formula gives {credits} for {tokens}",
                attempt.index, receipt.credits_milli, receipt.tokens
            );
            self.fail(Check::Receipt, what);
        }
    }
}

/// Receipts of each miner: one chain without a hole.
pub(in crate::derive) fn check_chains(receipts: Vec<(u64, Receipt)>, findings: &mut Vec<Finding>) {
    let mut chains: BTreeMap<PublicKey, Vec<(u64, Receipt)>> = BTreeMap::new();
    for (counter, receipt) in receipts {
        chains.entry(receipt.miner).or_default().push((counter, receipt));
    }
    for chain in chains.values_mut() {
        chain.sort_by_key(|(_, receipt)| receipt.index);
        if let Some((counter, first)) = chain.first()
            && first.index == 0
            && first.previous != Hash::default()
        {
            let what = "the miner's first receipt names one before it";
            findings.push(Finding::counter(*counter, Check::Receipt, what));
        }
        for pair in chain.windows(2) {
            let [(_, before), (counter, after)] = pair else { continue };
            let linked = before.index.checked_add(1) == Some(after.index)
                && before.hash().ok() == Some(after.previous);
            if !linked {
                let what = format!(
                    "receipt {} of miner {} does not follow receipt {}",
                    after.index,
                    after.miner.short(),
                    before.index
                );
                findings.push(Finding::counter(*counter, Check::Receipt, what));
            }
        }
    }
}
