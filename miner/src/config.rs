//! The miner's configuration file, `deploy/miner.example.toml` with a comment for each key.

use std::path::PathBuf;

use lode_proto::id::Hash;
use serde::{Deserialize, Serialize};

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
    /// Requests in flight at once; 8 where it is left out. 1 for a server that answers one at a time.
    #[serde(default)]
    pub concurrency: Option<std::num::NonZeroU16>,
    /// SPDX licence of the weights.
    pub licence: String,
    /// Terms of what the model writes.
    pub output_licence: String,
}
