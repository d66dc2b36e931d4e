//! The shells that measure: system, network, engine. Nothing is judged here.

pub(super) mod engine;
pub(super) mod network;
pub(super) mod system;
