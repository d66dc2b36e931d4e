//! Sets of steps, and which step an id means.

use crate::{
    parse::Step,
    types::{StepId, StepKind},
};

/// Words of a [`Steps`]: enough for every step that the parser reads.
const WORDS: usize = lode_proto::limits::MAX_TRACE_STEPS.div_ceil(64);

/// Kinds of steps.
const KINDS: usize = StepKind::Compare as usize + 1;

/// A set of steps, by place in the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Steps([u64; WORDS]);

impl Steps {
    pub(super) fn one(place: usize) -> Self {
        let mut steps = Self::default();
        steps.add(place);
        steps
    }

    pub(super) fn add(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }

    #[inline]
    pub(super) fn join(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine |= theirs;
        }
    }

    #[inline]
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).any(|(mine, theirs)| mine & theirs != 0)
    }

    pub(super) fn holds(&self, place: usize) -> bool {
        self.0.get(place / 64).is_some_and(|word| word >> (place % 64) & 1 == 1)
    }

    /// From the first to the last.
    pub(super) fn places(self) -> impl Iterator<Item = usize> {
        (0..).step_by(64).zip(self.0).flat_map(|(base, mut word)| {
            std::iter::from_fn(move || {
                let at = word.trailing_zeros() as usize;
                word &= word.checked_sub(1)?;
                Some(base + at)
            })
        })
    }
}

/// The last step of each id so far: places plus one, 0 for none; a row of each kind.
pub(super) struct Names {
    places: Vec<u16>,
    row: usize,
}

impl Names {
    /// Room for the ids of these steps.
    pub(super) fn new(steps: &[Step]) -> Self {
        let most = steps.iter().map(|step| step.id.number).max().unwrap_or(0);
        let row = usize::from(most) + 1;
        Self { places: vec![0; row * KINDS], row }
    }

    /// The place in [`Names::places`].
    fn slot(&self, id: StepId) -> Option<usize> {
        let number = usize::from(id.number);
        (number < self.row).then(|| id.kind as usize * self.row + number)
    }

    pub(super) fn find(&self, id: StepId) -> Option<usize> {
        usize::from(*self.places.get(self.slot(id)?)?).checked_sub(1)
    }

    pub(super) fn give(&mut self, id: StepId, place: usize) {
        if let Some(known) = self.slot(id).and_then(|slot| self.places.get_mut(slot)) {
            *known = u16::try_from(place + 1).unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::StepBody;

    #[test]
    fn sets_of_steps() {
        let mut steps = Steps::one(3);
        steps.add(64);
        steps.add(399);
        steps.add(10_000);
        assert_eq!(steps.places().collect::<Vec<_>>(), [3, 64, 399]);
        assert!(steps.holds(64) && !steps.holds(65) && !steps.holds(10_000));
        assert!(steps.meets(&Steps::one(399)) && !steps.meets(&Steps::one(4)));
        let mut other = Steps::one(4);
        other.join(&steps);
        assert_eq!(other.places().count(), 4);
    }

    #[test]
    fn an_id_means_its_last_step() {
        let id = |kind, number| StepId { kind, number };
        let ids = [id(StepKind::Extract, 1), id(StepKind::Compare, 999)];
        let step = |id| Step { id, at: 0, citation: None, body: StepBody::Unread };
        let mut names = Names::new(&ids.map(step));
        names.give(id(StepKind::Extract, 1), 0);
        names.give(id(StepKind::Compare, 999), 7);
        names.give(id(StepKind::Extract, 1), 9);
        assert_eq!(names.find(id(StepKind::Extract, 1)), Some(9));
        assert_eq!(names.find(id(StepKind::Compare, 999)), Some(7));
        assert_eq!(names.find(id(StepKind::Compute, 1)), None);
        assert_eq!(names.find(id(StepKind::Compute, 1_000)), None);
    }
}
