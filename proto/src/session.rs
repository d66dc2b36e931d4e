//! Sessions: how the attempts at one task are asked for, and what is said between them.
//!
//! ```text
//! group      commit to all attempts ─► upload all ─► sealed
//! revision   turn 0: one attempt ─► feedback ─► turn 1: two continuations of that conversation
//!                                ─► feedback on the first of them ─► turn 2: two more ─► sealed
//! ```
//!
//! A revision session belongs to one account. The conversation goes on from the first attempt of each
//! turn, whatever the grades, until that attempt passes or the turns are used up; the second attempt of
//! a turn answers the same conversation, so that the two can stand in one pair. Which tasks are
//! revision sessions follows from their place alone ([`crate::epoch::Campaign::session`]).
//!
//! Feedback says how many parts are right, never which. The conversation is a pure function of task,
//! attempts and feedback (`lode_tasks::revision`); every turn's commitment names its hash.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{
    id::{AttemptId, Hash, LeaseId, PolicyId},
    payload,
};

/// Turns of a revision session, at most.
pub const MAX_TURNS: u32 = 3;
/// Attempts of a turn that continues a conversation.
pub const CONTINUATIONS: u32 = 2;

/// How the attempts at a task are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Session {
    /// All attempts from the same prompt, without feedback.
    Group,
    /// One attempt at a time, with feedback between them.
    Revision,
}

impl Session {
    /// Numbers of the attempts of a turn, from 0; empty for a turn that there is none of.
    #[must_use]
    pub fn turn(self, turn: u32, group_size: u32) -> Range<u32> {
        match (self, turn) {
            (Self::Group, 0) => 0..group_size,
            (Self::Revision, 0) => 0..1,
            (Self::Revision, turn) if turn < MAX_TURNS => {
                let first = 1 + (turn - 1) * CONTINUATIONS;
                first..first + CONTINUATIONS
            }
            _ => 0..0,
        }
    }

    /// Attempts in all, at most.
    #[must_use]
    pub fn attempts(self, group_size: u32) -> u32 {
        let last = match self {
            Self::Group => 0,
            Self::Revision => MAX_TURNS - 1,
        };
        self.turn(last, group_size).end
    }

    /// The turn of an attempt.
    #[must_use]
    pub fn turn_of(self, attempt: u32) -> u32 {
        match self {
            Self::Group => 0,
            Self::Revision => attempt.div_ceil(CONTINUATIONS),
        }
    }

    /// The attempt from which the conversation goes on after a turn.
    #[must_use]
    pub fn continued(self, turn: u32) -> u32 {
        self.turn(turn, 1).start
    }

    /// The name in rows and events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Revision => "revision",
        }
    }
}

/// How many parts of an attempt are right: all that its author is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Whether the answer could be read; where not, the rest is zero of what was asked.
    pub read: bool,
    /// Right answers.
    pub answers_right: u16,
    /// Questions.
    pub answers: u16,
    /// Constraints that hold.
    pub constraints_held: u16,
    /// Constraints.
    pub constraints: u16,
    /// Steps of the working that are right.
    pub steps_right: u16,
    /// Steps of the working.
    pub steps: u16,
    /// Whether answers and artifact may follow from the working as it stands. Only ever `false` where
    /// all answers and constraints are right.
    pub supported: bool,
}

/// The coordinator's word on a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// The lease.
    pub lease: LeaseId,
    /// The turn, from 0.
    pub turn: u32,
    /// The attempt it is about: the one from which the conversation goes on.
    pub attempt: AttemptId,
    /// What is right.
    pub counts: Counts,
    /// Plain BLAKE3 of the conversation that the next turn answers; `None`: it passes, the session is
    /// over.
    pub next: Option<Hash>,
}

/// A miner's commitment to the attempts of a turn after the first, before any of them is uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnCommit {
    /// The lease.
    pub lease: LeaseId,
    /// What produced them.
    pub policy: PolicyId,
    /// The turn, from 1.
    pub turn: u32,
    /// Plain BLAKE3 of the conversation that they answer.
    pub prompt: Hash,
    /// One id for each attempt of the turn, in order.
    pub attempts: Vec<AttemptId>,
}

payload!(Feedback => "lode/1/feedback");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_follow_each_other_without_gap() {
        for (session, turns) in [(Session::Group, 1), (Session::Revision, MAX_TURNS)] {
            let mut next = 0;
            for turn in 0..turns {
                let range = session.turn(turn, 8);
                assert_eq!(range.start, next);
                assert!(!range.is_empty());
                assert!(range.clone().all(|attempt| session.turn_of(attempt) == turn));
                assert_eq!(session.continued(turn), range.start);
                next = range.end;
            }
            assert_eq!(session.attempts(8), next);
            assert!(session.turn(turns, 8).is_empty() && session.turn(u32::MAX, 8).is_empty());
        }
    }
}
