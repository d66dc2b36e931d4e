//! Tasks about somebody's own documents: a folder of text with a facts file that says which words
//! of it state which fact. The questions, the constraints, the solver, the proofs, the witness and
//! the grader are those of `longdoc`; only where the document comes from differs.
//!
//! ```text
//! facts.toml, texts ─► Collection ─► window ─► questions ─► contests ─► notes among the paragraphs
//!                      collection.rs window.rs              contest.rs  document.rs
//! ```
//!
//! What the texts say is taken as plain statements. Traps are put in by rule: a few facts are
//! contested by *notes*, paragraphs of our own with a source, a date or a condition, and a rule says
//! whether the files or one of the notes hold. Which of them does is drawn last and evenly, so that
//! no property of a statement tells it.

mod check;
mod collection;
mod contest;
mod document;
mod error;
mod nearby;
mod terms;
mod text;
mod trial;
mod window;
mod words;

use lode_proto::{
    attempt::Finish,
    id::Hash,
    task::{Profile, TaskSpec},
};

use super::{
    Drafts, Failed, constrain, finish,
    plan::{self, Kind, Plan},
    proven, question, trap,
};
use crate::{
    ENGINE_VERSION,
    draw::Draw,
    family::{Exhausted, Family, GenerateError, Library, MAX_TRIES},
    grade,
    query::Evaluator,
    types::{AnswerKey, Task, Verdict},
};

pub use collection::{Collection, Text};
pub use error::{
    Finding, MAX_ALIASES, MAX_ENTITIES, MAX_FACTS, MAX_FILES, MAX_PARAGRAPH_BYTES, MAX_PARAGRAPHS,
    MAX_TEXT_BYTES, MAX_TEXTS_BYTES, OwnError, Severity,
};
pub use trial::trial;

/// The name of the family in specifications.
pub const NAME: &str = "own";
/// The facts file of a folder.
pub const FACTS_FILE: &str = "facts.toml";

/// The family of tasks about somebody's own documents. Its domain is a facts file, its inputs are
/// the texts in the order of `files`. It is graded by rule alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Own;

impl Family for Own {
    fn name(&self) -> &'static str {
        NAME
    }

    fn generate(
        &self,
        spec: &TaskSpec,
        library: &Library,
    ) -> Result<(Task, AnswerKey), GenerateError> {
        generate(spec, library)
    }

    fn grade(&self, task: &Task, key: &AnswerKey, completion: &[u8], finish: Finish) -> Verdict {
        Verdict { rules: grade::grade(task, key, completion, finish), judge: None }
    }
}

/// How much of a folder one task takes.
#[derive(Debug, Clone, Copy)]
struct Size {
    entities: usize,
    attributes: usize,
    paragraphs: usize,
    /// Bytes of the paragraphs, ours not counted.
    bytes: usize,
}

fn size(profile: Profile) -> Option<Size> {
    match profile {
        // Its documents are of single sentences in the words of the answers.
        Profile::Nano => None,
        Profile::Mini => Some(Size { entities: 8, attributes: 8, paragraphs: 25, bytes: 8_000 }),
        Profile::Standard => {
            Some(Size { entities: 20, attributes: 16, paragraphs: 100, bytes: 22_000 })
        }
        Profile::Hard => {
            Some(Size { entities: 100, attributes: 32, paragraphs: 400, bytes: 100_000 })
        }
    }
}

/// Makes the task of a specification.
///
/// # Errors
/// [`GenerateError::Exhausted`] where no sub-seed gives a provable task; otherwise what is wrong
/// with the specification or missing from the library.
pub fn generate(spec: &TaskSpec, library: &Library) -> Result<(Task, AnswerKey), GenerateError> {
    if spec.family != NAME {
        return Err(GenerateError::UnknownFamily(spec.family.clone()));
    }
    if spec.engine_version != ENGINE_VERSION {
        return Err(GenerateError::EngineVersion {
            asked: spec.engine_version,
            have: ENGINE_VERSION,
        });
    }
    let unsupported =
        || GenerateError::UnsupportedProfile { family: spec.family.clone(), profile: spec.profile };
    let size = size(spec.profile).ok_or_else(unsupported)?;
    let mut plan = plan::plan(spec.profile).ok_or_else(unsupported)?;
    let collection = library.own(&spec.domain, &spec.inputs)?;
    fit(&mut plan, collection);
    let bytes =
        spec.canonical_bytes().map_err(|error| GenerateError::Internal(error.to_string()))?;
    let mut last = String::new();
    for attempt in 0..MAX_TRIES {
        let seed = Hash::derive_parts("lode/1/own-try", &[&bytes, &attempt.to_le_bytes()]);
        match attempt_once(spec, collection, &plan, size, Draw::new(seed.0)) {
            Ok(made) => return Ok(made),
            Err(failed) => last = failed.to_string(),
        }
    }
    Err(Exhausted { tries: MAX_TRIES, last }.into())
}

/// Leaves out what these entities' names do not allow: an acrostic speaks of two initials each.
fn fit(plan: &mut Plan, collection: &Collection) {
    if !collection.two_words_each() {
        for slot in &mut plan.constraints {
            slot.retain(|(kind, _)| *kind != Kind::Acrostic);
        }
    }
}

fn attempt_once(
    spec: &TaskSpec,
    collection: &Collection,
    plan: &Plan,
    size: Size,
    mut draw: Draw,
) -> Result<(Task, AnswerKey), Failed> {
    let draw = &mut draw;
    let window =
        window::Window::draw(collection, size, draw).ok_or(Failed::Draw("window of the files"))?;
    let mut world = window.world(collection);
    let mut budget = question::Budget::default();
    let mut questions = question::questions(&world, plan, &mut budget, draw)
        .ok_or(Failed::Draw("set of questions"))?;
    let mut constraints = constrain::constraints(&world, plan, &questions, &mut budget, draw)
        .ok_or(Failed::Draw("set of constraints"))?;
    let contests = contest::draw(&mut world, plan, &mut questions, &constraints, draw)
        .ok_or(Failed::Draw("contested fact"))?;
    // Where a note holds, it is its value that answers rest on.
    let evaluator = Evaluator { table: &world.table, attributes: &world.schemas };
    for question in &mut questions {
        let support = question::support(&question.query, &evaluator);
        question.support = support.ok_or(Failed::Draw("answer"))?;
    }
    let early = trap::derive(&world, &questions, &constraints, &world.table)
        .ok_or(Failed::Draw("set of checks"))?;
    let traps = contest::traps(&contests, &world, &questions, &constraints, &early)
        .ok_or(Failed::Draw("set of traps"))?;
    finish(&mut constraints, &early, &traps, plan, draw)?;
    let document = document::write(collection, &window, &world, &contests, draw)
        .ok_or(Failed::Draw("document"))?;
    let draft = Drafts { plan, world, questions, constraints, traps, document };
    proven(spec, draft, draw)
}
