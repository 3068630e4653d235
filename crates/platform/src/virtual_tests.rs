use std::net::Ipv4Addr;

use super::*;
use wire::MacAddr;

const WAIT: Duration = Duration::from_secs(1);

fn machine() -> Virtual {
    let interface = Interface {
        name: "lan0".into(),
        index: 1,
        mac: MacAddr([2, 0, 0, 0, 0, 1]),
        mtu: 1500,
        up: true,
        loopback: false,
        ethernet: true,
        master: None,
        lower: None,
        v4: vec![],
    };
    Virtual { interfaces: vec![interface], ..Virtual::default() }
}

fn frame(last: u8) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    frame.extend([0x45, last]);
    frame
}

#[test]
fn a_virtual_lan_carries_frames_both_ways() {
    let mut machine = machine();
    let waker = Waker::new().unwrap();
    assert!(machine.open_lan("lan0", &waker).is_err(), "a LAN must be locked before it is opened");
    machine.lock_lans(&["lan0"]).unwrap();
    let port = machine.open_lan("lan0", &waker).unwrap();
    let wire = machine.wire("lan0").unwrap();
    assert!(wire.push(Queued { vlan: Vlan(7), ..Queued::plain(frame(1)) }));
    assert!(wire.push(Queued::plain([1, 2, 3])), "a frame without a header is lost on the way, not here");
    assert!(wire.push(Queued::plain(frame(2))));
    let mut batch = [Packet::new(), Packet::new(), Packet::new()];
    assert_eq!(port.recv(&mut batch, WAIT).unwrap(), 2);
    assert_eq!((batch[0].vlan, batch[0].l3()), (Vlan(7), &[0x45, 1][..]));
    assert_eq!((batch[1].vlan, batch[1].frame()), (Vlan::NONE, &frame(2)[..]));
    assert_eq!(port.send(&mut batch, &[0]), 0);
    port.send_frame(Vlan(9), &frame(3)).unwrap();
    assert_eq!(wire.pop(), Some(Queued { vlan: Vlan(7), ..Queued::plain(frame(1)) }));
    assert_eq!(wire.pop(), Some(Queued { vlan: Vlan(9), ..Queued::plain(frame(3)) }));
    assert_eq!(wire.pop(), None);
    assert_eq!(machine.calls, [Call::LockLan("lan0".into()), Call::OpenLan("lan0".into())]);
}

#[test]
fn a_virtual_tun_carries_packets_and_a_wake_ends_the_waiting() {
    let mut machine = machine();
    let waker = Waker::new().unwrap();
    let spec = TunSpec {
        lan: "lan0".into(),
        name: "tun9".into(),
        mode: crate::TunMode::Tun,
        mtu: 1500,
        address: Ipv4Addr::new(10, 1, 0, 1),
        prefix: 16,
        routes: vec![],
    };
    let port = machine.create_tun(&spec, &waker).unwrap();
    let wire = machine.wire("tun9").unwrap();
    let mut batch = [Packet::new()];
    std::thread::scope(|scope| {
        let receiver = scope.spawn(|| (port.recv(&mut batch, WAIT).unwrap(), batch[0].l3().to_vec()));
        wire.push(Queued::plain([0x45, 0]));
        assert_eq!(receiver.join().unwrap(), (1, vec![0x45, 0]));
    });
    wire.push(Queued::plain([0x45, 1]));
    waker.wake();
    assert_eq!(port.recv(&mut batch, WAIT).unwrap(), 1, "what came before the wake is not lost");
    assert_eq!(port.recv(&mut batch, WAIT).unwrap(), 0);
}

#[test]
fn a_full_queue_loses_packets_and_does_not_block() {
    let mut machine = machine();
    machine.lock_lans(&["lan0"]).unwrap();
    let port = machine.open_lan("lan0", &Waker::new().unwrap()).unwrap();
    let wire = machine.wire("lan0").unwrap();
    for _ in 0..QUEUE_LEN {
        assert!(wire.push(Queued::plain(frame(1))));
        port.send_frame(Vlan::NONE, &frame(2)).unwrap();
    }
    assert!(!wire.push(Queued::plain(frame(1))));
    assert_eq!(port.send_frame(Vlan::NONE, &frame(2)).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert_eq!(wire.waiting(), QUEUE_LEN);
}

#[test]
fn a_virtual_machine_remembers_whose_connections_were_to_be_forgotten() {
    let mut machine = machine();
    let mut flows = machine.open_flows().unwrap();
    let guests = BTreeSet::from([Ipv4Addr::new(10, 1, 0, 2)]);
    flows.forget(&guests).unwrap();
    let spared = BTreeSet::from([Ipv4Addr::new(10, 1, 0, 9)]);
    flows.forget_network((Ipv4Addr::new(10, 1, 0, 0), 16), &spared).unwrap();
    let network = Forgotten::Network(Ipv4Addr::new(10, 1, 0, 0), 16, spared);
    assert_eq!(machine.forgotten(), [Forgotten::Guests(guests), network]);
    assert_eq!((machine.forgotten(), machine.calls), (vec![], vec![Call::OpenFlows]));
}
