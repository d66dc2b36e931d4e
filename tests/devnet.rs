//! The whole network as real processes, with the real model: mined, signed, audited, trained on;
//! the same with every role killed again and again; and again with every write lost that was not
//! synced when its process was killed.
//!
//! They need the model (98 MB, pulled once into `$LODE_HOME` or `~/.local/share/lode`). Where it
//! cannot be had they skip, saying so; with `LODE_SHARED` set that is a failure.

mod common;

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{Mutex, PoisonError},
};

use common::{model_is_there, shim, text};
use serde_json::Value;

/// One network at a time: they share the cores.
static CORES: Mutex<()> = Mutex::new(());

fn lode(args: &[&str]) -> Output {
    lode_with(args, &[])
}

fn lode_with(args: &[&str], env: &[(&str, &Path)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lode"));
    command.args(args).envs(env.iter().copied()).output().expect("lode runs")
}

struct Run {
    out: PathBuf,
    summary: Value,
    _folder: tempfile::TempDir,
}

fn devnet(folder: tempfile::TempDir, extra: &[&str], env: &[(&str, &Path)]) -> Run {
    let out = folder.path().join("net");
    let place = out.display().to_string();
    let mut args = vec!["devnet", "--out", &place, "--json"];
    args.extend_from_slice(extra);
    let ran = lode_with(&args, env);
    let said = text(&ran.stderr);
    if !ran.status.success() {
        for entry in std::fs::read_dir(out.join("logs")).into_iter().flatten().flatten() {
            let log = std::fs::read_to_string(entry.path()).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(15).collect();
            eprintln!("== {}", entry.path().display());
            tail.into_iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
    assert!(ran.status.success(), "{args:?} ended with {}: {said}", ran.status);
    let summary = text(&ran.stdout);
    let summary = summary.lines().last().expect("a summary");
    let summary = serde_json::from_str(summary).expect("JSON");
    Run { out, summary, _folder: folder }
}

/// Starts a devnet, presses Ctrl-C at the first graded group, and sees that nothing is left.
fn interrupted(out: &Path, extra: &[&str]) {
    let place = out.display().to_string();
    let mut child = Command::new(env!("CARGO_BIN_EXE_lode"))
        .args(["devnet", "--out", &place])
        .args(extra)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("lode runs");
    let lines = BufReader::new(child.stderr.take().expect("its words")).lines();
    let mut said = Vec::new();
    for line in lines.map_while(Result::ok) {
        if line.contains("groups graded") && said.iter().all(|l: &String| !l.contains("graded")) {
            let pid = child.id().to_string();
            let kill = Command::new("sh").args(["-c", "kill -INT \"$0\"", &pid]).status();
            assert!(kill.expect("a shell").success());
        }
        said.push(line);
    }
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(1), "{said:?}");
    assert!(said.iter().any(|line| line.contains("the same command carries on")), "{said:?}");
    let running: Vec<String> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("cmdline")).ok())
        .filter(|command| command.contains(&place))
        .collect();
    assert!(running.is_empty(), "still running: {running:?}");
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("{key} in {value}"))
}

/// Receipts that the miners hold, by their own count.
fn receipts(summary: &Value) -> u64 {
    summary["miners"]
        .as_object()
        .expect("miners")
        .values()
        .map(|totals| number(totals, "receipts"))
        .sum()
}

fn audit(bundle: &Path, network: &str) -> Value {
    let bundle = bundle.display().to_string();
    let ran = lode(&["bundle", "audit", &bundle, "--network", network, "--json"]);
    assert!(ran.status.success(), "{}{}", text(&ran.stdout), text(&ran.stderr));
    serde_json::from_slice(&ran.stdout).expect("JSON")
}

fn bundle_of(run: &Run) -> (PathBuf, String) {
    let bundle = PathBuf::from(run.summary["bundle"].as_str().expect("a bundle"));
    let network = run.summary["network"].as_str().expect("a network").to_owned();
    (bundle, network)
}

/// Every attempt of the bundle has a receipt at its miner, and the audit counts the same credits.
fn nothing_lost_nothing_twice(run: &Run) {
    let (bundle, network) = bundle_of(run);
    let report = audit(&bundle, &network);
    assert_eq!(report["findings"].as_array().map(Vec::len), Some(0), "{report}");
    let credits: u64 = run.summary["miners"]
        .as_object()
        .expect("miners")
        .values()
        .map(|totals| number(totals, "credits_milli"))
        .sum();
    assert_eq!(number(&report, "credits_milli"), credits, "credits by receipts and by the bundle");
    assert_eq!(number(&report, "attempts"), receipts(&run.summary), "attempts and receipts");
    recounted(run, credits);
}

/// The miners' receipts hold by themselves, offline, and come to the same; a forged one does not.
fn recounted(run: &Run, credits: u64) {
    let recount = || {
        let place = run.out.display().to_string();
        let ran = lode(&["miner", "receipts", "--data", &place, "--json"]);
        let count: Value = serde_json::from_slice(&ran.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", text(&ran.stderr)));
        (ran.status.code(), count["chains"].as_array().expect("chains").clone())
    };
    let (code, chains) = recount();
    assert_eq!(code, Some(0), "{chains:?}");
    let total = |key| chains.iter().map(|chain| number(&chain["total"], key)).sum::<u64>();
    assert_eq!(total("receipts"), receipts(&run.summary), "receipts offline");
    assert_eq!(total("credits_milli"), credits, "credits offline");
    assert!(chains.iter().all(|chain| chain["network"] == run.summary["network"]), "{chains:?}");
    let file = chains[0]["file"].as_str().expect("a file");
    let good = std::fs::read(file).expect("reads");
    let mut bad = good.clone();
    bad.truncate(good.len() - 100);
    std::fs::write(file, bad).expect("writes");
    let (code, chains) = recount();
    assert_eq!(code, Some(1));
    let fault = chains[0]["fault"].as_str().expect("a fault");
    assert!(fault.contains("is cut short"), "{fault}");
    std::fs::write(file, good).expect("writes");
}

#[test]
fn mined_signed_audited_and_trained_on() {
    let _cores = CORES.lock().unwrap_or_else(PoisonError::into_inner);
    if !model_is_there() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let args = [
        "--pairs",
        "3",
        "--min-tasks",
        "2",
        "--train-steps",
        "2",
        "--eval-tasks",
        "1",
        "--eval-samples",
        "2",
    ];
    interrupted(&folder.path().join("net"), &args);
    let run = devnet(folder, &args, &[]);
    assert!(number(&run.summary, "pairs") >= 3);
    assert!(number(&run.summary, "tasks_with_pairs") >= 2);
    assert_eq!(number(&run.summary, "mismatches"), 0);
    nothing_lost_nothing_twice(&run);
    for file in ["adapter_config.json", "adapter_model.safetensors", "metrics.jsonl"] {
        assert!(run.out.join("training").join(file).is_file(), "{file}");
    }

    // The same command again finds everything done and says the same.
    let place = run.out.display().to_string();
    let again = lode(&[
        "devnet",
        "--out",
        &place,
        "--json",
        "--pairs",
        "3",
        "--min-tasks",
        "2",
        "--train-steps",
        "2",
        "--eval-tasks",
        "0",
    ]);
    assert!(again.status.success(), "{}", text(&again.stderr));
    let summary: Value = serde_json::from_slice(&again.stdout).expect("JSON");
    assert_eq!(summary["bundle"], run.summary["bundle"]);
    assert_eq!(summary["pairs"], run.summary["pairs"]);

    // A flipped byte is found and named, from the command line too.
    let (bundle, _) = bundle_of(&run);
    let card = bundle.join("README.md");
    let mut bytes = std::fs::read(&card).expect("a card");
    bytes[10] ^= 1;
    std::fs::write(&card, bytes).expect("writes");
    let ran = lode(&["bundle", "audit", &bundle.display().to_string()]);
    assert_eq!(ran.status.code(), Some(1));
    assert!(text(&ran.stdout).contains("README.md"), "{}", text(&ran.stdout));
}

/// A run that only mines, and kills each role so often at named points.
fn mined_under_kills(
    pairs: &str,
    kills: &str,
    extra: &[&str],
    folder: tempfile::TempDir,
    env: &[(&str, &Path)],
) {
    let seed = std::env::var("LODE_KILL_SEED").unwrap_or_else(|_| "1".into());
    eprintln!("kill seed {seed} (LODE_KILL_SEED)");
    let mut args = vec!["--pairs", pairs, "--min-tasks", pairs, "--train-steps", "0"];
    args.extend(["--eval-tasks", "0", "--kills", kills, "--kill-seed", &seed]);
    args.extend(["--revision-every", "2"]);
    args.extend_from_slice(extra);
    let run = devnet(folder, &args, env);
    let wanted: u64 = kills.parse().expect("a number");
    for role in ["coordinator", "miner", "verifier"] {
        let kills = run.summary["kills"][role].as_u64().unwrap_or(0);
        assert!(kills >= wanted, "{role} was killed {kills} times: {}", run.summary);
    }
    assert_eq!(number(&run.summary, "mismatches"), 0);
    nothing_lost_nothing_twice(&run);
}

#[test]
fn each_role_killed_ten_times() {
    let _cores = CORES.lock().unwrap_or_else(PoisonError::into_inner);
    if model_is_there() {
        mined_under_kills("8", "10", &[], tempfile::tempdir().expect("a folder"), &[]);
    }
}

#[test]
fn killed_and_every_unsynced_write_lost() {
    let _cores = CORES.lock().unwrap_or_else(PoisonError::into_inner);
    let faults = tempfile::tempdir().expect("a folder");
    let Some(library) = shim("unsynced.c", faults.path()) else { return };
    if !model_is_there() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("net");
    let report = faults.path().join("report");
    let env = [
        ("LD_PRELOAD", library.as_path()),
        ("LODE_UNSYNCED_ROOT", root.as_path()),
        ("LODE_UNSYNCED_JOURNALS", faults.path()),
        ("LODE_UNSYNCED_REPORT", report.as_path()),
    ];
    // Between the write to the file and the sync of it.
    mined_under_kills("4", "4", &["--kill-point", "log:flushed"], folder, &env);
    let lost = std::fs::read_to_string(&report).expect("a report");
    // Not only the log's `head`, which is never synced, but its data.
    for role in ["coordinator", "miner", "verifier"] {
        let of_role =
            |line: &&str| line.contains("/sled/db: ") && line.contains(&format!(" {role} run "));
        assert!(lost.lines().any(|line| of_role(&line)), "{role} never lost a write:\n{lost}");
    }
}
