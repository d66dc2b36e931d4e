//! The verifier's configuration file, `deploy/verifier.example.toml` with a comment for each key.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Everything a verifier is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifierConfig {
    /// Folder for the key, the book of what was signed, and pulled bundles.
    pub data: PathBuf,
    /// The network: its id, 64 hexadecimal digits, as the coordinator's operator publishes it.
    pub network: String,
    /// Addresses of the coordinator; all are tried.
    pub coordinator: Vec<String>,
    /// Domain files besides the built-in ones.
    #[serde(default)]
    pub domains: Vec<PathBuf>,
    /// Threads for audits; 0 takes all cores.
    #[serde(default)]
    pub threads: usize,
    /// Stop once the coordinator says that the campaign is over.
    #[serde(default)]
    pub stop_when_finished: bool,
}
