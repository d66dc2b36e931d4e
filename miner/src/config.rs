//! The miner's configuration file, `deploy/miner.example.toml` with a comment for each key.

use std::path::PathBuf;

use lode_proto::id::Hash;
use serde::{Deserialize, Serialize};

use crate::{hours::Hours, power::PowerConfig};

/// Everything a miner is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MinerConfig {
    /// Folder for the key, the queue and the receipts.
    pub data: PathBuf,
    /// The network: its id, 64 hexadecimal digits, as the coordinator's operator publishes it.
    pub network: String,
    /// Addresses of the coordinator; all are tried.
    pub coordinator: Vec<String>,
    /// What answers the tasks.
    pub engine: EngineConfig,
    /// Stop once the coordinator says that the campaign is over, instead of waiting for the next.
    #[serde(default)]
    pub stop_when_finished: bool,
    /// Further networks, asked for work in this order while those before them have none or cannot
    /// be reached. Each has its own queue and receipts.
    #[serde(default)]
    pub fallback: Vec<NetworkConfig>,
    /// Most memory that the keys and values of all groups in work may take, MiB, by the engine's estimate;
    /// 0 sets no limit. The model comes on top, and some tens of MiB that a step computes with.
    #[serde(default)]
    pub memory_mib: u64,
    /// When new work is taken, local time, for example `["22:00-07:00"]`; always where it is empty.
    #[serde(default)]
    pub hours: Vec<Hours>,
    /// Limits of the GPUs' power and heat; none by default.
    #[serde(default)]
    pub power: PowerConfig,
    /// Take no new work; what is held is finished. `lode miner pause` does the same without a restart.
    #[serde(default)]
    pub maintenance: bool,
    /// Time that groups in work get to end after SIGTERM, seconds; then they are given back.
    #[serde(default = "default_drain_seconds")]
    pub drain_seconds: u64,
    /// Where figures for Prometheus are served, for example `127.0.0.1:9464`; nowhere by default.
    #[serde(default)]
    pub metrics: Option<std::net::SocketAddr>,
}

impl MinerConfig {
    /// All networks, in order of preference: id and addresses.
    pub fn networks(&self) -> impl Iterator<Item = (&str, &[String])> {
        let first = (self.network.as_str(), self.coordinator.as_slice());
        let further = self.fallback.iter().map(|one| (one.network.as_str(), &one.coordinator[..]));
        std::iter::once(first).chain(further)
    }

    /// The file that holds new work off while it is there.
    #[must_use]
    pub fn pause_file(&self) -> PathBuf {
        self.data.join(PAUSE_FILE)
    }
}

/// Name of [`MinerConfig::pause_file`] in the data folder.
pub const PAUSE_FILE: &str = "paused";

/// One network and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// The network's id, 64 hexadecimal digits.
    pub network: String,
    /// Addresses of its coordinator; all are tried.
    pub coordinator: Vec<String>,
}

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// The faster of the two in process, measured once and remembered beside the model.
    Auto,
    /// Our own: one prefill and one batched decode for a group.
    Native,
    /// mistral.rs in this process.
    Mistralrs,
    /// A server that speaks OpenAI's `/v1/completions`.
    Openai,
}

/// What the model computes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// Whatever this build and this machine have.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// An NVIDIA GPU; where there is none the miner does not start.
    Cuda,
    /// The GPU of a Mac; where there is none the miner does not start.
    Metal,
}

impl Device {
    /// What the engines of this build can compute on.
    pub const OF_THIS_BUILD: &[Self] = &[Self::Cpu];

    /// The name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Metal => "metal",
        }
    }
}

fn default_drain_seconds() -> u64 {
    20
}

fn default_temperature() -> u32 {
    700
}

fn default_true() -> bool {
    true
}

fn default_model() -> String {
    "smollm2-135m".into()
}

/// The engine and its model.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineConfig {
    /// Which engine.
    pub kind: EngineKind,
    /// A name that `lode model pull` knows, or a GGUF file. Behind a server: the name it is asked
    /// for.
    #[serde(default = "default_model")]
    pub model: String,
    /// What the model computes on.
    #[serde(default)]
    pub device: Device,
    /// Temperature in thousandths.
    #[serde(default = "default_temperature")]
    pub temperature_milli: u32,
    /// Whether tokens are drawn under the task's grammar, where the engine can.
    #[serde(default = "default_true")]
    pub grammar: bool,
    /// Threads for matrix products; 0 takes all cores.
    #[serde(default)]
    pub threads: usize,
    /// Behind a server only.
    #[serde(default)]
    pub server: Option<ServerConfig>,
}

/// A model server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Where it is, for example `http://127.0.0.1:8080/v1`.
    pub url: String,
    /// Further servers with the same model, started the same way: one a GPU. Groups go to the one with the
    /// most room; one that fails rests, and its group goes to another.
    #[serde(default)]
    pub further_urls: Vec<String>,
    /// Environment variable that holds the API key, if it wants one.
    #[serde(default)]
    pub api_key_env: Option<String>,
    /// Plain BLAKE3 of the weights it serves, which you vouch for.
    pub weights: Hash,
    /// For example `Q8_0` or `bf16`.
    pub quantisation: String,
    /// Parameters of the model.
    pub parameters: u64,
    /// Most tokens that prompt and completion may have together, where you know it.
    #[serde(default)]
    pub context_tokens: Option<u32>,
    /// How the server takes a grammar, if it does: `llama.cpp` (built with llguidance), `vllm`,
    /// `vllm-guided` (before 0.12), `sglang`, `mistral.rs`, or nothing (docs/servers.md).
    #[serde(default)]
    pub grammar: Option<String>,
    /// Requests in flight at once, at each server; 8 where it is left out. 1 for a server that answers one at a time.
    #[serde(default)]
    pub concurrency: Option<std::num::NonZeroU16>,
    /// SPDX licence of the weights.
    pub licence: String,
    /// Terms of what the model writes.
    pub output_licence: String,
}
