//! Any frame as UDP in IPv4.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::build::{Checksum, UdpDatagram, udp4};
use wire::frame::{Ipv4, Transport};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(ip) = Ipv4::parse(bytes) {
        assert!(!ip.to_string().contains('\n'));
        assert!(usize::from(ip.total_len) <= bytes.len() && usize::from(ip.header_len) <= usize::from(ip.total_len));
    }
    let trusted = UdpDatagram::parse(bytes, Checksum::Trust);
    let Ok(datagram) = UdpDatagram::parse(bytes, Checksum::Verify) else { return };
    assert_eq!(trusted, Ok(datagram), "who trusts takes all that who verifies takes");
    assert!(!datagram.to_string().contains('\n'));
    let ip = Ipv4::parse(&bytes[14..]).expect("the packet path takes what the servers take");
    assert_eq!(ip.transport, Transport::Udp { source: datagram.sport, destination: datagram.dport });
    let mut again = Vec::new();
    if udp4(&mut again, &datagram).is_ok() {
        assert_eq!(UdpDatagram::parse(&again, Checksum::Verify), Ok(datagram));
    }
    let mut answer = Vec::new();
    if udp4(&mut answer, &datagram.answer(b"!")).is_ok() {
        assert!(UdpDatagram::parse(&answer, Checksum::Verify).is_ok());
    }
});
