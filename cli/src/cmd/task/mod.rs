//! `lode task …`: one file a command. What they share is which task is meant.

mod bench;
mod grade;
mod lint;
mod new;
mod show;

use std::path::Path;

use anyhow::bail;
use lode_proto::{
    id::Hash,
    task::{Profile, TaskTemplate},
};
use lode_tasks::{
    ENGINE_VERSION,
    family::Library,
    longdoc,
    types::{AnswerKey, Task},
};

use crate::args::TaskSelection;

pub(crate) use bench::bench;
pub(crate) use grade::grade;
pub(crate) use lint::lint;
pub(crate) use new::new;
pub(crate) use show::show;

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
