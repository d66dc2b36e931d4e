//! How small and how large the parts of a domain file may be, and what it should have to be varied.

/// Fewest name parts of each kind: enough for twenty entities and a pair of similar names.
pub(super) const MIN_NAME_PARTS: usize = 20;
/// Most name parts of each kind.
pub(super) const MAX_NAME_PARTS: usize = 500;
/// Fewest words of a category, so that guessing one does not pay.
pub(super) const MIN_VOCABULARY: usize = 4;
/// Most words of a category.
pub(super) const MAX_VOCABULARY: usize = 1_000;
/// Most characters of a name part, a source, a period, or an entity's noun.
pub(super) const MAX_WORD_CHARS: usize = 40;
/// Most characters of one wording.
pub(super) const MAX_WORDING_CHARS: usize = 800;
/// Most wordings of one list.
pub(super) const MAX_WORDINGS: usize = 100;
/// Most attributes.
pub(super) const MAX_ATTRIBUTES: usize = 64;
/// Most groups, and most named measures.
pub(super) const MAX_GROUPS: usize = 32;
/// Most periods of an attribute.
pub(super) const MAX_PERIODS: usize = 8;
/// Fewest sources: as many as one disputed fact may have statements.
pub(super) const MIN_SOURCES: usize = 6;
/// Most sources, and most marks: statements name them by a small number.
pub(super) const MAX_SOURCES: usize = 64;
/// Fewest extents of figures, for the same reason.
pub(super) const MIN_SCOPES: usize = 6;

/// What a varied domain has of each; less is a warning.
pub(super) mod good {
    /// Wordings of a fact, and of a group.
    pub(in super::super) const WORDINGS: usize = 4;
    /// Relative wordings with the entity's name.
    pub(in super::super) const RELATIVE: usize = 3;
    /// Relative wordings that go on about it.
    pub(in super::super) const NEXT: usize = 2;
    /// Sources.
    pub(in super::super) const SOURCES: usize = 10;
    /// Headings of a group.
    pub(in super::super) const HEADINGS: usize = 2;
    /// Attributes.
    pub(in super::super) const ATTRIBUTES: usize = 12;
    /// Category attributes.
    pub(in super::super) const CATEGORIES: usize = 4;
    /// Words of a large category.
    pub(in super::super) const VOCABULARY: usize = 16;
    /// Categories with so many words.
    pub(in super::super) const LARGE: usize = 2;
    /// Values of a wide number.
    pub(in super::super) const RANGE: i64 = 2_000;
    /// Numbers with so many values.
    pub(in super::super) const WIDE: usize = 4;
    /// Values that a number must have, so that twenty entities differ.
    pub(in super::super) const DISTINCT: i64 = 60;
    /// Name parts of each kind.
    pub(in super::super) const NAME_PARTS: usize = 40;
    /// Sentences that say nothing.
    pub(in super::super) const NOISE: usize = 15;
}
