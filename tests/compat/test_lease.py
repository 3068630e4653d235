"""How a guest's device gets its address."""

import ipaddress
import socket

import pytest

from frames import Wire, dhcp, dhcp_answer
from internet import DNS
from subject import GATEWAY

DISCOVER, OFFER, REQUEST, ACK, NAK, RELEASE = 1, 2, 3, 5, 6, 7
MASK, ROUTER, RESOLVERS, DOMAIN, MTU, WANTED, SECONDS, KIND, SERVER = 1, 3, 6, 15, 26, 50, 51, 53, 54


def option(code, octets):
    return bytes([code, len(octets)]) + octets


def ask(wire, kind, more=b"", mac=None):
    """The address and the options of the answer."""
    address, _, _, options = dhcp_answer(wire.ask(dhcp(mac or wire.mac, kind, more), dhcp_answer))
    return address, options


def test_a_lease_tells_all_that_a_device_needs(made):
    with made(domain="hotspot.test", lease=900, mtu=1400) as subject, Wire(subject.ns, "wlan0") as wire:
        address, offer = ask(wire, DISCOVER, mac="02:00:00:00:00:99")
        assert offer[KIND] == bytes([OFFER])
        wanted = option(WANTED, socket.inet_aton(address)) + option(SERVER, offer[SERVER])
        granted, lease = ask(wire, REQUEST, wanted, "02:00:00:00:00:99")
        assert (granted, lease[KIND]) == (address, bytes([ACK]))
        assert socket.inet_ntoa(lease[MASK]) == "255.255.240.0"
        assert {socket.inet_ntoa(lease[code]) for code in (ROUTER, SERVER)} == {GATEWAY}
        resolver = GATEWAY if subject.differs("resolver") else DNS
        assert socket.inet_ntoa(lease[RESOLVERS][:4]) == resolver
        assert lease[DOMAIN].rstrip(b"\0") == b"hotspot.test"
        assert int.from_bytes(lease[SECONDS], "big") == 900
        assert int.from_bytes(lease[MTU], "big") == 1400


def test_addresses_are_of_the_range_that_is_given_out(made):
    with made(dhcpstart=100, dhcpend=103) as subject, Wire(subject.ns, "wlan0") as wire:
        own = subject.lab.guest.address
        others = [ask(wire, DISCOVER, mac=f"02:00:00:00:00:0{n}")[0] for n in range(2)]
        first = ipaddress.ip_address("10.85.0.0")
        assert len({own, *others}) == 3
        assert all(100 <= int(ipaddress.ip_address(each)) - int(first) <= 103 for each in (own, *others))


def test_a_device_that_asks_for_an_address_of_elsewhere_is_told_that_it_has_none(subject):
    if not subject.lab:
        pytest.skip("a wire of the lab's")
    with Wire(subject.ns, "wlan0") as wire:
        _, answer = ask(wire, REQUEST, option(WANTED, socket.inet_aton("192.168.7.7")), "02:00:00:00:00:99")
        assert answer[KIND] == bytes([NAK])


def test_guests_are_kept_from_each_other_by_leases_of_one_address(made):
    with made(noc2c=True) as subject, Wire(subject.ns, "wlan0") as wire:
        _, offer = ask(wire, DISCOVER)
        assert socket.inet_ntoa(offer[MASK]) == "255.255.255.255"
        assert subject.login().parameters["res"] == "success"
        assert subject.lab.guest.is_online()


def test_who_gives_its_address_back_is_logged_out(made):
    with made() as subject:
        assert subject.login().parameters["res"] == "success"
        with Wire(subject.ns, "wlan0") as wire:
            whose = option(SERVER, socket.inet_aton(GATEWAY))
            wire.send(dhcp(wire.mac, RELEASE, whose, own=subject.lab.guest.address))
        stop = subject.lab.radius.wait("Stop")
        assert (stop["User-Name"], stop["Acct-Terminate-Cause"]) == ("ada", "Lost-Carrier")
