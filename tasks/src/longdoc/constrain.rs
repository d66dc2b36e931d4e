//! Constraints: drawn as a varied skeleton, resolved against answers and facts, put into words.

use crate::{
    domain::Slot,
    draw::Draw,
    number,
    query::{Cell, Table},
    types::{
        Answer, AnswerKind, AttrId, Check, Constraint, EntityId, FactRef, NumberSource, Query,
        Selector, ValueKind,
    },
};

use super::{
    artifact::{self, FILLER},
    plan::{Kind, Layout, Plan},
    question::{Budget, Drafted},
    world::World,
};

/// Draws for one slot of the skeleton before the world is given up.
const TRIES: u32 = 12;
/// Estimated tokens of the compute lines of one derived number.
const TOKENS_DERIVED: usize = 44;
/// Moduli of derived numbers.
const MODULI: [i64; 5] = [50, 60, 70, 80, 100];
/// Letters that a constraint may forbid, commonest in English first.
const LETTERS: &str = "etaoinshrdlcumwfgypbvkjxqz";
/// Words beyond the fewest possible that a word count may ask for.
const SLACK_WORDS: (i64, i64) = (2, 5);
/// The same where a whole sentence of the document should fit.
const SLACK_SENTENCE: (i64, i64) = (7, 9);

/// Draws the skeleton. Word counts and forbidden letters are fixed later by [`finish`].
pub(super) fn constraints(
    world: &World<'_>,
    plan: &Plan,
    questions: &[Drafted],
    budget: &mut Budget,
    draw: &mut Draw,
) -> Option<Vec<Constraint>> {
    let mut chosen: Vec<Constraint> = Vec::new();
    let maker = Maker { world, questions };
    for slot in &plan.constraints {
        let mut made = None;
        for _ in 0..TRIES {
            let kind = *draw.weighted(slot)?;
            if kind == Kind::Nothing {
                made = Some(None);
                break;
            }
            let Some(constraint) = maker.draft(kind, draw) else { continue };
            if chosen.contains(&constraint) || !maker.fits(&constraint, &chosen) {
                continue;
            }
            let facts = support(&constraint, questions);
            let derived = derived_numbers(&constraint) * TOKENS_DERIVED;
            if budget.tokens + budget.cost(world, &facts) + derived > plan.witness_tokens {
                continue;
            }
            budget.spend(world, &facts);
            budget.tokens += derived;
            made = Some(Some(constraint));
            break;
        }
        chosen.extend(made?);
    }
    Some(chosen)
}

/// Fixes word counts and forbidden letters so that the truth and every trapped reading can be
/// written under them. `readings` are the checks of each, the truth first.
pub(super) fn finish(
    constraints: &mut [Constraint],
    readings: &[Vec<Check>],
    plan: &Plan,
    draw: &mut Draw,
) -> Option<()> {
    for constraint in constraints.iter_mut() {
        if let Constraint::ForbiddenLetter(letter) = constraint {
            let mut used = String::new();
            readings.iter().flatten().for_each(|check| letters_of(check, &mut used));
            let free: Vec<char> = LETTERS.chars().filter(|c| !used.contains(*c)).collect();
            *letter = *draw.pick(&free)?;
        }
    }
    let fixed: Vec<Check> = constraints
        .iter()
        .filter_map(|constraint| match constraint {
            Constraint::ForbiddenLetter(letter) => Some(Check::ForbiddenLetter(*letter)),
            _ => None,
        })
        .collect();
    let mut needed = 0;
    for reading in readings {
        let mut checks: Vec<Check> = reading.clone();
        checks.retain(|check| !matches!(check, Check::ForbiddenLetter(_)));
        checks.extend(fixed.iter().cloned());
        needed = needed.max(artifact::words_needed(&checks, draw)?);
    }
    for constraint in constraints.iter_mut() {
        let slack = match plan.layout {
            Layout::Sentences => SLACK_SENTENCE,
            Layout::Grouped => SLACK_WORDS,
        };
        let extra = draw.range(slack.0, slack.1);
        let count = u16::try_from(i64::try_from(needed).ok()? + extra).ok()?;
        match constraint {
            Constraint::WordCount(words)
            | Constraint::MaxWords(words)
            | Constraint::MinWords(words) => *words = count,
            _ => {}
        }
    }
    Some(())
}

fn letters_of(check: &Check, out: &mut String) {
    let mut add = |text: &str| out.push_str(&text.to_lowercase());
    match check {
        Check::Contains(forms) | Check::StartsWith(forms) => {
            forms.first().into_iter().for_each(|form| add(form));
        }
        Check::Order(terms) => terms.iter().filter_map(|forms| forms.first()).for_each(|f| add(f)),
        Check::Acrostic(letters) => add(letters),
        Check::EndsWith(word) => add(word),
        _ => {}
    }
}

fn derived_numbers(constraint: &Constraint) -> usize {
    match constraint {
        Constraint::NextPrime { .. } | Constraint::DigitSum { .. } => 1,
        Constraint::Equation { .. } => 2,
        _ => 0,
    }
}

/// The questions (from 1) that a constraint depends on.
pub(super) fn depends_on(constraint: &Constraint) -> Vec<u16> {
    let mut questions = match constraint {
        Constraint::Answer { question } | Constraint::Category { question, .. } => vec![*question],
        Constraint::NextPrime { source, .. } | Constraint::DigitSum { source, .. } => {
            vec![source.question]
        }
        Constraint::Equation { a, b, .. } => vec![a.question, b.question],
        Constraint::Acrostic { questions } | Constraint::Order { questions } => questions.clone(),
        _ => Vec::new(),
    };
    questions.sort_unstable();
    questions.dedup();
    questions
}

/// Facts beyond the questions' own support, under the true answers.
pub(super) fn support(constraint: &Constraint, questions: &[Drafted]) -> Vec<FactRef> {
    let answers: Vec<Answer> = questions.iter().map(|question| question.answer.clone()).collect();
    support_of(constraint, &answers)
}

/// Facts that a constraint takes its terms and numbers from, under the given answers.
pub(super) fn support_of(constraint: &Constraint, answers: &[Answer]) -> Vec<FactRef> {
    let of = |question: u16, attr: Option<AttrId>| match (answer(answers, question), attr) {
        (Some(Answer::Entity(entity)), Some(attr)) => Some(FactRef { entity: *entity, attr }),
        _ => None,
    };
    match constraint {
        Constraint::Fact(fact) => vec![*fact],
        Constraint::Category { question, attr } => of(*question, Some(*attr)).into_iter().collect(),
        Constraint::NextPrime { source, .. } | Constraint::DigitSum { source, .. } => {
            of(source.question, source.attr).into_iter().collect()
        }
        Constraint::Equation { a, b, .. } => {
            [a, b].into_iter().filter_map(|source| of(source.question, source.attr)).collect()
        }
        _ => Vec::new(),
    }
}

fn answer(answers: &[Answer], question: u16) -> Option<&Answer> {
    answers.get(usize::from(question).checked_sub(1)?)
}

/// The property of the artifact that a constraint comes to under these answers and facts.
pub(super) fn resolve(
    constraint: &Constraint,
    world: &World<'_>,
    answers: &[Answer],
    table: &Table,
) -> Option<Check> {
    let number = |source: &NumberSource| source_number(source, answers, table);
    let name = |entity: EntityId| vec![world.name(entity).to_owned()];
    let forms = |question: u16| match answer(answers, question)? {
        Answer::Entity(entity) => Some(name(*entity)),
        Answer::Category(text) => Some(vec![text.clone()]),
        Answer::Integer(_) | Answer::Decimal(_) => None,
    };
    Some(match constraint {
        Constraint::WordCount(words) => Check::WordCount(*words),
        Constraint::MaxWords(words) => Check::MaxWords(*words),
        Constraint::MinWords(words) => Check::MinWords(*words),
        Constraint::Answer { question } => match answer(answers, *question)? {
            Answer::Integer(n) => Check::ContainsNumber(*n),
            Answer::Decimal(milli) => Check::ContainsDecimal(*milli),
            _ => Check::Contains(forms(*question)?),
        },
        Constraint::Category { question, attr } => {
            let Answer::Entity(entity) = answer(answers, *question)? else { return None };
            check_of(table.get(FactRef { entity: *entity, attr: *attr }), world, *attr)?
        }
        Constraint::Fact(fact) => check_of(table.get(*fact), world, fact.attr)?,
        Constraint::Name(entity) => Check::Contains(name(*entity)),
        Constraint::StartsWith(entity) => Check::StartsWith(name(*entity)),
        Constraint::Word(word) => Check::Contains(vec![word.clone()]),
        Constraint::NextPrime { source, modulus, plus } => {
            Check::ContainsNumber(number::next_prime(number(source)?.rem_euclid(*modulus) + plus))
        }
        Constraint::Equation { a, b, modulus, plus } => Check::Equation {
            a: number(a)?.rem_euclid(*modulus) + plus,
            b: number(b)?.rem_euclid(*modulus) + plus,
        },
        Constraint::DigitSum { source, modulus, plus } => {
            Check::DigitSum(number(source)?.rem_euclid(*modulus) + plus)
        }
        Constraint::Acrostic { questions } => {
            let mut letters = String::new();
            for question in questions {
                let Answer::Entity(entity) = answer(answers, *question)? else { return None };
                letters.push_str(&initials(world.name(*entity)));
            }
            Check::Acrostic(letters)
        }
        Constraint::Order { questions } => {
            Check::Order(questions.iter().map(|q| forms(*q)).collect::<Option<_>>()?)
        }
        Constraint::ForbiddenLetter(letter) => Check::ForbiddenLetter(*letter),
        Constraint::WordLengths(lengths) => Check::WordLengths(lengths.clone()),
        Constraint::Alphabetical(words) => Check::Alphabetical(*words),
        Constraint::SentenceCount(count) => Check::SentenceCount(*count),
        Constraint::EndsWith(word) => Check::EndsWith(word.clone()),
    })
}

/// Upper-case initials of a name.
pub(super) fn initials(name: &str) -> String {
    name.split_whitespace()
        .filter_map(|word| word.chars().next())
        .flat_map(char::to_uppercase)
        .collect()
}

/// The whole number that a constraint's source comes to.
pub(super) fn source_number(
    source: &NumberSource,
    answers: &[Answer],
    table: &Table,
) -> Option<i64> {
    match (answer(answers, source.question)?, source.attr) {
        (Answer::Entity(entity), Some(attr)) => {
            table.number(*entity, attr).map(|milli| milli / 1000)
        }
        (Answer::Integer(n), None) => Some(*n),
        _ => None,
    }
}

fn check_of(cell: Cell, world: &World<'_>, attr: AttrId) -> Option<Check> {
    match cell {
        Cell::Missing => None,
        Cell::Category(_) => Some(Check::Contains(vec![world.text(cell, attr)])),
        Cell::Number(milli) if world.schemas[attr.at()].kind == ValueKind::Decimal => {
            Some(Check::ContainsDecimal(milli))
        }
        Cell::Number(milli) => Some(Check::ContainsNumber(milli / 1000)),
    }
}

struct Maker<'w, 'a> {
    world: &'w World<'a>,
    questions: &'w [Drafted],
}

impl Maker<'_, '_> {
    fn draft(&self, kind: Kind, draw: &mut Draw) -> Option<Constraint> {
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
                attr: self.attr(|kind| kind == ValueKind::Category, draw)?,
            },
            Kind::Fact => Constraint::Fact(FactRef {
                entity: self.entity(draw)?,
                attr: self.attr(|_| true, draw)?,
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
    fn fits(&self, constraint: &Constraint, chosen: &[Constraint]) -> bool {
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

    fn attr(&self, wanted: impl Fn(ValueKind) -> bool, draw: &mut Draw) -> Option<AttrId> {
        let fitting: Vec<AttrId> = self
            .world
            .attr_ids()
            .filter(|attr| wanted(self.world.schemas[attr.at()].kind))
            .collect();
        draw.pick(&fitting).copied()
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
            attr: Some(self.attr(|kind| kind == ValueKind::Integer, draw)?),
        })
    }
}

/// A constraint in words.
pub(super) fn wording(
    constraint: &Constraint,
    world: &World<'_>,
    draw: &mut Draw,
) -> Option<String> {
    let words = &world.domain.constraints;
    let number = |source: &NumberSource| {
        let question = source.question.to_string();
        match source.attr {
            None => words.answer_of.fill(|_, out| out.push_str(&question)),
            Some(attr) => words.number_of.fill(|slot, out| {
                let label = &world.schemas[attr.at()].label;
                out.push_str(if slot == Slot::Label { label } else { &question });
            }),
        }
    };
    let answers = |questions: &[u16]| {
        let texts: Vec<String> = questions
            .iter()
            .map(|q| words.answer_of.fill(|_, out| out.push_str(&q.to_string())))
            .collect();
        texts.join(" and ")
    };
    let list = match constraint {
        Constraint::WordCount(_) => &words.word_count,
        Constraint::MaxWords(_) => &words.max_words,
        Constraint::MinWords(_) => &words.min_words,
        Constraint::Answer { .. } => &words.answer,
        Constraint::Category { .. } => &words.category,
        Constraint::Fact(_) => &words.fact,
        Constraint::Name(_) => &words.name,
        Constraint::StartsWith(_) => &words.starts_with,
        Constraint::Word(_) => &words.word,
        Constraint::NextPrime { .. } => &words.next_prime,
        Constraint::Equation { .. } => &words.equation,
        Constraint::Acrostic { .. } => &words.acrostic,
        Constraint::ForbiddenLetter(_) => &words.forbidden_letter,
        Constraint::Order { .. } => &words.order,
        Constraint::DigitSum { .. } => &words.digit_sum,
        Constraint::WordLengths(_) => &words.word_lengths,
        Constraint::Alphabetical(_) => &words.alphabetical,
        Constraint::SentenceCount(_) => &words.sentence_count,
        Constraint::EndsWith(_) => &words.ends_with,
    };
    let text = draw.pick(list)?.fill(|slot, out| match (constraint, slot) {
        (
            Constraint::WordCount(n)
            | Constraint::MaxWords(n)
            | Constraint::MinWords(n)
            | Constraint::Alphabetical(n)
            | Constraint::SentenceCount(n),
            Slot::N,
        ) => out.push_str(&n.to_string()),
        (
            Constraint::Answer { question } | Constraint::Category { question, .. },
            Slot::Question,
        ) => {
            out.push_str(&question.to_string());
        }
        (Constraint::Category { attr, .. }, Slot::Label) => {
            out.push_str(&world.schemas[attr.at()].label);
        }
        (Constraint::Fact(fact), Slot::Of) => {
            let name = world.name(fact.entity);
            world.attribute(fact.attr).of.write(out, |_, out| out.push_str(name));
        }
        (Constraint::Name(entity) | Constraint::StartsWith(entity), Slot::Entity) => {
            out.push_str(world.name(*entity));
        }
        (Constraint::Word(word) | Constraint::EndsWith(word), Slot::Word) => out.push_str(word),
        (
            Constraint::NextPrime { source, .. } | Constraint::DigitSum { source, .. },
            Slot::Number,
        ) => out.push_str(&number(source)),
        (Constraint::Equation { a, .. }, Slot::Number) => out.push_str(&number(a)),
        (Constraint::Equation { b, .. }, Slot::Other) => out.push_str(&number(b)),
        (
            Constraint::NextPrime { modulus, .. }
            | Constraint::Equation { modulus, .. }
            | Constraint::DigitSum { modulus, .. },
            Slot::Modulus,
        ) => out.push_str(&modulus.to_string()),
        (
            Constraint::NextPrime { plus, .. }
            | Constraint::Equation { plus, .. }
            | Constraint::DigitSum { plus, .. },
            Slot::Plus,
        ) => out.push_str(&plus.to_string()),
        (Constraint::Acrostic { questions } | Constraint::Order { questions }, Slot::Answers) => {
            out.push_str(&answers(questions));
        }
        (Constraint::Acrostic { questions }, Slot::N) => {
            out.push_str(&(2 * questions.len()).to_string());
        }
        (Constraint::ForbiddenLetter(letter), Slot::Letter) => out.push(*letter),
        (Constraint::WordLengths(lengths), Slot::N) => out.push_str(&lengths.len().to_string()),
        (Constraint::WordLengths(lengths), Slot::Lengths) => {
            let texts: Vec<String> = lengths.iter().map(u16::to_string).collect();
            out.push_str(&texts.join(", "));
        }
        _ => {}
    });
    Some(text)
}
