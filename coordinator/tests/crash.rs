//! kill -9 of the coordinator at named points of its event flow, with miners and verifiers at work:
//! nothing acknowledged is lost or counted twice, and the epoch still ends in a bundle that an
//! auditor accepts.
//!
//! The coordinator is a child process: this very test program, told by a variable to be one.

mod common;

use std::{
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use common::{check_chain, config, everybody};
use lode_bundle::{
    audit::{AuditOptions, audit},
    engine::BuiltinEngine,
};
use lode_coordinator::core::{Status, Target};
use lode_node::{killpoint, stop::Stop};
use lode_proto::id::NetworkId;

/// Tells a child where its folder is.
const FOLDER: &str = "LODE_TEST_COORDINATOR";

/// Where the coordinator is killed, one start after the other. What happens once may be durable
/// already when the kill before it comes; then the second point of its line is the one.
const POINTS: [&str; 22] = [
    "coordinator:miner_joined:decided",
    "coordinator:verifier_joined:synced,coordinator:lease_issued:decided",
    "coordinator:epoch_opened:synced,coordinator:lease_issued:synced",
    "coordinator:nonce_committed:replied,coordinator:lease_issued:replied",
    "coordinator:nonce_revealed:decided,coordinator:lease_issued:decided",
    "coordinator:beacon_fixed:synced,coordinator:lease_issued:replied:2",
    "coordinator:lease_issued:synced",
    "coordinator:group_committed:decided",
    "coordinator:group_committed:synced",
    "coordinator:attempt_accepted:decided:2",
    "coordinator:attempt_accepted:synced:3",
    "coordinator:attempt_accepted:replied:6",
    "log:written:4",
    "log:synced:5",
    "coordinator:group_sealed:synced",
    "coordinator:verdict_committed:synced",
    "coordinator:settled:synced",
    "coordinator:epoch_closed:synced",
    "coordinator:bundle:staged",
    "coordinator:bundle_built:synced",
    "coordinator:bundle:signing",
    "coordinator:bundle:signed",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_child() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let target = Target { graded: 40, max_tasks: 200, ..Target::default() };
    let mut settings = config(Path::new(&folder), 0, target);
    settings.stop_when_finished = true;
    let events = Arc::new(|notice| println!("{notice:?}"));
    lode_coordinator::run(settings, Stop::default(), events).await.expect("ends well");
}

fn spawn(folder: &Path, kill_at: Option<&str>) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "the_child", "--nocapture"]).env(FOLDER, folder);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    match kill_at {
        Some(point) => command.env(killpoint::VARIABLE, point),
        None => command.env_remove(killpoint::VARIABLE),
    };
    command.spawn().expect("starts")
}

async fn ended(child: &mut Child) -> ExitStatus {
    for _ in 0..3_000 {
        if let Some(status) = child.try_wait().expect("is a child") {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    child.kill().expect("is a child");
    panic!("the coordinator neither ended nor reached the point at which it is killed");
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_every_point_nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().expect("folder");
    let data = folder.path().join("coordinator");
    let mut points = POINTS.iter();
    let mut child = spawn(&data, points.next().copied());
    let network_file = data.join("network.json");
    let file: serde_json::Value = loop {
        if let Some(file) = read_json(&network_file) {
            break file;
        }
        assert!(child.try_wait().expect("is a child").is_none(), "it died before it was ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let network: NetworkId = file["network"].as_str().expect("a network").parse().expect("an id");
    let addresses: Vec<String> =
        serde_json::from_value(file["addresses"].clone()).expect("addresses");

    let (verifiers, miners) =
        everybody(folder.path(), network, &addresses, &Default::default(), |_| 1).await;

    let mut kills = 0;
    loop {
        let status = ended(&mut child).await;
        if status.success() {
            break;
        }
        kills += 1;
        child = spawn(&data, points.next().copied());
    }
    assert_eq!(kills, POINTS.len(), "each point was reached");

    let mut credits = 0;
    for miner in miners {
        credits += check_chain(&miner.await.expect("mines"));
    }
    for verifier in verifiers {
        verifier.await.expect("verifies");
    }
    let status: Status = read_json(&data.join("status.json")).expect("figures");
    assert_eq!(status.credits_milli, credits, "what was acknowledged is what counts");
    assert!(status.graded >= 40);
    assert_eq!(status.faults, 0, "being killed is nobody's fault");

    let bundle = data.join("bundles").join(status.bundle.expect("a bundle"));
    let options = AuditOptions { anchor: Some(network), threads: 2, ..AuditOptions::default() };
    let report = audit(&bundle, &BuiltinEngine, &options);
    assert!(report.holds(), "{:?}", report.findings);
    assert_eq!(report.counters, status.tasks);
    assert_eq!(report.credits_milli, credits, "the bundle's receipts are those of the miners");
}
