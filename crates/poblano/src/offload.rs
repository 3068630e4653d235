//! Whether the kernel forwards packets of guests who are online by itself.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use config::{Config, OffloadMode, TunMode};
use fastpath::meter::SharedMeters;
use fastpath::mirror::Mirror;
use fastpath::session::{SlotIndex, Snapshot, Usage};
use platform::{Forwarded, OffloadSpec, System};
use tracing::{error, info};

/// How long the kernel goes on without us where no session outlives us (`session.outage = "0"`): until it is sure that we
/// are gone.
const SHORTEST_KEEP: Duration = Duration::from_secs(3);

/// The kernel's part in carrying packets, if it has one.
pub(crate) struct Offload {
    loaded: Option<Arc<platform::Offload>>,
    on: Cell<bool>,
    /// Why it cannot be on.
    obstacle: RefCell<String>,
    keep: Duration,
}

/// Loads it as configured.
pub(crate) fn load(system: &mut dyn System, config: &Config) -> anyhow::Result<Offload> {
    let keep = config.session.outage.unwrap_or(SHORTEST_KEEP);
    let obstacle = if config.offload.mode == OffloadMode::Off {
        "it was switched off at start (offload.mode)".to_owned()
    } else if !config.garden.count {
        "the garden is not counted (garden.count), and the kernel counts all that it forwards".to_owned()
    } else if config.tun.mode == TunMode::Tap {
        "it needs tun.mode = \"tun\"".to_owned()
    } else {
        let spec = OffloadSpec {
            lan: config.lan.interface.clone(),
            gateway: config.lan.gateway,
            aliases: [config.uam.alias_address, config.uam.logout_address],
            guests: (config.lan.network.address, config.lan.network.prefix),
            diverts_http: config.uplink.http_proxy.is_some(),
            capacity: config.guests.max,
        };
        match system.load_offload(&spec) {
            Ok(loaded) => return Ok(Offload::new(Some(loaded), String::new(), keep)),
            Err(error) => error.to_string(),
        }
    };
    if config.offload.mode == OffloadMode::On {
        bail!("offload.mode is \"on\", but {obstacle}");
    }
    Ok(Offload::new(None, obstacle, keep))
}

impl Offload {
    fn new(loaded: Option<Arc<platform::Offload>>, obstacle: String, keep: Duration) -> Self {
        Self { on: Cell::new(loaded.is_some()), loaded, obstacle: RefCell::new(obstacle), keep }
    }

    /// What the kernel has counted in a slot, while we were gone too.
    pub(crate) fn counted(&self, slot: SlotIndex) -> Option<Usage> {
        let loaded = self.loaded.as_ref().filter(|loaded| loaded.took_over())?;
        loaded.meters().as_ref().get(slot.0 as usize).map(Usage::from)
    }

    /// False if the kernel knows that this guest's session was over when the former life ended, however it stands on the disk.
    pub(crate) fn may_go_on(&self, guest: &Snapshot) -> bool {
        self.loaded.as_ref().and_then(|loaded| loaded.was_online(guest)) != Some(false)
    }

    /// What guests use, if the kernel counts with us.
    pub(crate) fn meters(&self) -> Option<SharedMeters> {
        self.loaded.as_ref().map(|loaded| loaded.meters())
    }

    /// Where the kernel is told who is online, while it is on.
    pub(crate) fn mirror(&self) -> Option<Box<dyn Mirror>> {
        self.loaded.as_ref().filter(|_| self.on.get()).map(|loaded| loaded.mirror())
    }

    /// What the next start will not be able to, if anything.
    pub(crate) fn unkept(&self) -> Option<&platform::Error> {
        self.loaded.as_ref()?.unkept()
    }

    /// What the kernel has forwarded.
    pub(crate) fn forwarded(&self) -> Forwarded {
        self.loaded.as_ref().map(|loaded| loaded.forwarded()).unwrap_or_default()
    }

    /// Switches; the mirror must be exchanged then.
    pub(crate) fn switch(&self, on: bool) -> Result<(), String> {
        let obstacle = self.obstacle.borrow();
        if on && !obstacle.is_empty() {
            return Err(format!("the offload cannot be switched on: {obstacle}"));
        }
        if self.on.replace(on) != on {
            info!("offload {}", if on { "on" } else { "off" });
        }
        Ok(())
    }

    /// Says that the gateway is there. False if the offload has just failed, and is off for good.
    pub(crate) fn keep(&self, now: Duration) -> bool {
        let Some(loaded) = self.loaded.as_ref().filter(|_| self.obstacle.borrow().is_empty()) else { return true };
        if loaded.keep_until(if self.on.get() { now + self.keep } else { Duration::ZERO }) {
            return true;
        }
        error!("the kernel did not take a change of the session table; this program carries all packets now");
        *self.obstacle.borrow_mut() = "the kernel did not take a change of the session table".to_owned();
        self.on.set(false);
        false
    }

    /// In words, for the operator.
    pub(crate) fn state(&self) -> String {
        match (self.on.get(), self.obstacle.borrow().as_str()) {
            (true, _) => "on".to_owned(),
            (false, "") => "off".to_owned(),
            (false, obstacle) => format!("off: {obstacle}"),
        }
    }
}
