//! Who comes first, or second, and so on.

use super::{MAX_RANK, Undefined};
use crate::types::{EntityId, Order};

/// The best so far, down to the one behind the wanted rank: enough to see a tie.
pub(super) struct Front<V> {
    places: [Option<(V, EntityId)>; MAX_RANK + 1],
    rank: usize,
    order: Order,
}

impl<V: Ord + Copy> Front<V> {
    pub(super) fn new(rank: u16, order: Order) -> Result<Self, Undefined> {
        let rank = usize::from(rank);
        if !(1..=MAX_RANK).contains(&rank) {
            return Err(Undefined::Malformed);
        }
        Ok(Self { places: [None; MAX_RANK + 1], rank, order })
    }

    /// Those behind the new one go a place back; the last of them is forgotten.
    pub(super) fn enter(&mut self, value: V, entity: EntityId) {
        let ahead = |place: &Option<(V, EntityId)>| {
            place.is_none_or(|(known, _)| match self.order {
                Order::Highest => value > known,
                Order::Lowest => value < known,
            })
        };
        let mut at = self.rank;
        if !ahead(&self.places[at]) {
            return;
        }
        while at > 0 && ahead(&self.places[at - 1]) {
            self.places[at] = self.places[at - 1];
            at -= 1;
        }
        self.places[at] = Some((value, entity));
    }

    /// The one at the rank.
    pub(super) fn winner(&self) -> Result<EntityId, Undefined> {
        let at = |place: usize| self.places.get(place).copied().flatten();
        let (found, entity) = at(self.rank - 1).ok_or(Undefined::Empty)?;
        let level = |place: usize| at(place).is_some_and(|(other, _)| other == found);
        if self.rank > 1 && level(self.rank - 2) || level(self.rank) {
            return Err(Undefined::Tie);
        }
        Ok(entity)
    }
}
