//! What a check found: one line for a person, the same as data for a program.

use std::fmt;

use lode_proto::plain;
use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It could not be tried, because of another finding.
    NotTried,
    /// The miner works, but not as well as it could.
    Warning,
    /// The miner would not work.
    Failure,
}

impl Level {
    /// The word that begins the line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotTried => "not tried",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The device that the configuration asks for.
    Device,
    /// The limits of power and heat.
    Power,
    /// The model file: there, and whole.
    Model,
    /// Its hash against the pinned one.
    Hash,
    /// Model and work against memory.
    Memory,
    /// The data folder.
    Disk,
    /// One address of the coordinator.
    Address,
    /// What the coordinator speaks, and for which network.
    Protocol,
    /// This machine's clock against the coordinator's.
    Clock,
    /// The engine at work.
    Engine,
    /// The engine's speed against the lease.
    Speed,
    /// The model's context against the tasks.
    Context,
}

impl Check {
    /// Its name in a line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Power => "power",
            Self::Model => "model",
            Self::Hash => "hash",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Address => "address",
            Self::Protocol => "protocol",
            Self::Clock => "clock",
            Self::Engine => "engine",
            Self::Speed => "speed",
            Self::Context => "context",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// How bad it is.
    pub level: Level,
    /// Name of the fault, the same in every version (`docs/miner.md` lists them); none where all is
    /// well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<&'static str>,
    /// What was measured.
    pub measured: String,
    /// What was expected.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub expected: String,
    /// What to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub advice: String,
}

impl Finding {
    /// All is well.
    #[must_use]
    pub fn ok(check: Check, measured: impl Into<String>) -> Self {
        Self::new(check, Level::Ok, None, measured.into())
    }

    /// Not tried, because of what another check found.
    #[must_use]
    pub fn not_tried(check: Check, because: impl Into<String>) -> Self {
        Self::new(check, Level::NotTried, None, because.into())
    }

    /// Something to mend some time.
    #[must_use]
    pub fn warning(check: Check, fault: &'static str, measured: impl Into<String>) -> Self {
        Self::new(check, Level::Warning, Some(fault), measured.into())
    }

    /// Something to mend now.
    #[must_use]
    pub fn failure(check: Check, fault: &'static str, measured: impl Into<String>) -> Self {
        Self::new(check, Level::Failure, Some(fault), measured.into())
    }

    fn new(check: Check, level: Level, fault: Option<&'static str>, measured: String) -> Self {
        // Reasons quote libraries, servers and other nodes.
        let measured = plain::line(&measured);
        Self { check, level, fault, measured, expected: String::new(), advice: String::new() }
    }

    /// With what was expected.
    #[must_use]
    pub fn expected(self, expected: impl Into<String>) -> Self {
        Self { expected: plain::line(&expected.into()), ..self }
    }

    /// With what to do.
    #[must_use]
    pub fn advice(self, advice: impl Into<String>) -> Self {
        Self { advice: plain::line(&advice.into()), ..self }
    }
}

impl fmt::Display for Finding {
    /// `failure    disk (disk-full): 12 KiB free …; expected …. What to do.`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<10} {}", self.level.word(), self.check.name())?;
        if let Some(fault) = self.fault {
            write!(f, " ({fault})")?;
        }
        write!(f, ": {}", self.measured)?;
        if !self.expected.is_empty() {
            write!(f, "; expected {}", self.expected)?;
        }
        if !self.advice.is_empty() {
            write!(f, ". {}", self.advice)?;
        }
        Ok(())
    }
}

/// Bytes for people: `1.2 GiB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    for (name, unit) in UNITS {
        if count >= unit {
            let tenths = u128::from(count) * 10 / u128::from(unit);
            return format!("{}.{} {name}", tenths / 10, tenths % 10);
        }
    }
    format!("{count} bytes")
}

/// Milliseconds for people: `340 ms`, `12.3 s`, `14 min`.
#[must_use]
pub fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        _ => format!("{}.{} h", ms / 3_600_000, ms % 3_600_000 / 360_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_harmless_line() {
        let finding = Finding::failure(Check::Disk, "disk-full", "no\nroom \u{1b}[31m")
            .expected("room")
            .advice("Make some.");
        let line = finding.to_string();
        assert!(line.starts_with("failure    disk (disk-full): no"), "{line}");
        assert!(line.ends_with("; expected room. Make some."), "{line}");
        assert!(!line.contains(['\n', '\u{1b}']), "{line}");
    }

    #[test]
    fn figures_read_well() {
        assert_eq!(bytes(1023), "1023 bytes");
        assert_eq!(bytes(1 << 20), "1.0 MiB");
        assert_eq!(bytes(u64::MAX), "17179869183.9 GiB");
        assert_eq!(duration(999), "999 ms");
        assert_eq!(duration(61_250), "61.2 s");
        assert_eq!(duration(600_000), "10 min");
        assert_eq!(duration(9_000_000), "2.5 h");
    }
}
