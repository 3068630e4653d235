//! Threads beside the control thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastpath::pipeline::Plane;
use fastpath::port::{LanPort, TunPort};
use fastpath::pump;
use platform::{Guard, Mended, Waker};
use tracing::{Span, error, warn};

use crate::clock::Clock;

/// The threads that carry packets, and the one that watches over the firewall rules.
#[derive(Default)]
pub(super) struct Threads {
    stop: Arc<AtomicBool>,
    ended: Arc<tokio::sync::Notify>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Threads {
    pub(super) fn carry_packets(
        &mut self,
        plane: Arc<Plane>,
        lan: Arc<dyn LanPort>,
        tun: Arc<dyn TunPort>,
        clock: Clock,
    ) -> std::io::Result<()> {
        type Carry = fn(&Plane, &dyn LanPort, &dyn TunPort, &dyn Fn() -> Duration, &AtomicBool) -> std::io::Result<()>;
        for (name, carry) in [("packets-up", pump::carry_up as Carry), ("packets-down", pump::carry_down as Carry)] {
            let (plane, lan, tun) = (Arc::clone(&plane), Arc::clone(&lan), Arc::clone(&tun));
            self.start(name, move |stop| {
                if let Err(error) = carry(&plane, &*lan, &*tun, &|| clock.mono(), stop) {
                    error!(%error, "{name}: the device cannot be read");
                }
            })?;
        }
        Ok(())
    }

    /// On a thread of its own, which is never busy with anything else.
    pub(super) fn guard_rules(&mut self, guard: Option<Box<dyn Guard>>) -> std::io::Result<()> {
        let Some(mut guard) = guard else { return Ok(()) };
        self.start("rules", move |stop| {
            let mut fails = false;
            while !stop.load(Ordering::Relaxed) {
                let mended = guard.mend(&mut |mended| {
                    let (who, what) = match &mended {
                        Mended::Rules => {
                            ("somebody", "took our firewall rules away (nft flush ruleset?); they are back")
                        }
                        Mended::PortGone(port) => (&**port, "is gone, and so are its guests until it is back"),
                        Mended::PortCovered(port) => {
                            (&**port, "has an interface on it (a VLAN?) that would take guests' frames; it is shut until that is removed")
                        }
                        Mended::PortBack(port) => (&**port, "is back among the guests' interfaces"),
                    };
                    warn!("{who} {what}");
                });
                if let Err(error) = &mended
                    && !fails
                {
                    error!("{error}; what guests send may not be filtered until that is done");
                }
                fails = mended.is_err();
                if let Err(error) = guard.wait() {
                    error!(%error, "the firewall rules cannot be watched");
                    return;
                }
            }
        })
    }

    fn start(&mut self, name: &str, run: impl FnOnce(&AtomicBool) + Send + 'static) -> std::io::Result<()> {
        let (stop, ended, span) = (Arc::clone(&self.stop), Arc::clone(&self.ended), Span::current());
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
            span.in_scope(|| run(&stop));
            ended.notify_one();
        })?;
        self.threads.push(thread);
        Ok(())
    }

    /// Ends when a thread does.
    pub(super) fn ended(&self) -> impl Future<Output = ()> + use<> {
        let ended = Arc::clone(&self.ended);
        async move { ended.notified().await }
    }

    pub(super) fn stop(self, waker: &Waker) {
        self.stop.store(true, Ordering::Relaxed);
        waker.wake();
        for thread in self.threads {
            let _ = thread.join(); // a panic ends the process: panics abort
        }
    }
}
