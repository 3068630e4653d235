"""A guest with a static address of another network gets online with it, and with nobody else's."""

import json

import pytest

from frames import MARK, Wire, every_kind
from internet import HOST
from lab import GATEWAY, OFFLOAD, PORTAL, Lab

OWN, ROUTER = "192.168.7.5", "192.168.7.1"


def any_address(guests=1, **settings):
    return Lab(guests=guests, settings={"dhcp": {"any_address": True}, **settings})


def comes_with(guest, address=OWN, router=ROUTER, prefix=24):
    """As somebody has set it by hand at home, the router being the DNS server too."""
    guest.ns.ip("addr", "add", f"{address}/{prefix}", "dev", guest.nic)
    guest.ns.ip("route", "replace", "default", "via", router)
    guest.ns.set_resolvers(router)
    return guest


def told(lab):
    """All that the gateway tells its operator."""
    return json.loads(lab.gateway.cli("sessions", "--json", "--socket", lab.gateway.control))


def known(lab):
    """All guests, as the operator sees them."""
    return told(lab)["guests"]


@pytest.mark.parametrize("mode", ["tun", "tap"])
@pytest.mark.parametrize(("address", "router"), [(OWN, ROUTER), ("8.8.4.4", "8.8.4.1"), ("10.3.2.1", "10.3.2.254")])
def test_it_meets_the_portal_logs_in_and_is_online(mode, address, router):
    with any_address(tun={"mode": mode}) as lab:
        guest = comes_with(lab.guest, address, router)
        reply = guest.curl("http://anything.test/")
        assert (reply.status, reply.location[: len(PORTAL)]) == (302, PORTAL)
        assert "password" in guest.curl(reply.location).body
        assert not guest.is_online()
        assert guest.login().status == 303
        assert guest.is_online()
        assert guest.ping(HOST)
        assert guest.curl_status("http://nmcheck.gnome.org/blob") == 0
        [entry] = lab.gateway.sessions()
        assert entry["foreign_ip"] == address
        assert entry["ip"].startswith("10.85.")
        assert entry["session"]["output_octets"] > 1 << 20
        assert {source for _, _, source in lab.internet.seen} == {lab.uplink_address}
        assert "forward_offloaded" not in told(lab)["counters"]["to_guests"]
        # The table that people read has both addresses.
        assert f"{entry['ip']}({address})" in lab.gateway.cli("sessions", "--socket", lab.gateway.control)
        assert guest.logout().status in (200, 303)
        assert not guest.is_online()


def test_two_guests_with_the_same_address_are_two_guests():
    with any_address(guests=2) as lab:
        ada, eve = (comes_with(guest) for guest in lab.guests)
        assert ada.login().status == 303
        assert ada.is_online()
        assert eve.curl("http://online.test/").status == 302
        assert eve.login().status == 303
        assert ada.is_online()
        assert eve.is_online()
        assert {entry["mac"] for entry in lab.gateway.sessions()} == {ada.mac, eve.mac}
        assert {entry["foreign_ip"] for entry in known(lab)} == {OWN}


def test_before_login_nothing_of_it_gets_out_whatever_address_it_writes():
    with any_address(guests=2) as lab:
        ada, eve = lab.guests
        assert ada.lease()
        assert ada.login().status == 303
        comes_with(eve)
        assert eve.curl("http://anything.test/").status == 302
        assert eve.connect(HOST, 443) in ("ECONNREFUSED", "EHOSTUNREACH", "EACCES")
        assert not eve.ping(HOST)
        [own] = [entry["ip"] for entry in known(lab) if entry["mac"] == eve.mac]
        with Wire(lab.inet, "up0") as uplink, Wire(eve.ns, "wlan0") as wire, Wire(ada.ns, "wlan0") as neighbour:
            for source in (OWN, own, ada.address, GATEWAY, HOST):
                for target in (HOST, ada.address, "203.0.113.2", "172.31.0.1"):
                    for _, frame in every_kind(wire.mac, lab.gw.mac("lan0"), source, target):
                        wire.send(frame)
            assert [frame.hex(" ") for frame in uplink.arrived(0.5) if MARK in frame] == []
            assert [frame.hex(" ") for frame in neighbour.arrived(0.1) if MARK in frame] == []
        assert ada.is_online()


@pytest.mark.parametrize("taken", ["neighbour", "gateway", "free"])
def test_an_address_of_the_guests_network_is_not_to_be_had_without_dhcp(taken):
    with any_address(guests=2) as lab:
        ada, eve = lab.guests
        assert ada.lease()
        assert ada.login().status == 303
        address = {"neighbour": ada.address, "gateway": GATEWAY, "free": "10.85.9.9"}[taken]
        eve.ns.ip("addr", "add", f"{address}/24", "dev", eve.nic)
        eve.ns.ip(
            "route",
            "replace",
            "default",
            "via",
            "10.85.0.254" if taken == "gateway" else GATEWAY,
            "onlink",
            "dev",
            eve.nic,
        )
        assert eve.curl_status(f"http://{HOST}/", timeout=3) != 0
        assert {entry["mac"] for entry in known(lab)} == {ada.mac}
        assert ada.is_online()


def test_it_is_served_only_if_the_configuration_says_so(lab):
    comes_with(lab.guest)
    assert lab.guest.curl_status(f"http://{HOST}/", timeout=3) != 0
    assert known(lab) == []


def test_its_session_outlives_a_crash_and_dhcp_makes_it_a_guest_like_others():
    with any_address() as lab:
        guest = comes_with(lab.guest)
        assert guest.login().status == 303
        [before] = lab.gateway.sessions()
        lab.gateway.wait_until_written()
        lab.gateway.kill()
        lab.gateway.start()
        assert guest.is_online()
        [after] = lab.gateway.sessions()
        assert (after["ip"], after["session"]["id"]) == (before["ip"], before["session"]["id"])
        assert guest.lease()
        assert guest.address == before["ip"]
        assert guest.is_online()
        [entry] = lab.gateway.sessions()
        assert entry["foreign_ip"] is None


def test_who_comes_with_an_address_of_ours_that_is_for_that_gets_online_with_it_and_nobody_else_does():
    with Lab(guests=2, settings={"dhcp": {"static_addresses": "10.85.8.0/24"}}) as lab:
        camera, thief = lab.guests
        comes_with(camera, "10.85.8.9", GATEWAY, 20)
        reply = camera.curl("http://anything.test/")
        assert (reply.status, reply.location[: len(PORTAL)]) == (302, PORTAL)
        assert camera.login().status == 303
        assert camera.is_online()
        assert camera.curl_status("http://nmcheck.gnome.org/blob") == 0
        [entry] = lab.gateway.sessions()
        assert (entry["ip"], entry["foreign_ip"], entry["mac"]) == ("10.85.8.9", None, camera.mac)
        if OFFLOAD == "on":
            assert told(lab)["counters"]["to_guests"]["forward_offloaded"] > 0
        # Neither the camera's address nor one that is for those who ask.
        for address in ("10.85.8.9", "10.85.9.9"):
            comes_with(thief, address, GATEWAY, 20)
            assert thief.curl_status("http://anything.test/", timeout=3) != 0
            thief.ns.ip("addr", "flush", "dev", thief.nic)
        assert thief.lease() and not thief.address.startswith("10.85.8.")
        assert camera.is_online()
