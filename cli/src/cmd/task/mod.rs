//! `lode task …`: one file a command. What they share is which task is meant.

mod bench;
mod folder;
mod grade;
mod lint;
mod new;
mod own;
mod show;

use std::path::Path;

use anyhow::bail;
use lode_proto::{
    id::Hash,
    task::{Profile, TaskTemplate},
};
use lode_tasks::{
    ENGINE_VERSION,
    family::{Library, generate},
    longdoc,
    types::{AnswerKey, Task},
};

use self::folder::Folder;
use crate::args::TaskSelection;

pub(crate) use bench::bench;
pub(crate) use grade::grade;
pub(crate) use lint::lint;
pub(crate) use new::new;
pub(crate) use own::own;
pub(crate) use show::show;

/// The template of tasks of a profile and a domain or folder, and the library that holds it.
pub(crate) fn template(profile: &str, domain: &str) -> anyhow::Result<(TaskTemplate, Library)> {
    let profile: Profile = profile.parse()?;
    let mut library = Library::builtin()?;
    let path = Path::new(domain);
    let is_path = path.extension().is_some() || path.components().count() > 1;
    let (family, domain, inputs) = if path.is_dir() && (is_path || library.named(domain).is_err()) {
        let (domain, inputs) = Folder::read(path)?.add_to(&mut library)?;
        (longdoc::own::NAME, domain, inputs)
    } else if is_path {
        (longdoc::NAME, library.add_read(path, std::fs::read(path))?, Vec::new())
    } else {
        (longdoc::NAME, library.named(domain)?, Vec::new())
    };
    let family = family.into();
    let template = TaskTemplate { family, engine_version: ENGINE_VERSION, domain, profile, inputs };
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
    Ok(generate(&spec, &library)?)
}
