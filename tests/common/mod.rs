//! What tests of the binary share: a real coordinator with its verifier, a rig's configuration, and
//! things to go wrong.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "shared by several tests")]

pub mod network;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Command,
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

/// The binary that Cargo built for the test, or the one that `LODE_TEST_BINARY` names.
pub fn lode() -> Command {
    let named = std::env::var_os("LODE_TEST_BINARY");
    Command::new(named.unwrap_or_else(|| env!("CARGO_BIN_EXE_lode").into()))
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
