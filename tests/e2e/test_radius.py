"""FreeRADIUS is the AAA."""

import contextlib
import datetime
import json
import socket
import subprocess

import pytest

from aaa import FreeRadius, settings
from frames import Wire, is_ipv4
from internet import DNS, HOST, wait_for
from lab import PORTAL, Lab
from test_offload import counters

USERS = """
ada Cleartext-Password := "lovelace"
    Session-Timeout = 600,
    Idle-Timeout = 300,
    Class = 0x636c617373,
    Reply-Message = "Hello Ada"

brief Cleartext-Password := "brief"
    Session-Timeout = 3

silent Cleartext-Password := "silent"
    Idle-Timeout = 2

slow Cleartext-Password := "slow"
    WISPr-Bandwidth-Max-Up = 2000000,
    WISPr-Bandwidth-Max-Down = 8000000

data Cleartext-Password := "data"
    ChilliSpot-Max-Total-Octets = 1000000

gold Cleartext-Password := "gold"
    Filter-Id = "gold",
    WISPr-Redirection-URL = "http://online.test/welcome?a=1",
    Chargeable-User-Identity = 0x637569,
    User-Name = "gold card 7"

lead Cleartext-Password := "lead"
    Filter-Id = "lead"

tik Cleartext-Password := "tik"
    Mikrotik-Rate-Limit = "2M/8M 4M/16M"

pool Cleartext-Password := "pool"
    Port-Limit = 1,
    Framed-IP-Address = 10.85.9.9

vip Cleartext-Password := "vip"
    Framed-Pool = "vip"

past Cleartext-Password := "past"
    WISPr-Session-Terminate-Time = "2020-01-01T00:00:00Z"

odd Cleartext-Password := "odd"
    WISPr-Session-Terminate-Time = "tomorrow"

busy Cleartext-Password := "busy"
    ChilliSpot-Max-Total-Octets = 300000000

more Cleartext-Password := "more"
    ChilliSpot-Max-Output-Octets = 705032704,
    Attr-26.14559.22 = 0x00000001

trusting Auth-Type := Accept

DEFAULT Auth-Type := Reject
    Reply-Message = "Your ticket is used up"
"""

RESET = 4
"""The flag of TCP, in octet 47 of a frame whose IP header has no options."""
KINDS = ("Input-Octets", "Output-Octets", "Input-Packets", "Output-Packets")


@contextlib.contextmanager
def radius_lab(offloads=True, users=USERS, **more):
    own = {**settings(), **more.pop("settings", {})}
    own["radius"] = {**own["radius"], **more}
    with Lab(start=False, offloads=offloads, settings=own) as lab:
        lab.radius = FreeRadius(lab, users)
        try:
            lab.gateway.start()
            assert lab.guest.lease()
            yield lab
        except BaseException:
            print(lab.radius.log.read_text()[-3000:], *lab.radius.records(), sep="\n")
            raise
        finally:
            # While somebody is there to take the last records.
            lab.gateway.stop()
            lab.radius.stop()


@pytest.mark.parametrize("method", ["pap", "chap", "mschapv2"])
def test_a_guest_that_freeradius_knows_gets_online(method):
    with radius_lab(method=method) as lab:
        assert lab.guest.login().status == 303
        assert lab.guest.is_online()


@pytest.mark.parametrize("method", ["pap", "chap", "mschapv2"])
def test_a_guest_with_a_wrong_password_stays_offline(method):
    with radius_lab(method=method) as lab:
        assert lab.guest.login(password="babbage").status != 303
        assert not lab.guest.is_online()


def test_by_mschapv2_a_server_that_cannot_prove_that_it_knows_the_password_lets_nobody_in():
    with radius_lab(method="mschapv2") as lab:
        assert lab.guest.login("trusting", "whatever").status != 303
        assert not lab.guest.is_online()
        assert "MS-CHAP2-Success" in lab.gateway.log.read_text()
        assert lab.guest.login().status == 303
        assert lab.guest.is_online()
    with radius_lab(method="pap") as lab:
        assert lab.guest.login("trusting", "whatever").status == 303


def test_a_guest_that_freeradius_refuses_reads_why():
    with radius_lab() as lab:
        assert "Your ticket is used up" in lab.guest.login("eve", "x").body
        assert not lab.guest.is_online()
        assert lab.radius.records("Start") == []


def test_a_server_that_does_not_answer_lets_nobody_in():
    with radius_lab(timeout="1s", tries=1) as lab:
        lab.radius.stop()
        reply = lab.guest.login()
        assert reply.status != 303
        assert not lab.guest.is_online()


def test_the_octets_of_the_accounting_are_those_the_guests_interface_counted():
    with radius_lab(offloads=False) as lab:
        guest = lab.guest
        assert guest.login().status == 303
        with Wire(guest.ns, "wlan0", buffer=256 << 20) as wire:
            before = interface(guest)
            for _ in range(3):
                assert guest.curl_status("http://online.test/blob") == 0
            upload = lab.directory / "upload"
            upload.write_bytes(bytes(2_000_000))
            assert guest.curl_status("http://online.test/", "--data-binary", f"@{upload}") == 0
            assert guest.ping(HOST, count=3)
            assert guest.ask_dns(DNS, "mine.test", 1)
            assert guest.logout().status in (302, 303)
            stop = lab.radius.wait("Stop")
            frames = list(wire.both_ways())
            after = interface(guest)
        # The sniffer missed nothing: its sum is that of the interface.
        for way, counter in ((True, "tx"), (False, "rx")):
            seen = [len(frame) for outgoing, frame in frames if outgoing == way]
            assert (len(seen), sum(seen)) == tuple(after[counter][n] - before[counter][n] for n in (0, 1))
        up = [frame for outgoing, frame in frames if outgoing and is_foreign(frame, 30)]
        down = [frame for outgoing, frame in frames if not outgoing and is_foreign(frame, 26)]
        assert sum(map(ip_octets, up)) > 2_000_000
        assert sum(map(ip_octets, down)) > 3 << 20
        # RFC 2866: Input is from the guest, Output is to it.
        assert {kind: int(stop[f"Acct-{kind}"]) for kind in KINDS} == {
            "Input-Octets": sum(map(ip_octets, up)),
            "Output-Octets": sum(map(ip_octets, down)),
            "Input-Packets": len(up),
            "Output-Packets": len(down),
        }


def test_super_packets_are_counted_as_the_segments_that_a_cable_would_carry():
    """With offloads a guest's kernel hands over 64 kB at a time; its interface tells the size of the segments."""
    with radius_lab() as lab:
        guest = lab.guest
        assert guest.login().status == 303
        with Wire(guest.ns, "wlan0", buffer=256 << 20, headers=True) as wire:
            for way in ((), ("-R",)):
                guest.ns.run("iperf3", "-c", HOST, "-n", "20M", *way)
            assert guest.logout().status == 303
            stop = lab.radius.wait("Stop")
            frames = list(wire.both_ways())
            assert wire.lost() == 0
        # From the guest's own kernel to one that is far away, and back.
        up = [segments(frame) for outgoing, frame in frames if outgoing and is_foreign(frame[1], 30)]
        down = [segments(frame) for outgoing, frame in frames if not outgoing and is_foreign(frame[1], 26)]
        assert max(count for count, _ in up) > 1
        assert {kind: int(stop[f"Acct-{kind}"]) for kind in KINDS} == {
            "Input-Octets": sum(octets for _, octets in up),
            "Output-Octets": sum(octets for _, octets in down),
            "Input-Packets": sum(count for count, _ in up),
            "Output-Packets": sum(count for count, _ in down),
        }


def test_the_detail_file_tells_the_life_of_a_session():
    with radius_lab(settings={"session": {"interim": "1m"}}) as lab:
        guest = lab.guest
        lab.radius.wait("Accounting-On")
        assert guest.login().status == 303
        start = lab.radius.wait("Start")
        assert start["User-Name"] == "ada"
        assert start["Framed-IP-Address"] == guest.address
        assert start["Class"] == "0x636c617373"
        assert start["Calling-Station-Id"].upper().replace(":", "-") == guest.mac.upper().replace(":", "-")
        assert start["NAS-Identifier"] == "lab"
        assert guest.is_online()
        interim = wait_for(lambda: lab.radius.records("Interim-Update"), "an interim record", 90)[0]
        assert guest.logout().status in (302, 303)
        stop = lab.radius.wait("Stop")
        assert stop["Acct-Terminate-Cause"] == "User-Request"
        assert {r["Acct-Session-Id"] for r in (start, interim, stop)} == {start["Acct-Session-Id"]}
        assert 0 < int(interim["Acct-Input-Octets"]) <= int(stop["Acct-Input-Octets"])
        assert int(interim["Acct-Session-Time"]) in range(30, 61), "spread over the second half of the minute"
        assert lab.gateway.stop() == 0
        lab.radius.wait("Accounting-Off")


def test_a_session_ends_with_its_time_however_busy_it_is():
    with radius_lab() as lab:
        assert lab.guest.login("brief", "brief").status == 303
        busy = lab.guest.ns.spawn("ping", "-q", "-i", "0.1", HOST, stdout=subprocess.DEVNULL)
        try:
            assert lab.radius.wait("Stop")["Acct-Terminate-Cause"] == "Session-Timeout"
        finally:
            busy.kill()
            busy.wait()
        assert not lab.guest.is_online()
        assert lab.gateway.sessions() == []


def test_a_silent_session_ends():
    with radius_lab() as lab:
        assert lab.guest.login("silent", "silent").status == 303
        assert lab.guest.is_online()
        assert lab.radius.wait("Stop")["Acct-Terminate-Cause"] == "Idle-Timeout"
        assert not lab.guest.is_online()


def test_a_clean_stop_ends_the_sessions_in_the_accounting():
    with radius_lab() as lab:
        assert lab.guest.login().status == 303
        assert lab.gateway.stop() == 0
        assert lab.radius.wait("Stop")["Acct-Terminate-Cause"] in ("NAS-Reboot", "Admin-Reboot", "NAS-Request")


def test_the_bandwidth_that_radius_grants_holds_in_each_direction():
    with radius_lab() as lab:
        assert lab.guest.login("slow", "slow").status == 303
        up, down = (bits(lab.guest, *way) for way in ((), ("-R",)))
        assert 1.0e6 < up < 3.0e6
        assert 4.0e6 < down < 12.0e6


@pytest.mark.parametrize("offloads", [False, True], ids=["packets", "super-packets"])
def test_a_guest_gets_its_quota_to_the_packet_and_no_more(offloads):
    with radius_lab(offloads=offloads) as lab:
        guest = lab.guest
        assert guest.login("data", "data").status == 303
        session = lab.gateway.sessions()[0]["session"]
        assert (session["octets_left"], session["total_octets_max"]) == (1_000_000, 1_000_000)
        assert "1\u00a0MB" in guest.curl(f"{PORTAL}/status").body
        with Wire(guest.ns, "wlan0", buffer=64 << 20, headers=True) as wire:
            five = ["http://online.test/blob"] * 5
            # Reset with its next packet, or by its own patience if it has only been waiting.
            assert guest.curl_status(*five, "--fail-early", timeout=5) in (18, 28, 56)
            stop = lab.radius.wait("Stop")
            frames = [frame for outgoing, frame in wire.both_ways() if not outgoing and is_foreign(frame[1], 26)]
            assert wire.lost() == 0
        # What refuses the rest comes in the far end's name, but from the gateway.
        received = sum(segments(frame)[1] for frame in frames if not frame[1][47] & RESET)
        sent = int(stop["Acct-Input-Octets"])
        assert received == int(stop["Acct-Output-Octets"])
        assert 1_000_000 - (70_000 if offloads else 1500) < sent + received <= 1_000_000
        assert stop["Acct-Terminate-Cause"] == "Session-Timeout"
        assert guest.curl("http://online.test/").location.startswith(PORTAL)


@pytest.mark.parametrize("offload", ["on", "off"])
def test_a_quota_of_both_directions_holds_while_both_are_busy(offload):
    with radius_lab(settings={"offload": {"mode": offload}}) as lab:
        assert lab.guest.login("busy", "busy").status == 303
        busy = lab.guest.ns.spawn("iperf3", "-c", HOST, "-t", "60", "--bidir", "-P", "2", stdout=subprocess.DEVNULL)
        stop = lab.radius.wait("Stop")
        busy.kill()
        busy.wait()
        both = [int(stop[f"Acct-{way}-Octets"]) for way in ("Input", "Output")]
        assert min(both) > 1_000_000, "both ways were under load"
        # A super-packet that does not fit is refused whole; one of each direction may pass in the same moment.
        assert abs(300_000_000 - sum(both)) <= 65_536, both
        if offload == "on":
            for way in ("from_guests", "to_guests"):
                assert counters(lab, way)["forward_offloaded"] > 100


def test_a_quota_beyond_32_bits_is_one_number():
    with radius_lab() as lab:
        assert lab.guest.login("more", "more").status == 303
        assert lab.gateway.sessions()[0]["session"]["octets_left"] == 5_000_000_000


GOLD = {"name": "gold", "rate_up": "3M", "rate_down": "9M", "quota_total": "1GB", "timeout": "2h"}


def test_a_filter_names_a_policy_of_the_configuration():
    with radius_lab(settings={"policy": [GOLD]}) as lab:
        reply = lab.guest.login("gold", "gold")
        assert (reply.status, reply.location) == (303, "http://online.test/welcome?a=1")
        session = lab.gateway.sessions()[0]["session"]
        assert session["user"] == "gold card 7"
        assert (session["bits_per_second_up"], session["bits_per_second_down"]) == (3_000_000, 9_000_000)
        assert session["total_octets_max"] == 1_000_000_000
        assert 7000 < session["seconds_left"] <= 7200
        start = lab.radius.wait("Start")
        assert (start["User-Name"], start["Chargeable-User-Identity"]) == ("gold card 7", "0x637569")
        # After a crash the last record has them too.
        lab.gateway.wait_until_written()
        lab.gateway.kill()
        lab.gateway.start()
        assert lab.guest.logout().status == 303
        stop = lab.radius.wait("Stop")
        assert (stop["User-Name"], stop["Chargeable-User-Identity"]) == ("gold card 7", "0x637569")


@pytest.mark.parametrize(("choice", "status"), [("refuse", 403), ("ignore", 303)])
def test_a_filter_that_no_policy_has_is_a_refusal_unless_the_operator_says_so(choice, status):
    with radius_lab(unknown_policy=choice) as lab:
        assert lab.guest.login("lead", "lead").status == status
        assert lab.guest.is_online() == (status == 303)
        told = 'attribute="Filter-Id" value="lead"' in lab.gateway.log.read_text()
        assert told == (status == 403)


def test_a_routers_rates_hold_as_well():
    with radius_lab() as lab:
        assert lab.guest.login("tik", "tik").status == 303
        session = lab.gateway.sessions()[0]["session"]
        assert (session["bits_per_second_up"], session["bits_per_second_down"]) == (2_000_000, 8_000_000)


def test_a_session_ends_at_the_moment_that_the_server_names():
    there = datetime.timezone(datetime.timedelta(hours=5))
    soon = (datetime.datetime.now(there) + datetime.timedelta(seconds=6)).isoformat(timespec="seconds")
    user = f'soon Cleartext-Password := "soon"\n    WISPr-Session-Terminate-Time = "{soon}"\n\n'
    with radius_lab(users=user + USERS) as lab:
        assert lab.guest.login("soon", "soon").status == 303
        assert lab.guest.is_online()
        stop = lab.radius.wait("Stop")
        assert stop["Acct-Terminate-Cause"] == "Session-Timeout"
        assert int(stop["Acct-Session-Time"]) <= 6
        assert not lab.guest.is_online()


def test_what_has_no_effect_is_told_and_keeps_nobody_out():
    with radius_lab(settings={"log": {"level": "debug"}}) as lab:
        assert lab.guest.login("pool", "pool").status == 303
        log = lab.gateway.log.read_text()
        assert "Framed-IP-Address=10.85.9.9 has no effect: the guest has had another address" in log
        assert "without effect: Port-Limit=1" in log
        assert log.count('restricts guests by what has no effect here attribute="Port-Limit"') == 1
        assert lab.guest.is_online()
        lab.guest.logout()
        assert lab.guest.login("vip", "vip").status == 303
        told = 'sends Framed-Pool="vip", which has no effect: no [[dhcp.pool]] has this name'
        assert told in lab.gateway.log.read_text()
        assert lab.guest.is_online()


@pytest.mark.parametrize("name", ["past", "odd"])
def test_an_end_that_is_past_or_cannot_be_read_lets_nobody_in(name):
    with radius_lab() as lab:
        assert lab.guest.login(name, name).status == 403
        assert not lab.guest.is_online()


def bits(guest, *way):
    report = json.loads(guest.ns.run("iperf3", "-J", "-c", HOST, "-t", "4", "-O", "1", *way))
    return report["end"]["sum_received"]["bits_per_second"]


def interface(guest):
    """The kernel's own counters: direction -> (packets, octets)."""
    read = {}
    for way in ("tx", "rx"):
        base = f"/sys/class/net/wlan0/statistics/{way}_"
        read[way] = tuple(int(n) for n in guest.ns.run("cat", f"{base}packets", f"{base}bytes").split())
    return read


def is_foreign(frame, at):
    """The far end, whose address stands at offset `at`, is none of the gateway's network."""
    far = frame[at : at + 4]
    return is_ipv4(frame) and not far.startswith(socket.inet_aton("10.85.0.0")[:2]) and far != b"\xff\xff\xff\xff"


def ip_octets(frame):
    return int.from_bytes(frame[16:18], "big")


def segments(headed):
    """(packets, IP octets) on a cable of a frame with its header of offloads: each segment repeats the headers."""
    size, frame = headed
    head = 4 * (frame[14] & 15)
    head += 4 * (frame[14 + head + 12] >> 4) if frame[23] == 6 else 8
    count = max(1, -(-(ip_octets(frame) - head) // size)) if size else 1
    return count, ip_octets(frame) + (count - 1) * head
