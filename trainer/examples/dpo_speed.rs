//! How long DPO takes: trains on made-up pairs of a given size and prints wall and processor time.
//! Usage: `dpo_speed MODEL OUT_DIR [PAIRS] [STEPS] [PROMPT_TOKENS] [COMPLETION_WORDS] [BATCH]`.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use lode_model::{Message, Model};
use lode_trainer::{DataReport, DpoConfig, Observer, Pair, RunOptions, StepMetrics, train};

struct Print(Instant);

impl Observer for Print {
    fn on_data(&mut self, report: &DataReport, preview: &str) {
        println!("{report:?}\n{preview}");
    }
    fn on_reference(&mut self, done: usize, total: usize) {
        if done == total {
            println!(
                "reference of {total} pairs: {:.1} s, processor {:.1} s",
                self.0.elapsed().as_secs_f64(),
                cpu()
            );
        }
    }
    fn on_step(&mut self, m: &StepMetrics, total: u64) -> ControlFlow<()> {
        println!(
            "step {}/{total} loss {:.4} margin {:.4} acc {:.2} logps {:.2} {:.2} grad {:.3} lr {:.1e} alarms {:?}; {:.1} s, processor {:.1} s",
            m.step,
            m.loss,
            m.rewards_margins,
            m.rewards_accuracies,
            m.logps_chosen,
            m.logps_rejected,
            m.grad_norm,
            m.learning_rate,
            m.alarms,
            self.0.elapsed().as_secs_f64(),
            cpu()
        );
        ControlFlow::Continue(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let number =
        |i: usize, default: usize| args.get(i).and_then(|a| a.parse().ok()).unwrap_or(default);
    let (Some(model), Some(out)) = (args.get(1), args.get(2)) else {
        return Err("usage: dpo_speed MODEL OUT_DIR".into());
    };
    let (count, steps, prompt_tokens, words) =
        (number(3, 20), number(4, 20), number(5, 390), number(6, 12));
    let model = Model::load(Path::new(model))?;
    let pairs = (0..count)
        .map(|i| {
            let facts: String = (0..prompt_tokens / 16)
                .map(|p| {
                    format!(
                        "[paragraph_{p}] Volt Link number {} employs {} people. ",
                        i + p,
                        1000 + 7 * p
                    )
                })
                .collect();
            let prompt = model.tokenizer.render_chat(&[Message::new("user", facts)], true)?;
            let answer = |what: &str| {
                format!("Volt {what} {} is the {what} answer. ", i).repeat(words / 6 + 1)
            };
            Ok(Pair {
                id: format!("pair-{i}"),
                prompt,
                chosen: answer("right"),
                rejected: answer("wrong"),
            })
        })
        .collect::<Result<Vec<_>, lode_model::ModelError>>()?;
    let config =
        DpoConfig { steps: steps as u64, batch_size: number(7, 1), ..DpoConfig::default() };
    let options = RunOptions { base_name: "../base".into(), ..RunOptions::default() };
    let outcome =
        train(&model, &pairs, &config, &options, Path::new(out), &mut Print(Instant::now()))?;
    println!("{} steps in all", outcome.metrics.len());
    Ok(())
}

/// Processor time of this process so far, seconds; 0 where the system does not say.
fn cpu() -> f64 {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> =
        stat.split_whitespace().skip(13).take(2).filter_map(|f| f.parse().ok()).collect();
    fields.iter().sum::<f64>() / TICKS_PER_SECOND
}
