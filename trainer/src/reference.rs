//! Reference log-probabilities kept between runs.
//!
//! A run over the same base and the same pairs needs the same reference, whatever its loss, rate or adapter.
//! The file's name is a hash of base, tokenizer, pairs, packing and version; another processor may give other last
//! bits, so that a kept reference equals a computed one to within 1e-5, and bit for bit on the same machine. What is loaded is believed only after
//! one in a hundred of them, at least one, has been computed again.

use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use lode_model::{Model, write_safetensors};

use crate::data::DataReport;
use crate::error::{Result, TrainError};
use crate::loss::LogProbs;

/// Domain of the key; another number when the numbers are computed otherwise.
const CONTEXT: &str = "lode/dpo-reference/v1";
/// Name of the tensor in the file, `[pairs, 2]`, f64.
const TENSOR: &str = "reference";

/// The file in `folder` for this base and these pairs.
pub(crate) fn path(
    folder: &Path,
    model: &Model,
    report: &DataReport,
    pairs_a_sequence: usize,
) -> Result<PathBuf> {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(&model.weights.fingerprint()?);
    hasher.update(&model.tokenizer.fingerprint());
    hasher.update(report.hash.as_bytes());
    hasher.update(&(pairs_a_sequence as u64).to_le_bytes());
    hasher.update(format!("{:?} {}", model.llama().dtype(), env!("CARGO_PKG_VERSION")).as_bytes());
    let name = hasher.finalize().to_hex();
    Ok(folder.join(format!("reference-{}.safetensors", &name.as_str()[..32])))
}

/// What the file holds for so many pairs; `None` where there is no file.
pub(crate) fn load(path: &Path, pairs: usize) -> Result<Option<Vec<LogProbs>>> {
    let bad = |reason: String| TrainError::Reference { path: path.to_path_buf(), reason };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(TrainError::io("read", path, error)),
    };
    let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)
        .map_err(|error| bad(error.to_string()))?;
    let tensor = tensors.get(TENSOR).ok_or_else(|| bad(format!("`{TENSOR}` is missing")))?;
    if tensor.dims() != [pairs, 2] {
        return Err(bad(format!("it has the shape {:?}, not [{pairs}, 2]", tensor.dims())));
    }
    let rows = tensor.to_vec2::<f64>().map_err(|error| bad(error.to_string()))?;
    let found: Vec<LogProbs> = rows
        .iter()
        .filter_map(|row| Some(LogProbs { chosen: *row.first()?, rejected: *row.get(1)? }))
        .collect();
    if found.iter().any(|one| !one.chosen.is_finite() || !one.rejected.is_finite()) {
        return Err(bad("it holds what is no number".into()));
    }
    Ok(Some(found))
}

/// Makes the folder, and sees whether it can be written to: before hours of work, not after.
pub(crate) fn prepare(path: &Path) -> Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    std::fs::create_dir_all(folder).map_err(|e| TrainError::io("create", folder, e))?;
    let probe = path.with_extension(format!("{}.probe", std::process::id()));
    std::fs::write(&probe, [0; 1]).map_err(|e| TrainError::io("write", &probe, e))?;
    std::fs::remove_file(&probe).map_err(|e| TrainError::io("remove", &probe, e))
}

/// Writes the file, whole or not at all.
pub(crate) fn save(path: &Path, reference: &[LogProbs]) -> Result<()> {
    let values: Vec<f64> = reference.iter().flat_map(|r| [r.chosen, r.rejected]).collect();
    let tensor = Tensor::from_vec(values, (reference.len(), 2), &Device::Cpu)?;
    Ok(write_safetensors(path, &[(TENSOR.to_owned(), tensor)])?)
}
