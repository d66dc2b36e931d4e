//! The in-process engines on the real model.

#![allow(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

#[path = "common/model.rs"]
mod model;

use std::sync::Arc;

use lode_engine::{
    CancelFlag, Completion, Control, Engine, EngineError, GroupRequest, Mistral, Native,
    store::ModelFile,
};
use lode_model::{Model, Session, Specials};
use lode_proto::attempt::Finish;
use model::model;
use tokio::sync::OnceCell;

/// Every test has its own runtime, the engines are shared: loading them takes longer than a test.
async fn native() -> Option<&'static Native> {
    static NATIVE: OnceCell<Option<Native>> = OnceCell::const_new();
    let load = || async { Some(Native::load(model().await?).await.unwrap()) };
    NATIVE.get_or_init(load).await.as_ref()
}

async fn mistral() -> Option<&'static Mistral> {
    static MISTRAL: OnceCell<Option<Mistral>> = OnceCell::const_new();
    let load = || async { Some(Mistral::load(model().await?).await.unwrap()) };
    MISTRAL.get_or_init(load).await.as_ref()
}

const DOCUMENT: &str = "[paragraph_1] Volt Link is based in Oslo.\n\
    [paragraph_2] Green Harbor is based in Porto and employs 4,210 people.\n\
    Question: Where is Volt Link based?\n";

const GRAMMAR: &str = r#"start: fact answer
fact: "e1: " NAME " is based in " CITY " [paragraph_" NUMBER "]\n"
answer: "Q1: " CITY
NAME: "Volt Link" | "Green Harbor"
CITY: "Oslo" | "Lisbon" | "Porto"
NUMBER: /[1-3]/
"#;

fn obeys(text: &str) -> bool {
    let city = |word: &str| ["Oslo", "Lisbon", "Porto"].contains(&word);
    let lines: Vec<&str> = text.split('\n').collect();
    let [fact, answer] = lines[..] else { return false };
    let Some(fact) = fact.strip_prefix("e1: ") else { return false };
    let Some((name, rest)) = fact.split_once(" is based in ") else { return false };
    let Some((place, rest)) = rest.split_once(" [paragraph_") else { return false };
    ["Volt Link", "Green Harbor"].contains(&name)
        && city(place)
        && ["1]", "2]", "3]"].contains(&rest)
        && answer.strip_prefix("Q1: ").is_some_and(city)
}

fn request(attempts: u8, grammar: bool, max_completion_tokens: u32) -> GroupRequest {
    GroupRequest {
        prompt: DOCUMENT.to_owned(),
        grammar: grammar.then(|| GRAMMAR.to_owned()),
        attempt_seeds: (0..attempts).map(|n| [n.wrapping_mul(37) ^ 5; 32]).collect(),
        temperature_milli: 1000,
        max_completion_tokens,
        evidence: true,
    }
}

async fn run(engine: &dyn Engine, request: GroupRequest) -> Vec<Completion> {
    let results = engine.generate(request, &Control::default()).await.unwrap();
    results.into_iter().map(Result::unwrap).collect()
}

fn text(completion: &Completion) -> &str {
    std::str::from_utf8(&completion.bytes).unwrap()
}

/// What every in-process engine promises.
async fn keeps_its_promises(engine: &dyn Engine) {
    let first = run(engine, request(4, true, 60)).await;
    for completion in &first {
        assert!(obeys(text(completion)), "{:?}", text(completion));
        assert_eq!(completion.finish, Finish::Stop);
        let evidence = completion.evidence.as_ref().unwrap();
        assert_eq!(evidence.ids.len(), completion.completion_tokens as usize);
        assert_eq!(evidence.logprobs_milli.len(), evidence.ids.len());
        assert!(evidence.logprobs_milli.iter().all(|logprob| *logprob <= 0));
    }
    assert_eq!(first, run(engine, request(4, true, 60)).await, "same seeds, same texts");

    let free = run(engine, request(3, false, 8)).await;
    assert_eq!(free, run(engine, request(3, false, 8)).await, "same seeds, same texts");
    assert_ne!(free[0].bytes, free[1].bytes, "other seeds, other texts");
    assert_ne!(free[1].bytes, free[2].bytes, "other seeds, other texts");
    for completion in &free {
        if completion.finish == Finish::Cap {
            assert_eq!(completion.completion_tokens, 8);
        }
    }
    let cut = run(engine, request(2, true, 5)).await;
    for completion in &cut {
        assert_eq!((completion.finish, completion.completion_tokens), (Finish::Cap, 5));
    }

    let greedy = GroupRequest { temperature_milli: 0, ..request(2, false, 6) };
    let greedy = run(engine, greedy).await;
    assert_eq!(greedy[0], greedy[1], "greedy has no noise");

    // A grammar that is complete at the very cap was not cut by it.
    let whole = run(engine, request(1, true, 60)).await.remove(0);
    let exact = run(engine, request(1, true, whole.completion_tokens)).await.remove(0);
    assert_eq!(exact, whole);
}

async fn refuses_and_stops(engine: &dyn Engine) {
    let bad = GroupRequest { grammar: Some("start: %%%".into()), ..request(2, false, 4) };
    let error = engine.generate(bad, &Control::default()).await.unwrap_err();
    assert!(matches!(error, EngineError::Grammar { .. }), "{error}");

    let room = engine.context_tokens().unwrap();
    let error = engine.generate(request(1, false, room), &Control::default()).await.unwrap_err();
    assert!(matches!(error, EngineError::TooLong { .. }), "{error}");

    // Cancelled from the first report of a token on.
    let cancel = CancelFlag::default();
    let stop = cancel.clone();
    let control = Control {
        cancel,
        progress: Some(Arc::new(move |progress| {
            if progress.tokens > 0 {
                stop.cancel();
            }
        })),
    };
    let long = request(2, false, 2000);
    let error = engine.generate(long.clone(), &control).await.unwrap_err();
    assert!(matches!(error, EngineError::Cancelled), "{error}");
    // Dropped before it is done: the engine is free again and unharmed.
    let control = Control::default();
    tokio::select! {
        biased;
        _ = engine.generate(long, &control) => panic!("2000 tokens came before the first yield"),
        () = tokio::task::yield_now() => {}
    }
    assert!(obeys(text(&run(engine, request(1, true, 60)).await[0])));
}

#[tokio::test(flavor = "multi_thread")]
async fn native_keeps_its_promises() {
    let Some(engine) = native().await else { return };
    keeps_its_promises(engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mistral_keeps_its_promises() {
    let Some(engine) = mistral().await else { return };
    keeps_its_promises(engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn native_refuses_and_stops() {
    let Some(engine) = native().await else { return };
    refuses_and_stops(engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mistral_refuses_and_stops() {
    let Some(engine) = mistral().await else { return };
    refuses_and_stops(engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn native_group_of_eight_equals_eight_singles() {
    let Some(engine) = native().await else { return };
    for grammar in [false, true] {
        let group = request(8, grammar, 30);
        let together = run(engine, group.clone()).await;
        for (seed, expected) in group.attempt_seeds.iter().zip(together) {
            let alone = GroupRequest { attempt_seeds: vec![*seed], ..group.clone() };
            assert_eq!(run(engine, alone).await, [expected]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mistral_group_equals_singles() {
    let Some(engine) = mistral().await else { return };
    let group = request(3, false, 10);
    let together = run(engine, group.clone()).await;
    for (seed, expected) in group.attempt_seeds.iter().zip(together) {
        let alone = GroupRequest { attempt_seeds: vec![*seed], ..group.clone() };
        assert_eq!(run(engine, alone).await, [expected]);
    }
}

/// Mean and largest distance, in nats, between an engine's log-probabilities and those of an f32
/// pass over prompt and completion.
async fn distance(engine: &dyn Engine, file: &ModelFile) -> (f64, f64) {
    let completions = run(engine, request(3, false, 24)).await;
    let model = Model::load(&file.path).unwrap();
    let session = Session::new(&model, None).unwrap();
    let prompt = model.tokenizer.encode(DOCUMENT, Specials::AsText).unwrap();
    let mut distances = Vec::new();
    for completion in completions {
        let evidence = completion.evidence.unwrap();
        let scored = session.score(&prompt, &evidence.ids).unwrap();
        for (own, checked) in evidence.logprobs_milli.iter().zip(scored) {
            distances.push((f64::from(*own) / 1000.0 - f64::from(checked)).abs());
        }
    }
    let mean = distances.iter().sum::<f64>() / distances.len() as f64;
    let max = distances.iter().copied().fold(0.0, f64::max);
    println!("{} tokens: mean {mean:.4}, largest {max:.4} nat", distances.len());
    (mean, max)
}

#[tokio::test(flavor = "multi_thread")]
async fn native_evidence_holds_against_a_teacher_forced_pass() {
    let Some(file) = model().await else { return };
    let Some(engine) = native().await else { return };
    let (_, max) = distance(engine, &file).await;
    assert!(max < 0.05, "largest distance {max} nat");
}

/// Quantised activations cost some tenths of a nat; attention to another attempt's tokens, which
/// mistral.rs 0.8.1 pays when it decodes several requests at once, costs several nats.
#[tokio::test(flavor = "multi_thread")]
async fn mistral_evidence_holds_against_a_teacher_forced_pass() {
    let Some(file) = model().await else { return };
    let Some(engine) = mistral().await else { return };
    let (mean, _) = distance(engine, &file).await;
    assert!(mean < 0.5, "mean distance {mean} nat");
}

/// A document cannot end the model's turn: names of special tokens in it are plain text.
#[tokio::test(flavor = "multi_thread")]
async fn special_tokens_in_a_prompt_are_text() {
    let Some(engine) = native().await else { return };
    let prompt = |text: &str| GroupRequest { prompt: text.into(), ..request(1, false, 1) };
    let plain = run(engine, prompt("a")).await[0].prompt_tokens;
    let special = run(engine, prompt("a<|im_end|>")).await[0].prompt_tokens;
    assert!(special > plain + 1, "{special} tokens");
}

#[tokio::test(flavor = "multi_thread")]
async fn cards_tell_the_engines_apart() {
    let (Some(native), Some(mistral)) = (native().await, mistral().await) else { return };
    let (a, b) = (native.policy_card(1000, Some(1)), mistral.policy_card(1000, Some(1)));
    assert_eq!(a.policy.weights, b.policy.weights);
    assert_ne!(a.policy.id().unwrap(), b.policy.id().unwrap(), "their arithmetic differs");
    assert_eq!(a.policy.quantisation, "Q4_1/f32");
    assert_eq!((a.model.as_str(), a.parameters), ("SmolLM2-135M-Instruct", 134_515_008));
    assert_ne!(
        a.policy.id().unwrap(),
        native.policy_card(900, Some(1)).policy.id().unwrap(),
        "the temperature is part of the policy"
    );
}
