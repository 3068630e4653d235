//! DNS messages as a phone and a resolver make them.

use std::net::Ipv4Addr;

use wire::dns::{Class, Header, Message, NameBuf, Type};

/// A query with recursion desired.
///
/// # Panics
/// If `name` is not a name.
#[must_use]
pub fn query(id: u16, name: &str, qtype: Type) -> Vec<u8> {
    let mut bytes = Header { id, flags: Header::RD, qdcount: 1, ..Header::default() }.emit().to_vec();
    let _: NameBuf = name.parse().expect("a name");
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend_from_slice(&qtype.0.to_be_bytes());
    bytes.extend_from_slice(&Class::IN.0.to_be_bytes());
    bytes
}

/// A resolver's answer to `query`: these addresses for the name that was asked for.
///
/// # Panics
/// If `query` is none.
#[must_use]
pub fn answer(query: &[u8], addresses: &[Ipv4Addr], ttl_secs: u32) -> Vec<u8> {
    let asked = Message::parse(query).expect("a query");
    let header = Header {
        id: asked.header().id,
        flags: Header::QR | Header::RD | Header::RA,
        qdcount: 1,
        ancount: addresses.len() as u16,
        ..Header::default()
    };
    let mut bytes = header.emit().to_vec();
    bytes.extend_from_slice(asked.question());
    for address in addresses {
        bytes.extend_from_slice(&[0xc0, 12]); // the question's name
        bytes.extend_from_slice(&Type::A.0.to_be_bytes());
        bytes.extend_from_slice(&Class::IN.0.to_be_bytes());
        bytes.extend_from_slice(&ttl_secs.to_be_bytes());
        bytes.extend_from_slice(&4u16.to_be_bytes());
        bytes.extend_from_slice(&address.octets());
    }
    bytes
}

/// The addresses in an answer.
///
/// # Panics
/// If `payload` is no message.
#[must_use]
pub fn addresses(payload: &[u8]) -> Vec<Ipv4Addr> {
    let message = Message::parse(payload).expect("a DNS message");
    message.records().filter_map(|record| record.address()).collect()
}
