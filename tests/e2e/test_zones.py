"""Several guests' networks in one process: what each has of its own, and what keeps them apart."""

import contextlib
import json
import os
import signal
import urllib.parse

import pytest

from aaa import ADDRESS, FreeRadius, settings
from internet import HOST, wait_for
from lab import NUMBERS, Guest, Inputs, Lab, binary
from namespace import Namespace
from test_crash import snapshot
from test_dynauth import COA_SECRET, ask, wait_for_the_next_second

USERS = 'ada Cleartext-Password := "lovelace"\n'
PORTALS = {"guests": "http://10.85.0.1:3990", "staff": "http://10.86.0.1:3990"}


def zones(staff="staff0"):
    """Guests on one cable, staff on another."""
    clients = {"client": [{"address": ADDRESS, "secret": COA_SECRET}]}
    return {
        **settings(nas_identifier="hotel", dynamic_authorization=clients),
        "portal": {"title": "Hotel"},
        "zone": {
            "guests": {"lan": {"interface": "lan0", "network": "10.85.0.0/20"}},
            "staff": {
                "lan": {"interface": staff, "network": "10.86.0.0/24"},
                "portal": {"title": "Staff only"},
                "dhcp": {"first": "10.86.0.100", "last": "10.86.0.110"},
            },
        },
    }


@contextlib.contextmanager
def hotel(vlan=None, **settings):
    """A gateway with two zones, a guest in each with a lease, and a RADIUS server. With `vlan` the staff's is one of a
    trunk, for which the gateway has no interface yet."""
    staff = f"trunk0.{vlan}" if vlan else "staff0"
    with Lab(start=False, accounts=False, settings={**zones(staff), **settings}) as lab:
        employee = lab.machine("staff")
        cable = staff.split(".")[0]
        port = "eth0" if vlan else Guest.nic
        lab.gw.ip("link", "add", cable, "type", "veth", "peer", "name", port, "netns", employee.name)
        if vlan:
            employee.ip("link", "add", "link", port, "name", Guest.nic, "type", "vlan", "id", vlan)
        for ns, interface in ((lab.gw, cable), (employee, port), (employee, Guest.nic)):
            ns.ip("link", "set", interface, "up")
        lab.guests.append(Guest(employee, lab.directory / "employee"))
        lab.radius = FreeRadius(lab, USERS)
        lab.before = snapshot(lab.gw)
        try:
            lab.gateway.start()
            assert all(guest.lease() for guest in lab.guests)
            yield lab, *lab.guests
        finally:
            lab.gateway.stop()
            lab.radius.stop()


def has_vlans():
    """Whether this machine's kernel has interfaces for VLANs."""
    ns = Namespace.new(f"pbl{os.getpid()}x{next(NUMBERS)}vlan")
    try:
        ns.ip("link", "add", "cable", "type", "veth", "peer", "name", "end")
        return ns.status("ip", "link", "add", "link", "cable", "name", "cable.7", "type", "vlan", "id", 7) == 0
    finally:
        ns.delete()


def login(guest, zone):
    portal = PORTALS[zone]
    form = Inputs(guest.curl(f"{portal}/").body).values
    form.update(name="ada", password="lovelace")
    assert guest.curl(f"{portal}/login", "--data", urllib.parse.urlencode(form)).status == 303


def cli(lab, *argv):
    return lab.gateway.cli(*argv, "--socket", lab.gateway.control)


def online(lab):
    """The zones of sessions."""
    return sorted(guest["zone"] for guest in lab.gateway.sessions())


def test_each_zone_has_its_own_pool_portal_and_nas_identifier():
    with hotel() as (lab, guest, employee):
        assert guest.address.startswith("10.85.")
        assert 100 <= int(employee.address.removeprefix("10.86.0.")) <= 110
        for who, zone, title in ((guest, "guests", "Hotel"), (employee, "staff", "Staff only")):
            assert who.curl("http://anything.test/").location.startswith(PORTALS[zone])
            assert title in who.curl(f"{PORTALS[zone]}/").body
            assert not who.is_online()
            login(who, zone)
            assert who.is_online()
        assert online(lab) == ["guests", "staff"]
        starts = wait_for(lambda: len(lab.radius.records("Start")) == 2 and lab.radius.records("Start"), "records")
        told = {record["NAS-Identifier"]: record["Framed-IP-Address"] for record in starts}
        assert told == {"hotel-guests": guest.address, "hotel-staff": employee.address}
        table = cli(lab, "sessions").splitlines()
        assert table[0].split()[:2] == ["ZONE", "IP"]
        assert [line.split()[0] for line in table[1:3]] == ["guests", "staff"]
        assert any(line.startswith("staff: RADIUS") for line in table)
        # A line of the log says whose it is.
        assert "zone{name=staff}: guests on staff0 get 10.86.0.0/24" in lab.gateway.log.read_text()


def test_guests_of_two_zones_do_not_reach_each_other():
    with hotel() as (lab, guest, employee):
        login(guest, "guests")
        login(employee, "staff")
        for who, other, zone in ((guest, employee, "staff"), (employee, guest, "guests")):
            assert not who.ping(other.address)
            assert who.connect(other.address, 22, seconds=1) != "open"
            # Nor the other zone's portal, where they are strangers.
            assert not who.ping(PORTALS[zone].removeprefix("http://").split(":")[0])
            assert who.curl_status(f"{PORTALS[zone]}/", timeout=2) != 0
            assert who.ping(HOST)


def test_a_device_that_is_online_in_one_zone_is_unknown_in_the_other():
    with hotel() as (lab, guest, employee):
        login(guest, "guests")
        employee.ns.ip("link", "set", Guest.nic, "down")
        employee.ns.ip("link", "set", Guest.nic, "address", guest.mac)
        employee.ns.ip("link", "set", Guest.nic, "up")
        assert employee.lease()
        assert not employee.is_online()
        assert guest.is_online()
        # Nor with the address as well.
        employee.ns.ip("addr", "flush", "dev", Guest.nic)
        employee.ns.ip("addr", "add", f"{guest.address}/20", "dev", Guest.nic)
        employee.ns.ip("route", "add", "default", "via", "10.85.0.1")
        assert not employee.is_online()
        assert guest.is_online()
        # The operator has to say which of the two is meant, or names what only one has.
        several = lab.gw.done(binary(), "kick", guest.mac, "--socket", lab.gateway.control)
        assert "guest of several zones; name one with --zone: guests, staff" in several.stderr
        cli(lab, "kick", guest.mac, "--zone", "guests")
        assert not guest.is_online()


def test_a_guest_with_the_static_address_of_another_zone_is_a_guest_of_its_own_zone():
    with hotel(dhcp={"any_address": True}) as (lab, guest, employee):
        login(employee, "staff")
        nic, others = Guest.nic, employee.address
        guest.ns.ip("addr", "flush", "dev", nic)
        guest.ns.ip("link", "set", nic, "address", "02:00:5e:00:53:77")
        guest.ns.ip("addr", "add", f"{others}/24", "dev", nic)
        guest.ns.ip("route", "replace", "default", "via", "10.86.0.1")
        guest.ns.set_resolvers("10.86.0.1")
        # The router that it finds is ours, of its own zone, which knows nothing of who is online with that address.
        assert guest.curl("http://anything.test/").location.startswith(PORTALS["guests"])
        assert not guest.is_online()
        login(guest, "guests")
        assert guest.is_online()
        # Online it still finds nobody of the other zone, neither its gateway nor a guest beside it.
        assert guest.curl_status(f"{PORTALS['staff']}/", timeout=2) != 0
        assert not guest.ping("10.86.0.1")
        assert not guest.ping(others.rpartition(".")[0] + (".109" if others != "10.86.0.109" else ".110"))
        assert employee.is_online()
        told = {entry["zone"]: entry for entry in lab.gateway.sessions()}
        assert told["staff"]["ip"] == others
        assert told["guests"]["ip"].startswith("10.85.")
        assert told["guests"]["foreign_ip"] == others


def test_a_radius_server_ends_a_session_in_whatever_zone_it_is():
    with hotel() as (lab, guest, employee):
        wait_for_the_next_second()
        login(guest, "guests")
        login(employee, "staff")
        of_staff = 'NAS-Identifier = "hotel-staff"'
        named = f"Framed-IP-Address = {employee.address}"
        assert ask(lab, "disconnect", of_staff, f"Framed-IP-Address = {guest.address}") == (
            "Disconnect-NAK",
            "Session-Context-Not-Found",
        )
        assert ask(lab, "disconnect", of_staff, named) == ("Disconnect-ACK", None)
        assert online(lab) == ["guests"]
        # Without a name for the gateway it is looked for in all zones.
        assert ask(lab, "disconnect", 'User-Name = "ada"') == ("Disconnect-ACK", None)
        assert online(lab) == []


def test_sessions_of_all_zones_survive_a_restart_and_a_stop_leaves_nothing():
    with hotel() as (lab, guest, employee):
        login(guest, "guests")
        login(employee, "staff")
        names = {each["session"]["id"] for each in lab.gateway.sessions()}
        lab.gateway.signal(signal.SIGUSR2)
        lab.gateway.start()
        assert {each["session"]["id"] for each in lab.gateway.sessions()} == names
        assert guest.is_online()
        assert employee.is_online()
        for name in ("guests", "staff"):
            state = lab.directory / "state" / "zones" / name / "state.redb"
            wait_for(lambda s=state: any(n.encode() in s.read_bytes() for n in names), f"the sessions of {name}")
        lab.gateway.kill()
        lab.gateway.start()
        assert guest.is_online()
        assert employee.is_online()
        assert lab.gateway.stop() == 0
        assert snapshot(lab.gw) == lab.before


def test_what_is_wrong_with_any_zone_is_told_at_once_and_nothing_starts():
    with Lab(start=False, accounts=False, settings=zones()) as lab:
        lab.gateway.settings["zone"]["guests"]["lan"]["interface"] = "eth7"
        lab.gateway.write()
        before = snapshot(lab.gw)
        for command in ("run", "check"):
            refused = lab.gw.done(binary(), command, "--config", lab.gateway.config)
            assert refused.returncode != 0
            assert "zone guests: lan.interface: cannot find the interface eth7" in refused.stderr
            assert "zone staff: lan.interface: cannot find the interface staff0" in refused.stderr
        told = json.loads(lab.gw.done(binary(), "check", "--json", "--config", lab.gateway.config).stdout)
        assert [zone["zone"] for zone in told["zones"]] == ["guests", "staff"]
        assert snapshot(lab.gw) == before


def test_the_interface_of_a_vlan_is_made_and_goes_with_a_clean_stop():
    if not has_vlans():
        pytest.skip("this kernel has no interfaces for VLANs")
    with hotel(vlan=20) as (lab, guest, employee):
        login(employee, "staff")
        assert employee.is_online()
        assert not guest.is_online()
        # Who comes later knows that it is ours.
        lab.gateway.kill()
        lab.gateway.start()
        assert employee.lease()
        assert lab.gateway.stop() == 0
        assert snapshot(lab.gw) == lab.before
