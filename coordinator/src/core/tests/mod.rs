//! The state machine under honest and hostile requests, lost replies, crashes and lost writes.

mod actors;
mod checks;
mod grading;
mod profiles;
mod scenes;
mod sessions;
mod simulation;
mod threats;
mod world;
