//! Named points at which a test may have this process killed, as `kill -9` would.
//!
//! `LODE_KILL_AT=log:written` kills at the first time that point is reached, `log:written:3` at the
//! third; several are separated by commas. Unset, which is always outside of tests, a point costs
//! one load of a pointer.

use std::{
    collections::HashMap,
    sync::{Mutex, OnceLock, PoisonError},
};

/// The environment variable.
pub const VARIABLE: &str = "LODE_KILL_AT";

type Plan = Option<Mutex<HashMap<String, u64>>>;

static PLAN: OnceLock<Plan> = OnceLock::new();

fn parse(text: &str) -> HashMap<String, u64> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(|item| match item.rsplit_once(':') {
            Some((point, count)) if count.parse::<u64>().is_ok() => {
                (point.to_owned(), count.parse().unwrap_or(1).max(1))
            }
            _ => (item.to_owned(), 1),
        })
        .collect()
}

/// Dies here, if this point was asked for. Nothing is flushed, dropped or said to anyone.
pub fn reach(point: &str) {
    let plan =
        PLAN.get_or_init(|| std::env::var(VARIABLE).ok().map(|text| Mutex::new(parse(&text))));
    let Some(plan) = plan else { return };
    let mut plan = plan.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(left) = plan.get_mut(point) else { return };
    *left -= 1;
    if *left == 0 {
        eprintln!("killed at {point}, as {VARIABLE} asked");
        kill_this_process();
    }
}

fn kill_this_process() -> ! {
    let own = std::process::id().to_string();
    // The shell's own kill: present even where no kill program is installed.
    let _ = std::process::Command::new("sh").args(["-c", "kill -9 \"$0\"", &own]).status();
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_read() {
        let plan = parse("log:written, miner:committed:3,,x:0");
        assert_eq!(plan.get("log:written"), Some(&1));
        assert_eq!(plan.get("miner:committed"), Some(&3));
        assert_eq!(plan.get("x"), Some(&1));
        assert_eq!(plan.len(), 3);
    }
}
