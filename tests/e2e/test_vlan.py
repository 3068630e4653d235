"""Guests that an access point or a switch puts into VLANs; the gateway's kernel has no VLAN interface for them."""

import pytest

from lab import GATEWAY, PORTAL, Lab

IPV6 = b"\x86\xdd"
TO_SERVERS = bytes((0, 68, 0, 67))
"""UDP ports of a DHCP client's question."""


@pytest.fixture
def vlans():
    # The switch sees frames as they are on a cable: no super-packets, no checksums still to be filled in.
    # Without its own question whether somebody else plays DHCP server, which is for stations without a tag.
    with Lab(vlans=(10, 4094), offloads=False, settings={"dhcp": {"rogue_probe": "0"}}) as lab:
        assert all(guest.lease() for guest in lab.guests)
        yield lab


def test_guests_in_vlans_get_online_and_every_answer_has_their_tag(vlans):
    for guest in vlans.guests:
        assert guest.curl("http://anything.test/").location.startswith(PORTAL)
        assert guest.login().status == 303
        assert guest.is_online()
        assert guest.curl_status("http://online.test/blob") == 0
    # Untagged are what its kernel may have said by IPv6 before the start, and its question for other DHCP servers.
    told = [each for each in vlans.switch.from_gateway if each[1][12:14] != IPV6 and each[1][34:38] != TO_SERVERS]
    assert {tag for tag, frame in told} == {10, 4094}
    assert sorted(guest["vlan"] for guest in vlans.gateway.sessions()) == [10, 4094]
    assert vlans.guests[0].logout().status == 303
    assert [guest.is_online() for guest in vlans.guests] == [False, True]


def test_the_same_device_in_another_vlan_is_another_guest(vlans):
    """Who copies a MAC address from another VLAN gets nothing by it."""
    ada, eve = vlans.guests
    assert ada.login().status == 303
    eve.ns.ip("link", "set", "wlan0", "down")
    eve.ns.ip("link", "set", "wlan0", "address", ada.mac)
    eve.ns.ip("link", "set", "wlan0", "up")
    assert eve.lease()
    assert eve.address != ada.address
    assert not eve.is_online()
    assert ada.is_online()
    # Nor with the address as well.
    eve.ns.ip("addr", "flush", "dev", "wlan0")
    eve.ns.ip("addr", "add", f"{ada.address}/20", "dev", "wlan0")
    eve.ns.ip("route", "add", "default", "via", "10.85.0.1")
    assert not eve.is_online()
    assert ada.is_online()


def test_on_a_trunk_a_device_without_a_tag_hears_nothing_and_gets_nowhere():
    with Lab(vlans=(10, None), offloads=False, settings={"lan": {"untagged": False}}) as lab:
        guest, stranger = lab.guests
        assert guest.lease() and guest.login().status == 303
        assert not stranger.lease(timeout=5)
        # Nor with the station and the address of a guest who is online.
        stranger.ns.ip("link", "set", "wlan0", "down")
        stranger.ns.ip("link", "set", "wlan0", "address", guest.mac)
        stranger.ns.ip("link", "set", "wlan0", "up")
        stranger.ns.ip("addr", "add", f"{guest.address}/20", "dev", "wlan0")
        stranger.ns.ip("route", "add", "default", "via", GATEWAY)
        stranger.ns.ip("neigh", "replace", GATEWAY, "lladdr", lab.gw.mac("lan0"), "dev", "wlan0", "nud", "permanent")
        assert not stranger.is_online() and not stranger.ping(GATEWAY)
        assert stranger.ask_dns(GATEWAY, "online.test", 1) is None
        assert guest.is_online()
        assert {tag for tag, frame in lab.switch.from_gateway if frame[12:14] != IPV6} == {10}
