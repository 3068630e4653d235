"""A guest that has not logged in gets no packet out: of any kind, to anywhere."""

import socket

import pytest

from frames import MARK, Wire, ethernet, every_kind, icmp_echo, ipv4, is_ipv4
from internet import DNS, HOST
from lab import GATEWAY, UPSTREAM, Lab

SETTLE = 0.3
"""Seconds to listen after the last frame; a leak takes microseconds."""


@pytest.fixture
def two():
    with Lab(guests=2) as lab:
        assert all(guest.lease() for guest in lab.guests)
        yield lab


def gateway_mac(lab):
    guest = lab.guests[0]
    guest.ping(GATEWAY)
    words = guest.ns.ip("neigh", "show", GATEWAY).split()
    return words[words.index("lladdr") + 1]


def marked(frames):
    return [frame.hex(" ") for frame in frames if MARK in frame]


def flood(lab, target, source=None):
    """Sends one of every kind of frame from the first guest to an address."""
    guest = lab.guests[0]
    mac = gateway_mac(lab)
    with Wire(guest.ns, "wlan0") as wire:
        for _, frame in every_kind(wire.mac, mac, source or guest.address, target):
            if len(frame) <= 1514:
                wire.send(frame)


@pytest.mark.parametrize("target", [HOST, UPSTREAM, "255.255.255.255", "224.0.0.251", "0.0.0.0", "127.0.0.1"])
def test_to_the_internet(two, target):
    with Wire(two.inet, "up0") as uplink:
        flood(two, target)
        frames = list(uplink.arrived(SETTLE))
    assert marked(frames) == []
    assert [f.hex(" ") for f in frames if is_ipv4(f)] == []


def test_to_the_resolver_past_the_gateways_own(two):
    with Wire(two.inet, "up0") as uplink:
        flood(two, DNS)
        assert marked(uplink.arrived(SETTLE)) == []


def test_to_another_guest(two):
    ada, eve = two.guests
    with Wire(eve.ns, "wlan0") as other:
        flood(two, eve.address)
        flood(two, "10.85.15.255")
        assert marked(other.arrived(SETTLE)) == []


@pytest.mark.parametrize("address", ["172.31.0.1", "203.0.113.2", "127.0.0.1"])
def test_to_the_gateways_other_addresses(two, address):
    guest = two.guests[0]
    mac, source = gateway_mac(two), guest.address
    with service(two.gw) as tcp, listener(two.gw) as heard, Wire(guest.ns, "wlan0") as wire:
        flood(two, address)
        wire.send(ethernet(mac, wire.mac, 0x0800, ipv4(source, address, 1, icmp_echo())))
        replies = [f for f in wire.arrived(SETTLE) if is_ipv4(f) and f[23] == 1 and f[34] == 0 and MARK in f]
        assert [f.hex(" ") for f in replies] == []
        assert nothing(heard.recv, 100)
        assert guest.connect(address, 4500) != "open"
        assert nothing(tcp.accept)


def test_to_a_service_of_the_gateways_own_kernel(two):
    """sshd of the gateway listens everywhere; the portal's address is no way to it."""
    with service(two.gw) as tcp, listener(two.gw) as heard:
        flood(two, GATEWAY)
        assert nothing(heard.recv, 100)
        assert two.guests[0].connect(GATEWAY, 4500) != "open"
        assert nothing(tcp.accept)


def test_with_an_address_that_is_not_its_own(two):
    ada, eve = two.guests
    for source in (eve.address, GATEWAY, "10.85.15.200", "203.0.113.77", "127.0.0.1"):
        with Wire(two.inet, "up0") as uplink:
            flood(two, HOST, source)
            assert marked(uplink.arrived(SETTLE)) == [], source


def test_a_second_device_with_the_address_of_a_guest_that_is_online_gets_nothing(two):
    ada, eve = two.guests
    assert ada.login().status == 303
    assert ada.is_online()
    with Wire(two.inet, "up0") as uplink, Wire(eve.ns, "wlan0") as wire:
        mac = gateway_mac(two)
        for _, frame in every_kind(wire.mac, mac, ada.address, HOST):
            if len(frame) <= 1514:
                wire.send(frame)
        assert marked(uplink.arrived(SETTLE)) == []
    eve.ns.ip("addr", "flush", "dev", "wlan0")
    eve.ns.ip("addr", "add", f"{ada.address}/20", "dev", "wlan0")
    eve.ns.ip("route", "add", "default", "via", GATEWAY)
    assert eve.curl_status(f"http://{HOST}/", timeout=3) != 0
    assert two.internet.seen and all(host == "online.test" for host, _, _ in two.internet.seen)
    assert ada.is_online()


def test_the_same_frame_does_pass_after_login(two):
    """The other tests would notice a leak: after login the sniffer sees exactly this."""
    assert two.guests[0].login().status == 303
    with Wire(two.inet, "up0") as uplink:
        flood(two, HOST)
        assert len(marked(uplink.arrived(SETTLE))) > 3


def listener(ns):
    heard = ns.socket(socket.AF_INET, socket.SOCK_DGRAM)
    heard.bind(("0.0.0.0", 4500))
    heard.setblocking(False)
    return heard


def service(ns):
    tcp = ns.socket(socket.AF_INET, socket.SOCK_STREAM)
    tcp.bind(("0.0.0.0", 4500))
    tcp.listen()
    tcp.setblocking(False)
    return tcp


def nothing(call, *args):
    """True when a non-blocking call has nothing to return."""
    try:
        call(*args)
    except BlockingIOError:
        return True
    return False
