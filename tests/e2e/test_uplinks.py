"""Two providers: one dies in one way or another, guests go on by the other; it comes back, and nobody notices.

guest wlan0 -- lan0 [gateway] wan0 -- up0 [internet]
                              wan1 -- up1
"""

import contextlib
import json
import re
import signal
import socket
import struct

import pytest

import crowd
from frames import Wire
from internet import DNS, HOST, wait_for
from lab import UPSTREAM, Lab, binary
from test_crash import snapshot
from test_scripts import Notes

FIRST, SECOND = "203.0.113.2", "198.51.100.2"
"""The gateway's address at each provider."""
SECOND_UPSTREAM = "198.51.100.1"


def settings(share="first", weights=(1, 1), probes=((HOST,), (f"dns:{DNS}",)), **more):
    lines = [
        {"name": name, "interface": interface, "weight": weight, "probe": list(probe)}
        for name, interface, weight, probe in zip(("fibre", "radio"), ("wan0", "wan1"), weights, probes, strict=True)
    ]
    uplink = {"share": share, "probe_interval": "2s", "probes_answered": 2, "line": lines}
    return {"uplink": uplink, "log": {"level": "debug"}, **more}


class TwoProviders(Lab):
    def build(self, *options):
        super().build(*options)
        del self.gateway.settings["uplink"]["interface"]
        self.gateway.write()
        gw, inet = self.gw, self.inet
        gw.ip("link", "add", "wan1", "type", "veth", "peer", "name", "up1", "netns", inet.name)
        for ns, interface, address in ((gw, "wan1", SECOND), (inet, "up1", SECOND_UPSTREAM)):
            ns.ip("addr", "add", f"{address}/24", "dev", interface)
            ns.ip("link", "set", interface, "up")
        gw.ip("route", "add", "default", "via", SECOND_UPSTREAM, "metric", "100")
        # As most distributions have it: what comes in where it would not go out is dropped.
        for key in ("all", "wan0", "wan1"):
            gw.sysctl(f"net.ipv4.conf.{key}.rp_filter", 1)

    @contextlib.contextmanager
    def dead(self, how, interface="up0"):
        """The provider is gone meanwhile."""
        if how == "no link":
            self.inet.ip("link", "set", interface, "down")
        else:
            hook = "type filter hook prerouting priority -400;"
            self.inet.nft(f'table inet dead {{ chain in {{ {hook} iifname "{interface}" drop; }}; }}')
        try:
            yield
        finally:
            if how == "no link":
                self.inet.ip("link", "set", interface, "up")
            else:
                self.inet.nft("delete table inet dead")

    def log(self):
        return re.sub(r"\x1b\[[0-9;]*m", "", self.gateway.log.read_text()).splitlines()

    def wait_for_log(self, words, times=1):
        wait_for(lambda: sum(words in line for line in self.log()) >= times, f"{words!r} in the log", 30)

    def source(self):
        """Where a new connection of the guest's comes from, as the web server sees it."""
        before = len(self.internet.seen)
        assert self.guest.is_online()
        [source] = {source for _, _, source in self.internet.seen[before:]}
        return source

    def lines(self):
        return json.loads(self.gateway.cli("uplinks", "--json", "--socket", self.gateway.control))


class Connection:
    """A connection that stays open between requests."""

    def __init__(self, guest):
        self.tcp = guest.ns.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.tcp.settimeout(10)
        self.tcp.connect((HOST, 80))
        assert self.lives()

    def lives(self):
        self.tcp.sendall(b"GET / HTTP/1.1\r\nHost: long.test\r\n\r\n")
        answer = b""
        while not answer.endswith(b"hello from long.test\n"):
            more = self.tcp.recv(4096)
            if not more:
                return False
            answer += more
        return True


@pytest.mark.parametrize("how", ["no link", "silence"])
def test_guests_go_on_by_the_other_uplink_and_nothing_is_reset_that_need_not_be(how, tmp_path):
    notes = Notes(tmp_path / "notes")
    with TwoProviders(settings=settings(**notes.settings(["uplink_up", "uplink_down"]))) as lab:
        guest = lab.guest
        assert guest.lease() and guest.login().status == 303
        assert lab.source() == FIRST
        before = Connection(guest)
        with lab.dead(how):
            lab.wait_for_log("uplink ceased to work")
            # Two lost probes in all, the second within the interval of the first; without a link none is waited for.
            lost = [line for line in lab.log() if "no probe was answered" in line and 'uplink="fibre"' in line]
            assert len(lost) == (1 if how == "silence" else 0), lost
            lab.wait_for_log("connections forgotten")
            assert lab.source() == SECOND
            # The far end knows nothing of it, and says so: the guest need not wait for a timeout.
            with pytest.raises(ConnectionResetError):
                before.lives()
            assert [(line["works"], line["used"], line["guests_percent"]) for line in lab.lines()] == [
                (False, False, 0),
                (True, True, 100),
            ]
            dead, alive = lab.lines()
            assert dead["lost_percent"] > 0 and dead["round_trip_us"] is None
            assert alive["lost_percent"] == 0 and alive["round_trip_us"] > 0
            meanwhile = Connection(guest)
            told = notes.words("uplink_down")
            assert (told["UPLINK"], told["UPLINK_INTERFACE"], told["UPLINKS_UP"]) == ("fibre", "wan0", "radio")
            assert 'poblano_uplink_up{uplink="fibre"} 0' in lab.gateway.cli("metrics", "--socket", lab.gateway.control)
        lab.wait_for_log("uplink works again")
        assert lab.source() == FIRST
        assert meanwhile.lives(), "what went by the second uplink still does"
        assert notes.words("uplink_up")["UPLINKS_UP"] == "fibre radio"
        # The other one's death is nothing to those who leave by the first.
        after = Connection(guest)
        with lab.dead(how, "up1"):
            lab.wait_for_log("uplink ceased to work", 2)
            assert lab.source() == FIRST
            assert after.lives()
        assert len(lab.gateway.sessions()) == 1


def test_without_any_uplink_guests_stay_logged_in_and_all_is_well_when_one_is_back():
    with TwoProviders(settings=settings()) as lab:
        guest = lab.guest
        assert guest.lease() and guest.login().status == 303
        connection = Connection(guest)
        with lab.dead("silence", "up1"):
            lab.wait_for_log("uplink ceased to work")
            with lab.dead("no link", "up0"):
                lab.wait_for_log("no other does; all stays as it was")
                assert not guest.is_online()
                assert len(lab.gateway.sessions()) == 1
            lab.wait_for_log("uplink works again")
            assert lab.source() == FIRST
            assert connection.lives(), "nobody has reset it meanwhile"


def test_the_gateways_own_names_and_radius_follow_the_uplink_that_works():
    with TwoProviders(settings=settings()) as lab:
        guest = lab.guest
        assert guest.lease()
        with lab.dead("silence"):
            lab.wait_for_log("uplink ceased to work")
            # Not logged in: the gateway itself asks its resolver.
            wait_for(lambda: guest.ask_dns("10.85.0.1", "captive.apple.com", 1), "an answer")
            assert guest.curl("http://anything.test/").status == 302
        lab.wait_for_log("uplink works again")
        assert guest.ask_dns("10.85.0.1", "www.apple.com", 1)
        # The second one's probe asks for the servers of the root, whichever uplink is used.
        probes = [line for line in lab.internet.queries.read_text().splitlines() if "query[NS]" in line]
        assert {line.split()[-1] for line in probes} == {SECOND}


def test_a_crash_while_one_is_dead_changes_nothing_for_guests_and_a_stop_leaves_nothing():
    with TwoProviders(settings=settings(), start=False) as lab:
        before = snapshot(lab.gw)
        guest, gateway = lab.guest, lab.gateway
        gateway.start()
        assert guest.lease() and guest.login().status == 303
        with lab.dead("silence"):
            lab.wait_for_log("uplink ceased to work")
            connection = Connection(guest)
            gateway.wait_until_written()
            gateway.kill()
            gateway.start()
            assert lab.source() == SECOND
            assert connection.lives()
            assert [line["used"] for line in lab.lines()] == [False, True]
        lab.wait_for_log("uplink works again")
        assert lab.source() == FIRST
        # What somebody else takes away comes back.
        lab.gw.run("nft", "flush", "ruleset")
        lab.gw.ip("rule", "del", "priority", "30002")
        wait_for(lambda: "poblano-uplinks" in lab.gw.run("nft", "list", "tables"), "the marks")
        wait_for(lambda: "30002:" in lab.gw.ip("rule"), "the rule")
        gateway.kill()
        gateway.settings["uplink"] = {"interface": "wan0"}
        gateway.write()
        gateway.start()
        assert "poblano-uplinks" not in lab.gw.run("nft", "list", "tables"), "one uplink needs none of it"
        assert lab.source() == FIRST
        assert gateway.stop() == 0
        assert snapshot(lab.gw) == before


def test_weights_divide_guests_and_each_leaves_by_one_with_all_that_it_does():
    guests = 100
    with TwoProviders(settings=settings("weight", (3, 1))) as lab:
        with Wire(lab.guest.ns, lab.guest.nic, buffer=64 << 20) as wire:
            assert crowd.lease(wire, guests, 32) == guests
            for n in range(guests):
                crowd.let_in(lab, ":".join(f"{octet:02x}" for octet in crowd.mac(n)))
            addresses = {guest["mac"]: guest["ip"] for guest in lab.gateway.sessions()}
            homes = leave(lab, wire, addresses)
            assert {len(sources) for sources in homes.values()} == {1}, "each has one uplink for all"
            by_first = sum(sources == {FIRST} for sources in homes.values())
            # Of 100 thrown so 75 are expected, give or take 4; this is five times as far.
            assert 55 <= by_first <= 95, by_first
            assert [line["guests_percent"] for line in lab.lines()] == [75, 25]
            with lab.dead("no link", "up1"):
                lab.wait_for_log("uplink ceased to work")
                assert leave(lab, wire, addresses, 7000) == dict.fromkeys(homes, {FIRST})
            lab.wait_for_log("uplink works again")
            assert leave(lab, wire, addresses, 8000) == homes, "everybody is where it was"
        assert lab.gateway.signal(signal.SIGTERM) == 0


def leave(lab, wire, addresses, ports=6000):
    """The addresses that the Internet sees of each guest, which sends from several ports."""
    router = bytes.fromhex(lab.gw.mac("lan0").replace(":", ""))
    with lab.inet.socket(socket.AF_INET, socket.SOCK_DGRAM) as host:
        host.bind((HOST, 9))
        host.settimeout(5)
        seen = {mac: set() for mac in addresses}
        for mac, address in addresses.items():
            for port in range(ports, ports + 3):
                station = bytes.fromhex(mac.replace(":", ""))
                wire.socket.send(router + station + b"\x08\0" + datagram(address, port, mac.encode()))
                payload, (source, _) = host.recvfrom(100)
                seen[payload.decode()].add(source)
    return seen


def datagram(source, port, payload):
    udp = struct.pack("!HHHH", port, 9, 8 + len(payload), 0) + payload
    ends = socket.inet_aton(source) + socket.inet_aton(HOST)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + ends
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return header[:10] + struct.pack("!H", checksum) + ends + udp


def test_a_check_names_the_uplinks_and_what_is_wrong_with_them():
    with TwoProviders(settings=settings(), start=False) as lab:
        gateway = lab.gateway
        lines = gateway.settings["uplink"]["line"]
        lines[0]["probe"] = []
        gateway.write()
        done = lab.gw.done(binary(), "check", "--config", gateway.config)
        assert "[[uplink.line]].probe: is empty" in done.stderr
        del lines[0]["probe"]
        gateway.write()
        assert "to wan0, then wan1, with NAT" in gateway.cli("check", "--config", gateway.config)
        gateway.start()
        assert lab.lines()[0]["probes"] == [UPSTREAM], "without a word of probes it is the router that is asked"
        assert "fibre" in gateway.cli("uplinks", "--socket", gateway.control)
        gateway.stop()
        lines[1]["interface"] = "wan7"
        gateway.write()
        done = lab.gw.done(binary(), "check", "--config", gateway.config)
        assert done.returncode == 1 and "wan7: it does not exist" in done.stderr
