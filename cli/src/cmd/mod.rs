//! One file a verb.

pub(crate) mod alignment;
pub(crate) mod bench;
pub(crate) mod bundle;
pub(crate) mod daemon;
pub(crate) mod eval;
pub(crate) mod held_out;
pub(crate) mod import;
pub(crate) mod key;
pub(crate) mod miner;
pub(crate) mod model;
pub(crate) mod task;
pub(crate) mod train;
