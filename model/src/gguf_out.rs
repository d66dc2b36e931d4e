//! Writes a GGUF file for miners: our weights, quantised, with the metadata of the file that they came from.
//!
//! Tokenizer, chat template and shape are copied entry by entry from that file, so that whoever reads the new
//! file reads them as it read the old one. Matrices are quantised where their rows are whole blocks; norms
//! stay f32.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use candle_core::quantized::gguf_file::{self, Content, Value};
use candle_core::quantized::{GgmlDType, QTensor};

use crate::Model;
use crate::error::{ModelError, Result};
use crate::export::write_atomically_with;
use crate::weights::{gguf_name, permute};

/// How matrices are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantisation {
    /// Eight bits and a scale for each 32 numbers.
    Q8_0,
    /// Four bits and a scale for each 32 numbers.
    Q4_0,
    /// Not quantised.
    F32,
}

impl Quantisation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Q8_0, Self::Q4_0, Self::F32];

    /// Its usual name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Q8_0 => "Q8_0",
            Self::Q4_0 => "Q4_0",
            Self::F32 => "F32",
        }
    }

    fn dtype(self) -> GgmlDType {
        match self {
            Self::Q8_0 => GgmlDType::Q8_0,
            Self::Q4_0 => GgmlDType::Q4_0,
            Self::F32 => GgmlDType::F32,
        }
    }

    /// llama.cpp's number for a file that is mostly of this kind (`general.file_type`).
    fn file_type(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::Q4_0 => 2,
            Self::Q8_0 => 7,
        }
    }
}

/// Version of the quantised formats (`general.quantization_version`).
const QUANTISATION_VERSION: u32 = 2;
/// Entries that are about how the old file was stored.
const STORAGE: [&str; 3] =
    ["general.alignment", "general.file_type", "general.quantization_version"];

/// Writes `model` to `out`. `like` is the GGUF file that it was loaded from before its weights changed.
///
/// # Errors
/// [`ModelError`] where `like` is no GGUF file, or cannot be read, or `out` cannot be written.
pub fn export_gguf(
    model: &Model,
    like: &Path,
    quantisation: Quantisation,
    out: &Path,
) -> Result<()> {
    let file = File::open(like).map_err(|e| ModelError::io("read", like, e))?;
    let Content { metadata, .. } = Content::read(&mut BufReader::new(file)).map_err(|e| {
        let advice = "the tokenizer is copied from the base, which has to be a GGUF file";
        ModelError::malformed("GGUF", like, format!("{advice}: {e}"))
    })?;
    let mut metadata: Vec<(String, Value)> =
        metadata.into_iter().filter(|(key, _)| !STORAGE.contains(&key.as_str())).collect();
    metadata.push((STORAGE[1].into(), Value::U32(quantisation.file_type())));
    metadata.push((STORAGE[2].into(), Value::U32(QUANTISATION_VERSION)));
    metadata.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut tensors = Vec::new();
    for (name, tensor) in model.weights.named() {
        let (name, heads) = gguf_name(&model.config, &name)?;
        let tensor = heads.map_or_else(|| Ok(tensor.clone()), |heads| permute(tensor, heads))?;
        let whole = |columns: &usize| columns.is_multiple_of(quantisation.dtype().block_size());
        let matrix = tensor.dims().len() == 2 && tensor.dims().last().is_some_and(whole);
        let dtype = if matrix { quantisation.dtype() } else { GgmlDType::F32 };
        tensors.push((name, QTensor::quantize(&tensor, dtype)?));
    }
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(k, v)| (k.as_str(), v)).collect();
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(k, v)| (k.as_str(), v)).collect();
    write_atomically_with(out, |file| Ok(gguf_file::write(file, &metadata, &tensors)?))
}
