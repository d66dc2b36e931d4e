//! Low-rank adapters with PEFT's names and files.
//!
//! Flow: [`LoraSpec`] says rank, alpha and targets; [`LoraSet::init`] makes the trainable pairs
//! (A uniform as PEFT's Kaiming initialisation, B zero, so that the start equals the base);
//! [`LoraSet::save`] writes an adapter folder that `peft.PeftModel.from_pretrained` loads, and
//! [`LoraSet::load`] reads one.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{DType, Device, Tensor, Var};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::config::LlamaConfig;
use crate::error::{ModelError, Result};
use crate::export::{write_json, write_safetensors};

/// PEFT's prefix of a causal language model's modules.
const PEFT_PREFIX: &str = "base_model.model.";
/// Largest rank that an adapter may have.
pub const MAX_RANK: usize = 1_024;

/// The linear layers of a block that can carry an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Target {
    /// Query projection.
    #[serde(rename = "q_proj")]
    Q,
    /// Key projection.
    #[serde(rename = "k_proj")]
    K,
    /// Value projection.
    #[serde(rename = "v_proj")]
    V,
    /// Output projection of attention.
    #[serde(rename = "o_proj")]
    O,
    /// Gate of the feed-forward layer.
    #[serde(rename = "gate_proj")]
    Gate,
    /// Up projection.
    #[serde(rename = "up_proj")]
    Up,
    /// Down projection.
    #[serde(rename = "down_proj")]
    Down,
}

impl Target {
    /// All of them, in forward order.
    pub const ALL: [Self; 7] =
        [Self::Q, Self::K, Self::V, Self::O, Self::Gate, Self::Up, Self::Down];

    /// HF module name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Q => "q_proj",
            Self::K => "k_proj",
            Self::V => "v_proj",
            Self::O => "o_proj",
            Self::Gate => "gate_proj",
            Self::Up => "up_proj",
            Self::Down => "down_proj",
        }
    }

    fn parent(self) -> &'static str {
        match self {
            Self::Q | Self::K | Self::V | Self::O => "self_attn",
            Self::Gate | Self::Up | Self::Down => "mlp",
        }
    }

    fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }

    /// Width in and out.
    pub fn dims(self, cfg: &LlamaConfig) -> (usize, usize) {
        match self {
            Self::Q => (cfg.hidden, cfg.q_width()),
            Self::K | Self::V => (cfg.hidden, cfg.kv_width()),
            Self::O => (cfg.q_width(), cfg.hidden),
            Self::Gate | Self::Up => (cfg.hidden, cfg.intermediate),
            Self::Down => (cfg.intermediate, cfg.hidden),
        }
    }

    /// HF name of the module in layer `i`.
    pub fn module(self, i: usize) -> String {
        format!("model.layers.{i}.{}.{}", self.parent(), self.name())
    }
}

/// Shape and strength of an adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoraSpec {
    /// Rank of each update.
    pub rank: usize,
    /// The update is scaled by `alpha / rank`.
    pub alpha: f64,
    /// Layers that carry an update.
    pub targets: Vec<Target>,
}

impl Default for LoraSpec {
    fn default() -> Self {
        Self { rank: 8, alpha: 16.0, targets: Target::ALL.to_vec() }
    }
}

impl LoraSpec {
    /// Factor on the update.
    pub fn scale(&self) -> f64 {
        self.alpha / self.rank as f64
    }

    fn check(&self) -> Result<()> {
        if self.rank == 0
            || self.rank > MAX_RANK
            || !self.alpha.is_finite()
            || self.targets.is_empty()
        {
            return Err(ModelError::Invalid(format!(
                "LoRA of rank {}, alpha {} on {} layers kinds; rank 1 to {MAX_RANK}, a finite alpha and at least one target are needed",
                self.rank,
                self.alpha,
                self.targets.len()
            )));
        }
        Ok(())
    }
}

/// One trainable pair: `A` `[rank, in]`, `B` `[out, rank]`.
#[derive(Clone, Debug)]
pub struct LoraPair {
    /// Draws in; starts random.
    pub a: Var,
    /// Draws out; starts at zero.
    pub b: Var,
}

/// All pairs of one model.
#[derive(Clone, Debug)]
pub struct LoraSet {
    /// Rank, strength and targets.
    pub spec: LoraSpec,
    pairs: BTreeMap<(usize, Target), LoraPair>,
}

impl LoraSet {
    /// Fresh pairs: A uniform in ±1/√in from `uniform` (a source of values in `[0, 1)`), B zero.
    /// The order of draws is by layer, then target, then row by row.
    pub fn init(
        cfg: &LlamaConfig,
        spec: &LoraSpec,
        dtype: DType,
        mut uniform: impl FnMut() -> f64,
    ) -> Result<Self> {
        spec.check()?;
        let mut targets = spec.targets.clone();
        targets.sort_unstable();
        targets.dedup();
        let spec = LoraSpec { targets, ..spec.clone() };
        let mut pairs = BTreeMap::new();
        for layer in 0..cfg.layers {
            for target in &spec.targets {
                let (inputs, outputs) = target.dims(cfg);
                let bound = 1.0 / (inputs as f64).sqrt();
                let a: Vec<f64> =
                    (0..spec.rank * inputs).map(|_| (2.0 * uniform() - 1.0) * bound).collect();
                // Through f32 whatever the dtype, so that an f64 test starts where training would.
                let a = Tensor::from_vec(a, (spec.rank, inputs), &Device::Cpu)?
                    .to_dtype(DType::F32)?
                    .to_dtype(dtype)?;
                let b = Tensor::zeros((outputs, spec.rank), dtype, &Device::Cpu)?;
                pairs.insert(
                    (layer, *target),
                    LoraPair { a: Var::from_tensor(&a)?, b: Var::from_tensor(&b)? },
                );
            }
        }
        Ok(Self { spec, pairs })
    }

    /// The pair of one layer, if it carries one.
    pub fn pair(&self, layer: usize, target: Target) -> Option<&LoraPair> {
        self.pairs.get(&(layer, target))
    }

    /// All pairs in a fixed order.
    pub fn pairs(&self) -> impl Iterator<Item = ((usize, Target), &LoraPair)> {
        self.pairs.iter().map(|(k, v)| (*k, v))
    }

    /// Every trainable tensor with its PEFT name, in a fixed order.
    pub fn named_vars(&self) -> Vec<(String, &Var)> {
        let mut out = Vec::with_capacity(self.pairs.len() * 2);
        for ((layer, target), pair) in &self.pairs {
            let module = target.module(*layer);
            out.push((format!("{PEFT_PREFIX}{module}.lora_A.weight"), &pair.a));
            out.push((format!("{PEFT_PREFIX}{module}.lora_B.weight"), &pair.b));
        }
        out
    }

    /// Number of trainable values.
    pub fn parameters(&self) -> usize {
        self.pairs.values().map(|p| p.a.elem_count() + p.b.elem_count()).sum()
    }

    /// `scale · B A`, `[out, in]`, detached.
    pub fn delta(&self, layer: usize, target: Target) -> Result<Option<Tensor>> {
        match self.pair(layer, target) {
            None => Ok(None),
            Some(p) => Ok(Some(
                p.b.as_detached_tensor()
                    .matmul(&p.a.as_detached_tensor())?
                    .affine(self.spec.scale(), 0.0)?,
            )),
        }
    }

    /// PEFT's `adapter_config.json`. `base` is what `base_model_name_or_path` should say.
    pub fn peft_config(&self, base: &str) -> Json {
        json!({
            "alpha_pattern": {},
            "auto_mapping": null,
            "base_model_name_or_path": base,
            "bias": "none",
            "fan_in_fan_out": false,
            "inference_mode": true,
            "init_lora_weights": true,
            "layers_pattern": null,
            "layers_to_transform": null,
            "lora_alpha": self.spec.alpha,
            "lora_dropout": 0.0,
            "modules_to_save": null,
            "peft_type": "LORA",
            "r": self.spec.rank,
            "rank_pattern": {},
            "revision": null,
            "target_modules": self.spec.targets.iter().map(|t| t.name()).collect::<Vec<_>>(),
            "task_type": "CAUSAL_LM",
            "use_dora": false,
            "use_rslora": false,
        })
    }

    /// Writes `adapter_config.json` and `adapter_model.safetensors` (f32) into `dir`.
    pub fn save(&self, dir: &Path, base: &str) -> Result<()> {
        std::fs::create_dir_all(dir).map_err(|e| ModelError::io("create", dir, e))?;
        write_json(&dir.join("adapter_config.json"), &self.peft_config(base))?;
        let tensors = self
            .named_vars()
            .into_iter()
            .map(|(name, var)| Ok((name, var.as_detached_tensor().to_dtype(DType::F32)?)))
            .collect::<Result<Vec<_>>>()?;
        write_safetensors(&dir.join("adapter_model.safetensors"), &tensors)
    }

    /// Reads a PEFT adapter folder for a model of this shape.
    pub fn load(dir: &Path, cfg: &LlamaConfig, dtype: DType) -> Result<Self> {
        let path = dir.join("adapter_config.json");
        let text = std::fs::read_to_string(&path).map_err(|e| ModelError::io("read", &path, e))?;
        let config: Json = serde_json::from_str(&text)
            .map_err(|e| ModelError::malformed("adapter_config.json", &path, e.to_string()))?;
        let spec = spec_of_peft(&path, &config)?;
        let path = dir.join("adapter_model.safetensors");
        let bytes = std::fs::read(&path).map_err(|e| ModelError::io("read", &path, e))?;
        let mut tensors: HashMap<String, Tensor> =
            candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)
                .map_err(|e| ModelError::malformed("safetensors", &path, e.to_string()))?;
        let set = Self::init(cfg, &spec, dtype, || 0.0)?;
        for (name, var) in set.named_vars() {
            let tensor = tensors
                .remove(&name)
                .ok_or_else(|| ModelError::tensor(&name, "missing from the adapter"))?;
            if tensor.dims() != var.dims() {
                return Err(ModelError::tensor(
                    &name,
                    format!("shape {:?} found, {:?} expected", tensor.dims(), var.dims()),
                ));
            }
            var.set(&tensor.to_dtype(dtype)?)?;
        }
        match tensors.keys().min() {
            Some(extra) => {
                Err(ModelError::tensor(extra, "is in the adapter but has no place in this model"))
            }
            None => Ok(set),
        }
    }
}

fn spec_of_peft(path: &Path, config: &Json) -> Result<LoraSpec> {
    let bad = |reason: String| ModelError::malformed("adapter_config.json", path, reason);
    if config["peft_type"] != "LORA" {
        return Err(bad(format!("peft_type is {}, only LORA can be used", config["peft_type"])));
    }
    for flag in ["use_dora", "use_rslora", "fan_in_fan_out"] {
        if config[flag].as_bool() == Some(true) {
            return Err(bad(format!("`{flag}` is set, which is not supported")));
        }
    }
    for pattern in ["rank_pattern", "alpha_pattern"] {
        if config[pattern].as_object().is_some_and(|m| !m.is_empty()) {
            return Err(bad(format!("`{pattern}` is set, which is not supported")));
        }
    }
    let rank = config["r"]
        .as_u64()
        .and_then(|r| usize::try_from(r).ok())
        .ok_or_else(|| bad("`r` is missing".into()))?;
    let alpha =
        config["lora_alpha"].as_f64().ok_or_else(|| bad("`lora_alpha` is missing".into()))?;
    let targets = config["target_modules"]
        .as_array()
        .ok_or_else(|| bad("`target_modules` is not a list".into()))?
        .iter()
        .map(|t| {
            t.as_str()
                .and_then(Target::by_name)
                .ok_or_else(|| bad(format!("target module {t} is unknown")))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(LoraSpec { rank, alpha, targets })
}
