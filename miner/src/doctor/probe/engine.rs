//! One group on the fixed prompt, with a watch beside it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use lode_engine::{Control, Engine, EngineError, Progress};
use lode_proto::limits::MAX_GROUP_SIZE;

use crate::{
    config::EngineConfig,
    doctor::{
        speed::{MEASURED_TOKENS, Mark, Measured, Speed, time_limit_ms},
        terms::{SamplePrompt, Terms},
    },
};

/// Most moments kept of a measurement: one a token of the largest group.
const MAX_MARKS: usize = (MAX_GROUP_SIZE * MEASURED_TOKENS) as usize;

fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
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
    let marks = Arc::new(Mutex::new(Vec::<Mark>::new()));
    let seen = Arc::clone(&marks);
    let began = Instant::now();
    let progress = move |progress: Progress| {
        let mut marks = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let last = marks.last().map_or(0, |mark| mark.tokens);
        if progress.tokens > last && marks.len() < MAX_MARKS {
            marks.push(Mark { at_us: us(began.elapsed()), tokens: progress.tokens });
        }
    };
    let control = Control { progress: Some(Arc::new(progress)), ..Control::default() };
    let limit_ms = time_limit_ms(terms);
    let generated =
        tokio::time::timeout(Duration::from_millis(limit_ms), engine.generate(request, &control));
    let completions = match generated.await {
        Err(_) => {
            let began = !marks.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
            return Measured::NotDone { after_ms: limit_ms, began };
        }
        Ok(Err(error)) => return Measured::Failed(error.to_string()),
        Ok(Ok(completions)) => completions,
    };
    let total_us = us(began.elapsed());
    let whole: Result<Vec<_>, EngineError> = completions.into_iter().collect();
    let completions = match whole {
        Ok(completions) => completions,
        Err(error) => return Measured::Failed(error.to_string()),
    };
    let total: u64 = completions.iter().map(|c| u64::from(c.completion_tokens)).sum();
    let prompt_tokens = completions.iter().map(|c| u64::from(c.prompt_tokens)).max().unwrap_or(0);
    let marks = marks.lock().unwrap_or_else(PoisonError::into_inner);
    Measured::Done(Speed::of(prompt_tokens, attempts, &marks, total_us, total))
}
