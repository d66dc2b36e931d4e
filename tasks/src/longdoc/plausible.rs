//! Values that a world could have had: what wrong statements are made of.

use crate::{
    draw::Draw,
    query::Cell,
    types::{EntityId, FactRef, ValueKind},
};

use super::{
    plan::{Layout, Plan},
    world::World,
};

/// Draws for one value that nobody has.
const TRIES: u32 = 24;

impl World<'_> {
    /// Whether other values of a fact would contradict nothing else that the document states.
    pub(super) fn disputable(&self, fact: FactRef) -> bool {
        self.parent(fact).is_none()
    }

    /// Least and greatest value that the fact could have, and the step between values.
    pub(super) fn bounds(&self, fact: FactRef) -> (i64, i64, i64) {
        let attribute = self.attribute(fact.attr);
        (attribute.min, attribute.max, attribute.step)
    }

    /// A value that no entity has under this attribute; of a category in a long document, any other
    /// than the truth.
    pub(super) fn fresh(&self, fact: FactRef, plan: &Plan, draw: &mut Draw) -> Option<Cell> {
        let category = self.schemas[fact.attr.at()].kind == ValueKind::Category;
        for _ in 0..TRIES {
            let cell = self.value(fact.attr, plan, draw);
            let taken = if category && plan.layout == Layout::Grouped {
                cell == self.table.get(fact)
            } else {
                self.entities()
                    .any(|entity| self.table.get(FactRef { entity, attr: fact.attr }) == cell)
            };
            if !taken {
                return Some(cell);
            }
        }
        None
    }

    /// Another entity with the same first word.
    pub(super) fn namesake(&self, entity: EntityId) -> Option<EntityId> {
        let first = |entity: EntityId| self.name(entity).split(' ').next().unwrap_or("");
        self.entities().find(|other| *other != entity && first(*other) == first(entity))
    }
}
