//! `auto` on the real model: measured once, then remembered.

#![allow(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

#[path = "common/model.rs"]
mod model;

use lode_engine::{auto, store::ModelFile};

#[tokio::test(flavor = "multi_thread")]
async fn the_choice_is_measured_once_and_kept_beside_the_model() {
    let Some(real) = model::model().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.gguf");
    std::fs::hard_link(&real.path, &path)
        .or_else(|_| std::fs::copy(&real.path, &path).map(|_| ()))
        .unwrap();
    let file = ModelFile { path, ..real };
    let first = auto::open(file.clone()).await.unwrap();
    assert!(first.why.contains("kept in"), "{}", first.why);
    assert!(first.why.contains("mistralrs") && first.why.contains("native"), "{}", first.why);
    let kept = folder.path().join("small.gguf.engine.json");
    let text = std::fs::read_to_string(&kept).unwrap();

    // The kept choice is taken, not measured: here it is turned round.
    let (from, to) = match first.kind {
        auto::InProcess::Native => ("\"engine\": \"native\"", "\"engine\": \"mistralrs\""),
        auto::InProcess::Mistralrs => ("\"engine\": \"mistralrs\"", "\"engine\": \"native\""),
    };
    assert!(text.contains(from), "{text}");
    std::fs::write(&kept, text.replace(from, to)).unwrap();
    let second = auto::open(file.clone()).await.unwrap();
    assert_ne!(second.kind, first.kind);
    assert!(second.why.contains("to measure again"), "{}", second.why);

    // Of another model, it is not taken.
    std::fs::write(&kept, text.replace(&file.hash.to_string(), &"0".repeat(64))).unwrap();
    let third = auto::open(file).await.unwrap();
    assert!(third.why.contains("kept in"), "{}", third.why);
}
