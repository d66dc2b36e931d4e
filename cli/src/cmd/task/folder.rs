//! A folder of somebody's own documents, read from disk within bounds: its facts file and every file
//! of text in it. Links are not followed, and nothing below the folder is looked at.

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use lode_proto::{id::Hash, limits::MAX_DOMAIN_BYTES, plain, task::DomainRef};
use lode_tasks::{
    family::Library,
    longdoc::own::{
        Collection, FACTS_FILE, Finding, MAX_FILES, MAX_TEXT_BYTES, MAX_TEXTS_BYTES, OwnError, Text,
    },
};

/// Most entries of a folder that are looked at.
const MAX_ENTRIES: usize = 10_000;

/// What a folder holds.
#[derive(Debug)]
pub(crate) struct Folder {
    facts: Vec<u8>,
    /// Every file of text by its name.
    texts: BTreeMap<String, Vec<u8>>,
}

impl Folder {
    /// Reads a folder.
    ///
    /// # Errors
    /// Where it has no facts file, is too large, or cannot be read.
    pub(crate) fn read(dir: &Path) -> anyhow::Result<Self> {
        let shown = plain::line(&dir.display().to_string());
        let entries =
            fs::read_dir(dir).with_context(|| format!("cannot read the folder {shown}"))?;
        let (mut facts, mut paths) = (None, BTreeMap::new());
        for (at, entry) in entries.enumerate() {
            if at >= MAX_ENTRIES {
                bail!(
                    "{shown} has more than {MAX_ENTRIES} entries: put the texts into a folder of their own"
                );
            }
            let entry = entry.with_context(|| format!("cannot read the folder {shown}"))?;
            let name = entry.file_name();
            // The type of the entry itself: a link is none of these.
            if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
                continue;
            }
            let Some(name) = name.to_str() else { continue };
            if name == FACTS_FILE {
                facts = Some(entry.path());
            } else if name.ends_with(".txt") || name.ends_with(".md") {
                paths.insert(name.to_owned(), entry.path());
            }
        }
        let Some(facts) = facts else {
            bail!(
                "{shown} has no {FACTS_FILE}, or it is no regular file; docs/own-documents.md says how to write one"
            );
        };
        if paths.len() > MAX_FILES {
            let (what, got, limit) = ("files of text", paths.len(), MAX_FILES);
            return Err(OwnError::TooMany { what, got, limit }.into());
        }
        let facts = read(&facts, FACTS_FILE, MAX_DOMAIN_BYTES)?;
        let mut texts = BTreeMap::new();
        let mut bytes = 0;
        for (name, path) in paths {
            let text = read(&path, &name, MAX_TEXT_BYTES)?;
            bytes += text.len();
            if bytes > MAX_TEXTS_BYTES {
                let what = "all files of text".to_owned();
                return Err(OwnError::TooLarge { what, got: bytes, limit: MAX_TEXTS_BYTES }.into());
            }
            texts.insert(name, text);
        }
        Ok(Self { facts, texts })
    }

    /// Adds the folder to a library; gives what a specification names it by.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub(crate) fn add_to(&self, library: &mut Library) -> anyhow::Result<(DomainRef, Vec<Hash>)> {
        let mut texts: Vec<&[u8]> = Vec::new();
        for name in Collection::files_of(&self.facts)? {
            let Some(text) = self.texts.get(&name) else {
                let name = plain::name(&name);
                bail!(
                    "{FACTS_FILE} names {name}, but the folder has no such file of text, or it is no regular file"
                );
            };
            texts.push(text);
        }
        Ok(library.add_own(&self.facts, &texts)?)
    }

    /// Everything that is wrong with the folder, and what may be.
    ///
    /// # Errors
    /// Where it is too large to be looked through.
    pub(crate) fn check(&self) -> Result<Vec<Finding>, OwnError> {
        let texts: Vec<Text<'_>> =
            self.texts.iter().map(|(name, bytes)| Text { name, bytes }).collect();
        Collection::check(&self.facts, &texts)
    }
}

fn read(path: &PathBuf, name: &str, limit: usize) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut bytes))
        .with_context(|| format!("cannot read {}", plain::name(name)))?;
    if bytes.len() > limit {
        let (what, got) = (plain::name(name), bytes.len());
        return Err(OwnError::TooLarge { what, got, limit }.into());
    }
    Ok(bytes)
}
