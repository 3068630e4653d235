//! A machine that exists in memory only: for tests of everything above this crate.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastpath::port::{LanPort, Packet, Segmentation, TunPort};
use wire::Vlan;
use wire::vnet::VnetHeader;

use crate::{
    DefaultRoute, Error, Flows, ForwardSpec, Interface, MAX_BATCH, MAX_WAIT, Result, System, TunSpec, UndoErrors,
    UplinkSpec, Waker, check_lan, framing,
};

/// The most packets that wait in each direction of a virtual port; more are lost, as on a wire.
const QUEUE_LEN: usize = 1024;

/// A virtual machine. Remembers in [`Virtual::calls`] what it was told to do.
#[derive(Default)]
pub struct Virtual {
    /// What [`System::interfaces`] says.
    pub interfaces: Vec<Interface>,
    /// What [`System::default_route`] says.
    pub route: Option<DefaultRoute>,
    /// What was done, in order.
    pub calls: Vec<Call>,
    wires: Vec<(String, Wire)>,
    forgotten: Arc<Mutex<Vec<Forgotten>>>,
}

/// One thing that the gateway did to its machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// [`System::lock_lans`], of one of them
    LockLan(String),
    /// [`System::open_lan`]
    OpenLan(String),
    /// [`System::create_tun`]
    CreateTun(TunSpec),
    /// [`System::configure_uplink`]
    ConfigureUplink(UplinkSpec),
    /// [`System::forward`]
    Forward(Vec<ForwardSpec>),
    /// [`System::open_flows`]
    OpenFlows,
    /// [`System::undo`]
    Undo,
}

/// Whose connections were to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forgotten {
    /// [`Flows::forget`]
    Guests(BTreeSet<Ipv4Addr>),
    /// [`Flows::forget_network`]
    Network(Ipv4Addr, u8, BTreeSet<Ipv4Addr>),
}

impl Virtual {
    /// The far side of the port called `name`, once it is open.
    #[must_use]
    pub fn wire(&self, name: &str) -> Option<Wire> {
        self.wires.iter().find(|(wire, _)| wire == name).map(|(_, wire)| wire.clone())
    }

    /// Whose connections were to be forgotten since the last look, in order.
    #[must_use]
    pub fn forgotten(&self) -> Vec<Forgotten> {
        std::mem::take(&mut self.forgotten.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn plug(&mut self, name: &str, waker: &Waker) -> Wire {
        let wire = Wire(Arc::new(Queues { waker: waker.clone(), inward: Mutex::default(), outward: Mutex::default() }));
        self.wires.retain(|(other, _)| other != name);
        self.wires.push((name.to_owned(), wire.clone()));
        wire
    }
}

impl System for Virtual {
    fn interfaces(&self) -> Result<Vec<Interface>> {
        Ok(self.interfaces.clone())
    }

    fn default_route(&self) -> Result<Option<DefaultRoute>> {
        Ok(self.route.clone())
    }

    fn lock_lans(&mut self, lans: &[&str]) -> Result<()> {
        for lan in lans {
            check_lan(&self.interface(lan)?, self.route.as_ref())?;
            self.calls.push(Call::LockLan((*lan).to_owned()));
        }
        Ok(())
    }

    fn open_lan(&mut self, lan: &str, waker: &Waker) -> Result<Arc<dyn LanPort>> {
        if !self.calls.contains(&Call::LockLan(lan.to_owned())) {
            return Err(Error::refused(format!("open {lan}"), "it is not locked"));
        }
        self.calls.push(Call::OpenLan(lan.to_owned()));
        Ok(Arc::new(VirtualLan(self.plug(lan, waker))))
    }

    fn create_tun(&mut self, spec: &TunSpec, waker: &Waker) -> Result<Arc<dyn TunPort>> {
        self.calls.push(Call::CreateTun(spec.clone()));
        Ok(Arc::new(VirtualTun(self.plug(&spec.name, waker))))
    }

    fn configure_uplink(&mut self, spec: &UplinkSpec) -> Result<()> {
        self.calls.push(Call::ConfigureUplink(spec.clone()));
        Ok(())
    }

    fn forward(&mut self, specs: &[ForwardSpec]) -> Result<()> {
        self.calls.push(Call::Forward(specs.to_vec()));
        Ok(())
    }

    fn open_flows(&mut self) -> Result<Box<dyn Flows>> {
        self.calls.push(Call::OpenFlows);
        Ok(Box::new(VirtualFlows(Arc::clone(&self.forgotten))))
    }

    fn undo(&mut self) -> std::result::Result<(), UndoErrors> {
        self.calls.push(Call::Undo);
        Ok(())
    }
}

struct VirtualFlows(Arc<Mutex<Vec<Forgotten>>>);

impl VirtualFlows {
    fn note(&self, forgotten: Forgotten) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(forgotten);
        0
    }
}

impl Flows for VirtualFlows {
    fn forget(&mut self, guests: &BTreeSet<Ipv4Addr>) -> Result<usize> {
        Ok(self.note(Forgotten::Guests(guests.clone())))
    }

    fn forget_network(&mut self, (network, prefix): (Ipv4Addr, u8), spared: &BTreeSet<Ipv4Addr>) -> Result<usize> {
        Ok(self.note(Forgotten::Network(network, prefix, spared.clone())))
    }
}

/// The far side of a virtual port: the guests of a LAN, or the kernel behind a TUN.
#[derive(Clone)]
pub struct Wire(Arc<Queues>);

/// A packet in a virtual port's queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The frame without tag (LAN), or the network-layer packet (TUN).
    pub bytes: Vec<u8>,
    /// Its VLAN (LAN).
    pub vlan: Vlan,
    /// Its offload facts; offsets count from the network-layer header.
    pub vnet: VnetHeader,
}

impl Queued {
    /// An ordinary packet without tag.
    #[must_use]
    pub fn plain(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), vlan: Vlan::NONE, vnet: VnetHeader::default() }
    }
}

struct Queues {
    waker: Waker,
    inward: Mutex<VecDeque<Queued>>,
    outward: Mutex<VecDeque<Queued>>,
}

impl Wire {
    /// Sends towards the gateway. False if its queue is full and the packet is lost.
    pub fn push(&self, packet: Queued) -> bool {
        let queued = enqueue(&self.0.inward, packet).is_ok();
        self.0.waker.ring();
        queued
    }

    /// Takes the oldest packet that the gateway has sent.
    #[must_use]
    pub fn pop(&self) -> Option<Queued> {
        lock(&self.0.outward).pop_front()
    }

    /// Packets on their way to the gateway that it has not received yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        lock(&self.0.inward).len()
    }

    fn recv(&self, batch: &mut [Packet], wait: Duration, fill: impl Fn(&mut Packet, &Queued) -> bool) -> usize {
        let limit = batch.len().min(MAX_BATCH);
        let take = || {
            let mut inward = lock(&self.0.inward);
            let count = inward.len().min(limit);
            (count > 0).then(|| inward.drain(..count).collect::<Vec<_>>())
        };
        let taken = self.0.waker.wait(wait.min(MAX_WAIT), take).unwrap_or_default();
        let mut filled = 0;
        for queued in &taken {
            if fill(&mut batch[filled], queued) {
                filled += 1;
            }
        }
        filled
    }

    fn send_all(&self, batch: &[Packet], which: &[usize], queued: impl Fn(&Packet) -> Queued) -> usize {
        which.iter().filter(|&&n| self.send(queued(&batch[n])).is_err()).count()
    }

    fn send(&self, packet: Queued) -> io::Result<()> {
        enqueue(&self.0.outward, packet)
    }
}

fn enqueue(queue: &Mutex<VecDeque<Queued>>, packet: Queued) -> io::Result<()> {
    let mut queue = lock(queue);
    if queue.len() == QUEUE_LEN {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    queue.push_back(packet);
    Ok(())
}

fn lock(queue: &Mutex<VecDeque<Queued>>) -> MutexGuard<'_, VecDeque<Queued>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

struct VirtualLan(Wire);

impl LanPort for VirtualLan {
    fn recv(&self, batch: &mut [Packet], wait: Duration) -> io::Result<usize> {
        Ok(self.0.recv(batch, wait, |packet, queued| {
            let Some(room) = packet.memory_mut().get_mut(framing::ETH_AT..framing::ETH_AT + queued.bytes.len()) else {
                return false;
            };
            room.copy_from_slice(&queued.bytes);
            let tag = Some(queued.vlan.0);
            if !framing::received_frame(packet, queued.bytes.len(), VnetHeader::default(), tag) {
                return false;
            }
            packet.vnet = queued.vnet;
            true
        }))
    }

    fn send(&self, batch: &mut [Packet], which: &[usize]) -> usize {
        self.0.send_all(batch, which, |packet| Queued {
            bytes: packet.frame().to_vec(),
            vlan: packet.vlan,
            vnet: packet.vnet,
        })
    }

    fn send_frame(&self, vlan: Vlan, frame: &[u8]) -> io::Result<()> {
        self.0.send(Queued { vlan, ..Queued::plain(frame) })
    }
}

struct VirtualTun(Wire);

impl TunPort for VirtualTun {
    fn recv(&self, batch: &mut [Packet], wait: Duration) -> io::Result<usize> {
        Ok(self.0.recv(batch, wait, |packet, queued| {
            let at = fastpath::port::HEADROOM;
            let Some(room) = packet.memory_mut().get_mut(at..at + queued.bytes.len()) else { return false };
            room.copy_from_slice(&queued.bytes);
            packet.set_l3_len(queued.bytes.len());
            packet.vlan = Vlan::NONE;
            packet.vnet = queued.vnet;
            true
        }))
    }

    fn send(&self, batch: &mut [Packet], which: &[usize]) -> usize {
        self.0.send_all(batch, which, |packet| Queued {
            bytes: packet.l3().to_vec(),
            vlan: Vlan::NONE,
            vnet: packet.vnet,
        })
    }

    fn segmentation(&self) -> Segmentation {
        Segmentation { tcp: true, udp: true }
    }
}

#[cfg(test)]
#[path = "virtual_tests.rs"]
mod tests;
