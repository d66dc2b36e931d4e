//! From a job to the attempts of its next turn: check the task, write the prompt or the conversation
//! so far, run the engine.

use std::sync::atomic::{AtomicUsize, Ordering};

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
    revision::Conversation,
    types::Task,
};

use crate::queue::Job;

/// Bytes of a prompt's text that make a token, at least: for an estimate that is rather too high.
const BYTES_A_TOKEN: usize = 3;

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

/// How attempts are made.
pub(crate) struct How<'h> {
    pub(crate) policy: PolicyId,
    pub(crate) temperature_milli: u32,
    pub(crate) grammar: bool,
    /// Attempts that go to the engine at once; halved for good when it runs out of memory.
    pub(crate) batch: &'h AtomicUsize,
}

/// Memory that a job's next turn will take in the engine, bytes. The prompt is known by its bytes, of
/// which a token has several.
pub(crate) fn group_bytes(engine: &dyn Engine, job: &Job) -> u64 {
    let (lease, turn) = (&job.lease, job.turns());
    let said: usize = job.attempts.iter().map(|attempt| attempt.completion.len()).sum();
    let prompt_tokens = (lease.task.len() + said) / BYTES_A_TOKEN;
    engine.group_bytes(prompt_tokens, job.seeds(turn).len(), lease.max_completion_tokens)
}

/// What the next turn of a job answers: the task's prompt, or the conversation so far.
fn prompt(task: &Task, job: &Job) -> Result<String, WorkError> {
    let mut talk = Conversation::new(task);
    for (turn, said) in (0_u32..).zip(&job.feedback) {
        let continued = job.attempts_of(turn).next().ok_or_else(|| {
            WorkError::Task(format!("there is feedback on turn {turn}, which was not made"))
        })?;
        talk.push(&continued.completion, &said.counts);
    }
    match job.feedback.last() {
        Some(said) if said.next != Some(talk.hash()) => Err(WorkError::Task(
            "the coordinator writes the conversation of a revision session otherwise than this \
             version; update"
                .into(),
        )),
        _ => Ok(talk.text().to_owned()),
    }
}

/// Generates all attempts of a job's next turn. An attempt that the engine could not make is handed in as an
/// empty text: a group is whole or nothing, and leaving one out would be choosing. Where it could
/// make none, that is the engine's failure and no answer.
pub(crate) async fn answer(
    engine: &dyn Engine,
    job: &Job,
    how: &How<'_>,
    control: &Control,
) -> Result<Vec<Attempt>, WorkError> {
    let lease = &job.lease;
    let task = open_task(lease)?;
    let prompt = prompt(&task, job)?;
    let (turn, first) = (job.turns(), job.attempts.len());
    let wanted = job.seeds(turn);
    let grammar = how.grammar.then(|| grammar::grammar(&task));
    let request = |seeds: &[[u8; 32]]| GroupRequest {
        prompt: prompt.clone(),
        grammar: grammar.clone(),
        attempt_seeds: seeds.to_vec(),
        temperature_milli: how.temperature_milli,
        max_completion_tokens: lease.max_completion_tokens,
        evidence: false,
    };
    let mut completions = Vec::with_capacity(wanted.len());
    while let Some(left) = wanted.get(completions.len()..).filter(|s| !s.is_empty()) {
        let batch = how.batch.load(Ordering::Relaxed).clamp(1, left.len());
        match engine.generate(request(left.get(..batch).unwrap_or(left)), control).await {
            Ok(more) => completions.extend(more),
            Err(error @ EngineError::OutOfMemory { .. }) if batch > 1 => {
                how.batch.fetch_min(batch / 2, Ordering::Relaxed);
                tracing::warn!(%error, batch = batch / 2, "smaller batches from now on");
            }
            Err(error) => return Err(error.into()),
        }
    }
    if completions.iter().all(Result::is_err)
        && let Some(Err(error)) = completions.pop()
    {
        return Err(error.into());
    }
    let mut attempts = Vec::with_capacity(completions.len());
    for (index, completion) in (u32::try_from(first).unwrap_or(u32::MAX)..).zip(completions) {
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
        attempts.push(attempt(lease, index, how.policy, completion));
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
