"""The operator's tool, `chilli_query`."""

import json
import re


def columns(line):
    names = "mac ip state sessionid auth user time idle input output total swap up down url".split()
    return dict(zip(names, line.split(" "), strict=False))


def test_the_list_has_a_line_for_each_guest(made):
    with made() as subject:
        guest = subject.lab.guest
        station = guest.mac.upper().replace(":", "-")
        line = columns(subject.query("list").splitlines()[0])
        assert (line["mac"], line["ip"], line["state"]) == (station, guest.address, "dnat")
        assert (line["auth"], line["user"]) == ("0", "-")
        given = subject.login().parameters
        line = columns(subject.query("list").splitlines()[0])
        assert (line["state"], line["auth"], line["user"]) == ("pass", "1", "ada")
        assert line["sessionid"] == given["sessionid"]
        assert re.fullmatch(r"\d+/7200", line["time"]) and re.fullmatch(r"\d+/300", line["idle"])
        assert re.fullmatch(r"\d+/0", line["input"]) and re.fullmatch(r"\d+/0", line["output"])
        assert line["total"] == "4000000000"
        mac, ip, state, age = subject.query("dhcp-list").splitlines()[0].split()
        assert (mac, ip, state) == (station, guest.address, "pass")
        assert re.fullmatch(r"\d+/600", age)


def test_the_list_is_told_to_programs_too(made):
    with made() as subject:
        subject.login()
        [guest] = json.loads(subject.query("-json", "list"))["sessions"]
        assert (guest["clientState"], guest["ipAddress"]) == (1, subject.lab.guest.address)
        assert guest["session"]["userName"] == "ada"
        assert "inputOctets" in guest["accounting"]


def test_an_operator_lets_a_guest_in_and_throws_it_out(made):
    with made() as subject:
        guest = subject.lab.guest
        limits = "sessiontimeout 3600 idletimeout 600 maxbwup 512000".split()
        subject.query("authorize", "ip", guest.address, "username", "bob", *limits)
        assert guest.is_online()
        line = columns(subject.query("list").splitlines()[0])
        assert (line["user"], line["auth"]) == ("bob", "1")
        assert line["time"].endswith("/3600") and line["idle"].endswith("/600") and line["up"].endswith("%/512000")
        assert subject.lab.radius.wait("Start")["User-Name"] == "bob"
        subject.query("update", "ip", guest.address, *"sessiontimeout 1800 idletimeout 600".split())
        assert columns(subject.query("list").splitlines()[0])["time"].endswith("/1800")
        subject.query("logout", guest.mac)
        assert not guest.is_online()
        assert subject.lab.radius.wait("Stop")["Acct-Terminate-Cause"] == "Admin-Reset"


def test_an_operator_logs_a_guest_in_by_the_server(made):
    with made() as subject:
        guest = subject.lab.guest
        subject.query("login", "ip", guest.address, "username", "ada", "password", "lovelace")
        assert subject.lab.radius.wait("Start")["User-Name"] == "ada"
        assert guest.is_online()
        line = columns(subject.query("list").splitlines()[0])
        assert line["user"] == "ada" and line["time"].endswith("/7200")


def test_an_operator_keeps_a_device_out(made):
    with made() as subject:
        guest = subject.lab.guest
        assert subject.login().parameters["res"] == "success"
        subject.query("block", guest.mac)
        assert guest.connect("192.0.2.80", 443, seconds=1) != "open"
        assert not guest.ping("192.0.2.80")


def test_the_garden_is_changed_while_it_is_used(made):
    with made() as subject:
        guest = subject.lab.guest
        assert guest.connect("192.0.2.80", 443, seconds=1) != "open"
        subject.query("addgarden", "data", "192.0.2.80:443")
        assert guest.connect("192.0.2.80", 443) == "open"
        assert "host=192.0.2.80" in subject.query("listgarden")
        subject.query("remgarden", "data", "192.0.2.80:443")
        assert guest.connect("192.0.2.80", 443, seconds=1) != "open"


def test_an_operator_takes_a_lease_back(made):
    with made() as subject:
        guest = subject.lab.guest
        assert subject.login().parameters["res"] == "success"
        subject.query("dhcp-release", guest.mac)
        assert subject.lab.radius.wait("Stop")["Acct-Terminate-Cause"] == "Admin-Reset"
        station = guest.mac.upper().replace(":", "-")
        assert station not in subject.query("dhcp-list")
        assert guest.lease()
        assert subject.get("/status").parameters["res"] == "notyet"
