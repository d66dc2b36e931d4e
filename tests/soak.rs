//! Hours of mining by a real daemon, with a real coordinator, verifier and model, while it is killed
//! again and again: nothing acknowledged is lost, nothing counted twice, no lease times out, and no
//! process grows.
//!
//! ```text
//! Plan ─► Network, Rig, Lives: listen, sample, kill -9, start again ─► SIGTERM ─► asked.json
//!              └─► folder: events.jsonl, memory.csv, both sides' data
//! folder ─► judge: told.rs (events), ledger.rs (both books), watch.rs (memory) ─► summary.jsonl
//! ```
//!
//! All kills fall into the first two thirds of the time, so that the last life is a long one, in which
//! growth would show. A lease may time out only while no miner was there: on a busy machine a model can
//! take minutes to load. All that is wrong is gathered and told at the end, beside the figures.
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
//! | `LODE_SOAK_JUDGE` | a folder kept by a run that has ended: judged again, nothing is run | |
//! | `LODE_TEST_BINARY` | a copy of `lode` that no later build replaces | the one Cargo built |

mod common;
#[path = "soak/ledger.rs"]
mod ledger;
#[path = "soak/miner.rs"]
mod miner;
#[path = "soak/told.rs"]
mod told;
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
use lode_proto::mine::MinerStatus;
use miner::Lives;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use told::Told;
use watch::{Role, Table, Watch};

/// A lease's time, milliseconds: many groups of a slow machine.
const LEASE_MS: u64 = 600_000;
/// Most tokens of a completion, as `lode devnet` has it for `nano`.
const MAX_COMPLETION_TOKENS: u32 = 128;
/// Every so many tasks one is a revision session, as `lode devnet` has it.
const REVISION_EVERY: u32 = 8;
/// Attempts of a group.
const GROUP: u64 = lode_proto::limits::DEFAULT_GROUP_SIZE as u64;
/// `memory_mib` of the miner: what a group of eight takes by the engine's own estimate, and half.
const MEMORY_MIB: u64 = 96;
/// Time between two samples.
const SAMPLE_EVERY: Duration = Duration::from_secs(5);
/// Time for a miner that was told to end, and for the grading of what it handed in.
const GRACE: Duration = Duration::from_secs(600);
/// Files of a run.
const EVENTS: &str = "events.jsonl";
const SAMPLES: &str = "memory.csv";
const PLAN: &str = "run.json";
const ASKED: &str = "asked.json";

/// What is asked for by the environment.
#[derive(Serialize, Deserialize)]
struct Plan {
    minutes: u32,
    kills: u32,
    threads: u32,
    seed: u64,
}

fn variable<T: FromStr>(name: &str, otherwise: T) -> T {
    std::env::var(name).map_or(otherwise, |text| {
        text.parse().unwrap_or_else(|_| panic!("{name}={text} is not what it should be"))
    })
}

impl Plan {
    fn of_environment() -> Self {
        Self {
            minutes: variable("LODE_SOAK_MINUTES", 120),
            kills: variable("LODE_SOAK_KILLS", 20),
            threads: variable("LODE_SOAK_THREADS", 0),
            seed: variable("LODE_SOAK_SEED", 1),
        }
    }

    fn length(&self) -> Duration {
        Duration::from_secs(60) * self.minutes
    }

    /// One moment in each of as many equal parts of the first two thirds.
    fn kill_times(&self) -> VecDeque<Duration> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let part = self.length() * 2 / 3 / self.kills.max(1);
        (0..self.kills).map(|nth| part * nth + part.mul_f64(random.random())).collect()
    }
}

/// A soak in progress.
struct Soak {
    began: Instant,
    network: Network,
    lives: Lives,
    table: Table,
    events: File,
    /// The present life has said its last word.
    ended: bool,
    said: Receiver<Said>,
    /// Held so that the channel never closes.
    _tell: Sender<Said>,
}

impl Soak {
    fn start(plan: &Plan, out: &Path) -> Self {
        let began = Instant::now();
        let (tell, said) = mpsc::channel();
        let network = Network::with(Settings {
            graded: 0,
            revision_every: REVISION_EVERY,
            folder: Folder::kept(&out.join("network")),
            said: Some(tell.clone()),
            ..Settings::new("nano", LEASE_MS, MAX_COMPLETION_TOKENS)
        });
        let rig = Rig::within(&network, Folder::kept(&out.join("rig")))
            .changed("memory_mib", (MEMORY_MIB as i64).into())
            .changed("engine.threads", i64::from(plan.threads).into());
        let events = File::create(out.join(EVENTS)).expect("made");
        let table = Table::create(&out.join(SAMPLES));
        let lives = Lives::begin(rig, tell.clone());
        Self { began, network, lives, table, events, ended: false, said, _tell: tell }
    }

    /// Listens until somebody says something, at most for so long.
    fn listen(&mut self, at_most: Duration) {
        match self.said.recv_timeout(at_most) {
            Ok(Said { who, line }) => {
                let present = who == miner::name(self.lives.count());
                let Some(line) = line else {
                    self.ended |= present;
                    return;
                };
                writeln!(self.events, "{who} {line}").expect("written");
                let event = serde_json::from_str::<Value>(&line).unwrap_or_default();
                if present && event["event"] == "opened" {
                    self.sample(true);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => unreachable!("a sender is held"),
        }
    }

    fn status(&self) -> Status {
        status(&self.network.coordinator_data())
    }

    /// Samples all processes; `loaded` is that the miner has just got its model.
    fn sample(&mut self, loaded: bool) {
        let (at, status) = (self.began.elapsed(), self.status());
        let counts = (status.graded, status.receipts);
        let life = self.lives.count();
        if let Some(pid) = self.lives.pid() {
            self.table.sample(Role::Miner, life, pid, at, counts, loaded);
        }
        if !loaded {
            let (coordinator, verifier) = (&self.network.coordinator, &self.network.verifier);
            self.table.sample(Role::Coordinator, 1, coordinator.pid(), at, counts, false);
            self.table.sample(Role::Verifier, 1, verifier.pid(), at, counts, false);
        }
    }

    /// Lets the miner work for the time of the plan, and kills it when its time has come.
    fn mine(&mut self, plan: &Plan) {
        let (mut kills, mut sample) = (plan.kill_times(), Duration::ZERO);
        loop {
            let now = self.began.elapsed();
            if now >= plan.length() {
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
            let next = kills.front().copied().into_iter().chain([sample, plan.length()]).min();
            self.listen(next.unwrap_or(sample).saturating_sub(now));
        }
    }

    /// Ends the miner in order and waits until what it handed in is graded.
    fn drain(&mut self) {
        let end = Instant::now() + GRACE;
        self.lives.terminate();
        while !self.ended {
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

/// The coordinator's figures, as its operator reads them.
fn status(data: &Path) -> Status {
    json(&data.join("status.json"))
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    serde_json::from_slice(&std::fs::read(path).expect("reads")).expect("JSON")
}

fn write<T: Serialize>(path: &Path, value: &T) {
    std::fs::write(path, serde_json::to_vec(value).expect("JSON")).expect("written");
}

/// Mines, and leaves in a folder what it came to.
fn soak(plan: &Plan, out: &Path) {
    write(&out.join(PLAN), plan);
    let mut soak = Soak::start(plan, out);
    soak.mine(plan);
    soak.drain();
    write(&out.join(ASKED), &ledger::ask(soak.lives.data(), &soak.network));
}

/// What a run that has ended came to.
fn judge(out: &Path) -> Report {
    let plan: Plan = json(&out.join(PLAN));
    let asked: MinerStatus = json(&out.join(ASKED));
    let (network, rig) = (out.join("network/coordinator"), out.join("rig/data"));
    let status = status(&network);
    let mut report = Report::default();
    report.say(json!({
        "soak": "run", "plan": plan, "tasks": status.tasks, "graded": status.graded,
        "attempts": status.attempts, "passed": status.passed, "pairs": status.pairs,
    }));
    report.check(status.leased + status.uploading == 0, || {
        format!("{} leases and {} groups are still out", status.leased, status.uploading)
    });
    let told = Told::read(&out.join(EVENTS));
    report.check(told.lives == plan.kills + 1, || format!("{} lives", told.lives));
    let watch = Watch::read(&out.join(SAMPLES));
    let miner = ledger::Miner::read(rig);
    let coordinator = ledger::Coordinator::read(&network, miner.network());
    let sides = ledger::Sides { miner: &miner, coordinator: &coordinator, asked, status };
    let excused = ledger::compare(&mut report, &sides, plan.kills, &watch.downs());
    told.judge(&mut report, &miner, excused);
    watch.judge(&mut report, told.lives);
    report
}

#[test]
#[ignore = "mines for hours: see the head of this file"]
fn hours_of_mining_under_kills() {
    if !model_is_there() {
        return;
    }
    if let Some(kept) = std::env::var_os("LODE_SOAK_JUDGE") {
        return tell(judge(Path::new(&kept)), Path::new(&kept));
    }
    let plan = Plan::of_environment();
    let out = std::env::var_os("LODE_SOAK_OUT").map(PathBuf::from);
    let kept = out.clone().unwrap_or_else(|| tempfile::tempdir().expect("a folder").keep());
    std::fs::create_dir_all(&kept).expect("made");
    let empty = std::fs::read_dir(&kept).expect("listed").next().is_none();
    assert!(empty, "LODE_SOAK_OUT={} is not empty", kept.display());
    eprintln!("{} minutes, kills from seed {}, in {}", plan.minutes, plan.seed, kept.display());
    soak(&plan, &kept);
    tell(judge(&kept), &kept);
    if out.is_none() {
        std::fs::remove_dir_all(&kept).expect("removed");
    }
}

/// Prints and keeps a summary, and fails where something is wrong.
fn tell(report: Report, kept: &Path) {
    let Report { mut lines, wrong } = report;
    lines.push(json!({ "soak": "verdict", "holds": wrong.is_empty(), "wrong": wrong }));
    let summary: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(kept.join("summary.jsonl"), &summary).expect("written");
    print!("{summary}");
    assert!(wrong.is_empty(), "{wrong:#?}\nkept in {}", kept.display());
}
