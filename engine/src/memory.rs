//! How much memory a new program may use, as the system says.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// Most bytes read of a file of the system.
const MAX_TEXT: u64 = 64 * 1024;

/// Memory that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Available {
    /// Bytes.
    pub bytes: u64,
    /// Where the figure is from, for people.
    pub from: &'static str,
}

/// What the kernel calls available, or what is left of the control group's limit, whichever is less;
/// `None` where the system does not say.
#[must_use]
pub fn available() -> Option<Available> {
    let free = read_text("/proc/meminfo")
        .and_then(|text| figure(&text, "MemAvailable:"))
        .map(|kibibytes| kibibytes.saturating_mul(1024))
        .map(|bytes| Available { bytes, from: "available memory" });
    let group =
        control_group().map(|bytes| Available { bytes, from: "left of the container's limit" });
    free.into_iter().chain(group).min_by_key(|found| found.bytes)
}

/// The beginning of a file of the system; `None` where it cannot be read.
#[must_use]
pub fn read_text(path: impl AsRef<Path>) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(MAX_TEXT).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The number after a word in a table of the kernel.
fn figure(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What is left of this process's control group, version 2 or 1. Cache counts as free.
fn control_group() -> Option<u64> {
    let groups = read_text("/proc/self/cgroup")?;
    let of = |controller: &str| {
        groups.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            (fields.next()? == controller).then(|| fields.next().unwrap_or("/").to_owned())
        })
    };
    let number = |path: PathBuf| read_text(path)?.trim().parse::<u64>().ok();
    // In a container its own group may be mounted at the root.
    let left = |root: &str, group: &str, limit: &str, used: &str, cache: &str| {
        let inner = Path::new(root).join(group.trim_start_matches('/'));
        let folder = [inner, root.into()].into_iter().find(|f| f.join(limit).exists())?;
        // "max" is no number: no limit.
        let limit = number(folder.join(limit))?;
        let used = number(folder.join(used))?;
        let stat = read_text(folder.join("memory.stat")).unwrap_or_default();
        let cache = figure(&stat, cache).unwrap_or(0);
        Some(limit.saturating_sub(used.saturating_sub(cache)))
    };
    let second = of("").and_then(|group| {
        left("/sys/fs/cgroup", &group, "memory.max", "memory.current", "inactive_file ")
    });
    let first = of("memory").and_then(|group| {
        let root = "/sys/fs/cgroup/memory";
        let cache = "total_inactive_file ";
        left(root, &group, "memory.limit_in_bytes", "memory.usage_in_bytes", cache)
    });
    second.into_iter().chain(first).min()
}

#[cfg(test)]
mod tests {
    use super::figure;

    #[test]
    fn tables_of_the_kernel_are_read() {
        let text = "MemTotal:  10 kB\nMemAvailable:   9 kB\n";
        assert_eq!(figure(text, "MemAvailable:"), Some(9));
        assert_eq!(figure(text, "MemFree:"), None);
        assert_eq!(figure("MemAvailable: x", "MemAvailable:"), None);
    }
}
