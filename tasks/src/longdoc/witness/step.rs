//! Steps of a trace by their ids, and what they are worked out from.

use crate::number;

/// The id of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id {
    pub(super) letter: char,
    pub(super) number: u32,
}

impl Id {
    pub(super) fn push(self, out: &mut String) {
        out.push(self.letter);
        number::push_plain(out, self.number);
    }
}

/// What a step is worked out from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Argument {
    Step(Id),
    Number(i64),
}

/// Appends ids with commas between them.
pub(super) fn push_ids(out: &mut String, ids: &[Id]) {
    for (place, id) in ids.iter().enumerate() {
        out.push_str(if place == 0 { "" } else { ", " });
        id.push(out);
    }
}
