//! Questions: queries drawn by shape, kept only where they have one answer.

mod maker;
mod support;

use std::collections::BTreeSet;

use crate::{
    draw::Draw,
    types::{Answer, AnswerKind, FactRef, Query},
};

use super::{plan::Plan, world::World};
use maker::Maker;
pub(super) use support::support;

/// Drafts tried for each question that is wanted.
const DRAFTS_PER_QUESTION: usize = 12;
/// Estimated tokens of trace lines, for the witness budget.
const TOKENS_ABSOLUTE: usize = 24;
const TOKENS_RELATIVE: usize = 46;
const TOKENS_COMPUTE: usize = 16;
const TOKENS_ANSWER: usize = 9;

/// A question before it is numbered.
#[derive(Debug, Clone)]
pub(super) struct Drafted {
    pub(super) query: Query,
    pub(super) text: String,
    pub(super) kind: AnswerKind,
    pub(super) answer: Answer,
    pub(super) support: Vec<FactRef>,
}

/// Facts that a trace must state for questions and constraints so far, and what they cost.
#[derive(Debug, Clone, Default)]
pub(super) struct Budget {
    facts: BTreeSet<FactRef>,
    /// Estimated tokens of the witness.
    pub(super) tokens: usize,
}

impl Budget {
    /// Tokens that stating `facts` would add.
    pub(super) fn cost(&self, world: &World<'_>, facts: &[FactRef]) -> usize {
        let mut seen = self.clone();
        seen.spend(world, facts);
        seen.tokens - self.tokens
    }

    /// Takes `facts` and all they follow from into the trace.
    pub(super) fn spend(&mut self, world: &World<'_>, facts: &[FactRef]) {
        for fact in facts {
            let mut at = *fact;
            while self.facts.insert(at) {
                match world.parent(at) {
                    Some(parent) => {
                        self.tokens += TOKENS_RELATIVE;
                        at.entity = parent;
                    }
                    None => {
                        self.tokens += TOKENS_ABSOLUTE;
                        break;
                    }
                }
            }
        }
    }
}

/// As many questions as the plan asks for, of different shapes as far as possible, within the
/// witness's budget; `None` where the world does not give them.
pub(super) fn questions(
    world: &World<'_>,
    plan: &Plan,
    budget: &mut Budget,
    draw: &mut Draw,
) -> Option<Vec<Drafted>> {
    let maker = Maker { world, plan };
    let mut chosen: Vec<Drafted> = Vec::new();
    let mut shapes = plan.shapes.clone();
    for _ in 0..plan.questions * DRAFTS_PER_QUESTION {
        if chosen.len() == plan.questions {
            break;
        }
        if shapes.is_empty() {
            shapes.clone_from(&plan.shapes);
        }
        let shape = *draw.weighted(&shapes)?;
        let Some(drafted) = maker.draft(shape, draw) else { continue };
        if chosen.iter().any(|other| other.query == drafted.query || other.text == drafted.text) {
            continue;
        }
        let left = plan.questions - chosen.len();
        let share = plan.witness_tokens.saturating_sub(budget.tokens) * 3 / (2 * left).max(1);
        if budget.cost(world, &drafted.support) + TOKENS_ANSWER > share.max(TOKENS_RELATIVE) {
            continue;
        }
        budget.spend(world, &drafted.support);
        budget.tokens += TOKENS_ANSWER + TOKENS_COMPUTE;
        shapes.retain(|(other, _)| *other != shape);
        chosen.push(drafted);
    }
    (chosen.len() == plan.questions).then_some(chosen)
}
