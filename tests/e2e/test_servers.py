"""Several RADIUS servers, silent ones, and ones that are not what they say."""

import contextlib
import hashlib
import hmac
import json
import socket
import struct
import threading

import pytest

from aaa import ADDRESS, SECRET, FreeRadius, settings
from internet import wait_for
from lab import Lab

USERS = """
ada Cleartext-Password := "lovelace"
    Session-Timeout = 600

DEFAULT Auth-Type := Reject
"""
OTHER = "192.0.2.19"
"""Where a second server would be."""
ACCEPT, REJECT, ACCOUNTED = 2, 3, 5
PROXY_STATE, MESSAGE_AUTHENTICATOR = 33, 80


class Impostor:
    """A server in the Internet that answers every packet as `answer(request, sign)` says, or with `None` not at all."""

    def __init__(self, lab, address, answer):
        self.asked = []
        self.answer = answer
        if address not in lab.inet.ip("addr", "show", "dev", "lo"):
            lab.inet.ip("addr", "add", f"{address}/32", "dev", "lo")
        self.sockets = []
        for port in (1812, 1813):
            udp = lab.inet.socket(socket.AF_INET, socket.SOCK_DGRAM)
            udp.bind((address, port))
            self.sockets.append(udp)
            threading.Thread(target=self.serve, args=(udp,), daemon=True).start()

    def serve(self, udp):
        while True:
            with contextlib.suppress(OSError):
                request, client = udp.recvfrom(4096)
                if request:
                    self.asked.append(request[0])
                    reply = self.answer(request)
                    if reply is not None:
                        udp.sendto(reply, client)
                    continue
            return  # it was shut down

    def stop(self):
        for udp in self.sockets:
            with contextlib.suppress(OSError):  # it wakes the thread, but there is no connection to end
                udp.shutdown(socket.SHUT_RDWR)
            udp.close()


def reply(request, code, attributes=b"", secret=SECRET, sign=None):
    """What a server with this secret answers; `sign` is the secret of its Message-Authenticator, if it has one."""
    if sign is not None:
        attributes = bytes((MESSAGE_AUTHENTICATOR, 18)) + bytes(16) + attributes
    head = struct.pack("!BBH", code, request[1], 20 + len(attributes))
    if sign is not None:
        value = hmac.digest(sign.encode(), head + request[4:20] + attributes, "md5")
        attributes = attributes[:2] + value + attributes[18:]
    proof = hashlib.md5(head + request[4:20] + attributes + secret.encode()).digest()
    return head + proof + attributes


def servers(lab):
    """The states of the servers as the operator sees them."""
    found = json.loads(lab.gateway.cli("sessions", "--json", "--socket", lab.gateway.control))["radius"]
    return [server["authentication"] for server in found]


@contextlib.contextmanager
def servers_lab(entries, **radius):
    own = settings()
    own["radius"] = {**own["radius"], "timeout": "1s", "tries": 1, "dead_time": "2s", **radius}
    own["radius"]["server"] = [{**own["radius"]["server"][0], **entry} for entry in entries]
    with Lab(start=False, settings=own) as lab:
        lab.gateway.start()
        assert lab.guest.lease()
        yield lab


def test_no_server_lets_nobody_in():
    with servers_lab([{}]) as lab:
        assert lab.guest.login().status != 303
        assert not lab.guest.is_online()
        assert servers(lab) == [False]


def test_without_servers_guests_come_in_for_a_while_where_the_operator_wants_that():
    with servers_lab([{}], unreachable="admit 1m") as lab:
        assert lab.guest.login("anybody", "anything").status == 303
        assert lab.guest.is_online()
        [guest] = lab.gateway.sessions()
        assert (guest["state"], guest["session"]["source"]) == ("unasked", "nobody")
        assert 0 < guest["session"]["seconds_left"] <= 60
        assert " unasked " in lab.gateway.cli("sessions", "--socket", lab.gateway.control)
        assert lab.gateway.log.read_text().count("let in unasked for 1m") == 1
        assert lab.guest.logout().status in (302, 303)
        # The records wait until there is a server for them.
        lab.radius = FreeRadius(lab, USERS)
        try:
            start = wait_for(lambda: lab.radius.records("Start"), "the record that waited", 40)[0]
            assert (start["User-Name"], start["Acct-Authentic"]) == ("anybody", "Local")
            # And from now on it is asked.
            assert lab.guest.login("anybody", "anything").status != 303
            assert not lab.guest.is_online()
        finally:
            lab.radius.stop()


FORGERIES = {
    "unsigned": lambda request: reply(request, ACCEPT),
    "badly-signed": lambda request: reply(request, ACCEPT, sign="a guess"),
    "another-secret": lambda request: reply(request, ACCEPT, secret="a guess", sign="a guess"),
    # As in CVE-2024-3596: the Response Authenticator is right, because the garbage in Proxy-State made it so.
    "injected": lambda request: reply(request, ACCEPT, bytes((PROXY_STATE, 42)) + b"collision-" * 4),
    "garbage": lambda _: b"garbage that is long enough for a header",
    "other-request": lambda request: reply(bytes((request[0], request[1] ^ 1)) + request[2:], ACCEPT, sign=SECRET),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_answer_lets_nobody_in_though_outages_would(forgery):
    with servers_lab([{}], unreachable="admit 30m") as lab:
        impostor = Impostor(lab, ADDRESS, FORGERIES[forgery])
        try:
            assert lab.guest.login("eve", "x").status != 303
            assert not lab.guest.is_online()
            assert servers(lab) == [False], "what proves nothing keeps no server alive"
            assert 1 in impostor.asked
        finally:
            impostor.stop()


def test_an_injected_proxy_state_is_refused_of_old_servers_too():
    with servers_lab([{"require_message_authenticator": False}]) as lab:
        assert "require_message_authenticator" in lab.gateway.log.read_text()
        impostor = Impostor(lab, ADDRESS, FORGERIES["injected"])
        try:
            assert lab.guest.login("eve", "x").status != 303
            assert not lab.guest.is_online()
            impostor.answer = FORGERIES["unsigned"]
            assert lab.guest.login("old", "server").status == 303
            assert lab.gateway.log.read_text().count("believed all the same") == 1
        finally:
            impostor.stop()


def test_the_second_server_takes_over_and_status_server_brings_the_first_one_back():
    entries = [{"status_server": True}, {"address": OTHER, "status_server": True}]
    with servers_lab(entries) as lab:
        second = Impostor(lab, OTHER, lambda request: reply(request, REJECT, sign=SECRET) if request[0] == 1 else None)
        first = FreeRadius(lab, USERS)
        try:
            assert lab.guest.login().status == 303
            assert lab.guest.logout().status in (302, 303)
            first.stop()
            assert lab.guest.login().status != 303, "the second one refuses"
            assert 1 in second.asked
            assert servers(lab)[0] is False
            first.start()
            wait_for(lambda: servers(lab)[0], "the first server again", 20)
            assert lab.guest.login().status == 303
        finally:
            first.stop()
            second.stop()
