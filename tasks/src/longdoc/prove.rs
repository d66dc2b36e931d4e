//! What is proved of every task before it goes out (DESIGN 3.3, proofs 1 to 5 and 7).
//!
//! The proofs read the task and its key, never the world they were made from: the solver runs on
//! the key's statements, which are those that the paragraphs were rendered from.

use lode_proto::attempt::Finish;

use crate::{
    check,
    grade::Grader,
    lint::{self, Fault},
    query::{Evaluator, Table, cell_of},
    types::{
        Answer, AnswerKey, Consequence, FactRef, FailureClass, Reason, Standing, StatementKind,
        Task, TraceNeed, Trap, TrapKind, TrapRole, TrapStatus, Value,
    },
};

use super::{
    own,
    solve::{self, Fall, Reading, Unreadable},
};

/// Largest chance of a random text under the grammar to pass, parts per billion: 1 %.
pub const MAX_GUESS_FLOOR_PPB: u64 = 10_000_000;

/// What a task violates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Proof 1 or 4: the document has no single reading.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Proof 1: a question's gold answer does not follow from the document.
    #[error("the document gives {found} as the answer to question {question}, the key another")]
    Gold {
        /// From 1.
        question: u16,
        /// What follows, or why nothing does.
        found: String,
    },
    /// Proof 1: the key holds a fact that the document does not.
    #[error("the key's facts are not those of the document")]
    Facts,
    /// Proof 2: a caught reader derives something else than the key says, or nothing.
    #[error("trap {trap} does not lead where the key says")]
    TrapPath {
        /// From 1.
        trap: u16,
    },
    /// Proof 2: a binding trap changes nothing, or bait changes something.
    #[error("trap {trap} does not have the role that the key says")]
    TrapRole {
        /// From 1.
        trap: u16,
    },
    /// Proof 2: the document does not hold the wrong value where the key says.
    #[error("trap {trap} does not stand in the document where the key says")]
    TrapPlace {
        /// From 1.
        trap: u16,
    },
    /// Proof 2: no binding trap at all.
    #[error("no trap binds")]
    NoTrap,
    /// Proof 3: the witness does not pass.
    #[error("the witness does not pass: {0}")]
    Witness(String),
    /// Proof 3: a trapped witness does not fail by its trap.
    #[error("the witness of trap {trap} does not fail by it: {why}")]
    TrappedWitness {
        /// From 1.
        trap: u16,
        /// What it does instead.
        why: String,
    },
    /// Proof 5.
    #[error("{place}: {fault}")]
    Language {
        /// "paragraph 12"
        place: String,
        /// What is wrong.
        fault: Fault,
    },
    /// Proof 7.
    #[error(
        "guessing passes with up to {ppb} parts per billion, at most {MAX_GUESS_FLOOR_PPB} are allowed"
    )]
    GuessFloor {
        /// The bound.
        ppb: u64,
    },
    /// The parts of task and key do not belong together.
    #[error("the key does not belong to the task: {0}")]
    Shape(String),
}

/// Proves a task.
///
/// # Errors
/// The first violation.
pub fn prove(task: &Task, key: &AnswerKey) -> Result<(), Violation> {
    let truth = solve::read(&key.document, &task.roster, &task.attributes)?;
    prove_as_read(task, key, &truth)
}

/// As [`prove`], where the key's document has been read already.
pub(super) fn prove_as_read(
    task: &Task,
    key: &AnswerKey,
    truth: &Reading,
) -> Result<(), Violation> {
    shape(task, key)?;
    language(task)?;
    gold(task, key, truth)?;
    let grader = Grader::new(task, key);
    facts(key, grader.truth(), truth)?;
    let mut binding = 0;
    for (number, trap) in (1_u16..).zip(&key.traps) {
        prove_trap(number, trap, task, key, truth)?;
        if trap.role == TrapRole::Binding {
            binding += 1;
            let first = key.traps.iter().position(|known| told_alike(known, trap));
            if first == Some(usize::from(number) - 1) {
                trapped_witness(number, &grader, key)?;
            }
        }
    }
    if binding == 0 {
        return Err(Violation::NoTrap);
    }
    witness(&grader, key)?;
    if key.guess_floor_ppb > MAX_GUESS_FLOOR_PPB {
        return Err(Violation::GuessFloor { ppb: key.guess_floor_ppb });
    }
    Ok(())
}

/// Whether one trapped witness tells of both traps: of wrong values of one fact that a reader comes
/// to in the same way, the first that binds stands for all.
pub(super) fn told_alike(known: &Trap, trap: &Trap) -> bool {
    (known.fact, known.kind, known.role) == (trap.fact, trap.kind, trap.role)
}

fn shape(task: &Task, key: &AnswerKey) -> Result<(), Violation> {
    let pairs = [
        ("paragraphs", task.paragraphs.len(), key.document.len()),
        ("questions", task.questions.len(), key.gold.len()),
        ("constraints", task.constraints.len(), key.constraints.len()),
    ];
    for (what, public, secret) in pairs {
        if public != secret {
            return Err(Violation::Shape(format!("{public} {what} against {secret}")));
        }
    }
    Ok(())
}

fn language(task: &Task) -> Result<(), Violation> {
    // What others wrote is as they wrote it; our own paragraphs among it were looked through when
    // they were rendered.
    let rendered = if task.header.family == own::NAME { &[][..] } else { &task.paragraphs[..] };
    let texts = (1..)
        .zip(rendered)
        .map(|(n, text)| ("paragraph", n, text.as_str()))
        .chain((1..).zip(&task.questions).map(|(n, q)| ("question", n, q.text.as_str())))
        .chain((1..).zip(&task.constraints).map(|(n, c)| ("constraint", n, c.0.as_str())));
    for (what, number, text) in texts {
        lint::lint(text)
            .map_err(|fault| Violation::Language { place: format!("{what} {number}"), fault })?;
    }
    Ok(())
}

fn gold(task: &Task, key: &AnswerKey, truth: &Reading) -> Result<(), Violation> {
    let evaluator = Evaluator { table: &truth.table, attributes: &task.attributes };
    for (question, gold) in (1..).zip(&key.gold) {
        match evaluator.answer(&gold.query) {
            Ok(answer) if answer == gold.answer => {}
            Ok(answer) => {
                return Err(Violation::Gold { question, found: format!("{answer:?}") });
            }
            Err(why) => return Err(Violation::Gold { question, found: why.to_string() }),
        }
    }
    Ok(())
}

/// `told` is the key's facts as a table.
fn facts(key: &AnswerKey, told: &Table, truth: &Reading) -> Result<(), Violation> {
    let placed = key.facts.iter().all(|known| !known.paragraphs.is_empty());
    let sorted = key.facts.windows(2).all(|pair| pair[0].fact < pair[1].fact);
    // A document of somebody's own need not say everything of everybody.
    let all = key.facts.len() == truth.table.known();
    if placed && sorted && all && *told == truth.table { Ok(()) } else { Err(Violation::Facts) }
}

/// A caught reader derives exactly what the key says.
fn prove_trap(
    number: u16,
    trap: &Trap,
    task: &Task,
    key: &AnswerKey,
    truth: &Reading,
) -> Result<(), Violation> {
    let place = Violation::TrapPlace { trap: number };
    let paragraph = *trap.wrong_paragraphs.first().ok_or(place.clone())?;
    let all = trap.wrong_paragraphs.iter().all(|at| holds_trap(*at, trap, key));
    if !all || trap.right == trap.wrong || trap.right_paragraphs.is_empty() {
        return Err(place);
    }
    let schema = task.attributes.get(trap.fact.attr.at()).ok_or(place.clone())?;
    let wrong = cell_of(&trap.wrong, schema).ok_or(place)?;
    let fall = Fall { fact: trap.fact, wrong, paragraph };
    let caught = truth.caught(fall);
    let evaluator = Evaluator { table: &caught.table, attributes: &task.attributes };
    let path = Violation::TrapPath { trap: number };
    let mut found = 0;
    for (question, gold) in (1_u16..).zip(&key.gold) {
        // Only the attribute of the trap reads differently.
        if !gold.query.mentions(trap.fact.attr) {
            continue;
        }
        let answer = evaluator.answer(&gold.query).map_err(|_| path.clone())?;
        if answer != gold.answer {
            found += 1;
            let said = trap.consequences.iter().any(|consequence| {
                matches!(consequence, Consequence::Answer { question: q, answer: a }
                    if *q == question && *a == answer)
            });
            if !said {
                return Err(path);
            }
        }
    }
    let said = trap.consequences.iter().filter(|c| matches!(c, Consequence::Answer { .. })).count();
    let differ = trap.consequences.iter().all(|consequence| match consequence {
        Consequence::Answer { .. } => true,
        Consequence::Check { constraint, check } => key
            .constraints
            .get(usize::from(*constraint).wrapping_sub(1))
            .is_some_and(|known| known.check != *check),
    });
    if said != found || !differ {
        return Err(path);
    }
    if trap.consequences.is_empty() != (trap.role == TrapRole::Bait) {
        return Err(Violation::TrapRole { trap: number });
    }
    Ok(())
}

/// Whether a paragraph makes the statement that the trap consists of.
fn holds_trap(paragraph: u32, trap: &Trap, key: &AnswerKey) -> bool {
    let Some(at) = usize::try_from(paragraph).ok().and_then(|n| n.checked_sub(1)) else {
        return false;
    };
    let Some(paragraph) = key.document.get(at) else { return false };
    paragraph.statements.iter().any(|statement| is_trap(statement, trap, key))
}

/// Whether a statement is the one that a trap tempts with.
pub(super) fn is_trap(statement: &crate::types::Statement, trap: &Trap, key: &AnswerKey) -> bool {
    match (&statement.kind, trap.kind) {
        (
            StatementKind::Absolute { fact, value, standing },
            TrapKind::Superseded | TrapKind::OutsideFilter | TrapKind::ConditionalCorrection,
        ) => *fact == trap.fact && *value == trap.wrong && *standing != Standing::Wider,
        (StatementKind::Absolute { fact, value, .. }, TrapKind::Scope) => {
            *fact == trap.fact && *value == trap.wrong
        }
        (StatementKind::Absolute { fact, value, standing }, TrapKind::Unit) => {
            *fact == trap.fact
                && *value == trap.right
                && *standing != Standing::Wider
                && statement.printed.as_ref() == Some(&trap.wrong)
        }
        (
            StatementKind::Absolute { fact, .. } | StatementKind::Relative { fact, .. },
            TrapKind::Homonym,
        ) => {
            fact.entity != trap.fact.entity
                && fact.attr == trap.fact.attr
                && key.value(*fact) == Some(&trap.wrong)
        }
        (StatementKind::Instruction { fact, value }, TrapKind::PlantedInstruction) => {
            *fact == trap.fact && *value == trap.wrong
        }
        _ => false,
    }
}

/// The witness passes as any attempt would have to.
fn witness(grader: &Grader<'_>, key: &AnswerKey) -> Result<(), Violation> {
    let verdict = grader.grade(key.witness.as_bytes(), Finish::Stop);
    match verdict.failure {
        None => Ok(()),
        Some(class) => Err(Violation::Witness(told(class, &verdict.reasons))),
    }
}

/// The trapped witness holds every check of its path, and fails by this trap.
fn trapped_witness(number: u16, grader: &Grader<'_>, key: &AnswerKey) -> Result<(), Violation> {
    let fault = |why: String| Violation::TrappedWitness { trap: number, why };
    let trapped = key.trapped.iter().find(|trapped| trapped.trap == number);
    let text = trapped.map_or("", |trapped| trapped.text.as_str());
    let artifact = artifact_of(text).ok_or_else(|| fault("it has no artifact".to_owned()))?;
    let consequences = key.traps.get(usize::from(number) - 1).map(|trap| &trap.consequences);
    for consequence in consequences.into_iter().flatten() {
        if let Consequence::Check { check, .. } = consequence
            && !check::holds(check, artifact)
        {
            return Err(fault(check::explain(check, artifact)));
        }
    }
    let caught = grader.caught(text.as_bytes(), Finish::Stop).is_some_and(|outcomes| {
        outcomes.iter().any(|trap| trap.trap == number && trap.status == TrapStatus::Caught)
    });
    if caught {
        return Ok(());
    }
    let verdict = grader.grade(text.as_bytes(), Finish::Stop);
    Err(fault(match verdict.failure {
        Some(class) => told(class, &verdict.reasons),
        None => "it would pass".to_owned(),
    }))
}

fn told(class: FailureClass, reasons: &[Reason]) -> String {
    let first = reasons.first().map_or("", |reason| reason.text.as_str());
    format!("it fails as {class:?}: {first}")
}

fn artifact_of(completion: &str) -> Option<&str> {
    completion.lines().rev().find_map(|line| line.strip_prefix("Artifact: "))
}

/// Upper bound on the chance that a text drawn at random under the grammar passes, parts per
/// billion, rounded up.
///
/// To pass, a text must answer each question rightly and, where the profile asks for them, state
/// each fact behind the answers. A sampler picks a name out of the roster, a category out of its
/// vocabulary, and a number digit by digit (at least ten choices each), independently in every
/// place. A fact is stated by one of at most `max_steps` lines, each of which picks a name, one of
/// the attributes' sentences, and a value. What the constraints and the rest of the trace need
/// beyond that is taken as given, so the product is an upper bound.
pub(super) fn guess_floor_ppb(task: &Task, key: &AnswerKey) -> u64 {
    let roster = task.roster.len() as u64;
    let digits = |text: &str| {
        let count = text.bytes().filter(u8::is_ascii_digit).count();
        10_u64.pow(u32::try_from(count).unwrap_or(9).min(9))
    };
    let words = |text: &String| {
        let fitting =
            task.attributes.iter().filter(|schema| schema.vocabulary.binary_search(text).is_ok());
        fitting.map(|schema| schema.vocabulary.len() as u64).min().unwrap_or(1)
    };
    let mut ppb: u64 = 1_000_000_000;
    let mut pay = |chances: u64, out_of: u64| {
        if chances < out_of {
            let product = u128::from(ppb) * u128::from(chances);
            ppb = u64::try_from(product.div_ceil(u128::from(out_of))).unwrap_or(ppb);
        }
    };
    let mut facts: std::collections::BTreeSet<FactRef> = std::collections::BTreeSet::new();
    for gold in &key.gold {
        pay(
            1,
            match &gold.answer {
                Answer::Entity(_) => roster,
                Answer::Category(text) => words(text),
                Answer::Integer(n) => digits(&n.to_string()),
                Answer::Decimal(milli) => digits(&crate::number::decimal(*milli)),
            },
        );
        facts.extend(&gold.support);
    }
    if task.trace.needs.contains(&TraceNeed::Facts) {
        for fact in facts {
            let value = match key.value(fact) {
                Some(Value::Int(n)) => digits(&n.to_string()),
                Some(Value::Milli(milli)) => digits(&crate::number::decimal(*milli)),
                Some(Value::Text(_)) => task
                    .attributes
                    .get(fact.attr.at())
                    .map_or(1, |schema| schema.vocabulary.len() as u64),
                None => 1,
            };
            let lines = roster * task.attributes.len() as u64 * value;
            pay(u64::from(task.trace.max_steps), lines);
        }
    }
    ppb
}
