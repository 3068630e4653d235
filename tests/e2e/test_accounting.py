"""The accounting server is away while guests come, use and leave, and the gateway is killed: nothing is lost."""

import collections
import contextlib
import os
import socket
import struct
import threading
import time

import pytest

import crowd
from aaa import FreeRadius, settings
from frames import Wire, ethernet, ipv4, is_ipv4, udp
from internet import HOST, wait_for
from lab import Lab
from namespace import sh
from test_radius import USERS

GUESTS = int(os.environ.get("LAB_ACCOUNTED_GUESTS", "200"))
OUTAGE = float(os.environ.get("LAB_OUTAGE_SECONDS", "12"))
"""How long the server is away. For the ten minutes: LAB_OUTAGE_SECONDS=600."""
PORT = 9999
HEADERS = 28
"""Of IP and UDP."""
ROUNDS = 12


class Party:
    """Guests with one wire, a server on the Internet that answers twice as much, and what both have seen."""

    def __init__(self, lab, guests):
        self.lab = lab
        self.wire = Wire(lab.guest.ns, lab.guest.nic, buffer=256 << 20)
        assert crowd.lease(self.wire, guests, 64) == guests
        self.gateway_mac = lab.gw.mac("lan0")
        told = {guest["mac"]: guest["ip"] for guest in crowd.ask(lab, {"command": "sessions"})["guests"]}
        self.macs = [":".join(f"{octet:02x}" for octet in crowd.mac(n)) for n in range(guests)]
        self.numbers = {mac: n for n, mac in enumerate(self.macs)}
        self.addresses = [told[mac] for mac in self.macs]
        self.up, self.down = collections.Counter(), collections.Counter()
        self.sessions = {}
        self.server = lab.inet.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.server.bind((HOST, PORT))
        self.server.settimeout(0.2)
        self.closing = False
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def close(self):
        self.closing = True
        self.thread.join()
        self.server.close()
        self.wire.socket.close()

    def serve(self):
        while not self.closing:
            with contextlib.suppress(TimeoutError):
                payload, guest = self.server.recvfrom(2048)
                self.up[struct.unpack("!I", payload[:4])[0]] += HEADERS + len(payload)
                self.server.sendto(payload * 2, guest)

    def comes(self, n):
        crowd.let_in(self.lab, self.macs[n])

    def leaves(self, n):
        crowd.ask(self.lab, {"command": "kick", "guest": self.macs[n]})

    def online(self):
        """Who is, each with the session's name, which is remembered."""
        guests = crowd.ask(self.lab, {"command": "sessions"})["guests"]
        found = {self.numbers[guest["mac"]]: guest["session"]["id"] for guest in guests if guest["session"]}
        for n, session in found.items():
            assert self.sessions.setdefault(n, session) == session
        return found

    def use(self, guests, answered=True):
        """Each of them sends a datagram, of a length of its own, and has an answer; or just sends it."""
        before = sum(self.down.values())
        expected = 0
        for n in guests:
            payload = struct.pack("!I", n) + bytes(100 + n % 400)
            expected += HEADERS + 2 * len(payload)
            packet = ipv4(self.addresses[n], HOST, 17, udp(self.addresses[n], HOST, 40000, PORT, payload))
            self.wire.send(ethernet(self.gateway_mac, self.macs[n], 0x0800, packet))
        if answered:
            wait_for(lambda: self.seen() - before == expected, "all answers")

    def seen(self):
        """Octets that have come to guests from the server."""
        for frame in self.wire.arrived():
            if is_ipv4(frame) and frame[26:30] == socket.inet_aton(HOST) and frame[23] == 17:
                n = self.numbers[frame[:6].hex(":")]
                self.down[n] += struct.unpack("!H", frame[16:18])[0]
        assert self.wire.lost() == 0
        return sum(self.down.values())


@pytest.mark.parametrize("offload", ["on", "off"])
def test_a_server_that_was_away_hears_of_every_session_once_and_of_every_octet(offload):
    own = settings(timeout="1s", tries=1)
    own = {**own, "auth": {"method": "local"}, "offload": {"mode": offload}, "session": {"interim": "1m"}}
    with Lab(start=False, settings=own) as lab:
        radius = FreeRadius(lab, USERS)
        lab.gateway.start()
        party = Party(lab, GUESTS)
        try:
            live(party, radius, offload)
            judge(party, radius)
        except BaseException:
            print(radius.log.read_text()[-2000:])
            raise
        finally:
            party.close()
            lab.gateway.stop()
            radius.stop()


def live(party, radius, offload):
    """The outage, from the first guest to the last one."""
    gateway = party.lab.gateway
    newcomers = iter(range(GUESTS))

    def come(count):
        for _, n in zip(range(count), newcomers, strict=False):
            party.comes(n)

    come(GUESTS // 5)
    party.use(party.online())
    radius.wait("Start")
    radius.stop()
    for number in range(ROUNDS):
        ends = time.monotonic() + OUTAGE / ROUNDS
        come(GUESTS // ROUNDS)
        party.use(party.online())
        for n in sorted(party.online())[: GUESTS // ROUNDS // 2]:
            party.leaves(n)
        if number == ROUNDS // 2:
            # Some have just come, some have just left, and nothing of what they used has been written down.
            here = party.online()
            gateway.kill()
            party.use(here, answered=offload == "on")
            gateway.start()
        party.use(party.online())
        time.sleep(max(0.0, ends - time.monotonic()))
    come(GUESTS)
    party.use(party.online())
    told = accounting(party.lab)
    assert told["records_waiting"] > GUESTS // 2
    assert told["oldest_seconds"] >= OUTAGE // 2
    assert (told["records_lost"], told["server_answers"], told["disk_error"]) == (0, False, None)
    assert "no server answers" in gateway.cli("sessions", "--socket", gateway.control)
    radius.start()
    # Fresh records and old ones, beside each other.
    for n in sorted(party.online())[::2]:
        party.leaves(n)
    wait_for(lambda: accounting(party.lab)["records_waiting"] == 0, "all of it at the server", 60)
    party.use(party.online())
    assert gateway.stop() == 0
    radius.wait("Accounting-Off")


def accounting(lab):
    return crowd.ask(lab, {"command": "sessions"})["accounting"]


def judge(party, radius):
    """The detail file, without what a server can tell to be a repetition."""
    once = {}
    for record in radius.records():
        key = tuple(record[name] for name in ("Acct-Session-Id", "Acct-Status-Type", "Event-Timestamp"))
        former = once.setdefault(key, record)
        assert octets(former) == octets(record), "a repetition says the same"
    kinds = collections.defaultdict(list)
    for session, kind, _ in once:
        kinds[session].append(kind)
    assert len(party.sessions) == GUESTS
    stops = {session: record for (session, kind, _), record in once.items() if kind == "Stop"}
    for n, session in party.sessions.items():
        assert [kind for kind in kinds[session] if kind != "Interim-Update"] == ["Start", "Stop"], f"guest {n}"
        assert octets(stops[session]) == (party.up[n], party.down[n]), f"guest {n}: {stops[session]}"
    kept = [kind for _, kind, _ in once if kind.startswith("Accounting-")]
    assert kept == ["Accounting-On", "Accounting-Off"], "sessions went on over the crash"
    assert len(stops) == GUESTS
    causes = collections.Counter(record["Acct-Terminate-Cause"] for record in stops.values())
    assert set(causes) <= {"Admin-Reset", "Admin-Reboot", "NAS-Reboot"}, causes
    assert causes["Admin-Reset"] > GUESTS // 4


def octets(record):
    return tuple(int(record.get(f"Acct-{way}-Octets", 0)) for way in ("Input", "Output"))


@contextlib.contextmanager
def server(**sections):
    """A lab with FreeRADIUS for accounting."""
    with Lab(start=False, settings={**settings(timeout="1s", tries=1), "auth": {"method": "local"}, **sections}) as lab:
        lab.radius = FreeRadius(lab, USERS)
        try:
            yield lab
        finally:
            lab.gateway.stop()
            lab.radius.stop()


def test_who_bills_on_the_old_directions_has_them():
    with server(accounting={"direction": "chilli"}) as lab:
        lab.gateway.start()
        assert lab.guest.lease()
        assert lab.guest.login().status == 303
        assert lab.guest.curl_status("http://online.test/blob") == 0
        session = lab.gateway.sessions()[0]["session"]
        assert lab.guest.logout().status in (302, 303)
        assert octets(lab.radius.wait("Stop")) == (session["output_octets"], session["input_octets"])
        assert session["output_octets"] > 1 << 20, "our own words stay as they are"


def test_a_full_disk_keeps_nobody_out_and_no_record_back_and_what_waits_is_written_when_there_is_room():
    guests = 40
    with server() as lab, small_disk(lab.gateway.directory / "state") as disk:
        lab.gateway.start()
        filler = disk / "filler"
        fill(filler)
        crowd.crowd(lab, guests)
        assert len(lab.gateway.sessions()) == guests
        wait_for(lambda: len(lab.radius.records("Start")) == guests, "every Start")
        assert "No space left" in accounting(lab)["disk_error"]
        assert "in memory only" in lab.gateway.cli("sessions", "--socket", lab.gateway.control)
        lab.radius.stop()
        for guest in lab.gateway.sessions():
            crowd.ask(lab, {"command": "kick", "guest": guest["mac"]})
        filler.unlink()
        wait_for(lambda: accounting(lab)["disk_error"] is None, "the disk", 30)
        lab.gateway.kill()
        lab.radius.start()
        lab.gateway.start()
        wait_for(lambda: len(lab.radius.records("Stop")) >= guests, "every Stop", 30)
        assert len({record["Acct-Session-Id"] for record in lab.radius.records("Stop")}) == guests
        lab.gateway.stop()


@contextlib.contextmanager
def small_disk(place):
    sh("mount", "-t", "tmpfs", "-o", "size=8m", "lab", place)
    try:
        yield place
    finally:
        sh("umount", "-l", place)


def fill(file):
    with file.open("wb", buffering=0) as out, contextlib.suppress(OSError):
        while True:
            out.write(bytes(4096))


class Updating(FreeRadius):
    """A server whose answers to records say what the session may from now on."""

    def configure(self, config):
        before = "accounting {\n        detail\n"
        update = """
        update reply {
            Session-Timeout := 100
            ChilliSpot-Max-Total-Octets := 5000000
            User-Name := "eve"
        }
"""
        assert before in config
        return config.replace(before, before + update)


@pytest.mark.parametrize("obeyed", [True, False])
def test_an_answer_to_a_record_changes_what_its_session_may_if_the_operator_says_so(obeyed):
    with Lab(start=False, settings={**settings(), "accounting": {"answers_change": obeyed}}) as lab:
        lab.radius = Updating(lab, USERS)
        try:
            lab.gateway.start()
            assert lab.guest.lease() and lab.guest.login().status == 303
            lab.radius.wait("Start")
            wait_for(lambda: accounting(lab)["records_waiting"] == 0, "the server's answer")
            if obeyed:
                wait_for(lambda: session(lab)["total_octets_max"] == 5_000_000, "the server's limits")
            changed = session(lab)
            assert changed["seconds_left"] <= 100 if obeyed else changed["seconds_left"] > 500
            assert (changed["total_octets_max"], changed["user"]) == (5_000_000 if obeyed else None, "ada")
        finally:
            lab.gateway.stop()
            lab.radius.stop()


def session(lab):
    return lab.gateway.sessions()[0]["session"]
