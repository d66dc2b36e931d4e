//! The lives of the miner: started, killed, ended in order.

use std::{path::PathBuf, sync::mpsc::Sender};

use crate::common::network::{Daemon, Rig, Said};

/// The miner that lives now.
pub(crate) struct Lives {
    rig: Rig,
    tell: Sender<Said>,
    now: Option<Daemon>,
    count: u32,
}

/// Name under which a life tells of itself.
pub(crate) fn name(life: u32) -> String {
    format!("miner-{life}")
}

impl Lives {
    /// Starts the first.
    pub(crate) fn begin(rig: Rig, tell: Sender<Said>) -> Self {
        let mut lives = Self { rig, tell, now: None, count: 0 };
        lives.start();
        lives
    }

    fn start(&mut self) {
        self.count += 1;
        let log = self.rig.folder().join("miner.log");
        let (config, tell) = (self.rig.config(), self.tell.clone());
        self.now = Some(Daemon::start("miner", &config, Some(&log), &name(self.count), tell));
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.rig.data()
    }

    /// Lives so far.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.now.as_ref().map(Daemon::pid)
    }

    /// SIGKILL, and at once the next life.
    pub(crate) fn kill(&mut self) {
        self.assert_alive();
        let status = self.now.take().expect("one lives").kill();
        assert_eq!(status.code(), None, "the miner ended before it was killed: {status}");
        self.start();
    }

    pub(crate) fn assert_alive(&mut self) {
        let ended = self.now.as_mut().expect("one lives").ended();
        assert_eq!(ended, None, "life {} ended by itself: see miner.log", self.count);
    }

    pub(crate) fn terminate(&mut self) {
        self.assert_alive();
        self.now.as_ref().expect("one lives").terminate();
    }

    /// Once it has said its last word.
    pub(crate) fn end(&mut self) {
        let status = self.now.take().expect("one lives").wait();
        assert!(status.success(), "the miner ended with {status}");
    }
}
