"""Small datagrams that come in bursts: the gateway carries those of one stream as one, and nobody can tell."""

import signal
import socket

import pytest

from frames import Wire, is_ipv4
from internet import HOST
from lab import Lab

BURST = [b"datagram %03d of the burst" % n for n in range(150)] + [b"the last"]
WIRES = {"offloads": {}, "no offloads": {"offloads": False}, "vlan": {"vlans": (100,), "offloads": False}}


@pytest.fixture(params=WIRES)
def online(request):
    with Lab(settings={"offload": {"mode": "off"}}, **WIRES[request.param]) as lab:
        assert lab.guest.lease()
        assert lab.guest.login().status == 303
        lab.has_offloads = request.param == "offloads"
        yield lab


def datagrams(ns, address="0.0.0.0", port=0):
    endpoint = ns.socket(socket.AF_INET, socket.SOCK_DGRAM)
    endpoint.settimeout(5)
    endpoint.bind((address, port))
    return endpoint


def burst(lab, sender, to):
    """All of it is there at once when the gateway looks."""
    lab.gateway.process.send_signal(signal.SIGSTOP)
    try:
        for payload in BURST:
            sender.sendto(payload, to)
    finally:
        lab.gateway.process.send_signal(signal.SIGCONT)


def received(endpoint):
    return [endpoint.recvfrom(2048) for _ in BURST]


def super_packets(wire):
    return [size for size, frame in wire.arrived(0.2) if is_ipv4(frame) and size]


def test_a_burst_arrives_whole_and_in_order_both_ways(online):
    lab = online
    with datagrams(lab.guest.ns) as guest, datagrams(lab.inet, HOST, 4433) as host:
        with Wire(lab.inet, "up0", headers=True) as up, Wire(lab.guest.ns, "wlan0", headers=True) as down:
            burst(lab, guest, (HOST, 4433))
            came = received(host)
            assert [payload for payload, _ in came] == BURST
            peers = {peer for _, peer in came}
            assert len(peers) == 1
            burst(lab, host, peers.pop())
            assert [payload for payload, _ in received(guest)] == BURST
            if lab.has_offloads:
                assert set(super_packets(up)) == set(super_packets(down)) == {len(BURST[0])}


def test_every_datagram_is_counted_to_the_guest(online):
    lab = online
    octets, packets = sum(28 + len(payload) for payload in BURST), len(BURST)
    with datagrams(lab.guest.ns) as guest, datagrams(lab.inet, HOST, 4433) as host:
        before = lab.gateway.sessions()[0]["session"]
        burst(lab, guest, (HOST, 4433))
        received(host)
        after = lab.gateway.sessions()[0]["session"]
    assert after["input_octets"] - before["input_octets"] == octets
    assert after["input_packets"] - before["input_packets"] == packets
