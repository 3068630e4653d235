//! Makes the kernel forget the connections of guests that have left, on a thread of its own: the control thread only
//! says whose. Without it the next guest with the same address would get what is still sent to the one before.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use platform::Flows;
use tracing::{debug, warn};

/// Before it looks, it waits this long: packets that were already past the check are in the kernel by then, and of those
/// who leave together there is one look.
const TOGETHER: Duration = Duration::from_millis(50);

/// The control thread's end. The thread ends with it.
pub(crate) struct Forgetting(Arc<Shared>);

struct Shared {
    /// Addresses that may wait: as many as there are guests, for an address that waits waits once.
    most: usize,
    list: Mutex<List>,
    changed: Condvar,
}

#[derive(Default)]
struct List {
    addresses: BTreeSet<Ipv4Addr>,
    /// Those that are being looked for.
    under_way: BTreeSet<Ipv4Addr>,
    closed: bool,
}

impl Forgetting {
    /// Starts the thread, for so many guests.
    pub(crate) fn start(flows: Box<dyn Flows>, guests: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { most: guests, list: Mutex::default(), changed: Condvar::new() });
        let (theirs, span) = (Arc::clone(&shared), tracing::Span::current());
        std::thread::Builder::new()
            .name("flows".into())
            .spawn(move || span.in_scope(|| theirs.work(flows, TOGETHER)))?;
        Ok(Self(shared))
    }

    /// Has the connections of this guest forgotten, soon.
    pub(crate) fn forget(&self, guest: Ipv4Addr) {
        let mut list = self.0.lock();
        if list.addresses.len() < self.0.most {
            list.addresses.insert(guest);
        }
        self.0.changed.notify_one();
    }

    /// Whether the kernel may still know connections of a guest that has left this address: until then nobody else is to
    /// be online there.
    pub(crate) fn is_forgetting(&self, address: Ipv4Addr) -> bool {
        let list = self.0.lock();
        list.addresses.contains(&address) || list.under_way.contains(&address)
    }
}

impl Drop for Forgetting {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next addresses; none when the other end is gone and all is done.
    fn next(&self, together: Duration) -> Option<BTreeSet<Ipv4Addr>> {
        let idle = |list: &mut List| list.addresses.is_empty() && !list.closed;
        drop(self.changed.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner));
        std::thread::sleep(together);
        let mut list = self.lock();
        let addresses = std::mem::take(&mut list.addresses);
        list.under_way.clone_from(&addresses);
        (!addresses.is_empty()).then_some(addresses)
    }

    fn work(&self, mut flows: Box<dyn Flows>, together: Duration) {
        let mut failures = 0u64;
        while let Some(guests) = self.next(together) {
            match flows.forget(&guests) {
                Ok(forgotten) => debug!(guests = guests.len(), connections = forgotten, "connections forgotten"),
                // Said once: every guest that leaves would say it again.
                Err(error) => {
                    failures += 1;
                    if failures == 1 {
                        warn!("{error}; the next guest with such an address may get what was meant for the one before");
                    } else {
                        debug!(failures, "{error}");
                    }
                }
            }
            self.lock().under_way.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use platform::System;
    use platform::virtual_::{Forgotten, Virtual};

    use super::*;

    const fn guest(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 1, 0, last)
    }

    #[test]
    fn those_who_leave_together_are_forgotten_with_one_look_each_once_and_all_before_the_end() {
        let mut machine = Virtual::default();
        let flows = machine.open_flows().unwrap();
        let shared = Arc::new(Shared { most: 2, list: Mutex::default(), changed: Condvar::new() });
        let forgetting = Forgetting(Arc::clone(&shared));
        for last in [2, 3, 2] {
            forgetting.forget(guest(last));
        }
        drop(forgetting);
        shared.work(flows, Duration::ZERO);
        assert_eq!(machine.forgotten(), [Forgotten::Guests(BTreeSet::from([guest(2), guest(3)]))]);
    }

    struct Refusing(Arc<Mutex<u32>>);

    impl Flows for Refusing {
        fn forget(&mut self, _: &BTreeSet<Ipv4Addr>) -> platform::Result<usize> {
            *self.0.lock().unwrap() += 1;
            Err(platform::Error::refused("forget", "the test says so"))
        }

        fn forget_network(&mut self, _: (Ipv4Addr, u8), _: &BTreeSet<Ipv4Addr>) -> platform::Result<usize> {
            self.forget(&BTreeSet::new())
        }
    }

    #[test]
    fn a_kernel_that_refuses_is_asked_again_for_the_next_guest() {
        let asked = Arc::new(Mutex::new(0));
        let forgetting = Forgetting::start(Box::new(Refusing(Arc::clone(&asked))), 2).unwrap();
        for last in [2, 3] {
            forgetting.forget(guest(last));
            assert!(forgetting.is_forgetting(guest(last)));
            while forgetting.is_forgetting(guest(last)) {
                std::thread::yield_now();
            }
        }
        let shared = Arc::clone(&forgetting.0);
        drop(forgetting);
        while Arc::strong_count(&shared) > 1 {
            std::thread::yield_now();
        }
        assert_eq!(*asked.lock().unwrap(), 2);
    }
}
