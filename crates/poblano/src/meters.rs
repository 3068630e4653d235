//! Where guests' meters are: with the kernel's programs, or in a file in memory that outlives a crash as well.

use std::path::PathBuf;
use std::sync::Arc;

use config::Config;
use fastpath::meter::SharedMeters;
use fastpath::session::{SlotIndex, Usage};
use platform::KeptMeters;
use tracing::warn;

use crate::offload::Offload;

/// The file, if the meters are in one.
pub(crate) struct Meters {
    path: PathBuf,
    kept: Option<Arc<KeptMeters>>,
}

impl Meters {
    /// Opens it where it is wanted: sessions outlive the process, and no kernel counts.
    pub(crate) fn open(config: &Config, offload: &Offload) -> Self {
        let mut path = config.control.socket.clone().into_os_string();
        if !config.zone.is_empty() {
            path.push(format!(".{}", config.zone));
        }
        path.push(".meters");
        let path = PathBuf::from(path);
        if config.session.outage.is_none() || offload.meters().is_some() {
            KeptMeters::forget(&path); // it would be out of date
            return Self { path, kept: None };
        }
        let kept = KeptMeters::open(&path, config.guests.max)
            .inspect_err(|error| warn!("{error}; a crash would lose up to a minute of what guests use"))
            .ok();
        Self { path, kept }
    }

    /// For the table; none if it is to have its own.
    pub(crate) fn shared(&self, offload: &Offload) -> Option<SharedMeters> {
        offload.meters().or_else(|| self.kept.as_ref().map(KeptMeters::meters))
    }

    /// What was counted in a slot, if that outlived the former run.
    pub(crate) fn counted(&self, offload: &Offload, slot: SlotIndex) -> Option<Usage> {
        offload.counted(slot).or_else(|| {
            let kept = self.kept.as_ref().filter(|kept| kept.took_over())?;
            kept.meters().as_ref().get(slot.0 as usize).map(Usage::from)
        })
    }

    /// Nobody goes on with these.
    pub(crate) fn forget(self) {
        KeptMeters::forget(&self.path);
    }
}
