//! Constraints: drawn as a varied skeleton, resolved against answers and facts, put into words.

mod draft;
mod finish;
mod resolve;
mod wording;

use crate::{
    draw::Draw,
    types::{Answer, AttrId, Constraint, FactRef, NumberSource},
};

use super::{
    plan::{Kind, Layout, Plan},
    question::{Budget, Drafted},
    world::World,
};
use draft::Maker;
pub(super) use finish::finish;
pub(super) use resolve::{initials, resolve, source_number};
pub(super) use wording::wording;

/// Draws for one slot of the skeleton; then the slot takes one of [`SPARE`].
const TRIES: u32 = 24;
/// Estimated tokens of one compute line.
const TOKENS_STEP: usize = 22;
/// What a slot takes where nothing of its own fits: these cost no facts.
const SPARE: [(Kind, u32); 2] = [(Kind::Name, 1), (Kind::Word, 1)];

/// Draws the skeleton: a kind for each slot and, in long documents, an order of the slots. Word
/// counts and letters are fixed later by [`finish`]. A draft that does not fit is replaced by
/// another; `None` only where not even the spare kinds are of use.
pub(super) fn constraints(
    world: &World<'_>,
    plan: &Plan,
    questions: &[Drafted],
    budget: &mut Budget,
    draw: &mut Draw,
) -> Option<Vec<Constraint>> {
    let mut chosen: Vec<Constraint> = Vec::with_capacity(plan.constraints.len());
    let maker = Maker { world, questions };
    for slot in &plan.constraints {
        let mut made = None;
        for attempt in 0..2 * TRIES {
            let kinds = if attempt < TRIES { slot.as_slice() } else { &SPARE };
            let kind = *draw.weighted(kinds)?;
            if kind == Kind::Nothing {
                made = Some(None);
                break;
            }
            let Some(constraint) = maker.draft(kind, draw) else { continue };
            if !Maker::fits(&constraint, &chosen) {
                continue;
            }
            let facts = support(&constraint, questions);
            let derived = steps(&constraint) * TOKENS_STEP;
            let cost = budget.cost(world, &facts) + derived;
            if cost > 0 && budget.tokens + cost > plan.witness_tokens {
                continue;
            }
            budget.spend(world, &facts);
            budget.tokens += derived;
            made = Some(Some(constraint));
            break;
        }
        chosen.extend(made?);
    }
    if plan.layout == Layout::Grouped {
        draw.shuffle(&mut chosen);
    }
    Some(chosen)
}

/// Compute lines behind a constraint's numbers.
fn steps(constraint: &Constraint) -> usize {
    let of = |source: &NumberSource| {
        2 + usize::from(source.times != 1) + usize::from(source.and.is_some())
    };
    match constraint {
        Constraint::NextPrime { source, .. } => of(source) + 1,
        Constraint::Modular { source, .. } | Constraint::Json { source, .. } => of(source),
        Constraint::Equation { a, b, .. } => of(a) + of(b) + 1,
        _ => 0,
    }
}

/// The numbers that a constraint hides.
pub(super) fn sources(constraint: &Constraint) -> impl Iterator<Item = &NumberSource> {
    let (first, second) = match constraint {
        Constraint::NextPrime { source, .. }
        | Constraint::Modular { source, .. }
        | Constraint::Json { source, .. } => (Some(source), None),
        Constraint::Equation { a, b, .. } => (Some(a), Some(b)),
        _ => (None, None),
    };
    first.into_iter().chain(second)
}

/// The questions (from 1) that a constraint depends on.
pub(super) fn depends_on(constraint: &Constraint) -> Vec<u16> {
    let mut questions = match constraint {
        Constraint::Answer { question }
        | Constraint::Category { question, .. }
        | Constraint::Json { question, .. }
        | Constraint::FirstWordOf { question }
        | Constraint::LastWordOf { question } => vec![*question],
        Constraint::Acrostic { questions } | Constraint::Order { questions } => questions.clone(),
        _ => Vec::new(),
    };
    for source in sources(constraint) {
        questions.push(source.question);
        questions.extend(source.and.as_ref().map(|term| term.question));
    }
    questions.sort_unstable();
    questions.dedup();
    questions
}

/// Whether a constraint takes a term or a number from this attribute.
pub(super) fn looks_at(constraint: &Constraint, attr: AttrId) -> bool {
    match constraint {
        Constraint::Fact(fact) => fact.attr == attr,
        Constraint::Category { attr: own, .. } => *own == attr,
        _ => sources(constraint).any(|source| {
            source.attr == Some(attr) || source.and.as_ref().is_some_and(|term| term.attr == attr)
        }),
    }
}

/// Facts beyond the questions' own support, under the true answers.
fn support(constraint: &Constraint, questions: &[Drafted]) -> Vec<FactRef> {
    supported(constraint, |question| {
        questions.get(usize::from(question).checked_sub(1)?).map(|drafted| &drafted.answer)
    })
}

/// Facts that a constraint takes its terms and numbers from, under the given answers.
pub(super) fn support_of(constraint: &Constraint, answers: &[Answer]) -> Vec<FactRef> {
    supported(constraint, |question| answer(answers, question))
}

fn supported<'q>(
    constraint: &Constraint,
    answer: impl Fn(u16) -> Option<&'q Answer>,
) -> Vec<FactRef> {
    let of = |question: u16, attr: AttrId| match answer(question) {
        Some(Answer::Entity(entity)) => Some(FactRef { entity: *entity, attr }),
        _ => None,
    };
    match constraint {
        Constraint::Fact(fact) => vec![*fact],
        Constraint::Category { question, attr } => of(*question, *attr).into_iter().collect(),
        _ => sources(constraint)
            .flat_map(|source| {
                let second = source.and.as_ref().and_then(|term| of(term.question, term.attr));
                source.attr.and_then(|attr| of(source.question, attr)).into_iter().chain(second)
            })
            .collect(),
    }
}

fn answer(answers: &[Answer], question: u16) -> Option<&Answer> {
    answers.get(usize::from(question).checked_sub(1)?)
}
