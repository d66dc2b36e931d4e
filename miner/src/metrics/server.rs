//! A web server of one page: `GET /metrics`, one request a connection, everything bounded.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};

/// Connections answered at a time; one more is closed at once.
const MAX_CONNECTIONS: usize = 8;
/// Largest head of a request, bytes.
const MAX_HEAD: usize = 8 * 1024;
/// Time for a whole exchange.
const EXCHANGE: Duration = Duration::from_secs(10);
/// Pause after a connection could not be accepted, as when no more files may be opened.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The page's type: OpenMetrics' text format.
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// What makes the page.
pub(super) type Page = Arc<dyn Fn() -> String + Send + Sync>;

/// Listens at `address` and returns where it really is, which differs where port 0 was asked for.
pub(super) async fn start(address: SocketAddr, page: Page) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    tokio::spawn(serve(listener, page));
    Ok(bound)
}

async fn serve(listener: TcpListener, page: Page) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection to the metrics was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let page = Arc::clone(&page);
        tokio::spawn(async move {
            // Whoever does not read or write in time is of no interest.
            let _ = timeout(EXCHANGE, exchange(stream, page)).await;
            drop(place);
        });
    }
}

async fn exchange(mut stream: TcpStream, page: Page) -> io::Result<()> {
    let mut head = Vec::new();
    let mut part = [0; 1024];
    let whole = loop {
        let got = stream.read(&mut part).await?;
        head.extend_from_slice(&part[..got]);
        if head.windows(4).any(|end| end == b"\r\n\r\n") {
            break true;
        }
        if got == 0 || head.len() > MAX_HEAD {
            break false;
        }
    };
    let too_long = !whole && head.len() > MAX_HEAD;
    let answer = if too_long {
        plain("431 Request Header Fields Too Large", "the request is too long")
    } else {
        answer(head.split(|byte| *byte == b'\r').next().unwrap_or_default(), &page)
    };
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

fn plain(status: &str, body: &str) -> String {
    response(status, PLAIN, "", &format!("{body}\n"))
}

fn response(status: &str, kind: &str, more: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{more}Connection: \
         close\r\nX-Content-Type-Options: nosniff\r\n\r\n{body}",
        body.len()
    )
}

/// The answer to a request line.
fn answer(line: &[u8], page: &Page) -> String {
    let Ok(line) = std::str::from_utf8(line) else {
        return plain("400 Bad Request", "this is no HTTP request");
    };
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return plain("400 Bad Request", "this is no HTTP request");
    };
    if !version.starts_with("HTTP/1.") {
        return plain("505 HTTP Version Not Supported", "HTTP/1.1 is spoken here");
    }
    let path = target.split('?').next().unwrap_or_default();
    match (path, method) {
        ("/metrics", "GET") => response("200 OK", METRICS, "", &page()),
        ("/metrics", _) => {
            response("405 Method Not Allowed", PLAIN, "Allow: GET\r\n", "only GET is served\n")
        }
        _ => plain("404 Not Found", "the figures are at /metrics"),
    }
}
