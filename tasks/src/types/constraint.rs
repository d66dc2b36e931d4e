//! Constraints on the artifact: as asked (they may depend on answers) and as resolved.

use serde::{Deserialize, Serialize};

use super::{
    key::FactRef,
    value::{AttrId, EntityId},
};

/// Where a constraint takes its number from: an attribute of the entity that answers a question,
/// or the numeric answer itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NumberSource {
    /// From 1.
    pub question: u16,
    /// An integer attribute of the answering entity; `None` for the numeric answer itself.
    pub attr: Option<AttrId>,
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
        /// At least [`crate::check::MIN_MODULUS`].
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
        /// At least [`crate::check::MIN_MODULUS`].
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
    /// All digits of the artifact add up to `(n mod modulus) + plus`.
    DigitSum {
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
    /// All ASCII digits add up to this.
    DigitSum(i64),
    /// Letters of the first words.
    WordLengths(Vec<u16>),
    /// The first so many words are in alphabetical order.
    Alphabetical(u16),
    /// Sentences, each closed by a full stop that ends a word.
    SentenceCount(u16),
    /// Last word, lower case, without a final full stop.
    EndsWith(String),
}
