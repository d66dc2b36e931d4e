//! A constraint in words.

use crate::{
    domain::Slot,
    draw::Draw,
    longdoc::world::World,
    number,
    types::{Constraint, NumberSource},
};

/// A constraint in words; `plain`: in the first wording, as short documents have it.
pub(in crate::longdoc) fn wording(
    constraint: &Constraint,
    world: &World<'_>,
    plain: bool,
    draw: &mut Draw,
) -> Option<String> {
    let words = &world.domain.constraints;
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
        Constraint::Modular { .. } => &words.modular,
        Constraint::Json { .. } => &words.json,
        Constraint::Acrostic { .. } => &words.acrostic,
        Constraint::ForbiddenLetter(_) => &words.forbidden_letter,
        Constraint::Order { .. } => &words.order,
        Constraint::WordLengths(_) => &words.word_lengths,
        Constraint::Alphabetical(_) => &words.alphabetical,
        Constraint::SentenceCount(_) => &words.sentence_count,
        Constraint::EndsWith(_) => &words.ends_with,
        Constraint::WordAt { .. } => &words.word_at,
        Constraint::LetterCount { .. } => &words.letter_count,
        Constraint::DifferentInitials(_) => &words.different_initials,
        Constraint::LengthSum { .. } => &words.length_sum,
        Constraint::FirstWordOf { .. } => &words.first_word_of,
        Constraint::LastWordOf { .. } => &words.last_word_of,
        Constraint::NoRepeats => &words.no_repeats,
    };
    let template = if plain {
        // As many draws as for a list of one.
        draw.pick(list.get(..1)?)?
    } else {
        draw.pick(list)?
    };
    Some(template.fill(|slot, out| fill(constraint, slot, world, out)))
}

fn fill(constraint: &Constraint, slot: Slot, world: &World<'_>, out: &mut String) {
    use Constraint as C;
    let answer_of = |question: u16| {
        world.domain.constraints.answer_of.fill(|_, out| out.push_str(&question.to_string()))
    };
    let answers = |questions: &[u16], out: &mut String| {
        for (at, question) in questions.iter().enumerate() {
            if at > 0 {
                out.push_str(if at + 1 < questions.len() { ", " } else { " and " });
            }
            out.push_str(&answer_of(*question));
        }
    };
    match (constraint, slot) {
        (
            C::WordCount(n)
            | C::MaxWords(n)
            | C::MinWords(n)
            | C::Alphabetical(n)
            | C::SentenceCount(n)
            | C::DifferentInitials(n)
            | C::LetterCount { count: n, .. }
            | C::WordAt { place: n, .. }
            | C::LengthSum { words: n, .. },
            Slot::N,
        ) => out.push_str(&n.to_string()),
        (C::LengthSum { letters, .. }, Slot::Lengths) => out.push_str(&letters.to_string()),
        (
            C::Answer { question }
            | C::Category { question, .. }
            | C::Json { question, .. }
            | C::FirstWordOf { question }
            | C::LastWordOf { question },
            Slot::Question,
        ) => out.push_str(&question.to_string()),
        (C::Category { attr, .. }, Slot::Label) => out.push_str(&world.schemas[attr.at()].label),
        (C::Fact(fact), Slot::Of) => {
            let name = world.name(fact.entity);
            world.attribute(fact.attr).of.write(out, |_, out| out.push_str(name));
        }
        (C::Name(entity) | C::StartsWith(entity), Slot::Entity) => {
            out.push_str(world.name(*entity));
        }
        (C::Word(word) | C::EndsWith(word) | C::WordAt { word, .. }, Slot::Word) => {
            out.push_str(word);
        }
        (
            C::NextPrime { source, .. } | C::Modular { source, .. } | C::Json { source, .. },
            Slot::Number,
        ) => out.push_str(&number(source, world)),
        (C::Equation { a, .. }, Slot::Number) => out.push_str(&number(a, world)),
        (C::Equation { b, .. }, Slot::Other) => out.push_str(&number(b, world)),
        (
            C::NextPrime { modulus, .. }
            | C::Equation { modulus, .. }
            | C::Modular { modulus, .. }
            | C::Json { modulus, .. },
            Slot::Modulus,
        ) => out.push_str(&number::grouped(*modulus)),
        (
            C::NextPrime { plus, .. }
            | C::Equation { plus, .. }
            | C::Modular { plus, .. }
            | C::Json { plus, .. },
            Slot::Plus,
        ) => out.push_str(&number::grouped(*plus)),
        (C::Acrostic { questions } | C::Order { questions }, Slot::Answers) => {
            answers(questions, out);
        }
        (C::Acrostic { questions }, Slot::N) => {
            out.push_str(&(2 * questions.len()).to_string());
        }
        (C::ForbiddenLetter(letter) | C::LetterCount { letter, .. }, Slot::Letter) => {
            out.push(*letter);
        }
        (C::WordLengths(lengths), Slot::N) => out.push_str(&lengths.len().to_string()),
        (C::WordLengths(lengths), Slot::Lengths) => {
            let texts: Vec<String> = lengths.iter().map(u16::to_string).collect();
            out.push_str(&texts.join(", "));
        }
        _ => {}
    }
}

/// "7,919 times the number of employees of the company that answers Q3, plus …"
fn number(source: &NumberSource, world: &World<'_>) -> String {
    let words = &world.domain.constraints;
    let term = |question: u16, attr: Option<crate::types::AttrId>| {
        let question = question.to_string();
        match attr {
            None => words.answer_of.fill(|_, out| out.push_str(&question)),
            Some(attr) => words.number_of.fill(|slot, out| {
                let label = &world.schemas[attr.at()].label;
                out.push_str(if slot == Slot::Label { label } else { &question });
            }),
        }
    };
    let mut text = term(source.question, source.attr);
    if source.times != 1 {
        text = words.times.fill(|slot, out| {
            if slot == Slot::N {
                out.push_str(&number::grouped(source.times));
            } else {
                out.push_str(&text);
            }
        });
    }
    if let Some(second) = &source.and {
        let second = term(second.question, Some(second.attr));
        text = words.plus_other.fill(|slot, out| {
            out.push_str(if slot == Slot::First { &text } else { &second });
        });
    }
    text
}
