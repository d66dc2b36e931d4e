//! What a model file says of itself, from its header alone: enough to judge whether it is whole and
//! whether it fits a machine, before a byte of its weights is read.

use std::path::Path;

use lode_model::{Gguf, LlamaConfig, ModelError};

/// The header of a GGUF file of a llama.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelHeader {
    /// Size of the file, bytes.
    pub file_bytes: u64,
    /// Weights in its tensors.
    pub weights: u64,
    /// Keys and values of one token in all layers: numbers, not bytes.
    pub cache_per_token: u64,
    /// Most tokens that prompt and completion may have together.
    pub context_tokens: u64,
}

/// Why a header is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The file ends before what its header promises.
    #[error("it has {size} bytes, its header speaks of at least {needed}")]
    CutShort {
        /// Bytes it has.
        size: u64,
        /// Bytes that it must have, as far as was read.
        needed: u64,
    },
    /// It cannot be read, or is no model that this build runs.
    #[error("{0}")]
    Unusable(String),
}

impl From<ModelError> for HeaderError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::CutShort { size, needed, .. } => Self::CutShort { size, needed },
            other => Self::Unusable(other.to_string()),
        }
    }
}

impl ModelHeader {
    /// Reads the header of a GGUF file.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn read(path: &Path) -> Result<Self, HeaderError> {
        let gguf = Gguf::open(path)?;
        let config = LlamaConfig::from_gguf(&gguf)?;
        let size = std::fs::metadata(path).map_err(|e| HeaderError::Unusable(e.to_string()))?;
        let cache = (2 * config.layers as u64).saturating_mul(config.kv_width() as u64);
        Ok(Self {
            file_bytes: size.len(),
            weights: gguf.elements(),
            cache_per_token: cache,
            context_tokens: config.max_positions as u64,
        })
    }
}
