"""What a RADIUS server is told of a guest, and what it may ask for."""

import pytest

from aaa import SECRET
from internet import HOST, wait_for
from lab import GATEWAY
from subject import USERS
from test_dynauth import ask, wait_for_the_next_second

CLASS = 'ada Cleartext-Password := "lovelace"\n    Class = 0x676f6c64, Acct-Interim-Interval = 60\n'


def at_once(users):
    return f'ada Cleartext-Password := "lovelace"\n    {users}\n'


def named(mac):
    return mac.upper().replace(":", "-")


@pytest.mark.parametrize("swapped", [True, None])
def test_a_session_is_accounted_from_login_to_logout(made, swapped):
    place = {"radiuslocationid": "isocc=de,cc=49", "radiuslocationname": "Cafe_7", "nasip": "192.0.2.44"}
    with made(users=CLASS, swapoctets=swapped, **place) as subject:
        guest, radius = subject.lab.guest, subject.lab.radius
        given = subject.login().parameters
        start = radius.wait("Start")
        assert guest.curl_status("http://online.test/blob") == 0
        assert subject.get("/logoff").parameters["res"] == "logoff"
        stop = radius.wait("Stop")
        for record in (start, stop):
            assert record["Acct-Session-Id"] == given["sessionid"]
            assert (record["User-Name"], record["Class"]) == ("ada", "0x676f6c64")
            assert (record["NAS-Identifier"], record["NAS-IP-Address"]) == ("lab", "192.0.2.44")
            assert (record["Calling-Station-Id"], record["Called-Station-Id"]) == (named(guest.mac), given["called"])
            assert record["Framed-IP-Address"] == guest.address
            assert record["NAS-Port-Type"] == "Wireless-802.11"
            port = "lan0" if subject.differs("port") else f"{int(record['NAS-Port']):08}"
            assert record["NAS-Port-Id"] == port
            assert record["WISPr-Location-ID"] == place["radiuslocationid"]
            assert record["WISPr-Location-Name"] == place["radiuslocationname"]
        assert f'Acct-Session-Id = "{given["sessionid"]}"' in radius.log.read_text().partition("Access-Accept")[0]
        assert stop["Acct-Terminate-Cause"] == "User-Request"
        received, sent = ("Output", "Input") if swapped else ("Input", "Output")
        assert int(stop[f"Acct-{received}-Octets"]) > 1_000_000 > int(stop[f"Acct-{sent}-Octets"]) > 0
        assert int(stop["Acct-Input-Packets"]) > 0 and int(stop["Acct-Output-Packets"]) > 0
        assert stop["Acct-Input-Gigawords"] == stop["Acct-Output-Gigawords"] == "0"


@pytest.mark.parametrize(
    "limit",
    ["Session-Timeout = 2", "ChilliSpot-Max-Total-Octets = 500000", "ChilliSpot-Max-Input-Octets = 500000"],
)
def test_a_session_ends_at_its_limit(made, limit):
    with made(users=at_once(limit)) as subject:
        assert subject.login().parameters["res"] == "success"
        subject.lab.guest.curl_status("http://online.test/blob", timeout=3)
        assert subject.lab.radius.wait("Stop")["Acct-Terminate-Cause"] == "Session-Timeout"
        assert not subject.is_online()
        assert not subject.lab.guest.is_online()


def test_a_guest_who_does_nothing_is_logged_out(made):
    with made(users=at_once("Idle-Timeout = 2")) as subject:
        assert subject.login().parameters["res"] == "success"
        assert subject.lab.radius.wait("Stop")["Acct-Terminate-Cause"] == "Idle-Timeout"


def test_what_a_server_leaves_open_is_the_operators(made):
    with made(users=at_once("Class = 0x01"), defsessiontimeout=1800, defidletimeout=600) as subject:
        assert subject.login().parameters["timeleft"] == "1800"
        assert subject.get("/json/status").body.find('"idleTimeout":600') > 0


def test_a_server_ends_a_session(made):
    with made(coaport=3799) as subject:
        radius = subject.lab.radius
        assert subject.login().parameters["res"] == "success"
        radius.wait("Start")
        wait_for_the_next_second()
        assert ask(subject.lab, "disconnect", 'User-Name = "ada"', secret="not the secret") is None
        assert subject.is_online()
        answer = ask(subject.lab, "disconnect", 'User-Name = "nobody"', secret=SECRET)
        assert answer[0] == "Disconnect-NAK"
        answer = ask(subject.lab, "disconnect", 'User-Name = "ada"', secret=SECRET)
        assert answer[0] == "Disconnect-ACK"
        assert radius.wait("Stop")["Acct-Terminate-Cause"] == "Admin-Reset"
        assert not subject.is_online()


def test_a_server_changes_a_session(made):
    with made(coaport=3799) as subject:
        assert subject.login().parameters["res"] == "success"
        subject.lab.radius.wait("Start")
        wait_for_the_next_second()
        answer = ask(subject.lab, "coa", 'User-Name = "ada"', "Session-Timeout = 3600", secret=SECRET)
        assert answer[0] == "CoA-ACK"
        wait_for(lambda: '"sessionTimeout":3600' in subject.get("/json/status").body, "the change")
        kept = 300 if subject.differs("change of one thing") else 0
        assert f'"idleTimeout":{kept}' in subject.get("/json/status").body


@pytest.mark.parametrize("how", ["macauth", "macallowed", "macallowlocal"])
def test_a_device_is_let_in_by_its_mac(made, how):
    mac = "02:00:5e:00:00:07"
    name = f"{named(mac)}@devices"
    users = f'{name} Cleartext-Password := "one for all"\n    Session-Timeout = 900\n'
    lists = {
        "macauth": {"macauth": True},
        "macallowed": {"macallowed": mac},
        "macallowlocal": {"macallowed": mac, "macallowlocal": True},
    }[how]
    with made(users=users, mac=mac, macsuffix="@devices", macpasswd="one for all", **lists) as subject:
        wait_for(subject.is_online, "the device online")
        assert subject.lab.guest.is_online()
        assert subject.lab.radius.wait("Start")["User-Name"] == name
        asked = "Received Access-Request" in subject.lab.radius.log.read_text()
        assert asked == (how != "macallowlocal")
        if asked:
            assert '"sessionTimeout":900' in subject.get("/json/status").body


def test_nothing_passes_of_a_device_that_is_refused(made):
    with made(macauth=True, macauthdeny=True, leases=False) as subject:
        guest = subject.lab.guest
        has_lease = guest.lease()
        assert has_lease == subject.differs("lease when refused")
        wait_for(lambda: "Sent Access-Reject" in subject.lab.radius.log.read_text(), "the server's word")
        if not has_lease:
            guest.ns.ip("addr", "add", "10.85.0.9/20", "dev", guest.nic)
            guest.ns.ip("route", "add", "default", "via", GATEWAY)
        wait_for(lambda: guest.connect(HOST, 80, seconds=1) == "ETIMEDOUT", "silence")
        assert guest.ask_dns(GATEWAY, "online.test", 1) is None
        assert guest.connect(GATEWAY, subject.port, seconds=1) == "ETIMEDOUT"


@pytest.mark.parametrize("word", ["splash", "require-uam-auth"])
def test_a_device_that_is_known_may_have_to_see_the_portal_first(made, word):
    mac = "02:00:5e:00:00:07"
    users = f'{named(mac)} Cleartext-Password := "{named(mac)}"\n    ChilliSpot-Config = "{word}"\n\n{USERS}'
    with made(users=users, mac=mac, macauth=True) as subject:
        wait_for(lambda: "Sent Access-Accept" in subject.lab.radius.log.read_text(), "the server's word")
        res = "splash" if word == "splash" else "notyet"
        wait_for(lambda: subject.led("/").parameters["res"] == res, res)
        passes = subject.lab.guest.connect(HOST, 443, seconds=1) == "open"
        assert passes != subject.differs("splash")
        if subject.differs("splash"):
            assert subject.login().parameters["res"] == "success"
            assert subject.lab.guest.is_online()
