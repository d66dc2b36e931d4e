//! A new rig operator on a second host, with the commands of `docs/miner.md` and nothing else.
//!
//! ```text
//! this host: coordinator, verifier ─ veth pair ─ network namespace: bash, empty HOME, the page's commands
//!            CONNECT proxy ◄──────────────────────┘ (the model is fetched through it)
//! ```
//!
//! The namespace has addresses of its own and no way out but the proxy. What the page does first, to
//! clone and build, is left out: `lode` is the binary under test. Making a namespace needs root and
//! `ip` (iproute2); where there is none the test skips, saying so.

mod common;
#[path = "second_host/namespace.rs"]
mod namespace;
#[path = "second_host/proxy.rs"]
mod proxy;

use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
};

use common::{
    model_is_there,
    network::{Network, Settings},
    text,
};
use namespace::Namespace;
use serde_json::Value;

/// A lease's time, milliseconds.
const LEASE_MS: u64 = 600_000;
/// Most tokens of a completion, as `lode devnet` has it for `nano`.
const MAX_COMPLETION_TOKENS: u32 = 128;
/// What the page does to get the binary.
const BUILD: [&str; 3] = ["git clone ", "cargo build ", "sudo install "];

/// The commands from nothing to the first receipt, for this network and this home.
fn commands(network: &Network, home: &Path) -> String {
    let page = include_str!("../docs/miner.md");
    let (_, part) = page.split_once("## From nothing to the first receipt").expect("the chapter");
    let (_, block) = part.split_once("```sh no-run\n").expect("its commands");
    let (block, _) = block.split_once("\n```").expect("their end");
    let lines = block.lines().filter(|line| !BUILD.iter().any(|start| line.starts_with(start)));
    let block = lines.collect::<Vec<_>>().join("\n");
    let mut filled = block.clone();
    for (from, to) in [
        ("<the network's id>", network.id.as_str()),
        ("/dns4/lode.example.org/tcp/4101", &network.tcp),
        ("/dns4/lode.example.org/udp/4101/quic-v1", &network.quic),
        ("/home/you", &home.display().to_string()),
    ] {
        assert!(filled.contains(from), "the page no longer says {from:?}:\n{block}");
        filled = filled.replace(from, to);
    }
    for wanted in ["lode model pull", "lode miner doctor", "lode miner run"] {
        assert!(filled.contains(wanted), "the page no longer says {wanted:?}:\n{block}");
    }
    filled
}

#[test]
fn from_nothing_to_the_first_receipt() {
    let Some(host) = Namespace::new() else { return };
    if !model_is_there() {
        return;
    }
    let mut settings = Settings::new("nano", LEASE_MS, MAX_COMPLETION_TOKENS);
    settings.address = host.outside().to_string();
    let network = Network::with(settings);
    let proxy = proxy::start(host.outside());
    let home = tempfile::tempdir().expect("an empty home");
    let binary = std::env::var("LODE_TEST_BINARY").unwrap_or(env!("CARGO_BIN_EXE_lode").into());
    let folder = Path::new(&binary).parent().expect("a folder").display().to_string();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap_or_default());
    let inside = |command: &mut Command| {
        command.current_dir(home.path()).env("HOME", home.path()).env("PATH", &path);
        command.env("HTTPS_PROXY", &proxy).env("https_proxy", &proxy).stdin(Stdio::null());
        let own = std::env::vars_os().map(|(name, _)| name);
        for name in own.filter(|name| {
            let name = name.to_string_lossy();
            name.starts_with("LODE_") || name.starts_with("XDG_")
        }) {
            command.env_remove(name);
        }
    };

    let script = commands(&network, home.path());
    eprintln!("{script}");
    let mut bash = host.command("bash");
    bash.args(["-euo", "pipefail", "-c", &script]).process_group(0);
    inside(&mut bash);
    let mut bash = bash.stderr(Stdio::piped()).stdout(Stdio::inherit()).spawn().expect("starts");
    let mut said = Vec::new();
    let mut delivered = false;
    for line in BufReader::new(bash.stderr.take().expect("its log")).lines() {
        let line = line.expect("text");
        eprintln!("  {line}");
        delivered |= line.contains("Delivered");
        if delivered && said.is_empty() {
            // Ctrl-C, to everything that the shell started.
            let group = format!("-{}", bash.id());
            let sent = Command::new("bash").args(["-c", "kill -INT -- \"$0\"", &group]).status();
            assert!(sent.expect("a shell").success());
        }
        if delivered {
            said.push(line);
        }
    }
    let ended = bash.wait().expect("its state");
    assert!(delivered, "no receipt came before the page's commands ended: {ended}");
    assert!(said.iter().any(|line| line.contains("Stopped")), "not in order: {said:?}");

    let mut recount = host.command("lode");
    recount.args(["miner", "receipts", "--json", "--config", ".config/lode/miner.toml"]);
    inside(&mut recount);
    let recount = recount.output().expect("runs");
    assert!(recount.status.success(), "{}", text(&recount.stderr));
    let found: Value = serde_json::from_slice(&recount.stdout).expect("JSON");
    assert!(found.to_string().contains(&network.id), "{found}");
    eprintln!("{}", text(&recount.stdout));
}
