//! Power and heat of NVIDIA GPUs: how much of either a miner may make.
//!
//! ```text
//! nvidia-smi ─► parse ─► Reading ─► Governor (pure) ─► why no new work is taken, or nothing
//!                                └─► Event::Gpu ─► metrics
//! ```
//!
//! Three limits, each off unless the configuration sets it: the driver's own (a GPU that may draw more is
//! told to draw less, or the miner does not start), the mean of what is drawn, and the temperature. The
//! last two hold new work off, and so does a driver that has forgotten its limit; groups in work are brought to their end, as they are outside the hours.
//! Readings that stop hold new work off, too: a limit that nobody watches is none.

mod smi;

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

pub use smi::SmiError;
pub(crate) use smi::{PROGRAM as SMI, run as run_smi};

/// Time between two readings.
pub(crate) const READ_EVERY: Duration = Duration::from_secs(5);
/// Why a limit that was set is not in force.
const NOT_KEPT: &str =
    "it was set, but the driver did not keep it; `nvidia-smi -pm 1` makes it stay";
/// Time over which power is averaged.
const MEAN_OVER: Duration = Duration::from_secs(600);
/// Work is taken again so far below the hottest temperature, °C.
const COOLER: i32 = 5;
/// Work is taken again at this share of the mean power, hundredths.
const LESS: u64 = 95;
/// Time without a reading after which no new work is taken.
const BLIND: Duration = Duration::from_secs(60);

/// Limits of power and heat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PowerConfig {
    /// The GPUs, as `nvidia-smi -i` takes them (index, UUID or bus); all where it is empty.
    pub gpus: Vec<String>,
    /// What each GPU may draw at most, by the driver's own limit, W; 0 leaves it alone.
    pub limit_watts: u32,
    /// New work is taken while all of them together draw no more than this on average, W; 0: always.
    pub mean_watts: u32,
    /// New work is taken while each of them is cooler than this, °C; 0: always.
    pub max_celsius: u32,
    /// The program that is asked.
    pub nvidia_smi: PathBuf,
}

impl Default for PowerConfig {
    fn default() -> Self {
        let nvidia_smi = SMI.into();
        Self { gpus: Vec::new(), limit_watts: 0, mean_watts: 0, max_celsius: 0, nvidia_smi }
    }
}

/// One GPU at a moment. What a GPU does not tell is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Its index.
    pub gpu: String,
    /// What it draws, mW.
    pub draw_mw: Option<u64>,
    /// What the driver lets it draw, mW.
    pub limit_mw: Option<u64>,
    /// °C.
    pub celsius: Option<i32>,
}

/// Why GPUs cannot be kept within the limits, with what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PowerError {
    /// Nothing can be read.
    #[error(
        "[power] sets limits, but the GPUs cannot be read: {0}; install NVIDIA's driver, name the program in \
         power.nvidia_smi, or remove the limits"
    )]
    Unread(#[from] SmiError),
    /// There is no such GPU.
    #[error("[power] sets limits, but {0} lists no GPU; see power.gpus, or remove the limits")]
    NoGpu(String),
    /// A GPU does not tell what a limit is about.
    #[error(
        "GPU {gpu} does not tell its {what}, so {key} cannot be kept; remove it, or leave this GPU out of power.gpus"
    )]
    NotTold {
        /// Its index.
        gpu: String,
        /// What it does not tell.
        what: &'static str,
        /// The key.
        key: &'static str,
    },
    /// The driver lets a GPU draw more, and this user may not change that.
    #[error(
        "GPU {gpu} may draw {} W, power.limit_watts is {want_watts}, and it cannot be set here ({reason}); run \
         `sudo nvidia-smi -i {gpu} -pl {want_watts}` before the miner starts, or raise power.limit_watts",
        .has_mw / 1000
    )]
    Limit {
        /// Its index.
        gpu: String,
        /// Its limit, mW.
        has_mw: u64,
        /// The limit asked for, W.
        want_watts: u32,
        /// Why it cannot be set.
        reason: String,
    },
}

impl PowerConfig {
    /// Whether anything is limited.
    #[must_use]
    pub fn limits(&self) -> bool {
        self.limit_watts > 0 || self.mean_watts > 0 || self.max_celsius > 0
    }

    /// The GPUs as they are now. Blocks for some seconds at most.
    ///
    /// # Errors
    /// [`PowerError`] where one of the limits cannot be judged by it.
    pub fn read(&self) -> Result<Vec<Reading>, PowerError> {
        let mut arguments = vec![
            "--query-gpu=index,power.draw,power.limit,temperature.gpu".to_owned(),
            "--format=csv,noheader,nounits".to_owned(),
        ];
        if !self.gpus.is_empty() {
            arguments.extend(["-i".to_owned(), self.gpus.join(",")]);
        }
        let readings = parse(&run_smi(&self.nvidia_smi, &arguments)?)?;
        if readings.is_empty() {
            return Err(PowerError::NoGpu(self.nvidia_smi.display().to_string()));
        }
        for Reading { gpu, draw_mw, limit_mw, celsius } in &readings {
            let wanted = [
                (self.limit_watts > 0 && limit_mw.is_none(), "power limit", "power.limit_watts"),
                (self.mean_watts > 0 && draw_mw.is_none(), "power", "power.mean_watts"),
                (self.max_celsius > 0 && celsius.is_none(), "temperature", "power.max_celsius"),
            ];
            if let Some((_, what, key)) = wanted.into_iter().find(|(missing, ..)| *missing) {
                return Err(PowerError::NotTold { gpu: gpu.clone(), what, key });
            }
        }
        Ok(readings)
    }

    /// GPUs that may draw more than they should, and how much, mW.
    #[must_use]
    pub fn over<'a>(&self, readings: &'a [Reading]) -> Vec<(&'a str, u64)> {
        let limit = u64::from(self.limit_watts) * 1000;
        let over = |reading: &'a Reading| {
            let has = reading.limit_mw.filter(|has| limit > 0 && *has > limit)?;
            Some((reading.gpu.as_str(), has))
        };
        readings.iter().filter_map(over).collect()
    }

    /// Reads the GPUs, and sets the driver's limit where it is above [`Self::limit_watts`]. It stays when
    /// the miner ends: the driver forgets it when it is loaded anew. Blocks for some seconds at most.
    ///
    /// # Errors
    /// [`PowerError`] where a limit cannot be kept.
    pub fn enforce(&self) -> Result<Vec<Reading>, PowerError> {
        let before = self.read()?;
        let mut refused = None;
        for (gpu, _) in self.over(&before) {
            let watts = self.limit_watts.to_string();
            let arguments = ["-i", gpu, "-pl", &watts].map(str::to_owned);
            match run_smi(&self.nvidia_smi, &arguments) {
                Ok(_) => {
                    tracing::info!(gpu, watts = self.limit_watts, "set the driver's power limit")
                }
                Err(error) => refused = Some(error.to_string()),
            }
        }
        let after = if self.over(&before).is_empty() { before } else { self.read()? };
        match self.over(&after).first() {
            None => Ok(after),
            Some((gpu, has_mw)) => Err(PowerError::Limit {
                gpu: (*gpu).to_owned(),
                has_mw: *has_mw,
                want_watts: self.limit_watts,
                reason: refused.unwrap_or_else(|| NOT_KEPT.into()),
            }),
        }
    }
}

/// Reads lines of index, power drawn and allowed (W), temperature (°C); `[N/A]` and its like are none.
fn parse(text: &str) -> Result<Vec<Reading>, SmiError> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            let [gpu, draw, limit, celsius] = fields[..] else {
                return Err(SmiError::Unreadable(line.to_owned()));
            };
            let (draw_mw, limit_mw) = (milliwatts(draw), milliwatts(limit));
            Ok(Reading { gpu: gpu.into(), draw_mw, limit_mw, celsius: celsius.parse().ok() })
        })
        .collect()
}

/// `72.35` as 72,350; none for what is no power.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 10^9
fn milliwatts(text: &str) -> Option<u64> {
    let watts: f64 = text.parse().ok()?;
    (0.0..1e6).contains(&watts).then(|| (watts * 1000.0).round() as u64)
}

/// Decides from readings whether new work may be taken.
#[derive(Debug)]
pub(crate) struct Governor {
    mean_watts: u64,
    max_celsius: Option<i32>,
    /// Mean power, mW, with the time of the last reading.
    mean: Option<(f64, Duration)>,
    /// What a GPU may draw at most, mW; 0: whatever it may.
    limit_mw: u64,
    hot: bool,
    unlimited: bool,
    thirsty: bool,
    /// When it was last seen.
    seen: Duration,
}

/// Why no new work is taken.
const TOO_HOT: &str = "a GPU is as hot as power.max_celsius allows";
const TOO_MUCH: &str = "the GPUs draw more on average than power.mean_watts";
const UNLIMITED: &str = "the driver lets a GPU draw more than power.limit_watts again";
const UNSEEN: &str = "the GPUs' power and temperature cannot be read";

impl Governor {
    /// `now` is the time on any clock that goes on.
    pub(crate) fn new(config: &PowerConfig, now: Duration) -> Self {
        Self {
            mean_watts: config.mean_watts.into(),
            max_celsius: i32::try_from(config.max_celsius).ok().filter(|most| *most > 0),
            mean: None,
            limit_mw: u64::from(config.limit_watts) * 1000,
            hot: false,
            unlimited: false,
            thirsty: false,
            seen: now,
        }
    }

    /// Takes a reading, or that there is none, into account.
    pub(crate) fn observe(&mut self, now: Duration, readings: Option<&[Reading]>) {
        let Some(readings) = readings else { return };
        self.seen = now;
        let over = |reading: &Reading| reading.limit_mw.is_some_and(|has| has > self.limit_mw);
        self.unlimited = self.limit_mw > 0 && readings.iter().any(over);
        if let (Some(most), Some(celsius)) =
            (self.max_celsius, readings.iter().filter_map(|reading| reading.celsius).max())
        {
            self.hot = celsius >= if self.hot { most - COOLER + 1 } else { most };
        }
        if self.mean_watts > 0 {
            let draw = readings.iter().filter_map(|reading| reading.draw_mw).sum::<u64>() as f64;
            let mean = match self.mean {
                None => draw,
                Some((mean, at)) => {
                    let weight = -(-now.saturating_sub(at).div_duration_f64(MEAN_OVER)).exp_m1();
                    mean + weight * (draw - mean)
                }
            };
            self.mean = Some((mean, now));
            let most = self.mean_watts * 1000;
            let most = if self.thirsty { most / 100 * LESS } else { most };
            self.thirsty = mean > most as f64;
        }
    }

    /// Why no new work is taken.
    pub(crate) fn closed(&self, now: Duration) -> Option<&'static str> {
        if now.saturating_sub(self.seen) > BLIND {
            Some(UNSEEN)
        } else if self.unlimited {
            Some(UNLIMITED)
        } else if self.hot {
            Some(TOO_HOT)
        } else {
            self.thirsty.then_some(TOO_MUCH)
        }
    }
}

#[cfg(test)]
mod tests;
