//! The lives of the miner, and what it told of in all of them together.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::mpsc::Sender,
};

use serde_json::{Value, json};

use crate::{
    Report,
    common::network::{Daemon, Rig, Said},
    ledger,
};

/// The miner that lives now, and what was heard of those before it.
pub(crate) struct Lives {
    rig: Rig,
    tell: Sender<Said>,
    now: Option<Daemon>,
    count: u32,
    /// The present one has said its last word.
    ended: bool,
    /// Groups that the present one has delivered.
    delivered: u64,
    /// Lives that came as far as to be joined.
    joined: u32,
    /// Attempts whose receipts were told of, by lease and number in the group.
    receipts: BTreeSet<(String, u64)>,
    /// Events that must not be: said twice, or wrong.
    wrong: Vec<String>,
    /// Refusals and dropped leases, by kind.
    troubles: BTreeMap<String, u64>,
    dropped: u64,
}

impl Lives {
    /// Starts the first.
    pub(crate) fn begin(rig: Rig, tell: Sender<Said>) -> Self {
        let mut lives = Self {
            rig,
            tell,
            now: None,
            count: 0,
            ended: false,
            delivered: 0,
            joined: 0,
            receipts: BTreeSet::new(),
            wrong: Vec::new(),
            troubles: BTreeMap::new(),
            dropped: 0,
        };
        lives.start();
        lives
    }

    fn start(&mut self) {
        self.count += 1;
        (self.ended, self.delivered) = (false, 0);
        let log = self.rig.folder().join("miner.log");
        let (config, tell) = (self.rig.config(), self.tell.clone());
        self.now = Some(Daemon::start("miner", &config, Some(&log), &self.name(), tell));
    }

    fn name(&self) -> String {
        format!("miner-{}", self.count)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.rig.data()
    }

    /// Lives so far.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.now.as_ref().map(Daemon::pid)
    }

    /// SIGKILL, and at once the next life.
    pub(crate) fn kill(&mut self) {
        self.assert_alive();
        let status = self.now.take().expect("one lives").kill();
        assert_eq!(status.code(), None, "the miner ended before it was killed: {status}");
        self.start();
    }

    pub(crate) fn assert_alive(&mut self) {
        let ended = self.now.as_mut().expect("one lives").ended();
        assert_eq!(ended, None, "life {} ended by itself: see miner.log", self.count);
    }

    pub(crate) fn terminate(&mut self) {
        self.assert_alive();
        self.now.as_ref().expect("one lives").terminate();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// After [`Lives::has_ended`].
    pub(crate) fn end(&mut self) {
        let status = self.now.take().expect("one lives").wait();
        assert!(status.success(), "the miner ended with {status}");
    }

    /// Takes an event in; tells whether the present life has just got its model.
    pub(crate) fn hear(&mut self, who: &str, event: &Value) -> bool {
        let present = who == self.name();
        let word = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        match word("event").as_str() {
            "opened" => return present,
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
            "delivered" => self.delivered += u64::from(present),
            "refused" => {
                let kind = format!("refused: {} {}", word("asked"), word("kind"));
                *self.troubles.entry(kind).or_default() += 1;
            }
            "dropped" => {
                *self.troubles.entry(format!("dropped: {}", word("how"))).or_default() += 1;
                self.dropped += u64::from(word("how") != "handed_back");
            }
            "(ended)" => self.ended |= present,
            _ => {}
        }
        false
    }

    /// What was told of is kept, each once, and no work was for nothing.
    pub(crate) fn judge(&self, report: &mut Report, kept: &ledger::Miner) {
        report.say(json!({
            "soak": "events", "receipts": self.receipts.len(), "joined": self.joined,
            "troubles": self.troubles,
        }));
        report.wrong.extend(self.wrong.iter().cloned());
        let told = |(lease, index): &(String, u64)| !kept.holds(lease, *index);
        let lost: Vec<_> = self.receipts.iter().filter(|attempt| told(attempt)).collect();
        report.check(lost.is_empty(), || format!("told of, but not kept: {lost:?}"));
        report.check(self.dropped == 0, || format!("{} leases came to nothing", self.dropped));
    }
}
