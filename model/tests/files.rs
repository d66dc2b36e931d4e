//! Files: GGUF, the tokenizer in it, the HF folder written from it, adapters.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;

use candle_core::{DType, quantized::GgmlDType};
use lode_model::{
    Gguf, LlamaConfig, LoraSet, LoraSpec, Message, Model, ModelError, Packed, Quantisation,
    Session, Specials, Target, Tokenizer, export_gguf, export_hf,
};
use proptest::prelude::*;
use support::{flat, gguf_of, max_difference, tiny_config, tiny_gguf, tiny_weights, tokens};

fn written(dir: &Path, bytes: &[u8]) -> std::path::PathBuf {
    let path = dir.join("model.gguf");
    std::fs::write(&path, bytes).unwrap();
    path
}

fn tiny_model() -> Model {
    let dir = tempfile::tempdir().unwrap();
    let weights = tiny_weights(&tiny_config(), DType::F32, 1);
    Model::load(&written(dir.path(), &tiny_gguf(&weights))).unwrap()
}

#[test]
fn gguf_gives_back_weights_shape_and_special_tokens() {
    let model = tiny_model();
    // The file's vocabulary is shorter than the embedding, as padded models have it.
    assert_eq!(model.config, tiny_config());
    let weights = tiny_weights(&tiny_config(), DType::F32, 1);
    for ((name, got), (_, want)) in model.weights.named().iter().zip(weights.named()) {
        assert_eq!(flat(got), flat(want), "{name}");
    }
    let t = &model.tokenizer;
    assert_eq!((t.bos, t.eos, t.pad, t.unk), (Some(1), Some(2), None, None));
    assert_eq!(t.end_tokens, [0, 2]);
    assert!(t.is_special(0) && !t.is_special(3));
}

/// Decodes from the blocks of a file and from the numbers that they stand for.
#[test]
fn decoding_from_blocks_gives_the_bits_of_decoding_from_numbers() {
    let cfg =
        LlamaConfig { hidden: 64, intermediate: 96, head_dim: 16, vocab: 304, ..tiny_config() };
    let weights = tiny_weights(&cfg, DType::F32, 3);
    let bytes = gguf_of(&cfg, &weights, |name| match name {
        "token_embd.weight" => GgmlDType::Q8_0,
        name if name.contains("norm") => GgmlDType::F32,
        _ => GgmlDType::Q4_1,
    });
    let dir = tempfile::tempdir().unwrap();
    let model = Model::load(&written(dir.path(), &bytes)).unwrap();
    let blocks = Session::new(&model, None).unwrap();
    let numbers = Session::from_llama(model.llama()).unwrap();
    assert!(format!("{blocks:?}").contains("Fours"), "the blocks are not used");
    let prompt = tokens(21, 1);
    for rows in [1, 2, 9] {
        let bits = |session: &Session| {
            let read = session.prefill(&prompt).unwrap();
            let mut batch = session.fork(&read.prefix, rows, 5).unwrap();
            let steps = (0..5).map(|i| session.decode(&mut batch, &tokens(rows, i)).unwrap());
            let logits =
                steps.map(|step| (0..rows).flat_map(|r| step.logits(r).to_vec()).collect());
            logits.map(|all: Vec<f32>| all.iter().map(|x| x.to_bits()).collect()).collect()
        };
        let (got, want): (Vec<Vec<u32>>, _) = (bits(&blocks), bits(&numbers));
        assert_eq!(got, want, "{rows} rows");
    }
}

#[test]
fn exported_folder_is_the_same_model() {
    let model = tiny_model();
    let dir = tempfile::tempdir().unwrap();
    export_hf(&model, dir.path()).unwrap();
    let again = Model::load(dir.path()).unwrap();
    assert_eq!(again.config, model.config);
    assert_eq!(again.weights.fingerprint().unwrap(), model.weights.fingerprint().unwrap());
    assert_eq!(again.tokenizer.fingerprint(), model.tokenizer.fingerprint());
    assert_eq!(again.tokenizer.end_tokens, model.tokenizer.end_tokens);
    assert_eq!((again.tokenizer.bos, again.tokenizer.eos), (Some(1), Some(2)));
    let talk = [Message::new("user", "the man")];
    assert_eq!(
        again.tokenizer.render_chat(&talk, true).unwrap(),
        "<|im_start|>user\nthe man<|im_end|>\n<|im_start|>assistant\n"
    );
    assert!(
        std::fs::read_dir(dir.path())
            .unwrap()
            .all(|e| { e.unwrap().path().extension().is_none_or(|x| x != "partial") })
    );
}

#[test]
fn tokens_merge_by_rank_and_digits_stand_alone() {
    let t = tiny_model().tokenizer;
    let id = |text: &str| t.encode(text, Specials::AsText).unwrap();
    let single = |b: u8| 3 + u32::from(b);
    let the = 262;
    assert_eq!(id(" the"), [the]);
    assert_eq!(id("the"), [260, single(b'e')]);
    assert_eq!(id("12"), [single(b'1'), single(b'2')]);
    assert_eq!(id("a n"), [single(b'a'), single(b' '), single(b'n')]);
    assert_eq!(t.token_bytes(the).unwrap(), b" the");
    assert_eq!(t.token_bytes(9_999), None);
    assert!(matches!(t.decode(&[9_999]), Err(ModelError::TokenOutOfRange { id: 9_999, .. })));
}

#[test]
fn special_names_are_tokens_only_where_asked() {
    let t = tiny_model().tokenizer;
    assert_eq!(t.encode("<|im_end|>", Specials::Parse).unwrap(), [2]);
    let plain = t.encode("<|im_end|>", Specials::AsText).unwrap();
    assert_eq!(plain.len(), 10);
    assert!(plain.iter().all(|id| !t.is_special(*id)));
    assert_eq!(t.decode(&plain).unwrap(), "<|im_end|>");
}

#[test]
fn at_most_one_bos() {
    let weights = tiny_weights(&tiny_config(), DType::F32, 1);
    let mut bytes = tiny_gguf(&weights);
    let key = b"tokenizer.ggml.add_bos_token";
    let at = bytes.windows(key.len()).position(|w| w == key).unwrap() + key.len() + 4;
    bytes[at] = 1;
    let dir = tempfile::tempdir().unwrap();
    let t = Model::load(&written(dir.path(), &bytes)).unwrap().tokenizer;
    assert!(t.adds_bos());
    assert_eq!(t.encode_prompt("a").unwrap(), [1, 3 + u32::from(b'a')]);
    assert_eq!(t.encode_prompt("<|im_start|>a").unwrap(), [1, 3 + u32::from(b'a')]);
    assert_eq!(t.encode("a", Specials::Parse).unwrap().len(), 1);
}

#[test]
fn damaged_files_are_refused_without_a_panic() {
    let weights = tiny_weights(&tiny_config(), DType::F32, 1);
    let bytes = tiny_gguf(&weights);
    let dir = tempfile::tempdir().unwrap();
    for cut in (0..bytes.len()).step_by(997).chain([0, 3, 4, 8, 23, 24, bytes.len() - 1]) {
        let error = Model::load(&written(dir.path(), &bytes[..cut])).expect_err("cut short");
        let told = matches!(error, ModelError::CutShort { size, needed, .. }
            if size == cut as u64 && needed > size && needed <= bytes.len() as u64);
        // Without its first four bytes it is no GGUF at all.
        assert!(told || cut < 4, "cut at {cut}: {error}");
    }
    // Every byte of the fixed header and of the first entries, set to the worst.
    for i in 0..400 {
        for value in [0, 0x7f, 0xff] {
            let mut damaged = bytes.clone();
            damaged[i] = value;
            let _ = Gguf::open(&written(dir.path(), &damaged));
        }
    }
    assert!(matches!(Model::load(Path::new("/nonexistent.gguf")), Err(ModelError::Io { .. })));
    std::fs::write(dir.path().join("config.json"), "{}").unwrap();
    assert!(Model::load(dir.path()).is_err());
}

#[test]
fn adapters_have_pefts_names_and_come_back() {
    let cfg = tiny_config();
    let spec = LoraSpec { rank: 2, alpha: 4.0, targets: vec![Target::Q, Target::Down] };
    let mut next = 0.0;
    let set = LoraSet::init(&cfg, &spec, DType::F32, || {
        next = (next + 0.37) % 1.0;
        next
    })
    .unwrap();
    let names: Vec<String> = set.named_vars().into_iter().map(|(n, _)| n).collect();
    assert_eq!(
        names,
        [
            "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight",
            "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight",
            "base_model.model.model.layers.0.mlp.down_proj.lora_A.weight",
            "base_model.model.model.layers.0.mlp.down_proj.lora_B.weight",
            "base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight",
            "base_model.model.model.layers.1.self_attn.q_proj.lora_B.weight",
            "base_model.model.model.layers.1.mlp.down_proj.lora_A.weight",
            "base_model.model.model.layers.1.mlp.down_proj.lora_B.weight",
        ]
    );
    assert_eq!(set.parameters(), 2 * (2 * (20 + 24) + 2 * (28 + 20)));
    let dir = tempfile::tempdir().unwrap();
    set.save(dir.path(), "base").unwrap();
    let config: serde_json::Value = serde_json::from_str(
        &std::fs::read_to_string(dir.path().join("adapter_config.json")).unwrap(),
    )
    .unwrap();
    assert_eq!(config["target_modules"], serde_json::json!(["q_proj", "down_proj"]));
    assert_eq!((config["r"].as_u64(), config["lora_alpha"].as_f64()), (Some(2), Some(4.0)));
    let again = LoraSet::load(dir.path(), &cfg, DType::F32).unwrap();
    assert_eq!(again.spec, set.spec);
    for ((_, a), (_, b)) in set.named_vars().iter().zip(again.named_vars()) {
        assert_eq!(flat(a.as_tensor()), flat(b.as_tensor()));
    }
    let other = lode_model::LlamaConfig { layers: 1, ..cfg.clone() };
    assert!(LoraSet::load(dir.path(), &other, DType::F32).is_err(), "another model's adapter");
    assert!(LoraSet::init(&cfg, &LoraSpec { rank: 0, ..spec }, DType::F32, || 0.0).is_err());
}

#[test]
fn templates_may_not_print_the_date() {
    let date = lode_model::ChatTemplate::new("{{ strftime_now('%d') }}".into()).unwrap();
    assert!(date.render(&[], false, None, None).unwrap_err().to_string().contains("today's date"));
    assert!(lode_model::ChatTemplate::new("{% if %}".into()).is_err());
    let strip =
        lode_model::ChatTemplate::new("{{ bos_token }}{{ messages[0].content.strip() }}".into())
            .unwrap();
    assert_eq!(
        strip.render(&[Message::new("user", " x ")], false, Some("<s>"), None).unwrap(),
        "<s>x"
    );
}

proptest! {
    #[test]
    fn encoding_loses_nothing(text in "\\PC{0,60}|[ a-z0-9\\n\\t]{0,60}", parse: bool) {
        thread_local!(static TOKENIZER: Tokenizer = tiny_model().tokenizer);
        TOKENIZER.with(|t| {
            let ids = t.encode(&text, if parse { Specials::Parse } else { Specials::AsText }).unwrap();
            prop_assert_eq!(t.decode(&ids).unwrap(), text.clone());
            let theirs = t.inner().decode(&ids, false).unwrap();
            prop_assert_eq!(theirs, text);
            Ok(())
        })?;
    }
}

/// With a real model: `LODE_TEST_GGUF` names SmolLM2-135M-Instruct in Q4_1.
#[test]
#[ignore = "needs the SmolLM2 file in LODE_TEST_GGUF"]
fn smollm2_tokenises_as_llama_cpp_does_and_knows_paris() {
    let path = std::env::var("LODE_TEST_GGUF").expect("LODE_TEST_GGUF is not set");
    let model = Model::load(path.as_ref()).unwrap();
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("golden/smollm2_tokens.json")).unwrap();
    for case in golden.as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let want: Vec<u32> =
            case["ids"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect();
        assert_eq!(model.tokenizer.encode(text, Specials::Parse).unwrap(), want, "{text:?}");
        assert_eq!(model.tokenizer.decode(&want).unwrap(), text);
    }
    let talk = [
        Message::new("user", "Hi there"),
        Message::new("assistant", "Hello!"),
        Message::new("user", "Bye"),
    ];
    assert_eq!(
        model.tokenizer.render_chat(&talk, true).unwrap(),
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\nHi there<|im_end|>\n<|im_start|>assistant\nHello!<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n"
    );
    // llama.cpp, same file: log-probabilities of the token after this prompt. Its activations are
    // quantised to 8 bits, hence the tolerance.
    let prompt = model.tokenizer.encode_prompt("The capital of France is").unwrap();
    for (text, want) in [(" Paris", -0.2589f32), (" the", -2.7646), (" London", -4.2949)] {
        let token = model.tokenizer.encode(text, Specials::AsText).unwrap();
        let got = model.llama().score(&prompt, &token).unwrap()[0];
        assert!((got - want).abs() < 0.15, "{text}: {got}, llama.cpp says {want}");
    }
}

#[test]
fn hidden_states_are_the_same_after_export() {
    let model = tiny_model();
    let packed =
        Packed::single(&tokens(9, 4)[..].iter().map(|t| t % 250).collect::<Vec<_>>()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    export_hf(&model, dir.path()).unwrap();
    let a = flat(&model.llama().hidden(&packed, None).unwrap());
    let b = flat(&Model::load(dir.path()).unwrap().llama().hidden(&packed, None).unwrap());
    assert_eq!(max_difference(&a, &b), 0.0);
}

#[test]
fn what_is_written_as_gguf_reads_back() {
    let (dir, model) = (tempfile::tempdir().unwrap(), tiny_model());
    let like = written(dir.path(), &tiny_gguf(&tiny_weights(&tiny_config(), DType::F32, 1)));
    let mut rng = 0.0f64;
    let lora = LoraSet::init(&model.config, &LoraSpec::default(), DType::F32, || {
        rng = (rng + 0.618).fract();
        rng
    });
    let lora = lora.unwrap();
    for (_, pair) in lora.pairs() {
        pair.b.set(&pair.b.affine(0.0, 0.03).unwrap()).unwrap();
    }
    let merged = model.merged(&lora).unwrap();
    let packed = Packed::single(&[1, 7, 200, 31]).unwrap();
    let hidden = |model: &Model| flat(&model.llama().hidden(&packed, None).unwrap());
    assert!(max_difference(&hidden(&model), &hidden(&merged)) > 0.01, "the adapter does nothing");
    for quantisation in Quantisation::ALL {
        let out = dir.path().join(quantisation.name());
        export_gguf(&merged, &like, quantisation, &out).unwrap();
        let read = Model::load(&out).unwrap();
        // This model's rows are no whole blocks, so that every kind is f32 for it.
        assert_eq!(max_difference(&hidden(&read), &hidden(&merged)), 0.0);
        assert_eq!(read.tokenizer.fingerprint(), model.tokenizer.fingerprint());
    }
    std::fs::write(dir.path().join("text"), "no GGUF").unwrap();
    let text = dir.path().join("text");
    let refused = export_gguf(&merged, &text, Quantisation::F32, &like).unwrap_err();
    assert!(refused.to_string().contains("has to be a GGUF file"), "{refused}");
}
