//! The terminal: taken, drawn on a few times a second, and given back on every way out.

use std::{
    collections::VecDeque,
    io::{self, IsTerminal, Write},
    sync::{
        Arc, Mutex, Once, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::Context;
use lode_miner::EventSink;
use lode_node::stop::Stop;
use ratatui::{
    DefaultTerminal,
    crossterm::{
        cursor,
        event::{self, Event as Input, KeyCode, KeyEventKind, KeyModifiers},
        execute,
    },
};

use super::{draw::draw, state::Dashboard};

/// Time between two pictures.
const PICTURE: Duration = Duration::from_millis(250);
/// Log lines that wait for the next picture.
const PENDING_LINES: usize = 500;

/// Whether the terminal is ours now. While it is, nothing else may write to it.
static SHOWING: AtomicBool = AtomicBool::new(false);
/// Log lines since the last picture.
static PENDING: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Whether the dashboard can be shown: standard input and output must be a terminal.
pub(crate) fn possible() -> anyhow::Result<bool> {
    let terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
    if !terminal {
        crate::term::plain("no dashboard, since this is not a terminal; log lines instead");
    }
    Ok(terminal)
}

/// Gives the terminal back, if it is ours; what is still to be said goes to standard error.
pub(crate) fn leave() {
    if SHOWING.swap(false, Ordering::SeqCst) {
        ratatui::restore();
        // What dropping the terminal does; a process that ends at once drops nothing.
        let _ = execute!(io::stdout(), cursor::Show);
        for line in take_lines() {
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }
}

fn take_lines() -> VecDeque<String> {
    std::mem::take(&mut *PENDING.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A log line: on the dashboard while there is one, else on standard error.
#[derive(Debug, Default)]
pub(crate) struct LogLine;

impl Write for LogLine {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if !SHOWING.load(Ordering::SeqCst) {
            return io::stderr().write(line);
        }
        let mut pending = PENDING.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.len() == PENDING_LINES {
            pending.pop_front();
        }
        pending.push_back(String::from_utf8_lossy(line).into_owned());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Shared {
    state: Mutex<Dashboard>,
    began: Instant,
    over: AtomicBool,
}

impl Shared {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Dashboard) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The dashboard while it is shown.
pub(crate) struct Screen {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Screen {
    /// Takes the terminal. `stop` is set when the person asks for it.
    pub(crate) fn open(stop: Stop) -> anyhow::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                leave();
                before(panic);
            }));
        });
        let terminal = ratatui::try_init().context("cannot take the terminal for the dashboard")?;
        SHOWING.store(true, Ordering::SeqCst);
        let state = Mutex::new(Dashboard::default());
        let shared =
            Arc::new(Shared { state, began: Instant::now(), over: AtomicBool::new(false) });
        let shown = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            if let Err(error) = show(terminal, &shown, &stop) {
                leave();
                tracing::warn!(%error, "the dashboard ended; the miner goes on");
            }
        });
        Ok(Self { shared, thread: Some(thread) })
    }

    /// A sink that shows what goes to `events`.
    pub(crate) fn sink(&self, events: EventSink) -> EventSink {
        let shared = Arc::clone(&self.shared);
        Arc::new(move |event| {
            let now_ms = shared.now_ms();
            shared.with(|state| state.apply(now_ms, &event));
            events(event);
        })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // It looks at the flag after each picture; one that panicked has given the terminal back.
            let _ = thread.join();
        }
        leave();
    }
}

fn show(mut terminal: DefaultTerminal, shared: &Shared, stop: &Stop) -> io::Result<()> {
    while !shared.over.load(Ordering::SeqCst) && SHOWING.load(Ordering::SeqCst) {
        let now_ms = shared.now_ms();
        let lines = take_lines();
        let state = shared.with(|state| {
            lines.iter().for_each(|line| state.log(line));
            state.stopping = stop.is_stopped();
            state.clone()
        });
        terminal.draw(|frame| draw(frame, &state, now_ms))?;
        if event::poll(PICTURE)? && asks_to_stop(&event::read()?) {
            if stop.is_stopped() {
                leave();
                std::process::exit(130);
            }
            stop.stop();
        }
    }
    Ok(())
}

/// `q`, Escape, or Ctrl-C, which is no signal while keys are read one by one.
fn asks_to_stop(input: &Input) -> bool {
    let Input::Key(key) = input else { return false };
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press
        && match key.code {
            KeyCode::Char('c') => control,
            KeyCode::Char('q') | KeyCode::Esc => !control,
            _ => false,
        }
}
