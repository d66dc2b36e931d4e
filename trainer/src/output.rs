//! What a finished run leaves behind: the adapter in PEFT's layout, a model card, a manifest.

use std::path::Path;

use candle_core::{Device, Tensor};
use lode_model::{LoraSet, Model, Packed, write_atomically, write_json};
use serde_json::json;

use crate::config::DpoConfig;
use crate::data::{DataReport, TokenPair};
use crate::dpo::RunOptions;
use crate::error::{Result, TrainError};
use crate::loss::NORMALISATION;
use crate::metrics::StepMetrics;
use crate::trainer::SelfTests;

/// Name of the manifest file.
pub const MANIFEST_FILE: &str = "run.json";
/// Name of the file with logits to compare.
pub const PROBE_FILE: &str = "probe.json";
/// Texts in it, and logits of each (about).
const PROBE_TEXTS: usize = 4;
const PROBE_LOGITS: usize = 512;
/// Version of the manifest's layout.
const MANIFEST_FORMAT: &str = "lode-dpo-run/1";

/// What the card and the manifest tell.
#[derive(Debug)]
pub struct Summary<'a> {
    /// The settings.
    pub config: &'a DpoConfig,
    /// How the run was kept.
    pub options: &'a RunOptions,
    /// The data.
    pub report: &'a DataReport,
    /// The self-tests' findings.
    pub self_tests: &'a SelfTests,
    /// The pairs that were trained on.
    pub pairs: &'a [TokenPair],
    /// Every step.
    pub metrics: &'a [StepMetrics],
}

/// Some texts with our logits at their last position, as `probe.json`: whoever loads the adapter
/// elsewhere can see whether it does there what it does here (`tests/python/check_adapter.py`).
fn probe(model: &Model, lora: &LoraSet, pairs: &[TokenPair]) -> Result<serde_json::Value> {
    let llama = model.llama();
    let stride = (model.config.vocab / PROBE_LOGITS).max(1);
    let vocabulary: Vec<u32> =
        (0..model.config.vocab).step_by(stride).map(|id| id as u32).collect();
    let sample = Tensor::new(vocabulary.as_slice(), &Device::Cpu)?;
    let mut cases = Vec::new();
    let mut prompts: Vec<&TokenPair> = Vec::new();
    for pair in pairs {
        if prompts.len() < PROBE_TEXTS && prompts.iter().all(|other| other.prompt != pair.prompt) {
            prompts.push(pair);
        }
    }
    for pair in prompts {
        let text = model.tokenizer.decode(&pair.prompt)?;
        let packed = Packed::single(&pair.prompt)?;
        let last = |lora: Option<&LoraSet>| -> Result<Vec<f32>> {
            let hidden =
                llama.hidden_untracked(&packed, lora)?.narrow(0, pair.prompt.len() - 1, 1)?;
            Ok(llama.logits(&hidden)?.flatten_all()?.index_select(&sample, 0)?.to_vec1()?)
        };
        cases.push(json!({ "text": text, "ids": pair.prompt, "base": last(None)?, "adapter": last(Some(lora))? }));
    }
    Ok(json!({ "vocabulary": vocabulary, "cases": cases }))
}

/// Writes the adapter's files, `README.md`, `probe.json` and `run.json` into `out`. The manifest
/// comes last: a folder that has one is complete.
pub(crate) fn write(
    out: &Path,
    model: &Model,
    lora: &LoraSet,
    summary: &Summary<'_>,
) -> Result<()> {
    lora.save(out, &summary.options.base_name)?;
    write_json(&out.join(PROBE_FILE), &probe(model, lora, summary.pairs)?)?;
    write_atomically(&out.join("README.md"), card(summary, lora).as_bytes())?;
    let adapter = out.join("adapter_model.safetensors");
    let bytes = std::fs::read(&adapter).map_err(|e| TrainError::io("read", &adapter, e))?;
    let base = hex::encode(model.weights.fingerprint()?);
    let manifest = json!({
        "format": MANIFEST_FORMAT,
        "method": "dpo",
        "formula": summary.config.loss.kind.formula(),
        "normalisation": NORMALISATION,
        "settings": summary.config,
        "base": {
            "name": summary.options.base_name,
            "weights_blake3": base,
            "tokenizer_blake3": hex::encode(model.tokenizer.fingerprint()),
            "dtype": "f32",
        },
        // The reference is the base with the adapter off; no other adapter lies under it.
        "reference": { "weights_blake3": base, "adapter": null },
        "data": summary.report,
        "self_tests": summary.self_tests,
        "first_step": summary.metrics.first(),
        "last_step": summary.metrics.last(),
        "adapter_blake3": blake3::hash(&bytes).to_hex().to_string(),
        "trainable_parameters": lora.parameters(),
        "trainer_version": env!("CARGO_PKG_VERSION"),
    });
    Ok(write_json(&out.join(MANIFEST_FILE), &manifest)?)
}

/// The model card, with the front matter that the Hugging Face hub reads.
fn card(summary: &Summary<'_>, lora: &LoraSet) -> String {
    let Summary { config, options, report, self_tests, metrics, .. } = summary;
    let base = serde_json::Value::from(options.base_name.as_str());
    let dropped = if report.dropped.is_empty() {
        "none".to_owned()
    } else {
        let named = |r| {
            serde_json::to_value(r)
                .ok()
                .and_then(|v| v.as_str().map(str::to_owned))
                .unwrap_or_default()
        };
        report
            .dropped
            .iter()
            .map(|(r, n)| format!("{} {n}", named(r)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let targets = lora.spec.targets.iter().map(|t| t.name()).collect::<Vec<_>>().join(", ");
    let mut rows = String::new();
    if let (Some(first), Some(last)) = (metrics.first(), metrics.last()) {
        for (name, a, b) in [
            ("loss", first.loss, last.loss),
            ("rewards/margins", first.rewards_margins, last.rewards_margins),
            ("rewards/accuracies", first.rewards_accuracies, last.rewards_accuracies),
            ("logps/chosen", first.logps_chosen, last.logps_chosen),
            ("logps/rejected", first.logps_rejected, last.logps_rejected),
            ("grad_norm", first.grad_norm, last.grad_norm),
        ] {
            rows.push_str(&format!("| {name} | {a:.4} | {b:.4} |\n"));
        }
    }
    let alarms = metrics.iter().filter(|m| !m.alarms.is_empty()).count();
    let start = self_tests.start_loss.map_or_else(|| "not run".to_owned(), |l| format!("{l:.6}"));
    format!(
        "---\nbase_model: {base}\nlibrary_name: peft\npipeline_tag: text-generation\ntags:\n- dpo\n- lora\n- lode\n---\n\n\
# DPO adapter\n\n\
A LoRA adapter trained with Direct Preference Optimization on {used} pairs ({data}). Load it on the base with `peft`:\n\n\
```python\nfrom transformers import AutoModelForCausalLM\nfrom peft import PeftModel\n\
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained({base}), \".\")\n```\n\n\
## Training\n\n\
- Loss: `{formula}`, with beta {beta}, eps {eps}, lambda {lambda}. {NORMALISATION}.\n\
- {steps} steps of {batch} pairs, learning rate {lr} ({schedule:?}, {warmup} warm-up steps), gradient norm at most {norm}, seed {seed}.\n\
- LoRA rank {rank}, alpha {alpha}, on {targets}: {parameters} trainable values.\n\
- Pairs given {given}, used {used}, dropped: {dropped}. Longest sequence {longest} tokens.\n\
- Preference loss at the start {start} ({expected:.6} where policy and reference agree). Steps that set off an alarm: {alarms}.\n\n\
| metric | first step | last step |\n|---|---|---|\n{rows}\n\
The metrics are those of the training batches. `metrics.jsonl` has every step, `probe.json` logits to compare a loaded adapter with, `run.json` the settings and the hashes of base, tokenizer, data and adapter.\n",
        used = report.used,
        formula = config.loss.kind.formula(),
        data = options.data_name,
        expected = config.loss.at_start(),
        beta = config.loss.beta,
        eps = config.loss.label_smoothing,
        lambda = config.loss.nll_weight,
        steps = config.steps,
        batch = config.batch_size,
        lr = config.learning_rate,
        schedule = config.schedule,
        warmup = config.warmup_steps,
        norm = config.max_grad_norm,
        seed = config.seed,
        rank = lora.spec.rank,
        alpha = lora.spec.alpha,
        parameters = lora.parameters(),
        given = report.given,
        longest = report.longest,
    )
}
