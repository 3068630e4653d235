//! TCP for one question and its answer: connect, send a request that fits a segment, read until the server closes.
//!
//! Not smoltcp, which was measured beside: a station with a MAC and an address of its own is an interface there, of 392
//! octets for each guest at rest where it is 12 here, and each poll walks all sockets of its interface. A connection takes
//! 408 octets and fixed buffers there, 80 and its text here; with a single one of them, 1.9 µs of client against 1.2, of
//! which neither matters beside five frames through the kernel. What is left out is what a single question does not
//! need: windows (an answer is smaller than one), reassembly (what comes out of order is asked for again), congestion
//! control (one segment is under way).

use std::net::{Ipv4Addr, SocketAddrV4};

use wire::build::{self, ETHERTYPE_IPV4};
use wire::frame::tcp_flags::{ACK, FIN, RST, SYN};
use wire::{MacAddr, checksum};

const PSH: u8 = 0x08;
const PROTOCOL_TCP: u8 = 6;
const IP_LEN: usize = 20;
const TCP_LEN: usize = 20;
const TTL: u8 = 64;
/// Maximum segment size, of Ethernet.
pub(crate) const MSS: u16 = 1460;
/// An answer larger than this is no answer of a portal.
const MAX_ANSWER: usize = 128 * 1024;

/// A TCP segment with the addresses of its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment<'a> {
    pub(crate) from: SocketAddrV4,
    pub(crate) to: SocketAddrV4,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
    pub(crate) payload: &'a [u8],
}

impl<'a> Segment<'a> {
    /// Reads an IPv4 packet; `None` if it is not a whole TCP segment. Checksums are the device's business: on a virtual
    /// cable they are not even made.
    pub(crate) fn parse(packet: &'a [u8]) -> Option<Self> {
        let ip = packet.first_chunk::<IP_LEN>()?;
        let fragment = u16::from_be_bytes([ip[6], ip[7]]) & 0x3fff;
        if ip[0] >> 4 != 4 || ip[9] != PROTOCOL_TCP || fragment != 0 {
            return None;
        }
        let packet = packet.get(..usize::from(u16::from_be_bytes([ip[2], ip[3]])))?;
        let segment = packet.get(usize::from(ip[0] & 15) * 4..)?;
        let tcp = segment.first_chunk::<TCP_LEN>()?;
        let port = |at: usize| u16::from_be_bytes([tcp[at], tcp[at + 1]]);
        let number = |at: usize| u32::from_be_bytes([tcp[at], tcp[at + 1], tcp[at + 2], tcp[at + 3]]);
        Some(Self {
            from: SocketAddrV4::new(Ipv4Addr::new(ip[12], ip[13], ip[14], ip[15]), port(0)),
            to: SocketAddrV4::new(Ipv4Addr::new(ip[16], ip[17], ip[18], ip[19]), port(2)),
            seq: number(4),
            ack: number(8),
            flags: tcp[13],
            payload: segment.get(usize::from(tcp[12] >> 4) * 4..)?,
        })
    }

    /// Appends the frame that carries it. A SYN has the option for the segment size.
    pub(crate) fn emit(&self, frame: &mut Vec<u8>, eth_src: MacAddr, eth_dst: MacAddr) {
        let options: &[u8] =
            if self.flags & SYN == 0 { &[] } else { &[2, 4, MSS.to_be_bytes()[0], MSS.to_be_bytes()[1]] };
        let tcp_len = (TCP_LEN + options.len() + self.payload.len()) as u16; // a request fits one segment
        build::ethernet(frame, eth_dst, eth_src, ETHERTYPE_IPV4);
        let mut ip = [0; IP_LEN];
        ip[0] = 0x45;
        ip[2..4].copy_from_slice(&(tcp_len + IP_LEN as u16).to_be_bytes());
        ip[6] = 0x40; // not to be fragmented
        ip[8] = TTL;
        ip[9] = PROTOCOL_TCP;
        ip[12..16].copy_from_slice(&self.from.ip().octets());
        ip[16..].copy_from_slice(&self.to.ip().octets());
        let sum = checksum::of(&ip);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        frame.extend_from_slice(&ip);

        let mut tcp = [0; TCP_LEN];
        tcp[..2].copy_from_slice(&self.from.port().to_be_bytes());
        tcp[2..4].copy_from_slice(&self.to.port().to_be_bytes());
        tcp[4..8].copy_from_slice(&self.seq.to_be_bytes());
        tcp[8..12].copy_from_slice(&self.ack.to_be_bytes());
        tcp[12] = ((TCP_LEN + options.len()) as u8 / 4) << 4;
        tcp[13] = self.flags;
        tcp[14..16].copy_from_slice(&u16::MAX.to_be_bytes());
        let sum = checksum::pseudo_v4(*self.from.ip(), *self.to.ip(), PROTOCOL_TCP, tcp_len);
        let sum = checksum::add(checksum::add(checksum::add(sum, &tcp), options), self.payload);
        tcp[16..18].copy_from_slice(&(!checksum::fold(sum)).to_be_bytes());
        frame.extend_from_slice(&tcp);
        frame.extend_from_slice(options);
        frame.extend_from_slice(self.payload);
    }

    /// What is said to a segment of a connection that we do not have (RFC 9293, 3.10.7.1). Nothing to a reset.
    pub(crate) fn reset(&self) -> Option<Segment<'static>> {
        let len = self.payload.len() as u32 + u32::from(self.flags & SYN != 0) + u32::from(self.flags & FIN != 0);
        let (seq, ack, flags) =
            if self.flags & ACK != 0 { (self.ack, 0, RST) } else { (0, self.seq.wrapping_add(len), RST | ACK) };
        (self.flags & RST == 0).then_some(Segment { from: self.to, to: self.from, seq, ack, flags, payload: &[] })
    }
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Our SYN is under way.
    Connecting,
    /// Our request is under way, or the answer.
    Asking,
    /// We have closed and the server has not.
    Closing,
    /// Over.
    Closed,
}

/// What came of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nothing new for the reader.
    Nothing,
    /// More of the answer is there.
    More,
    /// The server has closed.
    Closed,
    /// The server has reset the connection, or refused it.
    Reset,
}

/// A segment that we send; the rest of it follows from the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Say {
    /// Connect.
    Syn,
    /// The request, and the acknowledgement of the server's SYN.
    Request,
    /// An acknowledgement.
    Ack,
    /// The same, and we close.
    Fin,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Tcp {
    local: SocketAddrV4,
    remote: SocketAddrV4,
    state: State,
    /// The number of our SYN.
    start: u32,
    /// The number that the server's next octet has.
    expected: u32,
    /// The server has the request.
    request_arrived: bool,
    /// Segments with data since our last acknowledgement.
    waiting: u32,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Tcp {
    /// A connection that begins with [`Say::Syn`].
    pub(crate) fn new(local: SocketAddrV4, remote: SocketAddrV4, start: u32, request: Vec<u8>) -> Self {
        debug_assert!(request.len() <= usize::from(MSS));
        Self {
            local,
            remote,
            state: State::Connecting,
            start,
            expected: 0,
            request_arrived: false,
            waiting: 0,
            request,
            answer: Vec::new(),
        }
    }

    /// True for segments of this connection.
    pub(crate) fn is(&self, segment: &Segment<'_>) -> bool {
        segment.from == self.remote && segment.to == self.local
    }

    /// What the server has said so far.
    pub(crate) fn answer(&self) -> &[u8] {
        &self.answer
    }

    /// A segment of this connection has come.
    pub(crate) fn handle_segment(&mut self, segment: &Segment<'_>) -> (Progress, Option<Say>) {
        let acknowledges = |number: u32| segment.flags & ACK != 0 && segment.ack == number;
        let after_syn = self.start.wrapping_add(1);
        if segment.flags & RST != 0 {
            // RFC 9293, 3.5.2: believed if it can only come from who has seen our SYN, or what we expect.
            let ours =
                if self.state == State::Connecting { acknowledges(after_syn) } else { segment.seq == self.expected };
            return (if ours { Progress::Reset } else { Progress::Nothing }, None);
        }
        match self.state {
            State::Connecting if segment.flags & SYN != 0 && acknowledges(after_syn) => {
                self.expected = segment.seq.wrapping_add(1);
                self.state = State::Asking;
                (Progress::Nothing, Some(Say::Request))
            }
            State::Connecting | State::Closed => (Progress::Nothing, None),
            State::Asking | State::Closing => {
                self.request_arrived |= acknowledges(self.next());
                self.take(segment)
            }
        }
    }

    fn take(&mut self, segment: &Segment<'_>) -> (Progress, Option<Say>) {
        let fin = segment.flags & FIN != 0;
        // What we have already, as after a retransmission, is cut off in front.
        let new = segment.payload.get(self.expected.wrapping_sub(segment.seq) as usize..);
        let Some(new) = new.filter(|new| segment.flags & SYN == 0 && self.answer.len() + new.len() <= MAX_ANSWER)
        else {
            // Not in order: said again, so that the server sends what is missing (RFC 9293, 3.10.7.4).
            return (Progress::Nothing, Some(Say::Ack));
        };
        if new.is_empty() && !fin {
            return (Progress::Nothing, (!segment.payload.is_empty()).then_some(Say::Ack));
        }
        self.answer.extend_from_slice(new);
        self.expected = self.expected.wrapping_add(new.len() as u32 + u32::from(fin));
        if fin {
            let say = if self.state == State::Closing { Say::Ack } else { Say::Fin };
            self.state = State::Closed;
            return (Progress::Closed, Some(say));
        }
        // At least every second segment is acknowledged (RFC 9293, 3.8.6.3); a last one is with the FIN that follows.
        self.waiting += 1 + u32::from(new.len() > usize::from(MSS));
        if self.waiting < 2 {
            return (Progress::More, None);
        }
        self.waiting = 0;
        (Progress::More, Some(Say::Ack))
    }

    /// We have the whole answer, and the server does not close.
    pub(crate) fn close(&mut self) -> Say {
        self.state = State::Closing;
        Say::Fin
    }

    /// What is to be sent again when nothing has come for long; nothing while the server thinks.
    pub(crate) fn say_again(&self) -> Option<Say> {
        match self.state {
            State::Connecting => Some(Say::Syn),
            State::Asking if self.request_arrived => None,
            State::Asking => Some(Say::Request),
            State::Closing => Some(Say::Fin),
            State::Closed => None,
        }
    }

    /// The segment.
    pub(crate) fn segment(&self, say: Say) -> Segment<'_> {
        let after_syn = self.start.wrapping_add(1);
        let (seq, flags, payload): (_, _, &[u8]) = match say {
            Say::Syn => (self.start, SYN, &[]),
            Say::Request => (after_syn, ACK | PSH, &self.request),
            Say::Ack => (self.next().wrapping_add(u32::from(self.state == State::Closed)), ACK, &[]),
            Say::Fin => (self.next(), FIN | ACK, &[]),
        };
        let ack = if say == Say::Syn { 0 } else { self.expected };
        Segment { from: self.local, to: self.remote, seq, ack, flags, payload }
    }

    /// The number after our request.
    fn next(&self) -> u32 {
        self.start.wrapping_add(1 + self.request.len() as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUEST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 9), 40_000);
    const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 80), 80);

    fn said(seq: u32, ack: u32, flags: u8, payload: &[u8]) -> Segment<'_> {
        Segment { from: SERVER, to: GUEST, seq, ack, flags, payload }
    }

    /// A connection whose request "ask" is under way; the server's first octet has the number 1001.
    fn asking() -> Tcp {
        let mut tcp = Tcp::new(GUEST, SERVER, u32::MAX, b"ask".to_vec());
        assert_eq!(tcp.segment(Say::Syn).seq, u32::MAX);
        assert_eq!(tcp.handle_segment(&said(1000, 0, SYN | ACK, b"")), (Progress::Nothing, Some(Say::Request)));
        tcp
    }

    #[test]
    fn a_question_is_asked_and_its_answer_read_to_the_end() {
        let mut tcp = asking();
        let request = tcp.segment(Say::Request);
        assert_eq!((request.seq, request.ack, request.payload), (0, 1001, &b"ask"[..]));
        assert_eq!(tcp.handle_segment(&said(1001, 3, ACK, b"one")), (Progress::More, None));
        assert_eq!(tcp.handle_segment(&said(1004, 3, ACK, b"two")), (Progress::More, Some(Say::Ack)));
        assert_eq!(tcp.handle_segment(&said(1007, 3, ACK | FIN, b"")), (Progress::Closed, Some(Say::Fin)));
        let fin = tcp.segment(Say::Fin);
        assert_eq!((fin.seq, fin.ack, fin.flags), (3, 1008, FIN | ACK));
        assert_eq!(tcp.answer(), b"onetwo");
    }

    #[test]
    fn what_comes_twice_is_read_once_and_what_comes_too_early_is_asked_for_again() {
        let mut tcp = asking();
        assert_eq!(tcp.handle_segment(&said(1004, 3, ACK, b"two")), (Progress::Nothing, Some(Say::Ack)));
        tcp.handle_segment(&said(1001, 3, ACK, b"one"));
        assert_eq!(tcp.handle_segment(&said(1001, 3, ACK, b"one")), (Progress::Nothing, Some(Say::Ack)));
        assert_eq!(tcp.segment(Say::Ack).ack, 1004);
        tcp.handle_segment(&said(1001, 3, ACK | FIN, b"onetwo"));
        assert_eq!(tcp.answer(), b"onetwo");
    }

    #[test]
    fn only_what_is_lost_is_said_again() {
        let mut tcp = Tcp::new(GUEST, SERVER, 7, b"ask".to_vec());
        assert_eq!(tcp.say_again(), Some(Say::Syn));
        tcp.handle_segment(&said(1000, 8, SYN | ACK, b""));
        assert_eq!(tcp.say_again(), Some(Say::Request));
        tcp.handle_segment(&said(1001, 11, ACK, b""));
        assert_eq!(tcp.say_again(), None, "the server has it and thinks");
    }

    #[test]
    fn a_refusal_is_believed_only_of_who_knows_the_connection() {
        let mut tcp = Tcp::new(GUEST, SERVER, 7, Vec::new());
        assert_eq!(tcp.handle_segment(&said(0, 99, RST | ACK, b"")).0, Progress::Nothing);
        assert_eq!(tcp.handle_segment(&said(0, 8, RST | ACK, b"")).0, Progress::Reset);
        let mut tcp = asking();
        assert_eq!(tcp.handle_segment(&said(5, 0, RST, b"")).0, Progress::Nothing);
        assert_eq!(tcp.handle_segment(&said(1001, 0, RST, b"")).0, Progress::Reset);
    }

    #[test]
    fn the_guest_closes_when_the_server_does_not() {
        let mut tcp = asking();
        tcp.handle_segment(&said(1001, 3, ACK, b"all"));
        assert_eq!(tcp.close(), Say::Fin);
        assert_eq!(tcp.handle_segment(&said(1004, 4, ACK | FIN, b"")), (Progress::Closed, Some(Say::Ack)));
        let last = tcp.segment(Say::Ack);
        assert_eq!((last.seq, last.ack), (4, 1005));
    }

    #[test]
    fn a_frame_is_what_a_kernel_would_take() {
        let mut frame = Vec::new();
        let segment = Segment { from: GUEST, to: SERVER, seq: 1, ack: 2, flags: ACK | PSH, payload: b"odd" };
        segment.emit(&mut frame, MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 2]));
        let packet = &frame[build::ETHERNET_LEN..];
        assert_eq!(Segment::parse(packet), Some(segment));
        assert_eq!(checksum::of(&packet[..IP_LEN]), 0);
        let sum = checksum::pseudo_v4(*GUEST.ip(), *SERVER.ip(), PROTOCOL_TCP, (TCP_LEN + 3) as u16);
        assert_eq!(checksum::fold(checksum::add(sum, &packet[IP_LEN..])), 0xffff);
        for len in 0..packet.len() {
            assert_eq!(Segment::parse(&packet[..len]), None, "{len} octets");
        }
    }

    #[test]
    fn strangers_are_reset() {
        let reset = said(5, 77, ACK | FIN, b"xy").reset().unwrap();
        assert_eq!((reset.seq, reset.flags, reset.to), (77, RST, SERVER));
        let reset = said(5, 0, SYN, b"").reset().unwrap();
        assert_eq!((reset.ack, reset.flags), (6, RST | ACK));
        assert_eq!(said(5, 0, RST, b"").reset(), None);
    }
}
