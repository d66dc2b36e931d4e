//! Held-out tasks: never those of an epoch. What `lode eval tasks` and `lode bench engine` ask an engine.

use lode_engine::GroupRequest;
use lode_proto::{id::Hash, limits::MAX_COMPLETION_TOKENS, seed};
use lode_tasks::{
    family::{GenerateError, generate},
    grammar::grammar,
    types::{AnswerKey, Task},
};

use super::task::template;

/// Tokens that an attempt may take for each byte of a witness: enough for any answer of the profile.
const TOKENS_A_WITNESS_BYTE: f64 = 1.0;
/// Tokens that it may take besides.
const TOKENS_BESIDES: u32 = 64;

/// A task with its answers.
pub(crate) struct HeldOut {
    pub(crate) task: Task,
    pub(crate) key: AnswerKey,
    seed: [u8; 32],
}

/// So many tasks from a root seed.
pub(crate) fn held_out(
    profile: &str,
    domain: &str,
    root: u64,
    count: u64,
) -> anyhow::Result<Vec<HeldOut>> {
    let (template, library) = template(profile, domain)?;
    let root = Hash::derive("lode/1/eval-root", &root.to_le_bytes()).0;
    let mut tasks = Vec::new();
    let mut counter = 0;
    while (tasks.len() as u64) < count {
        let seed = seed::held_out_seed(&root, counter);
        counter += 1;
        match generate(&template.spec(seed), &library) {
            Ok((task, key)) => tasks.push(HeldOut { task, key, seed }),
            Err(GenerateError::Exhausted(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(tasks)
}

impl HeldOut {
    /// A group of attempts at it.
    pub(crate) fn request(
        &self,
        attempts: u32,
        temperature_milli: u32,
        use_grammar: bool,
    ) -> GroupRequest {
        let room = (self.key.witness.len() as f64 * TOKENS_A_WITNESS_BYTE) as u32 + TOKENS_BESIDES;
        GroupRequest {
            prompt: self.task.prompt(),
            grammar: use_grammar.then(|| grammar(&self.task)),
            attempt_seeds: (0..attempts)
                .map(|i| seed::attempt_seed(&self.seed, &Hash::default(), 0, 0, i))
                .collect(),
            temperature_milli,
            max_completion_tokens: room.min(MAX_COMPLETION_TOKENS),
            evidence: false,
        }
    }
}
