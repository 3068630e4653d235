//! ARP messages, from any of three stations: `station, has a lease and looks abroad (1 each), message`.
#![no_main]

use std::net::Ipv4Addr;

use engine::arp::{Outcome, Responder};
use libfuzzer_sys::fuzz_target;
use poblano_fuzz::{Input, start};
use wire::arp::Arp;
use wire::{GuestKey, MacAddr, Vlan, build};

const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const GATEWAY_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let mut responder = Responder::new(GATEWAY, GATEWAY_MAC);
    let mut defended = false;
    while !input.is_empty() {
        let key = GuestKey { lan: 0, vlan: Vlan::NONE, mac: MacAddr([2, 0, 0, 0, 0, input.u8() % 3]) };
        let how = input.u8();
        let (leased, abroad) = ((how & 1 != 0).then_some(Ipv4Addr::new(10, 1, 0, 2)), how & 2 != 0);
        let message = input.bytes(30);
        assert!(!Arp::describe(message).to_string().contains('\n'));
        let Ok(arp) = Arp::parse(message) else { continue };
        assert_eq!(Arp::parse(&arp.emit()), Ok(arp));
        match responder.handle(start(), key, leased, abroad, &arp) {
            Outcome::Answer(frame) => {
                assert_eq!(frame[..6], key.mac.0, "to who asked and nobody else");
                let answer = Arp::parse(&frame[build::ETHERNET_LEN..]).expect("what we make can be read");
                assert_eq!((answer.sender, answer.sender_mac), (arp.target, GATEWAY_MAC));
                assert!(arp.target == GATEWAY || (abroad && !arp.is_probe() && arp.target != arp.sender));
                assert!(arp.is_probe() || leased == Some(arp.sender));
            }
            Outcome::Defend(_) => {
                assert!(!defended, "no time has passed");
                defended = true;
            }
            Outcome::Silent(_) => {}
        }
    }
});
