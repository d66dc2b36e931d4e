//! Constraints against answers and facts: the property of the artifact that each comes to.

use super::answer;
use crate::{
    check,
    longdoc::world::World,
    number,
    query::{Cell, Table},
    types::{Answer, AttrId, Check, Constraint, EntityId, FactRef, NumberSource, ValueKind},
};

/// The property of the artifact that a constraint comes to under these answers and facts.
pub(in crate::longdoc) fn resolve(
    constraint: &Constraint,
    world: &World<'_>,
    answers: &[Answer],
    table: &Table,
) -> Option<Check> {
    let number = |source: &NumberSource| source_number(source, answers, table);
    let name = |entity: EntityId| vec![world.name(entity).to_owned()];
    let term = |question: u16| match answer(answers, question)? {
        Answer::Entity(entity) => Some(world.name(*entity)),
        Answer::Category(text) => Some(text.as_str()),
        Answer::Integer(_) | Answer::Decimal(_) => None,
    };
    let forms = |question: u16| term(question).map(|text| vec![text.to_owned()]);
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
        Constraint::Modular { source, modulus, plus } => {
            Check::ContainsNumber(number(source)?.rem_euclid(*modulus) + plus)
        }
        Constraint::Json { question, source, modulus, plus } => Check::Json {
            answer: forms(*question)?,
            n: number(source)?.rem_euclid(*modulus) + plus,
        },
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
        Constraint::WordAt { place, word } => Check::WordAt { place: *place, word: word.clone() },
        Constraint::LetterCount { letter, count } => {
            Check::LetterCount { letter: *letter, count: *count }
        }
        Constraint::DifferentInitials(words) => Check::DifferentInitials(*words),
        Constraint::LengthSum { words, letters } => {
            Check::LengthSum { words: *words, letters: *letters }
        }
        Constraint::FirstWordOf { question } => {
            let first = term(*question)?.split_whitespace().next()?;
            Check::StartsWith(vec![first.to_owned()])
        }
        Constraint::LastWordOf { question } => {
            let last = term(*question)?.split_whitespace().next_back()?;
            Check::EndsWith(check::sort_key(last))
        }
        Constraint::NoRepeats => Check::NoRepeats,
    })
}

/// Upper-case initials of a name.
pub(in crate::longdoc) fn initials(name: &str) -> String {
    name.split_whitespace()
        .filter_map(|word| word.chars().next())
        .flat_map(char::to_uppercase)
        .collect()
}

/// The whole number n that a constraint's source comes to.
pub(in crate::longdoc) fn source_number(
    source: &NumberSource,
    answers: &[Answer],
    table: &Table,
) -> Option<i64> {
    let of = |question: u16, attr: Option<AttrId>| match (answer(answers, question)?, attr) {
        (Answer::Entity(entity), Some(attr)) => {
            table.number(*entity, attr).map(|milli| milli / 1000)
        }
        (Answer::Integer(n), None) => Some(*n),
        _ => None,
    };
    let second = match &source.and {
        Some(term) => Some(of(term.question, Some(term.attr))?),
        None => None,
    };
    source.combine(of(source.question, source.attr)?, second)
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
