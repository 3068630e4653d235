//! What a RADIUS server is told of a device's question by DHCP, and what it has put into the answer (CoovaChilli's
//! `dhcpradius`). Only the lease that waits for the server can have that.

use std::collections::BTreeMap;

use engine::dhcp::Host;
use radius::attr::chillispot;
use radius::{Attribute, Reply};
use wire::build::{Checksum, UdpDatagram};
use wire::dhcp::{Packet, code};

/// Client FQDN (RFC 4702).
const CLIENT_FQDN: u8 = 81;
/// Microsoft's own classless routes.
const MICROSOFT_ROUTES: u8 = 249;
/// Where a guest's packets go is not a server's to say: it would be past the gateway.
const OURS: [u8; 5] = [code::SUBNET_MASK, code::ROUTER, code::STATIC_ROUTE, code::CLASSLESS_ROUTES, MICROSOFT_ROUTES];

/// Of a frame with a question. What does not fit into an attribute is left out.
pub(super) fn told(frame: &[u8]) -> Vec<Attribute> {
    let Ok(datagram) = UdpDatagram::parse(frame, Checksum::Verify) else { return Vec::new() };
    let Ok(question) = Packet::parse(datagram.payload) else { return Vec::new() };
    let octets = [
        (code::PARAMETER_LIST, chillispot::DHCP_PARAMETER_REQUEST_LIST),
        (code::VENDOR_CLASS, chillispot::DHCP_VENDOR_CLASS_ID),
        (code::CLIENT_ID, chillispot::DHCP_CLIENT_ID),
        (CLIENT_FQDN, chillispot::DHCP_CLIENT_FQDN),
    ];
    let octets = octets.into_iter().filter_map(|(code, attribute)| attribute.of(&question.option(code)?).ok());
    let name = question.option(code::HOST_NAME);
    let name = name.and_then(|name| chillispot::DHCP_HOSTNAME.of(std::str::from_utf8(&name).ok()?).ok());
    octets.chain(name).collect()
}

/// What the lease is to have besides what is configured; none if the server says nothing of it.
pub(super) fn given(accept: &Reply) -> Option<Host> {
    let mut options: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    for all in accept.all(chillispot::DHCP_OPTIONS) {
        let mut rest = &all[..];
        while let [code, length, data @ ..] = rest {
            let Some((data, after)) = data.split_at_checked(usize::from(*length)) else { break };
            if !OURS.contains(code) {
                options.insert(*code, data.to_vec());
            }
            rest = after;
        }
    }
    let servers = [chillispot::DHCP_DNS1, chillispot::DHCP_DNS2].into_iter().filter_map(|server| accept.get(server));
    let servers: Vec<u8> = servers.flat_map(|server| server.octets()).collect();
    let domain = accept.get(chillispot::DHCP_DOMAIN).unwrap_or_default().into_bytes();
    let boot_server = accept.get(chillispot::DHCP_SERVER_NAME).unwrap_or_default().into_bytes();
    let named = [(code::DNS, servers), (code::DOMAIN_NAME, domain), (code::TFTP_SERVER, boot_server)];
    options.extend(named.into_iter().filter(|(_, data)| !data.is_empty()));
    let filename = accept.get(chillispot::DHCP_FILENAME).filter(|name| name.len() <= MAX_FILENAME);
    (filename.is_some() || !options.is_empty()).then(|| Host { filename, options, ..Host::default() })
}

/// Of the field `file` (RFC 2131, 2), without its zero.
const MAX_FILENAME: usize = 127;

#[cfg(test)]
mod tests {
    use radius::{Code, Packet as RadiusPacket, View};

    use super::*;

    fn given_by(attributes: Vec<Attribute>) -> Option<Host> {
        let packet = RadiusPacket { code: Code::AccessAccept, id: 0, authenticator: [0; 16], attributes };
        let bytes = packet.emit().expect("it is short");
        given(&Reply::new(View::parse(&bytes).expect("it was just made")))
    }

    #[test]
    fn a_server_says_what_a_lease_has_but_not_where_packets_go() {
        assert_eq!(given_by(Vec::new()), None);
        let raw = [43, 2, 1, 4, 3, 4, 10, 0, 0, 9, 121, 8, 0, 10, 0, 0, 9, 10, 0, 0, 66, 9, 1];
        let said = vec![
            chillispot::DHCP_DNS2.of([192, 0, 2, 8].into()).expect("it fits"),
            chillispot::DHCP_DOMAIN.of("devices.example").expect("it fits"),
            chillispot::DHCP_FILENAME.of("boot.img").expect("it fits"),
            chillispot::DHCP_GATEWAY.of([10, 0, 0, 9].into()).expect("it fits"),
            chillispot::DHCP_OPTIONS.of(&raw).expect("it fits"),
        ];
        let host = given_by(said).expect("something is said");
        let expected = [(6, vec![192, 0, 2, 8]), (15, b"devices.example".to_vec()), (43, vec![1, 4])];
        assert_eq!(host.options, BTreeMap::from(expected), "what is cut off is left out");
        assert_eq!(host.filename.as_deref(), Some("boot.img"));
    }
}
