//! What the operator wants run on each published bundle: a training.
//!
//! It is run once to a good end: a mark in the data folder says so, and after a restart bundles
//! without one are taken up again. The program itself carries on where it was, or begins anew.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use lode_node::{files, killpoint};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{ChildStdout, Command},
    sync::mpsc,
};

use super::{EventSink, Notice, RunError, config::TrainingConfig};

/// Name of the folder of marks in the data folder.
const DONE: &str = "trained";
/// Longest line of the program's output that is read, bytes; the rest of a longer one is skipped.
const LONGEST_LINE: usize = 64 * 1024;

/// Runs the program on bundles as they are published, one after the other.
#[derive(Debug)]
pub(super) struct Training {
    config: TrainingConfig,
    bundles: PathBuf,
    done: PathBuf,
}

impl Training {
    pub(super) fn new(
        config: TrainingConfig,
        data: &Path,
        bundles: &Path,
    ) -> Result<Self, RunError> {
        let done = data.join(DONE);
        if !config.command.is_empty() {
            files::create_private_folder(&done)?;
        }
        Ok(Self { config, bundles: bundles.to_owned(), done })
    }

    /// Takes names of published bundles until the sender is gone.
    pub(super) async fn run(self, mut published: mpsc::Receiver<String>, events: EventSink) {
        while let Some(bundle) = published.recv().await {
            if self.config.command.is_empty() {
                continue;
            }
            let (ok, detail) = if self.done.join(&bundle).exists() {
                (true, "done before".to_owned())
            } else {
                events(Notice::TrainingStarted { bundle: bundle.clone() });
                self.run_one(&bundle, &events).await
            };
            events(Notice::TrainingEnded { bundle, ok, detail });
        }
    }

    async fn run_one(&self, name: &str, events: &EventSink) -> (bool, String) {
        let bundle = self.bundles.join(name).display().to_string();
        let epoch = name.rsplit('-').next().unwrap_or_default().trim_start_matches('0');
        let filled = |text: &String| text.replace("{bundle}", &bundle).replace("{epoch}", epoch);
        let mut words = self.config.command.iter().map(filled);
        let Some(program) = words.next() else {
            return (true, "nothing to run".into());
        };
        let child = Command::new(&program)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) => return (false, format!("{program} could not be started: {error}")),
        };
        if let Some(output) = child.stdout.take() {
            self.listen(output, events).await;
        }
        match child.wait().await {
            Ok(status) if status.success() => {
                killpoint::reach("coordinator:trained");
                match files::replace(&self.done.join(name), b"done\n", 0o600) {
                    Ok(()) => (true, status.to_string()),
                    Err(error) => (false, error.to_string()),
                }
            }
            Ok(status) => (false, format!("{program}: {status}")),
            Err(error) => (false, format!("{program}: {error}")),
        }
    }

    async fn listen(&self, output: ChildStdout, events: &EventSink) {
        let mut lines = BufReader::new(output).split(b'\n');
        while let Ok(Some(line)) = lines.next_segment().await {
            let line = &line[..line.len().min(LONGEST_LINE)];
            let value: Value = serde_json::from_slice(line).unwrap_or_default();
            let number = |key: &str| value.get(key).and_then(Value::as_u64);
            if let Some(step) = number("step") {
                let steps = number("steps").unwrap_or(self.config.steps);
                events(Notice::TrainingProgress { step, steps });
            } else {
                tracing::info!(target: "training", "{}", String::from_utf8_lossy(line));
            }
        }
    }
}
