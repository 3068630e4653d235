//! The phone: a DHCP client and a resolver's client. TCP is that of the kernel.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use fastpath::port::{LanPort, Packet};
use platform::MAX_WAIT;
use platform::netns::Netns;
use wire::MacAddr;
use wire::build::{self, Checksum, UdpDatagram};
use wire::dhcp::{self, Message, MessageType, code};
use wire::dns::{self, Class, Header, NameBuf, Type};

use super::network::{PHONE, PHONE_MAC};

/// The name that the phone gives itself.
const HOSTNAME: &str = "phone";
/// How often a question is repeated, and how long each time is waited for the answer. The gateway looks for half a
/// second whether somebody else has the address before it offers it.
const TRIES: u32 = 4;
const PATIENCE: Duration = Duration::from_secs(2);

/// What the phone was given.
pub(super) struct Lease {
    pub(super) address: Ipv4Addr,
    pub(super) prefix: u8,
    pub(super) router: Ipv4Addr,
    pub(super) resolver: Ipv4Addr,
    pub(super) time: Duration,
}

/// Asks for a lease: discover, offer, request, acknowledgement (RFC 2131, 3.1).
pub(super) fn ask_for_lease(guest: &Netns) -> anyhow::Result<Lease> {
    let port = guest.open(PHONE)?;
    let mut xid = [0; 4];
    crate::dice(&mut xid);
    let xid = u32::from_be_bytes(xid);
    let mut discover = Message::request(MessageType::Discover, xid, PHONE_MAC);
    let wanted = [code::SUBNET_MASK, code::ROUTER, code::DNS, code::CAPTIVE_PORTAL];
    discover.options.push(code::HOST_NAME, HOSTNAME.as_bytes());
    discover.options.push(code::PARAMETER_LIST, &wanted);
    let offer = exchange(&*port, &discover, MessageType::Offer)?;

    let mut request = discover;
    request.options = dhcp::OptionList::default();
    request.options.push(code::MESSAGE_TYPE, &[MessageType::Request.into()]);
    request.options.push(code::REQUESTED_ADDRESS, &offer.yiaddr.octets());
    request.options.push(code::SERVER_ID, offer.options.get(code::SERVER_ID).context("the offer names no server")?);
    request.options.push(code::HOST_NAME, HOSTNAME.as_bytes());
    request.options.push(code::PARAMETER_LIST, &wanted);
    let ack = exchange(&*port, &request, MessageType::Ack)?;

    let number = |code: u8, what: &str| {
        let data = ack.options.get(code).and_then(|data| data.first_chunk::<4>());
        data.copied().map(u32::from_be_bytes).with_context(|| format!("the lease has no {what}"))
    };
    Ok(Lease {
        address: ack.yiaddr,
        prefix: number(code::SUBNET_MASK, "subnet mask")?.leading_ones() as u8,
        router: number(code::ROUTER, "router")?.into(),
        resolver: number(code::DNS, "DNS server")?.into(),
        time: Duration::from_secs(number(code::LEASE_TIME, "end")?.into()),
    })
}

/// Configures the phone's kernel.
pub(super) fn use_lease(guest: &Netns, lease: &Lease) -> platform::Result<()> {
    guest.add_address(PHONE, lease.address, lease.prefix)?;
    guest.add_route((Ipv4Addr::UNSPECIFIED, 0), PHONE, lease.router)
}

fn exchange(port: &dyn LanPort, message: &Message, wanted: MessageType) -> anyhow::Result<Message> {
    let mut payload = Vec::new();
    message.emit(&mut payload, dhcp::MIN_LIMIT);
    let mut frame = Vec::new();
    let datagram = UdpDatagram {
        eth_src: PHONE_MAC,
        eth_dst: MacAddr::BROADCAST,
        src: Ipv4Addr::UNSPECIFIED,
        dst: Ipv4Addr::BROADCAST,
        sport: dhcp::CLIENT_PORT,
        dport: dhcp::SERVER_PORT,
        payload: &payload,
    };
    build::udp4(&mut frame, &datagram).map_err(|error| anyhow::anyhow!("DHCP: {error}"))?;
    let mut batch: Vec<Packet> = (0..8).map(|_| Packet::new()).collect();
    for _ in 0..TRIES {
        port.send_frame(wire::Vlan::NONE, &frame)?;
        let sent = Instant::now();
        while sent.elapsed() < PATIENCE {
            let count = port.recv(&mut batch, MAX_WAIT)?;
            if let Some(reply) = batch.iter().take(count).find_map(|packet| reply(packet.frame(), message.xid)) {
                match reply.0 {
                    kind if kind == wanted => return Ok(reply.1),
                    kind => bail!("the gateway answers DHCP {kind:?} where {wanted:?} was expected"),
                }
            }
        }
    }
    bail!("nobody answers DHCP {}", dhcp::Packet::describe(&payload))
}

fn reply(frame: &[u8], xid: u32) -> Option<(MessageType, Message)> {
    let datagram = UdpDatagram::parse(frame, Checksum::Trust).ok()?;
    if datagram.dport != dhcp::CLIENT_PORT {
        return None;
    }
    let kind = dhcp::Packet::parse(datagram.payload).ok()?.message_type();
    let message = Message::parse(datagram.payload).ok()?;
    (message.xid == xid && message.op == dhcp::BOOTREPLY).then_some((kind, message))
}

/// Asks a resolver for the address of a name.
pub(super) fn resolve(resolver: Ipv4Addr, name: &str) -> anyhow::Result<Ipv4Addr> {
    let mut id = [0; 2];
    crate::dice(&mut id);
    let id = u16::from_be_bytes(id);
    let mut question = Header { id, flags: Header::RD, qdcount: 1, ..Header::default() }.emit().to_vec();
    let qname: NameBuf = name.parse()?;
    for label in qname.as_name().labels() {
        question.push(label.len() as u8);
        question.extend_from_slice(label);
    }
    question.push(0);
    question.extend_from_slice(&Type::A.0.to_be_bytes());
    question.extend_from_slice(&Class::IN.0.to_be_bytes());

    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((resolver, 53))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut buffer = [0; 1500];
    for _ in 0..TRIES {
        socket.send(&question)?;
        let Ok(len) = socket.recv(&mut buffer) else { continue };
        let answer = dns::Message::parse(&buffer[..len]).map_err(|error| anyhow::anyhow!("DNS: {error}"))?;
        if answer.header().id != id {
            continue;
        }
        let address = answer.records().find_map(|record| record.address());
        return address.with_context(|| format!("no address of {name} in {}", dns::line(&buffer[..len])));
    }
    bail!("{resolver} does not answer DNS")
}
