//! What the state machine asks for and does not do itself: generate tasks, grade groups, build
//! bundles. Generating and grading are pure functions over the task engine; all of it runs on
//! blocking threads.

use std::{collections::BTreeSet, sync::Arc};

use lode_bundle::{
    derive::{self, Basis, GradedAttempt, SeededTask},
    engine::Engine,
    pairs::{self, Config},
};
use lode_node::writer::Writer;
use lode_proto::{
    attempt::{Attempt, Receipt},
    codec,
    envelope::Envelope,
    id::{AttemptId, LeaseId, NetworkId},
    key::PublicKey,
    policy::PolicyCard,
    session::Session,
    task::{Place, TaskSpec},
};
use lode_tasks::{
    family::{Family, GenerateError, Library},
    revision::{self, Conversation},
    types::{AnswerKey, Task},
};
use tokio::sync::{Semaphore, mpsc};

use super::{RunError, bundles::Bundles, machine::Job, release};
use crate::core::{Effect, Generated, Input, OwnGrade, TurnGrade};

/// The task engine as the daemon passes it around.
pub type SharedEngine = Arc<dyn Engine + Send + Sync>;

/// Generates the task of a specification.
///
/// # Errors
/// What is wrong with the specification or this build, for people. A seed without a task is not an
/// error.
pub(super) fn generate(
    engine: &dyn Engine,
    library: &Library,
    spec: &TaskSpec,
) -> Result<Generated, String> {
    match family(engine, spec)?.generate(spec, library) {
        Ok((task, _)) => {
            let bytes = codec::encode(&task).map_err(|error| error.to_string())?;
            let id = task.id().map_err(|error| error.to_string())?;
            Ok(Generated::Task { id, bytes: bytes.into() })
        }
        Err(GenerateError::Exhausted(_)) => Ok(Generated::Exhausted),
        Err(error) => Err(error.to_string()),
    }
}

/// The task of a specification with its answers, and the family that grades it.
fn make<'e>(
    engine: &'e dyn Engine,
    library: &Library,
    spec: &TaskSpec,
) -> Result<(&'e dyn Family, Task, AnswerKey), String> {
    let family = family(engine, spec)?;
    let (task, key) = family.generate(spec, library).map_err(|error| error.to_string())?;
    Ok((family, task, key))
}

fn family<'e>(engine: &'e dyn Engine, spec: &TaskSpec) -> Result<&'e dyn Family, String> {
    let name = &spec.family;
    engine.family(name).ok_or_else(|| format!("this build has no task family {name:?}"))
}

/// A sealed group or session that is to be graded.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) lease: LeaseId,
    pub(super) miner: PublicKey,
    pub(super) card: PolicyCard,
    pub(super) spec: TaskSpec,
    pub(super) session: Session,
}

/// Grades a group, and counts the pairs that the builder would make of it.
///
/// # Errors
/// Why nothing was graded, for people.
pub(super) fn grade(
    engine: &dyn Engine,
    library: &Library,
    group: Sealed,
    attempts: Vec<(Attempt, Receipt)>,
) -> Result<OwnGrade, String> {
    let (family, task, key) = make(engine, library, &group.spec)?;
    let mut graded = Vec::new();
    for (attempt, receipt) in attempts {
        let verdict = family.grade(&task, &key, &attempt.completion, attempt.finish).rules;
        let verdict_hash = verdict.hash().map_err(|error| error.to_string())?;
        let id = attempt.id().map_err(|error| error.to_string())?;
        // The builder looks at texts and verdicts only; seeds are for the rows of the bundle.
        let seed = [0; 32];
        graded.push(GradedAttempt {
            id,
            attempt,
            receipt,
            seed,
            verdict,
            verdict_hash,
            conversation: None,
        });
    }
    let verdicts = graded.iter().map(|attempt| attempt.verdict_hash).collect();
    let passed = graded.iter().filter(|attempt| attempt.verdict.passes()).count();
    let id = task.id().map_err(|error| error.to_string())?;
    let prompt = engine.prompt(&task);
    let policy = group.card.policy.id().map_err(|error| error.to_string())?;
    let seeded = SeededTask { spec: group.spec, id, task, key, prompt, basis: Basis::Regenerated };
    let group = derive::Group {
        counter: 0,
        lease_number: 0,
        session: group.session,
        lease: group.lease,
        miner: group.miner,
        policy,
        card: group.card,
        task: Arc::new(seeded),
        attempts: graded,
        agreements: Vec::new(),
    };
    let set = pairs::build(std::slice::from_ref(&group), &BTreeSet::new());
    let pairs = set.pairs.iter().filter(|pair| pair.config == Config::Pairs).count();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Ok(OwnGrade { verdicts, passed: count(passed), pairs: count(pairs) })
}

/// Grades the newest turn of a revision session: `attempts` are those from which the conversation
/// goes on, one for each turn.
///
/// # Errors
/// Why nothing was graded, for people.
pub(super) fn grade_turn(
    engine: &dyn Engine,
    library: &Library,
    spec: &TaskSpec,
    attempts: &[Attempt],
) -> Result<TurnGrade, String> {
    let (family, task, key) = make(engine, library, spec)?;
    let mut conversation = Conversation::new(&task);
    let mut newest = None;
    for attempt in attempts {
        let verdict = family.grade(&task, &key, &attempt.completion, attempt.finish).rules;
        let counts = revision::counts(&task, &verdict);
        conversation.push(&attempt.completion, &counts);
        newest = Some((counts, verdict.passes()));
    }
    let (counts, passes) = newest.ok_or("the turn has no attempt")?;
    Ok(TurnGrade { counts, passes, next: conversation.hash() })
}

/// Does effects on blocking threads, a bounded number at a time, and tells the machine.
#[derive(Clone)]
pub(super) struct Effects {
    pub(super) engine: SharedEngine,
    pub(super) library: Arc<Library>,
    pub(super) network: NetworkId,
    pub(super) writer: Writer,
    pub(super) machine: mpsc::Sender<Job>,
    pub(super) threads: Arc<Semaphore>,
    pub(super) bundles: Arc<Bundles>,
}

impl std::fmt::Debug for Effects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Effects({} threads free)", self.threads.available_permits())
    }
}

impl Effects {
    /// Begins an effect; its outcome comes to the machine as an input.
    pub(super) fn perform(&self, effect: Effect) {
        let this = self.clone();
        tokio::spawn(async move {
            let job = match effect {
                Effect::Generate { epoch, place, spec } => this.generate(epoch, place, spec).await,
                Effect::Grade { lease, miner, card, spec, session, attempts } => {
                    let sealed = Sealed { lease, miner, card: *card, spec, session };
                    let grade = this.grade(sealed, attempts).await;
                    Job::Done(Box::new(Input::Graded { lease, grade }))
                }
                Effect::GradeTurn { lease, turn, spec, attempts } => {
                    let grade = this.grade_turn(spec, attempts).await;
                    Job::Done(Box::new(Input::TurnGraded { lease, turn, grade }))
                }
                Effect::BuildBundle { epoch } => {
                    let bundle = this.bundles.build(epoch, &this.writer).await;
                    Job::Done(Box::new(Input::BundleBuilt { epoch, bundle }))
                }
                Effect::WriteSignatures { epoch, name, envelopes } => {
                    let result = this.bundles.sign(name, envelopes).await;
                    Job::Done(Box::new(Input::SignaturesWritten { epoch, result }))
                }
            };
            let _ = this.machine.send(job).await;
        });
    }

    async fn blocking<T, F>(&self, work: F) -> Result<T, String>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, String> + Send + 'static,
    {
        let _permit = self.threads.acquire().await.map_err(|error| error.to_string())?;
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|error| Err(format!("the task engine failed: {error}")))
    }

    async fn generate(&self, epoch: u64, place: Place, spec: TaskSpec) -> Job {
        let (engine, library) = (Arc::clone(&self.engine), Arc::clone(&self.library));
        match self.blocking(move || generate(&*engine, &library, &spec)).await {
            Ok(generated) => Job::Done(Box::new(Input::Generated { epoch, place, generated })),
            Err(reason) => Job::Fatal(RunError::Generate(reason)),
        }
    }

    async fn grade(
        &self,
        group: Sealed,
        attempts: Vec<(AttemptId, Envelope)>,
    ) -> Result<OwnGrade, String> {
        let ids = attempts.iter().map(|(id, _)| *id).collect();
        let bodies = release::attempts(&self.writer, self.network, ids).await?;
        let receipts = attempts.into_iter().map(|(_, receipt)| {
            receipt.open::<Receipt>(self.network).map_err(|error| error.to_string())
        });
        let receipts = receipts.collect::<Result<Vec<_>, _>>()?;
        let attempts = bodies.into_iter().zip(receipts).collect();
        let (engine, library) = (Arc::clone(&self.engine), Arc::clone(&self.library));
        self.blocking(move || grade(&*engine, &library, group, attempts)).await
    }

    async fn grade_turn(
        &self,
        spec: TaskSpec,
        attempts: Vec<AttemptId>,
    ) -> Result<TurnGrade, String> {
        let attempts = release::attempts(&self.writer, self.network, attempts).await?;
        let (engine, library) = (Arc::clone(&self.engine), Arc::clone(&self.library));
        self.blocking(move || grade_turn(&*engine, &library, &spec, &attempts)).await
    }
}
