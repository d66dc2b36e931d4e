//! The pairs of the benchmark: what a task's witness says against what a caught reader's says.

use anyhow::{Context, ensure};
use lode_model::{Model, Specials};
use serde::{Deserialize, Serialize};

use crate::{args::BenchTrain, cmd::held_out::held_out};

/// Root of the tasks' seeds.
const ROOT: u64 = 7;
/// The domain of the tasks.
const DOMAIN: &str = "companies";
/// Tasks that are tried for one with enough trapped witnesses.
const TRIES: u64 = 8;

/// One pair as text.
pub(super) struct Texts {
    prompt: String,
    chosen: String,
    rejected: String,
}

/// One pair as tokens, by TRL's names; answers end with the end token.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(clippy::struct_field_names)] // TRL's
pub(super) struct Ids {
    pub(super) prompt_ids: Vec<u32>,
    pub(super) chosen_ids: Vec<u32>,
    pub(super) rejected_ids: Vec<u32>,
}

impl Ids {
    /// Tokens of the prompt with the longer answer.
    pub(super) fn longest(&self) -> usize {
        self.prompt_ids.len() + self.chosen_ids.len().max(self.rejected_ids.len())
    }
}

pub(super) fn texts(args: &BenchTrain) -> anyhow::Result<Vec<Texts>> {
    let (tasks, pairs) = (args.tasks as usize, usize::from(args.pairs_a_task));
    let found = held_out(args.profile.name(), DOMAIN, ROOT, args.tasks * TRIES)?;
    let fit: Vec<_> =
        found.iter().filter(|one| one.key.trapped.len() >= pairs).take(tasks).collect();
    ensure!(
        fit.len() == tasks,
        "only {} of {} {} tasks have {pairs} trapped witnesses; ask for fewer pairs a task",
        fit.len(),
        found.len(),
        args.profile
    );
    let of = |one: &crate::cmd::held_out::HeldOut| -> Vec<Texts> {
        let caught = one.key.trapped.iter().take(pairs);
        caught
            .map(|caught| Texts {
                prompt: one.task.prompt(),
                chosen: one.key.witness.clone(),
                rejected: caught.text.clone(),
            })
            .collect()
    };
    Ok(fit.into_iter().flat_map(of).collect())
}

/// The pairs as tokens; answers cut or extended (by themselves, again and again) to `length`.
pub(super) fn tokens(
    model: &Model,
    texts: &[Texts],
    length: Option<usize>,
) -> anyhow::Result<Vec<Ids>> {
    let tokenizer = &model.tokenizer;
    let end = tokenizer.eos.context("the base has no end token")?;
    let answer = |text: &str| -> anyhow::Result<Vec<u32>> {
        let ids = tokenizer.encode(text, Specials::AsText)?;
        let body = length.map_or(ids.len(), |length| length.saturating_sub(1).max(1));
        Ok(ids.iter().copied().cycle().take(body).chain([end]).collect())
    };
    texts
        .iter()
        .map(|pair| {
            let ids = Ids {
                prompt_ids: tokenizer.encode_prompt(&pair.prompt)?,
                chosen_ids: answer(&pair.chosen)?,
                rejected_ids: answer(&pair.rejected)?,
            };
            let limit = model.config.max_positions;
            let longest = ids.longest();
            ensure!(longest <= limit, "a pair has {longest} tokens, the base takes {limit}");
            Ok(ids)
        })
        .collect()
}
