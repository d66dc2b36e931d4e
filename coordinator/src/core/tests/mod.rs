//! The state machine under honest and hostile requests, lost replies, crashes and lost writes.

mod actors;
mod checks;
mod simulation;
mod threats;
mod world;
