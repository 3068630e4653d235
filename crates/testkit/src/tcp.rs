//! A web client on a bad network: TCP as RFC 9293 has it, written for nothing but to find out whether a server is one,
//! over a LAN that loses, repeats and reorders. Dice decide what happens; with dice that always show 0 all goes well.

use std::net::SocketAddrV4;

use wire::frame::tcp_flags::{ACK, FIN, SYN};
use wire::vnet::VnetHeader;

use crate::packet::{self, Seen};
use crate::{Guest, Lab};

/// A number below the bound, which is not 0.
pub type Roll<'a> = &'a mut dyn FnMut(usize) -> usize;

/// Turns after which a conversation that has not ended is one that never will.
const MAX_TURNS: usize = 20_000;
/// Packets that the network may lose, repeat or bring too late before it behaves: else a conversation might never end.
const MAX_MISHAPS: usize = 100;
/// Where the client's numbers begin: near their wrap.
const ISS: u32 = 0xffff_ffff - 700;

/// What the client does.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    /// Its own port.
    pub port: u16,
    /// The server.
    pub to: SocketAddrV4,
    /// What it sends, in whatever pieces.
    pub request: &'a [u8],
    /// It closes its side before it has an answer.
    pub closes_early: bool,
}

/// Visits a server until both sides have closed; returns what it sent.
///
/// # Panics
/// If the gateway is no TCP, answers one packet with two, or leaves the connection open.
pub fn visit(lab: &mut Lab, guest: Guest, visit: &Visit<'_>, roll: Roll<'_>) -> Vec<u8> {
    let mut client = Client::new(guest.socket(lab, visit.port), visit);
    let mut up: Vec<(Vec<u8>, VnetHeader)> = Vec::new();
    let mut down: Vec<Seen> = Vec::new();
    let mut mishaps = 0;
    for _ in 0..MAX_TURNS {
        client.send(&mut up, roll);
        if client.is_done() {
            break;
        }
        let hasty = mishaps < MAX_MISHAPS && roll(32) == 31;
        mishaps += usize::from(hasty);
        if hasty || up.is_empty() && down.is_empty() {
            client.time_out();
            continue;
        }
        let goes_up = down.is_empty() || !up.is_empty() && roll(2) == 0;
        let waiting = if goes_up { up.len() } else { down.len() };
        let at = if roll(4) == 3 { roll(waiting) } else { 0 };
        let fate = if mishaps < MAX_MISHAPS { roll(8) } else { 0 };
        let (lost, repeated) = (fate == 6, fate == 7);
        mishaps += usize::from(lost || repeated);
        if goes_up {
            let (l3, vnet) = if repeated { up[at].clone() } else { up.remove(at) };
            if !lost {
                guest.sends_super(lab, &l3, vnet);
                let answers = guest.receives(lab);
                assert!(answers.len() <= 1, "one packet is answered with {answers:?}");
                down.extend(answers);
            }
        } else {
            let seen = if repeated { down[at].clone() } else { down.remove(at) };
            if !lost {
                client.receive(&seen);
            }
        }
    }
    assert!(client.is_done(), "the connection stays open: {client:?}");
    client.received
}

#[derive(Debug)]
struct Client<'a> {
    from: SocketAddrV4,
    to: SocketAddrV4,
    request: &'a [u8],
    closes_early: bool,
    /// Octets of the request that the program has written so far.
    written: u32,
    /// What is acknowledged, sent next, and was ever sent, counted from the SYN, which is 0.
    una: u32,
    next: u32,
    most: u32,
    window: u32,
    /// The next octet that we want, once the server's SYN has come.
    wanted: Option<u32>,
    owes_ack: bool,
    received: Vec<u8>,
    server_closed: bool,
}

impl<'a> Client<'a> {
    fn new(from: SocketAddrV4, visit: &Visit<'a>) -> Self {
        Self {
            from,
            to: visit.to,
            request: visit.request,
            closes_early: visit.closes_early,
            written: 0,
            una: 0,
            next: 0,
            most: 0,
            window: 0,
            wanted: None,
            owes_ack: false,
            received: Vec::new(),
            server_closed: false,
        }
    }

    fn is_done(&self) -> bool {
        self.server_closed && !self.owes_ack && self.una == self.len() + 2
    }

    fn len(&self) -> u32 {
        self.request.len() as u32
    }

    /// Nothing comes any more, or only late: what is not acknowledged is sent again.
    fn time_out(&mut self) {
        self.next = self.una;
    }

    fn send(&mut self, out: &mut Vec<(Vec<u8>, VnetHeader)>, roll: Roll<'_>) {
        if self.wanted.is_none() {
            if self.next == 0 {
                let early = if roll(8) == 7 { self.request } else { &[] };
                out.push((self.segment(0, SYN, &early[..early.len().min(400)]), VnetHeader::default()));
                self.sent_to(1);
            }
            return;
        }
        self.write(roll);
        while self.next <= self.written {
            let room = (self.una + self.window).saturating_sub(self.next).min(self.written + 1 - self.next);
            if room == 0 {
                break;
            }
            let super_packet = roll(4) == 3;
            let most = if super_packet { room } else { room.min(1220) };
            let size = if roll(2) == 0 { most } else { 1 + roll(most as usize) as u32 };
            let end = self.next + size;
            let fin = self.may_close() && end == self.len() + 1 && roll(2) == 1;
            let from = self.next as usize - 1;
            let payload = &self.request[from..from + size as usize];
            let mut l3 = self.segment(self.next, if fin { FIN | ACK } else { ACK }, payload);
            let vnet = if super_packet { packet::make_super(&mut l3, 1220) } else { VnetHeader::default() };
            out.push((l3, vnet));
            self.sent_to(end + u32::from(fin));
        }
        if self.may_close() && self.next == self.len() + 1 {
            out.push((self.segment(self.next, FIN | ACK, &[]), VnetHeader::default()));
            self.sent_to(self.next + 1);
        }
        if self.owes_ack {
            out.push((self.segment(self.next, ACK, &[]), VnetHeader::default()));
            self.owes_ack = false;
        }
    }

    /// The program writes some more, or, once it has the answer, no more.
    fn write(&mut self, roll: Roll<'_>) {
        if self.server_closed && roll(2) == 1 {
            self.request = &self.request[..self.written as usize];
        }
        let left = self.len() - self.written;
        if left > 0 {
            self.written += if roll(2) == 0 { left } else { 1 + roll(left as usize) as u32 };
        }
    }

    fn may_close(&self) -> bool {
        (self.closes_early || self.server_closed) && self.written == self.len()
    }

    fn sent_to(&mut self, next: u32) {
        self.next = next;
        self.most = self.most.max(next);
        self.owes_ack = false;
    }

    fn segment(&self, at: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
        let acknowledgment = self.wanted.unwrap_or_default();
        packet::segment(self.from, self.to, ISS.wrapping_add(at), acknowledgment, flags, payload)
    }

    fn receive(&mut self, seen: &Seen) {
        assert_eq!((seen.from(), seen.to()), (self.to, self.from));
        assert!(seen.has_right_checksums(), "{seen:?}");
        assert!(!seen.is_reset(), "{seen:?} resets {self:?}");
        let (sequence, acknowledgment) = seen.numbers();
        let acknowledged = acknowledgment.wrapping_sub(ISS);
        assert!(seen.has(ACK) && acknowledged <= self.most, "{seen:?} acknowledges what was not sent by {self:?}");
        self.una = self.una.max(acknowledged);
        self.next = self.next.max(self.una);
        self.window = u32::from(seen.window());
        let Some(wanted) = self.wanted else {
            assert!(seen.has(SYN) && acknowledged == 1 && seen.payload().is_empty(), "{seen:?}");
            self.wanted = Some(sequence.wrapping_add(1));
            self.owes_ack = true;
            return;
        };
        let known = wanted.wrapping_sub(sequence) as usize - usize::from(seen.has(SYN));
        assert!(known <= usize::from(u16::MAX), "{seen:?} leaves a hole before it: {self:?}");
        let fin = seen.has(FIN);
        let fresh = seen.payload().get(known..).unwrap_or_default();
        assert!(fresh.is_empty() || !self.server_closed, "{seen:?} comes after the end of {self:?}");
        self.received.extend_from_slice(fresh);
        self.wanted = Some(wanted.wrapping_add(fresh.len() as u32));
        if fin && !self.server_closed && known <= seen.payload().len() {
            self.server_closed = true;
            self.wanted = self.wanted.map(|wanted| wanted.wrapping_add(1));
        }
        self.owes_ack |= fin || seen.has(SYN) || !seen.payload().is_empty();
    }
}
