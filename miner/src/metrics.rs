//! Figures for Prometheus, off unless the configuration says where.
//!
//! ```text
//! report::Event ─► Figures::apply (pure) ─► Figures::text ─► server.rs: GET /metrics
//! ```
//!
//! The figures are a function of the events, under a lock that is held for some additions; the engine
//! waits for nothing here. Counts of what is kept on disk (receipts, credits, groups, leases dropped)
//! begin where the queue's own count stands, so that they never go back at a restart; all else begins
//! at 0 with the process, as counters do.

mod server;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
};

use lode_proto::id::LeaseId;
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use crate::{
    queue::Totals,
    report::{Ending, Event, EventSink, MinerError},
};

type Real = Gauge<f64, AtomicU64>;
type RealCounter = Counter<f64, AtomicU64>;

/// What a miner did, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    totals: Totals,
    tokens: u64,
    groups_generated: u64,
    attempts: u64,
    generation_ms: u64,
    receipts_wrong: u64,
    delivered: u64,
    dropped: BTreeMap<Ending, u64>,
    refusals: BTreeMap<(&'static str, &'static str), u64>,
    /// Leases that are not finished, and those of them whose texts wait to be handed in.
    open: BTreeSet<LeaseId>,
    ready: BTreeSet<LeaseId>,
    coordinator_up: Option<bool>,
    last_receipt_ms: Option<u64>,
    /// Whether the miner itself takes no new work.
    held: bool,
    /// What the GPUs said last: mW and °C.
    gpus: BTreeMap<String, (Option<u64>, Option<i32>)>,
    /// Tokens of the groups that are being generated.
    running: BTreeMap<LeaseId, u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HowLabel {
    how: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabel {
    asked: &'static str,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

fn counter(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let counter: Counter = Counter::default();
    counter.inc_by(value);
    registry.register(name, help, counter);
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GpuLabel {
    gpu: String,
}

#[allow(clippy::cast_precision_loss)] // thousandths of credits and milliseconds, far below 2^52
fn thousandths(value: u64) -> f64 {
    value as f64 / 1000.0
}

impl Figures {
    /// Takes an event into account.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Opened { leases, ready, totals } => {
                self.open = leases.iter().copied().collect();
                self.ready = ready.iter().copied().collect();
                self.totals = *totals;
            }
            Event::Coordinator { up, .. } => self.coordinator_up = Some(*up),
            Event::Leased { lease } => {
                self.open.insert(*lease);
            }
            Event::Progress { lease, tokens, .. } => {
                let before = self.running.insert(*lease, *tokens).unwrap_or_default();
                if *tokens < before {
                    // Begun again, as after the memory ran out: what was made before is lost, not unmade.
                    self.tokens = self.tokens.saturating_add(before);
                }
            }
            Event::Generated { lease, attempts, tokens, elapsed_ms } => {
                self.running.remove(lease);
                self.ready.insert(*lease);
                self.groups_generated += 1;
                self.attempts += *attempts as u64;
                self.tokens = self.tokens.saturating_add(*tokens);
                self.generation_ms = self.generation_ms.saturating_add(*elapsed_ms);
            }
            Event::Receipted { receipt, wrong, totals, .. } => {
                self.totals = *totals;
                self.receipts_wrong += u64::from(wrong.is_some());
                if let Some(receipt) = receipt {
                    self.last_receipt_ms = Some(receipt.unix_ms);
                }
            }
            Event::Delivered { lease, totals } => {
                self.totals = *totals;
                self.delivered += 1;
                self.over(lease);
            }
            Event::Dropped { lease, how, totals, .. } => {
                self.totals = *totals;
                *self.dropped.entry(*how).or_default() += 1;
                self.over(lease);
            }
            Event::Refused { asked, kind, .. } => {
                *self.refusals.entry((asked, kind)).or_default() += 1;
            }
            Event::Stopped { totals } => self.totals = *totals,
            Event::Feedback { lease, .. } => {
                // The next turn is made, or the session is over.
                self.ready.remove(lease);
            }
            Event::Held { reason } => self.held = reason.is_some(),
            Event::Gpu { gpu, draw_mw, celsius } => {
                self.gpus.insert(gpu.clone(), (*draw_mw, *celsius));
            }
            Event::Joined { .. } | Event::Waiting { .. } => {}
        }
    }

    fn over(&mut self, lease: &LeaseId) {
        self.open.remove(lease);
        self.ready.remove(lease);
        // What a lease that came to nothing had cost.
        if let Some(tokens) = self.running.remove(lease) {
            self.tokens = self.tokens.saturating_add(tokens);
        }
    }

    /// The figures in OpenMetrics' text format.
    #[must_use]
    pub fn text(&self) -> String {
        let mut registry = Registry::with_prefix("lode_miner");
        let out = &mut registry;
        let running: u64 = self.running.values().sum();
        counter(
            out,
            "generated_tokens",
            "Tokens generated, of leases that came to nothing and of running ones, too",
            self.tokens.saturating_add(running),
        );
        counter(out, "generated_groups", "Groups generated", self.groups_generated);
        counter(out, "generated_attempts", "Attempts generated", self.attempts);
        let seconds = RealCounter::default();
        seconds.inc_by(thousandths(self.generation_ms));
        let help = "Time that the engine took for the groups generated";
        out.register_with_unit("generation", help, Unit::Seconds, seconds);
        counter(
            out,
            "receipts",
            "Receipts held, those of earlier runs included",
            self.totals.receipts,
        );
        counter(
            out,
            "receipts_wrong",
            "Receipts that are not what they should be",
            self.receipts_wrong,
        );
        let credits = RealCounter::default();
        credits.inc_by(thousandths(self.totals.credits_milli));
        out.register(
            "credits",
            "Credits by receipts held, those of earlier runs included",
            credits,
        );
        counter(
            out,
            "groups",
            "Groups with all receipts, those of earlier runs included",
            self.totals.groups,
        );
        let leases = Family::<HowLabel, Counter>::default();
        leases.get_or_create(&HowLabel { how: "delivered" }).inc_by(self.delivered);
        for how in [Ending::Over, Ending::Refused, Ending::HandedBack] {
            let count = self.dropped.get(&how).copied().unwrap_or_default();
            leases.get_or_create(&HowLabel { how: how.name() }).inc_by(count);
        }
        out.register("leases_ended", "Leases that ended, by how", leases);
        let refusals = Family::<RefusalLabel, Counter>::default();
        for ((asked, kind), count) in &self.refusals {
            refusals.get_or_create(&RefusalLabel { asked, kind }).inc_by(*count);
        }
        out.register("refusals", "Requests that the coordinator refused", refusals);
        let queue = Family::<StateLabel, Gauge>::default();
        let ready = self.ready.len();
        let sizes = [("to_generate", self.open.len().saturating_sub(ready)), ("to_hand_in", ready)];
        for (state, size) in sizes {
            let size = i64::try_from(size).unwrap_or(i64::MAX);
            queue.get_or_create(&StateLabel { state }).set(size);
        }
        out.register("queue_leases", "Leases that are not finished, by what is next", queue);
        if let Some(up) = self.coordinator_up {
            let gauge: Gauge = Gauge::default();
            gauge.set(i64::from(up));
            out.register("coordinator_up", "Whether the coordinator answered the last call", gauge);
        }
        let held: Gauge = Gauge::default();
        held.set(i64::from(self.held));
        out.register("held", "Whether the miner itself takes no new work", held);
        let (power, heat) =
            (Family::<GpuLabel, Real>::default(), Family::<GpuLabel, Gauge>::default());
        for (gpu, (draw_mw, celsius)) in &self.gpus {
            let label = GpuLabel { gpu: gpu.clone() };
            if let Some(draw_mw) = draw_mw {
                power.get_or_create(&label).set(thousandths(*draw_mw));
            }
            if let Some(celsius) = celsius {
                heat.get_or_create(&label).set(i64::from(*celsius));
            }
        }
        if !self.gpus.is_empty() {
            let unit = || Unit::Other("watts".into());
            out.register_with_unit("gpu_power", "What a GPU draws", unit(), power);
            out.register_with_unit("gpu_temperature", "How hot a GPU is", Unit::Celsius, heat);
        }
        if let Some(at_ms) = self.last_receipt_ms {
            let gauge = Real::default();
            gauge.set(thousandths(at_ms));
            let help = "Time of the last receipt by the coordinator's clock, since 1970";
            out.register_with_unit("last_receipt_timestamp", help, Unit::Seconds, gauge);
        }
        let mut body = String::new();
        // Writing to a string fails only where a metric does, and these do not.
        if let Err(error) = text::encode(&mut body, &registry) {
            tracing::error!(%error, "the metrics cannot be written as text");
        }
        body
    }
}

/// Figures that several tasks share.
#[derive(Debug, Clone, Default)]
struct Shared(Arc<Mutex<Figures>>);

impl Shared {
    fn apply(&self, event: &Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).apply(event);
    }

    fn text(&self) -> String {
        let figures = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        figures.text()
    }
}

/// Serves figures at `address`, if there is one, and returns a sink that counts what goes to `events`.
/// The server ends with the runtime.
///
/// # Errors
/// [`MinerError::Metrics`] where nothing can listen there.
pub async fn serve(
    address: Option<SocketAddr>,
    events: EventSink,
) -> Result<EventSink, MinerError> {
    let Some(address) = address else { return Ok(events) };
    let shared = Shared::default();
    let figures = shared.clone();
    let bound = server::start(address, Arc::new(move || figures.text()))
        .await
        .map_err(|error| MinerError::Metrics { address, reason: error.to_string() })?;
    tracing::info!(address = %bound, "metrics are served at /metrics");
    if !bound.ip().is_loopback() {
        tracing::warn!(address = %bound, "metrics are open to whoever reaches this address");
    }
    Ok(Arc::new(move |event| {
        shared.apply(&event);
        events(event);
    }))
}

#[cfg(test)]
mod tests;
