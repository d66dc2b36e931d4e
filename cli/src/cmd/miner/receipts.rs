//! `lode miner receipts`: the miner's credits counted again from its signed receipts, offline, beside
//! a running miner or without one.

use std::path::{Path, PathBuf};

use anyhow::Context;
use lode_miner::{
    MinerConfig,
    receipts::{Anchor, Recount, Sum, find, recount_file},
};
use lode_node::config::Layers;
use lode_proto::plain;
use serde::Serialize;

use crate::{Outcome, args::Receipts, term};

/// Days and epochs that are shown to a person; `--json` has all.
const SHOWN: usize = 14;

/// One chain: a miner's receipts of one network.
#[derive(Debug, Serialize)]
struct Chain {
    file: PathBuf,
    holds: bool,
    /// What is missing or damaged in the file itself.
    fault: Option<String>,
    #[serde(flatten)]
    count: Recount,
}

pub(crate) fn receipts(args: &Receipts) -> anyhow::Result<Outcome> {
    let mut anchor = Anchor { coordinator: args.coordinator, network: None };
    let data = match (&args.data, &args.config) {
        (Some(data), _) => data.clone(),
        (None, Some(config)) => {
            let config: MinerConfig = Layers::new().file(config)?.env("LODE_MINER_")?.load()?;
            let network = config.network.parse();
            anchor.network = Some(network.context("the configuration's network is no id")?);
            config.data
        }
        (None, None) => {
            anyhow::bail!("name the miner's folder (--data) or its configuration (--config)")
        }
    };
    let files = find(&data);
    if files.is_empty() {
        anyhow::bail!(
            "there are no receipts in {}: name the folder that the miner's configuration has as `data`. A \
             miner of an earlier version writes the file when it is next started",
            data.display()
        );
    }
    let chains: Vec<Chain> =
        files.into_iter().map(|file| count(file, anchor)).collect::<anyhow::Result<_>>()?;
    if args.json {
        term::json(&serde_json::json!({ "chains": chains }))?;
    } else {
        for (place, chain) in chains.iter().enumerate() {
            if place > 0 {
                term::print_line("")?;
            }
            show(chain)?;
        }
    }
    let holds = chains.iter().all(|chain| chain.holds);
    Ok(if holds { Outcome::Yes } else { Outcome::No })
}

fn count(path: PathBuf, anchor: Anchor) -> anyhow::Result<Chain> {
    let Some((extent, count)) = recount_file(&path, anchor)? else {
        anyhow::bail!(
            "nothing in {} says who the coordinator is, since an earlier version joined; give its public \
             key with --coordinator, as its operator publishes it",
            path.display()
        );
    };
    let fault = extent.fault();
    Ok(Chain { holds: fault.is_none() && count.holds(), fault, count, file: path })
}

/// Thousandths with a point.
fn credits(milli: u64) -> String {
    format!("{}.{:03}", milli / 1000, milli % 1000)
}

fn known(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "not known".into(), |value| value.to_string())
}

fn show(chain: &Chain) -> anyhow::Result<()> {
    let count = &chain.count;
    term::print_line(&format!("receipts     {}", shown_path(&chain.file)))?;
    term::print_line(&format!("network      {}", known(count.network)))?;
    term::print_line(&format!("coordinator  {}", known(count.coordinator)))?;
    term::print_line(&format!("miner        {}", known(count.miner)))?;
    let head = count.head.map(|(number, link)| format!("receipt {number}, link {link}"));
    term::print_line(&format!("whole up to  {}", known(head)))?;
    let row = |name: &str, sum: &Sum| {
        let credits = credits(sum.credits_milli);
        format!(
            "{name:<24}{:>10} receipts {:>12} tokens {credits:>14} credits",
            sum.receipts, sum.tokens
        )
    };
    let days = count.days.iter().map(|(day, sum)| row(day, sum)).collect();
    group("a day (UTC)", days)?;
    let epochs =
        count.epochs.iter().map(|(epoch, sum)| row(&format!("epoch {epoch}"), sum)).collect();
    group("an epoch", epochs)?;
    let policies = count.policies.iter().map(|(policy, of)| {
        let model = of.model.as_deref().map(plain::name).unwrap_or_default();
        format!("{}  {model}", row(&policy.short(), &of.sum))
    });
    group("a policy", policies.collect())?;
    term::print_line("")?;
    term::print_line(&row("in all", &count.total))?;
    if let Some(fault) = &chain.fault {
        term::print_line(&format!(
            "the file is not whole: {fault}. Start the miner: what its log has still is written again"
        ))?;
    }
    for problem in &count.problems {
        term::print_line(&format!("does not hold: {problem}"))?;
    }
    let untold = count.wrong.saturating_sub(count.problems.len() as u64);
    if untold > 0 {
        term::print_line(&format!("and {untold} more"))?;
    }
    if chain.holds && count.found > 0 {
        term::print_line(
            "every signature, number, link, attempt and credit holds (formula version 1)",
        )?;
    }
    Ok(())
}

fn shown_path(path: &Path) -> String {
    plain::line(&path.display().to_string())
}

fn group(title: &str, rows: Vec<String>) -> anyhow::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    term::print_line("")?;
    term::print_line(title)?;
    let hidden = rows.len().saturating_sub(SHOWN);
    if hidden > 0 {
        term::print_line(&format!("  ({hidden} earlier ones: --json has all)"))?;
    }
    rows.iter().skip(hidden).try_for_each(|row| term::print_line(&format!("  {row}")))
}
