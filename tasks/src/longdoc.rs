//! The family of long documents: many entities, facts scattered over paragraphs, traps, questions
//! by query algebra, and one artifact under constraints.
//!
//! ```text
//! world ─ questions ─ constraints ─ disputes ─ document ─ solver ─ witness ─ proofs
//! world.rs question.rs constrain.rs dispute.rs document.rs solve.rs witness.rs prove.rs
//! ```
//!
//! The world is drawn first; questions, constraints and traps are chosen on it; the document is
//! rendered as text and, in parallel, as statements. From there on the world is not looked at: the
//! solver reads the statements, the witnesses are written from what it found, and the proofs
//! compare. A seed whose task cannot be proved is tried again under derived sub-seeds, at most
//! [`MAX_TRIES`] times.

mod answer;
mod artifact;
pub mod cheat;
mod constrain;
mod dispute;
mod document;
#[cfg(test)]
mod drawn;
mod example;
mod family;
pub mod own;
mod phrase;
mod plan;
mod plausible;
mod prove;
mod public;
mod question;
mod solve;
mod trap;
mod trial;
mod witness;
pub(crate) mod words;
mod world;

use lode_proto::{id::Hash, task::TaskSpec};

use crate::{
    ENGINE_VERSION,
    domain::Domain,
    draw::Draw,
    family::{Exhausted, GenerateError, Library, MAX_TRIES},
    types::{
        Alias, AnswerKey, Consequence, ConstraintKey, DocParagraph, Gold, RosterEntry, Task, Trap,
        TrapRole, TrappedWitness,
    },
};

pub use family::Longdoc;
use plan::{Layout, Plan};
pub use prove::{MAX_GUESS_FLOOR_PPB, Violation, prove};
pub use solve::Unreadable;
pub use trial::trial;

/// The name of the family in specifications.
pub const NAME: &str = "longdoc";

/// A step of generation that found nothing, or a proof that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Failed {
    #[error("no {0} found for this world")]
    Draw(&'static str),
    #[error(transparent)]
    Proof(#[from] Violation),
}

/// Makes the task of a specification.
///
/// # Errors
/// [`GenerateError::Exhausted`] where no sub-seed gives a provable task; otherwise what is wrong
/// with the specification.
pub fn generate(spec: &TaskSpec, library: &Library) -> Result<(Task, AnswerKey), GenerateError> {
    generate_counted(spec, library).map(|(task, key, _)| (task, key))
}

/// As [`generate`], with the number of sub-seeds tried (from 1).
///
/// # Errors
/// As [`generate`].
pub fn generate_counted(
    spec: &TaskSpec,
    library: &Library,
) -> Result<(Task, AnswerKey, u32), GenerateError> {
    if spec.family != NAME {
        return Err(GenerateError::UnknownFamily(spec.family.clone()));
    }
    if spec.engine_version != ENGINE_VERSION {
        return Err(GenerateError::EngineVersion {
            asked: spec.engine_version,
            have: ENGINE_VERSION,
        });
    }
    if !spec.inputs.is_empty() {
        return Err(GenerateError::Inputs {
            family: spec.family.clone(),
            expected: 0,
            got: spec.inputs.len(),
        });
    }
    let plan = plan::plan(spec.profile).ok_or_else(|| GenerateError::UnsupportedProfile {
        family: spec.family.clone(),
        profile: spec.profile,
    })?;
    let domain = library.domain(&spec.domain)?;
    let bytes =
        spec.canonical_bytes().map_err(|error| GenerateError::Internal(error.to_string()))?;
    let mut last = String::new();
    for attempt in 0..MAX_TRIES {
        let seed = Hash::derive_parts("lode/1/longdoc-try", &[&bytes, &attempt.to_le_bytes()]);
        match attempt_once(spec, domain, &plan, Draw::new(seed.0)) {
            Ok((task, key)) => return Ok((task, key, attempt + 1)),
            Err(failed) => last = failed.to_string(),
        }
    }
    Err(Exhausted { tries: MAX_TRIES, last }.into())
}

fn attempt_once(
    spec: &TaskSpec,
    domain: &Domain,
    plan: &Plan,
    mut draw: Draw,
) -> Result<(Task, AnswerKey), Failed> {
    let draw = &mut draw;
    let world = world::World::draw(domain, plan, draw);
    let mut budget = question::Budget::default();
    let questions = question::questions(&world, plan, &mut budget, draw)
        .ok_or(Failed::Draw("set of questions"))?;
    let mut constraints = constrain::constraints(&world, plan, &questions, &mut budget, draw)
        .ok_or(Failed::Draw("set of constraints"))?;
    let early = trap::derive(&world, &questions, &constraints, &world.table)
        .ok_or(Failed::Draw("set of checks"))?;
    let (traps, drawn) = match plan.layout {
        Layout::Sentences => {
            let traps = trap::Traps {
                world: &world,
                plan,
                questions: &questions,
                constraints: &constraints,
                truth: &early,
            };
            (traps.draw(draw).ok_or(Failed::Draw("binding trap"))?, None)
        }
        Layout::Grouped => {
            let disputes = dispute::Disputes {
                world: &world,
                plan,
                questions: &questions,
                constraints: &constraints,
                truth: &early,
            };
            let mut drawn = disputes.draw(draw).ok_or(Failed::Draw("binding dispute"))?;
            (std::mem::take(&mut drawn.traps), Some(drawn))
        }
    };
    finish(&mut constraints, &early, &traps, plan, draw)?;

    let conflicts = match &drawn {
        Some(drawn) => document::Conflicts::Disputes(drawn),
        None => document::Conflicts::Traps(&traps),
    };
    let document =
        document::write(&world, plan, conflicts, draw).ok_or(Failed::Draw("document"))?;
    let draft = Drafts { plan, world, questions, constraints, traps, document };
    proven(spec, draft, draw)
}

/// Fixes what constraints leave open, so that the truth and every trapped reading can keep them.
fn finish(
    constraints: &mut [crate::types::Constraint],
    truth: &trap::Derived,
    traps: &[trap::DraftedTrap],
    plan: &Plan,
    draw: &mut Draw,
) -> Result<(), Failed> {
    let mut readings = vec![truth.checks.clone()];
    for drafted in traps {
        let moved = |consequence: &Consequence| matches!(consequence, Consequence::Check { .. });
        if drafted.consequences.iter().any(moved) {
            readings.push(truth.with(&drafted.consequences).checks);
        }
    }
    constrain::finish(constraints, &readings, plan, draw).ok_or(Failed::Draw("artifact"))
}

/// All that a task is made of, before it is solved and proved.
struct Drafts<'t, 'a> {
    plan: &'t Plan,
    world: world::World<'a>,
    questions: Vec<question::Drafted>,
    constraints: Vec<crate::types::Constraint>,
    traps: Vec<trap::DraftedTrap>,
    document: document::Document,
}

/// Solves the document without a look at the world, writes the witnesses, and proves the task.
fn proven(
    spec: &TaskSpec,
    draft: Drafts<'_, '_>,
    draw: &mut Draw,
) -> Result<(Task, AnswerKey), Failed> {
    let Drafts { plan, world, questions, constraints, traps, document } = draft;
    let roster: Vec<RosterEntry> =
        world.roster.iter().map(|name| RosterEntry { name: name.clone() }).collect();
    let truth =
        solve::read(&document.statements, &roster, &world.schemas).map_err(Violation::from)?;
    if truth.table != world.table {
        return Err(Violation::Facts.into());
    }
    let answers = questions.iter().map(|question| question.answer.clone()).collect::<Vec<_>>();
    let checks = witness::checks(&constraints, &world, &truth, &answers)
        .ok_or(Failed::Draw("set of checks"))?;
    let derived = trap::Derived { answers, checks };
    let artifact = artifact(&world, plan, &questions, &truth, &derived, draw)
        .ok_or(Failed::Draw("artifact"))?;
    let text = witness::write(witness::Source {
        world: &world,
        rules: &plan.trace,
        tokens: plan.witness_tokens,
        questions: &questions,
        constraints: &constraints,
        document: &document.statements,
        reading: &truth,
        derived: &derived,
        artifact: &artifact,
        misread: None,
    })
    .ok_or(Failed::Draw("witness"))?;

    let task =
        public::task(spec, plan, &world, &questions, &constraints, document.paragraphs, draw)?;
    let mut key = AnswerKey {
        gold: questions
            .iter()
            .map(|question| Gold {
                answer: question.answer.clone(),
                query: question.query.clone(),
                support: question.support.clone(),
            })
            .collect(),
        constraints: constraints
            .iter()
            .zip(&derived.checks)
            .map(|(constraint, check)| ConstraintKey {
                constraint: constraint.clone(),
                check: check.clone(),
                questions: constrain::depends_on(constraint),
                support: constrain::support_of(constraint, &derived.answers),
            })
            .collect(),
        traps: Vec::new(),
        facts: answer::facts(&world, &truth, &document.statements),
        aliases: document
            .aliases
            .iter()
            .map(|(entity, name)| Alias {
                entity: *entity,
                name: name.clone(),
                defined_in: answer::defined_in(name, &document.statements),
            })
            .collect(),
        document: document.statements,
        witness: text,
        trapped: Vec::new(),
        guess_floor_ppb: 0,
    };
    let stated = answer::Stated::new(&key.document, &world);
    let (mut placed, mut trapped): (Vec<Trap>, Vec<TrappedWitness>) = (Vec::new(), Vec::new());
    for drafted in &traps {
        let number = u16::try_from(placed.len() + 1).unwrap_or(u16::MAX);
        let trap = answer::placed(drafted, &stated, &world, &key)
            .ok_or(Failed::Draw("place for a trap"))?;
        let told = |known: &Trap| prove::told_alike(known, &trap);
        if trap.role == TrapRole::Binding && !placed.iter().any(told) {
            let text = caught(
                &world,
                plan,
                (&truth, &derived),
                &key.document,
                &questions,
                &constraints,
                drafted,
                &trap,
                draw,
            )
            .ok_or(Failed::Draw("trapped witness"))?;
            trapped.push(TrappedWitness { trap: number, text });
        }
        placed.push(trap);
    }
    (key.traps, key.trapped) = (placed, trapped);
    key.guess_floor_ppb = prove::guess_floor_ppb(&task, &key);
    prove::prove_as_read(&task, &key, &truth)?;
    Ok((task, key))
}

/// What a reader who falls into a trap writes.
#[allow(clippy::too_many_arguments)]
fn caught(
    world: &world::World<'_>,
    plan: &Plan,
    (truth, known): (&solve::Reading, &trap::Derived),
    document: &[DocParagraph],
    questions: &[question::Drafted],
    constraints: &[crate::types::Constraint],
    drafted: &trap::DraftedTrap,
    trap: &Trap,
    draw: &mut Draw,
) -> Option<String> {
    let fall = solve::Fall {
        fact: drafted.fact,
        wrong: drafted.wrong,
        paragraph: *trap.wrong_paragraphs.first()?,
    };
    let reading = truth.caught(fall);
    let at = (fall.fact.attr, known);
    let changes = trap::changes(world, questions, constraints, &reading.table, at, false)?;
    let derived = known.with(&changes);
    let artifact = artifact(world, plan, questions, &reading, &derived, draw)?;
    witness::bare(witness::Source {
        world,
        rules: &plan.trace,
        tokens: plan.witness_tokens,
        questions,
        constraints,
        document,
        reading: &reading,
        derived: &derived,
        artifact: &artifact,
        misread: Some(fall.fact.attr),
    })
}

/// A line that satisfies all checks: a sentence about the answer where short documents allow one.
fn artifact(
    world: &world::World<'_>,
    plan: &Plan,
    questions: &[question::Drafted],
    reading: &solve::Reading,
    derived: &trap::Derived,
    draw: &mut Draw,
) -> Option<String> {
    if plan.layout == Layout::Sentences
        && let Some(fact) = questions.first().and_then(|question| question.support.last())
    {
        let phrases = phrase::Phrases { world, plain: true };
        let sentence = phrases.trace(*fact, reading.table.get(*fact));
        if let Some(text) = example::artifact(world, &sentence, &derived.checks) {
            return Some(text);
        }
    }
    artifact::compose(&derived.checks, draw)
}
