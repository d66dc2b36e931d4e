//! `lode task new|show|grade`.

use std::{io::Read, path::Path};

use anyhow::{Context, bail};
use lode_proto::{
    attempt::Finish,
    id::Hash,
    limits::MAX_COMPLETION_BYTES,
    task::{Profile, TaskTemplate},
};
use lode_tasks::{
    ENGINE_VERSION,
    family::Library,
    grade::grade as grade_completion,
    grammar::grammar,
    longdoc,
    types::{AnswerKey, Task},
};

use crate::{
    Outcome,
    args::{TaskPart, TaskSelection},
    term,
};

/// The template of tasks of a profile and a domain, and the library that holds the domain.
pub(crate) fn template(profile: &str, domain: &str) -> anyhow::Result<(TaskTemplate, Library)> {
    let profile: Profile = profile.parse()?;
    let mut library = Library::builtin()?;
    let path = Path::new(domain);
    let domain = if path.extension().is_some() || path.components().count() > 1 {
        library.add_read(path, std::fs::read(path))?
    } else {
        library.named(domain)?
    };
    let template = TaskTemplate {
        family: longdoc::NAME.into(),
        engine_version: ENGINE_VERSION,
        domain,
        profile,
        inputs: Vec::new(),
    };
    Ok((template, library))
}

/// A seed from 64 hexadecimal digits, or derived from a number.
fn seed(text: &str) -> anyhow::Result<[u8; 32]> {
    if let Ok(number) = text.parse::<u64>() {
        return Ok(Hash::derive("lode/1/cli-seed", &number.to_le_bytes()).0);
    }
    match text.parse::<Hash>() {
        Ok(hash) => Ok(hash.0),
        Err(_) => bail!("--seed {text:?} is neither a number nor 64 hexadecimal digits"),
    }
}

fn make(selection: &TaskSelection) -> anyhow::Result<(Task, AnswerKey)> {
    let (template, library) = template(&selection.profile, &selection.domain)?;
    let spec = template.spec(seed(&selection.seed)?);
    Ok(longdoc::generate(&spec, &library)?)
}

pub(crate) fn new(selection: &TaskSelection, json: bool) -> anyhow::Result<Outcome> {
    let (task, key) = make(selection)?;
    if json {
        let id = task.id()?;
        term::json(&serde_json::json!({
            "task_id": id,
            "prompt": task.prompt(),
            "task": task,
            "key": key,
        }))?;
    } else {
        term::print_line(&task.prompt())?;
    }
    Ok(Outcome::Yes)
}

pub(crate) fn show(selection: &TaskSelection, part: TaskPart) -> anyhow::Result<Outcome> {
    let (task, key) = make(selection)?;
    match part {
        TaskPart::Prompt => term::print_line(&task.prompt())?,
        TaskPart::Grammar => term::print_line(&grammar(&task))?,
        TaskPart::Key => term::json(&key)?,
        TaskPart::Witness => term::print_line(&key.witness)?,
        TaskPart::Trapped => {
            for trapped in &key.trapped {
                term::print_line(&format!("--- trap {}\n{}", trapped.trap, trapped.text))?;
            }
        }
        TaskPart::Json => term::json(&task)?,
    }
    Ok(Outcome::Yes)
}

fn read_completion(path: &Path) -> anyhow::Result<Vec<u8>> {
    let limit = MAX_COMPLETION_BYTES as u64;
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(limit + 1).read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(path)
            .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
            .with_context(|| format!("cannot read {}", path.display()))?;
    }
    if bytes.len() > MAX_COMPLETION_BYTES {
        bail!(
            "the completion is longer than {MAX_COMPLETION_BYTES} bytes, the most that is graded"
        );
    }
    Ok(bytes)
}

pub(crate) fn grade(
    selection: &TaskSelection,
    completion: &Path,
    json: bool,
) -> anyhow::Result<Outcome> {
    let completion = read_completion(completion)?;
    let (task, key) = make(selection)?;
    let verdict = grade_completion(&task, &key, &completion, Finish::Stop);
    if json {
        let hash = verdict.hash()?;
        term::json(&serde_json::json!({ "hash": hash, "verdict": verdict }))?;
    } else {
        match verdict.failure {
            None => term::print_line(&format!("passes, quality {}/1000", verdict.quality_milli))?,
            Some(class) => term::print_line(&format!(
                "fails ({}), quality {}/1000",
                serde_json::to_value(class)?.as_str().unwrap_or("?"),
                verdict.quality_milli
            ))?,
        }
        for reason in &verdict.reasons {
            term::print_line(&format!("  {}", reason.text))?;
        }
    }
    Ok(if verdict.passes() { Outcome::Yes } else { Outcome::No })
}
