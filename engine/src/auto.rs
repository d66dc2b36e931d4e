//! `engine.kind = "auto"`: the faster of the in-process engines, measured once a model and machine.
//!
//! ```text
//! ModelFile ─► kept choice of the same Key? ─► load that one
//!                  └ no ─► time a group on each ─► decide ─► keep it beside the model
//! ```
//!
//! A choice is kept with everything that it depends on: the model, the engines' versions, the
//! processor and the threads. Where any of them is another one, both are measured again.

use std::{fs, io::Write, path::PathBuf, sync::Arc};

use lode_model::{Gguf, Tokenizer};
use lode_proto::id::Hash;
use serde::{Deserialize, Serialize};

use crate::{
    identity::Identity,
    measure::{self, Timing},
    memory,
    mistral::{self, Mistral},
    native::{self, Native},
    store::ModelFile,
    types::{Engine, EngineError},
};

/// Tokens of the prompt that is timed.
const PROMPT_TOKENS: usize = 64;
/// Attempts of the group.
const ATTEMPTS: u8 = 4;
/// Tokens of each attempt.
const TOKENS: u32 = 16;
/// Tokens of the attempt before, which is not timed: it touches the weights.
const WARM_TOKENS: u32 = 2;
/// Longest file of a kept choice, in bytes.
const MAX_FILE_BYTES: u64 = 64 * 1024;
/// What the file's name adds to the model's.
const SUFFIX: &str = ".engine.json";

/// An in-process engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InProcess {
    /// Our own.
    Native,
    /// mistral.rs.
    Mistralrs,
}

impl InProcess {
    /// Its name in a configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Mistralrs => "mistralrs",
        }
    }

    /// Loads it.
    ///
    /// # Errors
    /// [`EngineError::Load`].
    pub async fn load(self, file: ModelFile) -> Result<Arc<dyn Engine>, EngineError> {
        Ok(match self {
            Self::Native => Arc::new(Native::load(file).await?),
            Self::Mistralrs => Arc::new(Mistral::load(file).await?),
        })
    }
}

/// An engine that was chosen, and why in a line.
pub struct Opened {
    /// The engine.
    pub engine: Arc<dyn Engine>,
    /// Which one.
    pub kind: InProcess,
    /// Why, for people.
    pub why: String,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opened({}: {})", self.kind.name(), self.why)
    }
}

/// What a choice depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Key {
    model: Hash,
    engines: [String; 2],
    processor: String,
    threads: usize,
}

/// A choice, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Choice {
    key: Key,
    engine: InProcess,
    why: String,
}

/// Opens the faster engine for a model: the one that was kept, else both are measured.
///
/// # Errors
/// [`EngineError::Load`] if neither can load it, with what each said.
pub async fn open(file: ModelFile) -> Result<Opened, EngineError> {
    let key = Key {
        model: file.hash,
        engines: [native::ENGINE.to_owned(), mistral::ENGINE.to_owned()],
        processor: processor(),
        threads: rayon::current_num_threads(),
    };
    let path = kept_path(&file);
    if let Some(choice) = kept(&path).filter(|choice| choice.key == key)
        && let Ok(engine) = choice.engine.load(file.clone()).await
    {
        let why = format!("{}; delete {} to measure again", choice.why, path.display());
        return Ok(Opened { engine, kind: choice.engine, why });
    }
    let prompt = {
        let load = |e: lode_model::ModelError| EngineError::Load {
            model: file.path.display().to_string(),
            reason: e.to_string(),
        };
        let gguf = Gguf::open(&file.path).map_err(load)?;
        measure::prompt(&Tokenizer::from_gguf(&gguf).map_err(load)?, PROMPT_TOKENS)?
    };
    let native = match room(&file) {
        Ok(()) => try_one(InProcess::Native, &file, &prompt).await,
        Err(reason) => Err(reason),
    };
    let mistral = try_one(InProcess::Mistralrs, &file, &prompt).await;
    let rates = (native.as_ref().map(|(_, rate)| *rate), mistral.as_ref().map(|(_, rate)| *rate));
    let (kind, why) = decide(rates.0.map_err(String::as_str), rates.1.map_err(String::as_str))
        .map_err(|reason| EngineError::Load { model: file.path.display().to_string(), reason })?;
    let engine = match kind {
        InProcess::Native => native,
        InProcess::Mistralrs => mistral,
    };
    // `decide` chooses only what was measured.
    let (engine, _) = engine
        .map_err(|reason| EngineError::Load { model: file.path.display().to_string(), reason })?;
    let choice = Choice { key, engine: kind, why };
    let kept = match keep(&path, &choice) {
        Ok(()) => format!("kept in {}", path.display()),
        Err(e) => {
            format!("measured again next time, since {} cannot be written: {e}", path.display())
        }
    };
    Ok(Opened { engine, kind, why: format!("{}; {kept}", choice.why) })
}

/// Tokens a second of a group, over all of its time.
async fn try_one(
    kind: InProcess,
    file: &ModelFile,
    prompt: &str,
) -> Result<(Arc<dyn Engine>, f64), String> {
    let run = async {
        let engine = kind.load(file.clone()).await?;
        measure::time_group(engine.as_ref(), prompt, 1, WARM_TOKENS).await?;
        let timing = measure::time_group(engine.as_ref(), prompt, ATTEMPTS, TOKENS).await?;
        Ok::<_, EngineError>((engine, Timing::group_rate(&timing)))
    };
    run.await.map_err(|e| e.to_string())
}

/// The faster one; the native one where both are alike.
fn decide(
    native: Result<f64, &str>,
    mistral: Result<f64, &str>,
) -> Result<(InProcess, String), String> {
    let unit = format!("tokens a second in a group of {ATTEMPTS}");
    match (native, mistral) {
        (Ok(a), Ok(b)) if a >= b => {
            Ok((InProcess::Native, format!("native makes {a:.1} {unit}, mistralrs {b:.1}")))
        }
        (Ok(a), Ok(b)) => {
            Ok((InProcess::Mistralrs, format!("mistralrs makes {b:.1} {unit}, native {a:.1}")))
        }
        (Ok(a), Err(reason)) => {
            Ok((InProcess::Native, format!("native makes {a:.1} {unit}; mistralrs: {reason}")))
        }
        (Err(reason), Ok(b)) => {
            Ok((InProcess::Mistralrs, format!("mistralrs makes {b:.1} {unit}; native: {reason}")))
        }
        (Err(a), Err(b)) => Err(format!("native: {a}; mistralrs: {b}")),
    }
}

/// Whether the native engine's weights fit into the memory that is free, as far as that is known.
fn room(file: &ModelFile) -> Result<(), String> {
    let Ok(identity) = Identity::of_gguf(file) else { return Ok(()) };
    let needed = identity.parameters.saturating_mul(native::BYTES_PER_WEIGHT);
    match memory::available().map(|found| found.bytes) {
        Some(free) if needed > free => Err(format!(
            "it would hold {} MiB of weights, and {} MiB of memory are free",
            needed >> 20,
            free >> 20
        )),
        _ => Ok(()),
    }
}

/// The processor's name where the system says, else its family.
fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

fn kept_path(file: &ModelFile) -> PathBuf {
    let mut name = file.path.file_name().unwrap_or_default().to_owned();
    name.push(SUFFIX);
    file.path.with_file_name(name)
}

/// A kept choice; none where there is none, or what is there is none.
fn kept(path: &PathBuf) -> Option<Choice> {
    if fs::metadata(path).ok()?.len() > MAX_FILE_BYTES {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn keep(path: &PathBuf, choice: &Choice) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(std::path::Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(serde_json::to_string_pretty(choice)?.as_bytes())?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faster_one_is_chosen_and_both_figures_are_named() {
        let (kind, why) = decide(Ok(20.0), Ok(30.5)).unwrap();
        assert_eq!(kind, InProcess::Mistralrs);
        assert!(why.contains("30.5") && why.contains("20.0"), "{why}");
        assert_eq!(decide(Ok(20.0), Ok(20.0)).unwrap().0, InProcess::Native);
        let (kind, why) = decide(Err("not a llama"), Ok(1.0)).unwrap();
        assert_eq!(kind, InProcess::Mistralrs);
        assert!(why.contains("not a llama"), "{why}");
        assert_eq!(decide(Ok(1.0), Err("x")).unwrap().0, InProcess::Native);
        assert_eq!(decide(Err("a"), Err("b")), Err("native: a; mistralrs: b".into()));
    }

    #[test]
    fn a_kept_choice_is_read_back_and_damage_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.gguf.engine.json");
        assert_eq!(kept(&path), None);
        let key = Key {
            model: Hash::of(b"m"),
            engines: ["a/1".into(), "b/1".into()],
            processor: processor(),
            threads: 2,
        };
        let choice = Choice { key, engine: InProcess::Mistralrs, why: "faster".into() };
        keep(&path, &choice).unwrap();
        assert_eq!(kept(&path), Some(choice));
        fs::write(&path, b"{\"key\":").unwrap();
        assert_eq!(kept(&path), None);
        fs::write(&path, vec![b' '; MAX_FILE_BYTES as usize + 1]).unwrap();
        assert_eq!(kept(&path), None);
    }
}
