"""Guests behind a router that stands on the LAN: each is a guest by its address."""

import contextlib
import json

import pytest

import aaa
from internet import HOST
from lab import GATEWAY, PORTAL, Guest, Lab

VIA = "10.85.15.2"
ANNA, BEN = "10.9.0.5", "10.9.1.6"


@contextlib.contextmanager
def behind_a_router(settings=None):
    """The router is the first station on the LAN, a phone the second; behind the router are Anna and Ben."""
    settings = {"dhcp": {"last": "10.85.14.254"}, **(settings or {})}
    with Lab(guests=2, start=False, settings=settings) as lab:
        router = lab.guest.ns
        lab.gateway.settings["lan"]["routed"] = [{"network": "10.9.0.0/16", "via": VIA, "mac": lab.guest.mac}]
        lab.gateway.write()
        router.ip("addr", "add", f"{VIA}/20", "dev", Guest.nic)
        router.ip("route", "add", "default", "via", GATEWAY)
        router.sysctl("net.ipv4.ip_forward", 1)
        lab.inside = [inside(lab, f"inside{n}", address) for n, address in enumerate((ANNA, BEN))]
        lab.gateway.start()
        yield lab


def inside(lab, name, address):
    machine, router = lab.machine(name), lab.guest.ns
    router.ip("link", "add", name, "type", "veth", "peer", "name", Guest.nic, "netns", machine.name)
    first = address.rpartition(".")[0] + ".1"
    router.ip("addr", "add", f"{first}/24", "dev", name)
    router.ip("link", "set", name, "up")
    machine.ip("addr", "add", f"{address}/24", "dev", Guest.nic)
    machine.ip("link", "set", Guest.nic, "up")
    machine.ip("route", "add", "default", "via", first)
    machine.set_resolvers(GATEWAY)
    return Guest(machine, lab.directory / name)


def told(lab):
    return json.loads(lab.gateway.cli("sessions", "--json", "--socket", lab.gateway.control))


@pytest.mark.parametrize("mode", ["tun", "tap"])
def test_one_logs_in_and_the_other_stays_refused(mode):
    with behind_a_router({"tun": {"mode": mode}}) as lab:
        anna, ben = lab.inside
        for guest in lab.inside:
            reply = guest.curl("http://anything.test/")
            assert (reply.status, reply.location[: len(PORTAL)]) == (302, PORTAL)
            assert not guest.is_online()
        assert anna.login().status == 303
        assert anna.is_online() and anna.ping(HOST)
        assert not ben.is_online() and not ben.ping(HOST)
        assert all(guest["behind_router"] for guest in told(lab)["guests"] if guest["ip"] in (ANNA, BEN))
        assert ben.connect(HOST, 443) == "ECONNREFUSED"
        guests = {guest["ip"]: guest for guest in told(lab)["guests"]}
        assert sorted(guests) == [ANNA, BEN]
        assert (guests[ANNA]["state"], guests[BEN]["state"]) == ("online", "not logged in")
        assert {guest["mac"] for guest in guests.values()} == {lab.guest.mac}
        assert {source for _, _, source in lab.internet.seen} == {lab.uplink_address}
        # What they send goes through the gateway itself.
        assert "forward_offloaded" not in told(lab)["counters"]["to_guests"]
        assert anna.logout().status in (200, 303)
        assert not anna.is_online()


def test_who_is_on_the_lan_and_who_is_behind_the_router_neither_meet_nor_take_each_others_place():
    with behind_a_router() as lab:
        anna, ben = lab.inside
        phone = lab.guests[1]
        for guest in (phone, anna):
            assert guest is not phone or guest.lease()
            assert guest.login().status == 303
            assert guest.is_online()
        assert not anna.ping(phone.address) and not phone.ping(ANNA)
        # With Anna's address, from a station that is not the router.
        phone.ns.ip("addr", "add", f"{ANNA}/32", "dev", Guest.nic)
        assert phone.ns.status("ping", "-n", "-c", 2, "-W", 1, "-I", ANNA, HOST) != 0
        assert anna.ping(HOST)
        assert not ben.is_online()
        # Nor does the router get out what is not behind it, or its own.
        assert not lab.guest.ping(HOST)
        router = lab.guest.ns
        router.ip("addr", "add", "10.99.0.1/32", "dev", "lo")
        assert router.status("ping", "-n", "-c", 2, "-W", 1, "-I", "10.99.0.1", HOST) != 0


def test_a_session_goes_on_over_a_crash():
    with behind_a_router() as lab:
        anna, ben = lab.inside
        assert anna.login().status == 303
        assert anna.is_online() and not ben.is_online()
        [before] = lab.gateway.sessions()
        lab.gateway.wait_until_written()
        lab.gateway.kill()
        assert not anna.ping(HOST)
        lab.gateway.start()
        assert anna.is_online() and not ben.is_online()
        [after] = lab.gateway.sessions()
        assert after["session"]["id"] == before["session"]["id"]
        lab.gateway.stop()
        assert "10.9.0.0" not in lab.gw.ip("route", "show", "table", "all")


def test_freeradius_is_told_the_routers_station_and_the_guests_address():
    with behind_a_router(aaa.settings()) as lab:
        radius = aaa.FreeRadius(lab, 'ada Cleartext-Password := "lovelace"\n')
        try:
            anna, ben = lab.inside
            assert anna.login().status == 303
            assert anna.is_online() and not ben.is_online()
            start = radius.wait("Start")
            assert start["Framed-IP-Address"] == ANNA
            assert start["Calling-Station-Id"] == lab.guest.mac.replace(":", "-").upper()
        finally:
            radius.stop()
