//! How fast an engine is: one group, timed.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use lode_model::{ModelError, Specials, Tokenizer};

use crate::types::{Control, Engine, EngineError, GroupRequest, Progress};

/// Words of which prompts of a given length are made; a model goes on with them rather than end.
const SENTENCE: &str = "Volt Link is based in Oslo and employs 4,210 people in three countries. ";
/// Temperature of a measured group, in thousandths: a miner's usual one.
const TEMPERATURE_MILLI: u32 = 700;

/// What a group took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timing {
    /// Until the first token of the first attempt: the reading of the prompt.
    pub first: Duration,
    /// In all.
    pub total: Duration,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Tokens generated, all attempts together.
    pub generated: u32,
    /// Attempts.
    pub attempts: u32,
}

impl Timing {
    /// Prompt tokens a second until the first token.
    #[must_use]
    pub fn prompt_rate(&self) -> f64 {
        rate(self.prompt_tokens, self.first)
    }

    /// Of a single attempt: generated tokens a second after the first one.
    #[must_use]
    pub fn generated_rate(&self) -> f64 {
        rate(self.generated.saturating_sub(1), self.total.saturating_sub(self.first))
    }

    /// Generated tokens a second over all of its time, the reading included.
    #[must_use]
    pub fn group_rate(&self) -> f64 {
        rate(self.generated, self.total)
    }
}

fn rate(tokens: u32, time: Duration) -> f64 {
    let seconds = time.as_secs_f64();
    if seconds > 0.0 { f64::from(tokens) / seconds } else { 0.0 }
}

/// A text of so many tokens.
///
/// # Errors
/// A tokenizer that cannot write or read plain words.
pub fn prompt(tokenizer: &Tokenizer, tokens: usize) -> Result<String, EngineError> {
    let text = SENTENCE.repeat(tokens / 8 + 1);
    let refuse = |e: ModelError| EngineError::Request { reason: e.to_string() };
    let ids = tokenizer.encode(&text, Specials::AsText).map_err(refuse)?;
    tokenizer.decode(&ids[..tokens.min(ids.len())]).map_err(refuse)
}

/// Times one group over `prompt`.
///
/// # Errors
/// What the engine says; that of the first attempt that failed.
pub async fn time_group(
    engine: &dyn Engine,
    prompt: &str,
    attempts: u8,
    tokens: u32,
) -> Result<Timing, EngineError> {
    let request = GroupRequest {
        prompt: prompt.to_owned(),
        grammar: None,
        attempt_seeds: (0..attempts).map(|n| [n; 32]).collect(),
        temperature_milli: TEMPERATURE_MILLI,
        max_completion_tokens: tokens,
        evidence: false,
    };
    let first = Arc::new(OnceLock::new());
    let start = Instant::now();
    let note = Arc::clone(&first);
    let progress = move |progress: Progress| {
        if progress.tokens > 0 {
            note.get_or_init(|| start.elapsed());
        }
    };
    let control = Control { progress: Some(Arc::new(progress)), ..Control::default() };
    let results = engine.generate(request, &control).await?;
    let total = start.elapsed();
    let (mut generated, mut prompt_tokens) = (0, 0);
    for result in results {
        let completion = result?;
        generated += completion.completion_tokens;
        prompt_tokens = completion.prompt_tokens;
    }
    let first = first.get().copied().unwrap_or(total);
    Ok(Timing { first, total, prompt_tokens, generated, attempts: u32::from(attempts) })
}
