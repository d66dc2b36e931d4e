//! The model file: there, whole, the pinned one, and small enough for the memory.

use std::path::PathBuf;

use lode_engine::{
    HeaderError, ModelHeader, NATIVE_BYTES_PER_WEIGHT,
    store::{ModelFile, StoreError},
};

use super::{
    finding::{Check, Finding, bytes},
    terms::Terms,
};
use crate::config::EngineKind;

/// What was found of the model file.
#[derive(Debug)]
pub struct ModelFacts {
    /// Where it should be.
    pub path: PathBuf,
    /// Its header, or why there is none.
    pub header: Result<ModelHeader, ModelFault>,
    /// The file with its hash; read only where the header is sound.
    pub file: Option<Result<ModelFile, StoreError>>,
}

/// Why there is no header.
#[derive(Debug)]
pub enum ModelFault {
    /// There is no such file, or no such name.
    Missing(StoreError),
    /// What is there is no whole model.
    Header(HeaderError),
}

/// Judges whether the file is there and whole.
#[must_use]
pub fn judge_file(facts: &ModelFacts) -> Finding {
    let path = facts.path.display();
    match &facts.header {
        Ok(header) => Finding::ok(
            Check::Model,
            format!(
                "{path}: {} with {} million weights",
                bytes(header.file_bytes),
                header.weights / 1_000_000
            ),
        ),
        Err(ModelFault::Missing(error)) => {
            Finding::failure(Check::Model, "model-missing", error.to_string())
                .expected("a model that was pulled, or the path of a GGUF file")
                .advice("Run `lode model pull NAME`, or set engine.model")
        }
        Err(ModelFault::Header(HeaderError::CutShort { size, needed })) => {
            Finding::failure(Check::Model, "model-cut-short", format!("{path} has {size} bytes"))
                .expected(format!("at least {needed}, which its header speaks of"))
                .advice("The download was broken off: remove the file and fetch it again")
        }
        Err(ModelFault::Header(error)) => {
            Finding::failure(Check::Model, "model-unusable", format!("{path}: {error}"))
                .expected("a GGUF file of a llama")
                .advice("Choose another model; `lode model pull smollm2-135m` has one that works")
        }
    }
}

/// Judges its hash.
#[must_use]
pub fn judge_hash(facts: &ModelFacts) -> Finding {
    match &facts.file {
        None => Finding::not_tried(Check::Hash, "the model file is not whole"),
        Some(Ok(file)) => match file.known {
            Some(known) => Finding::ok(
                Check::Hash,
                format!("BLAKE3 {}, as pinned for {}", file.hash, known.name),
            ),
            None => Finding::ok(
                Check::Hash,
                format!(
                    "BLAKE3 {}; no known model, so there is none to compare it with",
                    file.hash
                ),
            ),
        },
        Some(Err(StoreError::WrongHash { path, name, got, expected, .. })) => Finding::failure(
            Check::Hash,
            "model-hash",
            format!("{} has BLAKE3 {got}", path.display()),
        )
        .expected(format!("{expected}, pinned for {name}"))
        .advice(format!(
            "It is damaged or another model: remove it and run `lode model pull {name}`"
        )),
        Some(Err(error)) => Finding::failure(Check::Hash, "model-unreadable", error.to_string())
            .expected("a file that can be read")
            .advice("Check its permissions and the disk"),
    }
}

/// Memory that may be used, bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryFacts {
    /// Free or can be freed.
    pub available: u64,
    /// Where the figure is from.
    pub from: String,
}

/// Bytes that one number of the cache takes; both in-process engines keep it in f32.
const CACHE_BYTES: u64 = 4;
/// What an engine takes besides weights and cache: tokenizer, grammars, activations, program. With
/// SmolLM2-135M the native engine took 180 MiB, mistral.rs 430 MiB.
const ENGINE_BYTES: u64 = 448 << 20;
/// Beyond this share of what is there, in hundredths, other programs are squeezed out.
const TIGHT: u64 = 85;

/// Memory for a model at work, bytes: weights, and the cache of one group.
#[must_use]
pub fn needed(kind: EngineKind, header: &ModelHeader, terms: &Terms) -> u64 {
    let weights = match kind {
        EngineKind::Native => header.weights.saturating_mul(NATIVE_BYTES_PER_WEIGHT),
        // It keeps them as the file has them; `auto` leaves out the native one where that is too
        // large.
        EngineKind::Mistralrs | EngineKind::Auto => header.file_bytes,
        EngineKind::Openai => return 0,
    };
    let rows = match kind {
        EngineKind::Native => u64::from(terms.group_size),
        // One attempt after the other.
        _ => 1,
    };
    let tokens = rows
        .saturating_mul(u64::from(terms.max_completion_tokens))
        .saturating_add(terms.prompt_tokens);
    let cache = header.cache_per_token.saturating_mul(CACHE_BYTES).saturating_mul(tokens);
    weights.saturating_add(cache).saturating_add(ENGINE_BYTES)
}

/// Judges the need against what there is.
#[must_use]
pub fn judge_memory(needed: u64, facts: &MemoryFacts, terms: &Terms) -> Finding {
    let need = format!(
        "{} needed for weights and a group of {} at {}",
        bytes(needed),
        terms.group_size,
        terms.profile
    );
    let there = format!("{} ({})", bytes(facts.available), facts.from);
    if needed > facts.available {
        return Finding::failure(Check::Memory, "model-too-big", need)
            .expected(format!("at most {there}"))
            .advice("Choose a smaller model or quantisation, end other programs, or add memory");
    }
    if u128::from(needed) * 100 > u128::from(facts.available) * u128::from(TIGHT) {
        return Finding::warning(Check::Memory, "memory-tight", need)
            .expected(format!("at most {TIGHT} % of {there}"))
            .advice("It fits while nothing else runs; a smaller model leaves room");
    }
    Finding::ok(Check::Memory, format!("{need}, of {there}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: ModelHeader = ModelHeader {
        file_bytes: 98_362_432,
        weights: 134_515_008,
        cache_per_token: 2 * 30 * 192,
        context_tokens: 8_192,
    };

    fn facts(header: Result<ModelHeader, ModelFault>) -> ModelFacts {
        ModelFacts { path: "m.gguf".into(), header, file: None }
    }

    #[test]
    fn what_is_wrong_with_a_file_has_a_name() {
        assert_eq!(judge_file(&facts(Ok(SMALL))).fault, None);
        let cut = HeaderError::CutShort { size: 10, needed: 11 };
        let found = judge_file(&facts(Err(ModelFault::Header(cut))));
        assert_eq!(found.fault, Some("model-cut-short"));
        let bad = HeaderError::Unusable("not a GGUF".into());
        let found = judge_file(&facts(Err(ModelFault::Header(bad))));
        assert_eq!(found.fault, Some("model-unusable"));
        let missing = StoreError::NotPulled { name: "smollm2-135m" };
        let found = judge_file(&facts(Err(ModelFault::Missing(missing))));
        assert_eq!(found.fault, Some("model-missing"));
        assert!(found.measured.contains("lode model pull smollm2-135m"), "{found}");
    }

    #[test]
    fn memory_is_weights_cache_and_the_rest() {
        let terms = Terms::default();
        let native = needed(EngineKind::Native, &SMALL, &terms);
        // 8 attempts of 128 tokens behind a prompt, 46,080 bytes a token.
        let cache = (8 * 128 + terms.prompt_tokens) * 46_080;
        assert_eq!(native, 134_515_008 * NATIVE_BYTES_PER_WEIGHT + cache + ENGINE_BYTES);
        assert!(needed(EngineKind::Mistralrs, &SMALL, &terms) < native);
        assert_eq!(needed(EngineKind::Openai, &SMALL, &terms), 0);
        let huge = ModelHeader { weights: u64::MAX, ..SMALL };
        assert_eq!(needed(EngineKind::Native, &huge, &terms), u64::MAX);

        let judge = |available| {
            judge_memory(native, &MemoryFacts { available, from: "x".into() }, &terms).fault
        };
        assert_eq!(judge(native * 2), None);
        assert_eq!(judge(native), Some("memory-tight"));
        assert_eq!(judge(native - 1), Some("model-too-big"));
    }
}
