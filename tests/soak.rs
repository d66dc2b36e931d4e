//! Hours of mining by a real daemon, with a real coordinator, verifier and model, while it is killed
//! again and again: nothing acknowledged is lost, nothing counted twice, no lease times out, and no
//! process grows.
//!
//! ```text
//! Plan ─► Network, Rig ─► mine: listen, sample, kill -9, start again ─► SIGTERM ─► both sides counted
//!                            └─► memory.csv (watch.rs)                    (ledger.rs) ─► summary.jsonl
//! ```
//!
//! All kills fall into the first two thirds of the time, so that the last life is a long one, in which
//! growth would show. Everything that is wrong is gathered and told at the end, beside the figures.
//!
//! `cargo test --release -p lode-cli --test soak -- --ignored --nocapture`, with
//!
//! | variable | meaning | unless it is set |
//! |---|---|---|
//! | `LODE_SOAK_MINUTES` | time of mining | 120 |
//! | `LODE_SOAK_KILLS` | times that the miner is killed | 20 |
//! | `LODE_SOAK_THREADS` | the miner's threads | 0: all cores |
//! | `LODE_SOAK_SEED` | draws the moments of the kills | 1 |
//! | `LODE_SOAK_OUT` | an empty folder for what is kept | a temporary one, kept on failure |
//! | `LODE_TEST_BINARY` | a copy of `lode` that no later build replaces | the one Cargo built |

mod common;
#[path = "soak/ledger.rs"]
mod ledger;
#[path = "soak/miner.rs"]
mod miner;
#[path = "soak/watch.rs"]
mod watch;

use std::{
    collections::VecDeque,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    str::FromStr,
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    time::{Duration, Instant},
};

use common::{
    model_is_there,
    network::{Folder, Network, Rig, Said, Settings},
};
use lode_coordinator::core::Status;
use miner::Lives;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use watch::{Role, Watch};

/// A lease's time, milliseconds: many groups of a slow machine.
const LEASE_MS: u64 = 600_000;
/// Most tokens of a completion, as `lode devnet` has it for `nano`.
const MAX_COMPLETION_TOKENS: u32 = 128;
/// Attempts of a group.
const GROUP: u64 = lode_proto::limits::DEFAULT_GROUP_SIZE as u64;
/// `memory_mib` of the miner: what a group of eight takes by the engine's own estimate, and half.
const MEMORY_MIB: u64 = 96;
/// Time between two samples.
const SAMPLE_EVERY: Duration = Duration::from_secs(5);
/// Time for a miner that was told to end, and for the grading of what it handed in.
const GRACE: Duration = Duration::from_secs(120);

/// What is asked for by the environment.
struct Plan {
    length: Duration,
    kills: u32,
    threads: u32,
    seed: u64,
    out: Option<PathBuf>,
}

fn variable<T: FromStr>(name: &str, otherwise: T) -> T {
    std::env::var(name).map_or(otherwise, |text| {
        text.parse().unwrap_or_else(|_| panic!("{name}={text} is not what it should be"))
    })
}

impl Plan {
    fn of_environment() -> Self {
        Self {
            length: Duration::from_secs(60 * variable("LODE_SOAK_MINUTES", 120)),
            kills: variable("LODE_SOAK_KILLS", 20),
            threads: variable("LODE_SOAK_THREADS", 0),
            seed: variable("LODE_SOAK_SEED", 1),
            out: std::env::var_os("LODE_SOAK_OUT").map(PathBuf::from),
        }
    }

    /// One moment in each of as many equal parts of the first two thirds.
    fn kill_times(&self) -> VecDeque<Duration> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let part = self.length * 2 / 3 / self.kills.max(1);
        (0..self.kills).map(|nth| part * nth + part.mul_f64(random.random())).collect()
    }
}

/// A soak in progress.
struct Soak {
    began: Instant,
    network: Network,
    lives: Lives,
    watch: Watch,
    events: File,
    said: Receiver<Said>,
    /// Held so that the channel never closes.
    _tell: Sender<Said>,
}

impl Soak {
    fn start(plan: &Plan, out: &Path) -> Self {
        let (tell, said) = mpsc::channel();
        let network = Network::with(Settings {
            graded: 0,
            folder: Folder::kept(&out.join("network")),
            said: Some(tell.clone()),
            ..Settings::new("nano", LEASE_MS, MAX_COMPLETION_TOKENS)
        });
        let rig = Rig::within(&network, Folder::kept(&out.join("rig")))
            .changed("memory_mib", (MEMORY_MIB as i64).into())
            .changed("engine.threads", i64::from(plan.threads).into());
        let events = File::create(out.join("events.jsonl")).expect("made");
        let lives = Lives::begin(rig, tell.clone());
        let watch = Watch::new(&out.join("memory.csv"));
        Self { began: Instant::now(), network, lives, watch, events, said, _tell: tell }
    }

    /// Listens until somebody says something, at most for so long.
    fn listen(&mut self, at_most: Duration) {
        match self.said.recv_timeout(at_most) {
            Ok(Said { who, line }) => {
                let line = line.unwrap_or_else(|| r#"{"event":"(ended)"}"#.into());
                writeln!(self.events, "{who} {line}").expect("written");
                let Ok(value) = serde_json::from_str::<Value>(&line) else { return };
                if who != Network::COORDINATOR && self.lives.hear(&who, &value) {
                    self.sample(true);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => unreachable!("a sender is held"),
        }
    }

    /// The coordinator's figures, as its operator reads them.
    fn status(&self) -> Status {
        let text = std::fs::read(self.network.coordinator_data().join("status.json"));
        serde_json::from_slice(&text.expect("the figures")).expect("JSON")
    }

    /// Samples all processes; `loaded` is that the miner has just got its model.
    fn sample(&mut self, loaded: bool) {
        let (at, status) = (self.began.elapsed(), self.status());
        let counts = (status.graded, status.receipts);
        let life = self.lives.count();
        if let Some(pid) = self.lives.pid() {
            self.watch.sample(Role::Miner, life, pid, at, counts, loaded);
        }
        if !loaded {
            let (coordinator, verifier) = (&self.network.coordinator, &self.network.verifier);
            self.watch.sample(Role::Coordinator, 1, coordinator.pid(), at, counts, false);
            self.watch.sample(Role::Verifier, 1, verifier.pid(), at, counts, false);
        }
    }

    /// Lets the miner work for the time of the plan, and kills it when its time has come.
    fn mine(&mut self, plan: &Plan) {
        let (mut kills, mut sample) = (plan.kill_times(), Duration::ZERO);
        loop {
            let now = self.began.elapsed();
            if now >= plan.length {
                return;
            }
            if kills.front().is_some_and(|at| *at <= now) {
                kills.pop_front();
                self.lives.kill();
                eprintln!("{:>5} s: killed life {}", now.as_secs(), self.lives.count() - 1);
            }
            if sample <= now {
                self.sample(false);
                self.lives.assert_alive();
                for daemon in [&mut self.network.coordinator, &mut self.network.verifier] {
                    assert_eq!(daemon.ended(), None, "a daemon ended by itself: see its log");
                }
                sample = now + SAMPLE_EVERY;
            }
            let next = kills.front().copied().into_iter().chain([sample, plan.length]).min();
            self.listen(next.unwrap_or(plan.length).saturating_sub(now));
        }
    }

    /// Ends the miner in order and waits until what it handed in is graded.
    fn drain(&mut self) {
        let end = Instant::now() + GRACE;
        self.lives.terminate();
        while !self.lives.has_ended() {
            assert!(Instant::now() < end, "the miner did not end within {GRACE:?} of SIGTERM");
            self.listen(SAMPLE_EVERY);
        }
        self.lives.end();
        while self.status().grading > 0 {
            assert!(Instant::now() < end + GRACE, "not graded: {:?}", self.status());
            self.listen(Duration::from_secs(1));
        }
        self.sample(false);
    }
}

/// Figures, and what is wrong with them.
#[derive(Default)]
struct Report {
    lines: Vec<Value>,
    wrong: Vec<String>,
}

impl Report {
    fn say(&mut self, line: Value) {
        self.lines.push(line);
    }

    fn check(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(otherwise());
        }
    }
}

fn soak(plan: &Plan, out: &Path) -> Report {
    let mut soak = Soak::start(plan, out);
    soak.mine(plan);
    soak.drain();
    let mut report = Report::default();
    let status = soak.status();
    report.say(json!({
        "soak": "run", "minutes": plan.length.as_secs() / 60, "seed": plan.seed,
        "kills": soak.lives.count() - 1, "tasks": status.tasks, "graded": status.graded,
        "attempts": status.attempts, "passed": status.passed, "pairs": status.pairs,
        "groups_in_last_life": soak.lives.delivered(),
    }));
    report.check(soak.lives.count() == plan.kills + 1, || "not every kill was made".into());
    report.check(status.leased + status.uploading == 0, || {
        format!("{} leases and {} groups are still out", status.leased, status.uploading)
    });
    report.check(soak.lives.delivered() > 0, || "the last life delivered nothing".into());
    let asked = ledger::ask(soak.lives.data(), &soak.network);
    let Soak { network, lives, watch, .. } = soak;
    let data = network.coordinator_data();
    let id = network.id.parse().expect("a network");
    drop(network);
    let coordinator = ledger::Coordinator::read(&data, id);
    let miner = ledger::Miner::read(lives.data(), id);
    ledger::compare(&mut report, &miner, &coordinator, &asked, &status, plan.kills);
    lives.judge(&mut report, &miner);
    watch.judge(&mut report, lives.count());
    report
}

#[test]
#[ignore = "mines for hours: see the head of this file"]
fn hours_of_mining_under_kills() {
    if !model_is_there() {
        return;
    }
    let plan = Plan::of_environment();
    let kept = plan.out.clone().unwrap_or_else(|| tempfile::tempdir().expect("a folder").keep());
    std::fs::create_dir_all(&kept).expect("made");
    let empty = std::fs::read_dir(&kept).expect("listed").next().is_none();
    assert!(empty, "LODE_SOAK_OUT={} is not empty", kept.display());
    eprintln!("{:?}, kills from seed {}, in {}", plan.length, plan.seed, kept.display());
    let Report { mut lines, wrong } = soak(&plan, &kept);
    lines.push(json!({ "soak": "verdict", "holds": wrong.is_empty(), "wrong": wrong }));
    let summary: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(kept.join("summary.jsonl"), &summary).expect("written");
    print!("{summary}");
    assert!(wrong.is_empty(), "{wrong:#?}\nkept in {}", kept.display());
    if plan.out.is_none() {
        std::fs::remove_dir_all(&kept).expect("removed");
    }
}
