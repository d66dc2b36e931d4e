//! What the dashboard shows: a pure state, a function of the events and of when they came.

use std::collections::{BTreeMap, VecDeque};

use lode_miner::{Event, ReceiptNote, queue::Totals};
use lode_proto::{id::LeaseId, mine::NoWork, plain};

/// Lines of the log that are kept.
const LOG_LINES: usize = 200;
/// Receipts and refusals that are kept.
const LAST: usize = 8;
/// Time over which tokens a second are counted, milliseconds.
const WINDOW_MS: u64 = 60_000;
/// Samples that are kept for it: some more than come in that time.
const SAMPLES: usize = 512;

/// Where a lease stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its attempts are not generated yet.
    Waiting,
    /// The engine is at it: attempts that ended, of how many.
    Generating { finished: u32, attempts: u32 },
    /// It is handed in: attempts with a receipt, of how many where that is known.
    HandingIn { receipts: usize, attempts: Option<usize> },
}

/// A lease that is not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) since_ms: u64,
    pub(crate) tokens: u64,
    pub(crate) stage: Stage,
}

/// What the coordinator is thought to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Contact {
    #[default]
    Unknown,
    Up,
    Down {
        since_ms: u64,
        reason: String,
    },
}

/// A refusal, or a lease that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) at_ms: u64,
    pub(crate) text: String,
}

/// The state. Times are milliseconds since the dashboard began. Every text in it is harmless.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Dashboard {
    pub(crate) miner: String,
    pub(crate) network: String,
    pub(crate) policy: String,
    pub(crate) contact: Contact,
    pub(crate) waiting: Option<NoWork>,
    /// Why the miner itself takes no new work.
    pub(crate) held: Option<&'static str>,
    pub(crate) work: BTreeMap<LeaseId, Work>,
    pub(crate) totals: Totals,
    /// As the queue was when the miner began.
    pub(crate) before: Totals,
    pub(crate) receipts: VecDeque<ReceiptNote>,
    pub(crate) wrong: u64,
    pub(crate) troubles: VecDeque<Trouble>,
    pub(crate) log: VecDeque<String>,
    pub(crate) stopping: bool,
    /// Tokens generated so far, and when it was how many.
    pub(crate) tokens: u64,
    samples: VecDeque<(u64, u64)>,
}

fn push<T>(last: &mut VecDeque<T>, item: T, most: usize) {
    if last.len() == most {
        last.pop_front();
    }
    last.push_back(item);
}

impl Dashboard {
    /// Takes an event into account.
    pub(crate) fn apply(&mut self, at_ms: u64, event: &Event) {
        match event {
            Event::Opened { leases, ready, totals } => {
                (self.totals, self.before) = (*totals, *totals);
                for lease in leases {
                    self.begin(at_ms, *lease);
                }
                for lease in ready {
                    if let Some(work) = self.work.get_mut(lease) {
                        work.stage = Stage::HandingIn { receipts: 0, attempts: None };
                    }
                }
            }
            Event::Joined { network, policy, miner } => {
                self.network = network.short();
                self.policy = policy.short();
                self.miner = miner.short();
            }
            Event::Coordinator { up: true, .. } => self.contact = Contact::Up,
            Event::Coordinator { up: false, reason } => {
                let reason = plain::line(reason.as_deref().unwrap_or("it does not answer"));
                self.contact = Contact::Down { since_ms: at_ms, reason };
            }
            Event::Leased { lease } => {
                self.waiting = None;
                self.begin(at_ms, *lease);
            }
            Event::Progress { lease, tokens, finished, attempts } => {
                let stage = Stage::Generating { finished: *finished, attempts: *attempts };
                self.advance(at_ms, *lease, *tokens, stage);
            }
            Event::Generated { lease, attempts, tokens, .. } => {
                let stage = Stage::HandingIn { receipts: 0, attempts: Some(*attempts) };
                self.advance(at_ms, *lease, *tokens, stage);
            }
            Event::Receipted { lease, receipt, wrong, totals, .. } => {
                self.totals = *totals;
                if let Some(work) = self.work.get_mut(lease) {
                    work.stage = match work.stage {
                        Stage::HandingIn { receipts, attempts } => {
                            Stage::HandingIn { receipts: receipts + 1, attempts }
                        }
                        _ => Stage::HandingIn { receipts: 1, attempts: None },
                    };
                }
                if let Some(receipt) = receipt {
                    push(&mut self.receipts, *receipt, LAST);
                }
                if let Some(wrong) = wrong {
                    self.wrong += 1;
                    self.trouble(at_ms, &format!("a wrong receipt: {wrong}"));
                }
            }
            Event::Feedback { lease, .. } => {
                if let Some(work) = self.work.get_mut(lease) {
                    work.stage = Stage::Waiting;
                }
            }
            Event::Delivered { lease, totals } => {
                self.totals = *totals;
                self.work.remove(lease);
            }
            Event::Dropped { lease, how, reason, totals } => {
                self.work.remove(lease);
                self.totals = *totals;
                self.trouble(at_ms, &format!("lease {} {}: {reason}", lease.short(), how.name()));
            }
            Event::Refused { asked, reason, .. } => {
                self.trouble(at_ms, &format!("{asked} refused: {reason}"));
            }
            Event::Waiting { reason } => self.waiting = Some(*reason),
            Event::Held { reason } => self.held = *reason,
            Event::Gpu { .. } => {}
            Event::Stopped { totals } => self.totals = *totals,
        }
    }

    fn begin(&mut self, at_ms: u64, lease: LeaseId) {
        let work = Work { since_ms: at_ms, tokens: 0, stage: Stage::Waiting };
        self.work.entry(lease).or_insert(work);
    }

    fn advance(&mut self, at_ms: u64, lease: LeaseId, tokens: u64, stage: Stage) {
        let Some(work) = self.work.get_mut(&lease) else { return };
        self.tokens += tokens.saturating_sub(work.tokens);
        work.tokens = tokens;
        work.stage = stage;
        push(&mut self.samples, (at_ms, self.tokens), SAMPLES);
        while self.samples.front().is_some_and(|(at, _)| at_ms.saturating_sub(*at) > WINDOW_MS) {
            self.samples.pop_front();
        }
    }

    fn trouble(&mut self, at_ms: u64, text: &str) {
        push(&mut self.troubles, Trouble { at_ms, text: plain::line(text) }, LAST);
    }

    /// Takes a line of the log.
    pub(crate) fn log(&mut self, line: &str) {
        push(&mut self.log, plain::line(line.trim_end()), LOG_LINES);
    }

    /// Tokens generated a second in the last minute, in tenths.
    pub(crate) fn speed_tenths(&self, now_ms: u64) -> u64 {
        let fresh = |(at, _): &&(u64, u64)| now_ms.saturating_sub(*at) <= WINDOW_MS;
        let Some((begin, before)) = self.samples.iter().find(fresh) else { return 0 };
        let spent_ms = now_ms.saturating_sub(*begin);
        (self.tokens.saturating_sub(*before) * 10_000).checked_div(spent_ms).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use lode_miner::Ending;
    use lode_proto::refusal::Refusal;

    use super::*;

    fn lease(byte: u8) -> LeaseId {
        LeaseId::of(&[byte])
    }

    #[test]
    fn a_lease_passes_through_its_stages() {
        let mut dashboard = Dashboard::default();
        let totals = Totals { receipts: 8, credits_milli: 400, groups: 1, dropped: 0 };
        dashboard.apply(0, &Event::Opened { leases: vec![lease(9)], ready: Vec::new(), totals });
        assert_eq!(dashboard.work[&lease(9)].stage, Stage::Waiting);
        dashboard.apply(10, &Event::Leased { lease: lease(1) });
        let progress =
            |tokens| Event::Progress { lease: lease(1), tokens, finished: 1, attempts: 8 };
        dashboard.apply(1_000, &progress(10));
        dashboard.apply(3_000, &progress(50));
        assert_eq!(dashboard.work[&lease(1)].stage, Stage::Generating { finished: 1, attempts: 8 });
        // 40 tokens in the two seconds since the first sample.
        assert_eq!(dashboard.speed_tenths(3_000), 200);
        assert_eq!(dashboard.speed_tenths(100_000), 0, "a minute of nothing");
        let generated =
            Event::Generated { lease: lease(1), attempts: 8, tokens: 60, elapsed_ms: 9 };
        dashboard.apply(4_000, &generated);
        assert_eq!(dashboard.tokens, 60);
        let totals = Totals { receipts: 9, credits_milli: 450, groups: 1, dropped: 0 };
        let wrong = Some("too few".to_owned());
        let receipted =
            Event::Receipted { lease: lease(1), attempt: 0, receipt: None, wrong, totals };
        dashboard.apply(5_000, &receipted);
        let stage = Stage::HandingIn { receipts: 1, attempts: Some(8) };
        assert_eq!(dashboard.work[&lease(1)].stage, stage);
        assert_eq!((dashboard.totals, dashboard.wrong), (totals, 1));
        dashboard.apply(6_000, &Event::Delivered { lease: lease(1), totals });
        assert_eq!(dashboard.work.len(), 1);
        assert_eq!(dashboard.before.receipts, 8);
    }

    #[test]
    fn nothing_grows_and_no_text_acts() {
        let mut dashboard = Dashboard::default();
        let hostile = "\u{1b}[2J\u{202e}\nforged";
        for at in 0..2_000 {
            dashboard.log(hostile);
            dashboard.apply(at, &Event::refused("submit", &Refusal::NotAdmitted(hostile.into())));
            dashboard.apply(at, &Event::Leased { lease: lease(1) });
            let progress =
                Event::Progress { lease: lease(1), tokens: at, finished: 0, attempts: 8 };
            dashboard.apply(at, &progress);
        }
        let (lease, totals) = (lease(1), Totals::default());
        let dropped = Event::Dropped { lease, how: Ending::Over, reason: hostile.into(), totals };
        dashboard.apply(9, &dropped);
        dashboard.apply(9, &Event::Coordinator { up: false, reason: Some(hostile.into()) });
        assert!(dashboard.log.len() <= LOG_LINES && dashboard.troubles.len() <= LAST);
        assert!(dashboard.samples.len() <= SAMPLES);
        let said = format!("{:?}", dashboard.troubles.iter().map(|t| &t.text).collect::<Vec<_>>());
        let texts = dashboard.log.iter().chain(dashboard.troubles.iter().map(|t| &t.text));
        for text in texts {
            assert!(!text.contains(['\u{1b}', '\u{202e}', '\n']), "{said}");
        }
        let Contact::Down { reason, .. } = &dashboard.contact else { panic!("down") };
        assert!(!reason.contains('\u{1b}'));
    }
}
