"""The gateway starts, stops, and crashes; at no time is anybody let out by it."""

import contextlib
import signal
import socket
import subprocess
import time

import pytest

from frames import MARK, Wire, every_kind, is_ipv4
from internet import HOST, wait_for
from lab import Gateway, Lab, binary


def test_a_crash_leaves_guests_offline_until_a_restart_goes_on_with_them(carried):
    guest, gateway = carried.guest, carried.gateway
    assert guest.is_online()
    mac = gateway_mac(guest)
    gateway.wait_until_written()
    gateway.kill()
    seen = len(carried.internet.seen)
    with Wire(carried.inet, "up0") as uplink, Wire(guest.ns, "wlan0") as wire:
        # The kernel has the LAN's address by itself no more; neither the old way nor a way around it is open.
        assert not guest.ping(HOST)
        assert guest.connect(HOST, 80, seconds=2) != "open"
        for _, frame in every_kind(wire.mac, mac, guest.address, HOST):
            wire.send(frame)
        for _, frame in every_kind(wire.mac, carried.gw.mac("lan0"), guest.address, HOST):
            wire.send(frame)
        assert [f.hex(" ") for f in uplink.arrived(0.3) if MARK in f] == []
    assert len(carried.internet.seen) == seen
    gateway.start()
    assert guest.is_online()
    assert guest.lease()
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
    with Lab(start=False) as lab:
        before = snapshot(lab.gw)
        lab.gateway.start()
        lab.gateway.kill()
        assert snapshot(lab.gw)["rulesets"] != before["rulesets"]
        lab.gateway.start()
        assert lab.guest.lease()
        assert lab.gateway.stop() == 0
        assert snapshot(lab.gw) == before


@pytest.mark.parametrize("way", [(), ("-R",)], ids=["up", "down"])
def test_a_crash_in_the_middle_of_traffic_lets_nothing_more_through(carried, way):
    guest, gateway = carried.guest, carried.gateway
    assert guest.is_online()
    busy = guest.ns.spawn("iperf3", "-c", HOST, "-t", 60, *way, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with Wire(carried.inet, "up0") as uplink, Wire(guest.ns, "wlan0") as wire:
        try:
            wait_for(lambda: octets(carried.inet, "up0") > 50_000_000, "traffic")
            gateway.wait_until_written()
            gateway.kill()
            for sniffer in (uplink, wire):
                drain(sniffer)
            # TCP goes on trying to get something through on both sides.
            assert [f.hex(" ")[:200] for f in uplink.arrived(1.0) if is_ipv4(f) and f[23] == 6] == []
            assert [f.hex(" ")[:200] for f in wire.arrived() if is_ipv4(f)] == []
        finally:
            busy.kill()
            busy.wait()
    gateway.start()
    assert guest.is_online()


@pytest.mark.parametrize("mode", ["on", "off"])
def test_a_guest_who_was_kicked_right_before_a_crash_stays_so(mode):
    with Lab(settings={"offload": {"mode": mode}}) as lab:
        guest, gateway = lab.guest, lab.gateway
        assert guest.lease()
        assert guest.login().status == 303
        gateway.wait_until_written()
        for _ in range(3):
            gateway.cli("kick", guest.address, "--socket", gateway.control)
            gateway.kill()
            gateway.start()
            assert gateway.sessions() == []
            assert not guest.is_online()
            # So does one who was let in.
            gateway.cli("login", guest.address, "--socket", gateway.control)
            gateway.kill()
            gateway.start()
            assert guest.is_online()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_whoever_is_stopped_while_it_starts_leaves_the_machine_as_it_was(number):
    with Lab(start=False) as lab:
        before = snapshot(lab.gw)
        began = time.monotonic()
        lab.gateway.start()
        took = time.monotonic() - began
        assert lab.gateway.stop() == 0
        ends = []
        for n in range(40):
            lab.gateway.spawn()
            time.sleep(took * n / 40)
            ends.append(lab.gateway.signal(number))
            assert snapshot(lab.gw) == before, f"{n}/40 of {took:.3f} s, status {ends[-1]}"
        # By the signal itself when nothing had been changed yet, and in an orderly way from then on.
        assert set(ends) == {-number, 0}
        assert lab.gateway.log.read_text().count("everything that was changed is as it was") > 10


@pytest.mark.parametrize("machine", ["host", "router"])
def test_a_firewall_that_is_loaded_anew_lets_nobody_out_and_ours_comes_back(machine):
    with Lab(guests=2, start=False) as lab:
        ada, eve = lab.guests
        if machine == "router":
            # It forwards by itself, whatever comes from where.
            lab.gw.sysctl("net.ipv4.ip_forward", 1)
        before = snapshot(lab.gw)
        lab.gateway.start()
        assert ada.lease() and eve.lease()
        assert ada.login().status == 303
        assert ada.is_online()
        ours = tables(lab.gw)
        mac = gateway_mac(ada)
        with Wire(lab.inet, "up0") as uplink, Wire(eve.ns, "wlan0") as wire, listening(lab.gw) as heard:
            kinds = [
                frame
                for source in (eve.address, ada.address, "192.0.2.99")
                for target in (HOST, "203.0.113.2", "172.31.0.1")
                for to in {mac, lab.gw.mac("lan0")}
                for _, frame in every_kind(wire.mac, to, source, target)
            ]
            for _ in range(5):
                # Frames before, while and after the rules are gone.
                flush = lab.gw.spawn("sh", "-c", "sleep 0.02; nft flush ruleset")
                while flush.poll() is None:
                    for frame in kinds:
                        wire.send(frame)
                for frame in kinds:
                    wire.send(frame)
                wait_for(lambda: tables(lab.gw) == ours, "our rules", 1)
            assert [f.hex(" ") for f in uplink.arrived(0.3) if MARK in f] == []
            assert heard() == 0
        assert lab.gateway.log.read_text().count("they are back") == 5
        assert ada.is_online()
        assert lab.gateway.stop() == 0
        assert snapshot(lab.gw) == before


def tables(ns):
    return sorted(line for line in ns.run("nft", "list", "ruleset").splitlines() if not line.startswith("#"))


@contextlib.contextmanager
def listening(ns):
    """Counts datagrams that a service of the machine's own gets."""
    with ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("0.0.0.0", 4500))
        udp.setblocking(False)

        def heard():
            count = 0
            with contextlib.suppress(BlockingIOError):
                while udp.recv(2000):
                    count += 1
            return count

        yield heard


def test_a_second_gateway_with_the_same_file_is_refused_and_the_first_one_goes_on(online):
    why = refusal(online, online.gateway.config)
    assert "another process" in why
    assert "state.directory" in why
    assert online.guest.is_online()


def test_a_second_gateway_with_a_file_of_its_own_is_refused_before_it_changes_anything(online):
    """It shares nothing with the first one but the machine, whose firewall tables and LAN are taken."""
    other = Gateway(online.gw, online.directory / "other", {"tun": {"name": "second"}})
    before = snapshot(online.gw)
    assert "another gateway" in refusal(online, other.config)
    assert snapshot(online.gw) == before
    assert online.guest.is_online()


def refusal(lab, config):
    """What a gateway says that does not start."""
    done = lab.gw.done(binary(), "run", "--config", config)
    assert done.returncode == 1
    return done.stderr


def octets(ns, interface):
    base = f"/sys/class/net/{interface}/statistics"
    return sum(int(n) for n in ns.run("cat", f"{base}/tx_bytes", f"{base}/rx_bytes").split())


def drain(wire):
    for _ in wire.arrived():
        pass


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
