//! The shape of a llama-family model, read from GGUF metadata or from an HF `config.json` and
//! written back as `config.json`.

use std::path::Path;

use serde_json::{Value as Json, json};

use crate::error::{ModelError, Result};
use crate::gguf::Gguf;

/// Most layers, heads or vocabulary entries a file may claim: far above any real model, low
/// enough that a damaged header cannot make us allocate without bound.
const MAX_LAYERS: usize = 1_024;
const MAX_WIDTH: usize = 1 << 20;
const MAX_VOCAB: usize = 1 << 22;
const MAX_POSITIONS: usize = 1 << 24;

/// Hyper-parameters of a llama-family decoder.
#[derive(Clone, Debug, PartialEq)]
pub struct LlamaConfig {
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width of the feed-forward layer.
    pub intermediate: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads` (grouped-query attention).
    pub kv_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
    /// Rows of the embedding matrix.
    pub vocab: usize,
    /// Positions that the model was trained for.
    pub max_positions: usize,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Added to the mean square in each norm.
    pub rms_eps: f64,
    /// The output matrix is the embedding matrix.
    pub tied_embeddings: bool,
}

impl LlamaConfig {
    /// Width of all query heads together.
    pub fn q_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Width of all key (or value) heads together.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Number of query heads that share one key head.
    pub fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    fn checked(self) -> Result<Self> {
        let bad =
            |what: &str| Err(ModelError::Unsupported(format!("the configuration says {what}")));
        if self.layers == 0 || self.layers > MAX_LAYERS {
            return bad(&format!("{} layers (1 to {MAX_LAYERS} are possible)", self.layers));
        }
        for (name, width) in [
            ("hidden size", self.hidden),
            ("feed-forward size", self.intermediate),
            ("head count", self.heads),
            ("key head count", self.kv_heads),
            ("head size", self.head_dim),
        ] {
            if width == 0 || width > MAX_WIDTH {
                return bad(&format!("a {name} of {width} (1 to {MAX_WIDTH} are possible)"));
            }
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return bad(&format!("{} query heads over {} key heads", self.heads, self.kv_heads));
        }
        if !self.head_dim.is_multiple_of(2) {
            return bad(&format!("an odd head size of {}", self.head_dim));
        }
        if self.vocab == 0 || self.vocab > MAX_VOCAB {
            return bad(&format!("a vocabulary of {} (1 to {MAX_VOCAB} are possible)", self.vocab));
        }
        if self.max_positions == 0 || self.max_positions > MAX_POSITIONS {
            return bad(&format!(
                "{} positions (1 to {MAX_POSITIONS} are possible)",
                self.max_positions
            ));
        }
        if !(self.rope_theta.is_finite() && self.rope_theta > 1.0) {
            return bad(&format!("a rotary base of {}", self.rope_theta));
        }
        if !(self.rms_eps.is_finite() && self.rms_eps > 0.0 && self.rms_eps < 1.0) {
            return bad(&format!("a norm epsilon of {}", self.rms_eps));
        }
        Ok(self)
    }

    /// Reads the hyper-parameters of a GGUF file of architecture `llama`.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self> {
        let arch = gguf.str("general.architecture").unwrap_or("(none)");
        if arch != "llama" {
            return Err(ModelError::Unsupported(format!(
                "the GGUF architecture is `{arch}`; only `llama` can be run"
            )));
        }
        if let Some(kind) = gguf.str("llama.rope.scaling.type")
            && kind != "none"
        {
            return Err(ModelError::Unsupported(format!(
                "rotary scaling `{kind}`; only unscaled positions can be run"
            )));
        }
        if gguf.tensor("rope_freqs.weight").is_some() {
            return Err(ModelError::Unsupported(
                "per-frequency rotary scaling (`rope_freqs.weight`)".into(),
            ));
        }
        let need = |key: &str| {
            gguf.usize(key)
                .ok_or_else(|| ModelError::Unsupported(format!("the GGUF metadata lacks `{key}`")))
        };
        let hidden = need("llama.embedding_length")?;
        let heads = need("llama.attention.head_count")?;
        let vocab = match gguf.tensor("token_embd.weight") {
            Some(t) if t.dims.len() == 2 => t.dims[0],
            _ => {
                return Err(ModelError::tensor("token_embd.weight", "missing or not a matrix"));
            }
        };
        let head_dim = gguf
            .usize("llama.attention.key_length")
            .or_else(|| hidden.checked_div(heads))
            .unwrap_or(0);
        if let Some(rotated) = gguf.usize("llama.rope.dimension_count")
            && rotated != head_dim
        {
            return Err(ModelError::Unsupported(format!(
                "only {rotated} of {head_dim} head dimensions are rotated; all must be"
            )));
        }
        Self {
            hidden,
            intermediate: need("llama.feed_forward_length")?,
            layers: need("llama.block_count")?,
            heads,
            kv_heads: gguf.usize("llama.attention.head_count_kv").unwrap_or(heads),
            head_dim,
            vocab,
            max_positions: need("llama.context_length")?,
            rope_theta: shortest_f32(gguf.f64("llama.rope.freq_base").unwrap_or(10_000.0)),
            rms_eps: shortest_f32(
                gguf.f64("llama.attention.layer_norm_rms_epsilon").unwrap_or(1e-5),
            ),
            tied_embeddings: gguf.tensor("output.weight").is_none(),
        }
        .checked()
    }

    /// Reads an HF `config.json` with `model_type` `llama`.
    pub fn from_hf_json(path: &Path, json: &Json) -> Result<Self> {
        let kind = json["model_type"].as_str().unwrap_or("(none)");
        if kind != "llama" {
            return Err(ModelError::Unsupported(format!(
                "model_type is `{kind}`; only `llama` can be run"
            )));
        }
        for flag in ["attention_bias", "mlp_bias"] {
            if json[flag].as_bool() == Some(true) {
                return Err(ModelError::Unsupported(format!(
                    "`{flag}` is set; biases are not part of this forward"
                )));
            }
        }
        if let Some(act) = json["hidden_act"].as_str()
            && act != "silu"
        {
            return Err(ModelError::Unsupported(format!(
                "activation `{act}`; only `silu` can be run"
            )));
        }
        // transformers 5 writes `rope_parameters`, earlier ones `rope_theta` and `rope_scaling`.
        let rope = &json["rope_parameters"];
        for scaling in [rope, &json["rope_scaling"]] {
            let kind = scaling["rope_type"].as_str().or_else(|| scaling["type"].as_str());
            if let Some(kind) = kind
                && kind != "default"
            {
                return Err(ModelError::Unsupported(format!(
                    "rotary scaling `{kind}`; only unscaled positions can be run"
                )));
            }
        }
        let size = |key: &str| json[key].as_u64().and_then(|v| usize::try_from(v).ok());
        let need = |key: &str| {
            size(key).ok_or_else(|| {
                ModelError::malformed(
                    "config.json",
                    path,
                    format!("`{key}` is missing or not a whole number"),
                )
            })
        };
        let hidden = need("hidden_size")?;
        let heads = need("num_attention_heads")?;
        Self {
            hidden,
            intermediate: need("intermediate_size")?,
            layers: need("num_hidden_layers")?,
            heads,
            kv_heads: size("num_key_value_heads").unwrap_or(heads),
            head_dim: size("head_dim").or_else(|| hidden.checked_div(heads)).unwrap_or(0),
            vocab: need("vocab_size")?,
            max_positions: need("max_position_embeddings")?,
            rope_theta: rope["rope_theta"]
                .as_f64()
                .or_else(|| json["rope_theta"].as_f64())
                .unwrap_or(10_000.0),
            rms_eps: json["rms_norm_eps"].as_f64().unwrap_or(1e-6),
            tied_embeddings: json["tie_word_embeddings"].as_bool().unwrap_or(false),
        }
        .checked()
    }

    /// The `config.json` that `transformers` reads.
    pub fn to_hf_json(&self, bos: Option<u32>, eos: Option<u32>, pad: Option<u32>) -> Json {
        json!({
            "architectures": ["LlamaForCausalLM"],
            "attention_bias": false,
            "attention_dropout": 0.0,
            "bos_token_id": bos,
            "eos_token_id": eos,
            "pad_token_id": pad,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "hidden_size": self.hidden,
            "initializer_range": 0.02,
            "intermediate_size": self.intermediate,
            "max_position_embeddings": self.max_positions,
            "mlp_bias": false,
            "model_type": "llama",
            "num_attention_heads": self.heads,
            "num_hidden_layers": self.layers,
            "num_key_value_heads": self.kv_heads,
            "pretraining_tp": 1,
            "rms_norm_eps": self.rms_eps,
            "rope_scaling": null,
            "rope_theta": self.rope_theta,
            "tie_word_embeddings": self.tied_embeddings,
            "torch_dtype": "float32",
            "use_cache": true,
            "vocab_size": self.vocab,
        })
    }
}

/// GGUF stores `1e-5` as a 32-bit float; the shortest decimal that gives the same float is what
/// the original `config.json` said.
fn shortest_f32(value: f64) -> f64 {
    (value as f32).to_string().parse().unwrap_or(value)
}
