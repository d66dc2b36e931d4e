//! `lode miner …`, but for the daemon itself, which is in `cmd/daemon.rs`.

mod doctor;

pub(crate) use doctor::doctor;
