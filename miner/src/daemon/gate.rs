//! Whether new work may be taken: hours of the day, maintenance, the operator's pause, power and heat.

use std::time::Duration;

use chrono::Timelike;

use crate::{config::MinerConfig, hours};

/// How often a pause is looked at again.
const LOOK: Duration = Duration::from_secs(5);

/// Why no new work is taken, and when to look again; `None` where it may be.
/// `heat` is what the GPUs say to it.
pub(super) fn closed(
    config: &MinerConfig,
    heat: Option<&'static str>,
) -> Option<(&'static str, Duration)> {
    let now = chrono::Local::now();
    let minute = u16::try_from(now.hour() * 60 + now.minute()).unwrap_or(0);
    let minutes = hours::until_any(&config.hours, minute);
    judge(config.maintenance, config.pause_file().exists(), minutes, heat)
}

fn judge(
    maintenance: bool,
    paused: bool,
    minutes: u16,
    heat: Option<&'static str>,
) -> Option<(&'static str, Duration)> {
    if maintenance {
        Some(("maintenance is set in the configuration", LOOK))
    } else if paused {
        Some(("paused; `lode miner resume` goes on", LOOK))
    } else if minutes > 0 {
        // The clock may be set meanwhile, so never longer than a minute.
        Some(("outside the configured hours", Duration::from_secs(60)))
    } else {
        heat.map(|reason| (reason, LOOK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_closes_the_gate() {
        assert_eq!(judge(false, false, 0, None), None);
        assert_eq!(judge(false, false, 0, Some("hot")), Some(("hot", LOOK)));
        for (maintenance, paused, minutes) in
            [(true, false, 0), (false, true, 0), (false, false, 1)]
        {
            assert!(judge(maintenance, paused, minutes, None).is_some());
        }
        assert_eq!(
            judge(false, false, 600, None).map(|(_, wait)| wait),
            Some(Duration::from_secs(60))
        );
    }
}
