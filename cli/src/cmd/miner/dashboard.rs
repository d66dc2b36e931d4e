//! `lode miner run --dashboard`: what the miner does, on the terminal.
//!
//! ```text
//! report::Event ─► state.rs: Dashboard::apply (pure) ─► draw.rs: a function of it ─► terminal
//! log lines ─────► LogLine ─► Dashboard::log         keys ─► Stop
//! ```
//!
//! The terminal is given back on every way out: when the [`Screen`] is dropped, in the hook of a panic
//! of any thread, and before a second signal ends the process at once. From then on log lines go to
//! standard error again. Without the feature `dashboard` only the log lines are left.

#[cfg(feature = "dashboard")]
mod draw;
#[cfg(feature = "dashboard")]
mod screen;
#[cfg(any(feature = "dashboard", test))]
#[cfg_attr(not(feature = "dashboard"), allow(dead_code))] // what is only drawn
mod state;

#[cfg(feature = "dashboard")]
pub(crate) use screen::{LogLine, Screen, leave, possible};
#[cfg(not(feature = "dashboard"))]
pub(crate) use without::{LogLine, Screen, leave, possible};

#[cfg(not(feature = "dashboard"))]
mod without {
    use std::io::{self, Write};

    use lode_miner::EventSink;
    use lode_node::stop::Stop;

    /// Refuses, saying what to build.
    pub(crate) fn possible() -> anyhow::Result<bool> {
        anyhow::bail!(
            "this build has no dashboard; build it with: cargo build --release --features dashboard"
        )
    }

    pub(crate) fn leave() {}

    /// A log line on standard error.
    #[derive(Debug, Default)]
    pub(crate) struct LogLine;

    impl Write for LogLine {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            io::stderr().write(line)
        }

        fn flush(&mut self) -> io::Result<()> {
            io::stderr().flush()
        }
    }

    /// Never there, since [`possible`] refuses.
    #[derive(Debug)]
    pub(crate) enum Screen {}

    impl Screen {
        pub(crate) fn open(_stop: Stop) -> anyhow::Result<Self> {
            possible().and_then(|_| anyhow::bail!("this build has no dashboard"))
        }

        pub(crate) fn sink(&self, _events: EventSink) -> EventSink {
            match *self {}
        }
    }
}
