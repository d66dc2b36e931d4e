//! The coordinator's state machine.
//!
//! ```text
//!            ┌───────────── handle ─────────────┐
//! Input ─► Core::step ─► events ─► apply(state) ─┴─► advance (what is due) ─► more events …
//!                          │                            │
//!                          ▼                            ▼
//!                    durable log, synced ─► only then: reply, effects (generate, grade, bundle)
//! ```
//!
//! [`Core::step`] is a function of the state, the input and the time given with it. What it decides
//! is a list of [`Record`]s; applying the same records to a fresh [`State`] gives the same state,
//! which is how the daemon starts again ([`Core::replay`]). Effects are not logged: they follow from
//! the state, so a restart asks for what is outstanding again ([`Core::resume`]).
//!
//! An epoch goes through these stages, each with a time-out edge:
//!
//! ```text
//! NonceCommits ─► NonceReveals ─► Open ─► Draining ─► Bundling ─► CoSigning ─► Signing ─► Published
//!       └──────────────┴► Void              (all settled) └► BundleFailed └► NotSigned
//! ```
//!
//! and a task (one counter of the epoch) through these:
//!
//! ```text
//! Waiting ◄─► Leased ─► Committed ─► Grading ─► Settled(Graded)
//!    │           │          └───────────┴─────► Settled(Incomplete)
//!    └───────────┴────────────────────────────► Settled(Unanswered)
//! ```

mod advance;
mod apply;
mod apply_task;
mod apply_turn;
mod attempt;
mod context;
mod epoch;
mod event;
mod grading;
mod input;
mod mine;
mod state;
mod status;
mod step;
mod task;
mod turn;
mod verify;

pub use context::{Context, EpochPlan, Now, Target, Timing};
pub use event::{EndOfLease, Event, Record, blob_key};
pub use input::{
    BuiltBundle, Command, CommandError, Decision, Effect, Generated, Input, OwnGrade, Reply,
    TurnGrade, Verified, open_mine, open_verify,
};
pub use state::{BundleState, ClosedEpoch, Epoch, Miner, Nonce, Stage, State, VerifierInfo};
pub use status::{LevelStatus, StageStatus, Status, VerifierStatus};
pub use step::{Core, CoreError};
pub use task::{Assignment, AssignmentState, Grading, Group, LeaseInfo, LeaseRef, Phase, Slot};

#[cfg(test)]
mod tests;
