"""A RADIUS server ends sessions and changes what they may: `radclient` asks, from the Internet's side."""

import contextlib
import json
import re
import socket
import time

import pytest

from aaa import ADDRESS, FreeRadius, settings
from internet import HOST, wait_for
from lab import PORTAL, Lab

COA_SECRET = "a secret of the coa client"
PORT = 3799
STRANGER = "192.0.2.19"
USERS = """
ada Cleartext-Password := "lovelace"
    Session-Timeout = 3600,
    Idle-Timeout = 600,
    Class = 0x676f6c64,
    Chargeable-User-Identity = 0x637569,
    WISPr-Bandwidth-Max-Up = 1000000,
    WISPr-Bandwidth-Max-Down = 2000000,
    ChilliSpot-Max-Total-Octets = 100000000

eve Cleartext-Password := "eve"
    Class = 0x74696e
"""


@contextlib.contextmanager
def coa_lab(guests=1, client=None, **more):
    """Guests with leases; `client` are settings of the client."""
    own = settings(
        dynamic_authorization={"client": [{"address": ADDRESS, "secret": COA_SECRET, **(client or {})}]},
        nas_identifier="lab",
    )
    with Lab(start=False, guests=guests, settings={**own, **more}) as lab:
        lab.radius = FreeRadius(lab, USERS)
        lab.inet.ip("addr", "add", f"{STRANGER}/32", "dev", "lo")
        try:
            lab.gateway.start()
            for guest in lab.guests:
                assert guest.lease()
            wait_for_the_next_second()
            yield lab
        finally:
            lab.gateway.stop()
            lab.radius.stop()


def wait_for_the_next_second():
    """An Event-Timestamp has whole seconds, and what may be from before the start is dropped."""
    now = int(time.time())
    wait_for(lambda: time.time() >= now + 1, "the next second")


def ask(lab, kind, *attributes, secret=COA_SECRET, source=ADDRESS, plain=False):
    """What the gateway answers: (name of the packet, Error-Cause); None if nothing."""
    proof = [] if plain else ["Message-Authenticator = 0x00", f"Event-Timestamp = {int(time.time())}"]
    text = ", ".join([f"Packet-Src-IP-Address = {source}", *proof, *attributes])
    command = ("radclient", "-x", "-r", "1", "-t", "1", f"{lab.uplink_address}:{PORT}", kind, secret)
    output = lab.inet.run("sh", "-c", '"$@" 2>&1', "sh", *command, input=text, check=False)
    answer = re.search(r"^Received (\S+) ", output, re.MULTILINE)
    assert bool(answer) or "No reply" in output, output
    assert "ERROR" not in output.upper().replace("ERROR-CAUSE", ""), output
    cause = re.search(r"Error-Cause = (\S+)", output)
    return answer and (answer[1], cause and cause[1])


def session(lab, guest=None):
    """The session of the guest as the operator sees it."""
    address = (guest or lab.guest).address
    return next((each["session"] for each in lab.gateway.sessions() if each["ip"] == address), None)


def counters(lab):
    return json.loads(lab.gateway.cli("sessions", "--json", "--socket", lab.gateway.control))["dynamic_authorization"]


NAMES = (
    "Acct-Session-Id",
    "User-Name",
    "Framed-IP-Address",
    "NAS-Port",
    "NAS-Port-Id",
    "Class",
    "Chargeable-User-Identity",
    "Calling-Station-Id",
    "Calling-Station-Id with colons",
    "Calling-Station-Id with dots",
    "Calling-Station-Id in one word",
)


def identities(lab, guest):
    """Name -> attribute, of all that names the guest's latest session."""
    starts = (each for each in lab.radius.records("Start") if each["Framed-IP-Address"] == guest.address)
    *_, start = starts
    mac = guest.mac.replace(":", "")
    forms = {
        "Calling-Station-Id with colons": guest.mac,
        "Calling-Station-Id with dots": f"{mac[:4]}.{mac[4:8]}.{mac[8:]}",
        "Calling-Station-Id in one word": mac.upper(),
    }
    unquoted = ("Framed-IP-Address", "NAS-Port", "Class", "Chargeable-User-Identity")
    values = {name: forms.get(name) or start[name] for name in NAMES if name in {**start, **forms}}
    quoted = {name: value if name in unquoted else f'"{value}"' for name, value in values.items()}
    return {name: f"{name.split()[0]} = {value}" for name, value in quoted.items()}


# A guest may log in five times at once.
@pytest.mark.parametrize("names", [NAMES[:4], NAMES[4:8], NAMES[8:]], ids=lambda names: names[0])
def test_a_session_ends_by_whatever_names_it_and_accounting_says_why(names):
    with coa_lab() as lab:
        guest = lab.guest
        for number, name in enumerate(names, 1):
            assert guest.login().status == 303
            wait_for(lambda n=number: len(lab.radius.records("Start")) == n, "the record of the beginning")
            named = identities(lab, guest)[name]
            assert ask(lab, "disconnect", named) == ("Disconnect-ACK", None)
            assert not session(lab)
            assert not guest.is_online()
            stops = wait_for(lambda n=number: lab.radius.records("Stop")[n - 1 :], "the record of the end")
            assert stops[0]["Acct-Terminate-Cause"] == "Admin-Reset"
            assert ask(lab, "disconnect", named) == ("Disconnect-NAK", "Session-Context-Not-Found")
        expected = {"acknowledged": len(names), "refused": len(names)}
        assert {key: counters(lab)[key] for key in expected} == expected


def test_all_that_is_named_must_agree():
    with coa_lab(guests=2) as lab:
        for guest, login in zip(lab.guests, (("ada", "lovelace"), ("eve", "eve")), strict=True):
            assert guest.login(*login).status == 303
        wait_for(lambda: len(lab.radius.records("Start")) == 2, "both sessions")
        ada, eve = (identities(lab, guest) for guest in lab.guests)
        for name in ("Acct-Session-Id", "Framed-IP-Address", "Calling-Station-Id", "NAS-Port"):
            answer = ask(lab, "disconnect", ada["User-Name"], eve[name])
            assert answer == ("Disconnect-NAK", "Session-Context-Not-Found")
        for refused, cause in (
            ((), "Missing-Attribute"),
            (("NAS-Identifier = lab",), "Missing-Attribute"),
            (("User-Name = ada", "NAS-Identifier = another"), "NAS-Identification-Mismatch"),
            (("User-Name = ada", "NAS-IP-Address = 198.51.100.1"), "NAS-Identification-Mismatch"),
            (("User-Name = ada", "Service-Type = Authorize-Only", "State = 0x01"), "Unsupported-Service"),
            (("User-Name = ada", "Session-Timeout = 1"), "Unsupported-Attribute"),
            (("Framed-IPv6-Address = 2001:db8::1",), "Session-Context-Not-Found"),
            (('Acct-Multi-Session-Id = "x"',), "Session-Context-Not-Found"),
            (('Calling-Station-Id = "phone"',), "Invalid-Attribute-Value"),
        ):
            assert ask(lab, "disconnect", *refused) == ("Disconnect-NAK", cause), refused
        assert session(lab, lab.guests[0]) and session(lab, lab.guests[1])
        here = (f"NAS-IP-Address = {lab.uplink_address}", "NAS-Identifier = lab")
        assert ask(lab, "disconnect", *here, *ada.values()) == ("Disconnect-ACK", None)
        assert not session(lab, lab.guests[0])
        assert session(lab, lab.guests[1])
        # Who names the LAN means everybody on it.
        assert lab.guests[0].login().status == 303
        assert ask(lab, "disconnect", 'NAS-Port-Id = "lan0"') == ("Disconnect-ACK", None)
        assert lab.gateway.sessions() == []


def test_a_change_of_one_thing_leaves_the_others():
    with coa_lab() as lab:
        assert lab.guest.login().status == 303
        before = session(lab)
        changed = ("User-Name = ada", "ChilliSpot-Bandwidth-Max-Down = 512", 'Reply-Message = "Slower now"')
        assert ask(lab, "coa", *changed) == ("CoA-ACK", None)
        moving = ("seconds", "seconds_left", "idle_seconds")
        rest = [{key: value for key, value in one.items() if key not in moving} for one in (before, session(lab))]
        assert rest[1] == {**rest[0], "bits_per_second_down": 512_000}
        assert 3500 < session(lab)["seconds_left"] <= before["seconds_left"]
        assert "Slower now" in lab.guest.curl(f"{PORTAL}/status").body
        refused = ask(lab, "coa", "User-Name = ada", "ChilliSpot-Bandwidth-Max-Down = 64", "Framed-MTU = 1400")
        assert refused == ("CoA-NAK", "Unsupported-Attribute")
        assert session(lab)["bits_per_second_down"] == 512_000
        assert ask(lab, "coa", "User-Name = ada") == ("CoA-NAK", "Missing-Attribute")


def test_a_change_of_time_counts_from_the_beginning_and_one_of_octets_too():
    with coa_lab() as lab:
        assert lab.guest.login().status == 303
        assert ask(lab, "coa", "User-Name = ada", "Session-Timeout = 7200") == ("CoA-ACK", None)
        assert 7000 < session(lab)["seconds_left"] <= 7200
        assert lab.guest.curl_status("http://online.test/blob") == 0
        octets = ("Class = 0x676f6c64", "ChilliSpot-Max-Total-Octets = 100000")
        assert ask(lab, "coa", *octets) == ("CoA-ACK", None)
        assert lab.radius.wait("Stop")["Acct-Terminate-Cause"] == "Session-Timeout"
        assert not lab.guest.is_online()


def test_who_cannot_prove_a_request_gets_no_answer():
    with coa_lab() as lab:
        assert lab.guest.login().status == 303
        assert ask(lab, "disconnect", "User-Name = ada", secret="another secret") is None
        assert ask(lab, "disconnect", "User-Name = ada", source=STRANGER) is None
        assert ask(lab, "disconnect", "User-Name = ada", plain=True) is None
        assert ask(lab, "disconnect", "User-Name = ada", "Message-Authenticator = 0x00", plain=True) is None
        old = ("User-Name = ada", "Message-Authenticator = 0x00", f"Event-Timestamp = {int(time.time()) - 301}")
        assert ask(lab, "disconnect", *old, plain=True) is None
        assert session(lab)
        expected = {"acknowledged": 0, "forged": 1, "foreign_source": 1, "unprotected": 2, "stale": 1}
        assert {key: counters(lab)[key] for key in expected} == expected
        log = lab.gateway.log.read_text()
        for advice in ("the secret must be the same", "name it in", "require_message_authenticator = false", "clocks"):
            assert advice in log
        assert COA_SECRET not in log


@pytest.mark.parametrize("what", ["require_message_authenticator", "require_event_timestamp"])
def test_an_old_client_is_heard_where_the_operator_says_so(what):
    with coa_lab(client={what: False}) as lab:
        proof = {"require_message_authenticator": f"Event-Timestamp = {int(time.time())}"}
        attributes = ("User-Name = ada", proof.get(what, "Message-Authenticator = 0x00"))
        assert lab.guest.login().status == 303
        assert ask(lab, "disconnect", *attributes, plain=True) == ("Disconnect-ACK", None)
        log = lab.gateway.log.read_text()
        assert log.count(f"{what}: is false") == 1


def test_a_recorded_request_is_answered_again_and_not_obeyed():
    with coa_lab() as lab:
        assert lab.guest.login().status == 303
        with lab.inet.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as wire:
            wire.bind(("up0", 3))  # ETH_P_ALL: what leaves as well
            wire.settimeout(5)
            assert ask(lab, "disconnect", "User-Name = ada") == ("Disconnect-ACK", None)
            request, answer = recorded(wire, 40), recorded(wire, 41)
        assert lab.guest.login().status == 303
        for _ in range(2):
            with lab.inet.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                udp.bind((ADDRESS, 0))
                udp.settimeout(5)
                udp.sendto(request, (lab.uplink_address, PORT))
                assert udp.recv(4096) == answer
        assert session(lab)
        assert (counters(lab)["acknowledged"], counters(lab)["duplicates"]) == (1, 2)
        # Another process, which knows nothing of what was obeyed.
        lab.gateway.wait_until_written()
        lab.gateway.kill()
        lab.gateway.start()
        with lab.inet.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind((ADDRESS, 0))
            udp.sendto(request, (lab.uplink_address, PORT))
        assert wait_for(lambda: counters(lab)["stale"], "the copy") == 1
        assert session(lab)
        assert "Event-Timestamp is from before the gateway's start" in lab.gateway.log.read_text()


def recorded(wire, code):
    """The next RADIUS packet with this code."""
    while True:
        packet = wire.recv(4096)
        ports = [int.from_bytes(packet[at : at + 2], "big") for at in (20, 22)]
        if packet[:1] == b"\x45" and packet[9] == socket.IPPROTO_UDP and PORT in ports and packet[28] == code:
            return packet[28 : 28 + int.from_bytes(packet[30:32], "big")]


def test_a_guest_does_not_reach_the_port_wherever_it_looks():
    """Before login and after it, though it knows the secret and has the client's address for its own."""
    with coa_lab(client={"address": "0.0.0.0/0"}) as lab:
        guest = lab.guest
        for login in (False, True):
            assert not login or guest.login().status == 303
            for target in ("10.85.0.1", lab.uplink_address, "172.31.0.1"):
                text = f"User-Name = ada, Message-Authenticator = 0x00, Event-Timestamp = {int(time.time())}"
                command = ("radclient", "-r", "1", "-t", "1", f"{target}:{PORT}", "disconnect", COA_SECRET)
                output = guest.ns.run(*command, input=text, check=False)
                assert "Received" not in output, (login, target, output)
        assert session(lab)
        assert set(counters(lab).values()) == {0}
        # It is the way that is closed, not the port.
        assert ask(lab, "disconnect", "User-Name = ada") == ("Disconnect-ACK", None)


def test_a_server_opens_and_closes_the_garden_of_a_guest_who_is_not_logged_in():
    with coa_lab(guests=2) as lab:
        one, other = lab.guests
        named = f"Framed-IP-Address = {one.address}"

        def allow(entries):
            return ask(lab, "coa", named, f'ChilliSpot-Config = "uamallowed={entries}"')

        assert one.connect(HOST, 443) != "open"
        assert allow(f"tcp:{HOST}:443") == ("CoA-ACK", None)
        assert one.connect(HOST, 443) == "open" and one.connect(HOST, 8080) != "open"
        assert other.connect(HOST, 443) != "open"
        for refused in ("0.0.0.0/0", other.address, "tcp:"):
            assert allow(refused)[0] == "CoA-NAK", refused
        assert allow("reset") == ("CoA-ACK", None)
        assert one.connect(HOST, 443) != "open"
