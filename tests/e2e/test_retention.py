"""Who had this public address and port at that time? What is kept for whoever may ask, and what is not."""

import json
import os
import socket
import time

import pytest

from internet import HOST, wait_for
from lab import Lab, binary

KEPT = ["sessions", "mappings"]


def kept(**settings):
    return Lab(settings={"retention": {"keep": KEPT, **settings}})


def folder(lab):
    return lab.gateway.directory / "state" / "retention"


def lines(lab):
    """All that is written down, in order."""
    files = sorted(folder(lab).glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines() if line.endswith("}")]


def mappings(lab, what="mapping_began"):
    return [line for line in lines(lab) if line["what"] == what]


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def find(lab, at, address, port=None, *more, status=0):
    question = ["--at", at, "--within", "5s", "--address", address, *(["--port", port] if port else []), *more]
    done = lab.gateway.ns.done(binary(), "retention", "find", "--json", "--config", lab.gateway.config, *question)
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


class Server:
    """Somewhere on the Internet, which knows with whom it speaks."""

    def __init__(self, lab, kind, port):
        self.kind = kind
        self.place = (HOST, port)
        self.socket = lab.internet.ns.socket(socket.AF_INET, kind)
        self.socket.settimeout(10)
        self.socket.bind(self.place)
        if kind == socket.SOCK_STREAM:
            self.socket.listen()

    def meet(self, guest):
        """The address and port from which it sees the guest come, and the guest's own port."""
        with guest.ns.socket(socket.AF_INET, self.kind) as own:
            own.settimeout(10)
            own.connect(self.place)
            if self.kind == socket.SOCK_STREAM:
                connection, seen = self.socket.accept()
                connection.close()
            else:
                own.send(b"hello")
                _, seen = self.socket.recvfrom(64)
            return seen, own.getsockname()[1]


@pytest.mark.parametrize("kind, name", [(socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp")], ids=["tcp", "udp"])
def test_a_guest_is_found_by_the_port_that_the_world_saw(kind, name):
    with kept() as lab:
        guest = lab.guest
        assert guest.lease()
        assert guest.login().status == 303
        server = Server(lab, kind, 7001)
        at = now()
        (address, port), own_port = server.meet(guest)
        assert address == lab.uplink_address
        wait_for(lambda: [m for m in mappings(lab) if m.get("public_port") == port], "the mapping")
        found = find(lab, at, address, port, "--protocol", name)
        [mapping], [session] = found["mappings"], found["sessions"]
        assert (mapping["ip"], mapping["port"], mapping["mac"]) == (guest.address, own_port, guest.mac)
        assert (mapping["protocol"], "to" in mapping, mapping["ended_unix_ms"]) == (name, False, None)
        assert (session["ip"], session["mac"], session["user"]) == (guest.address, guest.mac, "ada")
        other = "udp" if name == "tcp" else "tcp"
        assert find(lab, at, address, port, "--protocol", other, status=1)["mappings"] == []
        # With the session the connection ends too, and that is written down.
        guest.logout()
        wait_for(lambda: [m for m in mappings(lab, "mapping_ended") if m.get("public_port") == port], "its end")
        wait_for(lambda: mappings(lab, "session_ended"), "the session's end")
        found = find(lab, at, address, port)
        [mapping], [session] = found["mappings"], found["sessions"]
        assert mapping["began_unix_ms"] <= mapping["ended_unix_ms"]
        assert session["octets_up"] > 0
        assert session["began_unix_ms"] <= mapping["began_unix_ms"] + 1000
        later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        assert find(lab, later, address, port, status=1) == {"mappings": [], "sessions": [], "gaps": []}
        assert folder(lab).stat().st_mode & 0o777 == 0o700
        assert {file.stat().st_mode & 0o777 for file in folder(lab).iterdir()} == {0o600}


def test_who_is_not_logged_in_leaves_nothing():
    with Lab(settings={"retention": {"keep": KEPT}, "garden": {"allow": [f"tcp:{HOST}:7001"]}}) as lab:
        guest = lab.guest
        assert guest.lease()
        garden, elsewhere = (Server(lab, socket.SOCK_STREAM, port) for port in (7001, 7002))
        garden.meet(guest)
        assert guest.connect(HOST, 7002) == "ECONNREFUSED"
        guest.curl_status(f"http://{HOST}/")
        assert guest.login().status == 303
        (_, port), _ = elsewhere.meet(guest)
        wait_for(lambda: [m for m in mappings(lab) if m.get("public_port") == port], "the mapping")
        # The kernel tells in order: what came before would be there by now.
        tcp = [mapping for mapping in mappings(lab) if mapping["protocol"] == "tcp"]
        assert [mapping["public_port"] for mapping in tcp] == [port]


def test_what_is_not_wanted_is_not_written():
    redacted = {"account": "hash", "mac": "drop", "destinations": "network"}
    with kept(**redacted) as lab:
        guest = lab.guest
        assert guest.lease()
        assert guest.login().status == 303
        server = Server(lab, socket.SOCK_STREAM, 7001)
        at = now()
        (address, port), _ = server.meet(guest)
        wait_for(lambda: [m for m in mappings(lab) if m.get("public_port") == port], "the mapping")
        found = find(lab, at, address, port, "--to", HOST)
        assert found["mappings"][0]["to"] == "192.0.2.0/24"
        first = found["sessions"][0]["user"]
        assert len(first) == 24
        assert find(lab, at, address, port, "--to", "198.51.100.1", status=1)["mappings"] == []
        # The same account has the same hash, after a restart too.
        guest.logout()
        lab.gateway.stop()
        lab.gateway.start()
        assert guest.login().status == 303
        wait_for(lambda: len(mappings(lab, "session_began")) == 2, "the second session")
        assert {line["user"] for line in mappings(lab, "session_began")} == {first}
        # What was said is written before the gateway is gone.
        lab.gateway.stop()
        assert len(mappings(lab, "session_ended")) == 2
        assert lines(lab)[-1]["what"] in ("session_ended", "mapping_ended", "watch_ended")
        text = "".join(file.read_text() for file in folder(lab).iterdir())
        assert guest.mac not in text and '"ada"' not in text and HOST not in text and "to_port" not in text


def test_old_files_go():
    with Lab(settings={"retention": {"keep": "sessions", "age": "1h"}}, start=False) as lab:
        folder(lab).mkdir(parents=True)
        kinds = ("sessions", "mappings")  # which is not kept any more
        old, recent = ([f"2026010{day}T000000.000Z.{kind}.jsonl" for kind in kinds] for day in (1, 2))
        for name, age in [(name, 7200) for name in old] + [(name, 60) for name in recent]:
            (folder(lab) / name).write_text("{}\n")
            os.utime(folder(lab) / name, (time.time() - age,) * 2)
        lab.gateway.start()
        names = {file.name for file in folder(lab).iterdir()}
        assert not names & {*old} and names > {*recent}


def test_a_connection_that_goes_on_over_a_crash_is_one_connection():
    with kept() as lab:
        guest = lab.guest
        assert guest.lease()
        assert guest.login().status == 303
        server = Server(lab, socket.SOCK_STREAM, 7001)
        lab.gateway.wait_until_written()
        (address, port), _ = server.meet(guest)
        wait_for(lambda: [m for m in mappings(lab) if m.get("public_port") == port], "the mapping")
        lab.gateway.kill()
        lab.gateway.start()
        again = wait_for(
            lambda: [m["unix_ms"] for m in mappings(lab) if m.get("public_port") == port][1:], "it is found again"
        )
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(again[0] / 1000))
        [mapping] = find(lab, at, address, port)["mappings"]
        assert mapping["began_unix_ms"] < again[0]
        assert mapping["ended_unix_ms"] is None
