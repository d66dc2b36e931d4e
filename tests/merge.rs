//! `lode model merge` on a real model: what is written reads back as the base with the adapter, in our forward
//! and in the engine that miners run.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use candle_core::DType;
use common::{known_model, lode, model_is_there, text};
use lode_model::{LoraSet, LoraSpec, Model};

/// An adapter that changes something, written as PEFT has it.
fn adapter(model: &Model, folder: &std::path::Path) -> LoraSet {
    let mut draw = 0.0f64;
    let mut next = || {
        draw = (draw + 0.618_033_988_75).fract();
        draw
    };
    let spec = LoraSpec { rank: 4, ..LoraSpec::default() };
    let lora = LoraSet::init(&model.config, &spec, DType::F32, &mut next).unwrap();
    for (_, pair) in lora.pairs() {
        let values: Vec<f32> =
            (0..pair.b.elem_count()).map(|_| (next() - 0.5) as f32 * 0.04).collect();
        let shape = pair.b.shape().clone();
        pair.b
            .set(&candle_core::Tensor::from_vec(values, shape, pair.b.device()).unwrap())
            .unwrap();
    }
    lora.save(folder, "smollm2-135m").unwrap();
    lora
}

#[test]
fn merged_files_are_the_base_with_the_adapter() {
    if !model_is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (given, out) = (folder.path().join("adapter"), folder.path().join("merged"));
    let base = Model::load(&known_model()).unwrap();
    let lora = adapter(&base, &given);
    let mut merge = lode();
    merge.args(["model", "merge", "--gguf", "f32,q8_0,q4_0", "--adapter"]).arg(&given);
    let ran = merge.arg("--out").arg(&out).output().unwrap();
    assert!(ran.status.success(), "{}", text(&ran.stderr));

    let prompt = base.tokenizer.encode_prompt("The capital of France is the city of").unwrap();
    let answer = base.tokenizer.encode_prompt(" Paris, which").unwrap();
    let score = |model: &Model| model.llama().score(&prompt, &answer).unwrap();
    let wanted = score(&base.merged(&lora).unwrap());
    let off = |found: &[f32]| {
        let differences = found.iter().zip(&wanted).map(|(a, b)| (a - b).abs());
        differences.fold(0.0, f32::max)
    };
    assert!(off(&score(&base)) > 0.05, "the adapter does nothing");
    assert!(off(&score(&Model::load(&out).unwrap())) < 1e-4);
    for (kind, most) in [("F32", 1e-4), ("Q8_0", 0.1), ("Q4_0", 2.0)] {
        let model = Model::load(&out.join(format!("model-{kind}.gguf"))).unwrap();
        let found = off(&score(&model));
        eprintln!("{kind}: log-probabilities within {found}");
        assert!(found < most, "{kind}: {found}");
        assert_eq!(model.tokenizer.fingerprint(), base.tokenizer.fingerprint());
    }

    // The miner's own engine answers a task with it.
    let mut eval = lode();
    eval.args(["eval", "tasks", "--tasks", "1", "--samples", "2", "--json", "--base"]);
    let ran = eval.arg(out.join("model-Q8_0.gguf")).output().unwrap();
    assert!(ran.status.success(), "{}", text(&ran.stderr));
    let said: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    let attempts = said.pointer("/results/0/attempts").and_then(|n| n.as_u64());
    assert_eq!(attempts, Some(2), "{said}");
}
