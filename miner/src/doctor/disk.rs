//! The data folder: room, and whether what is written there stays.

use std::path::PathBuf;

use super::finding::{Check, Finding, bytes, duration};

/// What was found of the data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskFacts {
    /// The folder, or the one that it would be made in.
    pub folder: PathBuf,
    /// Room for this user, bytes; none where the system does not say.
    pub free: Option<u64>,
    /// Time that a write took until it was on the disk, milliseconds, or why it failed.
    pub synced_ms: Result<u64, WriteFault>,
}

/// Why a write failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteFault {
    /// Whether there was no room (or no quota).
    pub no_room: bool,
    /// In the system's words, with what to do.
    pub reason: String,
}

/// Least room, bytes: a queue of unsent groups and its log's files.
pub const LEAST_FREE: u64 = 64 << 20;
/// Room below which there is a warning, bytes: receipts of some months.
pub const LITTLE_FREE: u64 = 1 << 30;
/// A disk that takes longer for a write of [`PROBE_BYTES`] delays each step of the miner.
pub const SLOW_SYNC_MS: u64 = 3_000;
/// Bytes written to see whether they stay.
pub const PROBE_BYTES: usize = 1 << 20;

/// Judges the folder.
#[must_use]
pub fn judge(facts: &DiskFacts) -> Finding {
    let folder = facts.folder.display();
    let full = |measured: String| {
        Finding::failure(Check::Disk, "disk-full", measured)
            .expected(format!("at least {} free", bytes(LEAST_FREE)))
            .advice("Free some space, or set `data` to a folder on another disk")
    };
    let free = facts.free.map_or("unknown room".into(), |free| format!("{} free", bytes(free)));
    if facts.free.is_some_and(|free| free < LEAST_FREE) {
        return full(format!("{free} in {folder}"));
    }
    let took = match &facts.synced_ms {
        Ok(took) => *took,
        Err(fault) if fault.no_room => {
            return full(format!("{free} in {folder}, but a write failed: {}", fault.reason));
        }
        Err(fault) => {
            return Finding::failure(
                Check::Disk,
                "data-not-writable",
                format!("{folder} cannot be written: {}", fault.reason),
            )
            .expected("a folder that this user may write")
            .advice("Give this user the rights, or set `data` to another folder");
        }
    };
    if facts.free.is_some_and(|free| free < LITTLE_FREE) {
        return Finding::warning(Check::Disk, "disk-low", format!("{free} in {folder}"))
            .expected(format!("{} for the receipts of some months", bytes(LITTLE_FREE)))
            .advice("Free some space before it runs out");
    }
    let sync = format!("{} are on the disk in {}", bytes(PROBE_BYTES as u64), duration(took));
    if took > SLOW_SYNC_MS {
        return Finding::warning(Check::Disk, "disk-slow", format!("{free} in {folder}; {sync}"))
            .expected(format!("at most {}", duration(SLOW_SYNC_MS)))
            .advice("Set `data` to a folder on a faster disk, not on the network");
    }
    Finding::ok(Check::Disk, format!("{free} in {folder}; {sync}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(free: Option<u64>, synced_ms: Result<u64, WriteFault>) -> Option<&'static str> {
        judge(&DiskFacts { folder: "/data".into(), free, synced_ms }).fault
    }

    #[test]
    fn room_first_then_rights_then_speed() {
        let no_room = WriteFault { no_room: true, reason: "no room".into() };
        let denied = WriteFault { no_room: false, reason: "denied".into() };
        assert_eq!(fault(Some(1 << 40), Ok(5)), None);
        assert_eq!(fault(None, Ok(5)), None);
        assert_eq!(fault(Some(0), Ok(5)), Some("disk-full"));
        assert_eq!(fault(Some(LEAST_FREE - 1), Err(denied.clone())), Some("disk-full"));
        // A quota is not in the free space.
        assert_eq!(fault(Some(1 << 40), Err(no_room)), Some("disk-full"));
        assert_eq!(fault(Some(1 << 40), Err(denied)), Some("data-not-writable"));
        assert_eq!(fault(Some(LEAST_FREE), Ok(5)), Some("disk-low"));
        assert_eq!(fault(Some(1 << 40), Ok(SLOW_SYNC_MS + 1)), Some("disk-slow"));
    }
}
