//! Questions: queries drawn by shape, kept only where they have one answer.

mod maker;
mod support;

use crate::{
    draw::Draw,
    types::{Answer, AnswerKind, FactRef, Query},
};

use super::{
    phrase::Phrases,
    plan::{Layout, Plan},
    world::World,
};
use maker::Maker;
pub(super) use support::{counted, support};

/// Drafts tried for each question that is wanted: most are right at once, and a try costs little.
const DRAFTS_PER_QUESTION: usize = 60;
/// How much (of, out of) of the witness's tokens the questions of a long document may take.
const QUESTIONS_SHARE: (usize, usize) = (3, 4);
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

/// A query with its answer and the facts that decide it, not yet in words.
struct Draft {
    query: Query,
    answer: Answer,
    support: Vec<FactRef>,
}

/// Facts that a trace must state for questions and constraints so far, and what they cost.
#[derive(Debug, Clone, Default)]
pub(super) struct Budget {
    /// By entity, then attribute: whether the trace states it. Empty until the first fact.
    stated: Vec<bool>,
    /// Estimated tokens of the witness.
    pub(super) tokens: usize,
}

impl Budget {
    /// Tokens that stating `facts` would add.
    pub(super) fn cost(&mut self, world: &World<'_>, facts: &[FactRef]) -> usize {
        let mut new = Vec::new();
        let tokens = self.state(world, facts, &mut new);
        for at in new {
            self.stated[at] = false;
        }
        tokens
    }

    /// Takes `facts` and all they follow from into the trace.
    pub(super) fn spend(&mut self, world: &World<'_>, facts: &[FactRef]) {
        self.tokens += self.state(world, facts, &mut Vec::new());
    }

    /// Marks `facts` and all they follow from as stated: what is new, and its tokens.
    fn state(&mut self, world: &World<'_>, facts: &[FactRef], new: &mut Vec<usize>) -> usize {
        let attrs = world.schemas.len();
        self.stated.resize(world.roster.len() * attrs, false);
        let mut tokens = 0;
        for fact in facts {
            let mut fact = *fact;
            loop {
                let at = fact.entity.at() * attrs + fact.attr.at();
                if std::mem::replace(&mut self.stated[at], true) {
                    break;
                }
                new.push(at);
                match world.parent(fact) {
                    Some(parent) => {
                        tokens += TOKENS_RELATIVE;
                        fact.entity = parent;
                    }
                    None => {
                        tokens += TOKENS_ABSOLUTE;
                        break;
                    }
                }
            }
        }
        tokens
    }
}

/// As many questions as the plan asks for, of different shapes as far as possible, within the
/// witness's budget; `None` where the world does not give them. A draft that does not fit is
/// replaced by another, of another shape.
pub(super) fn questions(
    world: &World<'_>,
    plan: &Plan,
    budget: &mut Budget,
    draw: &mut Draw,
) -> Option<Vec<Drafted>> {
    let maker = Maker::new(world, plan);
    let phrases = Phrases { world, plain: plan.layout == Layout::Sentences };
    let mut chosen: Vec<Drafted> = Vec::with_capacity(plan.questions);
    let mut shapes = plan.shapes.clone();
    let limit = match plan.layout {
        Layout::Sentences => plan.witness_tokens,
        // The rest is for the numbers of constraints.
        Layout::Grouped => plan.witness_tokens * QUESTIONS_SHARE.0 / QUESTIONS_SHARE.1,
    };
    for _ in 0..plan.questions * DRAFTS_PER_QUESTION {
        if chosen.len() == plan.questions {
            break;
        }
        if shapes.is_empty() {
            shapes.clone_from(&plan.shapes);
        }
        let shape = *draw.weighted(&shapes)?;
        let Some(draft) = maker.draft(shape, draw) else { continue };
        if chosen.iter().any(|other| other.query == draft.query) {
            continue;
        }
        let left = plan.questions - chosen.len();
        let share = limit.saturating_sub(budget.tokens) * 3 / (2 * left).max(1);
        if budget.cost(world, &draft.support) + TOKENS_ANSWER > share.max(TOKENS_RELATIVE) {
            continue;
        }
        let Some(text) = phrases.question(&draft.query, draw) else { continue };
        if chosen.iter().any(|other| other.text == text) {
            continue;
        }
        budget.spend(world, &draft.support);
        budget.tokens += TOKENS_ANSWER + TOKENS_COMPUTE;
        shapes.retain(|(other, _)| *other != shape);
        let Draft { query, answer, support } = draft;
        let kind = match answer {
            Answer::Entity(_) => AnswerKind::Entity,
            Answer::Category(_) => AnswerKind::Category,
            Answer::Integer(_) => AnswerKind::Integer,
            Answer::Decimal(_) => AnswerKind::Decimal,
        };
        chosen.push(Drafted { query, text, kind, answer, support });
    }
    (chosen.len() == plan.questions).then_some(chosen)
}
