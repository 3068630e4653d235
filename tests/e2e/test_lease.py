"""A guest gets an address."""

import contextlib
import socket

import pytest

from frames import Wire, dhcp, dhcp_answer
from lab import GATEWAY, Lab


@pytest.mark.parametrize("client", ["udhcpc", "dhclient", "dhcpcd"])
def test_each_of_the_clients_people_use_gets_a_lease(lab, client):
    assert lab.guest.lease(client)
    assert lab.guest.address.startswith("10.85.")
    route = lab.guest.ns.ip("route", "show", "default")
    assert f"via {GATEWAY}" in route
    assert "nameserver" in (lab.guest.ns.etc / "resolv.conf").read_text()


def test_a_guest_keeps_its_address_when_it_asks_again(lab):
    assert lab.guest.lease()
    first = lab.guest.address
    assert lab.guest.lease("dhclient")
    assert lab.guest.address == first


def test_guests_get_addresses_of_their_own():
    with Lab(guests=3) as lab:
        assert all(guest.lease() for guest in lab.guests)
        assert len({guest.address for guest in lab.guests}) == 3


@pytest.mark.parametrize("client", ["udhcpc", "dhclient", "dhcpcd"])
def test_a_guest_with_a_lease_of_one_address_gets_online_all_the_same(client):
    with Lab(settings={"dhcp": {"host_routes": True}}) as lab:
        assert lab.guest.lease(client)
        assert f"{lab.guest.address}/32" in lab.guest.ns.ip("-4", "addr", "show", "wlan0")
        assert lab.guest.login().status == 303
        assert lab.guest.is_online()


def test_a_diskless_host_is_told_its_own_boot_file_and_server():
    lab = Lab(start=False)
    with lab:
        host = {"mac": lab.guest.mac, "filename": "pxe/own.0", "next_server": "10.85.0.9", "root_path": "/srv/own"}
        lab.gateway.settings["dhcp"] = {"host": [host]}
        lab.gateway.write()
        lab.gateway.start()
        with Wire(lab.guest.ns, "wlan0") as wire:
            discover = dhcp(wire.mac, 1, b"\x37\x04\x01\x03\x11\x43")
            address, server, file, options = dhcp_answer(wire.ask(discover, dhcp_answer))
            assert (server, file, options[17]) == ("10.85.0.9", "pxe/own.0", b"/srv/own")
            # Another host on the same wire hears nothing of it.
            _, server, file, options = dhcp_answer(wire.ask(dhcp("02:00:00:00:00:99", 1), dhcp_answer))
            assert (server, file) != ("10.85.0.9", "pxe/own.0")
            assert 17 not in options


def test_leases_outlive_a_restart(lab):
    assert lab.guest.lease()
    first = lab.guest.address
    assert lab.gateway.stop() == 0
    lab.gateway.start()
    # INIT-REBOOT: the guest asks for the address it had (RFC 2131, 4.3.2).
    wanted = b"\x32\x04" + socket.inet_aton(first)
    with Wire(lab.guest.ns, "wlan0") as wire:
        address, _, _, options = dhcp_answer(wire.ask(dhcp(wire.mac, 3, wanted), dhcp_answer))
    assert (address, options[53]) == (first, b"\x05")


def test_each_client_renews_its_lease_with_the_gateway_itself():
    """At half of the time, by a datagram to the server and not to everybody (RFC 2131, 4.4.5)."""
    clients = ("udhcpc", "dhclient", "dhcpcd")
    with Lab(guests=3, settings={"dhcp": {"lease": "1m"}}) as lab, contextlib.ExitStack() as running:
        wires = [running.enter_context(Wire(guest.ns, "wlan0")) for guest in lab.guests]
        for guest, client in zip(lab.guests, clients, strict=True):
            running.enter_context(guest.stays(client))
        first = [guest.address for guest in lab.guests]
        for guest, wire, address in zip(lab.guests, wires, first, strict=True):
            asked = socket.inet_aton(address) + socket.inet_aton(GATEWAY)
            frames = wire.both_ways(60)
            assert next((f for out, f in frames if out and f[26:34] == asked and f[36:38] == b"\0\x43"), None), guest
            answer = next(filter(None, (dhcp_answer(f) for out, f in frames if not out)))
            assert (answer[0], answer[3][53]) == (address, b"\x05")
        assert [guest.address for guest in lab.guests] == first
