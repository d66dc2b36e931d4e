//! From a lease to attempts: check the task, render its prompt, run the engine.

use lode_engine::{Completion, Control, Engine, EngineError, GroupRequest};
use lode_proto::{
    attempt::{Attempt, Finish},
    codec,
    id::PolicyId,
    limits::{MAX_COMPLETION_BYTES, MAX_TASK_BYTES},
    mine::Lease,
};
use lode_tasks::{
    grammar::{self, GRAMMAR_VERSION},
    types::Task,
};

/// Why a lease cannot be answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkError {
    /// The task is not one, or not the one named.
    #[error("the task of the lease cannot be used: {0}")]
    Task(String),
    /// The engine gave up on the whole group.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// The grammar version that attempts are made under, if any.
pub(crate) fn grammar_version(wanted: bool) -> Option<u32> {
    wanted.then_some(GRAMMAR_VERSION)
}

/// Reads the public task of a lease and checks that it is the one the lease names.
pub(crate) fn open_task(lease: &Lease) -> Result<Task, WorkError> {
    let task: Task = codec::decode(&lease.task, MAX_TASK_BYTES)
        .map_err(|error| WorkError::Task(error.to_string()))?;
    let id = task.id().map_err(|error| WorkError::Task(error.to_string()))?;
    if id != lease.task_id {
        return Err(WorkError::Task(format!("it is {id}, the lease names {}", lease.task_id)));
    }
    Ok(task)
}

/// Generates all attempts of a lease. An attempt that the engine could not make is handed in as an
/// empty text: a group is whole or nothing, and leaving one out would be choosing.
pub(crate) async fn answer(
    engine: &dyn Engine,
    lease: &Lease,
    policy: PolicyId,
    temperature_milli: u32,
    grammar: bool,
    control: &Control,
) -> Result<Vec<Attempt>, WorkError> {
    let task = open_task(lease)?;
    let request = GroupRequest {
        prompt: task.prompt(),
        grammar: grammar.then(|| grammar::grammar(&task)),
        attempt_seeds: lease.attempt_seeds.clone(),
        temperature_milli,
        max_completion_tokens: lease.max_completion_tokens,
        evidence: false,
    };
    let completions = engine.generate(request, control).await?;
    let mut attempts = Vec::with_capacity(completions.len());
    for (index, completion) in (0_u32..).zip(completions) {
        let completion = completion.or_else(|error| match error {
            EngineError::Cancelled => Err(error),
            error => {
                tracing::warn!(index, %error, "an attempt failed and is handed in empty");
                Ok(Completion {
                    bytes: Vec::new(),
                    finish: Finish::Cap,
                    prompt_tokens: 0,
                    completion_tokens: 0,
                    evidence: None,
                })
            }
        })?;
        attempts.push(attempt(lease, index, policy, completion));
    }
    Ok(attempts)
}

fn attempt(lease: &Lease, index: u32, policy: PolicyId, completion: Completion) -> Attempt {
    let Completion { mut bytes, mut finish, prompt_tokens, completion_tokens, evidence } =
        completion;
    if bytes.len() > MAX_COMPLETION_BYTES {
        bytes.truncate(MAX_COMPLETION_BYTES);
        finish = Finish::Cap;
    }
    Attempt {
        lease: lease.id,
        index,
        policy,
        completion: bytes,
        finish,
        prompt_tokens,
        completion_tokens,
        evidence,
    }
}
