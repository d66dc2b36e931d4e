//! The verbs of the miner besides `run`, which is with the other daemons.

pub(crate) mod dashboard;
mod doctor;
pub(crate) mod receipts;

pub(crate) use doctor::doctor;
