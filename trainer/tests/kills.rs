//! A training process that is killed with SIGKILL at ten random moments and started again each time comes to
//! the same files, byte for byte, as one that nobody disturbed.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{config, model, pairs};
use lode_trainer::{DpoConfig, METRICS_FILE, Observer, RunOptions, StepMetrics, train};
use rand::{Rng, SeedableRng};

const KILLS: usize = 10;
const STEPS: u64 = 60;
/// Names the folder in which a child trains.
const FOLDER: &str = "LODE_TRAINER_CHILD";

/// Says each step as it is done, and takes the next when it is let.
struct Loud;

impl Observer for Loud {
    fn on_step(&mut self, metrics: &StepMetrics, _: u64) -> ControlFlow<()> {
        let mut out = std::io::stdout();
        writeln!(out, "step {}", metrics.step).and_then(|()| out.flush()).unwrap();
        let mut leave = [0];
        std::io::stdin().read_exact(&mut leave).unwrap();
        ControlFlow::Continue(())
    }
}

#[test]
#[ignore = "a part of the other test: trains in a process of its own"]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let config = DpoConfig { steps: STEPS, ..config() };
    let options = RunOptions { save_every: 4, resume: true, ..RunOptions::default() };
    train(&model(), &pairs(7), &config, &options, &folder, &mut Loud).unwrap();
}

/// Starts a child that may take so many steps before it waits.
fn start(folder: &Path, steps: usize) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "child", "--nocapture"])
        .env(FOLDER, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.as_mut().unwrap().write_all(&vec![0; steps]).unwrap();
    child
}

/// All of a run, without a disturbance.
fn to_the_end(folder: &Path) -> bool {
    let mut child = start(folder, STEPS as usize);
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    child.wait().unwrap().success()
}

#[test]
fn killed_at_ten_random_steps_it_ends_as_if_nothing_had_been() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert!(to_the_end(whole.path()));

    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(3);
    let mut told = Vec::new();
    for _ in 0..KILLS {
        // Each life is killed some steps into what is left, or between two of them.
        let steps = random.random_range(0..9);
        let mut life = start(parts.path(), steps);
        let lines = BufReader::new(life.stdout.take().unwrap()).lines().map_while(Result::ok);
        let steps_told = lines.filter_map(|line| line.strip_prefix("step ")?.parse::<u64>().ok());
        let reached: Vec<u64> = steps_told.take(steps + 1).collect();
        life.kill().unwrap();
        assert!(!life.wait().unwrap().success(), "it ended before it was killed: {reached:?}");
        told.push(reached);
    }
    // It did go on from checkpoints, not from the start.
    assert!(told.iter().any(|reached| reached.first().is_some_and(|step| *step > 1)), "{told:?}");
    assert!(to_the_end(parts.path()));
    for name in ["adapter_model.safetensors", METRICS_FILE, "run.json", "README.md"] {
        let read = |folder: &tempfile::TempDir| std::fs::read(folder.path().join(name)).unwrap();
        assert_eq!(read(&whole), read(&parts), "{name} differs");
    }
}
