//! Reading a tokenizer: from a GGUF file's metadata, or from a Hugging Face folder.
//!
//! ```text
//! GGUF metadata ───────────► a tokenizer.json, made ─┐
//! tokenizer.json, configs ─► a tokenizer.json, read ─┴─► build ─► Tokenizer
//! ```

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::Tokenizer;
use crate::chat::ChatTemplate;
use crate::error::{ModelError, Result};
use crate::gguf::Gguf;

/// GGUF token types that are control or user-defined tokens, matched whole in a text.
const GGUF_CONTROL: i64 = 3;
const GGUF_USER_DEFINED: i64 = 4;
/// Names under which families end a turn or a text. A model may stop with any that it has.
const END_TOKEN_NAMES: [&str; 7] = [
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "<|eom_id|>",
    "<|end|>",
    "</s>",
];
/// Domain of the tokenizer's fingerprint.
const FINGERPRINT_CONTEXT: &str = "lode/tokenizer/v1";

#[derive(Default)]
struct Parts {
    bos: Option<u32>,
    eos: Option<u32>,
    pad: Option<u32>,
    unk: Option<u32>,
    extra_ends: Vec<u32>,
    add_bos: bool,
    chat_template: Option<String>,
}

/// GPT-2's splitting of bytes into printable characters:
/// <https://github.com/openai/gpt-2/blob/master/src/encoder.py>, `bytes_to_unicode`.
fn byte_to_char() -> [char; 256] {
    let mut table = ['\0'; 256];
    let mut next = 256u32;
    for b in 0..=255u8 {
        let printable = matches!(b, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
        table[usize::from(b)] = if printable {
            char::from(b)
        } else {
            let c = char::from_u32(next).unwrap_or('\0');
            next += 1;
            c
        };
    }
    table
}

/// The `pre_tokenizer` section for a GGUF `tokenizer.ggml.pre`, and whether whole words that are
/// tokens skip the merges.
fn pre_tokenizer(pre: &str) -> Result<(Json, bool)> {
    let byte_level = |use_regex: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex});
    let split = |regex: &str| {
        json!({"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": false},
            byte_level(false),
        ]})
    };
    Ok(match pre {
        "gpt-2" => (byte_level(true), false),
        "smollm" => (
            json!({"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true}, byte_level(true)]}),
            false,
        ),
        "llama-bpe" | "llama3" | "llama-v3" => (
            split(
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            ),
            true,
        ),
        other => {
            return Err(ModelError::Unsupported(format!(
                "the GGUF pre-tokenizer `{other}`; known are gpt-2, smollm and llama-bpe; use the model's HF folder, which carries its own tokenizer.json"
            )));
        }
    })
}

impl Tokenizer {
    /// Builds the tokenizer that a GGUF file describes (`tokenizer.ggml.model` = `gpt2`).
    pub fn from_gguf(gguf: &Gguf) -> Result<Self> {
        let model = gguf.str("tokenizer.ggml.model").unwrap_or("(none)");
        if model != "gpt2" {
            return Err(ModelError::Unsupported(format!(
                "the GGUF tokenizer `{model}`; only byte-level BPE (`gpt2`) can be used"
            )));
        }
        let need = |key: &str| {
            ModelError::malformed(
                "GGUF",
                gguf.path(),
                format!("`{key}` is missing or not a list of strings"),
            )
        };
        let tokens =
            gguf.strings("tokenizer.ggml.tokens").ok_or_else(|| need("tokenizer.ggml.tokens"))?;
        let merges =
            gguf.strings("tokenizer.ggml.merges").ok_or_else(|| need("tokenizer.ggml.merges"))?;
        let types = gguf.integers("tokenizer.ggml.token_type").unwrap_or_default();
        let (pre, ignore_merges) =
            pre_tokenizer(gguf.str("tokenizer.ggml.pre").unwrap_or("gpt-2"))?;

        let vocab: serde_json::Map<String, Json> =
            tokens.iter().enumerate().map(|(id, t)| ((*t).to_owned(), json!(id))).collect();
        if vocab.len() != tokens.len() {
            return Err(ModelError::malformed(
                "GGUF",
                gguf.path(),
                "the vocabulary holds the same token twice",
            ));
        }
        let added: Vec<Json> = tokens
            .iter()
            .enumerate()
            .filter_map(|(id, t)| {
                let kind = types.get(id).copied().unwrap_or(1);
                (kind == GGUF_CONTROL || kind == GGUF_USER_DEFINED).then(|| {
                    json!({"id": id, "content": t, "single_word": false, "lstrip": false, "rstrip": false,
                           "normalized": false, "special": kind == GGUF_CONTROL})
                })
            })
            .collect();
        let json = json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": added,
            "normalizer": null,
            "pre_tokenizer": pre,
            "post_processor": null,
            "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
            "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                      "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
                      "ignore_merges": ignore_merges, "vocab": vocab, "merges": merges},
        });
        let id = |key: &str| gguf.usize(key).and_then(|v| u32::try_from(v).ok());
        Self::build(
            json,
            Parts {
                bos: id("tokenizer.ggml.bos_token_id"),
                eos: id("tokenizer.ggml.eos_token_id"),
                pad: id("tokenizer.ggml.padding_token_id"),
                unk: id("tokenizer.ggml.unknown_token_id"),
                extra_ends: ["tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"]
                    .iter()
                    .filter_map(|k| id(k))
                    .collect(),
                add_bos: gguf.bool("tokenizer.ggml.add_bos_token").unwrap_or(false),
                chat_template: gguf.str("tokenizer.chat_template").map(str::to_owned),
            },
        )
    }

    /// Reads `tokenizer.json` with what `tokenizer_config.json`, `chat_template.jinja` and
    /// `generation_config.json` add to it, where they exist.
    pub fn from_hf_dir(dir: &Path) -> Result<Self> {
        let path = dir.join("tokenizer.json");
        let text = std::fs::read_to_string(&path).map_err(|e| ModelError::io("read", &path, e))?;
        let json: Json = serde_json::from_str(&text)
            .map_err(|e| ModelError::malformed("tokenizer.json", &path, e.to_string()))?;
        let config = optional_json(&dir.join("tokenizer_config.json"))?;
        let generation = optional_json(&dir.join("generation_config.json"))?;
        let model = optional_json(&dir.join("config.json"))?;
        let id_of = |content: &str| {
            let in_added = json["added_tokens"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|t| t["content"] == content)
                .and_then(|t| t["id"].as_u64());
            in_added
                .or_else(|| json["model"]["vocab"][content].as_u64())
                .and_then(|v| u32::try_from(v).ok())
        };
        // tokenizer_config.json writes a token as its text or as an object with `content`.
        let named = |key: &str| {
            config[key].as_str().or_else(|| config[key]["content"].as_str()).and_then(id_of)
        };
        let from_model = |key: &str| model[key].as_u64().and_then(|v| u32::try_from(v).ok());
        let mut extra_ends = Vec::new();
        match &generation["eos_token_id"] {
            Json::Array(ids) => extra_ends.extend(ids.iter().filter_map(Json::as_u64)),
            other => extra_ends.extend(other.as_u64()),
        }
        let template_file = dir.join("chat_template.jinja");
        let chat_template = if template_file.exists() {
            Some(
                std::fs::read_to_string(&template_file)
                    .map_err(|e| ModelError::io("read", &template_file, e))?,
            )
        } else {
            config["chat_template"].as_str().map(str::to_owned)
        };
        let parts = Parts {
            bos: named("bos_token").or_else(|| from_model("bos_token_id")),
            eos: named("eos_token").or_else(|| from_model("eos_token_id")),
            pad: named("pad_token").or_else(|| from_model("pad_token_id")),
            unk: named("unk_token"),
            extra_ends: extra_ends.into_iter().filter_map(|v| u32::try_from(v).ok()).collect(),
            add_bos: config["add_bos_token"].as_bool().unwrap_or(false),
            chat_template,
        };
        Self::build(json, parts)
    }

    fn build(json: Json, parts: Parts) -> Result<Self> {
        let fail = |e: &dyn std::fmt::Display| ModelError::Tokenizer(e.to_string());
        if json["model"]["type"] != "BPE" || json["decoder"]["type"] != "ByteLevel" {
            return Err(ModelError::Unsupported("the tokenizer is not byte-level BPE".into()));
        }
        let text = serde_json::to_string(&json).map_err(|e| fail(&e))?;
        let mut parse: tokenizers::Tokenizer =
            tokenizers::Tokenizer::from_bytes(text.as_bytes()).map_err(|e| fail(&e))?;
        // Special tokens are added by us, at most one BOS; a post-processor would add more.
        parse.with_post_processor(None::<tokenizers::PostProcessorWrapper>);
        let mut as_text = parse.clone();
        as_text.set_encode_special_tokens(true);

        let chars = byte_to_char();
        let byte_of: HashMap<char, u8> = (0..=255u8).map(|b| (chars[usize::from(b)], b)).collect();
        let added = parse.get_added_tokens_decoder();
        let vocab = parse.get_vocab(true);
        let size = vocab.values().max().map_or(0, |m| *m as usize + 1);
        if size > vocab.len().saturating_mul(2) + 1024 {
            return Err(ModelError::Tokenizer(format!(
                "{} tokens are numbered up to {size}; the numbering has holes",
                vocab.len()
            )));
        }
        let mut token_bytes: Vec<Box<[u8]>> = vec![Box::default(); size];
        let mut special = vec![false; size];
        let mut byte_known = [false; 256];
        for (token, id) in &vocab {
            let i = *id as usize;
            if let Some(a) = added.get(id) {
                special[i] = a.special;
                token_bytes[i] = a.content.as_bytes().into();
                continue;
            }
            let bytes: Option<Vec<u8>> = token.chars().map(|c| byte_of.get(&c).copied()).collect();
            let bytes = bytes.ok_or_else(|| {
                ModelError::Tokenizer(format!("token {id} `{token}` is not byte-level text"))
            })?;
            if let [b] = bytes[..] {
                byte_known[usize::from(b)] = true;
            }
            token_bytes[i] = bytes.into();
        }
        let checked = |id: Option<u32>| id.filter(|id| (*id as usize) < size);
        let mut end_tokens: Vec<u32> =
            checked(parts.eos).into_iter().chain(parts.extra_ends).collect();
        end_tokens.extend(
            END_TOKEN_NAMES
                .iter()
                .filter_map(|name| parse.token_to_id(name))
                .filter(|id| special[*id as usize]),
        );
        end_tokens.retain(|id| (*id as usize) < size);
        end_tokens.sort_unstable();
        end_tokens.dedup();
        let chat_template = parts.chat_template.map(ChatTemplate::new).transpose()?;
        let mut hasher = blake3::Hasher::new_derive_key(FINGERPRINT_CONTEXT);
        hash_json(&json, &mut hasher);
        Ok(Self {
            bos: checked(parts.bos),
            eos: checked(parts.eos),
            pad: checked(parts.pad),
            unk: checked(parts.unk),
            add_bos: parts.add_bos,
            end_tokens,
            chat_template,
            parse,
            as_text,
            json: text,
            fingerprint: *hasher.finalize().as_bytes(),
            token_bytes,
            special,
            byte_known,
        })
    }
}

/// Feeds a JSON value in one canonical form: a type letter, a length, then the contents, object
/// keys sorted.
fn hash_json(value: &Json, hasher: &mut blake3::Hasher) {
    let mut tagged = |tag: u8, len: usize, bytes: &[u8]| {
        hasher.update(&[tag]);
        hasher.update(&(len as u64).to_le_bytes());
        hasher.update(bytes);
    };
    match value {
        Json::Null => tagged(b'n', 0, &[]),
        Json::Bool(b) => tagged(b'b', 1, &[u8::from(*b)]),
        Json::Number(n) => tagged(b'd', n.to_string().len(), n.to_string().as_bytes()),
        Json::String(s) => tagged(b's', s.len(), s.as_bytes()),
        Json::Array(items) => {
            tagged(b'a', items.len(), &[]);
            items.iter().for_each(|item| hash_json(item, hasher));
        }
        Json::Object(map) => {
            tagged(b'o', map.len(), &[]);
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_unstable();
            for key in keys {
                hasher.update(&(key.len() as u64).to_le_bytes());
                hasher.update(key.as_bytes());
                hash_json(&map[key], hasher);
            }
        }
    }
}

fn optional_json(path: &Path) -> Result<Json> {
    match std::fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text)
            .map_err(|e| ModelError::malformed("JSON", path, e.to_string())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Json::Null),
        Err(e) => Err(ModelError::io("read", path, e)),
    }
}
