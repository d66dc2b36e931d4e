//! What a constraint asks for, from its text alone, and what it comes to under given answers.

use super::{
    amount::{Kind, Known},
    measure::Said,
    names::{By, Name, Names},
    pattern::Caught,
    settle::Facts,
    wordings::{Attribute, Wordings},
};
use crate::types::{AnswerKind, Check, Task};

/// Where a number comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// A numeric answer; questions from 0.
    Answer(usize),
    /// An attribute of the entity that answers a question.
    Attr(usize, usize),
}

/// A derived number: `(source mod modulus) + plus`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Derived {
    source: Source,
    modulus: i64,
    plus: i64,
}

/// What a constraint asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Demand {
    /// The same whatever the document says.
    Fixed(Check),
    /// Names an entity outright.
    Name(usize),
    StartsWith(usize),
    Answer(usize),
    Category(usize, usize),
    Fact(usize, usize),
    NextPrime(Derived),
    Equation(Derived, Derived),
    DigitSum(Derived),
    Acrostic(Vec<usize>, usize),
    Order(Vec<usize>),
}

/// Reads the constraints of one task.
pub(super) struct Demands<'a> {
    pub(super) words: &'a Wordings,
    /// Attributes of the domain, by attribute of the task.
    pub(super) active: &'a [usize],
    pub(super) names: &'a Names<'a>,
    pub(super) task: &'a Task,
}

/// Kinds that hold a count and nothing else.
const COUNTS: [(&str, fn(u16) -> Check); 5] = [
    ("word_count", Check::WordCount),
    ("max_words", Check::MaxWords),
    ("min_words", Check::MinWords),
    ("alphabetical", Check::Alphabetical),
    ("sentence_count", Check::SentenceCount),
];

impl Demands<'_> {
    /// The one reading of a constraint.
    pub(super) fn read(&self, text: &str) -> Option<Demand> {
        let mut all: Vec<Demand> = Vec::new();
        let mut add = |demand: Option<Demand>| {
            all.extend(demand.filter(|demand| !all.contains(demand)));
        };
        let each = |key: &str, found: &mut dyn FnMut(&Caught<'_, '_>)| {
            for wording in self.words.list("constraints", key) {
                wording.each(text, |caught| found(&caught));
            }
        };
        for (key, make) in COUNTS {
            each(key, &mut |c| add(c.get("n").parse().ok().map(make).map(Demand::Fixed)));
        }
        each("forbidden_letter", &mut |c| {
            let letter = c.get("letter").chars().next();
            add(letter.map(|letter| Demand::Fixed(Check::ForbiddenLetter(letter))));
        });
        each("ends_with", &mut |c| {
            add(Some(Demand::Fixed(Check::EndsWith(c.get("word").to_owned()))));
        });
        each("word", &mut |c| {
            add(Some(Demand::Fixed(Check::Contains(vec![c.get("word").to_owned()]))));
        });
        each("word_lengths", &mut |c| {
            let lengths: Option<Vec<u16>> =
                c.get("lengths").split(", ").map(|n| n.parse().ok()).collect();
            let counted = |lengths: &Vec<u16>| c.get("n").parse() == Ok(lengths.len());
            add(lengths.filter(counted).map(|l| Demand::Fixed(Check::WordLengths(l))));
        });
        each("name", &mut |c| add(self.entity(c.get("entity")).map(Demand::Name)));
        each("starts_with", &mut |c| add(self.entity(c.get("entity")).map(Demand::StartsWith)));
        each("answer", &mut |c| add(question(c.get("question")).map(Demand::Answer)));
        each("category", &mut |c| {
            let attr = self.labelled(c.get("label"), |kind| kind == Kind::Category);
            add(question(c.get("question")).zip(attr).map(|(q, attr)| Demand::Category(q, attr)));
        });
        each("fact", &mut |c| {
            for attr in 0..self.active.len() {
                for of in self.attribute(attr).map_or(&[][..], |a| a.list("of")) {
                    of.each(c.get("of"), |inner| {
                        add(self.entity(inner.get("entity")).map(|e| Demand::Fact(e, attr)));
                    });
                }
            }
        });
        each("next_prime", &mut |c| add(self.derived(c, "number").map(Demand::NextPrime)));
        each("digit_sum", &mut |c| add(self.derived(c, "number").map(Demand::DigitSum)));
        each("equation", &mut |c| {
            let two = self.derived(c, "number").zip(self.derived(c, "other"));
            add(two.map(|(a, b)| Demand::Equation(a, b)));
        });
        each("acrostic", &mut |c| {
            let letters = c.get("n").parse().ok();
            let answers = self.answers(c.get("answers"));
            add(answers.zip(letters).map(|(answers, n)| Demand::Acrostic(answers, n)));
        });
        each("order", &mut |c| add(self.answers(c.get("answers")).map(Demand::Order)));
        match all.as_slice() {
            [one] => Some(one.clone()),
            _ => None,
        }
    }

    fn attribute(&self, attr: usize) -> Option<&Attribute> {
        self.words.attributes.get(*self.active.get(attr)?)
    }

    fn entity(&self, text: &str) -> Option<usize> {
        match self.names.named(text) {
            Name::Entity(entity, By::Name) => Some(entity),
            _ => None,
        }
    }

    fn labelled(&self, label: &str, wanted: impl Fn(Kind) -> bool) -> Option<usize> {
        (0..self.active.len()).find(|attr| {
            self.attribute(*attr).is_some_and(|a| a.label == label && wanted(a.kind))
        })
    }

    fn answers(&self, text: &str) -> Option<Vec<usize>> {
        text.split(" and ").map(|one| self.answer_of(one)).collect()
    }

    fn answer_of(&self, text: &str) -> Option<usize> {
        let mut found = None;
        for wording in self.words.list("constraints", "answer_of") {
            wording.each(text, |caught| found = question(caught.get("question")));
        }
        found
    }

    fn derived(&self, caught: &Caught<'_, '_>, slot: &str) -> Option<Derived> {
        let modulus = caught.get("modulus").parse().ok().filter(|modulus| *modulus > 0)?;
        let plus = caught.get("plus").parse().ok()?;
        Some(Derived { source: self.source(caught.get(slot))?, modulus, plus })
    }

    fn source(&self, text: &str) -> Option<Source> {
        if let Some(question) = self.answer_of(text) {
            return Some(Source::Answer(question));
        }
        let mut found = None;
        for wording in self.words.list("constraints", "number_of") {
            wording.each(text, |caught| {
                let attr = self.labelled(caught.get("label"), |kind| kind == Kind::Integer);
                found = question(caught.get("question"))
                    .zip(attr)
                    .map(|(question, attr)| Source::Attr(question, attr));
            });
        }
        found
    }

    /// What a demand comes to; `None` where the answers do not give it.
    pub(super) fn check(&self, demand: &Demand, answers: &[Said], facts: &Facts) -> Option<Check> {
        let name = |entity: usize| self.task.roster.get(entity).map(|entry| vec![entry.name.clone()]);
        let entity = |question: usize| match answers.get(question) {
            Some(Said::Entity(entity)) => Some(*entity),
            _ => None,
        };
        let number = |derived: &Derived| self.number(derived, answers, facts);
        Some(match demand {
            Demand::Fixed(check) => check.clone(),
            Demand::Name(entity) => Check::Contains(name(*entity)?),
            Demand::StartsWith(entity) => Check::StartsWith(name(*entity)?),
            Demand::Answer(question) => match *answers.get(*question)? {
                Said::Number(milli) => match self.task.questions.get(*question)?.answer {
                    AnswerKind::Decimal => Check::ContainsDecimal(milli),
                    _ => Check::ContainsNumber(milli / 1000),
                },
                _ => Check::Contains(self.forms(*question, answers)?),
            },
            Demand::Category(question, attr) => {
                self.cell(facts.value(entity(*question)?, *attr)?, *attr)?
            }
            Demand::Fact(entity, attr) => self.cell(facts.value(*entity, *attr)?, *attr)?,
            Demand::NextPrime(derived) => Check::ContainsNumber(prime(number(derived)?)?),
            Demand::DigitSum(derived) => Check::DigitSum(number(derived)?),
            Demand::Equation(a, b) => Check::Equation { a: number(a)?, b: number(b)? },
            Demand::Acrostic(questions, letters) => {
                let mut text = String::new();
                for question in questions {
                    let words = name(entity(*question)?)?;
                    let words = words.first().map(String::as_str).unwrap_or_default();
                    text.extend(words.split(' ').filter_map(|word| word.chars().next()));
                }
                let text = text.to_uppercase();
                if text.chars().count() != *letters {
                    return None;
                }
                Check::Acrostic(text)
            }
            Demand::Order(questions) => {
                Check::Order(questions.iter().map(|q| self.forms(*q, answers)).collect::<Option<_>>()?)
            }
        })
    }

    fn forms(&self, question: usize, answers: &[Said]) -> Option<Vec<String>> {
        match *answers.get(question)? {
            Said::Entity(entity) => Some(vec![self.task.roster.get(entity)?.name.clone()]),
            Said::Word(attr, word) => Some(vec![self.attribute(attr)?.vocabulary.get(word)?.clone()]),
            Said::Number(_) => None,
        }
    }

    fn cell(&self, value: Known, attr: usize) -> Option<Check> {
        let attribute = self.attribute(attr)?;
        Some(match value {
            Known::Word(word) => Check::Contains(vec![attribute.vocabulary.get(word)?.clone()]),
            Known::Number(milli) if attribute.kind == Kind::Decimal => Check::ContainsDecimal(milli),
            Known::Number(milli) => Check::ContainsNumber(milli / 1000),
        })
    }

    fn number(&self, derived: &Derived, answers: &[Said], facts: &Facts) -> Option<i64> {
        let milli = match (&derived.source, answers.get(derived.source.question())?) {
            (Source::Answer(_), Said::Number(milli)) => *milli,
            (Source::Attr(_, attr), Said::Entity(entity)) => facts.value(*entity, *attr)?.number()?,
            _ => return None,
        };
        (milli / 1000).rem_euclid(derived.modulus).checked_add(derived.plus)
    }
}

impl Source {
    fn question(&self) -> usize {
        match self {
            Self::Answer(question) | Self::Attr(question, _) => *question,
        }
    }
}

/// A question's place from its number.
fn question(text: &str) -> Option<usize> {
    text.parse::<usize>().ok()?.checked_sub(1)
}

/// The smallest prime that is not below `n`.
fn prime(n: i64) -> Option<i64> {
    (n.max(2)..n.max(2).checked_mul(2)?)
        .find(|n| (2..*n).take_while(|d| d * d <= *n).all(|d| n % d != 0))
}
