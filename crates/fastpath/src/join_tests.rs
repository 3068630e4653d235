use wire::checksum::add;

use super::*;
use crate::port::HEADROOM;

/// A segment of stream `port`, with its checksum complete.
fn packet(port: u16, sequence: u32, flags: u8, payload: &[u8]) -> Packet {
    let total = 40 + payload.len() as u16;
    let mut l3 = vec![0x45, 0];
    l3.extend(total.to_be_bytes());
    l3.extend((sequence as u16).to_be_bytes());
    l3.extend([0x40, 0, 64, 6, 0, 0, 10, 85, 0, 9, 203, 0, 113, 9]);
    let sum = of(&l3);
    l3[10..12].copy_from_slice(&sum.to_be_bytes());
    l3.extend(port.to_be_bytes());
    l3.extend([0, 80]);
    l3.extend(sequence.to_be_bytes());
    l3.extend([0, 0, 0, 9, 0x50, flags, 0x20, 0, 0, 0, 0, 0]);
    l3.extend(payload);
    let (source, destination) = addresses(&l3);
    let sum = !fold(add(pseudo_v4(source, destination, 6, total - 20), &l3[20..]));
    l3[36..38].copy_from_slice(&sum.to_be_bytes());
    let mut packet = Packet::new();
    packet.memory_mut()[HEADROOM..HEADROOM + l3.len()].copy_from_slice(&l3);
    packet.set_l3_len(l3.len());
    packet
}

const ACK: u8 = tcp_flags::ACK;

/// A datagram of stream `port`, not to be fragmented, with its checksum complete.
fn datagram(port: u16, payload: &[u8]) -> Packet {
    let total = 28 + payload.len() as u16;
    let mut l3 = vec![0x45, 0];
    l3.extend(total.to_be_bytes());
    l3.extend([0, 0, 0x40, 0, 64, 17, 0, 0, 10, 85, 0, 9, 203, 0, 113, 9]);
    let sum = of(&l3);
    l3[10..12].copy_from_slice(&sum.to_be_bytes());
    l3.extend(port.to_be_bytes());
    l3.extend([1, 187]);
    l3.extend((total - 20).to_be_bytes());
    l3.extend([0, 0]);
    l3.extend(payload);
    let (source, destination) = addresses(&l3);
    let sum = !fold(add(pseudo_v4(source, destination, 17, total - 20), &l3[20..]));
    l3[26..28].copy_from_slice(&sum.to_be_bytes());
    let mut packet = Packet::new();
    packet.memory_mut()[HEADROOM..HEADROOM + l3.len()].copy_from_slice(&l3);
    packet.set_l3_len(l3.len());
    packet
}

/// The same that may be fragmented, and so needs its number.
fn numbered(port: u16, number: u16, payload: &[u8]) -> Packet {
    let mut packet = datagram(port, payload);
    let l3 = packet.l3_mut();
    l3[6] = 0;
    l3[4..6].copy_from_slice(&number.to_be_bytes());
    l3[10..12].fill(0);
    let sum = of(&l3[..20]);
    l3[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// What is sent of a batch: (port, sequence, payload, segment size).
fn sent(batch: Vec<Packet>) -> Vec<(u16, u32, Vec<u8>, u16)> {
    sent_to(Segmentation { tcp: true, udp: true }, batch)
}

fn sent_to(segmentation: Segmentation, mut batch: Vec<Packet>) -> Vec<(u16, u32, Vec<u8>, u16)> {
    let mut joiner = Joiner::new(segmentation);
    for index in 0..batch.len() {
        joiner.offer(&mut batch, index);
    }
    joiner.finish(&mut batch).iter().map(|&index| seen(&batch[index])).collect()
}

fn seen(packet: &Packet) -> (u16, u32, Vec<u8>, u16) {
    let l3 = packet.l3();
    let ip = Ipv4::parse(l3).unwrap();
    assert_eq!(usize::from(ip.total_len), l3.len());
    assert_eq!(of(&l3[..20]), 0, "IPv4 checksum");
    let (source, sequence, checksum_at) = match ip.transport {
        Transport::Tcp { source, .. } => (source, u32::from_be_bytes(l3[24..28].try_into().unwrap()), 16),
        Transport::Udp { source, .. } => (source, 0, 6),
        _ => panic!("{ip}"),
    };
    let mut finished = l3[20..].to_vec();
    if packet.vnet.needs_csum() {
        assert_eq!((packet.vnet.csum_start, usize::from(packet.vnet.csum_offset)), (20, checksum_at));
        let sum = !fold(add(0, &finished));
        finished[checksum_at..checksum_at + 2].copy_from_slice(&sum.to_be_bytes());
    }
    let pseudo = pseudo_v4(ip.source, ip.destination, ip.protocol, finished.len() as u16);
    let right = fold(add(pseudo, &finished)) == 0xffff;
    let payload = if right { l3[ip.headers_len()..].to_vec() } else { b"damaged".to_vec() };
    (source, sequence, payload, packet.vnet.gso_size)
}

#[test]
fn segments_in_sequence_become_one_super_packet() {
    let batch = (0..20).map(|n| packet(1, 100 + 10 * n, ACK, &[n as u8; 10])).collect();
    let payload: Vec<u8> = (0..20u8).flat_map(|n| [n; 10]).collect();
    assert_eq!(sent(batch), [(1, 100, payload, 10)]);
}

#[test]
fn a_short_segment_or_a_push_ends_it_and_order_is_kept() {
    let batch = vec![
        packet(1, 0, ACK, b"aaaa"),
        packet(1, 4, ACK, b"bb"),
        packet(1, 6, ACK, b"cccc"),
        packet(1, 10, ACK | PSH, b"dddd"),
        packet(1, 14, ACK, b"eeee"),
    ];
    let expected = [(1, 0, b"aaaabb".to_vec(), 4), (1, 6, b"ccccdddd".to_vec(), 4), (1, 14, b"eeee".to_vec(), 0)];
    assert_eq!(sent(batch), expected);
}

#[test]
fn streams_are_joined_beside_each_other() {
    let batch =
        vec![packet(1, 0, ACK, b"aa"), packet(2, 0, ACK, b"xx"), packet(1, 2, ACK, b"bb"), packet(2, 2, ACK, b"yy")];
    assert_eq!(sent(batch), [(1, 0, b"aabb".to_vec(), 2), (2, 0, b"xxyy".to_vec(), 2)]);
    let many = (0..20).map(|n| packet(n % 10, 2 * u32::from(n / 10), ACK, b"zz")).collect();
    assert_eq!(sent(many).iter().map(|(.., payload, _)| payload.len()).sum::<usize>(), 40);
}

#[test]
fn what_differs_is_sent_as_it_came_and_in_order() {
    let gap = vec![packet(1, 0, ACK, b"aa"), packet(1, 4, ACK, b"cc"), packet(1, 2, ACK, b"bb")];
    assert_eq!(sent(gap).iter().map(|(_, sequence, ..)| *sequence).collect::<Vec<_>>(), [0, 4, 2]);
    let fin = vec![packet(1, 0, ACK, b"aa"), packet(1, 2, ACK | tcp_flags::FIN, b"bb"), packet(1, 5, ACK, b"")];
    assert_eq!(sent(fin).len(), 3);
    let mut window = packet(1, 2, ACK, b"bb");
    window.l3_mut()[35] ^= 1;
    assert_eq!(sent(vec![packet(1, 0, ACK, b"aa"), window]).len(), 2);
    let grown = vec![packet(1, 0, ACK, b"aa"), packet(1, 2, ACK, b"bbb")];
    assert_eq!(sent(grown).len(), 2);
    let mut other_vlan = packet(1, 2, ACK, b"bb");
    other_vlan.vlan = wire::Vlan(5);
    assert_eq!(sent(vec![packet(1, 0, ACK, b"aa"), other_vlan]).len(), 2);
}

#[test]
fn damage_is_never_made_whole() {
    for damaged in 0..3 {
        let mut batch: Vec<_> = (0..3).map(|n| packet(1, 2 * n, ACK, b"aa")).collect();
        batch[damaged].l3_mut()[41] ^= 0x40;
        let sent = sent(batch);
        assert_eq!(sent.iter().filter(|(.., payload, _)| payload == b"damaged").count(), 1, "{damaged}");
    }
}

#[test]
fn a_super_packet_never_outgrows_ipv4() {
    let batch: Vec<_> = (0..64).map(|n| packet(1, 1400 * n, ACK, &[1; 1400])).collect();
    let sent = sent(batch);
    assert_eq!(sent.iter().map(|(.., payload, _)| payload.len()).sum::<usize>(), 64 * 1400);
    assert_eq!(sent.len(), 2);
}

#[test]
fn datagrams_of_one_stream_become_one_and_a_shorter_one_is_the_last() {
    let batch = vec![
        datagram(1, b"aaaa"),
        datagram(2, b"xx"),
        datagram(1, b"bbbb"),
        datagram(1, b"c"),
        datagram(1, b"dddd"),
        datagram(2, b"yyy"),
    ];
    let expected = [
        (1, 0, b"aaaabbbbc".to_vec(), 4),
        (2, 0, b"xx".to_vec(), 0),
        (1, 0, b"dddd".to_vec(), 0),
        (2, 0, b"yyy".to_vec(), 0),
    ];
    assert_eq!(sent(batch), expected);
    let udp_header = |batch: &mut Vec<Packet>| {
        let mut joiner = Joiner::new(Segmentation { tcp: true, udp: true });
        (0..batch.len()).for_each(|index| joiner.offer(batch, index));
        assert_eq!(joiner.finish(batch), [0]);
        (batch[0].vnet.gso_type, batch[0].l3()[24..26].to_vec())
    };
    let mut two = vec![datagram(1, b"aa"), datagram(1, b"bb")];
    assert_eq!(udp_header(&mut two), (VnetHeader::GSO_UDP_L4, vec![0, 12]));
}

#[test]
fn datagrams_that_would_come_out_otherwise_go_as_they_came() {
    let mut unsummed: Vec<_> = (0..2).map(|_| datagram(1, b"aa")).collect();
    unsummed.iter_mut().for_each(|packet| packet.l3_mut()[26..28].fill(0));
    let mut joiner = Joiner::new(Segmentation { tcp: true, udp: true });
    (0..2).for_each(|index| joiner.offer(&mut unsummed, index));
    assert_eq!(joiner.finish(&mut unsummed), [0, 1], "a datagram without a checksum gets none");

    assert_eq!(sent(vec![numbered(1, 7, b"aa"), numbered(1, 8, b"bb"), numbered(1, 9, b"cc")]).len(), 1);
    assert_eq!(sent(vec![numbered(1, 7, b"aa"), numbered(1, 9, b"bb")]).len(), 2, "fragments need their numbers");
    assert_eq!(sent(vec![datagram(1, b""), datagram(1, b"")]).len(), 2);

    let mut damaged = datagram(1, b"bb");
    damaged.l3_mut()[28] ^= 1;
    assert_eq!(sent(vec![datagram(1, b"aa"), damaged]).iter().filter(|(.., p, _)| p == b"damaged").count(), 1);
}

#[test]
fn a_device_gets_no_super_packet_that_it_cannot_cut() {
    let batch = || {
        let tcp = (0..3).map(|n| packet(1, 2 * n, ACK, b"aa"));
        tcp.chain((0..3).map(|_| datagram(1, b"bb"))).collect::<Vec<_>>()
    };
    for (tcp, udp, packets) in [(true, true, 2), (true, false, 4), (false, true, 4), (false, false, 6)] {
        assert_eq!(sent_to(Segmentation { tcp, udp }, batch()).len(), packets);
    }
}

#[test]
fn every_stream_of_a_batch_is_joined_or_goes_in_its_order() {
    let batch: Vec<_> = (0..240u16).map(|n| datagram(n % 60, &[n as u8; 4])).collect();
    let mut streams = vec![Vec::<u8>::new(); 60];
    let sent = sent(batch);
    for (port, _, payload, _) in &sent {
        streams[usize::from(*port)].extend(payload);
    }
    for (port, payload) in streams.iter().enumerate() {
        let expected: Vec<u8> = (0..4).flat_map(|n| [(port + 60 * n) as u8; 4]).collect();
        assert_eq!(*payload, expected, "{port}");
    }
    assert!(sent.len() < 120, "{} packets for 60 streams", sent.len());
}
