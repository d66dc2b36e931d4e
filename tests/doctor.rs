//! `lode miner doctor` as the real binary, against real coordinators: a healthy set-up has no finding,
//! and ten faults, each really arranged by itself, have ten different ones.
//!
//! They need the model (98 MB, pulled once into `$LODE_HOME` or `~/.local/share/lode`). Where it
//! cannot be had they skip, saying so; with `LODE_SHARED` set that is a failure.

mod common;

use std::{
    net::{TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use common::{
    known_model, lode,
    network::{Network, Rig},
    text,
};
use serde_json::Value;

/// What a doctor said as JSON, with its exit code.
struct Said {
    code: Option<i32>,
    report: Value,
    /// Names of its faults.
    faults: Vec<String>,
}

impl Said {
    fn of(output: &Output) -> Self {
        let out = text(&output.stdout);
        let report: Value = serde_json::from_str(out.trim()).unwrap_or_else(|error| {
            panic!("{error}: {out}\n{}", text(&output.stderr));
        });
        let findings = report["findings"].as_array().expect("findings").iter();
        let fault = |finding: &Value| finding["fault"].as_str().map(str::to_owned);
        Self { code: output.status.code(), faults: findings.filter_map(fault).collect(), report }
    }

    fn finding(&self, fault: &str) -> &Value {
        let findings = self.report["findings"].as_array().expect("findings");
        findings.iter().find(|f| f["fault"] == fault).unwrap_or_else(|| panic!("{}", self.report))
    }
}

fn doctor(rig: &Rig) -> Command {
    let mut command = lode();
    command.args(["miner", "doctor", "--json", "--config"]).arg(rig.config());
    command
}

/// Runs a doctor that must find exactly this fault, measured, expected and with advice.
fn finds(mut command: Command, fault: &str, code: i32, parts: &[&str]) -> Said {
    let said = Said::of(&command.output().expect("runs"));
    assert_eq!(said.faults, [fault], "{}", said.report);
    assert_eq!(said.code, Some(code), "{}", said.report);
    let finding = said.finding(fault);
    for key in ["measured", "expected", "advice"] {
        assert!(finding[key].as_str().is_some_and(|text| !text.is_empty()), "{key} of {finding}");
    }
    let line = finding.to_string();
    for part in parts {
        assert!(line.contains(part), "no {part:?} in {line}");
    }
    said
}

/// A folder of Lode's data whose store holds `bytes` under the known model's name.
fn store_with(folder: &Path, bytes: &[u8]) -> PathBuf {
    let models = folder.join("models");
    std::fs::create_dir_all(&models).expect("made");
    let name = known_model().file_name().expect("a name").to_owned();
    std::fs::write(models.join(name), bytes).expect("written");
    folder.to_owned()
}

#[test]
fn a_healthy_set_up_has_no_finding_and_each_fault_its_own() {
    if !common::model_is_there() {
        return;
    }
    let network = Network::start("nano", 600_000, 128);
    let rig = Rig::new(&network);

    let healthy = doctor(&rig).arg("--estimate").output().expect("runs");
    let said = Said::of(&healthy);
    assert_eq!((said.code, said.faults.len()), (Some(0), 0), "{}", said.report);
    assert_eq!(said.report["healthy"], true);
    assert!(said.report["speed"]["prompt_tokens"].as_u64().is_some_and(|tokens| tokens > 100));
    assert!(said.report["estimate"]["credits_milli"].as_u64().is_some_and(|credits| credits > 0));
    assert_eq!(said.report["estimate"]["formula"], 1);
    let left: Vec<_> = std::fs::read_dir(rig.folder()).expect("listed").collect();
    assert_eq!(left.len(), 1, "only the configuration, no data folder: {left:?}");

    // No GPU where one is asked for.
    let asks = rig.with("engine.device", "cuda");
    let mut no_gpu = doctor(&asks);
    no_gpu.env("PATH", rig.folder());
    finds(no_gpu, "no-gpu", 1, &["cuda", "nvidia-smi"]);

    // A model file cut short, and one with one bit flipped.
    let scratch = tempfile::tempdir().expect("a folder");
    let whole = std::fs::read(known_model()).expect("the model");
    let mut cut = doctor(&rig);
    cut.env("LODE_HOME", store_with(&scratch.path().join("cut"), &whole[..60_000_000]));
    finds(cut, "model-cut-short", 1, &["60000000", "98362432"]);
    let mut flipped = whole;
    flipped[70_000_000] ^= 1;
    let mut damaged = doctor(&rig);
    damaged.env("LODE_HOME", store_with(&scratch.path().join("flipped"), &flipped));
    drop(flipped);
    finds(damaged, "model-hash", 1, &["5f4fa13bfc6dd4a9"]);

    // A model with twice as many weights as this machine has bytes.
    let big = scratch.path().join("big.gguf");
    common::sparse_model(&big, common::memory_of_this_machine() / 2);
    let too_big = rig.with("engine.model", &big.display().to_string());
    finds(doctor(&too_big), "model-too-big", 1, &["GiB"]);

    // A full disk: a file system of 1 MiB that only this process sees.
    full_disk(&rig);

    // A clock that is an hour off.
    if let Some(library) = common::shim("clock.c", scratch.path()) {
        let mut ahead = doctor(&rig);
        ahead.env("LD_PRELOAD", library).env("LODE_CLOCK_OFFSET_S", "3600");
        finds(ahead, "clock-off", 1, &["ahead of", "timedatectl"]);
    }

    // Nobody listens.
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = closed.local_addr().expect("bound").port();
    drop(closed);
    let away = rig.at(&[format!("/ip4/127.0.0.1/tcp/{port}")]);
    finds(doctor(&away), "coordinator-unreachable", 1, &["refused"]);

    // UDP packets go nowhere, TCP gets through.
    let hole = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let udp = format!("/ip4/127.0.0.1/udp/{}/quic-v1", hole.local_addr().expect("bound").port());
    let blocked = rig.at(&[network.tcp.clone(), udp]);
    finds(doctor(&blocked), "quic-blocked", 0, &["UDP is blocked", "firewall"]);

    // Another network than the coordinator's.
    let other = rig.with("network", &"7".repeat(64));
    finds(doctor(&other), "refused", 1, &[&network.id]);

    // A node of an older protocol.
    let old = common::old_node();
    let words = ["/lode/mine/0 (lode/0.0.9)", "/lode/mine/1", "The coordinator is older"];
    finds(doctor(&rig.at(std::slice::from_ref(&old.address))), "old-protocol", 1, &words);

    // Several at once: none hides another.
    let many = asks.at(&[format!("/ip4/127.0.0.1/tcp/{port}"), "somewhere".into()]);
    let mut command = doctor(&many);
    command.env("PATH", rig.folder()).env("LODE_HOME", scratch.path().join("cut"));
    let said = Said::of(&command.output().expect("runs"));
    assert_eq!(
        said.faults,
        ["no-gpu", "model-cut-short", "coordinator-unreachable", "not-an-address"]
    );
    assert_eq!((said.code, said.report["failures"].as_u64()), (Some(1), Some(4)));
}

fn full_disk(rig: &Rig) {
    let mount = "mount -t tmpfs -o size=1m none \"$0\" && exec \"$@\"";
    let data = rig.folder().join("small");
    std::fs::create_dir(&data).expect("made");
    let may =
        Command::new("unshare").args(["-rm", "sh", "-c", mount]).arg(&data).arg("true").output();
    if !may.is_ok_and(|ran| ran.status.success()) {
        // As said by the system's own limit on a file's size instead.
        eprintln!("no file system can be mounted here: a write over the limit stands for it");
        let mut limited = Command::new("sh");
        limited.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh"]);
        limited.args(std::iter::once(doctor(rig).get_program()).chain(doctor(rig).get_args()));
        finds(limited, "disk-full", 1, &["no room left"]);
        return;
    }
    let small = rig.with("data", &data.display().to_string());
    let inner = doctor(&small);
    let mut outer = Command::new("unshare");
    outer
        .args(["-rm", "sh", "-c", mount])
        .arg(&data)
        .arg(inner.get_program())
        .args(inner.get_args());
    finds(outer, "disk-full", 1, &["1.0 MiB free"]);
}

#[test]
fn an_engine_too_slow_for_its_leases_is_found() {
    if !common::model_is_there() {
        return;
    }
    let network = Network::start("mini", 1_000, 1_024);
    let rig = Rig::new(&network);
    finds(doctor(&rig), "too-slow", 1, &["1.0 s", "smaller model"]);
}

/// A start refuses what could never pass, in the words of the doctor.
#[test]
fn a_start_refuses_what_could_never_pass() {
    if !common::model_is_there() {
        return;
    }
    // Tasks of 100,000 characters, for a model that holds 8,192 tokens.
    let network = Network::start("hard", 600_000, 4_096);
    let rig = Rig::new(&network);
    finds(doctor(&rig), "context-too-short", 1, &["8192"]);
    let refused = |rig: &Rig, fault: &str| {
        let lines = lode().args(["miner", "doctor", "--config"]).arg(rig.config()).output();
        let lines = text(&lines.expect("runs").stdout);
        let named = format!("({fault})");
        let line = lines.lines().find(|line| line.contains(&named)).unwrap_or_else(|| {
            panic!("no {fault} in {lines}");
        });
        let ran = lode().args(["miner", "run", "--config"]).arg(rig.config()).output();
        let ran = ran.expect("runs");
        assert_eq!(ran.status.code(), Some(2), "{}", text(&ran.stderr));
        (line.to_owned(), text(&ran.stderr))
    };
    let (line, said) = refused(&rig, "context-too-short");
    assert!(said.contains(&line), "{said}\n{line}");
    if !Path::new("/proc/driver/nvidia").exists() {
        let (line, said) = refused(&rig.with("engine.device", "cuda"), "no-gpu");
        assert!(said.contains(&line), "{said}\n{line}");
    }
    let big = rig.folder().join("big.gguf");
    common::sparse_model(&big, common::memory_of_this_machine() / 2);
    let (_, said) = refused(&rig.with("engine.model", &big.display().to_string()), "model-too-big");
    assert!(said.contains("memory (model-too-big)"), "{said}");
}

#[test]
fn without_a_usable_configuration_nothing_is_tried() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("miner.toml");
    let run = || {
        let ran = lode().args(["miner", "doctor", "--config"]).arg(&file).output().expect("runs");
        (ran.status.code(), text(&ran.stderr))
    };
    let (code, said) = run();
    assert_eq!(code, Some(2));
    assert!(said.contains("miner.toml"), "{said}");
    std::fs::write(
        &file,
        "data = \"/x\"\nnetwork = \"zz\"\ncoordinator = []\n[engine]\nkind = \"native\"\n",
    )
    .expect("written");
    let (code, said) = run();
    assert_eq!(code, Some(2));
    assert!(said.contains("network"), "{said}");
}
