//! What people see: bars and spinners on a terminal, plain lines elsewhere.
//!
//! Nothing that a stranger wrote reaches a terminal but through here: lines pass
//! [`lode_proto::plain::block`], JSON passes [`lode_proto::plain::json`]. What is exact by its nature (a
//! prompt, a grammar) is exact in a pipe and made harmless on a terminal ([`print_exact`]).

use std::io::{IsTerminal, Write};

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lode_proto::plain;

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
    bar.set_message(plain::name(what));
    bar
}

/// One line on standard error.
pub(crate) fn plain(line: &str) {
    let mut stderr = std::io::stderr().lock();
    // Nobody reads any more: then there is nobody to tell.
    let _ = writeln!(stderr, "{}", plain::block(line));
}

/// A value as one line of JSON on standard output.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> anyhow::Result<()> {
    let line = serde_json::to_string(value)?;
    write_line(&plain::json(&line))
}

/// One line on standard output.
pub(crate) fn print_line(line: &str) -> anyhow::Result<()> {
    write_line(&plain::block(line))
}

/// Text whose bytes matter: as it is where a program reads it, harmless where a person does.
pub(crate) fn print_exact(text: &str) -> anyhow::Result<()> {
    if std::io::stdout().is_terminal() { print_line(text) } else { write_line(text) }
}

/// How standard output is to be written for a person.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// Columns to fill.
    pub(crate) width: usize,
    /// Whether colours may be used.
    pub(crate) colour: bool,
}

impl Look {
    /// Columns where nobody says how many there are.
    const WIDTH: usize = 80;
    /// Fewest and most columns that text is set in: longer lines are hard to read.
    const WIDTHS: (usize, usize) = (40, 110);

    /// Of the terminal, of `COLUMNS` (a pager is at the other end of a pipe), or the usual.
    /// Colours on a terminal only, and not where `NO_COLOR` is set.
    pub(crate) fn of_stdout() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let asked = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
        let seen = Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
        let width = asked.or(seen.filter(|_| terminal)).unwrap_or(Self::WIDTH);
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { width: width.clamp(Self::WIDTHS.0, Self::WIDTHS.1), colour: terminal && !no_colour }
    }
}

/// Lines that were made harmless before they were coloured.
pub(crate) fn print_coloured(text: &str) -> anyhow::Result<()> {
    write_line(text)
}

/// A closed pipe (`| head`) is a quiet end.
fn write_line(line: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
