//! Our side of one measurement.

use std::{path::Path, time::Instant};

use anyhow::Context;
use lode_model::{LoraSpec, Model};
use lode_trainer::{DpoConfig, DpoLoss, Schedule, Silent, TokenPair, Trainer};

use super::{BASE, JOB, Job, Measured, OURS, START, read, write};
use crate::{Outcome, cmd::daemon::limit_threads};

/// Stack of the thread that trains, bytes.
const STACK_BYTES: usize = 512 << 20;

/// `lode bench train-once`.
pub(crate) fn once(folder: &Path) -> anyhow::Result<Outcome> {
    let job: Job = read(&folder.join(JOB))?;
    limit_threads(job.threads)?;
    let folder = folder.to_owned();
    let measured = std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || measure(&folder, &job).and_then(|found| write(&folder.join(OURS), &found)))
        .context("a thread cannot be started")?
        .join();
    measured.map_err(|_| anyhow::anyhow!("the training thread panicked; please report it"))??;
    Ok(Outcome::Yes)
}

fn measure(folder: &Path, job: &Job) -> anyhow::Result<Measured> {
    let base = folder.join(BASE);
    let model = Model::load(&base)?;
    let pairs: Vec<TokenPair> = job
        .pairs
        .iter()
        .enumerate()
        .map(|(place, ids)| TokenPair {
            id: place.to_string(),
            prompt: ids.prompt_ids.clone(),
            chosen: ids.chosen_ids.clone(),
            rejected: ids.rejected_ids.clone(),
            weight: 1.0,
        })
        .collect();
    let config = DpoConfig {
        loss: DpoLoss { beta: job.beta, nll_weight: 0.0, ..DpoLoss::default() },
        lora: LoraSpec { rank: job.rank, alpha: job.alpha, ..LoraSpec::default() },
        learning_rate: job.rate,
        schedule: Schedule::Linear,
        warmup_steps: 0,
        steps: job.steps,
        batch_size: job.batch,
        ..DpoConfig::default()
    };
    let mut trainer = Trainer::new(model.llama(), &pairs, &config)?;
    trainer.lora.save(&folder.join(START), "base")?;
    let began = Instant::now();
    trainer.compute_reference(&mut Silent)?;
    let reference_s = began.elapsed().as_secs_f64();
    let (began, mut losses) = (Instant::now(), Vec::new());
    for step in 0..job.steps as usize {
        // In their order, as the peer takes them.
        let places = (step * job.batch..(step + 1) * job.batch).map(|place| place % pairs.len());
        losses.push(trainer.step_on(&places.collect::<Vec<_>>())?.loss);
    }
    let train_s = began.elapsed().as_secs_f64();
    let about = format!("lode {}", env!("CARGO_PKG_VERSION"));
    Ok(Measured { about, reference_s, train_s, losses, peak_bytes: peak_bytes().unwrap_or(0) })
}

/// Most memory that this process ever had.
fn peak_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok()?.checked_mul(1024)
}
