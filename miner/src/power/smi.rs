//! Runs `nvidia-smi`, which may hang.

use std::{
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// Its usual name.
pub(crate) const PROGRAM: &str = "nvidia-smi";
/// Most bytes read of what it says.
const MAX_TEXT: u64 = 64 * 1024;
/// Its time; on a GPU that has fallen off the bus it hangs.
const TIME: Duration = Duration::from_secs(10);
/// Time between two looks whether it has ended.
const POLL: Duration = Duration::from_millis(20);

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SmiError {
    /// There is no such program.
    #[error("{0} is not installed")]
    Missing(String),
    /// It does not start, or cannot be read.
    #[error("nvidia-smi cannot be run: {0}")]
    Unusable(String),
    /// It hangs.
    #[error("nvidia-smi said nothing for {} s", TIME.as_secs())]
    Silent,
    /// It says that it failed.
    #[error("nvidia-smi ended with {status}: {said}")]
    Failed {
        /// Its status.
        status: String,
        /// The first line that it said.
        said: String,
    },
    /// It says something else than it was asked.
    #[error("nvidia-smi said {0:?}, which is no GPU with its figures")]
    Unreadable(String),
}

/// Whether one that hung has not ended yet: another would hang beside it.
static STUCK: AtomicBool = AtomicBool::new(false);

/// Kills one that hangs. It may do so in the driver, where no signal reaches it, so that only a thread of its
/// own waits for its end.
fn leave(mut child: Child) {
    let _ = child.kill();
    STUCK.store(true, Ordering::SeqCst);
    std::thread::spawn(move || {
        let _ = child.wait();
        STUCK.store(false, Ordering::SeqCst);
    });
}

/// What it says. Blocks for ten seconds at most.
///
/// # Errors
/// [`SmiError`].
pub(crate) fn run(
    program: &Path,
    arguments: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>,
) -> Result<String, SmiError> {
    if STUCK.load(Ordering::SeqCst) {
        return Err(SmiError::Silent);
    }
    let unusable = |error: std::io::Error| SmiError::Unusable(error.to_string());
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => SmiError::Missing(program.display().to_string()),
            _ => unusable(error),
        })?;
    let began = Instant::now();
    let status = loop {
        match child.try_wait().map_err(unusable)? {
            Some(status) => break status,
            None if began.elapsed() < TIME => std::thread::sleep(POLL),
            None => {
                leave(child);
                return Err(SmiError::Silent);
            }
        }
    };
    let mut text = String::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_TEXT).read_to_string(&mut text).map_err(unusable)?;
    }
    if !status.success() {
        let said = text.lines().next().unwrap_or_default().to_owned();
        return Err(SmiError::Failed { status: status.to_string(), said });
    }
    Ok(text)
}
