//! The `openai` engine against llama.cpp's server with the real model, started here. Skipped, with
//! a line that says so, where `LODE_LLAMA_SERVER` does not name one.

#![allow(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

mod common;
#[path = "common/model.rs"]
mod model;
#[path = "common/process.rs"]
mod process;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use lode_engine::{
    CancelFlag, Completion, Control, Engine, EngineError, GroupRequest, OpenAi, Pool, ServerError,
    openai::{GrammarDialect, OpenAiConfig},
};
use lode_model::{Gguf, Specials, Tokenizer};
use lode_proto::attempt::Finish;
use model::model;
use process::{ALIAS, Process};

const DOCUMENT: &str = "[paragraph_1] Volt Link is based in Oslo.\n\
    [paragraph_2] Green Harbor is based in Porto and employs 4,210 people.\n\
    Question: Where is Volt Link based?\n<trace>\n";
/// A turn of SmolLM2's chat, which ends by itself.
const TURN: &str = "<|im_start|>user\nAnswer with one word: the capital of France.<|im_end|>\n\
    <|im_start|>assistant\n";
const LARK: &str =
    "start: \"e1: \" CITY \" [paragraph_\" /[12]/ \"]\\n\"\nCITY: \"Oslo\" | \"Porto\"\n";
/// More than the server writes before it sees that nobody listens any more.
const LONG: u32 = 3000;

fn config(server: &Process) -> OpenAiConfig {
    let mut config = common::config(&server.address);
    config.model = ALIAS.into();
    config.progress_timeout = Duration::from_secs(300);
    config
}

fn request(prompt: &str, attempts: u8, cap: u32) -> GroupRequest {
    GroupRequest {
        prompt: prompt.into(),
        grammar: None,
        attempt_seeds: (1..=attempts).map(|n| [n.wrapping_mul(91); 32]).collect(),
        temperature_milli: 1000,
        max_completion_tokens: cap,
        evidence: false,
    }
}

async fn run(engine: &OpenAi, request: GroupRequest) -> Vec<Completion> {
    let results = engine.generate(request, &Control::default()).await.unwrap();
    results.into_iter().map(Result::unwrap).collect()
}

/// Calls `act` once, at the first token.
fn at_first_token(act: impl FnOnce() + Send + 'static) -> Control {
    let act = Mutex::new(Some(act));
    let progress = move |progress: lode_engine::Progress| {
        if progress.tokens > 0
            && let Some(act) = act.lock().unwrap().take()
        {
            act();
        }
    };
    Control { progress: Some(Arc::new(progress)), ..Control::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_ends_counts_and_cancelling() {
    let Some(file) = model().await else { return };
    let Some(server) = Process::start(&file.path) else { return };
    let engine = OpenAi::new(config(&server)).unwrap();
    let tokenizer = Tokenizer::from_gguf(&Gguf::open(&file.path).unwrap()).unwrap();

    // It alters nothing. It may compute differently after a prompt that it has kept.
    for note in engine.check().await.unwrap() {
        assert!(note.to_string().contains("seeds"), "{note}");
    }

    let group = run(&engine, request(DOCUMENT, 3, 12)).await;
    let prompt_tokens = tokenizer.encode(DOCUMENT, Specials::AsText).unwrap().len();
    for completion in &group {
        // The Python server counts nothing while it streams.
        let counted = if server.counts_work { prompt_tokens } else { 0 };
        assert_eq!(completion.prompt_tokens as usize, counted);
        let tokens = completion.completion_tokens as usize;
        assert!(
            tokens <= 12 && (completion.finish == Finish::Stop || tokens == 12),
            "{completion:?}"
        );
        // The end token is counted and not written; a text may be cut into tokens differently.
        let written = std::str::from_utf8(&completion.bytes).unwrap();
        let counted = tokenizer.encode(written, Specials::AsText).unwrap().len();
        assert!(counted.abs_diff(tokens) <= 3, "{counted} tokens in {completion:?}");
    }
    assert_ne!(group[0].bytes, group[1].bytes, "other seeds, other texts");
    assert_ne!(group[1].bytes, group[2].bytes, "other seeds, other texts");

    // A natural end is told from a cap, however near.
    let greedy = |cap| GroupRequest { temperature_milli: 0, ..request(TURN, 1, cap) };
    let whole = run(&engine, greedy(200)).await.remove(0);
    assert_eq!(whole.finish, Finish::Stop, "{whole:?}");
    assert!(whole.completion_tokens < 200, "{whole:?}");
    let cut = run(&engine, greedy(1)).await.remove(0);
    assert_eq!((cut.finish, cut.completion_tokens), (Finish::Cap, 1));
    assert!(whole.bytes.starts_with(&cut.bytes));

    // Cancelled: the server's only slot is free for the next request long before it would be.
    let cancel = CancelFlag::default();
    let stop = cancel.clone();
    let control = Control { cancel, ..at_first_token(move || stop.cancel()) };
    let error = engine.generate(request(DOCUMENT, 2, LONG), &control).await.unwrap_err();
    assert!(matches!(error, EngineError::Cancelled), "{error}");
    run(&engine, request(DOCUMENT, 1, 1)).await;
    if server.counts_work {
        let page = reqwest::get(format!("{}/metrics", server.address)).await.unwrap();
        let page = page.text().await.unwrap();
        let line = page.lines().find(|line| line.starts_with("llamacpp:tokens_predicted_total "));
        let predicted: f64 = line.unwrap().split(' ').next_back().unwrap().parse().unwrap();
        assert!(predicted < f64::from(LONG), "{predicted} tokens: the work went on");
    }

    // Too long for its context: refused in its own words, and it goes on.
    let long = run_one(&engine, request(&DOCUMENT.repeat(400), 1, 4)).await.unwrap_err();
    let refused = match long {
        ServerError::Status { .. } => true,
        // The Python server says so in its log only.
        ServerError::EarlyEnd(_) => !server.counts_work,
        _ => false,
    };
    assert!(refused, "{long}");
    run(&engine, request(DOCUMENT, 1, 1)).await;
}

async fn run_one(engine: &OpenAi, request: GroupRequest) -> Result<Completion, ServerError> {
    let mut results = engine.generate(request, &Control::default()).await.unwrap();
    results.remove(0).map_err(|error| match error {
        EngineError::Server { problem, .. } => problem,
        other => panic!("{other}"),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn another_model_is_refused_and_a_grammar_obeyed_or_named() {
    let Some(file) = model().await else { return };
    let Some(server) = Process::start(&file.path) else { return };
    let mut other = config(&server);
    other.model = "llama-3-70b".into();
    let error = OpenAi::new(other).unwrap().check().await.unwrap_err();
    assert!(error.to_string().contains("does not serve"), "{error}");
    assert!(error.to_string().contains(ALIAS), "{error}");

    let mut guided = config(&server);
    guided.grammar = GrammarDialect::LlamaCpp;
    let engine = OpenAi::new(guided).unwrap();
    match engine.check().await {
        // A build without llguidance, and the Python server, which reads GBNF only.
        Err(error) => {
            eprintln!("grammars are not tested: {error}");
            assert!(error.to_string().contains("grammar"), "{error}");
            assert!(error.to_string().contains("LLAMA_LLGUIDANCE"), "{error}");
        }
        Ok(_) => {
            let request = GroupRequest { grammar: Some(LARK.into()), ..request(DOCUMENT, 3, 40) };
            for completion in run(&engine, request).await {
                let text = String::from_utf8(completion.bytes).unwrap();
                let rest = text.strip_prefix("e1: ").and_then(|rest| rest.strip_suffix("]\n"));
                assert!(rest.is_some_and(|rest| rest.contains(" [paragraph_")), "{text:?}");
                assert_eq!(completion.finish, Finish::Stop);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_ends_its_attempts_and_is_then_not_there() {
    let Some(file) = model().await else { return };
    let Some(server) = Process::start(&file.path) else { return };
    let engine = OpenAi::new(config(&server)).unwrap();
    let server = Arc::new(Mutex::new(server));
    let victim = server.clone();
    let control = at_first_token(move || victim.lock().unwrap().kill());
    let mut results = engine.generate(request(DOCUMENT, 1, LONG), &control).await.unwrap();
    let error = results.remove(0).unwrap_err();
    let EngineError::Server { problem: ServerError::EarlyEnd(_), .. } = &error else {
        panic!("{error}")
    };
    let problem = run_one(&engine, request(DOCUMENT, 1, 4)).await.unwrap_err();
    assert!(matches!(problem, ServerError::Unreachable(_)), "{problem}");
    assert!(matches!(engine.check().await, Err(EngineError::Server { .. })));
}

/// Two servers as on two GPUs: the group of the one that is killed is made by the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_a_killed_server_goes_to_the_other() {
    let Some(file) = model().await else { return };
    let (Some(first), Some(second)) = (Process::start(&file.path), Process::start(&file.path))
    else {
        return;
    };
    let engine = |server: &Process| {
        let config = OpenAiConfig { retries: 0, ..config(server) };
        Arc::new(OpenAi::new(config).unwrap()) as Arc<dyn Engine>
    };
    let pool = Pool::new(vec![engine(&first), engine(&second)]).unwrap();
    assert_eq!(pool.concurrent_groups(), 2);
    let first = Arc::new(Mutex::new(first));
    let victim = first.clone();
    let control = at_first_token(move || victim.lock().unwrap().kill());
    for _ in 0..2 {
        let results = pool.generate(request(DOCUMENT, 2, 200), &control).await.unwrap();
        assert_eq!(results.len(), 2);
        for completion in results.into_iter().map(Result::unwrap) {
            assert!(completion.completion_tokens > 0);
        }
    }
}
