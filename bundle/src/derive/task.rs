//! A counter's task: made from its seed again, or read from the bundle where this build's engine
//! no longer has the version.

use std::collections::BTreeMap;

use lode_proto::{
    codec,
    epoch::Campaign,
    id::{Hash, TaskId},
    limits::{MAX_ENCODED_BYTES, MAX_TASK_BYTES},
    task::{Place, TaskSpec, TaskTemplate},
};
use lode_tasks::{
    family::{Family, GenerateError, Library},
    types::{AnswerKey, Task},
};

use super::{Basis, Epoch, SeededTask};
use crate::{
    engine::Engine,
    evidence::TaskFrame,
    finding::{Check, Finding},
    record::EpochRecord,
};

/// Tasks with their keys as stored in a bundle.
pub(crate) type StoredTasks = BTreeMap<TaskId, TaskFrame>;

/// What became of making a task.
pub(crate) enum Made {
    /// A task.
    Task(Box<SeededTask>),
    /// The generator gave up on the seed, as it may.
    Exhausted,
    /// Something is wrong, or could not be checked.
    Fault(Check, String),
}

/// Makes the tasks of an epoch.
pub(crate) struct Maker<'a> {
    engine: &'a dyn Engine,
    family: &'a dyn Family,
    library: Library,
    campaign: Campaign,
    secret: Hash,
    beacon: Hash,
    stored: &'a StoredTasks,
}

impl<'a> Maker<'a> {
    pub(crate) fn new(
        epoch: &Epoch,
        record: &EpochRecord,
        engine: &'a dyn Engine,
        stored: &'a StoredTasks,
    ) -> Result<Self, Finding> {
        let campaign = epoch.open.campaign.clone();
        let template: &TaskTemplate = &campaign.template;
        let wanted = std::iter::once(template.domain.hash).chain(template.inputs.iter().copied());
        for hash in wanted.clone() {
            match record.blobs.get(&hash) {
                Some(bytes) if Hash::of(bytes) == hash => {}
                Some(_) => {
                    let what = format!("the input {hash} has other content than its name says");
                    return Err(Finding::bundle(Check::Evidence, what));
                }
                None => {
                    let what = format!("the domain file or input {hash} of the epoch is missing");
                    return Err(Finding::bundle(Check::Evidence, what));
                }
            }
        }
        if record.blobs.len() > wanted.collect::<std::collections::BTreeSet<_>>().len() {
            let what = "there are inputs that the epoch does not name";
            return Err(Finding::bundle(Check::Evidence, what));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let name = &template.domain.name;
        if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
            let what = "the domain's name is not 1 to 64 letters, digits, '-' and '_'";
            return Err(Finding::bundle(Check::Evidence, what));
        }
        let family = engine.family(&template.family).ok_or_else(|| {
            let what = format!("this build has no task family {:?}", template.family);
            Finding::bundle(Check::Inconclusive, what)
        })?;
        let library = engine
            .library(template, &record.blobs)
            .map_err(|error| Finding::bundle(Check::Evidence, error.to_string()))?;
        let (secret, beacon) = (epoch.secret, epoch.beacon);
        Ok(Self { engine, family, library, campaign, secret, beacon, stored })
    }

    /// The family, for grading.
    pub(crate) fn family(&self) -> &dyn Family {
        self.family
    }

    /// The task at a place; `claimed` is the id that the record gives it.
    pub(crate) fn make(&self, place: Place, claimed: Option<TaskId>) -> Made {
        let spec = self.campaign.spec(&self.secret.0, &self.beacon, place);
        match self.family.generate(&spec, &self.library) {
            Ok((task, key)) => self.finish(spec, task, key, Basis::Regenerated),
            Err(GenerateError::Exhausted(_)) => Made::Exhausted,
            Err(error @ GenerateError::EngineVersion { .. }) => match claimed {
                Some(id) => self.stored_task(spec, id, &error),
                None => Made::Fault(Check::Inconclusive, error.to_string()),
            },
            Err(error) => Made::Fault(Check::Task, format!("no task can be made: {error}")),
        }
    }

    fn stored_task(&self, spec: TaskSpec, id: TaskId, why: &GenerateError) -> Made {
        let Some(frame) = self.stored.get(&id) else {
            let what = format!("{why}, and the bundle stores no task {}", id.short());
            return Made::Fault(Check::Inconclusive, what);
        };
        if TaskId::of(&frame.task) != id {
            let what = format!("the stored task {} is not the one of that id", id.short());
            return Made::Fault(Check::Task, what);
        }
        let task = codec::decode::<Task>(&frame.task, MAX_TASK_BYTES);
        let key = codec::decode::<AnswerKey>(&frame.key, MAX_ENCODED_BYTES);
        match (task, key) {
            (Ok(task), Ok(key)) => self.finish(spec, task, key, Basis::Regraded),
            (Err(error), _) | (_, Err(error)) => {
                let what = format!("{why}, and the stored task cannot be read: {error}");
                Made::Fault(Check::Inconclusive, what)
            }
        }
    }

    fn finish(&self, spec: TaskSpec, task: Task, key: AnswerKey, basis: Basis) -> Made {
        match task.id() {
            Ok(id) => {
                let prompt = self.engine.prompt(&task);
                Made::Task(Box::new(SeededTask { spec, id, task, key, prompt, basis }))
            }
            Err(error) => Made::Fault(Check::Task, format!("the task has no id: {error}")),
        }
    }
}
