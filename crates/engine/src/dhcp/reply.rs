//! What a reply holds, and where it goes.

use super::config::{Host, is_reserved};
use super::request::Question;
use super::{Output, Server};
use std::net::Ipv4Addr;
use std::time::Duration;
use wire::MacAddr;
use wire::build::{self, UdpDatagram};
use wire::dhcp::{self, Message, MessageType, OptionList, code};

/// An option's longest value.
const MAX_URI: usize = 255;

/// What differs from reply to reply.
pub(super) struct Reply {
    pub(super) message_type: MessageType,
    pub(super) address: Ipv4Addr,
    pub(super) ciaddr: Ipv4Addr,
    pub(super) lease: Option<Duration>,
}

impl Reply {
    pub(super) fn new(message_type: MessageType) -> Self {
        Self { message_type, address: Ipv4Addr::UNSPECIFIED, ciaddr: Ipv4Addr::UNSPECIFIED, lease: None }
    }
}

impl Server {
    pub(super) fn send(&mut self, question: &Question<'_>, reply: Reply) {
        let message = self.compose(question, &reply);
        let mut payload = Vec::new();
        message.emit(&mut payload, question.packet.reply_limit());
        let (eth_dst, dst, dport) = destination(question, &reply);
        let datagram = UdpDatagram {
            eth_src: self.config.gateway_mac,
            eth_dst,
            src: self.config.gateway,
            dst,
            sport: dhcp::SERVER_PORT,
            dport,
            payload: &payload,
        };
        let mut frame = Vec::new();
        // A message keeps to the client's limit of two octets, so it always fits a datagram.
        if build::udp4(&mut frame, &datagram).is_ok() {
            self.outputs.push_back(Output::Send { lan: question.key.lan, vlan: question.key.vlan, frame });
        }
    }

    /// RFC 2131, table 3.
    fn compose(&self, question: &Question<'_>, reply: &Reply) -> Message {
        let packet = &question.packet;
        let mut message = Message::reply(packet, reply.message_type);
        message.yiaddr = reply.address;
        message.ciaddr = reply.ciaddr;
        message.options.push(code::SERVER_ID, &self.config.gateway.octets());
        if let Some(lease) = reply.lease {
            let secs = u32::try_from(lease.as_secs()).unwrap_or(u32::MAX);
            message.options.push(code::LEASE_TIME, &secs.to_be_bytes());
            // RFC 2131, 4.4.5: the defaults, said aloud for clients that would not compute them.
            message.options.push(code::RENEWAL_TIME, &(secs / 2).to_be_bytes());
            message.options.push(code::REBINDING_TIME, &(secs - secs / 8).to_be_bytes());
        }
        if reply.message_type == MessageType::Nak {
            message.options.push(code::MESSAGE, b"address not available");
            // RFC 2131, 4.3.2: so that the relay broadcasts it to a client whose address is wrong.
            if !packet.giaddr().is_unspecified() {
                message.flags |= dhcp::FLAG_BROADCAST;
            }
        } else {
            let host = self.host(question.key);
            let host = host.as_deref();
            if let Some(host) = host {
                message.siaddr = host.next_server.unwrap_or(Ipv4Addr::UNSPECIFIED);
                message.file = host.filename.as_deref().unwrap_or_default().into();
            }
            let list = packet.option(code::PARAMETER_LIST).unwrap_or_default();
            let mut parameters = self.parameters(host, reply.address, &list);
            let address = if reply.address.is_unspecified() { reply.ciaddr } else { reply.address };
            if let Some(uri) = self.captive_portal(question, address)
                && !parameters.contains(code::CAPTIVE_PORTAL)
            {
                parameters.push(code::CAPTIVE_PORTAL, uri.as_bytes());
            }
            // RFC 2132, 9.8: in the order of the client's list, as far as we have them, then the others.
            for &code in list.iter() {
                if let Some(data) = parameters.get(code).filter(|_| !message.options.contains(code)) {
                    message.options.push(code, data);
                }
            }
            for (code, data) in parameters.iter() {
                if !message.options.contains(code) {
                    message.options.push(code, data);
                }
            }
        }
        // RFC 6842, 3, and RFC 3046, 2.2: as received, the relay's option last.
        for code in [code::CLIENT_ID, code::RELAY_INFORMATION] {
            let relayed = !packet.giaddr().is_unspecified();
            if let Some(data) = packet.option(code).filter(|_| relayed || code != code::RELAY_INFORMATION) {
                message.options.push(code, &data);
            }
        }
        message
    }

    /// The API that this guest asks, if its address fits into the option (RFC 8910, 2.1).
    fn captive_portal(&self, question: &Question<'_>, address: Ipv4Addr) -> Option<String> {
        let mac = question.key.mac;
        let digits: String = mac.0.iter().map(|octet| format!("{octet:02X}")).collect();
        let uri = self.config.captive_portal.as_deref()?;
        let uri = uri.replace("%{m}", &mac.to_string()).replace("%{M}", &digits).replace("%{i}", &address.to_string());
        let uri = uri.replace("%{t}", &question.asked_at.as_secs().to_string());
        (uri.len() <= MAX_URI).then_some(uri)
    }

    /// All that is configured for this guest. It is sent whether asked for or not: an operator who set a
    /// value wants it out, and few clients list what they understand.
    fn parameters(&self, host: Option<&Host>, address: Ipv4Addr, list: &[u8]) -> OptionList {
        let config = &self.config;
        let mut out = OptionList::default();
        let extras = [host.map(|host| &host.options), Some(&config.options)];
        for (&code, data) in extras.into_iter().flatten().flatten() {
            if !is_reserved(code) && !out.contains(code) {
                out.push(code, data);
            }
        }
        let mut add = |code: u8, data: &[u8]| {
            if !data.is_empty() && !out.contains(code) {
                out.push(code, data);
            }
        };
        let gateway = config.gateway.octets();
        if config.host_routes {
            add(code::SUBNET_MASK, &[255; 4]);
            // The gateway is on no network of the guest's, so there must be a route to it before the one over it. RFC 3442
            // says it well: 0.0.0.0 as router is the link itself.
            let [a, b, c, d] = gateway;
            add(code::CLASSLESS_ROUTES, &[32, a, b, c, d, 0, 0, 0, 0, 0, a, b, c, d]);
            // Who does not know RFC 3442 is told the same with option 33: to the gateway over itself.
            if !address.is_unspecified() && !list.contains(&code::CLASSLESS_ROUTES) {
                add(code::STATIC_ROUTE, &[gateway, address.octets()].concat());
            }
        } else {
            add(code::SUBNET_MASK, &config.mask().octets());
            if config.prefix_len < 31 {
                add(code::BROADCAST_ADDRESS, &config.broadcast().octets());
            }
        }
        add(code::ROUTER, &gateway);
        add(code::DNS, &addresses(&config.dns));
        add(code::DOMAIN_NAME, config.domain.as_deref().unwrap_or_default().as_bytes());
        add(code::NTP, &addresses(&config.ntp));
        if let Some(mtu) = config.mtu {
            add(code::INTERFACE_MTU, &mtu.to_be_bytes());
        }
        if let Some(host) = host {
            add(code::HOST_NAME, host.hostname.as_deref().unwrap_or_default().as_bytes());
            add(code::ROOT_PATH, host.root_path.as_deref().unwrap_or_default().as_bytes());
            if let Some(next_server) = host.next_server {
                add(code::TFTP_SERVER, next_server.to_string().as_bytes());
            }
            if list.contains(&code::BOOT_FILE) {
                add(code::BOOT_FILE, host.filename.as_deref().unwrap_or_default().as_bytes());
            }
        }
        out
    }
}

/// RFC 2131, 4.1: to the relay; a NAK to all; to the address that the client has; to all if it wants that; or to
/// the address that it is just getting, without ARP.
fn destination(question: &Question<'_>, reply: &Reply) -> (MacAddr, Ipv4Addr, u16) {
    let packet = &question.packet;
    let client = dhcp::CLIENT_PORT;
    if !packet.giaddr().is_unspecified() {
        return (question.eth_src, packet.giaddr(), dhcp::SERVER_PORT);
    }
    if reply.message_type == MessageType::Nak {
        return (MacAddr::BROADCAST, Ipv4Addr::BROADCAST, client);
    }
    if !reply.ciaddr.is_unspecified() {
        return (question.key.mac, reply.ciaddr, client);
    }
    if packet.broadcast() || reply.address.is_unspecified() {
        return (MacAddr::BROADCAST, Ipv4Addr::BROADCAST, client);
    }
    (question.key.mac, reply.address, client)
}

fn addresses(list: &[Ipv4Addr]) -> Vec<u8> {
    list.iter().flat_map(Ipv4Addr::octets).collect()
}
