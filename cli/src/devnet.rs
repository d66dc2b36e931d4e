//! `lode devnet`: a whole network on this machine, as separate processes over loopback.
//!
//! ```text
//! model ─► coordinator ─► verifiers, miners ─► pairs ─► bundle ─► audit ─► training ─► evaluation
//!          (child)        (children)           mined     signed   here     by the       here, before
//!                                              for real                    coordinator  and after
//! ```
//!
//! Everything lies under one folder; the same command again carries on where it was. A child that
//! dies is started again. Ctrl-C ends all of them in order.

mod children;
mod conclude;
mod kills;
mod plan;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

use anyhow::bail;
use lode_node::lock::FolderLock;
use serde::Serialize;
use serde_json::Value;

use crate::{Outcome, args::Devnet, cmd::model::obtain, term};
use children::{Running, Said, end_all};
use conclude::{Summary, closing_words, conclude};
use kills::Kills;
use plan::Layout;

/// How often a child that dies by itself is started again before the run gives up.
const MAX_RESTARTS: u32 = 5;
/// How long the main loop waits for an event before it looks after the children.
const LOOK: Duration = Duration::from_millis(100);

/// How far the network has come, from what its coordinator says.
#[derive(Debug, Default, Clone, Serialize)]
struct Progress {
    network: Option<String>,
    addresses: Vec<String>,
    graded: u64,
    tasks: u64,
    pairs: u64,
    tasks_with_pairs: u64,
    bundle: Option<PathBuf>,
    /// Why there is no bundle, where the campaign ended without one.
    failed: Option<String>,
    training: Option<TrainingEnd>,
    finished: bool,
}

#[derive(Debug, Clone, Serialize)]
struct TrainingEnd {
    ok: bool,
    detail: String,
}

fn stop_flag() -> anyhow::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let (Ok(mut term), Ok(mut int)) =
                (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
            else {
                return;
            };
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
            set.store(true, Ordering::SeqCst);
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
            // The children end when our pipes close.
            std::process::exit(130);
        });
    });
    Ok(flag)
}

pub(crate) fn run(args: &Devnet) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    if args.miners == 0 || args.verifiers < 2 || args.group_size < 2 {
        bail!("a devnet needs at least 1 miner, 2 verifiers and groups of 2");
    }
    let layout = Layout::new(&args.out)?;
    let _lock = FolderLock::take(&layout.root)?;
    let stop = stop_flag()?;
    say(args, &format!("everything lies in {}", layout.root.display()));
    obtain(&args.model)?;

    let mut network = Network::new(args, layout.clone(), Arc::clone(&stop))?;
    let ended = network.run();
    end_all(&mut network.children);
    let progress = network.progress.clone();
    ended?;
    if stop.load(Ordering::SeqCst) {
        say(args, "stopped; the same command carries on");
        return Ok(Outcome::No);
    }
    let mut summary = Summary {
        out: layout.root.clone(),
        network: progress.network.clone(),
        bundle: progress.bundle.clone(),
        pairs: progress.pairs,
        tasks_with_pairs: progress.tasks_with_pairs,
        groups_graded: progress.graded,
        mismatches: None,
        audit: None,
        adapter: None,
        evaluation: None,
        miners: network.miners.clone(),
        kills: network.kills.done(),
        seconds: 0,
    };
    let reached = conclude(args, &layout, &progress, &mut summary)?;
    summary.seconds = started.elapsed().as_secs();
    if args.json {
        term::json(&summary)?;
    } else {
        closing_words(args, &layout, &summary)?;
    }
    Ok(if reached { Outcome::Yes } else { Outcome::No })
}

fn say(args: &Devnet, line: &str) {
    if !args.json {
        term::plain(line);
    }
}

/// The running network.
struct Network<'a> {
    args: &'a Devnet,
    layout: Layout,
    stop: Arc<AtomicBool>,
    said: Receiver<Said>,
    say: Sender<Said>,
    children: Vec<Running>,
    restarts: BTreeMap<String, u32>,
    progress: Progress,
    /// The last totals of each miner.
    miners: BTreeMap<String, Value>,
    kills: Kills,
    others_started: bool,
    bar: indicatif::ProgressBar,
}

impl<'a> Network<'a> {
    fn new(args: &'a Devnet, layout: Layout, stop: Arc<AtomicBool>) -> anyhow::Result<Self> {
        let (say, said) = mpsc::channel();
        Ok(Self {
            args,
            layout,
            stop,
            said,
            say,
            children: Vec::new(),
            restarts: BTreeMap::new(),
            progress: Progress::default(),
            miners: BTreeMap::new(),
            kills: Kills::new(args.kills, args.kill_seed, args.kill_point.clone()),
            others_started: false,
            bar: term::step_bar(args.pairs, "pairs"),
        })
    }

    /// Until the campaign is over, or Ctrl-C.
    fn run(&mut self) -> anyhow::Result<()> {
        if let Some(line) = self.kills.announce() {
            say(self.args, &line);
        }
        let config = plan::coordinator(self.args, &self.layout)?;
        let recipe = plan::recipe(&self.layout, "coordinator", "coordinator", &config)?;
        self.start(recipe)?;
        while !self.stop.load(Ordering::SeqCst) {
            match self.said.recv_timeout(LOOK) {
                Ok(said) => self.heard(&said)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => bail!("the daemons went silent"),
            }
            self.look_after_children()?;
            if self.progress.finished {
                break;
            }
        }
        self.bar.finish_and_clear();
        Ok(())
    }

    fn start(&mut self, mut recipe: children::Recipe) -> anyhow::Result<()> {
        recipe.env = self.kills.environment(&recipe.name);
        self.children.push(Running::start(recipe, self.say.clone())?);
        Ok(())
    }

    /// Starts miners and verifiers once the coordinator says where it is; tells those that run
    /// where it is now.
    fn coordinator_is_ready(&mut self) -> anyhow::Result<()> {
        let Some(network) = self.progress.network.clone() else { return Ok(()) };
        let addresses = self.progress.addresses.clone();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = (cores / self.args.miners as usize).max(1);
        for number in 1..=self.args.verifiers {
            let config = plan::verifier(&self.layout, number, &network, &addresses);
            self.child("verifier", number, &config)?;
        }
        for number in 1..=self.args.miners {
            let config =
                plan::miner(self.args, &self.layout, number, &network, &addresses, threads);
            self.child("miner", number, &config)?;
        }
        self.others_started = true;
        Ok(())
    }

    fn child(&mut self, role: &str, number: u32, config: &toml::Table) -> anyhow::Result<()> {
        let recipe = plan::recipe(&self.layout, role, &format!("{role}-{number}"), config)?;
        if self.children.iter().any(|child| child.name() == recipe.name) {
            return Ok(());
        }
        self.start(recipe)
    }

    fn heard(&mut self, said: &Said) -> anyhow::Result<()> {
        let value = &said.value;
        let number = |key: &str| value.get(key).and_then(Value::as_u64);
        let string = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let event = value.get("event").and_then(Value::as_str).unwrap_or_default();
        if said.child != "coordinator" {
            if let Some(totals) = value.get("totals") {
                self.miners.insert(said.child.clone(), totals.clone());
            }
            return Ok(());
        }
        match event {
            "ready" => {
                self.progress.network = string("network");
                self.progress.addresses = value
                    .get("addresses")
                    .and_then(Value::as_array)
                    .map(|list| list.iter().filter_map(|a| a.as_str().map(str::to_owned)).collect())
                    .unwrap_or_default();
                self.coordinator_is_ready()?;
            }
            "progress" => {
                let before = self.progress.graded;
                self.progress.graded = number("graded").unwrap_or(self.progress.graded);
                self.progress.tasks = number("tasks").unwrap_or(self.progress.tasks);
                self.progress.pairs = number("pairs").unwrap_or(self.progress.pairs);
                self.progress.tasks_with_pairs =
                    number("tasks_with_pairs").unwrap_or(self.progress.tasks_with_pairs);
                self.bar.set_position(self.progress.pairs.min(self.args.pairs));
                if self.progress.graded != before && !term::is_terminal() {
                    say(
                        self.args,
                        &format!(
                            "{} groups graded: {} pairs over {} tasks",
                            self.progress.graded,
                            self.progress.pairs,
                            self.progress.tasks_with_pairs
                        ),
                    );
                }
            }
            "bundle_published" => {
                self.progress.bundle = string("path").map(PathBuf::from);
                self.progress.pairs = number("pairs").unwrap_or(self.progress.pairs);
                self.progress.tasks_with_pairs =
                    number("tasks_with_pairs").unwrap_or(self.progress.tasks_with_pairs);
                self.bar.set_position(self.progress.pairs.min(self.args.pairs));
                if let Some(path) = &self.progress.bundle {
                    say(self.args, &format!("bundle: {}", path.display()));
                }
            }
            "bundle_failed" | "campaign_failed" => self.progress.failed = string("reason"),
            "training_started" => say(self.args, "training"),
            "training_progress" => {
                if let (Some(step), Some(steps)) = (number("step"), number("steps")) {
                    self.bar.set_message("training");
                    self.bar.set_length(steps);
                    self.bar.set_position(step);
                }
            }
            "training_ended" => {
                self.progress.training = Some(TrainingEnd {
                    ok: value.get("ok").and_then(Value::as_bool).unwrap_or(false),
                    detail: string("detail").unwrap_or_default(),
                });
            }
            "finished" => self.progress.finished = true,
            _ => {}
        }
        Ok(())
    }

    /// Starts again who died; gives up on who dies again and again.
    fn look_after_children(&mut self) -> anyhow::Result<()> {
        let mut place = 0;
        while place < self.children.len() {
            let Some(status) = self.children[place].ended()? else {
                place += 1;
                continue;
            };
            let child = self.children.remove(place);
            let name = child.name().to_owned();
            let words = child.last_words();
            let recipe = child.recipe().clone();
            drop(child);
            if status.success() {
                // The campaign is over for it, or the coordinator has ended.
                if name == "coordinator" {
                    self.drain();
                    self.progress.finished = true;
                }
                continue;
            }
            if self.kills.was_planned(&name, status, &words) {
                say(self.args, &format!("{name} was killed as planned; started again"));
            } else {
                let restarts = self.restarts.entry(name.clone()).or_default();
                *restarts += 1;
                if *restarts > MAX_RESTARTS {
                    bail!("{name} ended {restarts} times ({status}); it said: {words}");
                }
                say(self.args, &format!("{name} ended ({status}) and is started again: {words}"));
            }
            self.start(recipe)?;
        }
        Ok(())
    }

    /// Takes in what was said before the end.
    fn drain(&mut self) {
        while let Ok(said) = self.said.recv_timeout(LOOK) {
            // The end of the run is judged by what was heard; a start is no longer of use.
            let starts = said.value.get("event").and_then(Value::as_str) == Some("ready");
            if !starts {
                let _ = self.heard(&said);
            }
        }
    }
}
