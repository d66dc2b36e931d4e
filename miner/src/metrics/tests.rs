use std::{
    collections::BTreeMap,
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use lode_proto::refusal::Refusal;

use super::*;
use crate::report::ReceiptNote;

/// A reader of the text format: names with labels to values. Anything it does not know fails.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    let mut kinds: BTreeMap<String, String> = BTreeMap::new();
    let mut ended = false;
    for line in text.lines() {
        assert!(!ended, "{line:?} after the end");
        if line == "# EOF" {
            ended = true;
        } else if let Some(rest) = line.strip_prefix("# ") {
            let words: Vec<&str> = rest.splitn(3, ' ').collect();
            match words[..] {
                ["HELP" | "UNIT", _, said] => assert!(!said.is_empty()),
                ["TYPE", name, kind @ ("counter" | "gauge")] => {
                    assert!(kinds.insert(name.into(), kind.into()).is_none(), "{name} twice");
                }
                _ => panic!("{line:?}"),
            }
        } else {
            let (name, value) = line.rsplit_once(' ').expect("a value");
            let plain = name.split('{').next().expect("a name");
            let known = kinds.get(plain).is_some_and(|kind| kind == "gauge")
                || plain
                    .strip_suffix("_total")
                    .and_then(|name| kinds.get(name))
                    .is_some_and(|kind| kind == "counter");
            assert!(known, "{line:?} has no type");
            assert!(values.insert(name.into(), value.parse().expect("a number")).is_none());
        }
    }
    assert!(ended, "no end");
    values
}

fn story() -> Vec<Event> {
    let lease = |byte: u8| LeaseId::of(&[byte]);
    let totals = Totals { receipts: 12, credits_milli: 3_450, groups: 1, dropped: 2 };
    let receipt = ReceiptNote {
        number: 11,
        epoch: 2,
        tokens: 9,
        credits_milli: 450,
        unix_ms: 1_795_305_600_500,
    };
    vec![
        Event::Opened {
            leases: vec![lease(1), lease(6)],
            ready: vec![lease(6)],
            totals: Totals { receipts: 11, credits_milli: 3_000, groups: 1, dropped: 2 },
        },
        Event::Coordinator { up: true, reason: None },
        Event::Held { reason: Some("hot") },
        Event::Gpu { gpu: "0".into(), draw_mw: Some(250_500), celsius: Some(71) },
        Event::Gpu { gpu: "1".into(), draw_mw: None, celsius: Some(-3) },
        Event::Generated { lease: lease(1), attempts: 8, tokens: 100, elapsed_ms: 2_500 },
        Event::Receipted {
            lease: lease(1),
            attempt: 0,
            receipt: Some(receipt),
            wrong: None,
            totals,
        },
        Event::Leased { lease: lease(2) },
        Event::Progress { lease: lease(2), tokens: 5, finished: 0, attempts: 8 },
        Event::Progress { lease: lease(2), tokens: 2, finished: 0, attempts: 8 },
        Event::Progress { lease: lease(2), tokens: 7, finished: 0, attempts: 8 },
        Event::refused("lease", &Refusal::TooManyLeases { held: 4, limit: 4 }),
        Event::refused("commit", &Refusal::NoSuchLease(lease(3))),
        Event::refused("commit", &Refusal::NoSuchLease(lease(4))),
        Event::Leased { lease: lease(5) },
        Event::Dropped {
            lease: lease(5),
            how: Ending::HandedBack,
            reason: "\u{1b}[2J\"\n".into(),
            totals: Totals { dropped: totals.dropped + 1, ..totals },
        },
    ]
}

#[test]
fn figures_are_what_happened() {
    let mut figures = Figures::default();
    assert!(!parse(&figures.text()).contains_key("lode_miner_coordinator_up"), "nobody was asked");
    story().iter().for_each(|event| figures.apply(event));
    let values = parse(&figures.text());
    let want = [
        ("lode_miner_generated_tokens_total", 112.0),
        ("lode_miner_generated_groups_total", 1.0),
        ("lode_miner_generated_attempts_total", 8.0),
        ("lode_miner_generation_seconds_total", 2.5),
        ("lode_miner_receipts_total", 12.0),
        ("lode_miner_receipts_wrong_total", 0.0),
        ("lode_miner_credits_total", 3.45),
        ("lode_miner_groups_total", 1.0),
        ("lode_miner_leases_ended_total{how=\"delivered\"}", 0.0),
        ("lode_miner_leases_ended_total{how=\"over\"}", 0.0),
        ("lode_miner_leases_ended_total{how=\"refused\"}", 0.0),
        ("lode_miner_leases_ended_total{how=\"handed_back\"}", 1.0),
        ("lode_miner_refusals_total{asked=\"lease\",kind=\"too_many_leases\"}", 1.0),
        ("lode_miner_refusals_total{asked=\"commit\",kind=\"no_such_lease\"}", 2.0),
        ("lode_miner_queue_leases{state=\"to_generate\"}", 1.0),
        ("lode_miner_queue_leases{state=\"to_hand_in\"}", 2.0),
        ("lode_miner_coordinator_up", 1.0),
        ("lode_miner_held", 1.0),
        ("lode_miner_gpu_power_watts{gpu=\"0\"}", 250.5),
        ("lode_miner_gpu_temperature_celsius{gpu=\"0\"}", 71.0),
        ("lode_miner_gpu_temperature_celsius{gpu=\"1\"}", -3.0),
        ("lode_miner_last_receipt_timestamp_seconds", 1_795_305_600.5),
    ];
    for (name, value) in want {
        assert_eq!(values.get(name), Some(&value), "{name} in {values:#?}");
    }
    assert_eq!(values.len(), want.len(), "{values:#?}");
    let lease = LeaseId::of(&[1]);
    let totals = Totals { receipts: 18, credits_milli: 5_000, groups: 2, dropped: 3 };
    figures.apply(&Event::Delivered { lease, totals });
    figures.apply(&Event::Coordinator { up: false, reason: Some("gone".into()) });
    let values = parse(&figures.text());
    assert_eq!(values["lode_miner_queue_leases{state=\"to_hand_in\"}"], 1.0);
    assert_eq!(values["lode_miner_leases_ended_total{how=\"delivered\"}"], 1.0);
    assert_eq!(values["lode_miner_coordinator_up"], 0.0);
}

fn ask(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.write_all(request).expect("writes");
    let mut answer = String::new();
    // A peer that closes with bytes of ours unread resets the connection after its answer.
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scrape_over_a_socket() {
    let passed = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&passed);
    let sink: EventSink = Arc::new(move |_| {
        seen.fetch_add(1, Ordering::Relaxed);
    });
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("bound");
    let taken = serve(Some(address), Arc::clone(&sink)).await.map(|_| ());
    assert!(taken.expect_err("taken").to_string().contains(&address.to_string()));
    drop(free);
    let events = serve(Some(address), sink).await.expect("listens");
    let story = story();
    story.iter().cloned().for_each(|event| events(event));
    assert_eq!(passed.load(Ordering::Relaxed), story.len(), "every event goes on");
    let run = tokio::task::spawn_blocking(move || {
        let answer = ask(address, b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
        assert!(head.contains("application/openmetrics-text; version=1.0.0"), "{head}");
        assert_eq!(parse(body)["lode_miner_generated_tokens_total"], 112.0);
        for (request, status) in [
            (&b"POST /metrics HTTP/1.1\r\n\r\n"[..], "405"),
            (b"GET / HTTP/1.1\r\n\r\n", "404"),
            (b"GET /metrics/../etc HTTP/1.1\r\n\r\n", "404"),
            (b"GET /metrics HTTP/2.0\r\n\r\n", "505"),
            (b"GET /metrics\r\n\r\n", "400"),
            (b"\xff\xfe\r\n\r\n", "400"),
        ] {
            let answer = ask(address, request);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        }
        let long = [b"GET /metrics HTTP/1.1\r\nX: ".to_vec(), vec![b'a'; 64 * 1024]].concat();
        let mut stream = TcpStream::connect(address).expect("connects");
        let _ = stream.write_all(&long);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "), "not read for ever");
        // Those that say nothing keep their places only; the ninth is closed, the server lives on.
        let silent: Vec<_> =
            (0..9).map(|_| TcpStream::connect(address).expect("connects")).collect();
        let mut last = silent.last().expect("nine");
        last.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
        match last.read(&mut [0; 1]) {
            Ok(0) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            other => panic!("the ninth is not closed: {other:?}"),
        }
        drop(silent);
        (0..200)
            .find(|_| ask(address, b"GET /metrics HTTP/1.0\r\n\r\n").contains("# EOF"))
            .expect("served again");
    });
    run.await.expect("runs");
}
