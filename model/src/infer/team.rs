//! Threads that stay together for one decoding step.
//!
//! A token is some 150 small phases that follow each other. Handing each of them to the thread pool
//! and waiting for it costs as much as the phase; here the pool is asked once a step:
//!
//! ```text
//! leader:  [work] publish a phase ─► take tasks ─► wait for the last one ─► [work] publish ... dismiss
//! helpers:   wait ..................► take tasks ─► wait ...................................► leave
//! ```
//!
//! Nobody waits for a helper that has not come: whoever is there takes the next task. Nor is a helper
//! waited for that lost its processor in the middle of one: a task is a pure function, so the leader
//! does it again, and only at the end of the step waits until everybody has left. Who waits spins for
//! a moment, because most waits are shorter than going to sleep and waking up; helpers then give
//! their processor away. Between steps they sleep with the rest of the pool.

use std::{
    hint::spin_loop,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::yield_now,
    time::{Duration, Instant},
};

/// Looks before a waiting thread gives its processor away: some tens of microseconds.
const SPINS: usize = 2_000;
/// How much longer than it has worked itself the leader waits for the last tasks of a phase.
const PATIENCE: Duration = Duration::from_micros(20);
/// The number of phases when there will be no more.
const DISMISSED: usize = usize::MAX;

/// Runs phases of a step; see the module.
pub(super) struct Team<'env> {
    helpers: usize,
    /// Phases so far, or [`DISMISSED`].
    count: AtomicUsize,
    current: Mutex<Option<Arc<Phase<'env>>>>,
}

struct Phase<'env> {
    task: Box<dyn Fn(usize) -> Vec<f32> + Send + Sync + 'env>,
    results: Vec<Mutex<Option<Vec<f32>>>>,
    /// The next task that nobody has taken.
    next: AtomicUsize,
    /// Tasks that have a result.
    ended: AtomicUsize,
}

/// Sends the helpers away, also where the leader returns early or panics.
struct Dismisses<'a>(&'a AtomicUsize);

impl Drop for Dismisses<'_> {
    fn drop(&mut self) {
        self.0.store(DISMISSED, Ordering::Release);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Phase<'_> {
    /// Takes tasks until none is left.
    fn take_tasks(&self) {
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(result) = self.results.get(at) else {
                return;
            };
            let found = (self.task)(at);
            *locked(result) = Some(found);
            self.ended.fetch_add(1, Ordering::Release);
        }
    }
}

/// Calls `lead` in the thread pool with a team of as many threads as the pool has.
pub(super) fn with_team<'env, R: Send>(lead: impl FnOnce(&Team<'env>) -> R + Send) -> R {
    let team = Team {
        helpers: rayon::current_num_threads() - 1,
        count: AtomicUsize::new(0),
        current: Mutex::new(None),
    };
    rayon::scope(|scope| {
        let _dismisses = Dismisses(&team.count);
        for _ in 0..team.helpers {
            scope.spawn(|_| team.help());
        }
        lead(&team)
    })
}

impl<'env> Team<'env> {
    /// The leader and its helpers, whether they have come or not.
    pub(super) fn threads(&self) -> usize {
        self.helpers + 1
    }

    fn help(&self) {
        let mut seen = 0;
        loop {
            seen = self.count_after(seen);
            if seen == DISMISSED {
                return;
            }
            let phase = locked(&self.current).clone();
            if let Some(phase) = phase {
                phase.take_tasks();
            }
        }
    }

    /// The number of phases once it is another than `seen`.
    fn count_after(&self, seen: usize) -> usize {
        for looks in 0.. {
            let count = self.count.load(Ordering::Acquire);
            if count != seen {
                return count;
            }
            if looks < SPINS {
                spin_loop();
            } else {
                yield_now();
            }
        }
        DISMISSED
    }

    /// Does tasks `0..count`; their results in that order. A task may be done twice.
    pub(super) fn run(
        &self,
        count: usize,
        task: impl Fn(usize) -> Vec<f32> + Send + Sync + 'env,
    ) -> Vec<Vec<f32>> {
        if self.helpers == 0 || count < 2 {
            return (0..count).map(task).collect();
        }
        let start = Instant::now();
        let phase = Arc::new(Phase {
            task: Box::new(task),
            results: (0..count).map(|_| Mutex::new(None)).collect(),
            next: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
        });
        *locked(&self.current) = Some(Arc::clone(&phase));
        self.count.fetch_add(1, Ordering::Release);
        phase.take_tasks();
        // The others began their last tasks before now, so they should not take as long again.
        let patience = start.elapsed() + PATIENCE;
        let late = Instant::now() + patience;
        while phase.ended.load(Ordering::Acquire) < count && Instant::now() < late {
            spin_loop();
        }
        let result = |at: usize| locked(&phase.results[at]).take();
        (0..count).map(|at| result(at).unwrap_or_else(|| (phase.task)(at))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_pool<R: Send>(threads: usize, f: impl FnOnce() -> R + Send) -> R {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool").install(f)
    }

    #[test]
    fn results_come_in_the_order_of_the_tasks_whoever_did_them() {
        for threads in [1, 2, 5] {
            in_pool(threads, || {
                with_team(|team| {
                    for phase in 0..500 {
                        let count = phase % 7;
                        let got = team.run(count, move |task| vec![(phase * 10 + task) as f32]);
                        let want: Vec<_> =
                            (0..count).map(|task| vec![(phase * 10 + task) as f32]).collect();
                        assert_eq!(got, want);
                    }
                });
            });
        }
    }

    #[test]
    fn a_pool_without_a_free_thread_does_not_stop_the_leader() {
        in_pool(2, || {
            let free = AtomicUsize::new(0);
            rayon::scope(|scope| {
                scope.spawn(|_| {
                    while free.load(Ordering::Acquire) == 0 {
                        yield_now();
                    }
                });
                // The other thread takes the task above and keeps it until the team is done.
                let sum: f32 = with_team(|team| {
                    let parts = team.run(9, |task| vec![task as f32]);
                    free.store(1, Ordering::Release);
                    parts.iter().flatten().sum()
                });
                assert_eq!(sum, 36.0);
            });
        });
    }

    #[test]
    fn a_helper_that_is_stuck_in_a_task_is_not_waited_for() {
        let free = AtomicUsize::new(0);
        let leader = std::sync::OnceLock::new();
        in_pool(2, || {
            with_team(|team| {
                leader.set(std::thread::current().id()).expect("one leader");
                for _ in 0..200 {
                    let got = team.run(2, |task| {
                        let helper = leader.get() != Some(&std::thread::current().id());
                        while helper && free.load(Ordering::Acquire) == 0 {
                            yield_now();
                        }
                        vec![task as f32]
                    });
                    assert_eq!(got, [[0.0], [1.0]]);
                }
                free.store(1, Ordering::Release);
            });
        });
    }

    #[test]
    fn a_failing_task_fails_the_step_and_is_no_deadlock() {
        let ran = std::panic::catch_unwind(|| {
            in_pool(3, || {
                with_team(|team| {
                    team.run(20, |task| {
                        assert!(task != 13, "thirteen");
                        vec![0.0]
                    })
                })
            })
        });
        assert!(ran.is_err());
    }
}
