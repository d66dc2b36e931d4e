//! The end of a run: the bundle is audited, the base and the trained model are evaluated, and the
//! operator is told what came of it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use lode_bundle::{
    audit::{AuditOptions, audit},
    engine::BuiltinEngine,
};
use serde::Serialize;
use serde_json::Value;

use super::{Progress, plan::Layout, say};
use crate::{
    args::{Devnet, EvalTasks},
    cmd::eval,
    term,
};

/// What a run came to, for `--json`.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub(super) out: PathBuf,
    pub(super) network: Option<String>,
    pub(super) bundle: Option<PathBuf>,
    pub(super) pairs: u64,
    pub(super) tasks_with_pairs: u64,
    pub(super) groups_graded: u64,
    pub(super) mismatches: Option<u64>,
    pub(super) audit: Option<String>,
    pub(super) adapter: Option<PathBuf>,
    pub(super) evaluation: Option<eval::Evaluation>,
    pub(super) miners: BTreeMap<String, Value>,
    pub(super) kills: BTreeMap<String, u32>,
    pub(super) seconds: u64,
}

/// Audits the bundle, looks at the training, evaluates; false where a goal was not reached.
pub(super) fn conclude(
    args: &Devnet,
    layout: &Layout,
    progress: &Progress,
    summary: &mut Summary,
) -> anyhow::Result<bool> {
    let Some(bundle) = &progress.bundle else {
        let why = progress.failed.clone().unwrap_or_else(|| "the campaign ended early".into());
        bail!("no bundle was written: {why}");
    };
    let anchor = progress.network.as_ref().and_then(|network| network.parse().ok());
    let options = AuditOptions { anchor, ..AuditOptions::default() };
    let report = audit(bundle, &BuiltinEngine, &options);
    for finding in &report.findings {
        say(args, &format!("audit: {finding}"));
    }
    say(args, &format!("audit: {}", report.summary()));
    summary.mismatches = Some(report.findings.len() as u64);
    summary.audit = Some(report.summary());
    let mut reached = report.holds();
    if progress.pairs < args.pairs || progress.tasks_with_pairs < args.min_tasks {
        say(
            args,
            &format!(
                "only {} pairs over {} tasks after {} tasks; {} over {} were asked for. The model \
                 passes too seldom or too often on this profile: try another --model or --profile, \
                 or more with --max-tasks and --max-minutes",
                progress.pairs,
                progress.tasks_with_pairs,
                progress.tasks,
                args.pairs,
                args.min_tasks
            ),
        );
        reached = false;
    }
    if args.train_steps > 0 {
        match &progress.training {
            Some(end) if end.ok => summary.adapter = Some(layout.training()),
            Some(end) => {
                say(args, &format!("training failed: {}", end.detail));
                reached = false;
            }
            None => {
                say(args, "training did not run");
                reached = false;
            }
        }
    }
    if args.eval_tasks > 0 {
        let evaluation = evaluate(args, summary.adapter.as_deref())?;
        std::fs::write(layout.evaluation(), serde_json::to_vec_pretty(&evaluation)?)
            .with_context(|| format!("cannot write {}", layout.evaluation().display()))?;
        summary.evaluation = Some(evaluation);
    }
    Ok(reached)
}

fn evaluate(args: &Devnet, adapter: Option<&Path>) -> anyhow::Result<eval::Evaluation> {
    say(args, "evaluating on held-out tasks, before and after");
    eval::evaluate(&EvalTasks {
        base: args.model.clone(),
        adapter: adapter.map(Path::to_owned),
        profile: args.profile.clone(),
        domain: args.domain.clone(),
        tasks: args.eval_tasks,
        samples: args.eval_samples,
        temperature_milli: 700,
        no_grammar: false,
        seed: 1,
        out: None,
        json: args.json,
    })
}

pub(super) fn closing_words(
    args: &Devnet,
    layout: &Layout,
    summary: &Summary,
) -> anyhow::Result<()> {
    let line = |what: &str, path: &Path| format!("{what:<12}{}", path.display());
    term::print_line("")?;
    term::print_line(&format!(
        "{} pairs over {} tasks from {} graded groups, in {} min {} s",
        summary.pairs,
        summary.tasks_with_pairs,
        summary.groups_graded,
        summary.seconds / 60,
        summary.seconds % 60
    ))?;
    if let Some(bundle) = &summary.bundle {
        term::print_line(&line("bundle", bundle))?;
    }
    if let Some(adapter) = &summary.adapter {
        term::print_line(&line("adapter", adapter))?;
    }
    if args.eval_tasks > 0 {
        term::print_line(&line("evaluation", &layout.evaluation()))?;
    }
    term::print_line(&line("logs", &layout.root.join("logs")))?;
    if let Some(bundle) = &summary.bundle {
        let bundle = bundle.display();
        term::print_line("\nWhat to try next:")?;
        term::print_line(&format!("  lode bundle inspect {bundle}"))?;
        term::print_line(&format!("  lode bundle audit {bundle}"))?;
        term::print_line("  lode task new --profile standard --seed 7")?;
        term::print_line(&format!("  lode train dpo --bundle {bundle} --steps 100 --out adapter"))?;
    }
    Ok(())
}
