"""chilli_query's commands and formats, by `poblano query` and by a link of that name."""

import json
import os
import re

import pytest

import crowd
from internet import HOST, wait_for
from lab import GATEWAY, Lab, binary

NAMES = (
    *("mac", "ip", "state", "sessionid", "auth", "user", "time", "idle", "input", "output", "total", "swap"),
    *("up", "down", "url"),
)


def query(lab, *words):
    return lab.gateway.cli("query", "-s", lab.gateway.control, *words)


def refused(lab, *words):
    return lab.gw.done(binary(), "query", "-s", lab.gateway.control, *words)


def columns(line):
    """A line of `list` by column; what stands after them is in "more"."""
    words = line.split(" ")
    return dict(zip(NAMES, words, strict=False)) | {"more": words[len(NAMES) :]}


def listed(lab, *words):
    return [columns(line) for line in query(lab, "list", *words).splitlines() if line]


def station(mac):
    return mac.upper().replace(":", "-")


def test_list_has_the_columns_of_chilli_query(online):
    guest = online.guest
    assert guest.curl_status("http://online.test/blob") == 0
    query(online, "update", "mac", guest.mac, *"sessiontimeout 3600 idletimeout 600 maxoctets 500000000".split())
    query(online, "update", "ip", guest.address, *"maxbwup 512000 maxoutputoctets 7000000".split())
    [line] = listed(online)
    [session] = online.gateway.sessions()
    used = session["session"]
    assert (line["mac"], line["ip"], line["state"]) == (station(guest.mac), guest.address, "pass")
    assert (line["sessionid"], line["auth"], line["user"]) == (used["id"], "1", "ada")
    assert re.fullmatch(r"\d+/3600", line["time"]) and re.fullmatch(r"\d+/600", line["idle"])
    assert line["input"] == f"{used['input_octets']}/0"
    assert line["output"] == f"{used['output_octets']}/7000000"
    assert (line["total"], line["swap"], line["url"], line["more"]) == ("500000000", "1", "-", [])
    assert (line["up"], line["down"]) == ("0%/512000", "0/0")


def test_a_guest_that_is_not_logged_in_has_a_line_too(lab):
    assert lab.guest.lease()
    assert query(lab, "list") == (
        f"{station(lab.guest.mac)} {lab.guest.address} dnat - 0 - 0/0 0/0 0/0 0/0 0 1 0/0 0/0 -\n"
    )
    mac, ip, state, age = query(lab, "dhcp-list").split()
    assert (mac, ip, state) == (station(lab.guest.mac), lab.guest.address, "dnat")
    assert re.fullmatch(r"\d+/1800", age)


def test_a_name_with_blanks_does_not_move_columns(lab):
    assert lab.guest.lease()
    crowd.ask(lab, {"command": "login", "guest": lab.guest.mac, "user": "a b\n00-00-00-00-00-00 10.0.0.1 pass"})
    [line] = listed(lab)
    assert (line["ip"], line["user"]) == (lab.guest.address, "a_b_00-00-00-00-00-00_10.0.0.1_pass")


def test_input_is_what_the_guest_got_where_accounting_says_so():
    with Lab(settings={"accounting": {"direction": "chilli"}}) as lab:
        assert lab.guest.lease() and lab.guest.login().status == 303
        assert lab.guest.curl_status("http://online.test/blob") == 0
        query(lab, "update", "mac", lab.guest.mac, "maxinputoctets", "70000000")
        [line] = listed(lab)
        [used], of = [int(word) for word in line["input"].split("/")[:1]], line["input"].split("/")[1]
        assert used > 1 << 20 and of == "70000000" and line["swap"] == "0"
        [session] = lab.gateway.sessions()
        assert session["session"]["output_octets_max"] == 70_000_000
        [entry] = json.loads(query(lab, "-json", "list"))["sessions"]
        assert entry["accounting"]["inputOctets"] == session["session"]["output_octets"]
        assert entry["accounting"]["viewPoint"] == "client"


def test_list_as_json_has_the_members_of_coovachillis(online):
    [entry] = json.loads(query(online, "-json", "list"))["sessions"]
    assert (entry["ipAddress"], entry["macAddress"]) == (online.guest.address, station(online.guest.mac))
    assert (entry["dhcpState"], entry["clientState"]) == ("pass", 1)
    assert {"sessionId", "userName", "startTime", "sessionTimeout", "terminateTime", "idleTimeout"} <= set(
        entry["session"]
    )
    assert entry["session"]["userName"] == "ada"
    assert {"sessionTime", "idleTime", "inputOctets", "inputGigawords"} <= set(entry["accounting"])
    online.guest.logout()
    [entry] = json.loads(query(online, "list", "-json"))["sessions"]
    assert (entry["dhcpState"], entry["clientState"]) == ("dnat", 0) and "session" not in entry


@pytest.mark.parametrize("by", ["ip", "mac", "sessionid"])
def test_one_guest_is_chosen_by_address_station_or_session(by):
    with Lab(guests=2) as lab:
        for guest in lab.guests:
            assert guest.lease() and guest.login().status == 303
        one, other = lab.guests
        ids = {line["ip"]: line["sessionid"] for line in listed(lab)}
        name = {"ip": one.address, "mac": one.mac, "sessionid": ids[one.address]}[by]
        assert [line["ip"] for line in listed(lab, by, name)] == [one.address]
        query(lab, "logout", by, name)
        assert not one.is_online() and other.is_online()
        assert refused(lab, "logout", by, name).returncode == 1


def test_guests_are_authorised_changed_and_logged_in_with_a_password(lab):
    guest = lab.guest
    assert guest.lease()
    query(lab, "authorize", "ip", guest.address, *"username lobby sessiontimeout 7200 maxbwdown 2000000".split())
    assert guest.is_online()
    [line] = listed(lab)
    assert (line["user"], line["time"].split("/")[1], line["down"]) == ("lobby", "7200", "0%/2000000")
    # What is not named stays.
    query(lab, "update", "sessionid", line["sessionid"], "maxbwdown", "0")
    [line] = listed(lab)
    assert (line["time"].split("/")[1], line["down"]) == ("7200", "0/0")
    query(lab, "logout", guest.mac)
    assert not guest.is_online()
    wrong = refused(lab, "login", "mac", guest.mac, "username", "ada", "password", "wrong")
    assert wrong.returncode == 1 and not guest.is_online()
    query(lab, "login", "mac", guest.mac, "username", "ada", "password", "lovelace")
    assert guest.is_online() and listed(lab)[0]["user"] == "ada"


def test_nothing_of_a_blocked_device_passes_until_it_is_unblocked(online):
    guest, address = online.guest, online.guest.address
    query(online, "block", guest.mac)
    assert query(online, "list") == f"{station(guest.mac)} 0.0.0.0 drop - 0 - 0/0 0/0 0/0 0/0 0 1 0/0 0/0 -\n"
    assert query(online, "dhcp-list") == f"{station(guest.mac)} 0.0.0.0 drop 0/0\n"
    # The portal, DNS, the gateway itself, the Internet, a lease: silence.
    assert guest.curl_status("http://10.85.0.1:3990/", timeout=2) == 28
    assert guest.ask_dns("10.85.0.1", "online.test", 1) is None
    assert not guest.ping("10.85.0.1") and not guest.is_online()
    assert not guest.lease(timeout=10)
    online.gateway.kill()
    online.gateway.start()
    assert not guest.lease(timeout=10), "it is remembered"
    query(online, "logout", guest.mac)
    assert guest.lease() and guest.address == address
    assert not guest.is_online()
    query(online, "drop", guest.mac)
    query(online, "authorize", "mac", guest.mac)
    assert guest.is_online()
    assert online.gateway.cli("block", guest.mac, "--socket", online.gateway.control) == f"{guest.mac} is blocked\n"
    assert not guest.is_online()
    online.gateway.cli("unblock", guest.mac, "--socket", online.gateway.control)
    assert guest.login().status == 303 and guest.is_online()


def test_a_lease_is_taken_back_with_the_session(online):
    query(online, "dhcp-release", online.guest.mac)
    assert query(online, "list") == "" and not online.guest.is_online()
    assert refused(online, "dhcp-release", online.guest.mac).returncode == 1
    assert online.guest.lease()


def test_the_configuration_is_read_again(lab):
    lab.gateway.settings["dhcp"] = {"lease": "2h", "offline_lease": "2h"}
    lab.gateway.write()
    query(lab, "reload")
    said = "[dhcp] and [garden] are as the configuration has them now"
    wait_for(lambda: said in lab.gateway.log.read_text(), "the new settings")
    assert lab.guest.lease()
    assert query(lab, "dhcp-list").split()[3].endswith("/7200")


def test_processes_are_the_gateway_and_its_scripts(tmp_path):
    script = tmp_path / "slow"
    script.write_text("#!/bin/sh\nexec sleep 30\n")
    script.chmod(0o755)
    with Lab(settings={"scripts": {"guest_up": str(script), "at_once": 3}}) as lab:
        assert lab.guest.lease()
        wait_for(lambda: query(lab, "procs").startswith("Children 1 Max 3 Total 1\n"), "the script")
        _, header, gateway, child = query(lab, "procs").splitlines()
        assert header.split() == ["PID", "Kind", "Name", "Uptime"]
        assert gateway.split()[:3] == [str(lab.gateway.process.pid), "Main", "poblano"]
        assert child.split()[1:3] == ["Script", "guest_up"] and os.path.exists(f"/proc/{child.split()[0]}")


def test_the_name_chilli_query_and_a_path_in_the_first_place_do_the_same(lab, tmp_path):
    assert lab.guest.lease()
    link = tmp_path / "chilli_query"
    link.symlink_to(binary())
    assert lab.gw.run(link, lab.gateway.control, "list") == query(lab, "list")
    assert lab.gw.run(link, "-s", lab.gateway.control, "dhcp-list") == query(lab, "dhcp-list")


def test_without_a_socket_a_script_finds_the_gateway_where_chilli_query_looked(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    with Lab(settings={"control": {"socket": str(run / "chilli.lan0.sock")}}, start=False) as lab:
        lab.gateway.control = run / "chilli.lan0.sock"
        lab.gateway.start()
        assert lab.guest.lease()
        there = ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /run && exec "$@"', run)
        assert lab.gw.run(*there, binary(), "query", "list") == query(lab, "list") != ""


def test_the_garden_is_listed_and_edited_with_chilli_querys_words():
    with Lab(settings={"garden": {"allow": ["tcp:198.51.100.9:443"]}}) as lab:
        guest = lab.guest
        assert guest.lease() and guest.connect(HOST, 443) != "open"
        query(lab, "addgarden", "data", f"tcp:{HOST}:443, nmcheck.gnome.org#600")
        assert guest.connect(HOST, 443) == "open" and guest.connect(HOST, 8080) != "open"
        probe = "http://nmcheck.gnome.org/check_network_status.txt"
        assert guest.curl(probe).body == "NetworkManager is online"
        lines = query(lab, "listgarden").splitlines()
        assert lines[:3] == [
            "static garden (1/1):",
            "host=198.51.100.9 mask=255.255.255.255 proto=6 port=443",
            "dynamic garden (3/3):",
        ]
        assert f"host={HOST} mask=255.255.255.255 proto=6 port=443" in lines
        assert f"host={lab.internet.hosts['nmcheck.gnome.org']} mask=255.255.255.255 proto=0 port=0" in lines
        query(lab, "remgarden", "data", f"tcp:{HOST}:443,nmcheck.gnome.org")
        assert guest.connect(HOST, 443) != "open" and guest.curl(probe).status == 302
        assert query(lab, "listgarden").splitlines()[2:] == ["dynamic garden (0/0):"]
        for words in (("0.0.0.0/0",), (f"tcp:{GATEWAY}:22",), ("x#soon",), (HOST, "ip", guest.address)):
            assert refused(lab, "addgarden", "data", *words).returncode == 1, words


def test_what_means_nothing_here_says_what_to_do_instead(lab):
    for words, advice in ((["listradqueue"], "poblano sessions"), (["-P", "42424", "list"], "TCP"), (["lits"], "help")):
        done = refused(lab, *words)
        assert (done.returncode, done.stdout) == (2, "") and advice in done.stderr
    assert query(lab, "help").startswith("Usage: poblano query")
    gone = lab.gw.done(binary(), "query", "-s", "/nowhere", "list")
    assert gone.returncode == 1 and "is it running" in gone.stderr
