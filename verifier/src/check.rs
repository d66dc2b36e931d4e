//! Grading a job again: a pure function of the job and the library of domain files.

use lode_proto::{
    attempt::GroupCommit,
    codec::CodecError,
    id::TaskId,
    seed,
    verify::{GradeJob, JobVerdict},
};
use lode_tasks::{
    family::{self, GenerateError, Library},
    grade::Grader,
};

/// Why a job cannot be graded here. Never a verdict on anyone.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The task cannot be made from its specification in this build.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// The specification gives another task than the job names.
    #[error("the seed gives task {got}, but the job is about task {named}")]
    OtherTask {
        /// What the seed gives.
        got: TaskId,
        /// What the job names.
        named: TaskId,
    },
    /// The attempts are not those that the job's id binds.
    #[error("the job's id is not that of its attempts: they are not what the miner committed to")]
    OtherAttempts,
    /// Something is beyond the codec's limit.
    #[error("cannot be hashed: {0}")]
    Codec(#[from] CodecError),
}

/// Makes the task from its seed, grades every attempt, and returns the hashes of the verdicts.
///
/// # Errors
/// [`CheckError`]: the caller answers `Inconclusive`.
pub fn check(job: &GradeJob, library: &Library) -> Result<JobVerdict, CheckError> {
    if !bound(job)? {
        return Err(CheckError::OtherAttempts);
    }
    let (task, key) = family::generate(&job.spec, library)?;
    let got = task.id()?;
    if got != job.task_id {
        return Err(CheckError::OtherTask { got, named: job.task_id });
    }
    let index = Grader::new(&task, &key);
    let verdicts = job
        .attempts
        .iter()
        .map(|attempt| {
            let verdict = index.grade(&attempt.completion, attempt.finish);
            Ok((attempt.id()?, verdict.hash()?))
        })
        .collect::<Result<_, CodecError>>()?;
    Ok(JobVerdict { job: job.id, task_id: job.task_id, verdicts })
}

/// Whether the job's id is that of its attempts, in their order: it is made from the lease and from
/// what was committed to, so a coordinator cannot have other texts graded in their place.
fn bound(job: &GradeJob) -> Result<bool, CodecError> {
    let Some(first) = job.attempts.first() else { return Ok(false) };
    let (lease, policy) = (first.lease, first.policy);
    let in_place = (0..)
        .zip(&job.attempts)
        .all(|(index, a)| a.index == index && a.lease == lease && a.policy == policy);
    let attempts = job.attempts.iter().map(|a| a.id()).collect::<Result<_, _>>()?;
    let group = GroupCommit { lease, policy, attempts };
    Ok(in_place && seed::job_id(&lease, &group.hash()?) == job.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lode_proto::{
        attempt::{Attempt, Finish},
        id::{LeaseId, PolicyId},
        task::{Profile, TaskTemplate},
    };
    use lode_tasks::{ENGINE_VERSION, longdoc};

    fn job(library: &Library) -> GradeJob {
        let template = TaskTemplate {
            family: longdoc::NAME.into(),
            engine_version: ENGINE_VERSION,
            domain: library.named("companies").expect("built in"),
            profile: Profile::Nano,
            inputs: Vec::new(),
        };
        let spec = template.spec([7; 32]);
        let (task, key) = longdoc::generate(&spec, library).expect("a task");
        let attempts: Vec<Attempt> = [key.witness.as_bytes(), b"nonsense", b"\xff\xfe"]
            .into_iter()
            .zip(0..)
            .map(|(completion, index)| Attempt {
                lease: LeaseId::of(b"l"),
                index,
                policy: PolicyId::of(b"p"),
                completion: completion.to_vec(),
                finish: Finish::Stop,
                prompt_tokens: 1,
                completion_tokens: 1,
                evidence: None,
            })
            .collect();
        let group = GroupCommit {
            lease: LeaseId::of(b"l"),
            policy: PolicyId::of(b"p"),
            attempts: attempts.iter().map(|a| a.id().expect("id")).collect(),
        };
        let id = seed::job_id(&group.lease, &group.hash().expect("hash"));
        GradeJob { id, spec, task_id: task.id().expect("id"), attempts }
    }

    #[test]
    fn the_same_job_gives_the_same_verdict() {
        let library = Library::builtin().expect("the library");
        let job = job(&library);
        let verdict = check(&job, &library).expect("checks");
        assert_eq!(check(&job, &library).expect("checks"), verdict);
        assert_eq!(verdict.verdicts.len(), 3);
        // Both bad ones fail to parse but for other reasons than each other or the witness.
        assert_ne!(verdict.verdicts[0].1, verdict.verdicts[1].1);
    }

    #[test]
    fn a_job_about_another_task_is_not_graded() {
        let library = Library::builtin().expect("the library");
        let mut job = job(&library);
        job.task_id = TaskId::of(b"another");
        assert!(matches!(check(&job, &library), Err(CheckError::OtherTask { .. })));
        job.spec.engine_version = u32::MAX;
        assert!(matches!(check(&job, &library), Err(CheckError::Generate(_))));
    }

    #[test]
    fn a_job_must_be_that_of_its_attempts() {
        let library = Library::builtin().expect("the library");
        let mut changed = job(&library);
        changed.attempts[1].completion = b"another text".to_vec();
        let mut swapped = job(&library);
        swapped.attempts.swap(0, 1);
        let mut short = job(&library);
        short.attempts.pop();
        let mut empty = job(&library);
        empty.attempts.clear();
        for bad in [changed, swapped, short, empty] {
            assert!(matches!(check(&bad, &library), Err(CheckError::OtherAttempts)));
        }
    }
}
