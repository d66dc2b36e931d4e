//! Writing models in Hugging Face's layout, so that `transformers`, `peft` and TRL start from the
//! very weights that we train on.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use candle_core::Tensor;
use serde_json::{Value as Json, json};

use crate::Model;
use crate::error::{ModelError, Result};

/// Number of the next temporary file of this process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Writes bytes under a temporary name, syncs, and renames: readers see all of it or nothing.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomically_with(path, |file| {
        file.write_all(bytes).map_err(|e| ModelError::io("write", path, e))
    })
}

/// The same for what is too large to be held as bytes.
pub(crate) fn write_atomically_with(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<()>,
) -> Result<()> {
    let io = |e| ModelError::io("write", path, e);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    // Two writers of one file must not share it: the last to end wins.
    name.push(format!(".{}-{}.partial", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    let partial = path.with_file_name(name);
    let mut file = BufWriter::new(File::create(&partial).map_err(io)?);
    let written = write(&mut file).and_then(|()| {
        file.flush().map_err(io)?;
        file.get_ref().sync_all().map_err(io)?;
        std::fs::rename(&partial, path).map_err(io)
    });
    if written.is_err() {
        // What is left of it is of no use; the first error is the one to tell.
        let _ = std::fs::remove_file(&partial);
    }
    written
}

/// Writes pretty JSON with a final newline.
pub fn write_json(path: &Path, value: &Json) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|e| ModelError::malformed("JSON", path, e.to_string()))?;
    text.push('\n');
    write_atomically(path, text.as_bytes())
}

/// Writes tensors in their own dtype, with the metadata that `transformers` wants to see.
pub fn write_safetensors<S: AsRef<str> + Ord + std::fmt::Display>(
    path: &Path,
    tensors: &[(S, Tensor)],
) -> Result<()> {
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let views = tensors.iter().map(|(name, t)| (name.as_ref(), t));
    let bytes = safetensors::serialize(views, Some(metadata))
        .map_err(|e| ModelError::malformed("safetensors", path, e.to_string()))?;
    write_atomically(path, &bytes)
}

/// Writes an HF model folder: `config.json`, `generation_config.json`, `model.safetensors`,
/// `tokenizer.json`, `tokenizer_config.json`.
pub fn export_hf(model: &Model, dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(|e| ModelError::io("create", dir, e))?;
    let tokenizer = &model.tokenizer;
    write_json(
        &dir.join("config.json"),
        &model.config.to_hf_json(tokenizer.bos, tokenizer.eos, tokenizer.pad),
    )?;
    write_json(
        &dir.join("generation_config.json"),
        &json!({
            "_from_model_config": true,
            "bos_token_id": tokenizer.bos,
            "eos_token_id": tokenizer.end_tokens,
            "pad_token_id": tokenizer.pad,
        }),
    )?;
    write_atomically(&dir.join("tokenizer.json"), tokenizer.to_json().as_bytes())?;
    let text = |id| tokenizer.token_text(id);
    let mut config = json!({
        "add_bos_token": tokenizer.adds_bos(),
        "add_prefix_space": false,
        "bos_token": text(tokenizer.bos),
        "clean_up_tokenization_spaces": false,
        "eos_token": text(tokenizer.eos),
        "model_max_length": model.config.max_positions,
        "pad_token": text(tokenizer.pad),
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": text(tokenizer.unk),
    });
    if let Some(template) = &tokenizer.chat_template {
        config["chat_template"] = Json::from(template.source());
    }
    write_json(&dir.join("tokenizer_config.json"), &config)?;
    let tensors: Vec<(String, Tensor)> =
        model.weights.named().into_iter().map(|(n, t)| (n, t.clone())).collect();
    write_safetensors(&dir.join("model.safetensors"), &tensors)
}
