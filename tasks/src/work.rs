//! Counts steps of work in tests, so that a bound on time can be tested without a clock.

#[cfg(test)]
pub(crate) use counter::{count, of};

/// One step of work.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn count() {}

#[cfg(test)]
mod counter {
    use std::cell::Cell;

    thread_local! {
        static DONE: Cell<u64> = const { Cell::new(0) };
    }

    pub(crate) fn count() {
        DONE.set(DONE.get() + 1);
    }

    /// What a function does, and how many steps it counted.
    pub(crate) fn of<T>(work: impl FnOnce() -> T) -> (T, u64) {
        let before = DONE.get();
        let done = work();
        (done, DONE.get() - before)
    }
}
