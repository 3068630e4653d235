//! A second carrier of packets beside the packet threads, which keeps a copy of the guests who are online: the kernel's
//! offload. What it does not know, it leaves to the packet threads; so the table is always ahead of it.

use crate::session::Snapshot;

/// The copy. The table's [`Writer`](crate::table::Writer) tells it every change.
pub trait Mirror: Send {
    /// From now on this guest may be forwarded as its policy says, and no longer as one before said.
    fn put(&mut self, guest: &Snapshot);

    /// From now on this guest is not forwarded.
    fn remove(&mut self, guest: &Snapshot);

    /// From now on these guests and no others are forwarded; those of them that are known already without a gap.
    fn replace(&mut self, guests: &mut dyn Iterator<Item = Snapshot>);
}
