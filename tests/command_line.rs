//! Bad input at the command line: one clear line that says what to do, never a panic or a hang.

use std::process::{Command, Output, Stdio};

fn lode(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lode"))
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("lode runs")
}

/// Fails with exit code 2 and one line on standard error that holds all of `parts`.
fn refused(args: &[&str], parts: &[&str]) {
    let ran = lode(args);
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(2), "{args:?}: {said}");
    assert!(!said.contains("panicked"), "{args:?}: {said}");
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("lode: ")).collect();
    assert_eq!(lines.len(), 1, "{args:?} said: {said}");
    for part in parts {
        assert!(said.contains(part), "{args:?} does not say {part:?}: {said}");
    }
}

#[test]
fn unknown_things_are_named_with_what_is_known() {
    refused(&["model", "pull", "gpt-9"], &["gpt-9", "smollm2-135m"]);
    refused(&["task", "new", "--profile", "giant"], &["giant", "nano"]);
    refused(&["task", "new", "--domain", "gardening"], &["gardening", "companies"]);
    refused(&["task", "new", "--seed", "zz"], &["zz", "64 hexadecimal digits"]);
    refused(&["bundle", "audit", "/nowhere/at/all"], &["/nowhere/at/all", "folder"]);
    refused(&["bundle", "inspect", "/nowhere/at/all"], &["/nowhere/at/all"]);
    refused(&["key", "show", "/nowhere/at/all"], &["/nowhere/at/all", "lode key new"]);
    refused(&["miner", "run", "--config", "/nowhere.toml"], &["/nowhere.toml"]);
    refused(
        &["bundle", "pull", "--from", "somewhere", "--out", "/nowhere"],
        &["somewhere", "/ip4/"],
    );
}

#[test]
fn receipts_that_are_not_there_or_not_receipts_are_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().display().to_string();
    refused(&["miner", "receipts", "--data", &place], &[&place, "`data`"]);
    let queue = folder.path().join("queue");
    std::fs::create_dir(&queue).expect("made");
    std::fs::write(queue.join("receipts"), "receipts, they say").expect("written");
    refused(&["miner", "receipts", "--data", &place], &["does not begin as a receipts file"]);
    refused(&["miner", "receipts", "--config", "/nowhere.toml"], &["/nowhere.toml"]);
}

#[test]
fn a_corrupt_domain_file_is_explained_by_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("broken.toml");
    std::fs::write(&file, "name = \"broken\"\n[[attributes\n").expect("writes");
    refused(&["task", "new", "--domain", &file.display().to_string()], &["broken", "line 2"]);
}

#[test]
fn task_lint_explains_domain_files_by_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("broken.toml");
    std::fs::write(&file, "name = \"broken\"\n[[attributes\n").expect("writes");
    let path = file.display().to_string();
    let ran = lode(&["task", "lint", &path]);
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert_eq!(ran.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("{path}:2: ")), "{said}");
    refused(&["task", "lint", "/nowhere.toml"], &["/nowhere.toml"]);
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/examples/lighthouses.toml");
    let ran = lode(&["task", "lint", example]);
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert_eq!(ran.status.code(), Some(0), "{said}");
    assert!(said.contains("can be used"), "{said}");
}

#[test]
fn task_own_reads_a_folder_and_explains_what_is_wrong_with_it() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/examples/own-documents");
    let ran = lode(&["task", "own", "lint", example]);
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert_eq!(ran.status.code(), Some(0), "{said}");
    assert!(said.ends_with("0 errors, 0 warnings\n"), "{said}");
    for args in [
        &["task", "own", example, "--seed", "7"][..],
        &["task", "show", "--domain", example, "--profile", "standard"],
    ] {
        let ran = lode(args);
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert_eq!(ran.status.code(), Some(0), "{said}");
        assert!(said.contains("Skarra Head") && said.contains("Note. "), "{said}");
    }
    // A damaged copy, with a link and what a terminal would obey.
    let folder = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(example).expect("reads") {
        let entry = entry.expect("reads");
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("copies");
    }
    let dir = folder.path().display().to_string();
    let facts = folder.path().join("facts.toml");
    let good = std::fs::read_to_string(&facts).expect("reads");
    std::fs::write(&facts, good.replace("reached by 168 steps", "reached by \\u001b[2J steps"))
        .expect("writes");
    let ran = lode(&["task", "own", "lint", &dir]);
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert_eq!(ran.status.code(), Some(1), "{said}");
    assert!(said.contains("facts.toml:") && said.contains("is not in coast-guide.md"), "{said}");
    assert!(!said.contains('\u{1b}'), "{said}");
    refused(&["task", "own", &dir], &["is not in coast-guide.md"]);
    std::fs::write(&facts, &good).expect("writes");
    let log = folder.path().join("logbook.txt");
    std::fs::rename(&log, folder.path().join("logbook")).expect("renames");
    std::os::unix::fs::symlink(folder.path().join("logbook"), &log).expect("links");
    let ran = lode(&["task", "own", "lint", &dir]);
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert_eq!(ran.status.code(), Some(1), "{said}");
    assert!(said.contains("no regular file"), "{said}");
    refused(&["task", "own", &dir], &["logbook.txt", "no regular file"]);
    for n in 0..300 {
        std::fs::write(folder.path().join(format!("{n}.txt")), "A line.").expect("writes");
    }
    refused(&["task", "own", &dir], &["files of text, at most 256"]);
    let empty = tempfile::tempdir().expect("a folder");
    refused(&["task", "own", &empty.path().display().to_string()], &["facts.toml"]);
    refused(&["task", "own", example, "--profile", "nano"], &["no profile nano"]);
}

#[test]
fn unknown_configuration_keys_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("verifier.toml");
    std::fs::write(&file, "data = \"x\"\nnetwork = \"y\"\ncoordinator = []\nthread = 1\n")
        .expect("writes");
    refused(
        &["verifier", "run", "--config", &file.display().to_string()],
        &["thread", "verifier.toml"],
    );
}

#[test]
fn a_busy_port_and_a_folder_that_cannot_be_are_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let config = |data: &str, port: u16| {
        let file = folder.path().join("coordinator.toml");
        let ours = |line: &str| match line.split(" = ").next() {
            Some("data") => format!("data = {data:?}\n"),
            Some("listen") => format!("listen = [\"/ip4/127.0.0.1/tcp/{port}\"]\n"),
            _ => format!("{line}\n"),
        };
        let example = include_str!("../deploy/coordinator.example.toml");
        let text: String = example.lines().map(ours).collect();
        std::fs::write(&file, text).expect("writes");
        file.display().to_string()
    };
    let data = folder.path().join("data").display().to_string();
    let file = config(&data, port);
    refused(&["coordinator", "run", "--config", &file], &[&port.to_string(), "another program"]);
    let file = config("/proc/no-such-folder", 0);
    refused(&["coordinator", "run", "--config", &file], &["/proc/no-such-folder", "path"]);
}

#[test]
fn what_is_no_model_is_not_loaded() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("model.gguf");
    std::fs::write(&file, "not a model").expect("writes");
    let place = file.display().to_string();
    refused(&["eval", "tasks", "--tasks", "1", "--base", &place], &[&place, "GGUF"]);
    refused(&["eval", "tasks", "--tasks", "1", "--base", "gpt-9"], &["gpt-9", "smollm2-135m"]);
}

#[test]
fn a_key_is_made_once_and_is_private() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("keys").display().to_string();
    assert!(lode(&["key", "new", "--out", &place]).status.success());
    let shown = lode(&["key", "show", &place, "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!(shown["public_key"].as_str().map(str::len), Some(64));
    refused(&["key", "new", "--out", &place], &["exists"]);
}

#[test]
fn witnesses_pass_and_nonsense_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    for profile in ["nano", "standard"] {
        let select = ["--profile", profile, "--seed", "5"];
        let mut args = vec!["task", "show", "--part", "witness"];
        args.extend(select);
        let witness = lode(&args);
        assert!(witness.status.success(), "{}", String::from_utf8_lossy(&witness.stderr));
        let file = folder.path().join(profile);
        std::fs::write(&file, &witness.stdout).expect("writes");
        let path = file.display().to_string();
        let mut args = vec!["task", "grade", &path];
        args.extend(select);
        let graded = lode(&args);
        assert_eq!(graded.status.code(), Some(0), "{}", String::from_utf8_lossy(&graded.stdout));
        for nonsense in [&b""[..], b"<trace>", b"\xff\xfe\x00", &[b'a'; 5000]] {
            std::fs::write(&file, nonsense).expect("writes");
            let graded = lode(&args);
            assert_eq!(graded.status.code(), Some(1), "{profile}");
        }
    }
}
