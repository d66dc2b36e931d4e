//! One draft of a constraint: of a given kind, about this world and these questions.

use crate::{
    check::{self, MAX_DERIVED_PPB},
    draw::Draw,
    longdoc::{artifact::FILLER, plan::Kind, question::Drafted, world::World},
    types::{
        Answer, AnswerKind, AttrId, Constraint, EntityId, FactRef, Measure, NumberRange,
        NumberSource, NumberTerm, Query, Selector, ValueKind,
    },
};

/// What a number is multiplied by before the modulus: primes, so that multiples spread.
const TIMES: [i64; 12] = [37, 61, 97, 211, 373, 613, 1_009, 2_003, 3_001, 4_007, 5_003, 7_919];
/// Moduli of derived numbers: primes. Which of them hides a number well enough is checked.
const MODULI: [i64; 8] = [49_999, 99_991, 199_999, 299_993, 499_979, 700_001, 899_981, 999_983];
/// Moduli of the two sides of an equation.
const SIDES: [i64; 6] = [997, 1_999, 2_999, 4_999, 7_919, 9_973];
/// Draws of multiplier and modulus for one derived number.
const DERIVED_TRIES: u32 = 12;

pub(super) struct Maker<'w, 'a> {
    pub(super) world: &'w World<'a>,
    pub(super) questions: &'w [Drafted],
}

impl Maker<'_, '_> {
    #[allow(clippy::too_many_lines)] // one arm a kind
    pub(super) fn draft(&self, kind: Kind, draw: &mut Draw) -> Option<Constraint> {
        let filler = |draw: &mut Draw| draw.pick(&FILLER).map(|word| (*word).to_owned());
        let small =
            |draw: &mut Draw, low: i64, high: i64| u16::try_from(draw.range(low, high)).ok();
        Some(match kind {
            Kind::Nothing => return None,
            Kind::WordCount => Constraint::WordCount(0),
            Kind::MaxWords => Constraint::MaxWords(0),
            Kind::MinWords => Constraint::MinWords(0),
            Kind::ForbiddenLetter => Constraint::ForbiddenLetter('?'),
            Kind::LetterCount => Constraint::LetterCount { letter: '?', count: 0 },
            // A count is too easily there by chance.
            Kind::Answer => Constraint::Answer {
                question: self.question(draw, |q| !matches!(q.query, Query::Count(_)))?,
            },
            Kind::Category => Constraint::Category {
                question: self.question(draw, |q| q.kind == AnswerKind::Entity)?,
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
            Kind::NextPrime => {
                let (source, modulus) = self.derived(check::prime_ppb, draw)?;
                Constraint::NextPrime { source, modulus, plus: draw.range(11, 99) }
            }
            Kind::Modular => {
                let (source, modulus) = self.derived(check::number_ppb, draw)?;
                Constraint::Modular { source, modulus, plus: draw.range(100, 999) }
            }
            Kind::Json => {
                let question = self.question(draw, is_term)?;
                let (source, modulus) = self.derived(check::number_ppb, draw)?;
                Constraint::Json { question, source, modulus, plus: draw.range(100, 999) }
            }
            Kind::Equation => self.equation(draw)?,
            Kind::Acrostic => Constraint::Acrostic { questions: self.entity_questions(2, draw)? },
            Kind::Order => {
                let count = usize::try_from(draw.range(2, 3)).ok()?;
                Constraint::Order { questions: self.entity_questions(count, draw)? }
            }
            Kind::WordLengths => {
                let count = draw.range(3, 4);
                Constraint::WordLengths(
                    (0..count).map(|_| small(draw, 3, 6)).collect::<Option<_>>()?,
                )
            }
            Kind::Alphabetical => Constraint::Alphabetical(small(draw, 3, 5)?),
            Kind::SentenceCount => Constraint::SentenceCount(small(draw, 2, 3)?),
            Kind::EndsWith => Constraint::EndsWith(filler(draw)?),
            Kind::WordAt => Constraint::WordAt { place: small(draw, 2, 5)?, word: filler(draw)? },
            Kind::DifferentInitials => Constraint::DifferentInitials(small(draw, 4, 7)?),
            Kind::LengthSum => {
                let words = draw.range(3, 5);
                let letters = small(draw, 4 * words, 6 * words)?;
                Constraint::LengthSum { words: u16::try_from(words).ok()?, letters }
            }
            Kind::FirstWordOf => {
                Constraint::FirstWordOf { question: self.question(draw, is_term)? }
            }
            Kind::LastWordOf => Constraint::LastWordOf { question: self.question(draw, is_term)? },
            Kind::NoRepeats => Constraint::NoRepeats,
        })
    }

    /// Whether a constraint goes with those chosen before: no kind twice but for terms, no words
    /// or letters fixed twice.
    pub(super) fn fits(constraint: &Constraint, chosen: &[Constraint]) -> bool {
        let family = |c: &Constraint| match c {
            Constraint::Acrostic { .. }
            | Constraint::WordLengths(_)
            | Constraint::Alphabetical(_)
            | Constraint::StartsWith(_)
            | Constraint::WordAt { .. }
            | Constraint::DifferentInitials(_)
            | Constraint::LengthSum { .. }
            | Constraint::FirstWordOf { .. } => 1,
            Constraint::EndsWith(_) | Constraint::LastWordOf { .. } => 2,
            Constraint::ForbiddenLetter(_) | Constraint::LetterCount { .. } => 3,
            Constraint::WordCount(_) | Constraint::MaxWords(_) | Constraint::MinWords(_) => 4,
            _ => 0,
        };
        let alike =
            |c: &Constraint| std::mem::discriminant(c) == std::mem::discriminant(constraint);
        match constraint {
            Constraint::Category { attr, .. } => !chosen
                .iter()
                .any(|c| matches!(c, Constraint::Category { attr: known, .. } if known == attr)),
            Constraint::Answer { .. }
            | Constraint::Fact(_)
            | Constraint::Name(_)
            | Constraint::Word(_) => !chosen.contains(constraint),
            other if family(other) > 0 => !chosen.iter().any(|c| family(c) == family(other)),
            _ => !chosen.iter().any(alike),
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

    /// A question (from 1) among those that are wanted.
    fn question(&self, draw: &mut Draw, wanted: impl Fn(&Drafted) -> bool) -> Option<u16> {
        let fitting = || self.questions.iter().enumerate().filter(|(_, q)| wanted(q));
        let at = draw.index(fitting().count());
        u16::try_from(fitting().nth(at)?.0 + 1).ok()
    }

    /// Questions with different entities for answers.
    fn entity_questions(&self, count: usize, draw: &mut Draw) -> Option<Vec<u16>> {
        let mut all: Vec<usize> = (0..self.questions.len()).collect();
        all.retain(|at| self.questions[*at].kind == AnswerKind::Entity);
        draw.shuffle(&mut all);
        let mut seen: Vec<&Answer> = Vec::with_capacity(count);
        let mut found = Vec::with_capacity(count);
        for at in all {
            let answer = &self.questions[at].answer;
            if found.len() < count && !seen.contains(&answer) {
                seen.push(answer);
                found.push(u16::try_from(at + 1).ok()?);
            }
        }
        (found.len() == count).then_some(found)
    }

    /// One hidden number: an integer attribute of an entity that answers a question whose query
    /// does not look at it (what is selected by a number does not hide it), or a numeric answer
    /// that is such an attribute.
    fn source(&self, draw: &mut Draw) -> Option<NumberSource> {
        if draw.chance(1, 3)
            && let Some(question) = self.question(draw, |q| self.stated(q).is_some())
        {
            let attr = self.stated(self.questions.get(usize::from(question) - 1)?)?;
            let range = self.range(attr)?;
            return Some(NumberSource { range, ..NumberSource::plain(question, None) });
        }
        let (question, attr) = self.attribute(draw)?;
        let range = self.range(attr)?;
        Some(NumberSource { range, ..NumberSource::plain(question, Some(attr)) })
    }

    fn attribute(&self, draw: &mut Draw) -> Option<(u16, AttrId)> {
        let question = self.question(draw, |q| q.kind == AnswerKind::Entity)?;
        let attr = self.world.pick(|kind| kind == ValueKind::Integer, draw)?;
        let query = &self.questions.get(usize::from(question) - 1)?.query;
        (!query.mentions(attr) && self.free(attr)).then_some((question, attr))
    }

    /// Whether an attribute's values fill its range, whatever those of others are.
    fn free(&self, attr: AttrId) -> bool {
        self.world.attribute(attr).rule.is_none()
    }

    /// The attribute that a numeric answer is.
    fn stated(&self, question: &Drafted) -> Option<AttrId> {
        match (&question.query, question.kind) {
            (Query::Number { of, measure: Measure::Attr(attr) }, AnswerKind::Integer)
                if !of.mentions(*attr)
                    && self.free(*attr)
                    && self.world.schemas[attr.at()].kind == ValueKind::Integer =>
            {
                Some(*attr)
            }
            _ => None,
        }
    }

    /// What an attribute may be, in its unit.
    fn range(&self, attr: AttrId) -> Option<NumberRange> {
        let attribute = self.world.attribute(attr);
        let count = (attribute.max - attribute.min) / attribute.step + 1;
        Some(NumberRange {
            low: attribute.min / 1000,
            step: attribute.step / 1000,
            count: u32::try_from(count).ok()?,
        })
    }

    /// A number and a modulus that hide it: `guessed` says how well, parts per billion.
    fn derived(
        &self,
        guessed: impl Fn(&NumberSource, i64) -> u64,
        draw: &mut Draw,
    ) -> Option<(NumberSource, i64)> {
        for _ in 0..DERIVED_TRIES {
            let Some(mut source) = self.source(draw) else { continue };
            source.times = *draw.pick(&TIMES)?;
            let modulus = *draw.pick(&MODULI)?;
            let alone = guessed(&source, modulus) <= MAX_DERIVED_PPB;
            if !alone || draw.chance(1, 4) {
                source.and = self.second(&source, draw);
            }
            if guessed(&source, modulus) <= MAX_DERIVED_PPB {
                return Some((source, modulus));
            }
        }
        None
    }

    /// A number of another entity, to be added.
    fn second(&self, first: &NumberSource, draw: &mut Draw) -> Option<NumberTerm> {
        let answer =
            |question: u16| self.questions.get(usize::from(question) - 1).map(|q| &q.answer);
        let (question, attr) = self.attribute(draw)?;
        let other = first.attr.is_some() && answer(first.question) != answer(question);
        if !other {
            return None;
        }
        Some(NumberTerm { question, attr, range: self.range(attr)? })
    }

    fn equation(&self, draw: &mut Draw) -> Option<Constraint> {
        for _ in 0..DERIVED_TRIES {
            let (Some(a), Some(b)) = (self.source(draw), self.source(draw)) else { continue };
            let modulus = *draw.pick(&SIDES)?;
            if a != b && check::equation_ppb(&a, &b, modulus) <= MAX_DERIVED_PPB {
                return Some(Constraint::Equation { a, b, modulus, plus: draw.range(10, 99) });
            }
        }
        None
    }
}

/// Whether the answer to a question is a name or a word.
fn is_term(question: &Drafted) -> bool {
    matches!(question.kind, AnswerKind::Entity | AnswerKind::Category)
}
