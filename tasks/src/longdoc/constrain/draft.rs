//! One draft of a constraint: of a given kind, about this world and these questions.

use crate::{
    draw::Draw,
    longdoc::{artifact::FILLER, plan::Kind, question::Drafted, world::World},
    types::{
        Answer, AnswerKind, Constraint, EntityId, FactRef, NumberSource, Query, Selector, ValueKind,
    },
};

/// Moduli of derived numbers.
const MODULI: [i64; 5] = [50, 60, 70, 80, 100];

pub(super) struct Maker<'w, 'a> {
    pub(super) world: &'w World<'a>,
    pub(super) questions: &'w [Drafted],
}

impl Maker<'_, '_> {
    pub(super) fn draft(&self, kind: Kind, draw: &mut Draw) -> Option<Constraint> {
        let filler = |draw: &mut Draw| draw.pick(&FILLER).map(|word| (*word).to_owned());
        Some(match kind {
            Kind::Nothing => return None,
            Kind::WordCount => Constraint::WordCount(0),
            Kind::MaxWords => Constraint::MaxWords(0),
            Kind::MinWords => Constraint::MinWords(0),
            Kind::ForbiddenLetter => Constraint::ForbiddenLetter('?'),
            Kind::Answer => Constraint::Answer {
                question: u16::try_from(draw.index(self.questions.len()) + 1).ok()?,
            },
            Kind::Category => Constraint::Category {
                question: self.entity_question(draw)?,
                attr: self.world.pick(|kind| kind == ValueKind::Category, draw)?,
            },
            Kind::Fact => Constraint::Fact(FactRef {
                entity: self.entity(draw)?,
                attr: self.world.pick(|_| true, draw)?,
            }),
            Kind::Name if draw.chance(1, 2) => Constraint::Name(self.entity(draw)?),
            Kind::Name => Constraint::Name(self.asked(draw)?),
            Kind::StartsWith => Constraint::StartsWith(self.asked(draw)?),
            Kind::Word => Constraint::Word(filler(draw)?),
            Kind::NextPrime => Constraint::NextPrime {
                source: self.source(draw)?,
                modulus: *draw.pick(&MODULI)?,
                plus: draw.range(11, 29),
            },
            Kind::Equation => Constraint::Equation {
                a: self.source(draw)?,
                b: self.source(draw)?,
                modulus: *draw.pick(&MODULI)?,
                plus: draw.range(10, 19),
            },
            Kind::DigitSum => Constraint::DigitSum {
                source: self.source(draw)?,
                modulus: *draw.pick(&MODULI)?,
                plus: draw.range(50, 60),
            },
            Kind::Acrostic => Constraint::Acrostic { questions: self.entity_questions(2, draw)? },
            Kind::Order => Constraint::Order { questions: self.entity_questions(2, draw)? },
            Kind::WordLengths => Constraint::WordLengths(
                (0..3).map(|_| u16::try_from(draw.range(3, 6)).unwrap_or(4)).collect(),
            ),
            Kind::Alphabetical => Constraint::Alphabetical(u16::try_from(draw.range(3, 5)).ok()?),
            Kind::SentenceCount => Constraint::SentenceCount(u16::try_from(draw.range(2, 3)).ok()?),
            Kind::EndsWith => Constraint::EndsWith(filler(draw)?),
        })
    }

    /// Equal sources in one equation, and two constraints that fix the same words, do not go
    /// together.
    pub(super) fn fits(&self, constraint: &Constraint, chosen: &[Constraint]) -> bool {
        let leads = |c: &Constraint| {
            matches!(
                c,
                Constraint::Acrostic { .. }
                    | Constraint::WordLengths(_)
                    | Constraint::Alphabetical(_)
                    | Constraint::StartsWith(_)
            )
        };
        match constraint {
            Constraint::Equation { a, b, .. } => a != b,
            other if leads(other) => !chosen.iter().any(leads),
            Constraint::Category { attr, .. } => !chosen
                .iter()
                .any(|c| matches!(c, Constraint::Category { attr: known, .. } if known == attr)),
            _ => true,
        }
    }

    fn entity(&self, draw: &mut Draw) -> Option<EntityId> {
        u16::try_from(draw.index(self.world.roster.len())).ok().map(EntityId)
    }

    /// An entity that a question names, else any.
    fn asked(&self, draw: &mut Draw) -> Option<EntityId> {
        let named = self.questions.iter().find_map(|question| match &question.query {
            Query::Number { of: Selector::Named(entity), .. }
            | Query::Category { of: Selector::Named(entity), .. } => Some(*entity),
            _ => None,
        });
        named.or_else(|| self.entity(draw))
    }

    fn numbered(&self, wanted: impl Fn(&Drafted) -> bool) -> Vec<u16> {
        (1..)
            .zip(self.questions)
            .filter(|(_, question)| wanted(question))
            .map(|(number, _)| number)
            .collect()
    }

    fn entity_question(&self, draw: &mut Draw) -> Option<u16> {
        draw.pick(&self.numbered(|q| q.kind == AnswerKind::Entity)).copied()
    }

    /// Questions with different entities for answers.
    fn entity_questions(&self, count: usize, draw: &mut Draw) -> Option<Vec<u16>> {
        let mut seen: Vec<&Answer> = Vec::new();
        let mut all = self.numbered(|q| q.kind == AnswerKind::Entity);
        draw.shuffle(&mut all);
        all.retain(|number| {
            let answer = &self.questions[usize::from(*number) - 1].answer;
            let fresh = !seen.contains(&answer);
            seen.push(answer);
            fresh
        });
        all.truncate(count);
        (all.len() == count).then_some(all)
    }

    fn source(&self, draw: &mut Draw) -> Option<NumberSource> {
        let numeric = self.numbered(|q| q.kind == AnswerKind::Integer);
        if !numeric.is_empty() && draw.chance(1, 3) {
            return Some(NumberSource { question: *draw.pick(&numeric)?, attr: None });
        }
        Some(NumberSource {
            question: self.entity_question(draw)?,
            attr: Some(self.world.pick(|kind| kind == ValueKind::Integer, draw)?),
        })
    }
}
