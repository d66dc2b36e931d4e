//! Values, answers and the two small indices.

use serde::{Deserialize, Serialize};

/// Place of an entity in [`super::Task::roster`], 0-based.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntityId(pub u16);

impl EntityId {
    /// As an index.
    #[must_use]
    pub fn at(self) -> usize {
        usize::from(self.0)
    }
}

/// Place of an attribute in [`super::Task::attributes`], 0-based.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttrId(pub u16);

impl AttrId {
    /// As an index.
    #[must_use]
    pub fn at(self) -> usize {
        usize::from(self.0)
    }
}

/// The value of one attribute of one entity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// A whole number, in the attribute's unit.
    Int(i64),
    /// A decimal as integer thousandths of the attribute's unit: 4.5 is 4,500.
    Milli(i64),
    /// A category or a name, in its canonical spelling.
    Text(String),
}

impl Value {
    /// A number in thousandths of its unit, `None` for text. Integers and decimals compare by it.
    #[must_use]
    pub fn milli(&self) -> Option<i64> {
        match self {
            Self::Int(n) => n.checked_mul(1000),
            Self::Milli(m) => Some(*m),
            Self::Text(_) => None,
        }
    }

    /// The text of a category, `None` for numbers.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Int(_) | Self::Milli(_) => None,
        }
    }
}

/// The answer to a question, in canonical form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// An entity of the roster.
    Entity(EntityId),
    /// A category in its canonical spelling.
    Category(String),
    /// A whole number, in the unit that the question names.
    Integer(i64),
    /// A decimal as integer thousandths, in the unit that the question names.
    Decimal(i64),
}
