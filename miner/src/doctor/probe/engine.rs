//! One group on the fixed prompt, with a watch beside it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use lode_engine::{Control, Engine, EngineError, Progress};

use crate::{
    config::EngineConfig,
    doctor::{
        speed::{Measured, Speed, time_limit_ms},
        terms::{SamplePrompt, Terms},
    },
};

/// When the first tokens came, and how many.
#[derive(Debug, Clone, Copy)]
struct First {
    at: Instant,
    tokens: u64,
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Runs the group, for [`time_limit_ms`] at most.
pub(in crate::doctor) async fn measure(
    engine: &dyn Engine,
    config: &EngineConfig,
    prompt: &SamplePrompt,
    terms: &Terms,
) -> Measured {
    let grammar = config.grammar && engine.supports_grammar();
    let request = prompt.request(terms, grammar, config.temperature_milli);
    let attempts = request.attempt_seeds.len() as u64;
    let first = Arc::new(Mutex::new(None::<First>));
    let seen = Arc::clone(&first);
    let progress = move |progress: Progress| {
        if progress.tokens > 0 {
            let mut first = seen.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert(First { at: Instant::now(), tokens: progress.tokens });
        }
    };
    let control = Control { progress: Some(Arc::new(progress)), ..Control::default() };
    let limit_ms = time_limit_ms(terms);
    let began = Instant::now();
    let generated =
        tokio::time::timeout(Duration::from_millis(limit_ms), engine.generate(request, &control));
    let completions = match generated.await {
        Err(_) => {
            let began = first.lock().unwrap_or_else(PoisonError::into_inner).is_some();
            return Measured::NotDone { after_ms: limit_ms, began };
        }
        Ok(Err(error)) => return Measured::Failed(error.to_string()),
        Ok(Ok(completions)) => completions,
    };
    let ended = Instant::now();
    let whole: Result<Vec<_>, EngineError> = completions.into_iter().collect();
    let completions = match whole {
        Ok(completions) => completions,
        Err(error) => return Measured::Failed(error.to_string()),
    };
    let total: u64 = completions.iter().map(|c| u64::from(c.completion_tokens)).sum();
    let prompt_tokens = completions.iter().map(|c| u64::from(c.prompt_tokens)).max().unwrap_or(0);
    // An engine that says nothing until the end has no moment of a first token.
    let first = first.lock().unwrap_or_else(PoisonError::into_inner);
    let first = first.filter(|first| first.tokens < total);
    let (at, tokens) = first.map_or((began, 0), |first| (first.at, first.tokens));
    Measured::Done(Speed {
        prompt_tokens,
        attempts,
        prompt_ms: ms(at.duration_since(began)),
        generated_tokens: total.saturating_sub(tokens),
        generated_ms: ms(ended.duration_since(at)),
    })
}
