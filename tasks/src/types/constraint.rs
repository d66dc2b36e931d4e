//! Constraints on the artifact: as asked (they may depend on answers) and as resolved.

use serde::{Deserialize, Serialize};

use super::{
    key::FactRef,
    value::{AttrId, EntityId},
};

/// Which whole numbers a number may be, by the domain's ranges: `low`, `low + step`, and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NumberRange {
    /// The smallest.
    pub low: i64,
    /// Distance of neighbours, at least 1.
    pub step: i64,
    /// How many there are; 0 where it is not known.
    pub count: u32,
}

impl NumberRange {
    /// Nothing known.
    pub const UNKNOWN: Self = Self { low: 0, step: 1, count: 0 };
}

/// A second number that is added to the first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NumberTerm {
    /// From 1.
    pub question: u16,
    /// An integer attribute of the answering entity.
    pub attr: AttrId,
    /// What it may be.
    pub range: NumberRange,
}

/// Where a constraint takes its number n from: `times` an attribute of the entity that answers a
/// question (or the numeric answer itself), plus another such attribute where there is one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NumberSource {
    /// From 1.
    pub question: u16,
    /// An integer attribute of the answering entity; `None` for the numeric answer itself.
    pub attr: Option<AttrId>,
    /// What the first number may be.
    pub range: NumberRange,
    /// What the first number is multiplied by, at least 1.
    pub times: i64,
    /// What is added to the product: an attribute of another entity.
    pub and: Option<NumberTerm>,
}

impl NumberSource {
    /// One number as it is.
    #[must_use]
    pub fn plain(question: u16, attr: Option<AttrId>) -> Self {
        Self { question, attr, range: NumberRange::UNKNOWN, times: 1, and: None }
    }

    /// n, by its parts: `times` the first, plus the second where there is one. `None` where the
    /// second is wanted and missing, or the sum does not fit.
    #[must_use]
    pub fn combine(&self, first: i64, second: Option<i64>) -> Option<i64> {
        let product = first.checked_mul(self.times)?;
        match self.and {
            None => Some(product),
            Some(_) => product.checked_add(second?),
        }
    }
}

/// A constraint as the task asks it. Resolved against answers and facts, it gives a [`Check`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Constraint {
    /// Exactly so many words (runs of non-space characters).
    WordCount(u16),
    /// Contains the answer to a question as it would be written.
    Answer {
        /// From 1.
        question: u16,
    },
    /// Contains a category of the entity that answers a question.
    Category {
        /// From 1.
        question: u16,
        /// A category attribute.
        attr: AttrId,
    },
    /// Contains the value of a fact that the constraint names outright.
    Fact(FactRef),
    /// Contains the name of an entity that the constraint names outright.
    Name(EntityId),
    /// Begins with the name of an entity that the constraint names outright.
    StartsWith(EntityId),
    /// At most so many words.
    MaxWords(u16),
    /// At least so many words.
    MinWords(u16),
    /// Contains this word.
    Word(String),
    /// Contains, in digits, the smallest prime that is at least `(n mod modulus) + plus`.
    NextPrime {
        /// n
        source: NumberSource,
        /// Modulus.
        modulus: i64,
        /// Added before the search.
        plus: i64,
    },
    /// Contains `A+B=C` with `A = (a mod modulus) + plus`, `B` alike, `C = A + B`.
    Equation {
        /// a
        a: NumberSource,
        /// b
        b: NumberSource,
        /// Modulus.
        modulus: i64,
        /// Added to both.
        plus: i64,
    },
    /// The words begin with the initials of the entities that answer the questions, in order.
    Acrostic {
        /// From 1, in order.
        questions: Vec<u16>,
    },
    /// A letter that must not occur, in either case.
    ForbiddenLetter(char),
    /// The answers of the questions occur in this order.
    Order {
        /// From 1, in order.
        questions: Vec<u16>,
    },
    /// Contains, in digits, `(n mod modulus) + plus`.
    Modular {
        /// n
        source: NumberSource,
        /// Modulus.
        modulus: i64,
        /// Added.
        plus: i64,
    },
    /// Contains a JSON object of two fields: `answer`, the answer to a question as text, and `n`,
    /// the number `(n mod modulus) + plus`.
    Json {
        /// From 1.
        question: u16,
        /// n
        source: NumberSource,
        /// Modulus.
        modulus: i64,
        /// Added.
        plus: i64,
    },
    /// The first words have these lengths in letters.
    WordLengths(Vec<u16>),
    /// The first so many words are in alphabetical order (not strict, case ignored).
    Alphabetical(u16),
    /// The artifact has so many sentences (it ends each by a full stop).
    SentenceCount(u16),
    /// Ends with this word (case and a final full stop ignored).
    EndsWith(String),
    /// The word at this place (from 1) is this one.
    WordAt {
        /// From 1.
        place: u16,
        /// In lower case.
        word: String,
    },
    /// A letter that occurs exactly so often, in either case.
    LetterCount {
        /// In lower case.
        letter: char,
        /// How often.
        count: u16,
    },
    /// The first so many words begin with different letters.
    DifferentInitials(u16),
    /// The first so many words have so many letters together.
    LengthSum {
        /// How many words.
        words: u16,
        /// How many letters.
        letters: u16,
    },
    /// The first word is the first word of the answer to a question.
    FirstWordOf {
        /// From 1.
        question: u16,
    },
    /// The last word is the last word of the answer to a question.
    LastWordOf {
        /// From 1.
        question: u16,
    },
    /// No word occurs twice.
    NoRepeats,
}

/// A constraint with everything filled in: a property of the artifact alone. Evaluated by
/// [`crate::check::holds`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Exactly so many words.
    WordCount(u16),
    /// At most so many words.
    MaxWords(u16),
    /// At least so many words.
    MinWords(u16),
    /// Begins with one of the forms (canonical first), in any case.
    StartsWith(Vec<String>),
    /// Holds one of the forms (canonical first) as whole tokens, case ignored.
    Contains(Vec<String>),
    /// Holds this whole number, in any number format, not as part of a longer number.
    ContainsNumber(i64),
    /// Holds this decimal (thousandths), not as part of a longer number.
    ContainsDecimal(i64),
    /// Holds exactly one equation `A+B=C`, and it is this one; spaces around the signs are allowed.
    Equation {
        /// A
        a: i64,
        /// B
        b: i64,
    },
    /// First letters of the first words, upper case.
    Acrostic(String),
    /// A letter that must not occur, in either case; given in lower case.
    ForbiddenLetter(char),
    /// Each element's forms; an occurrence of each in this order, not overlapping.
    Order(Vec<Vec<String>>),
    /// Holds exactly one JSON object, and it has two fields: `answer`, one of the forms (canonical
    /// first, compared like a term), and `n`, this number.
    Json {
        /// Forms of the answer.
        answer: Vec<String>,
        /// The number.
        n: i64,
    },
    /// Letters of the first words.
    WordLengths(Vec<u16>),
    /// The first so many words are in alphabetical order.
    Alphabetical(u16),
    /// Sentences, each closed by a full stop that ends a word.
    SentenceCount(u16),
    /// Last word, lower case, without a final full stop.
    EndsWith(String),
    /// The word at a place, lower case, punctuation apart.
    WordAt {
        /// From 1.
        place: u16,
        /// In lower case.
        word: String,
    },
    /// A letter, given in lower case, occurs exactly so often in either case.
    LetterCount {
        /// In lower case.
        letter: char,
        /// How often.
        count: u16,
    },
    /// The first so many words begin with different letters.
    DifferentInitials(u16),
    /// The first so many words have so many letters together.
    LengthSum {
        /// How many words.
        words: u16,
        /// How many letters.
        letters: u16,
    },
    /// No word occurs twice, case and punctuation apart.
    NoRepeats,
}
