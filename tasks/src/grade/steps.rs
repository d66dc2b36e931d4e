//! Sets of steps, and which step an id means.

use crate::{parse::MAX_STEP_NUMBER, types::StepId};

/// Words of a [`Steps`]: enough for every step that the parser reads.
const WORDS: usize = lode_proto::limits::MAX_TRACE_STEPS.div_ceil(64);

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

/// The last step of each id so far: places plus one, 0 for none.
pub(super) struct Names([[u16; MAX_STEP_NUMBER as usize + 1]; 5]);

impl Names {
    pub(super) fn new() -> Self {
        Self([[0; MAX_STEP_NUMBER as usize + 1]; 5])
    }

    pub(super) fn find(&self, id: StepId) -> Option<usize> {
        let place = self.0[id.kind as usize].get(usize::from(id.number))?;
        usize::from(*place).checked_sub(1)
    }

    pub(super) fn give(&mut self, id: StepId, place: usize) {
        if let Some(known) = self.0[id.kind as usize].get_mut(usize::from(id.number)) {
            *known = u16::try_from(place + 1).unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::StepKind;

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
        let mut names = Names::new();
        let id = |kind, number| StepId { kind, number };
        names.give(id(StepKind::Extract, 1), 0);
        names.give(id(StepKind::Compare, 999), 7);
        names.give(id(StepKind::Extract, 1), 9);
        assert_eq!(names.find(id(StepKind::Extract, 1)), Some(9));
        assert_eq!(names.find(id(StepKind::Compare, 999)), Some(7));
        assert_eq!(names.find(id(StepKind::Compute, 1)), None);
        assert_eq!(names.find(id(StepKind::Compute, 1_000)), None);
    }
}
