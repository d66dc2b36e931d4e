//! `lode eval alignment` against a straight Python port of AlignX's definition
//! (`tests/python/alignment_golden.py`), on its published rows, with SmolLM2 and an adapter that a formula gives.
//!
//! Some rows of each method; all hundred with `LODE_ALIGNMENT_ROWS=100`.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;
#[path = "common/formula.rs"]
mod formula;

use std::path::{Path, PathBuf};

use common::{known_model, lode, model_is_there, text};
use formula::stirred;
use lode_model::{LoraSpec, Model};
use lode_trainer::DpoConfig;
use serde_json::Value;

/// Largest difference of a score, relative to it.
const TOLERANCE: f64 = 1e-4;
/// Rows of each method, unless more are asked for.
const ROWS: usize = 6;

fn data() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let shared = std::env::var_os("LODE_SHARED").map_or(here, PathBuf::from);
    let file = shared.join("data/alignx/p-soups-friendly_unfriendly.json");
    if file.exists() {
        return Some(file);
    }
    assert!(std::env::var_os("LODE_SHARED").is_none(), "{} is not there", file.display());
    eprintln!("skipped: {} is not there", file.display());
    None
}

#[test]
fn the_scores_are_those_of_the_definition() {
    let Some(data) = data() else { return };
    if !model_is_there() {
        return;
    }
    let rows = std::env::var("LODE_ALIGNMENT_ROWS").map_or(ROWS, |rows| rows.parse().unwrap());
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/alignment.json");
    let golden: Value = serde_json::from_slice(&std::fs::read(golden).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let model = Model::load(&known_model()).unwrap();
    let lora = LoraSpec { rank: 4, alpha: 8.0, ..LoraSpec::default() };
    let adapter = stirred(&model.llama(), &DpoConfig { lora, ..DpoConfig::default() });
    adapter.save(folder.path(), "smollm2-135m").unwrap();
    for method in ["ica", "pba"] {
        let mut eval = lode();
        eval.args(["eval", "alignment", "--json", "--method", method, "--rows", &rows.to_string()]);
        eval.arg("--data").arg(&data).arg("--adapter").arg(folder.path());
        let ran = eval.output().unwrap();
        assert!(ran.status.success(), "{}", text(&ran.stderr));
        let said: Value = serde_json::from_slice(&ran.stdout).unwrap();
        let (scores, wanted) =
            (said["scores"].as_array().unwrap(), golden[method].as_array().unwrap());
        assert_eq!(scores.len(), rows);
        let (mut largest, mut right) = (0.0f64, 0);
        for (score, wanted) in scores.iter().zip(wanted) {
            for of in ["policy", "reference"] {
                for (side, place) in [("chosen", 0), ("rejected", 1)] {
                    let found = score[of][side].as_f64().unwrap();
                    let wanted = wanted[of][place].as_f64().unwrap();
                    let off = (found - wanted).abs() / wanted.abs();
                    assert!(
                        off <= TOLERANCE,
                        "{method}, {of} {side}: {found}, not {wanted}: {score}"
                    );
                    largest = largest.max(off);
                }
            }
            right += usize::from(score["right"].as_bool().unwrap());
            assert_eq!(score["right"], wanted["right"], "{method}: {score}");
        }
        assert_eq!(said["right"], right);
        eprintln!(
            "{method}: {rows} rows within {largest:.1e}; {right} right, accuracy {}",
            said["accuracy"]
        );
    }
}
