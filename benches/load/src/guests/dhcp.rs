//! A guest's DHCP client: discover, offer, request, acknowledgement (RFC 2131, 3.1). No ARP check of the address.

use std::net::Ipv4Addr;

use wire::MacAddr;
use wire::build::{self, UdpDatagram};
use wire::dhcp::{self, Message, MessageType, Packet, code};

/// Where fields are in a message (RFC 2131, 2), and where [`Templates`] puts its options.
const XID: usize = 4;
const CHADDR: usize = 28;
const REQUESTED: usize = 245;
const SERVER: usize = 251;

/// The messages of all guests, into which one's own numbers are written.
#[derive(Debug)]
pub(crate) struct Templates {
    discover: Vec<u8>,
    request: Vec<u8>,
}

impl Templates {
    pub(crate) fn new() -> Self {
        let message = |kind, options: &[u8]| {
            let mut message = Message::request(kind, 0, MacAddr::ZERO);
            for &code in options {
                message.options.push(code, &[0; 4]);
            }
            message.options.push(code::PARAMETER_LIST, &[code::SUBNET_MASK, code::ROUTER, code::DNS]);
            let mut octets = Vec::new();
            message.emit(&mut octets, dhcp::MIN_LIMIT);
            octets
        };
        Self {
            discover: message(MessageType::Discover, &[]),
            request: message(MessageType::Request, &[code::REQUESTED_ADDRESS, code::SERVER_ID]),
        }
    }
}

/// One exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    xid: u32,
    /// The address and the server of the first offer.
    offer: Option<(Ipv4Addr, Ipv4Addr)>,
}

/// What came of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Not for this exchange.
    Nothing,
    /// There is an offer; the request is to be sent.
    Offered,
    /// There is a lease.
    Leased(Lease),
    /// The server said no.
    Refused,
}

/// What the guest was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) address: Ipv4Addr,
    pub(crate) router: Option<Ipv4Addr>,
}

impl Client {
    pub(crate) fn new(xid: u32) -> Self {
        Self { xid, offer: None }
    }

    /// True from the offer on.
    pub(crate) fn has_offer(&self) -> bool {
        self.offer.is_some()
    }

    /// Appends the frame of the message that is to be sent now.
    pub(crate) fn emit(&self, templates: &mut Templates, mac: MacAddr, frame: &mut Vec<u8>) {
        let payload = match self.offer {
            None => &mut templates.discover,
            Some((address, server)) => {
                templates.request[REQUESTED..][..4].copy_from_slice(&address.octets());
                templates.request[SERVER..][..4].copy_from_slice(&server.octets());
                &mut templates.request
            }
        };
        payload[XID..][..4].copy_from_slice(&self.xid.to_be_bytes());
        payload[CHADDR..][..6].copy_from_slice(&mac.0);
        let datagram = UdpDatagram {
            eth_src: mac,
            eth_dst: MacAddr::BROADCAST,
            src: Ipv4Addr::UNSPECIFIED,
            dst: Ipv4Addr::BROADCAST,
            sport: dhcp::CLIENT_PORT,
            dport: dhcp::SERVER_PORT,
            payload,
        };
        build::udp4(frame, &datagram).expect("a DHCP message is a few hundred octets");
    }

    pub(crate) fn handle_answer(&mut self, answer: &Packet<'_>) -> Progress {
        if answer.op() != dhcp::BOOTREPLY || answer.xid() != self.xid {
            return Progress::Nothing;
        }
        match (answer.message_type(), self.offer) {
            (MessageType::Offer, None) => match answer.address(code::SERVER_ID) {
                Some(server) => {
                    self.offer = Some((answer.yiaddr(), server));
                    Progress::Offered
                }
                None => Progress::Nothing,
            },
            (MessageType::Ack, Some(_)) => {
                Progress::Leased(Lease { address: answer.yiaddr(), router: answer.address(code::ROUTER) })
            }
            (MessageType::Nak, Some(_)) => Progress::Refused,
            _ => Progress::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::build::Checksum;

    fn sent(client: &Client, mac: MacAddr) -> Vec<u8> {
        let mut frame = Vec::new();
        client.emit(&mut Templates::new(), mac, &mut frame);
        frame
    }

    #[test]
    fn the_numbers_are_where_a_server_looks_for_them() {
        let mac = MacAddr([2, 0, 0, 1, 2, 3]);
        let mut client = Client::new(0x1234_5678);
        let frame = sent(&client, mac);
        let datagram = UdpDatagram::parse(&frame, Checksum::Verify).unwrap();
        let discover = Packet::parse(datagram.payload).unwrap();
        assert_eq!(
            (discover.message_type(), discover.xid(), discover.mac()),
            (MessageType::Discover, 0x1234_5678, Some(mac))
        );

        client.offer = Some((Ipv4Addr::new(10, 0, 0, 7), Ipv4Addr::new(10, 0, 0, 1)));
        let frame = sent(&client, mac);
        let datagram = UdpDatagram::parse(&frame, Checksum::Verify).unwrap();
        let request = Packet::parse(datagram.payload).unwrap();
        assert_eq!(request.message_type(), MessageType::Request);
        assert_eq!(request.address(code::REQUESTED_ADDRESS), Some(Ipv4Addr::new(10, 0, 0, 7)));
        assert_eq!(request.address(code::SERVER_ID), Some(Ipv4Addr::new(10, 0, 0, 1)));
        assert_eq!((request.xid(), request.mac()), (0x1234_5678, Some(mac)));
    }
}
