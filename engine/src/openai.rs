//! Any OpenAI-compatible server (vLLM, llama.cpp, Ollama, …) by its raw `/v1/completions`.
//!
//! One streamed request an attempt. Streaming lets a silent server be told from a slow one, and a
//! dropped request stops the server's work. The server draws the tokens; it is given a seed, but
//! nothing can be replayed, so the card says `sampler: "server"` and the weights are the hash that
//! the operator declares.

mod stream;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt, future::join_all};
use lode_proto::{
    attempt::Finish,
    policy::{Policy, PolicyCard, Sampling},
};
use reqwest::{StatusCode, header::RETRY_AFTER};
use serde_json::{Value, json};
use tokio::{sync::Semaphore, time::timeout};

use crate::cause::causes;
use crate::types::{Completion, Control, Engine, EngineError, GroupRequest, Progress, ServerError};
use stream::{Chunk, Reader};

/// Bytes of a refusal's body that are shown.
const SHOWN_BODY_BYTES: usize = 300;
/// Longest pause that a server's `Retry-After` can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// How a server takes a Lark grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GrammarDialect {
    /// It takes none: texts are drawn freely, and the card says so.
    #[default]
    None,
    /// llama.cpp built with llguidance: `grammar`, marked as Lark by its first line.
    LlamaCpp,
    /// vLLM, with the guidance backend: `structured_outputs.grammar`.
    Vllm,
    /// vLLM before 0.12, with the guidance backend: `guided_grammar`.
    VllmGuided,
}

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

/// The engine.
#[derive(Debug)]
pub struct OpenAi {
    config: OpenAiConfig,
    url: reqwest::Url,
    client: reqwest::Client,
    slots: Semaphore,
}

impl OpenAi {
    /// An engine over a server; nothing is asked of it yet.
    ///
    /// # Errors
    /// A base URL that is none, or a TLS set-up that the system refuses.
    pub fn new(config: OpenAiConfig) -> Result<Self, EngineError> {
        let load = |reason: String| EngineError::Load { model: config.model.clone(), reason };
        let url = format!("{}/completions", config.base_url.trim_end_matches('/'));
        let url = reqwest::Url::parse(&url).map_err(|e| {
            load(format!("{:?} is not a URL: {e}; expected http://HOST:PORT/v1", config.base_url))
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(load(format!("{:?} is not an http or https URL", config.base_url)));
        }
        let client = reqwest::Client::builder()
            .connect_timeout(config.connect_timeout)
            .build()
            .map_err(|e| load(e.to_string()))?;
        let slots = Semaphore::new(config.concurrency.max(1));
        Ok(Self { config, url, client, slots })
    }

    fn server(&self, problem: ServerError) -> EngineError {
        let mut url = self.url.clone();
        // Only a URL without a host refuses these, and `new` let none through.
        let _ = url.set_password(None);
        let _ = url.set_username("");
        url.set_query(None);
        EngineError::Server { url: url.to_string(), problem }
    }

    fn body(&self, request: &GroupRequest, seed: &[u8; 32]) -> Value {
        let mut body = json!({
            "model": self.config.model,
            "prompt": request.prompt,
            "max_tokens": request.max_completion_tokens,
            "temperature": f64::from(request.temperature_milli) / 1000.0,
            "seed": seed_number(seed),
            "n": 1,
            "stream": true,
            "stream_options": { "include_usage": true },
        });
        if let (Some(lark), Some(fields)) = (&request.grammar, body.as_object_mut()) {
            match self.config.grammar {
                GrammarDialect::None => {}
                GrammarDialect::LlamaCpp => {
                    fields.insert("grammar".into(), json!(format!("%llguidance {{}}\n{lark}")));
                }
                GrammarDialect::Vllm => {
                    fields.insert("structured_outputs".into(), json!({ "grammar": lark }));
                }
                GrammarDialect::VllmGuided => {
                    fields.insert("guided_grammar".into(), json!(lark));
                }
            }
        }
        body
    }

    async fn attempt(
        &self,
        request: &GroupRequest,
        seed: &[u8; 32],
        on_token: &(dyn Fn() + Sync),
    ) -> Result<Completion, ServerError> {
        let body = self.body(request, seed).to_string();
        let mut pause = self.config.backoff;
        for try_number in 0.. {
            let (problem, wait) = match self.send(body.clone()).await {
                Ok(response) => return self.read(response, on_token).await,
                Err(refusal) => refusal,
            };
            let Some(wait) = wait.filter(|_| try_number < self.config.retries) else {
                return Err(problem);
            };
            tokio::time::sleep(wait.max(pause).min(MAX_RETRY_AFTER)).await;
            pause = pause.saturating_mul(2);
        }
        Err(ServerError::Unreachable("no try was made".into()))
    }

    /// A good response, or the problem and the pause to try again after, where that may help.
    async fn send(
        &self,
        body: String,
    ) -> Result<reqwest::Response, (ServerError, Option<Duration>)> {
        let mut call = self
            .client
            .post(self.url.clone())
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .body(body);
        if let Some(key) = &self.config.api_key {
            call = call.bearer_auth(key);
        }
        let limit = self.config.progress_timeout;
        let response = match timeout(limit, call.send()).await {
            Err(_) => return Err((ServerError::Hang(limit), None)),
            Ok(Err(e)) => {
                let (connect, text) = (e.is_connect(), causes(&e));
                let problem = if connect {
                    ServerError::Unreachable(text)
                } else {
                    ServerError::EarlyEnd(text)
                };
                return Err((problem, Some(Duration::ZERO)));
            }
            Ok(Ok(response)) => response,
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let asked = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map_or(Duration::ZERO, Duration::from_secs);
        let again = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
        let body = shown_body(response, limit).await;
        Err((ServerError::Status { status: status.as_u16(), body }, again.then_some(asked)))
    }

    async fn read(
        &self,
        response: reqwest::Response,
        on_token: &(dyn Fn() + Sync),
    ) -> Result<Completion, ServerError> {
        let limit = self.config.progress_timeout;
        let mut reader = Reader::default();
        let mut text = String::new();
        let mut finish = None;
        let mut usage = None;
        let mut pieces = 0;
        let mut bytes = response.bytes_stream();
        'answer: loop {
            let chunk = match timeout(limit, bytes.next()).await {
                Err(_) => return Err(ServerError::Hang(limit)),
                Ok(None) => {
                    if let Some(last) = reader.finish()? {
                        last.take(&mut text, &mut finish, &mut usage)?;
                    }
                    break;
                }
                Ok(Some(Err(e))) => return Err(ServerError::EarlyEnd(causes(&e))),
                Ok(Some(Ok(chunk))) => chunk,
            };
            for chunk in reader.push(&chunk)? {
                match chunk {
                    Chunk::Done => break 'answer,
                    Chunk::Data(data) => {
                        let before = text.len();
                        data.take(&mut text, &mut finish, &mut usage)?;
                        if text.len() > before {
                            pieces += 1;
                            on_token();
                        }
                    }
                }
            }
        }
        let Some(reason) = finish else {
            let got = format!("{} bytes of text and no finish reason", text.len());
            return Err(ServerError::EarlyEnd(got));
        };
        if text.is_empty() {
            return Err(ServerError::Empty(reason));
        }
        let finish = match reason.as_str() {
            "stop" | "eos" | "eos_token" => Finish::Stop,
            "length" => Finish::Cap,
            _ => return Err(ServerError::EarlyEnd(format!("finish reason {reason:?}"))),
        };
        // A server that sends no usage sends a piece a token, as all known ones do.
        let (prompt_tokens, completion_tokens) = usage.unwrap_or((0, pieces));
        Ok(Completion {
            bytes: text.into_bytes(),
            finish,
            prompt_tokens,
            completion_tokens,
            evidence: None,
        })
    }
}

/// Servers take seeds of 32 or 64 bits, some of them signed: 31 bits suit all.
fn seed_number(seed: &[u8; 32]) -> u32 {
    u32::from_le_bytes([seed[0], seed[1], seed[2], seed[3]]) >> 1
}

async fn shown_body(response: reqwest::Response, limit: Duration) -> String {
    let mut shown = Vec::new();
    let mut bytes = response.bytes_stream();
    while shown.len() < SHOWN_BODY_BYTES {
        match timeout(limit, bytes.next()).await {
            Ok(Some(Ok(chunk))) => shown.extend_from_slice(&chunk),
            _ => break,
        }
    }
    shown.truncate(SHOWN_BODY_BYTES);
    let text = String::from_utf8_lossy(&shown);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

#[async_trait]
impl Engine for OpenAi {
    fn policy_card(&self, temperature_milli: u32, grammar: Option<u32>) -> PolicyCard {
        let declared = &self.config.declared;
        PolicyCard {
            policy: Policy {
                weights: declared.weights,
                quantisation: declared.quantisation.clone(),
                adapter: None,
                template: "raw/1".into(),
                sampling: Sampling { temperature_milli, sampler: "server".into() },
                grammar: grammar.filter(|_| self.supports_grammar()),
            },
            model: declared.model.clone(),
            parameters: declared.parameters,
            licence: declared.licence.clone(),
            output_licence: declared.output_licence.clone(),
            engine: format!("openai/{}", self.config.model),
        }
    }

    fn context_tokens(&self) -> Option<u32> {
        self.config.declared.context_tokens
    }

    fn supports_grammar(&self) -> bool {
        self.config.grammar != GrammarDialect::None
    }

    async fn generate(
        &self,
        request: GroupRequest,
        control: &Control,
    ) -> Result<Vec<Result<Completion, EngineError>>, EngineError> {
        request.check()?;
        control.check()?;
        let attempts = request.attempt_seeds.len() as u32;
        let tokens = AtomicU64::new(0);
        let finished = Arc::new(AtomicU32::new(0));
        let report = || {
            control.report(Progress {
                tokens: tokens.load(Ordering::Relaxed),
                finished: finished.load(Ordering::Relaxed),
                attempts,
            });
        };
        let on_token = || {
            tokens.fetch_add(1, Ordering::Relaxed);
            report();
        };
        let all = join_all(request.attempt_seeds.iter().map(|seed| async {
            let _slot = self.slots.acquire().await;
            let result = self.attempt(&request, seed, &on_token).await;
            finished.fetch_add(1, Ordering::Relaxed);
            report();
            result.map_err(|problem| self.server(problem))
        }));
        tokio::select! {
            results = all => Ok(results),
            () = control.cancel.cancelled() => Err(EngineError::Cancelled),
        }
    }
}
