//! A llama's weights as plain tensors, by their Hugging Face names, from GGUF or safetensors.
//!
//! Plain tensors carry no gradient, so whatever is loaded here is frozen; what is to be trained
//! is put beside it (LoRA) or in its place (`Var`s, in tests).

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};

use crate::config::LlamaConfig;
use crate::error::{ModelError, Result};
use crate::gguf::Gguf;

/// Domain of the weights' fingerprint.
const FINGERPRINT_CONTEXT: &str = "lode/weights/v1";

/// Matrices are `[out, in]`, norms are `[hidden]`.
#[derive(Clone, Debug)]
pub struct LayerWeights {
    /// Before attention, `[hidden]`.
    pub input_norm: Tensor,
    /// Query projection.
    pub q: Tensor,
    /// Key projection.
    pub k: Tensor,
    /// Value projection.
    pub v: Tensor,
    /// Output projection of attention.
    pub o: Tensor,
    /// Before the feed-forward layer, `[hidden]`.
    pub post_norm: Tensor,
    /// Gate of the feed-forward layer.
    pub gate: Tensor,
    /// Up projection.
    pub up: Tensor,
    /// Down projection.
    pub down: Tensor,
}

/// All weights of one model, contiguous, in one dtype.
#[derive(Clone, Debug)]
pub struct Weights {
    /// `[vocab, hidden]`.
    pub embed: Tensor,
    /// One entry a block.
    pub layers: Vec<LayerWeights>,
    /// `[hidden]`.
    pub final_norm: Tensor,
    /// `[vocab, hidden]`; `None` when the embedding is used for the output as well.
    pub lm_head: Option<Tensor>,
}

/// HF names of the tensors of layer `i`, in the order of [`LayerWeights`]' fields.
pub(crate) fn layer_names(i: usize) -> [String; 9] {
    [
        "input_layernorm",
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
        "self_attn.o_proj",
        "post_attention_layernorm",
        "mlp.gate_proj",
        "mlp.up_proj",
        "mlp.down_proj",
    ]
    .map(|part| format!("model.layers.{i}.{part}.weight"))
}

impl LayerWeights {
    fn shapes(cfg: &LlamaConfig) -> [Vec<usize>; 9] {
        let (h, f, q, kv) = (cfg.hidden, cfg.intermediate, cfg.q_width(), cfg.kv_width());
        [
            vec![h],
            vec![q, h],
            vec![kv, h],
            vec![kv, h],
            vec![h, q],
            vec![h],
            vec![f, h],
            vec![f, h],
            vec![h, f],
        ]
    }

    fn from_array([input_norm, q, k, v, o, post_norm, gate, up, down]: [Tensor; 9]) -> Self {
        Self { input_norm, q, k, v, o, post_norm, gate, up, down }
    }

    fn as_array(&self) -> [&Tensor; 9] {
        [
            &self.input_norm,
            &self.q,
            &self.k,
            &self.v,
            &self.o,
            &self.post_norm,
            &self.gate,
            &self.up,
            &self.down,
        ]
    }
}

impl Weights {
    /// Builds the set by asking `get` for each HF name with the shape it must have.
    pub fn build(
        cfg: &LlamaConfig,
        mut get: impl FnMut(&str, &[usize]) -> Result<Tensor>,
    ) -> Result<Self> {
        let mut fetch = |name: &str, shape: &[usize]| -> Result<Tensor> {
            let tensor = get(name, shape)?;
            if tensor.dims() != shape {
                return Err(ModelError::tensor(
                    name,
                    format!("shape {:?} found, {shape:?} expected", tensor.dims()),
                ));
            }
            Ok(tensor.contiguous()?)
        };
        let embed = fetch("model.embed_tokens.weight", &[cfg.vocab, cfg.hidden])?;
        let mut layers = Vec::with_capacity(cfg.layers);
        for i in 0..cfg.layers {
            let names = layer_names(i);
            let shapes = LayerWeights::shapes(cfg);
            let mut one = |j: usize| fetch(&names[j], &shapes[j]);
            layers.push(LayerWeights::from_array([
                one(0)?,
                one(1)?,
                one(2)?,
                one(3)?,
                one(4)?,
                one(5)?,
                one(6)?,
                one(7)?,
                one(8)?,
            ]));
        }
        let final_norm = fetch("model.norm.weight", &[cfg.hidden])?;
        let lm_head = if cfg.tied_embeddings {
            None
        } else {
            Some(fetch("lm_head.weight", &[cfg.vocab, cfg.hidden])?)
        };
        Ok(Self { embed, layers, final_norm, lm_head })
    }

    /// Every tensor with its HF name, in a fixed order.
    pub fn named(&self) -> Vec<(String, &Tensor)> {
        let mut out = vec![("model.embed_tokens.weight".to_owned(), &self.embed)];
        for (i, layer) in self.layers.iter().enumerate() {
            out.extend(layer_names(i).into_iter().zip(layer.as_array()));
        }
        out.push(("model.norm.weight".to_owned(), &self.final_norm));
        if let Some(head) = &self.lm_head {
            out.push(("lm_head.weight".to_owned(), head));
        }
        out
    }

    /// The same weights in another dtype.
    pub fn to_dtype(&self, cfg: &LlamaConfig, dtype: DType) -> Result<Self> {
        let all: HashMap<String, &Tensor> = self.named().into_iter().collect();
        Self::build(cfg, |name, _| match all.get(name) {
            Some(t) => Ok(t.to_dtype(dtype)?),
            None => Err(ModelError::tensor(name, "missing")),
        })
    }

    /// BLAKE3 over names, shapes and little-endian f32 values: the same for a GGUF file and the
    /// HF folder exported from it.
    pub fn fingerprint(&self) -> Result<[u8; 32]> {
        let mut hasher = blake3::Hasher::new_derive_key(FINGERPRINT_CONTEXT);
        for (name, tensor) in self.named() {
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
            hasher.update(&(tensor.rank() as u64).to_le_bytes());
            for d in tensor.dims() {
                hasher.update(&(*d as u64).to_le_bytes());
            }
            let values = tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            hasher.update(&bytes);
        }
        Ok(*hasher.finalize().as_bytes())
    }

    /// Reads and dequantises all tensors of a llama GGUF.
    pub fn from_gguf(gguf: &Gguf, cfg: &LlamaConfig) -> Result<Self> {
        Self::build(cfg, |name, _| {
            let (gguf_name, permuted_heads) = gguf_name(cfg, name)?;
            let tensor = gguf.load(&gguf_name)?;
            match permuted_heads {
                Some(heads) => unpermute(&tensor, heads, name),
                None => Ok(tensor),
            }
        })
    }

    /// Reads `model.safetensors`, or the shards that `model.safetensors.index.json` names, as f32.
    pub fn from_hf_dir(dir: &Path, cfg: &LlamaConfig) -> Result<Self> {
        let mut all = HashMap::new();
        for file in safetensors_files(dir)? {
            let bytes = std::fs::read(&file).map_err(|e| ModelError::io("read", &file, e))?;
            let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)
                .map_err(|e| ModelError::malformed("safetensors", &file, e.to_string()))?;
            all.extend(tensors);
        }
        Self::build(cfg, |name, _| match all.remove(name) {
            Some(t) => Ok(t.to_dtype(DType::F32)?),
            None => Err(ModelError::tensor(name, "missing from the safetensors files")),
        })
    }
}

fn safetensors_files(dir: &Path) -> Result<Vec<std::path::PathBuf>> {
    let index = dir.join("model.safetensors.index.json");
    if !index.exists() {
        return Ok(vec![dir.join("model.safetensors")]);
    }
    let text = std::fs::read_to_string(&index).map_err(|e| ModelError::io("read", &index, e))?;
    let json: serde_json::Value = serde_json::from_str(&text)
        .map_err(|e| ModelError::malformed("safetensors index", &index, e.to_string()))?;
    let map = json["weight_map"].as_object().ok_or_else(|| {
        ModelError::malformed("safetensors index", &index, "`weight_map` is missing")
    })?;
    let mut names: Vec<&str> = map.values().filter_map(serde_json::Value::as_str).collect();
    names.sort_unstable();
    names.dedup();
    // A shard is a plain file name: an index must not be able to point out of its folder.
    if let Some(bad) =
        names.iter().find(|n| Path::new(n).file_name().and_then(|f| f.to_str()) != Some(**n))
    {
        return Err(ModelError::malformed(
            "safetensors index",
            &index,
            format!("`{bad}` is not a plain file name"),
        ));
    }
    Ok(names.into_iter().map(|n| dir.join(n)).collect())
}

/// GGUF name of an HF name, and the number of heads if the converter permuted its rows.
pub(crate) fn gguf_name(cfg: &LlamaConfig, hf: &str) -> Result<(String, Option<usize>)> {
    let unknown = || ModelError::tensor(hf, "has no GGUF counterpart");
    Ok(match hf {
        "model.embed_tokens.weight" => ("token_embd.weight".into(), None),
        "model.norm.weight" => ("output_norm.weight".into(), None),
        "lm_head.weight" => ("output.weight".into(), None),
        _ => {
            let rest = hf.strip_prefix("model.layers.").ok_or_else(unknown)?;
            let (layer, part) = rest.split_once('.').ok_or_else(unknown)?;
            let (part, heads) = match part {
                "input_layernorm.weight" => ("attn_norm", None),
                "self_attn.q_proj.weight" => ("attn_q", Some(cfg.heads)),
                "self_attn.k_proj.weight" => ("attn_k", Some(cfg.kv_heads)),
                "self_attn.v_proj.weight" => ("attn_v", None),
                "self_attn.o_proj.weight" => ("attn_output", None),
                "post_attention_layernorm.weight" => ("ffn_norm", None),
                "mlp.gate_proj.weight" => ("ffn_gate", None),
                "mlp.up_proj.weight" => ("ffn_up", None),
                "mlp.down_proj.weight" => ("ffn_down", None),
                _ => return Err(unknown()),
            };
            (format!("blk.{layer}.{part}.weight"), heads)
        }
    })
}

/// What `permute()` of `convert_hf_to_gguf.py` does: rows of a rotary head, from halves to neighbouring pairs.
pub(crate) fn permute(tensor: &Tensor, heads: usize) -> Result<Tensor> {
    let (rows, cols) = tensor.dims2()?;
    let pairs = tensor.reshape((heads, 2, rows / heads / 2, cols))?.transpose(1, 2)?;
    Ok(pairs.contiguous()?.reshape((rows, cols))?)
}

/// llama.cpp's converter interleaves the two halves of each rotary head (its rotation works on
/// neighbouring pairs); this undoes `permute()` of `convert_hf_to_gguf.py`.
fn unpermute(tensor: &Tensor, heads: usize, name: &str) -> Result<Tensor> {
    let (rows, cols) = tensor.dims2()?;
    if rows % (2 * heads) != 0 {
        return Err(ModelError::tensor(
            name,
            format!("{rows} rows cannot be split into {heads} rotary heads"),
        ));
    }
    let half = rows / heads / 2;
    Ok(tensor
        .reshape((heads, half, 2, cols))?
        .transpose(1, 2)?
        .contiguous()?
        .reshape((rows, cols))?)
}
