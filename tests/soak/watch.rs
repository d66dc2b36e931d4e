//! Memory of the processes while they work, from `/proc`, and whether it grows.
//!
//! Each sample is a line of a CSV file. Growth is the most that a process had in the last quarter of
//! its samples against the second quarter; the first of its time is left out as warm-up. A
//! coordinator keeps what every task of an open epoch came to, and may grow by that.

use std::{fs::File, io::Write, ops::Range, path::Path, time::Duration};

use serde_json::json;

use crate::{MEMORY_MIB, Report};

/// Warm-up: at most so long, and at most a tenth of the time.
const WARM_UP: Duration = Duration::from_secs(180);
/// What may be more in the last quarter of the samples than in the second: a share, and so much.
const GROWTH_SHARE: f64 = 0.1;
const GROWTH_KIB: u64 = 32 * KIB_IN_MIB;
/// What a coordinator may keep of a task in an open epoch: its commitment, eight receipts, verdicts.
const TASK_KIB: u64 = 32;
/// What a group may take of memory besides keys and values: the products of one layer, the grammar.
const SCRATCH_MIB: u64 = 64;
const KIB_IN_MIB: u64 = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Miner,
    Coordinator,
    Verifier,
}

impl Role {
    const ALL: [Self; 3] = [Self::Miner, Self::Coordinator, Self::Verifier];

    fn name(self) -> &'static str {
        match self {
            Self::Miner => "miner",
            Self::Coordinator => "coordinator",
            Self::Verifier => "verifier",
        }
    }
}

/// A process at a moment, KiB.
#[derive(Debug, Clone, Copy)]
struct Sample {
    role: Role,
    life: u32,
    at: Duration,
    resident: u64,
    anonymous: u64,
    /// Most that was ever resident.
    most: u64,
    graded: u64,
    /// The miner has just got its model, and no group yet.
    loaded: bool,
}

/// Writes samples down.
pub(crate) struct Table(File);

/// All samples of a run.
pub(crate) struct Watch {
    samples: Vec<Sample>,
}

/// What the kernel says of a process; `None` where it has ended.
fn read(pid: u32) -> Option<(u64, u64, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    };
    Some((field("VmRSS:")?, field("RssAnon:")?, field("VmHWM:")?))
}

/// The most in the second and in the last quarter.
fn quarters(values: &[u64]) -> Option<(u64, u64)> {
    let n = values.len();
    let most = |part: &[u64]| part.iter().copied().max();
    Some((most(values.get(n / 4..n / 2)?)?, most(values.get(n * 3 / 4..)?)?))
}

impl Table {
    pub(crate) fn create(path: &Path) -> Self {
        let mut table = File::create(path).expect("made");
        let head = "seconds,role,life,pid,rss_kib,anon_kib,hwm_kib,graded,receipts,loaded";
        writeln!(table, "{head}").expect("written");
        Self(table)
    }

    /// `loaded` is that a miner has just got its model.
    pub(crate) fn sample(
        &mut self,
        role: Role,
        life: u32,
        pid: u32,
        at: Duration,
        (graded, receipts): (u64, u64),
        loaded: bool,
    ) {
        let Some((resident, anonymous, most)) = read(pid) else { return };
        let (name, seconds) = (role.name(), at.as_secs_f64());
        let line = format!("{seconds:.1},{name},{life},{pid},{resident},{anonymous},{most}");
        writeln!(self.0, "{line},{graded},{receipts},{loaded}").expect("written");
    }
}

impl Watch {
    /// Reads what [`Table::sample`] wrote.
    pub(crate) fn read(table: &Path) -> Self {
        let text = std::fs::read_to_string(table).expect("the samples");
        let sample = |line: &str| -> Option<Sample> {
            let fields: Vec<&str> = line.split(',').collect();
            let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
            Some(Sample {
                role: Role::ALL.into_iter().find(|role| fields.get(1) == Some(&role.name()))?,
                life: fields.get(2)?.parse().ok()?,
                at: Duration::from_secs_f64(fields.first()?.parse().ok()?),
                resident: number(4)?,
                anonymous: number(5)?,
                most: number(6)?,
                graded: number(7)?,
                loaded: fields.get(9)?.parse().ok()?,
            })
        };
        Self { samples: text.lines().skip(1).filter_map(sample).collect() }
    }

    fn of(&self, role: Role, life: Option<u32>) -> impl Iterator<Item = &Sample> {
        let wanted = move |one: &&Sample| one.role == role && life.is_none_or(|l| one.life == l);
        self.samples.iter().filter(wanted)
    }

    /// Times in which no miner was there: from its last sample until the next has got its model.
    pub(crate) fn downs(&self) -> Vec<Range<Duration>> {
        let (mut downs, mut since, mut life) = (Vec::new(), Duration::ZERO, 0);
        let mut up = false;
        for one in self.of(Role::Miner, None) {
            if one.life != life {
                (life, up) = (one.life, false);
            }
            if one.loaded {
                downs.push(since..one.at);
                up = true;
            }
            if up {
                since = one.at;
            }
        }
        downs
    }

    /// What the process had without a file behind it, after its warm-up.
    fn warm(&self, role: Role, life: Option<u32>) -> Vec<Sample> {
        let all: Vec<Sample> = self.of(role, life).copied().collect();
        let (Some(first), Some(last)) = (all.first(), all.last()) else { return Vec::new() };
        let from = first.at + WARM_UP.min((last.at - first.at) / 10);
        all.into_iter().filter(|one| one.at >= from).collect()
    }

    /// Nothing grows, and the miner stays within its budget.
    pub(crate) fn judge(&self, report: &mut Report, lives: u32) {
        for role in Role::ALL {
            self.growth(report, role, None);
        }
        self.growth(report, Role::Miner, Some(lives));
        self.budget(report, lives);
    }

    fn growth(&self, report: &mut Report, role: Role, life: Option<u32>) {
        let samples = self.warm(role, life);
        let values: Vec<u64> = samples.iter().map(|one| one.anonymous).collect();
        let name = role.name();
        let Some((before, after)) = quarters(&values) else {
            return report.wrong.push(format!("too few samples of the {name}"));
        };
        let (first, last) = (samples[0], samples[samples.len() - 1]);
        let tasks = last.graded - first.graded;
        let kept = if role == Role::Coordinator { tasks * TASK_KIB } else { 0 };
        let allowed = before + (before as f64 * GROWTH_SHARE) as u64 + GROWTH_KIB + kept;
        let most = samples.iter().map(|one| one.resident).max();
        report.say(json!({
            "soak": "memory", "role": name, "last_life_only": life.is_some(),
            "samples": values.len(), "seconds": (last.at - first.at).as_secs(),
            "first_anon_kib": first.anonymous, "last_anon_kib": last.anonymous,
            "second_quarter_anon_kib": before, "last_quarter_anon_kib": after,
            "allowed_anon_kib": allowed, "most_rss_kib": most, "hwm_kib": last.most,
            "tasks_graded": tasks,
            "anon_bytes_a_task": (last.anonymous as f64 - first.anonymous as f64) * 1024.0
                / tasks.max(1) as f64,
        }));
        report.check(after <= allowed, || {
            format!("the {name} grew from {before} to {after} KiB, more than to {allowed}")
        });
    }

    /// Besides the model, groups take no more than the miner was allowed.
    fn budget(&self, report: &mut Report, lives: u32) {
        let allowed = (MEMORY_MIB + SCRATCH_MIB) * KIB_IN_MIB;
        let besides = |life: u32| {
            let of = || self.of(Role::Miner, Some(life));
            let loaded = of().find(|one| one.loaded)?;
            let later = || of().filter(|one| one.at > loaded.at);
            // The kernel's own peak, where loading was not the peak.
            let peak = later().map(|one| one.most).max().filter(|most| *most > loaded.most);
            let peak = peak.or_else(|| later().map(|one| one.resident).max())?;
            Some((loaded.resident, peak.saturating_sub(loaded.resident)))
        };
        let of_lives: Vec<(u64, u64)> = (1..=lives).filter_map(besides).collect();
        let model = of_lives.iter().map(|(loaded, _)| *loaded).max();
        let most = of_lives.iter().map(|(_, more)| *more).max();
        report.say(json!({
            "soak": "budget", "memory_mib": MEMORY_MIB, "lives": of_lives.len(),
            "rss_with_model_kib": model, "most_besides_kib": most, "allowed_kib": allowed,
        }));
        report.check(most.is_some_and(|most| most <= allowed), || {
            format!("besides its model the miner took {most:?} KiB, of {allowed} allowed")
        });
    }
}
