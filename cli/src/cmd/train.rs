//! `lode train dpo`: the pairs of a bundle, DPO with LoRA, a PEFT adapter.

use std::{ops::ControlFlow, path::Path};

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use lode_bundle::{
    audit::{AuditOptions, audit},
    engine::BuiltinEngine,
    pairs::{Config, Split},
    texts,
};
use lode_model::{LoraSpec, Model};
use lode_trainer::{
    DataReport, DpoConfig, DpoLoss, Observer, Pair, RunOptions, StepMetrics, Weighting, tokenise,
    train,
};

use crate::{Outcome, args::TrainDpo, cmd::model::obtain, term};

/// Shows a run: a bar on a terminal, a line a step elsewhere, JSON where asked for.
struct Show {
    bar: ProgressBar,
    json: bool,
}

impl Observer for Show {
    fn on_data(&mut self, report: &DataReport, preview: &str) {
        if self.json {
            return;
        }
        term::plain(preview);
        term::plain(&format!(
            "{} of {} pairs are used, the longest has {} tokens",
            report.used, report.given, report.longest
        ));
        for (reason, count) in &report.dropped {
            term::plain(&format!("dropped: {count} ({reason:?})"));
        }
    }

    fn on_reference(&mut self, done: usize, total: usize) {
        self.bar.set_message("reference");
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
    }

    fn on_resume(&mut self, step: u64) {
        term::plain(&format!("going on after step {step}"));
    }

    fn on_step(&mut self, metrics: &StepMetrics, total: u64) -> ControlFlow<()> {
        self.bar.set_message("training");
        self.bar.set_length(total);
        self.bar.set_position(metrics.step);
        if self.json {
            // A reader that went away must not end the training.
            let _ = term::json(metrics);
        } else if !term::is_terminal() {
            term::plain(&format!(
                "step {}/{total}: loss {:.4}, margin {:+.4}, accuracy {:.2}, logps/chosen {:.2}, \
                 gradient {:.3}",
                metrics.step,
                metrics.loss,
                metrics.rewards_margins,
                metrics.rewards_accuracies,
                metrics.logps_chosen,
                metrics.grad_norm
            ));
        }
        for alarm in &metrics.alarms {
            term::plain(&format!("alarm at step {}: {alarm:?}", metrics.step));
        }
        ControlFlow::Continue(())
    }

    fn on_checkpoint(&mut self, path: &Path) {
        if !self.json && !term::is_terminal() {
            term::plain(&format!("checkpoint: {}", path.display()));
        }
    }
}

/// The model behind a name, a GGUF file or an HF folder.
pub(crate) fn load_model(base: &str) -> anyhow::Result<Model> {
    let path = Path::new(base);
    let path = if path.is_dir() { path.to_owned() } else { obtain(base)?.path };
    Model::load(&path).with_context(|| format!("cannot load {}", path.display()))
}

pub(crate) fn dpo(args: &TrainDpo) -> anyhow::Result<Outcome> {
    if !args.no_audit {
        let report = audit(&args.bundle, &BuiltinEngine, &AuditOptions::default());
        if !report.holds() {
            for finding in &report.findings {
                term::plain(&format!("{finding}"));
            }
            bail!("{}; nothing was trained on it", report.summary());
        }
    }
    let pairs: Vec<Pair> = texts::read(&args.bundle, Config::Pairs, Split::Train)?
        .into_iter()
        .map(|row| Pair {
            id: row.pair_id,
            prompt: row.prompt,
            chosen: row.chosen,
            rejected: row.rejected,
            margin_milli: row.quality_margin_milli,
        })
        .collect();
    let model = load_model(&args.base)?;
    let config = DpoConfig {
        loss: DpoLoss {
            kind: args.loss,
            beta: args.beta,
            label_smoothing: args.label_smoothing,
            nll_weight: args.nll_weight,
        },
        lora: LoraSpec { rank: args.lora_rank, alpha: args.lora_alpha, ..LoraSpec::default() },
        learning_rate: args.learning_rate,
        warmup_steps: args.warmup_steps.min(args.steps),
        steps: args.steps,
        batch_size: args.batch,
        micro_batch: args.pairs_a_sequence,
        gradient_checkpointing: !args.no_gradient_checkpointing,
        max_length: args.max_length,
        min_margin_milli: args.min_margin_milli,
        weighting: if args.weigh_by_margin { Weighting::Margin } else { Weighting::Uniform },
        schedule: args.schedule,
        seed: args.seed,
        ..DpoConfig::default()
    };
    let options = RunOptions {
        save_every: args.save_every,
        resume: !args.restart,
        base_name: args.base.clone(),
        data_name: args.bundle.display().to_string(),
        reference_cache: args.reference_cache.clone(),
        ..RunOptions::default()
    };
    // Before anything is removed: settings that cannot be, pairs of which none is left.
    config.check()?;
    tokenise(&model.tokenizer, &pairs, &config.selection(model.config.max_positions))?;
    if args.restart && args.out.exists() {
        std::fs::remove_dir_all(&args.out)
            .with_context(|| format!("cannot empty {}", args.out.display()))?;
    }
    let mut show = Show { bar: term::step_bar(args.steps, "training"), json: args.json };
    let outcome = train(&model, &pairs, &config, &options, &args.out, &mut show)?;
    show.bar.finish_and_clear();
    if !args.json {
        term::print_line(&format!("{}", args.out.display()))?;
    }
    Ok(if outcome.finished { Outcome::Yes } else { Outcome::No })
}
