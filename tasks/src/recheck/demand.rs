//! What a constraint asks for, from its text alone, and what it comes to under given answers.

use super::{
    amount::{Kind, Known, number},
    measure::Said,
    names::{By, Name, Names},
    pattern::Caught,
    settle::Facts,
    wordings::{Attribute, Wordings},
};
use crate::types::{AnswerKind, Check, Task};

/// One number that a constraint takes from the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Term {
    /// A numeric answer; questions from 0.
    Answer(usize),
    /// An attribute of the entity that answers a question.
    Attr(usize, usize),
}

/// Where a number comes from: `times` the first, plus the second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    times: i64,
    first: Term,
    second: Option<Term>,
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
    Modular(Derived),
    Json(usize, Derived),
    FirstWord(usize),
    LastWord(usize),
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

/// What a count in a wording asks for.
type Counted = fn(u16) -> Check;

/// Kinds that hold a count and nothing else.
const COUNTS: [(&str, Counted); 6] = [
    ("word_count", Check::WordCount),
    ("max_words", Check::MaxWords),
    ("min_words", Check::MinWords),
    ("alphabetical", Check::Alphabetical),
    ("sentence_count", Check::SentenceCount),
    ("different_initials", Check::DifferentInitials),
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
        each("modular", &mut |c| add(self.derived(c, "number").map(Demand::Modular)));
        each("json", &mut |c| {
            let two = question(c.get("question")).zip(self.derived(c, "number"));
            add(two.map(|(question, derived)| Demand::Json(question, derived)));
        });
        each("first_word_of", &mut |c| add(question(c.get("question")).map(Demand::FirstWord)));
        each("last_word_of", &mut |c| add(question(c.get("question")).map(Demand::LastWord)));
        each("no_repeats", &mut |_| add(Some(Demand::Fixed(Check::NoRepeats))));
        each("word_at", &mut |c| {
            let (place, word) = (c.get("n").parse().ok(), c.get("word").to_owned());
            add(place.map(|place| Demand::Fixed(Check::WordAt { place, word })));
        });
        each("letter_count", &mut |c| {
            let two = c.get("letter").chars().next().zip(c.get("n").parse().ok());
            add(two.map(|(letter, count)| Demand::Fixed(Check::LetterCount { letter, count })));
        });
        each("length_sum", &mut |c| {
            let two = c.get("n").parse().ok().zip(c.get("lengths").parse().ok());
            add(two.map(|(words, letters)| Demand::Fixed(Check::LengthSum { words, letters })));
        });
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
        (0..self.active.len())
            .find(|attr| self.attribute(*attr).is_some_and(|a| a.label == label && wanted(a.kind)))
    }

    fn answers(&self, text: &str) -> Option<Vec<usize>> {
        let all = text.split(" and ").flat_map(|part| part.split(", "));
        all.map(|one| self.answer_of(one)).collect()
    }

    fn answer_of(&self, text: &str) -> Option<usize> {
        let mut found = None;
        for wording in self.words.list("constraints", "answer_of") {
            wording.each(text, |caught| found = question(caught.get("question")));
        }
        found
    }

    fn derived(&self, caught: &Caught<'_, '_>, slot: &str) -> Option<Derived> {
        let whole = |slot: &str| Some(number(caught.get(slot), Kind::Integer)? / 1000);
        let modulus = whole("modulus").filter(|modulus| *modulus > 0)?;
        Some(Derived { source: self.source(caught.get(slot))?, modulus, plus: whole("plus")? })
    }

    /// "7,919 times the number of sites of the company that answers Q3, plus …"
    fn source(&self, text: &str) -> Option<Source> {
        let mut all: Vec<Source> = self.times(text).into_iter().collect();
        for wording in self.words.list("constraints", "plus_other") {
            wording.each(text, |caught| {
                let two = self.times(caught.get("first")).zip(self.term(caught.get("second")));
                all.extend(two.map(|(first, term)| Source { second: Some(term), ..first }));
            });
        }
        match all.as_slice() {
            [one] => Some(one.clone()),
            _ => None,
        }
    }

    fn times(&self, text: &str) -> Option<Source> {
        let mut found = self.term(text).map(|first| Source { times: 1, first, second: None });
        for wording in self.words.list("constraints", "times") {
            wording.each(text, |caught| {
                let times = number(caught.get("n"), Kind::Integer).map(|milli| milli / 1000);
                let two = times.zip(self.term(caught.get("number")));
                found = two
                    .map(|(times, first)| Source { times, first, second: None })
                    .or(found.take());
            });
        }
        found
    }

    fn term(&self, text: &str) -> Option<Term> {
        if let Some(question) = self.answer_of(text) {
            return Some(Term::Answer(question));
        }
        let mut found = None;
        for wording in self.words.list("constraints", "number_of") {
            wording.each(text, |caught| {
                let attr = self.labelled(caught.get("label"), |kind| kind == Kind::Integer);
                found = question(caught.get("question"))
                    .zip(attr)
                    .map(|(question, attr)| Term::Attr(question, attr))
                    .or(found);
            });
        }
        found
    }

    /// What a demand comes to; `None` where the answers do not give it.
    pub(super) fn check(&self, demand: &Demand, answers: &[Said], facts: &Facts) -> Option<Check> {
        let name =
            |entity: usize| self.task.roster.get(entity).map(|entry| vec![entry.name.clone()]);
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
            Demand::Modular(derived) => Check::ContainsNumber(number(derived)?),
            Demand::Json(question, derived) => {
                Check::Json { answer: self.forms(*question, answers)?, n: number(derived)? }
            }
            Demand::FirstWord(question) => {
                let forms = self.forms(*question, answers)?;
                Check::StartsWith(vec![forms.first()?.split(' ').next()?.to_owned()])
            }
            Demand::LastWord(question) => {
                let forms = self.forms(*question, answers)?;
                let last = forms.first()?.split(' ').next_back()?.to_lowercase();
                Check::EndsWith(last.chars().filter(|c| c.is_alphanumeric()).collect())
            }
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
            Demand::Order(questions) => Check::Order(
                questions.iter().map(|q| self.forms(*q, answers)).collect::<Option<_>>()?,
            ),
        })
    }

    fn forms(&self, question: usize, answers: &[Said]) -> Option<Vec<String>> {
        match *answers.get(question)? {
            Said::Entity(entity) => Some(vec![self.task.roster.get(entity)?.name.clone()]),
            Said::Word(attr, word) => {
                Some(vec![self.attribute(attr)?.vocabulary.get(word)?.clone()])
            }
            Said::Number(_) => None,
        }
    }

    fn cell(&self, value: Known, attr: usize) -> Option<Check> {
        let attribute = self.attribute(attr)?;
        Some(match value {
            Known::Word(word) => Check::Contains(vec![attribute.vocabulary.get(word)?.clone()]),
            Known::Number(milli) if attribute.kind == Kind::Decimal => {
                Check::ContainsDecimal(milli)
            }
            Known::Number(milli) => Check::ContainsNumber(milli / 1000),
        })
    }

    fn number(&self, derived: &Derived, answers: &[Said], facts: &Facts) -> Option<i64> {
        let of = |term: Term| {
            let milli = match (term, answers.get(term.question())?) {
                (Term::Answer(_), Said::Number(milli)) => *milli,
                (Term::Attr(_, attr), Said::Entity(entity)) => {
                    facts.value(*entity, attr)?.number()?
                }
                _ => return None,
            };
            Some(milli / 1000)
        };
        let Source { times, first, second } = derived.source;
        let mut n = of(first)?.checked_mul(times)?;
        if let Some(second) = second {
            n = n.checked_add(of(second)?)?;
        }
        n.rem_euclid(derived.modulus).checked_add(derived.plus)
    }
}

impl Term {
    fn question(self) -> usize {
        match self {
            Self::Answer(question) | Self::Attr(question, _) => question,
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
