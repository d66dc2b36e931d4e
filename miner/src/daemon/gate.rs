//! Whether new work may be taken: hours of the day, maintenance, the operator's pause.

use std::time::Duration;

use chrono::Timelike;

use crate::{config::MinerConfig, hours};

/// How often a pause is looked at again.
const LOOK: Duration = Duration::from_secs(5);

/// Why no new work is taken, and when to look again; `None` where it may be.
pub(super) fn closed(config: &MinerConfig) -> Option<(&'static str, Duration)> {
    let now = chrono::Local::now();
    let minute = u16::try_from(now.hour() * 60 + now.minute()).unwrap_or(0);
    judge(config.maintenance, config.pause_file().exists(), hours::until_any(&config.hours, minute))
}

fn judge(maintenance: bool, paused: bool, minutes: u16) -> Option<(&'static str, Duration)> {
    if maintenance {
        Some(("maintenance is set in the configuration", LOOK))
    } else if paused {
        Some(("paused; `lode miner resume` goes on", LOOK))
    } else if minutes > 0 {
        // The clock may be set meanwhile, so never longer than a minute.
        Some(("outside the configured hours", Duration::from_secs(60)))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_closes_the_gate() {
        assert_eq!(judge(false, false, 0), None);
        for closed in [judge(true, false, 0), judge(false, true, 0), judge(false, false, 1)] {
            assert!(closed.is_some());
        }
        assert_eq!(judge(false, false, 600).map(|(_, wait)| wait), Some(Duration::from_secs(60)));
    }
}
