//! `lode bench engine`: the in-process engines and llama.cpp, one beside the other in one run.
//!
//! ```text
//! each round: each engine: one stream, one group ─┐
//!             peer (Python): one stream, calls in a row with its prompt cache off and on ─┴► best ─► table
//! then each profile: each engine: groups at real tasks (attempts.rs) ─► attempts a minute
//! ```

mod attempts;
mod peer;
mod train;

use std::{collections::BTreeMap, sync::Arc};

use lode_engine::{
    Engine,
    measure::{self, Timing},
    store::ModelFile,
};
use lode_model::{Gguf, Tokenizer};
use lode_proto::task::Profile;
use serde::Serialize;

use crate::{
    Outcome,
    args::BenchEngine,
    cmd::{
        daemon::{self, limit_threads},
        model::obtain,
    },
    term,
};

use attempts::Rate;
pub(crate) use train::{once as train_once, train};

/// Tokens of the attempt before the first round, which is not timed.
const WARM_TOKENS: u32 = 4;

/// Figures of one way to generate; the best of all rounds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Row {
    /// One stream: prompt tokens a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_tokens_per_s: Option<f64>,
    /// One stream: generated tokens a second after the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_tokens_per_s: Option<f64>,
    /// The group: generated tokens a second over all of its time.
    group_tokens_per_s: f64,
    /// The group: seconds.
    group_s: f64,
    /// The group: tokens generated in the best round.
    group_tokens: u32,
}

impl Row {
    fn stream(&mut self, timing: &Timing) {
        let better = |old: Option<f64>, new: f64| Some(old.map_or(new, |old| old.max(new)));
        self.prompt_tokens_per_s = better(self.prompt_tokens_per_s, timing.prompt_rate());
        self.stream_tokens_per_s = better(self.stream_tokens_per_s, timing.generated_rate());
    }

    fn group(&mut self, timing: &Timing) {
        if timing.group_rate() > self.group_tokens_per_s {
            self.group_tokens_per_s = timing.group_rate();
            self.group_s = timing.total.as_secs_f64();
            self.group_tokens = timing.generated;
        }
    }
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    model: &'a str,
    prompt_tokens: u32,
    document_tokens: u32,
    tokens: u32,
    group: u8,
    threads: usize,
    rounds: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    rows: BTreeMap<String, Row>,
    /// By engine and profile.
    answers: BTreeMap<String, BTreeMap<Profile, Rate>>,
}

pub(crate) fn engine(args: &BenchEngine) -> anyhow::Result<Outcome> {
    if args.threads > 0 {
        limit_threads(args.threads)?;
    }
    let file = obtain(&args.model)?;
    daemon::runtime()?.block_on(run(args, file))?;
    Ok(Outcome::Yes)
}

async fn run(args: &BenchEngine, file: ModelFile) -> anyhow::Result<()> {
    let threads = rayon_threads(args.threads);
    let tokenizer = Tokenizer::from_gguf(&Gguf::open(&file.path)?)?;
    let prompt = measure::prompt(&tokenizer, args.prompt_tokens as usize)?;
    let document = measure::prompt(&tokenizer, args.document_tokens as usize)?;
    let mut engines: Vec<(&'static str, Arc<dyn Engine>)> = Vec::new();
    for kind in &args.engines {
        let engine = kind.load(file.clone()).await?;
        measure::time_group(engine.as_ref(), &prompt, 1, WARM_TOKENS).await?;
        engines.push((kind.name(), engine));
    }
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    let mut about = None;
    for round in 1..=args.rounds {
        for (name, engine) in &engines {
            term::plain(&format!("round {round} of {}: {name}", args.rounds));
            let single = measure::time_group(engine.as_ref(), &prompt, 1, args.tokens).await?;
            let group =
                measure::time_group(engine.as_ref(), &document, args.group, args.tokens).await?;
            let row = rows.entry((*name).to_owned()).or_default();
            row.stream(&single);
            row.group(&group);
        }
        if let Some(python) = &args.peer {
            term::plain(&format!("round {round} of {}: llama.cpp", args.rounds));
            let job = peer::Job {
                model: &file.path,
                context: args.prompt_tokens.max(args.document_tokens)
                    + args.tokens
                    + peer::SPARE_TOKENS,
                threads,
                prompt: &prompt,
                document: &document,
                tokens: args.tokens,
                group: args.group,
            };
            let found = peer::run(python, &job)?;
            for (name, timing) in [(peer::COLD, found.cold), (peer::WARM, found.warm)] {
                let row = rows.entry(name.to_owned()).or_default();
                row.stream(&found.single);
                row.group(&timing);
            }
            about = Some(found.about);
        }
    }
    let mut answers: BTreeMap<String, BTreeMap<Profile, Rate>> = BTreeMap::new();
    for profile in args.profiles.iter().copied().filter(|_| args.tasks > 0) {
        let tasks = attempts::tasks(profile, args.tasks)?;
        for (name, engine) in &engines {
            term::plain(&format!("{} tasks of {profile}: {name}", args.tasks));
            let rate = attempts::measure(engine.as_ref(), &tasks, args.group.into()).await?;
            answers.entry((*name).to_owned()).or_default().insert(profile, rate);
        }
    }
    let report = Report {
        model: &args.model,
        prompt_tokens: args.prompt_tokens,
        document_tokens: args.document_tokens,
        tokens: args.tokens,
        group: args.group,
        threads,
        rounds: args.rounds,
        peer: about,
        rows,
        answers,
    };
    if args.json { term::json(&report) } else { show(&report) }
}

/// Threads that matrix products have.
fn rayon_threads(asked: usize) -> usize {
    if asked > 0 { asked } else { std::thread::available_parallelism().map_or(1, usize::from) }
}

fn show(report: &Report<'_>) -> anyhow::Result<()> {
    term::print_line(&format!(
        "{}, {} threads, best of {}: one stream of {} tokens on a prompt of {}; a group of {} on a \
         document of {}, {} tokens each",
        report.model,
        report.threads,
        report.rounds,
        report.tokens,
        report.prompt_tokens,
        report.group,
        report.document_tokens,
        report.tokens,
    ))?;
    if let Some(peer) = &report.peer {
        term::print_line(&format!("llama.cpp: {peer}"))?;
    }
    let cold = report.rows.get(peer::COLD).map(|row| row.group_tokens_per_s);
    term::print_line("")?;
    term::print_line(
        "| engine | prompt tok/s | stream tok/s | group tok/s | group s | tokens | of llama.cpp in a row |",
    )?;
    term::print_line("|---|---|---|---|---|---|---|")?;
    for (name, row) in &report.rows {
        let figure =
            |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.1}"));
        let ratio = cold.filter(|cold| *cold > 0.0).map(|cold| row.group_tokens_per_s / cold);
        term::print_line(&format!(
            "| {name} | {} | {} | {:.1} | {:.2} | {} | {} |",
            figure(row.prompt_tokens_per_s),
            figure(row.stream_tokens_per_s),
            row.group_tokens_per_s,
            row.group_s,
            row.group_tokens,
            ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2}")),
        ))?;
    }
    show_answers(report)
}

fn show_answers(report: &Report<'_>) -> anyhow::Result<()> {
    if report.answers.is_empty() {
        return Ok(());
    }
    term::print_line("")?;
    term::print_line(
        "| engine | profile | attempts a minute | prompt tokens | tokens | groups | s |",
    )?;
    term::print_line("|---|---|---|---|---|---|---|")?;
    for (name, profiles) in &report.answers {
        for (profile, rate) in profiles {
            term::print_line(&format!(
                "| {name} | {profile} | {:.1} | {:.0} | {:.0} | {} | {:.1} |",
                rate.attempts_per_minute,
                rate.prompt_tokens,
                rate.tokens,
                rate.groups,
                rate.seconds,
            ))?;
        }
    }
    Ok(())
}
