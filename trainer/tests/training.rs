//! DPO on a two-layer model: gradients, accumulation, resuming, bad input, and that it learns.

#![allow(clippy::unwrap_used)]

mod common;

use std::ops::ControlFlow;
use std::path::Path;

use candle_core::{DType, Tensor, Var};
use common::{
    config, model, pairs,
    support::{flat, tiny_llama, tokens},
};
use lode_model::kernels::{Impl, Kernels};
use lode_model::{Llama, LoraSet, Specials};
use lode_trainer::{
    Alarm, DataReport, DpoConfig, DpoLoss, DropReason, MANIFEST_FILE, METRICS_FILE, MetricsLog,
    Observer, PROBE_FILE, Pair, PairShape, RunOptions, Selection, Silent, StepMetrics, TokenPair,
    TrainError, Trainer, Weighting, evaluate, log_probs, preview, tokenise, train,
};
use rand::{Rng, SeedableRng};

fn token_pairs() -> Vec<TokenPair> {
    (0..4u64)
        .map(|i| TokenPair {
            id: format!("p{i}"),
            prompt: tokens(7 + i as usize, i),
            chosen: tokens(4 + i as usize, 10 + i),
            rejected: tokens(6, 20 + i),
            weight: 0.5 + i as f64 / 3.0,
        })
        .collect()
}

/// B starts at zero, where A has no gradient; move it away.
fn stir(lora: &LoraSet) {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
    for (_, pair) in lora.pairs() {
        let (dims, dtype) = (pair.b.dims().to_vec(), pair.b.dtype());
        let values: Vec<f64> =
            (0..pair.b.elem_count()).map(|_| rng.random_range(-0.3..0.3)).collect();
        let values =
            Tensor::from_vec(values, dims, pair.b.device()).unwrap().to_dtype(dtype).unwrap();
        pair.b.set(&values).unwrap();
    }
}

fn with_reference<'a>(llama: Llama, pairs: &'a [TokenPair], config: &'a DpoConfig) -> Trainer<'a> {
    let mut trainer = Trainer::new(llama, pairs, config).unwrap();
    trainer.compute_reference(&mut Silent).unwrap();
    stir(&trainer.lora);
    trainer
}

/// Compares every trainable tensor's gradient with central differences at five coordinates.
/// Says what is wrong first, if anything.
fn gradient_check(kernels: Kernels) -> Result<(), String> {
    let (pairs, config) = (token_pairs(), config());
    let mut llama = tiny_llama(DType::F64, 2);
    llama.kernels = kernels;
    let mut trainer = with_reference(llama.clone(), &pairs, &config);
    let of = |lora: Option<&LoraSet>, pair: &TokenPair| {
        log_probs(&llama, lora, &[pair]).unwrap().pop().unwrap()
    };
    let reference: Vec<_> = pairs.iter().map(|p| of(None, p)).collect();
    let loss = |lora: &LoraSet| -> f64 {
        let sum: f64 = pairs
            .iter()
            .zip(&reference)
            .map(|(p, r)| {
                let shape = PairShape {
                    chosen: p.chosen.len(),
                    rejected: p.rejected.len(),
                    weight: p.weight,
                };
                config.loss.pair(of(Some(lora), p), *r, &shape).loss
            })
            .sum();
        sum / pairs.len() as f64
    };
    let (gradients, metrics) = trainer.gradient(&[0, 1, 2, 3]).map_err(|e| e.to_string())?;
    if (metrics.loss - loss(&trainer.lora)).abs() > 1e-9 {
        return Err("the reported loss is not the loss".into());
    }
    let vars: Vec<(String, Var)> =
        trainer.lora.named_vars().into_iter().map(|(n, v)| (n, v.clone())).collect();
    assert_eq!(vars.len(), 2 * 7 * 2);
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(11);
    for ((name, var), gradient) in vars.iter().zip(&gradients) {
        let values = flat(var.as_tensor());
        for _ in 0..5 {
            let at = rng.random_range(0..values.len());
            let step = 1e-5;
            let shifted = |by: f64| {
                let mut v = values.clone();
                v[at] += by;
                var.set(&Tensor::from_vec(v, var.dims(), var.device()).unwrap()).unwrap();
                loss(&trainer.lora)
            };
            let numeric = (shifted(step) - shifted(-step)) / (2.0 * step);
            shifted(0.0);
            let found = f64::from(gradient[at]);
            if (found - numeric).abs() > 1e-3 * numeric.abs() + 1e-7 {
                return Err(format!(
                    "{name}[{at}]: gradient {found}, central difference {numeric}"
                ));
            }
        }
    }
    Ok(())
}

#[test]
fn gradients_agree_with_central_differences() {
    gradient_check(Kernels::OWN).unwrap();
    gradient_check(Kernels::GRAPH).unwrap();
}

#[test]
fn candles_fused_kernels_fail_the_same_check() {
    let fused = Impl::CandleFused;
    for kernels in [
        Kernels { rms_norm: fused, ..Kernels::OWN },
        Kernels { rope: fused, ..Kernels::OWN },
        Kernels { softmax: fused, ..Kernels::OWN },
    ] {
        let found = gradient_check(kernels);
        assert!(found.is_err(), "{kernels:?} went unnoticed");
    }
}

/// Pairs of two prompts, some of which share one.
fn shared_pairs() -> Vec<TokenPair> {
    let mut pairs = token_pairs();
    pairs[2].prompt = pairs[0].prompt.clone();
    pairs[3].prompt = pairs[0].prompt.clone();
    pairs
}

/// One sequence for all pairs of a prompt, and checkpoints, change nothing but the time and the memory.
#[test]
fn sharing_and_checkpoints_change_nothing() {
    let pairs = shared_pairs();
    for (dtype, tolerance) in [(DType::F64, 1e-6), (DType::F32, 1e-5)] {
        let gradient = |micro_batch: usize, gradient_checkpointing: bool, kernels: Kernels| {
            let config = DpoConfig { micro_batch, gradient_checkpointing, ..config() };
            let mut llama = tiny_llama(dtype, 2);
            llama.kernels = kernels;
            with_reference(llama, &pairs, &config).gradient(&[3, 0, 1, 2]).unwrap()
        };
        let (want, wanted) = gradient(1, false, Kernels::GRAPH);
        for kernels in [Kernels::OWN, Kernels::GRAPH] {
            for (micro, checkpointing) in [(1, true), (2, false), (4, false), (4, true)] {
                let (found, metrics) = gradient(micro, checkpointing, kernels);
                assert!((metrics.loss - wanted.loss).abs() <= tolerance * wanted.loss);
                for (found, want) in found.iter().zip(&want) {
                    let largest = want.iter().fold(0.0f32, |m, v| m.max(v.abs()));
                    for (a, b) in found.iter().zip(want) {
                        let off = f64::from((a - b).abs());
                        assert!(off <= tolerance * f64::from(largest), "{a}, {b}, {largest}");
                    }
                }
            }
        }
    }
}

#[test]
fn accumulated_gradients_are_those_of_the_large_batch() {
    let pairs = token_pairs();
    let gradient = |micro_batch: usize| {
        let config = DpoConfig { micro_batch, ..config() };
        with_reference(tiny_llama(DType::F64, 2), &pairs, &config).gradient(&[0, 1, 2, 3]).unwrap()
    };
    let (whole, whole_metrics) = gradient(4);
    for micro in [1, 2] {
        let (parts, metrics) = gradient(micro);
        assert!((metrics.loss - whole_metrics.loss).abs() < 1e-12);
        for (part, whole) in parts.iter().zip(&whole) {
            let largest = whole.iter().fold(0.0f32, |m, v| m.max(v.abs()));
            for (a, b) in part.iter().zip(whole) {
                assert!((a - b).abs() <= 1e-6 * largest, "{a} and {b} beside {largest}");
            }
        }
    }
}

#[derive(Default)]
struct Recorder {
    stop_after: Option<u64>,
    preview: String,
    references: usize,
    resumed: Option<u64>,
    steps: Vec<StepMetrics>,
}

impl Observer for Recorder {
    fn on_data(&mut self, _: &DataReport, preview: &str) {
        self.preview = preview.to_owned();
    }
    fn on_reference(&mut self, _: usize, _: usize) {
        self.references += 1;
    }
    fn on_resume(&mut self, step: u64) {
        self.resumed = Some(step);
    }
    fn on_step(&mut self, metrics: &StepMetrics, _: u64) -> ControlFlow<()> {
        self.steps.push(metrics.clone());
        if self.stop_after == Some(metrics.step) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

fn options(resume: bool) -> RunOptions {
    RunOptions { save_every: 3, resume, ..RunOptions::default() }
}

fn file(dir: &Path, name: &str) -> Vec<u8> {
    std::fs::read(dir.join(name)).unwrap()
}

#[test]
fn a_resumed_run_equals_an_uninterrupted_one_bit_for_bit() {
    let (model, pairs, config) = (model(), pairs(7), config());
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let outcome =
        train(&model, &pairs, &config, &options(false), whole.path(), &mut Silent).unwrap();
    assert!(outcome.finished);
    for stop in [2, 5] {
        let mut observer = Recorder { stop_after: Some(stop), ..Recorder::default() };
        let stopped =
            train(&model, &pairs, &config, &options(true), parts.path(), &mut observer).unwrap();
        assert!(!stopped.finished);
        assert!(!parts.path().join(MANIFEST_FILE).exists(), "an unfinished run looks finished");
    }
    // A crash leaves the log ahead of the checkpoint, with its last line cut.
    let mut log = String::from_utf8(file(parts.path(), METRICS_FILE)).unwrap();
    let extra = log.lines().last().unwrap().replace("\"step\":5", "\"step\":6");
    log.push_str(&extra);
    log.push_str("\n{\"step\":7,\"lo");
    std::fs::write(parts.path().join(METRICS_FILE), log).unwrap();
    let mut observer = Recorder::default();
    let resumed =
        train(&model, &pairs, &config, &options(true), parts.path(), &mut observer).unwrap();
    assert_eq!((observer.resumed, observer.references), (Some(5), 0));
    assert_eq!(resumed.metrics, outcome.metrics);
    for name in [
        "adapter_model.safetensors",
        "adapter_config.json",
        METRICS_FILE,
        MANIFEST_FILE,
        PROBE_FILE,
        "README.md",
    ] {
        assert_eq!(file(whole.path(), name), file(parts.path(), name), "{name} differs");
    }
    let steps: Vec<u64> = MetricsLog::read(&parts.path().join(METRICS_FILE))
        .unwrap()
        .iter()
        .map(|m| m.step)
        .collect();
    assert_eq!(steps, (1..=8).collect::<Vec<_>>());
}

#[test]
fn another_run_or_a_damaged_checkpoint_is_not_resumed() {
    let (model, pairs, config) = (model(), pairs(5), config());
    let dir = tempfile::tempdir().unwrap();
    let run = |config: &DpoConfig, pairs: &[Pair], resume| {
        train(
            &model,
            pairs,
            config,
            &options(resume),
            dir.path(),
            &mut Recorder { stop_after: Some(4), ..Recorder::default() },
        )
    };
    run(&config, &pairs, true).unwrap();
    assert!(matches!(run(&config, &pairs, false), Err(TrainError::OtherRun { .. })));
    let other = DpoConfig { learning_rate: 1e-4, ..config.clone() };
    assert!(matches!(run(&other, &pairs, true), Err(TrainError::OtherRun { .. })));
    assert!(matches!(run(&config, &pairs[1..], true), Err(TrainError::OtherRun { .. })));
    let checkpoint = dir.path().join("checkpoints/step-00000004");
    let (mut state, slots) = lode_trainer::checkpoint::load(&checkpoint).unwrap();
    state.reference.iter_mut().for_each(|r| r.chosen += 1.0);
    lode_trainer::checkpoint::save(&dir.path().join("checkpoints"), &state, &slots, 2).unwrap();
    let stale = run(&config, &pairs, true).unwrap_err().to_string();
    assert!(stale.contains("is off by"), "{stale}");
    let mut tensors = file(&checkpoint, "state.safetensors");
    let last = tensors.len() - 1;
    tensors[last] ^= 1;
    std::fs::write(checkpoint.join("state.safetensors"), tensors).unwrap();
    assert!(matches!(run(&config, &pairs, true), Err(TrainError::Checkpoint { .. })));
}

#[test]
fn training_separates_the_pairs_and_the_written_adapter_is_the_trained_one() {
    let (model, pairs) = (model(), pairs(6));
    let config =
        DpoConfig { steps: 40, learning_rate: 2e-2, batch_size: 6, micro_batch: 1, ..config() };
    let dir = tempfile::tempdir().unwrap();
    let mut observer = Recorder::default();
    let outcome =
        train(&model, &pairs, &config, &options(false), dir.path(), &mut observer).unwrap();
    let (first, last) = (&outcome.metrics[0], &outcome.metrics[39]);
    assert!(
        (first.preference_loss - std::f64::consts::LN_2).abs() < 1e-9,
        "{}",
        first.preference_loss
    );
    assert_eq!((first.rewards_chosen, first.rewards_rejected), (0.0, 0.0));
    assert!(last.loss < first.loss && last.rewards_accuracies == 1.0, "{last:?}");
    assert_eq!(observer.references, 6);
    for part in ["pair 1 of 6: pair-0", "chosen", "an| |o", "<|im_end|>"] {
        assert!(observer.preview.contains(part), "{part} in {}", observer.preview);
    }
    let loaded = LoraSet::load(dir.path(), &model.config, DType::F32).unwrap();
    for ((name, a), (_, b)) in loaded.named_vars().iter().zip(outcome.lora.named_vars()) {
        assert_eq!(flat(a.as_tensor()), flat(b.as_tensor()), "{name}");
    }
    let (before, _) = evaluate(&model, None, &pairs, &config).unwrap();
    let (after, _) = evaluate(&model, Some(&loaded), &pairs, &config).unwrap();
    assert_eq!((before.rewards_margins, before.rewards_accuracies), (0.0, 0.0));
    assert!(after.rewards_margins > 0.0 && after.rewards_accuracies == 1.0);
    let manifest: serde_json::Value =
        serde_json::from_slice(&file(dir.path(), MANIFEST_FILE)).unwrap();
    let adapter = blake3::hash(&file(dir.path(), "adapter_model.safetensors")).to_hex().to_string();
    assert_eq!(manifest["adapter_blake3"], adapter);
    assert_eq!(manifest["self_tests"]["moving_after_two"], 28);
    let card = String::from_utf8(file(dir.path(), "README.md")).unwrap();
    assert!(
        card.starts_with("---\nbase_model: \"base\"\n") && card.contains("| rewards/margins |")
    );
}

#[test]
fn metrics_have_trls_names() {
    let dir = tempfile::tempdir().unwrap();
    let config = DpoConfig { steps: 1, warmup_steps: 0, ..config() };
    train(&model(), &pairs(4), &config, &options(false), dir.path(), &mut Silent).unwrap();
    let line: serde_json::Value = serde_json::from_slice(&file(dir.path(), METRICS_FILE)).unwrap();
    for name in [
        "loss",
        "grad_norm",
        "learning_rate",
        "epoch",
        "num_tokens",
        "rewards/chosen",
        "rewards/rejected",
        "rewards/margins",
        "rewards/accuracies",
        "logps/chosen",
        "logps/rejected",
    ] {
        assert!(line[name].is_number(), "{name} is missing from {line}");
    }
}

#[test]
fn unusable_pairs_are_dropped_and_counted_by_reason() {
    let tokenizer = model().tokenizer;
    let good = pairs(1).remove(0);
    let with = |id: &str, change: fn(&mut Pair)| {
        let mut pair = Pair { id: id.into(), ..good.clone() };
        change(&mut pair);
        pair
    };
    let all = [
        good.clone(),
        with("pair-0", |_| ()),
        with("a", |p| p.prompt.clear()),
        with("b", |p| p.chosen.clear()),
        with("c", |p| p.rejected = "<|im_end|>".into()),
        with("d", |p| p.rejected = p.chosen.clone()),
        with("e", |p| p.rejected = format!("{}<|im_end|>", p.chosen)),
        with("f", |p| p.chosen = "x".repeat(100)),
    ];
    let limit = Selection { max_length: 90, min_margin_milli: None, weighting: Weighting::Uniform };
    let (used, report) = tokenise(&tokenizer, &all, &limit).unwrap();
    assert_eq!((used.len(), report.given, report.used), (1, 8, 1));
    let count = |r| report.dropped.get(&r).copied().unwrap_or(0);
    assert_eq!(count(DropReason::DuplicateId), 1);
    assert_eq!(count(DropReason::EmptyPrompt), 1);
    assert_eq!(count(DropReason::EmptyChosen), 1);
    assert_eq!(count(DropReason::EmptyRejected), 1);
    assert_eq!(count(DropReason::Identical), 2);
    assert_eq!(count(DropReason::TooLong), 1);
    assert!(report.longest <= 90);
    // The end token is there once, also where the text brought it; its name inside a text is text.
    let ended = with("g", |p| p.chosen.push_str("<|im_end|>"));
    assert_eq!(tokenise(&tokenizer, &[ended], &limit).unwrap().0[0].chosen, used[0].chosen);
    assert_eq!(used[0].chosen.iter().filter(|t| **t == 2).count(), 1);
    assert_eq!(used[0].chosen.last(), Some(&2));
    let named = with("h", |p| p.chosen = "a<|im_end|>b".into());
    let ids = &tokenise(&tokenizer, &[named], &limit).unwrap().0[0].chosen;
    assert_eq!(ids.iter().filter(|t| **t == 2).count(), 1);
    assert_eq!(used[0].prompt, tokenizer.encode(&good.prompt, Specials::Parse).unwrap());
    assert!(preview(&tokenizer, &used, 5).unwrap().contains("pair 1 of 1"));
    assert!(matches!(
        tokenise(&tokenizer, &all[2..], &limit),
        Err(TrainError::NoPairs { given: 6, .. })
    ));
}

/// A kept reference is taken, changes nothing, and is not believed where it is wrong.
#[test]
fn a_reference_is_computed_once_and_checked() {
    let (model, pairs, config) = (model(), pairs(5), config());
    let cache = tempfile::tempdir().unwrap();
    let run = |config: &DpoConfig, pairs: &[Pair]| {
        let (out, mut observer) = (tempfile::tempdir().unwrap(), Recorder::default());
        let reference_cache = Some(cache.path().to_owned());
        let options = RunOptions { reference_cache, ..options(false) };
        let outcome = train(&model, pairs, config, &options, out.path(), &mut observer)?;
        Ok::<_, TrainError>((outcome.metrics, observer.references))
    };
    let kept = || std::fs::read_dir(cache.path()).unwrap().flatten().map(|entry| entry.path());
    let (first, computed) = run(&config, &pairs).unwrap();
    assert!(computed > 0);
    assert_eq!(run(&config, &pairs).unwrap(), (first, 0));
    let other = DpoConfig { learning_rate: 1e-3, ..config.clone() };
    assert_eq!(run(&other, &pairs).unwrap().1, 0, "the rate changes no reference");
    assert!(run(&config, &pairs[1..]).unwrap().1 > 0, "other pairs have another");
    assert_eq!(kept().count(), 2);
    for path in kept() {
        let whole = std::fs::read(&path).unwrap();
        let values = whole.len() - 16 * pairs.len();
        let mut wrong = whole.clone();
        wrong[values..].iter_mut().for_each(|byte| *byte ^= 1);
        std::fs::write(&path, &wrong).unwrap();
    }
    for cut in [false, true] {
        if cut {
            kept().for_each(|path| {
                let whole = std::fs::read(&path).unwrap();
                std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
            });
        }
        let error = run(&config, &pairs).unwrap_err();
        assert!(matches!(error, TrainError::Reference { .. }), "{error}");
    }
}

#[test]
fn margins_choose_and_weigh_pairs() {
    let mut all = pairs(4);
    for (pair, margin_milli) in all.iter_mut().zip([Some(100), Some(300), None, Some(-50)]) {
        pair.margin_milli = margin_milli;
    }
    let used = |min_margin_milli, weighting| {
        let selection = Selection { max_length: 90, min_margin_milli, weighting };
        let (used, report) = tokenise(&model().tokenizer, &all, &selection).unwrap();
        let of = |pair: &TokenPair| (pair.id.clone(), (pair.weight * 1000.0).round() as i64);
        let dropped = report.dropped.get(&DropReason::LowMargin).copied().unwrap_or(0);
        (used.iter().map(of).collect::<Vec<_>>(), dropped)
    };
    let pair = |i: usize, weight: i64| (format!("pair-{i}"), weight);
    let uniform = Weighting::Uniform;
    assert_eq!(used(None, uniform), ((0..4).map(|i| pair(i, 1000)).collect(), 0));
    assert_eq!(used(Some(200), uniform), (vec![pair(1, 1000)], 3));
    assert_eq!(used(None, Weighting::Margin), (vec![pair(0, 500), pair(1, 1500)], 2));
}

#[test]
fn impossible_settings_are_refused_by_name() {
    let bad = |change: fn(&mut DpoConfig), name: &str| {
        let mut config = config();
        change(&mut config);
        let error = config.check().unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    };
    bad(|c| c.loss.beta = 0.0, "beta");
    bad(|c| c.loss.label_smoothing = 0.5, "label_smoothing");
    bad(|c| c.loss.nll_weight = f64::NAN, "nll_weight");
    bad(|c| c.learning_rate = -1.0, "learning_rate");
    bad(|c| c.steps = 0, "steps");
    bad(|c| c.warmup_steps = 9, "warmup_steps");
    bad(|c| c.batch_size = 0, "batch_size");
    bad(|c| c.micro_batch = 0, "micro_batch");
    bad(|c| c.max_grad_norm = f64::INFINITY, "max_grad_norm");
    bad(|c| c.optimizer.beta2 = 1.0, "optimizer");
}

#[test]
fn alarms_go_off_at_their_bounds() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = DpoConfig { steps: 30, learning_rate: 3e-2, ..config() };
    config.loss = DpoLoss { beta: 2.0, nll_weight: 0.0, ..DpoLoss::default() };
    config.alarms.chosen_fall = -1e9;
    let outcome =
        train(&model(), &pairs(4), &config, &options(false), dir.path(), &mut Silent).unwrap();
    assert!(outcome.metrics.iter().all(|m| m.alarms.contains(&Alarm::ChosenFalling)));
    assert!(
        outcome.metrics[29].alarms.contains(&Alarm::MarginsSaturated),
        "{:?}",
        outcome.metrics[29]
    );
    assert!(!outcome.metrics[0].alarms.contains(&Alarm::MarginsSaturated));
}
