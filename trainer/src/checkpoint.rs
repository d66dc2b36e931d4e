//! Checkpoints: everything that a resumed run needs to equal an uninterrupted one, bit for bit.
//!
//! `checkpoints/step-00000010/` holds `state.safetensors` (master weights, both moments, reference
//! log-probabilities: whatever must come back bit for bit) and `state.json` (step, position in the
//! data, the hash of the first file, and a fingerprint of the run). A checkpoint is written under a temporary name, synced
//! and renamed, so a folder with the right name is whole.

use std::fs::File;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use lode_model::{write_json, write_safetensors};
use serde::{Deserialize, Serialize};

use crate::error::{Result, TrainError};
use crate::loss::LogProbs;
use crate::optim::Slot;
use crate::trainer::SelfTests;

const PREFIX: &str = "step-";
const STATE: &str = "state.json";
const TENSORS: &str = "state.safetensors";
const REFERENCE: &str = "reference";

/// The part of a checkpoint that is not tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Hash of settings, model, tokenizer and data: only the same run may go on from here.
    pub run: String,
    /// Optimiser steps taken.
    pub step: u64,
    /// Pairs handed out by the sampler.
    pub consumed: u64,
    /// Tokens that went through the forward.
    pub num_tokens: u64,
    /// Reference log-probabilities of each pair, in the order of the data. In the tensor file,
    /// because decimal numbers in JSON may come back with another last bit.
    #[serde(skip)]
    pub reference: Vec<LogProbs>,
    /// What the self-tests of the first steps found.
    pub self_tests: SelfTests,
    /// BLAKE3 of the tensor file, hexadecimal.
    pub tensors_blake3: String,
}

/// The checkpoints of a run, oldest first.
pub fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(TrainError::io("list", dir, e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| TrainError::io("list", dir, e))?.path();
        let step = path.file_name().and_then(|n| n.to_str()?.strip_prefix(PREFIX)?.parse().ok());
        if let Some(step) = step {
            found.push((step, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Saves a checkpoint and removes all but the newest `keep`.
pub fn save(dir: &Path, state: &State, slots: &[Slot], keep: usize) -> Result<PathBuf> {
    let name = format!("{PREFIX}{:08}", state.step);
    let (partial, path) = (dir.join(format!(".{name}.partial")), dir.join(name));
    if partial.exists() {
        std::fs::remove_dir_all(&partial).map_err(|e| TrainError::io("clear", &partial, e))?;
    }
    std::fs::create_dir_all(&partial).map_err(|e| TrainError::io("create", &partial, e))?;
    let mut tensors = Vec::with_capacity(slots.len() * 3);
    for slot in slots {
        for (part, values) in [("master", &slot.master), ("m", &slot.m), ("v", &slot.v)] {
            let tensor = Tensor::from_slice(values, slot.shape.as_slice(), &Device::Cpu)?;
            tensors.push((format!("{part}.{}", slot.name), tensor));
        }
    }
    let reference: Vec<f64> = state.reference.iter().flat_map(|r| [r.chosen, r.rejected]).collect();
    let pairs = state.reference.len();
    tensors.push((REFERENCE.to_owned(), Tensor::from_vec(reference, (pairs, 2), &Device::Cpu)?));
    let file = partial.join(TENSORS);
    write_safetensors(&file, &tensors)?;
    let bytes = std::fs::read(&file).map_err(|e| TrainError::io("read", &file, e))?;
    let state =
        State { tensors_blake3: blake3::hash(&bytes).to_hex().to_string(), ..state.clone() };
    let json = serde_json::to_value(&state)
        .map_err(|e| TrainError::Checkpoint { path: path.clone(), reason: e.to_string() })?;
    write_json(&partial.join(STATE), &json)?;
    sync(&partial)?;
    if path.exists() {
        std::fs::remove_dir_all(&path).map_err(|e| TrainError::io("replace", &path, e))?;
    }
    std::fs::rename(&partial, &path).map_err(|e| TrainError::io("rename", &path, e))?;
    sync(dir)?;
    let all = list(dir)?;
    for (_, old) in all.iter().rev().skip(keep.max(1)) {
        std::fs::remove_dir_all(old).map_err(|e| TrainError::io("remove", old, e))?;
    }
    Ok(path)
}

fn sync(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|f| f.sync_all()).map_err(|e| TrainError::io("sync", dir, e))
}

/// Reads a checkpoint.
pub fn load(path: &Path) -> Result<(State, Vec<Slot>)> {
    let bad = |reason: String| TrainError::Checkpoint { path: path.to_path_buf(), reason };
    let read = |name: &str| {
        let file = path.join(name);
        std::fs::read(&file).map_err(|e| TrainError::io("read", &file, e))
    };
    let mut state: State =
        serde_json::from_slice(&read(STATE)?).map_err(|e| bad(format!("{STATE}: {e}")))?;
    let bytes = read(TENSORS)?;
    if blake3::hash(&bytes).to_hex().to_string() != state.tensors_blake3 {
        return Err(bad(format!("{TENSORS} is not the file that {STATE} describes")));
    }
    let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)
        .map_err(|e| bad(e.to_string()))?;
    let reference =
        tensors.get(REFERENCE).ok_or_else(|| bad(format!("`{REFERENCE}` is missing")))?;
    state.reference = reference
        .to_vec2::<f64>()?
        .iter()
        .filter_map(|row| Some(LogProbs { chosen: *row.first()?, rejected: *row.get(1)? }))
        .collect();
    let values = |part: &str, name: &str| -> Result<Vec<f32>> {
        let tensor = tensors
            .get(&format!("{part}.{name}"))
            .ok_or_else(|| bad(format!("`{part}.{name}` is missing")))?;
        Ok(tensor.flatten_all()?.to_vec1()?)
    };
    let mut slots = Vec::new();
    let mut names: Vec<&str> = tensors.keys().filter_map(|k| k.strip_prefix("master.")).collect();
    names.sort_unstable();
    for name in names {
        let shape = tensors[&format!("master.{name}")].dims().to_vec();
        slots.push(Slot {
            name: name.to_owned(),
            shape,
            master: values("master", name)?,
            m: values("m", name)?,
            v: values("v", name)?,
        });
    }
    Ok((state, slots))
}
