//! Tokens a second of the in-process engines, one beside the other in one run:
//! `cargo run --release -p lode-engine --example bench -- [MODEL] [PROMPT_TOKENS] [TOKENS]` (or
//! `cargo build --release -p lode-engine -p lode-cli --examples` and `target/release/examples/bench`,
//! which reuses the build of `lode`).
//!
//! The first token of a single attempt parts its time in two: the reading of the prompt and the
//! generation. A group has eight attempts over one prompt; its rate is over all of its time.

use std::{
    env,
    error::Error,
    sync::{Arc, OnceLock},
    time::Instant,
};

use lode_engine::{
    Control, Engine, GroupRequest, Mistral, Native, Progress,
    store::{Sources, Store},
};

const GROUP: u8 = 8;

struct Row {
    prompt: f64,
    single: f64,
    group: f64,
    group_seconds: f64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let name = arguments.first().map_or("smollm2-135m", String::as_str);
    let prompt_tokens: usize = arguments.get(1).map_or(Ok(480), |n| n.parse())?;
    let tokens: u32 = arguments.get(2).map_or(Ok(64), |n| n.parse())?;
    let store = Store::of_user()?;
    let file = match store.resolve(name) {
        Ok(file) => file,
        Err(_) => store.pull(name, &Sources::default(), Arc::new(|_| {})).await?,
    };
    let native = Native::load(file.clone()).await?;
    let prompt = prompt(&native, prompt_tokens)?;
    println!("{name}, a prompt of {prompt_tokens} tokens, {tokens} tokens an attempt");
    println!(
        "{:<10} {:>16} {:>16} {:>16} {:>12}",
        "engine", "prompt tok/s", "single tok/s", "group of 8 tok/s", "group s"
    );
    let mistral = Mistral::load(file).await?;
    let engines: [(&str, &dyn Engine); 2] = [("native", &native), ("mistralrs", &mistral)];
    for (name, engine) in engines {
        let row = measure(engine, &prompt, prompt_tokens, tokens).await?;
        println!(
            "{name:<10} {:>16.1} {:>16.1} {:>16.1} {:>12.2}",
            row.prompt, row.single, row.group, row.group_seconds
        );
    }
    Ok(())
}

/// Plain words, cut to the number of tokens asked for.
fn prompt(native: &Native, tokens: usize) -> Result<String, Box<dyn Error>> {
    let sentence = "Volt Link is based in Oslo and employs 4,210 people in three countries. ";
    let tokenizer = native.tokenizer();
    let ids = tokenizer.encode(&sentence.repeat(tokens / 8 + 1), lode_model::Specials::AsText)?;
    Ok(tokenizer.decode(&ids[..tokens.min(ids.len())])?)
}

/// Seconds to the first token, seconds in all, and generated tokens of a group.
async fn timed(
    engine: &dyn Engine,
    prompt: &str,
    attempts: u8,
    tokens: u32,
) -> Result<(f64, f64, f64), Box<dyn Error>> {
    let request = GroupRequest {
        prompt: prompt.to_owned(),
        grammar: None,
        attempt_seeds: (0..attempts).map(|n| [n; 32]).collect(),
        temperature_milli: 1000,
        max_completion_tokens: tokens,
        evidence: false,
    };
    let first = Arc::new(OnceLock::new());
    let start = Instant::now();
    let note = Arc::clone(&first);
    let progress = move |progress: Progress| {
        if progress.tokens > 0 {
            note.get_or_init(|| start.elapsed().as_secs_f64());
        }
    };
    let control = Control { progress: Some(Arc::new(progress)), ..Control::default() };
    let results = engine.generate(request, &control).await?;
    let seconds = start.elapsed().as_secs_f64();
    let mut generated = 0;
    for result in results {
        generated += result?.completion_tokens;
    }
    Ok((first.get().copied().unwrap_or(seconds), seconds, f64::from(generated)))
}

async fn measure(
    engine: &dyn Engine,
    prompt: &str,
    prompt_tokens: usize,
    tokens: u32,
) -> Result<Row, Box<dyn Error>> {
    timed(engine, "Volt Link", 1, 4).await?;
    let (first, seconds, generated) = timed(engine, prompt, 1, tokens).await?;
    let (_, group_seconds, of_group) = timed(engine, prompt, GROUP, tokens).await?;
    Ok(Row {
        prompt: prompt_tokens as f64 / first,
        single: (generated - 1.0) / (seconds - first),
        group: of_group / group_seconds,
        group_seconds,
    })
}
