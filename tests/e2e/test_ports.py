"""Several interfaces with one guests' network: one pool and one portal for all, and no way from one to the other."""

import contextlib
import itertools
import platform
import signal
import socket

import pytest

from frames import BROADCAST, MARK, Wire, arp, ethernet, every_kind, icmp_echo, ipv4, ipv6, tcp, udp, vlan
from internet import HOST, wait_for
from lab import PORTAL, Guest, Lab, binary
from test_crash import refusal, snapshot, tables

PORTS = ("lan0", "lan1", "lan2")
BRIDGE = "poblano-lan"
OWNERS = ("203.0.113.2", "172.31.0.1")
"""Addresses of the gateway's owner."""
SERVICE = 7000
SYN = 2
UNFORWARDED = ("01:80:c2:00:00:00", "01:80:c2:00:00:03", "01:80:c2:00:00:0e", "01:80:c2:00:00:0f")
"""Groups whose frames a bridge takes for itself."""


def cable(lab, ns, port, nic=Guest.nic):
    lab.gw.ip("link", "add", port, "type", "veth", "peer", "name", nic, "netns", ns.name)
    lab.gw.ip("link", "set", port, "up")


@contextlib.contextmanager
def house(start=True, **settings):
    """Ada has a cable to lan0 and, unplugged, one to lan2; Eve has one to lan1. Both have leases."""
    settings = {"lan": {"interface": list(PORTS)}, **settings}
    with Lab(start=False, settings=settings) as lab:
        cable(lab, lab.machine("guest2"), "lan1")
        lab.guests.append(Guest(lab.machines[-1], lab.directory / "eve"))
        lab.guests[1].ns.ip("link", "set", Guest.nic, "up")
        lab.ada, lab.eve = lab.guests
        cable(lab, lab.ada.ns, "lan2", "spare0")
        lab.before = snapshot(lab.gw)
        if start:
            lab.gateway.start()
            assert all(guest.lease() for guest in lab.guests)
        yield lab


def masters(lab):
    """Which bridge each interface of the gateway is in."""
    told = (lab.gw.ip("-o", "link", "show", port).split() for port in PORTS)
    return [words[words.index("master") + 1] if "master" in words else None for words in told]


def bridges(lab):
    """Their numbers and names."""
    return [line.split()[:2] for line in lab.gw.ip("-o", "link", "show", "type", "bridge").splitlines()]


def reach_each_other(lab):
    """Whether anything of one guest arrives at the other, whatever it tries."""
    ada, eve = lab.guests
    with Wire(ada.ns, Guest.nic) as to, Wire(eve.ns, Guest.nic) as wire:
        packet = ipv4(eve.address, ada.address, 17, udp(eve.address, ada.address, 4000, 4000))
        for target in (ada.mac, BROADCAST, "33:33:00:00:00:01", "01:00:5e:00:00:fb", "02:00:00:00:77:77", *UNFORWARDED):
            for frame in (
                ethernet(target, eve.mac, 0x0800, packet),
                vlan(ethernet(target, eve.mac, 0x0800, packet), 7),
                ethernet(target, eve.mac, 0x86DD, ipv6("fe80::1", "ff02::1", 17, MARK)),
                ethernet(target, eve.mac, 0x88B5, MARK),
            ):
                wire.send(frame)
        found = [frame for frame in to.arrived(0.5) if MARK in frame]
    return bool(found) or eve.ping(ada.address) or ada.ping(eve.address)


@pytest.mark.parametrize("offload", ["on", "off"])
def test_guests_on_two_interfaces_have_one_pool_and_one_portal_and_do_not_reach_each_other(offload):
    with house(offload={"mode": offload}) as lab:
        assert lab.ada.address != lab.eve.address
        assert all(guest.address.startswith("10.85.") for guest in lab.guests)
        assert lab.gateway.cli("offload", "--socket", lab.gateway.control).strip().split(":")[0] == offload
        for guest in lab.guests:
            assert guest.curl("http://anything.test/").location.startswith(PORTAL)
            assert not guest.is_online()
        assert not reach_each_other(lab)
        assert lab.ada.login().status == 303
        assert [guest.is_online() for guest in lab.guests] == [True, False]
        assert lab.eve.login().status == 303
        for guest in lab.guests:
            assert guest.is_online()
            assert guest.curl_status("http://online.test/blob") == 0
        assert not reach_each_other(lab)
        assert lab.ada.logout().status == 303
        assert [guest.is_online() for guest in lab.guests] == [False, True]


@pytest.mark.parametrize("offload", ["on", "off"])
def test_a_guest_that_moves_to_another_interface_keeps_its_session(offload):
    with house(offload={"mode": offload}) as lab:
        ada, mac = lab.ada, lab.ada.mac
        assert ada.login().status == 303
        assert ada.is_online()
        (session,) = (guest["session"]["id"] for guest in lab.gateway.sessions())
        ada.ns.ip("link", "set", Guest.nic, "down")
        ada.ns.ip("link", "set", Guest.nic, "name", "unplugged0")
        ada.ns.ip("link", "set", "spare0", "name", Guest.nic)
        ada.ns.ip("link", "set", Guest.nic, "address", mac)
        ada.ns.ip("link", "set", Guest.nic, "up")
        assert ada.lease()
        assert ada.is_online()
        assert [guest["session"]["id"] for guest in lab.gateway.sessions()] == [session]


def test_after_a_stop_the_interfaces_are_as_they_were_and_no_bridge_is_left():
    with house() as lab:
        assert masters(lab) == [BRIDGE] * 3
        assert lab.eve.login().status == 303
        lab.gateway.stop()
        assert masters(lab) == [None] * 3
        assert bridges(lab) == []
        assert snapshot(lab.gw) == lab.before


@pytest.mark.parametrize("offload", ["on", "off"])
def test_a_crash_opens_nothing_and_the_next_start_goes_on_with_the_sessions(offload):
    with house(offload={"mode": offload}) as lab:
        assert lab.eve.login().status == 303
        lab.gateway.wait_until_written()
        (bridge,) = bridges(lab)
        lab.gateway.kill()
        assert bridges(lab) == [bridge]
        assert not lab.ada.is_online()
        assert not reach_each_other(lab)
        lab.gateway.start()
        assert [guest.is_online() for guest in lab.guests] == [False, True]
        assert bridges(lab) == [bridge]
        lab.gateway.stop()
        assert bridges(lab) == []
        assert snapshot(lab.gw)["rulesets"] == lab.before["rulesets"]


def test_a_hand_over_keeps_the_bridge_and_the_sessions():
    with house() as lab:
        assert lab.eve.login().status == 303
        (bridge,) = bridges(lab)
        lab.gateway.signal(signal.SIGUSR2)
        assert bridges(lab) == [bridge]
        lab.gateway.start()
        assert bridges(lab) == [bridge]
        assert lab.eve.is_online()


def test_after_a_crash_a_configuration_with_other_interfaces_releases_the_rest():
    with house() as lab:
        lab.gateway.kill()
        lab.gateway.settings["lan"]["interface"] = ["lan1", "lan2"]
        lab.gateway.write()
        lab.gateway.start()
        assert masters(lab) == [None, BRIDGE, BRIDGE]
        assert lab.eve.lease()
        lab.gateway.kill()
        lab.gateway.settings["lan"]["interface"] = "lan1"
        lab.gateway.write()
        lab.gateway.start()
        assert masters(lab) == [None] * 3
        assert bridges(lab) == []
        assert lab.eve.lease()
        assert lab.eve.login().status == 303
        assert lab.eve.is_online()


@pytest.mark.parametrize("offload", ["on", "off"])
def test_an_interface_that_vanishes_cuts_off_its_own_guests_until_it_is_back(offload):
    with house(offload={"mode": offload}) as lab:
        assert [guest.login().status for guest in lab.guests] == [303, 303]
        mac = lab.eve.mac
        lab.gw.ip("link", "del", "lan1")
        told = lab.gateway.log.read_text
        wait_for(lambda: "lan1 is gone" in told(), "word of the interface that is gone")
        assert lab.ada.is_online()
        cable(lab, lab.eve.ns, "lan1")
        lab.eve.ns.ip("link", "set", Guest.nic, "address", mac)
        lab.eve.ns.ip("link", "set", Guest.nic, "up")
        wait_for(lambda: "lan1 is back" in told(), "word of the interface that is back")
        assert "took our firewall rules away" not in told()
        assert lab.eve.lease()
        assert [guest.is_online() for guest in lab.guests] == [True, True]
        assert not reach_each_other(lab)
        assert heard_through(lab, lab.eve) == set()
        lab.gw.ip("link", "del", "lan1")
        wait_for(lambda: told().count("lan1 is gone") == 2, "word of the interface that is gone again")
        assert lab.gateway.stop() == 0
        assert bridges(lab) == []
        assert "stopped, but" not in told()


def test_with_the_rights_of_the_service_an_interface_comes_back_too():
    with house(start=False) as lab, lab.gateway.as_the_service():
        lab.gateway.start()
        lab.gw.ip("link", "del", "lan1")
        told = lab.gateway.log.read_text
        wait_for(lambda: "lan1 is gone" in told(), "word of the interface that is gone")
        cable(lab, lab.eve.ns, "lan1")
        lab.eve.ns.ip("link", "set", Guest.nic, "up")
        wait_for(lambda: "lan1 is back" in told(), "word of the interface that is back")
        assert lab.eve.lease()
        assert lab.eve.login().status == 303
        assert lab.eve.is_online()
        assert "ERROR" not in told()


def test_a_crash_while_an_interface_is_away_keeps_nobody_on_the_others_off_the_net():
    with house() as lab:
        assert lab.ada.login().status == 303
        lab.gateway.wait_until_written()
        mac = lab.eve.mac
        lab.gw.ip("link", "del", "lan1")
        lab.gateway.kill()
        lab.gateway.start()
        assert lab.ada.is_online()
        cable(lab, lab.eve.ns, "lan1")
        lab.eve.ns.ip("link", "set", Guest.nic, "address", mac)
        lab.eve.ns.ip("link", "set", Guest.nic, "up")
        wait_for(lambda: "lan1 is back" in lab.gateway.log.read_text(), "word of the interface that is back")
        assert lab.eve.lease()
        assert not lab.eve.is_online()
        assert not reach_each_other(lab)


def test_an_interface_that_somebody_takes_out_of_the_bridge_is_put_back():
    with house() as lab:
        lab.gw.ip("link", "set", "lan1", "nomaster")
        wait_for(lambda: masters(lab) == [BRIDGE] * 3, "the interface in the bridge")
        lab.gw.run("bridge", "link", "set", "dev", "lan1", "isolated", "off")
        wait_for(lambda: "isolated on" in lab.gw.run("bridge", "-d", "link", "show", "dev", "lan1"), "the wall")
        assert lab.eve.lease()
        assert not reach_each_other(lab)


def test_a_firewall_that_is_loaded_anew_does_not_open_the_interfaces():
    with house() as lab:
        rules = tables(lab.gw)
        lab.gw.run("nft", "flush", "ruleset")
        wait_for(lambda: tables(lab.gw) == rules, "the rules")
        assert heard_through(lab, lab.ada) == set()


def heard_through(lab, guest):
    """What the gateway's kernel takes of a guest's frames to groups that a bridge takes for itself."""
    heard = set()
    with (
        lab.gw.socket(socket.AF_INET6, socket.SOCK_DGRAM) as datagrams,
        lab.gw.socket(socket.AF_INET, socket.SOCK_STREAM) as streams,
        lab.gw.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as pings,
        Wire(guest.ns, Guest.nic) as wire,
    ):
        datagrams.bind(("::", SERVICE))
        streams.bind(("0.0.0.0", SERVICE))
        streams.listen()
        for group, owner in itertools.product(UNFORWARDED, OWNERS):
            source = guest.address
            for kind, payload in (
                (0x0800, ipv4(source, owner, 17, udp(source, owner, 4000, SERVICE))),
                (0x0800, ipv4(source, owner, 6, tcp(source, owner, 4000, SERVICE, SYN, b""))),
                (0x0800, ipv4(source, owner, 1, icmp_echo())),
                (0x0806, arp(1, guest.mac, "0.0.0.0", "00:00:00:00:00:00", owner)),
                (0x0806, arp(1, guest.mac, source, "00:00:00:00:00:00", owner)),
                (0x86DD, ipv6("fe80::1", "ff02::1", 17, udp("fe80::1", "ff02::1", 4000, SERVICE))),
            ):
                wire.send(ethernet(group, guest.mac, kind, payload))
        if any(frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\2" for frame in wire.arrived(0.5)):
            heard.add("arp")
        if lab.gw.run("ss", "-Htn", "state", "syn-recv", "sport", "=", f":{SERVICE}").strip():
            heard.add("tcp")
        for name, port in (("udp", datagrams), ("icmp", pings)):
            port.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                port.recv(2048)
                heard.add(name)
    return heard


@pytest.mark.parametrize("offload", ["on", "off"])
def test_nothing_of_a_guest_who_is_not_logged_in_leaves_whomever_its_frames_are_for(offload):
    with house(offload={"mode": offload}) as lab, Wire(lab.inet, "up0") as uplink, Wire(lab.eve.ns, Guest.nic) as wire:
        assert lab.ada.login().status == 303
        for target in (*(lab.gw.mac(name) for name in (BRIDGE, "lan1")), lab.ada.mac, *UNFORWARDED):
            for _, frame in every_kind(lab.eve.mac, target, lab.eve.address, HOST):
                wire.send(frame)
        assert [frame.hex(" ") for frame in uplink.arrived(0.5) if MARK in frame] == []
        assert lab.eve.login().status == 303
        wire.send(
            ethernet(
                lab.gw.mac(BRIDGE),
                lab.eve.mac,
                0x0800,
                ipv4(lab.eve.address, HOST, 17, udp(lab.eve.address, HOST, 4000, 4500)),
            )
        )
        assert [frame for frame in uplink.arrived(1) if MARK in frame] != [], "and of who is, it does"


@pytest.mark.parametrize("offload", ["on", "off"])
def test_a_packet_in_a_frame_that_a_bridge_takes_for_itself_does_not_reach_the_gateways_kernel(offload):
    with house(offload={"mode": offload}) as lab:
        assert heard_through(lab, lab.ada) == set()
        assert lab.ada.login().status == 303
        assert heard_through(lab, lab.ada) == set()
        assert heard_through(lab, lab.eve) == set()
        lab.gateway.kill()
        assert heard_through(lab, lab.eve) == set()
        # Without the first wall the kernel hears what the others do not stop, and without any all but TCP, of which it
        # takes nothing that came to a group: the test can fail.
        lab.gw.run("nft", "delete", "table", "netdev", "poblano")
        assert heard_through(lab, lab.eve) == {"arp"}
        lab.gw.run("nft", "delete", "table", "inet", "poblano")
        for interface in ("all", "lan1"):
            lab.gw.sysctl(f"net.ipv4.conf.{interface}.rp_filter", 0)
        assert heard_through(lab, lab.eve) == {"arp", "udp", "icmp"}


def test_a_zone_of_several_interfaces_stands_beside_one_of_a_single_one():
    zones = {
        "guests": {"lan": {"interface": ["lan0", "lan2"], "network": "10.85.0.0/20"}},
        "staff": {"lan": {"interface": "lan1", "network": "10.86.0.0/24"}},
    }
    with house(zone=zones) as lab:
        assert masters(lab) == ["pbl-guests", None, "pbl-guests"]
        assert [guest.address[:6] for guest in lab.guests] == ["10.85.", "10.86."]
        assert lab.ada.login().status == 303
        assert lab.ada.is_online()
        assert not reach_each_other(lab)
        lab.gateway.kill()
        lab.gateway.start()
        assert lab.ada.lease()
        lab.gateway.stop()
        assert masters(lab) == [None] * 3
        assert snapshot(lab.gw)["rulesets"] == lab.before["rulesets"]


def kernel():
    return tuple(int(number) for number in platform.release().split(".")[:2])


@pytest.mark.skipif(kernel() < (6, 8), reason="the kernel's bridge learns without a bound")
def test_who_invents_stations_fills_the_bridge_up_to_its_bound_and_keeps_nobody_from_the_net():
    with house() as lab:
        with Wire(lab.eve.ns, Guest.nic) as wire:
            for n in range(66_500):
                wire.send(ethernet(BROADCAST, f"02:aa:00:{n >> 16:02x}:{n >> 8 & 255:02x}:{n & 255:02x}", 0x88B5, MARK))
        learned = lab.gw.run("bridge", "fdb", "show", "br", BRIDGE).count("02:aa:00:")
        assert 10_000 < learned <= 65_536
        lab.eve.ns.ip("link", "set", Guest.nic, "down")
        assert lab.ada.login().status == 303
        assert lab.ada.is_online()


@pytest.mark.parametrize(
    ("prepare", "told"),
    [
        (
            (("link", "add", "br0", "type", "bridge"), ("link", "set", "lan1", "master", "br0")),
            "use lan1 as the guests' interface: it is part of a bridge or bond",
        ),
        ((("addr", "add", "192.168.7.1/24", "dev", "lan1"),), "use lan1 as the guests' interface: it has the address"),
        ((("link", "add", BRIDGE, "type", "bridge"),), f"make the bridge {BRIDGE}: there is an interface of that name"),
        ((("link", "del", "lan1"),), "find the interface lan1: it does not exist"),
        (
            (("link", "add", "link", "lan1", "name", "office", "type", "macvlan"),),
            "use lan1 beside other guests' interfaces: office takes frames of it for itself",
        ),
    ],
)
def test_what_cannot_be_one_of_several_is_refused_with_words_and_nothing_is_changed(prepare, told):
    with house(start=False) as lab:
        for command in prepare:
            lab.gw.ip(*command)
        before = snapshot(lab.gw), bridges(lab)
        assert told in refusal(lab, lab.gateway.config)
        assert told in lab.gw.done(binary(), "check", "--config", lab.gateway.config).stderr
        assert (snapshot(lab.gw), bridges(lab)) == before
