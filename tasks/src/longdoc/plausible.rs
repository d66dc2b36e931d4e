//! What may be disputed about a world, and within which bounds a wrong value stays plausible.

use crate::{
    query::Cell,
    types::{EntityId, FactRef},
};

use super::world::World;

impl World<'_> {
    /// Whether other values of a fact would contradict nothing else that the document states.
    pub(super) fn disputable(&self, fact: FactRef) -> bool {
        self.parent(fact).is_none() && !self.tied(fact.attr)
    }

    /// Least and greatest value that the fact could have given the others of its entity, and the
    /// step between values.
    pub(super) fn bounds(&self, fact: FactRef) -> (i64, i64, i64) {
        let attribute = self.attribute(fact.attr);
        let (mut low, mut high) = (attribute.min, attribute.max);
        if let Some(rule) = &attribute.rule {
            let mut missing = false;
            let range = rule.range((low, high), attribute.step, |place| {
                let input = self.attr_of(place).map(|attr| FactRef { entity: fact.entity, attr });
                match input.map(|input| self.table.get(input)) {
                    Some(Cell::Number(milli)) => milli,
                    _ => {
                        missing = true;
                        0
                    }
                }
            });
            if !missing {
                (low, high) = range;
            }
        }
        (low, high, attribute.step)
    }

    /// Whether what hangs on the fact could stay as it is if the fact were this number.
    pub(super) fn fits(&self, fact: FactRef, milli: i64) -> bool {
        self.attribute(fact.attr).feeds.iter().all(|place| {
            let fed = &self.domain.attributes[usize::from(*place)];
            let own = self.attr_of(*place).map(|attr| FactRef { entity: fact.entity, attr });
            let (Some(rule), Some(Cell::Number(now))) =
                (&fed.rule, own.map(|own| self.table.get(own)))
            else {
                return true;
            };
            let (low, high) = rule.range((fed.min, fed.max), fed.step, |_| milli);
            (low..=high).contains(&now)
        })
    }

    /// Another entity with the same first word.
    pub(super) fn namesake(&self, entity: EntityId) -> Option<EntityId> {
        let first = |entity: EntityId| self.name(entity).split(' ').next().unwrap_or("");
        self.entities().find(|other| *other != entity && first(*other) == first(entity))
    }
}
