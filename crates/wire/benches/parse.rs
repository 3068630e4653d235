//! What reading a packet's headers costs: `cargo bench -p poblano-wire`.
#![allow(missing_docs, reason = "the macros of criterion make functions")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use wire::checksum;
use wire::frame::Ipv4;
use wire::vnet::VnetHeader;

/// A packet of 46 octets, the shortest that needs no padding on Ethernet; its transport header begins with ports.
fn packet(protocol: u8, transport: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 46, 0, 1, 0x40, 0, 64, protocol, 0, 0, 10, 85, 0, 2, 203, 0, 113, 9];
    packet.extend(transport);
    packet.resize(46, 7);
    packet
}

fn parse(criterion: &mut Criterion) {
    let tcp = packet(6, &[0xc0, 0, 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
    let udp = packet(17, &[0xc0, 0, 1, 0xbb, 0, 26, 0, 0]);
    let icmp = packet(1, &[8, 0, 0, 0, 0, 1, 0, 1]);
    for (name, packet) in [("tcp", &tcp), ("udp", &udp), ("icmp", &icmp)] {
        criterion.bench_function(&format!("parse IPv4, {name}"), |bench| {
            bench.iter(|| black_box(Ipv4::parse(black_box(packet))));
        });
    }
    let header = VnetHeader { flags: 1, gso_type: 1, hdr_len: 54, gso_size: 1448, csum_start: 34, csum_offset: 16 };
    criterion.bench_function("offload header, write and read", |bench| {
        bench.iter(|| black_box(VnetHeader::parse(&black_box(header).emit())));
    });
    for len in [64, 1500] {
        let bytes = vec![0x5a; len];
        criterion.bench_function(&format!("checksum of {len} octets"), |bench| {
            bench.iter(|| black_box(checksum::of(black_box(&bytes))));
        });
    }
}

criterion_group!(benches, parse);
criterion_main!(benches);
