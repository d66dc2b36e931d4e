//! Hours of the day at which a miner takes new work.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// A span of the day in local time, `22:00-07:00`: from the first minute on, until before the last
/// one; past midnight where the first is the later one. Equal ends are the whole day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hours {
    from: u16,
    to: u16,
}

impl Hours {
    /// Whether a minute of the day lies within.
    #[must_use]
    pub fn holds(&self, minute: u16) -> bool {
        if self.from < self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }

    /// Minutes from a minute of the day until the span begins; 0 within it.
    #[must_use]
    pub fn until(&self, minute: u16) -> u16 {
        if self.holds(minute) { 0 } else { (self.from + DAY - minute) % DAY }
    }
}

/// Minutes until one of several spans begins; 0 within one, and where there are none.
#[must_use]
pub(crate) fn until_any(hours: &[Hours], minute: u16) -> u16 {
    hours.iter().map(|span| span.until(minute)).min().unwrap_or(0)
}

impl TryFrom<String> for Hours {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let minute = |text: &str| {
            let (hour, minute) = text.trim().split_once(':')?;
            let two = |digits: &str, below: u16| {
                let short = (1..=2).contains(&digits.len());
                digits.parse::<u16>().ok().filter(|n| short && *n < below)
            };
            Some(two(hour, 24)? * 60 + two(minute, 60)?)
        };
        let ends = text.split_once('-').and_then(|(from, to)| Some((minute(from)?, minute(to)?)));
        let (from, to) = ends.ok_or_else(|| {
            format!("{text:?} is no span of the day; write it like \"22:00-07:00\" (local time)")
        })?;
        Ok(Self { from, to })
    }
}

impl From<Hours> for String {
    fn from(hours: Hours) -> Self {
        hours.to_string()
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to } = self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(text: &str) -> Hours {
        Hours::try_from(text.to_owned()).expect(text)
    }

    #[test]
    fn spans_may_go_past_midnight() {
        let night = hours("22:00-07:00");
        assert!(night.holds(22 * 60) && night.holds(0) && night.holds(7 * 60 - 1));
        assert!(!night.holds(7 * 60) && !night.holds(12 * 60) && !night.holds(22 * 60 - 1));
        assert_eq!(night.until(21 * 60 + 59), 1);
        assert_eq!(night.until(7 * 60), 15 * 60);
        assert_eq!(night.until(3), 0);
        let day = hours("9:30-12:00");
        assert_eq!((day.until(9 * 60), day.until(12 * 60)), (30, 21 * 60 + 30));
        assert!((0..DAY).all(|minute| hours("00:00-00:00").holds(minute)));
    }

    #[test]
    fn the_next_of_several_counts() {
        let both = [hours("09:00-10:00"), hours("20:00-21:00")];
        assert_eq!(until_any(&both, 11 * 60), 9 * 60);
        assert_eq!(until_any(&both, 20 * 60 + 1), 0);
        assert_eq!(until_any(&[], 5), 0);
    }

    #[test]
    fn what_is_no_span_is_refused_with_an_example() {
        for text in ["", "22:00", "22-7", "24:00-07:00", "22:60-07:00", "a:b-c:d", "22:00-07:000"] {
            let error = Hours::try_from(text.to_owned()).expect_err(text);
            assert!(error.contains("22:00-07:00"), "{error}");
        }
        assert_eq!(hours("7:05-8:00").to_string(), "07:05-08:00");
    }
}
