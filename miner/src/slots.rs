//! What may run at once: groups that the engine takes, within a budget of memory; and which of
//! several networks may ask for work.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Bytes of one unit of memory.
const MIB: u64 = 1024 * 1024;

/// Places for groups, and memory for them.
#[derive(Debug, Clone)]
pub(crate) struct Slots {
    groups: Arc<Semaphore>,
    /// Counts the places that were given back.
    freed: Arc<watch::Sender<u64>>,
    /// One permit a MiB, and how many there are; without it there is no limit.
    memory: Option<(Arc<Semaphore>, u32)>,
}

/// A place for one group, given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Until it is given back.
    held: Option<(OwnedSemaphorePermit, Option<OwnedSemaphorePermit>)>,
    freed: Arc<watch::Sender<u64>>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.held = None;
        self.freed.send_modify(|count| *count += 1);
    }
}

impl Slots {
    /// `memory_mib` 0 sets no limit.
    pub(crate) fn new(groups: usize, memory_mib: u64) -> Self {
        let size = u32::try_from(memory_mib).unwrap_or(u32::MAX).min(Semaphore::MAX_PERMITS as u32);
        let memory = (size > 0).then(|| (Arc::new(Semaphore::new(size as usize)), size));
        let freed = Arc::new(watch::Sender::new(0));
        Self { groups: Arc::new(Semaphore::new(groups.max(1))), freed, memory }
    }

    /// Whether there is a place for a group of so many bytes now.
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        let memory = |(memory, size): &(Arc<Semaphore>, u32)| {
            memory.available_permits() >= mib(bytes, *size) as usize
        };
        self.groups.available_permits() > 0 && self.memory.as_ref().is_none_or(memory)
    }

    /// Changes whenever a place is given back.
    pub(crate) fn freed(&self) -> watch::Receiver<u64> {
        self.freed.subscribe()
    }

    /// A place for a group of so many bytes, if there is one now. What is over the whole budget
    /// takes all of it, so that it runs alone and does not wait for ever.
    pub(crate) fn take(&self, bytes: u64) -> Option<Slot> {
        let group = Arc::clone(&self.groups).try_acquire_owned().ok()?;
        let memory = match &self.memory {
            None => None,
            Some((memory, size)) => {
                let wanted = mib(bytes, *size);
                Some(Arc::clone(memory).try_acquire_many_owned(wanted).ok()?)
            }
        };
        Some(Slot { held: Some((group, memory)), freed: Arc::clone(&self.freed) })
    }
}

/// What a group takes of a budget, MiB.
fn mib(bytes: u64, budget: u32) -> u32 {
    u32::try_from(bytes.div_ceil(MIB)).unwrap_or(u32::MAX).min(budget)
}

/// Which networks have work, in order of preference: one is asked only while none before it has.
#[derive(Debug, Clone)]
pub(crate) struct Order(Arc<watch::Sender<u64>>);

impl Order {
    /// All are taken to have work until they say otherwise. At most 64.
    pub(crate) fn new(networks: usize) -> Self {
        let all = u64::MAX.checked_shr(64_u32.saturating_sub(networks as u32)).unwrap_or(0);
        Self(Arc::new(watch::Sender::new(all)))
    }

    /// Says whether a network has work and can be reached.
    pub(crate) fn set(&self, place: usize, has_work: bool) {
        let bit = 1_u64.checked_shl(place as u32).unwrap_or(0);
        self.0.send_if_modified(|all| {
            let now = if has_work { *all | bit } else { *all & !bit };
            std::mem::replace(all, now) != now
        });
    }

    fn free(all: u64, place: usize) -> bool {
        let before = 1_u64.checked_shl(place as u32).map_or(u64::MAX, |bit| bit - 1);
        all & before == 0
    }

    /// Whether a network may be asked for work.
    pub(crate) fn may_ask(&self, place: usize) -> bool {
        Self::free(*self.0.borrow(), place)
    }

    /// Waits until it may. Cancel safe.
    pub(crate) async fn wait(&self, place: usize) {
        // The sender lives in `self`, so the wait cannot fail.
        let _ = self.0.subscribe().wait_for(|all| Self::free(*all, place)).await;
    }
}

/// How long groups take, for having the next one at hand when one ends.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    /// A running mean.
    usual: Option<Duration>,
    /// What the last lease gave.
    lease: Option<Duration>,
}

impl Pace {
    /// The next lease is asked for so long before the running group is likely to end, at least.
    const AHEAD: Duration = Duration::from_secs(2);
    /// A lease that waits must have time for so many groups.
    const ROOM: u32 = 3;

    pub(crate) fn leased(&mut self, remaining: Duration) {
        self.lease = Some(remaining);
    }

    pub(crate) fn took(&mut self, elapsed: Duration) {
        self.usual = Some(self.usual.map_or(elapsed, |usual| (usual * 3 + elapsed) / 4));
    }

    /// How long to wait before the next lease is asked for while a group has been running for
    /// `elapsed`; `None` where a lease could end before it is worked on, or nothing is known yet.
    pub(crate) fn wait(&self, elapsed: Duration) -> Option<Duration> {
        let (usual, lease) = (self.usual?, self.lease?);
        if lease < usual * Self::ROOM {
            return None;
        }
        Some(usual.saturating_sub(Self::AHEAD.max(usual / 10)).saturating_sub(elapsed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_groups_are_both_limits() {
        let slots = Slots::new(2, 100);
        let small = slots.take(40 * MIB).expect("fits");
        assert!(slots.take(61 * MIB).is_none(), "over the budget");
        let other = slots.take(60 * MIB).expect("fits exactly");
        assert!(slots.take(0).is_none(), "two groups are the limit");
        drop((small, other));
        let whole = slots.take(1000 * MIB).expect("alone it may run");
        assert!(slots.take(1).is_none());
        drop(whole);
        // What failed for want of memory gave its place back.
        assert!(slots.take(1).is_some());
        assert!(Slots::new(0, 0).take(u64::MAX).is_some());
    }

    #[tokio::test]
    async fn a_network_waits_for_those_before_it() {
        let order = Order::new(3);
        assert!(order.may_ask(0) && !order.may_ask(1) && !order.may_ask(2));
        order.set(0, false);
        assert!(order.may_ask(1) && !order.may_ask(2));
        let last = {
            let order = order.clone();
            async move { order.wait(2).await }
        };
        tokio::pin!(last);
        assert!(futures_poll(last.as_mut()).await.is_none());
        order.set(1, false);
        last.await;
        order.set(0, true);
        assert!(!order.may_ask(1) && !order.may_ask(2) && order.may_ask(0));
    }

    async fn futures_poll<F: Future<Output = ()>>(future: std::pin::Pin<&mut F>) -> Option<()> {
        tokio::select! { biased; () = future => Some(()), () = std::future::ready(()) => None }
    }

    #[test]
    fn the_next_lease_comes_shortly_before_a_group_ends() {
        let seconds = Duration::from_secs;
        let mut pace = Pace::default();
        assert_eq!(pace.wait(seconds(0)), None, "nothing is known");
        pace.took(seconds(60));
        assert_eq!(pace.wait(seconds(0)), None);
        pace.leased(seconds(600));
        assert_eq!(pace.wait(seconds(0)), Some(seconds(54)));
        assert_eq!(pace.wait(seconds(50)), Some(seconds(4)));
        assert_eq!(pace.wait(seconds(100)), Some(Duration::ZERO));
        pace.took(seconds(20));
        assert_eq!(pace.wait(seconds(0)), Some(seconds(45)));
        pace.leased(seconds(149));
        assert_eq!(pace.wait(seconds(0)), None, "it might end before it is worked on");
    }
}
