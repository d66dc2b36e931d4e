//! llama.cpp by its Python package, as a child process: a job in, figures out, both as JSON.

use std::{
    io::{Read, Write},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::Context;
use lode_engine::measure::Timing;
use lode_proto::plain;
use serde::{Deserialize, Serialize};

/// The measuring itself.
const SCRIPT: &str = include_str!("peer.py");
/// Name of the calls in a row, each of which reads the whole prompt.
pub(super) const COLD: &str = "llama.cpp, prompt cache off";
/// Name of the calls in a row that find the prompt read.
pub(super) const WARM: &str = "llama.cpp, prompt cache on";
/// Tokens of context beyond prompt and text: the tokenizers need not agree to the last one.
pub(super) const SPARE_TOKENS: u32 = 64;
/// Most bytes of its answer.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// What it is to measure.
#[derive(Debug, Serialize)]
pub(super) struct Job<'a> {
    pub(super) model: &'a Path,
    pub(super) context: u32,
    pub(super) threads: usize,
    pub(super) prompt: &'a str,
    pub(super) document: &'a str,
    pub(super) tokens: u32,
    pub(super) group: u8,
}

/// What it measured.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) about: String,
    pub(super) single: Timing,
    pub(super) cold: Timing,
    pub(super) warm: Timing,
}

#[derive(Debug, Deserialize)]
struct Answer {
    version: String,
    system: String,
    single: Figures,
    cold: Figures,
    warm: Figures,
}

#[derive(Debug, Deserialize)]
struct Figures {
    prompt_tokens: u32,
    first_s: f64,
    total_s: f64,
    generated: u32,
    attempts: u32,
}

impl Figures {
    fn timing(&self) -> anyhow::Result<Timing> {
        let time = |seconds: f64| {
            Duration::try_from_secs_f64(seconds).with_context(|| format!("{seconds} s is no time"))
        };
        Ok(Timing {
            first: time(self.first_s)?,
            total: time(self.total_s)?,
            prompt_tokens: self.prompt_tokens,
            generated: self.generated,
            attempts: self.attempts,
        })
    }
}

/// Runs the script in `python`.
pub(super) fn run(python: &Path, job: &Job<'_>) -> anyhow::Result<Found> {
    let shown = python.display();
    let mut child = Command::new(python)
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {shown}; --peer takes the path of a Python"))?;
    let mut stdin = child.stdin.take().context("the Python has no standard input")?;
    // One that ended already reads nothing; its status says why.
    let _ = stdin.write_all(&serde_json::to_vec(job)?);
    drop(stdin);
    let stdout = child.stdout.take().context("the Python has no standard output")?;
    let mut answer = Vec::new();
    stdout.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
    let status = child.wait()?;
    anyhow::ensure!(
        status.success(),
        "{shown} ended with {status}; it needs the package llama-cpp-python"
    );
    let answer: Answer = serde_json::from_slice(&answer)
        .with_context(|| format!("{shown} did not answer with figures"))?;
    Ok(Found {
        about: plain::line(&format!("llama-cpp-python {}, {}", answer.version, answer.system)),
        single: answer.single.timing()?,
        cold: answer.cold.timing()?,
        warm: answer.warm.timing()?,
    })
}
