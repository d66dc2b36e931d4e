//! Constraints: drawn as a varied skeleton, resolved against answers and facts, put into words.

mod draft;
mod resolve;

use crate::{
    domain::Slot,
    draw::Draw,
    types::{Answer, AttrId, Check, Constraint, FactRef, NumberSource},
};

use super::{
    artifact,
    plan::{Kind, Layout, Plan},
    question::{Budget, Drafted},
    world::World,
};
use draft::Maker;
pub(super) use resolve::{initials, resolve, source_number};

/// Draws for one slot of the skeleton before the world is given up.
const TRIES: u32 = 12;
/// Estimated tokens of the compute lines of one derived number.
const TOKENS_DERIVED: usize = 44;
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
