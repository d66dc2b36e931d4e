//! `lode bench train`: pairs a second of our DPO, and of TRL on the same pairs, one after the other.
//!
//! ```text
//! held-out tasks ─► pairs.rs: witness against trapped witness, as tokens ─► a folder with job.json, the base
//!     ├─► `lode bench train-once FOLDER` (once.rs), a process of its own ─► ours.json, the adapter's start
//!     └─► a Python with peer.py: TRL from the same start                  ─► theirs.json
//! both: seconds of the reference pass and of the training, loss of each step, peak memory ─► table
//! ```

mod once;
mod pairs;

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Outcome, args::BenchTrain, cmd::train::load_model, term};

pub(crate) use once::once;
use pairs::Ids;

/// Files of a measurement.
const JOB: &str = "job.json";
const BASE: &str = "base";
const START: &str = "start";
const OURS: &str = "ours.json";
const THEIRS: &str = "theirs.json";
/// The peer's programs.
const SCRIPTS: [(&str, &str); 2] = [
    ("peer.py", include_str!("peer.py")),
    ("trl_pairs.py", include_str!("../../../../../tests/python/trl_pairs.py")),
];
/// Strength of the adapter and of the pull to the reference, learning rate: TRL's and PEFT's usual ones.
const ALPHA: f64 = 16.0;
const BETA: f64 = 0.1;
const RATE: f64 = 5e-5;

/// What is measured.
#[derive(Debug, Serialize, Deserialize)]
struct Job {
    pairs: Vec<Ids>,
    batch: usize,
    peer_batch: usize,
    steps: u64,
    rank: usize,
    alpha: f64,
    beta: f64,
    rate: f64,
    threads: usize,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Measured {
    /// What ran.
    about: String,
    /// Reference log-probabilities of all pairs, seconds.
    reference_s: f64,
    /// All steps, seconds.
    train_s: f64,
    /// Loss of each step.
    losses: Vec<f64>,
    /// Most memory that the process ever had, bytes.
    peak_bytes: u64,
}

/// Figures of one length of answers.
#[derive(Debug, Serialize)]
struct Row {
    answer_tokens: Option<usize>,
    pairs: usize,
    prompt_tokens: usize,
    longest_tokens: usize,
    ours: Measured,
    theirs: Option<Measured>,
}

impl Measured {
    /// Pairs a second, with the reference pass and without.
    fn rates(&self, pairs: f64) -> (f64, f64) {
        (pairs / (self.train_s + self.reference_s), pairs / self.train_s)
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is not readable", path.display()))
}

fn write<T: Serialize>(path: &Path, value: &T) -> anyhow::Result<()> {
    let bytes = serde_json::to_vec(value)?;
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Runs one side in the folder and reads what it measured.
fn side(mut command: Command, folder: &Path, result: &str) -> anyhow::Result<Measured> {
    let shown = command.get_program().to_string_lossy().into_owned();
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {shown}"))?;
    ensure!(status.success(), "{shown} ended with {status}; what it said stands above");
    read(&folder.join(result))
}

fn measure(
    args: &BenchTrain,
    folder: &Path,
    job: &Job,
) -> anyhow::Result<(Measured, Option<Measured>)> {
    write(&folder.join(JOB), job)?;
    let own = std::env::current_exe().context("the program does not find itself")?;
    let mut ours = Command::new(own);
    ours.args(["bench", "train-once"]).arg(folder);
    let ours = side(ours, folder, OURS)?;
    let Some(python) = &args.peer else { return Ok((ours, None)) };
    let mut peer = Command::new(python);
    peer.arg(folder.join(SCRIPTS[0].0)).arg(folder);
    Ok((ours, Some(side(peer, folder, THEIRS)?)))
}

/// `lode bench train`.
pub(crate) fn train(args: &BenchTrain) -> anyhow::Result<Outcome> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let folder = folder.path();
    for (name, text) in SCRIPTS {
        std::fs::write(folder.join(name), text).context("cannot write the peer's program")?;
    }
    let model = load_model(&args.base)?;
    lode_model::export_hf(&model, &folder.join(BASE)).context("cannot export the base")?;
    let lengths: Vec<Option<usize>> = match &args.answer_tokens[..] {
        [] => vec![None],
        lengths => lengths.iter().copied().map(Some).collect(),
    };
    let threads = match args.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let (mut rows, texts) = (Vec::new(), pairs::texts(args)?);
    for answer_tokens in lengths {
        let pairs = pairs::tokens(&model, &texts, answer_tokens)?;
        let (batch, peer_batch) = (usize::from(args.batch), usize::from(args.peer_batch));
        ensure!(
            pairs.len().is_multiple_of(batch) && batch.is_multiple_of(peer_batch),
            "{} pairs in batches of {batch}, of which TRL takes {peer_batch} at once: each has to divide the one before",
            pairs.len()
        );
        let steps = (pairs.len() * usize::from(args.epochs) / batch) as u64;
        let job = Job {
            batch,
            peer_batch,
            steps,
            rank: args.rank,
            alpha: ALPHA,
            beta: BETA,
            rate: RATE,
            threads,
            pairs,
        };
        let (ours, theirs) = measure(args, folder, &job)?;
        let row = Row {
            answer_tokens,
            pairs: job.pairs.len(),
            prompt_tokens: job.pairs.iter().map(|pair| pair.prompt_ids.len()).sum::<usize>()
                / job.pairs.len(),
            longest_tokens: job.pairs.iter().map(Ids::longest).max().unwrap_or(0),
            ours,
            theirs,
        };
        if !args.json {
            show(args, &row)?;
        }
        rows.push(row);
    }
    if args.json {
        term::json(&rows)?;
    }
    Ok(Outcome::Yes)
}

#[allow(clippy::cast_precision_loss)] // counts of pairs and bytes
fn show(args: &BenchTrain, row: &Row) -> anyhow::Result<()> {
    let answers = row.answer_tokens.map_or("as they are".into(), |n| format!("of {n} tokens"));
    term::print_line(&format!(
        "{} pairs of {} {} tasks, prompts of {} tokens, answers {answers} (longest sequence {}), batch {}",
        row.pairs, args.tasks, args.profile, row.prompt_tokens, row.longest_tokens, args.batch
    ))?;
    let pairs = row.pairs as f64 * f64::from(args.epochs);
    let line = |measured: &Measured| {
        let (with, without) = measured.rates(pairs);
        format!(
            "  {:<28} {with:>8.4} pairs/s with the reference pass, {without:>8.4} without; peak {:.2} GiB; last loss {:.6}",
            measured.about,
            measured.peak_bytes as f64 / (1u64 << 30) as f64,
            measured.losses.last().copied().unwrap_or(f64::NAN)
        )
    };
    term::print_line(&line(&row.ours))?;
    let Some(theirs) = &row.theirs else { return Ok(()) };
    term::print_line(&line(theirs))?;
    let ((a, b), (c, d)) = (row.ours.rates(pairs), theirs.rates(pairs));
    let memory = row.ours.peak_bytes as f64 / theirs.peak_bytes as f64;
    let off = |(a, b): (&f64, &f64)| (a - b).abs() / b.abs();
    let off = row.ours.losses.iter().zip(&theirs.losses).map(off).fold(0.0, f64::max);
    term::print_line(&format!(
        "  ours to theirs: {:.2} with, {:.2} without, memory {memory:.2}; losses within {off:.1e}",
        a / c,
        b / d
    ))?;
    Ok(())
}
