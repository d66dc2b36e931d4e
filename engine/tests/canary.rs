//! The canary against servers that misbehave one by one: a scripted model that copies what repeats
//! itself, behind a server with one fault.

#![allow(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

mod common;

use std::sync::Arc;

use common::{Act, config, response, serve_with};
use lode_engine::{
    EngineError, OpenAi,
    openai::{Finding, GrammarDialect},
};
use serde_json::{Value, json};

/// What the server does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Template,
    BosTwice,
    PromptTrimmed,
    PromptTagsGone,
    TagsGone,
    TagsEscaped,
    Trimmed,
    StopAtBreak,
    Echo,
    CapIgnored,
    Endless,
    StopAtCap,
    SeedFixed,
    SeedIgnored,
    GrammarIgnored,
    GrammarRefused,
    OtherModel,
    NotListed,
    NoUsage,
}

/// Tokens of the scripted model: words, blanks and signs, each alone.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    for c in text.chars() {
        match tokens.last_mut() {
            Some(last) if c.is_alphanumeric() && last.ends_with(char::is_alphanumeric) => {
                last.push(c);
            }
            _ => tokens.push(c.to_string()),
        }
    }
    tokens
}

/// Goes on as the text went on after the last time that its end stood there; else by the seed.
fn model(prompt: &str, seed: u64, most: usize) -> Vec<String> {
    let mut text = tokens(prompt);
    let start = text.len();
    for step in 0..most {
        let reach = text.len().min(4);
        let end = text[text.len() - reach..].to_vec();
        let before = &text[..text.len() - 1];
        let seen = (reach == 4).then(|| before.windows(4).rposition(|window| window == end));
        let next = match seen.flatten() {
            Some(at) => text[at + 4].clone(),
            None => format!("w{}", (seed + 7) * 31 + step as u64),
        };
        text.push(next);
    }
    text.split_off(start)
}

fn answer(request: &str, fault: Fault, calls: u64) -> Vec<Act> {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    if head.starts_with("GET /v1/models ") {
        let name = if fault == Fault::NotListed { "large" } else { "small" };
        let list = json!({ "data": [{ "id": name }] }).to_string();
        return vec![response("200 OK", "", list.as_bytes())];
    }
    let body: Value = serde_json::from_str(body).unwrap();
    if let (Fault::GrammarRefused, Some(_)) = (fault, body.get("grammar")) {
        return vec![response("400 Bad Request", "", b"llguidance is not enabled")];
    }
    let sent = body["prompt"].as_str().unwrap();
    let mut prompt = match fault {
        Fault::Template => format!("<|user|>{sent}<|assistant|>"),
        Fault::PromptTrimmed => sent.trim().to_owned(),
        Fault::PromptTagsGone => sent.replace("<trace>", "").replace("</trace>", ""),
        _ => sent.to_owned(),
    };
    let extra = if fault == Fault::BosTwice { 2 } else { 1 };
    let counted = tokens(&prompt).len() + extra;
    if fault == Fault::Template {
        prompt = "chat ".repeat(3);
    }
    let seed = match fault {
        Fault::SeedFixed => 5,
        Fault::SeedIgnored => calls,
        _ => body["seed"].as_u64().unwrap(),
    };
    let cap = body["max_tokens"].as_u64().unwrap() as usize;
    let most = match fault {
        Fault::CapIgnored => cap + 3,
        Fault::Endless => cap * 8 + 200,
        _ => cap,
    };
    let mut pieces = model(&prompt, seed, most);
    let mut finish = if fault == Fault::StopAtCap { "stop" } else { "length" };
    if body.get("grammar").is_some() && fault != Fault::GrammarIgnored {
        pieces = vec!["zq".into(), "407".into(), "!".into()];
        finish = "stop";
    }
    let mut text: String = pieces.concat();
    match fault {
        Fault::TagsGone => text = text.replace("<trace>", "").replace("</trace>", ""),
        Fault::TagsEscaped => text = text.replace('<', "&lt;"),
        Fault::Trimmed => text = text.trim_start().to_owned(),
        Fault::Echo => text = format!("{sent}{text}"),
        Fault::StopAtBreak => {
            if let Some((line, _)) = text.split_once('\n') {
                pieces.truncate(tokens(line).len());
                text = line.to_owned();
                finish = "stop";
            }
        }
        _ => {}
    }
    let usage = json!({ "prompt_tokens": counted, "completion_tokens": pieces.len() });
    let usage = if fault == Fault::NoUsage { Value::Null } else { usage };
    let name = if fault == Fault::OtherModel { "large" } else { "small" };
    if body["stream"] == true {
        let mut events = String::new();
        // As it would be sent, a piece a token; what was altered as one.
        let parts = if text == pieces.concat() { pieces } else { vec![text] };
        for piece in parts {
            let choice = json!({ "text": piece, "finish_reason": null });
            events += &format!("data: {}\n\n", json!({ "model": name, "choices": [choice] }));
        }
        let last = json!({ "text": "", "finish_reason": finish });
        events += &format!("data: {}\n\n", json!({ "choices": [last], "usage": usage }));
        events += "data: [DONE]\n\n";
        return vec![response("200 OK", "content-type: text/event-stream\r\n", events.as_bytes())];
    }
    let choice = json!({ "text": text, "finish_reason": finish });
    let whole = json!({ "model": name, "choices": [choice], "usage": usage }).to_string();
    vec![response("200 OK", "", whole.as_bytes())]
}

async fn check(fault: Fault) -> Result<Vec<Finding>, EngineError> {
    let calls = std::sync::atomic::AtomicU64::new(0);
    let server = serve_with(Arc::new(move |request: &str| {
        answer(request, fault, calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
    }))
    .await;
    let mut config = config(&server.address);
    config.grammar = GrammarDialect::LlamaCpp;
    OpenAi::new(config).unwrap().check().await
}

#[tokio::test]
async fn an_honest_server_passes() {
    assert_eq!(check(Fault::None).await.unwrap(), []);
}

#[tokio::test]
async fn each_fault_is_found_and_named() {
    for (fault, word) in [
        (Fault::Template, "puts a template around"),
        (Fault::BosTwice, "begins the text twice"),
        (Fault::PromptTrimmed, "trims line breaks off"),
        (Fault::PromptTagsGone, "out of prompts"),
        (Fault::TagsGone, "out of texts"),
        (Fault::TagsEscaped, "rewrites tags"),
        (Fault::StopAtBreak, "at a line break"),
        (Fault::Echo, "sends the prompt back"),
        (Fault::CapIgnored, "where max_tokens was"),
        (Fault::Endless, "past max_tokens"),
        (Fault::StopAtCap, "where max_tokens cut"),
        (Fault::SeedFixed, "three seeds"),
        (Fault::GrammarIgnored, "ignores the grammar"),
        (Fault::GrammarRefused, "llguidance is not enabled"),
        (Fault::OtherModel, "answered as"),
        (Fault::NotListed, "does not serve"),
    ] {
        let error = check(fault).await.expect_err(&format!("{fault:?}"));
        assert!(matches!(error, EngineError::Unfit { .. }), "{fault:?}: {error}");
        assert!(error.to_string().contains(word), "{fault:?}: {error}");
        assert!(error.to_string().starts_with("the model server at http://127"), "{error}");
    }
}

#[tokio::test]
async fn what_can_be_lived_with_is_a_note() {
    for (fault, word) in [
        (Fault::Trimmed, "trims the beginning"),
        (Fault::SeedIgnored, "ignores seeds"),
        (Fault::NoUsage, "does not count"),
    ] {
        let notes = check(fault).await.unwrap();
        assert_eq!(notes.len(), 1, "{fault:?}: {notes:?}");
        assert!(notes[0].to_string().contains(word), "{fault:?}: {notes:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_no_fault_of_its_texts() {
    let engine = OpenAi::new(config(&common::closed_port().await)).unwrap();
    let error = engine.check().await.unwrap_err();
    assert!(matches!(error, EngineError::Server { .. }), "{error}");
}
