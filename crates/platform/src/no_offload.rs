//! Where the kernel cannot forward by itself.

use std::time::Duration;

use fastpath::meter::SharedMeters;
use fastpath::mirror::Mirror;
use fastpath::session::Snapshot;

/// There is none.
pub enum Offload {}

impl Offload {
    /// True if the programs of a former life go on, with the guests and meters that it left.
    #[must_use]
    pub fn took_over(&self) -> bool {
        match *self {}
    }

    /// Whether this guest was online at the end of the former life.
    #[must_use]
    pub fn was_online(&self, _: &Snapshot) -> Option<bool> {
        match *self {}
    }

    /// What guests use, in the kernel's memory.
    #[must_use]
    pub fn meters(&self) -> SharedMeters {
        match *self {}
    }

    /// The kernel's copy of the session table.
    #[must_use]
    pub fn mirror(&self) -> Box<dyn Mirror> {
        match *self {}
    }

    /// Says that somebody looks after the sessions until this moment.
    #[must_use]
    pub fn keep_until(&self, _: Duration) -> bool {
        match *self {}
    }

    /// Why the next start will not take over what the kernel has counted, if it cannot.
    #[must_use]
    pub fn unkept(&self) -> Option<&crate::Error> {
        match *self {}
    }

    /// How many packets the kernel has forwarded.
    #[must_use]
    pub fn forwarded(&self) -> crate::Forwarded {
        match *self {}
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::BorrowedFd;

    use super::Offload;
    use wire::MacAddr;

    use crate::{Interface, OffloadSpec, Result};

    impl Offload {
        pub(in crate::imp) fn load(spec: &OffloadSpec, _: &Interface) -> Result<Self> {
            Err(crate::no_offload(&spec.lan))
        }

        pub(in crate::imp) fn lan(&self) -> &str {
            match *self {}
        }

        pub(in crate::imp) fn lan_index(&self) -> u32 {
            match *self {}
        }

        pub(in crate::imp) fn socket_filter(&self) -> BorrowedFd<'_> {
            match *self {}
        }

        pub(in crate::imp) fn attach_tun(&self, _: u32) -> Result<()> {
            match *self {}
        }

        pub(in crate::imp) fn attach_lan(&self) -> Result<()> {
            match *self {}
        }
    }

    pub(in crate::imp) fn detach(_: &str, _: u32) -> Result<()> {
        Ok(())
    }

    pub(in crate::imp) fn add_place(_: u32) -> Result<bool> {
        Ok(false)
    }

    pub(in crate::imp) fn remove_place(_: u32) -> Result<()> {
        Ok(())
    }

    pub(in crate::imp) fn send_on(lan: &Interface, _: &Interface, _: MacAddr) -> Result<()> {
        Err(crate::no_offload(&lan.name))
    }

    pub(in crate::imp) fn is_on_egress(_: u32) -> Result<bool> {
        Ok(false)
    }
}

#[cfg(target_os = "linux")]
pub(in crate::imp) use linux::{add_place, detach, is_on_egress, remove_place, send_on};
