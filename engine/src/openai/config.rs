//! A model server, and what its operator says of it.

use std::{fmt, time::Duration};

use super::GrammarDialect;

/// A server, and what its operator declares about it.
#[derive(Clone)]
pub struct OpenAiConfig {
    /// Address up to and without `/completions`, for example `http://127.0.0.1:8080/v1`.
    pub base_url: String,
    /// The model's name on the server.
    pub model: String,
    /// Bearer token, if the server wants one.
    pub api_key: Option<String>,
    /// How it takes a grammar.
    pub grammar: GrammarDialect,
    /// Time for a connection to stand.
    pub connect_timeout: Duration,
    /// Longest silence before it counts as hanging; covers the reading of the prompt.
    pub progress_timeout: Duration,
    /// Tries after the first one, for a lost connection, 429 and 5xx.
    pub retries: u32,
    /// Pause before the first retry; doubles with each.
    pub backoff: Duration,
    /// Requests in flight.
    pub concurrency: usize,
    /// Declared: hash of weights, quantisation, parameters, licences, name for people.
    pub declared: DeclaredModel,
}

/// What an operator says that a server runs. Nothing here can be checked from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredModel {
    /// Plain BLAKE3 of the weights file.
    pub weights: lode_proto::id::Hash,
    /// For example `Q4_K_M` or `bf16`.
    pub quantisation: String,
    /// Name for people.
    pub model: String,
    /// Parameters.
    pub parameters: u64,
    /// SPDX licence of the weights.
    pub licence: String,
    /// Terms of what it writes.
    pub output_licence: String,
    /// Tokens of its context, if known.
    pub context_tokens: Option<u32>,
}

impl OpenAiConfig {
    /// The usual limits for a server at `base_url`.
    #[must_use]
    pub fn new(
        base_url: impl Into<String>,
        model: impl Into<String>,
        declared: DeclaredModel,
    ) -> Self {
        Self {
            base_url: base_url.into(),
            model: model.into(),
            api_key: None,
            grammar: GrammarDialect::None,
            connect_timeout: Duration::from_secs(5),
            progress_timeout: Duration::from_secs(120),
            retries: 4,
            backoff: Duration::from_millis(500),
            concurrency: 8,
            declared,
        }
    }
}

impl fmt::Debug for OpenAiConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = if self.api_key.is_some() { "hidden" } else { "none" };
        write!(f, "OpenAiConfig({} at {}, key {key})", self.model, self.base_url)
    }
}
