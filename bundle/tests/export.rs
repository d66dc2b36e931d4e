//! A bundle's pairs in BOTCOIN's format; and that no import gets into a bundle.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking

mod common;

use common::World;
use lode_bundle::pairs::{Config, Split};
use lode_bundle::{engine::BuiltinEngine, error::BundleError, export, texts, write::stage};
use lode_proto::id::Hash;
use lode_tasks::foreign::{
    botcoin::{self, record::Kind},
    import::{self, Origin, Record},
    json::Json,
};

#[test]
fn every_pair_becomes_one_self_contained_file() {
    let root = tempfile::tempdir().unwrap();
    let dir = World::new(9).write(root.path());
    let mut exported = Vec::new();
    let count = export::botcoin(&dir, &mut |pair| {
        exported.push(pair);
        Ok(())
    })
    .unwrap();
    assert_eq!(exported.len() as u64, count);
    let ours: Vec<_> =
        Split::ALL.into_iter().flat_map(|s| texts::read(&dir, Config::Pairs, s).unwrap()).collect();
    let theirs: Vec<_> = exported.iter().filter(|p| p.file.starts_with("pairs-")).collect();
    assert!(!ours.is_empty());
    assert_eq!(ours.len(), theirs.len());
    for pair in exported {
        let json = Json::parse(pair.text.as_bytes()).unwrap();
        // Our own reader of their records takes it, and knows every field but ours.
        let row = botcoin::read_row(&Record { number: 1, line: 1, json: json.clone() }).unwrap();
        assert_eq!(row.kind, Kind::Pair);
        assert_eq!(row.unknown, ["lode"]);
        // A side that avoided a trap may fail otherwise.
        let pass = row.sides[0].meta.pass.unwrap();
        assert!(pass || pair.file.starts_with("trap-"), "{}", pair.file);
        assert_eq!(row.sides[0].meta.since_previous_ms, None);
        assert!(row.sides[0].artifact.as_ref().is_some_and(|artifact| !artifact.is_empty()));
        let time = row.sides[0].meta.timestamp.as_ref().unwrap();
        assert!(time.ends_with('Z') && time.len() == 24, "{time}");
        let text = |key: &str| json.get(key).and_then(Json::as_text).unwrap();
        assert!(text("prompt").contains("\n\n=== CONSTRAINTS ===\n1. "));
        assert!(text("prompt").contains(text("document")));
        assert!(text("challenge_seed").bytes().all(|byte| byte.is_ascii_digit()));
        for key in ["chosen_text", "rejected_text"] {
            assert!(text(key).starts_with("<think>\n"), "{key}");
            assert!(!text(key).contains("zone:") && !text(key).contains("| exact"), "{key}");
        }
        // Nothing is left for the default export to take away.
        assert_eq!(botcoin::without_labels(&json), json);
        // Every key that a published pair has is there.
        for key in ["pair_annotations", "trap_metadata", "rejected_metadata", "metadata", "split"] {
            assert!(json.get(key).is_some(), "{key}");
        }
    }
}

fn imported() -> String {
    let origin = Origin {
        format: "botcoin",
        source: "somebody".into(),
        licence: "MIT".into(),
        file: Hash::of(b""),
    };
    let file = import::read(b"{\"a\":1}").unwrap();
    import::mark(&origin, file.shape, &file.records[0], Vec::new()).line()
}

#[test]
fn no_bundle_is_made_of_imported_rows() {
    let root = tempfile::tempdir().unwrap();
    let mut record = World::new(9).record;
    let bytes = imported().into_bytes();
    record.blobs.insert(Hash::of(&bytes), bytes);
    match stage(&record, &BuiltinEngine, root.path(), 2) {
        Err(BundleError::Imported { origin, licence, .. }) => {
            assert_eq!((origin.as_str(), licence.as_str()), ("somebody", "MIT"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn an_import_is_not_exported_as_a_bundle() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join(import::ROWS_FILE), imported()).unwrap();
    let error = export::botcoin(root.path(), &mut |_| Ok(())).unwrap_err();
    assert!(matches!(error, BundleError::Imported { .. }), "{error}");
    assert!(error.to_string().contains("lode export"), "{error}");
}
