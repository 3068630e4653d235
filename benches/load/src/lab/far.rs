//! The far end: servers that send back what they get, and a flood towards the guests through the doors that NAT has
//! opened for them.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use platform::netns::{Netns, RawPort};
use platform::raw::{Ignored, Inbox, Outbox};
use wire::MacAddr;
use wire::build::{Checksum, ETHERNET_LEN, UdpDatagram};

use super::network::{ECHO_PORT, FAR, FLOOD_PORT, is_server};
use crate::drive::Pace;
use crate::guests::traffic::{self, PACKET_LEN, PAYLOAD_LEN, Stamp};

const BATCH: usize = 64;
/// Between two looks whether it is to end.
const NAP: Duration = Duration::from_millis(100);

/// Flood packets are counted by the interface and dropped there: to copy them costs what is to be measured.
pub(crate) const FLOOD: Ignored = Ignored { udp_port: FLOOD_PORT, ip_len: PACKET_LEN };

/// The way to a guest: as its packets look on this side of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Door {
    eth: (MacAddr, MacAddr),
    from: SocketAddrV4,
    to: SocketAddrV4,
}

/// The servers.
pub(crate) struct Far {
    port: Arc<RawPort>,
    doors: Arc<Mutex<BTreeMap<u32, Door>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Far {
    pub(crate) fn start(internet: &Netns) -> anyhow::Result<Self> {
        let port = Arc::new(internet.open_raw(FAR, Some(FLOOD))?);
        let (doors, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let server = Server { port: Arc::clone(&port), doors: Arc::clone(&doors), stop: Arc::clone(&stop) };
        let thread = thread::Builder::new().name("servers".into()).spawn(move || server.serve())?;
        Ok(Self { port, doors, stop, thread: Some(thread) })
    }

    /// Guests whose door is known.
    pub(crate) fn doors(&self) -> usize {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// True if a guest's door is known.
    pub(crate) fn knows(&self, guest: u32) -> bool {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&guest)
    }

    /// Packets to all guests below `guests` whose door is known, in turn, beginning with `first`. Returns how many.
    pub(crate) fn flood(&self, (first, guests): (u32, u32), pace: Pace) -> io::Result<u64> {
        let doors: Vec<(u32, Door)> = {
            let doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
            doors.range(first..guests).chain(doors.range(..first)).map(|(guest, door)| (*guest, *door)).collect()
        };
        let (began, mut sent, mut outbox) = (Instant::now(), 0, Outbox::default());
        let mut everybody = doors.iter().cycle();
        while began.elapsed() < pace.time && !doors.is_empty() {
            pace.wait(began, sent);
            for (guest, door) in everybody.by_ref().take(BATCH) {
                let payload = Stamp { guest: *guest, sent: Duration::ZERO }.emit();
                outbox.push(|frame| traffic::emit(frame, door.eth, door.from, door.to, &payload));
            }
            sent += outbox.len() as u64;
            sent -= self.port.send(&mut outbox)? as u64;
        }
        Ok(sent)
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join); // a panic has been told already
    }
}

/// What opens a guest's door: a stamp, longer than a flood's, so that it is seen.
pub(crate) fn announcement(guest: u32) -> Vec<u8> {
    let mut payload = Stamp { guest, sent: Duration::ZERO }.emit().to_vec();
    payload.resize(PAYLOAD_LEN + 2, 0);
    payload
}

struct Server {
    port: Arc<RawPort>,
    doors: Arc<Mutex<BTreeMap<u32, Door>>>,
    stop: Arc<AtomicBool>,
}

impl Server {
    fn serve(self) {
        let (mut inbox, mut outbox) = (Inbox::new(BATCH), Outbox::default());
        while !self.stop.load(Ordering::Relaxed) {
            let served = self.port.recv(&mut inbox).and_then(|count| {
                inbox.frames().for_each(|frame| self.answer(frame, &mut outbox));
                self.port.send(&mut outbox)?;
                if count == 0 { self.port.wait(NAP) } else { Ok(()) }
            });
            if served.is_err() {
                return; // the cable is gone, and the lab with it
            }
        }
    }

    fn answer(&self, frame: &[u8], outbox: &mut Outbox) {
        let Ok(datagram) = UdpDatagram::parse(frame, Checksum::Trust) else { return };
        if !is_server(datagram.dst) {
            return;
        }
        match datagram.dport {
            ECHO_PORT => outbox.push(|octets| {
                let start = octets.len();
                octets.extend_from_slice(frame);
                turn_around(&mut octets[start..]);
            }),
            FLOOD_PORT => {
                let Some(Stamp { guest, .. }) = Stamp::parse(datagram.payload) else { return };
                let door = Door {
                    eth: (datagram.eth_dst, datagram.eth_src),
                    from: SocketAddrV4::new(datagram.dst, datagram.dport),
                    to: SocketAddrV4::new(datagram.src, datagram.sport),
                };
                self.doors.lock().unwrap_or_else(PoisonError::into_inner).insert(guest, door);
            }
            _ => {}
        }
    }
}

/// Swaps both ends of a UDP frame without IP options. No checksum changes: a sum does not know the order.
fn turn_around(frame: &mut [u8]) {
    let (ip, udp) = (ETHERNET_LEN, ETHERNET_LEN + 20);
    for (start, len) in [(0, 6), (ip + 12, 4), (udp, 2)] {
        if let Some(ends) = frame.get_mut(start..start + 2 * len) {
            let (one, other) = ends.split_at_mut(len);
            one.swap_with_slice(other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn what_is_turned_around_is_the_answer_with_right_checksums() {
        let (guest, server) = (MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 2]));
        let from = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 9), 20_000);
        let to = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 7), ECHO_PORT);
        let (mut frame, mut expected) = (Vec::new(), Vec::new());
        traffic::emit(&mut frame, (guest, server), from, to, b"hello");
        traffic::emit(&mut expected, (server, guest), to, from, b"hello");
        turn_around(&mut frame);
        assert_eq!(frame, expected);
        assert!(UdpDatagram::parse(&frame, Checksum::Verify).is_ok());
    }
}
