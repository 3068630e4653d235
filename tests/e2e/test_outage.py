"""The gateway is gone for a moment, by a crash or because another process takes over, and its guests go on."""

import contextlib
import json
import signal
import socket

import pytest

from aaa import FreeRadius, settings
from frames import Wire, is_ipv4
from internet import HOST, wait_for
from lab import PORTAL, Lab
from test_radius import USERS, segments

HANDOVER = signal.SIGUSR2
CRASH = signal.SIGKILL


@contextlib.contextmanager
def radius_lab(offload="on", **session):
    """A guest that is online, and FreeRADIUS."""
    with Lab(start=False, settings={**settings(), "session": session, "offload": {"mode": offload}}) as lab:
        lab.radius = FreeRadius(lab, USERS)
        try:
            lab.gateway.start()
            assert lab.guest.lease()
            assert lab.guest.login().status == 303
            lab.radius.wait("Start")
            yield lab
        except BaseException:
            print(lab.radius.log.read_text()[-3000:], *lab.radius.records(), sep="\n")
            raise
        finally:
            lab.gateway.stop()
            lab.radius.stop()


@pytest.mark.parametrize("way", [(), ("-R",)], ids=["up", "down"])
@pytest.mark.parametrize("end", [CRASH, HANDOVER], ids=["crash", "handover"])
@pytest.mark.parametrize("offload", ["on", "off"])
def test_a_connection_lives_through_it_and_the_account_is_one(offload, end, way):
    with radius_lab(offload) as lab:
        guest, gateway = lab.guest, lab.gateway
        before = gateway.sessions()[0]["session"]
        gateway.wait_until_written()
        report = lab.directory / "iperf.json"
        with watch(lab.inet, "up0") as far, watch(guest.ns, "wlan0") as near:
            with report.open("w") as out:
                busy = guest.ns.spawn("iperf3", "-J", "-c", HOST, "-t", 8, "-b", "20M", *way, stdout=out)
            try:
                wait_for(lambda: used(gateway) > 2_000_000, "traffic")
                assert gateway.signal(end) == (0 if end == HANDOVER else -end)
                up, down = octets(far, to=HOST), octets(near, source=HOST)
                gateway.start()
                assert guest.is_online(), "without a new login"
                session = gateway.sessions()[0]["session"]
                assert (session["id"], session["user"]) == (before["id"], before["user"])
                assert abs(session["started_unix"] - before["started_unix"]) <= 1
                assert busy.wait(40) == 0, report.read_text()
            finally:
                busy.kill()
                busy.wait()
            assert guest.logout().status in (302, 303)
            stop = lab.radius.wait("Stop")
            since = octets(far, to=HOST), octets(near, source=HOST)
        assert json.loads(report.read_text())["end"]["sum_received"]["bytes"] > 15_000_000, "it went on at its speed"
        assert (int(stop["Acct-Input-Octets"]), int(stop["Acct-Output-Octets"])) == (up + since[0], down + since[1])
        kinds = [record["Acct-Status-Type"] for record in lab.radius.records()]
        assert kinds == ["Accounting-On", "Start", "Stop"]
        assert stop["Acct-Session-Id"] == before["id"]
        assert stop["NAS-Port"] == lab.radius.wait("Start")["NAS-Port"]


def test_a_stop_that_is_not_a_handover_ends_sessions_as_ever():
    with radius_lab() as lab:
        assert lab.gateway.stop() == 0
        assert lab.radius.wait("Stop")["Acct-Terminate-Cause"] == "Admin-Reboot"
        lab.radius.wait("Accounting-Off")
        lab.gateway.start()
        assert lab.gateway.sessions() == []
        assert not lab.guest.is_online()
        wait_for(lambda: len(lab.radius.records("Accounting-On")) == 2, "a second Accounting-On")


def test_an_operator_may_have_all_sessions_ended_by_an_outage():
    with radius_lab(outage="0") as lab:
        lab.gateway.signal(HANDOVER)
        assert lab.radius.records("Accounting-Off") == []
        lab.gateway.start()
        assert lab.radius.wait("Stop")["Acct-Terminate-Cause"] == "Admin-Reboot"
        assert not lab.guest.is_online()


@pytest.mark.parametrize("offload", ["on", "off"])
def test_between_two_processes_only_the_kernel_lets_somebody_through_and_a_stop_cleans_up_after_both(offload):
    with radius_lab(offload) as lab:
        lab.gateway.signal(HANDOVER)
        assert "netdev poblano" in lab.gw.run("nft", "list", "tables")
        assert lab.guest.ping(HOST) == (offload == "on")
        lab.gateway.start()
        assert lab.guest.is_online()
        assert lab.guest.curl(f"{PORTAL}/status").status == 200
        assert lab.gateway.stop() == 0
        assert "poblano" not in lab.gw.run("nft", "list", "tables")


def watch(ns, interface):
    return Wire(ns, interface, buffer=256 << 20, headers=True)


def octets(wire, to=None, source=None):
    """IP octets since the last look that came in here to or from an address."""
    at, wanted = (30, to) if to else (26, source)
    assert wire.lost() == 0
    came = (frame for outgoing, frame in wire.both_ways() if not outgoing)
    wanted = socket.inet_aton(wanted)
    return sum(segments(headed)[1] for headed in came if is_ipv4(headed[1]) and headed[1][at : at + 4] == wanted)


def used(gateway):
    session = gateway.sessions()[0]["session"]
    return session["input_octets"] + session["output_octets"]
