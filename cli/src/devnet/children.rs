//! The daemons of a devnet as child processes of this binary: started, watched, started again,
//! ended in order.
//!
//! Every child holds the reading end of a pipe whose writing end is ours: when this process goes
//! away, however, the pipe closes and the child ends by itself. Nothing is left running.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::Sender,
    time::{Duration, Instant},
};

use anyhow::Context;
use serde_json::Value;

/// Time for a child to end in order before it is killed.
const GRACE: Duration = Duration::from_secs(30);
/// Pause between two looks at a child that is ending.
const LOOK: Duration = Duration::from_millis(20);

/// Something a child said on standard output.
#[derive(Debug)]
pub(crate) struct Said {
    /// Name of the child.
    pub(crate) child: String,
    /// One JSON line.
    pub(crate) value: Value,
}

/// How to start a child.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    /// Its name, for messages and for its log.
    pub(crate) name: String,
    /// Arguments of this binary.
    pub(crate) args: Vec<String>,
    /// Its environment besides ours.
    pub(crate) env: Vec<(String, String)>,
    /// Its log.
    pub(crate) log: PathBuf,
}

/// A running child.
pub(crate) struct Running {
    recipe: Recipe,
    process: Child,
    /// Dropped to tell the child to end.
    stdin: Option<ChildStdin>,
}

fn open_log(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("cannot write the log {}", path.display()))
}

impl Running {
    /// Starts a child. What it says goes to `said`, its log to its file.
    pub(crate) fn start(recipe: Recipe, said: Sender<Said>) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let mut process = Command::new(program)
            .args(&recipe.args)
            .envs(recipe.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(open_log(&recipe.log)?)
            .spawn()
            .with_context(|| format!("cannot start {}", recipe.name))?;
        let stdin = process.stdin.take();
        if let Some(stdout) = process.stdout.take() {
            let child = recipe.name.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines() {
                    let Ok(line) = line else { break };
                    let Ok(value) = serde_json::from_str(&line) else { continue };
                    if said.send(Said { child: child.clone(), value }).is_err() {
                        break;
                    }
                }
            });
        }
        Ok(Self { recipe, process, stdin })
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.recipe.name
    }

    /// How it was started.
    pub(crate) fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Whether and how it has ended.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.process.try_wait().with_context(|| format!("cannot watch {}", self.recipe.name))
    }

    /// Tells it to end.
    pub(crate) fn tell_to_end(&mut self) {
        self.stdin = None;
    }

    /// The last lines of its log, for an error message.
    pub(crate) fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.recipe.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(3).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stdin = None;
        if !matches!(self.process.try_wait(), Ok(Some(_))) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

/// Tells all to end and waits for them; who does not end in time is killed.
pub(crate) fn end_all(children: &mut Vec<Running>) {
    for child in children.iter_mut() {
        child.tell_to_end();
    }
    let until = Instant::now() + GRACE;
    for child in children.iter_mut() {
        while Instant::now() < until && !matches!(child.ended(), Ok(Some(_)) | Err(_)) {
            std::thread::sleep(LOOK);
        }
    }
    // Dropping kills what is left.
    children.clear();
}
