//! What may be disputed about a world, within which bounds a wrong value stays plausible, and how
//! many entities a document of a given size can have.

use crate::{
    domain::{Domain, Group, Piece, Slot, Template},
    query::Cell,
    types::{EntityId, FactRef},
};

use super::world::World;

/// Bytes of a paragraph's mark and of the blank line around it.
const MARK_BYTES: usize = 19;
/// Bytes of a name, and of a number with its unit or a category, as documents have them.
const NAME_BYTES: usize = 12;
const VALUE_BYTES: usize = 10;
/// One in so many entities of a group is stated absolutely, the others as differences.
pub(super) const ABSOLUTE: usize = 4;

/// About how many bytes a long document spends on one entity.
pub(super) fn entity_bytes(domain: &Domain, groups: &[usize]) -> usize {
    let mean = |wordings: &[Template]| {
        let all: usize = wordings.iter().map(template_bytes).sum();
        all / wordings.len().max(1)
    };
    let group_bytes = |group: &Group| {
        let together = mean(&group.wordings);
        if group.always {
            return together + MARK_BYTES;
        }
        let apart: usize = group
            .attributes
            .iter()
            .filter_map(|place| domain.attributes.get(usize::from(*place)))
            .map(|attribute| mean(&attribute.more_next) + 1)
            .sum();
        (together + (ABSOLUTE - 1) * apart) / ABSOLUTE + MARK_BYTES
    };
    groups.iter().filter_map(|at| domain.groups.get(*at)).map(group_bytes).sum()
}

fn template_bytes(template: &Template) -> usize {
    let bytes = |piece: &Piece| match piece {
        Piece::Text(text) => text.len(),
        Piece::Slot(Slot::Entity | Slot::Reference) => NAME_BYTES,
        Piece::Slot(_) => VALUE_BYTES,
    };
    template.pieces.iter().map(bytes).sum()
}

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
