//! Import and export from the command line, on the published data.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

fn lode(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lode"))
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("lode runs")
}

/// What a command that succeeds writes.
fn done(args: &[&str]) -> String {
    let ran = lode(args);
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(0), "{args:?}: {said}");
    String::from_utf8(ran.stdout).expect("text")
}

fn refused(args: &[&str], part: &str) {
    let ran = lode(args);
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(2), "{args:?}: {said}");
    assert!(
        said.contains(part) && !said.contains("panicked"),
        "{args:?} does not say {part:?}: {said}"
    );
}

/// A file of the shared data; `None` (said aloud) where there is none, which is a failure where the
/// folder was promised.
fn shared(name: &str) -> Option<String> {
    let promised = std::env::var_os("LODE_SHARED");
    let root = promised.as_ref().map_or_else(|| PathBuf::from("../../shared"), PathBuf::from);
    let path = root.join("data").join(name);
    if path.exists() {
        return Some(path.display().to_string());
    }
    assert!(promised.is_none(), "LODE_SHARED has no data/{name}");
    eprintln!("skipped: no data/{name}; set LODE_SHARED");
    None
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).expect("reads")).expect("JSON")
}

#[test]
fn the_published_pair_goes_in_and_comes_out() {
    let Some(pair) = shared("botcoin/pair-example.json") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let said = done(&["import", "botcoin", &pair, "--out", &at("in")]);
    assert_eq!(said.lines().last(), Some("agree 16, disagree 0, not checkable 2"), "{said}");
    // Source and licence stay with the rows.
    let summary = json(&folder.path().join("in/import.json"));
    assert_eq!(summary["lode_import"]["source"], "botcoinmoney");
    assert_eq!(summary["agree"], 16);
    let row = json(&folder.path().join("in/rows.jsonl"));
    assert!(row["lode_import"]["licence"].as_str().is_some_and(|text| text.contains("unknown")));

    done(&["export", "botcoin", "--verbatim", &at("in"), "--out", &at("out.json")]);
    assert_eq!(json(&folder.path().join("out.json")), json(Path::new(&pair)));
    let said = done(&["export", "botcoin", &at("in/rows.jsonl"), "--out", &at("clean.json")]);
    let list = "labels in chosen.think, chosen_text, rejected.think, rejected_text";
    assert!(said.contains(list), "{said}");
    let (clean, whole) = (json(&folder.path().join("clean.json")), json(Path::new(&pair)));
    assert_ne!(clean, whole);
    assert_eq!(clean["chosen_metadata"], whole["chosen_metadata"]);
    assert!(!clean["chosen_text"].as_str().expect("text").contains("zone:"));

    refused(&["import", "botcoin", &pair, "--out", &at("in")], "holds an import already");
    refused(&["export", "botcoin", &at("in"), "--out", &at("out.json")], "exists already");
    refused(&["export", "botcoin", &pair, "--out", &at("x.json")], "lode_import");
    refused(&["bundle", "export", &at("in"), "--out", &at("y")], "imported from botcoinmoney");
}

#[test]
fn the_benchmark_becomes_tasks() {
    let Some(sample) = shared("dacr/dacr-bench-sample.json") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("in").display().to_string();
    let said = done(&["import", "dacr", &sample, "--out", &out]);
    assert!(said.contains("3 challenges of botcoinmoney/dacr-bench, licence Apache-2.0"), "{said}");
    assert!(said.contains("30 questions, 4 traps"), "{said}");
    assert!(said.contains("perfect scores 1000/1000 by theirs, 1000/1000 strict"), "{said}");
    assert!(said.contains("empty scores 0/1000 by theirs, 0/1000 strict"), "{said}");
    refused(&["export", "botcoin", &out, "--out", "/nowhere/x"], "\"dacr\"");
}

#[test]
fn bad_files_are_refused_with_their_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bad.json");
    let path = file.display().to_string();
    let out = folder.path().join("out").display().to_string();
    for (text, part) in [
        ("{\"a\": 1,\n \"b\": }", "line 2, column 7"),
        ("{\"a\": 1}\n{\"a\": 2}", "record 1 (line 1)"),
        ("", "ends where a value should be"),
        (&"[".repeat(100_000), "nested deeper"),
        (
            "{\"chosen\":{},\"rejected\":{},\"document\":\"[paragraph_1]\\nx\",\"questions\":[1]}",
            "constraints",
        ),
    ] {
        std::fs::write(&file, text).expect("writes");
        refused(&["import", "botcoin", &path, "--out", &out], part);
    }
    std::fs::write(&file, "{\"challenges\":[{}]}").expect("writes");
    refused(&["import", "dacr", &path, "--out", &out], "record 1");
    refused(&["import", "dacr", "/nowhere/at/all", "--out", &out], "/nowhere/at/all");
    assert!(!folder.path().join("out").exists());
}
