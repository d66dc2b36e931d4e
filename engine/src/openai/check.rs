//! The canary's shell: asks the server the probes, one at a time, and has the answers judged.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::{
    Answer, Call, OpenAi,
    canary::{
        self, COPY_TOKENS, COUNTED, Counts, Finding, LARK, LARK_TOKENS, OPEN_PROMPT, OPEN_TOKENS,
        Reply, Seen, Severity,
    },
    dialect::GrammarDialect,
    stream::model_name,
};
use crate::types::{EngineError, ServerError};

/// Longest time for all probes: some 170 tokens and six short prompts.
const CHECK_LIMIT: Duration = Duration::from_secs(600);
/// Most models of a server's list that are looked at.
const MAX_LISTED: usize = 1000;
/// Most bytes of a server's list of models.
const MAX_LIST_BYTES: usize = 1 << 20;

impl Answer {
    fn reply(self) -> Reply {
        Reply {
            end: self.end(),
            reason: self.finish.unwrap_or_default(),
            tokens: self.usage.map_or(self.pieces, |(_, completion)| completion),
            text: self.text,
        }
    }
}

impl OpenAi {
    /// Runs the canary: a dozen short requests that show whether the server hands the model what
    /// it is sent, and us what the model writes. What is only worth knowing is returned.
    ///
    /// # Errors
    /// [`EngineError::Server`] if it cannot be asked, [`EngineError::Unfit`] if what it sends would
    /// not be what its model wrote, with what to change.
    pub async fn check(&self) -> Result<Vec<Finding>, EngineError> {
        let seen = match timeout(CHECK_LIMIT, self.look()).await {
            Err(_) => Err(ServerError::Hang(CHECK_LIMIT)),
            Ok(seen) => seen,
        };
        let findings = canary::judge(&seen.map_err(|problem| self.server(problem))?);
        let (refused, notes): (Vec<_>, Vec<_>) =
            findings.into_iter().partition(|finding| finding.severity == Severity::Refused);
        if refused.is_empty() {
            return Ok(notes);
        }
        let reasons: Vec<String> = refused.iter().map(Finding::to_string).collect();
        Err(EngineError::Unfit { url: self.shown_url(), reasons: reasons.join(". Besides, ") })
    }

    async fn look(&self) -> Result<Seen, ServerError> {
        let mut seen = Seen { asked: self.config.model.clone(), ..Seen::default() };
        seen.listed = self.listed().await;
        if !seen.lists_asked() {
            return Ok(seen);
        }
        let first = self.count(COUNTED[0]).await?;
        seen.answered = first.model.clone();
        seen.counts = self.counts(first).await?;
        let prompt = canary::copy_prompt();
        seen.copy = match self.probe(&prompt, 0, 0, COPY_TOKENS).await {
            Err(ServerError::Overrun { .. }) => return Ok(seen),
            other => Some(other?.reply()),
        };
        for seed in [1, 2, 3, 1] {
            seen.drawn.push(self.probe(OPEN_PROMPT, seed, 1000, OPEN_TOKENS).await?.text);
        }
        if self.config.grammar != GrammarDialect::None {
            let call = Call { grammar: Some(LARK), ..probe("Q1: ", 1, 1000, LARK_TOKENS) };
            let reply = self.ask(&call, &|| {}).await;
            let reply = reply.map(|answer| answer.text).map_err(|problem| problem.to_string());
            seen.grammar = Some((reply, self.config.grammar.how()));
        }
        Ok(seen)
    }

    async fn probe(
        &self,
        prompt: &str,
        seed: u32,
        temperature_milli: u32,
        max_tokens: u32,
    ) -> Result<Answer, ServerError> {
        self.ask(&probe(prompt, seed, temperature_milli, max_tokens), &|| {}).await
    }

    /// Not streamed: some servers count tokens only there.
    async fn count(&self, prompt: &str) -> Result<Answer, ServerError> {
        self.ask(&Call { stream: false, ..probe(prompt, 0, 0, 1) }, &|| {}).await
    }

    async fn counts(&self, first: Answer) -> Result<Option<Counts>, ServerError> {
        let mut counts = [0; COUNTED.len()];
        let mut answer = first;
        for (at, count) in counts.iter_mut().enumerate() {
            if at > 0 {
                answer = self.count(COUNTED[at]).await?;
            }
            match answer.usage {
                Some((tokens, _)) if tokens > 0 => *count = tokens,
                _ => return Ok(None),
            }
        }
        Ok(Some(counts))
    }

    /// The models that the server lists; none where it has no such list.
    async fn listed(&self) -> Vec<String> {
        let url = format!("{}/models", self.config.base_url.trim_end_matches('/'));
        let mut call = self.client.get(url);
        if let Some(key) = &self.config.api_key {
            call = call.bearer_auth(key);
        }
        let limit = self.config.progress_timeout;
        let Ok(Ok(mut response)) = timeout(limit, call.send()).await else { return Vec::new() };
        let mut body = Vec::new();
        while let Ok(Ok(Some(chunk))) = timeout(limit, response.chunk()).await {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_LIST_BYTES {
                return Vec::new();
            }
        }
        let list: Value = serde_json::from_slice(&body).unwrap_or_default();
        let models = list.get("data").and_then(Value::as_array).map(Vec::as_slice);
        let names = models.unwrap_or_default().iter().filter_map(|model| model.get("id")?.as_str());
        names.take(MAX_LISTED).map(model_name).collect()
    }
}

fn probe(prompt: &str, seed: u32, temperature_milli: u32, max_tokens: u32) -> Call<'_> {
    Call { prompt, grammar: None, seed, temperature_milli, max_tokens, stream: true }
}
