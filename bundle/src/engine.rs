//! What a bundle needs of the task engine, as one object that is passed in.
//!
//! The writer and the auditor regenerate tasks and grade attempts; which families exist, how a
//! prompt is rendered is the task engine's business.

use std::collections::BTreeMap;

use lode_proto::{id::Hash, task::TaskTemplate};
use lode_tasks::{
    family::{Family, Library, LibraryError, family},
    types::Task,
};

/// The task engine, as writer and auditor use it. Every answer is a pure function of its inputs.
pub trait Engine: Sync {
    /// The family of that name, `None` where this build has none.
    fn family(&self, name: &str) -> Option<&dyn Family>;

    /// A library that holds the domain file and the inputs of a bundle, as its template names them,
    /// and nothing else.
    ///
    /// # Errors
    /// Where the domain file, or a folder of texts, cannot be used.
    fn library(
        &self,
        template: &TaskTemplate,
        blobs: &BTreeMap<Hash, Vec<u8>>,
    ) -> Result<Library, LibraryError>;

    /// The exact text that the model sees.
    fn prompt(&self, task: &Task) -> String;
}

/// The task engine of this build: every family it has.
#[derive(Debug, Clone, Copy, Default)]
pub struct BuiltinEngine;

impl Engine for BuiltinEngine {
    fn family(&self, name: &str) -> Option<&dyn Family> {
        family(name)
    }

    fn library(
        &self,
        template: &TaskTemplate,
        blobs: &BTreeMap<Hash, Vec<u8>>,
    ) -> Result<Library, LibraryError> {
        Library::of(template, blobs)
    }

    fn prompt(&self, task: &Task) -> String {
        task.prompt()
    }
}
