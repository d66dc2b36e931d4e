//! The `openai` engine against a real HTTP server that behaves well and badly.

#![allow(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{Act, Server, closed_port, config, response, serve};
use lode_engine::{
    CancelFlag, Control, Engine, EngineError, GroupRequest, OpenAi, ServerError,
    openai::GrammarDialect,
};
use lode_proto::{attempt::Finish, id::Hash};
use serde_json::{Value, json};

fn engine(server: &Server) -> OpenAi {
    OpenAi::new(config(&server.address)).unwrap()
}

fn request(attempts: u8) -> GroupRequest {
    GroupRequest {
        prompt: "Volt Link is \"based\" in".into(),
        grammar: None,
        attempt_seeds: (0..attempts).map(|seed| [seed + 1; 32]).collect(),
        temperature_milli: 700,
        max_completion_tokens: 20,
        evidence: false,
    }
}

fn event(text: &str, finish: Option<&str>) -> String {
    let choice = json!({ "index": 0, "text": text, "finish_reason": finish });
    format!("data: {}\n\n", json!({ "choices": [choice] }))
}

fn good() -> Vec<Act> {
    let usage = json!({ "choices": [], "usage": { "prompt_tokens": 9, "completion_tokens": 3 } });
    let body = format!(
        "{}{}data: {usage}\n\ndata: [DONE]\n\n",
        event(" Os", None),
        event("lo.", Some("stop"))
    );
    vec![response("200 OK", "content-type: text/event-stream\r\n", body.as_bytes())]
}

async fn one(server: &Server) -> Result<lode_engine::Completion, ServerError> {
    let mut results = engine(server).generate(request(1), &Control::default()).await.unwrap();
    assert_eq!(results.len(), 1);
    results.remove(0).map_err(|error| match error {
        EngineError::Server { problem, .. } => problem,
        other => panic!("{other}"),
    })
}

#[tokio::test]
async fn a_group_is_one_streamed_request_an_attempt() {
    let server = serve(vec![good()]).await;
    let progress = Arc::new(Mutex::new(Vec::new()));
    let seen = progress.clone();
    let control = Control {
        progress: Some(Arc::new(move |p| seen.lock().unwrap().push(p))),
        ..Control::default()
    };
    let results = engine(&server).generate(request(3), &control).await.unwrap();
    for result in results {
        let completion = result.unwrap();
        assert_eq!(completion.bytes, b" Oslo.");
        assert_eq!(completion.finish, Finish::Stop);
        assert_eq!((completion.prompt_tokens, completion.completion_tokens), (9, 3));
    }
    let last = *progress.lock().unwrap().last().unwrap();
    assert_eq!((last.tokens, last.finished, last.attempts), (6, 3, 3));

    let requests = server.requests.lock().unwrap();
    let mut seeds = Vec::new();
    for request in requests.iter() {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /v1/completions HTTP/1.1"), "{head}");
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["prompt"], "Volt Link is \"based\" in");
        assert_eq!(body["model"], "small");
        assert_eq!(body["temperature"], 0.7);
        assert_eq!(body["max_tokens"], 20);
        assert!(body.get("grammar").is_none());
        seeds.push(body["seed"].as_u64().unwrap());
    }
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!(seeds.len(), 3, "each attempt has its own seed");
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let body = json!({
        "choices": [{ "text": " Oslo and", "finish_reason": "length" }],
        "usage": { "prompt_tokens": 9, "completion_tokens": 20 },
    });
    let server = serve(vec![vec![response("200 OK", "", body.to_string().as_bytes())]]).await;
    let completion = one(&server).await.unwrap();
    assert_eq!((completion.finish, completion.completion_tokens), (Finish::Cap, 20));
}

#[tokio::test]
async fn trouble_that_passes_is_tried_again() {
    let server = serve(vec![
        vec![response("500 Internal Server Error", "", b"oops")],
        vec![response("429 Too Many Requests", "retry-after: 0\r\n", b"slow down")],
        good(),
    ])
    .await;
    assert_eq!(one(&server).await.unwrap().bytes, b" Oslo.");
    assert_eq!(server.requests.lock().unwrap().len(), 3);

    // A connection that is lost before an answer.
    let server = serve(vec![vec![], good()]).await;
    assert_eq!(one(&server).await.unwrap().bytes, b" Oslo.");
}

#[tokio::test]
async fn trouble_that_stays_is_reported_after_the_last_try() {
    let server =
        serve(vec![vec![response("503 Service Unavailable", "", b"loading\x07 model")]]).await;
    let problem = one(&server).await.unwrap_err();
    assert_eq!(problem, ServerError::Status { status: 503, body: "loading  model".into() });
    assert_eq!(server.requests.lock().unwrap().len(), 3);

    let refused = serve(vec![vec![response("400 Bad Request", "", b"no such model")]]).await;
    let problem = one(&refused).await.unwrap_err();
    assert_eq!(problem, ServerError::Status { status: 400, body: "no such model".into() });
    assert_eq!(refused.requests.lock().unwrap().len(), 1, "a refusal is not tried again");
}

#[tokio::test]
async fn nobody_there() {
    let address = closed_port().await;
    let engine = OpenAi::new(config(&address)).unwrap();
    let mut results = engine.generate(request(1), &Control::default()).await.unwrap();
    let error = results.remove(0).unwrap_err();
    let EngineError::Server { url, problem: ServerError::Unreachable(_) } = &error else {
        panic!("{error}")
    };
    assert!(url.starts_with(&address));
    assert!(error.to_string().contains("check that it runs"), "{error}");
}

#[tokio::test]
async fn silence_is_a_hang_before_and_within_the_answer() {
    let limit = Duration::from_millis(300);
    let server = serve(vec![vec![Act::Hold]]).await;
    assert_eq!(one(&server).await.unwrap_err(), ServerError::Hang(limit));

    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let start = Act::Send(format!("{head}{}", event(" Os", None)).into_bytes());
    let server = serve(vec![vec![start, Act::Hold]]).await;
    assert_eq!(one(&server).await.unwrap_err(), ServerError::Hang(limit));

    // A refusal whose body never ends is still a refusal.
    let head = b"HTTP/1.1 404 Not Found\r\ncontent-length: 100\r\n\r\nno".to_vec();
    let server = serve(vec![vec![Act::Send(head), Act::Hold]]).await;
    let problem = one(&server).await.unwrap_err();
    assert_eq!(problem, ServerError::Status { status: 404, body: "no".into() });
}

#[tokio::test]
async fn an_answer_that_stops_early_is_told_from_a_finished_one() {
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n";
    let cut = [
        // Closed in the middle of what content-length promised.
        format!("{head}content-length: 5000\r\n\r\n{}", event(" Os", None)),
        // Closed properly, but without a finish reason.
        format!("{head}\r\n{}", event(" Os", None)),
        // In the middle of an event.
        format!("{head}\r\n{}data: {{\"choices\":[{{\"te", event(" Os", None)),
        // A finish reason that is no end.
        format!("{head}\r\n{}data: [DONE]\n\n", event(" Os", Some("abort"))),
    ];
    for bytes in cut {
        let server = serve(vec![vec![Act::Send(bytes.clone().into_bytes())]]).await;
        let problem = one(&server).await.unwrap_err();
        assert!(matches!(problem, ServerError::EarlyEnd(_)), "{bytes}: {problem}");
    }
}

#[tokio::test]
async fn what_is_no_completion_is_garbage() {
    for body in [
        "<html>It works!</html>",
        "{}",
        "[1, 2]",
        "{\"choices\": 5, \"usage\": null}",
        "{\"choices\": [{\"text\": 5, \"finish_reason\": \"stop\"}]}",
        "{\"error\": {\"message\": \"context too long\"}}",
        "data: {\"choices\":[{\"text\":\"a\"}]}\n\ndata: {oops\n\n",
    ] {
        let server = serve(vec![vec![response("200 OK", "", body.as_bytes())]]).await;
        let problem = one(&server).await.unwrap_err();
        assert!(
            matches!(problem, ServerError::Garbage(_) | ServerError::EarlyEnd(_)),
            "{body}: {problem}"
        );
    }
    let server = serve(vec![vec![Act::Send(b"I am not HTTP\r\n\r\n".to_vec())]]).await;
    assert!(matches!(one(&server).await.unwrap_err(), ServerError::EarlyEnd(_)));
}

#[tokio::test]
async fn empty_and_endless_answers_are_refused() {
    let body = event("", Some("stop"));
    let server = serve(vec![vec![response("200 OK", "", body.as_bytes())]]).await;
    assert_eq!(one(&server).await.unwrap_err(), ServerError::Empty("stop".into()));

    let piece = event(&"a".repeat(100_000), None).repeat(5);
    let head = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let server = serve(vec![vec![Act::Send(head), Act::Send(piece.into_bytes()), Act::Hold]]).await;
    assert!(matches!(one(&server).await.unwrap_err(), ServerError::TooLarge { .. }));
}

#[tokio::test]
async fn one_bad_attempt_does_not_spoil_the_others() {
    let server = serve(vec![vec![response("400 Bad Request", "", b"no")], good()]).await;
    let mut config = config(&server.address);
    config.concurrency = 1;
    let engine = OpenAi::new(config).unwrap();
    let results = engine.generate(request(3), &Control::default()).await.unwrap();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 2);
}

#[tokio::test]
async fn cancelling_does_not_wait_for_the_server() {
    let server = serve(vec![vec![Act::Hold]]).await;
    let mut config = config(&server.address);
    config.progress_timeout = Duration::from_secs(3600);
    let engine = OpenAi::new(config).unwrap();
    let cancel = CancelFlag::default();
    let control = Control { cancel: cancel.clone(), progress: None };
    let generate = engine.generate(request(2), &control);
    let stop = async {
        while server.requests.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    };
    let (result, ()) = tokio::join!(generate, stop);
    assert!(matches!(result, Err(EngineError::Cancelled)));
}

#[tokio::test]
async fn a_grammar_is_passed_in_the_servers_dialect_and_stands_on_the_card() {
    let lark = "start: \" Oslo.\"";
    for (dialect, pointer, expected) in [
        (GrammarDialect::LlamaCpp, "/grammar", "%llguidance {}\nstart: \" Oslo.\""),
        (GrammarDialect::Vllm, "/structured_outputs/grammar", lark),
        (GrammarDialect::VllmGuided, "/guided_grammar", lark),
        (GrammarDialect::Sglang, "/ebnf", "%llguidance {}\nstart: \" Oslo.\""),
        (GrammarDialect::MistralRs, "/grammar/value", lark),
    ] {
        let server = serve(vec![good()]).await;
        let mut config = config(&server.address);
        config.grammar = dialect;
        config.api_key = Some("secret".into());
        assert!(!format!("{config:?}").contains("secret"));
        let engine = OpenAi::new(config).unwrap();
        assert_eq!(engine.policy_card(700, Some(1)).policy.grammar, Some(1));
        let request = GroupRequest { grammar: Some(lark.into()), ..request(1) };
        engine.generate(request, &Control::default()).await.unwrap().remove(0).unwrap();
        let requests = server.requests.lock().unwrap();
        let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
        assert!(head.to_lowercase().contains("authorization: bearer secret"));
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body.pointer(pointer).unwrap(), expected);
    }
    let free = OpenAi::new(config("http://127.0.0.1:1")).unwrap();
    let card = free.policy_card(700, Some(1));
    assert_eq!(card.policy.grammar, None, "texts are drawn freely");
    assert_eq!(card.policy.sampling.sampler, "server");
    assert_eq!(card.policy.weights, Hash::of(b"declared"));
}

#[tokio::test]
async fn a_text_that_breaks_the_grammar_is_refused() {
    for (lark, dialect, fits) in [
        ("start: \" Oslo.\"", GrammarDialect::Vllm, true),
        ("start: \" Oslo\"", GrammarDialect::Vllm, false),
        ("start: \" Oslo. \" /[0-9]/", GrammarDialect::Vllm, false),
        ("start: \" Oslo\"", GrammarDialect::None, true),
    ] {
        let server = serve(vec![good()]).await;
        let mut config = config(&server.address);
        config.grammar = dialect;
        let request = GroupRequest { grammar: Some(lark.into()), ..request(1) };
        let engine = OpenAi::new(config).unwrap();
        let result = engine.generate(request, &Control::default()).await.unwrap().remove(0);
        match result {
            Ok(_) => assert!(fits, "{lark}"),
            Err(EngineError::Server { problem: ServerError::Ungrammatical(text), .. }) => {
                assert!(!fits && text.contains("Oslo"), "{lark}: {text}");
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn bad_addresses_and_requests_are_refused_at_once() {
    for address in ["", "localhost:80", "ftp://host", "http://h:x"] {
        assert!(OpenAi::new(config(address)).is_err(), "{address:?}");
    }
    let engine = OpenAi::new(config("http://127.0.0.1:1")).unwrap();
    for bad in [
        GroupRequest { prompt: String::new(), ..request(1) },
        GroupRequest { max_completion_tokens: 0, ..request(1) },
        request(0),
        request(65),
    ] {
        let refused = engine.generate(bad, &Control::default()).await;
        assert!(matches!(refused, Err(EngineError::Request { .. })));
    }
}
