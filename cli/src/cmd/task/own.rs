//! `lode task own`: a task from a folder of somebody's own documents, and what is wrong with one.

use std::path::Path;

use lode_proto::plain;
use lode_tasks::{domain::Severity, family::Library, longdoc::own::trial};
use serde_json::json;

use super::{folder::Folder, show};
use crate::{
    Outcome,
    args::{OwnCommand, OwnTask, Section, ShowTask, TaskSelection},
    term,
};

pub(crate) fn own(command: Option<OwnCommand>, task: OwnTask) -> anyhow::Result<Outcome> {
    match command {
        Some(OwnCommand::Lint { dir, json }) => lint(&dir, json),
        None => show(&selected(task)),
    }
}

/// The same as `lode task show --domain DIR`.
fn selected(task: OwnTask) -> ShowTask {
    // A bare name would be a built-in domain's.
    let dir = Path::new(".").join(task.dir.unwrap_or_default());
    let domain = dir.to_string_lossy().into_owned();
    let mut section = Vec::new();
    if !(task.gold || task.traps || task.witness) {
        section.extend(Section::PUBLIC);
    }
    ShowTask {
        task: TaskSelection { profile: task.profile, domain, seed: task.seed },
        bundle: None,
        id: None,
        section,
        find: Vec::new(),
        paragraph: Vec::new(),
        gold: task.gold,
        traps: task.traps,
        witness: task.witness,
        json: task.json,
        part: None,
    }
}

fn lint(dir: &Path, as_json: bool) -> anyhow::Result<Outcome> {
    let folder = Folder::read(dir)?;
    let mut findings = folder.check()?;
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    if errors == 0 {
        let mut library = Library::default();
        let (domain, inputs) = folder.add_to(&mut library)?;
        findings.extend(trial(&library, &domain, &inputs));
    }
    let warnings = findings.len() - errors;
    if as_json {
        let all: Vec<_> = findings
            .iter()
            .map(|finding| {
                json!({
                    "severity": if finding.severity == Severity::Error { "error" } else { "warning" },
                    "file": finding.file,
                    "line": finding.line,
                    "message": finding.message,
                })
            })
            .collect();
        term::json(&json!({ "errors": errors, "warnings": warnings, "findings": all }))?;
    } else {
        for finding in &findings {
            // A finding quotes the folder's files, which may be anybody's.
            term::print_line(&plain::line(&finding.to_string()))?;
        }
        let shown = plain::line(&dir.display().to_string());
        term::print_line(&format!("{shown}: {errors} errors, {warnings} warnings"))?;
    }
    Ok(if errors == 0 { Outcome::Yes } else { Outcome::No })
}
