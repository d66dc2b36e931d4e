//! `lode miner doctor`: the configuration in, one line a check out. The checks are in
//! `lode_miner::doctor`.

use lode_miner::{
    MinerConfig,
    doctor::{self, Estimate, Finding, Level, Report},
};
use lode_proto::id::NetworkId;
use serde::Serialize;

use crate::{
    Outcome,
    args::Doctor,
    cmd::daemon::{limit_threads, load, load_engine, runtime},
    term,
};

/// The report for programs.
#[derive(Debug, Serialize)]
struct Data<'a> {
    healthy: bool,
    failures: usize,
    warnings: usize,
    #[serde(flatten)]
    report: &'a Report,
}

pub(crate) fn doctor(args: &Doctor) -> anyhow::Result<Outcome> {
    let config: MinerConfig = load(&args.config, "LODE_MINER_")?;
    let network: NetworkId = config
        .network
        .parse()
        .map_err(|error| anyhow::anyhow!("{}: network: {error}", args.config.display()))?;
    if config.engine.threads > 0 {
        limit_threads(config.engine.threads)?;
    }
    let runtime = runtime()?;
    let lines = !args.json;
    let show = move |finding: &Finding| {
        if lines {
            // Nobody reads any more: the exit code still says how it went.
            let _ = term::print_line(&finding.to_string());
        }
    };
    let engine = config.engine.clone();
    let open = |file| async move {
        load_engine(&engine, file).await.map_err(|error| format!("{error:#}"))
    };
    let mut report = runtime.block_on(doctor::examine(&config, network, open, &show));
    // An engine that was given up on may still be at its last token; nothing waits for it.
    runtime.shutdown_background();
    if !args.estimate {
        report.estimate = None;
    }
    let (failures, warnings) = (report.count(Level::Failure), report.count(Level::Warning));
    if args.json {
        let healthy = report.is_healthy();
        term::json(&Data { healthy, failures, warnings, report: &report })?;
    } else {
        if args.estimate {
            term::print_line(&estimate_line(report.estimate.as_ref()))?;
        }
        term::print_line(&verdict(failures, warnings))?;
    }
    Ok(if report.is_healthy() { Outcome::Yes } else { Outcome::No })
}

fn estimate_line(estimate: Option<&Estimate>) -> String {
    let Some(estimate) = estimate else {
        return "estimate: none, because the engine's speed is not known".into();
    };
    format!(
        "estimate: {}.{:02} credits an hour: {} tokens, {}.{:02} groups (credit formula {}). \
         Assumed: {}.",
        estimate.credits_milli / 1_000,
        estimate.credits_milli % 1_000 / 10,
        estimate.tokens,
        estimate.groups_centi / 100,
        estimate.groups_centi % 100,
        estimate.formula,
        estimate.assumed
    )
}

fn verdict(failures: usize, warnings: usize) -> String {
    let many =
        |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    match (failures, warnings) {
        (0, 0) => "This machine is fit to mine: start it with `lode miner run`.".into(),
        (0, warnings) => {
            format!("This machine is fit to mine, with {}.", many(warnings, "warning"))
        }
        (failures, 0) => format!("{}: mend this first.", many(failures, "failure")),
        (failures, warnings) => format!(
            "{} and {}: mend the failures first.",
            many(failures, "failure"),
            many(warnings, "warning")
        ),
    }
}
