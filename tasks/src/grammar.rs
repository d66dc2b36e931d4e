//! The grammar under which a model may write.
//!
//! ```text
//! Task (public) ─► structure ─► Lark text for llguidance
//!                     └───────► random texts, for the guess floor
//! ```
//!
//! It is made from the roster, the trace sentences, the shapes of the vocabularies, the number of
//! paragraphs and the kinds of the questions; never from a value, an answer or a check. Every
//! repetition has a bound, so generation under it always ends. It begins where
//! [`crate::types::Task::cue`] leaves off, and it has no room for free thinking: a policy that
//! thinks first runs without it.
//!
//! A trace without compute steps counts its ids up. With them a line has any id of its kind, since
//! counting five kinds at once is beyond a grammar of a reasonable size; the parser gives a
//! repeated id a meaning, so whatever is written under the grammar can be read, as far as the
//! task's limit on bytes allows.
//!
//! Each line is one terminal: its parts are a regular language, and a lexer that takes the longest
//! match cannot run past the end of a slot into the words after it.

use rand_chacha::rand_core::RngCore;

use crate::types::Task;

mod lark;
mod sample;
mod structure;

pub(crate) use structure::MAX_GRAMMAR_STEPS;
use structure::Node;

/// Version of the grammars that [`grammar`] makes. 0 promises nothing.
pub const GRAMMAR_VERSION: u32 = 0;

/// A Lark grammar (as llguidance reads it) for completions of the task.
#[must_use]
pub fn grammar(task: &Task) -> String {
    Grammar::new(task).lark()
}

/// The structure of a task's completions.
#[derive(Debug, Clone)]
pub struct Grammar {
    start: Node,
}

impl Grammar {
    /// The structure for a task.
    #[must_use]
    pub fn new(task: &Task) -> Self {
        Self { start: structure::completion(task) }
    }

    /// As Lark text.
    #[must_use]
    pub fn lark(&self) -> String {
        lark::render(&self.start)
    }

    /// A text drawn at random: every choice, count, length and character uniformly. What a sampler
    /// that knows nothing but the grammar would write.
    #[must_use]
    pub fn sample(&self, rng: &mut impl RngCore) -> String {
        let mut text = String::new();
        sample::draw(&self.start, rng, &mut text);
        text
    }
}
