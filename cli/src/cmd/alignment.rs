//! `lode eval alignment`: alignment accuracy as AlignX defines it, beside its baselines.

use anyhow::{Context, ensure};
use lode_model::LoraSet;
use lode_trainer::alignment::{Method, Row, Score, Summary, score, summary};
use serde::Serialize;

use crate::{Outcome, args::EvalAlignment, cmd::train::load_model, term};

/// Most bytes of a file of rows.
const MAX_DATA_BYTES: u64 = 4 << 30;

/// What is written and printed.
#[derive(Debug, Serialize)]
struct Report<'a> {
    base: &'a str,
    adapter: Option<String>,
    data_blake3: String,
    method: Method,
    #[serde(flatten)]
    summary: Summary,
    scores: Vec<Score>,
}

/// Reads rows; `most` of them where that is said.
fn read(args: &EvalAlignment) -> anyhow::Result<(Vec<Row>, String)> {
    let shown = args.data.display();
    let cannot = || format!("cannot read {shown}");
    let bytes = std::fs::metadata(&args.data).with_context(cannot)?.len();
    ensure!(
        bytes <= MAX_DATA_BYTES,
        "{shown} has {bytes} bytes, at most {MAX_DATA_BYTES} are read"
    );
    let bytes = std::fs::read(&args.data).with_context(cannot)?;
    let mut rows: Vec<Row> = serde_json::from_slice(&bytes).with_context(|| {
        format!("{shown} is no JSON list of rows with prompt, chosen and rejected")
    })?;
    rows.truncate(args.rows.unwrap_or(usize::MAX));
    ensure!(!rows.is_empty(), "{shown} has no rows");
    if args.method == Method::Pba {
        let without = rows.iter().filter(|row| row.profile.is_empty()).count();
        ensure!(
            without == 0,
            "{without} of {} rows in {shown} have no profile, which pba needs",
            rows.len()
        );
    }
    Ok((rows, blake3::hash(&bytes).to_hex().to_string()))
}

pub(crate) fn evaluate(args: &EvalAlignment) -> anyhow::Result<Outcome> {
    let (rows, data_blake3) = read(args)?;
    let model = load_model(&args.base)?;
    let adapter = args.adapter.as_ref();
    let lora = adapter
        .map(|folder| {
            LoraSet::load(folder, &model.config, model.llama().dtype())
                .with_context(|| format!("cannot load the adapter {}", folder.display()))
        })
        .transpose()?;
    // Before hours of work, not after.
    let cannot = |out: &std::path::Path| format!("cannot write {}", out.display());
    if let Some(out) = &args.out {
        std::fs::write(out, "").with_context(|| cannot(out))?;
    }
    let bar = term::step_bar(rows.len() as u64, "rows");
    let scores =
        score(&model, lora.as_ref(), &rows, args.method, |done| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    let report = Report {
        base: &args.base,
        adapter: adapter.map(|folder| folder.display().to_string()),
        data_blake3,
        method: args.method,
        summary: summary(&rows, &scores),
        scores,
    };
    if let Some(out) = &args.out {
        let text = serde_json::to_vec_pretty(&report)?;
        std::fs::write(out, text).with_context(|| cannot(out))?;
    }
    if args.json {
        term::json(&report)?;
        return Ok(Outcome::Yes);
    }
    let Summary { rows, prompts, right, accuracy, interval, longer, majority } = report.summary;
    let percent = |share: f64| 100.0 * share;
    term::print_line(&format!(
        "alignment accuracy {:.1} % (95 %: {:.1} to {:.1}, over {prompts} prompts): {right} of {rows} rows",
        percent(accuracy),
        percent(interval.0),
        percent(interval.1)
    ))?;
    term::print_line(&format!(
        "beside it: the longer answer {:.1} %, always the same side {:.1} %",
        percent(longer),
        percent(majority)
    ))?;
    if lora.is_none() && args.method == Method::Ica {
        term::print_line(
            "without an adapter the policy is the reference: every row ties, and a tie is wrong",
        )?;
    }
    Ok(Outcome::Yes)
}
