//! What the miner told of in all its lives, read from the file of events: each attempt once, each kept,
//! and no work for nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::{Value, json};

use crate::{Report, common::network::Network, ledger, miner};

/// Events of all lives together.
#[derive(Default)]
pub(crate) struct Told {
    /// The last life.
    pub(crate) lives: u32,
    /// Groups that each life delivered.
    delivered: BTreeMap<String, u64>,
    /// Lives that came as far as to be joined.
    joined: u32,
    /// Attempts whose receipts were told of, by lease and number in the group.
    receipts: BTreeSet<(String, u64)>,
    /// Events that must not be: said twice, or wrong.
    wrong: Vec<String>,
    /// Refusals and dropped leases, by kind.
    troubles: BTreeMap<String, u64>,
    /// Leases that came to nothing, and were not given back.
    dropped: u64,
}

impl Told {
    /// Reads lines of a name and an event. The last one of a life may be torn.
    pub(crate) fn read(file: &Path) -> Self {
        let mut told = Self::default();
        for line in std::fs::read_to_string(file).expect("the events").lines() {
            let (who, event) = line.split_once(' ').expect("a name and an event");
            if who == Network::COORDINATOR {
                continue;
            }
            while miner::name(told.lives) != who {
                told.lives += 1;
                assert!(told.lives < 10_000, "{who} is no life of the miner");
            }
            if let Ok(event) = serde_json::from_str(event) {
                told.hear(who, &event);
            }
        }
        told
    }

    fn hear(&mut self, who: &str, event: &Value) {
        let word = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        match word("event").as_str() {
            "joined" => self.joined += 1,
            "receipted" => {
                let attempt = (word("lease"), event["attempt"].as_u64().unwrap_or(u64::MAX));
                if !event["wrong"].is_null() {
                    self.wrong.push(format!("a wrong receipt: {event}"));
                }
                if !self.receipts.insert(attempt) {
                    self.wrong.push(format!("told of twice: {event}"));
                }
            }
            "delivered" => *self.delivered.entry(who.to_owned()).or_default() += 1,
            "refused" => {
                let kind = format!("refused: {} {}", word("asked"), word("kind"));
                *self.troubles.entry(kind).or_default() += 1;
            }
            "dropped" => {
                *self.troubles.entry(format!("dropped: {}", word("how"))).or_default() += 1;
                self.dropped += u64::from(word("how") != "handed_back");
            }
            _ => {}
        }
    }

    /// `excused` leases may have come to nothing.
    pub(crate) fn judge(&self, report: &mut Report, kept: &ledger::Miner, excused: u64) {
        let last = self.delivered.get(&miner::name(self.lives)).copied().unwrap_or(0);
        report.say(json!({
            "soak": "events", "lives": self.lives, "joined": self.joined,
            "receipts": self.receipts.len(), "groups_in_last_life": last,
            "troubles": self.troubles,
        }));
        report.wrong.extend(self.wrong.iter().cloned());
        let lost = |(lease, index): &&(String, u64)| !kept.holds(lease, *index);
        let lost: Vec<_> = self.receipts.iter().filter(lost).collect();
        report.check(lost.is_empty(), || format!("told of, but not kept: {lost:?}"));
        report.check(last > 0, || "the last life delivered nothing".into());
        report.check(self.dropped <= excused, || {
            format!("{} leases came to nothing, {excused} may have", self.dropped)
        });
    }
}
