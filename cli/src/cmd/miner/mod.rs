//! The verbs of the miner besides `run`, which is with the other daemons.

pub(crate) mod dashboard;
pub(crate) mod receipts;
