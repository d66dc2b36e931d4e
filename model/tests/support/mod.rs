//! Tiny models for the tests: random weights from a fixed generator, and a GGUF writer.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used)]

use candle_core::{
    DType, Device, Tensor,
    quantized::{GgmlDType, QTensor},
};
use lode_model::{Llama, LlamaConfig, Weights};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Two layers, grouped heads, widths that leave remainders in vector loops.
pub fn tiny_config() -> LlamaConfig {
    LlamaConfig {
        hidden: 20,
        intermediate: 28,
        layers: 2,
        heads: 4,
        kv_heads: 2,
        head_dim: 6,
        vocab: 300,
        max_positions: 512,
        rope_theta: 10_000.0,
        rms_eps: 1e-5,
        tied_embeddings: true,
    }
}

pub fn tiny_weights(cfg: &LlamaConfig, dtype: DType, seed: u64) -> Weights {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Weights::build(cfg, |name, shape| {
        let count: usize = shape.iter().product();
        let norm = name.ends_with("norm.weight");
        let scale = if norm { 0.2 } else { 1.2 / (*shape.last().unwrap() as f32).sqrt() };
        let values: Vec<f32> = (0..count)
            .map(|_| rng.random_range(-1.0f32..1.0) * scale + if norm { 1.0 } else { 0.0 })
            .collect();
        Ok(Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(dtype)?)
    })
    .unwrap()
}

pub fn tiny_llama(dtype: DType, seed: u64) -> Llama {
    let cfg = tiny_config();
    let weights = tiny_weights(&cfg, dtype, seed);
    Llama::new(cfg, weights)
}

pub fn tokens(n: usize, seed: u64) -> Vec<u32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| rng.random_range(0..300)).collect()
}

pub fn flat(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

pub fn max_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)
}

/// GPT-2's printable stand-in for each byte, written out again so that the crate's table is
/// checked against a second one.
pub fn byte_char(b: u8) -> char {
    let kept = |b: u8| (33..=126).contains(&b) || (161..=172).contains(&b) || b >= 174;
    if kept(b) {
        return char::from(b);
    }
    let rank = (0..b).filter(|x| !kept(*x)).count() as u32;
    char::from_u32(256 + rank).unwrap()
}

/// Writes GGUF version 3.
#[derive(Default)]
pub struct GgufWriter {
    metadata: Vec<u8>,
    entries: u64,
    /// Name, shape, the format's number of the kind, bytes.
    tensors: Vec<(String, Vec<usize>, u32, Vec<u8>)>,
}

fn text(out: &mut Vec<u8>, s: &str) {
    out.extend((s.len() as u64).to_le_bytes());
    out.extend(s.as_bytes());
}

impl GgufWriter {
    fn key(&mut self, key: &str, kind: u32) -> &mut Vec<u8> {
        self.entries += 1;
        text(&mut self.metadata, key);
        self.metadata.extend(kind.to_le_bytes());
        &mut self.metadata
    }

    pub fn str(&mut self, key: &str, value: &str) -> &mut Self {
        text(self.key(key, 8), value);
        self
    }

    pub fn u32(&mut self, key: &str, value: u32) -> &mut Self {
        self.key(key, 4).extend(value.to_le_bytes());
        self
    }

    pub fn f32(&mut self, key: &str, value: f32) -> &mut Self {
        self.key(key, 6).extend(value.to_le_bytes());
        self
    }

    pub fn bool(&mut self, key: &str, value: bool) -> &mut Self {
        self.key(key, 7).push(u8::from(value));
        self
    }

    pub fn strings(&mut self, key: &str, values: &[String]) -> &mut Self {
        let out = self.key(key, 9);
        out.extend(8u32.to_le_bytes());
        out.extend((values.len() as u64).to_le_bytes());
        values.iter().for_each(|v| text(out, v));
        self
    }

    pub fn i32s(&mut self, key: &str, values: &[i32]) -> &mut Self {
        let out = self.key(key, 9);
        out.extend(5u32.to_le_bytes());
        out.extend((values.len() as u64).to_le_bytes());
        values.iter().for_each(|v| out.extend(v.to_le_bytes()));
        self
    }

    pub fn tensor(
        &mut self,
        name: &str,
        dims: &[usize],
        values: Vec<f32>,
        kind: GgmlDType,
    ) -> &mut Self {
        let (kind, bytes) = match kind {
            GgmlDType::F32 => (0, values.iter().flat_map(|v| v.to_le_bytes()).collect()),
            GgmlDType::Q4_1 | GgmlDType::Q8_0 => {
                let tensor = Tensor::from_vec(values, dims, &Device::Cpu).unwrap();
                let blocks = QTensor::quantize(&tensor, kind).unwrap().data().unwrap().into_owned();
                (if kind == GgmlDType::Q4_1 { 3 } else { 8 }, blocks)
            }
            kind => panic!("no test writes {kind:?}"),
        };
        self.tensors.push((name.to_owned(), dims.to_vec(), kind, bytes));
        self
    }

    pub fn finish(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(3u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend(self.entries.to_le_bytes());
        out.extend(&self.metadata);
        let mut offset = 0u64;
        for (name, dims, kind, bytes) in &self.tensors {
            text(&mut out, name);
            out.extend((dims.len() as u32).to_le_bytes());
            dims.iter().rev().for_each(|d| out.extend((*d as u64).to_le_bytes()));
            out.extend(kind.to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset = (offset + bytes.len() as u64).next_multiple_of(32);
        }
        for (_, _, _, bytes) in &self.tensors {
            out.resize(out.len().next_multiple_of(32), 0);
            out.extend(bytes);
        }
        out
    }
}

pub const CHAT_TEMPLATE: &str = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// A whole GGUF model of [`tiny_config`]'s shape: three control tokens, the 256 bytes, merges for
/// " the" and "an"; query and key rows permuted as llama.cpp's converter permutes them.
pub fn tiny_gguf(weights: &Weights) -> Vec<u8> {
    gguf_of(&tiny_config(), weights, |_| GgmlDType::F32)
}

/// As [`tiny_gguf`], of another shape and with matrices of the kind that `kind` says for a name.
pub fn gguf_of(cfg: &LlamaConfig, weights: &Weights, kind: impl Fn(&str) -> GgmlDType) -> Vec<u8> {
    let space = byte_char(b' ');
    let mut vocab: Vec<String> =
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>"].map(str::to_owned).to_vec();
    vocab.extend((0..=255u8).map(|b| byte_char(b).to_string()));
    vocab.extend(["an".to_owned(), "th".to_owned(), format!("{space}th"), format!("{space}the")]);
    let merges: Vec<String> =
        vec!["a n".to_owned(), "t h".to_owned(), format!("{space} th"), format!("{space}th e")];
    let kinds: Vec<i32> = (0..vocab.len()).map(|i| if i < 3 { 3 } else { 1 }).collect();
    let mut w = GgufWriter::default();
    w.str("general.architecture", "llama")
        .u32("llama.block_count", cfg.layers as u32)
        .u32("llama.context_length", cfg.max_positions as u32)
        .u32("llama.embedding_length", cfg.hidden as u32)
        .u32("llama.feed_forward_length", cfg.intermediate as u32)
        .u32("llama.attention.head_count", cfg.heads as u32)
        .u32("llama.attention.head_count_kv", cfg.kv_heads as u32)
        .u32("llama.attention.key_length", cfg.head_dim as u32)
        .u32("llama.rope.dimension_count", cfg.head_dim as u32)
        .f32("llama.rope.freq_base", cfg.rope_theta as f32)
        .f32("llama.attention.layer_norm_rms_epsilon", cfg.rms_eps as f32)
        .str("tokenizer.ggml.model", "gpt2")
        .str("tokenizer.ggml.pre", "smollm")
        .strings("tokenizer.ggml.tokens", &vocab)
        .i32s("tokenizer.ggml.token_type", &kinds)
        .strings("tokenizer.ggml.merges", &merges)
        .u32("tokenizer.ggml.bos_token_id", 1)
        .u32("tokenizer.ggml.eos_token_id", 2)
        .bool("tokenizer.ggml.add_bos_token", false)
        .str("tokenizer.chat_template", CHAT_TEMPLATE);
    for (name, tensor) in weights.named() {
        let values: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
        let (gguf, heads) = gguf_name(cfg, &name);
        let values = match heads {
            Some(heads) => permute(&values, heads, tensor.dims()[0], tensor.dims()[1]),
            None => values,
        };
        w.tensor(&gguf, tensor.dims(), values, kind(&gguf));
    }
    w.finish()
}

fn gguf_name(cfg: &LlamaConfig, hf: &str) -> (String, Option<usize>) {
    let table = [
        ("model.embed_tokens.", "token_embd.", None),
        ("model.norm.", "output_norm.", None),
        ("input_layernorm.", "attn_norm.", None),
        ("self_attn.q_proj.", "attn_q.", Some(cfg.heads)),
        ("self_attn.k_proj.", "attn_k.", Some(cfg.kv_heads)),
        ("self_attn.v_proj.", "attn_v.", None),
        ("self_attn.o_proj.", "attn_output.", None),
        ("post_attention_layernorm.", "ffn_norm.", None),
        ("mlp.gate_proj.", "ffn_gate.", None),
        ("mlp.up_proj.", "ffn_up.", None),
        ("mlp.down_proj.", "ffn_down.", None),
    ];
    let (from, to, heads) = table.into_iter().find(|(from, _, _)| hf.contains(from)).unwrap();
    (hf.replace("model.layers.", "blk.").replace(from, to), heads)
}

/// Row `h·d + i` of a head goes to `2i` (first half) or `2(i - d/2) + 1` (second half).
fn permute(values: &[f32], heads: usize, rows: usize, cols: usize) -> Vec<f32> {
    let (d, mut out) = (rows / heads, vec![0.0; values.len()]);
    for h in 0..heads {
        for i in 0..d {
            let to = if i < d / 2 { 2 * i } else { 2 * (i - d / 2) + 1 };
            let (from, to) = ((h * d + i) * cols, (h * d + to) * cols);
            out[to..to + cols].copy_from_slice(&values[from..from + cols]);
        }
    }
    out
}
