//! `lode miner run --dashboard`: what the miner does, on the terminal.
//!
//! ```text
//! report::Event ─► state.rs: Dashboard::apply (pure) ─► draw.rs: a function of it ─► terminal
//! log lines ─────► LogLine ─► Dashboard::log         keys ─► Stop
//! ```
//!
//! The terminal is given back on every way out: when the [`Screen`] is dropped, in the hook of a panic
//! of any thread, and before a second signal ends the process at once. From then on log lines go to
//! standard error again.

mod draw;
mod screen;
mod state;

pub(crate) use screen::{LogLine, Screen, leave, possible};
