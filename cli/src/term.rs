//! What people see: bars and spinners on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Whether progress may be drawn over itself.
pub(crate) fn is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// A bar in bytes on a terminal; nothing elsewhere, where [`plain`] lines say the same.
pub(crate) fn byte_bar(total: u64, what: &str) -> ProgressBar {
    bar(total, what, "{msg} [{wide_bar}] {bytes}/{total_bytes} {bytes_per_sec} {eta}")
}

/// A bar in steps on a terminal; nothing elsewhere.
pub(crate) fn step_bar(total: u64, what: &str) -> ProgressBar {
    bar(total, what, "{msg} [{wide_bar}] {pos}/{len} {elapsed}")
}

fn bar(total: u64, what: &str, template: &str) -> ProgressBar {
    let target =
        if is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(total), target);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_message(what.to_owned());
    bar
}

/// One line on standard error.
pub(crate) fn plain(line: &str) {
    let mut stderr = std::io::stderr().lock();
    // Nobody reads any more: then there is nobody to tell.
    let _ = writeln!(stderr, "{line}");
}

/// A value as one line of JSON on standard output.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> anyhow::Result<()> {
    let line = serde_json::to_string(value)?;
    print_line(&line)
}

/// One line on standard output; a closed pipe (`| head`) is a quiet end.
pub(crate) fn print_line(line: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
