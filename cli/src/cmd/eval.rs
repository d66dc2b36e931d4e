//! `lode eval tasks`: pass rates on held-out tasks, with and without grammar and adapter.

use std::collections::BTreeMap;

use anyhow::Context;
use lode_engine::{Control, Engine, Identity, Native};
use lode_model::{LoraSet, Model};
use lode_tasks::{grade::Grader, types::FailureClass};
use serde::Serialize;

use crate::{
    Outcome,
    args::EvalTasks,
    cmd::{
        held_out::{HeldOut, held_out},
        model::obtain,
    },
    term,
};

/// What came of one task.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct OfTask {
    /// Its questions and constraints, in words.
    pub(crate) asks: Vec<String>,
    /// Its traps, by kind.
    pub(crate) traps: Vec<String>,
    /// Attempts that passed.
    pub(crate) passed: u64,
    /// Attempts by failure class.
    pub(crate) failures: BTreeMap<String, u64>,
}

/// One way of sampling, measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measured {
    /// `base` or `adapter`.
    pub(crate) model: String,
    /// Whether tokens were drawn under the task's grammar.
    pub(crate) grammar: bool,
    /// Attempts.
    pub(crate) attempts: u64,
    /// Attempts that could be read.
    pub(crate) valid: u64,
    /// Attempts that passed.
    pub(crate) passed: u64,
    /// Attempts by failure class.
    pub(crate) failures: BTreeMap<String, u64>,
    /// Tasks with at least one pass.
    pub(crate) tasks_passed: u64,
    /// Tasks with both passes and failures.
    pub(crate) tasks_mixed: u64,
    /// Pass rate.
    pub(crate) pass_rate: f64,
    /// Its 95 % Wilson interval, for as many attempts as these are worth: those at one task are alike.
    pub(crate) interval: (f64, f64),
    /// Pass rate among attempts that could be read.
    pub(crate) pass_given_valid: f64,
    /// Task by task.
    pub(crate) by_task: Vec<OfTask>,
}

/// What `lode eval tasks` found.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Evaluation {
    /// Held-out tasks.
    pub(crate) tasks: u64,
    /// Attempts at each.
    pub(crate) samples: u32,
    /// Temperature in thousandths.
    pub(crate) temperature_milli: u32,
    /// Size and difficulty.
    pub(crate) profile: String,
    /// One for each way of sampling.
    pub(crate) results: Vec<Measured>,
    /// A warning where the numbers are too small to conclude from.
    pub(crate) note: Option<String>,
}

/// How many independent attempts those at some tasks are worth, given how many passed of `samples`
/// at each: p (1 - p) over the variance of the mean of the tasks' own rates (Korn and Graubard's
/// effective sample size), between the number of tasks and that of attempts.
fn worth(passed: &[u64], samples: u32) -> f64 {
    let (tasks, samples) = (passed.len() as f64, f64::from(samples));
    let p = passed.iter().sum::<u64>() as f64 / (tasks * samples);
    let apart: f64 = passed.iter().map(|n| (*n as f64 / samples - p).powi(2)).sum();
    let variance = apart / (tasks * (tasks - 1.0));
    let worth = p * (1.0 - p) / variance;
    if worth.is_finite() { worth.clamp(tasks, tasks * samples) } else { tasks }
}

/// The 95 % Wilson score interval of a share `p` of `n`.
fn wilson(p: f64, n: f64) -> (f64, f64) {
    if n < 1.0 {
        return (0.0, 1.0);
    }
    let z = 1.96_f64;
    let centre = p + z * z / (2.0 * n);
    let spread = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    (((centre - spread) / scale).max(0.0), ((centre + spread) / scale).min(1.0))
}

fn class_name(class: FailureClass) -> String {
    format!("{class:?}").to_lowercase()
}

async fn measure(
    engine: &dyn Engine,
    model: &str,
    use_grammar: bool,
    tasks: &[HeldOut],
    args: &EvalTasks,
) -> anyhow::Result<Measured> {
    let bar = term::step_bar(tasks.len() as u64, model);
    let (mut valid, mut passed, mut tasks_passed, mut tasks_mixed) = (0, 0, 0, 0);
    let mut by_task = Vec::with_capacity(tasks.len());
    let mut attempts = 0;
    for held_out in tasks {
        let task = &held_out.task;
        let request = held_out.request(args.samples, args.temperature_milli, use_grammar);
        let index = Grader::new(task, &held_out.key);
        let mut of_task = 0;
        let mut failed: BTreeMap<String, u64> = BTreeMap::new();
        for completion in engine.generate(request, &Control::default()).await? {
            let completion = completion?;
            let verdict = index.grade(&completion.bytes, completion.finish);
            attempts += 1;
            match verdict.failure {
                None => {
                    valid += 1;
                    of_task += 1;
                }
                Some(class) => {
                    if !matches!(class, FailureClass::Cap | FailureClass::Format) {
                        valid += 1;
                    }
                    *failed.entry(class_name(class)).or_default() += 1;
                }
            }
        }
        passed += of_task;
        tasks_passed += u64::from(of_task > 0);
        tasks_mixed += u64::from(of_task > 0 && of_task < u64::from(args.samples));
        by_task.push(OfTask {
            asks: task
                .questions
                .iter()
                .map(|question| question.text.clone())
                .chain(task.constraints.iter().map(|constraint| constraint.0.clone()))
                .collect(),
            traps: held_out.key.traps.iter().map(|trap| format!("{:?}", trap.kind)).collect(),
            passed: of_task,
            failures: failed,
        });
        bar.inc(1);
    }
    let mut failures: BTreeMap<String, u64> = BTreeMap::new();
    for (class, count) in by_task.iter().flat_map(|task| &task.failures) {
        *failures.entry(class.clone()).or_default() += count;
    }
    bar.finish_and_clear();
    let rates: Vec<u64> = by_task.iter().map(|task| task.passed).collect();
    let share = |n: u64, of: u64| if of == 0 { 0.0 } else { n as f64 / of as f64 };
    Ok(Measured {
        model: model.into(),
        grammar: use_grammar,
        attempts,
        valid,
        passed,
        failures,
        tasks_passed,
        tasks_mixed,
        pass_rate: share(passed, attempts),
        interval: wilson(share(passed, attempts), worth(&rates, args.samples)),
        pass_given_valid: share(passed, valid),
        by_task,
    })
}

fn line(measured: &Measured) -> String {
    let failures: Vec<String> =
        measured.failures.iter().map(|(class, count)| format!("{class} {count}")).collect();
    format!(
        "{:<8} {:<10} passes {:>5.1} % of {} [{:.1}, {:.1}]  valid {:>5.1} %  passes given valid \
         {:>5.1} %  tasks with a pass {}, with both {}  failures: {}",
        measured.model,
        if measured.grammar { "grammar" } else { "no grammar" },
        100.0 * measured.pass_rate,
        measured.attempts,
        100.0 * measured.interval.0,
        100.0 * measured.interval.1,
        100.0 * measured.valid as f64 / measured.attempts.max(1) as f64,
        100.0 * measured.pass_given_valid,
        measured.tasks_passed,
        measured.tasks_mixed,
        if failures.is_empty() { "none".to_owned() } else { failures.join(", ") },
    )
}

/// Measures base and adapter on the same held-out tasks with the same noise.
pub(crate) fn evaluate(args: &EvalTasks) -> anyhow::Result<Evaluation> {
    let tasks = held_out(&args.profile, &args.domain, args.seed, args.tasks)?;
    let file = obtain(&args.base)?;
    let model =
        Model::load(&file.path).with_context(|| format!("cannot load {}", file.path.display()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut results = Vec::new();
    let mut ways = vec![("base", None)];
    if let Some(dir) = &args.adapter {
        let adapter = LoraSet::load(dir, &model.config, candle_core::DType::F32)
            .with_context(|| format!("cannot load the adapter {}", dir.display()))?;
        ways.push(("adapter", Some(adapter)));
    }
    for (name, adapter) in &ways {
        let engine = Native::new(&model, adapter.as_ref(), Identity::of_gguf(&file)?)?;
        let grammars: &[bool] = if args.no_grammar { &[true, false] } else { &[true] };
        for use_grammar in grammars {
            let measured = runtime.block_on(measure(&engine, name, *use_grammar, &tasks, args))?;
            if !args.json {
                term::print_line(&line(&measured))?;
            }
            results.push(measured);
        }
    }
    let n = args.tasks * u64::from(args.samples);
    let note = (n < 1_000).then(|| {
        format!(
            "{n} attempts at {} tasks are too few to conclude from: see the intervals",
            args.tasks
        )
    });
    if let (Some(note), false) = (&note, args.json) {
        term::print_line(note)?;
    }
    Ok(Evaluation {
        tasks: args.tasks,
        samples: args.samples,
        temperature_milli: args.temperature_milli,
        profile: args.profile.clone(),
        results,
        note,
    })
}

pub(crate) fn tasks(args: &EvalTasks) -> anyhow::Result<Outcome> {
    let evaluation = evaluate(args)?;
    if let Some(path) = &args.out {
        std::fs::write(path, serde_json::to_vec_pretty(&evaluation)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    if args.json {
        term::json(&evaluation)?;
    }
    Ok(Outcome::Yes)
}

#[cfg(test)]
mod tests {
    use super::{wilson, worth};

    /// Against the values of statsmodels' `proportion_confint(method="wilson")`.
    #[test]
    fn wilson_intervals() {
        let (low, high) = wilson(8.0 / 24.0, 24.0);
        assert!((low - 0.1797).abs() < 1e-3 && (high - 0.5329).abs() < 1e-3, "{low} {high}");
        let (low, high) = wilson(0.0, 24.0);
        assert!(low.abs() < 1e-12 && (high - 0.1380).abs() < 1e-3, "{low} {high}");
        assert_eq!(wilson(0.0, 0.0), (0.0, 1.0));
    }

    #[test]
    fn attempts_at_one_task_are_worth_less_the_more_they_are_alike() {
        // All or nothing: a task is one attempt. Spread as coins would be: nearly all count.
        assert!((worth(&[8, 0, 8, 0, 8, 0, 8, 0], 8) - 8.0).abs() < 1e-9);
        assert!((worth(&[4; 8], 8) - 8.0).abs() < 1e-9, "no spread says nothing");
        let coins = worth(&[2, 3, 5, 4, 6, 4, 3, 5], 8);
        assert!(coins > 40.0 && coins <= 64.0, "{coins}");
        assert!((worth(&[0; 50], 8) - 50.0).abs() < 1e-9);
    }
}
