//! `lode task lint`: domain files, explained line by line.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::Context;
use lode_proto::limits::MAX_DOMAIN_BYTES;
use lode_tasks::{
    domain::{Domain, Finding, Severity},
    family::Library,
    longdoc,
};

use crate::{Outcome, term};

pub(crate) fn lint(files: &[PathBuf]) -> anyhow::Result<Outcome> {
    let mut usable = true;
    for file in files {
        let bytes = read(file)?;
        let (errors, warnings) = report(file, &findings(file, &bytes))?;
        usable &= errors == 0;
        let verdict = match (errors, warnings) {
            (0, 0) => "sound".to_owned(),
            (0, warnings) => format!("can be used; {}", counted(warnings, "warning")),
            (errors, 0) => counted(errors, "error"),
            (errors, warnings) => {
                format!("{}, {}", counted(errors, "error"), counted(warnings, "warning"))
            }
        };
        term::print_line(&format!("{}: {verdict}", file.display()))?;
    }
    Ok(if usable { Outcome::Yes } else { Outcome::No })
}

/// At most one byte more than a domain file may have, which is enough to refuse it.
fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|opened| opened.take(MAX_DOMAIN_BYTES as u64 + 1).read_to_end(&mut bytes))
        .with_context(|| format!("domain file {} cannot be read", file.display()))?;
    Ok(bytes)
}

/// What is wrong with the file by itself; where nothing is, what goes wrong with its tasks.
fn findings(file: &Path, bytes: &[u8]) -> Vec<Finding> {
    let name = file.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    let mut findings = Domain::check(&name, bytes);
    if findings.iter().all(|finding| finding.severity == Severity::Warning) {
        let mut library = Library::default();
        match library.add(&name, bytes) {
            Ok(domain) => findings.extend(longdoc::trial(&library, &domain)),
            Err(error) => findings.push(Finding {
                severity: Severity::Error,
                line: 0,
                place: String::new(),
                message: error.to_string(),
            }),
        }
    }
    findings
}

/// Prints the findings as `FILE:LINE: …`; how many errors and warnings there are.
fn report(file: &Path, findings: &[Finding]) -> anyhow::Result<(usize, usize)> {
    for finding in findings {
        let line = if finding.line > 0 { format!(":{}", finding.line) } else { String::new() };
        let kind = match finding.severity {
            Severity::Error => "",
            Severity::Warning => "warning: ",
        };
        let place =
            if finding.place.is_empty() { String::new() } else { format!("{}: ", finding.place) };
        term::print_line(&format!("{}{line}: {kind}{place}{}", file.display(), finding.message))?;
    }
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    Ok((errors, findings.len() - errors))
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
