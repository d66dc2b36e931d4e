//! A scripted HTTP server: each connection reads one request and does what its script says.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use lode_engine::openai::{DeclaredModel, OpenAiConfig};
use lode_proto::id::Hash;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What the server does on a connection after it has read the request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Writes these bytes.
    Send(Vec<u8>),
    /// Keeps the connection open, silently, as long as the client does.
    Hold,
}

pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
}

/// What is done on a connection, from the request (head and body) that came on it.
pub(crate) type Script = Arc<dyn Fn(&str) -> Vec<Act> + Send + Sync>;

/// Serves connection `i` by `scripts[i]`, the last script for all that come after.
pub(crate) async fn serve(scripts: Vec<Vec<Act>>) -> Server {
    let number = AtomicUsize::new(0);
    serve_with(Arc::new(move |_: &str| {
        let number = number.fetch_add(1, Ordering::Relaxed);
        scripts[number.min(scripts.len() - 1)].clone()
    }))
    .await
}

/// Serves every connection by `script`.
pub(crate) async fn serve_with(script: Script) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let log = requests.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, script.clone(), log.clone()));
        }
    });
    Server { address, requests }
}

async fn connection(mut stream: TcpStream, script: Script, log: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = find(&request, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
                .unwrap_or(0_usize);
            if request.len() >= end + 4 + length {
                break;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => request.extend_from_slice(&buffer[..read]),
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let acts = script(&request);
    log.lock().unwrap().push(request);
    for act in acts {
        match act {
            Act::Send(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Act::Hold => while matches!(stream.read(&mut buffer).await, Ok(1..)) {},
        }
    }
    let _ = stream.shutdown().await;
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

/// A whole response.
pub(crate) fn response(status: &str, headers: &str, body: &[u8]) -> Act {
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    Act::Send(bytes)
}

/// An address where nothing listens.
pub(crate) async fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// An engine's configuration for a server of this file, with short pauses.
pub(crate) fn config(address: &str) -> OpenAiConfig {
    let declared = DeclaredModel {
        weights: Hash::of(b"declared"),
        quantisation: "Q8_0".into(),
        model: "A model".into(),
        parameters: 7,
        licence: "Apache-2.0".into(),
        output_licence: "none".into(),
        context_tokens: Some(4096),
    };
    let mut config = OpenAiConfig::new(format!("{address}/v1"), "small", declared);
    config.progress_timeout = Duration::from_millis(300);
    config.backoff = Duration::from_millis(1);
    config.retries = 2;
    config
}
