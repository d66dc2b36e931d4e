//! Facts of all entities as one table, in which every value is a number or a place in a vocabulary.

use crate::types::{AttrId, AttributeSchema, EntityId, FactRef, Value, ValueKind};

/// One cell of a [`Table`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// Not known.
    Missing,
    /// A number, thousandths.
    Number(i64),
    /// A place in the attribute's vocabulary.
    Category(u16),
}

/// Facts of all entities, by entity and attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    entities: u16,
    attrs: u16,
    cells: Vec<Cell>,
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(entities: u16, attrs: u16) -> Self {
        let size = usize::from(entities) * usize::from(attrs);
        Self { entities, attrs, cells: vec![Cell::Missing; size] }
    }

    /// Number of entities.
    #[must_use]
    pub fn entities(&self) -> u16 {
        self.entities
    }

    /// Number of attributes.
    #[must_use]
    pub fn attrs(&self) -> u16 {
        self.attrs
    }

    fn place(&self, fact: FactRef) -> Option<usize> {
        (fact.entity.0 < self.entities && fact.attr.0 < self.attrs)
            .then(|| fact.entity.at() * usize::from(self.attrs) + fact.attr.at())
    }

    /// The cell of a fact; missing where it lies outside the table.
    #[must_use]
    pub fn get(&self, fact: FactRef) -> Cell {
        self.place(fact).and_then(|at| self.cells.get(at)).copied().unwrap_or(Cell::Missing)
    }

    /// The cells of an entity, by attribute; none where it lies outside the table.
    pub(super) fn row(&self, entity: EntityId) -> &[Cell] {
        let width = usize::from(self.attrs);
        let start = entity.at() * width;
        self.cells.get(start..start + width).unwrap_or_default()
    }

    /// Fills a cell; a fact outside the table is ignored.
    pub fn set(&mut self, fact: FactRef, cell: Cell) {
        if let Some(cell_at) = self.place(fact).and_then(|at| self.cells.get_mut(at)) {
            *cell_at = cell;
        }
    }

    /// The number of a fact, thousandths.
    #[must_use]
    pub fn number(&self, entity: EntityId, attr: AttrId) -> Option<i64> {
        match self.get(FactRef { entity, attr }) {
            Cell::Number(milli) => Some(milli),
            Cell::Missing | Cell::Category(_) => None,
        }
    }

    /// How many facts are known.
    #[must_use]
    pub fn known(&self) -> usize {
        self.cells.iter().filter(|cell| **cell != Cell::Missing).count()
    }

    /// Whether two tables agree everywhere.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        self == other
    }
}

/// A value as a cell under its attribute; `None` where the kinds differ or the word is unknown.
#[must_use]
pub fn cell_of(value: &Value, schema: &AttributeSchema) -> Option<Cell> {
    match value {
        Value::Int(_) | Value::Milli(_) => {
            schema.kind.is_number().then(|| value.milli().map(Cell::Number))?
        }
        Value::Text(text) => {
            let place = schema.vocabulary.binary_search(text).ok()?;
            Some(Cell::Category(u16::try_from(place).ok()?))
        }
    }
}

/// A cell as a value under its attribute; `None` for a missing cell.
#[must_use]
pub fn value_of(cell: Cell, schema: &AttributeSchema) -> Option<Value> {
    match cell {
        Cell::Missing => None,
        Cell::Number(milli) if schema.kind == ValueKind::Decimal => Some(Value::Milli(milli)),
        Cell::Number(milli) => Some(Value::Int(milli / 1000)),
        Cell::Category(place) => {
            schema.vocabulary.get(usize::from(place)).map(|text| Value::Text(text.clone()))
        }
    }
}
