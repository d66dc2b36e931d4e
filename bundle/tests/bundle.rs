//! A bundle as a whole: written, signed, read, audited; and every way to damage it from outside.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use common::{EPOCH, World};
use lode_bundle::{
    audit::{AuditOptions, Report, Signatures, audit},
    engine::BuiltinEngine,
    inspect::inspect,
    layout,
    pairs::{Config, Split},
    read, texts,
    write::{attach_signatures, earlier, sign_manifest, stage},
};
use lode_proto::{id::Hash, policy::PolicyCard};

const COUNTERS: u64 = 9;

fn check(dir: &Path) -> Report {
    audit(dir, &BuiltinEngine, &AuditOptions { threads: 2, ..AuditOptions::default() })
}

fn written() -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let dir = World::new(COUNTERS).write(root.path());
    (root, dir)
}

/// Every file of a folder by its path inside.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, dir: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                let inside = path.strip_prefix(root).unwrap().display().to_string();
                found.insert(inside, fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(dir, dir, &mut found);
    found
}

/// A miner names its model, and an operator the licence: neither writes a line, a tag, a link or a field
/// of the card, nor acts on the terminal of who inspects or audits the bundle.
#[test]
fn names_of_strangers_are_text_in_the_card() {
    let hostile =
        "x](http://evil.example)<img src=x onerror=y>|`&lt;\n# forged\n---\u{1b}[2J\u{202e}";
    let card = PolicyCard {
        model: format!("model {hostile}"),
        licence: format!("weights {hostile}"),
        ..common::card()
    };
    let mut world = World::of_card(3, card);
    world.record.licence = format!("\"bundle\" {hostile}");
    let root = tempfile::tempdir().unwrap();
    let dir = world.write(root.path());
    let text = fs::read_to_string(dir.join(layout::CARD)).unwrap();
    let acts = |text: &str| text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}');
    assert!(!acts(&text), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    let end = lines.iter().skip(1).position(|line| *line == "---").unwrap() + 1;
    let licence = lines[1].strip_prefix("license: ").unwrap();
    let licence: String = serde_json::from_str(licence).expect("one quoted scalar");
    assert!(licence.starts_with("\"bundle\" x](http"), "{licence}");
    assert_eq!(lines.iter().skip(end + 1).filter(|line| line.starts_with("---")).count(), 0);
    assert!(!lines.iter().any(|line| line.trim_start().starts_with("# forged")), "{text}");
    let body = lines[end + 1..].join("\n");
    for bad in ["](http", "<img", "&lt;", "http://evil"] {
        assert!(!body.contains(bad), "{bad} in {body}");
    }
    assert!(body.contains("model x&#93;"), "the name is still there to read: {body}");
    assert!(!acts(&inspect(&dir).unwrap().to_string()));
    let report = check(&dir);
    assert!(report.holds(), "{report}");
}

#[test]
fn a_bundle_is_a_function_of_its_record() {
    let (_a, first) = written();
    let (_b, second) = written();
    assert_eq!(files(&first), files(&second));
    let report = check(&first);
    assert!(report.holds(), "{report}");
    assert_eq!(report.exit_code(), 0);
    assert!(report.summary().contains("0 mismatches"), "{}", report.summary());
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["pairs"], report.pairs);
}

#[test]
fn pairs_are_read_back_as_they_were_written() {
    let (_root, dir) = written();
    let inspection = inspect(&dir).unwrap();
    let mut total = 0;
    let mut tasks: BTreeMap<String, Split> = BTreeMap::new();
    for config in [Config::Pairs, Config::Mixed, Config::Trap] {
        let mut ids = BTreeSet::new();
        for split in Split::ALL {
            let pairs = texts::read(&dir, config, split).unwrap();
            let key = format!("{}/{}", config.name(), split.name());
            assert_eq!(pairs.len() as u64, inspection.counts.get(&key).copied().unwrap_or(0));
            for pair in pairs {
                total += 1;
                assert!(ids.insert(pair.pair_id.clone()));
                assert_ne!(pair.chosen, pair.rejected);
                assert!(pair.prompt.contains("Q1:") && pair.chosen.contains("Artifact:"));
                // No task stands in two splits.
                assert_eq!(*tasks.entry(pair.task_id).or_insert(split), split);
            }
        }
    }
    assert_eq!(total, inspection.pairs);
    assert!(!texts::read(&dir, Config::Pairs, Split::Train).unwrap().is_empty());
    assert_eq!(inspection.signed_by.len(), 3);
    assert!(inspection.to_string().contains("graded"));
}

#[test]
fn the_card_names_what_is_there() {
    let (_root, dir) = written();
    let card = fs::read_to_string(dir.join(layout::CARD)).unwrap();
    assert!(card.starts_with("---\n"));
    for part in ["- config_name: pairs", "default: true", "path: data/pairs/train-*.parquet"] {
        assert!(card.contains(part), "{part:?} is not in\n{card}");
    }
    assert!(card.contains("longer side is chosen"));
}

/// Changes one file, audits, expects it to be named, and puts the file back.
#[track_caller]
fn names_after(dir: &Path, path: &str, change: impl FnOnce(&Path)) {
    let full = dir.join(path);
    let before = fs::read(&full).unwrap();
    change(&full);
    let report = check(dir);
    assert_eq!(report.exit_code(), 1, "{path} was changed and nothing was found");
    assert!(report.to_string().contains(path), "{path} is not named:\n{report}");
    if full.symlink_metadata().is_ok() {
        fs::remove_file(&full).unwrap();
    }
    fs::write(&full, before).unwrap();
}

#[test]
fn any_flipped_byte_is_found_and_its_file_named() {
    let (_root, dir) = written();
    for (path, bytes) in files(&dir) {
        let last = bytes.len() - 1;
        let mut places = BTreeSet::from([0, last / 2, last]);
        if path == layout::MANIFEST {
            // White space: the first line break, an indentation, the last line break.
            places.extend([1, 2, bytes.iter().rposition(|byte| *byte == b' ').unwrap()]);
        }
        if path == layout::SIGNATURES {
            places.extend((0..last).step_by(last / 8));
        }
        for (number, place) in places.into_iter().enumerate() {
            let mut changed = bytes.clone();
            changed[place] ^= if number % 2 == 0 { 0x01 } else { 0x80 };
            names_after(&dir, &path, |full| fs::write(full, &changed).unwrap());
        }
    }
    assert!(check(&dir).holds());
}

/// White space in `manifest.json` changes nothing that JSON says, and is found all the same.
#[test]
fn white_space_in_the_manifest_is_found() {
    let (_root, dir) = written();
    let text = String::from_utf8(fs::read(dir.join(layout::MANIFEST)).unwrap()).unwrap();
    for changed in [
        text.replacen("\n  ", "\n   ", 1),
        text.replacen("\": ", "\":", 1),
        format!("{text}\n"),
        text.trim_end().to_owned(),
        format!(" {text}"),
        text.replacen("\n  \"", "\n\t\"", 1),
    ] {
        assert_ne!(changed, text);
        names_after(&dir, layout::MANIFEST, |full| fs::write(full, &changed).unwrap());
    }
}

#[test]
fn a_missing_cut_grown_or_linked_file_is_found() {
    let (_root, dir) = written();
    for (path, bytes) in files(&dir) {
        names_after(&dir, &path, |full| fs::remove_file(full).unwrap());
        names_after(&dir, &path, |full| fs::write(full, &bytes[..bytes.len() / 2]).unwrap());
        names_after(&dir, &path, |full| fs::write(full, b"").unwrap());
        names_after(&dir, &path, |full| {
            fs::write(full, [bytes.as_slice(), b"\n"].concat()).unwrap();
        });
    }
    #[cfg(unix)]
    {
        let elsewhere = tempfile::tempdir().unwrap();
        for path in [layout::CARD, layout::MANIFEST, layout::GENESIS, layout::SIGNATURES] {
            let target = elsewhere.path().join("same");
            fs::copy(dir.join(path), &target).unwrap();
            names_after(&dir, path, |full| {
                fs::remove_file(full).unwrap();
                std::os::unix::fs::symlink(&target, full).unwrap();
            });
        }
    }
    assert!(check(&dir).holds());
}

#[test]
fn an_unlisted_file_is_found() {
    let (_root, dir) = written();
    for path in ["notes.txt", "data/pairs/train-00001.parquet", ".hidden", "evidence/x/y.bin"] {
        let full = dir.join(path);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(&full, b"x").unwrap();
        let report = check(&dir);
        assert_eq!(report.exit_code(), 1);
        assert!(report.to_string().contains(path), "{path}:\n{report}");
        fs::remove_file(&full).unwrap();
    }
    let report = check(&dir);
    assert!(report.to_string().contains("evidence/x: is an empty folder"), "{report}");
    fs::remove_dir(dir.join("evidence/x")).unwrap();
    assert!(check(&dir).holds());
}

#[test]
fn what_is_no_bundle_is_refused_with_a_clear_line() {
    let root = tempfile::tempdir().unwrap();
    let report = check(&root.path().join("nowhere"));
    assert_eq!(report.exit_code(), 1);
    assert!(report.to_string().contains("manifest.json"), "{report}");
    let dir = root.path().join("bundle-000001");
    fs::create_dir_all(&dir).unwrap();
    for (manifest, said) in [
        ("", "cannot be read as a manifest"),
        ("{}", "cannot be read as a manifest"),
        (&"[".repeat(100_000), "cannot be read as a manifest"),
        ("\u{0}\u{1}", "cannot be read as a manifest"),
    ] {
        fs::write(dir.join(layout::MANIFEST), manifest).unwrap();
        let text = check(&dir).to_string();
        assert!(text.contains(said) && text.contains(layout::MANIFEST), "{text}");
    }
}

/// Paths that lead out of the folder are refused before anything is opened.
#[test]
fn a_manifest_with_unsafe_paths_or_huge_sizes_is_refused() {
    let (_root, dir) = written();
    let text = String::from_utf8(fs::read(dir.join(layout::MANIFEST)).unwrap()).unwrap();
    let size = "\"bytes\": ";
    let at = text.find(size).unwrap() + size.len();
    let end = at + text[at..].find(',').unwrap();
    let huge = format!("{}{}{}", &text[..at], u64::MAX, &text[end..]);
    for (changed, said) in [
        (text.replacen("README.md", "../README.md", 1), "begins or ends with a dot"),
        (text.replacen("README.md", "/etc/passwd", 1), "an empty part"),
        (text.replacen("README.md", "a\\\\b", 1), "other characters"),
        (text.replacen("README.md", "manifest.json", 1), "never listed"),
        (huge, "at most"),
    ] {
        let error = read::parse_manifest(changed.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn signatures_are_complete_or_the_bundle_stays_staged() {
    let world = World::new(COUNTERS);
    let root = tempfile::tempdir().unwrap();
    let staged = stage(&world.record, &BuiltinEngine, root.path(), 2).unwrap();
    let options = AuditOptions { signatures: Signatures::Staged, threads: 2, ..Default::default() };
    let report = audit(&staged.dir, &BuiltinEngine, &options);
    assert!(report.holds(), "{report}");
    assert!(!check(&staged.dir).holds());

    let all = world.signatures(staged.manifest_hash);
    let attach = |envelopes| attach_signatures(root.path(), &staged.name, envelopes);
    for (envelopes, said) in [
        (vec![], "the coordinator's signature is missing"),
        (all[..2].to_vec(), "1 verifiers signed, the quorum is 2"),
        (all[1..].to_vec(), "the coordinator's signature is missing"),
    ] {
        let error = attach(envelopes).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    let stranger = common::key(200);
    let foreign =
        sign_manifest(staged.manifest_hash, EPOCH, world.keys.network, &stranger, 1).unwrap();
    let error = attach([all.clone(), vec![foreign]].concat()).unwrap_err().to_string();
    assert!(error.contains("neither the coordinator nor a verifier"), "{error}");
    let other = world.signatures(Hash::of(b"another manifest"));
    assert!(attach(other).is_err());
    assert!(!root.path().join(&staged.name).exists());

    // In any order, twice the same, and again after it is done.
    let mut shuffled = all.clone();
    shuffled.reverse();
    shuffled.push(all[1].clone());
    let dir = attach(shuffled).unwrap();
    assert!(check(&dir).holds());
    assert_eq!(attach(vec![]).unwrap(), dir);

    // What is published is known to later epochs, and to no other.
    let prints = earlier(root.path(), EPOCH + 1).unwrap();
    assert_eq!(prints.len(), staged.pairs.pairs.len());
    assert!(prints.is_sorted() && earlier(root.path(), EPOCH).unwrap().is_empty());
    let kept = root.path().join(layout::FINGERPRINTS).join(format!("{}.bin", staged.name));
    fs::write(&kept, [1; 33]).unwrap();
    assert!(earlier(root.path(), EPOCH + 1).unwrap_err().to_string().contains("is cut"));
    fs::remove_file(&kept).unwrap();
    assert!(earlier(root.path(), EPOCH + 1).unwrap_err().to_string().contains("is missing"));
    assert!(stage(&world.record, &BuiltinEngine, root.path(), 2).is_err());
}

#[test]
fn a_record_that_does_not_hold_is_not_written() {
    let mut world = World::new(COUNTERS);
    world.record.counters.remove(3);
    world.settle();
    let root = tempfile::tempdir().unwrap();
    let error = stage(&world.record, &BuiltinEngine, root.path(), 2).unwrap_err().to_string();
    assert!(error.contains("was skipped") && error.contains("no bundle was written"), "{error}");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

/// Whatever an interrupted writer left behind is replaced.
#[test]
fn an_interrupted_write_leaves_nothing_behind() {
    let world = World::new(2);
    let root = tempfile::tempdir().unwrap();
    let left = root.path().join(".writing-bundle-000001");
    fs::create_dir_all(left.join("data")).unwrap();
    fs::write(left.join("data/half"), b"half").unwrap();
    let staged = root.path().join("staged/bundle-000001");
    fs::create_dir_all(&staged).unwrap();
    fs::write(staged.join("manifest.json"), b"{").unwrap();
    let dir = world.write(root.path());
    assert!(check(&dir).holds());
    let names: Vec<_> =
        fs::read_dir(root.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().starts_with('.')), "{names:?}");
}

/// A bundle without a single pair is a bundle: the network's honest answer.
#[test]
fn an_epoch_without_pairs_can_be_written() {
    let mut world = World::new(1);
    world.record.counters.clear();
    world.record.groups.clear();
    world.settle();
    let root = tempfile::tempdir().unwrap();
    let dir = world.write(root.path());
    let report = check(&dir);
    assert!(report.holds(), "{report}");
    assert_eq!(report.pairs, 0);
}

/// A bundle of tasks about own documents carries them: an auditor needs nothing else to make every
/// task again, and no byte of them can be changed.
#[test]
fn a_bundle_of_own_documents_carries_them_and_is_made_again_from_them() {
    let root = tempfile::tempdir().unwrap();
    let world = World::of_own(12);
    let dir = world.write(root.path());
    let all = files(&dir);
    let inputs: Vec<&String> = all.keys().filter(|path| path.starts_with("inputs/")).collect();
    assert_eq!(inputs.len(), 3, "{inputs:?}");
    assert!(all.contains_key("domains/lighthouses.toml"));
    let report = check(&dir);
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert!(report.regenerated > 0, "{report:?}");
    for path in inputs.into_iter().chain([&"domains/lighthouses.toml".to_owned()]) {
        let text = String::from_utf8(all[path].clone()).unwrap();
        fs::write(dir.join(path), text.replace(". ", ".  ")).unwrap();
        assert!(!check(&dir).findings.is_empty(), "{path} was changed");
        fs::write(dir.join(path), &all[path]).unwrap();
    }
    // Texts that the epoch does not name, or other ones, are not written.
    let mut other = world.clone();
    other.record.blobs.insert(Hash::of(b"more"), b"more".to_vec());
    assert!(stage(&other.record, &BuiltinEngine, root.path(), 2).is_err());
    let mut less = world;
    let text = less.template().inputs[0];
    less.record.blobs.remove(&text);
    assert!(stage(&less.record, &BuiltinEngine, root.path(), 2).is_err());
}
