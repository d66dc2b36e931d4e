//! Attempts a minute: whole groups at real tasks, under their grammar, as a miner makes them.

use std::time::Instant;

use anyhow::ensure;
use lode_engine::{Control, Engine};
use lode_proto::task::Profile;
use serde::Serialize;

use crate::cmd::held_out::{HeldOut, held_out};

/// The domain of the tasks.
const DOMAIN: &str = "companies";
/// Root of their seeds.
const ROOT: u64 = 1;
/// Temperature, thousandths: a miner's unless it is told otherwise.
const TEMPERATURE_MILLI: u32 = 700;

/// Tasks of a profile.
pub(super) fn tasks(profile: Profile, count: u64) -> anyhow::Result<Vec<HeldOut>> {
    held_out(profile.name(), DOMAIN, ROOT, count)
}

/// How fast an engine answers tasks of a profile.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Rate {
    /// Attempts a minute.
    pub(super) attempts_per_minute: f64,
    /// Mean tokens of a prompt.
    pub(super) prompt_tokens: f64,
    /// Mean tokens of an attempt.
    pub(super) tokens: f64,
    /// Groups.
    pub(super) groups: usize,
    /// Seconds for all of them.
    pub(super) seconds: f64,
}

/// Answers each task with a group; an attempt that fails ends the measurement.
pub(super) async fn measure(
    engine: &dyn Engine,
    tasks: &[HeldOut],
    group: u32,
) -> anyhow::Result<Rate> {
    let (mut attempts, mut prompts, mut tokens) = (0_u64, 0_u64, 0_u64);
    let start = Instant::now();
    for task in tasks {
        let request = task.request(group, TEMPERATURE_MILLI, engine.supports_grammar());
        for completion in engine.generate(request, &Control::default()).await? {
            let completion = completion?;
            attempts += 1;
            prompts += u64::from(completion.prompt_tokens);
            tokens += u64::from(completion.completion_tokens);
        }
    }
    ensure!(attempts > 0, "there was no task to answer");
    let seconds = start.elapsed().as_secs_f64();
    let mean = |sum: u64| sum as f64 / attempts as f64;
    Ok(Rate {
        attempts_per_minute: attempts as f64 * 60.0 / seconds,
        prompt_tokens: mean(prompts),
        tokens: mean(tokens),
        groups: tasks.len(),
        seconds,
    })
}
