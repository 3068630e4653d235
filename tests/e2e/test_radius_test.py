"""`poblano radius test`: what an operator reads who wants to know why nobody can log in."""

import contextlib
import re

import pytest

from aaa import ADDRESS, SECRET, FreeRadius, settings
from lab import Lab, binary
from pki import Authority
from radius_server import accept, server
from terminal import Terminal

USERS = """
ada Cleartext-Password := "lovelace"
    Session-Timeout = 600,
    WISPr-Bandwidth-Max-Down = 8000000,
    Class = 0x636c617373

lead Cleartext-Password := "lead"
    Filter-Id = "lead"

02-00-5E-10-00-01 Cleartext-Password := "02-00-5E-10-00-01", Service-Type == Call-Check
    User-Name = "printer"

DEFAULT Auth-Type := Reject
    Reply-Message = "Your ticket is used up"
"""


@contextlib.contextmanager
def radius_lab(server=FreeRadius, **more):
    """The gateway does not run: the command needs its configuration alone."""
    own = settings()
    own["radius"].update(more, timeout="1s", tries=1)
    with Lab(start=False, settings=own) as lab:
        lab.radius = server(lab, USERS)
        try:
            yield lab
        finally:
            lab.radius.stop()


def radius_test(lab, *options, password=None):
    """The exit status and the transcript."""
    if password is not None:
        options = ("--password-stdin", *options)
    argv = (binary(), "radius", "test", "--config", lab.gateway.config, *options)
    done = lab.gw.done(*argv, input=None if password is None else f"{password}\n")
    assert SECRET not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


def test_a_right_password_shows_what_the_guest_would_have():
    with radius_lab() as lab:
        status, told = radius_test(lab, "--user", "ada", "--mac", "02:00:5e:10:00:07", password="lovelace")
        assert status == 0
        assert re.search(r"0 ms: sent to 192\.0\.2\.18:1812: Access-Request id \d+\n +Message-Authenticator=0x", told)
        for line in (
            'User-Name="ada"',
            "User-Password=<hidden>",
            'Calling-Station-Id="02-00-5E-10-00-07"',
            "Session-Timeout=600",
            "WISPr-Bandwidth-Max-Down=8000000",
            "is online for 10m at most",
            "receives 8M bit/s at most",
        ):
            assert f"      {line}\n" in told, line
        assert re.search(r"received from 192\.0\.2\.18:1812, and proven with the secret: Access-Accept id", told)
        assert "lovelace" not in told
        assert lab.radius.records() == []


def test_its_accounting_is_tried_when_that_is_asked_for():
    with radius_lab() as lab:
        status, told = radius_test(lab, "--user", "ada", "--accounting", password="lovelace")
        assert (status, told.count("the record was taken")) == (0, 2)
        assert [r["Acct-Status-Type"] for r in lab.radius.records()] == ["Start", "Stop"]
        assert {r["Class"] for r in lab.radius.records()} == {"0x636c617373"}


@pytest.mark.parametrize(
    ("user", "password", "words"),
    [
        ("ada", "byron", ["= refused", "its log says which"]),
        ("eve", "x", ["= refused", "the guest reads: Your ticket is used up"]),
        ("lead", "lead", ['refused here: Filter-Id is "lead"', "no [[policy]] has this name"]),
    ],
)
def test_a_guest_that_is_refused_is_told_why(user, password, words):
    with radius_lab() as lab:
        status, told = radius_test(lab, "--user", user, password=password)
        assert status == 3
        assert [word for word in words if word not in told] == []


def test_a_device_is_tried_by_its_mac():
    with radius_lab() as lab:
        status, told = radius_test(lab, "--mac", "02-00-5e-10-00-01")
        assert status == 0
        assert "Service-Type=Call-Check" in told and 'is accounted for as "printer"' in told
        assert radius_test(lab, "--mac", "02-00-5e-10-00-02")[0] == 3


def test_without_a_name_it_is_tried_whether_servers_answer_with_the_same_secret():
    with radius_lab() as lab:
        status, told = radius_test(lab)
        assert status == 0
        assert "= the server answers, and has the same secret" in told
        lab.gateway.settings["radius"]["server"][0]["secret"] = "another secret of the lab"
        lab.gateway.write()
        status, told = radius_test(lab)
        assert status == 4
        assert "a server is silent when" in told and "has another secret for it" in told


def test_all_servers_are_tried_and_the_worst_counts():
    with radius_lab() as lab:
        [first] = lab.gateway.settings["radius"]["server"]
        # Nobody answers from there, with an error or at all.
        lab.inet.ip("route", "add", "blackhole", "192.0.2.99")
        lab.gateway.settings["radius"]["server"] = [{**first, "address": "192.0.2.99"}, first]
        lab.gateway.write()
        status, told = radius_test(lab, "--user", "ada", password="lovelace")
        assert status == 4
        assert told.index("a server is silent when") < told.index("= accepted; the guest")


def test_a_machine_without_a_server_says_so():
    with radius_lab() as lab:
        lab.radius.stop()
        status, told = radius_test(lab)
        assert status == 4
        assert "no server listens: start it, or correct auth_port" in told


def test_an_answer_with_another_secret_is_told_apart_from_silence():
    with radius_lab(server(lambda request: accept(request, "another secret"))) as lab:
        status, told = radius_test(lab, "--user", "ada", password="lovelace")
        assert status == 4
        assert "and ignored: wrong Response Authenticator" in told
        assert "the secret must be the same here and there" in told


def test_an_old_server_is_told_by_what_its_answers_lack():
    with radius_lab(server(lambda request: accept(request, SECRET, signed=False))) as lab:
        status, told = radius_test(lab, "--user", "ada", password="lovelace")
        assert status == 4
        assert "set require_message_authenticator = false for it" in told


def test_a_server_that_lets_anybody_in_is_no_good_server():
    with radius_lab(server(lambda request: accept(request, SECRET))) as lab:
        status, told = radius_test(lab)
        assert status == 3
        assert "accepted, though nobody has that name and password" in told


def test_the_log_has_every_packet_at_debug_level_and_no_secret():
    with radius_lab() as lab:
        lab.gateway.settings["log"] = {"level": "debug"}
        lab.gateway.write()
        lab.gateway.start()
        assert lab.guest.lease()
        assert lab.guest.login().status == 303
        lab.radius.wait("Start")
        log = lab.gateway.log.read_text()
        assert re.search(r'RADIUS sent: Access-Request id \d+ .*User-Name="ada" User-Password=<hidden>', log)
        assert re.search(r"RADIUS received: Access-Accept id \d+ .*Session-Timeout=600", log)
        assert re.search(r"RADIUS sent: Accounting-Request id \d+ .*Acct-Status-Type=Start", log)
        assert "lovelace" not in log and SECRET not in log


@contextlib.contextmanager
def tls_lab(directory, names):
    """A server that has a certificate of our authority under a name; the gateway wants radius.test."""
    authority = Authority(directory, "authority")
    certificate, key = authority.issue("gateway", "DNS:gateway.test")
    own = settings()
    own["radius"].update(timeout="1s", tries=1)
    own["radius"]["server"] = [
        {
            "address": ADDRESS,
            "transport": "tls",
            "ca_file": str(authority.certificate),
            "certificate_file": str(certificate),
            "key_file": str(key),
            "server_name": "radius.test",
        }
    ]
    with Lab(start=False, settings=own) as lab:
        lab.radius = FreeRadius(lab, USERS, (authority.certificate, *authority.issue(names, f"DNS:{names}")))
        try:
            yield lab
        finally:
            lab.radius.stop()


def test_over_tls_it_tells_the_connection_and_what_proves_the_server(tmp_path):
    with tls_lab(tmp_path, "radius.test") as lab:
        status, told = radius_test(lab, "--user", "ada", password="lovelace")
        assert status == 0, told
        assert re.search(r"ms: connected to 192\.0\.2\.18:2083, RADIUS/1\.0\n", told)
        assert re.search(r"received from 192\.0\.2\.18:2083, and proven by its certificate: Access-Accept id", told)
        assert "is online for 10m at most" in told
        assert "lovelace" not in told


def test_over_tls_a_server_under_another_name_is_told_with_what_to_compare(tmp_path):
    with tls_lab(tmp_path, "other.test") as lab:
        status, told = radius_test(lab, "--user", "ada", password="lovelace")
        assert status != 0
        assert "no connection to 192.0.2.18:2083" in told
        assert "compare address, tls_port, ca_file and server_name with the server" in told
        assert "sent to" not in told


def test_a_password_is_asked_for_at_a_terminal():
    with radius_lab() as lab, Terminal(lab.gw, "radius", "test", "--config", lab.gateway.config, "--user", "ada") as at:
        assert at.asks("Password of ada: ", "lovelace\n")
        assert at.ended() == 0
        assert "is online for 10m at most" in at.shown and "lovelace" not in at.shown
