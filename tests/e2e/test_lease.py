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


def test_an_operator_keeps_an_address_for_a_device_also_over_a_restart_and_takes_it_back(lab):
    def host(*words):
        return lab.gateway.cli("host", *words, "--socket", lab.gateway.control)

    assert lab.guest.lease()
    assert lab.guest.address != "10.85.7.7"
    assert "10.85.7.7 is kept for" in host("add", lab.guest.mac, "10.85.7.7")
    assert f"{lab.guest.mac}  10.85.7.7  operator" in host("list")
    assert lab.guest.lease()
    assert lab.guest.address == "10.85.7.7"
    for address, why in ((GATEWAY, "no guest can have it"), ("192.0.2.1", "no guest can have it")):
        with pytest.raises(RuntimeError, match=why):
            host("add", "02:00:5e:00:00:07", address)
    with pytest.raises(RuntimeError, match=f"it is kept for {lab.guest.mac}"):
        host("add", "02:00:5e:00:00:07", "10.85.7.7")
    assert lab.gateway.stop() == 0
    lab.gateway.start()
    with Wire(lab.guest.ns, "wlan0") as wire:
        other, *_ = dhcp_answer(wire.ask(dhcp("02:00:5e:00:00:07", 1, b"\x32\x04\x0a\x55\x07\x07"), dhcp_answer))
        own, *_ = dhcp_answer(wire.ask(dhcp(wire.mac, 1), dhcp_answer))
    assert (own, other != own) == ("10.85.7.7", True)
    assert "has no address of its own any more" in host("remove", lab.guest.mac)
    assert "10.85.7.7" not in host("list")
    with pytest.raises(RuntimeError, match="has no address from an operator"):
        host("remove", lab.guest.mac)


def test_an_address_that_a_guest_has_is_not_given_to_another_device():
    with Lab(guests=2) as lab:
        assert all(guest.lease() for guest in lab.guests)
        one, other = lab.guests
        with pytest.raises(RuntimeError, match=f"{one.mac} has it now; `poblano release {one.mac}` takes it back"):
            lab.gateway.cli("host", "add", other.mac, one.address, "--socket", lab.gateway.control)
        assert one.login().status == 303
        assert one.is_online()
