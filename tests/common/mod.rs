//! What tests of the binary share: a real coordinator with its verifier, a rig's configuration, and
//! things to go wrong.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "shared by several tests")]

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc,
};

use async_trait::async_trait;
use futures::{AsyncRead, AsyncWrite, StreamExt};
use libp2p::{
    StreamProtocol, identify, noise, request_response,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use serde_json::Value;

pub fn lode() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lode"))
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Where the known model lies; [`model_is_there`] has pulled it.
pub fn known_model() -> PathBuf {
    let pulled = lode().args(["model", "pull", "smollm2-135m", "--json"]).output().expect("runs");
    let said: Value = serde_json::from_slice(&pulled.stdout).expect("JSON");
    PathBuf::from(said["path"].as_str().expect("a path"))
}

/// Whether the model is there, or can be got.
pub fn model_is_there() -> bool {
    let pulled = lode().args(["model", "pull", "smollm2-135m"]).output().expect("runs");
    let why = text(&pulled.stderr);
    if !pulled.status.success() {
        assert!(std::env::var_os("LODE_SHARED").is_none(), "the model cannot be had: {why}");
        eprintln!("skipped: the model cannot be had: {why}");
    }
    pulled.status.success()
}

/// A library of `tests/faults`, compiled; `None` where there is no C compiler.
pub fn shim(source: &str, folder: &Path) -> Option<PathBuf> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/faults").join(source);
    let library = folder.join(source).with_extension("so");
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(from).args(["-ldl", "-lpthread"]);
    match cc.output() {
        Ok(ran) => {
            assert!(ran.status.success(), "{}", text(&ran.stderr));
            Some(library)
        }
        Err(error) => {
            assert!(std::env::var_os("LODE_SHARED").is_none(), "no C compiler: {error}");
            eprintln!("skipped: no C compiler: {error}");
            None
        }
    }
}

/// A daemon that ends with its test.
struct Daemon {
    process: Child,
    stdin: Option<ChildStdin>,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Daemon {
    fn start(role: &str, config: &Path) -> Self {
        let mut process = lode()
            .args([role, "run", "--exit-with-parent", "--json", "--config"])
            .arg(config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let stdin = process.stdin.take();
        let lines = BufReader::new(process.stdout.take().expect("its events")).lines();
        Self { process, stdin, lines }
    }

    /// Waits for an event; a daemon that ends without it is a failure.
    fn wait_for(&mut self, event: &str) -> Value {
        for line in self.lines.by_ref().map_while(Result::ok) {
            let value: Value = serde_json::from_str(&line).expect("JSON");
            if value["event"] == event {
                return value;
            }
        }
        panic!("the daemon ended before {event:?}");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.process.wait();
    }
}

/// A coordinator with an open epoch, and its verifier.
pub struct Network {
    pub id: String,
    pub tcp: String,
    pub quic: String,
    /// Ended before the coordinator that they talk to.
    _verifier: Daemon,
    _coordinator: Daemon,
    folder: tempfile::TempDir,
}

impl Network {
    pub fn start(profile: &str, lease_ms: u64, max_completion_tokens: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().display();
        let config = format!(
            "data = \"{place}/coordinator\"\n\
             listen = [\"/ip4/127.0.0.1/tcp/0\", \"/ip4/127.0.0.1/udp/0/quic-v1\"]\n\
             [network]\nname = \"test\"\nquorum = 1\nverifiers = 1\n\
             [campaign]\nprofile = \"{profile}\"\nlease_ms = {lease_ms}\n\
             max_completion_tokens = {max_completion_tokens}\n\
             [target]\ngraded = 1000\n"
        );
        let file = folder.path().join("coordinator.toml");
        std::fs::write(&file, config).expect("written");
        let mut coordinator = Daemon::start("coordinator", &file);
        let ready = coordinator.wait_for("ready");
        let id = ready["network"].as_str().expect("a network").to_owned();
        let addresses: Vec<&str> =
            ready["addresses"].as_array().expect("some").iter().filter_map(Value::as_str).collect();
        let with = |part: &str| {
            let found = addresses.iter().find(|address| address.contains(part));
            (*found.expect("such an address")).to_owned()
        };
        let (tcp, quic) = (with("/tcp/"), with("/udp/"));
        let file = folder.path().join("verifier.toml");
        let config = format!(
            "data = \"{place}/verifier\"\nnetwork = \"{id}\"\ncoordinator = [\"{tcp}\"]\nthreads = 1\n"
        );
        std::fs::write(&file, config).expect("written");
        let verifier = Daemon::start("verifier", &file);
        coordinator.wait_for("epoch_opened");
        // Nobody reads its events any more; a full pipe would stop it.
        let (discard, lines) = (
            std::thread::Builder::new().name("events".into()),
            std::mem::replace(&mut coordinator.lines, empty_lines()),
        );
        discard.spawn(move || lines.map_while(Result::ok).for_each(drop)).expect("a thread");
        Self { id, tcp, quic, _verifier: verifier, _coordinator: coordinator, folder }
    }
}

/// Lines of a process that says nothing.
fn empty_lines() -> std::io::Lines<BufReader<ChildStdout>> {
    let mut quiet = Command::new("true").stdout(Stdio::piped()).spawn().expect("starts");
    let stdout = quiet.stdout.take().expect("its output");
    let _ = quiet.wait();
    BufReader::new(stdout).lines()
}

/// A rig's folder and configuration.
pub struct Rig {
    folder: std::rc::Rc<tempfile::TempDir>,
    table: toml::Table,
    name: String,
}

impl Rig {
    pub fn new(network: &Network) -> Self {
        let folder = std::rc::Rc::new(tempfile::tempdir().expect("a folder"));
        let data = folder.path().join("data").display().to_string();
        let table = toml::from_str(&format!(
            "data = \"{data}\"\nnetwork = \"{}\"\ncoordinator = [\"{}\", \"{}\"]\n\
             [engine]\nkind = \"native\"\nmodel = \"smollm2-135m\"\n",
            network.id, network.tcp, network.quic
        ))
        .expect("TOML");
        let rig = Self { folder, table, name: "miner.toml".into() };
        rig.write();
        rig
    }

    fn write(&self) {
        let text = toml::to_string(&self.table).expect("TOML");
        std::fs::write(self.config(), text).expect("written");
    }

    /// The same with another value of one key, in a file of its own.
    pub fn with(&self, key: &str, value: &str) -> Self {
        self.changed(key, value.into())
    }

    /// The same with other addresses.
    pub fn at(&self, addresses: &[String]) -> Self {
        self.changed("coordinator", addresses.to_vec().into())
    }

    fn changed(&self, key: &str, value: toml::Value) -> Self {
        let mut table = self.table.clone();
        match key.split_once('.') {
            None => drop(table.insert(key.into(), value)),
            Some((group, key)) => {
                let group = table[group].as_table_mut().expect("a table");
                group.insert(key.into(), value);
            }
        }
        let name = format!("{}.toml", key.replace('.', "-"));
        let rig = Self { folder: self.folder.clone(), table, name };
        rig.write();
        rig
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join(&self.name)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Bytes of memory that this machine has.
pub fn memory_of_this_machine() -> u64 {
    let table = std::fs::read_to_string("/proc/meminfo").expect("a table");
    let line = table.lines().find_map(|line| line.strip_prefix("MemTotal:")).expect("a line");
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kibibytes * 1024
}

/// Writes a whole GGUF file of a llama with so many weights, all zero: it takes no room on a disk
/// that keeps holes.
pub fn sparse_model(path: &Path, weights: u64) {
    /// Numbers of GGUF's kinds of values.
    const U32: u32 = 4;
    const TEXT: u32 = 8;
    const Q4_0: u32 = 2;
    let width = 8_192_u64;
    let rows = weights / width;
    let mut head = Vec::new();
    let put_text = |head: &mut Vec<u8>, text: &str| {
        head.extend((text.len() as u64).to_le_bytes());
        head.extend(text.as_bytes());
    };
    head.extend(b"GGUF");
    head.extend(3_u32.to_le_bytes());
    head.extend(1_u64.to_le_bytes());
    let numbers = [
        ("llama.embedding_length", 8_192_u32),
        ("llama.feed_forward_length", 28_672),
        ("llama.block_count", 80),
        ("llama.attention.head_count", 64),
        ("llama.attention.head_count_kv", 8),
        ("llama.context_length", 131_072),
    ];
    head.extend((numbers.len() as u64 + 1).to_le_bytes());
    put_text(&mut head, "general.architecture");
    head.extend(TEXT.to_le_bytes());
    put_text(&mut head, "llama");
    for (key, value) in numbers {
        put_text(&mut head, key);
        head.extend(U32.to_le_bytes());
        head.extend(value.to_le_bytes());
    }
    put_text(&mut head, "token_embd.weight");
    head.extend(2_u32.to_le_bytes());
    head.extend(width.to_le_bytes());
    head.extend(rows.to_le_bytes());
    head.extend(Q4_0.to_le_bytes());
    head.extend(0_u64.to_le_bytes());
    let start = (head.len() as u64).next_multiple_of(32);
    let mut file = std::fs::File::create(path).expect("made");
    file.write_all(&head).expect("written");
    // 32 weights in 18 bytes.
    file.set_len(start + width * rows / 32 * 18).expect("a hole");
}

/// The codec of a protocol that nobody ever gets to speak.
#[derive(Clone, Default)]
struct Nothing;

#[async_trait]
impl request_response::Codec for Nothing {
    type Protocol = StreamProtocol;
    type Request = ();
    type Response = ();

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        _: &mut T,
    ) -> std::io::Result<()> {
        Ok(())
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        _: &mut T,
    ) -> std::io::Result<()> {
        Ok(())
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        _: &mut T,
        (): (),
    ) -> std::io::Result<()> {
        Ok(())
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        _: &mut T,
        (): (),
    ) -> std::io::Result<()> {
        Ok(())
    }
}

#[derive(NetworkBehaviour)]
struct OldBehaviour {
    calls: request_response::Behaviour<Nothing>,
    identify: identify::Behaviour,
}

/// A node that speaks `/lode/mine/0` only; it lives as long as the process.
pub struct OldNode {
    pub address: String,
}

pub fn old_node() -> OldNode {
    let (found, address) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async move {
            let calls = request_response::Behaviour::with_codec(
                Nothing,
                [(StreamProtocol::new("/lode/mine/0"), request_response::ProtocolSupport::Inbound)],
                request_response::Config::default(),
            );
            let mut swarm = libp2p::SwarmBuilder::with_new_identity()
                .with_tokio()
                .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
                .expect("TCP")
                .with_behaviour(|key| {
                    let about = identify::Config::new("/lode/0".into(), key.public());
                    let about = about.with_agent_version("lode/0.0.9".into());
                    OldBehaviour { calls, identify: identify::Behaviour::new(about) }
                })
                .expect("a behaviour")
                .with_swarm_config(|config| {
                    config.with_idle_connection_timeout(std::time::Duration::from_secs(60))
                })
                .build();
            swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().expect("an address")).expect("listens");
            loop {
                if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                    found.send(address.to_string()).expect("its test");
                }
            }
        });
    });
    OldNode { address: address.recv().expect("it listens") }
}
