//! The writing side of a table.

use std::net::Ipv4Addr;
use std::sync::Arc;

use wire::GuestKey;

use super::Table;
use crate::mirror::Mirror;
use crate::session::{Policy, SlotIndex, Snapshot, Usage};

/// The table has as many guests as it was made for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// The single writer.
pub struct Writer {
    table: Arc<Table>,
    /// Who else forwards packets of guests who are online.
    mirror: Option<Box<dyn Mirror>>,
    next_fresh: u32,
    free: Vec<u32>,
}

impl Writer {
    pub(super) fn new(table: Arc<Table>) -> Self {
        Self { table, mirror: None, next_fresh: 0, free: Vec::new() }
    }

    /// Enters a guest with its leased address. Its former place, if it has one, is given up first; so is
    /// that of another guest with the same address, because an address has one owner.
    ///
    /// # Errors
    /// [`Full`] if there is no slot left.
    pub fn insert(&mut self, key: GuestKey, address: Ipv4Addr, policy: &Policy) -> Result<SlotIndex, Full> {
        if let Some(former) = self.table.by_key(key) {
            if former.address == address {
                self.set_policy(former.slot, policy);
                return Ok(former.slot);
            }
            self.remove(former.slot);
        }
        if let Some(other) = self.table.by_address(address) {
            self.remove(other.slot);
        }
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if self.next_fresh < self.table.capacity() => {
                self.next_fresh += 1;
                self.next_fresh - 1
            }
            None => return Err(Full),
        };
        self.enter(slot, key, address, policy);
        if policy.online {
            self.tell_mirror(SlotIndex(slot));
        }
        Ok(SlotIndex(slot))
    }

    /// Enters a guest that is not in the table, offline, in the very slot that it had in a former life, which goes on
    /// counting from `counted`, or from more if it has counted more. Fastest in ascending order of the slots.
    ///
    /// # Errors
    /// [`Full`] if the slot is taken or there is no such slot, or if the guest or the address are in the table already.
    pub fn insert_at(&mut self, slot: SlotIndex, key: GuestKey, address: Ipv4Addr, counted: Usage) -> Result<(), Full> {
        if slot.0 >= self.table.capacity()
            || self.table.by_key(key).is_some()
            || self.table.by_address(address).is_some()
        {
            return Err(Full);
        }
        if slot.0 >= self.next_fresh {
            self.free.extend(self.next_fresh..slot.0);
            self.next_fresh = slot.0 + 1;
        } else {
            let at = self.free.iter().position(|&free| free == slot.0).ok_or(Full)?;
            self.free.swap_remove(at);
        }
        self.enter(slot.0, key, address, &Policy::default());
        if let Some(place) = self.table.place(slot) {
            place.meter.raise(counted);
        }
        Ok(())
    }

    fn enter(&self, slot: u32, key: GuestKey, address: Ipv4Addr, policy: &Policy) {
        let table = &self.table;
        table.write(SlotIndex(slot), key, address, None, policy);
        table.by_key.insert(table.hash_key(key), slot);
        table.by_address.insert(table.hash_address(address), slot);
    }

    /// Changes what the guest in `slot` may do.
    pub fn set_policy(&mut self, slot: SlotIndex, policy: &Policy) {
        if let Some(found) = self.table.snapshot(slot) {
            self.table.write(slot, found.key, found.address, found.foreign, policy);
            self.tell_mirror(slot);
        }
    }

    /// Says which address the guest in `slot` uses on the LAN instead of its leased one.
    pub fn set_foreign(&mut self, slot: SlotIndex, foreign: Option<Ipv4Addr>) {
        if let Some(found) = self.table.snapshot(slot) {
            self.table.write(slot, found.key, found.address, foreign, &found.policy);
            self.tell_mirror(slot);
        }
    }

    /// Lets somebody else forward packets as well, or nobody else any more.
    pub fn set_mirror(&mut self, mirror: Option<Box<dyn Mirror>>) {
        if let Some(mut former) = self.mirror.take() {
            former.replace(&mut std::iter::empty());
        }
        let Some(mut mirror) = mirror else { return };
        let table = &self.table;
        let all = (0..self.next_fresh).filter_map(|slot| table.snapshot(SlotIndex(slot)));
        mirror.replace(&mut all.filter(is_mirrored));
        self.mirror = Some(mirror);
    }

    fn tell_mirror(&mut self, slot: SlotIndex) {
        let (Some(mirror), Some(guest)) = (&mut self.mirror, self.table.snapshot(slot)) else { return };
        if is_mirrored(&guest) {
            mirror.put(&guest);
        } else {
            mirror.remove(&guest);
        }
    }

    /// Forgets the guest in `slot`.
    pub fn remove(&mut self, slot: SlotIndex) {
        let table = &self.table;
        let Some(found) = table.snapshot(slot) else { return };
        if !table.by_key.remove(table.hash_key(found.key), slot.0) {
            return; // it was free already
        }
        table.by_address.remove(table.hash_address(found.address), slot.0);
        if let Some(mirror) = self.mirror.as_mut().filter(|_| found.policy.online) {
            mirror.remove(&found);
        }
        let nobody = GuestKey { lan: 0, vlan: wire::Vlan::NONE, mac: wire::MacAddr::ZERO };
        table.write(slot, nobody, Ipv4Addr::UNSPECIFIED, None, &Policy::default());
        self.free.push(slot.0);
    }

    /// The readers' side.
    #[must_use]
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }
}

fn is_mirrored(guest: &Snapshot) -> bool {
    guest.policy.online && guest.can_be_mirrored()
}
