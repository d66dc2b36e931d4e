//! Any OpenAI-compatible server (vLLM, llama.cpp, Ollama, …) by its raw `/v1/completions`.
//!
//! ```text
//! GroupRequest ─► one streamed request an attempt ─► Answer ─► Completion
//! check ─► probes ─► what came back ─► findings       (canary.rs, once, before the first task)
//! ```
//!
//! Streaming lets a silent server be told from a slow one, and a dropped request stops the server's
//! work. The server draws the tokens; it is given a seed, but nothing can be replayed, so the card
//! says `sampler: "server"` and the weights are the hash that the operator declares.

mod canary;
mod check;
mod config;
mod dialect;
mod stream;

use std::{
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
    limits, plain,
    policy::{Policy, PolicyCard, Sampling},
};
use reqwest::{StatusCode, header::RETRY_AFTER};
use serde_json::{Value, json};
use tokio::{sync::Semaphore, time::timeout};

use crate::cause::causes;
use crate::grammar::obeys;
use crate::types::{Completion, Control, Engine, EngineError, GroupRequest, Progress, ServerError};
use stream::{Answer, Chunk, Reader};

pub use canary::{Finding, Severity};
pub use config::{DeclaredModel, OpenAiConfig};
pub use dialect::GrammarDialect;

/// Bytes of a refusal's body that are shown.
const SHOWN_BODY_BYTES: usize = 300;
/// Characters of a text that an error shows.
const SHOWN_TEXT_CHARS: usize = 80;
/// Most pieces of text a token that a server is believed to send: some send every character.
const PIECES_A_TOKEN: u32 = 8;
/// Pieces beyond those before it is taken to ignore the limit.
const SPARE_PIECES: u32 = 64;
/// Longest pause that a server's `Retry-After` can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

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
        EngineError::Server { url: self.shown_url(), problem }
    }

    /// The address without credentials.
    fn shown_url(&self) -> String {
        let mut url = self.url.clone();
        // Only a URL without a host refuses these, and `new` let none through.
        let _ = url.set_password(None);
        let _ = url.set_username("");
        url.set_query(None);
        url.to_string()
    }

    fn body(&self, call: &Call<'_>) -> Value {
        let mut body = json!({
            "model": self.config.model,
            "prompt": call.prompt,
            "max_tokens": call.max_tokens,
            "temperature": f64::from(call.temperature_milli) / 1000.0,
            "seed": call.seed,
            // Servers have defaults of their own for these, which would make the card untrue.
            "top_p": 1,
            "min_p": 0,
            "repeat_penalty": 1,
            "n": 1,
            "stream": call.stream,
        });
        if let Some(fields) = body.as_object_mut() {
            if call.stream {
                fields.insert("stream_options".into(), json!({ "include_usage": true }));
            }
            if let Some(lark) = call.grammar {
                self.config.grammar.apply(lark, fields);
            }
        }
        body
    }

    /// Refuses a text that breaks the grammar: some servers draw freely, without a word, where they
    /// cannot read one.
    fn hold_to(&self, call: &Call<'_>, completion: Completion) -> Result<Completion, EngineError> {
        let Some(lark) = call.grammar.filter(|_| self.supports_grammar()) else {
            return Ok(completion);
        };
        let text = String::from_utf8_lossy(&completion.bytes);
        if obeys(lark, &text, completion.finish)? {
            return Ok(completion);
        }
        let shown = plain::escape(&text, plain::Surface::Line, SHOWN_TEXT_CHARS);
        Err(self.server(ServerError::Ungrammatical(format!("{shown:?}"))))
    }

    /// One answer; trouble that may pass is tried again.
    async fn ask(
        &self,
        call: &Call<'_>,
        on_token: &(dyn Fn() + Sync),
    ) -> Result<Answer, ServerError> {
        let body = self.body(call).to_string();
        let mut pause = self.config.backoff;
        for try_number in 0.. {
            let (problem, wait) = match self.send(body.clone()).await {
                Ok(response) => return self.read(response, call.max_tokens, on_token).await,
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
        max_tokens: u32,
        on_token: &(dyn Fn() + Sync),
    ) -> Result<Answer, ServerError> {
        let most_pieces = max_tokens.saturating_mul(PIECES_A_TOKEN).saturating_add(SPARE_PIECES);
        let limit = self.config.progress_timeout;
        let mut reader = Reader::default();
        let mut answer = Answer::default();
        let mut bytes = response.bytes_stream();
        'answer: loop {
            let chunk = match timeout(limit, bytes.next()).await {
                Err(_) => return Err(ServerError::Hang(limit)),
                Ok(None) => {
                    if let Some(last) = reader.finish()? {
                        last.take(&mut answer)?;
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
                        let before = answer.pieces;
                        data.take(&mut answer)?;
                        if answer.pieces > before {
                            on_token();
                        }
                        if answer.pieces > most_pieces {
                            return Err(ServerError::Overrun { max_tokens });
                        }
                    }
                }
            }
        }
        if answer.finish.is_none() {
            let got = format!("{} bytes of text and no finish reason", answer.text.len());
            return Err(ServerError::EarlyEnd(got));
        }
        Ok(answer)
    }
}

/// One request to the server.
#[derive(Debug, Clone, Copy)]
struct Call<'a> {
    prompt: &'a str,
    grammar: Option<&'a str>,
    seed: u32,
    temperature_milli: u32,
    max_tokens: u32,
    stream: bool,
}

impl Answer {
    /// Whether the text ended by itself or at the cap; none for an end that is neither.
    fn end(&self) -> Option<Finish> {
        match self.finish.as_deref()? {
            "stop" | "eos" | "eos_token" => Some(Finish::Stop),
            "length" => Some(Finish::Cap),
            _ => None,
        }
    }

    fn completion(self) -> Result<Completion, ServerError> {
        let reason = || self.finish.clone().unwrap_or_default();
        if self.text.is_empty() {
            return Err(ServerError::Empty(reason()));
        }
        let Some(finish) = self.end() else {
            return Err(ServerError::EarlyEnd(format!("finish reason {:?}", reason())));
        };
        // A server that sends no usage sends a piece a token, as all known ones do.
        let (prompt_tokens, completion_tokens) = self.usage.unwrap_or((0, self.pieces));
        Ok(Completion {
            bytes: self.text.into_bytes(),
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

    fn concurrent_groups(&self) -> usize {
        (self.config.concurrency / limits::DEFAULT_GROUP_SIZE as usize).max(1)
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
            let call = Call {
                prompt: &request.prompt,
                grammar: request.grammar.as_deref(),
                seed: seed_number(seed),
                temperature_milli: request.temperature_milli,
                max_tokens: request.max_completion_tokens,
                stream: true,
            };
            let result = self.ask(&call, &on_token).await.and_then(Answer::completion);
            let result = result.map_err(|problem| self.server(problem));
            let result = result.and_then(|completion| self.hold_to(&call, completion));
            finished.fetch_add(1, Ordering::Relaxed);
            report();
            result
        }));
        tokio::select! {
            results = all => Ok(results),
            () = control.cancel.cancelled() => Err(EngineError::Cancelled),
        }
    }
}
