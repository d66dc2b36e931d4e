//! What a task says publicly about each attribute.

use serde::{Deserialize, Serialize};

/// How values of an attribute are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueKind {
    /// One of a closed list of words ([`AttributeSchema::vocabulary`]).
    Category,
    /// A whole number, thousands separated by commas.
    Integer,
    /// A whole number that is a year: no separator.
    Year,
    /// A decimal with one digit after the point.
    Decimal,
}

impl ValueKind {
    /// Whether values are numbers.
    #[must_use]
    pub fn is_number(self) -> bool {
        self != Self::Category
    }
}

/// One attribute that the document speaks of, and the sentences by which a trace states it.
///
/// Sentences hold the slots `{entity}`, `{value}` and, in the relative ones, `{reference}`, each
/// exactly once, with literal text between any two of them. They carry no final full stop.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttributeSchema {
    /// Stable key from the domain file, for example `employees`.
    pub key: String,
    /// Noun phrase for people: "number of employees".
    pub label: String,
    /// How values are written.
    pub kind: ValueKind,
    /// Unit of the stored number, for people: "people", "million dollars"; empty for none.
    pub unit: String,
    /// How many base units the stored unit is: 1,000,000 for million dollars, else 1. A number in
    /// a text that carries its own scale word (`412,000 thousand dollars`, `$412M`) is this
    /// attribute's value if the products agree ([`crate::number::Found::states`]).
    pub scale: i64,
    /// `{entity} employs {value} people`
    pub trace: String,
    /// `{entity} employs {value} more people than {reference}`; numbers only.
    pub trace_more: Option<String>,
    /// `{entity} employs {value} fewer people than {reference}`; numbers only.
    pub trace_less: Option<String>,
    /// Every category the domain knows for it, sorted; empty for numbers.
    pub vocabulary: Vec<String>,
}
