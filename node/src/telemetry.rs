//! What a daemon says about itself: log lines for people, and one event a line for programs.
//!
//! `LODE_LOG` sets what is shown, in the syntax of tracing's filters (`info`, `lode_node=debug`).
//! Log lines go to standard error. Events are the daemon's own short story (leased, committed,
//! sealed …): each goes to the log under the target `event` and, where a file was named, to that
//! file as one JSON object a line; dashboards and tests read the file.
//!
//! Messages and fields quote what strangers wrote (reasons, names, errors of theirs). So every value of
//! every line passes [`lode_proto::plain`] here, where it is written, and no caller has to think of it.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, IsTerminal, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use lode_proto::plain::{self, Surface};
use serde_json::{Map, Value};
use tracing_subscriber::{
    EnvFilter,
    field::MakeExt,
    fmt::format::{Writer, debug_fn},
};

use crate::files::FileError;

/// The environment variable that sets the filter.
pub const FILTER_VARIABLE: &str = "LODE_LOG";

/// What is shown unless the variable says otherwise. Below `warn`, libp2p, sled and their helpers
/// tell of every stream.
const DEFAULT_FILTER: &str = "info,libp2p=error,libp2p_swarm=error,multistream_select=error,yamux=error,quinn=error,\
     hickory_proto=error,hickory_resolver=error,netlink_proto=error,sled=warn";

/// Most characters of one value in a log line.
const VALUE_CHARS: usize = 4_000;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// A line of text, coloured on a terminal.
    #[default]
    Plain,
    /// A JSON object a line.
    Json,
}

/// Why telemetry did not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error(
        "{FILTER_VARIABLE} is {text:?}, which is no filter ({reason}); try info or lode_node=debug"
    )]
    Filter {
        /// The variable's value.
        text: String,
        /// What was wrong.
        reason: String,
    },
    /// It was started before.
    #[error("telemetry was started twice in one process")]
    Twice,
    /// The event file cannot be opened.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Starts log lines for the whole process, on standard error.
///
/// # Errors
/// Where the filter is wrong or it was started before.
pub fn start(format: Format) -> Result<(), TelemetryError> {
    start_to(format, io::stderr().is_terminal(), io::stderr)
}

/// Starts log lines for the whole process. Each goes to a writer of its own in one piece, coloured by
/// escape sequences of ours where `colour` is set.
///
/// # Errors
/// Where the filter is wrong or it was started before.
pub fn start_to<W: Write + 'static>(
    format: Format,
    colour: bool,
    writer: impl Fn() -> W + Send + Sync + 'static,
) -> Result<(), TelemetryError> {
    let text = std::env::var(FILTER_VARIABLE).unwrap_or_default();
    let directives = if text.trim().is_empty() {
        DEFAULT_FILTER.to_owned()
    } else {
        // The variable's own directives win over the quieting ones, which stand before them.
        format!("{DEFAULT_FILTER},{text}")
    };
    let filter = EnvFilter::try_new(directives)
        .map_err(|error| TelemetryError::Filter { text, reason: error.to_string() })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    let started = match format {
        Format::Plain => builder
            .with_writer(writer)
            .with_ansi(colour)
            .with_target(false)
            .fmt_fields(
                debug_fn(|out, field, value| write_field(out, field.name(), value)).delimited(" "),
            )
            .try_init(),
        Format::Json => {
            builder.with_writer(move || InertJson(writer())).json().flatten_event(true).try_init()
        }
    };
    started.map_err(|_| TelemetryError::Twice)
}

/// One field of a plain line.
fn write_field(out: &mut Writer<'_>, name: &str, value: &dyn fmt::Debug) -> fmt::Result {
    let value = plain::escape(&format!("{value:?}"), Surface::Line, VALUE_CHARS);
    if name == "message" { write!(out, "{value}") } else { write!(out, "{name}={value}") }
}

/// Takes whole lines of JSON and writes them so that nothing in their strings acts on a terminal.
struct InertJson<W>(W);

impl<W: Write> Write for InertJson<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(plain::json(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Where events go; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Events {
    file: Option<Arc<Mutex<EventFile>>>,
}

#[derive(Debug)]
struct EventFile {
    path: PathBuf,
    file: File,
    failed: bool,
}

impl Events {
    /// Events to the log only.
    #[must_use]
    pub fn to_log() -> Self {
        Self::default()
    }

    /// Events to the log and, appended, to a file.
    ///
    /// # Errors
    /// Where the file cannot be opened.
    pub fn to_file(path: &Path) -> Result<Self, TelemetryError> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| FileError::new("open", path, &error))?;
        let file = EventFile { path: path.to_owned(), file, failed: false };
        Ok(Self { file: Some(Arc::new(Mutex::new(file))) })
    }

    /// Says that something happened. `fields` are names and values, for example
    /// `[("lease", id.short().into())]`. Events never fail the daemon: where the file cannot be
    /// written, one warning says so.
    pub fn emit<const N: usize>(&self, event: &str, fields: [(&str, Value); N]) {
        let text: String =
            fields.iter().map(|(name, value)| format!(" {name}={}", shown(value))).collect();
        tracing::info!(target: "event", "{event}{text}");
        let Some(file) = &self.file else { return };
        let mut object = Map::new();
        object.insert("unix_ms".into(), unix_ms().into());
        object.insert("event".into(), event.into());
        for (name, value) in fields {
            object.insert(name.into(), value);
        }
        let line = format!("{}\n", plain::json(&Value::Object(object).to_string()));
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        // One write a line, so that a kill leaves whole lines.
        if let Err(error) = file.file.write_all(line.as_bytes())
            && !file.failed
        {
            file.failed = true;
            tracing::warn!(path = %file.path.display(), %error, "events are no longer written");
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains([' ', '"', '\n', '=']) => {
            text.clone()
        }
        other => other.to_string(),
    }
}

/// The wall clock, milliseconds since 1970: for people, never for a decision.
#[must_use]
pub fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_one_object_a_line() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("events.jsonl");
        for reason in ["a b\nc", "d"] {
            let events = Events::to_file(&path).expect("opens");
            events.emit("lease_lost", [("lease", 7.into()), ("reason", reason.into())]);
        }
        let text = std::fs::read_to_string(&path).expect("read");
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["event"], "lease_lost");
        assert_eq!(lines[0]["reason"], "a b\nc");
        assert_eq!(lines[1]["lease"], 7);
    }

    #[test]
    fn plain_fields_stay_on_one_line() {
        assert_eq!(shown(&"abc".into()), "abc");
        assert_eq!(shown(&"a\nb".into()), "\"a\\nb\"");
        assert_eq!(shown(&5.into()), "5");
        assert_eq!(shown(&"".into()), "\"\"");
    }

    #[test]
    fn a_strangers_text_acts_on_no_log_line() {
        let hostile = "\u{1b}[2J\nERROR forged\u{202e} \u{9b}31m";
        let mut line = String::new();
        write_field(&mut Writer::new(&mut line), "reason", &format_args!("{hostile}"))
            .expect("fits");
        assert_eq!(line, "reason=\\u{1b}[2J\\nERROR forged\\u{202e} \\u{9b}31m");
        let mut bytes = Vec::new();
        let json = format!("{}\n", serde_json::json!({ "reason": hostile }));
        InertJson(&mut bytes).write_all(json.as_bytes()).expect("writes");
        let shown = String::from_utf8(bytes).expect("UTF-8");
        assert!(shown.trim_end().is_ascii() && !shown.contains('\u{1b}'), "{shown}");
        assert_eq!(serde_json::from_str::<Value>(&shown).expect("JSON")["reason"], hostile);
    }

    #[test]
    fn the_default_filter_is_one() {
        assert!(EnvFilter::try_new(DEFAULT_FILTER).is_ok());
    }
}
