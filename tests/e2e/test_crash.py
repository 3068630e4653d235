"""The gateway starts, stops, and crashes; at no time is anybody let out by it."""

import pytest

from frames import MARK, Wire, every_kind
from internet import HOST
from lab import Lab, binary


def test_a_crash_leaves_guests_offline_and_a_restart_serves_leases_again(online):
    guest, gateway = online.guest, online.gateway
    assert guest.is_online()
    mac = gateway_mac(guest)
    gateway.kill()
    seen = len(online.internet.seen)
    with Wire(online.inet, "up0") as uplink, Wire(guest.ns, "wlan0") as wire:
        # The kernel has the LAN's address by itself no more; neither the old way nor a way around it is open.
        assert not guest.ping(HOST)
        assert guest.connect(HOST, 80, seconds=2) != "open"
        for _, frame in every_kind(wire.mac, mac, guest.address, HOST):
            wire.send(frame)
        for _, frame in every_kind(wire.mac, online.gw.mac("lan0"), guest.address, HOST):
            wire.send(frame)
        assert [f.hex(" ") for f in uplink.arrived(0.3) if MARK in f] == []
    assert len(online.internet.seen) == seen
    gateway.start()
    assert guest.lease()
    if not guest.is_online():
        assert guest.login().status == 303
    assert guest.is_online()


def test_a_guest_cannot_reach_the_gateways_kernel_after_a_crash(online):
    online.gateway.kill()
    for address in ("10.85.0.1", "203.0.113.2", "172.31.0.1"):
        assert not online.guest.ping(address)


@pytest.mark.parametrize("uplink", ["subnet", "host-route"])
def test_a_clean_stop_leaves_the_machine_as_it_was(uplink):
    with Lab(uplink=uplink, start=False) as lab:
        before = snapshot(lab.gw)
        lab.gateway.start()
        assert snapshot(lab.gw) != before
        assert lab.guest.lease()
        assert lab.guest.login().status == 303
        assert lab.guest.is_online()
        assert lab.gateway.stop() == 0
        assert snapshot(lab.gw) == before
        assert not lab.gateway.control.exists()


def test_a_crash_is_cleaned_up_by_the_next_start_and_its_clean_stop():
    """All but switches: what they were before the crash went with the process, and they stay as they are safe."""
    with Lab(start=False) as lab:
        before = snapshot(lab.gw)
        lab.gateway.start()
        lab.gateway.kill()
        assert snapshot(lab.gw)["rulesets"] != before["rulesets"]
        lab.gateway.start()
        assert lab.guest.lease()
        assert lab.gateway.stop() == 0
        after = snapshot(lab.gw)
        for part in ("links", "routes", "rules", "rulesets", "queues"):
            assert after[part] == before[part]


def test_a_second_gateway_on_the_same_lan_is_refused_and_the_first_one_goes_on(lab):
    again = lab.gw.status(binary(), "run", "--config", lab.gateway.config, timeout=10)
    assert again != 0
    assert lab.guest.lease()
    assert lab.guest.login().status == 303


def gateway_mac(guest):
    words = guest.ns.ip("neigh", "show", "10.85.0.1").split()
    return words[words.index("lladdr") + 1]


def snapshot(ns):
    """What a gateway may have changed in its machine, each as sorted lines."""

    def lines(*argv):
        return sorted(line.strip() for line in ns.run(*argv).splitlines())

    def addresses(family):
        # Without the state of duplicate address detection, which changes by itself.
        return sorted(" ".join(line.split()[1:4]) for line in ns.ip(family, "-o", "addr").splitlines())

    keys = r"^net\.(ipv4\.ip_forward|ipv4\.conf|ipv6\.conf)"
    return {
        "links": sorted(line.split(" ", 1)[1] for line in ns.ip("-o", "link").splitlines()),
        "addresses": [addresses("-4"), addresses("-6")],
        "routes": lines("ip", "-4", "route", "show", "table", "all"),
        "rules": lines("ip", "rule"),
        "rulesets": lines("nft", "list", "ruleset"),
        "queues": lines("tc", "qdisc"),
        "sysctls": lines("sysctl", "-a", "-r", keys),
    }
